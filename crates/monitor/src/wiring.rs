//! Wires the judgments of `watch` to the shell: what is watched, what it is compared with, what becomes of the verdict.

use std::path::{Path, PathBuf};

use alert::Priority;
use artifact::{Artifact, Batch, CheckResult, Input, Notes, Verdict, Watch, fingerprint, history};
use clap::Args;
use polars::prelude::DataFrame;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::text::{count, number, percent};
use spec::{Error, Name, Result, Root, Severity, Tool};
use stage::{Empty, Job, Judged, Mirror, Output, Stage, TableOutput};
use tool::About;
use watch::{DiskSpec, DriftSpec, PerformanceSpec, RunsSpec, SpendSpec};

use crate::{drift, performance};

/// The table of columns that were compared.
const DRIFT: &str = "drift";
/// The table of predictions and what happened.
const PERFORMANCE: &str = "performance";
/// The table of stages and their runs.
const RUNS: &str = "runs";
/// The table of folders and their sizes.
const DISK: &str = "disk";
/// The table of days and what language models cost.
const SPEND: &str = "spend";

/// `resources/<pipeline>/monitor.yaml`: what is watched. Each key makes a table of its name.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Spec {
    /// Whether the columns that a model sees are still distributed as in the rows that it learned from.
    #[serde(default)]
    pub drift: Option<DriftSpec>,
    /// How good the predictions of earlier runs turned out to be, once their labels are known.
    #[serde(default)]
    performance: Option<PerformanceSpec>,
    /// Whether the pipeline's stages succeed, in their usual time, and how old their output is.
    #[serde(default)]
    runs: Option<RunsSpec>,
    /// How much of the disk the pipeline takes, and how much is left.
    #[serde(default)]
    disk: Option<DiskSpec>,
    /// What the steps `llm` of clean cost, by day and task. Runs that published count.
    #[serde(default)]
    spend: Option<SpendSpec>,
}

#[derive(Args, Debug)]
pub struct Flags {}

pub struct Monitor;

impl Stage for Monitor {
    const TOOL: Tool = Tool::Monitor;
    const ABOUT: About = About {
        short: "Monitor a pipeline: drift, performance, runs, disk and spend",
        long: "Compares the newest features with those that the production model learned from, reads the run log, and writes \
               data/output/<PIPELINE>/monitor/: a table for each key of resources/<PIPELINE>/monitor.yaml. What is not as it \
               should be warns or, with `severity: hard`, ends the run with exit code 1 and an alert; the tables are \
               kept in any case. ARTIFACT names feature tables to look at instead of the `latest` ones.",
        examples: &[
            ("monitor churn", "look once; call it by cron after predict"),
            ("monitor churn --log-format json", "with messages for machines"),
        ],
    };
    const INPUTS: Option<&'static str> = Some(
        "Feature tables to look at: Parquet files or addresses such as s3://bucket/key; `-` reads their names from stdin, one per \
         line; without any, the `latest` ones",
    );
    type Spec = Spec;
    type Flags = Flags;

    fn tables(spec: &Spec) -> Vec<String> {
        let asked = [
            (DRIFT, spec.drift.is_some()),
            (PERFORMANCE, spec.performance.is_some()),
            (RUNS, spec.runs.is_some()),
            (DISK, spec.disk.is_some()),
            (SPEND, spec.spend.is_some()),
        ];
        asked.into_iter().filter(|(_, is_asked)| *is_asked).map(|(table, _)| table.to_owned()).collect()
    }

    fn fault(spec: &Spec) -> Option<Error> {
        if Monitor::tables(spec).is_empty() {
            return Some(
                Error::cannot_run("nothing is watched")
                    .hint("add `drift: {}`, `performance: {}`, `runs: {}`, `disk: {}` or `spend: {}`"),
            );
        }
        let of_drift = || spec.drift.as_ref()?.fault().map(|error| error.at(DRIFT));
        let of_performance = || spec.performance.as_ref()?.fault().map(|error| error.at(PERFORMANCE));
        let of_runs = || spec.runs.as_ref()?.fault().map(|error| error.at(RUNS));
        let of_disk = || spec.disk.as_ref()?.fault().map(|error| error.at(DISK));
        let of_spend = || spec.spend.as_ref()?.fault().map(|error| error.at(SPEND));
        of_drift().or_else(of_performance).or_else(of_runs).or_else(of_disk).or_else(of_spend)
    }

    /// The feature tables; without any named, the `latest` ones, if there are.
    fn artifacts(pipeline: &Name, named: &[String], root: &Root, mirror: &Mirror) -> Result<Vec<Artifact>> {
        if !named.is_empty() {
            return stage::upstream(Tool::Monitor, pipeline, named, root, mirror);
        }
        let snapshot = mirror.latest(&Tool::Features.folder(pipeline))?.unwrap_or_default();
        let open = |path: &PathBuf| {
            mirror.bring(path)?;
            artifact::open(root, path)
        };
        snapshot.paths.iter().map(open).collect()
    }

    /// The feature tables that are watched, and the model in production.
    fn inputs(job: &Job<Self>) -> Result<Vec<Input>> {
        let Some(drift) = &job.spec.drift else { return Ok(Vec::new()) };
        let watched = job.artifacts.iter().filter(|artifact| artifact.table == drift.table);
        let mut inputs: Vec<Input> = watched.map(Artifact::as_input).collect::<Result<_>>()?;
        if let Some((_, folder)) = drift::model(job, drift)? {
            let path = job.root.relative(&folder).display().to_string();
            inputs.push(Input { path, fingerprint: fingerprint(&folder)?, rows: None });
        }
        Ok(inputs)
    }

    /// The run log, the predictions and the disk change and time passes, whatever the inputs are.
    fn cause(job: &Job<Self>) -> Option<String> {
        let only_drift = Monitor::tables(&job.spec) == [DRIFT];
        (!only_drift).then(|| "it looks at things as they are now".to_owned())
    }

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        let (spec, now) = (&job.spec, job.stamp.time());
        let mut found = Vec::new();
        if let Some(spec) = &spec.drift {
            let (report, version) = drift::look(job, spec)?;
            let (verdict, words) = report.verdict(spec.severity);
            let check = format!("drift of '{}'", spec.table);
            let check = CheckResult { check, severity: spec.severity, verdict, found: words };
            // What `train` asks for, which trains again when the world moves.
            let watch = Watch { drifted: report.drifted(), error_up: None };
            let notes = Notes { version, watch: Some(watch), ..Notes::default() };
            found.push(Found { name: DRIFT, table: report.table()?, check, priority: spec.priority, notes });
        }
        if let Some(spec) = &spec.performance {
            let (report, version) = performance::judge(job, spec)?;
            let watch = Watch { drifted: Vec::new(), error_up: report.worse(&version, spec) };
            let (verdict, words) = report.verdict(spec.severity);
            let check = CheckResult { check: PERFORMANCE.to_owned(), severity: spec.severity, verdict, found: words };
            let notes = Notes { version: Some(version), watch: Some(watch), ..Notes::default() };
            let priority = spec.priority;
            found.push(Found { name: PERFORMANCE, table: report.table()?, check, priority, notes });
        }
        if let Some(spec) = &spec.runs {
            let stages = watch::stage_runs(&log_of(job)?, job.pipeline.as_str(), spec, now);
            let fine = format!("{} as they should be", count(stages.len() as u64, "stage"));
            let check = judged(RUNS, spec.severity, watch::findings(&stages), fine);
            found.push(Found::new(RUNS, watch::runs_table(&stages, now)?, check, spec.priority));
        }
        if let Some(spec) = &spec.disk {
            let stages = [Tool::Ingest, Tool::Clean, Tool::Features, Tool::Train, Tool::Predict, Tool::Export];
            let mut folders: Vec<PathBuf> = stages.iter().map(|tool| tool.folder(&job.pipeline)).collect();
            folders.push("data/runs".into());
            let disk = watch::disk_use(job.root.path(), &folders.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
            let fine = format!("{} of the disk is free", percent(disk.share_free()));
            let check = judged(DISK, spec.severity, disk.finding(spec), fine);
            found.push(Found::new(DISK, disk.table()?, check, spec.priority));
        }
        if let Some(spec) = &spec.spend {
            let published = history::all(&job.root.join(Tool::Clean.folder(&job.pipeline)));
            let spent = watch::spent(&published, spec, now);
            let total: f64 = spent.iter().map(|spent| spent.cost).sum();
            let fine = format!("{} in {}", number(total), count(spec.days.into(), "day"));
            let check = judged(SPEND, spec.severity, watch::overspent(&spent, spec), fine);
            found.push(Found::new(SPEND, watch::spend_table(&spent)?, check, spec.priority));
        }
        job.priority.set(urgency(&found));
        Ok(found.into_iter().map(|found| found.published(job)).collect())
    }
}

/// What one key of the file found.
struct Found {
    name: &'static str,
    table: DataFrame,
    check: CheckResult,
    priority: Option<Priority>,
    notes: Notes,
}

impl Found {
    fn new(name: &'static str, table: DataFrame, check: CheckResult, priority: Option<Priority>) -> Found {
        Found { name, table, check, priority, notes: Notes::default() }
    }

    /// The table, which records what was found, with its verdict.
    fn published(self, job: &Job<Monitor>) -> Output {
        let Found { name, table, check, notes, .. } = self;
        if check.verdict == Verdict::Passed {
            tool::say(format!("monitor {}: {}: {}", job.pipeline, check.check, check.found));
        }
        let (schema, rows) = (table.schema().as_ref().clone(), table.height() as u64);
        let judged = move || Judged { checks: vec![check], is_record: true, ..Judged::default() };
        let batches = Box::new(std::iter::once(Ok(Batch::from(table))));
        Output::Table(TableOutput {
            empty: Empty::Published,
            judged: Box::new(judged),
            notes,
            ..TableOutput::new(name, schema, batches, rows)
        })
    }
}

/// A verdict on something that is as it should be unless there is a finding.
fn judged(check: &str, severity: Severity, finding: Option<String>, fine: String) -> CheckResult {
    let verdict = match (&finding, severity) {
        (None, _) => Verdict::Passed,
        (Some(_), Severity::Hard) => Verdict::Failed,
        (Some(_), Severity::Soft) => Verdict::Warned,
    };
    CheckResult { check: check.to_owned(), severity, verdict, found: finding.unwrap_or(fine) }
}

/// How urgent the run's alert is: as the most urgent of what refuses it, or if nothing does, of what it warns of. A finding
/// without a priority has that of its class, which is at most P2.
fn urgency(found: &[Found]) -> Option<Priority> {
    let of = |verdict: Verdict| found.iter().filter(move |found| found.check.verdict == verdict);
    let deciding = if of(Verdict::Failed).next().is_some() { Verdict::Failed } else { Verdict::Warned };
    let most_urgent = of(deciding).filter_map(|found| found.priority).min();
    let all_have_one = of(deciding).all(|found| found.priority.is_some());
    most_urgent.filter(|priority| all_have_one || *priority <= Priority::P1)
}

/// The run log of the pipeline; empty if nothing has run.
fn log_of(job: &Job<Monitor>) -> Result<String> {
    let path = Path::new("data/runs").join(format!("{}.jsonl", job.pipeline));
    match std::fs::read(job.root.join(&path)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Error::io("read", &path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use spec::Environment;

    use super::*;

    fn read(text: &str) -> Result<(), String> {
        let read = stage::read_spec::<Monitor>(text, Path::new("monitor.yaml"), &Environment::default());
        read.map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn mangled_specs_are_read_or_refused_with_their_place() {
        testkit::mangle("monitor", read);
    }

    #[test]
    fn the_most_urgent_of_what_decides_is_the_priority() {
        let found = |verdict: Verdict, priority: Option<Priority>| {
            let check = CheckResult { verdict, ..judged("x", Severity::Hard, None, String::new()) };
            Found::new(RUNS, DataFrame::empty(), check, priority)
        };
        let of = |all: &[(Verdict, Option<Priority>)]| {
            urgency(&all.iter().map(|(verdict, priority)| found(*verdict, *priority)).collect::<Vec<_>>())
        };
        use Priority::{P0, P1, P3};
        assert_eq!(of(&[(Verdict::Passed, Some(P0)), (Verdict::Skipped, Some(P0))]), None);
        assert_eq!(of(&[(Verdict::Warned, Some(P0)), (Verdict::Failed, Some(P3))]), Some(P3));
        assert_eq!(of(&[(Verdict::Warned, Some(P3)), (Verdict::Warned, Some(P1))]), Some(P1));
        assert_eq!(of(&[(Verdict::Failed, None), (Verdict::Failed, Some(P3))]), None);
        assert_eq!(of(&[(Verdict::Failed, None), (Verdict::Failed, Some(P0))]), Some(P0));
    }

    #[test]
    fn limits_and_names_are_checked_before_anything_is_read() {
        assert_eq!(read("drift: {}\nruns: {max_age: {ingest: 26h}}\n"), Ok(()));
        for (text, error) in [
            (
                "drift:\n",
                "1:1: nothing is watched; add `drift: {}`, `performance: {}`, `runs: {}`, `disk: {}` or `spend: {}`",
            ),
            ("drift: {alpha: 2}\n", "1:9: drift.alpha: found 2, expected a number from 0 to 1"),
            ("drift: {looks: 0}\n", "1:9: drift.looks: found 0, expected a whole number from 1 to 50"),
            ("runs: {max_age: {ingst: 1d}}\n", "1:18: runs.max_age.ingst: no tool 'ingst'; did you mean 'ingest'?"),
            ("drift: {max_psy: 1}\n", "1:9: drift: unknown key 'max_psy'; did you mean 'max_psi'?"),
            ("performance: {metric: auk}\n", "1:23: performance.metric: unknown metric 'auk'; did you mean 'auc'?"),
            ("performance: {weeks: 0}\n", "1:15: performance.weeks: found 0, expected a whole number from 1 to 5000"),
        ] {
            assert_eq!(read(text).unwrap_err(), format!("monitor.yaml:{error}"), "{text:?}");
        }
    }
}
