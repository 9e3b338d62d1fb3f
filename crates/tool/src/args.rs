//! The command line: what all programs share, around what each has of its own.

use clap::{Args, CommandFactory, FromArgMatches, Parser, ValueEnum};
use spec::Exit;

use crate::Program;

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
    #[arg(long, help_heading = "Help", exclusive = true)]
    pub schema: bool,
}

/// What `--help` says of a program.
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

/// Parses the command line. Help, version and wrong usage print their text and end here with an exit code.
pub fn parse<P: Program>() -> Result<(P::Arguments, Common), Exit> {
    let matches = match command::<P>().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // A closed pipe while printing help is no failure.
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

fn command<P: Program>() -> clap::Command {
    let About { short, long, .. } = P::ABOUT;
    let codes: Vec<String> = Exit::ALL.iter().map(|exit| format!("  {:<4}{}", exit.code(), exit.meaning())).collect();
    CommandLine::<P::Arguments>::command()
        .name(P::TOOL.name())
        .version(env!("CARGO_PKG_VERSION"))
        .about(short)
        .long_about(format!("{short}.\n\n{long}"))
        .after_help(format!("Examples:\n{}\n\nExit codes:\n{}", examples(&P::ABOUT), codes.join("\n")))
        .max_term_width(100)
}

/// Commands in one column, what they do in another.
fn examples(about: &About) -> String {
    let widest = about.examples.iter().map(|(command, _)| command.chars().count()).max().unwrap_or_default();
    let lines = about.examples.iter().map(|(command, what)| format!("  {command:<widest$}  {what}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use spec::{Result, Tool};

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

        fn schema() -> Value {
            Value::Null
        }
        fn subject(arguments: &Arguments) -> String {
            arguments.name.clone().unwrap_or_default()
        }
        fn run(_: Arguments, _: Common) -> Result<Exit> {
            Ok(Exit::Done)
        }
    }

    fn parsed(line: &[&str]) -> Result<(Option<String>, Common), String> {
        let matches = command::<Greet>().try_get_matches_from(line).map_err(|error| error.to_string())?;
        let line = CommandLine::<Arguments>::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        Ok((line.own.name, line.common))
    }

    #[test]
    fn own_arguments_and_common_flags_are_one_command_line() {
        let (name, common) = parsed(&["release", "ann", "-q", "--log-format", "json"]).unwrap();
        assert_eq!((name.as_deref(), common.quiet, common.log_format), (Some("ann"), true, LogFormat::Json));
        let (name, common) = parsed(&["release", "--schema"]).unwrap();
        assert!(name.is_none() && common.schema);
        assert!(parsed(&["release"]).unwrap_err().contains("<NAME>"));
        assert!(parsed(&["release", "ann", "--schema"]).unwrap_err().contains("cannot be used with"));
    }

    #[test]
    fn help_lines_up_its_examples_and_lists_the_exit_codes() {
        let help = parsed(&["release", "--help"]).unwrap_err();
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
