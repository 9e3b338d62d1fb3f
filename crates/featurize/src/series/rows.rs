//! The rows of the table, one by one: which series and period each is of, and its label.

use std::collections::{BTreeSet, HashMap, HashSet};

use artifact::PolarsResultExt;
use chrono::NaiveDate;
use polars::prelude::{DataFrame, DataType, IntoLazy, NewChunkedArray, Series, StringChunked, col};
use spec::{Error, Result};

use super::panel::{Asked, NONE};
use super::periods::Periods;
use super::plan::Plan;
use super::spec::{Negative, Renamed, Unfinished};
use crate::eval::evaluated;
use values::form::{numbers, refuse_infinite};

/// Where a row came from.
pub fn origin(frame: &DataFrame, row: usize) -> String {
    let cell = |name: &str| {
        let value = frame.column(name).ok()?.get(row).ok()?;
        (!value.is_null()).then(|| value.get_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    match (cell(artifact::ROW), cell(artifact::FILE)) {
        (Some(row), Some(file)) => format!("row {row} of {file}"),
        _ => format!("row {}", row + 1),
    }
}

/// A column as texts.
pub fn texts(frame: &DataFrame, name: &str) -> Result<Vec<Option<String>>> {
    let place = format!("column '{name}'");
    let column =
        frame.column(name).during(&place)?.as_materialized_series().strict_cast(&DataType::String).during(&place)?;
    Ok(column.str().during(&place)?.iter().map(|text| text.map(str::to_owned)).collect())
}

/// Gives rows of an old name the new one. New names of one day are given at once, so that two stores can swap theirs; those of
/// several days one after the other. Returns what people should look at.
///
/// Errors (refused): an old name from its day on, unless another one was renamed to it.
pub fn rename(plan: &Plan, frame: &mut DataFrame, times: &[i64]) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    let columns: BTreeSet<&String> = plan.rules().renamed.iter().map(|renamed| &renamed.column).collect();
    for column in columns {
        let mut renames: Vec<&Renamed> =
            plan.rules().renamed.iter().filter(|renamed| renamed.column == *column).collect();
        renames.sort_by_key(|renamed| renamed.on);
        let mut values = texts(frame, column)?;
        warnings.extend(unknown(&renames, &values));
        let mut changed = false;
        for (row, value) in values.iter_mut().enumerate() {
            let (Some(name), Some(day)) = (value.as_ref(), plan.clock.day(times[row])) else { continue };
            let taken_over = renames.iter().any(|other| other.to == *name && other.on <= day);
            if let Some(old) = renames.iter().find(|old| old.from == *name && old.on <= day && !taken_over) {
                return Err(Error::refused(format!(
                    "series.renamed: '{}' is called '{}' from {} on, but {} still has the old name",
                    old.from,
                    old.to,
                    old.on,
                    origin(frame, row)
                ))
                .hint("correct the day, or the row in clean.yaml"));
            }
            let mut new = name;
            for at_once in renames.chunk_by(|one, other| one.on == other.on).filter(|at_once| day < at_once[0].on) {
                new = at_once.iter().find(|renamed| renamed.from == *new).map_or(new, |renamed| &renamed.to);
            }
            let new = new.clone();
            if new != *name {
                *value = Some(new);
                changed = true;
            }
        }
        if !changed {
            continue;
        }
        let place = format!("series.renamed: column '{column}'");
        let dtype = frame.column(column).during(&place)?.dtype().clone();
        let texts = StringChunked::from_iter_options(column.as_str().into(), values.into_iter());
        let texts: Series = polars::prelude::IntoSeries::into_series(texts);
        let cast = texts.strict_cast(&dtype).map_err(|_| {
            let names: Vec<&str> = renames.iter().map(|renamed| renamed.to.as_str()).collect();
            Error::cannot_run(format!("{place} cannot hold '{}'", names.join("' or '")))
                .hint("write values of the column's type")
        })?;
        frame.with_column(cast.into()).during(&place)?;
    }
    Ok(warnings)
}

/// Names that no row has: perhaps they are misspelt, and a series lost its history.
fn unknown(renames: &[&Renamed], values: &[Option<String>]) -> Vec<String> {
    let known: HashSet<&str> = values.iter().flatten().map(String::as_str).collect();
    let names: BTreeSet<&str> = renames.iter().flat_map(|renamed| [renamed.from.as_str(), &renamed.to]).collect();
    let column = renames.first().map_or("", |renamed| renamed.column.as_str());
    let warning = |name: &&str| format!("series.renamed: no row has '{name}' as '{column}'");
    names.iter().filter(|name| !known.contains(**name)).map(warning).collect()
}

/// The keys of all series in their order, their names, and the series of each row.
pub fn series_of(plan: &Plan, frame: &DataFrame) -> Result<(DataFrame, Vec<String>, Vec<u32>)> {
    let doing = "series";
    let by: Vec<_> = plan.by.iter().map(|name| col(name.as_str())).collect();
    let keys = frame.clone().lazy().select(by).unique(None, polars::prelude::UniqueKeepStrategy::Any);
    let order: Vec<&str> = plan.by.iter().map(String::as_str).collect();
    let keys = keys.sort(order, Default::default()).collect().during(doing)?;
    let named = |frame: &DataFrame| -> Result<Vec<Vec<String>>> {
        let columns = plan.by.iter().map(|name| texts(frame, name)).collect::<Result<Vec<_>>>()?;
        let of = |row: usize| columns.iter().map(|column| column[row].clone().unwrap_or_default()).collect();
        Ok((0..frame.height()).map(of).collect())
    };
    let all = named(&keys)?;
    let codes: HashMap<&Vec<String>, u32> = all.iter().zip(0..).collect();
    let series = named(frame)?.iter().map(|key| codes.get(key).copied().unwrap_or(NONE)).collect();
    let name = |key: &Vec<String>| match key.as_slice() {
        [one] => one.clone(),
        // So that no two series have one name.
        several => {
            several.iter().map(|part| part.replace('\\', "\\\\").replace('/', "\\/")).collect::<Vec<_>>().join("/")
        }
    };
    Ok((keys, all.iter().map(name).collect(), series))
}

/// The number of the period of each row.
pub fn numbered(
    plan: &Plan,
    frame: &DataFrame,
    times: &[i64],
    periods: &Periods,
    names: &[String],
    series: &[u32],
) -> Result<Vec<i64>> {
    let number = |(row, time): (usize, &i64)| {
        periods.number(*time).ok_or_else(|| {
            let day = plan.clock.day(*time).map(|day| day.to_string()).unwrap_or_default();
            let on_grid = times.iter().find(|other| periods.number(**other).is_some());
            let other = on_grid.and_then(|time| plan.clock.day(*time)).map(|day| day.to_string()).unwrap_or_default();
            Error::refused(format!(
                "table '{}': {} (series {}, {day}) lies between two periods of {}, counted from {other}",
                plan.table,
                origin(frame, row),
                names[series[row] as usize],
                plan.every
            ))
            .hint(
                "correct the date in clean.yaml, or the length of a period as 'series.every'; if each row is a sale or a \
                 measurement, add them up to periods in clean.yaml with aggregate",
            )
        })
    };
    times.iter().enumerate().map(number).collect()
}

/// The label of each row, NaN where it is not known; and the day from which the first of those is known that were left out
/// because their period is not over.
pub fn labels(
    plan: &Plan,
    frame: &DataFrame,
    periods_of: &[i64],
    (names, series): (&[String], &[u32]),
    periods: &Periods,
    asked: Asked,
) -> Result<(Vec<f64>, Option<NaiveDate>)> {
    let place = format!("label '{}'", plan.label);
    let column = evaluated(frame, &plan.label_sql, &plan.label, &place)?;
    if frame.column(plan.label_sql.sql().text().trim()).is_ok() {
        refuse_infinite(&column, &place)?;
    }
    let mut labels = numbers(&column, &place)?;
    let row_named = |row: usize| {
        format!("{} (series {}, {})", origin(frame, row), names[series[row] as usize], periods.shown(periods_of[row]))
    };
    let mut changes_on: Option<NaiveDate> = None;
    for (row, label) in labels.iter_mut().enumerate() {
        if label.is_nan() {
            continue;
        }
        let is_later = asked.newest.is_some_and(|newest| periods_of[row] >= newest);
        if !is_later && !periods.is_over(periods_of[row], asked.today) {
            if plan.rules().unfinished == Unfinished::Drop {
                *label = f64::NAN;
                let over = periods.over_on(periods_of[row]);
                changes_on = [changes_on, over].into_iter().flatten().min();
                continue;
            }
            return Err(Error::refused(format!(
                "table '{}': {} has a label, but its period is not over on {}",
                plan.table,
                row_named(row),
                asked.today
            ))
            .hint("remove such rows in clean.yaml, or write `unfinished: drop` under 'series'"));
        }
        if *label < 0.0 && !is_later {
            match plan.negative {
                Negative::Keep => {}
                Negative::Zero => *label = 0.0,
                Negative::Refuse => {
                    return Err(Error::refused(format!("{place} is {label} in {}", row_named(row))).hint(
                        "if that is right, write `negative: keep` under 'label', or `negative: zero`; else correct it in \
                         clean.yaml",
                    ));
                }
            }
        }
        if label.is_infinite() {
            *label = f64::NAN;
        }
    }
    Ok((labels, changes_on))
}
