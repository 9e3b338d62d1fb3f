//! The columns of a delivery and the order of its rows, as YAML writes them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A column to write, and what to call it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutColumn {
    pub name: String,
    /// The name in the file.
    pub called: String,
}

/// A column to sort by.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    pub column: String,
    pub order: Order,
}

/// Which way rows are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// From the smallest up.
    #[default]
    Asc,
    /// From the largest down.
    Desc,
}

/// Reads `name`, or a map with the single key `name`.
struct NameOr<V>(std::marker::PhantomData<V>);

impl<'de, V: Deserialize<'de>> de::Visitor<'de> for NameOr<V> {
    type Value = (String, Option<V>);
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column, or a map with one column")
    }
    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok((name.to_owned(), None))
    }
    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let none = || de::Error::custom("the map is empty; name a column");
        let (name, value) = map.next_entry::<String, V>()?.ok_or_else(none)?;
        match map.next_key::<String>()? {
            None => Ok((name, Some(value))),
            Some(second) => {
                Err(de::Error::custom(format!("'{second}' follows '{name}' in the same item; begin a new one")))
            }
        }
    }
}

impl<'de> Deserialize<'de> for OutColumn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OutColumn, D::Error> {
        let (name, called) = deserializer.deserialize_any(NameOr::<String>(std::marker::PhantomData))?;
        let called = called.unwrap_or_else(|| name.clone());
        Ok(OutColumn { name, called })
    }
}

impl<'de> Deserialize<'de> for SortKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SortKey, D::Error> {
        let (column, order) = deserializer.deserialize_any(NameOr::<Order>(std::marker::PhantomData))?;
        Ok(SortKey { column, order: order.unwrap_or_default() })
    }
}

impl Serialize for OutColumn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.name == self.called {
            true => serializer.serialize_str(&self.name),
            false => serializer.collect_map([(&self.name, &self.called)]),
        }
    }
}

impl Serialize for SortKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(&self.column, &self.order)])
    }
}

impl schemars::JsonSchema for OutColumn {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OutColumn".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": { "type": "string" } },
        ]})
    }
}

impl schemars::JsonSchema for SortKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SortKey".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "object", "minProperties": 1, "maxProperties": 1,
              "additionalProperties": { "enum": ["asc", "desc"] } },
        ]})
    }
}
