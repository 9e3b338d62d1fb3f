//! The two traits that every learner stands behind.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use crate::{Feature, Matrix, Transformed};

/// What is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A label of two classes, 0 and 1; predictions are probabilities of class 1.
    Classification,
    /// A number.
    Regression,
}

/// Rows to learn from or to judge by.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    pub features: &'a Matrix,
    /// One per row: 0 or 1 for classification, any finite number for regression.
    pub label: &'a [f64],
}

/// Something that learns a model from rows. Equal inputs and seed give equal models.
pub trait Learner: Send + Sync {
    /// The learner as YAML names it, such as `lightgbm`.
    fn name(&self) -> &'static str;

    /// Its settings as they are in force, defaults included, for whoever compares experiments.
    fn settings(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Whether a regression predicts the mean of the label, not its median or another quantile.
    fn learns_mean(&self) -> bool {
        true
    }

    /// Learns from `train`; `valid` may stop it early but is not learned from.
    fn fit(&self, task: Task, train: Data<'_>, valid: Data<'_>, seed: u64) -> Result<Box<dyn Model>>;
}

/// A fitted model.
pub trait Model: Send + Sync {
    /// The learner's name, under which [`crate::load_model`] finds the reader of what `save` wrote.
    fn learner(&self) -> &'static str;

    /// The features it expects, in order.
    fn features(&self) -> &[Feature];

    /// One number per row: the probability of class 1, or the value.
    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>>;

    /// Writes the model into `folder` under a name of its own; returns that file name.
    fn save(&self, folder: &Path) -> Result<String>;

    /// How its predictions came back to the label's unit; `None` if they never left it.
    fn label_transform(&self) -> Option<Transformed> {
        None
    }

    /// How much each feature contributed to each prediction; `None` if the model cannot say.
    fn contributions(&self, _rows: &Matrix) -> Result<Option<Contributions>> {
        Ok(None)
    }

    /// One non-negative weight per feature (LightGBM: total gain); empty if the model cannot say.
    fn importance(&self) -> Vec<f64> {
        Vec::new()
    }

    /// What fitting has to tell: iterations used, convergence.
    fn notes(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

/// Additive contributions (SHAP values: Lundberg and Lee 2017) in the model's raw score (log-odds for
/// classification; the logarithm of the label where that is learned).
#[derive(Clone, Debug, PartialEq)]
pub struct Contributions {
    pub features: usize,
    /// Row-major, rows × features.
    pub values: Vec<f64>,
    /// The raw score of a row without any feature.
    pub base: f64,
}

impl Contributions {
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.features..(row + 1) * self.features]
    }

    pub fn rows(&self) -> usize {
        self.values.len() / self.features.max(1)
    }
}
