//! What comes with the rows of a table: rows refused, counts of rows removed, the change log.

use std::path::Path;

use artifact::{Batch, Batches, Books, TableWriter, WrittenTable};
use polars::prelude::{DataFrame, Schema};
use spec::Result;

use crate::output::Accepted;
use crate::refusals::Refusals;
use crate::refused_rows::RefusedRows;

/// What accompanies a table's rows but is not passed on with them.
pub struct SideOutputs {
    pub refused: RefusedRows,
    pub changes: Option<TableWriter>,
    /// What rules removed.
    pub books: Books,
    /// How many rows the stage refused.
    pub refused_rows: u64,
    /// Why the stage refused rows, for people and for the limit.
    pub refusals: Refusals,
}

impl SideOutputs {
    /// Keeps what is not passed on, and returns the rows that are.
    pub fn take(&mut self, batch: Batch) -> Result<DataFrame> {
        let Batch { rows, refused, removed, changes } = batch;
        if let (Some(writer), Some(rows)) = (&mut self.changes, changes) {
            writer.write(rows)?;
        }
        for taken in removed {
            self.books.add(&taken.rule, taken.fate, taken.rows);
        }
        if let Some(rows) = refused {
            self.refused_rows += rows.height() as u64;
            self.refusals.add(&rows);
            self.refused.write(rows)?;
        }
        Ok(rows)
    }

    /// Writes all rows that are passed on to a temporary file. They are accepted as far as is known before row checks.
    pub fn spool(
        &mut self,
        batches: &mut Batches,
        target: &Path,
        schema: &Schema,
        accepted: &mut Accepted,
    ) -> Result<WrittenTable> {
        let mut spool = TableWriter::create(target, schema)?.without_summary();
        for batch in batches {
            let rows = self.take(batch?)?;
            accepted(&rows)?;
            spool.write(rows)?;
        }
        spool.finish()
    }
}
