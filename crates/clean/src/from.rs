//! Which raw tables a clean one is made from: `from: orders`, or `from: [reviews, tickets]`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

/// Names of raw tables, each once; none stands for the table of the same name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct From(Vec<String>);

impl From {
    /// The tables; `name` if none are given.
    pub fn or<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        match self.0.as_slice() {
            [] => vec![name],
            names => names.iter().map(String::as_str).collect(),
        }
    }
}

impl<'de> Deserialize<'de> for From {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<From, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = From;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table or a list of tables")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<From, E> {
                Ok(From(vec![name.to_owned()]))
            }
            fn visit_unit<E: de::Error>(self) -> Result<From, E> {
                Ok(From::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<From, A::Error> {
                let names = Vec::<String>::deserialize(SeqAccessDeserializer::new(seq))?;
                if names.is_empty() {
                    return Err(de::Error::custom("the list of tables is empty; leave the key out for the table of the same name"));
                }
                let is_repeated = |(at, name): (usize, &String)| names[..at].contains(name);
                if let Some(at) = names.iter().enumerate().position(is_repeated) {
                    return Err(de::Error::custom(format!("table '{}' is named twice; name it once", names[at])));
                }
                Ok(From(names))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl JsonSchema for From {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "From".into()
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

    use super::From;

    fn read(text: &str) -> Result<From, String> {
        let loaded = spec::parse::<From>(text, Path::new("clean.yaml"), &Environment::default());
        loaded.map(|loaded| loaded.spec).map_err(|error| error.to_string())
    }

    #[test]
    fn one_table_several_or_that_of_the_same_name() {
        assert_eq!(read("orders").unwrap().or("x"), ["orders"]);
        assert_eq!(read("[reviews, tickets]").unwrap().or("x"), ["reviews", "tickets"]);
        assert_eq!(From::default().or("x"), ["x"]);
        assert!(read("[a, b, a]").unwrap_err().ends_with("table 'a' is named twice; name it once"));
        assert!(read("[]").unwrap_err().contains("the list of tables is empty"));
    }
}
