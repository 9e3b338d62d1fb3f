//! `tree`: one decision tree (Gini).
//!
//! ```yaml
//! - tree: {depth: 4, min_leaf_rows: 100}
//! ```
//!
//! The probability of a class is its share among the training rows of the leaf. Of several classes each question is the best
//! of those that part one class from all others.
//!
//! They only classify. A regression asks each question between two classes: labels above the mean of the node's rows, and
//! the others (regression by classification, Torgo and Gama 1997, with a discretisation of its own at each node); it
//! predicts the mean label of the leaf.

use schemars::JsonSchema;
use score::models::Averaged;
use score::{Model, Task};
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::{Result, range};

use super::check::{check, views_of};
use super::grown::{Coded, Growth, grow};
use crate::random::sample;
use crate::{Data, Learner};

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
        Averaged::Tree.learner()
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
        let tree = grow(&coded, &all, &features, growth);
        Averaged::Tree.model(vec![tree], train.features.features().to_vec())
    }
}
