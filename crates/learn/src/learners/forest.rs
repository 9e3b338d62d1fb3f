//! `forest`: many decision trees on random rows and features (grown side by side).
//!
//! ```yaml
//! - forest: {trees: 200, max_rows: 50000}
//! ```
//!
//! Each tree draws its rows with replacement (Breiman 1996) and its features once (random subspaces, Ho 1998). The
//! probability of a class is the mean over the trees of its share in the leaf; in a regression that of the mean label (see
//! [`super::tree`] for how it splits).

use rayon::prelude::*;
use schemars::JsonSchema;
use score::models::Averaged;
use score::models::grown::Grown;
use score::{Model, Task};
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::{Result, range};

use super::check::{check, views_of};
use super::grown::{Coded, Growth, grow};
use crate::random::Random;
use crate::{Data, Learner};

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
        Averaged::Forest.learner()
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
                grow(&coded, &rows, &features, growth)
            })
            .collect::<Vec<Grown>>();
        Averaged::Forest.model(trees, train.features.features().to_vec())
    }
}
