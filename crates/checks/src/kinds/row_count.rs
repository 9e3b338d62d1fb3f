//! `row_count`: how many rows the table has.

use polars::prelude::AnyValue;
use serde::{Deserialize, Serialize};
use spec::{Result, Severity};

use super::described;
use crate::Published;
use crate::check::{Columns, Finding, TableCheck};

/// The table has at least `min` and at most `max` rows, refused rows not counted. Example:
/// `- row_count: {min: 1, max: 1000000}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "Written", deny_unknown_fields)]
#[schemars(!try_from)]
pub struct RowCount {
    /// Fewest rows allowed; 1 by default, so that an empty table fails.
    #[serde(default = "one")]
    pub min: u64,
    /// Most rows allowed. Without it, any number.
    #[serde(default)]
    pub max: Option<u64>,
    /// `hard` (default) refuses the run, `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

fn one() -> u64 {
    1
}

/// As written: the bounds may be crossed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    min: Option<u64>,
    #[serde(default)]
    max: Option<u64>,
    #[serde(default)]
    severity: Severity,
}

impl TryFrom<Written> for RowCount {
    type Error = String;
    fn try_from(Written { min, max, severity }: Written) -> Result<RowCount, String> {
        match (min, max) {
            (Some(min), Some(max)) if min > max => {
                Err(format!("row_count: 'min' {min} is above 'max' {max}; swap them"))
            }
            (None, Some(0)) => {
                Err("row_count: 'max' is 0, and 'min' is 1 by default; add 'min: 0' for an empty table".to_owned())
            }
            _ => Ok(RowCount { min: min.unwrap_or_else(one), max, severity }),
        }
    }
}

impl RowCount {
    fn range(&self) -> String {
        match self.max {
            None => format!("at least {}", self.min),
            Some(max) if max == self.min => format!("exactly {max}"),
            Some(max) => format!("{} to {max}", self.min),
        }
    }
}

described!(RowCount, |check| check.range());

impl TableCheck for RowCount {
    fn judge(&self, _: &Columns, published: &Published, _: &[AnyValue<'_>]) -> Result<Finding> {
        let rows = published.rows;
        let passed = rows >= self.min && self.max.is_none_or(|max| rows <= max);
        Ok(Finding::of(passed, format!("{rows} rows, {} allowed", self.range())))
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::Finding::*;
    use crate::testing::judged;

    #[test]
    fn the_bounds_are_allowed() {
        let table = df!("a" => [1, 2, 3]).unwrap();
        assert_eq!(judged("row_count: {min: 3, max: 3}", &table), Passed("3 rows, exactly 3 allowed".into()));
        assert_eq!(judged("row_count: {min: 4}", &table), Failed("3 rows, at least 4 allowed".into()));
        assert_eq!(judged("row_count: {min: 0, max: 2}", &table), Failed("3 rows, 0 to 2 allowed".into()));
    }

    #[test]
    fn an_empty_table_fails_by_default() {
        let table = df!("a" => Vec::<i64>::new()).unwrap();
        assert_eq!(judged("row_count", &table), Failed("0 rows, at least 1 allowed".into()));
    }
}
