//! `mask` makes personal data unreadable.
//!
//! ```yaml
//! - mask: {columns: [email], method: {hash: {key: "${MASK_KEY:-a key for examples only}"}}}
//! - mask: {columns: [phone], method: redact}
//! ```
//!
//! A hash is the keyed BLAKE3 of the text, 32 hexadecimal digits: equal texts stay equal, so that tables can
//! still be joined, and nobody without the key can test a guess. The key comes from the environment; a
//! variable whose name holds KEY, SECRET or TOKEN is kept out of logs and evidence. Reasons of rows that earlier
//! steps refused do not show the column's values.

use std::fmt;

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use spec::Result;

use super::{Apply, any};
use crate::plan::Plan;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    /// The columns to mask. They become text; empty cells stay empty.
    columns: Vec<String>,
    /// How: `redact`, or `{hash: {key: "${MASK_KEY}"}}`.
    method: Method,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Method {
    /// A keyed hash: equal texts stay equal.
    Hash(Hash),
    /// The same text for all.
    Redact(Redact),
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hash {
    /// The secret key, at least 16 characters, from the environment.
    key: Secret,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Redact {
    /// What to show instead. Default: `***`.
    with: String,
}

impl Default for Redact {
    fn default() -> Redact {
        Redact { with: "***".to_owned() }
    }
}

/// A key that nothing prints.
#[derive(Clone)]
struct Secret([u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        spec::read_text(deserializer, "a key", |text| match text.chars().count() {
            ..16 => Err("the key is shorter than 16 characters; take a longer one"),
            _ => Ok(Secret(blake3::derive_key("millrace 2026 mask hash", text.as_bytes()))),
        })
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 16 })
    }
}

impl Apply for Mask {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        if self.columns.is_empty() {
            return Err(plan.error("no columns given").hint("name the columns to mask"));
        }
        for name in plan.pick(&self.columns, "", any)? {
            plan.check_new(&name)?;
            plan.hide(&name);
            let text = col(name.as_str()).cast(DataType::String);
            let masked = match &self.method {
                Method::Hash(Hash { key }) => hash(text, key.0),
                Method::Redact(Redact { with }) => {
                    when(text.is_not_null()).then(lit(with.as_str())).otherwise(lit(NULL).cast(DataType::String))
                }
            };
            plan.set(vec![masked.alias(name.as_str())])?;
        }
        Ok(())
    }
}

fn hash(text: Expr, key: [u8; 32]) -> Expr {
    text.map(
        move |column| {
            let texts = column.str()?;
            let mut hashes = StringChunkedBuilder::new(texts.name().clone(), texts.len());
            for text in texts.iter() {
                match text {
                    Some(text) => hashes.append_value(&blake3::keyed_hash(&key, text.as_bytes()).to_hex()[..32]),
                    None => hashes.append_null(),
                }
            }
            Ok(hashes.finish().into_column())
        },
        |_, field| Ok(Field::new(field.name().clone(), DataType::String)),
    )
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, reasons, rows, run};
    use polars::prelude::*;

    const HASH: &str = "- mask: {columns: [a], method: {hash: {key: 0123456789abcdef}}}";

    #[test]
    fn hashes_keep_equality_and_depend_on_the_key() {
        let table = df!("a" => [Some("x"), Some("y"), Some("x"), None]).unwrap();
        let one = rows(&table, HASH);
        let hashes = one.column("a").unwrap().str().unwrap();
        assert_eq!(hashes.get(0), hashes.get(2));
        assert_ne!(hashes.get(0), hashes.get(1));
        assert_eq!((hashes.get(0).unwrap().len(), hashes.get(3)), (32, None));
        assert_eq!(rows(&table, HASH), one);
        let other = rows(&table, &HASH.replace("0123", "4567"));
        assert_ne!(other.column("a").unwrap().str().unwrap().get(0), hashes.get(0));
    }

    #[test]
    fn redaction_shows_nothing() {
        let table = df!("a" => [Some(1), None]).unwrap();
        assert_eq!(rows(&table, "- mask: {columns: [a], method: redact}"), df!("a" => [Some("***"), None]).unwrap());
    }

    #[test]
    fn reasons_do_not_tell_what_is_masked() {
        let table = df!("a" => ["secret", "1"]).unwrap();
        let steps = "- cast: {columns: {a: int64}}\n- rename: {a: b}\n- mask: {columns: [b], method: redact}";
        let done = run(&table, steps);
        assert_eq!(reasons(&done), ["step 1 'cast': b: a masked value is not an int64"]);
    }

    #[test]
    fn a_short_key_is_refused_without_being_shown() {
        let table = df!("a" => ["x"]).unwrap();
        assert_eq!(
            failure(&table, "- mask: {columns: [a], method: {hash: {key: hunter2}}}"),
            "clean.yaml:1:39: .[0].mask.method.hash: the key is shorter than 16 characters; take a longer one"
        );
        let step: Vec<crate::Step> =
            spec::parse(HASH, std::path::Path::new("c.yaml"), &spec::Environment::default()).unwrap().spec;
        assert!(!format!("{step:?}").contains("0123"));
    }
}
