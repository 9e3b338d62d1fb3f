//! How values of tables look on a page.

use chrono::DateTime;
use pages::{Column, Html, el, words};
use polars::prelude::{AnyValue, DataType, TimeUnit};

/// Texts longer than this are cut: a page is for reading, and the whole text is in the table.
const LONGEST: usize = 300;

/// A value as text: numbers short, days and timestamps as ISO 8601 has them, nothing for a missing one.
pub fn text_of(dtype: &DataType, value: &AnyValue<'_>) -> String {
    values::shown(dtype, value, words::number)
}

/// A cell, in which a missing value differs from an empty text.
pub fn cell(dtype: &DataType, value: &AnyValue<'_>) -> Html {
    let text = text_of(dtype, value);
    match &value.as_borrowed() {
        AnyValue::Null => el("span").class("note").attr("title", "no value").text("–").into(),
        AnyValue::Date(_) | AnyValue::Datetime(..) => el("span").class("together").text(text).into(),
        _ if text.chars().count() > 60 => el("span").class("wide").text(::spec::text::cut(&text, LONGEST)).into(),
        _ => text.into(),
    }
}

/// The head of a column; numbers stand to the right.
pub fn column(name: &str, dtype: &DataType) -> Column {
    if dtype.is_primitive_numeric() || dtype.is_decimal() { Column::number(name) } else { Column::text(name) }
}

/// Seconds since 1970 of a timestamp.
pub fn seconds(ticks: i64, unit: TimeUnit) -> f64 {
    let per_second = match unit {
        TimeUnit::Nanoseconds => 1e9,
        TimeUnit::Microseconds => 1e6,
        TimeUnit::Milliseconds => 1e3,
    };
    ticks as f64 / per_second
}

/// A timestamp, from seconds since 1970.
pub fn moment(seconds: f64) -> String {
    let at = DateTime::from_timestamp(seconds.floor() as i64, 0);
    at.map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}
