//! What a stage notes in its evidence beyond what every stage records. Other stages read some of it, so each note has a
//! name and a type here.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use spec::Span;

use crate::{Layer, Read, Reshape};

/// Notes of a table, file or folder. A note that a stage does not leave is not written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notes {
    /// features: the column that is to be predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// features: days after an example's time until its label is known. 0 where labels are known at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub horizon_days: Option<i64>,
    /// features: the spans of which one after the other pass from an example's time until its label is known, where a number
    /// of days does not say when: months and years, which differ, and hours and minutes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub label_known_after: Vec<Span>,
    /// features: the column that says from when on a row's label is known, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_known_at: Option<String>,
    /// features: how many periods ahead a table of series predicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub horizon_periods: Option<u32>,
    /// features: the first day on which the same rows give another table: some are dated later than the day of the run, or
    /// lie in a period that was not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes_on: Option<NaiveDate>,
    /// features: the same where periods are minutes or hours: the time at which the first of them is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes_at: Option<DateTime<Utc>>,
    /// features: columns that say what a row is about besides its entity and time, such as the cutoff of a forecast.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<String>,
    /// train: the version of the model, such as `v3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Folders: the hash of each file, so that an error can name the one that changed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// ingest: the window of a backfill, such as `2023-01..2023-06`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfill: Option<String>,
    /// ingest: why rows of an earlier run, or of another source, replace those of the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// ingest: files without rows that were skipped, each with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub empty_files: Vec<String>,
    /// clean: one entry for each step that asked a language model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub llm: Vec<LlmUsage>,
    /// clean: the layer that the table belongs to, a label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
    /// clean: what the table was made from, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<Read>,
    /// clean: the steps that make other rows, or add cells of another table, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reshapes: Vec<Reshape>,
    /// monitor: what it found, as far as it can be a reason to train again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<MonitorFindings>,
    /// export: hash of what was delivered and how. An equal one is not delivered again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// export: what was read back from a database after the load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// What was read back from the target of a delivery, within the transaction that delivered it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receipt {
    /// Where the rows are, without user and password: `postgres://host:5432/shop sales.orders`.
    pub target: String,
    /// `replace`, `append` or `upsert`.
    pub mode: String,
    /// Rows that were delivered.
    pub rows: u64,
    /// Rows of the target's table after it.
    pub rows_in_target: u64,
    /// Checksum of the delivered rows as the target returned them; it is that of what was sent.
    pub checksum: String,
    /// The sum of each column of numbers, as the target returned it, by column.
    pub sums: BTreeMap<String, String>,
    /// Whether an earlier run had delivered the rows already, and only its receipt was missing.
    #[serde(skip_serializing_if = "is_false")]
    pub was_there: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Notes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Notes::default()
    }
}

/// How a step used language models: its inputs, answers, requests and costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LlmUsage {
    /// The step of the table, counted from 1.
    pub step: usize,
    /// The name of the task.
    pub task: String,
    /// Hash of the prompt.
    pub prompt: String,
    /// The models, in the order in which they are asked.
    pub models: Vec<String>,
    pub rows: u64,
    pub rows_without_answer: u64,
    /// Distinct inputs among the rows; the counts below are of these.
    pub distinct: u64,
    /// Answered by an earlier run.
    pub known: u64,
    /// Answered by this run.
    pub answered: u64,
    pub failed: u64,
    /// Requests to the provider, and how many of them were made again.
    pub requests: u64,
    pub retries: u64,
    pub tokens_in: u64,
    pub tokens_out: u64,
    /// In the currency of the prices in `llm.yaml`.
    pub cost: f64,
}

/// What `monitor` found, as far as it can be a reason to train again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MonitorFindings {
    /// The columns that surely drifted and matter to the model, the most important first.
    pub drifted: Vec<String>,
    /// By how much the error on known labels is above that of the model's card, as a share of it: 0.2 is a fifth more.
    /// `None` where no labels are known yet.
    pub error_up: Option<f64>,
}
