//! `scd2` makes a slowly changing dimension of type 2 from snapshots: one row for each version of a key, and from when to when it held.
//!
//! ```yaml
//! - scd2: {key: customer_id, at: snapshot_date}
//! - scd2: {key: [shop, product], at: taken_on, columns: [price, category], missing: close}
//! ```
//!
//! A row of the input says how a key looked at a time. Rows that follow each other and look the same are one version: it begins with the
//! first of them (`valid_from`) and ends where the next begins (`valid_to`), or is still current (an empty cell, and `is_current`).
//! `columns` says which columns make a version; a change in the others makes none, and they are as they were when it began.
//!
//! With `missing: close` a key that a later snapshot does not have ends there; the times of all rows are the snapshots. It begins again
//! if it comes back. Two rows of one key and time that differ end the run with the keys named; rows without a key or time are refused.

use std::sync::Arc;

use artifact::{FILE, ROW};
use polars::prelude::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;
use values::form::Form;

use super::Apply;
use super::aggregate::group_keys;
use super::pairs::Names;
use crate::plan::Plan;
use crate::reshape::{Missing, Versioning};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scd2 {
    /// The columns that say what a row is about.
    key: Names,
    /// The date or time (or number) of the snapshot.
    at: String,
    /// The columns whose changes make a version. Default: all others.
    #[serde(default, skip_serializing_if = "Names::is_empty")]
    columns: Names,
    /// What it means that a later snapshot does not have a key. Default: keep.
    #[serde(default)]
    missing: Missing,
    /// The new column with the beginning. Default: valid_from.
    #[serde(default = "valid_from")]
    from: String,
    /// The new column with the end. Default: valid_to.
    #[serde(default = "valid_to")]
    to: String,
    /// The new column that says whether the version has no end. Default: is_current.
    #[serde(default = "is_current")]
    current: String,
}

fn valid_from() -> String {
    "valid_from".to_owned()
}
fn valid_to() -> String {
    "valid_to".to_owned()
}
fn is_current() -> String {
    "is_current".to_owned()
}

impl Apply for Scd2 {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        if self.key.is_empty() {
            return Err(plan.error("'key' names no column").hint("name those that say what a row is about"));
        }
        let (keys, forms) = group_keys(plan, &self.key)?;
        let moment = plan.dtype(&self.at)?;
        let form = Form::of(&moment).filter(|form| *form != Form::Text).ok_or_else(|| {
            let found = artifact::type_name(&moment);
            plan.error(format!("column '{}' is {found}, not a date, time or number", self.at))
                .hint("read it with 'parse_dates', or cast it first")
        })?;
        let tracked: Vec<String> = match self.columns.is_empty() {
            false => self.columns.to_vec(),
            true => {
                let others = plan.columns().into_iter();
                others.filter(|name| *name != self.at && self.key.iter().all(|key| key != name)).collect()
            }
        };
        let mut tracked_forms = Vec::new();
        for name in &tracked {
            let dtype = plan.dtype(name)?;
            tracked_forms.push(Form::of(&dtype).ok_or_else(|| {
                let found = artifact::type_name(&dtype);
                plan.error(format!("column '{name}' is {found}, whose changes cannot be seen"))
                    .hint("derive plain values of it first, or leave it out of 'columns'")
            })?);
        }
        let mut schema = plan.schema().clone();
        schema.shift_remove(self.at.as_str());
        let of = [(&self.from, moment.clone()), (&self.to, moment), (&self.current, DataType::Boolean)];
        let mut made = Vec::new();
        for (name, dtype) in of {
            plan.check_new(name)?;
            if schema.contains(name) {
                return Err(plan.error(format!("column '{name}' exists already")).hint("choose another name"));
            }
            let reads = self.key.iter().map(str::to_owned).chain([self.at.clone()]).chain(tracked.clone()).collect();
            made.push((name.clone(), name.clone(), dtype.clone(), reads));
            schema.insert(name.as_str().into(), dtype);
        }
        // Provenance stays that of the row with which the version began.
        debug_assert!(!tracked.iter().any(|name| [FILE, ROW].contains(&name.as_str())));
        plan.makes(&made);
        let key = self.key.to_vec();
        plan.chooses_rows(&key);
        let versioning = Versioning {
            place: plan.place().to_owned(),
            key: key.clone(),
            forms,
            keys,
            at: self.at.clone(),
            form,
            tracked,
            tracked_forms,
            missing: self.missing,
            taken: plan.schema().clone(),
            schema,
        };
        plan.reshape(Arc::new(versioning), None, key.into_iter().map(|key| (key, None)).collect())
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;
    use proptest::prelude::*;

    use crate::Given;
    use crate::steps::tests::{failure, reasons, rows, run, try_run};

    fn days(name: &str, days: &[Option<i32>]) -> Column {
        Column::new(name.into(), days).cast(&DataType::Date).unwrap()
    }

    #[test]
    fn versions_hold_from_their_first_snapshot_to_the_next() {
        let mut table = df!(
            "id" => ["a", "b", "a", "a", "b", "a"], "city" => ["Bonn", "Ulm", "Bonn", "Kiel", "Ulm", "Bonn"], "_row" => [1u32, 2, 3, 4, 5, 6]
        )
        .unwrap();
        table.with_column(days("at", &[Some(1), Some(1), Some(2), Some(3), Some(3), Some(4)])).unwrap();
        let found = rows(&table, "- scd2: {key: id, at: at}");
        let mut expected =
            df!("id" => ["a", "a", "a", "b"], "city" => ["Bonn", "Kiel", "Bonn", "Ulm"], "_row" => [1u32, 4, 6, 2])
                .unwrap();
        expected.with_column(days("valid_from", &[Some(1), Some(3), Some(4), Some(1)])).unwrap();
        expected.with_column(days("valid_to", &[Some(3), Some(4), None, None])).unwrap();
        expected.with_column(Column::new("is_current".into(), [false, false, true, true])).unwrap();
        assert!(found.equals_missing(&expected), "{found}");
        assert_eq!(run(&table, "- scd2: {key: id, at: at}").removed, [("step 1 'scd2' by id".to_owned(), 2)]);
        // 'b' was not there on day 2, nor on day 4.
        let closed = rows(&table, "- scd2: {key: id, at: at, missing: close}");
        let of_b = closed.filter(&closed.column("id").unwrap().str().unwrap().equal("b")).unwrap();
        let ends: Vec<Option<i32>> = of_b.column("valid_to").unwrap().date().unwrap().physical().iter().collect();
        assert_eq!(ends, [Some(2), Some(4)]);
    }

    #[test]
    fn rows_that_contradict_each_other_end_the_run_and_rows_without_a_key_are_refused() {
        let table = df!("id" => [Some("a"), Some("a"), None, Some("b")], "x" => [1i64, 2, 3, 4], "t" => [Some(1i64), Some(1), Some(1), None]).unwrap();
        assert_eq!(
            failure(&table, "- scd2: {key: id, at: t}"),
            "step 1 'scd2': 1 key has rows of one time that differ: id = 'a' at 1; keep one of them, by a step 'dedupe' on the key and the \
             time"
        );
        let done = run(&table, "- filter: x <> 2\n- scd2: {key: id, at: t}");
        assert_eq!(done.rows.height(), 1);
        assert_eq!(reasons(&done), ["step 2 'scd2': the key or the time is empty: one of id, t"; 2]);
        assert_eq!(
            failure(&table, "- scd2: {key: t, at: id}"),
            "step 1 'scd2': column 'id' is string, not a date, time or number; read it with 'parse_dates', or cast it first"
        );
    }

    proptest! {
        /// At every snapshot the version that holds is what the snapshot said.
        #[test]
        fn versions_give_the_snapshots_back(
            cells in proptest::collection::vec((0i64..3, 0i64..6, proptest::option::of(0i64..2)), 0..25), close in any::<bool>(),
        ) {
            let mut snapshots: Vec<(i64, i64, Option<i64>)> = Vec::new();
            for (key, at, value) in cells {
                if snapshots.iter().all(|known| (known.0, known.1) != (key, at)) {
                    snapshots.push((key, at, value));
                }
            }
            let of = |at: usize| snapshots.iter().map(|row| [Some(row.0), Some(row.1), row.2][at]).collect::<Vec<_>>();
            let table = df!("k" => of(0), "t" => of(1), "v" => of(2)).unwrap();
            let missing = if close { "close" } else { "keep" };
            let done = try_run(&table, &format!("- scd2: {{key: k, at: t, missing: {missing}}}"), &Given::default()).unwrap();
            let column = |name: &str| done.rows.column(name).unwrap().i64().unwrap().iter().collect::<Vec<_>>();
            let (k, v, from, to) = (column("k"), column("v"), column("valid_from"), column("valid_to"));
            for time in 0i64..7 {
                for key in 0i64..3 {
                    let holds: Vec<usize> = (0..k.len())
                        .filter(|row| k[*row] == Some(key) && from[*row] <= Some(time) && to[*row].is_none_or(|to| time < to))
                        .collect();
                    prop_assert!(holds.len() <= 1);
                    let latest = snapshots.iter().filter(|row| row.0 == key && row.1 <= time).max_by_key(|row| row.1);
                    let gone = |row: &(i64, i64, Option<i64>)| {
                        close && snapshots.iter().any(|other| other.1 > row.1 && other.1 <= time)
                    };
                    let expected = latest.filter(|row| !gone(row)).map(|row| row.2);
                    prop_assert_eq!(holds.first().map(|row| v[*row]), expected, "{:?}\n{}", snapshots, done.rows);
                }
            }
            // Versions that follow each other without a gap differ.
            for row in 1..k.len() {
                prop_assert!(k[row] != k[row - 1] || to[row - 1] != from[row] || v[row] != v[row - 1]);
            }
            let merged: u64 = done.removed.iter().map(|(_, rows)| rows).sum();
            prop_assert_eq!(merged as usize + done.rows.height(), snapshots.len());
        }
    }
}
