//! Descriptions of tables and columns, in the file of the stage that publishes them: the key `describe`.

use std::collections::BTreeMap;
use std::fmt;

use artifact::{Described, DescribedColumn};
use polars::prelude::Schema as Columns;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use spec::{Error, Map, Result, did_you_mean};

use crate::{Job, Stage};

/// The key of every stage's file.
pub(crate) const DESCRIBE: &str = "describe";

/// By table: what it holds, who answers for it, and what its columns mean.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Descriptions(Map<Description>);

/// The description of a table: for `catalog`, footers and pages. It changes no values.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Description")]
struct Description {
    /// What a row is, and what the table is for.
    description: Option<String>,
    /// Who answers questions about it: a name or an address.
    owner: Option<String>,
    /// Words to find it by, such as `finance` or `personal`.
    tags: Vec<String>,
    /// What its columns mean, by name: a text, or `{description, tags}`.
    columns: Map<ColumnText>,
}

/// The description of a column: a text, or a text with tags.
#[derive(Clone, Debug, Default, PartialEq)]
struct ColumnText(DescribedColumn);

impl Descriptions {
    /// The tables that are described.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.names()
    }

    fn of(&self, table: &str) -> Option<Described> {
        let Description { description, owner, tags, columns } = self.0.get(table)?.clone();
        let columns = columns.iter().map(|(name, text)| (name.to_owned(), text.0.clone()));
        Some(Described { description, owner, tags, columns: columns.collect::<BTreeMap<_, _>>() })
    }
}

/// The description of a table that is published with these columns; where they are not known, they are not compared.
///
/// Errors (cannot run): a column is described that the table does not have.
pub(crate) fn described<S: Stage>(job: &Job<S>, table: &str, columns: Option<&Columns>) -> Result<Option<Described>> {
    let Some(described) = job.described.of(table) else { return Ok(None) };
    let unknown = |name: &&String| columns.is_some_and(|columns| !columns.contains(name));
    if let (Some(name), Some(columns)) = (described.columns.keys().find(unknown), columns) {
        let file = job.root.spec(&job.pipeline, S::TOOL)?;
        let place = spec::place(&job.root, &file, &[DESCRIBE, table, "columns", name])
            .unwrap_or_else(|_| file.display().to_string());
        let known = columns.iter_names().map(|name| name.as_str()).filter(|name| !artifact::is_origin(name));
        return Err(Error::cannot_run(format!("{place}: {DESCRIBE}: table '{table}' has no column '{name}'"))
            .hint(did_you_mean(name, known)));
    }
    Ok(Some(described))
}

impl<'de> Deserialize<'de> for ColumnText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ColumnText, D::Error> {
        #[derive(Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[derive(Default)]
        struct Long {
            description: Option<String>,
            tags: Vec<String>,
        }
        struct ShortOrLong;
        impl<'de> Visitor<'de> for ShortOrLong {
            type Value = ColumnText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a map with description and tags")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ColumnText, E> {
                let description = Some(text.to_owned());
                Ok(ColumnText(DescribedColumn { description, ..DescribedColumn::default() }))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ColumnText, A::Error> {
                let Long { description, tags } = Long::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ColumnText(DescribedColumn { description, tags }))
            }
        }
        deserializer.deserialize_any(ShortOrLong)
    }
}

impl JsonSchema for ColumnText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ColumnDescription".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": {
                        "description": { "type": "string" },
                        "tags": { "type": "array", "items": { "type": "string" } }
                    },
                    "additionalProperties": false
                }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spec::Environment;

    use super::*;

    fn read(text: &str) -> Result<Descriptions, String> {
        let read = spec::parse::<Descriptions>(text, Path::new("clean.yaml"), &Environment::default());
        read.map(|loaded| loaded.spec).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_are_described_by_a_text_or_a_map() {
        let text = "orders:\n  description: one row per order\n  owner: shop@example.com\n  tags: [finance]\n  \
                    columns:\n    amount: in euros\n    email: {description: of the buyer, tags: [personal]}\n";
        let orders = read(text).unwrap().of("orders").unwrap();
        assert_eq!(orders.owner.as_deref(), Some("shop@example.com"));
        assert_eq!(orders.columns["amount"].description.as_deref(), Some("in euros"));
        assert_eq!(orders.columns["email"].tags, ["personal"]);
        assert!(read(text).unwrap().of("others").is_none());
        let error = read("orders: {descripton: x}").unwrap_err();
        assert!(error.ends_with("unknown key 'descripton'; did you mean 'description'?"), "{error}");
    }
}
