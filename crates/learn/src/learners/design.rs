//! What linear models see of the rows, and the equation that they learn.
//!
//! Numbers are standardised (mean 0, standard deviation 1) and missing ones take the mean; a feature with missing
//! values also gets a flag for them; each category is a column of 0 and 1. All columns are centred, so that
//! the weights explain a prediction: a column's contribution is its weight times its value (linear SHAP, Lundberg and
//! Lee 2017), and the intercept is what remains without any feature.

use std::path::Path;

use ndarray::{Array2, ShapeBuilder};
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use super::store;
use crate::{Contributions, Feature, Matrix};

/// The design matrix of training rows: rows × columns, only columns that vary.
pub(super) struct Design {
    /// Column by column in memory: solvers run down the columns.
    pub matrix: Array2<f64>,
    pub columns: Vec<Column>,
}

impl Design {
    pub fn of(rows: &Matrix) -> Design {
        let columns = columns_of(rows);
        let mut matrix = Array2::<f64>::zeros((rows.rows(), columns.len()).f());
        for (feature, columns) in by_feature(&columns) {
            let values = rows.column(feature);
            for (at, column) in columns {
                matrix.column_mut(at).iter_mut().zip(&values).for_each(|(cell, value)| *cell = column.value(*value));
            }
        }
        Design { matrix, columns }
    }
}

/// One column of the design matrix and what it is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Column {
    feature: usize,
    #[serde(flatten)]
    content: Content,
    /// Its mean before centring.
    #[serde(with = "store::exact")]
    mean: f64,
    /// Its standard deviation over the training rows.
    #[serde(with = "store::exact")]
    deviation: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "content")]
enum Content {
    /// The number itself, divided by its standard deviation; missing is the mean.
    Number,
    /// 1 where the number or category is missing.
    Missing,
    /// 1 where the category is the one with this code.
    Category { code: usize },
}

impl Column {
    /// The centred value for a feature's value.
    fn value(&self, value: f64) -> f64 {
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

/// The columns that vary over the rows of `matrix`.
fn columns_of(matrix: &Matrix) -> Vec<Column> {
    let mut columns = Vec::new();
    // Rows count by their weights, if they have any: 2 is as good as the row twice.
    let rows: f64 = (0..matrix.rows()).map(|row| matrix.weight(row)).sum();
    let flag = |feature, content, count: f64| {
        let mean = count / rows;
        (count > 0.0 && mean < 1.0).then(|| Column { feature, content, mean, deviation: (mean * (1.0 - mean)).sqrt() })
    };
    for (feature, described) in matrix.features().iter().enumerate() {
        let values = matrix.column(feature);
        let weighed = || values.iter().enumerate().map(|(row, value)| (*value, matrix.weight(row)));
        let missing: f64 = weighed().filter(|(value, _)| value.is_nan()).map(|(_, weight)| weight).sum();
        match described.categories() {
            Some(categories) => {
                let mut counts = vec![0.0; categories.len()];
                for (value, weight) in weighed().filter(|(value, _)| !value.is_nan()) {
                    if let Some(count) = counts.get_mut(value as usize) {
                        *count += weight;
                    }
                }
                let codes = counts.into_iter().enumerate();
                columns.extend(codes.filter_map(|(code, count)| flag(feature, Content::Category { code }, count)));
            }
            None => columns.extend(number(feature, weighed())),
        }
        columns.extend(flag(feature, Content::Missing, missing));
    }
    columns
}

/// A number that varies; the deviation is that of the population, as scikit-learn's `StandardScaler` takes it. `weighed`:
/// values with their weights.
fn number(feature: usize, weighed: impl Iterator<Item = (f64, f64)> + Clone) -> Option<Column> {
    let known = || weighed.clone().filter(|(value, _)| !value.is_nan());
    let count: f64 = known().map(|(_, weight)| weight).sum();
    let mean = known().map(|(value, weight)| weight * value).sum::<f64>() / count;
    let deviation = (known().map(|(value, weight)| weight * (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    let varies = deviation.is_finite() && deviation > 1e-12 * mean.abs().max(1e-300);
    varies.then_some(Column { feature, content: Content::Number, mean, deviation })
}

/// The columns of each feature, with their positions.
fn by_feature(columns: &[Column]) -> impl Iterator<Item = (usize, Vec<(usize, &Column)>)> {
    let mut at = 0;
    columns.chunk_by(|one, next| one.feature == next.feature).map(move |columns| {
        let start = at;
        at += columns.len();
        (columns[0].feature, columns.iter().enumerate().map(|(offset, column)| (start + offset, column)).collect())
    })
}

/// Intercept and weights: a row's score is their sum over its columns.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Equation {
    #[serde(with = "store::exact")]
    pub intercept: f64,
    /// One per column.
    #[serde(with = "store::exact_list")]
    weights: Vec<f64>,
    columns: Vec<Column>,
}

impl Equation {
    /// `None` if a weight or the intercept is no finite number.
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

    /// Whether it can be asked about rows of so many features.
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
