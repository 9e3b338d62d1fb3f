//! How the server answered, from its request log: latency, errors and availability by version and arm, and whether the
//! service keeps its levels.
//!
//! A level is a promise with a budget: of 1,000 minutes one may be bad if 99.9 % are promised. How fast the budget is used
//! is its *burn rate*: 1 uses it up exactly at the end of the window. An alert needs a high burn rate over a long time and
//! over a short one, so that it is neither late nor about something that is over already (Beyer et al. 2018, "The Site
//! Reliability Workbook", chapter 5, table 5-8).

mod levels;
mod log;
mod tables;

use alert::Priority;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::text::number;
use spec::{Error, Name, Result, Severity};

pub use levels::{LevelState, Levelled};
pub use log::{InProduction, LoggedRequest, ServiceLog, Tally};

/// How the answers of the server are watched.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceSpec {
    /// The pipeline under whose name the server seals its requests. Default: the pipeline's name with `_served`.
    pub served: Option<Name>,
    /// Over how many days requests are counted, from 1: the window of the error budgets. Default: 30.
    pub days: u32,
    /// The latency that 95 of 100 requests keep, in milliseconds. Default: `{goal: 500, alert: 800}`.
    pub p95_ms: Limits,
    /// The share of requests that fail (status 500 and above), from 0 to 1. Default: `{goal: 0.01, alert: 0.03}`.
    pub errors: Limits,
    /// The share of minutes with requests in which fewer than half of them fail, above 0 and below 1. Default: 0.999.
    pub availability: f64,
    /// Fewer requests than this are reported and not judged. Default: 100.
    pub min_requests: u64,
    /// `soft` (default) warns of an alert, `hard` refuses the run. A goal that is missed only warns.
    pub severity: Severity,
    /// How urgent an alert is, from `P0` to `P3`. Default: as urgent as what was found.
    pub priority: Option<Priority>,
}

/// A goal, and what is so far from it that people are alerted.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// What the service promises: values up to it are fine.
    pub goal: f64,
    /// Beyond it people are alerted; not below `goal`.
    pub alert: f64,
}

impl Default for ServiceSpec {
    fn default() -> ServiceSpec {
        ServiceSpec {
            served: None,
            days: 30,
            p95_ms: Limits { goal: 500.0, alert: 800.0 },
            errors: Limits { goal: 0.01, alert: 0.03 },
            availability: 0.999,
            min_requests: 100,
            severity: Severity::Soft,
            priority: None,
        }
    }
}

impl ServiceSpec {
    /// The first key whose value is out of its range, with the way out.
    pub fn fault(&self) -> Option<Error> {
        let wrong = |key: &str, found: String, wanted: &str| {
            Error::cannot_run(format!("found {found}, expected {wanted}")).at(key)
        };
        if self.days == 0 || self.days > 3650 {
            return Some(wrong("days", self.days.to_string(), "a whole number from 1 to 3650"));
        }
        if self.min_requests == 0 {
            return Some(wrong("min_requests", "0".to_owned(), "a whole number from 1"));
        }
        if !(self.availability > 0.0 && self.availability < 1.0) {
            return Some(wrong("availability", number(self.availability), "a number above 0 and below 1"));
        }
        for (key, limits, most) in [("p95_ms", self.p95_ms, f64::MAX), ("errors", self.errors, 1.0)] {
            let wanted = if most == 1.0 { "a number above 0 and up to 1" } else { "a number above 0" };
            for (name, found) in [("goal", limits.goal), ("alert", limits.alert)] {
                if !(found > 0.0 && found <= most) {
                    return Some(wrong(name, number(found), wanted).at(key));
                }
            }
            if limits.alert < limits.goal {
                let found = format!("{}, which is below the goal of {}", number(limits.alert), number(limits.goal));
                return Some(wrong("alert", found, "at least the goal").at(key));
            }
        }
        None
    }
}

/// What the request log says of the service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceReport {
    /// Everything together first, then by day, then by version and arm.
    pub lines: Vec<ServiceLine>,
    pub levels: Vec<Levelled>,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceLine {
    /// Days since 1970, UTC.
    pub day: Option<i32>,
    pub version: Option<String>,
    pub arm: Option<String>,
    pub tally: Tally,
}

impl ServiceReport {
    /// The verdict, what was found in words, and how urgent it is.
    pub fn verdict(&self, spec: &ServiceSpec) -> (artifact::Verdict, String, Option<Priority>) {
        use artifact::Verdict;
        let Some(whole) = self.lines.first().filter(|line| line.tally.requests > 0) else {
            let days = spec::text::count(spec.days.into(), "day");
            return (Verdict::Skipped, format!("the server had no requests in {days}"), None);
        };
        let requests = spec::text::count(whole.tally.requests, "request");
        if whole.tally.requests < spec.min_requests {
            let least = spec::text::count(spec.min_requests, "request");
            return (Verdict::Skipped, format!("only {requests} in the log, of at least {least}"), None);
        }
        let of = |state: LevelState| {
            let levels = self.levels.iter().filter(move |level| level.state == state);
            levels.map(|level| level.found.clone()).collect::<Vec<_>>()
        };
        let (alerts, missed) = (of(LevelState::Alert), of(LevelState::Missed));
        let priority = spec.priority.or_else(|| self.levels.iter().filter_map(|level| level.priority).min());
        let found = [&alerts[..], &missed[..]].concat().join("; ");
        match (alerts.is_empty(), missed.is_empty()) {
            (true, true) => {
                let words: Vec<&str> = self.levels.iter().map(|level| level.found.as_str()).collect();
                (Verdict::Passed, format!("{requests}: {}", words.join(", ")), None)
            }
            (false, _) if spec.severity == Severity::Hard => (Verdict::Failed, found, priority),
            _ => (Verdict::Warned, found, priority),
        }
    }

    /// One row per line, for the table `service`.
    pub fn table(&self, pipeline: &str) -> Result<polars::prelude::DataFrame> {
        tables::service(pipeline, &self.lines)
    }

    /// One row per level, for the table `levels`.
    pub fn levels_table(&self, pipeline: &str) -> Result<polars::prelude::DataFrame> {
        tables::levels(pipeline, &self.levels)
    }
}

#[cfg(test)]
mod tests;
