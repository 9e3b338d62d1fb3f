//! The command line: what all programs share, around what each has of its own.

use clap::{Args, CommandFactory, FromArgMatches, Parser, ValueEnum};
use serde_json::Value;
use spec::{Error, Exit, Result, Tool, did_you_mean};

use crate::{Call, Program};

/// How log lines are written to stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people: progress on a terminal, plain sentences.
    #[default]
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// Flags that every program has.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// How to write log lines to stderr
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "This run")]
    pub log_format: LogFormat,
    /// Print only errors
    #[arg(long, short, help_heading = "This run")]
    pub quiet: bool,
    /// Print the JSON Schema of the tool's YAML file and exit
    #[arg(
        long,
        value_name = "NAME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        help_heading = "Help",
        exclusive = true
    )]
    pub schema: Option<String>,
}

/// What `--help` says about a program.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// One line without a full stop.
    pub short: &'static str,
    /// What it reads, does and writes; comes after `short`.
    pub long: &'static str,
    /// Command lines, each with what it does.
    pub examples: &'static [(&'static str, &'static str)],
}

#[derive(Parser)]
struct CommandLine<A: Args> {
    #[command(flatten)]
    own: A,
    #[command(flatten)]
    common: Common,
}

/// A whole number on the command line, 0 or more.
pub fn whole_number<T: TryFrom<u64>>(text: &str) -> std::result::Result<T, String> {
    let number = text.parse::<u64>().ok().and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| "not a whole number, 0 or more".to_owned())
}

/// Parses the command line. Help, version and wrong usage print their text and end here with an exit code.
pub fn parse<P: Program>(call: Call) -> std::result::Result<(P::Arguments, Common), Exit> {
    let line = std::iter::once(P::TOOL.name().into()).chain(call.arguments);
    let matches = match command::<P>(call.before).try_get_matches_from(line) {
        Ok(matches) => matches,
        Err(error) => {
            // A closed pipe while printing help is not a failure.
            let _ = error.print();
            return Err(if error.use_stderr() { Exit::CannotRun } else { Exit::Done });
        }
    };
    match CommandLine::<P::Arguments>::from_arg_matches(&matches) {
        Ok(CommandLine { own, common }) => Ok((own, common)),
        Err(error) => {
            let _ = error.print();
            Err(Exit::CannotRun)
        }
    }
}

/// The command line of a program, as help shows it behind `before`: nothing, or `millrace ` with its space.
pub fn command<P: Program>(before: &str) -> clap::Command {
    let About { short, long, .. } = P::ABOUT;
    let codes: Vec<String> = Exit::ALL.iter().map(|exit| format!("  {:<4}{}", exit.code(), exit.meaning())).collect();
    let others: Vec<&str> = other_schemas::<P>().map(|(name, _)| name).collect();
    let schemas = format!(
        "Print the JSON Schema of the tool's YAML file and exit; with =NAME that of another file: {}",
        others.join(", ")
    );
    let mut command = CommandLine::<P::Arguments>::command().mut_arg("schema", |schema| schema.help(schemas));
    if command.has_subcommands() {
        // They may stand behind the command, too.
        command = command.mut_arg("log_format", |flag| flag.global(true)).mut_arg("quiet", |flag| flag.global(true));
    }
    if let Some(usage) = P::USAGE {
        command = command.override_usage(format!("{before}{} [OPTIONS] {usage}", P::TOOL));
    }
    if let Some(inputs) = P::INPUTS {
        command = command.mut_arg("artifacts", |artifacts| artifacts.help(inputs));
    }
    command
        .name(P::TOOL.name())
        .bin_name(format!("{before}{}", P::TOOL))
        .version(env!("CARGO_PKG_VERSION"))
        .about(short)
        .long_about(format!("{short}.\n\n{long}"))
        .after_help(format!("Examples:\n{}\n\nExit codes:\n{}", examples(&P::ABOUT, before), codes.join("\n")))
        .max_term_width(100)
}

/// The schemas of files other than the tool's own, by name: those that it names, and that of the file which all tools read.
fn other_schemas<P: Program>() -> impl Iterator<Item = (&'static str, fn() -> Value)> {
    P::MORE_SCHEMAS.iter().copied().chain([("alerts", alert::schema as fn() -> Value)])
}

/// The schema that `--schema` or `--schema=NAME` asks for.
pub fn schema<P: Program>(name: &str) -> Result<Value> {
    let own = P::TOOL.name();
    if name.is_empty() || name == own {
        return Ok(P::schema());
    }
    match other_schemas::<P>().find(|(known, _)| *known == name) {
        Some((_, schema)) => Ok(schema()),
        None => {
            let known = std::iter::once(own).chain(other_schemas::<P>().map(|(name, _)| name));
            Err(Error::cannot_run(format!("--schema: no schema '{name}'")).hint(did_you_mean(name, known)))
        }
    }
}

/// The schemas of the tool's own file and of all others that it reads, by name.
pub fn schemas<P: Program>() -> Vec<(&'static str, Value)> {
    let own = std::iter::once((P::TOOL.name(), P::schema as fn() -> Value));
    own.chain(other_schemas::<P>()).map(|(name, schema)| (name, schema())).collect()
}

/// Commands in one column, what they do in another.
fn examples(about: &About, before: &str) -> String {
    let commands: Vec<String> = about.examples.iter().map(|(command, _)| as_called(command, before)).collect();
    let widest = commands.iter().map(|command| command.chars().count()).max().unwrap_or_default();
    let lines = commands.iter().zip(about.examples).map(|(command, (_, what))| format!("  {command:<widest$}  {what}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// An example with `before` in front of each of our tools: `zcat orders.csv.gz | millrace ingest shop -`.
fn as_called(example: &str, before: &str) -> String {
    let is_tool = |word: &str| Tool::ALL.iter().any(|tool| tool.name() == word);
    let called = |command: &str| match is_tool(command.split(' ').next().unwrap_or_default()) {
        true => format!("{before}{command}"),
        false => command.to_owned(),
    };
    example.split(" | ").map(called).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Args, Debug)]
    struct Arguments {
        /// Whom to greet
        #[arg(value_name = "NAME", required_unless_present = "schema")]
        name: Option<String>,
    }

    struct Greet;

    impl Program for Greet {
        const TOOL: Tool = Tool::Release;
        const ABOUT: About = About {
            short: "Greet somebody",
            long: "Says hello.",
            examples: &[("release ann", "greet ann"), ("release bob --quiet", "greet bob")],
        };
        type Arguments = Arguments;

        const MORE_SCHEMAS: crate::MoreSchemas = &[("letters", || json!("of letters"))];

        fn schema() -> Value {
            json!("its own")
        }
        fn subject(arguments: &Arguments) -> String {
            arguments.name.clone().unwrap_or_default()
        }
        fn run(_: Arguments, _: Common) -> Result<Exit> {
            Ok(Exit::Done)
        }
    }

    fn parsed(line: &[&str]) -> std::result::Result<(Option<String>, Common), String> {
        let matches = command::<Greet>("").try_get_matches_from(line).map_err(|error| error.to_string())?;
        let line = CommandLine::<Arguments>::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        Ok((line.own.name, line.common))
    }

    #[test]
    fn own_arguments_and_common_flags_are_one_command_line() {
        let (name, common) = parsed(&["release", "ann", "-q", "--log-format", "json"]).unwrap();
        assert_eq!((name.as_deref(), common.quiet, common.log_format), (Some("ann"), true, LogFormat::Json));
        let (name, common) = parsed(&["release", "--schema"]).unwrap();
        assert_eq!((name, common.schema.as_deref()), (None, Some("")));
        assert_eq!(parsed(&["release", "--schema=alerts"]).unwrap().1.schema.as_deref(), Some("alerts"));
        assert_eq!(parsed(&["release", "ann"]).unwrap().1.schema, None);
        assert!(parsed(&["release"]).unwrap_err().contains("<NAME>"));
        assert!(parsed(&["release", "ann", "--schema"]).unwrap_err().contains("cannot be used with"));
    }

    #[test]
    fn a_schema_is_that_of_the_tool_or_of_another_file() {
        assert_eq!(schema::<Greet>("").unwrap(), json!("its own"));
        assert_eq!(schema::<Greet>("release").unwrap(), json!("its own"));
        assert_eq!(schema::<Greet>("letters").unwrap(), json!("of letters"));
        assert!(schema::<Greet>("alerts").unwrap()["properties"]["channels"].is_object());
        let error = schema::<Greet>("alert").unwrap_err();
        assert_eq!(error.to_string(), "--schema: no schema 'alert'; did you mean 'alerts'?");
        assert!(parsed(&["release", "--help"]).unwrap_err().contains("letters, alerts"));
    }

    #[test]
    fn help_lines_up_its_examples_and_lists_the_exit_codes() {
        let help = parsed(&["release", "--help"]).unwrap_err();
        let as_subcommand = command::<Greet>("millrace ").render_long_help().to_string();
        assert!(as_subcommand.contains("Usage: millrace release [OPTIONS] [NAME]"), "{as_subcommand}");
        assert!(as_subcommand.contains("  millrace release bob --quiet  greet bob\n"), "{as_subcommand}");
        assert_eq!(as_called("zcat x | ingest shop -", "millrace "), "zcat x | millrace ingest shop -");
        for line in [
            "Greet somebody.\n\nSays hello.",
            "  release ann          greet ann\n",
            "  release bob --quiet  greet bob\n",
            "  75  try again later",
        ] {
            assert!(help.contains(line), "{line:?} is missing in:\n{help}");
        }
    }
}
