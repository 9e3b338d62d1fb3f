//! A partition's process: rows in as an Arrow stream, or from Parquet files that are named; sealed parts and one line
//! of JSON out. Needs no project.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use artifact::ipc::{as_planned, read_stream};
use artifact::{Batches, Books, Evidence, PolarsResultExt, Removed, Stamp, TableWriter, scan_files};
use polars::prelude::{DataFrame, Expr, col};
use serde_json::Value;
use spec::{Class, Environment, Error, Exit, Result};

use super::order::Order;
use super::round::{Answer, Part, Round, Taken, VERSION};
use crate::Stage;

/// The first argument of a kernel; the second is the path of ROUND.json.
pub const KERNEL: &str = "--kernel";

/// What a kernel of a stage works on.
pub struct Task {
    /// The rows of the partition, in the order of the table, with the types of the table.
    pub rows: DataFrame,
    pub order: Order,
    /// What the driver says, as the stage wrote it there.
    pub task: Value,
    /// The variables that the driver hands over.
    pub env: Environment,
}

impl Task {
    /// What the driver says, in the stage's own words.
    pub fn settings<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(self.task.clone())
            .map_err(|error| Error::cannot_run(format!("not what a stage tells its kernels: {error}")))
    }
}

/// What a kernel has made of a partition.
#[derive(Default)]
pub struct PartsMade {
    /// Tables by name. One without columns is left out.
    pub tables: Vec<(&'static str, DataFrame)>,
    pub removed: Vec<Removed>,
    /// The answer for the stage on the driver.
    pub notes: Value,
}

impl PartsMade {
    /// The rows, refused rows and changes of batches as three tables of these names, and the sums of what was removed.
    pub fn of(batches: Batches, [rows_name, refused_name, changes_name]: [&'static str; 3]) -> Result<PartsMade> {
        let (mut rows, mut refused, mut changes, mut all) = (None, None, None, Vec::new());
        for batch in batches {
            let batch = batch?;
            add(&mut rows, Some(batch.rows))?;
            add(&mut refused, batch.refused)?;
            add(&mut changes, batch.changes)?;
            all.extend(batch.removed);
        }
        let tables = [(rows_name, rows), (refused_name, refused), (changes_name, changes)];
        Ok(PartsMade {
            tables: tables.into_iter().filter_map(|(name, rows)| Some((name, rows?))).collect(),
            removed: summed(all),
            notes: Value::Null,
        })
    }
}

fn add(to: &mut Option<DataFrame>, rows: Option<DataFrame>) -> Result<()> {
    match (to, rows) {
        (_, None) => Ok(()),
        (Some(all), Some(rows)) => all.vstack_mut_owned(rows).during("a part").map(|_| ()),
        (none, rows) => {
            *none = rows;
            Ok(())
        }
    }
}

/// Rows that were removed, one entry for each rule and fate, in the order in which these first appear.
pub(super) fn summed(removed: impl IntoIterator<Item = Removed>) -> Vec<Removed> {
    let mut all: Vec<Removed> = Vec::new();
    for taken in removed {
        match all.iter_mut().find(|known| known.rule == taken.rule && known.fate == taken.fate) {
            Some(known) => known.rows += taken.rows,
            None => all.push(taken),
        }
    }
    all
}

/// The whole of a kernel's `main`.
pub fn main<S: Stage>(arguments: &[std::ffi::OsString]) -> ExitCode {
    let who = format!("{} {KERNEL}", S::TOOL);
    tool::other_main(&who, || {
        let [round, files @ ..] = arguments else {
            return Err(Error::cannot_run(
                "the path of ROUND.json is expected, and behind it Parquet files, if rows do not come from stdin",
            )
            .hint("the engine calls it; see docs/adr/0023-spark-carries.md"));
        };
        let files: Vec<&Path> = files.iter().map(Path::new).collect();
        run::<S>(Path::new(round), &files)
    })
}

fn run<S: Stage>(path: &Path, files: &[&Path]) -> Result<Exit> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))?;
    let round: Round = serde_json::from_str(&text)
        .map_err(|error| Error::cannot_run(format!("{}: not the plan of a round: {error}", path.display())))?;
    let mut kept = Vec::new();
    let mut rows_in = 0;
    let worked = work::<S>(&round, files, &mut rows_in, &mut kept);
    let (exit, error) = match &worked {
        Ok(_) => (Exit::Done, None),
        // The engine tries again.
        Err(error) if error.class() == Class::TryAgain => return worked.map(|_| Exit::Done),
        Err(error) => (Exit::from(error.class()), Some(error)),
    };
    let message = error.map(|error| error.message().to_owned());
    let hint = error.and_then(|error| error.way_out().map(str::to_owned));
    let PartsMade { removed, notes, .. } = worked.as_ref().map_or_else(|_| PartsMade::default(), copy);
    let taken = |Removed { rule, fate, rows }| Taken { rule, fate, rows };
    let answer = Answer {
        kernel: VERSION,
        exit: exit.code(),
        rows_in,
        message,
        hint,
        parts: kept.clone(),
        books: removed.into_iter().map(taken).collect(),
        notes,
    };
    let line = serde_json::to_string(&answer).map_err(|error| Error::cannot_run(error.to_string()))? + "\n";
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()) {
        // No answer names them.
        kept.iter().for_each(|part| drop(std::fs::remove_file(&part.path)));
        return Err(Error::try_again(format!("the engine does not read the answer: {error}")));
    }
    Ok(exit)
}

/// Without the tables.
fn copy(made: &PartsMade) -> PartsMade {
    PartsMade { tables: Vec::new(), removed: made.removed.clone(), notes: made.notes.clone() }
}

fn work<S: Stage>(round: &Round, files: &[&Path], rows_in: &mut u64, kept: &mut Vec<Part>) -> Result<PartsMade> {
    let version = env!("CARGO_PKG_VERSION");
    if round.tool != S::TOOL || round.version != VERSION || round.written_by != version {
        return Err(Error::cannot_run(format!(
            "the plan is of {} {}, and this is {} {version}",
            round.tool,
            round.written_by,
            S::TOOL
        ))
        .hint("the executors need the driver's own program"));
    }
    let columns = scan_files(&[&round.columns])?.collect_schema().during(round.columns.display())?;
    let rows = match files {
        [] => read_stream(std::io::stdin().lock())?,
        files => {
            let wanted: Vec<Expr> = columns.iter_names().map(|name| col(name.clone())).collect();
            artifact::collect(scan_files(files)?.select(wanted), "rows")?
        }
    };
    let rows = as_planned(rows, &columns)?;
    *rows_in = rows.height() as u64;
    let rows = round.order.sorted(rows)?;
    let variables = round.variables.iter().filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
    let variables: BTreeMap<String, String> = variables.collect();
    let task = Task { rows, order: round.order.clone(), task: round.task.clone(), env: Environment::new(variables) };
    let made = S::kernel(task)?;
    for (name, rows) in &made.tables {
        if rows.width() > 0 {
            kept.push(write(round, name, rows)?);
        }
    }
    Ok(made)
}

/// Writes and seals a part under a name that no other attempt has.
fn write(round: &Round, name: &str, rows: &DataFrame) -> Result<Part> {
    let path: PathBuf = round.folder.join(format!("{name}-{}.parquet", uuid::Uuid::now_v7()));
    let mut writer = TableWriter::create(&path, rows.schema())?.without_summary();
    writer.write(rows.clone())?;
    let written = writer.finish()?;
    let part = Part { name: name.to_owned(), path: path.clone(), rows: written.rows, content: written.content.clone() };
    let evidence = Evidence {
        version: round.written_by.clone(),
        run: round.run.clone(),
        spec: round.spec.clone(),
        books: Books { rows_in: written.rows, rows_out: written.rows, entries: Vec::new() },
        content: written.content.clone(),
        ..Evidence::of(round.tool, &round.pipeline, name, Stamp::now().time())
    };
    written.publish(&path, &evidence)?;
    Ok(part)
}
