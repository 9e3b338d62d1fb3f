//! What happened: the facts that an alert is made of.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use spec::{Class, Name, Tool};

use crate::Priority;

/// The kinds of event that `priorities` distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventClass {
    /// Usage, spec, input or output (exit 2).
    CannotRun,
    /// The data was refused (exit 1).
    Refused,
    /// Worth another try later (exit 75).
    TryAgain,
    /// A soft check failed; the run went on (exit 0).
    Warning,
}

impl EventClass {
    /// The name as written in YAML.
    pub fn name(self) -> &'static str {
        match self {
            EventClass::CannotRun => "cannot_run",
            EventClass::Refused => "refused",
            EventClass::TryAgain => "try_again",
            EventClass::Warning => "warning",
        }
    }

    /// What the stage did, as a subject line says it: `churn clean refused`.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            EventClass::CannotRun => "could not run",
            EventClass::Refused => "refused",
            EventClass::TryAgain => "stopped early",
            EventClass::Warning => "warned",
        }
    }
}

impl From<Class> for EventClass {
    fn from(class: Class) -> EventClass {
        match class {
            Class::CannotRun => EventClass::CannotRun,
            Class::Refused => EventClass::Refused,
            Class::TryAgain => EventClass::TryAgain,
        }
    }
}

/// A run that failed, was refused or warned.
#[derive(Clone, Debug)]
pub struct Event {
    pub pipeline: Name,
    pub stage: Tool,
    pub run_id: String,
    pub class: EventClass,
    /// How urgent it is, if the sender knows; `None`: as `alerts.yaml` says of its class.
    pub priority: Option<Priority>,
    /// What happened, in the words of the run's error, without the way out.
    pub message: String,
    /// The way out, if the error knows one.
    pub hint: Option<String>,
    /// The snapshot that is still valid, by the path that people see; `None` when nothing was published so far.
    pub snapshot: Option<PathBuf>,
    /// When the run began.
    pub started: DateTime<Utc>,
    /// The machine's name.
    pub host: String,
    /// The run log, as people are shown its path: `data/runs/churn.jsonl`.
    pub log: PathBuf,
}
