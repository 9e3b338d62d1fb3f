//! `union` adds the rows of another table behind those of this one.
//!
//! ```yaml
//! - union: {with: tickets}
//! - union: {with: {raw: archive}}
//! ```
//!
//! Columns meet by name, and must be of one type; a table that lacks one has empty cells in it. The rows that are added keep their
//! `_file` and `_row`. To begin with several tables, `from: [orders, {clean: returns}]` does the same.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use super::Apply;
use crate::beside::OtherTable;
use crate::plan::Plan;
use crate::reshape::Appending;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Union {
    /// The other table: a clean table of this file, or `{raw: TABLE}`, one that was ingested.
    with: OtherTable,
}

impl Apply for Union {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let mut schema = plan.schema().clone();
        for (name, dtype) in
            plan.beside(&self.with)?.schema.iter().filter(|(name, _)| name.as_str() != artifact::REASON)
        {
            match schema.get(name) {
                Some(known) if known != dtype => {
                    let (one, other) = artifact::type_names(known, dtype);
                    return Err(plan.error(format!("column '{name}' is {one}, but {other} in '{}'", self.with)).hint(
                        match (known.is_temporal(), dtype.is_temporal()) {
                            (true, true) => "cast both to datetime, or rename one",
                            _ => "cast one of them, or rename it",
                        },
                    ));
                }
                Some(_) => {}
                None => {
                    schema.insert(name.clone(), dtype.clone());
                }
            }
        }
        plan.unites(&self.with)?;
        let place = plan.place().to_owned();
        let appending = Appending { place, with: self.with.clone(), schema };
        plan.reshape(Arc::new(appending), Some(self.with.clone()), Vec::new())
    }

    fn other_tables(&self) -> Vec<&OtherTable> {
        vec![&self.with]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::steps::join::tests::given_with;
    use crate::steps::tests::{failure_given, run_given};

    #[test]
    fn rows_follow_each_other_and_columns_meet_by_name() {
        let table = df!("id" => [1i64, 2], "a" => ["x", "y"], "_row" => [1u32, 2]).unwrap();
        let other = df!("b" => [0.5], "id" => [9i64], "_row" => [5u32]).unwrap();
        let done = run_given(
            &table,
            "- filter: id = 1\n- union: {with: other}\n- derive: {twice: id * 2}",
            &given_with("other", &other),
        );
        let expected = df!(
            "id" => [1i64, 9], "a" => [Some("x"), None], "_row" => [1u32, 5], "b" => [None, Some(0.5)], "twice" => [2i64, 18]
        );
        assert!(done.rows.equals_missing(&expected.unwrap()), "{}", done.rows);
        assert_eq!(done.removed[1], ("step 2 'union' with other".to_owned(), 1));
        let other = df!("id" => ["9"]).unwrap();
        assert_eq!(
            failure_given(&table, "- union: {with: other}", &given_with("other", &other)),
            "step 1 'union': column 'id' is int64, but string in 'other'; cast one of them, or rename it"
        );
        let moments = |unit, zone| {
            let dtype = DataType::Datetime(unit, zone);
            Column::new("at".into(), [0i64]).cast(&dtype).unwrap().into_frame()
        };
        let error = |one: DataFrame, other: DataFrame| {
            failure_given(&one, "- union: {with: other}", &given_with("other", &other))
        };
        assert_eq!(
            error(moments(TimeUnit::Milliseconds, None), moments(TimeUnit::Microseconds, Some(TimeZone::UTC))),
            "step 1 'union': column 'at' is datetime (milliseconds, without time zone), but datetime (microseconds, in UTC) in 'other'; \
             cast both to datetime, or rename one"
        );
    }
}
