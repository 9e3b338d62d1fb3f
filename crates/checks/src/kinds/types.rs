//! `types`: columns and the types that they must have.

use artifact::type_name;
use polars::prelude::AnyValue;
use serde::{Deserialize, Serialize};
use spec::{ColumnType, Map, Result, Severity};

use super::described;
use crate::Published;
use crate::check::{Columns, Finding, TableCheck};
use crate::scalar::is_of;

/// Columns have these types. A `datetime` may have any unit and time zone. Example:
/// `- types: {columns: {amount: float64, ordered_at: datetime}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Types {
    /// Columns with their types.
    pub columns: Map<ColumnType>,
    /// `hard` (default) refuses the run, `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

described!(Types, |check| {
    let columns: Vec<String> = check.columns.iter().map(|(name, of)| format!("{name} {}", of.name())).collect();
    columns.join(", ")
});

impl TableCheck for Types {
    fn judge(&self, table: &Columns, _: &Published, _: &[AnyValue<'_>]) -> Result<Finding> {
        let mut wrong = Vec::new();
        for (name, wanted) in self.columns.iter() {
            let of = table.dtype(name)?;
            if !is_of(of, *wanted) {
                wrong.push(format!("'{name}' is {}, not {}", type_name(of), wanted.name()));
            }
        }
        Ok(match wrong.is_empty() {
            true => Finding::Passed(format!("all {} as declared", self.columns.len())),
            false => Finding::Failed(wrong.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::Finding::*;
    use crate::testing::{failure, judged};

    #[test]
    fn names_every_column_of_another_type() {
        let table = df!("id" => [1i64], "amount" => ["2"], "paid" => [true]).unwrap();
        assert_eq!(judged("types: {columns: {id: int64, paid: bool}}", &table), Passed("all 2 as declared".into()));
        assert_eq!(
            judged("types: {columns: {id: int32, amount: float64, paid: bool}}", &table),
            Failed("'id' is int64, not int32, 'amount' is string, not float64".into())
        );
        assert_eq!(
            failure("types: {columns: {amout: float64}}", &table).to_string(),
            "table 'orders': check 1 'types': no column 'amout'; did you mean 'amount'?"
        );
    }
}
