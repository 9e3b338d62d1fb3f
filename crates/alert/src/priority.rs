//! How urgent an event is.

use std::fmt;

use serde::{Deserialize, Serialize};
use spec::{Map, Tool};

use crate::EventClass;

/// How urgent an alert is, from the most to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Priority {
    /// Act now, at any hour.
    P0,
    /// Act now, in working hours.
    P1,
    /// Act today.
    P2,
    /// For information.
    P3,
}

impl Priority {
    pub const ALL: [Priority; 4] = [Priority::P0, Priority::P1, Priority::P2, Priority::P3];
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A priority as `alerts.yaml` gives it to a class of event: `P0` to `P3`, or `none` for no alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename = "Priority")]
pub enum Level {
    P0,
    P1,
    P2,
    P3,
    #[serde(rename = "none")]
    None,
}

impl Level {
    fn priority(self) -> Option<Priority> {
        match self {
            Level::P0 => Some(Priority::P0),
            Level::P1 => Some(Priority::P1),
            Level::P2 => Some(Priority::P2),
            Level::P3 => Some(Priority::P3),
            Level::None => None,
        }
    }
}

/// Priorities by class of event. A class that is left out keeps what the wider setting says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Levels {
    /// The run could not start or continue: usage, spec, input or output (exit 2). `P1` by default.
    pub cannot_run: Option<Level>,
    /// The data says no: a gate refused (exit 1). `P2` by default.
    pub refused: Option<Level>,
    /// Something passing: network, rate limit, budget (exit 75). `P3` by default.
    pub try_again: Option<Level>,
    /// A soft check failed and the run went on. `none` by default.
    pub warning: Option<Level>,
}

impl Levels {
    fn get(&self, class: EventClass) -> Option<Level> {
        match class {
            EventClass::CannotRun => self.cannot_run,
            EventClass::Refused => self.refused,
            EventClass::TryAgain => self.try_again,
            EventClass::Warning => self.warning,
        }
    }
}

/// What a pipeline says otherwise, as a whole or for one of its stages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PipelineLevels {
    /// For all stages of the pipeline.
    pub priorities: Levels,
    /// For single stages, by the name of the tool: `export: {refused: P0}`.
    pub stages: Map<Levels>,
}

/// The priority of an event: what the stage says, else the pipeline, else all pipelines, else the default.
pub fn priority_of(
    class: EventClass,
    stage: Tool,
    everywhere: &Levels,
    pipeline: Option<&PipelineLevels>,
) -> Option<Priority> {
    let of_stage = || pipeline?.stages.get(stage.name())?.get(class);
    let of_pipeline = || pipeline?.priorities.get(class);
    let level = of_stage().or_else(of_pipeline).or_else(|| everywhere.get(class));
    level
        .unwrap_or(match class {
            EventClass::CannotRun => Level::P1,
            EventClass::Refused => Level::P2,
            EventClass::TryAgain => Level::P3,
            EventClass::Warning => Level::None,
        })
        .priority()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_setting_wins_and_the_rest_keep_their_defaults() {
        let everywhere = Levels { refused: Some(Level::P3), warning: Some(Level::P3), ..Levels::default() };
        let export = Levels { refused: Some(Level::P0), ..Levels::default() };
        let pipeline = PipelineLevels {
            priorities: Levels { refused: Some(Level::P1), warning: Some(Level::None), ..Levels::default() },
            stages: [("export".to_owned(), export)].into_iter().collect(),
        };
        let of = |class, stage, pipeline| priority_of(class, stage, &everywhere, pipeline);
        assert_eq!(of(EventClass::Refused, Tool::Export, Some(&pipeline)), Some(Priority::P0));
        assert_eq!(of(EventClass::Refused, Tool::Clean, Some(&pipeline)), Some(Priority::P1));
        assert_eq!(of(EventClass::Refused, Tool::Clean, None), Some(Priority::P3));
        assert_eq!(of(EventClass::Warning, Tool::Clean, None), Some(Priority::P3));
        assert_eq!(of(EventClass::Warning, Tool::Export, Some(&pipeline)), None);
        assert_eq!(of(EventClass::CannotRun, Tool::Export, Some(&pipeline)), Some(Priority::P1));
        assert_eq!(of(EventClass::TryAgain, Tool::Export, Some(&pipeline)), Some(Priority::P3));
    }

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let defaults = [EventClass::CannotRun, EventClass::Refused, EventClass::TryAgain, EventClass::Warning]
            .map(|class| priority_of(class, Tool::Clean, &Levels::default(), None));
        assert_eq!(defaults, [Some(Priority::P1), Some(Priority::P2), Some(Priority::P3), None]);
    }
}
