//! Wires the steps of a pipeline to the shell.

use schemars::JsonSchema;
use serde::Deserialize;
use spec::{Map, Result, Tool};
use stage::clap::Args;
use stage::{Job, Output, Stage, TableOutput};
use transform::{Step, clean};

/// `resources/<pipeline>/clean.yaml`: how raw tables become clean ones.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Spec {
    /// The clean tables by name.
    tables: Map<TableSpec>,
}

/// One clean table.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct TableSpec {
    /// The raw table it is made from. Default: the one of the same name.
    #[serde(default)]
    from: Option<String>,
    /// What is done to it, in order.
    #[serde(default)]
    steps: Vec<Step>,
    /// Whether the table may end up without rows. Default: false, which refuses the run.
    #[serde(default)]
    allow_empty: bool,
}

#[derive(Args, Debug)]
pub struct Flags {}

pub struct Clean;

impl Stage for Clean {
    const TOOL: Tool = Tool::Clean;
    type Spec = Spec;
    type Flags = Flags;

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        job.spec
            .tables
            .iter()
            .map(|(name, table)| {
                let from = table.from.as_deref().unwrap_or(name);
                let cleaned =
                    clean(job.scan(from)?, &table.steps).map_err(|error| error.context(format!("table '{name}'")))?;
                Ok(Output::Table(TableOutput {
                    allow_empty: table.allow_empty,
                    ..TableOutput::new(name, cleaned.schema, cleaned.batches, job.rows(from)?)
                }))
            })
            .collect()
    }
}
