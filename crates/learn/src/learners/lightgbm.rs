//! `lightgbm`: gradient boosted trees (Ke et al. 2017).
//!
//! ```yaml
//! - lightgbm: {trees: 500, learning_rate: 0.03, leaves: 63, parameters: {min_gain_to_split: 0.1}}
//! ```

use std::collections::HashSet;

use schemars::JsonSchema;
use score::models::boosted::{Boosted, Library};
use score::{Feature, Model, Task, Tuned};
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::{Error, Map, Result, ResultExt, range};

use super::boosting::{Constraints, Objective, Value, check_labels, listed};
use super::check::{check, classes_of};
use crate::lightgbm::{Parameters, Setting, Stop, canonical, settled, take_warnings, train, with_binned};
use crate::{Data, Learner};

const NAME: &str = Library::Lightgbm.learner();

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
    /// The share of rows, drawn anew for each tree, above 0 and at most 1.
    #[serde(deserialize_with = "range::share")]
    #[schemars(range(min = 0, max = 1))]
    pub row_share: f64,
    /// The share of features, drawn anew for each tree, above 0 and at most 1.
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
    /// tree to a leaf are about features of one group. A feature of no group is one by itself. Default: all may.
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

/// The objective as LightGBM calls it.
fn parameter(objective: Objective) -> &'static str {
    match objective {
        Objective::Squared => "regression",
        Objective::Absolute => "regression_l1",
        Objective::Huber => "huber",
        Objective::Quantile(_) => "quantile",
        Objective::Poisson => "poisson",
        Objective::Gamma => "gamma",
        Objective::Tweedie => "tweedie",
    }
}

/// Parameters that have a key of their own in the spec, or that must stay as they are, and why.
const OURS: &[(&str, &str)] = &[
    ("num_iterations", "write 'trees'"),
    ("learning_rate", "write 'learning_rate'"),
    ("num_leaves", "write 'leaves'"),
    ("max_depth", "write 'depth'"),
    ("min_data_in_leaf", "write 'min_leaf_rows'"),
    ("early_stopping_round", "write 'early_stopping'"),
    ("bagging_fraction", "write 'row_share'"),
    ("bagging_freq", "rows are drawn anew for each tree"),
    ("feature_fraction", "write 'feature_share'"),
    ("lambda_l2", "write 'l2'"),
    ("objective", "write 'objective'"),
    ("categorical_feature", "text columns are categories"),
    ("seed", "the experiment has the seed"),
    ("deterministic", "equal inputs must give equal models"),
    ("force_row_wise", "equal inputs must give equal models"),
    ("force_col_wise", "equal inputs must give equal models"),
    ("num_threads", "all cores are used"),
    ("device_type", "equal inputs must give equal models"),
    ("verbosity", "warnings are in the model's notes"),
    ("monotone_constraints", "write 'increasing' or 'decreasing'"),
    ("interaction_constraints", "write 'interactions'"),
    ("num_class", "the classes of the label are counted"),
    ("linear_tree", "its contributions would not add up"),
    ("bagging_seed", "the experiment has the seed"),
    ("feature_fraction_seed", "the experiment has the seed"),
    ("drop_seed", "the experiment has the seed"),
    ("extra_seed", "the experiment has the seed"),
    ("objective_seed", "the experiment has the seed"),
    ("data_random_seed", "the experiment has the seed"),
    ("first_metric_only", "trees stop by one metric"),
    ("label_column", "write 'label' in train.yaml"),
    ("ignore_column", "write 'exclude' in train.yaml"),
    ("valid", "write 'split' in train.yaml"),
    ("data", "write 'table' in train.yaml"),
];

impl Lightgbm {
    /// Whether the settings fit the task and each other.
    pub(super) fn check(&self, task: Task) -> Result<()> {
        self.constraints().check(task, self.objective)?;
        self.others(task, None).map(|_| ())
    }

    fn constraints(&self) -> Constraints<'_> {
        Constraints {
            learner: NAME,
            increasing: &self.increasing,
            decreasing: &self.decreasing,
            interactions: &self.interactions,
        }
    }

    /// The same settings for a quantile, without directions: quantiles do not go with them.
    pub(crate) fn of_quantile(self, level: f64) -> Lightgbm {
        let objective = Some(Objective::Quantile(level));
        Lightgbm { objective, increasing: Vec::new(), decreasing: Vec::new(), ..self }
    }

    /// The objective as LightGBM calls it.
    fn objective(&self, task: Task) -> Result<&'static str> {
        match (task, self.objective) {
            (Task::Classification, None) => Ok("binary"),
            (Task::Multiclass, None) => Ok("multiclass"),
            (Task::Classification | Task::Multiclass, Some(_)) => {
                Err(Error::cannot_run("lightgbm: 'objective' is for regression").hint("leave it out"))
            }
            (Task::Regression, objective) => Ok(parameter(objective.unwrap_or_default())),
        }
    }

    /// The other parameters under their own names. `categories`: whether there is a column of text, if that is known.
    fn others(&self, task: Task, categories: Option<bool>) -> Result<Vec<(&'static str, String)>> {
        const PLACE: &str = "lightgbm.parameters";
        let objective = self.objective(task)?;
        for name in self.parameters.names() {
            let known = canonical(name).context(PLACE)?;
            let ours = OURS.iter().find(|(ours, _)| *ours == known).map(|(_, instead)| *instead);
            let level = matches!(self.objective, Some(Objective::Quantile(_))) && known == "alpha";
            if let Some(instead) = ours.or(level.then_some("the level is written at 'quantile'")) {
                return Err(Error::cannot_run(format!("{PLACE}: '{known}' cannot be set here")).hint(instead));
            }
        }
        let written = self.parameters.iter().map(|(name, value)| (name, value.text()));
        let setting = Setting {
            objective,
            early_stopping: self.early_stopping > 0,
            draws: self.row_share < 1.0 || self.feature_share < 1.0,
            draws_rows: self.row_share < 1.0,
            min_leaf_rows: self.min_leaf_rows,
            categories,
        };
        settled(written, &setting).context(PLACE)
    }

    /// The parameters of one fit.
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
        if let Some(signs) = self.constraints().signs(features)? {
            parameters.set("monotone_constraints", listed(&signs));
        }
        if let Some(groups) = self.constraints().groups(features)? {
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
}

impl Learner for Lightgbm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> serde_json::Value {
        json!(self)
    }

    fn learns_mean(&self) -> bool {
        !matches!(self.objective, Some(Objective::Absolute | Objective::Quantile(_)))
    }

    fn fit(&self, task: Task, rows: Data<'_>, valid: Data<'_>, seed: u64) -> Result<Box<dyn Model>> {
        check(task, rows, valid)?;
        self.constraints().check(task, self.objective)?;
        check_labels(NAME, self.objective, rows.label.iter().chain(valid.label))?;
        let features = rows.features.features();
        let parameters = self.parameters(task, classes_of(rows.label), features, seed)?;
        let stops = self.early_stopping > 0 && !valid.label.is_empty();
        let (trained, mut warnings) = with_binned(rows, stops.then_some(valid), &parameters, |binned| {
            take_warnings();
            let stop = binned.valid.map(|valid| Stop { valid, patience: self.early_stopping });
            Ok((train(binned.train, stop.as_ref(), &parameters, self.trees)?, binned.warnings.to_vec()))
        })?;
        warnings.extend(take_warnings());
        let mut notes = json!({ "trees": trained.best, "trees_tried": trained.tried, "trees_allowed": self.trees });
        if let Some((metric, value)) = trained.metric {
            notes["stopped_by"] = json!({ "metric": metric, "value": value });
        }
        if !warnings.is_empty() {
            let mut known = HashSet::new();
            warnings.retain(|warning| known.insert(warning.clone()));
            notes["warnings"] = json!(warnings);
        }
        let model = Boosted::new(Library::Lightgbm, trained.text.into_bytes(), features.to_vec())?;
        let forest = model.forest();
        if forest.averages() && forest.stumps() > 0 {
            return Err(Error::refused(format!(
                "lightgbm: {} of {} trees of the random forest found no split, and the mean would count them as 0",
                forest.stumps(),
                forest.trees()
            ))
            .hint("lower 'min_leaf_rows', or raise 'row_share' and 'feature_share'"));
        }
        Ok(Box::new(model.trained(trained.best, notes)))
    }

    fn refit(&self, task: Task, rows: Data<'_>, tuned: &Tuned, seed: u64) -> Result<Box<dyn Model>> {
        let trees = tuned.trees.unwrap_or(self.trees);
        let none = rows.features.slice(0..0);
        // Without validation rows nothing stops it.
        let all_trees = Lightgbm { trees, ..self.clone() };
        all_trees.fit(task, rows, Data { features: &none, label: &[] }, seed)
    }
}

#[cfg(test)]
mod binned_tests;
#[cfg(test)]
mod equal_tests;
#[cfg(test)]
mod tests;
