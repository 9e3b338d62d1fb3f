//! What a fitted model can do, whichever learner made it.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use crate::metrics::Metric;
use crate::{Feature, Matrix, Numbers, Transformed};

/// What is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A label of two classes, 0 and 1; predictions are probabilities of class 1.
    Classification,
    /// A label of three classes or more; predictions are a probability per class.
    Multiclass,
    /// A number.
    Regression,
}

impl Task {
    /// As written in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Task::Classification => "classification",
            Task::Multiclass => "multiclass",
            Task::Regression => "regression",
        }
    }

    /// The metric that chooses among models where the spec names no other.
    pub fn chosen_by(self) -> Metric {
        match self {
            Task::Classification => Metric::Auc,
            Task::Multiclass => Metric::LogLoss,
            Task::Regression => Metric::Rmse,
        }
    }

    /// Whether labels are classes.
    pub fn has_classes(self) -> bool {
        self != Task::Regression
    }
}

/// What a fit took from its validation rows, and a fit that has none takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tuned {
    /// Trees up to the best one.
    pub trees: Option<u32>,
    /// How predictions come back to the label's unit.
    pub label_transform: Option<Transformed>,
}

impl Tuned {
    /// What the fits of several folds come to, each with its number of validation rows: the mean number of trees, and
    /// the factor that all validation rows together give.
    pub fn of_folds(folds: &[(Tuned, usize)]) -> Tuned {
        let trees: Vec<u32> = folds.iter().filter_map(|(tuned, _)| tuned.trees).collect();
        let mean = trees.iter().map(|trees| f64::from(*trees)).sum::<f64>() / trees.len().max(1) as f64;
        let factors = folds.iter().filter_map(|(tuned, rows)| match tuned.label_transform? {
            Transformed::Log { smearing } => Some((smearing, *rows as f64)),
        });
        let (sum, rows) = factors.fold((0.0, 0.0), |(sum, all), (smearing, rows)| (sum + smearing * rows, all + rows));
        Tuned {
            trees: (!trees.is_empty()).then_some((mean.round() as u32).max(1)),
            label_transform: (rows > 0.0).then_some(Transformed::Log { smearing: sum / rows }),
        }
    }
}

/// A fitted model.
pub trait Model: Send + Sync {
    /// The learner's name, under which [`crate::load_model`] finds the reader of what `save` wrote.
    fn learner(&self) -> &'static str;

    /// The features it expects, in order.
    fn features(&self) -> &[Feature];

    /// One number per row: the probability of class 1, or the value. Of several classes one per row and class, row after
    /// row.
    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>>;

    /// The same of rows that are plain numbers. `None` if the model only reads a matrix, which takes longer to make than a single
    /// row takes to score.
    fn predict_values(&self, _values: &Numbers) -> Option<Result<Vec<f64>>> {
        None
    }

    /// Writes the model into `folder` under a name of its own; returns that file name.
    fn save(&self, folder: &Path) -> Result<String>;

    /// How its predictions came back to the label's unit; `None` if they never left it.
    fn label_transform(&self) -> Option<Transformed> {
        None
    }

    /// What it took from the validation rows it was fitted with.
    fn tuned(&self) -> Tuned {
        Tuned { trees: None, label_transform: self.label_transform() }
    }

    /// How much each feature contributed to each prediction, of several classes to the raw score of the class that is
    /// predicted; `None` if the model cannot say.
    fn contributions(&self, _rows: &Matrix) -> Result<Option<Contributions>> {
        Ok(None)
    }

    /// The `count` features that contributed most to each prediction, by absolute value, the strongest first; those that
    /// contribute nothing are left out. `None` if the model cannot say.
    fn strongest(&self, rows: &Matrix, count: usize) -> Result<Option<Vec<Vec<Reason>>>> {
        let contributions = self.contributions(rows)?;
        Ok(contributions.map(|all| (0..all.rows()).map(|row| strongest(all.row(row), count)).collect()))
    }

    /// Roughly how many products it takes to explain one row.
    fn effort(&self) -> usize {
        self.features().len()
    }

    /// One non-negative weight per feature (LightGBM: total gain); empty if the model cannot say.
    fn importance(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Notes on the fit: iterations used, convergence.
    fn notes(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

/// Additive contributions (SHAP values: Lundberg and Lee 2017) in the model's raw score (log-odds for
/// classification, of a `tree` or `forest` the probability; the logarithm of the label where that is learned).
#[derive(Clone, Debug, PartialEq)]
pub struct Contributions {
    pub features: usize,
    /// Row-major, rows × features.
    pub values: Vec<f64>,
    /// The raw score of a row without any feature; NaN for several classes, each of which has its own.
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

/// A feature that contributed to a prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reason {
    /// Its place among the features of the model.
    pub feature: usize,
    /// What it adds to the raw score.
    pub contribution: f64,
}

/// The numbers farthest from 0, farthest first; of equals the first first.
fn strongest(contributions: &[f64], count: usize) -> Vec<Reason> {
    let mut order: Vec<usize> = (0..contributions.len()).filter(|at| contributions[*at] != 0.0).collect();
    order.sort_by(|a, b| contributions[*b].abs().total_cmp(&contributions[*a].abs()));
    order.truncate(count);
    order.into_iter().map(|feature| Reason { feature, contribution: contributions[feature] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_come_first_and_nothing_is_no_reason() {
        let found = strongest(&[0.5, -1.5, 0.0, 0.5, -0.2], 3);
        let found: Vec<(usize, f64)> = found.iter().map(|reason| (reason.feature, reason.contribution)).collect();
        assert_eq!(found, [(1, -1.5), (0, 0.5), (3, 0.5)]);
        assert_eq!(strongest(&[0.0], 3), []);
    }

    #[test]
    fn folds_come_to_their_means() {
        let tuned = |trees, smearing| Tuned { trees, label_transform: Some(Transformed::Log { smearing }) };
        let all =
            Tuned::of_folds(&[(tuned(Some(10), 1.0), 100), (tuned(Some(21), 1.3), 200), (tuned(Some(20), 1.3), 300)]);
        // (100 · 1.0 + 500 · 1.3) / 600
        assert_eq!((all.trees, all.label_transform), (Some(17), Some(Transformed::Log { smearing: 1.25 })));
        assert_eq!(Tuned::of_folds(&[(Tuned::default(), 5)]), Tuned::default());
    }
}
