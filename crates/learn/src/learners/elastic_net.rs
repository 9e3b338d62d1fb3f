//! `elastic_net`: linear regression with L1 and L2 penalties (Zou and Hastie 2005; linfa-elasticnet, coordinate descent).
//!
//! ```yaml
//! - elastic_net: {penalty: 0.001, l1_ratio: 0.5}
//! ```
//!
//! Its columns are those of [`super::design`]: standardised numbers, flags for gaps, a column of 0 and 1 per category. The
//! label is standardised too while it is learned, so that a penalty means the same in every unit; weights and
//! predictions are in the label's own.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_elasticnet::ElasticNet as Solver;
use ndarray::Array1;
use schemars::JsonSchema;
use score::models::elastic_net::NAME;
use score::models::{self, Equation};
use score::{Model, Task};
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::{Error, Result, range};

use super::check::{check, mean};
use super::design::Design;
use crate::{Data, Learner};

/// Linear regression on standardised features. Minimises, with features and label standardised,
/// `1/2n · Σ (y - ŷ)² + penalty · (l1_ratio · Σ |w| + (1 - l1_ratio)/2 · Σ w²)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ElasticNet {
    /// Penalty on large weights (scikit-learn's `alpha`), from 0. From 1 on, no weight is left with `l1_ratio: 1`.
    #[serde(deserialize_with = "range::not_negative")]
    #[schemars(range(min = 0))]
    pub penalty: f64,
    /// The share of the penalty that is L1 and sets weights to 0: from 0 (ridge) to 1 (lasso).
    #[serde(deserialize_with = "range::ratio")]
    #[schemars(range(min = 0, max = 1))]
    pub l1_ratio: f64,
    /// Most steps of the solver over all columns, 1 to 100,000.
    #[serde(deserialize_with = "range::whole::<1, 100_000, _>")]
    #[schemars(range(min = 1, max = 100_000))]
    pub iterations: u32,
}

impl Default for ElasticNet {
    fn default() -> ElasticNet {
        ElasticNet { penalty: 0.001, l1_ratio: 0.5, iterations: 1000 }
    }
}

/// The solver stops where no weight changes by more than this share of the largest, and the duality gap is as small.
const TOLERANCE: f64 = 1e-6;

impl Learner for ElasticNet {
    fn name(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> serde_json::Value {
        json!(self)
    }

    fn fit(&self, task: Task, train: Data<'_>, valid: Data<'_>, _seed: u64) -> Result<Box<dyn Model>> {
        if task.has_classes() {
            return Err(Error::cannot_run("elastic_net: learns numbers, not classes")
                .hint("use logistic, which has the same columns, for classification"));
        }
        check(task, train, valid)?;
        let Design { mut matrix, columns } = Design::of(train.features)?;
        let features = train.features.features().to_vec();
        let (centre, scale) = centre_and_scale(train.label, train.features.weights());
        if columns.is_empty() || scale == 0.0 {
            let equation = Equation::new(centre, vec![0.0; columns.len()], columns);
            return Ok(models::elastic_net::model(equation.ok_or_else(no_weights)?, features, 0));
        }
        let mut label: Array1<f64> = train.label.iter().map(|label| (label - centre) / scale).collect();
        if let Some(weights) = train.features.weights() {
            // Squares of rows times the root of their weights are weighted squares. Columns and label are centred by
            // their weighted means already, so that the intercept is 0 and needs no column.
            for (row, weight) in weights.iter().enumerate() {
                let root = weight.sqrt();
                label[row] *= root;
                matrix.row_mut(row).iter_mut().for_each(|cell| *cell *= root);
            }
        }
        let fitted = Solver::params()
            .with_intercept(train.features.weights().is_none())
            .penalty(self.penalty)
            .l1_ratio(self.l1_ratio)
            .max_iterations(self.iterations)
            .tolerance(TOLERANCE)
            .fit(&DatasetBase::new(matrix, label))
            .map_err(|error| Error::cannot_run(format!("elastic_net: the solver failed: {error}")))?;
        let weights: Vec<f64> = fitted.hyperplane().iter().map(|weight| weight * scale).collect();
        let intercept = centre + fitted.intercept() * scale;
        let equation = Equation::new(intercept, weights, columns).ok_or_else(no_weights)?;
        Ok(models::elastic_net::model(equation, features, fitted.n_steps()))
    }
}

fn no_weights() -> Error {
    Error::cannot_run("elastic_net: the solver found no finite weights").hint("give it a larger 'penalty'")
}

/// Mean and standard deviation of the population.
fn centre_and_scale(label: &[f64], weights: Option<&[f64]>) -> (f64, f64) {
    let centre = mean(label, weights);
    let squares: Vec<f64> = label.iter().map(|label| (label - centre).powi(2)).collect();
    (centre, mean(&squares, weights).sqrt())
}
