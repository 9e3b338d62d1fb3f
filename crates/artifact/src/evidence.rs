//! The record in each artifact's footer: where it came from, what happened to every row, what was checked.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spec::{Error, Result, Severity, Tool};

use crate::{Books, ColumnSummary, Definitions, Described, Fingerprint, Lineage, Notes, Quality, SchemaHistory};

/// The story of one artifact, as JSON under the footer key `millrace`. Written by [`Evidence::to_json`], read by
/// [`Evidence::from_json`], whatever version of the record it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Version of this record, [`Evidence::FORMAT`] in what is written now.
    pub format: u32,
    pub tool: Tool,
    pub version: String,
    pub pipeline: String,
    pub table: String,
    pub kind: Kind,
    /// One id for all artifacts of a run.
    pub run: String,
    /// When the run began, to the second.
    pub time: DateTime<Utc>,
    /// Hash of the spec and of the flags that change the output.
    pub spec: String,
    pub inputs: Vec<Input>,
    pub books: Books,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckResult>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnSummary>,
    /// What the columns mean, as far as the stage that wrote the table knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definitions: Option<Definitions>,
    /// From which input columns each column comes; none where an earlier version wrote the file, or the stage does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// How names and types of the columns changed from run to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaHistory>,
    /// What people have written about the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub described: Option<Described>,
    /// How good the table is; files that are not tables have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// Where the refused rows went, relative to the project root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Where the change log is, relative to the project root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<String>,
    /// How far an incremental source has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bookmark: Option<Value>,
    /// The stage's own notes.
    #[serde(default, skip_serializing_if = "Notes::is_empty")]
    pub notes: Notes,
    /// BLAKE3 of the artifact's content, as hex.
    pub content: String,
}

impl Evidence {
    /// The version of the record that this version of the tools writes. Raised when a field changes its meaning, not when
    /// one is added; to raise it, add a step to [`migrated`] and a file to `fixtures/`.
    ///
    /// - 1: the first.
    /// - 2: shares of frequent values are of the values, no longer of the rows; quantiles are percentiles.
    pub const FORMAT: u32 = 2;

    /// The record of a table of which only its place is known. The code that writes the table fills in the rest.
    pub fn of(tool: Tool, pipeline: &str, table: &str, time: DateTime<Utc>) -> Evidence {
        Evidence {
            format: Evidence::FORMAT,
            tool,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pipeline: pipeline.to_owned(),
            table: table.to_owned(),
            kind: Kind::Table,
            run: String::new(),
            time,
            spec: String::new(),
            inputs: Vec::new(),
            books: Books::default(),
            checks: Vec::new(),
            columns: Vec::new(),
            definitions: None,
            lineage: None,
            schema: None,
            described: None,
            quality: None,
            refused: None,
            changes: None,
            bookmark: None,
            notes: Notes::default(),
            content: String::new(),
        }
    }

    /// The record as the footer holds it.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::cannot_run(error.to_string()))
    }

    /// Reads a record of this or an earlier version. `place` is the file, for errors.
    ///
    /// # Errors
    /// Cannot run: a record of a later version, or none at all.
    pub fn from_json(text: &str, place: impl std::fmt::Display) -> Result<Evidence> {
        let unreadable = |error: serde_json::Error| {
            Error::cannot_run(format!("{place}: its evidence cannot be read: {error}"))
                .hint("the file was changed by another program; run its stage again with --force")
        };
        let record: Value = serde_json::from_str(text).map_err(unreadable)?;
        let format = record.get("format").and_then(Value::as_u64).unwrap_or_default();
        if format > u64::from(Evidence::FORMAT) {
            return Err(Error::cannot_run(format!(
                "{place}: its evidence has format {format}, and this version of the tools reads formats up to {}",
                Evidence::FORMAT
            ))
            .hint("a later version wrote it: update the tools, or run its stage again with --force"));
        }
        serde_json::from_value(migrated(record, format)).map_err(unreadable)
    }
}

/// A record of version `from` as the present version has it, one step for each version between.
fn migrated(mut record: Value, from: u64) -> Value {
    let Some(fields) = record.as_object_mut() else { return record };
    if from == 1 {
        let columns = fields.get_mut("columns").and_then(Value::as_array_mut);
        columns.into_iter().flatten().for_each(shares_of_values);
        fields.insert("format".to_owned(), 2.into());
    }
    record
}

/// From format 1 to 2: the shares of a column's frequent values were of its rows.
fn shares_of_values(column: &mut Value) {
    let count = |key: &str| column.get(key).and_then(Value::as_f64).unwrap_or_default();
    let (rows, values) = (count("count"), count("count") - count("nulls"));
    if values <= 0.0 {
        return;
    }
    let top = column.get_mut("top").and_then(Value::as_array_mut);
    for share in top.into_iter().flatten().filter_map(|entry| entry.get_mut(1)) {
        // The sample's share of nulls is not quite the column's.
        let of_values = share.as_f64().unwrap_or_default() * rows / values;
        *share = of_values.min(1.0).into();
    }
}

/// What an artifact holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Rows that are passed on.
    #[default]
    Table,
    /// Rows refused, with their reasons.
    Refused,
    /// The change log of a table: one row per changed cell. Its table is called `<table>_changes`.
    Changes,
    /// A file that is not a table: a page, an export, a model.
    File,
}

/// One input of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Relative to the project root where it lies below it.
    pub path: String,
    pub fingerprint: Fingerprint,
    /// Rows, where known without reading the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The check as people read it, such as `in_range amount [0, 10000]`.
    pub check: String,
    pub severity: Severity,
    pub verdict: Verdict,
    /// What was found, in words: `12 of 1000 rows (1.2 %), at most 1 % allowed`.
    pub found: String,
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Passed,
    /// A soft check failed.
    Warned,
    /// A hard check failed.
    Failed,
    /// Nothing to compare with yet.
    Skipped,
}

#[cfg(test)]
mod tests;
