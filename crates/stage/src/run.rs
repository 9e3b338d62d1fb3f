//! One run of a stage, from the command line to the exit code. Read [`execute`] as a table of contents.

use std::cell::{Cell, OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Instant;

use alert::EventClass;
use artifact::{Input, Publishing, Snapshot, Stamp};
use spec::text::count;
use spec::{Error, Exit, Name, Result, Tool};
use tool::signals::{Interrupted, watch};
use tool::{About, Common, Dataset, Program, Progress, Project, RunLog, Source, caught};

use crate::args::Arguments;
use crate::drafts::Drafting;
use crate::engine::{Engine, stays_here};
use crate::gates::{StageSpec, read_spec, schema};
use crate::inputs::latest_of;
use crate::later::Later;
use crate::mirror::{Candidate, Mirror};
use crate::publication::Publication;
use crate::publish::{publish, release, send_journals};
use crate::up_to_date::{Answer, Key, LastComparison, answer};
use crate::verification::{Verification, verify};
use crate::{Cause, Job, Stage};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A stage as a program.
pub struct Staged<S>(std::marker::PhantomData<S>);

impl<S: Stage> Program for Staged<S> {
    const TOOL: Tool = S::TOOL;
    const ABOUT: About = S::ABOUT;
    const USAGE: Option<&'static str> = Some("<PIPELINE> [ARTIFACT]...");
    const INPUTS: Option<&'static str> = S::INPUTS;
    const MORE_SCHEMAS: tool::MoreSchemas = S::MORE_SCHEMAS;
    type Arguments = Arguments<S::Flags>;

    fn schema() -> serde_json::Value {
        schema::<S>()
    }

    fn subject(arguments: &Arguments<S::Flags>) -> String {
        arguments.pipeline.clone().unwrap_or_default()
    }

    fn run(arguments: Arguments<S::Flags>, common: Common) -> Result<Exit> {
        execute::<S>(arguments, &common)
    }
}

fn execute<S: Stage>(arguments: Arguments<S::Flags>, common: &Common) -> Result<Exit> {
    let Arguments { pipeline, artifacts: named, run: flags_of_run, flags } = arguments;
    let pipeline = Name::new(pipeline.unwrap_or_default()).map_err(|error| error.context("PIPELINE"))?;
    let who = format!("{} {pipeline}", S::TOOL);
    let Project { root, env } = Project::open()?;
    let file = root.spec(&pipeline, S::TOOL)?;
    let StageSpec { body, checks, max_refused, described, hash } =
        read_spec::<S>(&spec::text_of(&root, &file)?, &file, &env)?;
    let mirror = Mirror::new(&root, &env)?;
    let mut artifacts = match S::reads_inputs(&flags) && (S::reads_upstream(&body) || !named.is_empty()) {
        true => S::artifacts(&pipeline, &named, &root, &mirror)?,
        false => Vec::new(),
    };
    for tool in S::also_reads(&body) {
        // The stage before was read already, or named inputs replace it.
        let is_read = S::reads_upstream(&body) || !named.is_empty();
        if !is_read || root.upstream(&pipeline, S::TOOL) != Some(tool) {
            artifacts.extend(latest_of(tool, &pipeline, &root, &mirror)?);
        }
    }
    if flags_of_run.verify {
        verify(&artifacts)?;
    }
    let engine = match Engine::of(flags_of_run.engine, &env)? {
        // The variable is for those that can; an engine that is named must be used or refused.
        engine if engine != Engine::Local && !S::IN_PARTS => match flags_of_run.engine {
            Some(_) => return Err(stays_here(S::TOOL)),
            None => Engine::Local,
        },
        engine => engine,
    };
    let progress = Progress::new(!common.quiet);
    let mut job = Job::<S> {
        stamp: Stamp::now(),
        pipeline,
        root,
        spec: body,
        spec_hash: format!("{hash}{}", S::variant(&flags)),
        checks,
        max_refused,
        described,
        flags,
        common: flags_of_run,
        env,
        mirror,
        named,
        artifacts,
        run: uuid::Uuid::now_v7().to_string(),
        progress,
        later: Later::default(),
        priority: Cell::default(),
        engine,
        carrier: OnceCell::new(),
        warnings: RefCell::default(),
    };
    watch(&who, Interrupted { clean_up: S::CLEAN_UP, ..INTERRUPTED })?;
    if let Some(exit) = S::beforehand(&job)? {
        return Ok(exit);
    }
    if job.common.dry_run {
        return dry_run(&job, &who);
    }
    let result = caught(|| attempt(&mut job, &who));
    // The lock is free: servers that are contacted now may take long, and hold up no other run.
    let after = caught(|| job.later.run());
    let warnings = job.warnings.take();
    if !warnings.is_empty() {
        alert(&job, EventClass::Warning, &warnings.join("; "), None);
    }
    result.and_then(|exit| after.map(|()| exit)).inspect_err(|error| {
        if !error.is_closed_pipe() {
            alert(&job, error.class().into(), error.message(), error.way_out());
        }
    })
}

/// What an interruption leaves behind.
const INTERRUPTED: Interrupted = Interrupted {
    clean_up: artifact::discard_all,
    unfinished: "nothing was published",
    while_sending: "while the store was being updated; the next run checks whether the update succeeded",
};

/// Notifies people of how the run went.
fn alert<S: Stage>(job: &Job<S>, class: EventClass, message: &str, hint: Option<&str>) {
    let is_there = Snapshot::read(&job.folder()).is_ok_and(|snapshot| snapshot.is_some());
    let source = Source {
        tool: S::TOOL,
        pipeline: &job.pipeline,
        run: &job.run,
        started: job.stamp.time(),
        priority: job.priority.get(),
        snapshot: is_there.then(|| S::TOOL.folder(&job.pipeline).join(artifact::LATEST)),
    };
    tool::alert(&job.root, &job.env, source, class, message, hint);
}

/// Waits for its turn, decides whether there is a reason to run, and runs.
fn attempt<S: Stage>(job: &mut Job<S>, who: &str) -> Result<Exit> {
    let shown = S::TOOL.folder(&job.pipeline);
    let _lock = tool::lock(&job.folder(), &shown, who, job.common.no_wait)?;
    artifact::sweep(&job.folder());
    job.stamp = free_stamp(&job.folder());
    for journal in S::JOURNALS {
        job.mirror.take_journal(&shown, journal)?;
    }
    if let Some(exit) = S::instead(job)? {
        send_journals(job)?;
        return Ok(exit);
    }
    let inputs = S::inputs(job)?;
    match decide(job, &inputs)? {
        Action::UpToDate(snapshot, why) => {
            if Snapshot::read(&job.folder())?.as_ref() != Some(&snapshot) {
                snapshot.write(&job.folder())?;
            }
            let drafting = Drafting { job, who, inputs: &inputs, findings: RefCell::default() };
            let failures = drafting.recheck(&snapshot.paths)?;
            if !failures.is_empty() {
                let refused = Error::refused(failures.join("; "))
                    .hint("nothing that it reads has changed since the last run; the output is unchanged");
                return recorded(job, who, &inputs, || Err(refused)).map(|_| Exit::Done);
            }
            tracing::info!(up_to_date = true, "{who}: {why}");
            print(&snapshot.paths)?;
            Ok(Exit::Done)
        }
        Action::Release(snapshot) => {
            let paths = recorded(job, who, &inputs, || {
                tracing::info!("{who}: sends what an earlier run wrote");
                let guard = release(job, who, &snapshot, artifact::publishing())?;
                Ok((Publication::of(&job.root, &snapshot)?, guard))
            })?;
            print(&paths)?;
            Ok(Exit::Done)
        }
        Action::Run(reason) => {
            let mut paths = Vec::new();
            loop {
                job.carrier = OnceCell::new();
                // An artifact that was fetched from the store meanwhile may have taken the time that was free before.
                job.stamp = free_stamp(&job.folder());
                match once(job, who, &inputs, &reason) {
                    Ok(written) => paths = written,
                    Err(error) => S::failed(job, error)?,
                }
                if !S::more(job)? {
                    break;
                }
                job.run = uuid::Uuid::now_v7().to_string();
            }
            print(&paths)?;
            Ok(Exit::Done)
        }
    }
}

/// Runs the stage and publishes what it gives.
fn once<S: Stage>(job: &Job<S>, who: &str, inputs: &[Input], reason: &str) -> Result<Vec<PathBuf>> {
    recorded(job, who, inputs, || {
        tracing::info!(reason, "{who}: runs because {reason}");
        let mut verification = match job.common.verify {
            true => Verification::done(),
            false => Verification::begin(&job.artifacts),
        };
        caught(|| publish(job, who, S::run(job)?, inputs, &mut verification))
            .map_err(|error| verification.or_cause(error))
    })
}

/// Does and records the part that takes time. Returns the stage's whole output, relative to the root.
fn recorded<S: Stage>(
    job: &Job<S>,
    who: &str,
    inputs: &[Input],
    work: impl FnOnce() -> Result<(Publication, Publishing)>,
) -> Result<Vec<PathBuf>> {
    let began = Instant::now();
    let read: Vec<Dataset> = inputs.iter().map(|input| Dataset::named(&input.path)).collect();
    let begin = || RunLog::begin(&job.root, &job.env, &job.run, S::TOOL, &job.pipeline, &read);
    let outcome = tool::recorded(begin, work, |(publication, _)| publication.datasets());
    job.progress.end();
    let ((publication, guard), log) = outcome?;
    drop(guard);
    summary(who, &publication, began);
    if publication.items.is_empty()
        && let Err(error) = LastComparison::write(&job.folder(), &publication.paths, &key(job, inputs))
    {
        tracing::warn!("{who}: what was compared could not be noted, so the next run compares again: {error}");
    }
    log.post();
    job.warnings.borrow_mut().extend(publication.warnings());
    Ok(publication.paths)
}

fn summary(who: &str, publication: &Publication, began: Instant) {
    for item in &publication.items {
        let seconds = began.elapsed().as_secs_f64();
        let books = &item.books;
        tracing::info!(
            table = item.table,
            rows_in = books.rows_in,
            rows_out = books.rows_out,
            // For orchestrators, which read log lines and no footers.
            books = serde_json::to_string(books).unwrap_or_default(),
            bytes = item.bytes,
            seconds,
            cpu_seconds = artifact::cpu_time().as_secs_f64(),
            evidence_cpu_seconds = item.evidence.as_secs_f64(),
            path = %item.path.display(),
            "{who}: {}",
            item.in_words()
        );
        if let Some(refused) = &item.refused {
            tracing::info!("{who}: refused rows are in {}", refused.display());
        }
        if let Some(changes) = &item.changes {
            let (path, rows) = (changes.path.display(), changes.rows);
            let (cells, are) = (count(rows, "changed cell"), if rows == 1 { "is" } else { "are" });
            tracing::info!(rows, "{who}: {cells} of '{}' {are} logged in {path}", item.table);
        }
    }
}

/// What a run has to do.
enum Action {
    /// Nothing: this is the stage's output, with the reason: mostly, that a run would give the same.
    UpToDate(Snapshot, String),
    /// A run would give this again, but it is not published everywhere yet.
    Release(Snapshot),
    /// All, for this reason.
    Run(String),
}

/// What decides whether an output is what this run would write.
fn key<'a, S: Stage>(job: &'a Job<S>, inputs: &'a [Input]) -> Key<'a> {
    let pipeline = job.pipeline.as_str();
    Key { tool: S::TOOL, pipeline, spec: &job.spec_hash, version: VERSION, inputs }
}

fn decide<S: Stage>(job: &Job<S>, inputs: &[Input]) -> Result<Action> {
    if job.common.force {
        return Ok(Action::Run("of --force".to_owned()));
    }
    if let Some(cause) = S::cause(job) {
        return Ok(Action::Run(cause));
    }
    let key = key(job, inputs);
    let looked = LastComparison::read(&job.folder());
    let mut why = None;
    for Candidate { snapshot, released } in job.mirror.candidates(&S::TOOL.folder(&job.pipeline))? {
        match answer(&job.root, Some(&snapshot), looked.as_ref(), &key)? {
            Answer::UpToDate if released => return Ok(Action::UpToDate(snapshot, "up to date".to_owned())),
            Answer::UpToDate => return Ok(Action::Release(snapshot)),
            Answer::InputsChanged(reason) => match S::enough(job, &snapshot, reason)? {
                Cause::Enough(reason) => why = why.or(Some(reason)),
                Cause::NotYet(reason) if released => return Ok(Action::UpToDate(snapshot, reason)),
                Cause::NotYet(_) => return Ok(Action::Release(snapshot)),
            },
            Answer::Run(reason) => why = why.or(Some(reason)),
        }
    }
    Ok(Action::Run(why.unwrap_or_else(|| "it has not run yet".to_owned())))
}

/// Reports what a run would do. Takes no lock and publishes nothing.
fn dry_run<S: Stage>(job: &Job<S>, who: &str) -> Result<Exit> {
    let inputs = S::inputs(job)?;
    match decide(job, &inputs)? {
        Action::UpToDate(_, why) => tracing::info!("{who}: would not run: {why}"),
        Action::Release(_) => tracing::info!("{who}: would send what an earlier run wrote"),
        Action::Run(reason) => {
            tracing::info!("{who}: would run because {reason}");
            for input in &inputs {
                let rows = input.rows.map(|rows| format!(" ({})", count(rows, "row"))).unwrap_or_default();
                tracing::info!("{who}: would read {}{rows}", input.path);
            }
            tracing::info!("{who}: would write to {}", S::TOOL.folder(&job.pipeline).display());
        }
    }
    Ok(Exit::Done)
}

/// A time that no artifact in `folder` has yet: nothing is ever overwritten.
fn free_stamp(folder: &Path) -> Stamp {
    let names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let mut stamp = Stamp::now();
    while names.iter().any(|name| name.contains(&stamp.to_string())) {
        stamp = stamp.next();
    }
    stamp
}

fn print(paths: &[PathBuf]) -> Result<()> {
    tool::print(&paths.iter().map(|path| format!("{}\n", path.display())).collect::<String>())
}
