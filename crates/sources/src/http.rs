//! `http:`: tables from REST services that answer in pages of JSON or XML.
//!
//! ```text
//! ranges    for: every combination of parameters, from the bookmark on
//! flight    some combinations at a time, on a thread of their own; pages handed over in order
//! paging    page by page; announced totals against what came
//! proof     whether the paths that lead on lead anywhere
//! taking    the items of an answer
//! budget    how many more requests the service allows
//! since     which items are new, and the bookmark
//! exchange  one request: rate, retries, what a status means
//! *_page    JSON or XML as a tree; paths into it
//! rows      items as cells of text, which take the way of all text from there
//! ```
//!
//! The same answers give the same batches, however many requests are in flight. No more than a page per combination
//! in flight is kept.

mod budget;
pub(crate) mod exchange;
mod flight;
mod items_at;
pub(crate) mod json_page;
pub(crate) mod packing;
mod paging;
mod proof;
mod ranges;
mod rows;
mod since;
pub(crate) mod tree;
mod written;
mod xml_page;

use artifact::{Fingerprint, Input};
use chrono::{NaiveDate, Utc};
use reqwest::Url;
use spec::{Error, Redactor, Result, Root};
use store::Cloud;

use crate::ending::Ending;
use crate::flow;
use crate::infer::Ahead;
use crate::numerals::Numerals;
use crate::places::once;
use crate::reading::{Settings, Target};
use crate::source::{Located, Opened, Request, Source};
use crate::text::{TextBatch, TextSource};
use crate::typed::{Missing, Typing};
use demo::apartments::{City, Server};

use flight::Flight;
use items_at::lists_in_words;
use paging::Items;
use rows::{Layout, Rows};
use since::Following;

pub use written::{HttpSpec, PageFormat};

impl Source for HttpSpec {
    /// A service may answer differently each time, so it never equals an earlier one. Makes no request.
    fn locate(&self, _: &Root, _: &Cloud) -> Result<Located> {
        Ok(Input { path: self.shown.clone(), fingerprint: Fingerprint::Given(once("requests")), rows: None }.into())
    }

    fn settings(&self, of: &Target<'_>) -> Settings {
        written::settings(self, of)
    }

    fn is_incremental(&self) -> bool {
        self.incremental.is_some() || self.since.is_some()
    }

    fn may_lack_columns(&self) -> bool {
        true
    }

    /// Reads the first page, so that a service that is down or a key that is refused is known at once.
    fn open(&self, located: Located, request: &Request<'_>) -> Result<Opened> {
        self.open_on(located, request, Utc::now().date_naive())
    }
}

impl HttpSpec {
    /// Hides secrets in the path of the address, such as `/bot${TOKEN}/updates`: inputs, rows and errors name it.
    pub(crate) fn hide(&mut self, secrets: &Redactor) {
        let host = self.url.find("://").map_or(0, |at| at + 3);
        if let Some(path) = self.url[host..].find('/').map(|at| host + at) {
            self.shown = format!("{}{}", &self.url[..path], secrets.redact(&self.url[path..]));
        }
    }

    fn is_demo(&self) -> bool {
        self.url.starts_with(written::DEMO)
    }

    /// An answer that is an object is one item, unless it only wraps the list of items.
    fn check_item(&self, items: &Items) -> Result<()> {
        match (items.nodes.as_slice(), self.items.is_empty()) {
            ([one], true) => match one.lists("", 4).as_slice() {
                [] => Ok(()),
                lists => Err(Error::cannot_run(format!("{}: the answer is an object instead of a list", items.shown))
                    .hint(format!(
                        "if {}, name it under 'items'; if the object is the item, declare 'columns'",
                        lists_in_words(lists)
                    ))),
            },
            _ => Ok(()),
        }
    }

    fn open_on(&self, located: Located, request: &Request<'_>, today: NaiveDate) -> Result<Opened> {
        let (declared, reach) = (request.columns, request.reach);
        let (combinations, goal) = ranges::combinations(self, reach, today)?;
        let (server, url) = match written::demo_of(&self.url) {
            Some((shifts, path)) => {
                let city = City::with_shifts(shifts).map_err(|wrong| Error::cannot_run(format!("'url': {wrong}")))?;
                let server = Server::start(city)?;
                let url = server.url(path);
                (Some(server), url)
            }
            None => (None, self.url.clone()),
        };
        let base =
            Url::parse(&url).map_err(|error| Error::cannot_run(format!("'url' is not a valid address: {error}")))?;
        let ending = Ending::default();
        let mut spec = self.clone();
        if let Some(since) = &mut spec.since {
            if declared.is_none() {
                return Err(Error::cannot_run(
                    "'since' needs 'columns': the few items of a later run do not show their types",
                )
                .hint("declare the columns of the table"));
            }
            since.value = since.value(reach)?;
        }
        let following = self.since.as_ref().map(|since| since.follow(reach, &ending, Utc::now())).transpose()?;
        let follower = following.as_ref().map(Following::follower);
        let mut flight = Flight::start(&spec, base, combinations, server, ending.doubts.clone())?;
        let mut first = flight.next();
        while let (None, Some(Ok(items))) = (declared, &first) {
            if !items.nodes.is_empty() {
                break;
            }
            first = flight.next();
        }
        let first = first.transpose()?;
        let missing = Missing::empty();
        let (layout, names) = match (declared, &first) {
            (Some(declared), _) => {
                let names = declared.iter().map(|(name, of)| (of.from.as_deref().unwrap_or(name), of.optional));
                let layout = Layout::declared(names);
                (self.since.iter().fold(layout, |layout, since| layout.follow(&since.at)), Vec::new())
            }
            (None, Some(items)) => {
                self.check_item(items)?;
                Layout::found(&self.explode.of_items(items.clone(), &tree::Lists::default())?, &ending)
            }
            (None, None) => {
                return Err(Error::refused(format!(
                    "{}: the service returned no items, so columns cannot be inferred",
                    self.shown
                ))
                .hint("check 'for' and 'items', or declare 'columns'"));
            }
        };
        let goal = goal.map(|goal| (ending.bookmark.clone(), goal));
        let mut rows = Rows {
            flight,
            layout,
            rows_in: ending.rows_in.clone(),
            url: self.shown.clone(),
            bookmark: goal,
            explode: self.explode.clone(),
            lists: tree::Lists::default(),
            lines: 0,
            following,
            doubts: ending.doubts.clone(),
            adds: request.adds,
        };
        let first = first.filter(|items| !items.nodes.is_empty()).map(|items| rows.batch(items)).transpose()?;
        let first: Option<TextBatch> = first.filter(|batch| !batch.is_empty());
        let (columns, first, rest): (_, _, Box<dyn TextSource>) = match (declared, first) {
            (Some(declared), first) => {
                let columns = declared.iter().map(|(name, spec)| (name.to_owned(), spec.clone())).collect();
                (columns, first, Box::new(rows))
            }
            (None, Some(first)) => {
                // Later pages are held to the first: to read ahead would request pages that may not be needed.
                let ahead = Ahead::only(first, Box::new(rows));
                (ahead.columns(names, &missing, Numerals::default()), None, Box::new(ahead))
            }
            (None, None) => (Vec::new(), None, Box::new(rows)),
        };
        let typing = Typing { columns, missing };
        let schemas = typing.schemas();
        let batches = match follower {
            None => flow::flow(first, rest, typing)?,
            Some(follower) => {
                let watch = Box::new(move |batch| {
                    follower.hand_out(batch);
                    None
                });
                flow::watched(first, rest, typing, watch)?
            }
        };
        Ok(Opened::typed(located.inputs, schemas, batches, ending))
    }
}
