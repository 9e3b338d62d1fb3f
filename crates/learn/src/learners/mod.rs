//! The learners: one file each, named after its word in YAML. [`LearnerSpec`] is the visible list of them.

mod baseline;
mod boosting;
mod check;
mod design;
mod elastic_net;
mod forest;
mod grown;
mod imported;
mod lbfgs;
mod lightgbm;
mod logistic;
mod memory;
mod naive;
mod softmax;
mod tree;
mod xgboost;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use spec::Result;

pub use baseline::{Average, Baseline};
pub use boosting::Objective;
pub use elastic_net::ElasticNet;
pub use forest::Forest;
pub use imported::{Imported, Mark};
pub use lightgbm::Lightgbm;
pub use logistic::Logistic;
pub use naive::Naive;
pub use tree::Tree;
pub use xgboost::Xgboost;

use boosting::Boosting;

use crate::{Learner, Task};

/// What learns, with its settings. Every setting has a default but that of `naive`: `- lightgbm` alone is enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LearnerSpec {
    /// Gradient boosted trees (LightGBM). Usually the best; takes categories and missing values as they are; explains each
    /// prediction exactly.
    Lightgbm(Lightgbm),
    /// Gradient boosted trees (XGBoost). Needs XGBoost's library to train, which `scripts/setup --xgboost` fetches; scores
    /// and explanations need none.
    Xgboost(Xgboost),
    /// Logistic regression: one weight per feature, and class where there are several. Classes only.
    Logistic(Logistic),
    /// Linear regression with L1 and L2 penalties: one weight per feature, useless ones 0. Regression only.
    ElasticNet(ElasticNet),
    /// One decision tree that a person can read.
    Tree(Tree),
    /// Many decision trees on random rows and features, averaged.
    Forest(Forest),
    /// The same prediction for every row, or every row of a group: the share of class 1, the mean or the median. What
    /// every other learner must beat.
    Baseline(Baseline),
    /// The value of a feature, such as that of the year before: the plain forecast. Regression only.
    Naive(Naive),
}

impl LearnerSpec {
    /// The words of all learners.
    pub const NAMES: [&'static str; 8] =
        ["lightgbm", "xgboost", "logistic", "elastic_net", "tree", "forest", "baseline", "naive"];

    /// The learner of one of [`LearnerSpec::NAMES`] with the settings that `settings` holds.
    pub(crate) fn read<'de, D: Deserializer<'de>>(name: &str, settings: D) -> Result<LearnerSpec, D::Error> {
        match name {
            "lightgbm" => Lightgbm::deserialize(settings).map(LearnerSpec::Lightgbm),
            "xgboost" => Xgboost::deserialize(settings).map(LearnerSpec::Xgboost),
            "logistic" => Logistic::deserialize(settings).map(LearnerSpec::Logistic),
            "elastic_net" => ElasticNet::deserialize(settings).map(LearnerSpec::ElasticNet),
            "tree" => Tree::deserialize(settings).map(LearnerSpec::Tree),
            "forest" => Forest::deserialize(settings).map(LearnerSpec::Forest),
            "naive" => Naive::deserialize(settings).map(LearnerSpec::Naive),
            _ => Baseline::deserialize(settings).map(LearnerSpec::Baseline),
        }
    }

    /// The learner of one of [`LearnerSpec::NAMES`] without settings of its own.
    pub(crate) fn plain(name: &str) -> LearnerSpec {
        match name {
            "lightgbm" => LearnerSpec::Lightgbm(Default::default()),
            "xgboost" => LearnerSpec::Xgboost(Default::default()),
            "logistic" => LearnerSpec::Logistic(Default::default()),
            "elastic_net" => LearnerSpec::ElasticNet(Default::default()),
            "tree" => LearnerSpec::Tree(Default::default()),
            "forest" => LearnerSpec::Forest(Default::default()),
            "naive" => LearnerSpec::Naive(Default::default()),
            _ => LearnerSpec::Baseline(Default::default()),
        }
    }

    /// The learner's word in YAML, which is also [`score::Model::learner`] of its models.
    pub fn name(&self) -> &'static str {
        self.learner().name()
    }

    /// The settings of the learner of this name where a spec gives none; `null` if the learner does not exist.
    pub fn defaults(name: &str) -> serde_json::Value {
        let spec = serde_json::from_value::<LearnerSpec>(serde_json::json!({ name: {} }));
        spec.map_or(serde_json::Value::Null, |spec| spec.learner().settings())
    }

    /// The learner itself.
    pub fn build(&self) -> Box<dyn Learner> {
        match self.clone() {
            LearnerSpec::Lightgbm(spec) => Box::new(spec),
            LearnerSpec::Xgboost(spec) => Box::new(spec),
            LearnerSpec::Logistic(spec) => Box::new(spec),
            LearnerSpec::ElasticNet(spec) => Box::new(spec),
            LearnerSpec::Tree(spec) => Box::new(spec),
            LearnerSpec::Forest(spec) => Box::new(spec),
            LearnerSpec::Baseline(spec) => Box::new(spec),
            LearnerSpec::Naive(spec) => Box::new(spec),
        }
    }

    /// Whether its settings suit the task and each other, as far as can be said without rows.
    pub fn check(&self, task: Task) -> Result<()> {
        match self {
            LearnerSpec::Lightgbm(spec) => spec.check(task),
            LearnerSpec::Xgboost(spec) => spec.check_alone().and_then(|()| spec.check(task)),
            LearnerSpec::Naive(spec) => spec.check(task),
            _ => Ok(()),
        }
    }

    /// The file of a model that was trained elsewhere, from the root; none of what learns here.
    pub fn imported(&self) -> Option<&str> {
        match self {
            LearnerSpec::Xgboost(spec) => spec.model.as_deref(),
            _ => None,
        }
    }

    /// Whether what it needs to learn is on this machine.
    pub(crate) fn ready(&self) -> Result<()> {
        match self {
            LearnerSpec::Xgboost(spec) if spec.model.is_none() => crate::xgboost::Library::get().map(drop),
            _ => Ok(()),
        }
    }

    /// The learner of a quantile with the same settings, if it can learn one; `increasing` and `decreasing`, which do not go
    /// with quantiles, are left out.
    pub(crate) fn of_quantile(&self, level: f64) -> Option<LearnerSpec> {
        match self.clone() {
            LearnerSpec::Lightgbm(spec) => Some(LearnerSpec::Lightgbm(spec.of_quantile(level))),
            LearnerSpec::Xgboost(spec) => Some(LearnerSpec::Xgboost(spec.of_quantile(level))),
            _ => None,
        }
    }

    /// LightGBM with its default settings for a quantile: what learns one where the chosen learner cannot.
    pub(crate) fn lightgbm_of_quantile(level: f64) -> LearnerSpec {
        LearnerSpec::Lightgbm(Lightgbm::default().of_quantile(level))
    }

    fn learner(&self) -> &dyn Learner {
        match self {
            LearnerSpec::Lightgbm(spec) => spec,
            LearnerSpec::Xgboost(spec) => spec,
            LearnerSpec::Logistic(spec) => spec,
            LearnerSpec::ElasticNet(spec) => spec,
            LearnerSpec::Tree(spec) => spec,
            LearnerSpec::Forest(spec) => spec,
            LearnerSpec::Baseline(spec) => spec,
            LearnerSpec::Naive(spec) => spec,
        }
    }
}

#[cfg(test)]
mod boosting_tests;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod constraints_tests;
#[cfg(test)]
pub(crate) mod imported_tests;
#[cfg(test)]
mod made_rows;
#[cfg(test)]
mod several_classes_tests;
#[cfg(test)]
mod spec_tests;
#[cfg(test)]
mod weighted_tests;
