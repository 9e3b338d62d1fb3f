//! The definition of every aggregate, written as plainly as possible: the other side of `--prove` and of the tests.
//!
//! It shares no code with what it proves: values are read cell by cell, time is counted in nanoseconds on a calendar of
//! its own, and an aggregate sees a list of rows, in the order of time, and nothing else. Only SQL expressions are
//! evaluated by the same engine, and the great-circle distance is the same formula.

use std::collections::BTreeMap;
use std::fmt;

use artifact::PolarsResultExt;
use polars::prelude::{AnyValue, DataFrame, TimeUnit};
use spec::Result;

use super::almanac::{Almanac, DAY, date};

/// A value of a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Truth(bool),
    Whole(i128),
    /// So many of the last of so many decimal places.
    Decimal(i128, usize),
    Number(f64),
    Text(String),
    Day(i128),
    /// Nanoseconds since 1970, of a clock on the wall.
    Moment(i128),
    /// The same of an instant in a time zone.
    Instant(i128),
    /// Nanoseconds.
    Length(i128),
    /// Nanoseconds since midnight.
    TimeOfDay(i128),
    Other(String),
}

impl Value {
    pub fn of(cell: &AnyValue) -> Value {
        let ticks = |ticks: i64, unit: TimeUnit| match unit {
            TimeUnit::Milliseconds => i128::from(ticks) * 1_000_000,
            TimeUnit::Microseconds => i128::from(ticks) * 1_000,
            TimeUnit::Nanoseconds => i128::from(ticks),
        };
        match cell {
            AnyValue::Null => Value::Null,
            AnyValue::Boolean(truth) => Value::Truth(*truth),
            AnyValue::Int8(number) => Value::Whole(i128::from(*number)),
            AnyValue::Int16(number) => Value::Whole(i128::from(*number)),
            AnyValue::Int32(number) => Value::Whole(i128::from(*number)),
            AnyValue::Int64(number) => Value::Whole(i128::from(*number)),
            AnyValue::UInt8(number) => Value::Whole(i128::from(*number)),
            AnyValue::UInt16(number) => Value::Whole(i128::from(*number)),
            AnyValue::UInt32(number) => Value::Whole(i128::from(*number)),
            AnyValue::UInt64(number) => Value::Whole(i128::from(*number)),
            AnyValue::Float32(number) if number.is_nan() => Value::Null,
            AnyValue::Float32(number) => Value::Number(f64::from(*number)),
            AnyValue::Float64(number) if number.is_nan() => Value::Null,
            AnyValue::Float64(number) => Value::Number(*number),
            AnyValue::Decimal(number, _, scale) => Value::Decimal(*number, *scale),
            AnyValue::Date(day) => Value::Day(i128::from(*day)),
            AnyValue::Datetime(count, unit, None) => Value::Moment(ticks(*count, *unit)),
            AnyValue::Datetime(count, unit, Some(_)) => Value::Instant(ticks(*count, *unit)),
            AnyValue::DatetimeOwned(count, unit, None) => Value::Moment(ticks(*count, *unit)),
            AnyValue::DatetimeOwned(count, unit, Some(_)) => Value::Instant(ticks(*count, *unit)),
            AnyValue::Duration(count, unit) => Value::Length(ticks(*count, *unit)),
            AnyValue::Time(nanoseconds) => Value::TimeOfDay(i128::from(*nanoseconds)),
            other => match other.get_str() {
                Some(text) => Value::Text(text.to_owned()),
                None => Value::Other(other.to_string()),
            },
        }
    }

    /// What tells it apart from other values; none for null.
    pub fn key(&self) -> Option<String> {
        Some(match self {
            Value::Null => return None,
            Value::Decimal(number, scale) => {
                let (mut number, mut scale) = (*number, *scale);
                while scale > 0 && number % 10 == 0 {
                    (number, scale) = (number / 10, scale - 1);
                }
                format!("{:?}", Value::Decimal(number, scale))
            }
            // The two zeros are one value.
            Value::Number(number) => format!("{:?}", Value::Number(number + 0.0)),
            other => format!("{other:?}"),
        })
    }

    /// The number that is computed with.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Truth(truth) => Some(f64::from(u8::from(*truth))),
            Value::Whole(number) => Some(*number as f64),
            Value::Decimal(number, scale) => format!("{number}e-{scale}").parse().ok(),
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn finite(number: Option<f64>) -> Value {
        number.filter(|number| number.is_finite()).map_or(Value::Null, Value::Number)
    }
}

/// The cells of a column.
pub fn cells(frame: &DataFrame, name: &str) -> Result<Vec<Value>> {
    let column = frame.column(name).during("proof")?.as_materialized_series().rechunk();
    Ok(column.iter().map(|cell| Value::of(&cell)).collect())
}

/// The values of some columns as one key per row; nothing where one is null.
pub fn keys<'a>(frame: &DataFrame, columns: impl Iterator<Item = &'a String>) -> Result<Vec<Option<Vec<String>>>> {
    let mut keys = vec![Some(Vec::new()); frame.height()];
    for column in columns {
        for (key, value) in keys.iter_mut().zip(cells(frame, column)?) {
            *key = key.take().zip(value.key()).map(|(mut key, part)| {
                key.push(part);
                key
            });
        }
    }
    Ok(keys)
}

/// What is asked of some rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ask {
    Count,
    None,
    Any,
    Distinct,
    Sum,
    Mean,
    Min,
    Max,
    Std,
    Quantile(f64),
    Share,
    First,
    Last,
    MostFrequent,
    Recency,
    Tenure,
    MeanGap,
}

/// A row that lies in the window and was known.
#[derive(Clone, Debug)]
pub struct Seen {
    pub time: i128,
    pub value: Value,
    pub holds: bool,
}

/// A value, and by how much another way of adding up may miss it.
#[derive(Clone, Debug)]
pub struct Answer {
    pub value: Value,
    pub slack: f64,
}

impl From<Value> for Answer {
    fn from(value: Value) -> Answer {
        Answer { value, slack: 0.0 }
    }
}

/// The answer as of a time. `all` are in the order of time, of equal times in that of the table.
pub fn answer(ask: Ask, all: &[Seen], at: i128, almanac: Almanac) -> Answer {
    let rows: Vec<&Seen> = all.iter().filter(|row| row.holds).collect();
    let values: Vec<&Value> = rows.iter().map(|row| &row.value).filter(|value| **value != Value::Null).collect();
    let numbers: Vec<f64> = values.iter().filter_map(|value| value.number()).filter(|n| !n.is_nan()).collect();
    let count = |count: usize| Value::Whole(count as i128);
    let sum: f64 = numbers.iter().sum();
    let mean = (!numbers.is_empty()).then(|| sum / numbers.len() as f64);
    let size: f64 = numbers.iter().map(|number| number.abs()).sum();
    let largest = numbers.iter().map(|number| number.abs()).fold(0.0, f64::max);
    let days_since =
        |row: Option<&&Seen>| row.map_or(Value::Null, |row| Value::Whole(almanac.whole_days(row.time, at)));
    let as_published = |value: Option<&&Value>| match value {
        Some(Value::Number(number)) => Value::finite(Some(*number)),
        other => other.map_or(Value::Null, |value| (*value).clone()),
    };
    let exact = |value: Value| Answer::from(value);
    match ask {
        Ask::Count => exact(count(rows.len())),
        Ask::Any => exact(count(usize::from(!rows.is_empty()))),
        Ask::None => exact(count(usize::from(rows.is_empty()))),
        Ask::Distinct => {
            let keys: std::collections::BTreeSet<String> = values.iter().filter_map(|value| value.key()).collect();
            exact(count(keys.len()))
        }
        Ask::Sum => Answer { value: Value::finite(Some(sum)), slack: 1e-9 * size },
        Ask::Mean => Answer { value: Value::finite(mean), slack: 1e-9 * size / numbers.len().max(1) as f64 },
        Ask::Min => exact(Value::finite(numbers.iter().copied().min_by(f64::total_cmp))),
        Ask::Max => exact(Value::finite(numbers.iter().copied().max_by(f64::total_cmp))),
        Ask::Std => {
            let squares = mean.map(|mean| numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>());
            let std = squares.filter(|_| numbers.len() > 1).map(|sum| (sum / (numbers.len() - 1) as f64).sqrt());
            Answer { value: Value::finite(std), slack: 1e-9 * largest }
        }
        Ask::Quantile(q) => {
            let mut sorted = numbers.clone();
            sorted.sort_by(f64::total_cmp);
            let place = q * sorted.len().saturating_sub(1) as f64;
            let (below, above) = (sorted.get(place.floor() as usize), sorted.get(place.ceil() as usize));
            let between = below.zip(above).map(|(below, above)| match place.fract() {
                0.0 => *below,
                share => below * (1.0 - share) + above * share,
            });
            Answer { value: Value::finite(between), slack: 1e-12 * largest }
        }
        Ask::Share => exact(Value::finite((!all.is_empty()).then(|| rows.len() as f64 / all.len() as f64))),
        Ask::First => exact(as_published(values.first())),
        Ask::Last => exact(as_published(values.last())),
        Ask::MostFrequent => {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            values.iter().filter_map(|value| value.key()).for_each(|key| *counts.entry(key).or_default() += 1);
            let most = counts.values().max().copied().unwrap_or(0);
            exact(as_published(values.iter().find(|value| value.key().is_some_and(|key| counts[&key] == most))))
        }
        Ask::Recency => exact(days_since(rows.last())),
        Ask::Tenure => exact(days_since(rows.first())),
        Ask::MeanGap => {
            let gap = rows.first().zip(rows.last()).filter(|_| rows.len() > 1);
            let gap = gap.map(|(first, last)| almanac.days_apart(first.time, last.time) / (rows.len() - 1) as f64);
            exact(Value::finite(gap))
        }
    }
}

/// Whether a published value is the expected one: exactly, but numbers within 1e-9 of the larger, or the slack.
///
/// Both sides add up in other orders, and polars may fuse the operations of an SQL feature otherwise for another number
/// of rows: the last digits may differ. A leak changes far more than the ninth digit.
pub fn equal(is: &Value, expected: &Answer) -> bool {
    match (is, &expected.value) {
        (Value::Whole(one), Value::Whole(other)) => one == other,
        (one, other) => match (one.number(), other.number()) {
            (Some(one), Some(other)) => {
                (one - other).abs() <= (1e-9 * one.abs().max(other.abs())).max(expected.slack).max(1e-18)
            }
            _ => one.key() == other.key(),
        },
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = |f: &mut fmt::Formatter<'_>, time: i128| {
            let (year, month, day) = date(time.div_euclid(DAY));
            let seconds = time.rem_euclid(DAY) / 1_000_000_000;
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            write!(f, "{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{:02}", seconds % 60)
        };
        match self {
            Value::Null => f.write_str("null"),
            Value::Truth(truth) => write!(f, "{truth}"),
            Value::Whole(number) => write!(f, "{number}"),
            Value::Decimal(..) => write!(f, "{}", self.number().unwrap_or_default()),
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => write!(f, "'{text}'"),
            Value::Day(day) => {
                let (year, month, day) = date(*day);
                write!(f, "{year:04}-{month:02}-{day:02}")
            }
            Value::Moment(time) | Value::Instant(time) => moment(f, *time),
            Value::Length(time) | Value::TimeOfDay(time) => write!(f, "{time} ns"),
            Value::Other(text) => f.write_str(text),
        }
    }
}
