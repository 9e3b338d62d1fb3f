//! The data dictionary: what every column means, as Markdown.

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{DataFrame, Schema};
use spec::{Result, Span};

use super::plan::{How, RowsPlan};
use super::spec::{DISTANCE, RowFeature, RowSpec, Score};

/// The first and the last time of rows, as the plan's clock counts them.
pub fn span(plan: &RowsPlan, rows: &DataFrame) -> Result<Option<(i64, i64)>> {
    let times =
        super::compute::times_of(&rows.select([plan.time.as_str()]).during("features")?, &plan.time, plan.clock)?;
    Ok(times.iter().min().copied().zip(times.iter().max().copied()))
}

/// The days from which to which the rows of a table are, in words.
pub fn days(plan: &RowsPlan, span: Option<(i64, i64)>) -> String {
    match span.map(|(first, last)| (plan.clock.day(first), plan.clock.day(last))) {
        Some((Some(first), Some(last))) => format!(" ({first} to {last})"),
        _ => String::new(),
    }
}

/// Writes the dictionary. `rows` and `days` are those of the training and of the scoring table.
pub fn write(spec: &RowSpec, plan: &RowsPlan, schema: &Schema, rows: (u64, u64), days: (String, String)) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("# Features of the rows of {}\n", spec.table));
    line(format!(
        "One row per row of table `{}`, as of its `{}`. Aggregates see only rows strictly before that, never the row \
         itself nor those of the same moment; a window of 90d holds the rows from 90 days before (inclusive) on; \
         with a lag, all of it lies that much earlier.\n",
        spec.table, spec.time
    ));
    line(format!("{}\n", crate::cutoffs::dictionary::knowledge(&plan.known)));
    line("| | |\n|---|---|".to_owned());
    if let Some(key) = &spec.key {
        line(format!("| key | `{key}` |"));
    }
    if let Some(zone) = spec.zone {
        line(format!("| days | of {}, from midnight to midnight; times are UTC |", zone.name()));
    }
    line(format!("| training rows | {}{} |", rows.0, days.0));
    if let Some(condition) = &spec.rows.filter {
        line(format!("| trained on | where `{}` |", cell(&condition.to_string())));
    }
    line(format!("| scoring rows | {}{}, without label |", rows.1, days.1));
    line(match &spec.score {
        None => "| scored | rows without a label |".to_owned(),
        Some(Score::Where(condition)) => format!("| scored | where `{}` |", cell(&condition.to_string())),
        Some(Score::From(day)) => format!("| scored | from {day} on |"),
    });
    line("\n## Label\n".to_owned());
    if let Some(column) = &spec.label.known_at {
        line(format!(
            "Known from `{column}` on: later rows do not read it earlier, and rows of which it is not over are not learned \
             from.\n"
        ));
    }
    if let Some(name) = &plan.label_known_at {
        line(format!("`{name}` is the time from which on a row's label is known; it is not learned from.\n"));
    }
    if let Some(delay) = spec.label.delay {
        line(format!(
            "Known {delay} after the row's time: later rows do not read it earlier, and rows too young for it are not \
             learned from.\n"
        ));
    }
    line("| name | type | meaning | known with it |\n|---|---|---|---|".to_owned());
    let dtype = |name: &str| schema.get(name).map(type_name).unwrap_or_default();
    let meaning = format!("`{}` of the row", spec.label.is.sql());
    line(format!(
        "| `{}` | {} | {} | {} |",
        spec.label.name,
        dtype(&spec.label.name),
        cell(&joined(&meaning, spec.label.description.as_deref())),
        plan.hidden.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    ));
    line("\n## Features\n".to_owned());
    line("| name | type | meaning | columns | window | lag | where |\n|---|---|---|---|---|---|---|".to_owned());
    for ((name, feature), (_, how)) in spec.features.iter().zip(&plan.features) {
        let columns: Vec<String> = plan.sources(how).iter().map(|column| format!("`{column}`")).collect();
        let span = |span: Option<Span>| span.map(|span| span.to_string()).unwrap_or_default();
        let (window, lag, filter) = match feature.past() {
            None => (String::new(), String::new(), filter_of(feature)),
            Some((_, past)) => {
                let window = past.window.map_or("all before the row".to_owned(), |span| span.to_string());
                (window, span(past.lag), past.filter.as_ref().map(ToString::to_string))
            }
        };
        line(format!(
            "| `{name}` | {} | {} | {} | {window} | {lag} | {} |",
            dtype(name),
            cell(&joined(&meaning_of(feature, how), feature.description())),
            columns.join(", "),
            filter.map(|sql| format!("`{}`", cell(&sql))).unwrap_or_default()
        ));
    }
    out
}

fn filter_of(feature: &RowFeature) -> Option<String> {
    match feature {
        RowFeature::CountWithin(within) => within.filter.as_ref().map(ToString::to_string),
        _ => None,
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

fn meaning_of(feature: &RowFeature, how: &How) -> String {
    let names =
        |names: &[(String, String)]| names.iter().map(|(own, _)| format!("`{own}`")).collect::<Vec<_>>().join(", ");
    match (feature, how) {
        (RowFeature::Sql(sql), _) => format!("`{}`", sql.is),
        (RowFeature::Nearest(near), _) if near.take == DISTANCE => {
            format!("metres to the nearest row of `{}` (haversine)", near.of)
        }
        (RowFeature::Nearest(near), _) => format!("`{}` of the nearest row of `{}`", near.take, near.of),
        (RowFeature::CountWithin(within), _) => {
            format!("number of rows of `{}` within {}", within.of, within.radius)
        }
        (RowFeature::Lookup(lookup), How::ByKey(by_key)) => {
            let which = if lookup.time.is_some() { "newest earlier row" } else { "row" };
            format!("`{}` of the {which} of `{}` with the same {}", lookup.take, lookup.of, names(&by_key.on))
        }
        (_, How::Earlier(earlier)) => {
            let of = earlier.of.as_ref().map(|of| format!("`{of}`")).unwrap_or_default();
            let what = match feature {
                RowFeature::Count(_) => "number".to_owned(),
                RowFeature::Distinct(_) => format!("number of distinct {of}"),
                RowFeature::Sum(_) => format!("sum of {of} (0 without any)"),
                RowFeature::Mean(_) => format!("mean of {of}"),
                RowFeature::Min(_) => format!("smallest {of}"),
                RowFeature::Max(_) => format!("largest {of}"),
                RowFeature::Std(_) => format!("sample standard deviation of {of}"),
                RowFeature::Share(_) => "share where the condition holds".to_owned(),
                RowFeature::Median(_) => format!("median of {of}"),
                RowFeature::Quantile(past) => {
                    format!("value of {of} at {} of the way up", past.q.map_or(0.5, |q| q.0))
                }
                RowFeature::First(_) => format!("earliest {of}"),
                RowFeature::Last(_) => format!("newest {of}"),
                RowFeature::Recency(_) => "whole days since the newest".to_owned(),
                RowFeature::Tenure(_) => "whole days since the earliest".to_owned(),
                _ => "mean days from one to the next".to_owned(),
            };
            let table = earlier.from.as_ref().map(|(table, _)| format!(" of `{table}`")).unwrap_or_default();
            let by = match earlier.by.is_empty() {
                true => String::new(),
                false => format!(" with the same {}", names(&earlier.by)),
            };
            format!("{what}, over earlier rows{table}{by}")
        }
        _ => String::new(),
    }
}
