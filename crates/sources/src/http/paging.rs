//! Goes through the pages of one combination and keeps its books.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use futures::SinkExt;
use futures::channel::mpsc::Sender;
use reqwest::Url;
use spec::{Error, Result};

use super::HttpSpec;
use super::exchange::{Client, Page};
use super::items_at::ItemsAt;
use super::proof::{Lead, NO_LINK, Proof};
use super::ranges::Combination;
use super::tree::{Found, Node, Path};
use super::written::Pages;

/// The items of one page.
#[derive(Clone, Debug)]
pub(crate) struct Items {
    /// The request without secrets and page: `https://h/trades?LAWD_CD=11110`.
    pub shown: Arc<str>,
    /// How many items of the same combination came before.
    pub before: u64,
    pub nodes: Vec<Node>,
    /// The answer says what is text and what is a number.
    pub typed: bool,
}

/// Most pages of one combination: a service that never ends must not be asked for ever.
const MOST: u64 = 100_000;
/// So many empty pages in a row, each of which leads on to another, are the end.
const EMPTY: u32 = 10;

/// A page with this many items is taken for a full one if its size is not configured.
const SIZES: [usize; 12] = [10, 20, 25, 30, 40, 50, 100, 200, 250, 300, 500, 1000];

/// Whether a parameter says how many items a page holds.
fn is_size(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["size", "limit", "per_page", "perpage", "per-page", "count", "rows", "top", "max", "take"]
        .iter()
        .any(|word| name.contains(word))
}

/// What one combination has read so far.
struct Walk<'a> {
    spec: &'a HttpSpec,
    base: &'a Url,
    combination: &'a Combination,
    shown: Arc<str>,
    page: u64,
    landed: u64,
    total: Option<u64>,
    /// The hashes of the addresses that were requested: they may hold the key.
    asked: HashSet<u64>,
    /// The hashes of the items of each page, with its number.
    seen: HashMap<u64, u64>,
    /// The cursor, the address or the last id that leads to the page to come.
    next: Option<String>,
    /// The address of the last page, which relative ones in it count from.
    here: Url,
    /// Items of the first page.
    first: usize,
    /// Empty pages in a row.
    empty: u32,
    proof: &'a Proof,
    /// The paths that an answer lacked.
    missing: Vec<(Lead, Error)>,
}

/// What an answer says of the pages to come.
struct Ahead {
    /// Whether there are more, if the answer says so.
    more: Option<bool>,
    /// What leads to the next.
    pointer: Option<String>,
}

/// Reads all pages of `combination` and sends their items, then the error that ended it, if any.
pub(crate) async fn walk(
    client: Arc<Client>,
    spec: Arc<HttpSpec>,
    base: Url,
    combination: Combination,
    proof: Arc<Proof>,
    mut out: Sender<Result<Items>>,
) {
    let shown: Arc<str> = format!("{}{combination}", spec.shown).into();
    let mut walk = Walk {
        spec: &spec,
        base: &base,
        combination: &combination,
        shown,
        page: 0,
        landed: 0,
        total: None,
        asked: HashSet::new(),
        seen: HashMap::new(),
        next: None,
        here: base.clone(),
        first: 0,
        empty: 0,
        proof: &proof,
        missing: Vec::new(),
    };
    loop {
        let step = walk.step(&client).await;
        let (items, more) = match step {
            Ok((items, more)) => (Ok(items), more),
            Err(error) => (Err(error), false),
        };
        let is_over = !more && items.is_ok();
        if out.send(items).await.is_err() || !more {
            if is_over {
                walk.hand_in();
            }
            return;
        }
    }
}

impl Walk<'_> {
    /// The next page, and whether there are more.
    async fn step(&mut self, client: &Client) -> Result<(Items, bool)> {
        let url = self.url()?;
        self.page += 1;
        if self.page > MOST {
            return Err(Error::cannot_run(format!("{}: more than {MOST} pages", self.shown))
                .hint("check 'pages': the service may never say that it is done; ask for larger pages under 'query'"));
        }
        let place = match self.page {
            1 => self.shown.to_string(),
            page => format!("{}, page {page}", self.shown),
        };
        let page = client.page(&url, &place).await?;
        self.asked.insert(hash(&url));
        self.here = url;
        self.take(page).map_err(|error| error.context(place))
    }

    fn url(&self) -> Result<Url> {
        if let (Pages::Link | Pages::Next(_), Some(next)) = (&self.spec.pages, &self.next) {
            return self.followed(next);
        }
        let mut url = self.base.clone();
        {
            let mut query = url.query_pairs_mut();
            for (name, value) in self.spec.query.iter() {
                query.append_pair(name, value.expose());
            }
            if let Some(since) = &self.spec.since
                && let Some(value) = &since.value
            {
                query.append_pair(&since.query, value);
            }
            for (name, value) in &self.combination.0 {
                query.append_pair(name, value);
            }
            match &self.spec.pages {
                Pages::None | Pages::Link | Pages::Next(_) => {}
                Pages::Number(number) => {
                    query.append_pair(&number.query, &(number.first + self.page).to_string());
                }
                Pages::Offset(offset) => {
                    query.append_pair(&offset.query, &(offset.first + self.landed).to_string());
                }
                Pages::Cursor(cursor) => {
                    if let Some(next) = &self.next {
                        query.append_pair(&cursor.query, next);
                    }
                }
                Pages::Last(last) => {
                    if let Some(next) = &self.next {
                        query.append_pair(&last.query, next);
                    }
                }
            }
        }
        if url.query() == Some("") {
            url.set_query(None);
        }
        Ok(url)
    }

    /// The address that a `Link` header or the answer names. It may hold the key, so errors do not repeat it.
    fn followed(&self, next: &str) -> Result<Url> {
        let what = self.lead();
        let url = self
            .here
            .join(next)
            .map_err(|error| Error::cannot_run(format!("{}: {what} is not a valid address: {error}", self.shown)))?;
        match url.origin() == self.base.origin() {
            true => Ok(url),
            false => Err(Error::cannot_run(format!("{}: {what} leads to another server", self.shown))
                .hint("the key is not sent there; if that server is meant, name it under 'url'")),
        }
    }

    /// What leads from one page to the next, for errors.
    fn lead(&self) -> String {
        match &self.spec.pages {
            Pages::Cursor(cursor) => format!("'{}'", cursor.at),
            Pages::Next(next) => format!("'{}'", next.at),
            Pages::Last(last) => format!("'{}' of the last item", last.id),
            Pages::None | Pages::Link | Pages::Number(_) | Pages::Offset(_) => "the 'Link' to the next page".to_owned(),
        }
    }

    fn take(&mut self, page: Page) -> Result<(Items, bool)> {
        self.check_names(&page.root)?;
        self.announced(&page.root)?;
        let ahead = self.ahead(&page)?;
        if page.has_link {
            self.proof.of(Lead::Link).found.store(true, Ordering::Relaxed);
        }
        if matches!(self.spec.pages, Pages::None) && self.total.is_none() {
            let in_body =
                || Some(format!("'{}'", sign_of_more(&page.root, 3).filter(|_| !self.spec.items.is_empty())?));
            if let Some(place) = page.next.as_ref().map(|_| "its 'Link' header".to_owned()).or_else(in_body) {
                self.proof.doubt(format!(
                    "{}: the answer names a next page in {place}, but 'pages' is none, so one page was read",
                    self.shown
                ));
            }
        }
        let items_at =
            ItemsAt { at: &self.spec.items, is_paged: !matches!(self.spec.pages, Pages::None), total: self.total };
        let nodes = items_at.of(page.root)?;
        if self.page == 1 {
            self.first = nodes.len();
        }
        let before = self.landed;
        self.landed += nodes.len() as u64;
        match nodes.is_empty() {
            true => self.is_empty(&ahead)?,
            false => {
                self.empty = 0;
                self.repeated(&nodes)?;
            }
        }
        if let (Pages::Cursor(cursor), Some(true), None) = (&self.spec.pages, ahead.more, &ahead.pointer) {
            let what = format!("the answer says that more items follow, but '{}' does not lead to them", cursor.at);
            return Err(Error::refused(what).hint("check 'at' and 'more' under 'pages'; or run again"));
        }
        if self.empty == EMPTY && ahead.pointer.is_some() && self.total.is_none() {
            self.proof.doubt(format!(
                "{}: {EMPTY} empty pages in a row, each of which leads to another, were taken for the end",
                self.shown
            ));
        }
        let more = match &self.spec.pages {
            Pages::None => false,
            Pages::Number(_) | Pages::Offset(_) => match (ahead.more, self.total) {
                _ if nodes.is_empty() => false,
                (Some(more), _) => more,
                (None, Some(total)) => self.landed < total,
                (None, None) => true,
            },
            Pages::Link | Pages::Next(_) | Pages::Cursor(_) => {
                ahead.pointer.is_some() && ahead.more != Some(false) && self.empty < EMPTY
            }
            Pages::Last(_) => !nodes.is_empty() && ahead.more != Some(false),
        };
        self.next = match (&self.spec.pages, nodes.last()) {
            (Pages::Last(last), Some(node)) if more => Some(self.id(&last.id, node)?),
            _ => ahead.pointer,
        };
        let more = more && self.leads_on(nodes.is_empty())?;
        if !more {
            self.balance()?;
        }
        Ok((Items { shown: self.shown.clone(), before, nodes, typed: page.typed }, more))
    }

    /// Refuses an answer that has a name twice on the way to the items, or to what says how many there are or where they go on.
    fn check_names(&self, root: &Node) -> Result<()> {
        let HttpSpec { items, total, pages, .. } = self.spec;
        let paths = [Some(items), total.as_ref(), pages.more(), pages.pointer().map(|(at, _)| at)];
        paths.into_iter().flatten().try_for_each(|path| path.check_once(root))
    }

    /// What the answer says of the pages to come.
    fn ahead(&mut self, page: &Page) -> Result<Ahead> {
        let spec = self.spec;
        let more = match spec.pages.more() {
            None => None,
            Some(at) => Some(match self.look(Lead::More, at, &page.root, false) {
                None => false,
                Some(node) => yes_or_no(node).ok_or_else(|| {
                    let shown = node.json();
                    Error::cannot_run(format!("'{at}' is {shown}, which is neither true nor false"))
                        .hint("check 'more'")
                })?,
            }),
        };
        let pointer = match spec.pages.pointer() {
            None => page.next.clone().filter(|_| matches!(spec.pages, Pages::Link)),
            Some((at, optional)) => match self.look(Lead::Pointer, at, &page.root, optional) {
                Some(node @ (Node::List(_) | Node::Map(_) | Node::NoText(_))) => {
                    let what = format!("'{at}' is {} instead of a text", node.kind());
                    return Err(Error::cannot_run(what).hint("check 'pages': 'at' is a dotted path"));
                }
                // Services that have no null say so.
                Some(Node::Plain(text)) if text == "false" => None,
                Some(node) => node.plain().map(str::to_owned),
                None => None,
            },
        };
        Ok(Ahead { more, pointer })
    }

    /// What a path leads to; notes whether it leads anywhere.
    fn look<'n>(&mut self, lead: Lead, at: &Path, root: &'n Node, optional: bool) -> Option<&'n Node> {
        match at.find(root) {
            Found::Missing(_) if optional => None,
            Found::Missing(way_out) => {
                let what = format!("{}: no answer has a '{at}', which leads to the next page", self.spec.shown);
                let error = Error::cannot_run(what).hint(format!("check 'pages': {way_out}"));
                self.missing.push((lead, error));
                None
            }
            Found::Nothing => {
                self.proof.of(lead).found.store(true, Ordering::Relaxed);
                None
            }
            Found::Node(node) => {
                self.proof.of(lead).found.store(true, Ordering::Relaxed);
                Some(node)
            }
        }
    }

    /// All pages were read. A path that led nowhere does no harm if the announced items came, or if there were none.
    fn hand_in(&mut self) {
        if self.total.is_some() || self.landed == 0 {
            return;
        }
        for (lead, error) in self.missing.drain(..) {
            self.proof.of(lead).missing.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        if matches!(self.spec.pages, Pages::Link) && self.page == 1 {
            self.without_link();
        }
    }

    /// One page was read, on the word of a `Link` header that is missing. Services leave it out where there is one page,
    /// and those that know no such header look alike. A page that is full is taken for one of many.
    fn without_link(&self) {
        let count = self.first;
        let sizes = self.spec.query.iter().filter(|(name, _)| is_size(name));
        let asked = sizes.filter_map(|(name, value)| Some((name, value.expose().parse::<usize>().ok()?))).next();
        let doubt = |full: &str| {
            self.proof.doubt(format!(
                "{}: {NO_LINK}, so one page was read, of {count} items{full}; if that is all, write 'pages: none'",
                self.shown
            ));
        };
        let full = match asked {
            Some((name, size)) if size == count => {
                format!("its first page is full, with the {count} items that '{name}' asks for")
            }
            // A page that is not full is the last, unless the service has a limit of its own.
            Some((_, size)) if count < size && !SIZES.contains(&count) => return,
            Some((name, size)) if count < size => {
                return doubt(&format!(", though '{name}' asks for {size}: the service may have a limit of its own"));
            }
            _ if SIZES.contains(&count) => format!("its first page holds {count} items, which looks like a full page"),
            _ => return doubt(""),
        };
        let error = Error::cannot_run(format!("{}: {NO_LINK}, and {full}", self.shown))
            .hint("write how the service leads on under 'pages' (number, offset, cursor, next or last), or 'pages: none' if that is all");
        self.proof.of(Lead::Link).missing.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn id(&self, at: &Path, item: &Node) -> Result<String> {
        let (what, way_out) = match at.find(item) {
            Found::Node(node) => match node.plain() {
                Some(id) => return Ok(id.to_owned()),
                None => (format!("'{at}' of the last item is {}", node.kind()), "it is a dotted path".to_owned()),
            },
            Found::Nothing => (format!("'{at}' of the last item is null"), "it is a dotted path".to_owned()),
            Found::Missing(way_out) => (format!("the last item has no '{at}'"), way_out),
        };
        Err(Error::cannot_run(what).hint(format!("check 'id' under 'pages': {way_out}")))
    }

    /// Compares the announced total with that of the pages before.
    fn announced(&mut self, root: &Node) -> Result<()> {
        let Some(at) = &self.spec.total else { return Ok(()) };
        let found = match at.find(root) {
            Found::Node(node) => node.plain(),
            Found::Nothing => None,
            Found::Missing(way_out) => {
                return Err(
                    Error::cannot_run(format!("the answer has no '{at}'")).hint(format!("check 'total': {way_out}"))
                );
            }
        };
        let number = found.and_then(|text| text.replace(',', "").parse::<u64>().ok());
        let total = number
            .ok_or_else(|| Error::cannot_run(format!("'{at}' is not a number of items")).hint("check 'total'"))?;
        match self.total.replace(total) {
            Some(before) if before != total => {
                Err(Error::try_again(format!("the announced total changed from {before} to {total} between two pages"))
                    .hint("the data changed while it was read; run again"))
            }
            _ => Ok(()),
        }
    }

    fn is_empty(&mut self, ahead: &Ahead) -> Result<()> {
        self.empty += 1;
        let run_again = "run again; if it happens again, ask the service's owner which page is missing";
        match (&self.spec.pages, self.total) {
            (Pages::Number(_) | Pages::Offset(_) | Pages::Last(_), Some(total)) if self.landed < total => {
                Err(Error::refused(format!(
                    "the page is empty, though only {} of {total} announced items came",
                    self.landed
                ))
                .hint(run_again))
            }
            (Pages::Number(_) | Pages::Offset(_) | Pages::Last(_), _) if ahead.more == Some(true) => {
                Err(Error::refused("the page is empty, though it says that more follow").hint(run_again))
            }
            _ if ahead.more == Some(true) && self.empty >= EMPTY => {
                Err(Error::refused(format!("{EMPTY} pages in a row are empty, though each says that more follow"))
                    .hint(run_again))
            }
            _ => Ok(()),
        }
    }

    fn repeated(&mut self, nodes: &[Node]) -> Result<()> {
        match self.seen.insert(hash(nodes), self.page) {
            Some(before) => Err(again(&format!("the page holds the same items as page {before}"))),
            None => Ok(()),
        }
    }

    /// The page to come must be a new one: services that say what comes next may lead in a circle. An empty page that
    /// leads to where we were is the last.
    fn leads_on(&self, is_empty: bool) -> Result<bool> {
        if matches!(self.spec.pages, Pages::None | Pages::Number(_) | Pages::Offset(_)) {
            return Ok(true);
        }
        match self.asked.contains(&hash(&self.url()?)) {
            true if is_empty => Ok(false),
            true => Err(again(&format!("{} leads back to an earlier page", self.lead()))),
            false => Ok(true),
        }
    }

    /// The announced total must be what landed.
    fn balance(&self) -> Result<()> {
        match self.total {
            Some(total) if total != self.landed => {
                let gap = format!("{total} items were announced, but {} came", self.landed);
                Err(Error::refused(gap)
                    .hint("nothing was published; run again, and check 'pages' and 'items' if it happens again"))
            }
            _ => Ok(()),
        }
    }
}

/// Where an answer says that another page follows, by a name that services use for that, so many levels deep; nothing if it does not.
fn sign_of_more(node: &Node, levels: usize) -> Option<String> {
    const LEADS: [&str; 8] =
        ["next", "nextpage", "nextlink", "nexturl", "nexthref", "nextcursor", "nexttoken", "nextpagetoken"];
    const SAYS: [&str; 6] = ["hasmore", "hasnext", "hasnextpage", "hasmorepages", "morepages", "istruncated"];
    let Node::Map(members) = node else { return None };
    let here = members.iter().find(|(name, value)| {
        let own = name.rsplit(['.', ':']).next().unwrap_or_default();
        let name: String = own.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let address = value.member("href").unwrap_or(value);
        let leads = LEADS.contains(&name.as_str()) && address.plain().is_some_and(|text| text != "false");
        leads || SAYS.contains(&name.as_str()) && value.plain() == Some("true")
    });
    let deeper = || members.iter().find_map(|(name, value)| Some((name, sign_of_more(value, levels.checked_sub(1)?)?)));
    match here {
        Some((name, _)) => Some(name.clone()),
        None => deeper().map(|(name, below)| format!("{name}.{below}")),
    }
}

/// Whether an answer says yes: a boolean, or a number of what is left.
fn yes_or_no(node: &Node) -> Option<bool> {
    match node.plain().map(str::to_ascii_lowercase).as_deref() {
        None if matches!(node, Node::Null | Node::Text(_)) => Some(false),
        None => None,
        Some("true" | "yes" | "y") => Some(true),
        Some("false" | "no" | "n") => Some(false),
        Some(number) => number.parse::<u64>().ok().map(|left| left > 0),
    }
}

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn again(what: &str) -> Error {
    Error::refused(what).hint("check 'pages': the service may not know the parameter; or run again")
}
