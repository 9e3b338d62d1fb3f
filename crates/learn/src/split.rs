//! Which rows are learned from, which choose, which judge: the split into train, validation and test.
//!
//! By time no part may look into another's future: a row whose label is only known after the next part
//! begins is purged, and counted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use crate::calendar::{DAY, moment};
use crate::random::{Random, hash};

/// How rows are divided into train, validation and test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SplitSpec {
    /// `time`: the oldest rows train, the newest test; `group`: all rows of an entity fall into one part;
    /// `random`: row by row.
    pub by: SplitBy,
    /// Shares of train, validation and test; default 0.70, 0.15, 0.15.
    #[serde(default)]
    pub shares: Shares,
    /// The column of times or groups; default: the `time` or `entity` of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What is left out by time so that no part looks into the next one's future; default `overlap`.
    #[serde(default)]
    pub purge: Purge,
}

/// What decides the part of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// The row's time; rows of one time stay together.
    Time,
    /// A hash of the row's group: the same group falls into the same part in every run with the same seed.
    Group,
    /// Chance.
    Random,
}

/// What a split by time leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purge {
    /// Rows of train and validation whose label window (time + horizon) reaches into the next part.
    #[default]
    Overlap,
    /// Nothing.
    None,
}

/// Shares of train, validation and test: each above 0, together 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Shares([f64; 3]);

impl Default for Shares {
    fn default() -> Shares {
        Shares([0.70, 0.15, 0.15])
    }
}

impl TryFrom<Vec<f64>> for Shares {
    type Error = String;
    fn try_from(shares: Vec<f64>) -> Result<Shares, String> {
        let wrong = || "shares are three numbers above 0 that add up to 1, such as [0.70, 0.15, 0.15]".to_owned();
        let shares: [f64; 3] = shares.try_into().map_err(|_| wrong())?;
        let sound = shares.iter().all(|share| *share > 0.0) && (shares.iter().sum::<f64>() - 1.0).abs() < 1e-6;
        if sound { Ok(Shares(shares)) } else { Err(wrong()) }
    }
}

impl From<Shares> for Vec<f64> {
    fn from(shares: Shares) -> Vec<f64> {
        shares.0.to_vec()
    }
}

/// The part that a row falls into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Train,
    Valid,
    Test,
    /// In no part: its label window reaches into the next part.
    Purged,
}

impl Part {
    pub const ALL: [Part; 4] = [Part::Train, Part::Valid, Part::Test, Part::Purged];

    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Valid => "valid",
            Part::Test => "test",
            Part::Purged => "purged",
        }
    }
}

/// The part of every row, and the counts for the books.
#[derive(Clone, Debug)]
pub struct Split {
    pub parts: Vec<Part>,
    pub summary: SplitSummary,
}

/// A split in numbers: part of the lineage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitSummary {
    pub by: SplitBy,
    /// The column that decides; none at random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// In the order of [`Part::ALL`].
    pub parts: Vec<PartSummary>,
    /// What there is to say beyond the numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One part in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartSummary {
    pub part: Part,
    pub rows: u64,
    /// Share of class 1 (classification) or mean of the label (regression).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_mean: Option<f64>,
    /// The oldest and newest time, where rows have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<(String, String)>,
}

impl SplitSummary {
    pub fn of(&self, part: Part) -> Option<&PartSummary> {
        self.parts.iter().find(|summary| summary.part == part)
    }

    pub fn rows(&self, part: Part) -> u64 {
        self.of(part).map_or(0, |summary| summary.rows)
    }
}

impl SplitSpec {
    /// Splits by time. `times`: microseconds since 1970, one per row. `horizon_days`: how long after its time
    /// a row's label is known.
    ///
    /// Whole times go to one part. Of all pairs of boundaries that leave no part empty the one is taken whose
    /// parts, after purging, come nearest to the shares of all rows (least squares).
    pub fn by_time(&self, times: &[i64], horizon_days: Option<i64>, column: &str) -> Result<Split> {
        let horizon = match self.purge {
            Purge::Overlap => horizon_days.unwrap_or(0).max(0).saturating_mul(DAY),
            Purge::None => 0,
        };
        let distinct = Distinct::new(times);
        let count = distinct.times.len();
        if count < 3 {
            return Err(Error::refused(format!(
                "split by time: column '{column}' has {count} distinct value{}, but train, validation and test need \
                 at least 3",
                if count == 1 { "" } else { "s" }
            ))
            .hint("add cutoffs in features.yaml, or split by group"));
        }
        let (valid, test) = distinct.boundaries(horizon, self.shares.0).ok_or_else(|| {
            let (first, last) = (distinct.times[0], distinct.times[count - 1]);
            Error::refused(format!(
                "split by time: the {count} values of '{column}' from {} to {} leave no room for three parts whose \
                 labels (known {} days later) do not reach into the next part",
                moment(first),
                moment(last),
                horizon / DAY
            ))
            .hint(format!(
                "they must span at least {} days and lie close enough together: add earlier cutoffs in \
                 features.yaml, shorten the horizon, or split by group",
                2 * horizon / DAY
            ))
        })?;
        let part_of = |time: i64| match time {
            time if time >= test => Part::Test,
            time if time >= valid => {
                if time.saturating_add(horizon) <= test {
                    Part::Valid
                } else {
                    Part::Purged
                }
            }
            time => {
                if time.saturating_add(horizon) <= valid {
                    Part::Train
                } else {
                    Part::Purged
                }
            }
        };
        let mut split = self.finish(times.iter().map(|time| part_of(*time)).collect(), Some(column.to_owned()))?;
        split.summary.describe_times(&split.parts, times);
        let purged = split.summary.rows(Part::Purged);
        if purged > 0 {
            split.summary.notes.push(format!(
                "{purged} rows were purged: their labels, known {} days after '{column}', reach into the next part \
                 (validation begins {}, test {})",
                horizon / DAY,
                moment(valid),
                moment(test)
            ));
        }
        Ok(split)
    }

    /// Splits by the hash of each row's group, so the shares are met on average only.
    pub fn by_group<'a>(&self, groups: impl Iterator<Item = &'a str>, seed: u64, column: &str) -> Result<Split> {
        let [train, valid, _] = self.shares.0;
        let parts = groups.map(|group| {
            let point = (hash(group, seed) >> 11) as f64 / (1u64 << 53) as f64;
            match point {
                point if point < train => Part::Train,
                point if point < train + valid => Part::Valid,
                _ => Part::Test,
            }
        });
        self.finish(parts.collect(), Some(column.to_owned()))
    }

    /// Splits `rows` rows by chance; the shares are met to the row.
    pub fn at_random(&self, rows: usize, seed: u64) -> Result<Split> {
        let [train, valid, _] = self.shares.0.map(|share| (share * rows as f64).round() as usize);
        let mut order: Vec<u32> = (0..rows as u32).collect();
        Random::new(seed, 0).shuffle(&mut order);
        let mut parts = vec![Part::Test; rows];
        for (place, row) in order.into_iter().enumerate() {
            if place < train {
                parts[row as usize] = Part::Train;
            } else if place < train + valid {
                parts[row as usize] = Part::Valid;
            }
        }
        self.finish(parts, None)
    }

    fn finish(&self, parts: Vec<Part>, column: Option<String>) -> Result<Split> {
        let mut counts = [0u64; 4];
        parts.iter().for_each(|part| counts[*part as usize] += 1);
        for (part, rows) in Part::ALL.into_iter().zip(counts).take(3) {
            if rows == 0 {
                return Err(Error::refused(format!(
                    "split: the {} part is empty: {} rows in all",
                    part.name(),
                    parts.len()
                ))
                .hint("use more rows, or give the part a larger share"));
            }
        }
        let summary = |(part, rows)| PartSummary { part, rows, label_mean: None, times: None };
        let summaries = Part::ALL.into_iter().zip(counts).map(summary).collect();
        Ok(Split { parts, summary: SplitSummary { by: self.by, column, parts: summaries, notes: Vec::new() } })
    }
}

impl SplitSummary {
    /// Fills in the oldest and newest time of each part.
    pub(crate) fn describe_times(&mut self, parts: &[Part], times: &[i64]) {
        let mut ranges = [(i64::MAX, i64::MIN); 4];
        for (part, time) in parts.iter().zip(times) {
            let range = &mut ranges[*part as usize];
            *range = (range.0.min(*time), range.1.max(*time));
        }
        for (summary, (first, last)) in self.parts.iter_mut().zip(ranges) {
            summary.times = (first <= last).then(|| (moment(first), moment(last)));
        }
    }

    /// Fills in the mean label of each part.
    pub(crate) fn describe_labels(&mut self, parts: &[Part], label: &[f64]) {
        let mut sums = [0.0; 4];
        parts.iter().zip(label).for_each(|(part, label)| sums[*part as usize] += label);
        for (summary, sum) in self.parts.iter_mut().zip(sums) {
            summary.label_mean = (summary.rows > 0).then(|| sum / summary.rows as f64);
        }
    }
}

/// No more boundaries than these are tried; rows of times as fine as seconds are cut between hundredths.
const BOUNDARIES: usize = 256;

/// The distinct times in order, with the number of rows before each.
struct Distinct {
    times: Vec<i64>,
    before: Vec<u64>,
}

impl Distinct {
    fn new(times: &[i64]) -> Distinct {
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

    /// Rows of a time of which the label is known at the time numbered `at`, and of none later than it.
    fn known(&self, at: usize, horizon: i64) -> u64 {
        let last = self.times[at].saturating_sub(horizon);
        self.before[self.times.partition_point(|time| *time <= last).min(at)]
    }

    /// The first times of validation and test.
    fn boundaries(&self, horizon: i64, shares: [f64; 3]) -> Option<(i64, i64)> {
        let count = self.times.len();
        let rows = self.before[count];
        let mut candidates: Vec<usize> = match count - 1 <= BOUNDARIES {
            true => (1..count).collect(),
            false => (1..=BOUNDARIES as u64)
                .map(|step| self.before.partition_point(|before| *before < rows * step / (BOUNDARIES as u64 + 1)))
                .filter(|at| (1..count).contains(at))
                .collect(),
        };
        candidates.dedup();
        let mut best: Option<(f64, usize, usize)> = None;
        for (number, valid) in candidates.iter().enumerate() {
            for test in &candidates[number + 1..] {
                let kept = [
                    self.known(*valid, horizon),
                    self.known(*test, horizon).saturating_sub(self.before[*valid]),
                    rows - self.before[*test],
                ];
                if kept.contains(&0) {
                    continue;
                }
                let miss = kept.iter().zip(shares).map(|(kept, share)| (*kept as f64 / rows as f64 - share).powi(2));
                let miss: f64 = miss.sum();
                if best.is_none_or(|(least, ..)| miss < least - 1e-12) {
                    best = Some((miss, *valid, *test));
                }
            }
        }
        best.map(|(_, valid, test)| (self.times[valid], self.times[test]))
    }
}

#[cfg(test)]
impl SplitSummary {
    /// A split of ten rows by time, for tests.
    pub(crate) fn example() -> SplitSummary {
        let times: Vec<i64> = (0..10).map(|day| day * DAY).collect();
        let spec = SplitSpec { by: SplitBy::Time, shares: Shares::default(), column: None, purge: Purge::default() };
        spec.by_time(&times, None, "cutoff").expect("a split").summary
    }
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
