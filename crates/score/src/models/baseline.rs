//! The model of `baseline`: the same prediction for every row, or for every row of a group.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::{Error, Result};

use super::{same_features, store};
use crate::{Feature, Matrix, Model};

pub const NAME: &str = "baseline";
const FILE: &str = "baseline.json";

/// A model that predicts `constant`.
pub fn model(constant: Constant, features: Vec<Feature>) -> Box<dyn Model> {
    Box::new(BaselineModel::new(constant, features))
}

/// The bits of a row's values of the features that group; equal values have equal bits.
pub type Key = Vec<u64>;

pub fn keys(rows: &Matrix, by: &[usize]) -> Vec<Key> {
    let mut keys = vec![Vec::with_capacity(by.len()); rows.rows()];
    for feature in by {
        for (key, value) in keys.iter_mut().zip(rows.column(*feature)) {
            // There are two zeros and many NaN.
            let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
            key.push(value.to_bits());
        }
    }
    keys
}

/// What is predicted.
#[derive(Debug, Serialize, Deserialize)]
pub struct Constant {
    /// Of rows of no group.
    #[serde(with = "store::exact")]
    pub value: f64,
    /// Positions of the features that group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Of several classes the share of each.
    #[serde(default, with = "store::exact_list", skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<f64>,
}

/// What is predicted for rows of one combination of values.
#[derive(Debug, Serialize, Deserialize)]
pub struct Group {
    pub key: Key,
    #[serde(with = "store::exact")]
    pub value: f64,
}

struct BaselineModel {
    constant: Constant,
    of_group: HashMap<Key, f64>,
    features: Vec<Feature>,
}

impl BaselineModel {
    fn new(constant: Constant, features: Vec<Feature>) -> BaselineModel {
        let of_group = constant.groups.iter().map(|group| (group.key.clone(), group.value)).collect();
        BaselineModel { constant, of_group, features }
    }
}

pub(super) fn load(path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    let constant: Constant = store::read_json(path)?;
    if constant.by.iter().any(|feature| *feature >= features.len()) {
        return Err(Error::cannot_run(format!("{}: its groups do not fit its features", path.display()))
            .hint("restore the file or train again"));
    }
    Ok(Box::new(BaselineModel::new(constant, features)))
}

impl Model for BaselineModel {
    fn learner(&self) -> &'static str {
        NAME
    }

    fn features(&self) -> &[Feature] {
        &self.features
    }

    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        same_features(&self.features, rows)?;
        if !self.constant.shares.is_empty() {
            return Ok(self.constant.shares.repeat(rows.rows()));
        }
        let of_all = self.constant.value;
        if self.constant.by.is_empty() {
            return Ok(vec![of_all; rows.rows()]);
        }
        let keys = keys(rows, &self.constant.by);
        Ok(keys.iter().map(|key| self.of_group.get(key).copied().unwrap_or(of_all)).collect())
    }

    fn save(&self, folder: &Path) -> Result<String> {
        store::write_json(folder, FILE, &self.constant)
    }

    fn notes(&self) -> serde_json::Value {
        match self.constant.groups.len() {
            _ if !self.constant.shares.is_empty() => json!({ "shares": self.constant.shares }),
            0 => json!({ "constant": self.constant.value }),
            groups => json!({ "constant": self.constant.value, "groups": groups }),
        }
    }
}
