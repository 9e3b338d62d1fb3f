//! The data dictionary: what every column of a feature table means, as Markdown.

use artifact::type_name;
use polars::prelude::Schema;

use super::calendar::Calendar;
use super::plan::{CutoffsPlan, How};
use super::spec::{CutoffSpec, EntityFeature, LabelKind};
use crate::known::Knowledge;

/// Writes the dictionary. `rows` are those of the training and of the scoring table.
pub fn write(spec: &CutoffSpec, plan: &CutoffsPlan, calendar: &Calendar, schema: &Schema, rows: (u64, u64)) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    let cutoffs: Vec<String> = calendar.training.iter().map(ToString::to_string).collect();
    line(format!("# Features of {}\n", spec.entity));
    line(format!(
        "From table `{}` ({} to {}), one row per `{}` and cutoff. Features see only rows whose `{}` lies before the \
         cutoff; a window of 90d holds the rows from the cutoff − 90 days (inclusive) to the cutoff (exclusive).\n",
        spec.table, calendar.span.0, calendar.span.1, spec.entity, spec.time
    ));
    line(format!("{}\n", knowledge(&plan.known)));
    line("| | |\n|---|---|".to_owned());
    line(format!("| entity | `{}`, {} |", spec.entity, type_name(&plan.entity_type)));
    if let Some(span) = spec.entities.active_within {
        line(format!("| entities | with a row within {span} before the cutoff |"));
    }
    line(format!("| training cutoffs | {} |", cutoffs.join(", ")));
    line(format!("| training rows | {} |", rows.0));
    line(format!("| newest cutoff | {} (scoring, without label) |", calendar.newest));
    line(format!("| scoring rows | {} |", rows.1));
    if let Some(zone) = spec.zone {
        line(format!("| days | of {}, from midnight to midnight; times are UTC |", zone.name()));
    }
    for note in &calendar.notes {
        line(format!("| note | {} |", cell(note)));
    }
    line("\n## Label\n".to_owned());
    let label = &spec.label;
    if let Some(delay) = label.delay {
        line(format!("Known {delay} after its horizon.\n"));
    }
    if let Some(known) = &plan.label_known {
        line(format!(
            "`{}` is the first day as of which the label is known: its horizon is over, and the rows in it have become known. It \
             is not learned from.\n",
            known.column
        ));
    }
    let dtype = schema.get(&label.name).map(type_name).unwrap_or_default();
    line("| name | type | meaning | horizon | where |\n|---|---|---|---|---|".to_owned());
    line(format!(
        "| `{}` | {dtype} | {} | {} | {} |",
        label.name,
        cell(&joined(&label_meaning(&label.is), label.description.as_deref())),
        label.horizon,
        label.filter.as_ref().map(|sql| format!("`{}`", cell(&sql.to_string()))).unwrap_or_default()
    ));
    line("\n## Features\n".to_owned());
    line("| name | type | meaning | columns | window | where |\n|---|---|---|---|---|---|".to_owned());
    for ((name, kind), (_, how)) in spec.features.iter().zip(&plan.features) {
        let dtype = schema.get(name).map(type_name).unwrap_or_default();
        let (meaning, description) = meaning(kind);
        let columns: Vec<String> = plan.sources(how).iter().map(|column| format!("`{column}`")).collect();
        let (window, filter) = match how {
            How::Sql(_) | How::Lookup(_) => ("", None),
            How::Aggregate(of) => (
                &*plan.windows[of.window].map_or("all before the cutoff".to_owned(), |span| span.to_string()),
                of.condition.map(|i| &plan.conditions[i].sql),
            ),
        };
        line(format!(
            "| `{name}` | {dtype} | {} | {} | {window} | {} |",
            cell(&joined(&meaning, description)),
            columns.join(", "),
            filter.map(|sql| format!("`{}`", cell(&sql.to_string()))).unwrap_or_default()
        ));
    }
    out
}

/// When rows and columns count as known, in a sentence.
pub fn knowledge(known: &Knowledge) -> String {
    let rows = match &known.rows {
        Some(known) => format!("A row counts as known from {known} on"),
        None => "A row counts as known at its time".to_owned(),
    };
    let once = known.columns.iter().map(|(column, at)| format!("`{column}` from {at} on"));
    let often = known.changes.iter().map(|(column, changes)| format!("`{column}` from {changes} on"));
    let columns: Vec<String> = once.chain(often).collect();
    match (known.is_empty(), columns.is_empty()) {
        (true, _) => format!("{rows}, with the values that it has today."),
        (false, true) => format!("{rows}."),
        (false, false) => format!("{rows}; {}; before that, they are null.", columns.join(", ")),
    }
}

/// A bar would end the table's cell, a line break its row.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn joined(meaning: &str, description: Option<&str>) -> String {
    match description {
        Some(text) => format!("{}: {meaning}", text.trim().trim_end_matches('.')),
        None => meaning.to_owned(),
    }
}

fn label_meaning(kind: &LabelKind) -> String {
    match kind {
        LabelKind::NoRows => "1 if no row falls into the horizon, else 0".to_owned(),
        LabelKind::AnyRows => "1 if a row falls into the horizon, else 0".to_owned(),
        LabelKind::Count => "number of rows in the horizon".to_owned(),
        LabelKind::Distinct(of) => format!("number of distinct `{}` in the horizon", of.of),
        LabelKind::Sum(of) => format!("sum of `{}` in the horizon, 0 without rows", of.of),
        LabelKind::Mean(of) => format!("mean of `{}` in the horizon, null without rows", of.of),
        LabelKind::Min(of) => format!("smallest `{}` in the horizon, null without rows", of.of),
        LabelKind::Max(of) => format!("largest `{}` in the horizon, null without rows", of.of),
    }
}

/// What a feature is, and what its spec says about it.
fn meaning(kind: &EntityFeature) -> (String, Option<&str>) {
    let (text, description) = match kind {
        EntityFeature::Count(rows) => ("number of rows".to_owned(), &rows.description),
        EntityFeature::Recency(rows) => ("whole days from the latest row to the cutoff".to_owned(), &rows.description),
        EntityFeature::Tenure(rows) => ("whole days from the earliest row to the cutoff".to_owned(), &rows.description),
        EntityFeature::MeanGap(rows) => {
            ("mean days from a row to the next, null below two rows".to_owned(), &rows.description)
        }
        EntityFeature::Distinct(of) => (format!("number of distinct `{}`", of.of), &of.description),
        EntityFeature::Sum(of) => (format!("sum of `{}`, 0 without rows", of.of), &of.description),
        EntityFeature::Mean(of) => (format!("mean of `{}`, null without rows", of.of), &of.description),
        EntityFeature::Min(of) => (format!("smallest `{}`, null without rows", of.of), &of.description),
        EntityFeature::Max(of) => (format!("largest `{}`, null without rows", of.of), &of.description),
        EntityFeature::Std(of) => {
            (format!("sample standard deviation of `{}`, null below two values", of.of), &of.description)
        }
        EntityFeature::Median(of) => (format!("median of `{}`, null without values", of.of), &of.description),
        EntityFeature::Quantile(of) => {
            (format!("value of `{}` at {} of the way up, null without values", of.of, of.q.0), &of.description)
        }
        EntityFeature::Lookup(of) => {
            let which = if of.time.is_some() { "newest row before the cutoff" } else { "row" };
            (format!("`{}` of the entity's {which} in `{}`", of.take, of.of), &of.description)
        }
        EntityFeature::First(of) => (format!("`{}` of the earliest row that has one", of.of), &of.description),
        EntityFeature::Last(of) => (format!("`{}` of the latest row that has one", of.of), &of.description),
        EntityFeature::MostFrequent(of) => {
            (format!("most frequent `{}`, of equally frequent ones the first seen", of.of), &of.description)
        }
        EntityFeature::Share(share) => {
            (format!("share of rows where `{}`, null without rows", share.filter), &share.description)
        }
        EntityFeature::Sql(sql) => (format!("`{}`", sql.is), &sql.description),
    };
    (text, description.as_deref())
}
