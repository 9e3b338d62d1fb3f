//! `--runs`: the table of all experiments of all versions, as people or programs want it.

use clap::ValueEnum;
use learn::{Run, RunsQuery, runs_table, runs_text};
use polars::prelude::DataFrame;
use sinks::ExportSpec;
use spec::{Error, Name, Result};

/// How the table is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns, for people.
    #[default]
    Table,
    /// One JSON object per line, with every column.
    Json,
    /// CSV with a header, with every column.
    Csv,
}

/// The table as text; empty without runs.
pub fn written(runs: &[Run], wanted: &RunsQuery<'_>, format: Format) -> Result<String> {
    if runs.is_empty() {
        return Ok(String::new());
    }
    let table = runs_table(runs, wanted)?;
    match format {
        Format::Table => runs_text(&table),
        Format::Json => exported(&table, "json_lines"),
        Format::Csv => exported(&table, "csv"),
    }
}

/// The table as `export` writes it, without a byte order mark.
fn exported(table: &DataFrame, format: &str) -> Result<String> {
    let doing = "--runs";
    let format = sinks::Format::named(format).ok_or_else(|| Error::cannot_run(format!("{doing}: no {format}")))?;
    let mut spec = ExportSpec::new(Name::new("runs")?, format);
    spec.csv.bom = false;
    let mut bytes = Vec::new();
    sinks::write(&spec, table.schema(), std::iter::once(Ok(table.clone())), &mut bytes, doing)?;
    String::from_utf8(bytes).map_err(|error| Error::cannot_run(format!("{doing}: {error}")))
}
