//! Which raw tables a clean one is made from: `from: orders`, or `from: [reviews, tickets]`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

/// Names of raw tables, each once; none stands for the table of the same name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawTables(Vec<String>);

impl RawTables {
    /// The tables; `name` if none are given.
    pub fn or<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        match self.0.as_slice() {
            [] => vec![name],
            names => names.iter().map(String::as_str).collect(),
        }
    }
}

impl<'de> Deserialize<'de> for RawTables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawTables, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = RawTables;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table or a list of tables")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<RawTables, E> {
                Ok(RawTables(vec![name.to_owned()]))
            }
            fn visit_unit<E: de::Error>(self) -> Result<RawTables, E> {
                Ok(RawTables::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RawTables, A::Error> {
                let names = Vec::<String>::deserialize(SeqAccessDeserializer::new(seq))?;
                if names.is_empty() {
                    return Err(de::Error::custom(
                        "the list of tables is empty; leave the key out for the table of the same name",
                    ));
                }
                let is_repeated = |(at, name): (usize, &String)| names[..at].contains(name);
                if let Some(at) = names.iter().enumerate().position(is_repeated) {
                    return Err(de::Error::custom(format!("table '{}' is named twice; name it once", names[at])));
                }
                Ok(RawTables(names))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl JsonSchema for RawTables {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RawTables".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }]
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spec::Environment;

    use super::RawTables;

    fn read(text: &str) -> Result<RawTables, String> {
        let loaded = spec::parse::<RawTables>(text, Path::new("clean.yaml"), &Environment::default());
        loaded.map(|loaded| loaded.spec).map_err(|error| error.to_string())
    }

    #[test]
    fn one_table_several_or_that_of_the_same_name() {
        assert_eq!(read("orders").unwrap().or("x"), ["orders"]);
        assert_eq!(read("[reviews, tickets]").unwrap().or("x"), ["reviews", "tickets"]);
        assert_eq!(RawTables::default().or("x"), ["x"]);
        assert!(read("[a, b, a]").unwrap_err().ends_with("table 'a' is named twice; name it once"));
        assert!(read("[]").unwrap_err().contains("the list of tables is empty"));
    }
}
