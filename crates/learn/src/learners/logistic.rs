//! `logistic`: logistic regression with an L2 penalty (linfa-logistic, L-BFGS).
//!
//! ```yaml
//! - logistic: {l2: 10}
//! ```
//!
//! Numbers are standardised (mean 0, standard deviation 1) and missing ones take the mean; a feature with missing
//! values also gets a flag for them; each category is a column of 0 and 1. All columns are centred, so that
//! the weights explain a prediction: a column's contribution is its weight times its value (linear SHAP, Lundberg and
//! Lee 2017), and the intercept is what remains without any feature.

use std::path::Path;

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, ShapeBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::{Error, Result};

use super::check::{check, classifies_only, same_features};
use super::{range, store};
use crate::{Contributions, Data, Feature, Learner, Matrix, Model, Task};

pub(super) const NAME: &str = "logistic";
const FILE: &str = "logistic.json";

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
        let columns = columns_of(train.features);
        // Column by column: the solver's gradient runs down the columns.
        let mut design = Array2::<f64>::zeros((rows, columns.len()).f());
        for (feature, columns) in by_feature(&columns) {
            let values = train.features.column(feature);
            for (at, column) in columns {
                design.column_mut(at).iter_mut().zip(&values).for_each(|(cell, value)| *cell = column.value(*value));
            }
        }
        let classes: Array1<usize> = train.label.iter().map(|label| *label as usize).collect();
        let fitted = LogisticRegression::default()
            .alpha(self.l2)
            .max_iterations(u64::from(self.iterations))
            .gradient_tolerance(TOLERANCE * rows as f64)
            .fit(&DatasetBase::new(design, classes))
            .map_err(|error| {
                Error::cannot_run(format!("logistic: the solver failed: {error}"))
                    .hint("give it a larger 'l2', or leave out features that say the same")
            })?;
        // linfa calls the more frequent class positive, whichever it is.
        let sign = if fitted.labels().pos.class == 1 { 1.0 } else { -1.0 };
        let weights: Vec<f64> = fitted.params().iter().map(|weight| sign * weight).collect();
        let intercept = sign * fitted.intercept();
        if !intercept.is_finite() || weights.iter().any(|weight| !weight.is_finite()) {
            return Err(Error::cannot_run("logistic: the solver found no finite weights").hint("give it a larger 'l2'"));
        }
        let equation = Equation { intercept, weights, columns };
        Ok(Box::new(LogisticModel { equation, features: train.features.features().to_vec() }))
    }
}

/// One column of the design matrix and what it is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Column {
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
    let rows = matrix.rows() as f64;
    let flag = |feature, content, count: usize| {
        let mean = count as f64 / rows;
        (count > 0 && mean < 1.0).then(|| Column { feature, content, mean, deviation: (mean * (1.0 - mean)).sqrt() })
    };
    for (feature, described) in matrix.features().iter().enumerate() {
        let values = matrix.column(feature);
        let missing = values.iter().filter(|value| value.is_nan()).count();
        match described.categories() {
            Some(categories) => {
                let mut counts = vec![0usize; categories.len()];
                for value in values.iter().filter(|value| !value.is_nan()) {
                    if let Some(count) = counts.get_mut(*value as usize) {
                        *count += 1;
                    }
                }
                let codes = counts.into_iter().enumerate();
                columns.extend(codes.filter_map(|(code, count)| flag(feature, Content::Category { code }, count)));
            }
            None => columns.extend(number(feature, &values)),
        }
        columns.extend(flag(feature, Content::Missing, missing));
    }
    columns
}

/// A number that varies; the deviation is that of the population, as scikit-learn's `StandardScaler` takes it.
fn number(feature: usize, values: &[f64]) -> Option<Column> {
    let known = || values.iter().copied().filter(|value| !value.is_nan());
    let count = known().count() as f64;
    let mean = known().sum::<f64>() / count;
    let deviation = (known().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
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

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Equation {
    #[serde(with = "store::exact")]
    intercept: f64,
    /// One per column.
    #[serde(with = "store::exact_list")]
    weights: Vec<f64>,
    columns: Vec<Column>,
}

struct LogisticModel {
    equation: Equation,
    features: Vec<Feature>,
}

pub(super) fn load(path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    let equation: Equation = store::read_json(path)?;
    let fits = equation.weights.len() == equation.columns.len()
        && equation.columns.iter().all(|column| column.feature < features.len());
    if !fits {
        return Err(Error::cannot_run(format!("{}: its weights do not fit its features", path.display()))
            .hint("restore the file or train again"));
    }
    Ok(Box::new(LogisticModel { equation, features }))
}

impl Model for LogisticModel {
    fn learner(&self) -> &'static str {
        NAME
    }

    fn features(&self) -> &[Feature] {
        &self.features
    }

    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        same_features(&self.features, rows)?;
        let mut scores = vec![self.equation.intercept; rows.rows()];
        for (feature, columns) in by_feature(&self.equation.columns) {
            for (score, value) in scores.iter_mut().zip(rows.column(feature)) {
                *score +=
                    columns.iter().map(|(at, column)| self.equation.weights[*at] * column.value(value)).sum::<f64>();
            }
        }
        Ok(scores.into_iter().map(|score| 1.0 / (1.0 + (-score).exp())).collect())
    }

    fn save(&self, folder: &Path) -> Result<String> {
        store::write_json(folder, FILE, &self.equation)
    }

    fn contributions(&self, rows: &Matrix) -> Result<Option<Contributions>> {
        same_features(&self.features, rows)?;
        let features = self.features.len();
        let mut values = vec![0.0; rows.rows() * features];
        for (feature, columns) in by_feature(&self.equation.columns) {
            let cells = values.iter_mut().skip(feature).step_by(features);
            for (cell, value) in cells.zip(rows.column(feature)) {
                *cell = columns.iter().map(|(at, column)| self.equation.weights[*at] * column.value(value)).sum();
            }
        }
        Ok(Some(Contributions { features, values, base: self.equation.intercept }))
    }

    /// The sum over a feature's columns of |weight| × standard deviation.
    fn importance(&self) -> Vec<f64> {
        let mut importance = vec![0.0; self.features.len()];
        for (column, weight) in self.equation.columns.iter().zip(&self.equation.weights) {
            importance[column.feature] += weight.abs() * column.spread();
        }
        importance
    }

    fn notes(&self) -> serde_json::Value {
        json!({ "intercept": self.equation.intercept, "columns": self.equation.columns.len() })
    }
}
