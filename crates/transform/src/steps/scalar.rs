//! A single value in YAML: text, number or true/false.

use std::fmt;

use polars::prelude::*;
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A value for cells.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Scalar {
    /// The value as a cell of `dtype`; none if it is none.
    pub(super) fn as_cell(&self, dtype: &DataType) -> Option<Expr> {
        let fits = match self {
            Scalar::Bool(_) => dtype.is_bool(),
            Scalar::Int(_) | Scalar::Float(_) => dtype.is_primitive_numeric(),
            Scalar::Text(_) => !dtype.is_primitive_numeric() && !dtype.is_bool(),
        };
        let name = PlSmallStr::EMPTY;
        let series = match self {
            Scalar::Bool(value) => Series::new(name, [*value]),
            Scalar::Int(value) => Series::new(name, [*value]),
            Scalar::Float(value) => Series::new(name, [*value]),
            Scalar::Text(value) => Series::new(name, [value.as_str()]),
        };
        let cell = series.cast(dtype).ok().filter(|cell| fits && cell.null_count() == 0)?;
        let same = |other: Series| other.cast(&DataType::Float64).ok()?.f64().ok()?.get(0);
        let lost = matches!(self, Scalar::Float(value) if dtype.is_integer() && same(cell.clone()) != Some(*value));
        if lost {
            return None;
        }
        Some(lit(polars::prelude::Scalar::new(dtype.clone(), cell.get(0).ok()?.into_static())))
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Bool(value) => value.fmt(f),
            Scalar::Int(value) => value.fmt(f),
            Scalar::Float(value) => value.fmt(f),
            Scalar::Text(value) => value.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true or false")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Int(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar, E> {
                i64::try_from(value).map(Scalar::Int).map_err(|_| E::custom(format!("{value} is too large")))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Float(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_owned()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl schemars::JsonSchema for Scalar {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Value".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "number", "boolean"] })
    }
}
