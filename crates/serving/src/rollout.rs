//! How a newly promoted version takes over: it answers a few, then all; and while it is watched, the one before stands by.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use score::{Action, Registry, Signature, Version};
use spec::text::{number, percent};
use spec::{Error, Result};

use crate::deployment::promoted_at;
use crate::pipeline::Pipeline;
use crate::spec::Rollout;
use crate::speed::Counted;

/// How far a takeover is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The version in production answers all, and nobody stands by.
    Settled,
    /// It answers a few; the other answers the rest.
    Smoke(Version),
    /// It answers all; the other stands by.
    Watched(Version),
}

impl Phase {
    /// How far it is now, by the log of decisions and the clock.
    pub fn now(registry: &Registry, spec: &Rollout) -> Result<Phase> {
        Phase::at(registry, spec, artifact::now())
    }

    fn at(registry: &Registry, spec: &Rollout, now: DateTime<Utc>) -> Result<Phase> {
        let standing = registry.standing()?;
        let [.., before, production] = standing[..] else { return Ok(Phase::Settled) };
        let entries = registry.decisions()?;
        let last = entries.iter().rev().find(|entry| matches!(entry.action, Action::Promote | Action::Rollback));
        // Who came back after a rollback is known to be good.
        if last.is_none_or(|entry| entry.action == Action::Rollback) {
            return Ok(Phase::Settled);
        }
        let time = promoted_at(&entries, production).and_then(|time| DateTime::parse_from_rfc3339(time).ok());
        // A clock that was set back must not let a takeover last for ever.
        let Some(since) = time.and_then(|time| (now - time.to_utc()).to_std().ok()) else { return Ok(Phase::Settled) };
        Ok(match since {
            since if since < spec.smoke_for.duration() => Phase::Smoke(before),
            since if since < spec.watch_for.duration() => Phase::Watched(before),
            _ => Phase::Settled,
        })
    }

    /// The version that stands by.
    pub fn before(self) -> Option<Version> {
        match self {
            Phase::Settled => None,
            Phase::Smoke(before) | Phase::Watched(before) => Some(before),
        }
    }

    /// The share of visitors that the new version answers.
    pub fn share(self, spec: &Rollout) -> f64 {
        match self {
            Phase::Smoke(_) => spec.smoke_share,
            Phase::Settled | Phase::Watched(_) => 1.0,
        }
    }
}

/// Why a version must not go on, if so.
pub fn judge(counted: Counted, spec: &Rollout) -> Option<String> {
    if counted.answers < spec.min_answers {
        return None;
    }
    let errors = counted.errors as f64 / counted.answers as f64;
    if errors >= spec.max_errors && counted.errors > 0 {
        return Some(format!(
            "{} of {} answers failed ({}, fewer than {} allowed)",
            counted.errors,
            counted.answers,
            percent(errors),
            percent(spec.max_errors)
        ));
    }
    let limit = spec.max_p95.duration().as_secs_f64() * 1e3;
    (counted.p95_ms > limit).then(|| {
        format!("95 of 100 answers took up to {} ms, at most {} ms allowed", number(counted.p95_ms), number(limit))
    })
}

/// Puts the version before back if the new one fails. Gives the error that people are told.
pub fn watch(pipeline: &Pipeline) -> Option<Error> {
    let current = pipeline.current()?;
    let takeover = current.deployment.rollout.as_ref()?;
    let new = &current.deployment.arms[takeover.arm].arm;
    let counted = new.speed.counted();
    let why = judge(counted, &pipeline.spec.rollout)?;
    let (bad, good) = (new.version, takeover.before.version);
    let metrics: BTreeMap<String, f64> = [
        ("answers".to_owned(), counted.answers as f64),
        ("errors".to_owned(), counted.errors as f64),
        ("p95_ms".to_owned(), counted.p95_ms),
    ]
    .into();
    let decide = || -> Result<bool> {
        // Somebody may have decided meanwhile. The log lets only one decision count, and waits for no training.
        if pipeline.registry.production()? != Some(bad) {
            return Ok(false);
        }
        let decision = score::Decision {
            action: Action::Rollback,
            champion: Some(bad),
            why: format!("by itself, while it took over: {why}"),
            metrics,
            judged_on: None,
        };
        match pipeline.registry.record(good, &decision, Signature::now()) {
            Ok(_) => Ok(true),
            Err(_) if pipeline.registry.production()? != Some(bad) => Ok(false),
            Err(error) => Err(error),
        }
    };
    match decide() {
        Err(error) => Some(error.context(format!("{bad} must not go on ({why}), but {good} cannot be put back"))),
        Ok(true) => Some(Error::refused(format!("{bad} was put back to {good}: {why}"))),
        Ok(false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_goes_on_unless_it_fails() {
        let spec = Rollout::default();
        let counted = |answers, errors, p95_ms| Counted { answers, errors, p95_ms };
        assert_eq!(judge(counted(19, 19, 9e9), &spec), None, "too few to judge");
        assert_eq!(judge(counted(1000, 9, 499.0), &spec), None);
        assert_eq!(
            judge(counted(1000, 10, 1.0), &spec).as_deref(),
            Some("10 of 1000 answers failed (1 %, fewer than 1 % allowed)")
        );
        assert_eq!(
            judge(counted(1000, 0, 812.5), &spec).as_deref(),
            Some("95 of 100 answers took up to 812.5 ms, at most 500 ms allowed")
        );
    }
}
