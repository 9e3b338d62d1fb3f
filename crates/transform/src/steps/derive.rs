//! `derive` computes columns by SQL expressions, in order: each sees those before it. An existing column is
//! replaced.
//!
//! ```yaml
//! - derive:
//!     amount: quantity * unit_price
//!     is_return: amount < 0
//! ```
//!
//! `CAST(x AS …)` of a cell that does not fit ends the run; `TRY_CAST` gives an empty cell, and the step `cast`
//! refuses the row.

use artifact::PolarsResultExt;
use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::{Map, Result};

use super::Apply;
use crate::plan::Plan;
use crate::{RowExpr, SqlExpr};

/// New column to SQL expression.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Derive(Map<RowExpr>);

impl Apply for Derive {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        for (name, sql) in self.0.iter() {
            plan.check_new(name)?;
            let value = checked(plan, sql.sql())?;
            type_of(plan, &value)?;
            plan.set(vec![value.alias(name)])?;
        }
        Ok(())
    }
}

/// The expression, once its columns are known to exist. Rows that are out already read as empty where a strict
/// cast could fail on them: a row must not end the run after a step took it out.
pub(super) fn checked(plan: &Plan, sql: &SqlExpr) -> Result<Expr> {
    for column in sql.columns() {
        plan.dtype(&column)?;
    }
    let expr = sql.expr();
    let may_fail = |part: &Expr| match part {
        Expr::Cast { options, .. } => options.is_strict(),
        Expr::Function { function, .. } => matches!(function, FunctionExpr::StringExpr(_)),
        _ => false,
    };
    if !(&expr).into_iter().any(may_fail) {
        return Ok(expr);
    }
    let names = sql.columns();
    Ok(expr.map_expr(|part| match part {
        Expr::Column(name) if names.iter().any(|known| known == name.as_str()) => {
            when(Plan::is_alive()).then(Expr::Column(name)).otherwise(lit(NULL))
        }
        other => other,
    }))
}

/// The type of an expression over the plan's columns.
pub(super) fn type_of(plan: &Plan, expr: &Expr) -> Result<DataType> {
    const NAME: &str = "_step_type";
    let columns = plan.schema().iter().map(|(name, dtype)| Column::new_empty(name.clone(), dtype));
    let mut columns: Vec<Column> = columns.collect();
    columns.push(Column::new_empty(crate::plan::RULE.into(), &DataType::UInt16));
    let empty = DataFrame::new(0, columns).during(plan.place())?;
    let schema = empty.lazy().select([expr.clone().alias(NAME)]).collect_schema().during(plan.place())?;
    Ok(schema.get(NAME).cloned().unwrap_or(DataType::Null))
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
        assert!(error.contains("conversion from `str` to `i64` failed"), "{error}");
    }

    #[test]
    fn mistakes_are_named() {
        let table = df!("amount" => [1]).unwrap();
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
