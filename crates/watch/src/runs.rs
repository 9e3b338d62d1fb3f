//! How a pipeline's stages ran, from the run log: how often they succeeded, how long they took, how old their output is.

use std::collections::BTreeMap;

use alert::Priority;
use artifact::PolarsResultExt;
use chrono::{DateTime, Months, TimeDelta, Utc};
use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, Series, TimeUnit};
use schemars::JsonSchema;
use serde::Deserialize;
use spec::text::{number, percent};
use spec::{Error, Map, Result, Severity, Span, Tool, Unit, did_you_mean};

/// How the pipeline's runs are watched.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunsSpec {
    /// Over how many days runs are counted, from 1. Default: 30.
    pub days: u32,
    /// The smallest share of runs that must have succeeded, from 0 to 1; with 0 it is only reported. Default: 0.95.
    pub min_success: f64,
    /// How old the last success of a stage may be, by the name of its tool, such as `{ingest: 26h}`. A stage that finds
    /// itself up to date does not run: so this is the age of its output. Default: any age.
    pub max_age: Map<Span>,
    /// How many times as long as usual the last success of a stage may have taken; usual is the median of the earlier ones,
    /// of which there must be five. A run of less than a second is never slow. Default: 3.
    pub max_slowdown: f64,
    /// `soft` (default) warns, `hard` refuses the run.
    pub severity: Severity,
    /// How urgent an alert is, from `P0` to `P3`. Default: as `resources/alerts.yaml` says.
    pub priority: Option<Priority>,
}

impl Default for RunsSpec {
    fn default() -> RunsSpec {
        RunsSpec {
            days: 30,
            min_success: 0.95,
            max_age: Map::default(),
            max_slowdown: 3.0,
            severity: Severity::Soft,
            priority: None,
        }
    }
}

impl RunsSpec {
    /// The first key whose value is out of its range, with the way out.
    pub fn fault(&self) -> Option<Error> {
        let wrong = |key: &str, found: String, wanted: &str| {
            Some(Error::cannot_run(format!("found {found}, expected {wanted}")).at(key))
        };
        if self.days == 0 || self.days > 36_500 {
            return wrong("days", self.days.to_string(), "a whole number from 1 to 36500");
        }
        if !(0.0..=1.0).contains(&self.min_success) {
            return wrong("min_success", number(self.min_success), "a number from 0 to 1");
        }
        if !(self.max_slowdown >= 1.0 && self.max_slowdown.is_finite()) {
            return wrong("max_slowdown", number(self.max_slowdown), "a number from 1");
        }
        let tools = || Tool::ALL.iter().map(|tool| tool.name());
        let unknown = self.max_age.names().find(|name| !tools().any(|tool| tool == *name));
        unknown.map(|name| {
            Error::cannot_run(format!("no tool '{name}'")).hint(did_you_mean(name, tools())).at(name).at("max_age")
        })
    }
}

/// Earlier successes that it takes to know what is usual.
const USUAL: usize = 5;
/// Seconds that are never slow.
const QUICK: f64 = 1.0;

/// One event of the run log, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    event_type: String,
    event_time: DateTime<Utc>,
    run: RunOf,
    job: JobOf,
    #[serde(default)]
    outputs: Vec<OutputOf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunOf {
    run_id: String,
    #[serde(default)]
    facets: Facets,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Facets {
    millrace_duration: Option<Duration>,
    #[serde(rename = "errorMessage")]
    error: Option<Message>,
    millrace_way_out: Option<WayOut>,
}

#[derive(Deserialize)]
struct WayOut {
    text: String,
}

#[derive(Deserialize)]
struct Duration {
    seconds: f64,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

#[derive(Deserialize)]
struct JobOf {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutputOf {
    #[serde(default)]
    output_facets: OutputFacets,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OutputFacets {
    output_statistics: Option<Statistics>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    row_count: Option<u64>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Success {
        seconds: f64,
        rows: u64,
    },
    Failure(String),
    Interrupted,
    /// No line says so: it was killed, or is still at work if nothing of its stage began after it.
    Unknown,
}

/// One run of a stage, from its first line in the run log to its last.
#[derive(Clone, Debug)]
pub struct Run {
    pub began: DateTime<Utc>,
    /// Of a run without an end: when it began.
    pub ended: DateTime<Utc>,
    pub end: End,
    /// What of the error of a failure is the way out; empty if it has none. `None` of a run that an earlier version logged.
    pub way_out: Option<String>,
}

/// The runs of one stage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageRuns {
    pub stage: String,
    /// Runs in the window that came to an end, in whichever way.
    pub runs: u64,
    pub succeeded: u64,
    pub failed: u64,
    /// Interrupted by a signal, or killed.
    pub interrupted: u64,
    /// When the last success ended, however long ago.
    pub last_success: Option<DateTime<Utc>>,
    pub last_seconds: Option<f64>,
    /// The median of the successes in the window before the last.
    pub usual_seconds: Option<f64>,
    pub last_rows: Option<u64>,
    /// The error of the newest run, if it failed.
    pub last_error: Option<String>,
    /// What is not as it should be, in words.
    pub found: Vec<String>,
}

impl StageRuns {
    /// The share of runs that succeeded; `None` without runs.
    pub fn success(&self) -> Option<f64> {
        (self.runs > 0).then(|| self.succeeded as f64 / self.runs as f64)
    }
}

/// The runs of each stage of `pipeline`, the oldest first, from its run log. Lines that are not events, such as one that a full
/// disk cut short, are left out.
pub fn runs_of(log: &str, pipeline: &str) -> BTreeMap<Tool, Vec<Run>> {
    let mut by_stage: BTreeMap<Tool, BTreeMap<String, Run>> = BTreeMap::new();
    for event in log.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok()) {
        let Some(name) = event.job.name.strip_prefix(pipeline).and_then(|rest| rest.strip_prefix('.')) else {
            continue;
        };
        let Some(tool) = Tool::ALL.into_iter().find(|tool| tool.name() == name) else { continue };
        let at = event.event_time;
        let runs = by_stage.entry(tool).or_default();
        let run =
            runs.entry(event.run.run_id).or_insert(Run { began: at, ended: at, end: End::Unknown, way_out: None });
        run.ended = at;
        run.way_out = event.run.facets.millrace_way_out.as_ref().map(|way_out| way_out.text.clone());
        let message = || event.run.facets.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
        run.end = match event.event_type.as_str() {
            "COMPLETE" => {
                let rows = event
                    .outputs
                    .iter()
                    .filter_map(|output| output.output_facets.output_statistics.as_ref()?.row_count);
                let seconds = event.run.facets.millrace_duration.as_ref().map_or(0.0, |duration| duration.seconds);
                End::Success { seconds, rows: rows.sum() }
            }
            "FAIL" => End::Failure(message()),
            "ABORT" => End::Interrupted,
            _ => continue,
        };
    }
    let sorted = by_stage.into_iter().map(|(tool, runs)| {
        let mut runs: Vec<Run> = runs.into_values().collect();
        runs.sort_by_key(|run| run.began);
        (tool, runs)
    });
    sorted.collect()
}

/// What the run log of `pipeline` says of its stages, in the order of a pipeline, without `monitor` itself.
pub fn stage_runs(log: &str, pipeline: &str, spec: &RunsSpec, now: DateTime<Utc>) -> Vec<StageRuns> {
    let mut by_stage = runs_of(log, pipeline);
    by_stage.remove(&Tool::Monitor);
    for name in spec.max_age.names() {
        if let Some(tool) = Tool::ALL.into_iter().find(|tool| tool.name() == name) {
            by_stage.entry(tool).or_default();
        }
    }
    by_stage.into_iter().map(|(tool, runs)| judged(tool, &runs, spec, now)).collect()
}

fn judged(tool: Tool, runs: &[Run], spec: &RunsSpec, now: DateTime<Utc>) -> StageRuns {
    let since = now - TimeDelta::days(i64::from(spec.days));
    let mut stage = StageRuns { stage: tool.name().to_owned(), ..StageRuns::default() };
    let mut earlier: Vec<f64> = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        let is_last = at + 1 == runs.len();
        stage.last_error = None;
        if let End::Success { seconds, rows } = run.end {
            earlier.extend(stage.last_seconds.filter(|_| stage.last_success.is_some_and(|ended| ended >= since)));
            (stage.last_success, stage.last_seconds, stage.last_rows) = (Some(run.ended), Some(seconds), Some(rows));
        }
        if let End::Failure(why) = &run.end {
            stage.last_error = Some(why.clone());
        }
        if run.began < since || run.end == End::Unknown && is_last {
            continue;
        }
        stage.runs += 1;
        match run.end {
            End::Success { .. } => stage.succeeded += 1,
            End::Failure(_) => stage.failed += 1,
            End::Interrupted | End::Unknown => stage.interrupted += 1,
        }
    }
    stage.usual_seconds = median(&mut earlier);
    let mut found = Vec::new();
    if let Some(share) = stage.success().filter(|share| *share < spec.min_success) {
        found.push(format!(
            "{} of {} succeeded in {} days ({}, at least {})",
            stage.succeeded,
            spec::text::count(stage.runs, "run"),
            spec.days,
            percent(share),
            percent(spec.min_success)
        ));
    }
    if let Some(most) = spec.max_age.get(tool.name()) {
        match stage.last_success {
            None => found.push(format!("never succeeded (output at most {most} old)")),
            Some(last) if after(last, *most).is_some_and(|due| due < now) => {
                found.push(format!("its output is {} old (at most {most})", age(now - last)));
            }
            Some(_) => {}
        }
    }
    if let (Some(last), Some(usual)) = (stage.last_seconds, stage.usual_seconds)
        && earlier.len() >= USUAL
        && last >= QUICK
        && last > usual * spec.max_slowdown
    {
        found.push(format!("took {last:.1} s, usually {usual:.1} s (at most {} times)", number(spec.max_slowdown)));
    }
    stage.found = found;
    stage
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// The time one `span` after `at`, by the calendar; `None` beyond its end.
fn after(at: DateTime<Utc>, span: Span) -> Option<DateTime<Utc>> {
    let count = i64::from(span.count);
    match span.unit {
        Unit::Minute => at.checked_add_signed(TimeDelta::minutes(count)),
        Unit::Hour => at.checked_add_signed(TimeDelta::hours(count)),
        Unit::Day => at.checked_add_signed(TimeDelta::days(count)),
        Unit::Week => at.checked_add_signed(TimeDelta::weeks(count)),
        Unit::Month => at.checked_add_months(Months::new(span.count)),
        Unit::Year => at.checked_add_months(Months::new(span.count.checked_mul(12)?)),
    }
}

/// In the unit that says it best.
fn age(time: TimeDelta) -> String {
    let hours = time.num_minutes() as f64 / 60.0;
    match hours {
        hours if hours < 1.0 => format!("{} min", time.num_minutes()),
        hours if hours < 72.0 => format!("{hours:.1} h"),
        hours => format!("{:.1} days", hours / 24.0),
    }
}

/// What was found in all stages, in words; nothing if all is well.
pub fn findings(stages: &[StageRuns]) -> Option<String> {
    let found: Vec<String> = stages
        .iter()
        .filter(|stage| !stage.found.is_empty())
        .map(|stage| format!("{}: {}", stage.stage, stage.found.join(", ")))
        .collect();
    (!found.is_empty()).then(|| found.join("; "))
}

/// One row per stage.
pub fn runs_table(stages: &[StageRuns], now: DateTime<Utc>) -> Result<DataFrame> {
    let texts = |name: &str, value: &dyn Fn(&StageRuns) -> Option<String>| {
        Column::new(name.into(), stages.iter().map(value).collect::<Vec<_>>())
    };
    let whole = |name: &str, value: fn(&StageRuns) -> Option<u64>| {
        Column::new(name.into(), stages.iter().map(|stage| value(stage).map(|n| n as i64)).collect::<Vec<_>>())
    };
    let floats = |name: &str, value: &dyn Fn(&StageRuns) -> Option<f64>| {
        Column::new(name.into(), stages.iter().map(value).collect::<Vec<_>>())
    };
    let ended: Vec<Option<i64>> =
        stages.iter().map(|stage| stage.last_success.map(|at| at.timestamp_micros())).collect();
    let ended = Series::new("last_success".into(), ended);
    let ended = ended.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).during("runs")?;
    let hours = |stage: &StageRuns| Some((now - stage.last_success?).num_seconds() as f64 / 3600.0);
    let columns = vec![
        texts("stage", &|stage| Some(stage.stage.clone())),
        whole("runs", |stage| Some(stage.runs)),
        whole("succeeded", |stage| Some(stage.succeeded)),
        whole("failed", |stage| Some(stage.failed)),
        whole("interrupted", |stage| Some(stage.interrupted)),
        floats("success", &StageRuns::success),
        ended.into_column(),
        floats("age_hours", &hours),
        floats("last_seconds", &|stage| stage.last_seconds),
        floats("usual_seconds", &|stage| stage.usual_seconds),
        whole("last_rows", |stage| stage.last_rows),
        texts("last_error", &|stage| stage.last_error.clone()),
        texts("found", &|stage| Some(stage.found.join("; "))),
    ];
    DataFrame::new(stages.len(), columns).during("runs")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        "2026-11-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
    }

    /// A line of the log as `tool::RunLog` writes it.
    fn event(kind: &str, job: &str, run: &str, minutes: i64, seconds: f64, error: Option<&str>) -> String {
        let mut facets = json!({"millrace_duration": {"_producer": "p", "_schemaURL": "s", "seconds": seconds}});
        if let Some(message) = error {
            facets["errorMessage"] = json!({"_producer": "p", "message": message, "programmingLanguage": "rust"});
        }
        let outputs = json!([{"namespace": "file", "name": "x", "outputFacets": {"outputStatistics": {"rowCount": 7, "size": 9}}}]);
        let outputs = if kind == "COMPLETE" { outputs } else { json!([]) };
        json!({
            "eventType": kind, "eventTime": at(minutes).to_rfc3339_opts(chrono::SecondsFormat::Millis, true), "producer": "p",
            "schemaURL": "s", "run": {"runId": run, "facets": facets},
            "job": {"namespace": "millrace", "name": job}, "inputs": [], "outputs": outputs,
        })
        .to_string()
    }

    fn run(job: &str, id: &str, minutes: i64, end: &str, seconds: f64) -> String {
        let error = (end == "FAIL").then_some("no such file");
        format!(
            "{}\n{}\n",
            event("START", job, id, minutes, 0.0, None),
            event(end, job, id, minutes + 1, seconds, error)
        )
    }

    fn of(log: &str, spec: &RunsSpec, now: DateTime<Utc>) -> Vec<StageRuns> {
        stage_runs(log, "shop", spec, now)
    }

    #[test]
    fn runs_are_counted_by_how_they_ended() {
        let log = [
            run("shop.clean", "a", 0, "COMPLETE", 2.0),
            run("shop.clean", "b", 10, "FAIL", 1.0),
            // Killed: there is no record of its end, but another run began.
            format!("{}\n", event("START", "shop.clean", "c", 20, 0.0, None)),
            run("shop.clean", "d", 30, "ABORT", 1.0),
            run("shop.clean", "e", 40, "COMPLETE", 4.0),
            "{\"eventType\": \"STA".to_owned() + "\n",
            run("shop.ingest", "f", 5, "FAIL", 1.0),
            // At work.
            format!("{}\n", event("START", "shop.ingest", "g", 50, 0.0, None)),
            run("shop.monitor", "h", 5, "FAIL", 1.0),
            run("shopping.clean", "i", 5, "FAIL", 1.0),
        ]
        .concat();
        let spec = RunsSpec { min_success: 0.0, ..RunsSpec::default() };
        let stages = of(&log, &spec, at(60));
        let names: Vec<&str> = stages.iter().map(|stage| stage.stage.as_str()).collect();
        assert_eq!(names, ["ingest", "clean"]);
        let (ingest, clean) = (&stages[0], &stages[1]);
        assert_eq!((clean.runs, clean.succeeded, clean.failed, clean.interrupted), (5, 2, 1, 2));
        assert_eq!((clean.success(), clean.last_success, clean.last_error.as_deref()), (Some(0.4), Some(at(41)), None));
        assert_eq!((clean.last_seconds, clean.usual_seconds, clean.last_rows), (Some(4.0), Some(2.0), Some(7)));
        assert_eq!((ingest.runs, ingest.failed, ingest.success()), (1, 1, Some(0.0)));
        assert_eq!(findings(&stages), None);
        // Long after, nothing is in the window; the last success is still known.
        let later = &of(&log, &spec, at(60 * 24 * 40))[1];
        assert_eq!((later.runs, later.success(), later.last_success), (0, None, Some(at(41))));
        let table = runs_table(&stages, at(101)).unwrap();
        assert_eq!(table.column("age_hours").unwrap().f64().unwrap().get(1), Some(1.0));
    }

    #[test]
    fn what_is_not_as_it_should_be_is_named() {
        let quick = |count: i64| (0..count).map(|n| run("shop.clean", &format!("r{n}"), n * 10, "COMPLETE", 2.0));
        let slow = run("shop.clean", "slow", 500, "COMPLETE", 7.0);
        let found = |log: &str, spec: &RunsSpec| findings(&of(log, spec, at(60 * 30)));
        let spec = RunsSpec::default();
        let log: String = quick(5).chain([slow.clone()]).collect();
        assert_eq!(found(&log, &spec).unwrap(), "clean: took 7.0 s, usually 2.0 s (at most 3 times)");
        // Too few to know what is usual.
        assert_eq!(found(&quick(4).chain([slow]).collect::<String>(), &spec), None);
        let log = run("shop.clean", "a", 0, "COMPLETE", 1.0) + &run("shop.clean", "b", 9, "FAIL", 1.0);
        assert_eq!(found(&log, &spec).unwrap(), "clean: 1 of 2 runs succeeded in 30 days (50 %, at least 95 %)");
        let ages: Map<Span> =
            [("clean".to_owned(), "26h".parse().unwrap()), ("ingest".to_owned(), "2d".parse().unwrap())]
                .into_iter()
                .collect();
        let spec = RunsSpec { max_age: ages, min_success: 0.0, ..spec };
        assert_eq!(
            found(&log, &spec).unwrap(),
            "ingest: never succeeded (output at most 2d old); clean: its output is 30.0 h old (at most 26h)"
        );
    }

    #[test]
    fn limits_out_of_their_range_are_named() {
        let fault = |spec: RunsSpec| spec.fault().map(|error| error.to_string());
        assert_eq!(fault(RunsSpec::default()), None);
        let ages: Map<Span> = [("clen".to_owned(), "1d".parse().unwrap())].into_iter().collect();
        assert_eq!(
            fault(RunsSpec { max_age: ages, ..RunsSpec::default() }).unwrap(),
            "max_age.clen: no tool 'clen'; did you mean 'clean'?"
        );
        assert_eq!(
            fault(RunsSpec { max_slowdown: 0.5, ..RunsSpec::default() }).unwrap(),
            "max_slowdown: found 0.5, expected a number from 1"
        );
    }
}
