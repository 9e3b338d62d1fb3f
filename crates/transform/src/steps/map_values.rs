//! `map_values` replaces whole texts by a table of values.
//!
//! ```yaml
//! - map_values:
//!     columns: [sex]
//!     values: {m: male, f: female, unknown: null}
//!     default: refuse
//! ```

use polars::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::{Map, Result};

use super::{Apply, is_text};
use crate::plan::Plan;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MapValues {
    /// The text columns to change.
    columns: Vec<String>,
    /// Old value to new one; `null` makes an empty cell.
    values: Map<Option<String>>,
    /// What becomes of values that are not in the table. Empty cells stay. Default: keep.
    #[serde(default)]
    default: Unlisted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Unlisted {
    /// They stay as they are.
    #[default]
    Keep,
    /// They become empty cells.
    Null,
    /// Their rows are refused.
    Refuse,
}

impl Apply for MapValues {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        if self.columns.is_empty() {
            return Err(plan.error("no columns given").hint("name the columns to change"));
        }
        if self.values.is_empty() {
            return Err(plan.error("the table of values is empty").hint("give at least one value"));
        }
        let old: Vec<&str> = self.values.names().collect();
        let new: Vec<Option<&str>> = self.values.iter().map(|(_, new)| new.as_deref()).collect();
        let old = Series::new(PlSmallStr::EMPTY, old);
        let new = Series::new(PlSmallStr::EMPTY, new).cast(&DataType::String).unwrap_or_default();
        for name in plan.pick(&self.columns, "string", is_text)? {
            let value = col(name.as_str());
            let otherwise = match self.default {
                Unlisted::Null => lit(NULL).cast(DataType::String),
                Unlisted::Keep | Unlisted::Refuse => value.clone(),
            };
            if self.default == Unlisted::Refuse {
                let original = plan.keep("value", value.clone())?;
                let known = value.clone().is_in(lit(old.clone()).implode(true), false);
                let unknown = value.clone().is_not_null().and(known.not());
                let problem = format!(" is none of the {} known values", old.len());
                plan.refuse(&name, &original, problem, unknown)?;
            }
            let mapped = value.replace_strict(
                lit(old.clone()).implode(true),
                lit(new.clone()).implode(true),
                Some(otherwise),
                Some(DataType::String),
            );
            plan.set(vec![mapped.alias(name.as_str())])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{reasons, rows, run};
    use polars::prelude::*;

    fn table() -> DataFrame {
        df!("s" => [Some("m"), Some("f"), Some("?"), None, Some("d")]).unwrap()
    }

    #[test]
    fn others_are_kept_by_default() {
        let out = rows(&table(), "- map_values: {columns: [s], values: {m: male, '?': null}}");
        assert_eq!(out, df!("s" => [Some("male"), Some("f"), None, None, Some("d")]).unwrap());
    }

    #[test]
    fn others_may_become_null() {
        let out = rows(&table(), "- map_values: {columns: [s], values: {m: male, f: female}, default: null}");
        assert_eq!(out, df!("s" => [Some("male"), Some("female"), None, None, None]).unwrap());
    }

    #[test]
    fn others_may_be_refused() {
        let done = run(&table(), "- map_values: {columns: [s], values: {m: f, f: m, '?': null}, default: refuse}");
        assert_eq!(done.rows, df!("s" => [Some("f"), Some("m"), None, None]).unwrap());
        assert_eq!(reasons(&done), ["step 1 'map_values': s: 'd' is none of the 3 known values"]);
    }
}
