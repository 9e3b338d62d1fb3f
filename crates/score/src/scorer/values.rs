//! Rows that are numbers already, as a server holds and gets them: no table is made for a single row.

use polars::prelude::DataFrame;
use spec::{Error, Result};

use super::Scorer;
use crate::metrics::largest;
use crate::{Bounds, Matrix, Numbers, Task, reasons};

/// What the model says of some rows.
pub struct Predicted {
    /// One number per row; of several classes a probability per row and class, row after row.
    pub scores: Vec<f64>,
    /// One low and one high per row; `None` if the model gives no intervals.
    pub bounds: Option<Bounds>,
    /// Whether each row's score reaches the threshold; `None` but for two classes.
    pub decisions: Option<Vec<bool>>,
}

impl Predicted {
    /// Of `classes` classes the most probable one of a row.
    pub fn class(&self, row: usize, classes: usize) -> usize {
        largest(&self.scores[row * classes..(row + 1) * classes])
    }
}

impl Scorer {
    /// Some rows as this model sees them, of the numbers that [`Matrix::row_major`] gives.
    pub fn matrix(&self, values: &Numbers) -> Result<Matrix> {
        self.encoder.encode_values(values)
    }

    /// The rows of a table as this model sees them.
    pub fn matrix_of(&self, rows: &DataFrame) -> Result<Matrix> {
        self.encoder.encode(rows)
    }

    /// As [`Scorer::score`], without a table around it.
    ///
    /// Errors: a score that is not a finite number.
    pub fn predict(&self, matrix: &Matrix) -> Result<Predicted> {
        let scores = self.loaded.model.predict(matrix)?;
        let bounds = match (&self.loaded.intervals, &self.loaded.manifest.classes) {
            (Some(intervals), None) => Some(intervals.bounds(matrix, &scores)?),
            _ => None,
        };
        self.predicted(scores, bounds)
    }

    /// As [`Scorer::predict`] of [`Scorer::matrix`], which is not made where the model does not need it.
    ///
    /// Errors: a score that is not a finite number.
    pub fn predict_values(&self, values: &Numbers) -> Result<Predicted> {
        let of_values = || {
            let scores = self.loaded.model.predict_values(values)?;
            let bounds = match (&self.loaded.intervals, &self.loaded.manifest.classes, &scores) {
                (Some(intervals), None, Ok(scores)) => Some(intervals.bounds_of(scores)?),
                _ => None,
            };
            Some(scores.and_then(|scores| self.predicted(scores, bounds)))
        };
        of_values().unwrap_or_else(|| self.predict(&self.matrix(values)?))
    }

    fn predicted(&self, scores: Vec<f64>, bounds: Option<Bounds>) -> Result<Predicted> {
        let manifest = &self.loaded.manifest;
        if let Some(score) = scores.iter().find(|score| !score.is_finite()) {
            return Err(Error::refused(format!("model {}: a score is {score}", self.loaded.version))
                .hint("the model is damaged, or a value of the rows is far beyond those of training; see the card"));
        }
        if manifest.classes.is_some() {
            return Ok(Predicted { scores, bounds: None, decisions: None });
        }
        let decisions = (manifest.task == Task::Classification).then(|| match &manifest.threshold {
            Some(threshold) => scores.iter().map(|score| *score >= threshold.value).collect(),
            None => Vec::new(),
        });
        Ok(Predicted { scores, bounds, decisions })
    }

    /// The `count` strongest reasons of every row, as [`Scorer::score`] writes them; `None` if the model gives none.
    /// `in_the_row`: what a row has where the model sees a missing value, by row and feature; see [`reasons`].
    pub fn reasons_of(
        &self,
        matrix: &Matrix,
        in_the_row: &dyn Fn(usize, usize) -> Option<String>,
        count: usize,
    ) -> Result<Option<Vec<Vec<String>>>> {
        let Some(strongest) = self.loaded.model.strongest(matrix, count)? else { return Ok(None) };
        let features = &self.loaded.manifest.features;
        let of_row = |(row, strongest): (usize, &Vec<crate::Reason>)| {
            reasons(strongest, features, &|at| matrix.value(at, row), &|at| in_the_row(row, at))
        };
        Ok(Some(strongest.iter().enumerate().map(of_row).collect()))
    }
}
