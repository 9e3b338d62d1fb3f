//! Tables on their way out of the house: CSV, JSON lines, Parquet and Excel, written batch by batch.
//!
//! [`ExportSpec`] is the body of `export.yaml`, [`plan`] picks and orders columns and rows, [`write()`] puts
//! the batches into whatever can be written to. Memory stays flat unless `sort` is asked for. Equal inputs
//! give equal bytes.
//!
//! This crate must not know about snapshots, evidence or file names beyond [`file_name`]: publishing is the
//! shell's.

mod csv;
mod excel;
mod export_spec;
mod json_lines;
mod parquet;
mod plain;
mod plan;
#[cfg(test)]
mod testing;

use std::io::Write;

use artifact::Stamp;
use polars::prelude::{DataFrame, Schema};
use spec::Result;

pub use self::csv::{CsvOptions, Separator};
pub use self::export_spec::{ExportSpec, Format, Order, OutColumn, SortKey};
pub use self::plan::plan;

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
    match spec.format {
        Format::Csv => csv::write(&spec.csv, schema, batches, out, place),
        Format::JsonLines => json_lines::write(schema, batches, out, place),
        Format::Parquet => parquet::write(schema, batches, out, place),
        Format::Excel => excel::write(spec.stem(), schema, batches, out, place),
    }
}
