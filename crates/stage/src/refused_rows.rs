//! The file of a table's refused rows.

use std::path::PathBuf;

use artifact::{PolarsResultExt, REASON, TableWriter, WrittenTable};
use polars::prelude::{Column, DataFrame, DataType, Schema};
use spec::Result;

/// The refused rows of a table, in a file that is only begun when there is one.
pub(crate) struct RefusedRows {
    pub target: PathBuf,
    pub writer: Option<(TableWriter, Schema)>,
}

impl RefusedRows {
    pub(crate) fn declare(&mut self, schema: Option<&Schema>) -> Result<()> {
        if let Some(schema) = schema {
            self.writer = Some((TableWriter::create(&self.target, schema)?.without_summary(), schema.clone()));
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, rows: DataFrame) -> Result<()> {
        if self.writer.is_none() {
            self.declare(Some(rows.schema().as_ref()))?;
        }
        if let Some((writer, schema)) = &mut self.writer {
            writer.write(fit(&rows, schema)?)?;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Option<WrittenTable>> {
        match self.writer {
            Some((writer, _)) if writer.rows() > 0 => writer.finish().map(Some),
            _ => Ok(None),
        }
    }
}

/// Rows refused late have other types than those refused early, whose text could not be read: both fit the
/// schema of the first.
fn fit(rows: &DataFrame, schema: &Schema) -> Result<DataFrame> {
    if rows.schema().as_ref() == schema {
        return Ok(rows.clone());
    }
    let columns = schema
        .iter()
        .map(|(name, dtype)| match rows.column(name) {
            Ok(column) => column.cast(dtype).during(format!("refused rows, column '{name}'")),
            Err(_) => Ok(Column::full_null(name.clone(), rows.height(), dtype)),
        })
        .collect::<Result<Vec<Column>>>()?;
    debug_assert!(schema.get(REASON) == Some(&DataType::String));
    DataFrame::new(rows.height(), columns).during("refused rows")
}
