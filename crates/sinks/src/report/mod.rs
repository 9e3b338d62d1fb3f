//! Pages for people: tables, charts, and what the registry and the run log say, in one file that needs no network.
//!
//! [`render`] goes through the parts of a [`ReportSpec`]; each kind of part is a file. What a page is made from comes through
//! [`ReportData`], so that nothing here knows where artifacts lie.

mod bars;
mod cells;
mod groups;
mod lines;
mod models;
mod rows;
mod runs;
mod spec;

use ::spec::{Error, Name, Result};
use pages::{Html, Page, Style, el, note, section};
use polars::prelude::LazyFrame;
use score::Registry;

pub use self::runs::{RunEnd, RunLine};
pub use self::spec::{
    Aggregate, BarsPart, ChampionsPart, FeaturesPart, LineSpec, LinesPart, MetricsPart, Part, ReportSpec, RowsPart,
    RunsPart,
};
use crate::Upstream;

/// A page may not be larger than this: it is sent by mail, and opened on phones.
const MOST_BYTES: usize = 1_000_000;

/// What a page is made from.
pub trait ReportData {
    /// A table of a stage; of the stage that `export` reads if none is named.
    fn table(&self, from: Option<Upstream>, name: &Name) -> Result<LazyFrame>;

    /// Whether a stage has made anything yet.
    fn has_run(&self, _stage: Upstream) -> bool {
        true
    }

    /// The pipeline's registry of models.
    fn registry(&self) -> Registry;

    /// The pipeline's runs, the newest first, at most so many.
    fn runs(&self, most: usize) -> Result<Vec<RunLine>>;
}

/// The whole document. `name` is the delivery's, `pipeline` appears in the head, `made` says when it was made.
///
/// # Errors
/// Refused if the page is larger than 1 MB, or if a chart would have to guess how rows become one value.
pub fn render(spec: &ReportSpec, name: &str, pipeline: &str, made: &str, given: &dyn ReportData) -> Result<String> {
    let title = spec.title.as_deref().unwrap_or(name);
    let mut page = Page::new(pipeline, title, Style::Within);
    page.push(note(format!("Made by export of pipeline {pipeline} on {made}.")));
    for (at, part) in spec.parts.iter().enumerate() {
        let drawn = draw(part, given).map_err(|error| error.context(format!("html: part {}", at + 1)))?;
        page.push(drawn);
    }
    let text = page.render();
    if text.len() > MOST_BYTES {
        let size = text.len() as f64 / 1e6;
        return Err(Error::refused(format!("the page has {size:.2} MB, and a page holds at most 1 MB"))
            .hint("show fewer rows by `top`, fewer charts by `groups`, or a shorter time by `last`"));
    }
    Ok(text)
}

fn draw(part: &Part, given: &dyn ReportData) -> Result<Html> {
    // The first page of a pipeline is made before anything could be looked at.
    let (title, sources): (&Option<String>, Vec<Option<Upstream>>) = match part {
        Part::Rows(part) => (&part.title, vec![part.from]),
        Part::Lines(part) => (&part.title, part.lines.iter().map(|line| line.from).collect()),
        Part::Bars(part) => (&part.title, vec![part.from]),
        _ => (&None, Vec::new()),
    };
    if sources.contains(&Some(Upstream::Monitor)) && !given.has_run(Upstream::Monitor) {
        return Ok(titled(title.as_deref(), note("Nothing yet: monitor has not run.")));
    }
    match part {
        Part::Heading(text) => Ok(el("h2").text(text).into()),
        Part::Text(text) => Ok(paragraphs(text)),
        Part::Rows(part) => rows::draw(part, given),
        Part::Lines(part) => lines::draw(part, given),
        Part::Bars(part) => bars::draw(part, given),
        Part::Metrics(part) => models::metrics(part, &given.registry()),
        Part::Champions(part) => models::champions(part, &given.registry()),
        Part::Features(part) => models::features(part, &given.registry()),
        Part::Runs(part) => Ok(runs::draw(part, given.runs(part.last)?)),
    }
}

fn paragraphs(text: &str) -> Html {
    Html::of(text.split("\n\n").map(str::trim).filter(|text| !text.is_empty()).map(|text| el("p").text(text)))
}

/// The part below its heading, if it has one.
fn titled(title: Option<&str>, part: impl Into<Html>) -> Html {
    match title {
        Some(title) => section(title).add(part).into(),
        None => part.into(),
    }
}

#[cfg(test)]
mod tests;
