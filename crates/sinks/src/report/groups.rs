//! From rows to one value per group: by an aggregate that the spec names, never by a guess.

use artifact::{PolarsResultExt, type_name};
use expr::RowExpr;
use polars::prelude::{DataType, Expr, LazyFrame, NULL, Schema, col, len, lit, when};
use spec::{Error, Name, Result, did_you_mean};

use super::Aggregate;

/// How many rows a group has.
pub const ROWS: &str = "__rows";

/// Fails if the table has no such column.
pub fn known<'a>(table: &Name, schema: &'a Schema, column: &str) -> Result<&'a DataType> {
    schema.get(column).ok_or_else(|| {
        let shown = schema.iter_names().map(|name| name.as_str()).filter(|name| !name.starts_with('_'));
        Error::cannot_run(format!("table '{table}': no column '{column}'")).hint(did_you_mean(column, shown))
    })
}

/// Fails if the column holds no numbers.
pub fn numeric(table: &Name, schema: &Schema, column: &str) -> Result<()> {
    match known(table, schema, column)? {
        dtype if dtype.is_primitive_numeric() || dtype.is_decimal() => Ok(()),
        dtype => Err(Error::cannot_run(format!("table '{table}': column '{column}' holds {}", type_name(dtype)))
            .hint("name a column of numbers")),
    }
}

/// The value of a group; null where no row has one.
pub fn value_of(column: &str, aggregate: Option<Aggregate>) -> Expr {
    let values = || col(column).cast(DataType::Float64);
    let value = match aggregate {
        None => values().first(),
        Some(Aggregate::Sum) => when(values().count().gt(lit(0))).then(values().sum()).otherwise(lit(NULL)),
        Some(Aggregate::Mean) => values().mean(),
        Some(Aggregate::Min) => values().min(),
        Some(Aggregate::Max) => values().max(),
        Some(Aggregate::Count) => col(column).count().cast(DataType::Float64),
    };
    value.alias(column)
}

/// The groups of the table by `keys`, with `values` and the number of rows ([`ROWS`]).
pub fn grouped(table: LazyFrame, keys: Vec<Expr>, mut values: Vec<Expr>) -> LazyFrame {
    values.push(len().cast(DataType::Int64).alias(ROWS));
    table.group_by(keys).agg(values)
}

/// The rows for which the condition is true.
pub fn filtered(mut table: LazyFrame, name: &Name, condition: Option<&RowExpr>) -> Result<LazyFrame> {
    let Some(condition) = condition else { return Ok(table) };
    let place = format!("table '{name}': where");
    let compiled = condition.sql().compile(schema_of(&mut table, name)?.as_ref(), &place)?;
    match compiled.dtype {
        DataType::Boolean => Ok(table.filter(compiled.expr)),
        other => {
            Err(Error::cannot_run(format!("{place}: '{condition}' is not true or false, but {}", type_name(&other)))
                .hint("write a comparison, such as `horizon = 1`"))
        }
    }
}

/// The columns of a table, with its name in errors.
pub fn schema_of(table: &mut LazyFrame, name: &Name) -> Result<std::sync::Arc<Schema>> {
    table.collect_schema().during(format!("table '{name}'"))
}
