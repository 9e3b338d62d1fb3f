//! From rows to one value per group: by an aggregate that the spec names, never by a guess.

use artifact::{ONE_KEY, PolarsResultExt, type_name};
use expr::{RowExpr, exact_mean, exact_sum};
use polars::prelude::{DataType, Expr, LazyFrame, Schema, col, len, lit};
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

/// The value of a group; null where no row has one. Sums do not depend on the order of the rows.
pub fn value_of(column: &str, aggregate: Option<Aggregate>) -> Expr {
    let values = || col(column).cast(DataType::Float64);
    let value = match aggregate {
        None => values().first(),
        Some(Aggregate::Sum) => exact_sum(values()),
        Some(Aggregate::Mean) => exact_mean(values()),
        Some(Aggregate::Min) => values().min(),
        Some(Aggregate::Max) => values().max(),
        Some(Aggregate::Count) => col(column).count().cast(DataType::Float64),
    };
    value.alias(column)
}

/// The groups of the table by `keys`, with `values` and the number of rows ([`ROWS`]).
pub fn grouped(table: LazyFrame, mut keys: Vec<Expr>, mut values: Vec<Expr>) -> LazyFrame {
    keys.push(lit(true).alias(ONE_KEY));
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

#[cfg(test)]
mod tests {
    use polars::prelude::{IntoLazy, df};

    use super::*;

    #[test]
    fn sums_do_not_depend_on_the_order_of_the_rows() {
        let mut rows: Vec<(&str, Option<f64>)> = vec![
            ("a", Some(1e16)),
            ("b", None),
            ("a", Some(1.0)),
            ("a", Some(-1e16)),
            ("a", Some(2.0)),
            ("c", Some(7.0)),
        ];
        for _ in 0..rows.len() {
            rows.rotate_left(1);
            let (name, value): (Vec<&str>, Vec<Option<f64>>) = rows.iter().copied().unzip();
            let number: Vec<i64> = name.iter().map(|name| i64::from(name.as_bytes()[0])).collect();
            let table = df!("name" => name, "number" => number, "value" => &value, "weight" => &value).unwrap();
            // A decimal is no key of its own for the engine in memory.
            let decimal = col("number").cast(DataType::Decimal(10, 2));
            for key in [col("name"), decimal] {
                let sums = [value_of("value", Some(Aggregate::Sum)), value_of("weight", Some(Aggregate::Mean))];
                let groups = grouped(table.clone().lazy(), vec![key.alias("key")], sums.to_vec());
                let groups = artifact::collect(groups.sort(["key"], Default::default()), "test").unwrap();
                let numbers = |name: &str| groups.column(name).unwrap().f64().unwrap().iter().collect::<Vec<_>>();
                assert_eq!(numbers("value"), [Some(3.0), None, Some(7.0)]);
                assert_eq!(numbers("weight"), [Some(0.75), None, Some(7.0)]);
            }
        }
    }
}
