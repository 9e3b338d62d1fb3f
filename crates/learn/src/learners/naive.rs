//! `naive`: a feature is the prediction, such as the value of the year before.
//!
//! ```yaml
//! seasonal_naive: {naive: {of: last_year}}
//! moving_average: {naive: {of: [mean_4w, last_week]}}
//! ```

use schemars::JsonSchema;
use score::models::naive::{NAME, Naive as Fitted};
use score::{Model, Task, models};
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::{Error, Result, did_you_mean};

use super::check::{check, mean};
use crate::{Data, Learner};

/// Predicts the value of a feature: the plain forecast that a model must beat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Naive {
    /// The feature, or several, of which the first is taken that is not missing. Where all are missing, the mean of the
    /// training rows is predicted.
    pub of: Features,
}

/// One feature or a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Features {
    One(String),
    Several(Vec<String>),
}

impl Default for Features {
    fn default() -> Features {
        Features::Several(Vec::new())
    }
}

impl Features {
    fn names(&self) -> &[String] {
        match self {
            Features::One(name) => std::slice::from_ref(name),
            Features::Several(names) => names,
        }
    }
}

impl Naive {
    pub(super) fn check(&self, task: Task) -> Result<()> {
        if task != Task::Regression {
            return Err(Error::cannot_run("naive: it predicts numbers").hint("use it with `task: regression`"));
        }
        match self.of.names().is_empty() {
            true => Err(Error::cannot_run("naive: 'of' names no feature").hint("name the feature that is predicted")),
            false => Ok(()),
        }
    }
}

impl Learner for Naive {
    fn name(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> serde_json::Value {
        json!(self)
    }

    fn learns_mean(&self) -> bool {
        false
    }

    fn repeats(&self) -> &[String] {
        self.of.names()
    }

    fn fit(&self, task: Task, train: Data<'_>, valid: Data<'_>, _seed: u64) -> Result<Box<dyn Model>> {
        self.check(task)?;
        check(task, train, valid)?;
        let features = train.features.features();
        let place = |name: &String| {
            let known = features.iter().map(|feature| feature.name.as_str());
            let place = features.iter().position(|feature| feature.name == *name).ok_or_else(|| {
                Error::cannot_run(format!("naive: of: no feature '{name}'")).hint(did_you_mean(name, known))
            })?;
            match features[place].categories().is_some() {
                false => Ok(place),
                true => Err(Error::cannot_run(format!("naive: of: feature '{name}' is not a number"))
                    .hint("name a feature that predicts the label, such as its value of the year before")),
            }
        };
        let of = self.of.names().iter().map(place).collect::<Result<Vec<usize>>>()?;
        let otherwise = mean(train.label, train.features.weights());
        Ok(models::naive::model(Fitted { of, otherwise }, features.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use score::{Feature, Matrix};

    use super::*;

    fn rows() -> (Matrix, Vec<f64>) {
        let features =
            vec![Feature::numeric("last_year"), Feature::numeric("mean"), Feature::categorical("city", ["Ulm"])];
        let columns = vec![vec![1.0, f64::NAN, f64::NAN], vec![4.0, 5.0, f64::NAN], vec![0.0; 3]];
        (Matrix::from_columns(features, columns).unwrap(), vec![3.0, 6.0, 9.0])
    }

    fn predict(yaml: &str) -> Result<Vec<f64>> {
        let spec: Naive = spec::parse(yaml, Path::new("t.yaml"), &Default::default()).unwrap().spec;
        let (matrix, label) = rows();
        let data = Data { features: &matrix, label: &label };
        let model = spec.fit(Task::Regression, data, data, 1)?;
        let folder = tempfile::tempdir().unwrap();
        let file = model.save(folder.path()).unwrap();
        score::load_model(NAME, folder.path(), &file, model.features().to_vec()).unwrap().predict(&matrix)
    }

    #[test]
    fn the_first_feature_that_is_there_is_predicted() {
        assert_eq!(predict("of: last_year").unwrap(), [1.0, 6.0, 6.0]);
        assert_eq!(predict("of: [last_year, mean]").unwrap(), [1.0, 5.0, 6.0]);
        let error = |yaml: &str| predict(yaml).unwrap_err().to_string();
        assert!(error("of: last_yaer").starts_with("naive: of: no feature 'last_yaer'; did you mean 'last_year'?"));
        assert!(error("of: city").starts_with("naive: of: feature 'city' is not a number; "));
    }

    #[test]
    fn classes_have_no_naive_prediction() {
        let (matrix, _) = rows();
        let data = Data { features: &matrix, label: &[0.0, 1.0, 0.0] };
        let spec = Naive { of: Features::One("mean".to_owned()) };
        let error = spec.fit(Task::Classification, data, data, 1).err().unwrap().to_string();
        assert_eq!(error, "naive: it predicts numbers; use it with `task: regression`");
    }
}
