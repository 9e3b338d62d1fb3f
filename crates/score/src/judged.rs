//! What training found out about a model: its experiments, measures and gate, as `model.json` keeps them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Threshold;
use crate::metrics::{Interval, Metric};
use crate::reasons::number_text;

/// One experiment on the validation part, or over the folds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Its name in the spec, or [`BASELINE`].
    pub name: String,
    pub learner: String,
    /// Its settings, defaults included.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub parameters: serde_json::Value,
    /// On the validation part, or the mean over the folds; `null` where undefined.
    pub metrics: BTreeMap<Metric, Option<f64>>,
    /// The metric that chooses, fold by fold; empty without folds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_fold: Vec<f64>,
    /// By how much the chosen experiment is better on the same rows, by the metric that chooses; none of the chosen one,
    /// and where it is undefined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Interval>,
    /// The threshold its decisions were judged at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
    /// Notes on the fit.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub notes: serde_json::Value,
}

/// A search for the best settings of an experiment, which then took part in the choice as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Searched {
    /// The experiment.
    pub experiment: String,
    /// The minutes that it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// The most trials that it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_trials: Option<u32>,
    /// Whether time ended it. What it found depends on the number of trials alone.
    #[serde(default)]
    pub out_of_time: bool,
    /// Rows of the validation part that judged its trials, and judged nothing else.
    pub rows: u64,
    /// The number of the trial that was best, from 1.
    pub best: u32,
    /// By the metric that chooses.
    pub trials: Vec<Trialed>,
}

/// A trial of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trialed {
    /// The share of the rows of the train part that it learned from at last.
    pub share: f64,
    /// As an experiment named `<experiment>/<number>`, judged on the rows that steered the search.
    #[serde(flatten)]
    pub tried: Tried,
}

/// A metric of the chosen model on the test part, and of the baseline there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// `None` where undefined; `why` says why.
    pub value: Option<f64>,
    /// `None` where undefined, or where too few resamples had a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    pub baseline: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Measured {
    /// `0.7812 (95 % interval 0.7701 to 0.7923)`, or why there is no value.
    pub fn in_words(&self) -> String {
        match (self.value, &self.interval) {
            (Some(value), Some(interval)) => {
                format!("{value:.4} (95 % interval {:.4} to {:.4})", interval.low, interval.high)
            }
            (Some(value), None) => format!("{value:.4}"),
            (None, _) => self.why.clone().unwrap_or_else(|| "undefined".to_owned()),
        }
    }
}

/// How the chosen experiment learned again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refit {
    /// Rows that it learned from.
    pub rows: u64,
    /// Those among them that had been purged, because they reached from train into validation only.
    pub bridging: u64,
    /// Trees that it was given, where early stopping had found their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trees: Option<u32>,
    /// The metrics on the test part of the model that had learned from train alone; empty with folds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub before: BTreeMap<Metric, f64>,
}

/// One rule of the gate and what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateResult {
    /// The rule in words, such as `auc at least 0.7`.
    pub rule: String,
    pub passed: bool,
    /// What was found, in words with numbers.
    pub found: String,
}

/// A gain with its interval, such as `better by 0.031 (95 % interval 0.012 to 0.05)`.
pub fn gain_text(gain: Interval) -> String {
    let word = if gain.value < 0.0 { "worse" } else { "better" };
    format!(
        "{word} by {} (95 % interval of the gain {} to {})",
        number_text(gain.value.abs()),
        number_text(gain.low),
        number_text(gain.high)
    )
}
