//! How far apart two times or numbers may be: `7d`, or `10`.

use std::fmt;

use polars::prelude::{DataType, TimeUnit};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use spec::Length;
use values::form::{Form, Measure, nanoseconds};

/// A distance, not below 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Within {
    Number(u64),
    Length(Length),
}

impl Within {
    /// The distance in the integers that values of this type become. The error is what is wrong, and the way out.
    pub fn ticks(self, dtype: &DataType, form: Form) -> Result<i128, (String, String)> {
        let milliseconds = |length: Length| length.duration().as_millis() as i128;
        Ok(match (self, dtype) {
            (Within::Number(number), dtype) if dtype.is_integer() => i128::from(number),
            (Within::Number(number), DataType::Decimal(..)) => {
                let places = if let Form::Wide(Measure::Decimals(places)) = form { places } else { 0 };
                i128::from(number) * 10i128.pow(places as u32)
            }
            (Within::Length(length), DataType::Date) => match milliseconds(length) % 86_400_000 {
                0 => milliseconds(length) / 86_400_000,
                _ => {
                    return Err((
                        format!("{length} is not a whole number of days"),
                        "dates are a day apart: write days, such as 7d".to_owned(),
                    ));
                }
            },
            (Within::Length(length), DataType::Time) => milliseconds(length) * 1_000_000,
            (Within::Length(length), DataType::Datetime(unit, _) | DataType::Duration(unit)) => {
                let unit = if form == Form::Whole { *unit } else { TimeUnit::Nanoseconds };
                milliseconds(length) * 1_000_000 / i128::from(nanoseconds(unit))
            }
            (Within::Length(length), _) => {
                return Err((
                    format!("{length} is a length of time, but the column holds numbers"),
                    "write a number, such as 10".to_owned(),
                ));
            }
            (Within::Number(number), _) => {
                let hint = format!("write a length of time, such as {number}d");
                return Err((format!("{number} is a number, but the column holds times"), hint));
            }
        })
    }
}

impl Serialize for Within {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Within::Number(number) => serializer.serialize_u64(*number),
            Within::Length(length) => length.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Within {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Within, D::Error> {
        struct Distance;
        impl Visitor<'_> for Distance {
            type Value = Within;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time such as 7d, or a whole number such as 10")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Within, E> {
                Ok(Within::Number(number))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Within, E> {
                text.parse().map(Within::Length).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Distance)
    }
}

impl JsonSchema for Within {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Within".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time such as 7d, or a whole number.",
            "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0 }]
        })
    }
}
