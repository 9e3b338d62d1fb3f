//! `rename` gives columns new names.
//!
//! ```yaml
//! - rename: {CustID: customer_id, Amt: amount}
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Map, Result};

use super::Apply;
use crate::plan::Plan;

/// Old name to new name. All renames happen at once, so two columns may swap their names.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Rename(Map<String>);

impl Apply for Rename {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let (mut from, mut to): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for (old, new) in self.0.iter() {
            plan.dtype(old)?;
            if old != new {
                plan.check_new(old)?;
                plan.check_new(new)?;
                from.push(old.to_owned());
                to.push(new.clone());
            }
        }
        for (at, new) in to.iter().enumerate() {
            let stays = plan.schema().contains(new) && !from.contains(new);
            if stays || to[..at].contains(new) {
                return Err(plan.error(format!("two columns would be called '{new}'")).hint("choose another name"));
            }
        }
        if !from.is_empty() {
            plan.rename(from, to);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, rows};
    use polars::prelude::df;

    #[test]
    fn names_change_and_may_swap() {
        let table = df!("a" => [1], "b" => [2], "c" => [3]).unwrap();
        let expected = df!("b" => [1], "a" => [2], "d" => [3]).unwrap();
        assert_eq!(rows(&table, "- rename: {a: b, b: a, c: d}"), expected);
    }

    #[test]
    fn unknown_and_twin_names_are_errors() {
        let table = df!("amount" => [1], "b" => [2]).unwrap();
        assert_eq!(
            failure(&table, "- rename: {amout: x}"),
            "step 1 'rename': no column 'amout'; did you mean 'amount'?"
        );
        assert_eq!(
            failure(&table, "- rename: {amount: b}"),
            "step 1 'rename': two columns would be called 'b'; choose another name"
        );
        assert_eq!(
            failure(&table, "- rename: {amount: _row}"),
            "step 1 'rename': '_row' is a name that clean itself uses; choose another name"
        );
    }
}
