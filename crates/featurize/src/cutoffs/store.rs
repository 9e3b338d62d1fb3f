//! The rows before the newest cutoff, once, in compact columns sorted by entity and time.
//!
//! A row costs 4 bytes for its time (8 if it is not a whole second), 1, 4 or 8 per number (see [`super::compact`]), 1 to 4 per
//! word (a code as wide as the column has distinct values) and a bit per condition; until it is placed it costs 8 more.
//! Rows are placed by a counting sort over the entities in the order of their keys, so ties in time keep the
//! order of the table.

use polars::prelude::{DataFrame, DataType, Int64Chunked, IntoSeries, LazyFrame, NewChunkedArray, PlSmallStr, Series};
use rayon::prelude::*;
use spec::{Error, Result, ResultExt};

use artifact::{PolarsResultExt, stream};

use super::chunk::{Chunk, Columns};
use super::compact::{Reals, Reorder, Times};
use super::plan::CutoffsPlan;
use super::target::Target;
use super::words::{FEW, rows_before};
use crate::changes::History;
use crate::interner::{Interner, NULL, restore, restore_wide};
use crate::known::NEVER;
use values::form::{Form, whole};

/// Rows that are held together until they are placed, as many as 16 bits count. Fewer would make more runs of rows to place,
/// and pieces of memory so small that the allocator keeps them once they are free.
const CHUNK_ROWS: usize = 1 << 16;

/// Codes, as wide as the number of distinct values needs. The largest number stands for null.
pub enum Codes {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
}

/// A column of codes with the values that they stand for.
pub struct Words {
    pub codes: Codes,
    pub values: Series,
    /// See [`rows_before`]; where there are many values, and something counts them.
    pub before: Option<Vec<u32>>,
}

/// How many rows became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Rows without entity or time.
    pub incomplete: u64,
    /// Rows at or after the newest cutoff.
    pub late: u64,
    pub kept: u64,
}

/// All rows that features and labels can see.
pub struct Store {
    /// The entities' keys, ascending, in their own type.
    pub keys: Series,
    /// Where the rows of each entity begin; one more at the end.
    pub offsets: Vec<usize>,
    pub times: Times,
    pub numbers: Vec<Reals>,
    pub words: Vec<Words>,
    /// Bit `i` of all conditions is bit `i % 8` of lane `i / 8`.
    pub conditions: Vec<Vec<u8>>,
    /// Where the bits of each condition are.
    pub tests: Vec<Test>,
    /// Since when the rows are seen, if not since their time: when they became known or, where columns changed, from one
    /// version to the next.
    pub known: Option<Vec<i64>>,
    /// When another version takes their place.
    pub until: Option<Vec<i64>>,
    /// When the rows became known, where that is not all of `known`.
    pub arrived: Option<Vec<i64>>,
    /// When the late columns became known.
    pub late: Vec<Vec<i64>>,
    /// Which numbers and words are late columns.
    pub late_numbers: Vec<Option<usize>>,
    pub late_words: Vec<Option<usize>>,
    pub counts: Counts,
}

/// Where a condition's bits are: one for each way in which its late columns can be known. Bit `k` of the way stands
/// for the late column `k` of the condition.
#[derive(Clone, Debug)]
pub struct Test {
    pub first: usize,
    pub late: Vec<usize>,
}

impl Test {
    /// Those of a plan, and how many bits they take.
    pub fn all(plan: &CutoffsPlan) -> (Vec<Test>, usize) {
        let mut next = 0;
        let mut test = |late: &Vec<usize>| {
            let first = next;
            next += 1 << late.len();
            Test { first, late: late.clone() }
        };
        let tests = plan.conditions.iter().map(|condition| test(&condition.late)).collect();
        (tests, next)
    }
}

impl Store {
    /// Reads the table in one pass. `bound` is the newest cutoff as the time column counts.
    pub fn read(plan: &CutoffsPlan, input: LazyFrame, bound: i64, histories: &[History]) -> Result<Store> {
        let doing = format!("reading table '{}'", plan.table);
        let mut entities = interner_of(&plan.entity_type, &plan.entity)?;
        let mut words: Vec<Interner> =
            plan.words.iter().map(|word| interner_of(&word.dtype, &word.column)).collect::<Result<_>>()?;
        let mut counts = Counts::default();
        let mut chunks = Vec::new();
        let mut read = |rows: Option<DataFrame>| -> Result<()> {
            if let Some(rows) = rows {
                chunks.push(Chunk::read(plan, &rows, &mut entities, &mut words, histories)?);
            }
            Ok(())
        };
        let mut waiting: Option<DataFrame> = None;
        for batch in stream(plan.read(input)?, &doing)? {
            let Some(rows) = keep(plan, batch?, bound, &mut counts)? else { continue };
            if waiting.as_ref().is_some_and(|waiting| waiting.height() + rows.height() > CHUNK_ROWS) {
                read(waiting.take())?;
            }
            match &mut waiting {
                None => waiting = Some(rows),
                Some(waiting) => _ = waiting.vstack_mut_owned(rows).during(&doing)?,
            }
        }
        read(waiting)?;
        Store::place(plan, chunks, entities, words, counts)
    }

    fn place(
        plan: &CutoffsPlan,
        chunks: Vec<Chunk>,
        entities: Interner,
        words: Vec<Interner>,
        counts: Counts,
    ) -> Result<Store> {
        let (keys, ranks) = sorted(entities, &plan.entity_type, &plan.entity)?;
        let mut offsets = vec![0; ranks.len() + 1];
        let mut columns = Columns::default();
        let (tests, bits) = Test::all(plan);
        columns.numbers.resize_with(plan.numbers.len(), Vec::new);
        columns.words.resize_with(plan.words.len(), Vec::new);
        columns.conditions.resize_with(bits.div_ceil(8), Vec::new);
        columns.late.resize_with(plan.known.columns.len(), Vec::new);
        for mut chunk in chunks {
            for code in &mut chunk.entities {
                *code = ranks[*code as usize];
                offsets[*code as usize + 1] += 1;
            }
            columns.push(chunk);
        }
        for i in 1..offsets.len() {
            offsets[i] += offsets[i - 1];
        }
        let Columns { entities, times, numbers, words: codes, conditions, arrived, known, until, late } = columns;
        let target = Target::new(&offsets, entities).context(format!("table '{}'", plan.table))?;
        let mut times = Times::placed(times, &target);
        let swaps = match &mut times {
            Times::Days(days) => sort_within(&offsets, days),
            Times::Ticks(ticks) => sort_within(&offsets, ticks),
            Times::Steps(of) => sort_within(&offsets, &mut of.steps),
        };
        let reals = |chunks: Vec<Reals>| Reals::placed(chunks, &target).each(Swaps(&swaps));
        let numbers = numbers.into_par_iter().map(reals).collect();
        let conditions = conditions.into_par_iter().map(|chunks| swap(target.scatter(chunks), &swaps)).collect();
        let has_versions = !plan.known.changes.is_empty();
        let known = (plan.known.rows.is_some() || has_versions).then(|| swap(target.scatter(known), &swaps));
        let until = has_versions.then(|| swap(target.scatter(until), &swaps));
        let arrived = (plan.known.rows.is_some() && has_versions).then(|| swap(target.scatter(arrived), &swaps));
        let late = late.into_par_iter().map(|chunks| swap(target.scatter(chunks), &swaps)).collect();
        let words = codes
            .into_par_iter()
            .zip(words)
            .zip(&plan.words)
            .map(|((chunks, interner), word)| {
                let codes = match interner.len() {
                    ..0xFF => Codes::U8(swap(scatter_codes(&target, chunks, |c| c as u8), &swaps)),
                    0xFF..0xFFFF => Codes::U16(swap(scatter_codes(&target, chunks, |c| c as u16), &swaps)),
                    _ => Codes::U32(swap(scatter_codes(&target, chunks, |c| c), &swaps)),
                };
                let before = interner.len() > FEW && plan.counts_values(&word.column);
                let before = before.then(|| rows_before(&codes, interner.len(), &offsets));
                Ok(Words { codes, values: interner.into_values(&word.dtype, &word.column)?, before })
            })
            .collect::<Result<_>>()?;
        let late_numbers = plan.numbers.iter().map(|column| plan.late(column)).collect();
        let late_words = plan.words.iter().map(|word| plan.late(&word.column)).collect();
        Ok(Store {
            keys,
            offsets,
            times,
            numbers,
            words,
            conditions,
            tests,
            known,
            until,
            arrived,
            late,
            late_numbers,
            late_words,
            counts,
        })
    }

    /// How many rows of the table an entity has.
    pub fn rows_of(&self, entity: usize) -> u64 {
        let range = self.offsets[entity]..self.offsets[entity + 1];
        match &self.until {
            None => range.len() as u64,
            // Each row has one version that is the last.
            Some(until) => until[range].iter().filter(|until| **until == NEVER).count() as u64,
        }
    }

    pub fn entities(&self) -> usize {
        self.offsets.len() - 1
    }
}

fn interner_of(dtype: &DataType, column: &str) -> Result<Interner> {
    Form::of(dtype).map(Interner::new).ok_or_else(|| {
        Error::cannot_run(format!("column '{column}' is {dtype}, whose values cannot be compared"))
            .hint("name a column of plain values")
    })
}

/// The rows of a batch that have entity and time and lie before the newest cutoff.
fn keep(plan: &CutoffsPlan, rows: DataFrame, bound: i64, counts: &mut Counts) -> Result<Option<DataFrame>> {
    let doing = format!("reading table '{}'", plan.table);
    let column = |rows: &DataFrame, name: &str| -> Result<Series> {
        Ok(rows.column(name).during(&doing)?.as_materialized_series().clone())
    };
    let complete = column(&rows, &plan.entity)?.is_not_null() & column(&rows, &plan.time)?.is_not_null();
    let complete_rows = complete.sum().unwrap_or(0) as usize;
    counts.incomplete += (rows.height() - complete_rows) as u64;
    let rows = if complete_rows == rows.height() { rows } else { rows.filter(&complete).during(&doing)? };
    let times = column(&rows, &plan.time)?.to_physical_repr().strict_cast(&DataType::Int64).during(&doing)?;
    if times.max::<i64>().during(&doing)?.is_none_or(|newest| newest < bound) {
        counts.kept += rows.height() as u64;
        return Ok((rows.height() > 0).then_some(rows));
    }
    let times = whole(&times)?;
    let early: polars::prelude::BooleanChunked = times.iter().map(|time| time.map(|time| time < bound)).collect();
    let early_rows = early.sum().unwrap_or(0) as usize;
    counts.late += (rows.height() - early_rows) as u64;
    counts.kept += early_rows as u64;
    let rows = if early_rows == rows.height() { rows } else { rows.filter(&early).during(&doing)? };
    Ok((early_rows > 0).then_some(rows))
}

/// Codes that were read while the column had fewer distinct values are widened; nulls stay nulls.
fn scatter_codes<T: Copy + Default + Send + Sync>(
    target: &Target,
    chunks: Vec<Codes>,
    narrow: impl Fn(u32) -> T,
) -> Vec<T> {
    let wide = |code: u32, null: u32| narrow(if code == null { NULL } else { code });
    target.scatter_by(chunks, |part, at| match part {
        Codes::U8(codes) => wide(u32::from(codes[at]), u32::from(u8::MAX)),
        Codes::U16(codes) => wide(u32::from(codes[at]), u32::from(u16::MAX)),
        Codes::U32(codes) => wide(codes[at], NULL),
    })
}

/// The entities' keys ascending, and the rank of each code.
fn sorted(entities: Interner, dtype: &DataType, name: &str) -> Result<(Series, Vec<u32>)> {
    let mut ranks = vec![0u32; entities.len()];
    let keys = match entities {
        Interner::Texts { values, codes } => {
            drop(codes);
            let mut order: Vec<u32> = (0..values.len() as u32).collect();
            order.par_sort_unstable_by(|a, b| values[*a as usize].cmp(&values[*b as usize]));
            order.iter().enumerate().for_each(|(rank, code)| ranks[*code as usize] = rank as u32);
            let keys = order.iter().map(|code| &*values[*code as usize]);
            let keys = polars::prelude::StringChunked::from_iter_values(PlSmallStr::from_str(name), keys);
            keys.into_series().strict_cast(dtype).during(format!("column '{name}'"))?
        }
        Interner::Integers { codes, table, .. } => {
            drop(table);
            restore(in_order(codes.into_values(), &mut ranks), dtype, PlSmallStr::from_str(name))?
        }
        Interner::Wide { codes, .. } => {
            restore_wide(&in_order(codes.into_values(), &mut ranks), dtype, PlSmallStr::from_str(name))?
        }
    };
    Ok((keys, ranks))
}

/// Keys ascending, by code until now; writes down their ranks.
fn in_order<K: Copy + Ord + Send + Sync>(keys: Vec<K>, ranks: &mut [u32]) -> Vec<K> {
    // Keys and codes side by side: to look each key up while sorting would touch memory all over.
    let mut order: Vec<(K, u32)> = keys.into_iter().zip(0..).collect();
    order.par_sort_unstable();
    order.iter().zip(0..).for_each(|((_, code), rank)| ranks[*code as usize] = rank);
    order.into_iter().map(|(key, _)| key).collect()
}

/// The new order of the rows from `start` on, relative to it.
struct Swap {
    start: usize,
    order: Vec<u32>,
}

/// Sorts the times of every entity that is out of order (stably) and says how, for the other columns.
fn sort_within<T: Copy + Ord + Send + Sync>(offsets: &[usize], times: &mut [T]) -> Vec<Swap> {
    let all = &*times;
    let swaps: Vec<Swap> = offsets
        .par_windows(2)
        .filter(|range| !all[range[0]..range[1]].is_sorted())
        .map(|range| {
            let rows = &all[range[0]..range[1]];
            let mut order: Vec<u32> = (0..rows.len() as u32).collect();
            order.sort_by_key(|row| rows[*row as usize]);
            Swap { start: range[0], order }
        })
        .collect();
    apply(times, &swaps);
    swaps
}

struct Swaps<'a>(&'a [Swap]);

impl Reorder for Swaps<'_> {
    fn of<T: Copy>(&self, values: Vec<T>) -> Vec<T> {
        swap(values, self.0)
    }
}

fn swap<T: Copy>(mut column: Vec<T>, swaps: &[Swap]) -> Vec<T> {
    apply(&mut column, swaps);
    column
}

fn apply<T: Copy>(column: &mut [T], swaps: &[Swap]) {
    let mut before = Vec::new();
    for Swap { start, order } in swaps {
        let rows = &mut column[*start..start + order.len()];
        before.clear();
        before.extend_from_slice(rows);
        rows.iter_mut().zip(order).for_each(|(row, from)| *row = before[*from as usize]);
    }
}

/// Keys of chosen entities, by rank.
pub fn take(values: &Series, codes: &[u32]) -> Result<Series> {
    let index = polars::prelude::IdxCa::from_iter_options(
        PlSmallStr::EMPTY,
        codes.iter().map(|code| (*code != NULL).then_some(*code)),
    );
    values.take(&index).during(format!("column '{}'", values.name()))
}

/// Integers of which the smallest means null.
pub fn integers(name: &str, values: Vec<i64>) -> Series {
    let name = PlSmallStr::from_str(name);
    if values.contains(&i64::MIN) {
        let values = values.into_iter().map(|value| (value != i64::MIN).then_some(value));
        return Int64Chunked::from_iter_options(name, values).into_series();
    }
    Int64Chunked::from_vec(name, values).into_series()
}
