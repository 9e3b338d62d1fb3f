//! The `web` source: pages for people, read by CSS selectors, as a polite robot reads them.
//!
//! ```text
//! written   what ingest.yaml says
//! selector  which elements are meant
//! robots    what a site allows
//! visit     one page: robots.txt, pauses, retries, redirects, encodings
//! document  a page as a tree
//! pick      fields of a row, and links
//! crawl     from page to page, rows as cells of text
//! ```
//!
//! Requests are made one after the other, each after a pause. Rows keep the order of the pages.

mod crawl;
mod document;
mod pick;
mod robots;
mod selector;
mod short;
mod visit;
mod written;

use artifact::{Fingerprint, Input};
use spec::{Error, Result, Root, did_you_mean};
use store::Cloud;

use crate::ending::Ending;
use crate::flow;
use crate::infer::Ahead;
use crate::numerals::Numerals;
use crate::places::once;
use crate::reading::{Settings, Target};
use crate::source::{Located, Opened, Request, Source};
use crate::text::TextSource;
use crate::typed::{Missing, Typing};

use crawl::Crawl;

pub use written::WebSpec;

impl Source for WebSpec {
    /// A site may show something else each time, so it never equals an earlier one. Makes no request.
    fn locate(&self, _: &Root, _: &Cloud) -> Result<Located> {
        let input = |url: &reqwest::Url| Input {
            path: url.to_string(),
            fingerprint: Fingerprint::Given(once("requests")),
            rows: None,
        };
        Ok(Located { inputs: self.start.0.iter().map(input).collect(), places: Vec::new() })
    }

    fn settings(&self, of: &Target<'_>) -> Settings {
        written::settings(self, of)
    }

    /// Reads the first page with rows, so that a site that is down or forbids to be read is known at once.
    fn open(&self, located: Located, request: &Request<'_>) -> Result<Opened> {
        let known = || self.fields.names();
        let names: Vec<String> = match request.columns {
            None => known().map(str::to_owned).collect(),
            Some(declared) => {
                let of = declared.iter().map(|(name, of)| of.from.as_deref().unwrap_or(name));
                of.map(str::to_owned).collect()
            }
        };
        if let Some(unknown) = names.iter().find(|name| self.fields.get(name).is_none()) {
            return Err(Error::cannot_run(format!("the column '{unknown}' is not under 'fields' of the source"))
                .hint(did_you_mean(unknown, known())));
        }
        let ending = Ending::default();
        let missing = Missing::empty();
        let mut crawl = Crawl::new(self, names.clone(), &ending)?;
        let first = crawl.next_batch()?;
        let (columns, first, rest): (_, _, Box<dyn TextSource>) = match (request.columns, first) {
            (Some(declared), first) => {
                let columns = declared.iter().map(|(name, spec)| (name.to_owned(), spec.clone())).collect();
                (columns, first, Box::new(crawl))
            }
            (None, Some(first)) => {
                // Later pages must fit the first. Reading ahead would request pages that may not be needed.
                let ahead = Ahead::only(first, Box::new(crawl));
                (ahead.columns(names, &missing, Numerals::default()), None, Box::new(ahead))
            }
            // A crawl without any row has already ended with an error.
            (None, None) => (Vec::new(), None, Box::new(crawl)),
        };
        let typing = Typing { columns, missing };
        Ok(Opened::typed(located.inputs, typing.schemas(), flow::flow(first, rest, typing)?, ending))
    }
}
