//! `baseline`: the same prediction for every row.
//!
//! ```yaml
//! - baseline
//! ```

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::Result;

use super::check::{check, mean, same_features};
use super::store;
use crate::{Data, Feature, Learner, Matrix, Model, Task};

pub(super) const NAME: &str = "baseline";
const FILE: &str = "baseline.json";

/// Predicts the share of class 1 in the training rows, or their mean. Has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {}

impl Learner for Baseline {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fit(&self, task: Task, train: Data<'_>, valid: Data<'_>, _seed: u64) -> Result<Box<dyn Model>> {
        check(task, train, valid)?;
        let constant = Constant { value: mean(train.label) };
        Ok(Box::new(BaselineModel { constant, features: train.features.features().to_vec() }))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Constant {
    #[serde(with = "store::exact")]
    value: f64,
}

struct BaselineModel {
    constant: Constant,
    features: Vec<Feature>,
}

pub(super) fn load(path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    Ok(Box::new(BaselineModel { constant: store::read_json(path)?, features }))
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
        Ok(vec![self.constant.value; rows.rows()])
    }

    fn save(&self, folder: &Path) -> Result<String> {
        store::write_json(folder, FILE, &self.constant)
    }

    fn notes(&self) -> serde_json::Value {
        json!({ "constant": self.constant.value })
    }
}
