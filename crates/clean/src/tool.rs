//! Wires the steps of a pipeline to the shell.

use schemars::JsonSchema;
use serde::Deserialize;
use spec::{Map, Result, Tool};
use stage::clap::Args;
use stage::{Job, Output, Stage, TableOutput};
use transform::{Step, clean, union};

use crate::raw_tables::RawTables;

/// `resources/<pipeline>/clean.yaml`: how raw tables become clean ones.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Spec {
    /// The clean tables by name.
    tables: Map<TableSpec>,
}

/// One clean table.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct TableSpec {
    /// The raw table that it is made from, or a list of them: their rows follow each other, their columns meet by
    /// name. Default: the one of the same name.
    #[serde(default)]
    from: RawTables,
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
                let from = table.from.or(name);
                let scans = from.iter().map(|raw| Ok((*raw, job.scan(raw)?)));
                let cleaned = union(scans.collect::<Result<_>>()?)
                    .and_then(|raw| clean(raw, &table.steps))
                    .map_err(|error| error.context(format!("table '{name}'")))?;
                let rows = from.iter().map(|raw| job.rows(raw)).sum::<Result<u64>>()?;
                Ok(Output::Table(TableOutput {
                    allow_empty: table.allow_empty,
                    ..TableOutput::new(name, cleaned.schema, cleaned.batches, rows)
                }))
            })
            .collect()
    }
}
