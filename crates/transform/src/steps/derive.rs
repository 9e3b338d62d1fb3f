//! `derive` computes columns by SQL expressions, in order: each sees those before it. An existing column is
//! replaced.
//!
//! ```yaml
//! - derive:
//!     amount: quantity * unit_price
//!     is_return: amount < 0
//! ```
//!
//! `CAST(x AS …)` of a cell that does not fit ends the run, as do integers beyond int64; `TRY_CAST` gives an empty cell,
//! and the step `cast` refuses the row. `docs/sql.md` has the expressions.

use expr::{RowExpr, SqlExpr};
use polars::prelude::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Map, Result};

use super::Apply;
use crate::plan::{Plan, Value};

/// New column to SQL expression.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Derive(Map<RowExpr>);

impl Apply for Derive {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        for (name, sql) in self.0.iter() {
            plan.check_new(name)?;
            checked(plan, sql.sql())?;
            plan.means(expr::normal(sql.sql().text()));
            plan.set(vec![(name.to_owned(), Value::Sql(sql.sql().clone()))])?;
        }
        Ok(())
    }
}

/// The type of an expression over the plan's columns.
pub(super) fn checked(plan: &Plan, sql: &SqlExpr) -> Result<DataType> {
    for column in sql.columns() {
        plan.dtype(&column).map_err(|error| match expr::meant_as_text(&column, sql.text()) {
            Some(hint) => {
                let near = error.way_out().unwrap_or_default().to_owned();
                error.hint(format!("{hint}; {near}"))
            }
            None => error,
        })?;
    }
    Ok(sql.compile(plan.schema(), plan.place())?.dtype)
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, rows, run};
    use polars::prelude::df;

    #[test]
    fn columns_are_computed_in_order() {
        let table = df!("q" => [2i64, 3], "p" => [1.5, -2.0]).unwrap();
        let expected =
            df!("q" => [2i64, 3], "p" => [1.5, -2.0], "amount" => [3.0, -6.0], "back" => [false, true]).unwrap();
        assert_eq!(rows(&table, "- derive:\n    amount: q * p\n    back: amount < 0"), expected);
    }

    #[test]
    fn a_row_that_is_out_cannot_end_the_run() {
        let table = df!("a" => ["1", "x"]).unwrap();
        let done = run(&table, "- filter: a <> 'x'\n- derive: {n: CAST(a AS BIGINT)}");
        assert_eq!(done.rows, df!("a" => ["1"], "n" => [1i64]).unwrap());
        let error = failure(&table, "- derive: {n: CAST(a AS BIGINT)}");
        assert_eq!(
            error,
            "step 1 'derive': 'CAST(a AS BIGINT)': 'x' is not an int64; TRY_CAST gives null for such values"
        );
    }

    #[test]
    fn results_are_right_or_refused() {
        let table = df!("a" => [50_000i32, 2], "x" => [f64::NAN, f64::INFINITY], "z" => [0i64, 1]).unwrap();
        let steps = "- derive: {square: a * a, share: 'COALESCE(a / z, -1)', x: x, more: x * 2, high: x > 100}\n- drop: {columns: [a, z]}";
        let expected = df!(
            "x" => [None::<f64>, None],
            "square" => [2_500_000_000i64, 4],
            "share" => [-1.0, 2.0],
            "more" => [None::<f64>, None],
            // The column was replaced further up, and infinity with it.
            "high" => [None::<bool>, None],
        );
        assert_eq!(rows(&table, steps), expected.unwrap());
        assert_eq!(
            failure(&df!("n" => [i64::MAX]).unwrap(), "- derive: {n: n + 1}"),
            "step 1 'derive': 'n + 1': 9223372036854775807 + 1 is beyond int64; compute with DOUBLE or DECIMAL instead, such as \
             CAST(… AS DOUBLE)"
        );
    }

    #[test]
    fn mistakes_are_named() {
        let table = df!("amount" => [1]).unwrap();
        assert_eq!(
            failure(&table, "- derive: {x: 'amount = \"1\"'}"),
            "step 1 'derive': no column '1'; a text belongs in single quotes: '1'; choose one of: amount"
        );
        assert_eq!(
            failure(&table, "- derive: {b: amout * 2}"),
            "step 1 'derive': no column 'amout'; did you mean 'amount'?"
        );
        assert_eq!(
            failure(&table, "- derive: {_row: amount}"),
            "step 1 'derive': '_row' is a name that clean itself uses; choose another name"
        );
    }
}
