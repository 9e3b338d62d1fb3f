//! One experiment as `train.yaml` writes it: a learner, and a search for its settings beside it.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use spec::did_you_mean;

use crate::LearnerSpec;
use crate::search::SearchSpec;

/// A learner with its settings, such as `lightgbm` or `{lightgbm: {trees: 500}}`. With `search` beside it, the best
/// settings are looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct ExperimentSpec {
    pub learner: LearnerSpec,
    pub search: Option<SearchSpec>,
}

const SEARCH: &str = "search";

impl<'de> Deserialize<'de> for ExperimentSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ExperimentSpec, D::Error> {
        deserializer.deserialize_any(Experiment)
    }
}

struct Experiment;

impl<'de> Visitor<'de> for Experiment {
    type Value = ExperimentSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a learner (one of: {})", LearnerSpec::NAMES.join(", "))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<ExperimentSpec, E> {
        let key: Key = name.parse().map_err(E::custom)?;
        match key {
            Key::Search => Err(E::custom("'search' needs a learner beside it, such as 'lightgbm: {}'")),
            Key::Learner(name) => Ok(ExperimentSpec { learner: LearnerSpec::plain(name), search: None }),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ExperimentSpec, A::Error> {
        let (mut learner, mut search) = (None, None);
        while let Some(key) = map.next_key_seed(KeySeed)? {
            match key {
                Key::Search => search = Some(map.next_value()?),
                Key::Learner(name) => {
                    if let Some(other) = learner.as_ref().map(LearnerSpec::name) {
                        return Err(A::Error::custom(format!(
                            "found '{name}' beside '{other}', but an experiment has one learner; write two experiments"
                        )));
                    }
                    learner = Some(map.next_value_seed(Learner(name))?);
                }
            }
        }
        let learner = learner
            .ok_or_else(|| A::Error::custom(format!("no learner; write one of: {}", LearnerSpec::NAMES.join(", "))))?;
        Ok(ExperimentSpec { learner, search })
    }
}

/// A key of an experiment. Another one fails while the parser is still at it.
enum Key {
    Search,
    Learner(&'static str),
}

impl std::str::FromStr for Key {
    type Err = String;
    fn from_str(text: &str) -> Result<Key, String> {
        if text == SEARCH {
            return Ok(Key::Search);
        }
        let known = LearnerSpec::NAMES.iter().find(|name| **name == text);
        known.map(|name| Key::Learner(name)).ok_or_else(|| {
            let all = LearnerSpec::NAMES.into_iter().chain([SEARCH]);
            format!("unknown learner '{text}'; {}", did_you_mean(text, all))
        })
    }
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;
    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Key, D::Error> {
        spec::read_text(key, "a learner", str::parse)
    }
}

/// The settings of the learner of this name.
struct Learner(&'static str);

impl<'de> DeserializeSeed<'de> for Learner {
    type Value = LearnerSpec;
    fn deserialize<D: Deserializer<'de>>(self, settings: D) -> Result<LearnerSpec, D::Error> {
        LearnerSpec::read(self.0, settings)
    }
}

impl JsonSchema for ExperimentSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Experiment".into()
    }
    /// The schema of a learner, with `search` beside each.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let search = generator.subschema_for::<SearchSpec>();
        let mut schema = LearnerSpec::json_schema(generator);
        let alternatives = schema.get_mut("oneOf").and_then(serde_json::Value::as_array_mut);
        for alternative in alternatives.into_iter().flatten() {
            let properties = alternative.get_mut("properties").and_then(serde_json::Value::as_object_mut);
            // A constant has nothing to search.
            if let Some(properties) = properties.filter(|properties| !properties.contains_key("baseline")) {
                properties.insert(SEARCH.to_owned(), search.clone().to_value());
            }
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> spec::Result<ExperimentSpec> {
        spec::parse(text, std::path::Path::new("t.yaml"), &Default::default()).map(|loaded| loaded.spec)
    }

    #[test]
    fn a_search_stands_beside_its_learner_in_any_order() {
        let plain = parse("lightgbm").unwrap();
        assert_eq!((plain.learner.name(), plain.search), ("lightgbm", None));
        for text in ["{lightgbm: {trees: 7}, search: {trials: 5}}", "{search: {trials: 5}, lightgbm: {trees: 7}}"] {
            let found = parse(text).unwrap();
            assert_eq!(found.learner, parse("lightgbm: {trees: 7}").unwrap().learner);
            assert_eq!(found.search.unwrap().trials, Some(5));
        }
        for name in LearnerSpec::NAMES {
            assert_eq!(parse(name).unwrap().learner.name(), name);
            assert_eq!(parse(&format!("{name}: {{}}")).unwrap(), parse(name).unwrap());
        }
    }

    #[test]
    fn what_is_no_experiment_is_refused_with_its_place() {
        for (text, error) in [
            ("lightgmb: {}", "t.yaml:1:1: unknown learner 'lightgmb'; did you mean 'lightgbm'?"),
            ("lightgmb", "unknown learner 'lightgmb'; did you mean 'lightgbm'?"),
            ("search", "'search' needs a learner beside it, such as 'lightgbm: {}'"),
            ("search: {trials: 3}", "no learner; write one of: lightgbm, xgboost, logistic,"),
            ("{lightgbm: {}, tree: {}}", "found 'tree' beside 'lightgbm', but an experiment has one learner"),
            ("lightgbm: {tress: 3}", "unknown key 'tress'; did you mean 'trees'?"),
            ("{lightgbm: {}, search: {}}", "search: nothing limits it; write 'minutes: 10', 'trials: 30' or both"),
            ("{lightgbm: {}, search: {trials: 0}}", "0 is not from 1 to 10000"),
            ("{lightgbm: {}, search: {minutes: 0}}", "search: minutes: 0 is not a finite number above 0"),
            ("{lightgbm: {}, search: {minutes: .inf}}", "search: minutes: inf is not a finite number above 0"),
            ("{lightgbm: {}, search: {minute: 1}}", "unknown key 'minute'; did you mean 'minutes'?"),
            ("{lightgbm: {}, search: {trials: 3, space: {}}}", "space: no setting; name at least one"),
            ("{lightgbm: {}, search: {trials: 3, space: {leaves: []}}}", "an empty list leaves nothing to try"),
            ("{lightgbm: {}, search: {trials: 3, space: {leaves: {from: 9, to: 3}}}}", "from 9 to 3 is not a range"),
            (
                "{lightgbm: {}, search: {trials: 3, space: {l2: {from: 0, to: 3, scale: log}}}}",
                "from 0: a logarithmic scale has only numbers above 0",
            ),
            ("{lightgbm: {}, search: {trials: 3, space: {l2: {from: 1, upto: 3}}}}", "upto"),
            (
                "[lightgbm]",
                "a learner (one of: lightgbm, xgboost, logistic, elastic_net, tree, forest, baseline, naive)",
            ),
        ] {
            let found = parse(text).unwrap_err().to_string();
            assert!(found.contains(error), "{text}: {found}");
        }
    }
}
