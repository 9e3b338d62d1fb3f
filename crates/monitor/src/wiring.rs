//! Wires the judgments of `watch` to the shell: what is watched, what it is compared with, what becomes of the verdict.

use std::path::{Path, PathBuf};

use artifact::{Artifact, CheckResult, Input, MonitorFindings, Notes, fingerprint, history};
use clap::Args;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::text::{count, number, percent};
use spec::{Error, Name, Result, Root, Tool};
use stage::{Job, Mirror, Output, Stage};
use tool::About;
use watch::{DiskSpec, DriftSpec, EstimateSpec, PerformanceSpec, RunsSpec, ServiceSpec, SpendSpec};

use crate::comparison::ComparisonSpec;
pub use crate::found::Found;
use crate::found::{judged, urgency};
use crate::{comparison, drift, performance, request_drift, service};

/// The table of columns that were compared.
pub const DRIFT: &str = "drift";
/// Likewise of the features in the request log.
pub const DRIFT_REQUESTS: &str = "drift_requests";
/// The table of predictions and what happened.
const PERFORMANCE: &str = "performance";
/// The table of predictions and what probably happened.
const ESTIMATE: &str = "estimate";
/// The table of answered requests.
const SERVICE: &str = "service";
/// The table of promises that the service keeps or not.
const LEVELS: &str = "levels";
/// The table of the running comparison.
pub const COMPARISON: &str = "comparison";
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
    /// How good predictions probably are before their labels are known: an estimate from calibrated scores (of regression,
    /// from the errors of the test part), with its own error on past weeks.
    #[serde(default)]
    estimate: Option<EstimateSpec>,
    /// How the server answers: latency, errors and availability by version and arm, and whether it keeps its levels. Makes
    /// the tables `service` and `levels`.
    #[serde(default)]
    service: Option<ServiceSpec>,
    /// The state of the running comparison that `release.yaml` describes.
    #[serde(default)]
    comparison: Option<ComparisonSpec>,
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
               data/output/<PIPELINE>/monitor/: a table for each key of resources/<PIPELINE>/monitor.yaml. A finding causes \
               a warning or, with `severity: hard`, ends the run with exit code 1 and an alert; the tables are kept in any case. ARTIFACT names feature tables to look at instead of the `latest` ones.",
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
        let has_requests = spec.drift.as_ref().is_some_and(|drift| drift.request_days.is_some());
        let asked = [
            (DRIFT, spec.drift.is_some()),
            (DRIFT_REQUESTS, has_requests),
            (PERFORMANCE, spec.performance.is_some()),
            (ESTIMATE, spec.estimate.is_some()),
            (SERVICE, spec.service.is_some()),
            (LEVELS, spec.service.is_some()),
            (COMPARISON, spec.comparison.is_some()),
            (RUNS, spec.runs.is_some()),
            (DISK, spec.disk.is_some()),
            (SPEND, spec.spend.is_some()),
        ];
        asked.into_iter().filter(|(_, is_asked)| *is_asked).map(|(table, _)| table.to_owned()).collect()
    }

    fn fault(spec: &Spec) -> Option<Error> {
        if Monitor::tables(spec).is_empty() {
            return Some(
                Error::cannot_run("nothing is watched").hint(
                    "add `drift: {}`, `performance: {}`, `estimate: {}`, `service: {}`, `comparison: {}`, `runs: {}`, `disk: {}` \
                     or `spend: {}`",
                ),
            );
        }
        let of_drift = || spec.drift.as_ref()?.fault().map(|error| error.at(DRIFT));
        let of_performance = || spec.performance.as_ref()?.fault().map(|error| error.at(PERFORMANCE));
        let of_estimate = || spec.estimate.as_ref()?.fault().map(|error| error.at(ESTIMATE));
        let of_service = || spec.service.as_ref()?.fault().map(|error| error.at(SERVICE));
        let of_runs = || spec.runs.as_ref()?.fault().map(|error| error.at(RUNS));
        let of_disk = || spec.disk.as_ref()?.fault().map(|error| error.at(DISK));
        let of_spend = || spec.spend.as_ref()?.fault().map(|error| error.at(SPEND));
        of_drift()
            .or_else(of_performance)
            .or_else(of_estimate)
            .or_else(of_service)
            .or_else(of_runs)
            .or_else(of_disk)
            .or_else(of_spend)
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
        for artifact in request_drift::inputs(job, drift)? {
            inputs.push(artifact.as_input()?);
        }
        Ok(inputs)
    }

    /// The run log, the predictions, the answers of the server and the disk change and time passes, whatever the inputs are.
    fn cause(job: &Job<Self>) -> Option<String> {
        let is_drift = |table: &String| [DRIFT, DRIFT_REQUESTS].contains(&table.as_str());
        let only_drift = Monitor::tables(&job.spec).iter().all(is_drift);
        (!only_drift).then(|| "it measures the present state".to_owned())
    }

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        let mut found = of_model(job)?;
        found.extend(of_server(job)?);
        found.extend(of_pipeline(job)?);
        job.priority.set(urgency(&found));
        Ok(found.into_iter().map(|found| found.published(job)).collect())
    }
}

/// What the model sees, and how good it is.
fn of_model(job: &Job<Monitor>) -> Result<Vec<Found>> {
    let spec = &job.spec;
    let mut found = Vec::new();
    let noted = |found: Result<Found>, version: Option<String>, watch: Option<MonitorFindings>| -> Result<Found> {
        Ok(Found { notes: Notes { version, watch, ..Notes::default() }, ..found? })
    };
    if let Some(spec) = &spec.drift {
        // What `train` asks for, which trains again when the world moves.
        let watch = |report: &watch::DriftReport| Some(MonitorFindings { drifted: report.drifted(), error_up: None });
        let of = |table: &'static str, check: String, report: &watch::DriftReport| {
            let (verdict, found) = report.verdict(spec.severity);
            let check = CheckResult { check, severity: spec.severity, verdict, found };
            Found::new(table, report.table(), check, spec.priority)
        };
        let (report, version) = drift::look(job, spec)?;
        found.push(noted(of(DRIFT, format!("drift of '{}'", spec.table), &report), version, watch(&report))?);
        if let Some(days) = spec.request_days {
            let (report, version) = request_drift::look(job, spec, days)?;
            let requests = of(DRIFT_REQUESTS, "drift of requests".to_owned(), &report);
            found.push(noted(requests, Some(version), watch(&report))?);
        }
    }
    if let Some(spec) = &spec.performance {
        let (report, version) = performance::judge(job, spec)?;
        let watch = MonitorFindings { drifted: Vec::new(), error_up: report.worse(&version, spec) };
        let (verdict, words) = report.verdict(spec.severity);
        let check = CheckResult { check: PERFORMANCE.to_owned(), severity: spec.severity, verdict, found: words };
        let of = Found::new(PERFORMANCE, report.table(), check, spec.priority);
        found.push(noted(of, Some(version), Some(watch))?);
    }
    if let Some(spec) = &spec.estimate {
        let (report, version) = performance::estimate(job, spec)?;
        let (verdict, words) = report.verdict(spec.severity);
        let check = CheckResult { check: ESTIMATE.to_owned(), severity: spec.severity, verdict, found: words };
        found.push(noted(Found::new(ESTIMATE, report.table(), check, spec.priority), Some(version), None)?);
    }
    Ok(found)
}

/// What visitors get, and what they do.
fn of_server(job: &Job<Monitor>) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    if let Some(spec) = &job.spec.service {
        let report = service::look(job, spec)?;
        let (verdict, words, priority) = report.verdict(spec);
        let check = CheckResult { check: SERVICE.to_owned(), severity: spec.severity, verdict, found: words };
        let pipeline = job.pipeline.as_str();
        found.push(Found::new(SERVICE, report.table(pipeline), check, priority)?);
        let (table, notes) = (report.levels_table(pipeline)?, Notes::default());
        found.push(Found { name: LEVELS, table, check: None, priority: None, notes });
    }
    if let Some(spec) = &job.spec.comparison {
        found.push(comparison::look(job, spec)?);
    }
    Ok(found)
}

/// How the stages run, and what they take.
fn of_pipeline(job: &Job<Monitor>) -> Result<Vec<Found>> {
    let (spec, now) = (&job.spec, job.stamp.time());
    let mut found = Vec::new();
    if let Some(spec) = &spec.runs {
        let stages = watch::stage_runs(&log_of(job)?, job.pipeline.as_str(), spec, now);
        let fine = format!("{} without problems", count(stages.len() as u64, "stage"));
        let check = judged(RUNS, spec.severity, watch::findings(&stages), fine);
        found.push(Found::new(RUNS, watch::runs_table(&stages, now), check, spec.priority)?);
    }
    if let Some(spec) = &spec.disk {
        let stages = [Tool::Ingest, Tool::Clean, Tool::Features, Tool::Train, Tool::Predict, Tool::Export];
        let mut folders: Vec<PathBuf> = stages.iter().map(|tool| tool.folder(&job.pipeline)).collect();
        // What `serve` writes grows with the requests.
        folders.push(Path::new("data/journals").join(job.pipeline.as_str()));
        folders.push(Tool::Serve.folder(&job.pipeline));
        folders.push("data/runs".into());
        let disk = watch::disk_use(job.root.path(), &folders.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
        let fine = format!("{} of the disk is free", percent(disk.share_free()));
        let check = judged(DISK, spec.severity, disk.finding(spec), fine);
        found.push(Found::new(DISK, disk.table(), check, spec.priority)?);
    }
    if let Some(spec) = &spec.spend {
        let published = history::all(&job.root.join(Tool::Clean.folder(&job.pipeline)));
        let spent = watch::spent(&published, spec, now);
        let total: f64 = spent.iter().map(|spent| spent.cost).sum();
        let fine = format!("{} in {}", number(total), count(spec.days.into(), "day"));
        let check = judged(SPEND, spec.severity, watch::overspent(&spent, spec), fine);
        found.push(Found::new(SPEND, watch::spend_table(&spent), check, spec.priority)?);
    }
    Ok(found)
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
    fn limits_and_names_are_checked_before_anything_is_read() {
        assert_eq!(read("drift: {}\nruns: {max_age: {ingest: 26h}}\n"), Ok(()));
        for (text, error) in [
            (
                "drift:\n",
                "1:1: nothing is watched; add `drift: {}`, `performance: {}`, `estimate: {}`, `service: {}`, `comparison: {}`, \
                 `runs: {}`, `disk: {}` or `spend: {}`",
            ),
            ("drift: {alpha: 2}\n", "1:9: drift.alpha: found 2, expected a number from 0 to 1"),
            ("drift: {looks: 0}\n", "1:9: drift.looks: found 0, expected a whole number from 1 to 50"),
            ("runs: {max_age: {ingst: 1d}}\n", "1:18: runs.max_age.ingst: no tool 'ingst'; did you mean 'ingest'?"),
            ("drift: {max_psy: 1}\n", "1:9: drift: unknown key 'max_psy'; did you mean 'max_psi'?"),
            ("performance: {metric: auk}\n", "1:23: performance.metric: unknown metric 'auk'; did you mean 'auc'?"),
            (
                "service: {errors: {goal: 0.01, alert: 3}}\n",
                "1:32: service.errors.alert: found 3, expected a number above 0 and up to 1",
            ),
            ("drift: {request_days: 0}\n", "1:9: drift.request_days: found 0, expected a whole number from 1 to 3650"),
            (
                "drift: {served: homes_served}\n",
                "1:9: drift.served: names requests that are not read; write `request_days`, too: the features of so many days of \
                 requests are compared",
            ),
            ("performance: {weeks: 0}\n", "1:15: performance.weeks: found 0, expected a whole number from 1 to 5000"),
        ] {
            assert_eq!(read(text).unwrap_err(), format!("monitor.yaml:{error}"), "{text:?}");
        }
    }
}
