//! `tree`: one decision tree (linfa-trees, Gini).
//!
//! ```yaml
//! - tree: {depth: 4, min_leaf_rows: 100}
//! ```
//!
//! linfa's trees predict labels; the probability of a class is its share among the training rows of the leaf. Of several
//! classes each question is the best of those that part one class from all others.
//!
//! They only classify. A regression asks each question between two classes: labels above the mean of the node's rows, and
//! the others (regression by classification, Torgo and Gama 1997, with a discretisation of its own at each node); it
//! predicts the mean label of the leaf.

use std::path::Path;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::{Error, Result};

use super::check::{check, same_features, views_of};
use super::grown::{Coded, Grown, Growth};
use super::{range, store};
use crate::metrics::largest;
use crate::random::sample;
use crate::{Contributions, Data, Feature, Learner, Matrix, Model, Task};

pub(super) const NAME: &str = "tree";
const FILE: &str = "tree.json";

/// One decision tree. In a regression a leaf predicts the mean label of its rows, and a question parts those above the mean
/// from those below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tree {
    /// Most questions in a row, 1 to 30.
    #[serde(deserialize_with = "range::whole::<1, 30, _>")]
    #[schemars(range(min = 1, max = 30))]
    pub depth: u32,
    /// Fewest training rows in a leaf, from 1.
    #[serde(deserialize_with = "range::whole::<1, 1_000_000, _>")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_leaf_rows: u32,
    /// Learns from a random sample of at most this many rows, 10 to 10,000,000: the time grows with rows × features
    /// × leaves.
    #[serde(deserialize_with = "range::whole::<10, 10_000_000, _>")]
    #[schemars(range(min = 10, max = 10_000_000))]
    pub max_rows: u32,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree { depth: 6, min_leaf_rows: 20, max_rows: 100_000 }
    }
}

impl Learner for Tree {
    fn name(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> serde_json::Value {
        json!(self)
    }

    fn fit(&self, task: Task, train: Data<'_>, valid: Data<'_>, seed: u64) -> Result<Box<dyn Model>> {
        check(task, train, valid)?;
        let rows = sample(train.label.len(), self.max_rows as usize, seed);
        let used = rows.len();
        // Only the sample is coded, not the whole matrix.
        let (matrix, label);
        let data = if used < train.label.len() {
            matrix = train.features.take(&rows);
            label = rows.iter().map(|row| train.label[*row]).collect::<Vec<f64>>();
            Data { features: &matrix, label: &label }
        } else {
            train
        };
        let coded = Coded::new(data.features, data.label, views_of(task, train.label));
        let all: Vec<usize> = (0..used).collect();
        let features: Vec<usize> = (0..train.features.features().len()).collect();
        let growth = Growth { depth: self.depth as usize, min_leaf_rows: self.min_leaf_rows as usize };
        let tree = Grown::grow(&coded, &all, &features, growth)?;
        Ok(Box::new(TreeModel { tree, features: train.features.features().to_vec() }))
    }
}

struct TreeModel {
    tree: Grown,
    features: Vec<Feature>,
}

pub(super) fn load(path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    let tree: Grown = store::read_json(path)?;
    if !tree.is_sound(&features) {
        return Err(unsound(path));
    }
    Ok(Box::new(TreeModel { tree, features }))
}

pub(super) fn unsound(path: &Path) -> Error {
    Error::cannot_run(format!("{}: its trees do not fit its features", path.display()))
        .hint("restore the file or train again")
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
        let columns: Vec<Vec<f64>> = (0..self.features.len()).map(|feature| rows.column(feature)).collect();
        let mut values = vec![0.0; rows.rows() * self.tree.classes()];
        self.tree.add_means(&columns, &mut values);
        Ok(values)
    }

    fn save(&self, folder: &Path) -> Result<String> {
        store::write_json(folder, FILE, &self.tree)
    }

    /// In the unit of the prediction: of classes in probabilities.
    fn contributions(&self, rows: &Matrix) -> Result<Option<Contributions>> {
        same_features(&self.features, rows)?;
        let (features, classes) = (self.features.len(), self.tree.classes());
        let columns: Vec<Vec<f64>> = (0..features).map(|feature| rows.column(feature)).collect();
        let mut scores = vec![0.0; rows.rows() * classes];
        self.tree.add_means(&columns, &mut scores);
        let mut values = vec![0.0; rows.rows() * features];
        values.par_chunks_mut(features).zip(scores.par_chunks(classes)).enumerate().for_each(
            |(row, (sums, scores))| {
                self.tree.add_contributions(&columns, row, largest(scores), sums);
            },
        );
        let base = if classes > 1 { f64::NAN } else { self.tree.base(0) };
        Ok(Some(Contributions { features, values, base }))
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
