//! Expressions that depend on their own row only.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use spec::{Error, Result};

use crate::SqlExpr;

/// An SQL expression that depends on its own row only: no aggregate, no window.
#[derive(Clone, Debug, PartialEq)]
pub struct RowExpr(SqlExpr);

impl RowExpr {
    /// Parses `text`; refuses what [`SqlExpr::new`] refuses, and whatever reads other rows.
    pub fn new(text: impl Into<String>) -> Result<RowExpr> {
        let sql = SqlExpr::new(text)?;
        match sql.beyond_its_row() {
            None => Ok(RowExpr(sql)),
            Some(what) => {
                Err(Error::cannot_run(format!("'{sql}' holds {what}, but here each row is computed on its own"))
                    .hint("use the step 'window' or 'aggregate' of clean, or compute it in the features stage"))
            }
        }
    }

    pub fn sql(&self) -> &SqlExpr {
        &self.0
    }
}

impl fmt::Display for RowExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for RowExpr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RowExpr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RowExpr, D::Error> {
        spec::read_text(deserializer, "an SQL expression", |text| RowExpr::new(text))
    }
}

impl schemars::JsonSchema for RowExpr {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RowExpr".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "An SQL expression over the columns of one row, as docs/sql.md describes: no aggregates, no windows."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_expressions_stand_alone() {
        for fine in [
            "a + b * 2",
            "a IN (1, 2, 3)",
            "COALESCE(a, b, 0) > 1 AND c LIKE 'x%'",
            "CASE WHEN a IS NULL THEN 'none' ELSE UPPER(c) END",
            "EXTRACT(year FROM d)",
            "CAST(c AS BIGINT)",
            "ROUND(a, 2)",
            "GREATEST(a, b)",
            "STRPTIME(c, '%Y-%m-%d')",
            "SUBSTR(c, 1, 2) || '-' || c",
            "a BETWEEN 1 AND 2",
            "ABS(a) + SQRT(b)",
        ] {
            RowExpr::new(fine).unwrap_or_else(|error| panic!("{error}"));
        }
        for (other, what) in [
            ("a - AVG(a)", "an aggregate"),
            ("SUM(a) OVER (PARTITION BY b)", "a window"),
            ("COUNT(*)", "a count of rows"),
            ("a > MEDIAN(a)", "an aggregate"),
        ] {
            assert_eq!(
                RowExpr::new(other).unwrap_err().to_string(),
                format!(
                    "'{other}' holds {what}, but here each row is computed on its own; use the step 'window' or 'aggregate' of \
                     clean, or compute it in the features stage"
                )
            );
        }
    }
}
