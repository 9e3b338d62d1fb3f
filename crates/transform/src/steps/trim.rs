//! `trim` takes blanks (Unicode white space) off both ends of texts.
//!
//! ```yaml
//! - trim: {columns: [customer_id, country], blank: null}
//! ```

use polars::prelude::{DataType, Expr, NULL, col, lit, when};
use schemars::JsonSchema;
use serde::Deserialize;
use spec::Result;

use super::{Apply, is_text};
use crate::plan::Plan;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trim {
    /// The text columns to trim. Default: all.
    #[serde(default)]
    columns: Vec<String>,
    /// What becomes of texts of which nothing is left. Default: keep.
    #[serde(default)]
    blank: Blank,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
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
        plan.set(columns.iter().map(|name| col(name.as_str()).str().strip_chars(lit(NULL))).collect())?;
        match self.blank {
            Blank::Keep => Ok(()),
            Blank::Null => plan.set(columns.iter().map(|name| blank_to_null(name)).collect()),
        }
    }
}

fn blank_to_null(name: &str) -> Expr {
    when(col(name).str().len_bytes().gt(lit(0))).then(col(name)).otherwise(lit(NULL).cast(DataType::String)).alias(name)
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, rows};
    use polars::prelude::df;

    #[test]
    fn blanks_leave_both_ends() {
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
