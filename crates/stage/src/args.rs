//! The command line of a stage.

use clap::Args;

use crate::engine::Engine;

/// Flags of this run that every stage has.
#[derive(Args, Clone, Debug, Default)]
pub struct RunFlags {
    /// Run even if nothing changed since the last run
    #[arg(long, help_heading = "This run")]
    pub force: bool,
    /// Report whether the stage would run, and why; write nothing
    #[arg(long, help_heading = "This run")]
    pub dry_run: bool,
    /// If another run of this stage is in progress, exit 75 at once instead of waiting for it
    #[arg(long, help_heading = "This run")]
    pub no_wait: bool,
    /// First read every input completely and compare it with the hash in its evidence
    #[arg(long, help_heading = "This run")]
    pub verify: bool,
    /// What computes the stage. Default: MILLRACE_ENGINE, else local
    #[arg(long, value_name = "ENGINE", value_enum, help_heading = "This run")]
    pub engine: Option<Engine>,
    /// With an engine other than local: into how many parts the rows are divided. Default: MILLRACE_PARTITIONS, else as the engine decides
    #[arg(long, value_name = "N", help_heading = "This run", value_parser = tool::whole_number::<usize>)]
    pub partitions: Option<usize>,
}

/// `TOOL PIPELINE [ARTIFACT…]`
#[derive(Args)]
pub struct Arguments<F: Args> {
    /// The pipeline: the name of a folder in resources/
    #[arg(value_name = "PIPELINE", required_unless_present = "schema")]
    pub pipeline: Option<String>,
    /// Input files (Parquet) or addresses such as s3://bucket/key; `-` reads their names from stdin, one per line; without
    /// any, the `latest` output of the stage before
    #[arg(value_name = "ARTIFACT")]
    pub artifacts: Vec<String>,
    #[command(flatten)]
    pub run: RunFlags,
    #[command(flatten)]
    pub flags: F,
}
