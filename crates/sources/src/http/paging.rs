//! Goes through the pages of one combination and keeps its books.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use futures::SinkExt;
use futures::channel::mpsc::Sender;
use reqwest::Url;
use spec::{Error, Result};

use super::HttpSpec;
use super::exchange::{Client, Page};
use super::ranges::Combination;
use super::tree::{Found, Node};
use super::written::Pages;

/// The items of one page.
#[derive(Debug)]
pub(crate) struct Items {
    /// The request without secrets and page: `https://h/trades?LAWD_CD=11110`.
    pub shown: Arc<str>,
    /// How many items of the same combination came before.
    pub before: u64,
    pub nodes: Vec<Node>,
    /// The answer says what is text and what is a number.
    pub typed: bool,
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
    /// The hashes of the addresses that were asked for: they may hold the key.
    asked: HashSet<u64>,
    /// The hashes of the items of each page, with its number.
    seen: HashMap<u64, u64>,
    /// The cursor or the address of the page to come.
    next: Option<String>,
}

/// Reads all pages of `combination` and sends their items, then the error that ended it, if any.
pub(crate) async fn walk(
    client: Arc<Client>,
    spec: Arc<HttpSpec>,
    base: Url,
    combination: Combination,
    mut out: Sender<Result<Items>>,
) {
    let shown: Arc<str> = format!("{}{combination}", spec.url).into();
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
    };
    loop {
        let step = walk.step(&client).await;
        let (items, more) = match step {
            Ok((items, more)) => (Ok(items), more),
            Err(error) => (Err(error), false),
        };
        if out.send(items).await.is_err() || !more {
            return;
        }
    }
}

impl Walk<'_> {
    /// The next page, and whether there are more.
    async fn step(&mut self, client: &Client) -> Result<(Items, bool)> {
        let url = self.url()?;
        self.page += 1;
        let place = match self.page {
            1 => self.shown.to_string(),
            page => format!("{}, page {page}", self.shown),
        };
        let page = client.page(&url, &place).await?;
        self.asked.insert(hash(&url));
        self.take(page).map_err(|error| error.context(place))
    }

    fn url(&self) -> Result<Url> {
        if let (Pages::Link, Some(next)) = (&self.spec.pages, &self.next) {
            return self.followed(next);
        }
        let mut url = self.base.clone();
        {
            let mut query = url.query_pairs_mut();
            for (name, value) in self.spec.query.iter() {
                query.append_pair(name, value.expose());
            }
            for (name, value) in &self.combination.0 {
                query.append_pair(name, value);
            }
            match &self.spec.pages {
                Pages::None | Pages::Link => {}
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
            }
        }
        if url.query() == Some("") {
            url.set_query(None);
        }
        Ok(url)
    }

    /// The address that a `Link` header names. It may hold the key, so errors do not repeat it.
    fn followed(&self, next: &str) -> Result<Url> {
        let url = self.base.join(next).map_err(|error| {
            Error::cannot_run(format!("{}: the 'Link' to the next page is no address: {error}", self.shown))
        })?;
        match url.origin() == self.base.origin() {
            true => Ok(url),
            false => {
                Err(Error::cannot_run(format!("{}: the 'Link' to the next page leads to another server", self.shown))
                    .hint("the key is not sent there; if that server is meant, name it under 'url'"))
            }
        }
    }

    fn take(&mut self, page: Page) -> Result<(Items, bool)> {
        self.announced(&page.root)?;
        let next = self.next_of(&page)?;
        let nodes = self.items(page.root)?;
        let before = self.landed;
        self.landed += nodes.len() as u64;
        if nodes.is_empty() {
            self.empty()?;
        } else {
            self.repeated(&nodes)?;
        }
        let more = match &self.spec.pages {
            Pages::None => false,
            Pages::Number(_) | Pages::Offset(_) => match self.total {
                Some(total) => self.landed < total,
                None => !nodes.is_empty(),
            },
            Pages::Link | Pages::Cursor(_) => next.is_some(),
        };
        self.next = next;
        match more {
            true => self.leads_on()?,
            false => self.balance()?,
        }
        Ok((Items { shown: self.shown.clone(), before, nodes, typed: page.typed }, more))
    }

    /// What leads to the next page, for services that say it.
    fn next_of(&self, page: &Page) -> Result<Option<String>> {
        match &self.spec.pages {
            Pages::Link => Ok(page.next.clone()),
            Pages::Cursor(cursor) => Ok(cursor.at.text(&page.root).map(str::to_owned)),
            Pages::None | Pages::Number(_) | Pages::Offset(_) => Ok(None),
        }
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
            .ok_or_else(|| Error::cannot_run(format!("'{at}' holds no number of items")).hint("check 'total'"))?;
        match self.total.replace(total) {
            Some(before) if before != total => {
                Err(Error::try_again(format!("the announced total changed from {before} to {total} between two pages"))
                    .hint("the data changed while it was read; run again"))
            }
            _ => Ok(()),
        }
    }

    fn items(&self, mut root: Node) -> Result<Vec<Node>> {
        let at = &self.spec.items;
        let wrong = |what: String, way_out: String| Error::cannot_run(what).hint(format!("check 'items': {way_out}"));
        match at.find(&root) {
            Found::Nothing => return Ok(Vec::new()),
            Found::Missing(_) if self.total == Some(0) => return Ok(Vec::new()),
            Found::Missing(way_out) => return Err(wrong(format!("the answer has no '{at}'"), way_out)),
            Found::Node(_) => {}
        }
        match at.take(&mut root) {
            Node::List(nodes) => Ok(nodes),
            Node::Null => Ok(Vec::new()),
            one @ Node::Map(_) => Ok(vec![one]),
            other => {
                let path = at.to_string();
                let shown = if path.is_empty() { "the answer".to_owned() } else { format!("'{path}'") };
                Err(wrong(format!("{shown} is {} instead of a list", other.kind()), "it is a dotted path".to_owned()))
            }
        }
    }

    fn empty(&self) -> Result<()> {
        match (&self.spec.pages, self.total) {
            (Pages::Number(_) | Pages::Offset(_), Some(total)) if self.landed < total => Err(Error::refused(format!(
                "the page is empty, though only {} of {total} announced items came",
                self.landed
            ))
            .hint("run again; if it stays so, ask the service's owner which page is missing")),
            _ => Ok(()),
        }
    }

    fn repeated(&mut self, nodes: &[Node]) -> Result<()> {
        match self.seen.insert(hash(nodes), self.page) {
            Some(before) => Err(again(&format!("the page holds the same items as page {before}"))),
            None => Ok(()),
        }
    }

    /// The page to come must be a new one: services that say what comes next may lead in a circle.
    fn leads_on(&self) -> Result<()> {
        let what = match &self.spec.pages {
            Pages::None | Pages::Number(_) | Pages::Offset(_) => return Ok(()),
            Pages::Link => "the 'Link' to the next page".to_owned(),
            Pages::Cursor(cursor) => format!("'{}'", cursor.at),
        };
        match self.asked.contains(&hash(&self.url()?)) {
            true => Err(again(&format!("{what} leads back to a page that came before"))),
            false => Ok(()),
        }
    }

    /// The announced total must be what landed.
    fn balance(&self) -> Result<()> {
        match self.total {
            Some(total) if total != self.landed => {
                let gap = format!("{total} items were announced, but {} came", self.landed);
                Err(Error::refused(gap)
                    .hint("nothing was published; run again, and check 'pages' and 'items' if it stays so"))
            }
            _ => Ok(()),
        }
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
