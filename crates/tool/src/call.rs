//! How a program is called: by its own name, or as a subcommand of `millrace`.

use std::ffi::OsString;
use std::process::ExitCode;

use serde_json::Value;
use spec::Tool;

use crate::{Program, args};

/// One call: the part of the command line before the name of the tool, and its arguments.
#[derive(Clone, Debug)]
pub struct Call {
    /// Empty, or `millrace ` with its space.
    pub(crate) before: &'static str,
    /// Without the name.
    pub arguments: Vec<OsString>,
}

impl Call {
    /// By its own name: `ingest churn`.
    pub fn by_name() -> Call {
        Call { before: "", arguments: std::env::args_os().skip(1).collect() }
    }

    /// As a subcommand: `millrace ingest churn`, with the part after `ingest`.
    pub fn as_subcommand(arguments: Vec<OsString>) -> Call {
        Call { before: "millrace ", arguments }
    }
}

/// A tool, as its own program and the command `millrace` call it. Each tool has a `static` of it and not a `const`: the code behind these functions is
/// generic, and would be compiled anew in every program that names a `const`.
pub struct Entry {
    pub tool: Tool,
    pub main: fn(Call) -> ExitCode,
    /// Its command line as a subcommand of `millrace`, for manual pages and completions.
    pub command: fn() -> clap::Command,
    /// The JSON Schemas of its own file and of the others that it reads, by name.
    pub schemas: fn() -> Vec<(&'static str, Value)>,
}

impl Entry {
    pub const fn of<P: Program>() -> Entry {
        Entry { tool: P::TOOL, main: crate::main::<P>, command: as_subcommand::<P>, schemas: args::schemas::<P> }
    }

    /// The whole of the tool's own `main`.
    pub fn run(&self) -> ExitCode {
        (self.main)(Call::by_name())
    }
}

fn as_subcommand<P: Program>() -> clap::Command {
    args::command::<P>(Call::as_subcommand(Vec::new()).before)
}
