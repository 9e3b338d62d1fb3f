//! The steps of a takeover as lines in the log of decisions, each with its evidence: the version answers a few, then all, and
//! once it was watched for long enough the one before is archived. (The way back is in [`crate::rollout`].)

use std::collections::BTreeMap;

use score::{Action, Decision, Entry, Registry, Signature, Version};
use spec::text::percent;
use spec::{Error, Result};

use crate::health::Health;
use crate::pipeline::{Current, Pipeline};
use crate::problems::LOG;
use crate::rollout::Phase;

/// What the log does not have yet of the takeover that is under way.
#[derive(Debug, PartialEq)]
struct Step {
    action: Action,
    /// Whom the line is about.
    version: Version,
    champion: Version,
    /// The share of visitors that the new version answers.
    share: f64,
}

/// Logs the step that what answers now is at, unless it is logged. Returns the error to alert of if it cannot be logged.
pub fn log(pipeline: &Pipeline) -> Option<Error> {
    let current = pipeline.current()?;
    if pipeline.problems.of(LOG).is_some() && !pipeline.problems.is_due(LOG) {
        return None;
    }
    match try_log(pipeline, &current) {
        Ok(()) => {
            pipeline.problems.solved(LOG);
            None
        }
        Err(error) => {
            let error = error.context("a step of the takeover cannot be logged");
            pipeline.problems.failed(LOG, error.to_string()).then_some(error)
        }
    }
}

fn try_log(pipeline: &Pipeline, current: &Current) -> Result<()> {
    let entries = pipeline.registry.decisions()?;
    let Some(answering) = current.deployment.production() else { return Ok(()) };
    let spec = &pipeline.spec.rollout;
    let Some(step) = missing(&entries, current.phase, answering.version, current.phase.share(spec)) else {
        return Ok(());
    };
    let counted = answering.speed.counted();
    let why = match (step.action, current.phase) {
        (Action::Archive, _) => format!(
            "{} was watched for {} after its promotion ({}); {} is no longer kept ready",
            answering.version,
            spec.watch_for,
            counted.in_words(),
            step.version
        ),
        (_, Phase::Smoke(before)) => format!(
            "answers {} of visitors for {}, {before} the others; {}",
            percent(step.share),
            spec.smoke_for,
            match &answering.health {
                Health::Reproduced(rows) => format!("{rows} rows of its test came out the same, bit for bit"),
                Health::NotChecked(why) => format!("its health was not checked: {why}"),
            }
        ),
        _ => format!(
            "answers all visitors, and is watched until {} after its promotion; so far {}",
            spec.watch_for,
            counted.in_words()
        ),
    };
    let mut metrics: BTreeMap<String, f64> = counted.evidence();
    metrics.insert("share".to_owned(), step.share);
    let decision = Decision { action: step.action, champion: Some(step.champion), why, metrics, judged_on: None };
    pipeline.registry.record(step.version, &decision, Signature::now()).map(drop)
}

/// The step of `phase` that `entries` lack. `answering`: the version that answers as the one in production.
fn missing(entries: &[Entry], phase: Phase, answering: Version, share: f64) -> Option<Step> {
    let standing = Registry::standing_after(entries);
    let [.., before, production] = standing[..] else { return None };
    // What answers is not what the log has: the next look will see to that.
    if production != answering {
        return None;
    }
    let changed = |entry: &Entry| matches!(entry.action, Action::Promote | Action::Rollback);
    let promoted = entries.iter().rposition(changed).filter(|at| entries[*at].action == Action::Promote)?;
    let since = &entries[promoted + 1..];
    let shares = || {
        let steps = since.iter().filter(|entry| entry.action == Action::Takeover && entry.version == production);
        steps.filter_map(|entry| entry.metrics.get("share").copied())
    };
    let step = |action, version| Some(Step { action, version, champion: production, share });
    match phase {
        Phase::Smoke(_) if shares().next().is_none() => step(Action::Takeover, production),
        Phase::Watched(_) if shares().all(|share| share < 1.0) => step(Action::Takeover, production),
        // Only what a server has watched: others were promoted while no server ran.
        Phase::Settled if shares().any(|share| share >= 1.0) => {
            let is_archived = since.iter().any(|entry| entry.action == Action::Archive && entry.version == before);
            if is_archived { None } else { step(Action::Archive, before) }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: Action, version: u32, share: Option<f64>) -> Entry {
        Entry {
            time: String::new(),
            who: String::new(),
            action,
            version: format!("v{version}").parse().unwrap(),
            champion: None,
            why: String::new(),
            metrics: share.map(|share| ("share".to_owned(), share)).into_iter().collect(),
            evidence: String::new(),
            judged_on: None,
            previous: String::new(),
        }
    }

    #[test]
    fn each_step_is_logged_once() {
        let version = |number: u32| format!("v{number}").parse::<Version>().unwrap();
        let (v1, v2) = (version(1), version(2));
        let smoke = Phase::Smoke(v1);
        let mut log = vec![entry(Action::Promote, 1, None)];
        assert_eq!(missing(&log, Phase::Settled, v1, 1.0), None, "the first one replaces no version");
        log.push(entry(Action::Promote, 2, None));
        assert_eq!(missing(&log, smoke, v1, 0.01), None, "v2 does not answer yet");
        let step = missing(&log, smoke, v2, 0.01).unwrap();
        assert_eq!(step, Step { action: Action::Takeover, version: v2, champion: v2, share: 0.01 });
        assert_eq!(missing(&log, Phase::Settled, v2, 1.0), None, "it was not watched");
        log.push(entry(Action::Takeover, 2, Some(0.01)));
        assert_eq!(missing(&log, smoke, v2, 0.01), None);
        assert_eq!(missing(&log, Phase::Watched(v1), v2, 1.0).unwrap().action, Action::Takeover);
        log.push(entry(Action::Takeover, 2, Some(1.0)));
        assert_eq!(missing(&log, Phase::Watched(v1), v2, 1.0), None);
        let step = missing(&log, Phase::Settled, v2, 1.0).unwrap();
        assert_eq!(step, Step { action: Action::Archive, version: v1, champion: v2, share: 1.0 });
        log.push(entry(Action::Archive, 1, None));
        assert_eq!(missing(&log, Phase::Settled, v2, 1.0), None);
        log.push(entry(Action::Rollback, 1, None));
        assert_eq!(missing(&log, Phase::Settled, v1, 1.0), None, "a version that came back replaces none");
    }
}
