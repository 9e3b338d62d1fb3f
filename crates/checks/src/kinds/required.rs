//! `required`: columns that must be there.

use polars::prelude::AnyValue;
use serde::{Deserialize, Serialize};
use spec::{Result, Severity};

use super::described;
use crate::check::{Columns, Finding, TableCheck};
use crate::{ColumnNames, Published};

/// The table has these columns. Example: `- required: {columns: [customer_id, ordered_at]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Required {
    /// The columns that must be there, whatever they hold.
    pub columns: ColumnNames,
    /// `hard` (default) refuses the run, `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

described!(Required, |check| check.columns.to_string());

impl Required {
    /// What is missing, in words, or nothing.
    pub(crate) fn missing(&self, table: &Columns) -> Option<String> {
        let missing: Vec<&String> = self.columns.iter().filter(|name| !table.schema.contains(name)).collect();
        let first = missing.first()?;
        let names: Vec<String> = missing.iter().map(|name| format!("'{name}'")).collect();
        let word = if missing.len() == 1 { "column" } else { "columns" };
        Some(format!("no {word} {}; {}", names.join(", "), table.nearest(first)))
    }
}

impl TableCheck for Required {
    fn judge(&self, table: &Columns, _: &Published, _: &[AnyValue<'_>]) -> Result<Finding> {
        Ok(match self.missing(table) {
            None => Finding::Passed(format!("all {} are there", self.columns.len())),
            Some(missing) => Finding::Failed(missing),
        })
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::Finding::*;
    use crate::testing::{judged, split_failure};

    #[test]
    fn names_what_is_missing() {
        let table = df!("customer_id" => [1], "amount" => [2.0]).unwrap();
        assert_eq!(judged("required: {columns: [customer_id, amount]}", &table), Passed("all 2 are there".into()));
        assert_eq!(
            judged("required: {columns: [customer, amount, ordered_at], severity: soft}", &table),
            Failed("no columns 'customer', 'ordered_at'; did you mean 'customer_id'?".into())
        );
    }

    #[test]
    fn a_missing_column_refuses_before_other_checks_stumble_over_it() {
        let table = df!("id" => [1], "amount" => [2.0]).unwrap();
        let error = split_failure("- not_null: {columns: [customer]}\n- required: {columns: [customer]}", &table);
        assert_eq!(error.class(), spec::Class::Refused);
        assert_eq!(
            error.to_string(),
            "table 'orders': check 2 'required': no column 'customer'; choose one of: id, amount"
        );
    }
}
