//! `row`: any SQL condition about single rows.

use polars::prelude::{Expr, concat_str, lit};
use serde::{Deserialize, Serialize};
use spec::{Result, Severity};

use super::{described, joined, shown};
use crate::Share;
use crate::check::{Columns, Lookup, RowCheck, RowTest};
use crate::kinds::table::truth_of;
use expr::SqlExpr;

/// An SQL expression is true in every row. Null passes, as in an SQL `CHECK`. Example:
/// `- row: {name: total, sql: 'quantity * unit_price = amount', max_share: 0.001}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What must be true: an SQL expression on the columns of one row, without aggregates and windows.
    pub sql: SqlExpr,
    /// A name for reports. Without it, the expression itself.
    #[serde(default)]
    pub name: Option<String>,
    /// Share of all rows that may fail, from 0 (default) to 1.
    #[serde(default)]
    pub max_share: Share,
    /// `hard` (default) sets failing rows aside, and refuses the run beyond `max_share`; `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

described!(Row, |check| check.name.clone().unwrap_or_else(|| check.sql.to_string()));

impl RowCheck for Row {
    fn max_share(&self) -> Share {
        self.max_share
    }

    fn compile(&self, table: &Columns, _: Lookup) -> Result<RowTest> {
        let names = self.sql.columns();
        for name in &names {
            table.dtype(name)?;
        }
        if names.is_empty() {
            return Err(table.error(format!("'{}' reads no column", self.sql)).hint("compare a column with something"));
        }
        if let Some(what) = self.sql.beyond_its_row() {
            return Err(table.error(format!("'{}' holds {what}", self.sql)).hint("use the check 'table'"));
        }
        let holds = truth_of(&self.sql, table)?;
        let mut values: Vec<Expr> = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let before = if at == 0 { format!("{name} = ") } else { format!(", {name} = ") };
            values.push(joined([lit(before), shown(name, table.dtype(name)?)]));
        }
        let name = self.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let says = lit(format!("{name}{} is false for ", self.sql));
        Ok(RowTest { fails: holds.not(), reason: joined([says, concat_str(values, "", true)]) })
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::testing::{failure, load_failure, split};

    fn table() -> DataFrame {
        df!("quantity" => [Some(2i64), Some(2), None], "price" => [3i64, 4, 5], "amount" => [6i64, 6, 6], "s" => ["x", "y", "z"])
            .unwrap()
    }

    #[test]
    fn rows_where_the_expression_is_false_fail_with_the_values_behind_it() {
        let found = split("row: {sql: quantity * price = amount, name: total, max_share: 0.4}", &table());
        assert_eq!(
            found.reasons,
            ["check 'row': total: quantity * price = amount is false for quantity = 2, price = 4, amount = 6"]
        );
        assert_eq!(found.rows.height(), 2);
        let found = split("row: {sql: \"s IN ('x', 'z')\", max_share: 1}", &table());
        assert_eq!(found.reasons, ["check 'row': s IN ('x', 'z') is false for s = 'y'"]);
    }

    #[test]
    fn what_is_not_a_condition_on_a_row_is_refused() {
        for (sql, error) in [
            ("quantty > 1", "no column 'quantty'; did you mean 'quantity'?"),
            ("quantity + 1", "'quantity + 1' is int64, not true or false; compare it with something"),
            ("quantity > AVG(quantity)", "'quantity > AVG(quantity)' holds an aggregate; use the check 'table'"),
            ("1 = 1", "'1 = 1' reads no column; compare a column with something"),
        ] {
            let text = failure(&format!("row: {{sql: '{sql}'}}"), &table()).to_string();
            assert_eq!(text, format!("table 'orders': check 1 'row': {error}"));
        }
    }

    #[test]
    fn broken_sql_is_refused_where_it_stands() {
        let text = load_failure("row: {sql: 'quantity >'}");
        assert!(
            text.starts_with("clean.yaml:3:18: checks.orders[0].row.sql: 'quantity >' is not an SQL expression: "),
            "{text}"
        );
    }
}
