//! What a learner of weights found: the model of `logistic` and `elastic_net`.

use std::path::Path;

use serde_json::{Map, Value, json};
use spec::Result;

use super::equation::Equation;
use super::same_features;
use crate::{Contributions, Feature, Matrix, Model};

/// What distinguishes one learner of weights from another.
pub struct Kind {
    pub learner: &'static str,
    pub file: &'static str,
    /// From a row's weighted sum to its prediction.
    pub link: fn(f64) -> f64,
}

pub struct LinearModel {
    kind: &'static Kind,
    equation: Equation,
    features: Vec<Feature>,
    /// Notes on the fit beside the weights; empty for a model that was read from its file.
    of_fit: Map<String, Value>,
}

impl LinearModel {
    pub fn new(kind: &'static Kind, equation: Equation, features: Vec<Feature>) -> LinearModel {
        LinearModel { kind, equation, features, of_fit: Map::new() }
    }

    pub fn telling(mut self, key: &str, value: impl Into<Value>) -> LinearModel {
        self.of_fit.insert(key.to_owned(), value.into());
        self
    }

    pub fn load(kind: &'static Kind, path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
        Ok(Box::new(LinearModel::new(kind, Equation::load(path, &features)?, features)))
    }
}

impl Model for LinearModel {
    fn learner(&self) -> &'static str {
        self.kind.learner
    }

    fn features(&self) -> &[Feature] {
        &self.features
    }

    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        same_features(&self.features, rows)?;
        Ok(self.equation.scores(rows).into_iter().map(self.kind.link).collect())
    }

    fn save(&self, folder: &Path) -> Result<String> {
        self.equation.save(folder, self.kind.file)
    }

    fn contributions(&self, rows: &Matrix) -> Result<Option<Contributions>> {
        same_features(&self.features, rows)?;
        Ok(Some(self.equation.contributions(rows)))
    }

    fn importance(&self) -> Vec<f64> {
        self.equation.importance(self.features.len())
    }

    fn notes(&self) -> Value {
        let mut notes = Map::new();
        notes.insert("intercept".to_owned(), json!(self.equation.intercept));
        notes.insert("columns".to_owned(), json!(self.equation.columns()));
        notes.extend(self.of_fit.clone());
        Value::Object(notes)
    }
}
