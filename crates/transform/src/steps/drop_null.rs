//! `drop_null` drops rows with empty cells.
//!
//! ```yaml
//! - drop_null: {columns: [customer_id, date], when: any}
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use super::{Apply, any};
use crate::plan::{Plan, Value};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropNull {
    /// The columns to look at. Default: all.
    #[serde(default)]
    columns: Vec<String>,
    /// Whether one empty cell is enough. Default: any.
    #[serde(default)]
    when: When,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum When {
    /// One empty cell is enough.
    #[default]
    Any,
    /// All cells must be empty.
    All,
}

impl Apply for DropNull {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let columns = plan.pick(&self.columns, "", any)?;
        let what = if self.columns.is_empty() { String::new() } else { format!("on {}", columns.join(", ")) };
        plan.chooses_rows(&columns);
        plan.drop_rows(&what, Value::Empty { columns, all: self.when == When::All })
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::run;
    use polars::prelude::*;

    fn table() -> DataFrame {
        df!("a" => [Some(1), None, None], "b" => [Some("x"), Some("y"), None], "_row" => [1u32, 2, 3]).unwrap()
    }

    #[test]
    fn any_or_all() {
        let done = run(&table(), "- drop_null: {columns: [a]}");
        assert_eq!(done.rows, df!("a" => [Some(1)], "b" => ["x"], "_row" => [1u32]).unwrap());
        assert_eq!(done.removed, [("step 1 'drop_null' on a".to_owned(), 2)]);
        let done = run(&table(), "- drop_null: {when: all}");
        assert_eq!(done.rows, table().slice(0, 2));
        assert_eq!(done.removed, [("step 1 'drop_null'".to_owned(), 1)]);
    }

    #[test]
    fn nan_is_empty() {
        let table = df!("x" => [Some(1.5), Some(f64::NAN), None], "y" => [Some(1.0f32), Some(f32::NAN), Some(2.0)]);
        let table = table.unwrap();
        assert_eq!(run(&table, "- drop_null: {columns: [x]}").rows, table.head(Some(1)));
        assert_eq!(run(&table, "- drop_null: {when: all}").rows.height(), 2);
    }
}
