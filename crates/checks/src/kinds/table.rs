//! `table`: any SQL condition about the whole table.

use artifact::type_name;
use polars::prelude::{AnyValue, DataType, Expr};
use serde::{Deserialize, Serialize};
use spec::{Result, Severity};

use super::described;
use crate::Published;
use crate::check::{Columns, Finding, TableCheck};
use expr::SqlExpr;
use spec::text::number;

/// An SQL expression of aggregates is true. Null fails: it says nothing about the table. Example:
/// `- table: {sql: 'SUM(amount) > 0 AND COUNT(*) > 100'}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What must be true: an SQL expression with one value for the whole table.
    pub sql: SqlExpr,
    /// A name for reports. Without it, the expression itself.
    #[serde(default)]
    pub name: Option<String>,
    /// `hard` (default) refuses the run, `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

described!(Table, |check| check.name.clone().unwrap_or_else(|| check.sql.to_string()));

impl TableCheck for Table {
    fn queries(&self, table: &Columns, _: &Published) -> Result<Vec<Expr>> {
        for name in self.sql.columns() {
            table.dtype(&name)?;
        }
        if self.sql.beyond_its_row().is_none() || !self.sql.is_one_value() {
            return Err(table
                .error(format!("'{}' has a value for every row, not one for the table", self.sql))
                .hint("use an aggregate such as SUM(…), or the check 'row'"));
        }
        let mut queries = vec![truth_of(&self.sql, table)?];
        if let Some((left, _)) = self.sql.compared() {
            queries.push(left.compile(table.schema, &table.place)?.expr);
        }
        Ok(queries)
    }

    fn judge(&self, _: &Columns, _: &Published, values: &[AnyValue<'_>]) -> Result<Finding> {
        let left = match (values.get(1), self.sql.compared()) {
            (Some(left), Some((_, word))) => format!("; the left side of '{word}' is {}", shown(left)),
            _ => String::new(),
        };
        Ok(match values.first() {
            Some(AnyValue::Boolean(true)) => Finding::Passed(format!("true{left}")),
            Some(AnyValue::Boolean(false)) => Finding::Failed(format!("false{left}")),
            _ => Finding::Failed(format!("null, neither true nor false{left}")),
        })
    }
}

fn shown(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Float64(value) => number(*value),
        AnyValue::Float32(value) => number(f64::from(*value)),
        other => other.to_string(),
    }
}

/// The expression as polars runs it, once it is known to be true or false.
pub(super) fn truth_of(sql: &SqlExpr, table: &Columns) -> Result<Expr> {
    let value = sql.compile(table.schema, &table.place)?;
    match value.dtype {
        DataType::Boolean => Ok(value.expr),
        DataType::Null => Err(table.error(format!("'{sql}' is always null")).hint("use IS NULL to ask for nulls")),
        other => Err(table
            .error(format!("'{sql}' is {}, not true or false", type_name(&other)))
            .hint("compare it with something")),
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::Finding::*;
    use crate::testing::{failure, judged};

    #[test]
    fn aggregates_are_judged_and_shown() {
        let table = df!("amount" => [1.5, -4.0], "n" => [1i64, 2]).unwrap();
        assert_eq!(
            judged("table: {sql: SUM(amount) > 0}", &table),
            Failed("false; the left side of '>' is -2.5".into())
        );
        assert_eq!(judged("table: {sql: COUNT(*) = 2}", &table), Passed("true; the left side of '=' is 2".into()));
        assert_eq!(judged("table: {sql: SUM(n) > 2 AND MAX(amount) < 2}", &table), Passed("true".into()));
    }

    #[test]
    fn sums_of_floats_do_not_depend_on_the_order_of_the_rows() {
        // Added up one after the other, the small ones are lost beside the great ones.
        let mut amounts = vec![1e16, 1.0, -1e16, 1.0, 0.5, 0.5];
        for _ in 0..amounts.len() {
            amounts.rotate_left(1);
            let table = df!("amount" => &amounts).unwrap();
            for sql in ["SUM(amount) = 3", "AVG(amount) = 0.5", "SUM(amount) FILTER (WHERE amount < 2) = -1e16 + 4"] {
                let found = judged(&format!("table: {{sql: '{sql}'}}"), &table);
                assert!(matches!(found, Passed(_)), "{sql} of {amounts:?}: {found:?}");
            }
        }
        let table = df!("amount" => [1.0, f64::INFINITY]).unwrap();
        let null = "null, neither true nor false; the left side of '>' is null";
        for sum in ["SUM", "AVG", "STDDEV"] {
            assert_eq!(judged(&format!("table: {{sql: {sum}(amount) > 0}}"), &table), Failed(null.into()));
        }
        let table = df!("amount" => [f64::MAX, f64::MAX]).unwrap();
        assert_eq!(
            failure("table: {sql: SUM(amount) > 0}", &table).to_string(),
            "table 'orders': check 1 'table': 'SUM(amount) > 0': sum is beyond float64; take the greatest rows out first"
        );
    }

    #[test]
    fn null_fails() {
        let table = df!("amount" => Vec::<f64>::new()).unwrap();
        assert_eq!(
            judged("table: {sql: AVG(amount) > 0}", &table),
            Failed("null, neither true nor false; the left side of '>' is null".into())
        );
    }

    #[test]
    fn what_is_not_a_condition_on_the_table_is_refused() {
        let table = df!("amount" => [1.5]).unwrap();
        for (sql, error) in [
            ("SUM(amout) > 0", "no column 'amout'; did you mean 'amount'?"),
            (
                "amount > 0",
                "'amount > 0' has a value for every row, not one for the table; use an aggregate such as SUM(…), or the \
                 check 'row'",
            ),
            (
                "amount > AVG(amount)",
                "'amount > AVG(amount)' has a value for every row, not one for the table; use an aggregate such as \
                 SUM(…), or the check 'row'",
            ),
            ("SUM(amount)", "'SUM(amount)' is float64, not true or false; compare it with something"),
        ] {
            let text = failure(&format!("table: {{sql: '{sql}'}}"), &table).to_string();
            assert_eq!(text, format!("table 'orders': check 1 'table': {error}"));
        }
    }
}
