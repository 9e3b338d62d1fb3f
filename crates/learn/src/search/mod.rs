//! Looks for the best settings of a learner: what is tried ([`Space`]), in which order and how far ([`halving`]), within
//! a budget ([`SearchSpec`]).

pub(crate) mod halving;
mod space;

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use spec::{Map, Scalar};

pub(crate) use space::Space;

/// A search for the best settings of an experiment's learner. It ends with the first limit that it reaches; at least one of
/// `minutes` and `trials` is needed.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
pub struct SearchSpec {
    /// About how many minutes it may take, above 0. The trials that were begun are finished, so it may take a little longer.
    /// How many settings are tried then depends on the machine: the card says how many, and `trials` with that number
    /// repeats the search.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub minutes: Option<f64>,
    /// How many settings are tried at most, 1 to 10,000. The first are those of the experiment as it is written. Equal
    /// seeds and numbers of trials give equal results.
    #[serde(default, deserialize_with = "spec::range::optional_whole::<1, 10_000, _>")]
    #[schemars(range(min = 1, max = 10_000))]
    pub trials: Option<u32>,
    /// The settings that are tried, in place of the learner's default (docs/models.md): a list of values, a range such as
    /// `{from: 8, to: 255, scale: log}`, or one value. All other settings stay as the experiment has them.
    #[serde(default)]
    pub space: Option<WrittenSpace>,
}

impl<'de> Deserialize<'de> for SearchSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SearchSpec, D::Error> {
        let search = SearchSpec::deserialize(deserializer)?;
        match search.minutes {
            None if search.trials.is_none() => {
                Err(D::Error::custom("search: nothing limits it; write 'minutes: 10', 'trials: 30' or both"))
            }
            Some(minutes) if !(minutes > 0.0 && minutes.is_finite()) => {
                Err(D::Error::custom(format!("search: minutes: {minutes} is not a finite number above 0")))
            }
            _ => Ok(search),
        }
    }
}

/// Settings by name, those of `parameters` by theirs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WrittenSpace(pub(crate) Vec<(Vec<String>, Choices)>);

/// The name of the setting that has settings of its own.
const NESTED: &str = "parameters";

impl<'de> Deserialize<'de> for WrittenSpace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WrittenSpace, D::Error> {
        struct Settings;
        impl<'de> Visitor<'de> for Settings {
            type Value = WrittenSpace;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of settings, each with a list of values or a range")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WrittenSpace, A::Error> {
                let mut settings = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == NESTED {
                        let nested = map.next_value::<Map<Choices>>()?;
                        let nested = nested
                            .iter()
                            .map(|(inner, choices)| (vec![NESTED.to_owned(), inner.to_owned()], choices.clone()));
                        settings.extend(nested);
                    } else {
                        settings.push((vec![name], map.next_value()?));
                    }
                }
                match settings.is_empty() {
                    true => Err(A::Error::custom("space: no setting; name at least one, or leave 'space' out")),
                    false => Ok(WrittenSpace(settings)),
                }
            }
        }
        deserializer.deserialize_map(Settings)
    }
}

impl JsonSchema for WrittenSpace {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Space".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let choices = generator.subschema_for::<Choices>();
        json_schema!({
            "description": "Settings of the learner by name, each with the values that it may take; other parameters of a library \
                            under `parameters`.",
            "type": "object",
            "minProperties": 1,
            "properties": { NESTED: { "type": "object", "additionalProperties": choices } },
            "additionalProperties": choices
        })
    }
}

/// The values that a setting may take.
#[derive(Clone, Debug, PartialEq)]
pub enum Choices {
    /// One of these, each as likely; `None` for `null`.
    Of(Vec<Option<Scalar>>),
    Between(Between),
}

/// A range of numbers, both ends included. Where the setting takes whole numbers, only these are tried.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Between {
    pub from: f64,
    pub to: f64,
    /// `linear` (default): each number is as likely; `log`: each order of magnitude is.
    #[serde(default)]
    pub scale: Scale,
}

/// How the numbers of a range are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    #[default]
    Linear,
    Log,
}

impl Between {
    fn check(&self) -> Result<(), String> {
        let Between { from, to, scale } = *self;
        if !(from.is_finite() && to.is_finite() && from < to) {
            return Err(format!("from {from} to {to} is not a range; write the smaller number first"));
        }
        match scale {
            Scale::Log if from <= 0.0 => {
                Err(format!("from {from}: a logarithmic scale has only numbers above 0; raise it, or remove 'scale'"))
            }
            _ => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Choices, D::Error> {
        struct Any;
        fn one<E>(value: Scalar) -> Result<Choices, E> {
            Ok(Choices::Of(vec![Some(value)]))
        }
        impl<'de> Visitor<'de> for Any {
            type Value = Choices;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of values, a range such as {from: 8, to: 255, scale: log}, or one value")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Choices, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = items.next_element::<Option<Scalar>>()? {
                    values.push(value);
                }
                match values.is_empty() {
                    true => Err(A::Error::custom("an empty list leaves nothing to try; write at least one value")),
                    false => Ok(Choices::Of(values)),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Choices, A::Error> {
                let between = Between::deserialize(MapAccessDeserializer::new(map))?;
                between.check().map_err(A::Error::custom)?;
                Ok(Choices::Between(between))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Choices, E> {
                one(Scalar::Bool(value))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Choices, E> {
                one(Scalar::Int(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Choices, E> {
                i64::try_from(value)
                    .map_err(|_| E::custom(format!("{value} is too large")))
                    .and_then(|value| one(Scalar::Int(value)))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Choices, E> {
                one(Scalar::Float(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Choices, E> {
                one(Scalar::Text(value.to_owned()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl JsonSchema for Choices {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Choices".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let between = generator.subschema_for::<Between>();
        let scalar = generator.subschema_for::<Scalar>();
        json_schema!({
            "description": "The values that a setting may take: a list, a range, or one value.",
            "anyOf": [
                { "type": "array", "minItems": 1, "items": { "anyOf": [scalar, { "type": "null" }] } },
                between,
                scalar
            ]
        })
    }
}
