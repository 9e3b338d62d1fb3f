//! `model.json`: all that must be known of a model version to use it and to trust it.

use std::collections::BTreeMap;
use std::path::Path;

use artifact::{Definitions, Input};
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use crate::metrics::{Classes, Confusion, Interval, Metric};
use crate::{
    Clip, Feature, FeatureSummary, GateResult, IntervalRecord, Measured, Refit, Searched, SplitSummary, Task,
    Threshold, Transformed, Tried, Version,
};

/// Where a version comes from: what the caller knows and the trial does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    pub pipeline: String,
    pub version: Version,
    /// When the run began, RFC 3339, UTC.
    pub created: String,
    /// Version of the tool.
    pub tool_version: String,
    /// Hash of the spec as read, with the variables it used.
    pub spec: String,
    /// The feature tables it learned from, with their hashes.
    pub inputs: Vec<Input>,
    /// The command that makes it again.
    pub command: String,
}

/// The content of `model.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this record.
    pub format: u32,
    #[serde(rename = "lineage")]
    pub origin: Origin,
    /// The table of the features stage.
    pub table: String,
    pub task: Task,
    pub label: String,
    pub entity: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The column that says how much a row counts in learning; none if all count the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// Whether they count so in the metrics, too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub weighted_metrics: bool,
    /// How long after its time a row's label is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon_days: Option<i64>,
    /// How many successive times were drawn together to see how much its measures vary; none if entities were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resample_block: Option<u32>,
    /// How the model's raw scores become values of the label; none if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_transform: Option<Transformed>,
    /// The range that predictions are kept in; none if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<Clip>,
    /// Name of the chosen experiment.
    pub experiment: String,
    /// Its learner, under which [`crate::load_model`] reads `file`.
    pub learner: String,
    /// The model's file in the version's folder.
    pub file: String,
    /// BLAKE3 of every file that the model is read from, as hex, by its path in the version's folder. Empty in versions
    /// that an earlier tool wrote.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// The signature: columns that rows to score must have, in order, with types and categories.
    pub features: Vec<Feature>,
    /// What the columns of the table meant that it learned from, label included. `None` if the table did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definitions: Option<Definitions>,
    /// What the features held in the rows of the train part: rows to score should look like them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub summaries: Vec<FeatureSummary>,
    /// How much of what moves the model each feature is, as shares that add up to 1, the largest first: by the mean size of
    /// contributions (SHAP), of models without them by their own weights. Empty if there are neither.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub importance: Vec<(String, f64)>,
    /// Rows that score at least this are flagged; none for regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
    /// The bounds beside each prediction; none if the spec has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intervals: Option<IntervalRecord>,
    /// On the test part.
    pub metrics: BTreeMap<Metric, Measured>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Confusion>,
    /// Of several classes their names in order of the probabilities, and what was predicted for each on the test part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Classes>,
    /// Every experiment with its metrics on the validation part, or over the folds; the baseline comes last.
    pub experiments: Vec<Tried>,
    /// The searches for settings of experiments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<Searched>,
    /// What there is to say if chance may have made the choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_noise: Option<String>,
    /// How the chosen experiment learned again before it was judged on the test part; none if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refit: Option<Refit>,
    /// How much better than the baseline on test, by the metric that chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain_over_baseline: Option<Interval>,
    pub gate: Vec<GateResult>,
    pub split: SplitSummary,
    pub rows: u64,
    pub seed: u64,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Manifest {
    pub const FILE: &'static str = "model.json";
    pub const FORMAT: u32 = 1;

    /// Reads `model.json` of the version in `folder`.
    pub fn read(folder: &Path) -> Result<Manifest> {
        let path = folder.join(Manifest::FILE);
        let bytes = std::fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
        let wrong = |cause: String| {
            Error::cannot_run(format!("{}: {cause}", path.display())).hint("train a new version, or use another one")
        };
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        match manifest.format {
            Manifest::FORMAT => Ok(manifest),
            other => Err(wrong(format!("written in format {other}, which this version cannot read"))),
        }
    }

    /// Writes `model.json` into `folder`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(Manifest::FILE);
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::cannot_run(format!("{}: {error}", path.display())))?;
        text.push('\n');
        std::fs::write(&path, text).map_err(|error| Error::io("write", &path, &error))
    }

    /// The metric's value on the test part.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        self.metrics.get(&metric)?.value
    }
}

/// A manifest of one feature, for tests.
#[cfg(test)]
pub(crate) fn example(version: &str) -> Manifest {
    Manifest {
        format: Manifest::FORMAT,
        origin: Origin {
            pipeline: "churn".to_owned(),
            version: version.parse().expect("a version"),
            created: "2026-01-02T03:04:05Z".to_owned(),
            tool_version: "0.1.0".to_owned(),
            spec: "abc".to_owned(),
            inputs: Vec::new(),
            command: "bin/train churn".to_owned(),
        },
        table: "training".to_owned(),
        task: Task::Classification,
        label: "churned".to_owned(),
        entity: "customer_id".to_owned(),
        time: Some("cutoff".to_owned()),
        weight: None,
        weighted_metrics: false,
        horizon_days: Some(90),
        resample_block: None,
        label_transform: None,
        clip: None,
        experiment: "best".to_owned(),
        learner: "fake".to_owned(),
        file: "model.txt".to_owned(),
        files: BTreeMap::new(),
        features: Vec::new(),
        definitions: None,
        summaries: Vec::new(),
        importance: Vec::new(),
        threshold: None,
        intervals: None,
        metrics: [
            (Metric::Auc, Measured { value: Some(0.8), interval: None, baseline: Some(0.5), why: None }),
            (Metric::Recall, Measured { value: None, interval: None, baseline: None, why: Some("x".to_owned()) }),
        ]
        .into(),
        confusion: None,
        classes: None,
        experiments: Vec::new(),
        searches: Vec::new(),
        within_noise: None,
        refit: None,
        gain_over_baseline: None,
        gate: Vec::new(),
        split: SplitSummary::example(),
        rows: 10,
        seed: 42,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let folder = tempfile::tempdir().expect("a folder");
        let manifest = example("v3");
        manifest.write(folder.path()).expect("written");
        assert_eq!(Manifest::read(folder.path()).expect("read"), manifest);
        assert_eq!(manifest.metric(Metric::Auc), Some(0.8));
        assert_eq!(manifest.metric(Metric::Recall), None);
    }

    #[test]
    fn a_foreign_or_future_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(Manifest::FILE);
        std::fs::write(&path, "{}").expect("written");
        let error = Manifest::read(folder.path()).expect_err("no manifest").to_string();
        assert!(error.contains("model.json: missing field"), "{error}");
        let mut future = example("v1");
        future.format = 2;
        future.write(folder.path()).expect("written");
        let error = Manifest::read(folder.path()).expect_err("too new").to_string();
        assert!(error.contains("written in format 2, which this version cannot read"), "{error}");
    }
}
