//! The command line of `release`, and what each flag calls.

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use compare::{CompareSpec, PointInTime};
use spec::{Error, Exit, Result, Tool};
use tool::{About, Common, Program};

use crate::context::Context;
use crate::{comparing, deciding, judging, reading};

/// How answers are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// JSON: of a list one object per line.
    Json,
}

#[derive(Args, Debug)]
pub struct Arguments {
    /// The pipeline: the name of a folder in resources/
    #[arg(value_name = "PIPELINE", required_unless_present = "schema")]
    pipeline: Option<String>,
    /// The comparison: tables of requests and outcomes; none means those that `serve` has sealed
    #[arg(value_name = "ARTIFACT", conflicts_with_all = ["ask", "change"])]
    artifacts: Vec<String>,

    /// Print all versions: the stage of each, when it was trained, how good it is
    #[arg(long, help_heading = "Look", group = "ask")]
    list: bool,
    /// Print everything that is known about a version; without one, about the version in production
    #[arg(long, value_name = "VERSION", num_args = 0..=1, help_heading = "Look", group = "ask")]
    show: Option<Option<String>>,
    /// Print the version in production, its quality and its card
    #[arg(long, help_heading = "Look", group = "ask")]
    production: bool,
    /// Print every decision, oldest first, with its reason
    #[arg(long, alias = "decisions", help_heading = "Look", group = "ask")]
    history: bool,
    /// Print what was in production at this time (UTC), such as 2026-01-01T00:00, and on what evidence
    #[arg(long, value_name = "TIME", help_heading = "Look", group = "ask")]
    at: Option<String>,
    /// Compare two versions on the newest labelled rows that neither has learned from
    #[arg(long, value_names = ["VERSION", "VERSION"], num_args = 2, help_heading = "Look", group = "ask")]
    compare: Option<Vec<String>>,
    /// How to print answers
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Look")]
    format: Format,

    /// Put this version into production
    #[arg(
        long,
        value_name = "VERSION",
        help_heading = "Decide",
        group = "change",
        requires = "why",
        conflicts_with = "ask"
    )]
    promote: Option<String>,
    /// Return to the version that was in production before
    #[arg(long, help_heading = "Decide", group = "change", requires = "why", conflicts_with = "ask")]
    rollback: bool,
    /// Set this version aside: it no longer waits in staging
    #[arg(
        long,
        value_name = "VERSION",
        help_heading = "Decide",
        group = "change",
        requires = "why",
        conflicts_with = "ask"
    )]
    archive: Option<String>,
    /// The reason, for the log of decisions
    #[arg(long, value_name = "TEXT", help_heading = "Decide", requires = "change")]
    why: Option<String>,

    /// The comparison: print the verdict, but log and change nothing
    #[arg(long, help_heading = "This run", conflicts_with_all = ["ask", "change"])]
    dry_run: bool,
    /// Accepted for scripts: decisions never wait for a training
    #[arg(long, hide = true)]
    no_wait: bool,
}

pub struct Release;

impl Program for Release {
    const TOOL: Tool = Tool::Release;
    const ABOUT: About = About {
        short: "Decide which version of a model is in production, and say why",
        long: "Without a flag, judges the running comparison by resources/<PIPELINE>/release.yaml: is the version in \
               staging better for those who got it than the one in production? The verdict is `promote`, `keep`, `more data` \
               or `stop: sample ratio`. With `promote: {when: better}` it is carried out. Every decision goes to the log in \
               data/models/<PIPELINE>/, with its reason, its numbers and the hash of its evidence.",
        examples: &[
            ("release housing", "judge the running comparison"),
            ("release housing --list", "print all versions"),
            ("release housing --promote v7 --why 'x'", "put a version into production"),
            ("release housing --rollback --why 'x'", "return to the version before"),
            ("release housing --compare v6 v7", "compare two versions on the same rows"),
            ("release housing --at 2026-01-01T00:00", "what was in production then"),
        ],
    };
    type Arguments = Arguments;

    fn schema() -> serde_json::Value {
        let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
        generator.into_root_schema_for::<CompareSpec>().to_value()
    }

    fn subject(arguments: &Arguments) -> String {
        arguments.pipeline.clone().unwrap_or_default()
    }

    fn run(arguments: Arguments, common: Common) -> Result<Exit> {
        let context = Context::open(arguments.pipeline.as_deref().unwrap_or_default())?;
        let why = arguments.why.as_deref().unwrap_or_default();
        let format = arguments.format;
        if arguments.list {
            reading::list(&context, format)?;
        } else if let Some(version) = &arguments.show {
            reading::show(&context, version.as_deref(), format)?;
        } else if arguments.production {
            reading::production(&context)?;
        } else if arguments.history {
            reading::history(&context, format)?;
        } else if let Some(time) = &arguments.at {
            reading::at(&context, point_in_time(time)?, format)?;
        } else if let Some([one, other]) = arguments.compare.as_deref() {
            comparing::compare(&context, one.parse()?, other.parse()?, format)?;
        } else if let Some(version) = &arguments.promote {
            deciding::promote(&context, version.parse()?, why)?;
        } else if arguments.rollback {
            deciding::rollback(&context, why)?;
        } else if let Some(version) = &arguments.archive {
            deciding::archive(&context, version.parse()?, why)?;
        } else {
            return judging::judge(&context, &arguments.artifacts, format, arguments.dry_run, common.quiet);
        }
        Ok(Exit::Done)
    }
}

/// A time as people write it: a day, or a day and a time, UTC unless it says otherwise.
fn point_in_time(text: &str) -> Result<DateTime<Utc>> {
    let micros = text.parse::<PointInTime>().map_err(|error| error.context("--at"))?.micros;
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| Error::cannot_run(format!("--at: '{text}' is beyond the times that can be looked up")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use compare::CompareSpec;
    use spec::Environment;

    use super::point_in_time;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(point_in_time("2026-01-02T03:04:05+09:00").unwrap().to_rfc3339(), "2026-01-01T18:04:05+00:00");
        assert_eq!(
            point_in_time("2026-13-01").unwrap_err().to_string(),
            "--at: '2026-13-01' is not a time; write a day such as 2026-01-01, or a time such as 2026-01-01T08:30 (UTC)"
        );
    }

    #[test]
    fn mangled_specs_are_read_or_refused_with_their_place() {
        testkit::mangle("release", |text| {
            let read = spec::parse::<CompareSpec>(text, Path::new("release.yaml"), &Environment::default());
            read.map(drop).map_err(|error| error.to_string())
        });
    }
}
