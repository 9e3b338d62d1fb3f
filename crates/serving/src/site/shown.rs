//! How values look on pages: times, cells of tables, whole tables.

use chrono::{DateTime, Utc};
use pages::{Column, Element, Html, State, Table, badge, el, words};
use polars::prelude::{AnyValue, DataFrame, DataType};

/// A time, in UTC; a script may show it in the reader's zone.
pub fn time(at: DateTime<Utc>) -> Element {
    let exact = at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    el("time").attr("datetime", exact).text(at.format("%Y-%m-%d %H:%M:%S UTC"))
}

/// A time as a journal has it.
pub fn time_text(text: &str) -> Html {
    match DateTime::parse_from_rfc3339(text) {
        Ok(at) => time(at.to_utc()).into(),
        Err(_) => text.into(),
    }
}

/// How long ago a time is: `3 h ago`.
pub fn ago(at: DateTime<Utc>) -> String {
    let seconds = (artifact::now() - at).as_seconds_f64();
    if seconds < 1.0 { "just now".to_owned() } else { format!("{} ago", words::seconds(seconds)) }
}

/// A text that may be long, cut, with the whole of it one click away.
pub fn long(text: &str) -> Html {
    const SHORT: usize = 240;
    if text.chars().count() <= SHORT {
        return el("span").class("wide").text(text).into();
    }
    let whole = el("details").add(el("summary").text("All of it")).add(el("pre").attr("tabindex", "0").text(text));
    el("div").class("wide").text(spec::text::cut(text, SHORT)).add(whole).into()
}

/// A value of a table as text: numbers short, dates and timestamps in ISO 8601, nothing for a missing one.
pub fn text_of(dtype: &DataType, value: &AnyValue<'_>) -> String {
    values::shown(dtype, value, words::number)
}

/// A cell, whose missing value differs from an empty text.
pub fn cell(dtype: &DataType, value: &AnyValue<'_>) -> Html {
    match &value.as_borrowed() {
        AnyValue::Null => el("span").class("note").attr("title", "no value").text("–").into(),
        value => {
            let text = text_of(dtype, value);
            match (value, text.chars().count() > 60) {
                (_, true) => long(&text),
                (AnyValue::Date(_) | AnyValue::Datetime(..), _) => el("span").class("together").text(text).into(),
                _ => text.into(),
            }
        }
    }
}

/// The columns of a frame, numbers to the right.
pub fn column(name: &str, dtype: &DataType) -> Column {
    if dtype.is_primitive_numeric() || dtype.is_decimal() { Column::number(name) } else { Column::text(name) }
}

/// The first rows of a frame; says how many there are if these are not all.
pub fn frame(caption: &str, rows: &DataFrame, most: usize) -> Html {
    let columns = rows.columns();
    let heads = columns.iter().map(|values| column(values.name(), values.dtype()));
    let mut table = Table::new(caption, heads);
    for row in 0..rows.height().min(most) {
        table.row(columns.iter().map(|values| cell(values.dtype(), &values.get(row).unwrap_or(AnyValue::Null))));
    }
    let mut html: Html = table.or_else("No rows.").into();
    if rows.height() > most {
        html.push(pages::note(format!("The first {most} of {} rows.", words::grouped(rows.height() as u64))));
    }
    html
}

/// What a check found, as a badge.
pub fn verdict(verdict: artifact::Verdict) -> Element {
    match verdict {
        artifact::Verdict::Passed => badge(State::Good, "passed"),
        artifact::Verdict::Warned => badge(State::Warning, "warned"),
        artifact::Verdict::Failed => badge(State::Bad, "failed"),
        artifact::Verdict::Skipped => badge(State::Neutral, "skipped"),
    }
}

/// Seconds since 1970, for charts.
pub fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1e3
}
