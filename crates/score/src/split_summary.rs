//! How the rows of a table were divided into train, validation and test, in numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::calendar::moment;

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

/// A split in numbers: part of the lineage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitSummary {
    pub by: SplitBy,
    /// The column that decides; none at random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// In the order of [`Part::ALL`].
    pub parts: Vec<PartSummary>,
    /// The folds of the train part; none without cross-validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<FoldsSummary>,
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

/// The folds in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldsSummary {
    /// How they were made, in words.
    pub how: String,
    /// Rows that teach and rows that judge, per fold.
    pub rows: Vec<(u64, u64)>,
}

impl SplitSummary {
    /// Fills in the oldest and newest time of each part.
    pub fn describe_times(&mut self, parts: &[Part], times: &[i64]) {
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
    pub fn describe_labels(&mut self, parts: &[Part], label: &[f64]) {
        let mut sums = [0.0; 4];
        parts.iter().zip(label).for_each(|(part, label)| sums[*part as usize] += label);
        for (summary, sum) in self.parts.iter_mut().zip(sums) {
            summary.label_mean = (summary.rows > 0).then(|| sum / summary.rows as f64);
        }
    }
}

#[cfg(test)]
impl SplitSummary {
    /// A split of ten rows by time.
    pub(crate) fn example() -> SplitSummary {
        let of = |part, rows| PartSummary { part, rows, label_mean: None, times: None };
        let parts = vec![of(Part::Train, 7), of(Part::Valid, 1), of(Part::Test, 2), of(Part::Purged, 0)];
        SplitSummary { by: SplitBy::Time, column: Some("cutoff".to_owned()), parts, folds: None, notes: Vec::new() }
    }
}
