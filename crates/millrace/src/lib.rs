//! The command `millrace`: all tools as subcommands, and the commands for a whole project: make one,
//! run a pipeline, print its schedule.
//!
//! Called under the name of a tool it is that tool, so that `bin/ingest` may be a link to it. It computes nothing.

mod command_line;
mod init;
mod link;
mod packaging;
mod run;
mod times;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use tool::{Call, Entry};

/// The tools, in the order of a pipeline.
static TOOLS: [&Entry; 10] = [
    &ingest::ENTRY,
    &clean::ENTRY,
    &features::ENTRY,
    &train::ENTRY,
    &predict::ENTRY,
    &export::ENTRY,
    &monitor::ENTRY,
    &release::ENTRY,
    &catalog::ENTRY,
    &serve::ENTRY,
];

/// The whole program, given the whole command line.
pub fn main(mut line: Vec<OsString>) -> ExitCode {
    let own_name = line.first().map(Path::new).and_then(Path::file_name);
    if let Some(tool) = own_name.and_then(tool_named) {
        return tool.run();
    }
    match line.get(1).and_then(|name| tool_named(name)) {
        Some(tool) => (tool.main)(Call::as_subcommand(line.split_off(2))),
        None => command_line::main(line),
    }
}

fn tool_named(name: &OsStr) -> Option<&'static Entry> {
    TOOLS.into_iter().find(|entry| name == entry.tool.name())
}
