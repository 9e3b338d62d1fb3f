//! The definition of every feature of a row, written as plainly as possible: the other side of `--prove` and of the
//! tests. It shares no code with `window` and `near`.

use std::collections::BTreeSet;

use chrono::{NaiveDateTime, TimeDelta};
use spec::Span;

use super::near::haversine;
use super::plan::Op;
use crate::features::calendar::{Clock, before, midnight};
use crate::features::reference::Value;

/// A row that is looked at.
#[derive(Clone, Debug)]
pub struct Seen {
    pub time: i64,
    /// The value of `of` as a number.
    pub number: Option<f64>,
    /// The value of `of` as text: enough to tell values apart.
    pub word: Option<String>,
    /// Whether the condition holds.
    pub holds: bool,
}

/// An aggregate over the rows of a group, which are in the order of time, as of a row at `time`.
pub fn earlier(
    op: Op,
    numeric: bool,
    group: &[Seen],
    time: i64,
    (window, lag): (Option<Span>, Option<Span>),
    clock: Clock,
) -> Value {
    let end = lag.map_or(Some(time), |lag| back(time, lag, clock));
    let start = end.and_then(|end| window.map_or(Some(i64::MIN), |window| back(end, window, clock)));
    let (start, end) = (start.unwrap_or(i64::MIN), end.unwrap_or(i64::MIN));
    let all: Vec<&Seen> = group.iter().filter(|row| row.time < time && start <= row.time && row.time < end).collect();
    let rows: Vec<&Seen> = all.iter().copied().filter(|row| row.holds).collect();
    let numbers: Vec<f64> = rows.iter().filter_map(|row| row.number).collect();
    let words: Vec<String> = rows.iter().filter_map(|row| row.word.clone()).collect();
    let number = |value: Option<f64>| value.filter(|value| value.is_finite()).map_or(Value::Null, Value::Number);
    let text = |value: Option<&String>| value.map_or(Value::Null, |text| Value::Text(text.clone()));
    let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let whole_days = |row: Option<&&Seen>| number(row.map(|row| ((time - row.time) / clock.per_day()) as f64));
    match op {
        Op::Count => Value::Number(rows.len() as f64),
        Op::Distinct => Value::Number(words.into_iter().collect::<BTreeSet<_>>().len() as f64),
        Op::Sum => number(Some(numbers.iter().fold(0.0, |sum, value| sum + value))),
        Op::Mean => number(mean(&numbers)),
        Op::Min => number(numbers.into_iter().min_by(f64::total_cmp)),
        Op::Max => number(numbers.into_iter().max_by(f64::total_cmp)),
        Op::Std => {
            let squares = mean(&numbers).map(|mean| numbers.iter().map(|v| (v - mean).powi(2)).sum::<f64>());
            number(squares.filter(|_| numbers.len() > 1).map(|sum| (sum / (numbers.len() as f64 - 1.0)).sqrt()))
        }
        Op::Share => number((!all.is_empty()).then(|| rows.len() as f64 / all.len() as f64)),
        Op::First if numeric => number(numbers.first().copied()),
        Op::Last if numeric => number(numbers.last().copied()),
        Op::First => text(words.first()),
        Op::Last => text(words.last()),
        Op::Recency => whole_days(rows.last()),
        Op::Tenure => whole_days(rows.first()),
        Op::MeanGap => {
            let gaps: Vec<f64> =
                rows.windows(2).map(|pair| (pair[1].time - pair[0].time) as f64 / clock.per_day() as f64).collect();
            number(mean(&gaps))
        }
    }
}

/// A time as a column counts it, a span earlier on the calendar; nothing before the calendar begins.
fn back(time: i64, span: Span, clock: Clock) -> Option<i64> {
    let rest = time.rem_euclid(clock.per_day());
    let moment: NaiveDateTime = match clock {
        Clock::Days => midnight(clock.day(time)?),
        Clock::Ticks(per_second) => {
            let nanos = rest.checked_mul(1_000_000_000 / per_second)?;
            midnight(clock.day(time)?) + TimeDelta::nanoseconds(nanos)
        }
    };
    before(moment, span).ok().map(|moment| clock.at(moment))
}

/// The nearest place: its number and distance.
pub fn nearest(at: Option<[f64; 2]>, places: &[Option<[f64; 2]>]) -> Option<(usize, f64)> {
    let at = at?;
    let known = places.iter().enumerate().filter_map(|(i, place)| place.map(|place| (i, haversine(at, place))));
    known.min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)))
}

/// The number of places within a radius.
pub fn within(at: Option<[f64; 2]>, places: &[Option<[f64; 2]>], radius: f64) -> Option<usize> {
    let at = at?;
    Some(places.iter().flatten().filter(|place| haversine(at, **place) <= radius).count())
}
