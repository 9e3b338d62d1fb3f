//! A stage run over small tables in a folder of its own: for tests of specs. Nothing of the project's data is read or written.
//!
//! The stage does its whole work as in a real run, so a rehearsal cannot differ from one. Only the gates do not apply:
//! a sample has too few rows for limits on shares, counts and history. Row checks set rows aside however many there
//! are.

use std::cell::{Cell, RefCell};
use std::path::Path;

use artifact::{Artifact, Books, Evidence, Stamp, TableWriter};
use checks::{Check, Checks};
use polars::prelude::DataFrame;
use spec::{Environment, Error, Name, Result, Root};
use tool::{Progress, caught};

use crate::args::RunFlags;
use crate::describe::Descriptions;
use crate::later::Later;
use crate::mirror::Mirror;
use crate::publish::publish;
use crate::refusals::MaxRefused;
use crate::verification::Verification;
use crate::{Job, Stage};

/// What is rehearsed.
pub struct Rehearsal<'a, S: Stage> {
    pub pipeline: &'a Name,
    /// The project, of which all but `data/` can be read.
    pub project: &'a Root,
    pub env: &'a Environment,
    pub spec: S::Spec,
    pub checks: Checks,
    pub flags: S::Flags,
    /// The input tables by name.
    pub tables: Vec<(String, DataFrame)>,
}

/// A table that a rehearsal made.
#[derive(Debug)]
pub struct Rehearsed {
    pub table: String,
    pub rows: DataFrame,
    /// With the reason in the last column.
    pub refused: Option<DataFrame>,
    pub books: Books,
}

/// Runs the stage. The tables are in the order of the spec.
///
/// # Errors
/// Whatever ends a real run, but for gates.
pub fn rehearse<S: Stage>(rehearsal: Rehearsal<'_, S>) -> Result<Vec<Rehearsed>> {
    // What a real run would report on stderr is part of the result here.
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || played(rehearsal))
}

fn played<S: Stage>(rehearsal: Rehearsal<'_, S>) -> Result<Vec<Rehearsed>> {
    let Rehearsal { pipeline, project, env, spec, checks, flags, tables } = rehearsal;
    let folder = folder()?;
    let root = Root::at(folder.path());
    show(project, &root)?;
    let stamp = Stamp::now();
    let mut artifacts = Vec::with_capacity(tables.len());
    for (table, rows) in tables {
        artifacts.push(written::<S>(&root, pipeline, table, rows, &stamp)?);
    }
    let checks = on_sample(&checks, &S::tables(&spec), &artifacts);
    let job = Job::<S> {
        pipeline: pipeline.clone(),
        mirror: Mirror::new(&root, &Environment::default())?,
        spec,
        spec_hash: String::new(),
        checks,
        max_refused: MaxRefused::any(),
        described: Descriptions::default(),
        flags,
        common: RunFlags::default(),
        env: env.clone(),
        named: Vec::new(),
        artifacts,
        run: uuid::Uuid::now_v7().to_string(),
        progress: Progress::new(false),
        later: Later::default(),
        priority: Cell::default(),
        engine: crate::engine::Engine::Local,
        carrier: std::cell::OnceCell::new(),
        warnings: RefCell::default(),
        stamp,
        root,
    };
    let who = format!("{} {pipeline}", S::TOOL);
    let inputs = S::inputs(&job)?;
    let (publication, guard) = caught(|| publish(&job, &who, S::run(&job)?, &inputs, &mut Verification::done()))?;
    drop(guard);
    let mut made = Vec::new();
    for path in &publication.paths {
        let artifact = artifact::open(&job.root, path)?;
        let Some(evidence) = artifact.evidence.clone().filter(|_| artifact.is_table()) else { continue };
        let read = |file: &Path| artifact::collect(artifact::scan_files(&[file])?, &evidence.table);
        let refused = evidence.refused.as_ref().map(|refused| read(&job.root.join(refused))).transpose()?;
        let rows = read(&artifact.file)?;
        made.push(Rehearsed { table: evidence.table, rows, refused, books: evidence.books });
    }
    Ok(made)
}

/// An empty folder, in memory if the machine has such a folder: files that exist for milliseconds need not be synced to a disk.
fn folder() -> Result<tempfile::TempDir> {
    let builder = || tempfile::Builder::new().prefix("millrace-").to_owned();
    let failed = |error: std::io::Error| Error::io("make a folder in", &std::env::temp_dir(), &error);
    builder().tempdir_in("/dev/shm").or_else(|_| builder().tempdir()).map_err(failed)
}

/// Shows the folder all of the project but its data.
fn show(project: &Root, root: &Root) -> Result<()> {
    let entries = std::fs::read_dir(project.path()).map_err(|error| Error::io("read", project.path(), &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("read", project.path(), &error))?;
        if entry.file_name() != "data" {
            let shown = root.join(entry.file_name());
            let linked = std::path::absolute(entry.path()).and_then(|from| std::os::unix::fs::symlink(from, &shown));
            linked.map_err(|error| Error::io("link to", &entry.path(), &error))?;
        }
    }
    Ok(())
}

/// Writes an input table as the stage before would have.
fn written<S: Stage>(root: &Root, pipeline: &Name, table: String, rows: DataFrame, stamp: &Stamp) -> Result<Artifact> {
    let before = S::TOOL.upstream().unwrap_or(S::TOOL);
    let path = before.folder(pipeline).join(format!("{table}_{stamp}.parquet"));
    let file = root.join(&path);
    let folder = file.parent().unwrap_or(root.path());
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
    let mut writer = TableWriter::create(&file, rows.schema())?;
    let count = rows.height() as u64;
    writer.write(rows)?;
    let written = writer.finish()?;
    let evidence = Evidence {
        books: Books { rows_in: count, rows_out: count, ..Books::default() },
        content: written.content.clone(),
        ..Evidence::of(before, pipeline.as_str(), &table, stamp.time())
    };
    written.publish(&file, &evidence)?;
    artifact::open(root, &path)
}

/// The checks that can be judged on a sample: those of rows, as far as the tables are there that they refer to.
fn on_sample(checks: &Checks, made: &[String], given: &[Artifact]) -> Checks {
    let is_there =
        |table: &str| made.iter().any(|name| name == table) || given.iter().any(|given| given.table == table);
    let kept = |list: &Vec<Check>| -> Vec<Check> {
        let fitting = list.iter().filter(|check| check.refers_to().is_none_or(is_there));
        fitting.filter_map(Check::on_sample).collect()
    };
    let of_made = checks.iter().filter(|(table, _)| made.iter().any(|name| name == table));
    of_made.map(|(table, list)| (table.to_owned(), kept(list))).collect()
}
