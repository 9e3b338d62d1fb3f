//! `select` keeps the named columns only, in that order. Provenance (`_file`, `_row`) always stays.
//!
//! ```yaml
//! - select: {columns: [customer_id, date, amount]}
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use super::{Apply, any};
use crate::plan::Plan;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Select {
    /// The columns to keep, in the order wanted.
    columns: Vec<String>,
}

impl Apply for Select {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        if self.columns.is_empty() {
            return Err(plan.error("no columns would be left").hint("name those to keep"));
        }
        for name in &self.columns {
            plan.check_new(name)?;
        }
        let columns = plan.pick(&self.columns, "", any)?;
        plan.select(columns);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, rows};
    use polars::prelude::df;

    #[test]
    fn provenance_travels_along() {
        let table = df!("_file" => ["f"], "_row" => [7u32], "a" => [1], "b" => [2], "c" => [3]).unwrap();
        let expected = df!("c" => [3], "a" => [1], "_file" => ["f"], "_row" => [7u32]).unwrap();
        assert_eq!(rows(&table, "- select: {columns: [c, a]}"), expected);
    }

    #[test]
    fn unknown_and_repeated_columns_are_errors() {
        let table = df!("alpha" => [1], "b" => [2]).unwrap();
        assert_eq!(
            failure(&table, "- select: {columns: [b, alhpa]}"),
            "step 1 'select': no column 'alhpa'; did you mean 'alpha'?"
        );
        assert_eq!(
            failure(&table, "- select: {columns: [b, b]}"),
            "step 1 'select': column 'b' is named twice; name it once"
        );
    }
}
