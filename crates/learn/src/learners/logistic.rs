//! `logistic`: logistic regression with an L2 penalty (linfa-logistic, L-BFGS).
//!
//! ```yaml
//! - logistic: {l2: 10}
//! ```
//!
//! Its columns are those of [`super::design`]: standardised numbers, flags for gaps, a column of 0 and 1 per category.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, ArrayView1};
use schemars::JsonSchema;
use score::models::logistic::{NAME, probability};
use score::models::{self, Equation};
use score::{Model, Task};
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::{Error, Result, range};

use super::check::{check, classifies_only};
use super::design::Design;
use super::lbfgs::minimise;
use super::softmax;
use crate::{Data, Learner};

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
pub(super) const TOLERANCE: f64 = 1e-6;

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
        if task == Task::Multiclass {
            return softmax::fit(self, train);
        }
        let Design { matrix, columns } = Design::of(train.features)?;
        let (weights, intercept) = match train.features.weights() {
            None => self.by_linfa(matrix, train.label)?,
            Some(weights) => self.weighted(&matrix, train.label, weights),
        };
        let equation = Equation::new(intercept, weights, columns).ok_or_else(|| {
            Error::cannot_run("logistic: the solver found no finite weights").hint("give it a larger 'l2'")
        })?;
        Ok(models::logistic::model(equation, train.features.features().to_vec()))
    }
}

impl Logistic {
    /// Weights and intercept of rows that all count the same.
    fn by_linfa(&self, matrix: Array2<f64>, label: &[f64]) -> Result<(Vec<f64>, f64)> {
        let rows = label.len();
        let classes: Array1<usize> = label.iter().map(|label| *label as usize).collect();
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
        Ok((fitted.params().iter().map(|weight| sign * weight).collect(), sign * fitted.intercept()))
    }

    /// The same of rows with weights, which linfa does not take: minimises
    /// `Σ weight · log(1 + exp(-±score)) + l2/2 · Σ w²`, as scikit-learn with `sample_weight` and `C = 1 / l2`.
    fn weighted(&self, matrix: &Array2<f64>, label: &[f64], weights: &[f64]) -> (Vec<f64>, f64) {
        let columns = matrix.ncols();
        let tolerance = TOLERANCE * weights.iter().sum::<f64>();
        let found = minimise(vec![0.0; columns + 1], self.iterations, tolerance, |at, gradient| {
            let of_columns = ArrayView1::from(&at[..columns]);
            let mut residuals = matrix.dot(&of_columns);
            let mut loss = 0.5 * self.l2 * of_columns.dot(&of_columns);
            for ((score, label), weight) in residuals.iter_mut().zip(label).zip(weights) {
                *score += at[columns];
                // log(1 + exp(s)) - y s, which does not overflow.
                loss += weight * (score.max(0.0) + (-score.abs()).exp().ln_1p() - label * *score);
                *score = weight * (probability(*score) - label);
            }
            let slopes = matrix.t().dot(&residuals);
            for (part, (slope, weight)) in gradient.iter_mut().zip(slopes.iter().zip(at)) {
                *part = slope + self.l2 * weight;
            }
            gradient[columns] = residuals.sum();
            loss
        });
        let mut weights = found;
        let intercept = weights.pop().unwrap_or(f64::NAN);
        (weights, intercept)
    }
}
