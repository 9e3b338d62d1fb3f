//! The models of `tree` and `forest`: one decision tree, or the mean of many.

use std::path::Path;

use serde_json::json;
use spec::{Result, ResultExt};

use super::ensemble::Ensemble;
use super::grown::{Grown, ensemble};
use super::{TRAIN_AGAIN, store};
use crate::{Contributions, Feature, Matrix, Model, Numbers, Reason};

/// How many trees a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Averaged {
    /// One. Its file holds the tree itself.
    Tree,
    /// One or more. Its file holds a list of trees.
    Forest,
}

impl Averaged {
    /// The learner, as YAML and [`Model::learner`] name it.
    pub const fn learner(self) -> &'static str {
        match self {
            Averaged::Tree => "tree",
            Averaged::Forest => "forest",
        }
    }

    const fn file(self) -> &'static str {
        match self {
            Averaged::Tree => "tree.json",
            Averaged::Forest => "forest.json",
        }
    }

    /// A model of the mean over trees. Errors: trees that do not fit the features or each other.
    pub fn model(self, trees: Vec<Grown>, features: Vec<Feature>) -> Result<Box<dyn Model>> {
        let ensemble = ensemble(&trees, features)?;
        Ok(Box::new(AveragedModel { kind: self, trees, ensemble }))
    }

    pub(super) fn load(self, path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
        let trees = match self {
            Averaged::Tree => vec![store::read_json(path)?],
            Averaged::Forest => store::read_json(path)?,
        };
        self.model(trees, features).map_err(|error| error.hint(TRAIN_AGAIN)).context(path.display())
    }
}

struct AveragedModel {
    kind: Averaged,
    trees: Vec<Grown>,
    ensemble: Ensemble,
}

impl Model for AveragedModel {
    fn learner(&self) -> &'static str {
        self.kind.learner()
    }

    fn features(&self) -> &[Feature] {
        self.ensemble.features()
    }

    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        self.ensemble.predict(rows)
    }

    fn predict_values(&self, values: &Numbers) -> Option<Result<Vec<f64>>> {
        Some(self.ensemble.predict_values(values))
    }

    fn effort(&self) -> usize {
        self.ensemble.forest().leaves()
    }

    fn save(&self, folder: &Path) -> Result<String> {
        match (self.kind, self.trees.as_slice()) {
            (Averaged::Tree, [tree]) => store::write_json(folder, self.kind.file(), tree),
            (_, trees) => store::write_json(folder, self.kind.file(), &trees),
        }
    }

    /// In the unit of the prediction: of classes in probabilities.
    fn contributions(&self, rows: &Matrix) -> Result<Option<Contributions>> {
        self.ensemble.contributions(rows).map(Some)
    }

    fn strongest(&self, rows: &Matrix, count: usize) -> Result<Option<Vec<Vec<Reason>>>> {
        self.ensemble.strongest(rows, count).map(Some)
    }

    /// The mean over the trees of the total decrease of Gini impurity, in a regression that of "above the node's mean".
    fn importance(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.features().len()];
        self.trees.iter().for_each(|tree| tree.add_importance(&mut weights));
        weights.iter().map(|weight| weight / self.trees.len() as f64).collect()
    }

    fn notes(&self) -> serde_json::Value {
        let leaves: usize = self.trees.iter().map(Grown::leaves).sum();
        match self.kind {
            Averaged::Tree => json!({ "leaves": leaves }),
            Averaged::Forest => {
                json!({ "trees": self.trees.len(), "leaves_per_tree": leaves as f64 / self.trees.len() as f64 })
            }
        }
    }
}
