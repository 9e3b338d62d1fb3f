//! What a table was made from: tables and files, and the steps that make other rows. To decide whether
//! it has to be made again, and to trace rows (docs/adr/0019-tables-from-tables.md).

use serde::{Deserialize, Serialize};
use spec::Tool;

use crate::Fingerprint;

/// The layer of a table: a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Cleaned and joined: one row for each thing or event.
    Silver,
    /// Made for its readers: facts, dimensions, key figures.
    Gold,
}

/// One thing that a table was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Read {
    /// What it was read for.
    #[serde(rename = "use")]
    pub purpose: Purpose,
    /// The stage that wrote it; none for a user's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Tool>,
    /// The name of the table; none for a user's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Relative to the project root where it lies below it.
    pub path: String,
    pub fingerprint: Fingerprint,
    /// A hash of what the columns mean; none for users' files, and where it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// What an input is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Its rows become rows of the table.
    Rows,
    /// A step reads it in addition to its rows.
    Join,
    /// A file that a step names, or the decisions of users.
    File,
    /// A check refers to it.
    Check,
}

impl Read {
    /// Whether the same was read, wherever it was. Equal values that were read in another way do not count as the same:
    /// their columns have another meaning.
    pub fn is_same(&self, other: &Read) -> bool {
        let key = |read: &Read| (read.purpose, read.stage, read.table.clone());
        key(self) == key(other) && self.fingerprint == other.fingerprint && self.meaning == other.meaning
    }
}

/// A step that makes other rows, or adds cells of another table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reshape {
    /// Counted from 1.
    pub step: usize,
    /// `join`, `aggregate`, …
    pub name: String,
    /// The other table that it reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// The columns by which rows belong together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyColumn>,
}

/// A column by which rows belong together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyColumn {
    /// Its name in the rows as the step finds them; of a key that a SELECT computes what it calls it.
    pub column: String,
    /// Its name in the other table, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub there: Option<String>,
    /// Its name in the finished table; none if a later step dropped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
}
