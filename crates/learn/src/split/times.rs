//! The distinct times of a table, and where to cut between them.

use spec::Error;

use crate::calendar::{DAY, moment};

/// No more boundaries than these are tried; rows of times as fine as seconds are cut between hundredths.
const BOUNDARIES: usize = 256;

/// The distinct times in order, with the number of rows before each.
pub(super) struct Distinct {
    pub times: Vec<i64>,
    pub before: Vec<u64>,
}

impl Distinct {
    pub fn new(times: &[i64]) -> Distinct {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let (mut distinct, mut before) = (Vec::new(), Vec::new());
        for (row, time) in sorted.iter().enumerate() {
            if distinct.last() != Some(time) {
                distinct.push(*time);
                before.push(row as u64);
            }
        }
        before.push(sorted.len() as u64);
        Distinct { times: distinct, before }
    }

    /// Rows in all.
    pub fn rows(&self) -> u64 {
        self.before[self.times.len()]
    }

    /// Rows of a time of which the label is known at the time numbered `at`, and of none later than it.
    pub fn known(&self, at: usize, horizon: i64) -> u64 {
        let last = self.times[at].saturating_sub(horizon);
        self.before[self.times.partition_point(|time| *time <= last).min(at)]
    }

    /// Positions worth trying as the first time of a part.
    fn candidates(&self) -> Vec<usize> {
        let count = self.times.len();
        let mut candidates: Vec<usize> = match count <= BOUNDARIES + 1 {
            true => (1..count).collect(),
            false => (1..=BOUNDARIES as u64)
                .map(|step| {
                    self.before.partition_point(|before| *before < self.rows() * step / (BOUNDARIES as u64 + 1))
                })
                .filter(|at| (1..count).contains(at))
                .collect(),
        };
        candidates.dedup();
        candidates
    }

    /// The first times of validation and test; `None` if a part would be empty.
    pub fn boundaries(&self, horizon: i64, shares: [f64; 3]) -> Option<(i64, i64)> {
        let candidates = self.candidates();
        let mut best: Option<(f64, usize, usize)> = None;
        for (number, valid) in candidates.iter().enumerate() {
            for test in &candidates[number + 1..] {
                let kept = [
                    self.known(*valid, horizon),
                    self.known(*test, horizon).saturating_sub(self.before[*valid]),
                    self.rows() - self.before[*test],
                ];
                let Some(miss) = self.miss(&kept, &shares) else { continue };
                if best.is_none_or(|(least, ..)| miss < least - 1e-12) {
                    best = Some((miss, *valid, *test));
                }
            }
        }
        best.map(|(_, valid, test)| (self.times[valid], self.times[test]))
    }

    /// The first time of the test part, where all before it is one part; `None` if a part would be empty.
    pub fn boundary(&self, horizon: i64, [train, valid, test]: [f64; 3]) -> Option<i64> {
        let mut best: Option<(f64, usize)> = None;
        for at in self.candidates() {
            let kept = [self.known(at, horizon), self.rows() - self.before[at]];
            let Some(miss) = self.miss(&kept, &[train + valid, test]) else { continue };
            if best.is_none_or(|(least, _)| miss < least - 1e-12) {
                best = Some((miss, at));
            }
        }
        best.map(|(_, at)| self.times[at])
    }

    /// How far the parts are from their shares of all rows; `None` if one is empty.
    fn miss(&self, kept: &[u64], shares: &[f64]) -> Option<f64> {
        let rows = self.rows() as f64;
        let miss = || kept.iter().zip(shares).map(|(kept, share)| (*kept as f64 / rows - share).powi(2)).sum();
        (!kept.contains(&0)).then(miss)
    }

    /// Why there are no boundaries.
    pub fn no_room(&self, horizon: i64, column: &str, folds: Option<u32>) -> Error {
        let count = self.times.len();
        let (parts, least, gaps) = match folds {
            None => ("train, validation and test need", 3, 2),
            Some(_) => ("train and test need", 2, 1),
        };
        if count < least {
            return Error::refused(format!(
                "split by time: column '{column}' has {count} distinct value{}, but {parts} at least {least}",
                if count == 1 { "" } else { "s" }
            ))
            .hint("add cutoffs in features.yaml, or split by group");
        }
        let (first, last) = (self.times[0], self.times[count - 1]);
        Error::refused(format!(
            "split by time: the {count} values of '{column}' from {} to {} leave no room for {} parts whose \
             labels (known {} days later) do not reach into the next part",
            moment(first),
            moment(last),
            if least == 3 { "three" } else { "two" },
            horizon / DAY
        ))
        .hint(format!(
            "they must span at least {} days and lie close enough together: add earlier cutoffs in \
             features.yaml, shorten the horizon, or split by group",
            gaps * horizon / DAY
        ))
    }
}
