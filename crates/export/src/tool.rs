//! Wires the sinks to the shell.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use artifact::{Batch, Books, PolarsResultExt, Temporary, stream};
use polars::prelude::{LazyFrame, Schema};
use sinks::{ExportSpec, Format, plan, write};
use spec::{Error, Exit, Result, Tool, Url};
use stage::clap::{Args, ValueEnum};
use stage::{Empty, FileOutput, Job, Output, Stage, TableOutput};

#[derive(Args, Debug)]
pub struct Flags {
    /// Write to this file, or with `-` to stdout, instead of the stage's folder
    #[arg(long, short, value_name = "PATH")]
    output: Option<String>,
    /// Write this format instead of the spec's
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatFlag>,
}

/// The formats, as flags name them.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum FormatFlag {
    Csv,
    JsonLines,
    Parquet,
    Excel,
}

pub struct Export;

impl Stage for Export {
    const TOOL: Tool = Tool::Export;
    type Spec = ExportSpec;
    type Flags = Flags;

    fn variant(flags: &Flags) -> String {
        flags.format.map(|format| format!("{format:?}")).unwrap_or_default()
    }

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        let spec = spec(job);
        let (plan, schema) = table(job, &spec)?;
        let rows = job.rows(spec.table.as_str())?;
        if spec.format == Format::Parquet && !spec.strip_evidence {
            let batches = stream(plan, place(&spec))?.map(|rows| rows.map(Batch::from));
            let output = TableOutput::new(spec.stem(), schema, Box::new(batches), rows);
            return Ok(vec![Output::Table(TableOutput { empty: Empty::Published, ..output })]);
        }
        Ok(vec![Output::File(FileOutput {
            stem: spec.stem().to_owned(),
            extension: spec.format.extension().to_owned(),
            books: Books { rows_in: rows, rows_out: rows, entries: Vec::new() },
            notes: serde_json::Value::Null,
            write: Box::new(move |file, path| {
                let written = write_table(&spec, plan, &schema, file, path)?;
                Books { rows_in: rows, rows_out: written, entries: Vec::new() }.balance(spec.table.as_str())
            }),
        })])
    }

    fn delivery(job: &Job<Self>) -> Option<Url> {
        job.spec.to.clone()
    }

    fn instead(job: &Job<Self>) -> Result<Option<Exit>> {
        let Some(output) = &job.flags.output else { return Ok(None) };
        if Url::is_meant(output) {
            return Err(Error::cannot_run(format!("{output}: -o writes to a file or, with '-', to stdout"))
                .hint("set `to` in export.yaml to copy the file to an object store"));
        }
        let spec = spec(job);
        let (plan, schema) = table(job, &spec)?;
        if output == "-" {
            let rows = stream(plan, place(&spec))?;
            let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout());
            write(&spec, &schema, rows, &mut out, "stdout")?;
            out.flush().map_err(|error| Error::io("write", Path::new("stdout"), &error))?;
            return Ok(Some(Exit::Done));
        }
        let target = std::path::absolute(output).map_err(|error| Error::io("write", Path::new(output), &error))?;
        let mut temporary = Temporary::beside(&target)?;
        write_table(&spec, plan, &schema, temporary.file(), Path::new(output))?;
        temporary.replace(&target)?;
        stage::print(&format!("{output}\n"))?;
        Ok(Some(Exit::Done))
    }
}

/// The spec with this run's flags applied.
fn spec(job: &Job<Export>) -> ExportSpec {
    let mut spec = job.spec.clone();
    match job.flags.format {
        Some(FormatFlag::Csv) => spec.format = Format::Csv,
        Some(FormatFlag::JsonLines) => spec.format = Format::JsonLines,
        Some(FormatFlag::Parquet) => spec.format = Format::Parquet,
        Some(FormatFlag::Excel) => spec.format = Format::Excel,
        None => {}
    }
    spec
}

fn table(job: &Job<Export>, spec: &ExportSpec) -> Result<(LazyFrame, Schema)> {
    let mut plan = plan(spec, job.scan(spec.table.as_str())?)?;
    let schema = plan.collect_schema().during(place(spec))?;
    Ok((plan, schema.as_ref().clone()))
}

fn place(spec: &ExportSpec) -> String {
    format!("table '{}'", spec.table)
}

fn write_table(spec: &ExportSpec, plan: LazyFrame, schema: &Schema, file: &mut File, path: &Path) -> Result<u64> {
    let rows = stream(plan, place(spec))?;
    let mut out = io::BufWriter::with_capacity(1 << 20, file);
    let place = path.display().to_string();
    let written = write(spec, schema, rows, &mut out, &place)?;
    out.flush().map_err(|error| Error::io("write", path, &error))?;
    Ok(written)
}
