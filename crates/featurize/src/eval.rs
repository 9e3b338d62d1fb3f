//! SQL expressions over the rows of a table in memory.

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{DataFrame, DataType, IntoLazy, Series, col};
use spec::{Error, Result};

use expr::RowExpr;

/// What an expression gives for each row, of the type that it has.
pub fn evaluated(rows: &DataFrame, sql: &RowExpr, name: &str, place: &str) -> Result<Series> {
    let value = sql.sql().compile(rows.schema(), place)?;
    let with = rows.clone().lazy().with_columns([value.expr.alias(name)]);
    let given = with.select([col(name)]).collect().during(place)?;
    Ok(given.column(name).during(place)?.as_materialized_series().rechunk())
}

/// Where a condition holds: null does not.
pub fn holds(rows: &DataFrame, condition: &RowExpr, place: &str) -> Result<Vec<bool>> {
    let holds = evaluated(rows, condition, "a condition", place)?;
    match holds.dtype() {
        DataType::Null => Ok(vec![false; rows.height()]),
        DataType::Boolean => Ok(holds.bool().during(place)?.iter().map(|holds| holds == Some(true)).collect()),
        other => Err(Error::cannot_run(format!("{place}: where '{condition}' gives {}", type_name(other)))
            .hint("write a condition, such as price > 0")),
    }
}
