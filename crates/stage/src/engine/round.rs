//! What driver and kernels say to each other (ADR 0023).

use std::path::PathBuf;

use artifact::Fate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spec::Tool;

use super::order::Order;

/// Of what driver and kernels write.
pub const VERSION: u32 = 1;

/// ROUND.json: what the kernels of a round do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    pub version: u32,
    /// The version of the tool that wrote it; kernels are of the same.
    pub written_by: String,
    pub tool: Tool,
    pub pipeline: String,
    /// The id of the run.
    pub run: String,
    pub spec: String,
    /// The names of the variables that the spec reads and that are set where the driver runs. A kernel reads no others: what is set
    /// on its machine alone must not decide.
    pub variables: Vec<String>,
    /// Where parts go.
    pub folder: PathBuf,
    /// A Parquet file without rows that has the columns and types of the rows to come.
    pub columns: PathBuf,
    pub order: Order,
    /// The tool's own.
    pub task: Value,
}

/// The line that a kernel prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub kernel: u32,
    /// 0, 1 or 2, as the process ends.
    pub exit: u8,
    pub rows_in: u64,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub hint: Option<String>,
    #[serde(default)]
    pub parts: Vec<Part>,
    /// Rows that rules took out.
    #[serde(default)]
    pub books: Vec<Taken>,
    /// The tool's own.
    #[serde(default)]
    pub notes: Value,
}

/// A sealed file that a kernel wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub name: String,
    pub path: PathBuf,
    pub rows: u64,
    /// Its hash, as its footer has it.
    pub content: String,
}

/// A line of the books of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub rule: String,
    pub fate: Fate,
    pub rows: u64,
}
