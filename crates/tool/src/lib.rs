//! What every program of the project needs, whether it publishes anything or not: arguments, project and environment,
//! log lines and progress, exit codes, panics, signals, one run at a time, the run log, alerts.
//!
//! A program implements [`Program`] and its `main` calls [`main`]. A stage, which publishes tables, does so through the
//! crate `stage`; a server, or a command that only changes a registry, uses this crate alone.
//!
//! This crate must not know about tables.

mod alarm;
mod args;
mod call;
mod console;
mod lock;
mod panics;
mod progress;
mod project;
mod runlog;
pub mod signals;
mod threads;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;
use spec::{Error, Exit, Result, Tool};

pub use alarm::{Source, alert};
pub use args::{About, Common, LogFormat, whole_number};
pub use call::{Call, Entry};
pub use console::redact;
pub use lock::{Lock, lock};
pub use panics::caught;
pub use progress::Progress;
pub use project::Project;
pub use runlog::{Dataset, RunLog, facet, recorded};

/// JSON Schemas of YAML files, by name.
pub type MoreSchemas = &'static [(&'static str, fn() -> Value)];

/// A program: what it is called, what it is called with, and what it does.
pub trait Program: Sized {
    /// Which tool it is: names it in messages and in the run log.
    const TOOL: Tool;

    /// What its `--help` says.
    const ABOUT: About;

    /// Its arguments and flags, beyond those that all programs have.
    type Arguments: clap::Args;

    /// The arguments behind `TOOL [OPTIONS]` in `--help`. `None`: as the parser writes them.
    const USAGE: Option<&'static str> = None;

    /// What `--help` says about the argument `artifacts`, if the default text does not fit.
    const INPUTS: Option<&'static str> = None;

    /// Further YAML files that it reads, with their JSON Schemas: `--schema=NAME` prints them.
    const MORE_SCHEMAS: MoreSchemas = &[];

    /// The JSON Schema of its YAML file, which `--schema` prints.
    fn schema() -> Value;

    /// What it was called for, mostly a pipeline: error messages begin with the name of the tool and this. May be empty.
    fn subject(arguments: &Self::Arguments) -> String;

    /// Does what it was called for.
    fn run(arguments: Self::Arguments, common: Common) -> Result<Exit>;
}

/// The whole of a program's `main`.
pub fn main<P: Program>(call: Call) -> ExitCode {
    ExitCode::from(run::<P>(call).code())
}

/// The whole of a command that is not a tool: log lines, panics and exit codes are those of the tools. Error messages
/// begin with `who`.
pub fn other_main(who: &str, work: impl FnOnce() -> Result<Exit>) -> ExitCode {
    console::begin(LogFormat::Text, false);
    panics::keep_quiet();
    ExitCode::from(exit_of(who, "", caught(work)).code())
}

fn run<P: Program>(call: Call) -> Exit {
    let (arguments, common) = match args::parse::<P>(call) {
        Ok(parsed) => parsed,
        Err(exit) => return exit,
    };
    console::begin(common.log_format, common.quiet);
    if let Err(error) = threads::limit() {
        return exit_of(P::TOOL.name(), "", Err(error));
    }
    if let Some(name) = &common.schema {
        return exit_of(P::TOOL.name(), "", args::schema::<P>(name).and_then(|schema| print_schema(&schema)));
    }
    panics::keep_quiet();
    let subject = P::subject(&arguments);
    exit_of(P::TOOL.name(), &subject, caught(|| P::run(arguments, common)))
}

/// Reports the error, if there is one.
fn exit_of(tool: &str, subject: &str, result: Result<Exit>) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(error) if error.is_closed_pipe() => Exit::Done,
        Err(error) => {
            let exit = Exit::from(error.class());
            let who = format!("{tool} {subject}");
            tracing::error!(tool, pipeline = subject, exit = exit.code(), "{}: {error}", who.trim_end());
            exit
        }
    }
}

/// Prints a JSON Schema to stdout.
pub fn print_schema(schema: &Value) -> Result<Exit> {
    let text = serde_json::to_string_pretty(schema).map_err(|error| Error::cannot_run(error.to_string()))?;
    print(&format!("{text}\n"))?;
    Ok(Exit::Done)
}

/// Informs people, on stderr.
pub fn say(text: impl AsRef<str>) {
    tracing::info!("{}", text.as_ref().trim_end());
}

/// Warns people of something that does not stop the program, on stderr.
pub fn warn(text: impl AsRef<str>) {
    tracing::warn!("{}", text.as_ref().trim_end());
}

/// Prints data to stdout. A reader that went away is an error whose `is_closed_pipe()` is true.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        // What was printed is the names of results that are in place already.
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Error::cannot_run("stdout: cannot write: no space left on device")
                .hint("free some space; what the run has published stands")
        }
        _ => Error::io("write", Path::new("stdout"), &error),
    })
}
