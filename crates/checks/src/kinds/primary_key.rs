//! `primary_key`: every row has a key, and no other row has the same.

use polars::prelude::AnyValue;
use serde::{Deserialize, Serialize};
use spec::{Result, Severity};

use super::{Unique, described};
use crate::check::{Columns, Finding, TableCheck};
use crate::share::Rows;
use crate::{ColumnNames, Published, Share};

/// Each row has a value in all of these columns, and no two rows have the same: `not_null` and `unique` in one, without exceptions. Example:
/// `- primary_key: {columns: [order_id, line]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrimaryKey {
    /// The columns that together make the key.
    pub columns: ColumnNames,
    /// `hard` (default) refuses the run, `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

described!(PrimaryKey, |check| check.columns.to_string());

impl TableCheck for PrimaryKey {
    fn judge(&self, table: &Columns, published: &Published, _: &[AnyValue<'_>]) -> Result<Finding> {
        for name in self.columns.iter() {
            table.dtype(name)?;
        }
        let unique = Unique { columns: self.columns.clone(), max_share: Share::default(), severity: self.severity };
        let (compared, repeated) = unique.counted(table, published)?;
        let empty = published.rows.saturating_sub(compared);
        let mut found = Vec::new();
        if empty > 0 {
            found.push(format!("{} have an empty cell in the key", Rows(empty, published.rows)));
        }
        if repeated > 0 {
            let first = unique.example(table, published)?;
            found.push(format!("{} repeat an earlier key{first}", Rows(repeated, published.rows)));
        }
        Ok(match found.is_empty() {
            true => Finding::Passed(format!("all {compared} rows have a key of their own")),
            false => Finding::of(false, found.join("; ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::Finding::*;
    use crate::testing::{failure, judged};

    #[test]
    fn every_row_has_a_key_of_its_own() {
        let table = df!("a" => [1i64, 1, 2, 2], "b" => [Some("x"), Some("y"), Some("x"), None]).unwrap();
        assert_eq!(
            judged("primary_key: {columns: [a, b]}", &table),
            Failed("1 of 4 rows (25 %) have an empty cell in the key".into())
        );
        assert_eq!(
            judged("primary_key: {columns: [a]}", &table),
            Failed("2 of 4 rows (50 %) repeat an earlier key; first: a = 1".into())
        );
        assert_eq!(
            judged("primary_key: {columns: [b]}", &table),
            Failed("1 of 4 rows (25 %) have an empty cell in the key; 1 of 4 rows (25 %) repeat an earlier key; first: b = 'x'".into())
        );
        let table = df!("a" => [1i64, 1, 2], "b" => ["x", "y", "x"]).unwrap();
        assert_eq!(
            judged("primary_key: {columns: [a, b]}", &table),
            Passed("all 3 rows have a key of their own".into())
        );
        let twice = df!("rows" => [2i64, 1, 1, 2], "s" => ["a", "b", "b", "a"], "x" => [0.5, 0.0, -0.0, 0.5]).unwrap();
        assert_eq!(
            judged("primary_key: {columns: [rows, s, x]}", &twice),
            Failed("2 of 4 rows (50 %) repeat an earlier key; first: rows = 2, s = 'a', x = 0.5".into())
        );
        let floats = df!("x" => [0.5, f64::NAN]).unwrap();
        assert_eq!(
            judged("primary_key: {columns: [x]}", &floats),
            Failed("1 of 2 rows (50 %) have an empty cell in the key".into())
        );
        assert_eq!(
            failure("primary_key: {columns: [id]}", &table).to_string(),
            "table 'orders': check 1 'primary_key': no column 'id'; choose one of: a, b"
        );
    }
}
