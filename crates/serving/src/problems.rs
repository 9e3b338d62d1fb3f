//! What is wrong with the parts of a pipeline: reported once, tried again after ever longer pauses, gone once it is resolved.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The versions that answer, and their features.
pub const MODEL: &str = "model";
/// The results that are answered.
pub const RESULTS: &str = "results";
/// The clean tables that features of rows are computed with.
pub const ROWS: &str = "rows";

/// The log of decisions, where steps of a takeover go.
pub const LOG: &str = "log";

/// The way back from a version that fails while it takes over.
pub const ROLLBACK: &str = "rollback";

/// The columns whose values the journal does not keep as they are.
pub const MASK: &str = "mask";

/// All of them.
pub const PARTS: [&str; 6] = [MODEL, RESULTS, ROWS, LOG, ROLLBACK, MASK];

/// The pause before the first new try; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct Problems(Mutex<BTreeMap<&'static str, Problem>>);

struct Problem {
    text: String,
    pause: Duration,
    again: Instant,
}

impl Problems {
    fn known(&self) -> MutexGuard<'_, BTreeMap<&'static str, Problem>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a try failed. Whether that is news: another text than before.
    pub fn failed(&self, part: &'static str, text: String) -> bool {
        let mut known = self.known();
        let before = known.remove(part);
        let is_news = before.as_ref().is_none_or(|before| before.text != text);
        let pause = before.filter(|_| !is_news).map_or(FIRST, |before| (before.pause * 2).min(LONGEST));
        known.insert(part, Problem { text, pause, again: Instant::now() + pause });
        is_news
    }

    /// Notes that a part is as it should be.
    pub fn solved(&self, part: &'static str) {
        self.known().remove(part);
    }

    /// What is wrong with a part.
    pub fn of(&self, part: &'static str) -> Option<String> {
        self.known().get(part).map(|problem| problem.text.clone())
    }

    /// What is wrong with each part.
    pub fn all(&self) -> BTreeMap<&'static str, String> {
        self.known().iter().map(|(part, problem)| (*part, problem.text.clone())).collect()
    }

    /// Whether a part that failed should be tried again, although nothing changed that is looked at.
    pub fn is_due(&self, part: &'static str) -> bool {
        self.known().get(part).is_some_and(|problem| problem.again <= Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_news_once() {
        let problems = Problems::default();
        assert!(!problems.is_due(MODEL));
        assert!(problems.failed(MODEL, "a".to_owned()));
        assert!(!problems.failed(MODEL, "a".to_owned()));
        assert!(!problems.is_due(MODEL), "after a pause");
        assert!(problems.failed(MODEL, "b".to_owned()));
        assert!(problems.failed(RESULTS, "b".to_owned()));
        assert_eq!(problems.of(MODEL).as_deref(), Some("b"));
        problems.solved(MODEL);
        assert_eq!(problems.all().into_keys().collect::<Vec<_>>(), [RESULTS]);
        assert!(problems.failed(MODEL, "b".to_owned()), "it came back");
    }
}
