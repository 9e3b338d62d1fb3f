//! The model of `tree`: one decision tree.

use std::path::Path;

use serde_json::json;
use spec::{Result, ResultExt};

use super::ensemble::Ensemble;
use super::grown::{Grown, ensemble};
use super::{TRAIN_AGAIN, same_features, store};
use crate::{Contributions, Feature, Matrix, Model, Reason};

pub const NAME: &str = "tree";
const FILE: &str = "tree.json";

struct TreeModel {
    tree: Grown,
    ensemble: Ensemble,
    features: Vec<Feature>,
}

/// A model of one tree. Errors: a tree that does not fit the features.
pub fn model(tree: Grown, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    let ensemble = ensemble(std::slice::from_ref(&tree), &features)?;
    Ok(Box::new(TreeModel { tree, ensemble, features }))
}

pub(super) fn load(path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    let read = store::read_json(path)?;
    model(read, features).map_err(|error| error.hint(TRAIN_AGAIN)).context(path.display())
}

impl Model for TreeModel {
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

    fn effort(&self) -> usize {
        self.ensemble.forest().leaves()
    }

    fn save(&self, folder: &Path) -> Result<String> {
        store::write_json(folder, FILE, &self.tree)
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

    /// Total decrease of Gini impurity, in a regression that of "above the node's mean".
    fn importance(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.features.len()];
        self.tree.add_importance(&mut weights);
        weights
    }

    fn notes(&self) -> serde_json::Value {
        json!({ "leaves": self.tree.leaves() })
    }
}
