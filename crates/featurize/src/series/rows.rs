//! The rows of the table, one by one: which series and period each is of, and its label.

use std::collections::{BTreeSet, HashMap, HashSet};

use artifact::PolarsResultExt;
use chrono::NaiveDate;
use polars::prelude::{DataFrame, DataType, IdxCa, NewChunkedArray, Series, StringChunked};
use spec::{Error, Result};

use super::panel::{NONE, PanelOptions};
use super::periods::{FirstOver, Periods};
use super::plan::SeriesPlan;
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
pub fn rename(plan: &SeriesPlan, frame: &mut DataFrame, times: &[i64]) -> Result<Vec<String>> {
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

/// The values of a column by number, in the order of their first rows: of each row its number, [`NONE`] without a value, and
/// all values as texts.
pub fn coded(frame: &DataFrame, name: &str) -> Result<(Vec<u32>, Vec<String>)> {
    let place = format!("column '{name}'");
    let column =
        frame.column(name).during(&place)?.as_materialized_series().strict_cast(&DataType::String).during(&place)?;
    let (mut known, mut values): (HashMap<&str, u32>, Vec<String>) = (HashMap::new(), Vec::new());
    // Rows of one series often follow each other.
    let mut before: Option<(&str, u32)> = None;
    let codes = column.str().during(&place)?.iter().map(|text| {
        let Some(text) = text else { return NONE };
        if let Some((_, code)) = before.filter(|(same, _)| *same == text) {
            return code;
        }
        let code = *known.entry(text).or_insert_with(|| {
            values.push(text.to_owned());
            values.len() as u32 - 1
        });
        before = Some((text, code));
        code
    });
    let codes = codes.collect();
    Ok((codes, values))
}

/// Several codes of each row as one, in the order of the first rows, and the first row of each.
pub fn together(columns: &[Vec<u32>]) -> (Vec<u32>, Vec<u32>) {
    let rows = columns.first().map_or(0, Vec::len);
    let mut all = vec![0u32; rows];
    for column in columns {
        let mut known: HashMap<(u32, u32), u32> = HashMap::new();
        for (one, other) in all.iter_mut().zip(column) {
            let fresh = known.len() as u32;
            *one = *known.entry((*one, *other)).or_insert(fresh);
        }
    }
    let mut firsts = Vec::new();
    for (row, code) in (0u32..).zip(&all) {
        if *code as usize == firsts.len() {
            firsts.push(row);
        }
    }
    (all, firsts)
}

/// The keys of all series in their order, their names, and the series of each row.
pub fn series_of(plan: &SeriesPlan, frame: &DataFrame) -> Result<(DataFrame, Vec<String>, Vec<u32>)> {
    const PLACE: &str = "place of the series";
    let doing = "series";
    let columns = plan.by.iter().map(|name| Ok(coded(frame, name)?.0)).collect::<Result<Vec<_>>>()?;
    let (codes, firsts) = together(&columns);
    let order: Vec<&str> = plan.by.iter().map(String::as_str).collect();
    let keys = frame.select(order.clone()).during(doing)?.take(&IdxCa::from_slice("".into(), &firsts)).during(doing)?;
    let keys =
        keys.with_row_index(PLACE.into(), None).and_then(|keys| keys.sort(order, Default::default())).during(doing)?;
    let mut rank = vec![NONE; firsts.len()];
    for (at, place) in (0u32..).zip(keys.column(PLACE).during(doing)?.idx().during(doing)?.iter()) {
        if let Some(known) = place.and_then(|place| rank.get_mut(place as usize)) {
            *known = at;
        }
    }
    let keys = keys.drop(PLACE).during(doing)?;
    let columns = plan.by.iter().map(|name| texts(&keys, name)).collect::<Result<Vec<_>>>()?;
    let name = |at: usize| {
        let of = |column: &Vec<Option<String>>| column[at].clone().unwrap_or_default();
        match columns.as_slice() {
            [one] => of(one),
            // So that no two series have one name.
            several => {
                let parts: Vec<String> = several.iter().map(of).collect();
                spec::text::joined(parts.iter().map(String::as_str))
            }
        }
    };
    let names = (0..keys.height()).map(name).collect();
    Ok((keys, names, codes.into_iter().map(|code| rank[code as usize]).collect()))
}

/// The number of the period of each row.
pub fn numbered(
    plan: &SeriesPlan,
    frame: &DataFrame,
    times: &[i64],
    periods: &Periods,
    names: &[String],
    series: &[u32],
) -> Result<Vec<i64>> {
    let number = |(row, time): (usize, &i64)| {
        periods.number(*time).ok_or_else(|| {
            let day = plan.clock.day(*time).map(|day| day.to_string()).unwrap_or_default();
            if periods.is_closed(*time) {
                return Error::refused(format!(
                    "table '{}': {} (series {}, {day}) is of a closed day",
                    plan.table,
                    origin(frame, row),
                    names[series[row] as usize]
                ))
                .hint("correct 'series.closed', or the date in clean.yaml; a filter there takes out what happens on closed days");
            }
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

/// Refuses a row that is years away from all others: it would be the beginning or the end of all series.
pub fn refuse_alone(
    plan: &SeriesPlan,
    frame: &DataFrame,
    times: &[i64],
    (names, series): (&[String], &[u32]),
    today: NaiveDate,
) -> Result<()> {
    let Some((rows, (first, last))) = crate::days::alone(times, plan.clock, today) else { return Ok(()) };
    let row = rows[0];
    let day = |number: i64| crate::clock::date(number).map(|day| day.to_string()).unwrap_or_default();
    Err(Error::refused(format!(
        "table '{}': {} (series {}, {}) lies years away from all others, which are of {} to {}",
        plan.table,
        origin(frame, row),
        names[series[row] as usize],
        day(plan.clock.day_number(times[row])),
        day(first),
        day(last)
    ))
    .hint("correct the date in clean.yaml, or leave the row out there with a filter"))
}

/// A label as the spec takes one below 0. `of` names where it is.
///
/// Errors (refused): one below 0, unless the spec says what that means.
pub fn taken(plan: &SeriesPlan, label: f64, of: impl FnOnce() -> String) -> Result<f64> {
    match plan.negative {
        _ if label >= 0.0 || label.is_nan() => Ok(label),
        Negative::Keep => Ok(label),
        Negative::Zero => Ok(0.0),
        Negative::Refuse => Err(Error::refused(format!("label '{}' is {label} in {}", plan.label, of())).hint(
            "if that is right, write `negative: keep` under 'label', or `negative: zero`; else correct it in clean.yaml",
        )),
    }
}

/// The label of each row, NaN where it is not known; and when the first of those is known that were left out because their period is
/// not over.
pub fn labels(
    plan: &SeriesPlan,
    frame: &DataFrame,
    periods_of: &[i64],
    (names, series): (&[String], &[u32]),
    periods: &Periods,
    asked: PanelOptions,
) -> Result<(Vec<f64>, FirstOver)> {
    let place = format!("label '{}'", plan.label);
    let column = evaluated(frame, &plan.label_sql, &plan.label, &place)?;
    if frame.column(plan.label_sql.sql().text().trim()).is_ok() {
        refuse_infinite(&column, &place)?;
    }
    let mut labels = numbers(&column, &place)?;
    let row_named = |row: usize| {
        format!("{} (series {}, {})", origin(frame, row), names[series[row] as usize], periods.shown(periods_of[row]))
    };
    let mut unfinished: Option<i64> = None;
    for (row, label) in labels.iter_mut().enumerate() {
        if label.is_nan() {
            continue;
        }
        let is_later = asked.newest.is_some_and(|newest| periods_of[row] >= newest);
        if !is_later && !periods.is_over(periods_of[row], asked.today) {
            if plan.rules().unfinished == Unfinished::Drop {
                *label = f64::NAN;
                unfinished = Some(unfinished.map_or(periods_of[row], |first| first.min(periods_of[row])));
                continue;
            }
            return Err(Error::refused(format!(
                "table '{}': {} has a label, but its period is not over {}",
                plan.table,
                row_named(row),
                periods.shown_now(asked.today)
            ))
            .hint("remove such rows in clean.yaml, or write `unfinished: drop` under 'series'"));
        }
        if !is_later {
            *label = taken(plan, *label, || row_named(row))?;
        }
        if label.is_infinite() {
            *label = f64::NAN;
        }
    }
    Ok((labels, unfinished.map(|first| periods.first_over(first)).unwrap_or_default()))
}
