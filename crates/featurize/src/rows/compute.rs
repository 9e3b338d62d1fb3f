//! The features of all rows of a table, in its order.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifact::PolarsResultExt;
use expr::RowExpr;
use polars::prelude::{DataFrame, DataType, Expr, NamedFrom, Series, col};
use spec::{Error, Result};

use super::grouping::Groupings;
use super::keys::Keys;
use super::plan::{How, Open, RowsPlan};
use super::{earlier, places};
use crate::as_of::{AsOf, ByKey};
use crate::clock::Clock;
use crate::cutoffs::store::take;
use crate::eval::evaluated;
use crate::interner::NULL;
use values::form::{nanoseconds, plain, whole};

/// The columns that a plan reads, of rows that have a time.
#[derive(Clone)]
pub struct Tables {
    pub own: DataFrame,
    pub others: BTreeMap<String, DataFrame>,
}

impl Tables {
    /// Reads the tables. The number is that of the own rows without a time, which are left out.
    pub fn read(plan: &RowsPlan, open: Open) -> Result<(Tables, u64)> {
        let mut others = Tables::others(plan, open, |_| true)?;
        let all = others.remove(&plan.table).unwrap_or_default();
        let doing = format!("reading table '{}'", plan.table);
        let timed = all.column(&plan.time).during(&doing)?.is_not_null();
        let own = all.filter(&timed).during(&doing)?;
        let untimed = (all.height() - own.height()) as u64;
        Ok((Tables { own, others }, untimed))
    }

    /// Reads the columns that a plan needs of those of its tables that are wanted.
    pub fn others(plan: &RowsPlan, open: Open, wanted: impl Fn(&str) -> bool) -> Result<BTreeMap<String, DataFrame>> {
        let mut others = BTreeMap::new();
        for (table, columns) in plan.needs.iter().filter(|(table, _)| wanted(table)) {
            let doing = format!("reading table '{table}'");
            let columns: Vec<Expr> = columns.iter().map(|name| col(name.as_str())).collect();
            let rows = artifact::collect(open(table)?.select(columns), &doing)?;
            if rows.height() >= NULL as usize {
                return Err(Error::refused(format!("table '{table}' has over 4 billion rows"))
                    .hint("compute features of one part of the rows at a time"));
            }
            others.insert(table.clone(), rows);
        }
        Ok(others)
    }

    /// Another table than the own one; the plan has named all that are read.
    pub fn other(&self, name: &str) -> Result<&DataFrame> {
        self.others.get(name).ok_or_else(|| Error::cannot_run(format!("table '{name}' was not read")))
    }
}

/// The rows that ask, with the features so far.
pub struct RowQuery<'a> {
    pub rows: &'a DataFrame,
    /// As the plan's clock counts them.
    pub times: &'a [i64],
    /// Whether they are the rows of the own table.
    pub are_all: bool,
}

/// A feature, ready to be asked.
#[expect(clippy::large_enum_variant, reason = "one for each feature of a plan")]
pub enum Ready {
    Sql(RowExpr),
    Earlier(Box<earlier::Ready>),
    Near(places::Ready),
    ByKey(Box<ByKeyReady>),
}

impl Ready {
    /// As [`earlier::Ready::new`].
    pub fn new(
        plan: &RowsPlan,
        tables: &Tables,
        own: (&DataFrame, &Arc<[i64]>),
        how: &How,
        groupings: &mut Groupings,
        all_ask: bool,
        place: &str,
    ) -> Result<Ready> {
        Ok(match how {
            How::Sql { sql, .. } => Ready::Sql(sql.clone()),
            How::Earlier(of) => {
                Ready::Earlier(Box::new(earlier::Ready::new(plan, tables, own, of, groupings, all_ask, place)?))
            }
            How::Near(of) => Ready::Near(places::Ready::new(plan, tables, of, place)?),
            How::ByKey(of) => Ready::ByKey(Box::new(ByKeyReady::new(plan, tables, own.0, of, place)?)),
        })
    }

    /// The feature's column `name` for rows that ask.
    pub fn ask(&self, asked: &RowQuery, name: &str, place: &str) -> Result<Series> {
        let column = match self {
            Ready::Sql(sql) => evaluated(asked.rows, sql, name, place)?,
            Ready::Earlier(of) => of.ask(asked, place)?,
            Ready::Near(of) => of.ask(asked.rows, place)?,
            Ready::ByKey(of) => of.ask(asked, place)?,
        };
        Ok(plain(column, place)?.with_name(name.into()))
    }
}

/// The own table with all features as further columns. The same bytes for any number of threads.
pub fn compute(plan: &RowsPlan, tables: &Tables) -> Result<DataFrame> {
    let mut frame = tables.own.clone();
    let times: Arc<[i64]> = times_of(&frame, &plan.time, plan.clock)?.into();
    let mut groupings = Groupings::default();
    for (name, how) in &plan.features {
        let place = format!("feature '{name}'");
        let ready = Ready::new(plan, tables, (&frame, &times), how, &mut groupings, true, &place)?;
        let column = ready.ask(&RowQuery { rows: &frame, times: &times, are_all: true }, name, &place)?;
        frame.with_column(column.into()).during(&place)?;
    }
    Ok(frame)
}

/// Times as a clock counts them; the smallest integer means null. The column's ticks are no finer than the clock's.
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

/// Times that a plan's clock counted, as a column of the type that its times have.
pub fn counted(times: Vec<i64>, dtype: &DataType, name: &str) -> Result<Series> {
    let narrow = if dtype == &DataType::Date { DataType::Int32 } else { DataType::Int64 };
    let times = Series::new(name.into(), times);
    times.strict_cast(&narrow).during(name)?.strict_cast(dtype).during(name)
}

/// A column of another table by key, ready to be asked.
pub struct ByKeyReady {
    keys: Keys,
    known: AsOf,
    values: Series,
}

impl ByKeyReady {
    fn new(plan: &RowsPlan, tables: &Tables, own: &DataFrame, of: &ByKey, place: &str) -> Result<ByKeyReady> {
        let table = tables.other(&of.table)?;
        let (keys, codes) = Keys::new(table, &of.on, own.schema(), place)?;
        let known = AsOf::new(table, of, &codes, keys.count(), plan.clock, place)?;
        Ok(ByKeyReady { keys, known, values: table.column(&of.take).during(place)?.as_materialized_series().clone() })
    }

    fn ask(&self, asked: &RowQuery, place: &str) -> Result<Series> {
        let codes = self.keys.find(asked.rows, place)?;
        let found: Vec<u32> = codes.iter().zip(asked.times).map(|(code, time)| self.known.at(*code, *time)).collect();
        take(&self.values, &found)
    }
}
