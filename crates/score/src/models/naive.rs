//! The model of `naive`: a feature is the prediction, such as the value of the year before.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::{Error, Result};

use super::{same_features, store};
use crate::{Feature, Matrix, Model};

pub const NAME: &str = "naive";
const FILE: &str = "naive.json";

/// What is predicted: the first of some features that is not missing, else a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Naive {
    /// Positions of features.
    pub of: Vec<usize>,
    #[serde(with = "store::exact")]
    pub otherwise: f64,
}

struct NaiveModel {
    naive: Naive,
    features: Vec<Feature>,
}

/// A model that predicts as `naive` says.
pub fn model(naive: Naive, features: Vec<Feature>) -> Box<dyn Model> {
    Box::new(NaiveModel { naive, features })
}

pub(super) fn load(path: &Path, features: Vec<Feature>) -> Result<Box<dyn Model>> {
    let naive: Naive = store::read_json(path)?;
    if naive.of.iter().any(|feature| *feature >= features.len()) {
        return Err(Error::cannot_run(format!("{}: it does not fit its features", path.display()))
            .hint("restore the file or train again"));
    }
    Ok(model(naive, features))
}

impl Model for NaiveModel {
    fn learner(&self) -> &'static str {
        NAME
    }

    fn features(&self) -> &[Feature] {
        &self.features
    }

    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        same_features(&self.features, rows)?;
        let columns: Vec<Vec<f64>> = self.naive.of.iter().map(|feature| rows.column(*feature)).collect();
        let of = |row: usize| columns.iter().map(|column| column[row]).find(|value| value.is_finite());
        Ok((0..rows.rows()).map(|row| of(row).unwrap_or(self.naive.otherwise)).collect())
    }

    fn save(&self, folder: &Path) -> Result<String> {
        store::write_json(folder, FILE, &self.naive)
    }

    fn notes(&self) -> serde_json::Value {
        json!({ "otherwise": self.naive.otherwise })
    }
}
