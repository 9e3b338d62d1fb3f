//! Predictions of earlier runs, each with what happened, as far as that is known.

use std::collections::{BTreeMap, HashMap};

use artifact::PolarsResultExt;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta};
use polars::prelude::{AnyValue, Column, DataFrame, DataType, TimeUnit};
use spec::text::number;
use spec::{Error, Result, did_you_mean};

/// The first of the keys that `performance` and `estimate` share whose value is out of its range, with the way out.
pub(crate) fn fault(max_worse: f64, weeks: u32, min_rows: u32) -> Option<Error> {
    let wrong = |key: &str, found: String, wanted: &str| {
        Some(Error::cannot_run(format!("found {found}, expected {wanted}")).at(key))
    };
    if !(max_worse >= 0.0 && max_worse.is_finite()) {
        return wrong("max_worse", number(max_worse), "a number from 0");
    }
    if weeks == 0 || weeks > 5000 {
        return wrong("weeks", weeks.to_string(), "a whole number from 1 to 5000");
    }
    (min_rows == 0).then(|| wrong("min_rows", "0".to_owned(), "a whole number from 1"))?
}

/// The names of the columns by which predictions and outcomes belong together.
#[derive(Clone, Debug)]
pub struct Keys {
    pub entity: String,
    /// None if a row is one of its entity alone.
    pub time: Option<String>,
    pub label: String,
}

/// A prediction and what happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub version: String,
    pub entity: u32,
    /// The Monday of its week.
    pub week: NaiveDate,
    /// Nothing where the outcome is not known.
    pub segments: Vec<Option<String>>,
    pub label: Option<f64>,
    pub score: f64,
}

/// What is known of a row whose outcome is known.
struct Known {
    label: f64,
    segments: Vec<Option<String>>,
}

/// For whom predictions and outcomes are joined: named in errors.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// The key in monitor.yaml.
    pub key: &'static str,
    /// The table that holds the labels.
    pub labels: &'a str,
    pub segments: &'a [String],
}

/// Joins predictions with outcomes. `predictions`: the keys, `score`, `model_version` and `scored_at`, of all runs; the last
/// one about a row counts, for each version. `outcomes`: the keys, the label and the segments; of several lines about a row
/// the first counts.
pub(crate) fn join(
    asker: Asker<'_>,
    keys: &Keys,
    predictions: &DataFrame,
    outcomes: Option<&DataFrame>,
) -> Result<Vec<Outcome>> {
    let doing = asker.key;
    let names: Vec<&String> = [Some(&keys.entity), keys.time.as_ref()].into_iter().flatten().collect();
    let known = match outcomes {
        Some(outcomes) => known_of(asker, keys, &names, predictions, outcomes)?,
        None => HashMap::new(),
    };
    let scores = numbers_of(doing, predictions.column("score").during(doing)?)?;
    let versions = predictions.column("model_version").during(doing)?.str().during(doing)?.clone();
    let scored_at = micros_of(doing, predictions.column("scored_at").during(doing)?)?;
    let times = match &keys.time {
        Some(time) => micros_of(doing, predictions.column(time).during(doing)?)?,
        None => scored_at.clone(),
    };
    let mut entities: HashMap<String, u32> = HashMap::new();
    let mut newest: BTreeMap<(String, Vec<String>), (i64, Outcome)> = BTreeMap::new();
    for row in 0..predictions.height() {
        let Some(key) = key_of(doing, predictions, &names, row)? else { continue };
        let (Some(score), Some(version)) = (scores[row], versions.get(row)) else { continue };
        let (Some(at), Some(time)) = (scored_at[row], times[row]) else { continue };
        let next = entities.len() as u32;
        let entity = *entities.entry(key[0].clone()).or_insert(next);
        let Some(week) = monday_of(time) else { continue };
        let found = known.get(&key);
        let (label, segments) = (found.map(|found| found.label), found.map(|found| found.segments.clone()));
        let segments = segments.unwrap_or_default();
        let outcome = Outcome { version: version.to_owned(), entity, week, segments, label, score };
        let of_row = newest.entry((version.to_owned(), key)).or_insert_with(|| (at, outcome.clone()));
        if at > of_row.0 {
            *of_row = (at, outcome);
        }
    }
    Ok(newest.into_values().map(|(_, outcome)| outcome).collect())
}

/// What happened, by the key of the row.
fn known_of(
    asker: Asker<'_>,
    keys: &Keys,
    names: &[&String],
    predictions: &DataFrame,
    outcomes: &DataFrame,
) -> Result<HashMap<Vec<String>, Known>> {
    let doing = asker.key;
    for name in names {
        let (ours, theirs) = (predictions.column(name).during(doing)?, outcomes.column(name).during(doing)?);
        if ours.dtype() != theirs.dtype() {
            return Err(Error::cannot_run(format!(
                "{doing}: column '{name}' is {} in the predictions, but {} in the labels",
                artifact::type_name(ours.dtype()),
                artifact::type_name(theirs.dtype())
            ))
            .hint("predictions from before the change cannot be judged: move them out of the folder of predict"));
        }
    }
    let labels = numbers_of(doing, outcomes.column(&keys.label).during(doing)?)?;
    let segment = |name: &String| -> Result<Vec<Option<String>>> {
        let column = outcomes.column(name).map_err(|_| {
            let known: Vec<&str> = outcomes.get_column_names().into_iter().map(|name| name.as_str()).collect();
            Error::cannot_run(format!("{doing}.segments: no column '{name}' in table '{}'", asker.labels))
                .hint(did_you_mean(name, known))
        })?;
        let texts = column.cast(&DataType::String).during(doing)?;
        Ok(texts.str().during(doing)?.iter().map(|text| text.map(str::to_owned)).collect())
    };
    let segments: Vec<Vec<Option<String>>> = asker.segments.iter().map(segment).collect::<Result<_>>()?;
    let mut known = HashMap::new();
    for row in 0..outcomes.height() {
        let (Some(key), Some(label)) = (key_of(doing, outcomes, names, row)?, labels[row]) else { continue };
        let of_row = || Known { label, segments: segments.iter().map(|values| values[row].clone()).collect() };
        known.entry(key).or_insert_with(of_row);
    }
    Ok(known)
}

/// Only the newest weeks: those up to `weeks` before the newest of them.
pub(crate) fn newest_weeks(rows: &mut Vec<Outcome>, weeks: u32) {
    if let Some(newest) = rows.iter().map(|outcome| outcome.week).max() {
        let oldest = newest - TimeDelta::weeks(i64::from(weeks) - 1);
        rows.retain(|outcome| outcome.week >= oldest);
    }
}

pub(crate) fn grouped<'a, K: Ord>(
    rows: impl Iterator<Item = &'a Outcome>,
    key: impl Fn(&'a Outcome) -> K,
) -> BTreeMap<K, Vec<&'a Outcome>> {
    let mut groups: BTreeMap<K, Vec<&Outcome>> = BTreeMap::new();
    rows.for_each(|row| groups.entry(key(row)).or_default().push(row));
    groups
}

/// The number of each row's entity, from 0 without gaps.
pub(crate) fn entities_of(rows: &[&Outcome]) -> Vec<u32> {
    let mut numbers: HashMap<u32, u32> = HashMap::new();
    rows.iter()
        .map(|row| {
            let next = numbers.len() as u32;
            *numbers.entry(row.entity).or_insert(next)
        })
        .collect()
}

/// The key of a row; none if a part of it is null.
fn key_of(doing: &str, table: &DataFrame, names: &[&String], row: usize) -> Result<Option<Vec<String>>> {
    let mut key = Vec::with_capacity(names.len());
    for name in names {
        let value = table.column(name).during(doing)?.get(row).during(doing)?;
        match value {
            AnyValue::Null => return Ok(None),
            AnyValue::String(text) => key.push(text.to_owned()),
            other => key.push(other.to_string()),
        }
    }
    Ok(Some(key))
}

/// Numbers, or 0 and 1 for booleans.
fn numbers_of(doing: &str, column: &Column) -> Result<Vec<Option<f64>>> {
    let name = column.name();
    if !(column.dtype().is_primitive_numeric() || column.dtype().is_bool()) {
        return Err(Error::cannot_run(format!(
            "{doing}: column '{name}' is {}, expected numbers or booleans",
            artifact::type_name(column.dtype())
        )));
    }
    let numbers = column.cast(&DataType::Float64).during(format!("column '{name}'"))?;
    Ok(numbers.f64().during(doing)?.iter().collect())
}

/// Microseconds since 1970 of dates and timestamps.
fn micros_of(doing: &str, column: &Column) -> Result<Vec<Option<i64>>> {
    let name = column.name();
    if !matches!(column.dtype(), DataType::Date | DataType::Datetime(..)) {
        return Err(Error::cannot_run(format!(
            "{doing}: column '{name}' is {}, expected dates or timestamps",
            artifact::type_name(column.dtype())
        )));
    }
    let micros = column.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).during(format!("column '{name}'"))?;
    let micros = micros.to_physical_repr();
    Ok(micros.i64().during(doing)?.iter().collect())
}

fn monday_of(micros: i64) -> Option<NaiveDate> {
    let day = DateTime::from_timestamp_micros(micros)?.date_naive();
    day.checked_sub_signed(TimeDelta::days(i64::from(day.weekday().num_days_from_monday())))
}
