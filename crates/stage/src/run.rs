//! One run of a stage, from the command line to the exit code. Read [`execute`] as a table of contents.

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use artifact::{Input, Publishing, Snapshot, Stamp};
use checks::Checks;
use spec::{Environment, Error, Exit, Name, Result, Root};

use crate::args::Asked;
use crate::gates::{CHECKS, StageSpec, read_spec};
use crate::later::Later;
use crate::mirror::{Candidate, Mirror};
use crate::progress::Progress;
use crate::publication::Publication;
use crate::publish::{publish, release, send_journals};
use crate::refusals::{MAX_REFUSED, MaxRefused};
use crate::runlog::RunLog;
use crate::up_to_date::{Answer, Key, Looked, answer};
use crate::verification::{Verification, verify};
use crate::{Job, Stage, alarm, args, console, lock, panics, signals};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs the tool and says how it went.
pub fn run<S: Stage>() -> Exit {
    let asked = match args::parse::<S>() {
        Ok(asked) => asked,
        Err(exit) => return exit,
    };
    if asked.common.schema {
        return finish::<S>("", print_schema::<S>());
    }
    console::begin(asked.common.log_format, asked.common.quiet);
    panics::keep_quiet();
    let who = asked.pipeline.clone();
    finish::<S>(&who, panics::caught(|| execute::<S>(asked)))
}

fn finish<S: Stage>(pipeline: &str, result: Result<Exit>) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(error) if error.is_closed_pipe() => Exit::Done,
        Err(error) => {
            let exit = Exit::from(error.class());
            tracing::error!(tool = S::TOOL.name(), pipeline, exit = exit.code(), "{} {pipeline}: {error}", S::TOOL);
            exit
        }
    }
}

fn execute<S: Stage>(asked: Asked<S::Flags>) -> Result<Exit> {
    let pipeline = Name::new(asked.pipeline).map_err(|error| error.context("PIPELINE"))?;
    let who = format!("{} {pipeline}", S::TOOL);
    let root = Root::find()?;
    let env = Environment::of_process(root.path())?;
    console::redact_with(env.redactor());
    let file = root.spec(&pipeline, S::TOOL)?;
    let StageSpec { body, checks, max_refused, hash } = read_spec::<S>(&spec::text_of(&root, &file)?, &file, &env)?;
    let mirror = Mirror::new(&root, &env)?;
    let artifacts = match S::reads_inputs(&asked.flags) {
        true => S::artifacts(&pipeline, &asked.artifacts, &root, &mirror)?,
        false => Vec::new(),
    };
    if asked.common.verify {
        verify(&artifacts)?;
    }
    let progress = Progress::new(!asked.common.quiet);
    let mut job = Job::<S> {
        stamp: Stamp::now(),
        pipeline,
        root,
        spec: body,
        spec_hash: format!("{hash}{}", S::variant(&asked.flags)),
        checks,
        max_refused,
        flags: asked.flags,
        common: asked.common,
        env,
        mirror,
        named: asked.artifacts,
        artifacts,
        run: uuid::Uuid::now_v7().to_string(),
        progress,
        later: Later::default(),
        warnings: RefCell::default(),
    };
    signals::watch(&who)?;
    if job.common.dry_run {
        return dry_run(&job, &who);
    }
    let result = panics::caught(|| attempt(&mut job, &who));
    // The lock is free: whoever is told now may take long, and holds up no other run.
    let told = panics::caught(|| job.later.run());
    alarm::warned(&job, &job.warnings.take());
    result.and_then(|exit| told.map(|()| exit)).inspect_err(|error| {
        if !error.is_closed_pipe() {
            alarm::failed(&job, error);
        }
    })
}

/// Waits for its turn, decides whether there is cause to run, and runs.
fn attempt<S: Stage>(job: &mut Job<S>, who: &str) -> Result<Exit> {
    let shown = S::TOOL.folder(&job.pipeline);
    let _lock = lock::lock(&job.folder(), &shown, who, job.common.no_wait)?;
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
        Course::UpToDate(snapshot) => {
            if Snapshot::read(&job.folder())?.as_ref() != Some(&snapshot) {
                snapshot.write(&job.folder())?;
            }
            tracing::info!(up_to_date = true, "{who}: up to date");
            print(&snapshot.paths)?;
            Ok(Exit::Done)
        }
        Course::Release(snapshot) => {
            let paths = recorded(job, who, &inputs, || {
                tracing::info!("{who}: sends what an earlier run wrote");
                let guard = release(job, who, &snapshot, artifact::publishing())?;
                Ok((Publication::of(&job.root, &snapshot)?, guard))
            })?;
            print(&paths)?;
            Ok(Exit::Done)
        }
        Course::Run(reason) => {
            let mut paths = once(job, who, &inputs, &reason)?;
            while S::more(job)? {
                job.stamp = free_stamp(&job.folder());
                job.run = uuid::Uuid::now_v7().to_string();
                paths = once(job, who, &inputs, &reason)?;
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
        panics::caught(|| publish(job, who, S::run(job)?, inputs, &mut verification))
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
    let log = signals::begin(|| RunLog::begin(&job.root, &job.env, &job.run, S::TOOL, &job.pipeline, inputs))?;
    log.post();
    let result = panics::caught(work);
    job.progress.end();
    match result {
        Ok((publication, guard)) => {
            signals::end(|| log.complete(&publication));
            drop(guard);
            summary(who, &publication, began);
            if publication.items.is_empty() {
                let key = key(job, inputs);
                if let Err(error) = Looked::write(&job.folder(), &publication.paths, &key) {
                    tracing::warn!("{who}: the next run looks again: {error}");
                }
            }
            log.post();
            job.warnings.borrow_mut().extend(publication.warnings());
            Ok(publication.paths)
        }
        Err(error) => {
            signals::end(|| log.fail(&console::redact(&error.to_string())));
            log.post();
            Err(error)
        }
    }
}

fn summary(who: &str, publication: &Publication, began: Instant) {
    for item in &publication.items {
        let seconds = began.elapsed().as_secs_f64();
        let books = &item.books;
        tracing::info!(
            table = item.table,
            rows_in = books.rows_in,
            rows_out = books.rows_out,
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
            tracing::info!(rows, "{who}: {rows} changed cells of '{}' are logged in {path}", item.table);
        }
    }
}

/// What a run has to do.
enum Course {
    /// Nothing: this is the stage's output, and what would come out again.
    UpToDate(Snapshot),
    /// This would come out again, but it is not everywhere yet where it has to be.
    Release(Snapshot),
    /// All, for this reason.
    Run(String),
}

/// What decides whether an output is what this run would write.
fn key<'a, S: Stage>(job: &'a Job<S>, inputs: &'a [Input]) -> Key<'a> {
    let pipeline = job.pipeline.as_str();
    Key { tool: S::TOOL, pipeline, spec: &job.spec_hash, version: VERSION, inputs }
}

fn decide<S: Stage>(job: &Job<S>, inputs: &[Input]) -> Result<Course> {
    if job.common.force {
        return Ok(Course::Run("of --force".to_owned()));
    }
    if let Some(cause) = S::cause(job) {
        return Ok(Course::Run(cause));
    }
    let key = key(job, inputs);
    let looked = Looked::read(&job.folder());
    let mut why = None;
    for Candidate { snapshot, released } in job.mirror.candidates(&S::TOOL.folder(&job.pipeline))? {
        match answer(&job.root, Some(&snapshot), looked.as_ref(), &key)? {
            Answer::UpToDate if released => return Ok(Course::UpToDate(snapshot)),
            Answer::UpToDate => return Ok(Course::Release(snapshot)),
            Answer::Run(reason) => why = why.or(Some(reason)),
        }
    }
    Ok(Course::Run(why.unwrap_or_else(|| "it has not run yet".to_owned())))
}

/// Says what a run would do. Takes no lock and publishes nothing.
fn dry_run<S: Stage>(job: &Job<S>, who: &str) -> Result<Exit> {
    let inputs = S::inputs(job)?;
    match decide(job, &inputs)? {
        Course::UpToDate(_) => tracing::info!("{who}: would not run: up to date"),
        Course::Release(_) => tracing::info!("{who}: would send what an earlier run wrote"),
        Course::Run(reason) => {
            tracing::info!("{who}: would run because {reason}");
            for input in &inputs {
                let rows = input.rows.map(|rows| format!(" ({rows} rows)")).unwrap_or_default();
                tracing::info!("{who}: would read {}{rows}", input.path);
            }
            tracing::info!("{who}: would write to {}", S::TOOL.folder(&job.pipeline).display());
        }
    }
    Ok(Exit::Done)
}

/// A time that no artifact in `folder` bears yet: nothing is ever overwritten.
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

fn print_schema<S: Stage>() -> Result<Exit> {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let checks = generator.subschema_for::<Checks>();
    let max_refused = generator.subschema_for::<MaxRefused>();
    let mut schema = generator.into_root_schema_for::<S::Spec>().to_value();
    schema["properties"][CHECKS] = checks.to_value();
    schema["properties"][MAX_REFUSED] = max_refused.to_value();
    let text = serde_json::to_string_pretty(&schema).map_err(|error| Error::cannot_run(error.to_string()))?;
    write_stdout(&format!("{text}\n"))?;
    Ok(Exit::Done)
}

fn print(paths: &[PathBuf]) -> Result<()> {
    write_stdout(&paths.iter().map(|path| format!("{}\n", path.display())).collect::<String>())
}

pub fn write_stdout(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Error::io("write", Path::new("stdout"), &error))
}
