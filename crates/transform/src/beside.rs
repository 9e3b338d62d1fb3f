//! Other tables that steps read.

use std::fmt;

use artifact::Definitions;
use polars::prelude::{LazyFrame, Schema};
use schemars::{JsonSchema, Schema as JsonShape, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Another table, as a step names it: `customers`, a clean table of the same file, or `{raw: zips}`, one that was ingested.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OtherTable {
    Clean(String),
    Raw(String),
}

impl OtherTable {
    pub fn name(&self) -> &str {
        match self {
            OtherTable::Clean(name) | OtherTable::Raw(name) => name,
        }
    }
}

/// `customers`, or `raw zips`.
impl fmt::Display for OtherTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OtherTable::Clean(name) => f.write_str(name),
            OtherTable::Raw(name) => write!(f, "raw {name}"),
        }
    }
}

impl Serialize for OtherTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            OtherTable::Clean(name) => serializer.serialize_str(name),
            OtherTable::Raw(name) => serializer.collect_map([("raw", name)]),
        }
    }
}

impl<'de> Deserialize<'de> for OtherTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OtherTable, D::Error> {
        struct Named;
        impl<'de> Visitor<'de> for Named {
            type Value = OtherTable;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table, or {raw: TABLE}")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<OtherTable, E> {
                Ok(OtherTable::Clean(name.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OtherTable, A::Error> {
                let wrong =
                    || de::Error::custom("name one table: `customers`, `{clean: customers}` or `{raw: customers}`");
                let (kind, name) = map.next_entry::<String, String>()?.ok_or_else(wrong)?;
                let table = match kind.as_str() {
                    "clean" => OtherTable::Clean(name),
                    "raw" => OtherTable::Raw(name),
                    _ => return Err(de::Error::custom(format!("unknown key '{kind}'; choose one of: clean, raw"))),
                };
                match map.next_key::<String>()? {
                    None => Ok(table),
                    Some(_) => Err(wrong()),
                }
            }
        }
        deserializer.deserialize_any(Named)
    }
}

impl JsonSchema for OtherTable {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OtherTable".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> JsonShape {
        let named = |key: &str| {
            serde_json::json!({
                "type": "object", "properties": { key: { "type": "string" } }, "required": [key], "additionalProperties": false
            })
        };
        json_schema!({
            "description": "Another table: a clean one of the same file by its name, or `{raw: TABLE}`, one that was ingested.",
            "anyOf": [{ "type": "string" }, named("clean"), named("raw")]
        })
    }
}

/// Another table that a step reads.
#[derive(Clone)]
pub struct Beside {
    /// Its rows; none for a plan that is not carried out.
    pub frame: LazyFrame,
    pub schema: Schema,
    /// How its columns were made.
    pub definitions: Option<Definitions>,
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").field("schema", &self.schema).finish_non_exhaustive()
    }
}
