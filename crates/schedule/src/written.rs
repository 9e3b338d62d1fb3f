//! What `schedule.yaml` says.

use std::path::PathBuf;
use std::str::FromStr;

use alert::Priority;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use spec::{Environment, Error, Length, Name, Result, Root, Tool, did_you_mean};

use crate::{Expression, FILE, TimeZone};

/// When a pipeline runs, and what happens if a run fails. Example:
///
/// ```yaml
/// cron: 0 2 * * *
/// time_zone: Europe/Berlin
/// retries: {times: 3, wait: 5m}
/// time_out: {run: 4h}
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// When it runs: minute, hour, day of the month, month, day of the week.
    #[serde(default)]
    pub cron: Option<Expression>,
    /// It also runs when one of these stages of other pipelines has published something new: `[shop.export]`. For systemd
    /// and Airflow; cron knows times only.
    #[serde(default)]
    pub after: Vec<Upstream>,
    /// The time zone of `cron`. Default: UTC.
    #[serde(default)]
    pub time_zone: TimeZone,
    /// A run that was missed, because the machine was off, is made up for once it is on. Several missed runs are made up for
    /// by one: a run reads whatever is new. Default: true.
    #[serde(default = "yes")]
    pub catch_up: bool,
    /// What follows exit code 75, "try again later". Codes 1 and 2 are never retried: the result would be the same.
    #[serde(default)]
    pub retries: Retries,
    /// How long it may take. Default: no limit.
    #[serde(default)]
    pub time_out: TimeOuts,
    /// Notifications about whole runs. Those about failures of single stages are set in resources/alerts.yaml.
    #[serde(default)]
    pub alerts: Alerts,
}

fn yes() -> bool {
    true
}

/// How a stage that ended with 75 is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retries {
    /// How often at most, beyond the first try: 2 by default, 0 for never, at most 100.
    pub times: u32,
    /// The pause before the first of them; each further one is twice as long. Default: 5m.
    pub wait: Length,
    /// The longest pause. Default: 1h.
    pub longest_wait: Length,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries { times: 2, wait: Length::minutes(5), longest_wait: Length::hours(1) }
    }
}

impl Retries {
    /// The pause before retry `number`, which counts from 1.
    pub fn pause(&self, number: u32) -> std::time::Duration {
        let factor = 2_u32.saturating_pow(number.saturating_sub(1));
        self.wait.duration().saturating_mul(factor).min(self.longest_wait.duration())
    }
}

/// Limits in time. A stage that reaches one gets SIGTERM and leaves nothing half-done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeOuts {
    /// Each try of a stage.
    pub stage: Option<Length>,
    /// The whole run, with its pauses.
    pub run: Option<Length>,
}

/// Alerts about runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// How urgent it is that a stage failed with its last retry, or that time ran out. Default: P2.
    pub gave_up: Priority,
}

impl Default for Alerts {
    fn default() -> Alerts {
        Alerts { gave_up: Priority::P2 }
    }
}

/// A stage of a pipeline: `shop.export`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    pub pipeline: Name,
    pub stage: Tool,
}

impl FromStr for Upstream {
    type Err = Error;
    fn from_str(text: &str) -> Result<Upstream> {
        let (pipeline, stage) = text.split_once('.').ok_or_else(|| {
            Error::cannot_run(format!("'{text}' is not a stage of a pipeline"))
                .hint("write PIPELINE.STAGE: shop.export")
        })?;
        let stages = || Tool::ALL.into_iter().filter(|tool| !matches!(tool, Tool::Release | Tool::Serve));
        let found = stages().find(|tool| tool.name() == stage).ok_or_else(|| {
            let names: Vec<&str> = stages().map(Tool::name).collect();
            Error::cannot_run(format!("'{text}': no stage '{stage}'")).hint(did_you_mean(stage, names))
        })?;
        Ok(Upstream { pipeline: Name::new(pipeline)?, stage: found })
    }
}

impl std::fmt::Display for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.pipeline, self.stage)
    }
}

impl<'de> Deserialize<'de> for Upstream {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Upstream, D::Error> {
        spec::read_text(deserializer, "a stage of a pipeline such as shop.export", str::parse)
    }
}

impl Serialize for Upstream {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl schemars::JsonSchema for Upstream {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Upstream".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\\.[a-z]+$",
            "description": "A stage of another pipeline: `shop.export`."
        })
    }
}

impl Schedule {
    /// Reads and checks the schedule of a pipeline; `None` if it has none.
    ///
    /// # Errors
    /// Cannot run: the pipeline does not exist, or the file is wrong: with file, line and column.
    pub fn load(root: &Root, env: &Environment, pipeline: &Name) -> Result<Option<Schedule>> {
        let folder = PathBuf::from("resources").join(pipeline.as_str());
        if !root.join(&folder).is_dir() {
            let known = root.pipelines();
            return Err(Error::cannot_run(format!("no pipeline '{pipeline}' (no folder {})", folder.display()))
                .hint(did_you_mean(pipeline.as_str(), known.iter().map(String::as_str))));
        }
        let file = folder.join(FILE);
        if !root.join(&file).is_file() {
            return Ok(None);
        }
        let text = spec::text_of(root, &file)?;
        let schedule = spec::parse::<Schedule>(&text, &file, env)?.spec;
        schedule.check(root, pipeline).map_err(|error| error.placed(&text, &file))?;
        Ok(Some(schedule))
    }

    fn check(&self, root: &Root, pipeline: &Name) -> Result<()> {
        if self.cron.is_none() && self.after.is_empty() {
            return Err(Error::cannot_run("nothing says when it runs").hint("add 'cron' or 'after'"));
        }
        if self.cron.is_none() && self.time_zone != TimeZone::default() {
            return Err(Error::cannot_run("has no effect without 'cron'").hint("remove it").at("time_zone"));
        }
        if self.retries.times > 100 {
            return Err(Error::cannot_run("at most 100").at("times").at("retries"));
        }
        if self.retries.wait > self.retries.longest_wait {
            return Err(Error::cannot_run(format!("longer than longest_wait, {}", self.retries.longest_wait))
                .hint("make it shorter, or longest_wait longer")
                .at("wait")
                .at("retries"));
        }
        if let (Some(stage), Some(run)) = (self.time_out.stage, self.time_out.run)
            && stage > run
        {
            return Err(Error::cannot_run(format!("longer than the run may take, {run}"))
                .hint("make it shorter, or remove it")
                .at("stage")
                .at("time_out"));
        }
        for (index, upstream) in self.after.iter().enumerate() {
            if upstream.pipeline == *pipeline {
                return Err(Error::cannot_run(format!("'{upstream}' is a stage of this pipeline"))
                    .hint("name a stage of another one; the order within a pipeline is known")
                    .at(index)
                    .at("after"));
            }
            root.spec(&upstream.pipeline, upstream.stage).map_err(|error| error.at(index).at("after"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Schedule> {
        let folder = tempfile::tempdir().unwrap();
        for pipeline in ["shop", "churn"] {
            std::fs::create_dir_all(folder.path().join("resources").join(pipeline)).unwrap();
        }
        std::fs::write(folder.path().join("resources/shop/export.yaml"), "").unwrap();
        std::fs::write(folder.path().join("resources/churn/schedule.yaml"), text).unwrap();
        let env = Environment::new([("ZONE".to_owned(), "Asia/Tokyo".to_owned())].into());
        let root = Root::at(folder.path());
        Schedule::load(&root, &env, &Name::new("churn").unwrap()).map(Option::unwrap)
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let schedule = read("cron: \"0 2 * * *\"\ntime_zone: ${ZONE}\nafter: [shop.export]\n").unwrap();
        assert_eq!(schedule.time_zone.to_string(), "Asia/Tokyo");
        assert_eq!(schedule.after[0].to_string(), "shop.export");
        assert!(schedule.catch_up);
        assert_eq!(schedule.retries, Retries::default());
        assert_eq!(schedule.time_out, TimeOuts::default());
        assert_eq!(schedule.alerts.gave_up, Priority::P2);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retries = read("cron: '@daily'\nretries: {times: 5, wait: 10m, longest_wait: 1h}\n").unwrap().retries;
        let minutes: Vec<u64> = (1..=5).map(|number| retries.pause(number).as_secs() / 60).collect();
        assert_eq!(minutes, [10, 20, 40, 60, 60]);
        assert_eq!(retries.pause(100).as_secs(), 3600);
    }

    #[test]
    fn every_fault_is_placed() {
        for (text, error) in [
            ("catch_up: true\n", "1:1: nothing says when it runs; add 'cron' or 'after'"),
            (
                "cron: 0 25 * * *\n",
                "1:7: cron: '0 25 * * *' is not a time to run: hour: '25' is not one; write a number from 0 to 23",
            ),
            ("cron: '@daily'\ntimezone: UTC\n", "2:1: unknown key 'timezone'; did you mean 'time_zone'?"),
            (
                "cron: '@daily'\ntime_zone: Europe/Berln\n",
                "2:12: time_zone: 'Europe/Berln' is not a time zone; did you mean 'Europe/Berlin'?",
            ),
            (
                "after: [shop.export]\ntime_zone: Asia/Tokyo\n",
                "2:1: time_zone: has no effect without 'cron'; remove it",
            ),
            ("after: [shop.exprt]\n", "1:9: after[0]: 'shop.exprt': no stage 'exprt'; did you mean 'export'?"),
            (
                "after: [churn.clean]\n",
                "1:9: after[0]: 'churn.clean' is a stage of this pipeline; name a stage of another one; the order within a \
                 pipeline is known",
            ),
            (
                "cron: '@daily'\ntime_out: {stage: 2h, run: 1h}\n",
                "2:12: time_out.stage: longer than the run may take, 1h; make it shorter, or remove it",
            ),
            (
                "cron: '@daily'\nretries: {wait: 2h}\n",
                "2:11: retries.wait: longer than longest_wait, 1h; make it shorter, or longest_wait longer",
            ),
        ] {
            let expected = format!("resources/churn/schedule.yaml:{error}");
            assert_eq!(read(text).unwrap_err().to_string(), expected, "{text}");
        }
    }
}
