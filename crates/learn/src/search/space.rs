//! What is tried: the settings of a learner with the values that each may take.

use serde_json::{Value, json};
use spec::{Error, Result, Scalar, did_you_mean};

use super::{Between, Choices, Scale, WrittenSpace};
use crate::random::Random;
use crate::{LearnerSpec, Task};

/// Numbers of a range have so many significant digits, so that people can write them again.
const DIGITS: usize = 4;

/// The settings that a search tries, checked: every value of each goes with the experiment as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    written: LearnerSpec,
    dimensions: Vec<Dimension>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq)]
struct Dimension {
    /// Its name, or `parameters` and its name there.
    path: Vec<String>,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    Of(Vec<Value>),
    Numbers(Between),
    Whole { from: u64, to: u64, scale: Scale },
}

impl Space {
    /// The space as it is written, or the default one of the learner. Errors name the setting.
    pub fn new(learner: &LearnerSpec, written: Option<&WrittenSpace>, task: Task) -> Result<Space> {
        let mut space = Space { written: learner.clone(), dimensions: Vec::new() };
        match written {
            Some(WrittenSpace(settings)) => {
                for (path, choices) in settings {
                    let dimension = space.dimension(path, choices, task);
                    space
                        .dimensions
                        .push(dimension.map_err(|error| error.context(format!("space.{}", path.join("."))))?);
                }
            }
            None => {
                for (name, choices) in default_space(learner) {
                    // One that does not go with what is written, such as a share of rows with goss, stays as it is.
                    space.dimensions.extend(space.dimension(&[name.to_owned()], &choices, task).ok());
                }
            }
        }
        match space.dimensions.is_empty() {
            true => Err(Error::cannot_run(format!("'{}' has no settings that are worth a search", learner.name()))
                .hint("remove 'search', or write a 'space'")),
            false => Ok(space),
        }
    }

    /// The learner with the settings of the experiment.
    pub fn written(&self) -> &LearnerSpec {
        &self.written
    }

    /// The settings of a trial: number 0 is the experiment as it is written, every other one is drawn.
    pub fn draw(&self, seed: u64, number: u32) -> Result<LearnerSpec> {
        if number == 0 {
            return Ok(self.written.clone());
        }
        let mut random = Random::new(seed, STREAM + u64::from(number));
        let values: Vec<Value> = self.dimensions.iter().map(|dimension| dimension.values.draw(&mut random)).collect();
        self.with(self.dimensions.iter().map(|dimension| &dimension.path[..]).zip(values))
    }

    fn dimension(&self, path: &[String], choices: &Choices, task: Task) -> Result<Dimension> {
        let settings = settings(&self.written);
        let name = &path[0];
        match settings.get(name) {
            None => {
                let known = settings.keys().map(String::as_str);
                return Err(Error::cannot_run(format!("{} has no setting '{name}'", self.written.name()))
                    .hint(did_you_mean(name, known)));
            }
            Some(Value::Array(_)) => {
                return Err(Error::cannot_run("it names columns, which are not searched".to_owned())
                    .hint("write two experiments"));
            }
            _ => {}
        }
        let try_value = |value: &Value| -> Result<()> {
            let learner = self.with([(path, value.clone())].into_iter())?;
            learner.check(task)
        };
        let values = match choices {
            Choices::Of(values) => Values::Of(values.iter().map(json_of).collect()),
            Choices::Between(between) => {
                let Between { from, to, scale } = *between;
                for end in [from, to] {
                    try_value(&as_written(end))?;
                }
                // A setting that takes both ends but no fraction between them takes whole numbers.
                let whole = from.fract() == 0.0 && to.fract() == 0.0 && from >= 0.0;
                match whole && try_value(&json!(from + (to - from) * 0.3719)).is_err() {
                    true => Values::Whole { from: from as u64, to: to as u64, scale },
                    false => Values::Numbers(*between),
                }
            }
        };
        if let Values::Of(values) = &values {
            values.iter().try_for_each(try_value)?;
        }
        Ok(Dimension { path: path.to_vec(), values })
    }

    /// The learner as it is written, but with these settings.
    fn with<'a>(&self, changes: impl Iterator<Item = (&'a [String], Value)>) -> Result<LearnerSpec> {
        let mut settings = settings(&self.written);
        for (path, value) in changes {
            let (name, of) = match path {
                [outer, name] => match settings.get_mut(outer) {
                    Some(Value::Object(inner)) => (name, inner),
                    _ => continue,
                },
                [name, ..] => (name, &mut settings),
                [] => continue,
            };
            of.insert(name.clone(), value);
        }
        // Missing settings have their defaults.
        settings.retain(|_, value| !value.is_null());
        let learner = serde_json::from_value(json!({ self.written.name(): settings }));
        learner.map_err(|error| Error::cannot_run(error.to_string()))
    }
}

/// Streams of random numbers from here on are those of trials.
const STREAM: u64 = 1 << 40;

impl Values {
    fn draw(&self, random: &mut Random) -> Value {
        // A number from 0, below 1.
        let mut uniform = || (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        match self {
            Values::Of(values) => values[random.below(values.len())].clone(),
            Values::Numbers(Between { from, to, scale }) => {
                let found = match scale {
                    Scale::Linear => from + uniform() * (to - from),
                    Scale::Log => (from.ln() + uniform() * (to.ln() - from.ln())).exp(),
                };
                json!(rounded(found).clamp(*from, *to))
            }
            Values::Whole { from, to, scale } => {
                let found = match scale {
                    Scale::Linear => from + random.below((to - from) as usize + 1) as u64,
                    // Up to the next number, for each represents all down to the one below it.
                    Scale::Log => {
                        let (low, high) = ((*from as f64).ln(), (*to as f64 + 1.0).ln());
                        (low + uniform() * (high - low)).exp() as u64
                    }
                };
                json!(found.clamp(*from, *to))
            }
        }
    }
}

/// A number as YAML would have it: `3`, not `3.0`.
fn as_written(number: f64) -> Value {
    match number.fract() == 0.0 && number.abs() < (1u64 << 53) as f64 {
        true => json!(number as i64),
        false => json!(number),
    }
}

/// With [`DIGITS`] significant digits.
fn rounded(number: f64) -> f64 {
    let text = format!("{number:.*e}", DIGITS - 1);
    text.parse().unwrap_or(number)
}

/// The settings of a learner, defaults included.
fn settings(learner: &LearnerSpec) -> serde_json::Map<String, Value> {
    match learner.build().settings() {
        Value::Object(settings) => settings,
        _ => serde_json::Map::new(),
    }
}

fn json_of(value: &Option<Scalar>) -> Value {
    match value {
        None => Value::Null,
        Some(Scalar::Bool(value)) => json!(value),
        Some(Scalar::Int(value)) => json!(value),
        Some(Scalar::Float(value)) => json!(value),
        Some(Scalar::Text(text)) => json!(text),
    }
}

/// The settings that matter most, with the ranges in which good values usually lie.
fn default_space(learner: &LearnerSpec) -> Vec<(&'static str, Choices)> {
    let range = |from: f64, to: f64, scale| Choices::Between(Between { from, to, scale });
    let (linear, log) = (Scale::Linear, Scale::Log);
    // A low learning rate needs many trees; early stopping says how many.
    let trees = |early_stopping: u32, trees: u32| match early_stopping {
        0 => range(50.0, 1000.0, log),
        _ => Choices::Of(vec![Some(Scalar::Int(i64::from(trees.max(1000))))]),
    };
    match learner {
        LearnerSpec::Lightgbm(written) => vec![
            ("trees", trees(written.early_stopping, written.trees)),
            ("learning_rate", range(0.02, 0.2, log)),
            ("leaves", range(8.0, 255.0, log)),
            ("min_leaf_rows", range(5.0, 300.0, log)),
            ("row_share", range(0.5, 1.0, linear)),
            ("feature_share", range(0.4, 1.0, linear)),
            ("l2", range(0.001, 10.0, log)),
        ],
        LearnerSpec::Xgboost(written) => vec![
            ("trees", trees(written.early_stopping, written.trees)),
            ("learning_rate", range(0.02, 0.3, log)),
            ("depth", range(3.0, 10.0, linear)),
            ("min_leaf_weight", range(0.5, 50.0, log)),
            ("row_share", range(0.5, 1.0, linear)),
            ("feature_share", range(0.4, 1.0, linear)),
            ("l2", range(0.1, 10.0, log)),
        ],
        LearnerSpec::Logistic(_) => vec![("l2", range(0.001, 1000.0, log))],
        LearnerSpec::ElasticNet(_) => vec![("penalty", range(1e-5, 1.0, log)), ("l1_ratio", range(0.0, 1.0, linear))],
        LearnerSpec::Tree(_) => {
            vec![("depth", range(2.0, 14.0, linear)), ("min_leaf_rows", range(5.0, 300.0, log))]
        }
        LearnerSpec::Forest(_) => vec![
            ("depth", range(4.0, 20.0, linear)),
            ("min_leaf_rows", range(1.0, 100.0, log)),
            ("feature_share", range(0.2, 1.0, linear)),
        ],
        LearnerSpec::Baseline(_) | LearnerSpec::Naive(_) => Vec::new(),
    }
}

#[cfg(test)]
#[path = "space_tests.rs"]
mod tests;
