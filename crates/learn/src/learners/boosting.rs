//! What the learners that boost trees with a library share: objectives, constraints and the values of other parameters.

use std::fmt;

use schemars::JsonSchema;
use score::{Feature, Task};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use spec::{Error, Result, did_you_mean, range};

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
    pub(super) fn text(&self) -> &str {
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
pub(super) fn check_labels<'a>(
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
    /// Whether the constraints fit the task and each other, as far as that shows without rows.
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
