//! `trim` takes spaces (Unicode white space) off both ends of texts.
//!
//! ```yaml
//! - trim: {columns: [customer_id, country], blank: null}
//! ```

use std::sync::Arc;

use polars::prelude::{DataType, Expr, NULL, lit, when};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use spec::Result;

use super::{Apply, is_text};
use crate::operation::Operation;
use crate::plan::{Plan, Value};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trim {
    /// The text columns to trim. Default: all.
    #[serde(default)]
    columns: Vec<String>,
    /// What to do with texts that are empty after trimming. Default: keep.
    #[serde(default)]
    blank: Blank,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Blank {
    /// They stay, as texts without letters.
    #[default]
    Keep,
    /// They become empty cells.
    Null,
}

impl Apply for Trim {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let columns = plan.pick(&self.columns, "string", is_text)?;
        let trimmed = Arc::new(Trimmed(self.blank));
        plan.set(columns.into_iter().map(|name| (name.clone(), Value::Of(trimmed.clone(), name))).collect())
    }
}

/// The text without spaces at its ends.
#[derive(Debug)]
struct Trimmed(Blank);

impl Operation for Trimmed {
    fn name(&self) -> &'static str {
        "trim"
    }

    fn parameters(&self) -> Json {
        json!({ "blank": self.0 })
    }

    fn expr(self: Arc<Self>, of: Expr) -> Expr {
        let trimmed = of.str().strip_chars(lit(NULL));
        match self.0 {
            Blank::Keep => trimmed,
            Blank::Null => {
                let has_letters = trimmed.clone().str().len_bytes().gt(lit(0));
                when(has_letters).then(trimmed).otherwise(lit(NULL).cast(DataType::String))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, rows};
    use polars::prelude::df;

    #[test]
    fn spaces_leave_both_ends() {
        let table =
            df!("a" => [Some(" x y\t"), Some("\u{a0}"), None], "b" => [" 1 ", "2", "3"], "n" => [1, 2, 3]).unwrap();
        let expected = df!("a" => [Some("x y"), Some(""), None], "b" => ["1", "2", "3"], "n" => [1, 2, 3]).unwrap();
        assert_eq!(rows(&table, "- trim"), expected);
    }

    #[test]
    fn what_is_left_blank_may_become_null() {
        let table = df!("a" => [Some("  "), Some(" x"), None], "b" => [" ", "", "y "]).unwrap();
        let expected = df!("a" => [None, Some("x"), None], "b" => [" ", "", "y "]).unwrap();
        assert_eq!(rows(&table, "- trim: {columns: [a], blank: null}"), expected);
    }

    #[test]
    fn a_number_has_no_ends() {
        let table = df!("n" => [1i64]).unwrap();
        assert_eq!(
            failure(&table, "- trim: {columns: [n]}"),
            "step 1 'trim': column 'n' is int64, not string; cast it first"
        );
    }
}
