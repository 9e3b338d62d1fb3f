//! From when to when a comparison runs, and which versions it compares: found in the requests themselves.

use std::collections::BTreeMap;

/// When a version answered in an arm: first and last time, in microseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Answered {
    first: i64,
    last: i64,
}

/// All versions of all arms, in the making.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// By arm, in the order of the spec.
    arms: Vec<BTreeMap<String, Answered>>,
    /// The newest request of all, left-out arms included.
    newest: Option<i64>,
}

/// The comparison: every arm answers with one version from `from` to `to`, both included.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Period {
    /// By arm, in the order of the spec.
    pub versions: Vec<String>,
    pub from: i64,
    pub to: i64,
}

impl Answers {
    pub fn of_arms(count: usize) -> Answers {
        Answers { arms: vec![BTreeMap::new(); count], newest: None }
    }

    /// A request at `time`; `arm` is `None` for one that takes no part.
    pub fn see(&mut self, arm: Option<usize>, version: &str, time: i64) {
        self.newest = self.newest.max(Some(time));
        let Some(arm) = arm else { return };
        match self.arms[arm].get_mut(version) {
            Some(answered) => {
                answered.first = answered.first.min(time);
                answered.last = answered.last.max(time);
            }
            None => {
                self.arms[arm].insert(version.to_owned(), Answered { first: time, last: time });
            }
        }
    }

    /// The time of the newest request; `None` without any.
    pub fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// The arms that never answered.
    pub fn silent(&self) -> impl Iterator<Item = usize> {
        self.arms.iter().enumerate().filter(|(_, versions)| versions.is_empty()).map(|(arm, _)| arm)
    }

    /// The comparison that runs now: it began when the last arm took up the version that it has now, and goes as far as the
    /// arm that answered longest ago. Before and after, not every key could get into every arm. `None` if an arm is silent, or
    /// if there is no such time.
    pub fn period(&self) -> Option<Period> {
        let mut period = Period { versions: Vec::new(), from: i64::MIN, to: i64::MAX };
        for versions in &self.arms {
            // Of versions that answered last in the same microsecond, the one that began last.
            let (now, answered) = versions.iter().max_by_key(|(_, answered)| (answered.last, answered.first))?;
            let others = versions.iter().filter(|(version, _)| *version != now);
            let after_others = others.map(|(_, other)| other.last.saturating_add(1)).max();
            period.from = period.from.max(answered.first).max(after_others.unwrap_or(i64::MIN));
            period.to = period.to.min(answered.last);
            period.versions.push(now.clone());
        }
        (period.from <= period.to).then_some(period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(requests: &[(usize, &str, i64)]) -> Option<(Vec<String>, i64, i64)> {
        let mut answers = Answers::of_arms(2);
        requests.iter().for_each(|(arm, version, time)| answers.see(Some(*arm), version, *time));
        answers.period().map(|period| (period.versions, period.from, period.to))
    }

    #[test]
    fn a_comparison_is_the_time_in_which_every_arm_has_its_present_version() {
        let versions = || vec!["v2".to_owned(), "v3".to_owned()];
        // The challenger comes later and goes earlier.
        let plain = [(0, "v2", 1), (0, "v2", 50), (1, "v3", 10), (1, "v3", 40), (0, "v2", 90)];
        assert_eq!(period(&plain), Some((versions(), 10, 40)));
        // Another version answered in either arm before.
        let changed = [(0, "v1", 15), (0, "v2", 16), (0, "v2", 60), (1, "v2", 20), (1, "v3", 25), (1, "v3", 55)];
        assert_eq!(period(&changed), Some((versions(), 25, 55)));
        let overlapping = [(0, "v1", 30), (0, "v2", 16), (0, "v2", 60), (1, "v3", 25), (1, "v3", 55)];
        assert_eq!(period(&overlapping), Some((versions(), 31, 55)));
    }

    #[test]
    fn without_a_common_time_there_is_none() {
        assert_eq!(period(&[(0, "v2", 1)]), None);
        assert_eq!(period(&[(0, "v2", 1), (0, "v2", 5), (1, "v3", 7), (1, "v3", 9)]), None);
        let mut answers = Answers::of_arms(2);
        assert_eq!(answers.newest(), None);
        answers.see(None, "v1", 4);
        answers.see(Some(1), "v1", 3);
        assert_eq!((answers.newest(), answers.silent().collect::<Vec<_>>()), (Some(4), vec![0]));
    }
}
