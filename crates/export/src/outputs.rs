//! Deliveries as the shell publishes them, and as they are written to a file or to stdout.

use std::io::{self, Write};
use std::path::Path;

use artifact::{Books, Notes, PolarsResultExt};
use polars::prelude::Schema;
use sinks::{Destination, ExportSpec, Mode, Sheet, arranged, check_parts, load, write, write_book, write_parts};
use spec::text::count;
use spec::{Error, Result};
use stage::{FileOutput, FolderOutput, Job, Output, RenderedOutput, Rows, Standing, WriteResult, checked};

use crate::report_data::Pipeline;
use crate::tables::{batches, described, scan, table};
use crate::wiring::Export;

/// One delivery.
pub fn output(job: &Job<Export>, spec: &ExportSpec, key: String) -> Result<Output> {
    let notes = Notes { delivery: Some(key.clone()), ..Notes::default() };
    if !spec.partition_by.is_empty() {
        let (table, _) = table(job, spec)?;
        let (schema, by, lineage) = (table.schema.clone(), spec.partition_by.clone(), table.lineage.clone());
        check_parts(&schema, &by)?;
        let rows = checked(job, table)?;
        return Ok(Output::Folder(FolderOutput {
            name: format!("{}_{}", spec.stem(), job.stamp),
            write: Box::new(move |folder| write_parts(&schema, &by, rows, folder, "parquet").map(drop)),
            tables: Vec::new(),
            books: Books::default(),
            notes,
            lineage,
            then: Box::new(|| Ok(())),
            standing: Standing::Current,
        }));
    }
    if spec.format.destination() == Destination::File && spec.excel.sheets.is_empty()
        || spec.format.destination() == Destination::Database
    {
        let (mut table, parts) = table(job, spec)?;
        table.notes = notes;
        if spec.format.keeps_evidence(spec) {
            return Ok(Output::Table(table));
        }
        let (schema, spec) = (table.schema.clone(), with_words(job, spec)?);
        let extension = spec.format.extension().to_owned();
        if spec.format.destination() == Destination::Database {
            let (root, force, who) = (job.root.clone(), job.common.force, who(job, &spec));
            let write = Box::new(move |rows: Rows, file: &mut std::fs::File, place: &str| {
                let how =
                    load::How { spec: &spec, schema: &schema, who: &who, key: &key, parts: &parts, root: &root, force };
                let receipt = load::load(&how, rows)?;
                let text =
                    serde_json::to_string_pretty(&receipt).map_err(|error| Error::cannot_run(error.to_string()))?;
                writeln!(file, "{text}").map_err(|error| Error::io("write", Path::new(place), &error))?;
                // Rows that an earlier run appended are not among those of this one.
                let was_appended = receipt.was_there && parts.is_empty() && receipt.mode == Mode::Append.name();
                Ok(WriteResult { rows: if was_appended { 0 } else { receipt.rows }, receipt: Some(receipt) })
            });
            return Ok(Output::Rendered(RenderedOutput { table, extension, write }));
        }
        let write = Box::new(move |rows: Rows, file: &mut std::fs::File, place: &str| {
            Ok(WriteResult { rows: write_rows(&spec, &schema, rows, file, place)?, receipt: None })
        });
        return Ok(Output::Rendered(RenderedOutput { table, extension, write }));
    }
    if let Some(checks) = job.checks.get(spec.stem()).filter(|checks| !checks.is_empty()) {
        return Err(Error::cannot_run(format!(
            "checks: '{}' has {}, but a delivery of several tables is not checked",
            spec.stem(),
            count(checks.len() as u64, "check")
        ))
        .hint("check the tables in the stage that makes them"));
    }
    let write = writer(job, spec)?;
    Ok(Output::File(FileOutput {
        stem: spec.stem().to_owned(),
        extension: spec.format.extension().to_owned(),
        write: Box::new(move |file, place| write(file, &place.display().to_string())),
        books: Books::default(),
        notes,
    }))
}

/// A delivery with the description of its table, for the formats that can hold it.
fn with_words(job: &Job<Export>, spec: &ExportSpec) -> Result<ExportSpec> {
    let mut spec = spec.clone();
    spec.excel.described = described(job, spec.from, &spec.table, spec.columns.as_deref())?;
    Ok(spec)
}

/// Who delivers, as a database keeps it.
pub fn who(job: &Job<Export>, spec: &ExportSpec) -> String {
    format!("{}/{}", job.pipeline, spec.stem())
}

/// Writes a delivery to a file or to stdout, which errors call by the text.
pub type Writer = Box<dyn FnOnce(&mut (dyn Write + Send), &str) -> Result<()>>;

/// How a delivery that is a file is written; its checks are judged first.
pub fn writer(job: &Job<Export>, spec: &ExportSpec) -> Result<Writer> {
    if spec.format.destination() == Destination::Page {
        let given = Pipeline::of(job);
        let made = job.stamp.time().format("%Y-%m-%d at %H:%M UTC").to_string();
        let text = sinks::report::render(&spec.page(), spec.stem(), job.pipeline.as_str(), &made, &given)?;
        return Ok(Box::new(move |out, place| {
            out.write_all(text.as_bytes())
                .and_then(|()| out.flush())
                .map_err(|error| Error::io("write", Path::new(place), &error))
        }));
    }
    if !spec.excel.sheets.is_empty() {
        let mut sheets = Vec::new();
        for sheet in &spec.excel.sheets {
            let plan = scan(job, sheet.from, &sheet.table)?;
            let mut plan = arranged(&sheet.table, sheet.columns.as_deref(), &sheet.sort, plan)?;
            let place = format!("table '{}'", sheet.table);
            let schema = plan.collect_schema().during(&place)?.as_ref().clone();
            let described = described(job, sheet.from, &sheet.table, sheet.columns.as_deref())?;
            sheets.push(Sheet { name: sheet.called(), schema, described, batches: batches(plan, place)? });
        }
        return Ok(Box::new(move |mut out, place| {
            let mut out = io::BufWriter::with_capacity(1 << 18, &mut out);
            write_book(sheets, &mut out, place)?;
            out.flush().map_err(|error| Error::io("write", Path::new(place), &error))
        }));
    }
    let (table, _) = table(job, spec)?;
    let (schema, spec) = (table.schema.clone(), with_words(job, spec)?);
    let rows = checked(job, table)?;
    Ok(Box::new(move |out, place| write_rows(&spec, &schema, rows, out, place).map(drop)))
}

fn write_rows(
    spec: &ExportSpec,
    schema: &Schema,
    rows: Rows,
    out: &mut (dyn Write + Send),
    place: &str,
) -> Result<u64> {
    let mut out = io::BufWriter::with_capacity(1 << 18, out);
    let written = write(spec, schema, rows, &mut out, place)?;
    out.flush().map_err(|error| Error::io("write", Path::new(place), &error))?;
    Ok(written)
}
