//! The model of a logistic regression of several classes: an equation per class, whose scores a softmax turns into
//! probabilities.

use std::path::Path;

use serde_json::json;
use spec::{Error, Result};

use super::equation::Equation;
use super::logistic::{FILE, NAME};
use super::{same_features, store};
use crate::metrics::largest;
use crate::{Contributions, Feature, Matrix, Model};

/// A model of as many equations as there are classes.
pub fn model(equations: Vec<Equation>, features: Vec<Feature>) -> Box<dyn Model> {
    Box::new(Softmax { equations, features })
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
