//! `features --prove`: recomputes a sample of published rows from what was known at their cutoff.
//!
//! For each sampled entity and cutoff
//! 1. the rows strictly before the cutoff are cut out into a table of their own, every feature is computed from
//!    it by [`reference`](super::reference) and compared with the published value; so is the label, from
//!    the rows within its horizon alone;
//! 2. the future is falsified (every row at or after the cutoff is doubled and changed, and more are invented),
//!    the features are computed again by the tool's own kernel and must not move.

use std::collections::BTreeMap;

use artifact::PolarsResultExt;
use chrono::NaiveDate;
use polars::prelude::{
    BooleanChunked, ChunkApply, DataFrame, DataType, IntoLazy, IntoSeries, JoinArgs, JoinType, LazyFrame, NamedFrom,
    NewChunkedArray, Series, col,
};
use spec::{Error, Result};

use super::calendar::{after, midnight};
use super::plan::{How, Plan};
use super::reference::{Row, Value, cell, equal, rows_of, value};
use super::spec::{CUTOFF, CutoffSpec};
use super::store::Store;
use super::table::{Frame, Task, finish};

/// What a proof looked at. That it exists says that nothing differed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Published rows that were recomputed.
    pub pairs: usize,
    /// Values that were compared with what was known at the cutoff.
    pub values: usize,
    /// Values that were compared after the future was falsified.
    pub perturbed: usize,
}

/// Recomputes up to `sample` rows of the published tables, chosen by `seed`.
///
/// Errors: a difference is refused and named by entity, cutoff, column and both values; tables that do not
/// have the columns of the spec cannot be proved.
pub fn prove(
    spec: &CutoffSpec,
    input: LazyFrame,
    published_training: LazyFrame,
    published_scoring: LazyFrame,
    sample: usize,
    seed: u64,
) -> Result<Proof> {
    let Frame { plan, .. } = Frame::new(spec, input.clone())?;
    let label = plan.label.0.clone();
    let mut proof = Proof::default();
    let training = chosen(&plan, published_training, sample.div_ceil(2), seed)?;
    let scoring = chosen(&plan, published_scoring, sample - sample.div_ceil(2), seed ^ 0x5c0_21e5)?;
    if training.height() + scoring.height() == 0 {
        return Err(Error::refused("there is no published row to prove").hint("run features first"));
    }
    let history = history(&plan, input, &[&training, &scoring])?;
    for (table, with_label) in [(training, true), (scoring, false)] {
        for (day, published) in by_cutoff(&table)? {
            let mut expected: Vec<&str> = vec![&plan.entity, CUTOFF];
            expected.extend(plan.features.iter().map(|(name, _)| name.as_str()));
            expected.extend(with_label.then_some(label.as_str()));
            let published = published.select(expected).map_err(other_columns)?;
            proof.pairs += published.height();
            let known = from_the_past(&plan, &history, &published, day, with_label)?;
            proof.values += compare(&plan, &published, &known, day, "the rows before it give")?;
            let features = match with_label {
                true => published.drop(&label).during("proof")?,
                false => published,
            };
            let moved = with_false_future(&plan, &history, &features, day)?;
            proof.perturbed += compare(&plan, &features, &moved, day, "with another future it becomes")?;
        }
    }
    Ok(proof)
}

/// The table was published for another spec.
pub(super) fn other_columns(error: impl std::fmt::Display) -> Error {
    Error::cannot_run(format!("the published table does not have the columns of the spec: {error}"))
        .hint("features.yaml changed since; run features again")
}

/// Rows of a published table, chosen by the hash of their number: equal seeds choose equal rows.
fn chosen(plan: &Plan, published: LazyFrame, sample: usize, seed: u64) -> Result<DataFrame> {
    let doing = "reading published features";
    let keys = [col(plan.entity.as_str()), col(CUTOFF)];
    let keys = artifact::collect(published.clone().select(keys), doing)?;
    let mut order: Vec<(u64, u32)> = (0..keys.height() as u32).map(|row| (mixed(seed, u64::from(row)), row)).collect();
    order.sort_unstable();
    let mut chosen = vec![false; keys.height()];
    order.iter().take(sample).for_each(|(_, row)| chosen[*row as usize] = true);
    let keys = keys.filter(&BooleanChunked::from_slice("chosen".into(), &chosen)).during(doing)?;
    let on = [col(plan.entity.as_str()), col(CUTOFF)];
    let rows = published.join(keys.lazy(), on.clone(), on, JoinArgs::new(JoinType::Semi));
    let order = [plan.entity.as_str(), CUTOFF];
    artifact::collect(rows.sort(order, Default::default()), doing)
}

/// SplitMix64 (Steele, Lea and Flood 2014) of seed and number.
pub(super) fn mixed(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// All rows of the sampled entities, in the order of the table, with every column of the table that is read.
fn history(plan: &Plan, input: LazyFrame, tables: &[&DataFrame]) -> Result<DataFrame> {
    let doing = "reading rows to prove";
    let mut keys = tables[0].select([plan.entity.as_str()]).during(doing)?;
    for table in &tables[1..] {
        keys.vstack_mut(&table.select([plan.entity.as_str()]).during(doing)?).during(doing)?;
    }
    let on = [col(plan.entity.as_str())];
    let mut needed: Vec<String> = vec![plan.entity.clone(), plan.time.clone()];
    needed.extend(plan.numbers.iter().cloned().chain(plan.words.iter().map(|word| word.column.clone())));
    needed.extend(plan.conditions.iter().flat_map(|condition| condition.sql().columns()));
    let mut seen = std::collections::BTreeSet::new();
    needed.retain(|name| seen.insert(name.clone()));
    let needed: Vec<_> = needed.iter().map(|name| col(name.as_str())).collect();
    let args = JoinArgs { maintain_order: polars::prelude::MaintainOrderJoin::Left, ..JoinArgs::new(JoinType::Semi) };
    let rows = input.select(needed).filter(col(plan.time.as_str()).is_not_null());
    artifact::collect(rows.join(keys.lazy(), on.clone(), on, args), doing)
}

fn by_cutoff(table: &DataFrame) -> Result<BTreeMap<NaiveDate, DataFrame>> {
    let doing = "reading published features";
    let days = table.column(CUTOFF).during(doing)?.as_materialized_series().cast(&DataType::Date).during(doing)?;
    let days = days.to_physical_repr().into_owned();
    let days: Vec<Option<i32>> = days.i32().during(doing)?.iter().collect();
    let mut distinct: Vec<i32> = days.iter().flatten().copied().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let part = |day: i32| {
        let mask: BooleanChunked = days.iter().map(|other| Some(*other == Some(day))).collect();
        let date = NaiveDate::from_epoch_days(day).unwrap_or_default();
        Ok((date, table.filter(&mask).during(doing)?))
    };
    distinct.into_iter().map(part).collect()
}

/// Whether each row of `rows` lies before the cutoff.
fn split(plan: &Plan, rows: &DataFrame, day: NaiveDate) -> Result<(DataFrame, DataFrame)> {
    let doing = "cutting off the future";
    let times = rows.column(&plan.time).during(doing)?.as_materialized_series().to_physical_repr().into_owned();
    let times = times.cast(&DataType::Int64).during(doing)?;
    let cutoff = plan.clock.at(midnight(day));
    let past: BooleanChunked = times.i64().during(doing)?.iter().map(|time| time.map(|t| t < cutoff)).collect();
    Ok((rows.filter(&past).during(doing)?, rows.filter(&!&past).during(doing)?))
}

/// The features (and label) of the published entities, each from its own truncated table.
fn from_the_past(
    plan: &Plan,
    history: &DataFrame,
    published: &DataFrame,
    day: NaiveDate,
    with_label: bool,
) -> Result<DataFrame> {
    let (cutoff, clock) = (midnight(day), plan.clock);
    let (past, future) = split(plan, history, day)?;
    let (past, future) = (by_entity(plan, past)?, by_entity(plan, future)?);
    let entities = published.column(&plan.entity).during("proof")?.as_materialized_series().clone();
    let keys = entities.cast(&DataType::String).during("proof")?;
    let keys: Vec<String> = keys.str().during("proof")?.iter().map(|key| key.unwrap_or_default().to_owned()).collect();
    let none = Vec::new();
    let rows = |of: &BTreeMap<String, Vec<Row>>, key: &str| of.get(key).unwrap_or(&none).clone();
    let compute = |of: &BTreeMap<String, Vec<Row>>, op, condition, from, to| -> Vec<Value> {
        keys.iter()
            .map(|key| value(&rows(of, key), op, condition, (from, to), clock.at(cutoff), clock.per_day()))
            .collect()
    };
    let mut columns = vec![entities, published.column(CUTOFF).during("proof")?.as_materialized_series().clone()];
    for (name, how) in &plan.features {
        if let How::Aggregate(of) = how {
            let from = match plan.windows[of.window] {
                Some(span) => clock.at(super::calendar::before(cutoff, span)?),
                None => i64::MIN,
            };
            let values = compute(&past, of.op, of.condition, from, clock.at(cutoff));
            columns.push(series(name, values, published)?);
        }
    }
    if with_label {
        let (name, op, condition) = &plan.label;
        let to = clock.at(after(cutoff, plan.horizon)?);
        columns.push(series(name, compute(&future, *op, *condition, clock.at(cutoff), to), published)?);
    }
    finish(plan, columns, with_label)
}

/// Values as a column of the type that was published, so that SQL features compute with the same types.
pub(super) fn series(name: &str, values: Vec<Value>, published: &DataFrame) -> Result<Series> {
    let dtype = published.column(name).during("proof")?.dtype().clone();
    if dtype.is_primitive_numeric() {
        let numbers: Vec<Option<f64>> =
            values.iter().map(|value| if let Value::Number(n) = value { Some(*n) } else { None }).collect();
        // A word of a numeric column is text here and a number there.
        let texts = values.iter().map(|value| if let Value::Text(text) = value { text.parse().ok() } else { None });
        let merged: Vec<Option<f64>> = numbers.into_iter().zip(texts).map(|(a, b)| a.or(b)).collect();
        return Series::new(name.into(), merged).cast(&dtype).during("proof");
    }
    let texts: Vec<Option<String>> = values
        .into_iter()
        .map(|value| match value {
            Value::Null => None,
            Value::Number(number) => Some(number.to_string()),
            Value::Text(text) => Some(text),
        })
        .collect();
    let texts = Series::new(name.into(), texts);
    match dtype.is_temporal() || dtype.is_bool() {
        false => Ok(texts),
        true => {
            // Held as the integer that stands for the value.
            let integers = texts.cast(&DataType::Int64).during("proof")?;
            let narrow = if dtype == DataType::Date { DataType::Int32 } else { DataType::Int64 };
            integers.cast(&narrow).during("proof")?.cast(&dtype).during("proof")
        }
    }
}

/// The rows of each entity, by its key as text.
fn by_entity(plan: &Plan, rows: DataFrame) -> Result<BTreeMap<String, Vec<Row>>> {
    let read = plan.read(rows.lazy())?.collect().during("proof")?;
    let keys = read.column("e").during("proof")?.as_materialized_series().cast(&DataType::String).during("proof")?;
    let mut places: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (row, key) in keys.str().during("proof")?.iter().enumerate() {
        places.entry(key.unwrap_or_default().to_owned()).or_default().push(row as u32);
    }
    let part = |(key, rows): (String, Vec<u32>)| {
        let index = polars::prelude::IdxCa::from_slice("".into(), &rows);
        Ok((key, rows_of(plan, &read.take(&index).during("proof")?)?))
    };
    places.into_iter().map(part).collect()
}

/// The features of the published entities when everything from the cutoff on is other than it was.
fn with_false_future(plan: &Plan, history: &DataFrame, published: &DataFrame, day: NaiveDate) -> Result<DataFrame> {
    let doing = "falsifying the future";
    let (past, future) = split(plan, history, day)?;
    let at_cutoff = falsified(plan, &past, Some(day))?;
    let changed = falsified(plan, &future, None)?;
    let mut table = past.vstack(&changed).during(doing)?;
    table.vstack_mut(&changed).during(doing)?;
    table.vstack_mut(&at_cutoff).during(doing)?;
    let task = Task::new(plan, day, false)?;
    let store = Store::read(plan, table.lazy(), i64::MAX)?;
    let all = task.rows(plan, &store, 0..store.entities())?;
    let on = [col(plan.entity.as_str())];
    let keys = published.select([plan.entity.as_str()]).during(doing)?;
    let rows = all.lazy().join(keys.lazy(), on.clone(), on, JoinArgs::new(JoinType::Semi));
    rows.sort([plan.entity.as_str()], Default::default()).collect().during(doing)
}

/// The same rows with every value but entity and time changed; moved to the cutoff if `to` says so.
fn falsified(plan: &Plan, rows: &DataFrame, to: Option<NaiveDate>) -> Result<DataFrame> {
    let doing = "falsifying the future";
    let mut columns = Vec::new();
    for column in rows.columns() {
        let (name, dtype) = (column.name().clone(), column.dtype().clone());
        let series = column.as_materialized_series();
        columns.push(if name == plan.entity.as_str() {
            series.clone()
        } else if name == plan.time.as_str() {
            match to {
                None => series.clone(),
                Some(day) => {
                    let at = vec![plan.clock.at(midnight(day)); rows.height()];
                    let physical = series.to_physical_repr().dtype().clone();
                    let at = Series::new(name, at).cast(&physical).during(doing)?;
                    at.cast(&dtype).during(doing)?
                }
            }
        } else if dtype.is_primitive_numeric() {
            let other = series.cast(&DataType::Float64).during(doing)?;
            let other = other.f64().during(doing)?.apply_values(|value| 97.0 - 3.0 * value).into_series();
            // What the type cannot hold becomes null, which is another value too.
            other.cast(&dtype).during(doing)?
        } else if dtype.is_string() {
            Series::new(name, vec!["a value that never was"; rows.height()])
        } else {
            Series::full_null(name, rows.height(), &dtype)
        });
    }
    DataFrame::new(rows.height(), columns.into_iter().map(Into::into).collect()).during(doing)
}

/// Compares all columns of two tables of the same entities. Returns the number of values.
fn compare(plan: &Plan, published: &DataFrame, known: &DataFrame, day: NaiveDate, says: &str) -> Result<usize> {
    let doing = "comparing features";
    if published.height() != known.height() {
        return Err(Error::refused(format!(
            "cutoff {day}: {} entities were published, but {} have rows before it",
            published.height(),
            known.height()
        ))
        .hint("the clean table changed since; run features again"));
    }
    let entities = published.column(&plan.entity).during(doing)?;
    let mut values = 0;
    for column in published.columns() {
        if column.name() == plan.entity.as_str() || column.name() == CUTOFF {
            continue;
        }
        let other = known.column(column.name()).during(doing)?;
        for row in 0..published.height() {
            let (was, is) = (cell(&column.get(row).during(doing)?), cell(&other.get(row).during(doing)?));
            if !equal(&was, &is) {
                let entity = entities.get(row).during(doing)?;
                return Err(Error::refused(format!(
                    "{} {entity}, cutoff {day}, '{}': published is {was}, but {says} {is}",
                    plan.entity,
                    column.name()
                ))
                .hint("the clean table changed since (run features again), or the feature looks into the future"));
            }
            values += 1;
        }
    }
    Ok(values)
}
