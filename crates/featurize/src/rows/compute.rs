//! The features of all rows of a table, in its order.

use std::collections::BTreeMap;

use artifact::PolarsResultExt;
use polars::prelude::{DataFrame, DataType, Expr, Series, col};
use spec::{Error, Result};

use super::earlier::earlier;
use super::grouping::{Groupings, codes};
use super::places::near;
use super::plan::{How, Open, Plan};
use crate::as_of::{AsOf, ByKey};
use crate::clock::Clock;
use crate::eval::evaluated;
use crate::interner::NULL;
use crate::store::take;
use values::form::{nanoseconds, plain, whole};

/// The columns that a plan reads, of rows that have a time.
#[derive(Clone)]
pub struct Tables {
    pub own: DataFrame,
    pub others: BTreeMap<String, DataFrame>,
}

impl Tables {
    /// Reads the tables. The number is that of the own rows without a time, which are left out.
    pub fn read(plan: &Plan, open: Open) -> Result<(Tables, u64)> {
        let mut others = BTreeMap::new();
        for (table, columns) in &plan.needs {
            let doing = format!("reading table '{table}'");
            let columns: Vec<Expr> = columns.iter().map(|name| col(name.as_str())).collect();
            let rows = artifact::collect(open(table)?.select(columns), &doing)?;
            if rows.height() >= NULL as usize {
                return Err(Error::refused(format!("table '{table}' has over 4 billion rows"))
                    .hint("compute features of one part of the rows at a time"));
            }
            others.insert(table.clone(), rows);
        }
        let all = others.remove(&plan.table).unwrap_or_default();
        let doing = format!("reading table '{}'", plan.table);
        let timed = all.column(&plan.time).during(&doing)?.is_not_null();
        let own = all.filter(&timed).during(&doing)?;
        let untimed = (all.height() - own.height()) as u64;
        Ok((Tables { own, others }, untimed))
    }

    /// Another table than the own one; the plan has named all that are read.
    pub fn other(&self, name: &str) -> Result<&DataFrame> {
        self.others.get(name).ok_or_else(|| Error::cannot_run(format!("table '{name}' was not read")))
    }
}

/// The own table with all features as further columns. The same bytes for any number of threads.
pub fn compute(plan: &Plan, tables: &Tables) -> Result<DataFrame> {
    let mut frame = tables.own.clone();
    let times = times_of(&frame, &plan.time, plan.clock)?;
    let mut groupings = Groupings::new(times, plan.clock);
    for (name, how) in &plan.features {
        let place = format!("feature '{name}'");
        let column = match how {
            How::Sql { sql, .. } => evaluated(&frame, sql, name, &place)?,
            How::Earlier(of) => earlier(plan, tables, &frame, of, &mut groupings, &place)?,
            How::Near(of) => near(plan, tables, &frame, of, &place)?,
            How::ByKey(of) => by_key(plan, tables, &frame, of, &place)?,
        };
        let column = plain(column, &place)?;
        frame.with_column(column.with_name(name.as_str().into()).into()).during(&place)?;
    }
    Ok(frame)
}

/// Times as a clock counts them; the smallest integer stands for null. The column's ticks are no finer than the clock's.
pub fn times_of(frame: &DataFrame, time: &str, clock: Clock) -> Result<Vec<i64>> {
    let doing = format!("column '{time}'");
    let times = frame.column(time).during(&doing)?.as_materialized_series();
    let factor = match times.dtype() {
        DataType::Datetime(unit, _) => nanoseconds(*unit) / (86_400_000_000_000 / clock.per_day()),
        _ => 1,
    };
    let counted = |time: i64| {
        time.checked_mul(factor).ok_or_else(|| {
            Error::refused(format!("{doing} holds a time beyond the calendar"))
                .hint("drop or refuse such rows in clean.yaml, for example with a range check")
        })
    };
    whole(times)?.into_iter().map(|time| time.map_or(Ok(i64::MIN), counted)).collect()
}

fn by_key(plan: &Plan, tables: &Tables, frame: &DataFrame, of: &ByKey, place: &str) -> Result<Series> {
    let table = tables.other(&of.table)?;
    let (own, theirs, count) = codes(frame, Some(table), &of.on, place)?;
    let known = AsOf::new(table, of, &theirs, count, plan.clock, place)?;
    let times = times_of(frame, &plan.time, plan.clock)?;
    let found: Vec<u32> = own.iter().zip(times).map(|(code, time)| known.at(*code, time)).collect();
    take(table.column(&of.take).during(place)?.as_materialized_series(), &found)
}
