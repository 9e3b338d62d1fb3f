//! Wires the judgments of `watch` to the shell: what is watched, what it is compared with, what becomes of the verdict.

use alert::Priority;
use artifact::{Artifact, Batch, CheckResult, Input, Notes, Verdict, Watch, fingerprint};
use clap::Args;
use polars::prelude::DataFrame;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::{Error, Name, Result, Root, Severity, Tool};
use stage::{Empty, Job, Judged, Mirror, Output, Stage, TableOutput};
use tool::About;
use watch::{DriftSpec, PerformanceSpec, RunsSpec};

use crate::{drift, performance};

/// The table of columns that were compared.
const DRIFT: &str = "drift";
/// The table of predictions and what happened.
const PERFORMANCE: &str = "performance";
/// The table of stages and their runs.
const RUNS: &str = "runs";

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
}

#[derive(Args, Debug)]
pub struct Flags {}

pub struct Monitor;

impl Stage for Monitor {
    const TOOL: Tool = Tool::Monitor;
    const ABOUT: About = About {
        short: "Watch what a pipeline reads, runs and predicts",
        long: "Compares the newest features with those that the production model learned from, reads the run log, and writes \
               data/output/<PIPELINE>/monitor/: a table for each key of resources/<PIPELINE>/monitor.yaml. What is not as it \
               should be warns or, with `severity: hard`, ends the run with exit code 1 and an alert; the tables are \
               kept in any case. ARTIFACT names feature tables to look at instead of the `latest` ones.",
        examples: &[
            ("monitor churn", "look once; call it by cron after predict"),
            ("monitor churn --log-format json", "with messages for machines"),
        ],
    };
    type Spec = Spec;
    type Flags = Flags;

    fn tables(spec: &Spec) -> Vec<String> {
        let asked =
            [(DRIFT, spec.drift.is_some()), (PERFORMANCE, spec.performance.is_some()), (RUNS, spec.runs.is_some())];
        asked.into_iter().filter(|(_, is_asked)| *is_asked).map(|(table, _)| table.to_owned()).collect()
    }

    fn fault(spec: &Spec) -> Option<Error> {
        if Monitor::tables(spec).is_empty() {
            return Some(
                Error::cannot_run("nothing is watched").hint("add `drift: {}`, `performance: {}` or `runs: {}`"),
            );
        }
        let of_drift = || spec.drift.as_ref()?.fault().map(|error| error.at(DRIFT));
        let of_performance = || spec.performance.as_ref()?.fault().map(|error| error.at(PERFORMANCE));
        let of_runs = || spec.runs.as_ref()?.fault().map(|error| error.at(RUNS));
        of_drift().or_else(of_performance).or_else(of_runs)
    }

    /// The feature tables; without any named, the `latest` ones, if there are.
    fn artifacts(pipeline: &Name, named: &[String], root: &Root, mirror: &Mirror) -> Result<Vec<Artifact>> {
        if !named.is_empty() {
            return stage::upstream(Tool::Monitor, pipeline, named, root, mirror);
        }
        let snapshot = mirror.latest(&Tool::Features.folder(pipeline))?.unwrap_or_default();
        let open = |path: &std::path::PathBuf| {
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

    /// The run log and the predictions grow and time passes, whatever the inputs are.
    fn cause(job: &Job<Self>) -> Option<String> {
        let Spec { performance, runs, .. } = &job.spec;
        match (performance, runs) {
            (_, Some(_)) => Some("the run log is read as of now".to_owned()),
            (Some(_), None) => Some("predictions are judged by what is known now".to_owned()),
            (None, None) => None,
        }
    }

    fn run(job: &Job<Self>) -> Result<Vec<Output>> {
        let mut outputs = Vec::new();
        if let Some(spec) = &job.spec.drift {
            let (found, version) = drift::look(job, spec)?;
            let (verdict, words) = found.verdict(spec.severity);
            let check = CheckResult {
                check: format!("drift of '{}'", spec.table),
                severity: spec.severity,
                verdict,
                found: words,
            };
            // What `train` asks for, which trains again when the world moves.
            let watch = Watch { drifted: found.drifted(), error_up: None };
            let notes = Notes { version, watch: Some(watch), ..Notes::default() };
            outputs.push(record(job, DRIFT, found.table()?, check, spec.priority, notes));
        }
        if let Some(spec) = &job.spec.performance {
            let found = performance::judge(job, spec)?;
            let (verdict, words) = found.verdict(spec.severity);
            let severity = spec.severity;
            let check = CheckResult { check: PERFORMANCE.to_owned(), severity, verdict, found: words };
            outputs.push(record(job, PERFORMANCE, found.table()?, check, spec.priority, Notes::default()));
        }
        if let Some(spec) = &job.spec.runs {
            let now = job.stamp.time();
            let log = log_of(job)?;
            let stages = watch::stage_runs(&log, job.pipeline.as_str(), spec, now);
            let check = CheckResult {
                check: "runs".to_owned(),
                severity: spec.severity,
                verdict: match (watch::findings(&stages), spec.severity) {
                    (None, _) => Verdict::Passed,
                    (Some(_), Severity::Hard) => Verdict::Failed,
                    (Some(_), Severity::Soft) => Verdict::Warned,
                },
                found: watch::findings(&stages).unwrap_or_else(|| format!("{} as they should be", all(stages.len()))),
            };
            let table = watch::runs_table(&stages, now)?;
            outputs.push(record(job, RUNS, table, check, spec.priority, Notes::default()));
        }
        Ok(outputs)
    }
}

/// `1 stage`, `6 stages`
fn all(stages: usize) -> String {
    spec::text::count(stages as u64, "stage")
}

/// The run log of the pipeline; empty if nothing has run.
fn log_of(job: &Job<Monitor>) -> Result<String> {
    let path = std::path::Path::new("data/runs").join(format!("{}.jsonl", job.pipeline));
    match std::fs::read(job.root.join(&path)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Error::io("read", &path, &error)),
    }
}

/// A table that records what was found, with its verdict. The most urgent of the verdicts is that of the run.
fn record(
    job: &Job<Monitor>,
    name: &str,
    table: DataFrame,
    check: CheckResult,
    priority: Option<Priority>,
    notes: Notes,
) -> Output {
    let is_bad = matches!(check.verdict, Verdict::Failed | Verdict::Warned);
    if is_bad {
        // P0 is the most urgent, and the least by its order.
        job.priority.set(job.priority.get().into_iter().chain(priority).min());
    } else {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spec::Environment;

    use super::Monitor;

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
            ("drift:\n", "1:1: nothing is watched; add `drift: {}`, `performance: {}` or `runs: {}`"),
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
