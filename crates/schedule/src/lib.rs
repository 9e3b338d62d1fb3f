//! When pipelines run. `resources/<pipeline>/schedule.yaml` is read once, here; cron, systemd and Airflow get what is
//! derived from it, so that a pipeline runs at the same times whatever starts it.
//!
//! This crate must not know about tables or terminals, and starts nothing.

mod crontab;
mod expression;
mod field;
mod systemd;
mod workflow;
mod written;
mod zone;

pub use crontab::{crontab, shell};
pub use expression::Expression;
pub use systemd::{Unit, units};
pub use workflow::{Task, Workflow, workflow, workflows};
pub use written::{Alerts, Retries, Schedule, TimeOuts};
pub use zone::{TimeZone, of_this_machine};

/// The name of the file, without the pipeline's folder.
pub const FILE: &str = "schedule.yaml";

/// What the commands of a crontab or a unit call, and where.
#[derive(Clone, Debug)]
pub struct Called {
    /// The project's root.
    pub root: std::path::PathBuf,
    /// The program `millrace`.
    pub program: std::path::PathBuf,
}

/// The JSON Schema of `schedule.yaml`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Schedule).to_value()
}
