//! The record in each artifact's footer: where it came from, what became of every row, what was checked.

use serde::{Deserialize, Serialize};
use spec::{Severity, Tool};

use crate::{Books, ColumnSummary, Definitions, Fingerprint, Quality};

/// The story of one artifact, as JSON under the footer key `millrace`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Version of this record.
    pub format: u32,
    pub tool: Tool,
    pub version: String,
    pub pipeline: String,
    pub table: String,
    pub kind: Kind,
    /// One id for all artifacts of a run.
    pub run: String,
    /// When the run began, RFC 3339, UTC.
    pub time: String,
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
    /// How good the table is; files that are no tables have none.
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
    pub bookmark: Option<serde_json::Value>,
    /// What the stage has to say beyond this: cutoffs, label, model version, metrics.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub notes: serde_json::Value,
    /// BLAKE3 of the artifact's content, as hex.
    pub content: String,
}

impl Evidence {
    pub const FORMAT: u32 = 1;
}

/// What an artifact holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Rows that go on.
    #[default]
    Table,
    /// Rows refused, with their reasons.
    Refused,
    /// The change log of a table: one row per changed cell. Its table is called `<table>_changes`.
    Changes,
    /// A file that is no table: a page, an export, a model.
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
