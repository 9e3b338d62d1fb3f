//! How a newly promoted version takes over: it answers a few, then all; while it is watched, the version before is its fallback.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use score::{Action, Entry, Registry, Signature, Version};
use spec::text::{number, percent};
use spec::{Error, Result};

use crate::deployment::promoted_at;
use crate::pipeline::Pipeline;
use crate::problems::ROLLBACK;
use crate::spec::Rollout;
use crate::speed::Counted;

/// How far a takeover is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The version in production answers all, without a fallback.
    Settled,
    /// It answers a few; the other answers the rest.
    Smoke(Version),
    /// It answers all; the other is its fallback.
    Watched(Version),
}

/// How long ago a promotion was. The wall clock is asked once, when the promotion is first seen; from then on time is that of
/// a monotonic clock: a step of the wall clock neither ends a takeover nor makes it last for ever.
#[derive(Default)]
pub struct TakeoverClock(Mutex<Option<First>>);

/// A promotion when it was first seen.
struct First {
    version: Version,
    promoted: String,
    /// How long ago it was then.
    since: Duration,
    seen: Instant,
}

impl TakeoverClock {
    /// How far the takeover is now, by the log of decisions and the clock.
    pub fn phase(&self, registry: &Registry, spec: &Rollout) -> Result<Phase> {
        Phase::at(&registry.decisions()?, spec, |version, promoted| self.since(version, promoted, artifact::now()))
    }

    /// `None` if the text is not a time. A promotion in the future counts as one of now: the clock was set back since.
    fn since(&self, version: Version, promoted: &str, now: DateTime<Utc>) -> Option<Duration> {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = first.as_ref().filter(|first| first.version == version && first.promoted == promoted) {
            return Some(first.since + first.seen.elapsed());
        }
        let time = DateTime::parse_from_rfc3339(promoted).ok()?;
        let since = (now - time.to_utc()).to_std().unwrap_or_default();
        *first = Some(First { version, promoted: promoted.to_owned(), since, seen: Instant::now() });
        Some(since)
    }
}

impl Phase {
    fn at(entries: &[Entry], spec: &Rollout, since: impl FnOnce(Version, &str) -> Option<Duration>) -> Result<Phase> {
        let standing = Registry::standing_after(entries);
        let [.., before, production] = standing[..] else { return Ok(Phase::Settled) };
        let last = entries.iter().rev().find(|entry| matches!(entry.action, Action::Promote | Action::Rollback));
        // Who came back after a rollback is known to be good.
        if last.is_none_or(|entry| entry.action == Action::Rollback) {
            return Ok(Phase::Settled);
        }
        let Some(since) = promoted_at(entries, production).and_then(|time| since(production, time)) else {
            return Ok(Phase::Settled);
        };
        Ok(match since {
            since if since < spec.smoke_for.duration() => Phase::Smoke(before),
            since if since < spec.watch_for.duration() => Phase::Watched(before),
            _ => Phase::Settled,
        })
    }

    /// The fallback.
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

/// Why a version must not continue, if so.
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

/// Why a version must not continue by what it did lately: after hours without a failure all its answers together would hide for long
/// that it has begun to fail.
fn judge_recent(recent: Counted, spec: &Rollout) -> Option<String> {
    // Of so many a few may fail, so that a single one that happens to is not too much.
    let enough = (5.0 / spec.max_errors).ceil() as u64;
    let spec = Rollout { min_answers: spec.min_answers.max(enough), ..*spec };
    judge(recent, &spec).map(|why| format!("in the last minutes {why}"))
}

/// Puts the version before back if the new one fails. Returns the error to alert of.
pub fn watch(pipeline: &Pipeline) -> Option<Error> {
    let current = pipeline.current()?;
    let (takeover, new) = (current.deployment.rollout.as_ref()?, current.deployment.taking_over()?);
    let (counted, recent) = (new.speed.counted(), new.speed.recent(Instant::now()));
    let spec = &pipeline.spec.rollout;
    let (why, counted) = match judge(counted, spec) {
        Some(why) => (why, counted),
        None => (judge_recent(recent, spec)?, recent),
    };
    let (bad, good) = (new.version, takeover.before.version);
    let metrics = counted.evidence();
    let decide = || -> Result<bool> {
        // Another decision may have been made meanwhile. The log accepts only one of them, and does not wait for a training.
        if pipeline.registry.production()? != Some(bad) {
            return Ok(false);
        }
        let decision = score::Decision {
            action: Action::Rollback,
            champion: Some(bad),
            why: format!("automatically, while it took over: {why}"),
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
        Err(error) => {
            // The numbers keep changing while it is tried again.
            let error = error.context(format!("{bad} must not go on, but {good} cannot be put back"));
            let news = pipeline.problems.failed(ROLLBACK, error.to_string());
            news.then(|| error.context(why))
        }
        Ok(decided) => {
            pipeline.problems.solved(ROLLBACK);
            decided.then(|| Error::refused(format!("{bad} was put back to {good}: {why}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_the_wall_clock_change_no_takeover() {
        let version: Version = "v2".parse().unwrap();
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        let (promoted, clock) = ("2026-01-01T12:00:00Z", TakeoverClock::default());
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert_eq!(clock.since(version, promoted, at("2026-01-01T12:02:00Z")), Some(minutes(2)));
        for stepped in ["2026-01-03T00:00:00Z", "2025-12-31T00:00:00Z", "2026-01-01T12:00:30Z"] {
            let since = clock.since(version, promoted, at(stepped)).unwrap();
            assert!((minutes(2)..minutes(3)).contains(&since), "{stepped}: {since:?}");
        }
        // Promoted by a clock that was ahead: the takeover begins now, and ends.
        let ahead = "2027-01-01T00:00:00Z";
        assert_eq!(clock.since(version, ahead, at("2026-01-01T00:00:00Z")), Some(Duration::ZERO));
        assert!(clock.since(version, ahead, at("2020-01-01T00:00:00Z")).unwrap() < minutes(1));
        assert_eq!(clock.since(version, "yesterday", at("2026-01-01T00:00:00Z")), None);
    }

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
        assert_eq!(judge_recent(counted(499, 499, 9e9), &spec), None, "too few to judge by themselves");
        assert_eq!(judge_recent(counted(500, 4, 1.0), &spec), None);
        assert_eq!(
            judge_recent(counted(600, 300, 1.0), &spec).as_deref(),
            Some("in the last minutes 300 of 600 answers failed (50 %, fewer than 1 % allowed)")
        );
        let none_may_fail = Rollout { max_errors: 0.0, ..spec };
        assert_eq!(judge_recent(counted(600, 0, 1.0), &none_may_fail), None);
        assert!(judge(counted(600, 1, 1.0), &none_may_fail).is_some());
    }
}
