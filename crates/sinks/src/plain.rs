//! Columns as text formats show them.

use artifact::type_name;
use polars::prelude::{DataFrame, DataType, Expr, IntoLazy, PolarsResult, Schema, TimeUnit, col};
use spec::{Error, Result};

/// Moments as ISO 8601; fractions of a second only where there are any.
pub const MOMENT: &str = "%Y-%m-%dT%H:%M:%S%.f";
/// Moments that know their time zone, written in UTC.
const MOMENT_UTC: &str = "%Y-%m-%dT%H:%M:%S%.fZ";

/// Expressions that change what a format cannot show as it is.
#[derive(Debug, Default)]
pub struct Plain {
    changes: Vec<Expr>,
}

impl Plain {
    /// Refuses columns that are not single values.
    pub fn new(schema: &Schema, format: &str, place: &str) -> Result<Plain> {
        for (name, of) in schema.iter() {
            if of.is_nested() || matches!(of, DataType::Binary | DataType::Unknown(_)) {
                return Err(Error::cannot_run(format!(
                    "{place}: column '{name}' holds {}, which {format} cannot show",
                    type_name(of)
                ))
                .hint("leave it out by 'columns', or export as parquet"));
            }
        }
        let mut plain = Plain::default();
        for (name, of) in schema.iter() {
            match of {
                DataType::Datetime(unit, Some(_)) => plain.change(utc(name, *unit)),
                DataType::Duration(_) => plain.change(col(name.clone()).dt().to_string("iso")),
                _ => {}
            }
        }
        Ok(plain)
    }

    /// Adds a change of one column, which keeps its name.
    pub fn change(&mut self, change: Expr) {
        self.changes.push(change);
    }

    pub fn apply(&self, rows: DataFrame) -> PolarsResult<DataFrame> {
        match self.changes.is_empty() {
            true => Ok(rows),
            false => rows.lazy().with_columns(&self.changes).collect(),
        }
    }
}

/// A timestamp with a time zone counts in UTC underneath.
fn utc(name: &str, unit: TimeUnit) -> Expr {
    col(name).to_physical().cast(DataType::Datetime(unit, None)).dt().to_string(MOMENT_UTC)
}

/// Refuses a batch whose columns are not those of the table.
pub fn check_schema(rows: &DataFrame, schema: &Schema, place: &str) -> Result<()> {
    match rows.schema().as_ref() == schema {
        true => Ok(()),
        false => Err(Error::cannot_run(format!("{place}: a batch has other columns than the first"))
            .hint("this is a defect of the tool; report it")),
    }
}
