//! Wires the sources of a pipeline to the shell.

use artifact::{Artifact, Input};
use schemars::JsonSchema;
use serde::Deserialize;
use sources::{Reach, TableSpec};
use spec::{Error, Map, Name, Result, Root, Tool};
use stage::clap::Args;
use stage::{BooksOf, Job, Mirror, Output, Stage, TableOutput, data_arguments};

/// `resources/<pipeline>/ingest.yaml`: where each raw table comes from.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Spec {
    /// The raw tables by name, each with its source and its columns.
    tables: Map<TableSpec>,
}

#[derive(Args, Debug)]
pub struct Flags {}

pub struct Ingest;

impl Stage for Ingest {
    const TOOL: Tool = Tool::Ingest;
    type Spec = Spec;
    type Flags = Flags;

    /// Arguments name data files, not artifacts.
    fn artifacts(_: &Name, _: &[String], _: &Root, _: &Mirror) -> Result<Vec<Artifact>> {
        Ok(Vec::new())
    }

    fn inputs(job: &Job<Self>) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for (_, table) in tables(job)? {
            inputs.extend(table.inputs(&job.root, job.mirror.cloud())?);
        }
        Ok(inputs)
    }

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        tables(job)?
            .into_iter()
            .map(|(name, table)| {
                let opened = table.open(&name, &job.root, job.mirror.cloud(), &job.folder(), &Reach::All)?;
                Ok(Output::Table(TableOutput {
                    refused_schema: Some(opened.refused_schema),
                    books: BooksOf::Rows(opened.rows_in),
                    ..TableOutput::new(name, opened.schema, opened.batches, 0)
                }))
            })
            .collect()
    }
}

/// The tables to read: as the spec says, or the file table with its path replaced by the arguments.
fn tables(job: &Job<Ingest>) -> Result<Vec<(String, TableSpec)>> {
    let paths = data_arguments(&job.named, &job.root);
    let tables = &job.spec.tables;
    if tables.is_empty() {
        return Err(Error::cannot_run(format!("pipeline '{}': ingest.yaml names no table", job.pipeline)));
    }
    if paths.is_empty() {
        return Ok(tables.iter().map(|(name, table)| (name.to_owned(), table.clone())).collect());
    }
    let files: Vec<(&str, &TableSpec)> = tables.iter().filter(|(_, table)| table.reads_files()).collect();
    match files.as_slice() {
        [(name, table)] => Ok(vec![((*name).to_owned(), table.with_paths(paths))]),
        _ => Err(Error::cannot_run(format!(
            "files were named, but pipeline '{}' has {} tables with a file source",
            job.pipeline,
            files.len()
        ))
        .hint("name files only for a pipeline with exactly one; otherwise set `path` in ingest.yaml")),
    }
}
