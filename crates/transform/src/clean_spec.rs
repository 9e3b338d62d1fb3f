//! What `resources/<pipeline>/clean.yaml` holds: tables, each with what it is made from and its steps.

use crate::from_tables::FromTables;
use crate::steps::Step;
use artifact::Layer;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::Map;

/// `resources/<pipeline>/clean.yaml`: how raw tables become clean ones.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Tables {
    /// The clean tables by name.
    pub tables: Map<TableSpec>,
}

/// One clean table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct TableSpec {
    /// The table that it is made from: a raw one, `{clean: TABLE}` for another clean table of this file, or a list of them: their
    /// rows follow each other, their columns meet by name. Default: the raw table of the same name.
    #[serde(default)]
    pub from: FromTables,
    /// The layer of the table, `silver` or `gold`: a label in its evidence.
    #[serde(default)]
    pub layer: Option<Layer>,
    /// What is done to it, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Whether the table may end up without rows. Default: false, which refuses the run.
    #[serde(default)]
    pub allow_empty: bool,
    /// Whether every changed cell is logged beside the table, in `<table>_changes_<time>.parquet`: which row and
    /// column, before, after, and by which step or model. See docs/changes.md. Default: true if a step asks a
    /// language model, else false.
    #[serde(default)]
    pub changes: Option<bool>,
}

impl TableSpec {
    pub fn logs_changes(&self) -> bool {
        self.changes.unwrap_or_else(|| self.asks_model())
    }

    /// Whether a step asks a language model.
    pub fn asks_model(&self) -> bool {
        self.steps.iter().any(|step| step.llm().is_some())
    }
}
