//! `filter` keeps the rows for which an SQL expression is true. Rows for which it is false or unknown (an empty
//! cell in it) are dropped and counted.
//!
//! ```yaml
//! - filter: amount > 0 AND country IN ('DE', 'FR')
//! ```

use polars::prelude::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use super::{Apply, derive};
use crate::RowExpr;
use crate::plan::{Plan, Value};

/// An SQL expression that is true for the rows to keep.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Filter(RowExpr);

impl Apply for Filter {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        let keep = derive::checked(plan, self.0.sql())?;
        if keep != DataType::Boolean {
            return Err(plan.error(format!("'{}' is neither true nor false", self.0)).hint("write a comparison"));
        }
        plan.chooses_rows(&self.0.sql().columns());
        plan.drop_rows(&self.0.to_string(), Value::NotTrue(self.0.sql().clone()))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, run};
    use polars::prelude::df;

    #[test]
    fn false_and_unknown_are_dropped_and_counted() {
        let table = df!("a" => [Some(1), Some(-1), None, Some(3)]).unwrap();
        let done = run(&table, "- filter: a > 0");
        assert_eq!(done.rows, df!("a" => [Some(1), Some(3)]).unwrap());
        assert_eq!(done.removed, [("step 1 'filter' a > 0".to_owned(), 2)]);
    }

    #[test]
    fn books_have_the_order_of_the_steps_whichever_hits_first() {
        let table = df!("a" => (0..100_000i64).collect::<Vec<_>>()).unwrap();
        let done = run(&table, "- filter: a < 99999\n- filter: a > 3");
        let expected = [("step 1 'filter' a < 99999".to_owned(), 1), ("step 2 'filter' a > 3".to_owned(), 4)];
        assert_eq!(done.removed, expected);
    }

    #[test]
    fn mistakes_are_named() {
        let table = df!("amount" => [1]).unwrap();
        assert_eq!(
            failure(&table, "- filter: amout > 0"),
            "step 1 'filter': no column 'amout'; did you mean 'amount'?"
        );
        assert_eq!(
            failure(&table, "- filter: amount + 1"),
            "step 1 'filter': 'amount + 1' is neither true nor false; write a comparison"
        );
        assert_eq!(
            failure(&table, "- filter: amount > AVG(amount)"),
            "clean.yaml:1:11: .[0].filter: 'amount > AVG(amount)' holds an aggregate, but here each row is computed on its own; \
             use the step 'window' or 'aggregate' of clean, or compute it in the features stage"
        );
    }
}
