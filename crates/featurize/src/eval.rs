//! SQL expressions over the rows of a table in memory.

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{DataFrame, DataType, IntoLazy, Series, col};
use spec::{Error, Result};

use expr::RowExpr;

/// What an expression gives for each row, of the type that it has.
pub fn evaluated(rows: &DataFrame, sql: &RowExpr, name: &str, place: &str) -> Result<Series> {
    let value = sql.sql().compile(rows.schema(), place)?;
    // A column of one row would be computed with as a constant is, and a division by a constant is a multiplication by its
    // inverse: the last digit of a value must not depend on how many rows there are.
    let single = rows.height() == 1;
    let rows = if single { rows.vstack(rows).during(place)? } else { rows.clone() };
    let with = rows.lazy().with_columns([value.expr.alias(name)]);
    let given = with.select([col(name)]).collect().during(place)?;
    let given = given.column(name).during(place)?.as_materialized_series().rechunk();
    Ok(if single { given.slice(0, 1) } else { given })
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
