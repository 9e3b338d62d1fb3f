//! What a stage hands to the shell for publishing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use artifact::{Batches, Books, CheckResult, Definitions, Input, Lineage, Notes};
use polars::prelude::{DataFrame, LazyFrame, Schema};
use spec::{Error, Result};

use crate::rendered::Rows;

/// One thing to publish.
pub enum Output {
    Table(TableOutput),
    /// A table that is made from others of this run.
    Derived(Derived),
    /// A table in another format than Parquet.
    Rendered(RenderedOutput),
    /// An artifact of an earlier run that stays part of the output.
    Kept(Kept),
    File(FileOutput),
    Folder(FolderOutput),
}

impl Output {
    /// The table that it is, if it is one.
    pub(crate) fn table(&self) -> Option<&str> {
        match self {
            Output::Table(output) => Some(&output.table),
            Output::Derived(derived) => Some(&derived.table),
            Output::Rendered(output) => Some(&output.table.table),
            Output::Kept(kept) => Some(&kept.table),
            // Those in a folder are judged with it and are not there for others.
            Output::File(_) | Output::Folder(_) => None,
        }
    }
}

/// An artifact of an earlier run, to which this one adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub table: String,
    /// Relative to the root.
    pub path: PathBuf,
}

/// A table that is made from others of the same run, or that has to know them to say whether it must be made again:
/// [`crate::Stage::derive`] makes it, once they are written.
pub struct Derived {
    pub table: String,
    /// The tables that it needs; the run publishes each.
    pub needs: Vec<String>,
}

/// Finds a table of the run by its name.
pub type Finished<'a> = dyn Fn(&str) -> Result<FinishedTable> + 'a;

/// A table of the run that is written, or that stays as it was: rows that its checks refused are not in it.
pub struct FinishedTable {
    pub frame: LazyFrame,
    pub rows: u64,
    /// Its artifacts, under the names that they will have.
    pub inputs: Vec<Input>,
    pub definitions: Option<Definitions>,
}

/// A table, written as `<table>_<time>.parquet`, with its refused rows and its change log beside it.
pub struct TableOutput {
    pub table: String,
    pub schema: Schema,
    /// Columns of the refused rows, if they differ from `schema` plus the reason.
    pub refused_schema: Option<Schema>,
    /// Columns of the change log that comes with the batches, if there is one.
    pub changes: Option<Schema>,
    pub batches: Batches,
    pub books: BooksOf,
    pub empty: Empty,
    /// What the source reports once the last batch was taken.
    pub finish: Box<dyn FnOnce() -> Facts>,
    /// Receives the rows of each batch that are passed on, after the row checks and before the next batch is taken.
    pub accepted: Accepted,
    /// The table that takes its place if its batches end in an error after which another try may succeed.
    pub fallback: Option<Fallback>,
    /// What the columns mean.
    pub definitions: Option<Definitions>,
    /// From which input columns each column comes, as far as the stage's plan says it.
    pub lineage: Option<Lineage>,
    /// Checks of the rows by the stage itself, known at the end of the batches: they count like checks of the spec.
    pub judged: Box<dyn FnOnce() -> Judged>,
    /// What else the evidence should say.
    pub notes: Notes,
}

/// What a source reports about a table once the last batch was taken.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// How far an incremental source has come.
    pub bookmark: Option<serde_json::Value>,
    /// Files without rows that were skipped.
    pub passed: Vec<String>,
    /// What makes it likely that the source holds more than was read: a warning.
    pub doubts: Vec<String>,
}

/// Checks by a stage itself of the rows that went through it.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    pub checks: Vec<CheckResult>,
    /// Cells that the rows were made from, and how many of them were empty: they count in the table's quality.
    pub cells: u64,
    pub nulls: u64,
    /// Whether the table is the record of what was judged: then it keeps its name even if one of these checks refuses the
    /// run, for anyone who looks into it, beside the previous output.
    pub is_record: bool,
}

/// What a table without rows means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// Something went wrong: the run is refused.
    Refused,
    /// Nothing unusual: it is published.
    Published,
    /// Nothing new: if no row came in either, nothing is written.
    Nothing,
}

/// Sees rows that are passed on.
pub type Accepted = Box<dyn FnMut(&DataFrame) -> Result<()>>;

/// Makes another table in place of one that failed with this error.
pub type Fallback = Box<dyn FnOnce(&Error) -> Result<TableOutput>>;

/// Where the books of a table come from.
pub enum BooksOf {
    /// Each row is passed on or removed by a rule; this many went in, counted apart from the batches.
    Rows(Arc<AtomicU64>),
    /// The stage aggregates and keeps the books itself.
    Given(Books),
}

impl TableOutput {
    /// A table in which every row comes from one of `rows_in` rows.
    pub fn new(table: impl Into<String>, schema: Schema, batches: Batches, rows_in: u64) -> TableOutput {
        TableOutput {
            table: table.into(),
            schema,
            refused_schema: None,
            changes: None,
            batches,
            books: BooksOf::Rows(rows_of(rows_in)),
            empty: Empty::Refused,
            finish: Box::new(Facts::default),
            accepted: Box::new(|_| Ok(())),
            fallback: None,
            definitions: None,
            lineage: None,
            judged: Box::new(Judged::default),
            notes: Notes::default(),
        }
    }
}

/// A table that is written in a format of its own, as `<table>_<time>.<extension>`: its checks are judged before the
/// first byte is, and its refused rows are kept beside it.
pub struct RenderedOutput {
    pub table: TableOutput,
    pub extension: String,
    pub write: WriteRows,
}

/// Writes the rows of a table to a file, which errors call by the text.
pub type WriteRows = Box<dyn FnOnce(Rows, &mut File, &str) -> Result<WriteResult>>;

/// The result of writing a table in a format of its own.
#[derive(Clone, Debug, Default)]
pub struct WriteResult {
    pub rows: u64,
    /// Of a table that went elsewhere: what was read back there.
    pub receipt: Option<artifact::Receipt>,
}

/// A file that is not a table, written as `<stem>_<time>.<extension>`.
pub struct FileOutput {
    pub stem: String,
    pub extension: String,
    pub write: WriteFile,
    pub books: Books,
    pub notes: Notes,
}

/// Writes a file's content. The path is the one that the file will have, for errors.
pub type WriteFile = Box<dyn FnOnce(&mut File, &Path) -> Result<()>>;

/// Writes a folder's files.
pub type WriteFolder = Box<dyn FnOnce(&Path) -> Result<()>>;

/// A folder that appears whole, such as a model version.
pub struct FolderOutput {
    pub name: String,
    pub write: WriteFolder,
    /// Tables to be written into the folder, checked and sealed with the run's evidence, as `<name>.parquet`; refused
    /// rows as `<name>.refused.parquet`.
    pub tables: Vec<(String, DataFrame)>,
    pub books: Books,
    pub notes: Notes,
    /// From which input columns it was made, under a name of the maker's choice.
    pub lineage: Option<Lineage>,
    /// What to do once the folder has its name, before the snapshot is replaced. An interruption waits for it: nothing that
    /// takes long, and nothing that goes over the network.
    pub then: Box<dyn FnOnce() -> Result<()>>,
    /// Whether the folder becomes the stage's output.
    pub standing: Standing,
}

/// Whether what was written becomes the stage's current output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Current,
    /// Kept for anyone who looks into it, but the previous output stands and the run is refused for this reason.
    Refused(String),
}

/// A count of rows that is known already.
pub fn rows_of(count: u64) -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(count))
}

pub(crate) fn counted(rows: &AtomicU64) -> u64 {
    rows.load(Ordering::SeqCst)
}
