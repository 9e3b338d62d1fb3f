//! `dedupe` drops all rows of a key but one.
//!
//! ```yaml
//! - dedupe: {keys: [order_id], keep: last, by: updated_at}
//! - dedupe: {keys: [review], count: copies}
//! - dedupe: {keys: [shop, receipt], nulls: equal}
//! - dedupe
//! - dedupe: {any: [email, [phone, last_name]], by: updated_at, keep: last, cluster: person}
//! - dedupe:
//!     similar:
//!       block: [zip, phone]
//!       fields: [{column: name, weight: 2}, {column: street, by: words}, {column: born, by: exact}]
//!       threshold: 0.9
//! ```
//!
//! A row with an empty cell among its `keys` is not a duplicate of any other: two orders without a number are two orders.
//! With `nulls: equal` an empty cell is a value like others. Without `keys` whole rows are compared, and empty cells are
//! equal there, for what goes is a copy of what stays; `nulls: differ` keeps those too. NaN counts as empty. Without `by` the order is that of the table; with it rows are ordered by
//! that column, ties by the table, and a row whose `by` is empty stays only where all are. Keeping the first row
//! of the table takes no extra reading, unless a later step looks at the whole table or `count` is given: a column that
//! says how many rows each one represents.
//!
//! With `any` rows are one if they agree on one of several keys, and with `similar` if they are alike enough. Both are transitive: if
//! the first row and the second are one, and the second and the third, then all three are. `similar` compares rows only where they agree
//! on one of the keys in `block`; the likeness of two rows is the weighted mean of those of their cells. The pairs and their scores
//! are written to a file to review. `cluster` numbers what is one in a new column, and `action: mark` lets all rows stay.

use artifact::Fate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use super::one_or_many::OneOrMany;
use super::similar::{self, Similar};
use super::{Apply, any};
use crate::keys::Nulls;
use crate::plan::{Alike, Ask, Plan, Question, Value};
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
    /// A new column with the number of rows that the kept row represents, itself included.
    #[serde(default)]
    count: Option<String>,
    /// Keys, each a column or a list of columns: rows that agree on one of them count as the same. An empty cell agrees with none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    any: Vec<OneOrMany<String>>,
    /// Rows that are similar enough count as the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    similar: Option<Similar>,
    /// A new column with the number of each group of same rows, from 1 in the order of their first rows. With `any` or `similar`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    /// What becomes of the rows that do not stay. With `any` or `similar`. Default: drop.
    #[serde(default, skip_serializing_if = "Action::is_default")]
    action: Action,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Action {
    /// They are removed and counted as duplicates.
    #[default]
    Drop,
    /// They stay: the new columns say which rows are the same.
    Mark,
}

impl Action {
    fn is_default(&self) -> bool {
        *self == Action::default()
    }
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
        if !self.any.is_empty() || self.similar.is_some() {
            return self.apply_to_alike(plan);
        }
        if self.cluster.is_some() || self.action != Action::default() {
            return Err(plan
                .error("'cluster' and 'action' belong to 'any' and 'similar'")
                .hint("write `any: [KEY]` instead of `keys: [KEY]`"));
        }
        let keys = plan.pick(&self.keys, "", any)?;
        let mut name = plan.place().to_owned();
        if !self.keys.is_empty() {
            name = format!("{name} on {}", keys.join(", "));
        }
        if let Some(count) = &self.count {
            plan.check_free(count)?;
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
        self.winner() != Winner::First || self.count.is_some() || !self.any.is_empty() || self.similar.is_some()
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

    /// Asks which rows are one by a key or by likeness.
    fn apply_to_alike(&self, plan: &mut Plan) -> Result<()> {
        if !self.keys.is_empty() || self.nulls.is_some() {
            return Err(plan
                .error("'keys' and 'nulls' do not go with 'any' and 'similar'")
                .hint("write the key into 'any', where an empty cell agrees with none"));
        }
        if self.action == Action::Mark && self.cluster.is_none() && self.count.is_none() {
            return Err(plan.error("with `action: mark` nothing is marked").hint("name a new column in 'cluster'"));
        }
        let new: Vec<&String> = self.cluster.iter().chain(&self.count).collect();
        new.iter().try_for_each(|column| plan.check_free(column))?;
        if new.len() == 2 && new[0] == new[1] {
            return Err(plan.error(format!("'cluster' and 'count' name the same column '{}'", new[0])));
        }
        self.check_order(plan)?;
        let any = similar::keys(plan, &self.any)?;
        let compared = self.similar.as_ref().map(|similar| similar.check(plan)).transpose()?;
        let alike = Alike { any, compared, by: self.by.clone(), winner: self.winner() };
        let reads = alike.reads();
        plan.chooses_rows(&reads);
        let ask = plan.ask(Question::Alike(alike));
        if self.action == Action::Drop {
            let name = format!("{} of alike rows", plan.place());
            plan.remove(name, Fate::Duplicate, None, Value::Duplicate(ask))?;
        }
        let cluster = self.cluster.iter().map(|column| (column.clone(), Value::ClusterOf(ask, reads.clone())));
        let count = self.count.iter().map(|column| (column.clone(), Value::Copies(ask)));
        plan.set(cluster.chain(count).collect())
    }

    /// Refuses an order by a column that has none.
    fn check_order(&self, plan: &Plan) -> Result<()> {
        if let Some(by) = &self.by {
            let dtype = plan.dtype(by)?;
            if !(dtype.is_numeric() || dtype.is_temporal() || dtype.is_bool()) {
                let found = artifact::type_name(&dtype);
                return Err(plan
                    .error(format!("column '{by}' is {found}, which has no order to go by"))
                    .hint("cast it to a number, or read it with 'parse_dates' first"));
            }
        }
        Ok(())
    }

    /// Asks which row of each key stays.
    fn ask(&self, plan: &mut Plan, keys: Vec<String>) -> Result<Ask> {
        self.check_order(plan)?;
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
    fn nan_is_an_empty_cell() {
        let table = df!("n" => [1, 2, 3, 4], "x" => [Some(1.0), None, Some(f64::NAN), Some(f64::NAN)]).unwrap();
        let left = |steps: &str| {
            let done = run(&table, steps);
            done.rows.column("n").unwrap().i32().unwrap().iter().flatten().collect::<Vec<_>>()
        };
        assert_eq!(left("- dedupe: {keys: [x], nulls: equal}"), [1, 2]);
        assert_eq!(left("- dedupe: {keys: [x]}"), [1, 2, 3, 4]);
    }

    #[test]
    fn rows_that_stay_though_they_are_one_have_the_size_of_their_group() {
        let table = df!("e" => ["x", "x", "x", "y"]).unwrap();
        let done = run(&table, "- dedupe: {any: [e], cluster: c, count: n, action: mark}");
        let counts: Vec<u32> = done.rows.column("n").unwrap().u32().unwrap().iter().flatten().collect();
        assert_eq!(counts, [3, 3, 3, 1]);
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
        for step in ["keys: [id], count: n", "any: [id], count: n", "any: [id], cluster: n, action: mark"] {
            assert_eq!(
                failure(&table(), &format!("- dedupe: {{{step}}}")),
                "step 1 'dedupe': column 'n' exists already; choose another name"
            );
        }
        assert_eq!(
            failure(&table(), "- dedupe: {keys: [n], by: id}"),
            "step 1 'dedupe': column 'id' is string, which has no order to go by; cast it to a number, or read it with \
             'parse_dates' first"
        );
    }
}
