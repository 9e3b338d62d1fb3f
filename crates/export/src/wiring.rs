//! Wires the sinks to the shell.

use std::io::{self, Write};
use std::path::Path;

use artifact::{Batch, PolarsResultExt, Temporary, stream};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use polars::prelude::Schema;
use sinks::{CsvOptions, ExportSpec, Format, arrange, lineage, write};
use spec::{Error, Exit, Result, Tool, Url};
use stage::{Empty, Job, Output, RenderedOutput, Rows, Stage, TableOutput, checked};
use tool::About;

#[derive(Args, Debug)]
pub struct Flags {
    /// Write to this file, or with `-` to stdout, instead of the stage's folder
    #[arg(long, short, value_name = "PATH")]
    output: Option<String>,
    /// Write this format instead of that of export.yaml
    #[arg(long, value_parser = format_parser(), value_name = "FORMAT")]
    format: Option<Format>,
}

/// Reads the name of a format; help and errors list those that there are.
fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::names())
        .try_map(|name| Format::named(&name).ok_or_else(|| format!("no format '{name}'")))
}

pub struct Export;

impl Stage for Export {
    const TOOL: Tool = Tool::Export;
    const ABOUT: About = About {
        short: "Deliver a table as CSV, JSON lines, Parquet or Excel",
        long: "Reads the output of predict (or of the nearest earlier stage that the pipeline has) and writes data/output/<PIPELINE>/export/, or the data itself to stdout with \
         `-o -`. \
               In a shell, call it as bin/export: `export` alone is the shell's own command.",
        examples: &[
            ("bin/export churn", "write the file that export.yaml describes"),
            ("bin/export churn -o - | head", "print the data instead"),
            ("bin/export churn --format json_lines -o scores.jsonl", "write it in another format to another file"),
        ],
    };
    type Spec = ExportSpec;
    type Flags = Flags;

    /// The one table, as the file is called.
    fn tables(spec: &ExportSpec) -> Vec<String> {
        vec![spec.stem().to_owned()]
    }

    /// Options of a format that is not written, or that do not go together.
    fn fault(spec: &ExportSpec) -> Option<Error> {
        let unused = |key: &str, of: &str| {
            Error::cannot_run(format!("has no effect: it is for the format {of}, and the format is {}", spec.format))
                .hint(format!("take it out, or write `format: {of}`"))
                .at(key)
        };
        if spec.csv != CsvOptions::default() && spec.format.name() != "csv" {
            return Some(unused("csv", "csv"));
        }
        if spec.strip_evidence && spec.format.name() != "parquet" {
            return Some(unused("strip_evidence", "parquet"));
        }
        spec.csv.fault().map(|error| error.at("csv"))
    }

    fn variant(flags: &Flags) -> String {
        flags.format.map(|format| format!(" {format}")).unwrap_or_default()
    }

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        let spec = spec(job);
        let table = table(job, &spec)?;
        if spec.format.keeps_evidence(&spec) {
            return Ok(vec![Output::Table(table)]);
        }
        let schema = table.schema.clone();
        Ok(vec![Output::Rendered(RenderedOutput {
            table,
            extension: spec.format.extension().to_owned(),
            write: Box::new(move |rows, file, place| write_rows(&spec, &schema, rows, file, place)),
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
        if output.is_empty() {
            return Err(Error::cannot_run("-o: no file is named").hint("name one, or '-' for stdout"));
        }
        if Path::new(output).is_dir() {
            return Err(Error::cannot_run(format!("{output}: a folder")).hint("name a file in it"));
        }
        if output != "-" {
            spec.check_file_name(output)?;
        }
        let table = table(job, &spec)?;
        let schema = table.schema.clone();
        if output == "-" {
            let rows = checked(job, table)?;
            write_rows(&spec, &schema, rows, &mut io::stdout(), "stdout")?;
            return Ok(Some(Exit::Done));
        }
        let target = std::path::absolute(output).map_err(|error| Error::io("write", Path::new(output), &error))?;
        let rows = checked(job, table)?;
        let mut temporary = Temporary::beside(&target)?;
        write_rows(&spec, &schema, rows, temporary.file(), output)?;
        temporary.replace(&target)?;
        tool::print(&format!("{output}\n"))?;
        Ok(Some(Exit::Done))
    }
}

/// The spec with this run's flags applied.
fn spec(job: &Job<Export>) -> ExportSpec {
    let mut spec = job.spec.clone();
    if let Some(format) = job.flags.format {
        spec.format = format;
    }
    spec
}

/// The table as it is written: sorted, its columns picked and renamed, under the name that the file has.
fn table(job: &Job<Export>, spec: &ExportSpec) -> Result<TableOutput> {
    let place = format!("table '{}'", spec.table);
    let mut plan = arrange(spec, job.scan(spec.table.as_str())?)?;
    let schema = plan.collect_schema().during(&place)?;
    let lineage = Some(lineage(spec, &schema));
    let batches = stream(plan, place)?.map(|rows| rows.map(Batch::from));
    let rows = job.rows(spec.table.as_str())?;
    let output = TableOutput::new(spec.stem(), schema.as_ref().clone(), Box::new(batches), rows);
    Ok(TableOutput { empty: Empty::Published, lineage, ..output })
}

fn write_rows(
    spec: &ExportSpec,
    schema: &Schema,
    rows: Rows,
    out: &mut (impl Write + Send),
    place: &str,
) -> Result<u64> {
    let mut out = io::BufWriter::with_capacity(1 << 18, out);
    let written = write(spec, schema, rows, &mut out, place)?;
    out.flush().map_err(|error| Error::io("write", Path::new(place), &error))?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spec::Environment;

    use super::Export;

    #[test]
    fn mangled_specs_are_read_or_refused_with_their_place() {
        testkit::mangle("export", |text| {
            let read = stage::read_spec::<Export>(text, Path::new("export.yaml"), &Environment::default());
            read.map(drop).map_err(|error| error.to_string())
        });
    }
}
