//! What every stage of a pipeline shares: inputs, lock, up-to-date check, gates, publishing, run log.
//!
//! A tool that publishes implements [`Stage`] and its `main` calls [`main`]. The order of a run is in the module
//! `run`: what
//! docs/architecture.md, sections 2 to 5, promises is kept there once, for all stages. What any program needs, whether it
//! publishes or not, is in the crate `tool`.

mod args;
mod aside;
mod describe;
mod drafts;
pub mod engine;
mod gates;
mod incoming;
mod inputs;
mod later;
mod mirror;
mod output;
mod publication;
mod publish;
mod recheck;
mod refusals;
mod refused_rows;
mod rehearsal;
mod rendered;
mod run;
mod up_to_date;
mod verification;

use std::cell::{Cell, OnceCell, RefCell};
use std::path::PathBuf;
use std::process::ExitCode;

use alert::Priority;
use artifact::{Artifact, Input, Snapshot, Stamp};
use checks::Checks;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use spec::{Environment, Error, Exit, Name, Result, Root, Tool, Url};
use tool::{About, Call, Entry, Progress};

pub use args::RunFlags;
pub use describe::Descriptions;
pub use gates::{StageSpec, body_of, read_spec};
pub use inputs::{data_arguments, upstream};
pub use later::Later;
pub use mirror::Mirror;
pub use output::{
    Accepted, BooksOf, Derived, Empty, Facts, FileOutput, Finished, FinishedTable, FolderOutput, Judged, Kept, Output,
    RenderedOutput, Standing, TableOutput, WriteResult, rows_of,
};
pub use refusals::MaxRefused;
pub use rehearsal::{Rehearsal, Rehearsed, rehearse};
pub use rendered::{Rows, checked};
/// What the error of [`Mirror::send`] says if another machine has taken the name.
pub use store::NAME_IS_TAKEN;

/// A stage of the pipeline. Two methods are required; the rest have sound defaults.
pub trait Stage: Sized {
    /// Which tool it is: decides names, folders and the upstream stage.
    const TOOL: Tool;

    /// What its `--help` says.
    const ABOUT: About;

    /// The body of `resources/<pipeline>/<tool>.yaml`, but for `checks`, which the shell reads.
    type Spec: DeserializeOwned + JsonSchema;

    /// This run's own flags, beyond those that all tools have.
    type Flags: clap::Args;

    /// What `--help` says of the inputs on the command line, if they are not artifacts of the stage before.
    const INPUTS: Option<&'static str> = None;

    /// Further YAML files that it reads, with their JSON Schemas: `--schema=NAME` prints them.
    const MORE_SCHEMAS: tool::MoreSchemas = &[];

    /// Files in the stage's folder to which it only ever appends, and which the project's store keeps too.
    const JOURNALS: &'static [&'static str] = &[];

    /// What an interruption does first. Default: it removes what is half-done.
    const CLEAN_UP: fn() = artifact::discard_all;

    /// The tables that it publishes: those that may have checks.
    fn tables(spec: &Self::Spec) -> Vec<String>;

    /// What is wrong with the file as a whole, such as keys that have no effect together: an error that says by
    /// [`Error::at`] where. Default: nothing.
    fn fault(_spec: &Self::Spec) -> Option<Error> {
        None
    }

    /// Does the work: returns what is to be published, mostly as plans that the shell will run.
    fn run(job: &Job<Self>) -> Result<Vec<Output>>;

    /// Makes a table that [`Stage::run`] gave as [`Output::Derived`], or says that an earlier artifact of it stays
    /// ([`Output::Kept`]). `finished` finds the tables that it needs. Default: there are none.
    fn derive(_job: &Job<Self>, table: &str, _finished: &Finished<'_>) -> Result<Output> {
        Err(Error::cannot_run(format!("table '{table}' cannot be made from others")).hint("please report it"))
    }

    /// What the run reads, for evidence and for the up-to-date check. Default: the input artifacts.
    fn inputs(job: &Job<Self>) -> Result<Vec<Input>> {
        job.artifacts.iter().map(Artifact::as_input).collect()
    }

    /// Whether this run reads input artifacts at all. Default: yes.
    fn reads_inputs(_flags: &Self::Flags) -> bool {
        true
    }

    /// How the arguments become input artifacts. Default: the named ones, else the upstream's `latest`.
    fn artifacts(pipeline: &Name, named: &[String], root: &Root, mirror: &Mirror) -> Result<Vec<Artifact>> {
        upstream(Self::TOOL, pipeline, named, root, mirror)
    }

    /// What a kernel makes of a part of a table, if the stage can be done in parts (ADR 0023). Default: it cannot.
    fn kernel(_task: engine::Task) -> Result<engine::PartsMade> {
        Err(engine::stays_here(Self::TOOL))
    }

    /// Whether the stage can be done in parts, by [`Stage::kernel`]. Default: no.
    const IN_PARTS: bool = false;

    /// Whether the spec reads the output of the stage before. Default: yes.
    fn reads_upstream(_spec: &Self::Spec) -> bool {
        true
    }

    /// Stages whose current output the spec reads as well. Default: none.
    fn also_reads(_spec: &Self::Spec) -> Vec<Tool> {
        Vec::new()
    }

    /// The flags that change the output, as text: part of the up-to-date check.
    fn variant(_flags: &Self::Flags) -> String {
        String::new()
    }

    /// A reason to run that neither inputs nor spec show.
    fn cause(_job: &Job<Self>) -> Option<String> {
        None
    }

    /// Whether changed inputs are reason enough to run. `snapshot` is what the stage wrote last, `reason` the change. Answered
    /// from footers, before any work. Default: they always are.
    fn enough(_job: &Job<Self>, _snapshot: &Snapshot, reason: String) -> Result<Cause> {
        Ok(Cause::Enough(reason))
    }

    /// Whether there is more to do after a run that published, such as the next window of a backfill.
    fn more(_job: &Job<Self>) -> Result<bool> {
        Ok(false)
    }

    /// What to do with an error of a run. Default: it ends the tool. A stage of independent parts notes it, and continues with
    /// what [`Stage::more`] says is left; once nothing is, `more` returns the error.
    fn failed(_job: &Job<Self>, error: Error) -> Result<()> {
        Err(error)
    }

    /// Files of `snapshot` that are copied to a folder in a store before they become the stage's output. Default: none.
    fn deliveries(_job: &Job<Self>, _snapshot: &Snapshot) -> Result<Vec<(Url, PathBuf)>> {
        Ok(Vec::new())
    }

    /// Another command that reads none of the project's data, and so takes no lock: such as `--test`. `None`: continue.
    fn beforehand(_job: &Job<Self>) -> Result<Option<Exit>> {
        Ok(None)
    }

    /// Another command than running the stage, such as `--prove`. `None`: run the stage.
    fn instead(_job: &Job<Self>) -> Result<Option<Exit>> {
        Ok(None)
    }
}

/// Whether there is a reason to run.
pub enum Cause {
    /// There is: the reason.
    Enough(String),
    /// There is none: what people should know, such as what is missing.
    NotYet(String),
}

/// One run of a stage.
pub struct Job<S: Stage> {
    pub pipeline: Name,
    pub root: Root,
    pub spec: S::Spec,
    /// Hash of the spec file and of the variables it read, with [`Stage::variant`] behind it: equal ones mean equal output
    /// of equal inputs.
    pub spec_hash: String,
    /// The gates by table: every stage's file may hold them under `checks`.
    pub checks: Checks,
    /// The largest share of rows that may be refused.
    pub max_refused: MaxRefused,
    /// Descriptions of the tables.
    pub described: Descriptions,
    pub flags: S::Flags,
    pub common: RunFlags,
    pub env: Environment,
    /// The project's object store, if it has one.
    pub mirror: Mirror,
    /// The arguments after the pipeline, as given.
    pub named: Vec<String>,
    /// The inputs, known by their footers.
    pub artifacts: Vec<Artifact>,
    /// When the run began; the time in the names of its artifacts.
    pub stamp: Stamp,
    /// One id for all that this run writes.
    pub run: String,
    pub progress: Progress,
    /// What waits until the stage's lock is free.
    pub later: Later,
    /// How urgent an alert of this run is, where the stage knows better than `resources/alerts.yaml`.
    pub priority: Cell<Option<Priority>>,
    /// What does the work.
    pub(crate) engine: engine::Engine,
    /// The driver's end of the engine, once it is needed.
    pub(crate) carrier: OnceCell<engine::Carrier>,
    /// The soft checks that failed: people are notified once the lock is free.
    warnings: RefCell<Vec<String>>,
}

impl<S: Stage> Job<S> {
    /// The folder that this stage owns, as opened.
    pub fn folder(&self) -> PathBuf {
        self.root.join(S::TOOL.folder(&self.pipeline))
    }

    /// What this stage published last; its artifacts are on disk.
    pub fn published(&self) -> Result<Option<Snapshot>> {
        let snapshot = self.mirror.latest(&S::TOOL.folder(&self.pipeline))?;
        for path in snapshot.iter().flat_map(|snapshot| &snapshot.paths) {
            self.mirror.bring(path)?;
        }
        Ok(snapshot)
    }

    /// What does the work in parts, if it is done in parts.
    pub fn carrier(&self) -> Result<Option<&engine::Carrier>> {
        if self.engine == engine::Engine::Local {
            return Ok(None);
        }
        if self.carrier.get().is_none() {
            let carrier = engine::Carrier::new(self, self.engine)?;
            let _ = self.carrier.set(carrier);
        }
        Ok(self.carrier.get())
    }

    /// A lazy scan of an input table.
    pub fn scan(&self, table: &str) -> Result<polars::prelude::LazyFrame> {
        artifact::scan(&self.artifacts, table)
    }

    /// Rows of an input table, from footers.
    pub fn rows(&self, table: &str) -> Result<u64> {
        self.artifacts.iter().filter(|a| a.is_table() && a.table == table).map(Artifact::rows).sum()
    }
}

/// The whole of a stage's `main`.
pub fn main<S: Stage>(call: Call) -> ExitCode {
    artifact::set_up_engine();
    if let [first, rest @ ..] = call.arguments.as_slice()
        && first == engine::KERNEL
    {
        return engine::kernel_main::<S>(rest);
    }
    tool::main::<run::Staged<S>>(call)
}

/// A stage, as its own program and the command `millrace` call it.
pub const fn entry<S: Stage>() -> Entry {
    Entry { main: main::<S>, ..Entry::of::<run::Staged<S>>() }
}
