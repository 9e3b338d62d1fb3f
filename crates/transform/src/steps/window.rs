//! `window` computes columns that look at other rows: ranks, row numbers, rows before and after, running sums.
//!
//! ```yaml
//! - window:
//!     nth_order: ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY ordered_at, order_id)
//!     previous: LAG(ordered_at) OVER (PARTITION BY customer_id ORDER BY ordered_at, order_id)
//!     spent_so_far: SUM(price) OVER (PARTITION BY customer_id ORDER BY ordered_at, order_id)
//!     share_of_day: price / SUM(price) OVER (PARTITION BY day)
//! ```
//!
//! Expressions are [SQL](sql.md), with windows in the form `f(x) OVER (PARTITION BY … ORDER BY …)`. Each sees those before it. Rows
//! that the order does not tell apart keep the order of the table; in a running sum they share one value, as in SQL. Rows keep
//! their order and `_file` and `_row`; the whole table is held in memory.

use std::sync::Arc;

use expr::SqlExpr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Map, Result};

use super::Apply;
use crate::plan::Plan;
use crate::reshape::Windows;

/// New column to SQL expression with windows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Window(Map<SqlExpr>);

impl Apply for Window {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let mut schema = plan.schema().clone();
        let mut columns = Vec::new();
        for (name, sql) in self.0.iter() {
            plan.check_new(name)?;
            if schema.contains(name) {
                return Err(plan.error(format!("column '{name}' exists already")).hint("choose another name"));
            }
            if sql.beyond_its_row() != Some("a window") {
                return Err(plan.error(format!("'{sql}' holds no window")).hint(
                    "write f(x) OVER (PARTITION BY … ORDER BY …); for single rows use 'derive', for groups 'aggregate'",
                ));
            }
            let dtype = sql.compile(&schema, plan.place())?.dtype;
            plan.makes(&[(name.to_owned(), expr::normal(sql.text()), dtype.clone(), sql.columns())]);
            schema.insert(name.into(), dtype);
            columns.push((name.to_owned(), sql.clone()));
        }
        let windows = Windows { place: plan.place().to_owned(), columns, taken: plan.schema().clone(), schema };
        plan.reshape_rows(Arc::new(windows))
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;
    use proptest::prelude::*;

    use crate::steps::tests::{failure, rows, run};

    #[test]
    fn columns_look_at_other_rows() {
        let table =
            df!("g" => ["a", "b", "a", "a"], "t" => [3i64, 1, 1, 2], "x" => [1i64, 5, 2, 4], "_row" => [1u32, 2, 3, 4]);
        let step = "- window:\n    n: ROW_NUMBER() OVER (PARTITION BY g ORDER BY t)\n    before: LAG(x) OVER (PARTITION BY g ORDER BY t)\n    \
                    sum: SUM(x) OVER (PARTITION BY g ORDER BY t)\n    twice: sum * 2 + RANK() OVER (ORDER BY x)";
        let found = rows(&table.unwrap(), step);
        let expected = df!(
            "g" => ["a", "b", "a", "a"], "t" => [3i64, 1, 1, 2], "x" => [1i64, 5, 2, 4], "_row" => [1u32, 2, 3, 4],
            "n" => [3i64, 1, 1, 2],
            "before" => [Some(4i64), None, None, Some(2)],
            "sum" => [7i64, 5, 2, 6],
            "twice" => [15i64, 14, 6, 15],
        );
        assert!(found.equals_missing(&expected.unwrap()), "{found}");
    }

    #[test]
    fn mistakes_are_named() {
        let table = df!("g" => ["a"], "x" => [1i64]).unwrap();
        for (step, error) in [
            ("g: ROW_NUMBER() OVER (ORDER BY x)", "column 'g' exists already; choose another name"),
            (
                "n: x * 2",
                "'x * 2' holds no window; write f(x) OVER (PARTITION BY … ORDER BY …); for single rows use 'derive', for groups \
                 'aggregate'",
            ),
            (
                "n: ROW_NUMBER() OVER (ORDER BY y)",
                "'ROW_NUMBER() OVER (ORDER BY y)': no column 'y'; choose one of: g, x",
            ),
        ] {
            assert_eq!(failure(&table, &format!("- window: {{{step}}}")), format!("step 1 'window': {error}"));
        }
    }

    proptest! {
        #[test]
        fn ranks_and_running_sums_are_those_of_loops(
            cells in proptest::collection::vec((0i64..3, proptest::option::of(0i64..4), -5i64..5), 0..30),
        ) {
            let g: Vec<i64> = cells.iter().map(|(g, ..)| *g).collect();
            let t: Vec<Option<i64>> = cells.iter().map(|(_, t, _)| *t).collect();
            let x: Vec<i64> = cells.iter().map(|(.., x)| *x).collect();
            let table = df!("g" => &g, "t" => &t, "x" => &x).unwrap();
            let over = "OVER (PARTITION BY g ORDER BY t)";
            let step = format!("- window: {{n: 'ROW_NUMBER() {over}', r: 'RANK() {over}', d: 'DENSE_RANK() {over}', s: 'SUM(x) {over}', a: 'LEAD(x, 2) {over}'}}");
            let done = run(&table, &step);
            prop_assert!(done.removed.is_empty());
            // Nulls are last.
            let key = |row: usize| (t[row].is_none(), t[row]);
            for row in 0..cells.len() {
                let group: Vec<usize> = (0..cells.len()).filter(|other| g[*other] == g[row]).collect();
                let before: Vec<usize> =
                    group.iter().copied().filter(|other| (key(*other), *other) < (key(row), row)).collect();
                let lower: Vec<usize> = group.iter().copied().filter(|other| key(*other) < key(row)).collect();
                let mut different: Vec<_> = lower.iter().map(|other| key(*other)).collect();
                different.sort();
                different.dedup();
                let sum: i64 = group.iter().filter(|other| key(**other) <= key(row)).map(|other| x[*other]).sum();
                let mut later: Vec<usize> =
                    group.iter().copied().filter(|other| (key(*other), *other) > (key(row), row)).collect();
                later.sort_by_key(|other| (key(*other), *other));
                let found = |name: &str| done.rows.column(name).unwrap().i64().unwrap().get(row);
                prop_assert_eq!(found("n"), Some(before.len() as i64 + 1));
                prop_assert_eq!(found("r"), Some(lower.len() as i64 + 1));
                prop_assert_eq!(found("d"), Some(different.len() as i64 + 1));
                prop_assert_eq!(found("s"), Some(sum));
                prop_assert_eq!(found("a"), later.get(1).map(|other| x[*other]));
            }
        }
    }
}
