//! Which tables a clean one is made from: `from: orders`, `from: [reviews, tickets]` or `from: {clean: orders}`.

use std::fmt;

use crate::beside::OtherTable;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

/// Tables, each once; a plain name is a raw table. None stands for the raw table of the same name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FromTables(Vec<OtherTable>);

impl FromTables {
    /// The tables; the raw one of this name if none are given.
    pub fn or(&self, name: &str) -> Vec<OtherTable> {
        match self.0.is_empty() {
            true => vec![OtherTable::Raw(name.to_owned())],
            false => self.0.clone(),
        }
    }

    /// The clean tables among them.
    pub fn clean(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|table| match table {
            OtherTable::Clean(name) => Some(name.as_str()),
            OtherTable::Raw(_) => None,
        })
    }
}

/// One of a list.
struct Source(OtherTable);

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Source, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Source;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table, or {clean: TABLE}")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Source, E> {
                Ok(Source(OtherTable::Raw(name.to_owned())))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Source, A::Error> {
                OtherTable::deserialize(MapAccessDeserializer::new(map)).map(Source)
            }
        }
        deserializer.deserialize_any(One)
    }
}

impl<'de> Deserialize<'de> for FromTables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FromTables, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = FromTables;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table, a list of tables, or {clean: TABLE}")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<FromTables, E> {
                Ok(FromTables(vec![OtherTable::Raw(name.to_owned())]))
            }
            fn visit_unit<E: de::Error>(self) -> Result<FromTables, E> {
                Ok(FromTables::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FromTables, A::Error> {
                Ok(FromTables(vec![OtherTable::deserialize(MapAccessDeserializer::new(map))?]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<FromTables, A::Error> {
                let tables = Vec::<Source>::deserialize(SeqAccessDeserializer::new(seq))?;
                let tables: Vec<OtherTable> = tables.into_iter().map(|source| source.0).collect();
                if tables.is_empty() {
                    return Err(de::Error::custom(
                        "the list of tables is empty; leave the key out for the table of the same name",
                    ));
                }
                match tables.iter().enumerate().find(|(at, table)| tables[..*at].contains(table)) {
                    None => Ok(FromTables(tables)),
                    Some((_, twice)) => {
                        Err(de::Error::custom(format!("table '{}' is named twice; name it once", twice.name())))
                    }
                }
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl JsonSchema for FromTables {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FromTables".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<OtherTable>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spec::Environment;

    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let loaded = spec::parse::<FromTables>(text, Path::new("clean.yaml"), &Environment::default());
        let names = |sources: FromTables| sources.or("x").iter().map(ToString::to_string).collect();
        loaded.map(|loaded| names(loaded.spec)).map_err(|error| error.to_string())
    }

    #[test]
    fn raw_tables_clean_ones_or_that_of_the_same_name() {
        assert_eq!(read("orders").unwrap(), ["raw orders"]);
        assert_eq!(read("[reviews, tickets]").unwrap(), ["raw reviews", "raw tickets"]);
        assert_eq!(read("{clean: orders}").unwrap(), ["orders"]);
        assert_eq!(read("[{clean: orders}, orders, {raw: old}]").unwrap(), ["orders", "raw orders", "raw old"]);
        assert_eq!(FromTables::default().or("x"), [OtherTable::Raw("x".to_owned())]);
        assert!(read("[a, b, a]").unwrap_err().ends_with("table 'a' is named twice; name it once"));
        assert!(read("[]").unwrap_err().contains("the list of tables is empty"));
        assert_eq!(
            read("{cleen: orders}").unwrap_err(),
            "clean.yaml:1:1: unknown key 'cleen'; choose one of: clean, raw"
        );
    }
}
