//! The two tables that a server seals, row by row.
//!
//! | table | columns |
//! |---|---|
//! | `requests` | `time`, `request_id`, `key`, `arm`, `version`, `status`, `latency_us` |
//! | `outcomes` | `time`, `request_id`, `key`, `name`, `value` |
//!
//! `time` is a datetime, `status` and `latency_us` are whole numbers, `value` is a number, all others are texts. Of outcomes whose
//! `value` is null the column `text` is read, too, if there is one: they may have been reported as texts. Other columns are not read.

use artifact::{Artifact, PolarsResultExt, type_name};
use polars::prelude::{
    Column, DataFrame, DataType, Float64Chunked, Int64Chunked, LazyFrame, StringChunked, TimeUnit, col,
};
use spec::{Error, Result, ResultExt, did_you_mean};

use crate::{CompareSpec, Counts};

/// The table of requests.
pub const REQUESTS: &str = "requests";
/// The table of outcomes.
const OUTCOMES: &str = "outcomes";

/// A row of a request that was answered, or a request that was not.
#[derive(Clone, Copy, Debug)]
pub struct RequestRow<'a> {
    /// Microseconds since 1970.
    pub time: i64,
    pub request_id: Option<&'a str>,
    pub key: Option<&'a str>,
    pub arm: Option<&'a str>,
    /// The version that answered; `None` if none did.
    pub version: Option<&'a str>,
    pub status: i64,
    pub latency_us: Option<i64>,
}

/// Something that happened afterwards.
#[derive(Clone, Copy, Debug)]
pub struct OutcomeRow<'a> {
    /// Microseconds since 1970.
    pub time: i64,
    pub request_id: Option<&'a str>,
    pub key: Option<&'a str>,
    pub name: &'a str,
    /// 1 where the outcome has none.
    pub value: f64,
    /// The text that it has in place of a number.
    pub text: Option<&'a str>,
}

impl Counts {
    /// Sums up the comparison that the tables `requests` and `outcomes` among `artifacts` hold. No outcomes at all is no
    /// error: they come later.
    ///
    /// # Errors
    /// As [`Counts::of`]. Cannot run: no table of requests, a column that is missing or of another type, a request without
    /// a time or a version.
    pub fn of_tables(spec: &CompareSpec, artifacts: &[Artifact]) -> Result<Counts> {
        let there = artifacts.iter().any(|artifact| artifact.is_table() && artifact.table == OUTCOMES);
        let requests = |take: &mut dyn FnMut(RequestRow<'_>)| each_request(artifacts, take);
        let outcomes = |take: &mut dyn FnMut(OutcomeRow<'_>)| match there {
            true => read_outcomes(artifact::scan(artifacts, OUTCOMES)?, take),
            false => Ok(()),
        };
        Counts::of(spec, requests, outcomes)
    }
}

/// Hands on the rows of the tables `requests` among `artifacts`, one by one, in the order of the tables.
///
/// # Errors
/// Cannot run: no such table, a column that is missing or of another type. Refused: a request without time or status.
pub fn each_request(artifacts: &[Artifact], take: &mut dyn FnMut(RequestRow<'_>)) -> Result<()> {
    read_requests(artifact::scan(artifacts, REQUESTS)?, take)
}

fn read_requests(plan: LazyFrame, take: &mut dyn FnMut(RequestRow<'_>)) -> Result<()> {
    const COLUMNS: [&str; 7] = ["time", "request_id", "key", "arm", "version", "status", "latency_us"];
    each_batch(plan, REQUESTS, &COLUMNS, &[], &mut |rows| {
        let time = times(rows, REQUESTS)?;
        let [request_id, key, arm, version] =
            [texts(rows, "request_id")?, texts(rows, "key")?, texts(rows, "arm")?, texts(rows, "version")?];
        let (status, latency) = (whole_numbers(rows, "status")?, whole_numbers(rows, "latency_us")?);
        for row in 0..rows.height() {
            let (Some(time), Some(status)) = (time.get(row), status.get(row)) else {
                return Err(Error::refused("a request has no time or status")
                    .hint("the server writes both; was the table changed?"));
            };
            take(RequestRow {
                time,
                request_id: filled(&request_id, row),
                key: filled(&key, row),
                arm: filled(&arm, row),
                version: filled(&version, row),
                status,
                latency_us: latency.get(row),
            });
        }
        Ok(())
    })
}

fn read_outcomes(plan: LazyFrame, take: &mut dyn FnMut(OutcomeRow<'_>)) -> Result<()> {
    const COLUMNS: [&str; 5] = ["time", "request_id", "key", "name", "value"];
    each_batch(plan, OUTCOMES, &COLUMNS, &["text"], &mut |rows| {
        let time = times(rows, OUTCOMES)?;
        let [request_id, key, name] = [texts(rows, "request_id")?, texts(rows, "key")?, texts(rows, "name")?];
        let value = numbers(rows, "value")?;
        let text = rows.schema().contains("text").then(|| texts(rows, "text")).transpose()?;
        for row in 0..rows.height() {
            let (Some(time), Some(name)) = (time.get(row), filled(&name, row)) else {
                return Err(Error::refused("an outcome has no time or name")
                    .hint("the server writes both; was the table changed?"));
            };
            take(OutcomeRow {
                time,
                request_id: filled(&request_id, row),
                key: filled(&key, row),
                name,
                value: value.get(row).unwrap_or(1.0),
                text: text.as_ref().and_then(|text| text.get(row)).filter(|_| value.get(row).is_none()),
            });
        }
        Ok(())
    })
}

/// A text; `None` if it is empty.
fn filled(texts: &StringChunked, row: usize) -> Option<&str> {
    texts.get(row).filter(|text| !text.is_empty())
}

fn each_batch(
    mut plan: LazyFrame,
    table: &str,
    columns: &[&str],
    optional: &[&str],
    take: &mut dyn FnMut(&DataFrame) -> Result<()>,
) -> Result<()> {
    let schema = plan.collect_schema().during(format!("table '{table}'"))?;
    if let Some(missing) = columns.iter().find(|name| !schema.contains(name)) {
        let known = schema.iter_names().map(|name| name.as_str());
        return Err(
            Error::cannot_run(format!("table '{table}': no column '{missing}'")).hint(did_you_mean(missing, known))
        );
    }
    let optional = optional.iter().filter(|name| schema.contains(name));
    let plan = plan.select(columns.iter().chain(optional).map(|name| col(*name)).collect::<Vec<_>>());
    for batch in artifact::stream(plan, format!("table '{table}'"))? {
        let mut batch = batch?;
        // In one piece, so that every row is found at once.
        batch.rechunk_mut();
        take(&batch).context(format!("table '{table}'"))?;
    }
    Ok(())
}

fn cast(rows: &DataFrame, name: &str, fits: impl Fn(&DataType) -> bool, to: &DataType, wanted: &str) -> Result<Column> {
    let column = rows.column(name).during(name)?;
    match fits(column.dtype()) || *column.dtype() == DataType::Null {
        true => column.strict_cast(to).during(format!("column '{name}'")),
        false => Err(Error::cannot_run(format!("column '{name}' is {}, not {wanted}", type_name(column.dtype())))
            .hint("name tables that `serve` has sealed")),
    }
}

fn times(rows: &DataFrame, table: &str) -> Result<Int64Chunked> {
    let to = |dtype: &DataType| match dtype {
        DataType::Datetime(_, zone) => DataType::Datetime(TimeUnit::Microseconds, zone.clone()),
        _ => DataType::Datetime(TimeUnit::Microseconds, None),
    };
    let dtype = rows.column("time").during(table)?.dtype().clone();
    let column = cast(rows, "time", |dtype| matches!(dtype, DataType::Datetime(..)), &to(&dtype), "datetime")?;
    Ok(column.to_physical_repr().i64().during("column 'time'")?.clone())
}

fn texts(rows: &DataFrame, name: &str) -> Result<StringChunked> {
    let fits = |dtype: &DataType| {
        dtype.is_integer() || matches!(dtype, DataType::String | DataType::Categorical(..) | DataType::Enum(..))
    };
    let column = cast(rows, name, fits, &DataType::String, "text")?;
    Ok(column.str().during(format!("column '{name}'"))?.clone())
}

fn whole_numbers(rows: &DataFrame, name: &str) -> Result<Int64Chunked> {
    let column = cast(rows, name, DataType::is_integer, &DataType::Int64, "a whole number")?;
    Ok(column.i64().during(format!("column '{name}'"))?.clone())
}

fn numbers(rows: &DataFrame, name: &str) -> Result<Float64Chunked> {
    let column = cast(rows, name, DataType::is_primitive_numeric, &DataType::Float64, "a number")?;
    Ok(column.f64().during(format!("column '{name}'"))?.clone())
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
