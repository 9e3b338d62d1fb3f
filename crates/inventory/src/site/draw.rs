//! Charts and badges that several pages have.

use std::collections::{BTreeMap, BTreeSet};

use artifact::{ColumnSummary, Verdict};
use chrono::{DateTime, Utc};
use pages::chart::{Bars, Graph as Drawing, Histogram};
use pages::{Element, Html, State, badge, el};

use super::{SiteData, address_of_node};
use crate::graph::Node;

/// Bars of a distribution.
const BINS: usize = 16;

/// How a check ended, in a word.
pub fn verdict(verdict: Verdict) -> Element {
    match verdict {
        Verdict::Passed => badge(State::Good, "passed"),
        Verdict::Warned => badge(State::Warning, "warned"),
        Verdict::Failed => badge(State::Bad, "failed"),
        Verdict::Skipped => badge(State::Neutral, "skipped"),
    }
}

/// A time for people and programs.
pub fn moment(time: DateTime<Utc>) -> Html {
    let shown = time.format("%Y-%m-%d %H:%M").to_string();
    el("time").attr("datetime", time.to_rfc3339()).text(shown).into()
}

/// The graph of some tables, with what is known about each.
pub fn graph(data: &SiteData<'_>, title: &str, nodes: &BTreeSet<Node>, here: Option<&Node>, up: usize) -> Element {
    let mut drawing = Drawing::new(title);
    let mut numbers: BTreeMap<&Node, usize> = BTreeMap::new();
    for node in nodes {
        let (name, note) = match node {
            Node::Source(name) => (name.rsplit('/').next().unwrap_or(name).to_owned(), "source".to_owned()),
            Node::Table(id) => (id.table.clone(), id.place.to_string()),
        };
        let number = drawing.node(name, note, address_of_node(node, up));
        numbers.insert(node, number);
        if here == Some(node) {
            drawing.here(number);
        }
    }
    for (from, to) in data.graph.edges() {
        if let (Some(from), Some(to)) = (numbers.get(from), numbers.get(to)) {
            drawing.edge(*from, *to);
        }
    }
    drawing.figure()
}

/// How the values of a column are spread, from its summary; nothing where it holds too little.
pub fn distribution(column: &ColumnSummary, is_moment: bool) -> Option<Element> {
    if !column.top.is_empty() {
        let percent = |share: f64| spec::text::percent(share);
        let bars = Bars::new(column.name.as_str(), "share of the values").shown_by(percent);
        return Some(column.top.iter().fold(bars, |bars, (value, share)| bars.bar(value.as_str(), *share)).figure());
    }
    let values = column.quantiles.values();
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return None };
    // A chart of ticks is of no use to people; their range is in the table.
    if is_moment || values.len() < 3 || first >= last {
        return None;
    }
    let filled = column.count.saturating_sub(column.nulls);
    let edge = |at: usize| first + (last - first) * at as f64 / BINS as f64;
    let share = |to: f64| column.quantiles.share_up_to(to);
    let edges: Vec<f64> = (0..=BINS).map(edge).collect();
    let mut counts = Vec::with_capacity(BINS);
    // Rounded together, so that they add up to all values.
    let mut before = 0;
    for bin in 0..BINS {
        let now = if bin + 1 == BINS { 1.0 } else { share(edges[bin + 1]) };
        let up_to = ((now * filled as f64).round() as u64).max(before);
        counts.push(up_to - before);
        before = up_to;
    }
    Some(Histogram::new(column.name.as_str(), column.name.as_str(), edges, counts).figure())
}
