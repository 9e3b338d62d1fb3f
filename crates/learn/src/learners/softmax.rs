//! Logistic regression of several classes: an equation per class, whose scores a softmax turns into probabilities.

use std::path::Path;

use ndarray::{Array2, ArrayView2, Axis};
use serde_json::json;
use spec::{Error, Result};

use super::check::{classes_of, same_features};
use super::design::{Design, Equation};
use super::lbfgs::minimise;
use super::logistic::{FILE, Logistic, NAME, TOLERANCE};
use super::store;
use crate::metrics::largest;
use crate::{Contributions, Data, Feature, Matrix, Model};

/// Minimises `-Σ weight · log p(class) + l2/2 · Σ w²`, as scikit-learn's multinomial `LogisticRegression` with `C = 1 / l2`.
pub(super) fn fit(settings: &Logistic, train: Data<'_>) -> Result<Box<dyn Model>> {
    let Design { matrix, columns } = Design::of(train.features);
    let (classes, width) = (classes_of(train.label), columns.len());
    let weight = |row: usize| train.features.weight(row);
    let all: f64 = (0..train.label.len()).map(weight).sum();
    // Per class the weights of the columns, one class after the other, then the intercepts.
    let begin = vec![0.0; classes * (width + 1)];
    let found = minimise(begin, settings.iterations, TOLERANCE * all, |at, gradient| {
        let (weights, intercepts) = at.split_at(classes * width);
        let mut residuals = scores(&matrix, weights, intercepts);
        let mut loss = 0.5 * settings.l2 * weights.iter().map(|weight| weight * weight).sum::<f64>();
        for (row, mut scores) in residuals.axis_iter_mut(Axis(0)).enumerate() {
            let (class, weight) = (train.label[row] as usize, weight(row));
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
            loss += weight * (most + sum.ln() - scores[class]);
            scores.mapv_inplace(|score| weight * ((score - most).exp() / sum));
            scores[class] -= weight;
        }
        let slopes = residuals.t().dot(&matrix);
        let (of_weights, of_intercepts) = gradient.split_at_mut(classes * width);
        for (part, (slope, weight)) in of_weights.iter_mut().zip(slopes.iter().zip(weights)) {
            *part = slope + settings.l2 * weight;
        }
        let sums = residuals.sum_axis(Axis(0));
        of_intercepts.iter_mut().zip(&sums).for_each(|(part, sum)| *part = *sum);
        loss
    });
    let (weights, intercepts) = found.split_at(classes * width);
    let equation = |class: usize| {
        let own = weights[class * width..(class + 1) * width].to_vec();
        Equation::new(intercepts[class], own, columns.clone())
    };
    let equations = (0..classes).map(equation).collect::<Option<Vec<Equation>>>().ok_or_else(|| {
        Error::cannot_run("logistic: the solver found no finite weights").hint("give it a larger 'l2'")
    })?;
    Ok(Box::new(Softmax { equations, features: train.features.features().to_vec() }))
}

/// Rows × classes.
fn scores(matrix: &Array2<f64>, weights: &[f64], intercepts: &[f64]) -> Array2<f64> {
    let shape = (intercepts.len(), matrix.ncols());
    let weights = ArrayView2::from_shape(shape, weights).expect("as many weights as classes and columns");
    let mut scores = matrix.dot(&weights.t());
    for mut row in scores.axis_iter_mut(Axis(0)) {
        row.iter_mut().zip(intercepts).for_each(|(score, intercept)| *score += intercept);
    }
    scores
}

struct Softmax {
    equations: Vec<Equation>,
    features: Vec<Feature>,
}

pub(super) fn load(path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    let equations: Vec<Equation> = store::read_json(path)?;
    if equations.len() < 2 || !equations.iter().all(|equation| equation.fits(features.len())) {
        return Err(Error::cannot_run(format!("{}: its weights do not fit its features", path.display()))
            .hint("restore the file or train again"));
    }
    Ok(Box::new(Softmax { equations, features }))
}

impl Model for Softmax {
    fn learner(&self) -> &'static str {
        NAME
    }

    fn features(&self) -> &[Feature] {
        &self.features
    }

    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        same_features(&self.features, rows)?;
        let classes = self.equations.len();
        let mut values = vec![0.0; rows.rows() * classes];
        for (class, equation) in self.equations.iter().enumerate() {
            for (row, score) in equation.scores(rows).into_iter().enumerate() {
                values[row * classes + class] = score;
            }
        }
        for scores in values.chunks_mut(classes) {
            // Far beyond all training rows a score may be infinite, and differences of such are none.
            scores.iter_mut().for_each(|score| *score = score.clamp(-1e300, 1e300));
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            scores.iter_mut().for_each(|score| *score = (*score - most).exp());
            let sum: f64 = scores.iter().sum();
            scores.iter_mut().for_each(|score| *score /= sum);
        }
        Ok(values)
    }

    fn save(&self, folder: &Path) -> Result<String> {
        store::write_json(folder, FILE, &self.equations)
    }

    fn contributions(&self, rows: &Matrix) -> Result<Option<Contributions>> {
        let predicted: Vec<usize> = self.predict(rows)?.chunks(self.equations.len()).map(largest).collect();
        let features = self.features.len();
        let mut values = vec![0.0; rows.rows() * features];
        for (class, equation) in self.equations.iter().enumerate() {
            let own = equation.contributions(rows);
            for row in (0..predicted.len()).filter(|row| predicted[*row] == class) {
                values[row * features..(row + 1) * features].copy_from_slice(own.row(row));
            }
        }
        Ok(Some(Contributions { features, values, base: f64::NAN }))
    }

    fn importance(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.features.len()];
        for equation in &self.equations {
            let own = equation.importance(sums.len());
            sums.iter_mut().zip(own).for_each(|(sum, weight)| *sum += weight);
        }
        sums
    }

    fn notes(&self) -> serde_json::Value {
        json!({ "classes": self.equations.len(), "columns": self.equations[0].columns() })
    }
}
