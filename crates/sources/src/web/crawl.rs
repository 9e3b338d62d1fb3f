//! Follows pages in order, and makes cells of text of their rows.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::Url;
use spec::{Error, Result, text};

use crate::ending::{Doubts, Ending};
use crate::text::{Broken, Cell, TextBatch, TextSource};

use super::document::Id;
use super::visit::{Page, Visitor};
use super::written::{Of, WebSpec};

/// Characters of a refused row that are kept.
const KEPT: usize = 4000;

/// The fields of a page of details, or why one of them cannot be read.
type Details = Result<Arc<HashMap<String, Option<String>>>, String>;

/// Reads all pages, one after the other.
pub(super) struct Crawl {
    spec: WebSpec,
    visitor: Visitor,
    /// The fields of the columns, in their order. No others are looked for.
    names: Vec<String>,
    /// Whether one of them is on the pages of details.
    has_details: bool,
    starts: VecDeque<Url>,
    chain: Option<Chain>,
    /// Pages of details that were read: rows may share one.
    details: HashMap<Url, Details>,
    traces: Traces,
    rows_in: Arc<AtomicU64>,
    doubts: Doubts,
}

/// Pages that lead from one to the next.
#[derive(Default)]
struct Chain {
    next: Option<Url>,
    /// How many were read.
    pages: usize,
    /// Their addresses, also those that lead to others.
    seen: Vec<Url>,
    /// The rows of each page that has some, by their texts, with the page's number.
    shown: HashMap<blake3::Hash, usize>,
}

/// What was found on any page: a selector that never matches is most likely misspelt.
#[derive(Default)]
struct Traces {
    rows: u64,
    next: bool,
    /// Why no row has led to a page of details so far.
    details: Option<Result<(), String>>,
    fields: BTreeMap<String, bool>,
}

impl Crawl {
    pub(super) fn new(spec: &WebSpec, names: Vec<String>, ending: &Ending) -> Result<Crawl> {
        let is_of_details = |name: &String| spec.fields.get(name).is_some_and(|field| field.of == Of::Details);
        Ok(Crawl {
            has_details: names.iter().any(is_of_details),
            visitor: Visitor::new(spec)?,
            names,
            starts: spec.start.0.iter().cloned().collect(),
            chain: None,
            details: HashMap::new(),
            traces: Traces::default(),
            rows_in: ending.rows_in.clone(),
            doubts: ending.doubts.clone(),
            spec: spec.clone(),
        })
    }

    /// The next page, and its number among those of its start.
    fn next_page(&mut self) -> Result<Option<(Page, usize)>> {
        let limit = self.spec.pages.map_or(usize::MAX, |pages| pages as usize);
        let mut chain = self.chain.take().filter(|chain| chain.next.is_some() && chain.pages < limit);
        if chain.is_none() {
            let Some(start) = self.starts.pop_front() else { return Ok(None) };
            chain = Some(Chain { next: Some(start), ..Chain::default() });
        }
        let Some((mut chain, url)) = chain.and_then(|mut chain| chain.next.take().map(|url| (chain, url))) else {
            return Ok(None);
        };
        let number = chain.pages + 1;
        let page = self.visitor.page(&url)?.map_err(|why| {
            let error = Error::cannot_run(format!("{url}: {why}"));
            match number {
                1 => error.hint("correct 'start', or ask the site's owner"),
                _ => error.hint("nothing was published; correct 'next', or read fewer pages with 'pages'"),
            }
        })?;
        chain.pages = number;
        chain.seen.push(url.clone());
        if page.url != url {
            chain.seen.push(page.url.clone());
        }
        chain.next = self.following(&page, &chain, number)?;
        self.chain = Some(chain);
        Ok(Some((page, number)))
    }

    /// The pages that a page leads to.
    fn following(&mut self, page: &Page, chain: &Chain, number: usize) -> Result<Option<Url>> {
        let Some(lead) = &self.spec.next else { return Ok(None) };
        let wrong = |what: String| Error::cannot_run(format!("{}: {what}", page.url)).hint("correct 'next'");
        let mut links = page.links(&lead.select.select(&page.document, 0)).map_err(wrong)?;
        // On some sites the last page links to itself.
        links.retain(|link| *link != page.url && Some(link) != chain.seen.last());
        let next = match links.as_slice() {
            [] => return Ok(None),
            [one] => one.clone(),
            [one, other, ..] => {
                return Err(wrong(format!("{} links match '{}', to {one} and {other}", links.len(), lead.select)));
            }
        };
        self.traces.next = true;
        match chain.seen.contains(&next) {
            false => Ok(Some(next)),
            true => Err(Error::refused(format!(
                "{}: page {number} leads back to {next}, which was read already",
                page.url
            ))
            .hint("nothing was published; check that 'next' is the link to the next page, and not to an earlier one")),
        }
    }

    fn batch(&mut self, page: &Page, number: usize) -> Result<TextBatch> {
        let rows = self.spec.rows.select(&page.document, 0);
        if let Some(pair) = rows.windows(2).find(|pair| page.document.is_within(pair[1], pair[0])) {
            let inner = text::cut(&page.document.text(pair[1]), 60);
            return Err(Error::cannot_run(format!(
                "{}: elements that match '{}' lie within one another ('{inner}')",
                page.url, self.spec.rows
            ))
            .hint("narrow 'rows', such as by '>' between two selectors; each row must be an element of its own"));
        }
        if rows.is_empty() {
            self.doubts.add(format!("{}: the page has no element that matches '{}'", page.url, self.spec.rows));
        }
        self.repeated(page, &rows, number)?;
        self.traces.rows += rows.len() as u64;
        let of_page = self.fields_of(page, 0, Of::Page);
        let mut batch = TextBatch::new(page.url.to_string().into(), self.names.len());
        for (at, row) in rows.into_iter().enumerate() {
            let line = u32::try_from(at + 1).unwrap_or(u32::MAX);
            let cells = of_page.clone().and_then(|of_page| Ok((of_page, self.fields_of(page, row, Of::Row)?)));
            let cells = match (cells, self.has_details) {
                (Ok((of_page, of_row)), true) => self.details(page, row)?.map(|details| vec![of_page, of_row, details]),
                (cells, _) => cells.map(|(of_page, of_row)| vec![of_page, of_row]),
            };
            match cells {
                Err(why) => {
                    let text = text::cut(&page.document.text(row), KEPT);
                    batch.broken.push(Broken { line, text, why });
                }
                Ok(parts) => {
                    batch.lines.push(line);
                    for (name, column) in self.names.iter().zip(&mut batch.columns) {
                        let value = parts.iter().find_map(|part| part.get(name)).and_then(Option::as_deref);
                        let start = batch.bytes.len();
                        batch.bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
                        // An element without text has no value.
                        let is_there = value.is_some_and(|value| !value.is_empty());
                        column.push(if is_there { Cell::new(start, batch.bytes.len()) } else { Cell::NULL });
                    }
                }
            }
        }
        self.rows_in.fetch_add((batch.lines.len() + batch.broken.len()) as u64, Ordering::Relaxed);
        Ok(batch)
    }

    /// Fails if a page has the rows of an earlier one: some sites answer so when asked for a page that they do not have.
    fn repeated(&mut self, page: &Page, rows: &[Id], number: usize) -> Result<()> {
        let Some(chain) = self.chain.as_mut().filter(|_| !rows.is_empty()) else { return Ok(()) };
        let mut hasher = blake3::Hasher::new();
        for row in rows {
            hasher.update(page.document.text(*row).as_bytes()).update(b"\0");
            for id in page.document.within(*row) {
                let href = page.document.element(id).and_then(|element| element.attribute("href"));
                hasher.update(href.unwrap_or_default().as_bytes()).update(b"\0");
            }
        }
        match chain.shown.insert(hasher.finalize(), number) {
            None => Ok(()),
            Some(earlier) => {
                Err(Error::refused(format!("{}: page {number} has the same rows as page {earlier}", page.url))
                    .hint("nothing was published; check 'next', or stop before with 'pages'"))
            }
        }
    }

    /// The fields of one kind within `top`, by name.
    fn fields_of(&mut self, page: &Page, top: Id, of: Of) -> Details {
        let mut values = HashMap::new();
        let wanted = |name: &str| self.names.iter().any(|wanted| wanted == name);
        for (name, field) in self.spec.fields.iter().filter(|(name, field)| field.of == of && wanted(name)) {
            let value = page.values(field, top);
            let is_there = !matches!(value, Ok(None));
            *self.traces.fields.entry(name.to_owned()).or_default() |= is_there || field.optional;
            values.insert(name.to_owned(), value.map_err(|why| format!("'{name}': {why}"))?);
        }
        Ok(Arc::new(values))
    }

    /// The fields of the page of details that a row leads to.
    fn details(&mut self, page: &Page, row: Id) -> Result<Details> {
        let Some(select) = self.spec.details.clone() else { return Ok(Ok(Arc::default())) };
        let link = page.links(&select.select(&page.document, row)).and_then(|links| match links.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(format!("no link matches '{select}' under 'details'")),
            [one, other, ..] => {
                Err(format!("{} links match '{select}' under 'details', to {one} and {other}", links.len()))
            }
        });
        let details = match link {
            Err(why) => Err(why),
            Ok(url) => match self.details.get(&url) {
                Some(known) => known.clone(),
                None => {
                    let details = match self.visitor.page(&url)? {
                        Ok(details) => self.fields_of(&details, 0, Of::Details),
                        Err(why) => Err(why),
                    };
                    let details = details.map_err(|why| format!("details: {url}: {why}"));
                    self.details.insert(url, details.clone());
                    details
                }
            },
        };
        match (&details, &self.traces.details) {
            (Ok(_), _) => self.traces.details = Some(Ok(())),
            (Err(why), None) => self.traces.details = Some(Err(why.clone())),
            (Err(_), Some(_)) => {}
        }
        Ok(details)
    }

    /// To be called when all pages were read. Fails if a selector never matched.
    fn judge(&self) -> Result<()> {
        let Some(start) = self.spec.start.0.first() else { return Ok(()) };
        let hint = "look at the source of the page: elements that scripts add in a browser are not in it";
        if self.traces.rows == 0 {
            let what = format!("{start}: no page has an element that matches '{}' under 'rows'", self.spec.rows);
            return Err(Error::cannot_run(what).hint(hint));
        }
        if let Some(Err(why)) = &self.traces.details {
            return Err(Error::cannot_run(format!("{start}: no row leads to its details; the first: {why}"))
                .hint("correct 'details'"));
        }
        let optional = "; if it may be missing, add 'optional: true'";
        let missing = self.names.iter().find(|name| self.traces.fields.get(*name) != Some(&true));
        if let Some(name) = missing
            && let Some(field) = self.spec.fields.get(name)
        {
            let what = match &field.attribute {
                None => format!("an element that matches '{}'", field.select),
                Some(attribute) => {
                    format!("an element that matches '{}' with the attribute '{attribute}'", field.select)
                }
            };
            return Err(Error::cannot_run(format!("{start}: no row has {what}, the field '{name}'"))
                .hint(format!("{hint}{optional}")));
        }
        match &self.spec.next {
            Some(lead) if !lead.optional && !self.traces.next && self.spec.pages != Some(1) => Err(Error::cannot_run(
                format!("{start}: no page has a link that matches '{}' under 'next'", lead.select),
            )
            .hint(format!("{hint}; if all rows may be on one page, write 'next: {{select: …, optional: true}}'"))),
            _ => Ok(()),
        }
    }
}

impl TextSource for Crawl {
    fn next_batch(&mut self) -> Result<Option<TextBatch>> {
        while let Some((page, number)) = self.next_page()? {
            let batch = self.batch(&page, number)?;
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
        self.judge().map(|()| None)
    }
}
