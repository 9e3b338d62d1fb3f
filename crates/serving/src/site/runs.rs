//! What is known of a pipeline's runs: from the run log of its stages, and from the log that `scripts/run-pipeline` writes.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use spec::{Environment, Error, Name, Result, Root, Tool};
use watch::{End, Run};

/// The end of a log that is read: enough for hundreds of runs.
const RUN_LOG: u64 = 8 << 20;
const TEXT_LOG: u64 = 2 << 20;

/// All that is known of a pipeline's runs.
pub struct Runs {
    /// By stage, oldest first.
    pub stages: BTreeMap<Tool, Vec<Run>>,
    /// Runs by cron, by hand with the script, or from these pages; oldest first.
    pub calls: Vec<Call>,
    /// Whether a call is at work now.
    pub is_at_work: bool,
}

/// One call of `scripts/run-pipeline`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// When its first stage began.
    pub began: Option<DateTime<Utc>>,
    /// The stages that it came to, in order.
    pub stages: Vec<Tool>,
    /// How it ended; `None` if no line says so.
    pub ended: Option<CallEnd>,
    /// All lines.
    pub lines: Vec<String>,
    /// A text that finds this call again: its time, and which it is of those of one second.
    pub id: String,
}

/// The last line of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallEnd {
    pub time: DateTime<Utc>,
    /// `ok`, `refused`, `failed` or `try again`.
    pub word: String,
    pub seconds: f64,
    /// Where it stopped, and why.
    pub detail: String,
}

impl CallEnd {
    /// The stage that the detail names, and the words after it: `in clean: error: clean p: …`.
    pub fn cause(&self) -> (Option<Tool>, &str) {
        let named = self.detail.strip_prefix("in ").and_then(|rest| rest.split_once(": "));
        let found =
            named.and_then(|(name, rest)| Some((Tool::ALL.into_iter().find(|tool| tool.name() == name)?, rest)));
        match found {
            Some((tool, rest)) => (Some(tool), rest.strip_prefix("error: ").unwrap_or(rest)),
            None => (None, self.detail.strip_prefix("error: ").unwrap_or(&self.detail)),
        }
    }
}

impl Call {
    pub fn is_ok(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| ended.word == "ok")
    }

    /// The last stage that it came to.
    pub fn stage(&self) -> Option<Tool> {
        self.stages.last().copied()
    }

    /// Whether all is well again after this run of one of its stages: a stage that finds itself up to date does not run, so the
    /// script alone knows. Its times are whole seconds.
    fn is_well_after(&self, run: &Run) -> bool {
        self.is_ok() && self.began.is_some_and(|began| began.timestamp() >= run.began.timestamp())
    }
}

/// How a pipeline is.
#[derive(Clone, Debug, PartialEq)]
pub enum Health {
    NoRun,
    Fine,
    /// A stage, and why it failed.
    Failed(Option<Tool>, Failure),
    Running,
}

/// Why a run failed, and what to do about it; empty if nothing says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub cause: String,
    pub way_out: String,
}

impl Failure {
    /// `way_out`: what of the text is the way out, if the log says that.
    pub fn of(text: &str, way_out: Option<&str>) -> Failure {
        let (cause, way_out) = match way_out {
            Some("") => (text, ""),
            Some(way_out) => {
                let cause = text.strip_suffix(way_out).and_then(|cause| cause.strip_suffix("; "));
                cause.map_or((text, ""), |cause| (cause, way_out))
            }
            None => text.split_once("; ").unwrap_or((text, "")),
        };
        Failure { cause: cause.to_owned(), way_out: way_out.to_owned() }
    }
}

impl Runs {
    pub fn read(root: &Root, env: &Environment, pipeline: &Name) -> Result<Runs> {
        let log = tail(&root.join("data/runs").join(format!("{pipeline}.jsonl")), RUN_LOG)?;
        let folder = root.join(env.get("MILLRACE_LOGS").unwrap_or("data/logs"));
        let files: [PathBuf; 2] = [".log.1", ".log"].map(|ending| folder.join(format!("{pipeline}{ending}")));
        let text = files.iter().map(|file| tail(file, TEXT_LOG)).collect::<Result<Vec<String>>>()?.concat();
        let calls = calls(&text, pipeline.as_str());
        // Asking for the lock takes it for a moment, in which cron could not have it: so only if the log says that a call may
        // be at work.
        let may_be = calls.iter().rev().find(|call| call.began.is_some()).is_some_and(|call| call.ended.is_none());
        let is_at_work = may_be && is_locked(&folder.join(format!(".{pipeline}.lock")));
        Ok(Runs { stages: watch::runs_of(&log, pipeline.as_str()), calls, is_at_work })
    }

    /// All runs with their stages, newest first.
    pub fn newest(&self) -> Vec<(Tool, &Run)> {
        let mut all: Vec<(Tool, &Run)> =
            self.stages.iter().flat_map(|(tool, runs)| runs.iter().map(|run| (*tool, run))).collect();
        all.sort_by_key(|(tool, run)| std::cmp::Reverse((run.began, *tool)));
        all
    }

    /// How the pipeline is: by the newest run of each stage, and by the newest call, which may have failed before a stage began.
    pub fn health(&self) -> Health {
        if self.is_at_work {
            return Health::Running;
        }
        let last_of_stage = self.stages.iter().filter_map(|(tool, runs)| Some((*tool, runs.last()?)));
        let is_over = |(tool, run): &(Tool, &Run)| {
            let newest = self.calls.iter().rev().find(|call| call.stages.contains(tool));
            newest.is_some_and(|call| call.is_well_after(run))
        };
        let failed = last_of_stage.clone().filter(|last| !is_over(last)).filter_map(|(tool, run)| match &run.end {
            End::Failure(why) => Some((run.ended, Some(tool), Failure::of(why, run.way_out.as_deref()))),
            End::Interrupted => Some((run.ended, Some(tool), Failure::of("it was interrupted", None))),
            _ => None,
        });
        // A stage that failed before its run began reported to the script alone. Its times are whole seconds.
        let of_call = self.calls.last().and_then(|call| {
            let ended = call.ended.as_ref().filter(|ended| ended.word != "ok" && ended.word != "try again")?;
            let (stage, why) = ended.cause();
            let stage = stage.or(call.stage());
            let is_meant = |tool: Tool| stage.is_none_or(|stage| stage == tool);
            let is_known = last_of_stage.clone().filter(|(tool, _)| is_meant(*tool)).any(|(_, run)| match run.end {
                End::Success { .. } => run.began > ended.time + TimeDelta::seconds(1),
                _ => run.ended + TimeDelta::seconds(2) >= ended.time,
            });
            (!is_known).then(|| (ended.time, stage, Failure::of(why, None)))
        });
        if let Some((_, stage, why)) = failed.chain(of_call).max_by_key(|(time, ..)| *time) {
            return Health::Failed(stage, why);
        }
        match self.stages.values().any(|runs| !runs.is_empty()) || self.calls.iter().any(Call::is_ok) {
            true => Health::Fine,
            false => Health::NoRun,
        }
    }

    /// When a stage last succeeded.
    pub fn last_success(&self) -> Option<DateTime<Utc>> {
        let successes = self.stages.values().flatten().filter(|run| matches!(run.end, End::Success { .. }));
        successes.map(|run| run.ended).max()
    }

    /// The share of runs since then that succeeded, and how many there were; runs in progress do not count.
    pub fn success(&self, since: DateTime<Utc>) -> Option<(f64, usize)> {
        let ended = self.stages.values().flatten().filter(|run| run.began >= since && run.end != End::Unknown);
        let (all, good) = ended.fold((0usize, 0usize), |(all, good), run| {
            (all + 1, good + usize::from(matches!(run.end, End::Success { .. })))
        });
        (all > 0).then(|| (good as f64 / all as f64, all))
    }

    /// Seconds of each whole round, oldest first: runs of stages that follow each other.
    pub fn rounds(&self) -> Vec<f64> {
        let mut all = self.newest();
        all.reverse();
        let mut rounds: Vec<f64> = Vec::new();
        let mut before: Option<(Tool, DateTime<Utc>)> = None;
        for (tool, run) in all {
            let End::Success { seconds, .. } = run.end else { continue };
            let follows = before.is_some_and(|(last, ended)| last < tool && run.began - ended < TimeDelta::hours(1));
            match rounds.last_mut().filter(|_| follows) {
                Some(round) => *round += seconds,
                None => rounds.push(seconds),
            }
            before = Some((tool, run.ended));
        }
        rounds
    }

    /// Seconds and rows of the successes of a stage, oldest first, with their times.
    pub fn successes(&self, tool: Tool) -> Vec<(DateTime<Utc>, f64, u64)> {
        let runs = self.stages.get(&tool).into_iter().flatten();
        let success = |run: &Run| match run.end {
            End::Success { seconds, rows } => Some((run.began, seconds, rows)),
            _ => None,
        };
        runs.filter_map(success).collect()
    }
}

fn is_locked(path: &Path) -> bool {
    let Ok(file) = std::fs::File::open(path) else { return false };
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

/// The last `most` bytes of a file, from the beginning of a line; empty if there is none.
fn tail(path: &Path, most: u64) -> Result<String> {
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(failed(error)),
    };
    let length = file.metadata().map_err(failed)?.len();
    let start = length.saturating_sub(most);
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(match text.split_once('\n').filter(|_| start > 0) {
        Some((_, whole)) => whole.to_owned(),
        None => text.into_owned(),
    })
}

/// A line that the script writes itself: its time, and what follows the name of the pipeline.
fn of_script<'a>(line: &'a str, pipeline: &str) -> Option<(DateTime<Utc>, &'a str)> {
    let (time, rest) = line.split_once(' ')?;
    let time = chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%SZ").ok()?.and_utc();
    Some((time, rest.strip_prefix(pipeline)?.strip_prefix(' ')?))
}

fn end_of(time: DateTime<Utc>, rest: &str) -> Option<CallEnd> {
    let word = ["ok", "refused", "failed", "try again"]
        .into_iter()
        .find(|word| rest.strip_prefix(word).is_some_and(|rest| rest.starts_with(' ')))?;
    let (seconds, detail) = rest[word.len() + 1..].split_once(" s")?;
    let detail = detail.trim().to_owned();
    Some(CallEnd { time, word: word.to_owned(), seconds: seconds.parse().ok()?, detail })
}

/// The calls in a log.
fn calls(text: &str, pipeline: &str) -> Vec<Call> {
    let (mut calls, mut open): (Vec<Call>, Call) = (Vec::new(), Call::default());
    for line in text.lines() {
        let of_script = of_script(line, pipeline);
        let ended = of_script.and_then(|(time, rest)| end_of(time, rest));
        let stage =
            of_script.and_then(|(time, rest)| Some((time, Tool::ALL.into_iter().find(|tool| tool.name() == rest)?)));
        // A call that found another at work leaves a line in the midst of the other's.
        if let Some(ended) = ended.clone().filter(|ended| ended.detail == "another run is at work") {
            calls.push(Call { ended: Some(ended), lines: vec![line.to_owned()], ..Call::default() });
            continue;
        }
        if let Some((time, stage)) = stage {
            // A call that was killed has no last line; the next one begins with an earlier stage, or the same.
            if open.stage().is_some_and(|last| last >= stage) {
                calls.push(std::mem::take(&mut open));
            }
            open.began.get_or_insert(time);
            open.stages.push(stage);
        }
        open.lines.push(line.to_owned());
        if ended.is_some() {
            open.ended = ended;
            calls.push(std::mem::take(&mut open));
        }
    }
    if !open.lines.is_empty() {
        calls.push(open);
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for call in &mut calls {
        let time = call.began.or_else(|| Some(call.ended.as_ref()?.time));
        let time = time.map_or_else(|| "unknown".to_owned(), |time| time.format("%Y%m%dT%H%M%SZ").to_string());
        let number = seen.entry(time.clone()).and_modify(|number| *number += 1).or_insert(1);
        call.id = if *number == 1 { time } else { format!("{time}-{number}") };
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
2026-01-01T02:00:00Z p ingest
ingest p: table 'a': 3 rows
2026-01-01T02:00:01Z p clean
clean p: 3 rows
2026-01-01T02:00:02Z p ok 2.1 s
2026-01-02T02:00:00Z p ingest
2026-01-02T02:00:00Z p try again 0.0 s another run is at work
error: ingest p: a.csv: no such file; check the path
2026-01-02T02:00:03Z p failed 3.0 s in ingest: error: ingest p: a.csv: no such file; check the path
2026-01-03T02:00:00Z p ingest
2026-01-03T02:00:01Z p train
2026-01-04T02:00:00Z p ingest
";

    #[test]
    fn calls_are_read_from_the_log_of_the_script() {
        let calls = calls(LOG, "p");
        let shown: Vec<(Option<Tool>, Option<&str>, usize)> = calls
            .iter()
            .map(|call| (call.stage(), call.ended.as_ref().map(|ended| ended.word.as_str()), call.lines.len()))
            .collect();
        assert_eq!(
            shown,
            [
                (Some(Tool::Clean), Some("ok"), 5),
                (None, Some("try again"), 1),
                (Some(Tool::Ingest), Some("failed"), 3),
                (Some(Tool::Train), None, 2),
                (Some(Tool::Ingest), None, 1),
            ]
        );
        let failed = calls[2].ended.as_ref().unwrap();
        assert_eq!(
            (failed.seconds, failed.detail.as_str()),
            (3.0, "in ingest: error: ingest p: a.csv: no such file; check the path")
        );
        let ids: Vec<&str> = calls.iter().map(|call| call.id.as_str()).collect();
        assert_eq!(ids[..3], ["20260101T020000Z", "20260102T020000Z", "20260102T020000Z-2"]);
    }

    #[test]
    fn lines_of_data_are_no_lines_of_the_script() {
        for line in
            ["2026-01-01T02:00:00Z q ingest", "2026-01-01 p ingest", "p ok 1 s", "2026-01-01T02:00:00Z p fine 1 s"]
        {
            let calls = calls(line, "p");
            assert_eq!((calls.len(), calls[0].began, &calls[0].ended), (1, None, &None), "{line}");
        }
    }

    #[test]
    fn a_failure_that_no_stage_recorded_counts_until_something_succeeds() {
        let run = |at: &str, end| {
            let time = DateTime::parse_from_rfc3339(at).unwrap().to_utc();
            Run { began: time, ended: time, end, way_out: None }
        };
        let success = End::Success { seconds: 1.0, rows: 2 };
        let of = |runs: Vec<Run>, log: &str| {
            Runs { stages: [(Tool::Ingest, runs)].into(), calls: calls(log, "p"), is_at_work: false }.health()
        };
        let failed_call = "2026-01-02T02:00:03Z p failed 3.0 s in ingest: x\n";
        assert_eq!(of(vec![], ""), Health::NoRun);
        assert_eq!(of(vec![run("2026-01-01T00:00:00Z", success.clone())], ""), Health::Fine);
        assert_eq!(
            of(vec![run("2026-01-01T00:00:00Z", success.clone())], failed_call),
            Health::Failed(Some(Tool::Ingest), Failure::of("x", None))
        );
        // A stage that finds itself up to date does not run again.
        let failed = run("2026-01-02T02:00:02.5Z", End::Failure("x".to_owned()));
        let of_stages = |call: &str| of(vec![failed.clone()], &format!("{failed_call}{call}"));
        let is_bad = Health::Failed(Some(Tool::Ingest), Failure::of("x", None));
        assert_eq!(of_stages(""), is_bad);
        assert_eq!(
            of_stages("2026-01-02T03:00:00Z p ingest\n2026-01-02T03:00:00Z p clean\n2026-01-02T03:00:01Z p ok 1 s\n"),
            Health::Fine
        );
        assert_eq!(
            of_stages("2026-01-02T03:00:00Z p clean\n2026-01-02T03:00:01Z p ok 1 s\n"),
            is_bad,
            "of another stage"
        );
        assert_eq!(of_stages("2026-01-02T03:00:00Z p ingest\n"), is_bad, "at work, or killed");
        // Within the same second, but before.
        assert_eq!(
            of(vec![run("2026-01-02T02:00:03Z", success.clone())], failed_call),
            Health::Failed(Some(Tool::Ingest), Failure::of("x", None))
        );
        assert_eq!(of(vec![run("2026-01-03T00:00:00Z", success)], failed_call), Health::Fine);
        let failed = run("2026-01-02T02:00:02Z", End::Failure("the cause; the way out".to_owned()));
        let failure = Failure { cause: "the cause".to_owned(), way_out: "the way out".to_owned() };
        assert_eq!(of(vec![failed], failed_call), Health::Failed(Some(Tool::Ingest), failure));
    }

    #[test]
    fn a_cause_of_several_parts_is_a_cause_as_a_whole() {
        let checks = "table 'a': check 'x' failed: 1; 2; table 'b': check 'y' failed: 3";
        for (text, way_out, cause, to_do) in [
            (checks, Some(""), checks, ""),
            ("one; two; look; again", Some("look; again"), "one; two", "look; again"),
            ("one; two", Some("three"), "one; two", ""),
            ("one; two; three", None, "one", "two; three"),
        ] {
            let Failure { cause: found, way_out } = Failure::of(text, way_out);
            assert_eq!((found.as_str(), way_out.as_str()), (cause, to_do), "{text}");
        }
    }
}
