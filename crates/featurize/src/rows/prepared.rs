//! The features of single rows, which need not be in the table: a home that is not on the market yet.

use std::sync::Arc;

use artifact::{PolarsResultExt, type_names};
use chrono::{DateTime, Utc};
use polars::prelude::{Column, DataFrame, DataType, Schema, SchemaRef, Series};
use spec::{Error, Result, did_you_mean};

use super::compute::{Ready, RowQuery, Tables, counted, times_of};
use super::grouping::Groupings;
use super::plan::{How, Open, RowsPlan};
use super::spec::RowSpec;

/// All that the features of a row look at, grouped, sorted and joined once.
pub struct Prepared {
    plan: RowsPlan,
    features: Vec<(String, Ready)>,
    inputs: SchemaRef,
    outputs: SchemaRef,
}

impl Prepared {
    /// Reads the tables.
    ///
    /// Errors: as [`build`](super::build), but without rows to learn from.
    pub fn open(spec: &RowSpec, open: Open) -> Result<Prepared> {
        let plan = RowsPlan::new(spec, open)?;
        let (tables, _) = Tables::read(&plan, open)?;
        let inputs = Arc::new(inputs(&plan)?);
        let mut own = tables.own.clone();
        let times: Arc<[i64]> = times_of(&own, &plan.time, plan.clock)?.into();
        let mut groupings = Groupings::default();
        let mut features = Vec::with_capacity(plan.features.len());
        for (name, how) in &plan.features {
            let place = format!("feature '{name}'");
            let ready = Ready::new(&plan, &tables, (&own, &times), how, &mut groupings, false, &place)?;
            // Aggregates of later rows read what is made of the row itself, and nothing that is made of earlier rows.
            if !matches!(how, How::Earlier(_) | How::Sql { late: true, .. }) {
                let asked = RowQuery { rows: &own, times: &times, are_all: false };
                let column = ready.ask(&asked, name, &place)?;
                own.with_column(column.into()).during(&place)?;
            }
            features.push((name.clone(), ready));
        }
        let mut prepared = Prepared { plan, features, outputs: inputs.clone(), inputs };
        let nobody = DataFrame::empty_with_schema(&prepared.inputs);
        prepared.outputs = prepared.rows(&nobody, DateTime::UNIX_EPOCH)?.schema().clone();
        Ok(prepared)
    }

    /// The columns that a row asks with.
    pub fn inputs(&self) -> &SchemaRef {
        &self.inputs
    }

    /// The columns of an answer.
    pub fn outputs(&self) -> &SchemaRef {
        &self.outputs
    }

    /// Key, time and features of rows, in their order: for each the very values that it has in a whole table in which it
    /// is at its time. `now` is the time of rows that have none.
    pub fn rows(&self, rows: &DataFrame, now: DateTime<Utc>) -> Result<DataFrame> {
        let doing = "features";
        let mut frame = self.given(rows, now)?;
        let times = times_of(&frame, &self.plan.time, self.plan.clock)?;
        for (name, ready) in &self.features {
            let place = format!("feature '{name}'");
            let asked = RowQuery { rows: &frame, times: &times, are_all: false };
            let column = ready.ask(&asked, name, &place)?;
            frame.with_column(column.into()).during(&place)?;
        }
        let carried = self.plan.key.iter().chain([&self.plan.time]).map(String::as_str);
        frame.select(carried.chain(self.features.iter().map(|(name, _)| name.as_str()))).during(doing)
    }

    /// The columns of [`Prepared::inputs`], of their types.
    fn given(&self, rows: &DataFrame, now: DateTime<Utc>) -> Result<DataFrame> {
        let mut columns: Vec<Column> = Vec::with_capacity(self.inputs.len());
        for (name, wanted) in self.inputs.iter() {
            let column = match rows.column(name) {
                Ok(column) => of_type(column.as_materialized_series(), wanted)?,
                // A new row need not have a time or a key yet.
                Err(_) if *name == self.plan.time || self.plan.key.as_deref() == Some(name.as_str()) => {
                    Series::full_null(name.clone(), rows.height(), wanted)
                }
                Err(_) => {
                    let given = rows.get_column_names();
                    return Err(Error::cannot_run(format!("column '{name}' is missing"))
                        .hint(did_you_mean(name, given.iter().map(|name| name.as_str()))));
                }
            };
            let column = if *name == self.plan.time { self.timed(&column, now)? } else { column };
            columns.push(column.into());
        }
        DataFrame::new(rows.height(), columns).during("rows")
    }

    /// Times, with `now` where there is none.
    fn timed(&self, times: &Series, now: DateTime<Utc>) -> Result<Series> {
        if times.null_count() == 0 {
            return Ok(times.clone());
        }
        let nanoseconds = i128::from(now.timestamp_micros()) * 1_000;
        let now = self.plan.clock.counted(nanoseconds);
        let times_or_now = values::form::whole(times)?.into_iter().map(|time| time.unwrap_or(now)).collect();
        counted(times_or_now, times.dtype(), times.name())
    }
}

/// The columns that features read of the row itself, with the time and the key.
fn inputs(plan: &RowsPlan) -> Result<Schema> {
    let own = &plan.schemas[&plan.table];
    let mut names: Vec<String> = plan.key.iter().cloned().chain([plan.time.clone()]).collect();
    for (_, how) in &plan.features {
        match how {
            How::Sql { sql, .. } => names.extend(sql.sql().columns()),
            How::Earlier(of) => names.extend(of.by.iter().map(|(own, _)| own.clone())),
            How::Near(of) => names.extend(of.at.iter().cloned()),
            How::ByKey(of) => names.extend(of.on.iter().map(|(own, _)| own.clone())),
        }
    }
    let mut inputs = Schema::default();
    // What is not a column of the table is a feature further up.
    for name in names {
        if let Some(dtype) = own.get(&name) {
            inputs.insert(name.into(), dtype.clone());
        }
    }
    Ok(inputs)
}

/// A column of the type that it has in the table, if nothing is lost on the way.
fn of_type(column: &Series, wanted: &DataType) -> Result<Series> {
    let (name, given) = (column.name(), column.dtype());
    if given == wanted {
        return Ok(column.clone());
    }
    let unlike = || {
        let (is, be) = type_names(given, wanted);
        Error::cannot_run(format!("column '{name}' is {is}, but the table has {be}")).hint(format!("give it as {be}"))
    };
    let is_text = values::form::is_text;
    let fits = given == &DataType::Null
        || given.is_integer() && (wanted.is_integer() || wanted.is_float() || wanted.is_decimal())
        || given.is_float() && wanted.is_float()
        || is_text(given) && is_text(wanted)
        || matches!((given, wanted), (DataType::Datetime(_, None), DataType::Datetime(_, None)));
    if !fits {
        return Err(unlike());
    }
    let cast = column.strict_cast(wanted).map_err(|_| unlike())?;
    // Back again it must be what it was: no digit may be lost.
    let back = cast.strict_cast(given).map_err(|_| unlike())?;
    match given == &DataType::Null || back.equals_missing(column) {
        true => Ok(cast),
        false => Err(unlike()),
    }
}
