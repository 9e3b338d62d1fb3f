//! Delivers tables as CSV, JSON lines, Parquet, Excel and pages, and into databases, batch by batch.
//!
//! [`ExportSpec`] is the body of `export.yaml`, [`arrange`] picks and orders columns and rows, [`write()`] puts
//! the batches into a [`Sink`] of the kind that the spec names. Memory stays flat unless `sort` is requested. Equal inputs
//! give equal bytes.
//!
//! This crate must not know about snapshots, evidence or file names beyond [`file_name`]: publishing is the
//! shell's.

mod arrange;
mod columns;
mod export_spec;
mod hive;
mod plain;
pub mod report;
mod sink;
#[cfg(test)]
mod testing;

// The kinds of sinks: a file each, and their list.
mod csv;
mod database;
mod excel;
mod html;
mod json_lines;
mod parquet;

/// All kinds of sinks, in the order of help and errors.
pub static KINDS: &[&dyn Kind] = &[
    &csv::Csv,
    &json_lines::JsonLines,
    &parquet::Parquet,
    &excel::Excel,
    &html::Html,
    &database::Postgres,
    &database::Mysql,
    &database::Sqlite,
];

use std::io::Write;

use artifact::Stamp;
use polars::prelude::{DataFrame, Schema};
use spec::{Error, Result};

pub use self::arrange::{arrange, arranged, lineage};
pub use self::columns::{Order, OutColumn, SortKey};
pub use self::csv::{CsvOptions, Separator};
pub use self::database::{DatabaseSpec, Mode, load};
pub use self::excel::{ExcelOptions, Sheet, SheetSpec, write_book};
pub use self::export_spec::{ExportFile, ExportSpec, Upstream};
pub use self::hive::{check_parts, write_parts};
pub use self::sink::{Destination, Format, Kind, Receipt, Sink, Target};
use crate::plain::check_schema;

/// The name of the exported file, with the time of the run in UTC: `churn_scores_20261121_014200.csv`.
pub fn file_name(spec: &ExportSpec, stamp: Stamp) -> String {
    format!("{}_{stamp}.{}", spec.stem(), spec.format.extension())
}

/// Writes all batches of a table to `out` and returns the number of rows. `schema` is that of the batches, which
/// must all have it; without batches, the header alone is written. `place` names the target in errors.
///
/// A reader that goes away gives an error whose `is_closed_pipe()` is true. A table that the format cannot
/// hold is refused.
pub fn write(
    spec: &ExportSpec,
    schema: &Schema,
    batches: impl Iterator<Item = Result<DataFrame>>,
    out: &mut (dyn Write + Send),
    place: &str,
) -> Result<u64> {
    let mut sink = spec.format.begin(Target { spec, schema, out, place })?;
    let mut rows = 0;
    for batch in batches {
        let batch = batch?;
        check_schema(&batch, schema, place)?;
        rows += batch.height() as u64;
        sink.write(batch)?;
    }
    let receipt = sink.commit()?;
    match receipt.rows == rows {
        true => Ok(rows),
        false => Err(Error::cannot_run(format!("{place}: {} of {rows} rows were written", receipt.rows))
            .hint("this is a defect of the tool; report it")),
    }
}
