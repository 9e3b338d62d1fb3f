//! The command line that all tools share.

use clap::{Args, CommandFactory, FromArgMatches, Parser, ValueEnum};
use spec::{Exit, Tool};

use crate::Stage;

/// How log lines are written to stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people: progress on a terminal, plain sentences.
    #[default]
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// Flags of this run that every tool has.
#[derive(Args, Clone, Debug, Default)]
pub struct RunFlags {
    /// Run even if nothing changed since the last run
    #[arg(long, help_heading = "This run")]
    pub force: bool,
    /// Say whether the stage would run, and why; write nothing
    #[arg(long, help_heading = "This run")]
    pub dry_run: bool,
    /// If another run of this stage is at work, exit 75 at once instead of waiting for it
    #[arg(long, help_heading = "This run")]
    pub no_wait: bool,
    /// Read every input whole first and compare it with the hash in its evidence
    #[arg(long, help_heading = "This run")]
    pub verify: bool,
    /// How to write log lines to stderr
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "This run")]
    pub log_format: LogFormat,
    /// Say only what went wrong
    #[arg(long, short, help_heading = "This run")]
    pub quiet: bool,
    /// Print the JSON Schema of the stage's YAML file and exit
    #[arg(long, help_heading = "Help", exclusive = true)]
    pub schema: bool,
}

#[derive(Parser)]
struct CommandLine<F: Args> {
    /// The pipeline: the name of a folder in resources/
    #[arg(value_name = "PIPELINE", required_unless_present = "schema")]
    pipeline: Option<String>,
    /// Input files or addresses such as s3://bucket/key; `-` reads them from stdin, one per line; none means the
    /// `latest` of the stage before
    #[arg(value_name = "ARTIFACT")]
    artifacts: Vec<String>,
    #[command(flatten)]
    common: RunFlags,
    #[command(flatten)]
    flags: F,
}

/// What was asked for.
pub struct Asked<F> {
    pub pipeline: String,
    pub artifacts: Vec<String>,
    pub common: RunFlags,
    pub flags: F,
}

/// Parses the command line. Help, version and wrong usage print their text and end here with an exit code.
pub fn parse<S: Stage>() -> Result<Asked<S::Flags>, Exit> {
    let about = About::of(S::TOOL);
    let codes: Vec<String> = Exit::ALL.iter().map(|exit| format!("  {:<4}{}", exit.code(), exit.meaning())).collect();
    let command = CommandLine::<S::Flags>::command()
        .name(S::TOOL.name())
        .version(env!("CARGO_PKG_VERSION"))
        .about(about.short)
        .long_about(about.long)
        .after_help(format!("Examples:\n{}\n\nExit codes:\n{}", about.examples, codes.join("\n")))
        .max_term_width(100);
    let matches = match command.try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // A closed pipe while printing help is no failure.
            let _ = error.print();
            return Err(if error.use_stderr() { Exit::CannotRun } else { Exit::Done });
        }
    };
    match CommandLine::<S::Flags>::from_arg_matches(&matches) {
        Ok(line) => Ok(Asked {
            pipeline: line.pipeline.unwrap_or_default(),
            artifacts: line.artifacts,
            common: line.common,
            flags: line.flags,
        }),
        Err(error) => {
            let _ = error.print();
            Err(Exit::CannotRun)
        }
    }
}

/// What `--help` says of a tool.
struct About {
    short: &'static str,
    long: &'static str,
    examples: &'static str,
}

impl About {
    fn of(tool: Tool) -> About {
        match tool {
            Tool::Ingest => About {
                short: "Read a pipeline's sources into raw Parquet tables",
                long: "Read a pipeline's sources into raw Parquet tables.\n\nEach source of \
                       resources/<PIPELINE>/ingest.yaml becomes data/raw/<PIPELINE>/<table>_<time>.parquet. Rows that \
                       cannot be read go to <table>_<time>.refused.parquet with their original text and the reason. An \
                       incremental source adds what is new to what earlier runs read. \
                       Every row keeps its file and line in _file and _row. ARTIFACT names files to read instead of the \
                       file source's own path; `-` reads the data itself from stdin.",
                examples: "  ingest churn                        read the sources of the pipeline\n  \
                           ingest shop orders_may.csv          read this file instead of the spec's path\n  \
                           ingest housing --backfill 2023-01..2023-06  read these months once more\n  \
                           zcat orders.csv.gz | ingest shop -  read stdin",
            },
            Tool::Clean => About {
                short: "Clean tables by the steps of a pipeline, behind its checks",
                long: "Clean tables by the steps of a pipeline, behind its checks.\n\nReads raw tables, applies the steps \
                       of resources/<PIPELINE>/clean.yaml in order and writes data/processed/<PIPELINE>/clean/. Every row \
                       that goes in is accounted for: it comes out, is refused with a reason, or was removed by a named \
                       step.",
                examples: "  clean churn                 clean the latest raw tables\n  \
                           ingest churn | clean churn -  clean what ingest just wrote\n  \
                           clean churn --dry-run       say whether anything would change\n  \
                           clean churn --undo 00a1b2c3d4e5f607  take back one change of its change log",
            },
            Tool::Features => About {
                short: "Compute features with no look into the future",
                long: "Compute features with no look into the future.\n\nReads the clean tables and writes \
                       data/processed/<PIPELINE>/features/: a training table with one row per entity and cutoff, or per row of \
                       a table as of its own time; a scoring table of what is to be predicted; and a data dictionary.",
                examples: "  features churn           compute the features\n  \
                           features churn --prove   recompute a sample from only what was known at the time",
            },
            Tool::Train => About {
                short: "Learn, judge, explain and release a model",
                long: "Learn, judge, explain and release a model.\n\nRuns the experiments of \
                       resources/<PIPELINE>/train.yaml side by side, judges the best on rows that none of them saw, and \
                       writes data/models/<PIPELINE>/v<N>/. A version that passes its gates is promoted to production if \
                       it beats the version that is there; the log of decisions says why.",
                examples: "  train churn                             learn and judge\n  \
                           train churn --decisions                 print what was decided, and why\n  \
                           train churn --rollback --why 'drift'    return to the version before",
            },
            Tool::Predict => About {
                short: "Score the newest features with the production model",
                long: "Score the newest features with the production model.\n\nReads the scoring table of the features \
                       stage and writes data/output/<PIPELINE>/predict/: entity, score, decision, model version and the \
                       main reasons. Features that do not match the model's signature are refused with the difference.",
                examples: "  predict churn               score with the production model\n  \
                           predict churn --model v3    score with another version",
            },
            Tool::Export => About {
                short: "Deliver a table as CSV, JSON lines, Parquet or Excel",
                long: "Deliver a table as CSV, JSON lines, Parquet or Excel.\n\nReads what predict wrote and writes \
                       data/output/<PIPELINE>/export/, or the data itself to stdout with `-o -`. In a shell, call it as \
                       bin/export: `export` alone is the shell's own command.",
                examples: "  bin/export churn                    write the file that export.yaml describes\n  \
                           bin/export churn -o - | head        print the data instead\n  \
                           bin/export churn --format json_lines -o scores.jsonl",
            },
        }
    }
}
