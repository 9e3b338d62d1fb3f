//! Wires the sources of a pipeline to the shell.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use artifact::{Artifact, Definition, Definitions, Evidence, FILE, Input, Notes, ROW};
use clap::Args;
use polars::prelude::PlSmallStr;
use schemars::JsonSchema;
use serde::Deserialize;
use sources::{Finished, Located, Opened, Reach, TableSpec};
use spec::{Class, Error, Exit, Map, Name, Redactor, Result, ResultExt, Root, Tool, Url};
use stage::{BooksOf, Empty, Facts, Job, Mirror, Output, Stage, TableOutput, data_arguments};
use tool::About;

use crate::backfill::Window;
use crate::contract::{self, Contract};
use crate::earlier::{self, Earlier};

/// `resources/<pipeline>/ingest.yaml`: where each raw table comes from.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Spec {
    /// The raw tables by name, each with its source and its columns.
    tables: Map<TableSpec>,
}

#[derive(Args, Debug)]
pub struct Flags {
    /// Read these days of incremental sources and add them, month by month: `2023-01..2023-06` or
    /// `2023-01-15..2023-02-10`. What is read is published at once: an interrupted backfill, called again, continues with
    /// the first month that is missing. --force reads all of them again
    #[arg(long, value_name = "FROM..TO", help_heading = "Incremental sources")]
    backfill: Option<Window>,
    /// Read incremental sources from their beginning; what was read before leaves the output
    #[arg(long, conflicts_with = "backfill", help_heading = "Incremental sources")]
    full: bool,
    /// Take columns as they are now, though `schema` in ingest.yaml refuses changed ones
    #[arg(long)]
    pub accept_schema: bool,
    /// The months of the backfill that this run has come past.
    #[arg(skip)]
    past: Cell<usize>,
    /// What each table reads, as it was found when the run began.
    #[arg(skip)]
    located: RefCell<HashMap<String, Located>>,
    /// The evidence of artifacts, which never changes: each is read once, however many months a backfill has.
    #[arg(skip)]
    pub evidence: RefCell<HashMap<PathBuf, Option<Evidence>>>,
}

pub struct Ingest;

impl Stage for Ingest {
    const TOOL: Tool = Tool::Ingest;
    const ABOUT: About = About {
        short: "Read a pipeline's sources into raw Parquet tables",
        long: "Each source of resources/<PIPELINE>/ingest.yaml becomes data/raw/<PIPELINE>/<table>_<time>.parquet. Rows \
               that cannot be read go to <table>_<time>.refused.parquet with their original text and the reason. An \
               incremental source adds what is new to what earlier runs read. Every row keeps its file and line in _file \
               and _row. ARTIFACT names files to read instead of the file source's own path; `-` reads the data itself \
               from stdin.",
        examples: &[
            ("ingest churn", "read the sources of the pipeline"),
            ("ingest shop orders_may.csv", "read this file instead of the path in ingest.yaml"),
            ("ingest housing --backfill 2023-01..2023-06", "read these months once more"),
            ("zcat orders.csv.gz | ingest shop -", "read stdin"),
        ],
    };
    const INPUTS: Option<&'static str> = Some(
        "Data files or addresses such as s3://bucket/key, read instead of the path in ingest.yaml; `-` reads the data itself from \
         stdin",
    );
    /// Programs that are sources do not receive the signal.
    const CLEAN_UP: fn() = || {
        sources::end_programs();
        artifact::discard_all();
    };
    type Spec = Spec;
    type Flags = Flags;

    fn tables(spec: &Spec) -> Vec<String> {
        spec.tables.names().map(str::to_owned).collect()
    }

    /// Arguments name data files, not artifacts.
    fn artifacts(_: &Name, _: &[String], _: &Root, _: &Mirror) -> Result<Vec<Artifact>> {
        Ok(Vec::new())
    }

    fn inputs(job: &Job<Self>) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        let mut all = job.flags.located.borrow_mut();
        for (name, table) in tables(job)? {
            let located = table.locate(&job.root, job.mirror.cloud())?;
            inputs.extend(located.inputs.iter().cloned());
            all.insert(name, located);
        }
        Ok(inputs)
    }

    /// A backfill that has nothing left to read.
    fn instead(job: &Job<Self>) -> Result<Option<Exit>> {
        let Some(asked) = job.flags.backfill else { return Ok(None) };
        if !tables(job)?.iter().any(|(_, table)| table.is_incremental()) {
            return Err(Error::cannot_run(format!(
                "pipeline '{}' has no incremental source to backfill",
                job.pipeline
            ))
            .hint("a source is incremental with the key 'incremental'; others are read whole on every run"));
        }
        let today = job.stamp.time().date_naive();
        if today.succ_opt().is_some_and(|tomorrow| tomorrow < asked.first) {
            return Err(Error::cannot_run(format!("--backfill: {asked} is still to come; today is {today}"))
                .hint("name days of the past; what comes later is read by a run without --backfill"));
        }
        if next_window(job)?.is_some() {
            return Ok(None);
        }
        tool::say(format!("ingest {}: the backfill of {asked} was read already; --force reads it again", job.pipeline));
        let paths = job.published()?.map(|snapshot| snapshot.text()).unwrap_or_default();
        tool::print(&paths)?;
        Ok(Some(Exit::Done))
    }

    fn cause(job: &Job<Self>) -> Option<String> {
        match job.flags.backfill {
            Some(asked) => Some(format!("of --backfill {asked}")),
            None => job.flags.full.then(|| "of --full".to_owned()),
        }
    }

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        let earlier = Earlier::of(job)?;
        let window = match next_window(job)? {
            Some((index, window)) => {
                job.flags.past.set(index + 1);
                tool::say(format!("ingest {}: reads {window}", job.pipeline));
                Some(window)
            }
            None => None,
        };
        let mut outputs = Vec::new();
        for (name, table) in tables(job)? {
            let earlier = earlier.table(&name);
            if table.is_incremental() {
                outputs.extend(incremental(job, &name, &table, &earlier, window)?);
            } else if window.is_some() && !earlier.is_empty() {
                outputs.extend(earlier.kept().map(Output::Kept));
            } else {
                outputs.push(Output::Table(read(job, &name, &table, &Reach::All)?));
            }
        }
        Ok(outputs)
    }

    fn more(job: &Job<Self>) -> Result<bool> {
        Ok(next_window(job)?.is_some())
    }
}

/// Whether no table adds to what earlier runs read.
pub fn reads_all_anew(job: &Job<Ingest>) -> Result<bool> {
    Ok(job.flags.full || !tables(job)?.iter().any(|(_, table)| table.is_incremental()))
}

/// The first month of the backfill that is not read yet, and its number.
fn next_window(job: &Job<Ingest>) -> Result<Option<(usize, Window)>> {
    let Some(asked) = job.flags.backfill else { return Ok(None) };
    let earlier = Earlier::of(job)?;
    let names: Vec<String> =
        tables(job)?.into_iter().filter(|(_, table)| table.is_incremental()).map(|(name, _)| name).collect();
    let is_read = |window: Window| !job.common.force && names.iter().all(|name| earlier.table(name).has(window));
    let windows = asked.months().into_iter().enumerate().skip(job.flags.past.get());
    Ok(windows.into_iter().find(|(_, window)| !is_read(*window)))
}

/// What an incremental table consists of after this run: what it was, and what is new.
fn incremental(
    job: &Job<Ingest>,
    name: &str,
    table: &TableSpec,
    earlier: &earlier::Table<'_>,
    window: Option<Window>,
) -> Result<Vec<Output>> {
    let reach = match (window, earlier.bookmark()) {
        (Some(window), _) => Reach::Days(window.first, window.last),
        (None, Some(bookmark)) if !job.flags.full => Reach::After(bookmark),
        (None, _) => Reach::All,
    };
    let adds = reach != Reach::All && !earlier.is_empty();
    let read = match adds {
        true => read(job, name, &table.adding(), &reach)?,
        false => read(job, name, table, &reach)?,
    };
    let from_the_beginning = || format!("read it from the beginning: bin/ingest {} --full", job.pipeline);
    if let Some(was) = earlier.schema(job)?.filter(|was| adds && *was != read.schema) {
        let changes = contract::changes(&was, &read.schema);
        let words = if changes.is_empty() { "they come in another order".to_owned() } else { changes.join("; ") };
        let way_out = match table.columns {
            Some(_) => from_the_beginning(),
            None => format!(
                "if types were inferred, declare them under 'columns' as they were; else {}",
                from_the_beginning()
            ),
        };
        return Err(Error::cannot_run(format!("table '{name}': its columns have changed since the last run: {words}"))
            .hint(way_out));
    }
    let changed = match (earlier.definitions(), &read.definitions) {
        (Some(was), Some(is)) if adds => was.changed(is, read.schema.iter_names().map(|name| name.as_str())),
        _ => Vec::new(),
    };
    if !changed.is_empty() {
        let changed = changed.join("; ");
        return Err(Error::cannot_run(format!("table '{name}': what was read before means something else: {changed}"))
            .hint(format!("{}, or go back to the settings of the last run", from_the_beginning())));
    }
    let empty = match (adds, window) {
        // That a month is empty is worth knowing: it is not read again.
        (_, Some(_)) => Empty::Published,
        (true, None) => Empty::Nothing,
        (false, None) => Empty::Refused,
    };
    let kept = earlier.kept().filter(|_| adds).map(Output::Kept);
    let new = TableOutput { empty, notes: earlier::noted(read.notes.clone(), window), ..read };
    let finish = new.finish;
    // A backfill reads the past, so it does not move the bookmark.
    let forgets = window.is_some();
    let finish = Box::new(move || {
        let facts = finish();
        Facts { bookmark: facts.bookmark.filter(|_| !forgets), ..facts }
    });
    Ok(kept.chain([Output::Table(TableOutput { finish, ..new })]).collect())
}

/// Begins to read a table; from its fallback if the source stays down.
fn read(job: &Job<Ingest>, name: &str, table: &TableSpec, reach: &Reach) -> Result<TableOutput> {
    let meaning = Meaning { table: table.clone(), secrets: job.env.redactor() };
    let contract = Contract::of(job, name, table)?;
    let Some(second) = table.fallback() else { return open(job, name, &meaning, &contract, reach) };
    let reach_of_second = if second.is_incremental() { reach.clone() } else { Reach::All };
    let (pipeline, cloud) = (job.pipeline.clone(), job.mirror.cloud().clone());
    let (root, folder, name_of_second) = (job.root.clone(), job.folder(), name.to_owned());
    let (of_fallback, of_contract) = (meaning.clone(), contract.clone());
    let fallback = move |error: &Error| {
        // What to do about it has been done, and the warning names the table.
        let cause = error.message();
        let cause = cause.strip_prefix(&format!("table '{name_of_second}': ")).unwrap_or(cause);
        // It is kept in the footer, where no log line is redacted.
        let why = tool::redact(&format!("read from its fallback, because the source is unavailable: {cause}"));
        tool::warn(format!("ingest {pipeline}: table '{name_of_second}': {why}"));
        let opened = second.open(&name_of_second, &root, &cloud, &folder, &reach_of_second);
        let opened = opened.context("its source and its fallback are both unavailable")?;
        of_contract.check(&opened.schema)?;
        let output = output(&name_of_second, opened, &of_fallback);
        Ok(TableOutput { notes: Notes { fallback: Some(why), ..output.notes.clone() }, ..output })
    };
    match open(job, name, &meaning, &contract, reach) {
        Err(error) if error.class() == Class::TryAgain => fallback(&error),
        opened => Ok(TableOutput { fallback: Some(Box::new(fallback)), ..opened? }),
    }
}

fn open(job: &Job<Ingest>, name: &str, meaning: &Meaning, contract: &Contract, reach: &Reach) -> Result<TableOutput> {
    let table = &meaning.table;
    // What the question whether the run is up to date was answered by is what is read.
    let located = job.flags.located.borrow_mut().remove(name);
    let opened = match located {
        Some(located) => table.open_located(name, located, &job.root, &job.folder(), reach),
        None => table.open(name, &job.root, job.mirror.cloud(), &job.folder(), reach),
    };
    let opened = opened?;
    contract.check(&opened.schema)?;
    Ok(output(name, opened, meaning))
}

/// What the columns of a table mean: how they are read, from its source or its fallback.
#[derive(Clone)]
struct Meaning {
    /// As the spec has it, with both.
    table: TableSpec,
    secrets: Redactor,
}

impl Meaning {
    fn definitions(&self, name: &str, opened: &Opened) -> Definitions {
        let columns = opened.schema.iter_names().filter(|column| ![FILE, ROW].contains(&column.as_str()));
        let raw = |column: &PlSmallStr| Definition::raw(name, column, self.table.reading(column, &self.secrets));
        Definitions { columns: columns.map(raw).collect(), ..Definitions::default() }
    }
}

fn output(name: &str, opened: Opened, meaning: &Meaning) -> TableOutput {
    let definitions = meaning.definitions(name, &opened);
    let (of_rows, rows_in, ending) = (opened.ending.clone(), opened.ending.rows_in(), opened.ending);
    let finish = move || {
        let Finished { bookmark, passed, doubts, .. } = ending.finish();
        Facts { bookmark, passed, doubts }
    };
    TableOutput {
        accepted: Box::new(move |rows| of_rows.accept(rows)),
        finish: Box::new(finish),
        refused_schema: Some(opened.refused_schema),
        books: BooksOf::Rows(rows_in),
        definitions: Some(definitions),
        ..TableOutput::new(name, opened.schema, opened.batches, 0)
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
        let secrets = job.env.redactor();
        return Ok(tables.iter().map(|(name, table)| (name.to_owned(), table.without_secrets(&secrets))).collect());
    }
    for (path, given) in paths.iter().zip(&job.named) {
        let is_pattern = path.contains(['*', '?', '[']);
        if path != "-" && !is_pattern && !Url::is_meant(path) && !job.root.join(Path::new(path)).exists() {
            return Err(Error::cannot_run(format!("{given}: no such file"))
                .hint("name files from where you are, or from the project root"));
        }
    }
    let files: Vec<(&str, &TableSpec)> = tables.iter().filter(|(_, table)| table.reads_files()).collect();
    match files.as_slice() {
        [(name, table)] => Ok(vec![((*name).to_owned(), table.with_paths(paths))]),
        _ => Err(Error::cannot_run(format!(
            "files were named, but pipeline '{}' has {} tables with a file source",
            job.pipeline,
            files.len()
        ))
        .hint(
            "name files only for a pipeline with exactly one; otherwise let a variable name the file, such as \
             `path: ${ORDERS:-data/in/orders.csv}` in ingest.yaml",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spec::Environment;

    use super::Ingest;

    #[test]
    fn mangled_specs_are_read_or_refused_with_their_place() {
        testkit::mangle("ingest", |text| {
            let read = stage::read_spec::<Ingest>(text, Path::new("ingest.yaml"), &Environment::default());
            read.map(drop).map_err(|error| error.to_string())
        });
    }
}
