//! `surrogate_key` gives each different key a key of one column.
//!
//! ```yaml
//! - surrogate_key: {column: customer_key, of: [source, customer_id]}
//! - surrogate_key: {column: product_number, of: [product_id], method: number}
//! ```
//!
//! `hash` (the default) is a text of 32 hexadecimal digits, made of the values alone: it is the same in every table, in every run and
//! on every machine, so tables can make it apart and still be joined by it. Integers of any width, decimals of any scale and
//! timestamps of any unit give the same hash if they mean the same; a number and a text never do.
//!
//! `number` counts the different keys from 1 in the order of their first rows. Numbers are small and fast, but only this table knows
//! them, and another order of rows gives other numbers: join by the original key, and take the number from here.
//!
//! A key with an empty cell has no surrogate: two unknown customers are not the same one.

use std::sync::Arc;

use polars::prelude::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use super::Apply;
use super::aggregate::group_keys;
use super::pairs::Names;
use crate::plan::{Plan, Value};
use crate::reshape::Numbering;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SurrogateKey {
    /// The new column.
    column: String,
    /// The columns whose values together are the key.
    of: Names,
    /// Default: hash.
    #[serde(default)]
    method: Method,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "KeyMethod")]
enum Method {
    /// A text of 32 hexadecimal digits, made of the values.
    #[default]
    Hash,
    /// A number from 1, in the order of first rows.
    Number,
}

impl Apply for SurrogateKey {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        plan.check_free(&self.column)?;
        if self.of.is_empty() {
            return Err(plan.error("'of' names no column").hint("name those whose values together are the key"));
        }
        let (keys, forms) = group_keys(plan, &self.of)?;
        if self.method == Method::Hash {
            let value = Value::KeyHash { columns: self.of.to_vec() };
            return plan.set(vec![(self.column.clone(), value)]);
        }
        let mut schema = plan.schema().clone();
        schema.insert(self.column.as_str().into(), DataType::Int64);
        plan.makes(&[(
            self.column.clone(),
            format!("number of {}", self.of.to_vec().join(", ")),
            DataType::Int64,
            self.of.to_vec(),
        )]);
        let numbering = Numbering {
            place: plan.place().to_owned(),
            column: self.column.clone(),
            of: self.of.to_vec(),
            forms,
            keys,
            schema,
        };
        plan.reshape_rows(Arc::new(numbering))
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::steps::tests::{failure, rows};

    fn hashes(table: &DataFrame, of: &str) -> Vec<Option<String>> {
        let found = rows(table, &format!("- surrogate_key: {{column: key, of: {of}}}"));
        found.column("key").unwrap().str().unwrap().iter().map(|key| key.map(str::to_owned)).collect()
    }

    #[test]
    fn a_hash_depends_on_values_alone() {
        let wide = df!("a" => [Some(1i64), Some(2), None, Some(1)], "t" => ["x", "x", "x", "x"]).unwrap();
        let found = hashes(&wide, "[a, t]");
        assert_eq!(found[0], found[3]);
        assert_ne!(found[0], found[1]);
        assert_eq!(found[2], None);
        // The value stands here, so that it never changes: keys in tables that were delivered must still match.
        assert_eq!(found[0].as_deref(), Some("8f2c288348ac6010ff08ca6f41f0d19e"));
        let narrow = wide.clone().lazy().with_column(col("a").cast(DataType::Int8)).collect().unwrap();
        assert_eq!(hashes(&narrow, "[a, t]"), found);
        let one =
            |column: Column| hashes(&DataFrame::new(1, vec![column.with_name("a".into())]).unwrap(), "a")[0].clone();
        let text = one(Column::new("a".into(), ["1"]));
        assert_ne!(text, one(Column::new("a".into(), [1i64])));
        assert_ne!(one(Column::new("a".into(), [1.0])), one(Column::new("a".into(), [1i64])));
        let decimal = |scale| one(Column::new("a".into(), [1i64]).cast(&DataType::Decimal(12, scale)).unwrap());
        assert_eq!(decimal(2), decimal(4));
        let moment =
            |unit, ticks: i64| one(Column::new("a".into(), [ticks]).cast(&DataType::Datetime(unit, None)).unwrap());
        assert_eq!(moment(TimeUnit::Milliseconds, 5), moment(TimeUnit::Microseconds, 5000));
        assert_eq!(one(Column::new("a".into(), [0.0])), one(Column::new("a".into(), [-0.0])));
        assert_eq!(one(Column::new("a".into(), [f64::NAN])), None);
    }

    #[test]
    fn parts_of_a_key_do_not_run_together() {
        let table = df!("a" => ["x", "xy"], "b" => ["yz", "z"]).unwrap();
        let found = hashes(&table, "[a, b]");
        assert_ne!(found[0], found[1]);
    }

    #[test]
    fn numbers_count_different_keys() {
        let table = df!("a" => [Some("q"), Some("p"), None, Some("q"), Some("r")]).unwrap();
        let found = rows(&table, "- surrogate_key: {column: n, of: a, method: number}");
        let numbers: Vec<Option<i64>> = found.column("n").unwrap().i64().unwrap().iter().collect();
        assert_eq!(numbers, [Some(1), Some(2), None, Some(1), Some(3)]);
    }

    #[test]
    fn mistakes_are_named() {
        let table = df!("a" => [1i64]).unwrap();
        assert_eq!(
            failure(&table, "- surrogate_key: {column: a, of: a}"),
            "step 1 'surrogate_key': column 'a' exists already; choose another name"
        );
        assert_eq!(
            failure(&table, "- surrogate_key: {column: k, of: []}"),
            "step 1 'surrogate_key': 'of' names no column; name those whose values together are the key"
        );
    }
}
