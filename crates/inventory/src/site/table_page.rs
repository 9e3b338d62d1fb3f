//! The page of one table.

use std::collections::{BTreeMap, BTreeSet};

use artifact::{Fate, PolarsResultExt, REASON, scan_files};
use pages::chart::Lines;
use pages::{Column, Facts, Html, Page, Table as Rows, link, note, section};
use polars::prelude::SchemaRef;
use values::calendar::day_at;

use super::{SiteData, address_of, draw, frame};
use crate::description;
use crate::graph::{ColumnId, Node};
use crate::table::Table;
use crate::words::{bound, bytes, grouped, number};

/// Runs that charts and histories show.
const RUNS: usize = 60;
/// Results of a check that are listed.
const RESULTS: usize = 12;
/// Distributions that are drawn.
const CHARTS: usize = 24;
/// Kinds of reasons of refused rows.
const REASONS: usize = 10;

pub fn page(data: &SiteData<'_>, table: &Table<'_>) -> Page {
    let title = table.id.to_string();
    let mut page = frame(&title, "", 1, data.now);
    page.push(facts(data, table));
    if let Some(text) = table.described().and_then(|described| described.description.as_deref()) {
        page.push(pages::el("p").text(text));
    }
    let types = table.types(data.inventory);
    page.push(columns(data, table, &types));
    page.push(checks(table));
    page.push(history(table));
    page.push(schema(table));
    page.push(refused(data, table));
    page.push(lineage(data, table));
    page.push(distributions(table, &types));
    page
}

fn facts(data: &SiteData<'_>, table: &Table<'_>) -> Facts {
    let described = table.described();
    let evidence = table.evidence();
    let quality = evidence.and_then(|evidence| evidence.quality).map(|quality| {
        format!(
            "{:.1}: {} of cells filled, {} of rows usable, {} not duplicates",
            quality.score,
            spec::text::percent(quality.completeness),
            spec::text::percent(quality.validity),
            spec::text::percent(quality.uniqueness)
        )
    });
    let tags = described.map(|described| described.tags.join(", ")).filter(|tags| !tags.is_empty());
    let current: Vec<String> = table.current.iter().map(|found| found.path.display().to_string()).collect();
    let written = evidence.map(|evidence| {
        Html::of([draw::moment(evidence.time), Html::text(format_args!(" by {} {}", evidence.tool, evidence.version))])
    });
    let seconds = evidence.and_then(|evidence| {
        let runs = data.runs.get(&table.id.place.pipeline)?.get(&evidence.tool)?;
        runs.iter().rev().find_map(|run| match run.end {
            watch::End::Success { seconds, .. } => Some(crate::words::seconds(seconds)),
            _ => None,
        })
    });
    Facts::new()
        .fact("Layer", table.layer())
        .fact("Rows", grouped(table.rows()))
        .fact("Size", bytes(table.bytes()))
        .fact_if("Quality", quality)
        .fact_if("Written", written)
        .fact_if("Last run of the stage", seconds)
        .fact_if("Owner", described.and_then(|described| described.owner.clone()))
        .fact_if("Tags", tags)
        .fact("Current files", if current.is_empty() { "none".to_owned() } else { current.join(", ") })
        .fact("Artifacts kept", table.all.len().to_string())
}

fn columns(data: &SiteData<'_>, table: &Table<'_>, types: &SchemaRef) -> Option<Html> {
    let columns = table.columns();
    if columns.is_empty() {
        return None;
    }
    let names =
        ["Column", "Type", "Empty", "Distinct", "Smallest", "Largest", "Mean", "Description", "Made by", "Made of"];
    let is_number = |name: &str| matches!(name, "Empty" | "Distinct" | "Mean");
    let heads = names.map(|name| if is_number(name) { Column::number(name) } else { Column::text(name) });
    let mut rows = Rows::new("Columns", heads);
    for column in &columns {
        let share = if column.count == 0 { 0.0 } else { column.nulls as f64 / column.count as f64 };
        let distinct = match column.distinct_is_at_least {
            true => format!("≥ {}", grouped(column.distinct)),
            false => grouped(column.distinct),
        };
        let shown = |value: &Option<serde_json::Value>| -> Html {
            value.as_ref().map(|value| bound(value, types.get(&column.name))).unwrap_or_default().into()
        };
        let text = description(&data.tables, &data.graph, &table.id, &column.name).map(str::to_owned);
        let made = table.definition(&column.name).map(|definition| definition.is.clone());
        let of: Vec<Html> =
            data.graph.column_sources(&table.id, &column.name).into_iter().flatten().map(linked).collect();
        rows.row([
            column.name.clone().into(),
            column.column_type.clone().into(),
            spec::text::percent(share).into(),
            distinct.into(),
            shown(&column.min),
            shown(&column.max),
            mean(column, types).into(),
            text.unwrap_or_default().into(),
            made.unwrap_or_default().into(),
            folded(of),
        ]);
    }
    Some(section("Columns").add(rows).into())
}

/// The mean; of days and timestamps their middle.
fn mean(column: &artifact::ColumnSummary, types: &SchemaRef) -> String {
    let Some(mean) = column.mean else { return String::new() };
    match types.get(&column.name).filter(|dtype| dtype.is_temporal()) {
        Some(dtype) => bound(&(mean.round() as i64).into(), Some(dtype)),
        None => number(mean),
    }
}

/// A list of links; a long one is folded.
fn folded(links: Vec<Html>) -> Html {
    const MOST: usize = 4;
    match links.len() > MOST {
        true => {
            let summary = pages::el("summary").text(spec::text::count(links.len() as u64, "column"));
            pages::el("details").add(summary).add(listed(links)).into()
        }
        false => listed(links),
    }
}

/// A column that leads to the page of its table.
fn linked((id, column): &ColumnId) -> Html {
    link(&address_of(id, 1), format!("{}.{}.{column}", id.place.layer.name(), id.table)).into()
}

fn listed(parts: Vec<Html>) -> Html {
    let mut html = Html::new();
    for (at, part) in parts.into_iter().enumerate() {
        if at > 0 {
            html.push(", ");
        }
        html.push(part);
    }
    html
}

fn checks(table: &Table<'_>) -> Option<Html> {
    let histories = table.checks(RESULTS);
    if histories.is_empty() {
        return None;
    }
    let mut rows = Rows::new(
        "Checks",
        [Column::text("Check"), Column::text("Last"), Column::text("Found"), Column::text("Before")],
    );
    for history in &histories {
        let Some((_, last)) = history.results.first() else { continue };
        let before: Vec<Html> = history
            .results
            .iter()
            .skip(1)
            .map(|(time, result)| {
                Html::of([draw::moment(*time), Html::text(" "), draw::verdict(result.verdict).into()])
            })
            .collect();
        rows.row([
            history.check.clone().into(),
            draw::verdict(last.verdict).into(),
            last.found.clone().into(),
            listed(before),
        ]);
    }
    Some(section("Checks over time").add(rows).into())
}

fn history(table: &Table<'_>) -> Option<Html> {
    let newest: Vec<_> = table.all.iter().take(RUNS).rev().collect();
    if newest.len() < 2 {
        return None;
    }
    let at = |time: chrono::DateTime<chrono::Utc>| time.timestamp() as f64;
    let rows = newest.iter().map(|found| (at(found.evidence.time), found.rows() as f64)).collect();
    let quality: Vec<(f64, f64)> =
        newest.iter().filter_map(|found| Some((at(found.evidence.time), found.evidence.quality?.score))).collect();
    let mut part = section("Over time").add(Lines::new("Rows by run", day_at).line("rows", rows).from_zero().figure());
    if quality.len() > 1 {
        part = part.add(Lines::new("Quality by run", day_at).line("quality", quality).figure());
    }
    Some(part.into())
}

fn schema(table: &Table<'_>) -> Option<Html> {
    let schema = table.evidence()?.schema.as_ref()?;
    let part = section("Schema");
    if schema.changes.is_empty() {
        return Some(
            part.add(note("Version 1: names and types have not changed since this was first recorded.")).into(),
        );
    }
    let mut rows =
        Rows::new("Schema versions", [Column::number("Version"), Column::text("Since"), Column::text("What changed")]);
    for change in schema.changes.iter().rev() {
        rows.row([Html::from(change.version.to_string()), draw::moment(change.time), change.what.join("; ").into()]);
    }
    Some(part.add(rows).into())
}

/// Rows that were set aside: how many by which rule, and for which reasons.
fn refused(data: &SiteData<'_>, table: &Table<'_>) -> Option<Html> {
    let entries: Vec<_> = table.evidence()?.books.entries.iter().filter(|entry| entry.fate != Fate::Used).collect();
    let file = table.evidence()?.refused.clone();
    if entries.is_empty() && file.is_none() {
        return None;
    }
    let mut part = section("Rows that were not passed on");
    let mut rows =
        Rows::new("By rule", [Column::text("Rule"), Column::text("What became of them"), Column::number("Rows")]);
    for entry in entries {
        rows.row([entry.rule.clone(), entry.fate.word().to_owned(), grouped(entry.rows)]);
    }
    part = part.add(rows);
    if let Some(file) = file {
        let mut reasons = Rows::new("Reasons", [Column::text("Reason"), Column::number("Rows")]);
        for (reason, count) in reasons_in(data, &file) {
            reasons.row([reason, grouped(count)]);
        }
        part = part.add(note(format!("Refused rows are in {file}."))).add(reasons);
    }
    Some(part.into())
}

/// The most frequent reasons in a file of refused rows; none if it cannot be read.
fn reasons_in(data: &SiteData<'_>, file: &str) -> Vec<(String, u64)> {
    let read = || -> spec::Result<BTreeMap<String, u64>> {
        let plan = scan_files(&[&data.inventory.whole(file.as_ref())])?;
        let frame = artifact::collect(plan.select([polars::prelude::col(REASON)]), file)?;
        let mut counts = BTreeMap::new();
        for reason in frame.column(REASON).during(file)?.str().during(file)?.iter().flatten() {
            *counts.entry(spec::text::cut(reason, 160)).or_default() += 1;
        }
        Ok(counts)
    };
    let mut counts: Vec<(String, u64)> = read().unwrap_or_default().into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    counts.truncate(REASONS);
    counts
}

fn lineage(data: &SiteData<'_>, table: &Table<'_>) -> Html {
    let node = Node::Table(table.id.clone());
    let mut around: BTreeSet<Node> = data.graph.reach(&node, true);
    around.extend(data.graph.reach(&node, false));
    around.insert(node.clone());
    let title = format!("Lineage of {}", table.id);
    let mut part = section("Lineage").add(draw::graph(data, &title, &around, Some(&node), 1));
    if data.graph.is_coarse(&table.id) {
        part = part.add(note("Its evidence does not say which columns it was computed from."));
    }
    let deciding: Vec<Html> = data.graph.row_sources(&table.id).into_iter().flatten().map(linked).collect();
    if !deciding.is_empty() {
        let text = Html::of([Html::text("Its rows are selected by "), listed(deciding), Html::text(".")]);
        part = part.add(pages::el("p").add(text));
    }
    part.into()
}

fn distributions(table: &Table<'_>, types: &SchemaRef) -> Option<Html> {
    let is_moment = |name: &str| types.get(name).is_some_and(|dtype| dtype.is_temporal());
    let columns = table.columns();
    let own = columns.iter().filter(|column| !artifact::is_origin(&column.name));
    let charts: Vec<_> =
        own.filter_map(|column| draw::distribution(column, is_moment(&column.name))).take(CHARTS).collect();
    (!charts.is_empty()).then(|| section("Distributions").add(pages::el("div").class("pair").all(charts)).into())
}
