//! `drop` drops columns.
//!
//! ```yaml
//! - drop: {columns: [comment]}
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use super::{Apply, any};
use crate::plan::Plan;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drop {
    /// The columns to drop.
    columns: Vec<String>,
}

impl Apply for Drop {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        for name in &self.columns {
            plan.check_new(name)?;
        }
        if self.columns.is_empty() {
            return Ok(());
        }
        let dropped = plan.pick(&self.columns, "", any)?;
        let left: Vec<String> = plan.columns().into_iter().filter(|name| !dropped.contains(name)).collect();
        if left.is_empty() {
            return Err(plan.error("no columns would be left").hint("keep at least one"));
        }
        plan.select(left);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, rows};
    use polars::prelude::df;

    #[test]
    fn drops_columns() {
        let table = df!("a" => [1], "b" => [2], "_row" => [1u32]).unwrap();
        assert_eq!(rows(&table, "- drop: {columns: [a]}"), df!("b" => [2], "_row" => [1u32]).unwrap());
    }

    #[test]
    fn the_last_column_and_provenance_stay() {
        let table = df!("a" => [1], "_row" => [1u32]).unwrap();
        assert_eq!(
            failure(&table, "- drop: {columns: [a]}"),
            "step 1 'drop': no columns would be left; keep at least one"
        );
        assert_eq!(
            failure(&table, "- drop: {columns: [_row]}"),
            "step 1 'drop': '_row' is a name that clean itself uses; choose another name"
        );
    }
}
