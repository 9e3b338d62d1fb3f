//! `not_null`: cells that must hold a value.

use polars::prelude::{NULL, any_horizontal, coalesce, col, lit, when};
use serde::{Deserialize, Serialize};
use spec::{Result, Severity};

use super::described;
use crate::check::{Columns, Lookup, RowCheck, RowTest};
use crate::{ColumnNames, Share};
use artifact::PolarsResultExt;

/// No cell of these columns is null; a row with several nulls counts once. NaN is a value, not a null.
/// Example: `- not_null: {columns: [customer_id], max_share: 0.01}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotNull {
    /// The columns whose cells must hold a value.
    pub columns: ColumnNames,
    /// Share of all rows that may fail, from 0 (default) to 1.
    #[serde(default)]
    pub max_share: Share,
    /// `hard` (default) sets failing rows aside, and refuses the run beyond `max_share`; `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

described!(NotNull, |check| check.columns.to_string());

impl RowCheck for NotNull {
    fn max_share(&self) -> Share {
        self.max_share
    }

    fn compile(&self, table: &Columns, _: Lookup) -> Result<RowTest> {
        let mut fails = Vec::new();
        let mut reasons = Vec::new();
        for name in self.columns.iter() {
            let is_float = table.dtype(name)?.is_float();
            let mut empty = vec![(col(name.as_str()).is_null(), "null")];
            if is_float {
                empty.push((col(name.as_str()).is_nan(), "NaN"));
            }
            for (is_empty, what) in empty {
                fails.push(is_empty.clone());
                reasons.push(when(is_empty).then(lit(format!("{name} is {what}"))).otherwise(lit(NULL)));
            }
        }
        Ok(RowTest { fails: any_horizontal(fails).during(&table.place)?, reason: coalesce(&reasons) })
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::testing::{Split, failure, split};

    #[test]
    fn nan_is_no_value() {
        let table = df!("x" => [Some(1.5), Some(f64::NAN), None]).unwrap();
        let Split { rows, reasons, .. } = split("not_null: {columns: [x], max_share: 1}", &table);
        assert_eq!(rows, table.head(Some(1)));
        assert_eq!(reasons, ["check 'not_null': x is NaN", "check 'not_null': x is null"]);
    }

    #[test]
    fn takes_out_rows_with_a_null_within_the_share() {
        let table = df!("id" => [Some(1), None, Some(3), None], "name" => [Some("a"), None, None, Some("d")]).unwrap();
        let Split { rows, reasons, found, verdict } = split("not_null: {columns: [id, name], max_share: 0.75}", &table);
        assert_eq!(rows, table.slice(0, 1));
        assert_eq!(
            reasons,
            ["check 'not_null': id is null", "check 'not_null': name is null", "check 'not_null': id is null"]
        );
        assert_eq!(found, "3 of 4 rows (75 %) refused, at most 75 % allowed; first: id is null");
        assert_eq!(verdict, artifact::Verdict::Passed);
    }

    #[test]
    fn an_unknown_column_is_named_with_its_neighbour() {
        let table = df!("customer_id" => [1]).unwrap();
        assert_eq!(
            failure("not_null: {columns: [custmer_id]}", &table).to_string(),
            "table 'orders': check 1 'not_null': no column 'custmer_id'; did you mean 'customer_id'?"
        );
    }
}
