//! `forest`: many decision trees on random rows and features (linfa-trees, grown side by side).
//!
//! ```yaml
//! - forest: {trees: 200, max_rows: 50000}
//! ```
//!
//! Each tree draws its rows with replacement (Breiman 1996) and its features once (random subspaces, Ho 1998;
//! linfa cannot draw them anew for each split). The probability of a class is the mean over the trees of its share in the
//! leaf; in a regression that of the mean label (see [`super::tree`] for how it splits).

use std::path::Path;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::Result;

use super::check::{check, same_features, views_of};
use super::grown::{Coded, Grown, Growth};
use super::tree::unsound;
use super::{range, store};
use crate::random::Random;
use crate::{Data, Feature, Learner, Matrix, Model, Task};

pub(super) const NAME: &str = "forest";
const FILE: &str = "forest.json";

/// Rows that are predicted at a time by one thread: few enough to stay in its cache with a tree.
const BLOCK: usize = 2048;

/// Many decision trees, averaged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Forest {
    /// Trees to grow, 1 to 10,000.
    #[serde(deserialize_with = "range::whole::<1, 10_000, _>")]
    #[schemars(range(min = 1, max = 10_000))]
    pub trees: u32,
    /// Most questions in a row, 1 to 30.
    #[serde(deserialize_with = "range::whole::<1, 30, _>")]
    #[schemars(range(min = 1, max = 30))]
    pub depth: u32,
    /// Fewest drawn rows in a leaf, from 1.
    #[serde(deserialize_with = "range::whole::<1, 1_000_000, _>")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_leaf_rows: u32,
    /// The share of features that each tree sees, above 0 and at most 1.
    #[serde(deserialize_with = "range::share")]
    #[schemars(range(min = 0, max = 1))]
    pub feature_share: f64,
    /// Each tree draws at most this many rows, 10 to 10,000,000: its time grows with rows × features × leaves.
    #[serde(deserialize_with = "range::whole::<10, 10_000_000, _>")]
    #[schemars(range(min = 10, max = 10_000_000))]
    pub max_rows: u32,
}

impl Default for Forest {
    fn default() -> Forest {
        Forest { trees: 100, depth: 10, min_leaf_rows: 10, feature_share: 0.5, max_rows: 20_000 }
    }
}

impl Learner for Forest {
    fn name(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> serde_json::Value {
        json!(self)
    }

    fn fit(&self, task: Task, train: Data<'_>, valid: Data<'_>, seed: u64) -> Result<Box<dyn Model>> {
        check(task, train, valid)?;
        let coded = Coded::new(train.features, train.label, views_of(task, train.label));
        let (rows, features) = (train.label.len(), train.features.features().len());
        let drawn = rows.min(self.max_rows as usize);
        let seen = ((features as f64 * self.feature_share).ceil() as usize).clamp(1, features);
        let growth = Growth { depth: self.depth as usize, min_leaf_rows: self.min_leaf_rows as usize };
        let trees = (0..u64::from(self.trees))
            .into_par_iter()
            .map(|tree| {
                let mut random = Random::new(seed, tree);
                let rows: Vec<usize> = (0..drawn).map(|_| random.below(rows)).collect();
                let mut features: Vec<usize> = (0..features).collect();
                random.shuffle(&mut features);
                features.truncate(seen);
                features.sort_unstable();
                Grown::grow(&coded, &rows, &features, growth)
            })
            .collect::<Result<Vec<Grown>>>()?;
        Ok(Box::new(ForestModel { trees, features: train.features.features().to_vec() }))
    }
}

struct ForestModel {
    trees: Vec<Grown>,
    features: Vec<Feature>,
}

pub(super) fn load(path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    let trees: Vec<Grown> = store::read_json(path)?;
    let sound = trees.iter().all(|tree| tree.is_sound(&features));
    if trees.is_empty() || !sound || trees.iter().any(|tree| tree.classes() != trees[0].classes()) {
        return Err(unsound(path));
    }
    Ok(Box::new(ForestModel { trees, features }))
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
        let classes = self.trees[0].classes();
        let mut values = vec![0.0; rows.rows() * classes];
        values.par_chunks_mut(BLOCK * classes).enumerate().for_each(|(block, values)| {
            let part = rows.slice(block * BLOCK..block * BLOCK + values.len() / classes);
            let columns: Vec<Vec<f64>> = (0..self.features.len()).map(|feature| part.column(feature)).collect();
            // The trees add up in one order, whatever the number of threads.
            for tree in &self.trees {
                tree.add_means(&columns, values);
            }
            values.iter_mut().for_each(|value| *value /= self.trees.len() as f64);
        });
        Ok(values)
    }

    fn save(&self, folder: &Path) -> Result<String> {
        store::write_json(folder, FILE, &self.trees)
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
