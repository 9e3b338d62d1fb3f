//! `pivot` makes columns of the values of one column: from long to wide.
//!
//! ```yaml
//! - pivot: {by: [order_id], column: payment_type, values: [card, voucher], measure: SUM(payment_value)}
//! - pivot: {by: [day], column: status, values: {delivered: n_delivered, canceled: n_canceled}, measure: COUNT(*), others: drop}
//! ```
//!
//! There is one row for each different key, and a column for each of `values`, which holds the measure of the rows with that value: an
//! [SQL expression](sql.md) of aggregates, as in `aggregate`. The values are named, so that the columns are the same whatever
//! comes in. A row with another value, or none, is refused unless `others: drop` drops it.

use std::sync::Arc;

use expr::SqlExpr;
use polars::prelude::{DataType, Scalar as Cell};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Result, Scalar};

use super::Apply;
use super::aggregate::group_keys;
use super::pairs::{Names, Pairs};
use super::scalar::as_cell;
use crate::plan::{Plan, whole_cell};
use crate::reshape::{Others, Pivoting};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pivot {
    /// The columns whose values together make a row.
    by: Names,
    /// The column whose values become columns.
    column: String,
    /// These values: a list, or a map of them to the names of the new columns.
    values: Pairs,
    /// What the cells hold: an SQL expression of aggregates.
    measure: SqlExpr,
    /// What becomes of rows with another value. Default: refuse.
    #[serde(default)]
    others: Others,
}

impl Apply for Pivot {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let (keys, forms) = group_keys(plan, &self.by)?;
        if self.by.is_empty() || self.values.is_empty() {
            let (what, hint) = match self.by.is_empty() {
                true => ("'by' names no column", "name those whose values together make a row"),
                false => ("'values' names none", "name the values that become columns"),
            };
            return Err(plan.error(what).hint(hint));
        }
        let dtype = plan.dtype(&self.column)?;
        let measured = self.measure.grouped(plan.schema(), &keys, plan.place())?.dtype().clone();
        let (mut schema, mut values, mut made) = (keys.clone(), Vec::new(), Vec::new());
        for (value, name) in self.values.iter() {
            let cell = cell_of(value, &dtype).ok_or_else(|| {
                let found = artifact::type_name(&dtype);
                plan.error(format!("'{value}' is not a value of column '{}', which is {found}", self.column))
                    .hint("write values as the column has them")
            })?;
            if let Some((same, ..)) = values.iter().find(|(_, known, _)| *known == cell) {
                return Err(plan
                    .error(format!("'{same}' and '{value}' are the same value of column '{}'", self.column))
                    .hint("name it once"));
            }
            plan.check_new(name)?;
            if schema.contains(name) {
                return Err(plan
                    .error(format!("column '{name}' exists already"))
                    .hint("give it another name: `values: {value: name}`"));
            }
            let reads = self.by.iter().map(str::to_owned).chain([self.column.clone()]).chain(self.measure.columns());
            let what = format!("{} where {} = {value}", expr::normal(self.measure.text()), self.column);
            made.push((name.to_owned(), what, measured.clone(), reads.collect()));
            schema.insert(name.into(), measured.clone());
            values.push((value.to_owned(), cell, name.to_owned()));
        }
        plan.makes(&made);
        let by = self.by.to_vec();
        plan.chooses_rows(&by);
        let witness = plan.witnesses_groups(&mut schema);
        let pivoting = Pivoting {
            place: plan.place().to_owned(),
            by: by.clone(),
            forms,
            column: self.column.clone(),
            values,
            measure: self.measure.clone(),
            others: self.others,
            taken: plan.schema().clone(),
            keys,
            schema,
            witness,
        };
        plan.reshape(Arc::new(pivoting), None, by.into_iter().map(|key| (key, None)).collect())
    }
}

/// A value as written, as a cell of the column: to the digit, or none.
fn cell_of(value: &str, dtype: &DataType) -> Option<Cell> {
    let text = || Scalar::Text(value.to_owned());
    if dtype.is_integer()
        && let Ok(whole) = value.parse::<i128>()
    {
        return whole_cell(whole, dtype);
    }
    let written = match dtype {
        dtype if dtype.is_primitive_numeric() => match value.parse() {
            Ok(whole) => Scalar::Int(whole),
            Err(_) => value.parse().map_or_else(|_| text(), Scalar::Float),
        },
        DataType::Boolean => value.parse().map_or_else(|_| text(), Scalar::Bool),
        // A float would not hold all digits of a decimal.
        _ => text(),
    };
    as_cell(&written, dtype)
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;
    use proptest::prelude::*;

    use crate::steps::tests::{failure, reasons, rows, run};

    fn table() -> DataFrame {
        df!("o" => [1i64, 2, 1, 1, 2], "t" => [Some("card"), Some("cash"), Some("voucher"), Some("card"), None], "v" => [1.0, 2.0, 3.0, 4.0, 5.0]).unwrap()
    }

    #[test]
    fn values_become_columns() {
        let step =
            "- pivot: {by: o, column: t, values: {card: by_card, voucher: by_voucher}, measure: SUM(v), others: drop}";
        let expected = df!("o" => [1i64, 2], "by_card" => [Some(5.0), None], "by_voucher" => [Some(3.0), None]);
        assert!(rows(&table(), step).equals_missing(&expected.unwrap()), "{}", rows(&table(), step));
        assert_eq!(
            run(&table(), step).removed,
            [("step 1 'pivot' by o".to_owned(), 1), ("step 1 'pivot' by o, another value of 't'".to_owned(), 2)]
        );
        let refused = run(&table(), "- pivot: {by: o, column: t, values: [card, voucher, cash], measure: COUNT(*)}");
        assert_eq!(
            refused.rows,
            df!("o" => [1i64, 2], "card" => [2i64, 0], "voucher" => [1i64, 0], "cash" => [0i64, 1]).unwrap()
        );
        assert_eq!(reasons(&refused), ["step 1 'pivot': t: an empty cell is none of the values that become columns"]);
    }

    #[test]
    fn values_are_those_written_to_the_digit() {
        let table = df!(
            "o" => [1i64; 3],
            "big" => [u64::MAX, (1 << 63) + 1, 7],
            "exact" => ["12345678901234567.89", "12345678901234568.00", "0.50"],
        );
        let table = table.unwrap().lazy().with_column(col("exact").cast(DataType::Decimal(20, 2))).collect().unwrap();
        for (column, values) in [
            ("big", ["18446744073709551615", "9223372036854775809", "7"]),
            ("exact", ["12345678901234567.89", "12345678901234568", "0.5"]),
        ] {
            let values: Vec<String> =
                values.iter().zip(["a", "b", "c"]).map(|(value, name)| format!("'{value}': {name}")).collect();
            let step =
                format!("- pivot: {{by: o, column: {column}, values: {{{}}}, measure: COUNT(*)}}", values.join(", "));
            let expected = df!("o" => [1i64], "a" => [1i64], "b" => [1i64], "c" => [1i64]).unwrap();
            assert_eq!(rows(&table, &step), expected, "{column}");
        }
        let too_large = "- pivot: {by: o, column: big, values: {'18446744073709551616': a}, measure: COUNT(*)}";
        assert_eq!(
            failure(&table, too_large),
            "step 1 'pivot': '18446744073709551616' is not a value of column 'big', which is uint64; write values as the column has \
             them"
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (step, error) in [
            (
                "by: o, column: v, values: [x], measure: COUNT(*)",
                "'x' is not a value of column 'v', which is float64; write values as the column has them",
            ),
            (
                "by: o, column: v, values: {1: a, '1.0': b}, measure: COUNT(*)",
                "'1' and '1.0' are the same value of column 'v'; name it once",
            ),
            (
                "by: o, column: t, values: {card: o}, measure: COUNT(*)",
                "column 'o' exists already; give it another name: `values: {value: name}`",
            ),
            (
                "by: [], column: t, values: [card], measure: COUNT(*)",
                "'by' names no column; name those whose values together make a row",
            ),
            (
                "by: o, column: t, values: [], measure: COUNT(*)",
                "'values' names none; name the values that become columns",
            ),
        ] {
            assert_eq!(failure(&table(), &format!("- pivot: {{{step}}}")), format!("step 1 'pivot': {error}"));
        }
    }

    proptest! {
        #[test]
        fn cells_are_those_of_loops(cells in proptest::collection::vec((proptest::option::of(0i64..3), proptest::option::of(0i64..4), -4i64..5), 0..25)) {
            let (k, c): (Vec<_>, Vec<_>) = cells.iter().map(|(k, c, _)| (*k, *c)).unzip();
            let v: Vec<i64> = cells.iter().map(|(.., v)| *v).collect();
            let table = df!("k" => &k, "c" => &c, "v" => &v).unwrap();
            let done = run(&table, "- pivot: {by: k, column: c, values: {0: a, 1: b, 2: d}, measure: SUM(v), others: drop}");
            let mut keys: Vec<Option<i64>> = Vec::new();
            k.iter().for_each(|key| if !keys.contains(key) { keys.push(*key) });
            let found: Vec<_> = done.rows.column("k").unwrap().i64().unwrap().iter().collect();
            prop_assert_eq!(&found, &keys);
            for (value, name) in [(0, "a"), (1, "b"), (2, "d")] {
                let found: Vec<_> = done.rows.column(name).unwrap().i64().unwrap().iter().collect();
                let of = |key: &Option<i64>| {
                    let of: Vec<i64> = cells.iter().filter(|row| row.0 == *key && row.1 == Some(value)).map(|row| row.2).collect();
                    (!of.is_empty()).then(|| of.iter().sum::<i64>())
                };
                prop_assert_eq!(found, keys.iter().map(of).collect::<Vec<_>>());
            }
            let total: u64 = done.removed.iter().map(|(_, rows)| rows).sum();
            let added = keys.len().saturating_sub(cells.iter().filter(|row| row.1.is_some_and(|c| c < 3)).count());
            prop_assert_eq!(total as usize - added + done.rows.height() - added, cells.len());
        }
    }
}
