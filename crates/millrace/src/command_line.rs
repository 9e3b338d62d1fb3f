//! The command line of `millrace` itself.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use spec::{Error, Exit, Result, did_you_mean};

use crate::{TOOLS, init, link, packaging, run, times};

#[derive(Parser)]
#[command(
    name = "millrace",
    version,
    about = "Turn raw data into clean tables and predictions",
    long_about = "Turn raw data into clean tables and predictions.\n\nA pipeline is a folder of YAML files in resources/, one per \
                  tool. Each tool reads its file and the output of the tool before it, and publishes complete Parquet files or \
                  nothing.",
    after_help = "Examples:\n  millrace init myshop --from churn   make a project\n  millrace run churn                  run a \
                  pipeline\n  millrace clean churn --dry-run      whether a stage would run, and why\n  millrace help clean      \
                  \x20          all about a tool",
    max_term_width = 100,
    arg_required_else_help = true
)]
struct CommandLine {
    /// Print the JSON Schema of a YAML file by its name, such as `clean` or `schedule`, and exit
    #[arg(long, value_name = "NAME", exclusive = true)]
    schema: Option<String>,
    #[command(subcommand)]
    command: Option<OwnCommand>,
}

#[derive(Subcommand)]
enum OwnCommand {
    Init(init::Arguments),
    Run(run::Arguments),
    Schedule(times::Arguments),
    Link(link::Arguments),
    Completions(packaging::Completions),
    Manual(packaging::Manual),
}

/// All of it, with the tools.
pub fn command() -> clap::Command {
    TOOLS.iter().fold(CommandLine::command(), |all, entry| all.subcommand((entry.command)()))
}

pub fn main(line: Vec<OsString>) -> ExitCode {
    let parsed = command().try_get_matches_from(line).and_then(|matches| CommandLine::from_arg_matches(&matches));
    let line = match parsed {
        Ok(line) => line,
        Err(error) => {
            // A closed pipe while printing help is not a failure.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::CannotRun } else { Exit::Done }.code());
        }
    };
    if let Some(name) = line.schema {
        return tool::other_main("millrace", || schema(&name));
    }
    match line.command {
        Some(OwnCommand::Init(arguments)) => tool::other_main("init", || init::init(&arguments)),
        Some(OwnCommand::Run(arguments)) => tool::other_main("run", || run::run(&arguments)),
        Some(OwnCommand::Schedule(arguments)) => tool::other_main("schedule", || times::print(&arguments)),
        Some(OwnCommand::Link(arguments)) => tool::other_main("link", || link::link(&arguments)),
        Some(OwnCommand::Completions(arguments)) => {
            tool::other_main("completions", || packaging::completions(&arguments))
        }
        Some(OwnCommand::Manual(arguments)) => tool::other_main("manual", || packaging::manual(&arguments)),
        // Help was printed.
        None => ExitCode::from(Exit::CannotRun.code()),
    }
}

fn schema(name: &str) -> Result<Exit> {
    let all = schemas();
    let Some((_, schema)) = all.iter().find(|(known, _)| *known == name) else {
        let names = all.iter().map(|(name, _)| *name);
        return Err(Error::cannot_run(format!("--schema: no schema '{name}'")).hint(did_you_mean(name, names)));
    };
    tool::print_schema(schema)
}

/// The schemas of all files that a project may have, each once.
pub fn schemas() -> Vec<(&'static str, serde_json::Value)> {
    let of_tools = TOOLS.iter().flat_map(|entry| (entry.schemas)());
    let mut all: Vec<(&'static str, serde_json::Value)> = of_tools.chain([("schedule", schedule::schema())]).collect();
    all.sort_by_key(|(name, _)| *name);
    all.dedup_by_key(|(name, _)| *name);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parser_is_sound_and_knows_every_tool() {
        command().debug_assert();
        let names: Vec<String> = command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        for tool in spec::Tool::ALL {
            assert!(names.contains(&tool.name().to_owned()), "no subcommand {tool} in {names:?}");
        }
    }

    #[test]
    fn every_file_has_one_schema() {
        let schemas = schemas();
        let names: Vec<&str> = schemas.iter().map(|(name, _)| *name).collect();
        for name in ["alerts", "clean", "ingest", "llm", "schedule", "serve", "task", "train"] {
            assert_eq!(names.iter().filter(|known| **known == name).count(), 1, "{name} in {names:?}");
        }
    }
}
