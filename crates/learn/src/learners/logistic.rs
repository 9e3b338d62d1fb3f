//! `logistic`: logistic regression with an L2 penalty (linfa-logistic, L-BFGS).
//!
//! ```yaml
//! - logistic: {l2: 10}
//! ```
//!
//! Its columns are those of [`super::design`]: standardised numbers, flags for gaps, a column of 0 and 1 per category.

use std::path::Path;

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::Array1;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::{Error, Result};

use super::check::{check, classifies_only};
use super::design::{Design, Equation};
use super::linear::{Kind, LinearModel};
use super::range;
use crate::{Data, Feature, Learner, Model, Task};

pub(super) const NAME: &str = "logistic";
const KIND: Kind = Kind { learner: NAME, file: "logistic.json", link: probability };

fn probability(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// Logistic regression on standardised features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Logistic {
    /// Penalty on large weights (L2; scikit-learn's 1 / C), from 0.
    #[serde(deserialize_with = "range::not_negative")]
    #[schemars(range(min = 0))]
    pub l2: f64,
    /// Most steps of the solver, 1 to 100,000.
    #[serde(deserialize_with = "range::whole::<1, 100_000, _>")]
    #[schemars(range(min = 1, max = 100_000))]
    pub iterations: u32,
}

impl Default for Logistic {
    fn default() -> Logistic {
        Logistic { l2: 1.0, iterations: 200 }
    }
}

/// The solver stops where no weight's gradient, per row, exceeds this.
const TOLERANCE: f64 = 1e-6;

impl Learner for Logistic {
    fn name(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> serde_json::Value {
        json!(self)
    }

    fn fit(&self, task: Task, train: Data<'_>, valid: Data<'_>, _seed: u64) -> Result<Box<dyn Model>> {
        classifies_only(task, NAME)?;
        check(task, train, valid)?;
        let rows = train.label.len();
        let Design { matrix, columns } = Design::of(train.features);
        let classes: Array1<usize> = train.label.iter().map(|label| *label as usize).collect();
        let fitted = LogisticRegression::default()
            .alpha(self.l2)
            .max_iterations(u64::from(self.iterations))
            .gradient_tolerance(TOLERANCE * rows as f64)
            .fit(&DatasetBase::new(matrix, classes))
            .map_err(|error| {
                Error::cannot_run(format!("logistic: the solver failed: {error}"))
                    .hint("give it a larger 'l2', or leave out features that say the same")
            })?;
        // linfa calls the more frequent class positive, whichever it is.
        let sign = if fitted.labels().pos.class == 1 { 1.0 } else { -1.0 };
        let weights: Vec<f64> = fitted.params().iter().map(|weight| sign * weight).collect();
        let intercept = sign * fitted.intercept();
        let equation = Equation::new(intercept, weights, columns).ok_or_else(|| {
            Error::cannot_run("logistic: the solver found no finite weights").hint("give it a larger 'l2'")
        })?;
        Ok(Box::new(LinearModel::new(&KIND, equation, train.features.features().to_vec())))
    }
}

pub(super) fn load(path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    LinearModel::load(&KIND, path, features)
}
