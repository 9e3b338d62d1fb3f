//! What the learners that boost trees with a library share: objectives, constraints, the values of other parameters, and
//! the course of a fit.

use std::collections::HashSet;
use std::fmt;

use schemars::JsonSchema;
use score::models::boosted::{Boosted, Library};
use score::{Feature, Model, Task, Tuned};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use spec::{Error, Map, Result, ResultExt, did_you_mean, range};

use super::check::{check, classes_of};
use crate::allowed::Setting;
use crate::parameters::Parameters;
use crate::rounds::Trained;
use crate::{Data, Learner};

/// A learner that boosts trees with a library. Each one declares its settings and how the library is called; everything
/// else, such as [`Learner::fit`], is the same for all.
pub(super) trait Boosting: Clone + Serialize + Send + Sync {
    const LIBRARY: Library;
    /// The learner as YAML names it.
    const NAME: &'static str = Self::LIBRARY.learner();
    const OBJECTIVES: Objectives;

    /// The settings that all these learners have.
    fn common(&self) -> Common<'_>;

    /// The same settings with another number of trees.
    fn with_trees(self, trees: u32) -> Self;

    /// The same settings for a quantile, without directions: quantiles do not go with them.
    fn of_quantile(self, level: f64) -> Self;

    /// The parameters of `written` under the library's own names, if each may be set and has an effect.
    fn settled<'a>(
        &self,
        written: impl IntoIterator<Item = (&'a str, &'a str)>,
        setting: &Setting<'_>,
    ) -> Result<Vec<(&'static str, String)>>;

    /// All parameters of one fit.
    fn parameters(&self, task: Task, classes: usize, features: &[Feature], seed: u64) -> Result<Parameters>;

    /// Refuses labels that the library cannot learn.
    fn check_range<'a>(&self, _labels: impl Iterator<Item = &'a f64>) -> Result<()> {
        Ok(())
    }

    /// Grows the trees. `valid` stops early.
    fn train(&self, rows: Data<'_>, valid: Option<Data<'_>>, parameters: &Parameters) -> Result<Trained>;

    /// The library and its version for the model's notes, where it is not part of this program.
    fn library() -> Result<Option<String>> {
        Ok(None)
    }

    /// Refuses a model that cannot be what was requested.
    fn check_model(_model: &Boosted) -> Result<()> {
        Ok(())
    }

    /// Whether the settings suit the task and each other.
    fn check(&self, task: Task) -> Result<()> {
        let common = self.common();
        common.constraints.check(task, common.objective)?;
        self.others(task, None).map(|_| ())
    }

    /// The objective as the library calls it.
    fn objective(&self, task: Task) -> Result<&'static str> {
        let names = Self::OBJECTIVES;
        match (task, self.common().objective) {
            (Task::Classification, None) => Ok(names.two_classes),
            (Task::Multiclass, None) => Ok(names.several_classes),
            (Task::Classification | Task::Multiclass, Some(_)) => {
                Err(Error::cannot_run(format!("{}: 'objective' is for regression", Self::NAME)).hint("leave it out"))
            }
            (Task::Regression, objective) => Ok(names.of(objective.unwrap_or_default())),
        }
    }

    /// The other parameters under their own names. `categories`: whether there is a column of text, if that is known.
    fn others(&self, task: Task, categories: Option<bool>) -> Result<Vec<(&'static str, String)>> {
        let common = self.common();
        let setting = Setting {
            objective: self.objective(task)?,
            early_stopping: common.early_stopping > 0,
            draws_rows: common.row_share < 1.0,
            draws_features: common.feature_share < 1.0,
            categories,
        };
        let written = common.parameters.iter().map(|(name, value)| (name, value.text()));
        self.settled(written, &setting).context(format!("{}.parameters", Self::NAME))
    }
}

impl<B: Boosting> Learner for B {
    fn name(&self) -> &'static str {
        B::NAME
    }

    fn settings(&self) -> serde_json::Value {
        json!(self)
    }

    fn learns_mean(&self) -> bool {
        !matches!(self.common().objective, Some(Objective::Absolute | Objective::Quantile(_)))
    }

    fn fit(&self, task: Task, rows: Data<'_>, valid: Data<'_>, seed: u64) -> Result<Box<dyn Model>> {
        check(task, rows, valid)?;
        let common = self.common();
        common.constraints.check(task, common.objective)?;
        let labels = || rows.label.iter().chain(valid.label);
        check_labels(B::NAME, common.objective, labels())?;
        self.check_range(labels())?;
        let features = rows.features.features();
        let parameters = self.parameters(task, classes_of(rows.label), features, seed)?;
        let library = B::library()?;
        let stops = common.early_stopping > 0 && !valid.label.is_empty();
        let mut trained = self.train(rows, stops.then_some(valid), &parameters)?;
        let mut notes = json!({ "trees": trained.best, "trees_tried": trained.tried, "trees_allowed": common.trees });
        if let Some(library) = library {
            notes["library"] = json!(library);
        }
        if let Some((metric, value)) = trained.metric {
            notes["stopped_by"] = json!({ "metric": metric, "value": value });
        }
        if !trained.warnings.is_empty() {
            let mut known = HashSet::new();
            trained.warnings.retain(|warning| known.insert(warning.clone()));
            notes["warnings"] = json!(trained.warnings);
        }
        let model = Boosted::new(B::LIBRARY, trained.model, features.to_vec())?;
        B::check_model(&model)?;
        Ok(Box::new(model.trained(trained.best, notes)))
    }

    fn refit(&self, task: Task, rows: Data<'_>, tuned: &Tuned, seed: u64) -> Result<Box<dyn Model>> {
        let trees = tuned.trees.unwrap_or(self.common().trees);
        let none = rows.features.slice(0..0);
        // Without validation rows nothing stops it.
        self.clone().with_trees(trees).fit(task, rows, Data { features: &none, label: &[] }, seed)
    }
}

/// The settings that all learners of this kind have.
pub(super) struct Common<'a> {
    pub trees: u32,
    /// Rounds without improvement after which training stops; 0 for never.
    pub early_stopping: u32,
    pub row_share: f64,
    pub feature_share: f64,
    pub objective: Option<Objective>,
    pub constraints: Constraints<'a>,
    pub parameters: &'a Map<Value>,
}

/// The objectives as a library calls them.
pub(super) struct Objectives {
    pub two_classes: &'static str,
    pub several_classes: &'static str,
    pub squared: &'static str,
    pub absolute: &'static str,
    pub huber: &'static str,
    pub quantile: &'static str,
    pub poisson: &'static str,
    pub gamma: &'static str,
    pub tweedie: &'static str,
}

impl Objectives {
    fn of(&self, objective: Objective) -> &'static str {
        match objective {
            Objective::Squared => self.squared,
            Objective::Absolute => self.absolute,
            Objective::Huber => self.huber,
            Objective::Quantile(_) => self.quantile,
            Objective::Poisson => self.poisson,
            Objective::Gamma => self.gamma,
            Objective::Tweedie => self.tweedie,
        }
    }
}

/// What a regression learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The mean: least squares.
    #[default]
    Squared,
    /// The median: least absolute error.
    Absolute,
    /// The mean, with outliers counted less.
    Huber,
    /// The quantile of this level, above 0 and below 1: `quantile: 0.9` is exceeded by one row in ten.
    Quantile(
        #[serde(deserialize_with = "range::within")]
        #[schemars(range(min = 0, max = 1))]
        f64,
    ),
    /// A count.
    Poisson,
    /// A positive amount with a long tail.
    Gamma,
    /// An amount that is often exactly 0.
    Tweedie,
}

/// The value of a library's parameter: a number, a boolean or a text without blanks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Value(String);

impl Value {
    /// As the library reads it.
    fn text(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, true, false or a text")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
                Ok(Value(value.to_string()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
                Ok(Value(value.to_string()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
                Ok(Value(value.to_string()))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
                Ok(Value(value.to_string()))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
                if value.is_empty() || value.contains(|c: char| c.is_whitespace() || c.is_control() || c == '=') {
                    return Err(E::custom(format!("'{value}' is empty or contains a space or '='")));
                }
                Ok(Value(value.to_owned()))
            }
        }
        from.deserialize_any(Any)
    }
}

impl JsonSchema for Value {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ParameterValue".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["number", "boolean", "string"] })
    }
}

/// Whether the objective takes these labels.
fn check_labels<'a>(
    learner: &str,
    objective: Option<Objective>,
    labels: impl Iterator<Item = &'a f64> + Clone,
) -> Result<()> {
    let (name, least, words) = match objective {
        Some(Objective::Poisson) => ("poisson", 0.0, "0 or more"),
        Some(Objective::Tweedie) => ("tweedie", 0.0, "0 or more"),
        Some(Objective::Gamma) => ("gamma", f64::MIN_POSITIVE, "above 0"),
        _ => return Ok(()),
    };
    let (all, outside) =
        labels.clone().fold((0, 0), |(all, outside), label| (all + 1, outside + u32::from(*label < least)));
    let refused = |what: String| Err(Error::refused(format!("{learner}: objective {name} {what}")));
    match outside {
        0 if labels.clone().all(|label| *label == 0.0) => refused("needs a label that is not 0 in all rows".to_owned()),
        0 => Ok(()),
        _ => refused(format!("takes labels that are {words}, but {outside} of {all} are not")),
    }
    .map_err(|error: Error| error.hint("drop these rows in clean.yaml or features.yaml, or choose another objective"))
}

/// What trees must keep to: directions in which a prediction may go, and features that may meet in a tree.
pub(super) struct Constraints<'a> {
    pub learner: &'static str,
    pub increasing: &'a [String],
    pub decreasing: &'a [String],
    pub interactions: &'a [Vec<String>],
}

impl Constraints<'_> {
    /// Whether the constraints suit the task and each other, as far as can be said without rows.
    pub fn check(&self, task: Task, objective: Option<Objective>) -> Result<()> {
        let learner = self.learner;
        if let Some(both) = self.increasing.iter().find(|name| self.decreasing.contains(name)) {
            return Err(Error::cannot_run(format!("{learner}: '{both}' is under 'increasing' and under 'decreasing'"))
                .hint("leave it out of one of them"));
        }
        let monotone = !self.increasing.is_empty() || !self.decreasing.is_empty();
        if monotone && task == Task::Multiclass {
            return Err(Error::cannot_run(format!(
                "{learner}: 'increasing' and 'decreasing' do not go with several classes, of which a raw score that rises \
                 need not raise the probability",
            ))
            .hint("leave them out, or learn a label of two classes"));
        }
        let renews = matches!(objective, Some(Objective::Absolute | Objective::Quantile(_)));
        if monotone && renews {
            return Err(Error::cannot_run(format!(
                "{learner}: 'increasing' and 'decreasing' do not go with the objectives absolute and quantile, which set the \
                 leaves anew after a tree is grown",
            ))
            .hint("leave them out, or write 'objective: huber' against outliers"));
        }
        if let Some(small) = self.interactions.iter().find(|group| group.is_empty()) {
            return Err(Error::cannot_run(format!("{learner}: a group of 'interactions' is {small:?}"))
                .hint("name the features that may meet, such as [[age, income], [city]]"));
        }
        Ok(())
    }

    /// 1, -1 or 0 for each feature; none if no direction is given. Errors: names that no feature has, directions for text.
    pub fn signs(&self, features: &[Feature]) -> Result<Option<Vec<i8>>> {
        let mut signs = vec![0i8; features.len()];
        for (key, names, sign) in [("increasing", self.increasing, 1), ("decreasing", self.decreasing, -1)] {
            for name in names {
                let at = self.place(features, key, name)?;
                if features[at].categories().is_some() {
                    return Err(Error::cannot_run(format!(
                        "{}: {key}: '{name}' is text, which has no order",
                        self.learner
                    ))
                    .hint("name columns of numbers"));
                }
                signs[at] = sign;
            }
        }
        Ok(signs.iter().any(|sign| *sign != 0).then_some(signs))
    }

    /// The features of each group, with a group for each feature that is in none; none if no group is given. Errors: names
    /// that no feature has.
    pub fn groups(&self, features: &[Feature]) -> Result<Option<Vec<Vec<usize>>>> {
        if self.interactions.is_empty() {
            return Ok(None);
        }
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for names in self.interactions {
            groups.push(names.iter().map(|name| self.place(features, "interactions", name)).collect::<Result<_>>()?);
        }
        // LightGBM never splits on a feature of no group.
        let alone: Vec<usize> =
            (0..features.len()).filter(|at| !groups.iter().any(|group| group.contains(at))).collect();
        groups.extend(alone.into_iter().map(|at| vec![at]));
        Ok(Some(groups))
    }

    fn place(&self, features: &[Feature], key: &str, name: &str) -> Result<usize> {
        features.iter().position(|feature| feature.name == name).ok_or_else(|| {
            Error::cannot_run(format!("{}: {key}: no feature '{name}'", self.learner))
                .hint(did_you_mean(name, features.iter().map(|feature| feature.name.as_str())))
        })
    }
}

/// Items with a comma between them.
pub(super) fn listed(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<String>>().join(",")
}
