//! The equation of a linear model: what it makes of a row's values, and how much each contributes.

use std::path::Path;

use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use super::store;
use crate::{Contributions, Feature, Matrix};

/// One column of the design matrix and what it is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub feature: usize,
    #[serde(flatten)]
    pub content: Content,
    /// Its mean before centring.
    #[serde(with = "store::exact")]
    pub mean: f64,
    /// Its standard deviation over the training rows.
    #[serde(with = "store::exact")]
    pub deviation: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "content")]
pub enum Content {
    /// The number itself, divided by its standard deviation; missing is the mean.
    Number,
    /// 1 where the number or category is missing.
    Missing,
    /// 1 where the category is the one with this code.
    Category { code: usize },
}

impl Column {
    /// The centred value for a feature's value.
    pub fn value(&self, value: f64) -> f64 {
        let flag = |set: bool| f64::from(u8::from(set)) - self.mean;
        match self.content {
            Content::Number if value.is_nan() => 0.0,
            Content::Number => (value - self.mean) / self.deviation,
            Content::Missing => flag(value.is_nan()),
            Content::Category { code } => flag(value == code as f64),
        }
    }

    /// How far the centred value spreads over the training rows.
    fn spread(&self) -> f64 {
        match self.content {
            Content::Number => 1.0,
            Content::Missing | Content::Category { .. } => self.deviation,
        }
    }
}

/// The columns of each feature, with their positions.
pub fn by_feature(columns: &[Column]) -> impl Iterator<Item = (usize, Vec<(usize, &Column)>)> {
    let mut at = 0;
    columns.chunk_by(|one, next| one.feature == next.feature).map(move |columns| {
        let start = at;
        at += columns.len();
        (columns[0].feature, columns.iter().enumerate().map(|(offset, column)| (start + offset, column)).collect())
    })
}

/// Intercept and weights: a row's score is their sum over its columns.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Equation {
    #[serde(with = "store::exact")]
    pub intercept: f64,
    /// One per column.
    #[serde(with = "store::exact_list")]
    weights: Vec<f64>,
    columns: Vec<Column>,
}

impl Equation {
    /// `None` if a weight or the intercept is not a finite number.
    pub fn new(intercept: f64, weights: Vec<f64>, columns: Vec<Column>) -> Option<Equation> {
        let finite = intercept.is_finite() && weights.iter().all(|weight| weight.is_finite());
        finite.then_some(Equation { intercept, weights, columns })
    }

    pub fn load(path: &Path, features: &[Feature]) -> Result<Equation> {
        let equation: Equation = store::read_json(path)?;
        if !equation.fits(features.len()) {
            return Err(Error::cannot_run(format!("{}: its weights do not fit its features", path.display()))
                .hint("restore the file or train again"));
        }
        Ok(equation)
    }

    /// Whether it can score rows of so many features.
    pub fn fits(&self, features: usize) -> bool {
        let there = |column: &Column| column.feature < features;
        self.weights.len() == self.columns.len() && self.columns.iter().all(there)
    }

    pub fn save(&self, folder: &Path, file: &str) -> Result<String> {
        store::write_json(folder, file, self)
    }

    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Columns whose weight is not 0.
    pub fn used(&self) -> usize {
        self.weights.iter().filter(|weight| **weight != 0.0).count()
    }

    pub fn scores(&self, rows: &Matrix) -> Vec<f64> {
        let mut scores = vec![self.intercept; rows.rows()];
        for (feature, columns) in by_feature(&self.columns) {
            for (score, value) in scores.iter_mut().zip(rows.column(feature)) {
                *score += columns.iter().map(|(at, column)| self.weights[*at] * column.value(value)).sum::<f64>();
            }
        }
        scores
    }

    pub fn contributions(&self, rows: &Matrix) -> Contributions {
        let features = rows.features().len();
        let mut values = vec![0.0; rows.rows() * features];
        for (feature, columns) in by_feature(&self.columns) {
            let cells = values.iter_mut().skip(feature).step_by(features);
            for (cell, value) in cells.zip(rows.column(feature)) {
                *cell = columns.iter().map(|(at, column)| self.weights[*at] * column.value(value)).sum();
            }
        }
        Contributions { features, values, base: self.intercept }
    }

    /// The sum over a feature's columns of |weight| × standard deviation.
    pub fn importance(&self, features: usize) -> Vec<f64> {
        let mut importance = vec![0.0; features];
        for (column, weight) in self.columns.iter().zip(&self.weights) {
            importance[column.feature] += weight.abs() * column.spread();
        }
        importance
    }
}
