//! Samples: rows that go in and rows that are expected, as YAML. The caller reads the files and runs the steps.

mod cells;
mod compare;
mod file;
mod given;
mod wanted;

use polars::prelude::DataFrame;
use spec::{Error, Result};

use self::compare::compare;
pub use self::file::Sample;
pub use self::given::Types;

impl Sample {
    /// What differs in the tables that a run made, each as a name, the rows that are passed on and those that were
    /// refused; or in how the run ended. Blocks of text for people; none if all is as expected.
    pub fn failures(&self, run: Result<Vec<(String, DataFrame, Option<DataFrame>)>>) -> Result<Vec<String>> {
        let made = match (run, &self.fails) {
            (Ok(made), None) => made,
            (Ok(_), Some(expected)) => {
                return Ok(vec![format!("the run ends well, but is expected to fail: {expected}\n")]);
            }
            (Err(error), expected) => return Ok(ended(&error, expected.as_deref())),
        };
        let mut failures = Vec::new();
        for (table, rows, refused) in &made {
            if let Some(expected) = self.expect.get(table) {
                failures.extend(compare(&format!("table '{table}'"), expected, rows)?);
            }
            let none = DataFrame::empty();
            let expected = self.refused.get(table);
            if expected.is_some() || refused.is_some() {
                let what = format!("refused rows of table '{table}'");
                failures.extend(compare(
                    &what,
                    expected.map_or(&[][..], Vec::as_slice),
                    refused.as_ref().unwrap_or(&none),
                )?);
            }
        }
        Ok(failures)
    }
}

/// Whether the error of a run is the expected one.
fn ended(error: &Error, expected: Option<&str>) -> Vec<String> {
    match expected {
        Some(expected) if error.to_string().contains(expected) => Vec::new(),
        Some(expected) => vec![format!("the run fails in another way than expected\n- {expected}\n+ {error}\n")],
        None => vec![format!("the run fails: {error}\n")],
    }
}
