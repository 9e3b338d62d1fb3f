//! Labels that are learned on another scale than their own, and predictions that come back from it.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::Result;

use crate::models::exact;
use crate::{Contributions, Feature, Matrix, Model, Numbers, Reason, Tuned};

/// The scale that a regression learns on. Predictions, metrics and intervals are in the label's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LabelTransform {
    /// The natural logarithm: for prices, amounts and durations, whose errors grow with their size. Every label must be
    /// above 0.
    ///
    /// exp() of a mean of logarithms lies below the mean, so predictions are multiplied by the mean of exp(residual)
    /// over the validation rows (the smearing factor: Duan 1983, "Smearing estimate: a nonparametric retransformation
    /// method"). Learners of a median or quantile need no factor: exp() of a median is the median.
    Log,
}

/// A transform with what was estimated for the way back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transformed {
    Log {
        /// What exp(raw score) is multiplied with; 1 for learners of quantiles.
        #[serde(with = "exact")]
        smearing: f64,
    },
}

impl Transformed {
    /// `model`, whose raw scores are on the transformed scale, with predictions in the label's unit.
    pub fn around(self, model: Box<dyn Model>) -> Box<dyn Model> {
        match self {
            Transformed::Log { smearing } => Box::new(LogModel { model, smearing }),
        }
    }
}

/// The logarithm of every label.
pub fn logarithms(label: &[f64]) -> Vec<f64> {
    label.iter().map(|label| label.ln()).collect()
}

struct LogModel {
    /// Its scores are logarithms.
    model: Box<dyn Model>,
    smearing: f64,
}

impl Model for LogModel {
    fn learner(&self) -> &'static str {
        self.model.learner()
    }

    fn features(&self) -> &[Feature] {
        self.model.features()
    }

    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        let scores = self.model.predict(rows)?;
        Ok(scores.into_iter().map(|score| score.exp() * self.smearing).collect())
    }

    fn predict_values(&self, values: &Numbers) -> Option<Result<Vec<f64>>> {
        let scores = self.model.predict_values(values)?;
        Some(scores.map(|scores| scores.into_iter().map(|score| score.exp() * self.smearing).collect()))
    }

    fn save(&self, folder: &Path) -> Result<String> {
        self.model.save(folder)
    }

    fn label_transform(&self) -> Option<Transformed> {
        Some(Transformed::Log { smearing: self.smearing })
    }

    fn tuned(&self) -> Tuned {
        Tuned { label_transform: self.label_transform(), ..self.model.tuned() }
    }

    /// In logarithms: 0.1 raises the prediction by about a tenth.
    fn contributions(&self, rows: &Matrix) -> Result<Option<Contributions>> {
        let contributions = self.model.contributions(rows)?;
        Ok(contributions.map(|found| Contributions { base: found.base + self.smearing.ln(), ..found }))
    }

    fn strongest(&self, rows: &Matrix, count: usize) -> Result<Option<Vec<Vec<Reason>>>> {
        self.model.strongest(rows, count)
    }

    fn effort(&self) -> usize {
        self.model.effort()
    }

    fn importance(&self) -> Vec<f64> {
        self.model.importance()
    }

    fn notes(&self) -> serde_json::Value {
        let mut notes = self.model.notes();
        if !notes.is_object() {
            notes = serde_json::json!({});
        }
        notes["smearing"] = self.smearing.into();
        notes
    }
}
