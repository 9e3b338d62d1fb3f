//! `lightgbm`: gradient boosted trees (Ke et al. 2017).
//!
//! ```yaml
//! - lightgbm: {trees: 500, learning_rate: 0.03, leaves: 63, parameters: {min_gain_to_split: 0.1}}
//! ```

use schemars::JsonSchema;
use score::models::boosted::{Boosted, Library};
use score::{Feature, Task};
use serde::{Deserialize, Serialize};
use spec::{Error, Map, Result, range};

use super::boosting::{Boosting, Common, Constraints, Objective, Objectives, Value, listed};
use crate::Data;
use crate::allowed::Setting;
use crate::lightgbm::{Parameters, settled, train, with_binned};
use crate::rounds::{Stop, Trained};

/// Gradient boosted trees. Categories and missing values are used as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Lightgbm {
    /// Most trees to grow, 1 to 100,000. Fewer are kept if `early_stopping` finds that they do no better.
    #[serde(deserialize_with = "range::whole::<1, 100_000, _>")]
    #[schemars(range(min = 1, max = 100_000))]
    pub trees: u32,
    /// How much each tree counts, above 0 and at most 1. Less needs more trees.
    #[serde(deserialize_with = "range::share")]
    #[schemars(range(min = 0, max = 1))]
    pub learning_rate: f64,
    /// Most leaves of a tree, 2 to 131,072. More fit finer patterns, and noise.
    #[serde(deserialize_with = "range::whole::<2, 131_072, _>")]
    #[schemars(range(min = 2, max = 131_072))]
    pub leaves: u32,
    /// Most questions from root to leaf, 1 to 64. Default: no limit, trees grow leaf by leaf where they gain most, up to
    /// `leaves`. With a limit they stay level: 5 with 32 leaves grows as other boosters do.
    #[serde(deserialize_with = "range::optional_whole::<1, 64, _>")]
    #[schemars(range(min = 1, max = 64))]
    pub depth: Option<u32>,
    /// Fewest training rows in a leaf, from 1.
    #[serde(deserialize_with = "range::whole::<1, 1_000_000_000, _>")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub min_leaf_rows: u32,
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
    /// Other parameters of LightGBM by their names, such as `max_bin: 63`, `boosting: dart` or `metric: auc` (what
    /// `early_stopping` looks at). Those that are known here are listed in docs/models.md; all others are refused.
    pub parameters: Map<Value>,
}

impl Default for Lightgbm {
    fn default() -> Lightgbm {
        Lightgbm {
            trees: 200,
            learning_rate: 0.05,
            leaves: 31,
            depth: None,
            min_leaf_rows: 20,
            early_stopping: 30,
            row_share: 1.0,
            feature_share: 1.0,
            l2: 0.0,
            increasing: Vec::new(),
            decreasing: Vec::new(),
            interactions: Vec::new(),
            objective: None,
            parameters: Map::default(),
        }
    }
}

impl Boosting for Lightgbm {
    const LIBRARY: Library = Library::Lightgbm;
    const OBJECTIVES: Objectives = Objectives {
        two_classes: "binary",
        several_classes: "multiclass",
        squared: "regression",
        absolute: "regression_l1",
        huber: "huber",
        quantile: "quantile",
        poisson: "poisson",
        gamma: "gamma",
        tweedie: "tweedie",
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

    fn with_trees(self, trees: u32) -> Lightgbm {
        Lightgbm { trees, ..self }
    }

    fn of_quantile(self, level: f64) -> Lightgbm {
        let objective = Some(Objective::Quantile(level));
        Lightgbm { objective, increasing: Vec::new(), decreasing: Vec::new(), ..self }
    }

    fn settled<'a>(
        &self,
        written: impl IntoIterator<Item = (&'a str, &'a str)>,
        setting: &Setting<'_>,
    ) -> Result<Vec<(&'static str, String)>> {
        settled(written, setting, self.min_leaf_rows)
    }

    fn parameters(&self, task: Task, classes: usize, features: &[Feature], seed: u64) -> Result<Parameters> {
        let mut parameters = Parameters::default();
        parameters.set("objective", self.objective(task)?);
        if task == Task::Multiclass {
            parameters.set("num_class", classes);
        }
        if let Some(Objective::Quantile(level)) = self.objective {
            parameters.set("alpha", level);
        }
        if let Some(depth) = self.depth {
            parameters.set("max_depth", depth);
        }
        parameters.set("num_leaves", self.leaves);
        parameters.set("learning_rate", self.learning_rate);
        parameters.set("min_data_in_leaf", self.min_leaf_rows);
        parameters.set("lambda_l2", self.l2);
        parameters.set("feature_fraction", self.feature_share);
        if self.row_share < 1.0 {
            parameters.set("bagging_fraction", self.row_share);
            parameters.set("bagging_freq", 1);
        }
        let categorical: Vec<String> =
            (0..features.len()).filter(|at| features[*at].categories().is_some()).map(|at| at.to_string()).collect();
        if !categorical.is_empty() {
            parameters.set("categorical_feature", categorical.join(","));
        }
        let constraints = self.common().constraints;
        if let Some(signs) = constraints.signs(features)? {
            parameters.set("monotone_constraints", listed(&signs));
        }
        if let Some(groups) = constraints.groups(features)? {
            let groups: Vec<String> = groups.iter().map(|group| format!("[{}]", listed(group))).collect();
            parameters.set("interaction_constraints", listed(&groups));
        }
        // LightGBM's seeds are 32-bit integers.
        parameters.set("seed", seed % (1 << 31));
        parameters.set("deterministic", true);
        parameters.set("force_row_wise", true);
        parameters.set("verbosity", 0);
        let others = self.others(task, Some(!categorical.is_empty()))?;
        let is = |name: &str, wanted: &str| others.iter().any(|(known, value)| *known == name && value == wanted);
        if others.iter().any(|(name, _)| matches!(*name, "pos_bagging_fraction" | "neg_bagging_fraction")) {
            parameters.set("bagging_freq", 1);
        }
        // What goss draws depends on how many threads share the rows, and equal inputs must give equal models.
        if is("boosting", "goss") || is("data_sample_strategy", "goss") {
            parameters.set("num_threads", 1);
        }
        for (name, value) in &others {
            parameters.set(name, if *name == "boosting" && value == "random_forest" { "rf" } else { value });
        }
        Ok(parameters)
    }

    fn train(&self, rows: Data<'_>, valid: Option<Data<'_>>, parameters: &Parameters) -> Result<Trained> {
        with_binned(rows, valid, parameters, |binned| {
            let stop = binned.valid.map(|valid| Stop { valid, patience: self.early_stopping });
            let trained = train(binned.train, stop.as_ref(), parameters, self.trees)?;
            let warnings = [binned.warnings, &trained.warnings].concat();
            Ok(Trained { warnings, ..trained })
        })
    }

    fn check_model(model: &Boosted) -> Result<()> {
        let forest = model.forest();
        if !forest.averages() || forest.stumps() == 0 {
            return Ok(());
        }
        Err(Error::refused(format!(
            "lightgbm: {} of {} trees of the random forest found no split, and the mean would count them as 0",
            forest.stumps(),
            forest.trees()
        ))
        .hint("lower 'min_leaf_rows', or raise 'row_share' and 'feature_share'"))
    }
}

#[cfg(test)]
mod binned_tests;
#[cfg(test)]
mod equal_tests;
#[cfg(test)]
mod tests;
