//! The command line of a stage.

use clap::Args;

/// Flags of this run that every stage has.
#[derive(Args, Clone, Debug, Default)]
pub struct RunFlags {
    /// Run even if nothing changed since the last run
    #[arg(long, help_heading = "This run")]
    pub force: bool,
    /// Report whether the stage would run, and why; write nothing
    #[arg(long, help_heading = "This run")]
    pub dry_run: bool,
    /// If another run of this stage is at work, exit 75 at once instead of waiting for it
    #[arg(long, help_heading = "This run")]
    pub no_wait: bool,
    /// Read every input whole first and compare it with the hash in its evidence
    #[arg(long, help_heading = "This run")]
    pub verify: bool,
}

/// `TOOL PIPELINE [ARTIFACT…]`
#[derive(Args)]
pub struct Arguments<F: Args> {
    /// The pipeline: the name of a folder in resources/
    #[arg(value_name = "PIPELINE", required_unless_present = "schema")]
    pub pipeline: Option<String>,
    /// Input files or addresses such as s3://bucket/key; `-` reads them from stdin, one per line; none means the
    /// `latest` of the stage before
    #[arg(value_name = "ARTIFACT")]
    pub artifacts: Vec<String>,
    #[command(flatten)]
    pub run: RunFlags,
    #[command(flatten)]
    pub flags: F,
}
