//! `dedupe` drops all rows of a key but one.
//!
//! ```yaml
//! - dedupe: {keys: [order_id], keep: last, by: updated_at}
//! - dedupe: {keys: [review], count: copies}
//! - dedupe: {keys: [shop, receipt], nulls: equal}
//! - dedupe
//! ```
//!
//! A row with an empty cell among its `keys` is not a duplicate of any other: two orders without a number are two orders.
//! With `nulls: equal` an empty cell is a value like others. Without `keys` whole rows are compared, and empty cells are
//! equal there, for what goes is a copy of what stays; `nulls: differ` keeps those too. NaN counts as empty. Without `by` the order is that of the table; with it rows are ordered by
//! that column, ties by the table, and a row whose `by` is empty stays only where all are. Keeping the first row
//! of the table takes no extra reading, unless a later step looks at the whole table or `count` is given: a column that
//! says how many rows each one stands for.

use artifact::Fate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use super::{Apply, any};
use crate::keys::Nulls;
use crate::plan::{Ask, Plan, Question, Value};
use crate::seen::Winner;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dedupe {
    /// The columns whose values together make a row unique. Default: all (without provenance).
    #[serde(default)]
    keys: Vec<String>,
    /// Which row stays. Default: first.
    #[serde(default)]
    keep: Keep,
    /// A number, date or time column that orders the rows of a key, ascending.
    #[serde(default)]
    by: Option<String>,
    /// Whether empty cells of a key are equal to each other. Default: `differ` with `keys`, `equal` where whole rows are
    /// compared.
    #[serde(default)]
    nulls: Option<Nulls>,
    /// A new column that says how many rows the one that stays stands for, itself included.
    #[serde(default)]
    count: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Keep {
    /// The first, or the one with the smallest `by`.
    #[default]
    First,
    /// The last, or the one with the largest `by`.
    Last,
}

impl Apply for Dedupe {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let keys = plan.pick(&self.keys, "", any)?;
        let mut name = plan.place().to_owned();
        if !self.keys.is_empty() {
            name = format!("{name} on {}", keys.join(", "));
        }
        if let Some(count) = &self.count {
            plan.check_new(count)?;
        }
        let mut by = keys.clone();
        by.extend(self.by.clone());
        plan.chooses_rows(&by);
        if !self.needs_table() && !plan.table_follows() {
            return plan.keep_first(name, &keys, self.nulls());
        }
        let ask = self.ask(plan, keys)?;
        plan.remove(name, Fate::Duplicate, None, Value::Duplicate(ask))?;
        match &self.count {
            Some(count) => plan.set(vec![(count.clone(), Value::Copies(ask))]),
            None => Ok(()),
        }
    }

    fn needs_table(&self) -> bool {
        self.winner() != Winner::First || self.count.is_some()
    }

    fn needs_position(&self, table_follows: bool) -> bool {
        table_follows || self.needs_table()
    }
}

impl Dedupe {
    fn winner(&self) -> Winner {
        match (self.keep, &self.by) {
            (Keep::First, None) => Winner::First,
            (Keep::Last, None) => Winner::Last,
            (Keep::First, Some(_)) => Winner::Smallest,
            (Keep::Last, Some(_)) => Winner::Largest,
        }
    }

    fn nulls(&self) -> Nulls {
        self.nulls.unwrap_or(if self.keys.is_empty() { Nulls::Equal } else { Nulls::Differ })
    }

    /// Asks which row of each key stays.
    fn ask(&self, plan: &mut Plan, keys: Vec<String>) -> Result<Ask> {
        if let Some(by) = &self.by {
            let dtype = plan.dtype(by)?;
            if !(dtype.is_numeric() || dtype.is_temporal() || dtype.is_bool()) {
                let found = artifact::type_name(&dtype);
                return Err(plan
                    .error(format!("column '{by}' is {found}, which has no order to go by"))
                    .hint("cast it to a number, or read it with 'parse_dates' first"));
            }
        }
        let (nulls, winner, count) = (self.nulls(), self.winner(), self.count.is_some());
        Ok(plan.ask(Question::Contest { keys, nulls, by: self.by.clone(), winner, count }))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, run};
    use polars::prelude::*;

    fn table() -> DataFrame {
        df!("id" => [Some("a"), Some("b"), Some("a"), None, None, Some("a")], "t" => [2, 1, 3, 1, 1, 1], "n" => [1, 2, 3, 4, 5, 6])
            .unwrap()
    }

    fn kept(steps: &str) -> (Vec<i32>, Vec<(String, u64)>) {
        let done = run(&table(), steps);
        (done.rows.column("n").unwrap().i32().unwrap().iter().flatten().collect(), done.removed)
    }

    #[test]
    fn the_first_row_stays() {
        let (rows, removed) = kept("- dedupe: {keys: [id]}");
        assert_eq!(rows, [1, 2, 4, 5]);
        assert_eq!(removed, [("step 1 'dedupe' on id".to_owned(), 2)]);
    }

    #[test]
    fn empty_keys_match_nothing_unless_the_yaml_says_so() {
        assert_eq!(kept("- dedupe: {keys: [id], nulls: equal}").0, [1, 2, 4]);
        assert_eq!(kept("- dedupe: {keys: [id], nulls: equal, keep: last}").0, [2, 5, 6]);
        assert_eq!(kept("- dedupe: {keys: [id], nulls: differ}").0, [1, 2, 4, 5]);
        // One empty cell of a key of two is enough.
        assert_eq!(kept("- dedupe: {keys: [id, t]}").0, [1, 2, 3, 4, 5, 6]);
        assert_eq!(kept("- dedupe: {keys: [id, t], nulls: equal}").0, [1, 2, 3, 4, 6]);
        let whole =
            df!("a" => [Some(1.5), None, None, Some(f64::NAN), Some(f64::NAN)], "b" => [1, 2, 2, 3, 3]).unwrap();
        assert_eq!(run(&whole, "- dedupe").rows.height(), 3);
        assert_eq!(run(&whole, "- dedupe: {nulls: differ}").rows.height(), 5);
        assert_eq!(run(&whole, "- dedupe: {keys: [a]}").rows.height(), 5);
    }

    #[test]
    fn the_last_row_or_that_of_a_column_stays() {
        assert_eq!(kept("- dedupe: {keys: [id], keep: last}").0, [2, 4, 5, 6]);
        assert_eq!(kept("- dedupe: {keys: [id], keep: last, by: t}").0, [2, 3, 4, 5]);
        assert_eq!(kept("- dedupe: {keys: [id], by: t}").0, [2, 4, 5, 6]);
        assert_eq!(kept("- dedupe: {keys: [id, t], nulls: equal, keep: last}").0, [1, 2, 3, 5, 6]);
    }

    #[test]
    fn the_row_that_stays_may_count_the_others() {
        let counts = |steps: &str| {
            let done = run(&table(), steps);
            let counts: Vec<u32> = done.rows.column("copies").unwrap().u32().unwrap().iter().flatten().collect();
            (done.rows.column("n").unwrap().i32().unwrap().iter().flatten().collect::<Vec<_>>(), counts)
        };
        assert_eq!(counts("- dedupe: {keys: [id], count: copies}"), (vec![1, 2, 4, 5], vec![3, 1, 1, 1]));
        let equal = "- dedupe: {keys: [id], nulls: equal, count: copies}";
        assert_eq!(counts(equal), (vec![1, 2, 4], vec![3, 1, 2]));
        let last = "- dedupe: {keys: [id], nulls: equal, keep: last, count: copies}";
        assert_eq!(counts(last), (vec![2, 5, 6], vec![1, 2, 3]));
        let by = "- dedupe: {keys: [id], nulls: equal, keep: last, by: t, count: copies}";
        assert_eq!(counts(by), (vec![2, 3, 5], vec![1, 3, 2]));
        // A row that is out already is not a copy.
        assert_eq!(counts(&format!("- filter: n > 1\n{equal}")), (vec![2, 3, 4], vec![1, 2, 2]));
    }

    #[test]
    fn whole_rows_are_compared_without_provenance() {
        let table = df!("a" => [1, 1, 2], "b" => ["x", "x", "x"], "_row" => [1u32, 2, 3]).unwrap();
        let done = run(&table, "- dedupe");
        assert_eq!(done.rows, df!("a" => [1, 2], "b" => ["x", "x"], "_row" => [1u32, 3]).unwrap());
    }

    #[test]
    fn order_of_steps_counts() {
        // A row that is out cannot push out another; one that goes out later still can.
        assert_eq!(kept("- filter: n > 1\n- dedupe: {keys: [id]}").0, [2, 3, 4, 5]);
        assert_eq!(kept("- dedupe: {keys: [id]}\n- filter: n > 1").0, [2, 4, 5]);
        let (rows, removed) = kept("- dedupe: {keys: [id], nulls: equal}\n- filter: n > 3\n- dedupe: {keys: [t]}");
        assert_eq!(rows, [4]);
        assert_eq!(removed, [("step 1 'dedupe' on id".to_owned(), 3), ("step 2 'filter' n > 3".to_owned(), 2)]);
    }

    #[test]
    fn keys_are_those_of_the_step_even_if_changed_later() {
        assert_eq!(kept("- dedupe: {keys: [id]}\n- derive: {id: \"'same'\"}").0, [1, 2, 4, 5]);
    }

    #[test]
    fn a_later_look_at_the_table_changes_nothing() {
        let (rows, removed) = kept("- dedupe: {keys: [id]}\n- fill_null: {columns: [t], with: mode}");
        assert_eq!(rows, [1, 2, 4, 5]);
        assert_eq!(removed, [("step 1 'dedupe' on id".to_owned(), 2)]);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            failure(&table(), "- dedupe: {keys: [idd]}"),
            "step 1 'dedupe': no column 'idd'; did you mean 'id'?"
        );
        assert_eq!(
            failure(&table(), "- dedupe: {keys: [n], by: id}"),
            "step 1 'dedupe': column 'id' is string, which has no order to go by; cast it to a number, or read it with \
             'parse_dates' first"
        );
    }
}
