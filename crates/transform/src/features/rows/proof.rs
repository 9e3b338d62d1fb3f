//! `features --prove` for rows: recomputes a sample of published rows from what was known at their time.
//!
//! For each sampled row
//! 1. its own label is falsified, all rows at or after its time are cut off, every feature is computed by
//!    [`reference`](super::reference) and compared with the published value; so is the label, from the row itself;
//! 2. for some of the times, everything at or after it is falsified and doubled, and rows are invented at the very
//!    moment; the features are computed again by the tool's own kernel and must not move.

use std::collections::{BTreeSet, HashMap};

use artifact::PolarsResultExt;
use polars::prelude::{
    AnyValue, BooleanChunked, ChunkApply, DataFrame, DataType, IdxCa, IntoLazy, IntoSeries, LazyFrame, NamedFrom,
    NewChunkedArray, Series, col,
};
use spec::{Error, Result};

use super::compute::{Tables, compute, coordinates, evaluated, holds, times_of};
use super::plan::{ByKey, Earlier, How, Near, NearWhat, Open, Plan};
use super::reference::{Seen, earlier, nearest, within};
use super::spec::RowSpec;
use super::table::{Part, chosen, parted};
use crate::features::plan::{held_as, is_text};
use crate::features::proof::{Proof, mixed, other_columns, series};
use crate::features::reference::{Value, cell, equal};

/// At how many times the future is falsified: each costs a run over all rows.
const TIMES: usize = 8;
/// How many earlier rows are invented again at the moment of a sampled row.
const INVENTED: usize = 1_000;

/// Recomputes up to `sample` rows of the published tables, chosen by `seed`.
pub fn prove(
    spec: &RowSpec,
    open: Open,
    published_training: LazyFrame,
    published_scoring: LazyFrame,
    sample: usize,
    seed: u64,
) -> Result<Proof> {
    let plan = Plan::new(spec, open)?;
    let (tables, _) = Tables::read(&plan, open)?;
    let (label, parts) = parted(&plan, &tables.own)?;
    let frame = compute(&plan, &tables)?;
    let mut proof = Proof::default();
    let half = sample.div_ceil(2);
    for (part, published, sample, seed) in [
        (Part::Training, published_training, half, seed),
        (Part::Scoring, published_scoring, sample - half, seed ^ 0x5c0_21e5),
    ] {
        let label = (part == Part::Training).then_some(&label);
        let expected = chosen(&plan, &frame.head(Some(0)), &[], part, label.map(|label| label.head(Some(0))).as_ref())?;
        let columns: Vec<_> = expected.get_column_names().iter().map(|name| col(name.as_str())).collect();
        let mut published = published.select(columns);
        published.collect_schema().map_err(other_columns)?;
        let published = artifact::collect(published, "reading published features")?;
        let rows: Vec<u32> = (0u32..).zip(&parts).filter(|(_, other)| **other == part).map(|(row, _)| row).collect();
        if rows.len() != published.height() {
            return Err(Error::refused(format!(
                "{} rows were published, but table '{}' gives {}",
                published.height(),
                plan.table,
                rows.len()
            ))
            .hint("the clean table changed since; run features again"));
        }
        let mut order: Vec<(u64, u32)> = (0..rows.len() as u32).map(|row| (mixed(seed, u64::from(row)), row)).collect();
        order.sort_unstable();
        let mut places: Vec<u32> = order.iter().take(sample).map(|(_, row)| *row).collect();
        places.sort_unstable();
        let asked: Vec<u32> = places.iter().map(|place| rows[*place as usize]).collect();
        let published = taken(&published, &places)?;
        proof.pairs += asked.len();
        let mut known = from_the_past(&plan, &tables, &frame, &asked, &published)?;
        if let Some(label) = label {
            let index = IdxCa::from_slice("".into(), &asked);
            known.with_column(label.take(&index).during("proof")?.into()).during("proof")?;
        }
        let names = plan.features.iter().map(|(name, _)| name.as_str());
        let with_label: Vec<&str> = names.clone().chain(label.map(|_| plan.label.as_str())).collect();
        proof.values += compare(&plan, &published, &known, &with_label, "what was known before gives")?;
        let names: Vec<&str> = names.collect();
        proof.perturbed += with_false_future(&plan, &tables, &asked, &published, &names)?;
    }
    if proof.pairs == 0 {
        return Err(Error::refused("there is no published row to prove").hint("run features first"));
    }
    Ok(proof)
}

fn taken(frame: &DataFrame, rows: &[u32]) -> Result<DataFrame> {
    frame.take(&IdxCa::from_slice("".into(), rows)).during("proof")
}

/// The features of the asked rows, each from its own past. `frame` holds the features of all rows, of which only
/// those made of a row itself are looked at.
fn from_the_past(
    plan: &Plan,
    tables: &Tables,
    frame: &DataFrame,
    asked: &[u32],
    published: &DataFrame,
) -> Result<DataFrame> {
    let hidden = |name: &str| plan.hidden.iter().any(|hidden| hidden == name);
    let mut rows = falsified(&taken(&tables.own, asked)?, hidden, None)?;
    for (name, how) in &plan.features {
        let place = format!("feature '{name}'");
        let values = match how {
            How::Sql { sql, .. } => {
                let column = evaluated(&rows, sql, name, &place)?;
                rows.with_column(column.into()).during(&place)?;
                continue;
            }
            How::Earlier(of) => from_earlier_rows(plan, tables, frame, &rows, of, &place)?,
            How::Near(of) => from_places(plan, tables, &rows, of, &place)?,
            How::ByKey(of) => from_key(tables, &rows, of)?,
        };
        rows.with_column(series(name, values, published)?.into()).during(&place)?;
    }
    Ok(rows)
}

/// A column as text, as values are told apart.
fn words(frame: &DataFrame, name: &str) -> Result<Vec<Option<String>>> {
    let dtype = frame.column(name).during("proof")?.dtype().clone();
    let held = frame.clone().lazy().select([held_as(&dtype, col(name))]).collect().during("proof")?;
    let held = held.column(name).during("proof")?.cast(&DataType::String).during("proof")?;
    let held = held.str().during("proof")?;
    Ok(held.iter().map(|word| word.filter(|word| *word != "NaN").map(|word| word.replace("-0.0", "0.0"))).collect())
}

/// The values of some columns as one key per row; nothing where one is null.
fn keys<'a>(frame: &DataFrame, columns: impl Iterator<Item = &'a String>) -> Result<Vec<Option<Vec<String>>>> {
    let mut keys = vec![Some(Vec::new()); frame.height()];
    for column in columns {
        for (key, word) in keys.iter_mut().zip(words(frame, column)?) {
            *key = key.take().zip(word).map(|(mut key, word)| {
                key.push(word);
                key
            });
        }
    }
    Ok(keys)
}

fn from_earlier_rows(
    plan: &Plan,
    tables: &Tables,
    frame: &DataFrame,
    rows: &DataFrame,
    of: &Earlier,
    place: &str,
) -> Result<Vec<Value>> {
    let (source, time) = match &of.from {
        None => (frame, &plan.time),
        Some((name, time)) => (tables.other(name)?, time),
    };
    let asking = keys(rows, of.by.iter().map(|(own, _)| own))?;
    let wanted: BTreeSet<&Vec<String>> = asking.iter().flatten().collect();
    let theirs = keys(source, of.by.iter().map(|(_, their)| their))?;
    let times = times_of(source, time)?;
    let kept = match &of.filter {
        Some(filter) => holds(source, filter, place)?,
        None => vec![true; source.height()],
    };
    let (mut numeric, mut numbers, mut texts) = (false, Vec::new(), Vec::new());
    if let Some(sql) = &of.of {
        let column = evaluated(source, sql, "of", place)?;
        let held = DataFrame::new(column.len(), vec![column.clone().into()]).during(place)?;
        texts = words(&held, "of")?;
        if column.dtype().is_primitive_numeric() || column.dtype().is_bool() {
            numeric = column.dtype().is_primitive_numeric();
            numbers = column.cast(&DataType::Float64).during(place)?.f64().during(place)?.iter().collect();
        }
    }
    let mut groups: HashMap<&Vec<String>, Vec<Seen>> = HashMap::new();
    for (row, key) in theirs.iter().enumerate() {
        if let Some(key) = key.as_ref().filter(|key| times[row] != i64::MIN && wanted.contains(key)) {
            groups.entry(key).or_default().push(Seen {
                time: times[row],
                number: numbers.get(row).copied().flatten(),
                word: texts.get(row).cloned().flatten(),
                holds: kept[row],
            });
        }
    }
    groups.values_mut().for_each(|group| group.sort_by_key(|row| row.time));
    let none = Vec::new();
    let value = |(key, time): (&Option<Vec<String>>, i64)| match key {
        None => Value::Null,
        Some(key) => {
            let group = groups.get(key).unwrap_or(&none);
            earlier(of.op, numeric, group, time, (of.window, of.lag), plan.clock)
        }
    };
    Ok(asking.iter().zip(times_of(rows, &plan.time)?).map(value).collect())
}

fn from_places(plan: &Plan, tables: &Tables, rows: &DataFrame, of: &Near, place: &str) -> Result<Vec<Value>> {
    let other = tables.other(&of.table)?;
    let mut places = coordinates(other, &of.theirs, &of.table, place)?;
    let points = coordinates(rows, &of.at, &plan.table, place)?;
    let text = |value: Option<String>| value.map_or(Value::Null, Value::Text);
    Ok(match &of.what {
        NearWhat::Distance => points
            .into_iter()
            .map(|at| nearest(at, &places).map_or(Value::Null, |(_, metres)| Value::Number(metres)))
            .collect(),
        NearWhat::Column(name) => {
            let words = words(other, name)?;
            points.into_iter().map(|at| text(nearest(at, &places).and_then(|(i, _)| words[i].clone()))).collect()
        }
        NearWhat::Within(radius, filter) => {
            if let Some(filter) = filter {
                let kept = holds(other, filter, place)?;
                places.iter_mut().zip(kept).for_each(|(at, keeps)| *at = at.filter(|_| keeps));
            }
            let count = |at| within(at, &places, radius.0).map_or(Value::Null, |count| Value::Number(count as f64));
            points.into_iter().map(count).collect()
        }
    })
}

fn from_key(tables: &Tables, rows: &DataFrame, of: &ByKey) -> Result<Vec<Value>> {
    let other = tables.other(&of.table)?;
    let theirs = keys(other, of.on.iter().map(|(_, their)| their))?;
    let asking = keys(rows, of.on.iter().map(|(own, _)| own))?;
    let values = words(other, &of.take)?;
    let found = |key: Option<Vec<String>>| {
        let row = key.and_then(|key| theirs.iter().position(|other| other.as_ref() == Some(&key)))?;
        values[row].clone()
    };
    Ok(asking.into_iter().map(|key| found(key).map_or(Value::Null, Value::Text)).collect())
}

/// Computes the features of the asked rows again with other rows from their time on. Returns the number of values.
fn with_false_future(
    plan: &Plan,
    tables: &Tables,
    asked: &[u32],
    published: &DataFrame,
    names: &[&str],
) -> Result<usize> {
    let all = times_of(&tables.own, &plan.time)?;
    let times: BTreeSet<i64> = asked.iter().map(|row| all[*row as usize]).collect();
    let step = times.len().div_ceil(TIMES).max(1);
    let mut values = 0;
    for time in times.into_iter().step_by(step) {
        let here: Vec<u32> =
            (0u32..).zip(asked).filter(|(_, row)| all[**row as usize] == time).map(|(i, _)| i).collect();
        let rows: Vec<u32> = here.iter().map(|i| asked[*i as usize]).collect();
        let (world, place) = other_world(plan, tables, &all, time, &rows)?;
        let moved = compute(plan, &world)?.slice(place as i64, rows.len());
        values += compare(plan, &taken(published, &here)?, &moved, names, "with another future it becomes")?;
    }
    Ok(values)
}

/// The tables with another future from `time` on, and where the asked rows stand in it.
fn other_world(plan: &Plan, tables: &Tables, times: &[i64], time: i64, asked: &[u32]) -> Result<(Tables, usize)> {
    let hidden = |name: &str| plan.hidden.iter().any(|hidden| hidden == name);
    let rows: BTreeSet<u32> = asked.iter().copied().collect();
    let (past, later) = cut(&tables.own, times, time)?;
    let from_then_on = (0u32..).zip(times).filter(|(_, at)| **at >= time);
    let others: Vec<bool> = from_then_on.map(|(row, _)| !rows.contains(&row)).collect();
    let later = later.filter(&BooleanChunked::from_slice("".into(), &others)).during("proof")?;
    let own = falsified(&taken(&tables.own, asked)?, hidden, None)?;
    let place = past.height();
    let keep = kept_columns(plan, &plan.table);
    let world = Tables {
        own: joined(&past, Some(&own), &later, &keep, (&plan.time, time))?,
        others: tables
            .others
            .iter()
            .map(|(name, frame)| {
                // A table of places or keys has no time: it stays as it is.
                let Some(column) = only_from(plan, name) else { return Ok((name.clone(), frame.clone())) };
                let (past, later) = cut(frame, &times_of(frame, column)?, time)?;
                let keep = kept_columns(plan, name);
                Ok((name.clone(), joined(&past, None, &later, &keep, (column, time))?))
            })
            .collect::<Result<_>>()?,
    };
    Ok((world, place))
}

/// The past, the asked rows, and a future that never was: twice, once at the very moment.
fn joined(
    past: &DataFrame,
    asked: Option<&DataFrame>,
    later: &DataFrame,
    keep: &BTreeSet<String>,
    (time, at): (&str, i64),
) -> Result<DataFrame> {
    let change = |name: &str| name != time && !keep.contains(name);
    let invented = past.tail(Some(INVENTED)).vstack(later).during("proof")?;
    let mut all = past.clone();
    for part in asked
        .into_iter()
        .cloned()
        .chain([falsified(later, change, None)?, falsified(&invented, change, Some((time, at)))?])
    {
        all.vstack_mut(&part).during("proof")?;
    }
    all.rechunk_mut();
    Ok(all)
}

/// The time column of a table that is only looked at as of a time.
fn only_from<'a>(plan: &'a Plan, table: &str) -> Option<&'a str> {
    let mut time = None;
    for (_, how) in &plan.features {
        match how {
            How::Near(of) if of.table == table => return None,
            How::ByKey(of) if of.table == table => return None,
            How::Earlier(of) => {
                if let Some((_, column)) = of.from.as_ref().filter(|(from, _)| from == table) {
                    time = Some(column.as_str());
                }
            }
            _ => {}
        }
    }
    time
}

/// The columns that say to which group, place or key a row belongs: they stay, so that false rows are met.
fn kept_columns(plan: &Plan, table: &str) -> BTreeSet<String> {
    let own = table == plan.table;
    let mut keep = BTreeSet::new();
    for (_, how) in &plan.features {
        match how {
            How::Earlier(of) => {
                let seen = of.from.as_ref().map_or(own, |(from, _)| from == table);
                keep.extend(of.by.iter().filter(|_| seen).map(|(_, their)| their.clone()));
                keep.extend(of.by.iter().filter(|_| own).map(|(mine, _)| mine.clone()));
            }
            How::Near(of) if own => keep.extend(of.at.iter().cloned()),
            How::ByKey(of) if own => keep.extend(of.on.iter().map(|(mine, _)| mine.clone())),
            _ => {}
        }
    }
    keep
}

fn cut(frame: &DataFrame, times: &[i64], time: i64) -> Result<(DataFrame, DataFrame)> {
    let past: Vec<bool> = times.iter().map(|other| *other < time).collect();
    let past = BooleanChunked::from_slice("".into(), &past);
    Ok((frame.filter(&past).during("proof")?, frame.filter(&!&past).during("proof")?))
}

/// The same rows with other values in some columns, and at another time if `at` says so.
fn falsified(rows: &DataFrame, change: impl Fn(&str) -> bool, at: Option<(&str, i64)>) -> Result<DataFrame> {
    let doing = "falsifying the future";
    let mut columns = Vec::new();
    for column in rows.columns() {
        let (name, dtype) = (column.name().clone(), column.dtype().clone());
        let series = column.as_materialized_series();
        columns.push(match at {
            Some((time, at)) if name == time => {
                let physical = series.to_physical_repr().dtype().clone();
                let times = Series::new(name, vec![at; rows.height()]).cast(&physical).during(doing)?;
                times.cast(&dtype).during(doing)?
            }
            _ if !change(name.as_str()) => series.clone(),
            _ if dtype.is_primitive_numeric() => {
                let other = series.cast(&DataType::Float64).during(doing)?;
                let other = other.f64().during(doing)?.apply_values(|value| 97.0 - 3.0 * value).into_series();
                // What the type cannot hold becomes null, which is another value too.
                other.cast(&dtype).during(doing)?
            }
            _ if is_text(&dtype) && dtype.is_string() => {
                Series::new(name, vec!["a value that never was"; rows.height()])
            }
            _ => Series::full_null(name, rows.height(), &dtype),
        });
    }
    DataFrame::new(rows.height(), columns.into_iter().map(Into::into).collect()).during(doing)
}

/// Compares some columns of two tables of the same rows. Returns the number of values.
fn compare(plan: &Plan, published: &DataFrame, known: &DataFrame, names: &[&str], says: &str) -> Result<usize> {
    let doing = "comparing features";
    let mut values = 0;
    for name in names {
        let (was, is) = (published.column(name).during(doing)?, known.column(name).during(doing)?);
        for row in 0..published.height() {
            let (was, is) = (cell(&was.get(row).during(doing)?), cell(&is.get(row).during(doing)?));
            if !equal(&was, &is) {
                let shown = |column: &str| -> Result<String> {
                    let value: AnyValue = published.column(column).during(doing)?.get(row).during(doing)?;
                    Ok(format!("{column} {value}"))
                };
                let key = plan.key.as_deref().map(shown).transpose()?;
                let place: Vec<String> = key.into_iter().chain([shown(&plan.time)?]).collect();
                return Err(Error::refused(format!(
                    "{}, '{name}': published is {was}, but {says} {is}",
                    place.join(", ")
                ))
                .hint("the clean tables changed since (run features again), or the feature looks into the future"));
            }
            values += 1;
        }
    }
    Ok(values)
}
