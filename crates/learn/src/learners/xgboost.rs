//! `xgboost`: gradient boosted trees (Chen and Guestrin 2016), grown by XGBoost's own library, which must be fetched once.
//!
//! ```yaml
//! - xgboost: {trees: 500, learning_rate: 0.03, depth: 8, parameters: {gamma: 0.1}}
//! ```

use schemars::JsonSchema;
use score::models::boosted::Library as Of;
use score::{Feature, Task};
use serde::{Deserialize, Serialize};
use spec::{Error, Map, Result, range};

use super::boosting::{Boosting, Common, Constraints, Objective, Objectives, Value, listed};
use crate::Data;
use crate::allowed::Setting;
use crate::rounds::{Stop, Trained};
use crate::xgboost::{Library, Parameters, Rows, settled, train};

/// Gradient boosted trees, grown by XGBoost's own library, which `scripts/setup --xgboost` fetches. Categories and missing
/// values are used as they are; numbers are rounded to single precision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Xgboost {
    /// Most trees to grow (of several classes: of each), 1 to 100,000. Fewer are kept if `early_stopping` finds that they do
    /// no better.
    #[serde(deserialize_with = "range::whole::<1, 100_000, _>")]
    #[schemars(range(min = 1, max = 100_000))]
    pub trees: u32,
    /// How much each tree counts, above 0 and at most 1. Less needs more trees.
    #[serde(deserialize_with = "range::share")]
    #[schemars(range(min = 0, max = 1))]
    pub learning_rate: f64,
    /// Most questions from root to leaf, 1 to 30.
    #[serde(deserialize_with = "range::whole::<1, 30, _>")]
    #[schemars(range(min = 1, max = 30))]
    pub depth: u32,
    /// Fewest training rows in a leaf, from 0, each counted by its weight and by the second derivative of the loss there: 1
    /// with `squared`, at most a quarter for two classes.
    #[serde(deserialize_with = "range::not_negative")]
    #[schemars(range(min = 0))]
    pub min_leaf_weight: f64,
    /// Stop when the validation rows got no better for this many trees, and keep the trees up to the best. 0 grows all
    /// trees.
    #[serde(deserialize_with = "range::whole::<0, 100_000, _>")]
    #[schemars(range(min = 0, max = 100_000))]
    pub early_stopping: u32,
    /// The share of rows, drawn separately for each tree, above 0 and at most 1.
    #[serde(deserialize_with = "range::share")]
    #[schemars(range(min = 0, max = 1))]
    pub row_share: f64,
    /// The share of features, drawn separately for each tree, above 0 and at most 1.
    #[serde(deserialize_with = "range::share")]
    #[schemars(range(min = 0, max = 1))]
    pub feature_share: f64,
    /// Penalty on large leaf values (L2), from 0.
    #[serde(deserialize_with = "range::not_negative")]
    #[schemars(range(min = 0))]
    pub l2: f64,
    /// Features with which a prediction never falls: as such a number grows and all else stays, it stays or rises. For two
    /// classes and regression.
    pub increasing: Vec<String>,
    /// Features with which a prediction never rises.
    pub decreasing: Vec<String>,
    /// Groups of features that may interact, such as `[[age, income], [city, region]]`: the questions from the root of a
    /// tree to a leaf are about features of one group. A feature in no group is a group of its own. Default: all may.
    pub interactions: Vec<Vec<String>>,
    /// What a regression learns. Leave it out for classification.
    pub objective: Option<Objective>,
    /// A model that XGBoost trained elsewhere, such as on a cluster: its file in XGBoost's binary format, from the project's
    /// root. Nothing is learned then, so that no other setting goes with it; docs/xgboost.md says what the file must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Other parameters of XGBoost by their names, such as `max_bin: 63`, `booster: dart` or `eval_metric: auc` (what
    /// `early_stopping` looks at). Those that are known here are listed in docs/xgboost.md; all others are refused.
    pub parameters: Map<Value>,
}

impl Default for Xgboost {
    fn default() -> Xgboost {
        Xgboost {
            trees: 200,
            learning_rate: 0.1,
            depth: 6,
            min_leaf_weight: 1.0,
            early_stopping: 30,
            row_share: 1.0,
            feature_share: 1.0,
            l2: 1.0,
            increasing: Vec::new(),
            decreasing: Vec::new(),
            interactions: Vec::new(),
            objective: None,
            model: None,
            parameters: Map::default(),
        }
    }
}

impl Xgboost {
    /// Refuses settings beside a model that was trained elsewhere.
    pub(super) fn check_alone(&self) -> Result<()> {
        let is_alone = self.model.is_none() || Xgboost { model: None, ..self.clone() } == Xgboost::default();
        match is_alone {
            true => Ok(()),
            false => Err(Error::cannot_run("xgboost: 'model' is a model as it was trained, without any other setting")
                .hint("remove the other settings, or remove 'model'")),
        }
    }
}

impl Boosting for Xgboost {
    const LIBRARY: Of = Of::Xgboost;
    const OBJECTIVES: Objectives = Objectives {
        two_classes: "binary:logistic",
        several_classes: "multi:softprob",
        squared: "reg:squarederror",
        absolute: "reg:absoluteerror",
        huber: "reg:pseudohubererror",
        quantile: "reg:quantileerror",
        poisson: "count:poisson",
        gamma: "reg:gamma",
        tweedie: "reg:tweedie",
    };

    fn common(&self) -> Common<'_> {
        Common {
            trees: self.trees,
            early_stopping: self.early_stopping,
            row_share: self.row_share,
            feature_share: self.feature_share,
            objective: self.objective,
            constraints: Constraints {
                learner: Self::NAME,
                increasing: &self.increasing,
                decreasing: &self.decreasing,
                interactions: &self.interactions,
            },
            parameters: &self.parameters,
        }
    }

    fn with_trees(self, trees: u32) -> Xgboost {
        Xgboost { trees, ..self }
    }

    fn of_quantile(self, level: f64) -> Xgboost {
        let objective = Some(Objective::Quantile(level));
        Xgboost { objective, increasing: Vec::new(), decreasing: Vec::new(), ..self }
    }

    fn settled<'a>(
        &self,
        written: impl IntoIterator<Item = (&'a str, &'a str)>,
        setting: &Setting<'_>,
    ) -> Result<Vec<(&'static str, String)>> {
        settled(written, setting)
    }

    fn parameters(&self, task: Task, classes: usize, features: &[Feature], seed: u64) -> Result<Parameters> {
        let mut parameters = Parameters::default();
        parameters.set("objective", self.objective(task)?);
        if task == Task::Multiclass {
            parameters.set("num_class", classes);
        }
        if let Some(Objective::Quantile(level)) = self.objective {
            parameters.set("quantile_alpha", level);
        }
        parameters.set("learning_rate", self.learning_rate);
        parameters.set("max_depth", self.depth);
        parameters.set("min_child_weight", self.min_leaf_weight);
        parameters.set("reg_lambda", self.l2);
        parameters.set("subsample", self.row_share);
        parameters.set("colsample_bytree", self.feature_share);
        parameters.set("tree_method", "hist");
        let constraints = self.common().constraints;
        if let Some(signs) = constraints.signs(features)? {
            parameters.set("monotone_constraints", format!("({})", listed(&signs)));
        }
        if let Some(groups) = constraints.groups(features)? {
            let groups: Vec<String> = groups.iter().map(|group| format!("[{}]", listed(group))).collect();
            parameters.set("interaction_constraints", format!("[{}]", listed(&groups)));
        }
        // XGBoost's seeds are integers of 32 bits.
        parameters.set("seed", seed % (1 << 31));
        // The sums of several threads depend on their number, and equal inputs must give equal models on every machine.
        parameters.set("nthread", 1);
        parameters.set("verbosity", 1);
        parameters.set("validate_parameters", true);
        let has_categories = features.iter().any(|feature| feature.categories().is_some());
        for (name, value) in self.others(task, Some(has_categories))? {
            parameters.set(name, value);
        }
        Ok(parameters)
    }

    /// Labels that are infinite in single precision cannot be learned.
    fn check_range<'a>(&self, mut labels: impl Iterator<Item = &'a f64>) -> Result<()> {
        match labels.find(|label| (**label as f32).is_infinite()) {
            None => Ok(()),
            Some(label) => Err(Error::refused(format!(
                "xgboost: the label {label:e} is too large for single precision, in which XGBoost computes"
            ))
            .hint("derive a label of a larger unit, or use lightgbm")),
        }
    }

    fn train(&self, rows: Data<'_>, valid: Option<Data<'_>>, parameters: &Parameters) -> Result<Trained> {
        let library = Library::get()?;
        let valid = valid.map(|valid| Rows::new(library, valid.features, valid.label)).transpose()?;
        let stop = valid.as_ref().map(|valid| Stop { valid, patience: self.early_stopping });
        train(&Rows::new(library, rows.features, rows.label)?, stop.as_ref(), parameters, self.trees)
    }

    fn library() -> Result<Option<String>> {
        let [major, minor, patch] = Library::get()?.version;
        Ok(Some(format!("XGBoost {major}.{minor}.{patch}")))
    }
}

#[cfg(test)]
mod equal_tests;
#[cfg(test)]
mod tests;
