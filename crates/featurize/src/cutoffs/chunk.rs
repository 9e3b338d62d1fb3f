//! One batch of a table, as it is read.

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, DataType, Series};
use rayon::prelude::*;
use spec::Result;

use super::compact::{Reals, Times};
use super::plan::{Condition, CutoffsPlan, Word, condition_name};
use super::store::{Codes, Test};
use crate::changes::{History, Versions};
use crate::eval::evaluated;
use crate::interner::Interner;
use crate::known::known;
use values::form::{numbers, refuse_infinite, whole};

pub struct Chunk {
    pub entities: Vec<u32>,
    pub times: Times,
    pub numbers: Vec<Reals>,
    pub words: Vec<Codes>,
    pub conditions: Vec<Vec<u8>>,
    /// When the rows became known, and then when they are seen: versions are from a change on.
    pub arrived: Vec<i64>,
    pub known: Vec<i64>,
    pub until: Vec<i64>,
    pub late: Vec<Vec<i64>>,
}

/// The rows with the columns that the table does not have; `None` without any.
pub fn with_made(plan: &CutoffsPlan, rows: &DataFrame) -> Result<Option<DataFrame>> {
    if plan.made.is_empty() {
        return Ok(None);
    }
    let mut with = rows.clone();
    for (name, sql) in &plan.made {
        let place = format!("table '{}'", plan.table);
        with.with_column(evaluated(rows, sql, name, &place)?.into()).during(place)?;
    }
    Ok(Some(with))
}

impl Chunk {
    /// `rows` have entity and time.
    pub fn read(
        plan: &CutoffsPlan,
        rows: &DataFrame,
        entities: &mut Interner,
        words: &mut [Interner],
        histories: &[History],
    ) -> Result<Chunk> {
        let versions = if histories.is_empty() { None } else { Some(Versions::of(rows, histories)?) };
        let expanded = match &versions {
            Some(versions) => Some((versions.frame(rows)?, versions.as_today(rows)?)),
            None => None,
        };
        let (rows, today) = expanded.as_ref().map_or((rows, rows), |(rows, today)| (rows, today));
        let doing = || format!("reading table '{}'", plan.table);
        let with_made = with_made(plan, rows)?;
        let rows = with_made.as_ref().unwrap_or(rows);
        let column = |name: &str| -> Result<Series> {
            Ok(rows.column(name).during(doing())?.as_materialized_series().rechunk())
        };
        let times = column(&plan.time)?;
        let ticks: Vec<i64> = whole(&times)?.into_iter().flatten().collect();
        let known_of = |how| known(how, rows, &ticks, plan.clock);
        let held = |name: &String| -> Result<Reals> {
            let values = column(name)?;
            refuse_infinite(&values, &format!("table '{}'", plan.table))?;
            Ok(Reals::of(numbers(&values, &format!("table '{}': column '{name}'", plan.table))?))
        };
        let coded = |(word, interner): (&Word, &mut Interner)| -> Result<Codes> {
            let values = column(&word.column)?;
            refuse_infinite(&values, &format!("table '{}'", plan.table))?;
            let codes = interner.encode(&values)?;
            Ok(match interner.len() {
                ..0xFF => Codes::U8(codes.into_iter().map(|code| code as u8).collect()),
                0xFF..0xFFFF => Codes::U16(codes.into_iter().map(|code| code as u16).collect()),
                _ => Codes::U32(codes),
            })
        };
        // Each column is looked up in a table of its own, which is most of the work of reading.
        let ((entities, conditions), (numbers, words)) = rayon::join(
            || rayon::join(|| entities.encode(&column(&plan.entity)?), || conditions(plan, rows, today)),
            || {
                rayon::join(
                    || plan.numbers.par_iter().map(held).collect::<Result<Vec<Reals>>>(),
                    || plan.words.par_iter().zip(words).map(coded).collect::<Result<Vec<Codes>>>(),
                )
            },
        );
        let mut chunk = Chunk {
            entities: entities?,
            times: match times.dtype() {
                DataType::Date => Times::Days(ticks.iter().map(|day| *day as i32).collect()),
                _ => Times::of_ticks(&ticks),
            },
            arrived: plan.known.rows.as_ref().map_or_else(|| Ok(Vec::new()), known_of)?,
            known: Vec::new(),
            until: Vec::new(),
            late: plan.known.columns.iter().map(|(_, how)| known_of(how)).collect::<Result<_>>()?,
            conditions: conditions?,
            numbers: numbers?,
            words: words?,
        };
        match versions {
            None => chunk.known = std::mem::take(&mut chunk.arrived),
            Some(versions) => {
                chunk.known = versions.from;
                chunk.known.iter_mut().zip(&chunk.arrived).for_each(|(from, arrived)| *from = (*from).max(*arrived));
                chunk.until = versions.until;
            }
        }
        Ok(chunk)
    }
}

/// `today` are the rows with all columns as they are today.
fn conditions(plan: &CutoffsPlan, rows: &DataFrame, today: &DataFrame) -> Result<Vec<Vec<u8>>> {
    let doing = || format!("reading table '{}'", plan.table);
    let (tests, bits) = Test::all(plan);
    let mut lanes = vec![vec![0u8; rows.height()]; bits.div_ceil(8)];
    for (i, (condition, test)) in plan.conditions.iter().zip(&tests).enumerate() {
        for way in 0..1usize << test.late.len() {
            let rows = if condition.is_of_today { today } else { rows };
            let holds = match condition.is_read {
                true => rows.column(&condition_name(i)).during(doing())?.as_materialized_series().clone(),
                false => in_a_way(plan, rows, condition, way)?,
            };
            let bit = test.first + way;
            if holds.dtype() == &DataType::Null {
                continue;
            }
            for (lane, holds) in lanes[bit / 8].iter_mut().zip(holds.bool().during(doing())?.iter()) {
                *lane |= u8::from(holds == Some(true)) << (bit % 8);
            }
        }
    }
    Ok(lanes)
}

/// A condition while some of its late columns are not known: they are null.
fn in_a_way(plan: &CutoffsPlan, rows: &DataFrame, condition: &Condition, way: usize) -> Result<Series> {
    let place = format!("where '{}'", condition.sql);
    let mut masked = rows.clone();
    for (_, late) in condition.late.iter().enumerate().filter(|(bit, _)| way & (1 << bit) == 0) {
        let name = plan.known.columns[*late].0.as_str();
        let dtype = rows.column(name).during(&place)?.dtype().clone();
        masked.with_column(Series::full_null(name.into(), rows.height(), &dtype).into()).during(&place)?;
    }
    evaluated(&masked, &condition.sql, "a condition", &place)
}

/// The chunks of every column, so that a column's can go as soon as it is placed.
#[derive(Default)]
pub struct Columns {
    pub entities: Vec<Vec<u32>>,
    pub times: Vec<Times>,
    pub numbers: Vec<Vec<Reals>>,
    pub words: Vec<Vec<Codes>>,
    pub conditions: Vec<Vec<Vec<u8>>>,
    pub arrived: Vec<Vec<i64>>,
    pub known: Vec<Vec<i64>>,
    pub until: Vec<Vec<i64>>,
    pub late: Vec<Vec<Vec<i64>>>,
}

impl Columns {
    pub fn push(&mut self, chunk: Chunk) {
        self.times.push(chunk.times);
        self.entities.push(chunk.entities);
        self.arrived.push(chunk.arrived);
        self.known.push(chunk.known);
        self.until.push(chunk.until);
        self.numbers.iter_mut().zip(chunk.numbers).for_each(|(column, part)| column.push(part));
        self.words.iter_mut().zip(chunk.words).for_each(|(column, part)| column.push(part));
        self.conditions.iter_mut().zip(chunk.conditions).for_each(|(column, part)| column.push(part));
        self.late.iter_mut().zip(chunk.late).for_each(|(column, part)| column.push(part));
    }
}
