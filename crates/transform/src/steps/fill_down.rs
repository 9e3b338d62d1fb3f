//! `fill_down` fills an empty cell with the value of the nearest row above that has one.
//!
//! ```yaml
//! - fill_down: {columns: [region]}
//! - fill_down: {columns: [price, stock], group_by: [product], limit: 3}
//! ```
//!
//! Above is the order of the table, over the rows that are alive at this step. With `group_by` the row above is one of
//! the same group; a row with an empty cell there (or NaN) belongs to no group and stays as it is. NaN counts as empty.
//! Cells above the first value stay empty.
//!
//! Memory: the columns of the step, for all rows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use super::Apply;
use crate::plan::{Down, Plan, Question, Value};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FillDown {
    /// The columns to fill, one by one.
    columns: Vec<String>,
    /// Columns whose values make groups. Default: the whole table is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    group_by: Vec<String>,
    /// How many cells in a row are filled at most. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
}

/// A number above 0.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
struct Limit(u32);

impl TryFrom<u32> for Limit {
    type Error = Error;
    fn try_from(limit: u32) -> Result<Limit> {
        match limit {
            0 => Err(Error::cannot_run("a limit of 0 fills no cell; give one above 0, or leave it out")),
            limit => Ok(Limit(limit)),
        }
    }
}

impl Apply for FillDown {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        if self.columns.is_empty() {
            return Err(plan.error("no columns given").hint("name the columns to fill"));
        }
        let columns = plan.pick(&self.columns, "a plain value", |dtype| !dtype.is_nested())?;
        let groups = match self.group_by.is_empty() {
            true => Vec::new(),
            false => plan.pick(&self.group_by, "a plain value", |dtype| !dtype.is_nested())?,
        };
        if let Some(both) = columns.iter().find(|column| groups.contains(column)) {
            return Err(plan.error(format!("column '{both}' cannot be grouped by itself")).hint("name other columns"));
        }
        let limit = self.limit.map(|limit| limit.0);
        let ask = plan.ask(Question::Down(Down { columns: columns.clone(), groups: groups.clone(), limit }));
        let filled = columns
            .into_iter()
            .enumerate()
            .map(|(at, column)| (column.clone(), Value::FilledDown { column, ask, at, groups: groups.clone() }));
        plan.set(filled.collect())
    }

    fn needs_table(&self) -> bool {
        true
    }

    fn needs_position(&self, _: bool) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use polars::prelude::*;
    use proptest::prelude::*;

    use crate::steps::tests::{failure, rows, run};

    fn table() -> DataFrame {
        df!(
            "g" => [Some("a"), Some("b"), Some("a"), Some("a"), None, Some("b"), Some("a")],
            "x" => [None, Some(1.5), Some(2.5), None, None, Some(f64::NAN), None],
            "s" => [Some("top"), None, None, Some("low"), None, None, None]
        )
        .unwrap()
    }

    fn x(steps: &str) -> Vec<Option<f64>> {
        rows(&table(), steps).column("x").unwrap().f64().unwrap().iter().collect()
    }

    #[test]
    fn the_nearest_value_above_comes_down() {
        let expected = [None, Some(1.5), Some(2.5), Some(2.5), Some(2.5), Some(2.5), Some(2.5)];
        assert_eq!(x("- fill_down: {columns: [x]}"), expected);
        let done = rows(&table(), "- fill_down: {columns: [s, x]}");
        let s: Vec<&str> = done.column("s").unwrap().str().unwrap().iter().flatten().collect();
        assert_eq!(s, ["top", "top", "top", "low", "low", "low", "low"]);
    }

    #[test]
    fn groups_and_limits_hold() {
        let found = x("- fill_down: {columns: [x], group_by: [g]}");
        assert_eq!(found, [None, Some(1.5), Some(2.5), Some(2.5), None, Some(1.5), Some(2.5)]);
        let found = x("- fill_down: {columns: [x], limit: 2}");
        assert_eq!(found[..5], [None, Some(1.5), Some(2.5), Some(2.5), Some(2.5)]);
        assert!(found[5].unwrap().is_nan() && found[6].is_none());
    }

    #[test]
    fn rows_that_are_out_are_not_above() {
        let done = run(&table(), "- filter: x IS NULL OR x <> 2.5\n- fill_down: {columns: [x]}");
        let found: Vec<Option<f64>> = done.rows.column("x").unwrap().f64().unwrap().iter().collect();
        assert_eq!(found, [None, Some(1.5), Some(1.5), Some(1.5), Some(1.5), Some(1.5)]);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            failure(&table(), "- fill_down: {columns: []}"),
            "step 1 'fill_down': no columns given; name the columns to fill"
        );
        assert_eq!(
            failure(&table(), "- fill_down: {columns: [x], group_by: [x]}"),
            "step 1 'fill_down': column 'x' cannot be grouped by itself; name other columns"
        );
        assert!(
            failure(&table(), "- fill_down: {columns: [x], limit: 0}")
                .ends_with("a limit of 0 fills no cell; give one above 0, or leave it out")
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

        #[test]
        fn it_does_what_a_loop_does(
            cells in proptest::collection::vec((proptest::option::of(0i64..3), proptest::option::of(0i64..9)), 0..40),
            grouped in proptest::bool::ANY,
            limit in proptest::option::of(1u32..4),
        ) {
            let table = df!(
                "g" => cells.iter().map(|cell| cell.0).collect::<Vec<_>>(),
                "x" => cells.iter().map(|cell| cell.1).collect::<Vec<_>>()
            ).unwrap();
            let mut step = "- fill_down: {columns: [x]".to_owned();
            step += if grouped { ", group_by: [g]" } else { "" };
            step += &limit.map(|limit| format!(", limit: {limit}")).unwrap_or_default();
            step += "}";
            let mut last: HashMap<Option<i64>, (i64, u32)> = HashMap::new();
            let expected: Vec<Option<i64>> = cells.iter().map(|(group, value)| {
                let group = if grouped { *group } else { Some(0) };
                let Some(group) = group else { return *value };
                match (value, last.get_mut(&Some(group))) {
                    (Some(value), _) => {
                        last.insert(Some(group), (*value, 0));
                        Some(*value)
                    }
                    (None, Some((above, filled))) => {
                        *filled += 1;
                        limit.is_none_or(|limit| *filled <= limit).then_some(*above)
                    }
                    (None, None) => None,
                }
            }).collect();
            let found: Vec<Option<i64>> = rows(&table, &step).column("x").unwrap().i64().unwrap().iter().collect();
            prop_assert_eq!(found, expected, "{}", step);
        }
    }
}
