//! `references`: keys that must be found in another table.

use std::sync::Arc;

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{
    BooleanChunked, Column, DataFrame, DataType, Expr, Field, IntoColumn, PlHashSet, PlSmallStr, PolarsResult, col,
    concat_str, lit,
};
use serde::{Deserialize, Serialize};
use spec::{Result, Severity};

use super::{described, is_text, joined, shown};
use crate::check::{Columns, Lookup, RowCheck, RowTest};
use crate::{ColumnNames, Share};

/// Stands between the parts of a key of several columns; no text of a key holds it in practice.
const BETWEEN: &str = "\u{1f}";

/// The key is found in another table of the same run. A key with a null passes, as in SQL. Example:
/// `- references: {columns: [product_id], table: products, key: [id]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct References {
    /// The columns that refer to the other table.
    pub columns: ColumnNames,
    /// The other table.
    pub table: String,
    /// The columns there, in the same order. Without them, those of the same names.
    #[serde(default)]
    pub key: Option<ColumnNames>,
    /// Share of all rows that may fail, from 0 (default) to 1.
    #[serde(default)]
    pub max_share: Share,
    /// `hard` (default) takes failing rows out, and refuses the run beyond `max_share`; `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

described!(References, |check| format!("{} in {}", check.columns, check.table));

impl RowCheck for References {
    fn max_share(&self) -> Share {
        self.max_share
    }

    fn compile(&self, table: &Columns, lookup: Lookup) -> Result<RowTest> {
        let theirs = self.key.as_ref().unwrap_or(&self.columns);
        if theirs.len() != self.columns.len() {
            return Err(table
                .error(format!("{} columns refer to a key of {}", self.columns.len(), theirs.len()))
                .hint("name as many columns in 'key' as in 'columns'"));
        }
        let mut other = lookup(&self.table).map_err(|error| error.context(&table.place))?;
        let schema = other.collect_schema().during(&table.place)?;
        let there = Columns { schema: &schema, place: format!("{}: table '{}'", table.place, self.table) };
        for (ours, their) in self.columns.iter().zip(theirs.iter()) {
            let (of, other) = (table.dtype(ours)?, there.dtype(their)?);
            let alike = of == other || (of.is_integer() && other.is_integer()) || (is_text(of) && is_text(other));
            if !alike {
                let (of, other) = (type_name(of), type_name(other));
                return Err(table
                    .error(format!("column '{ours}' holds {of}, but '{their}' in '{}' {other}", self.table))
                    .hint("cast one of them first"));
            }
        }
        let whole = |at: &Columns, names: &[String]| {
            names.len() == 1 && at.schema.get(&names[0]).is_some_and(|of| of.is_integer() || of.is_temporal())
        };
        let as_number = whole(table, &self.columns) && whole(&there, theirs);
        let keys = artifact::collect(other.select([key_of(theirs, as_number).alias("key")]), &there.place)?;
        let keys = Arc::new(Keys::of(&keys, as_number).during(&there.place)?);
        let fails = key_of(&self.columns, as_number)
            .map(move |column| keys.lacks(&column), |_, field| Ok(Field::new(field.name().clone(), DataType::Boolean)));
        let mut values = Vec::new();
        for (at, name) in self.columns.iter().enumerate() {
            let before = if at == 0 { format!("{name} = ") } else { format!(", {name} = ") };
            values.push(joined([lit(before), shown(name, table.dtype(name)?)]));
        }
        let reason = joined([concat_str(values, "", true), lit(format!(" is not in {}", self.table))]);
        Ok(RowTest { fails, reason })
    }
}

/// The key as one value: a number where it is one, else text. Null where any part is.
fn key_of(names: &[String], as_number: bool) -> Expr {
    match names {
        [one] if as_number => col(one.as_str()).to_physical().cast(DataType::Int64),
        _ => {
            let parts: Vec<Expr> = names.iter().map(|name| col(name.as_str()).cast(DataType::String)).collect();
            concat_str(parts, BETWEEN, false)
        }
    }
}

/// The keys of the other table. Built once: a join would build its table anew for every batch.
enum Keys {
    Numbers(PlHashSet<i64>),
    Texts(PlHashSet<PlSmallStr>),
}

impl Keys {
    fn of(keys: &DataFrame, as_number: bool) -> PolarsResult<Keys> {
        let column = keys.columns()[0].as_materialized_series();
        Ok(match as_number {
            true => Keys::Numbers(column.i64()?.iter().flatten().collect()),
            false => Keys::Texts(column.str()?.iter().flatten().map(PlSmallStr::from_str).collect()),
        })
    }

    /// True where a value is not among the keys.
    fn lacks(&self, values: &Column) -> PolarsResult<Column> {
        let name = values.name().clone();
        let values = values.as_materialized_series();
        let mut lacking: BooleanChunked = match self {
            Keys::Numbers(keys) => {
                values.i64()?.iter().map(|value| value.map(|value| !keys.contains(&value))).collect()
            }
            Keys::Texts(keys) => values.str()?.iter().map(|value| value.map(|value| !keys.contains(value))).collect(),
        };
        lacking.rename(name);
        Ok(lacking.into_column())
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;
    use spec::{Error, Result};

    use crate::testing::{compiled, split_with};

    fn products(name: &str) -> Result<LazyFrame> {
        match name {
            "products" => {
                Ok(df!("id" => [1i64, 2, 3], "shop" => ["a", "b", "c"], "day" => [1.5, 2.5, 3.5]).unwrap().lazy())
            }
            _ => Err(Error::cannot_run(format!("no table '{name}' among the inputs")).hint("did you mean 'products'?")),
        }
    }

    #[test]
    fn keys_that_are_not_there_fail_and_nulls_pass() {
        let table = df!("product_id" => [Some(1i32), Some(9), None], "shop" => ["a", "b", "z"]).unwrap();
        let found = split_with(
            "references: {columns: [product_id], table: products, key: [id], max_share: 0.5}",
            &table,
            &products,
        );
        assert_eq!(found.reasons, ["check 'references': product_id = 9 is not in products"]);
        let found = split_with("references: {columns: [shop], table: products, max_share: 0.5}", &table, &products);
        assert_eq!(found.reasons, ["check 'references': shop = 'z' is not in products"]);
    }

    #[test]
    fn a_key_of_several_columns_is_compared_as_a_whole() {
        let table = df!("id" => [Some(1i64), Some(1), None], "shop" => ["a", "b", "b"]).unwrap();
        let found = split_with("references: {columns: [id, shop], table: products, max_share: 0.5}", &table, &products);
        assert_eq!(found.reasons, ["check 'references': id = 1, shop = 'b' is not in products"]);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let table = df!("product_id" => ["1"], "shop" => ["a"]).unwrap();
        for (check, error) in [
            (
                "{columns: [product_id], table: products, key: [id]}",
                "column 'product_id' holds string, but 'id' in 'products' int64; cast one of them first",
            ),
            (
                "{columns: [product_id, shop], table: products, key: [id]}",
                "2 columns refer to a key of 1; name as many columns in 'key' as in 'columns'",
            ),
            (
                "{columns: [shop], table: products, key: [shp]}",
                "table 'products': no column 'shp'; did you mean 'shop'?",
            ),
            ("{columns: [shop], table: product}", "no table 'product' among the inputs; did you mean 'products'?"),
        ] {
            let text = compiled(&format!("references: {check}"), &table, &products).err().unwrap().to_string();
            assert_eq!(text, format!("table 'orders': check 1 'references': {error}"));
        }
    }
}
