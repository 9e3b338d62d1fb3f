//! Logistic regression of several classes: an equation per class, whose scores a softmax turns into probabilities.

use ndarray::{Array2, ArrayView2, Axis};
use score::Model;
use score::models::{self, Equation};
use spec::{Error, Result};

use super::check::classes_of;
use super::design::Design;
use super::lbfgs::minimise;
use super::logistic::{Logistic, TOLERANCE};
use crate::Data;

/// Minimises `-Σ weight · log p(class) + l2/2 · Σ w²`, as scikit-learn's multinomial `LogisticRegression` with `C = 1 / l2`.
pub(super) fn fit(settings: &Logistic, train: Data<'_>) -> Result<Box<dyn Model>> {
    let Design { matrix, columns } = Design::of(train.features)?;
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
    Ok(models::softmax::model(equations, train.features.features().to_vec()))
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
