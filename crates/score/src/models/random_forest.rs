//! The model of `forest`: many decision trees, averaged.

use std::path::Path;

use serde_json::json;
use spec::{Result, ResultExt};

use super::ensemble::Ensemble;
use super::grown::{Grown, ensemble};
use super::{TRAIN_AGAIN, same_features, store};
use crate::{Contributions, Feature, Matrix, Model, Reason};

pub const NAME: &str = "forest";
const FILE: &str = "forest.json";

struct ForestModel {
    trees: Vec<Grown>,
    ensemble: Ensemble,
    features: Vec<Feature>,
}

/// A model of the mean over trees. Errors: trees that do not fit the features or each other.
pub fn model(trees: Vec<Grown>, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    let ensemble = ensemble(&trees, &features)?;
    Ok(Box::new(ForestModel { trees, ensemble, features }))
}

pub(super) fn load(path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    let read = store::read_json(path)?;
    model(read, features).map_err(|error| error.hint(TRAIN_AGAIN)).context(path.display())
}

impl Model for ForestModel {
    fn learner(&self) -> &'static str {
        NAME
    }

    fn features(&self) -> &[Feature] {
        &self.features
    }

    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        same_features(&self.features, rows)?;
        self.ensemble.predict(rows)
    }

    fn predict_values(&self, values: &[f64]) -> Option<Result<Vec<f64>>> {
        Some(self.ensemble.predict_values(values))
    }

    fn effort(&self) -> usize {
        self.ensemble.forest().leaves()
    }

    fn save(&self, folder: &Path) -> Result<String> {
        store::write_json(folder, FILE, &self.trees)
    }

    /// In the unit of the prediction: of classes in probabilities.
    fn contributions(&self, rows: &Matrix) -> Result<Option<Contributions>> {
        same_features(&self.features, rows)?;
        self.ensemble.contributions(rows).map(Some)
    }

    fn strongest(&self, rows: &Matrix, count: usize) -> Result<Option<Vec<Vec<Reason>>>> {
        same_features(&self.features, rows)?;
        self.ensemble.strongest(rows, count).map(Some)
    }

    /// Mean over the trees of the total decrease of Gini impurity.
    fn importance(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.features.len()];
        self.trees.iter().for_each(|tree| tree.add_importance(&mut weights));
        weights.iter().map(|weight| weight / self.trees.len() as f64).collect()
    }

    fn notes(&self) -> serde_json::Value {
        let leaves: usize = self.trees.iter().map(Grown::leaves).sum();
        json!({ "trees": self.trees.len(), "leaves_per_tree": leaves as f64 / self.trees.len() as f64 })
    }
}
