//! `mask` makes personal data unreadable.
//!
//! ```yaml
//! - mask: {columns: [email], method: {hash: {key: "${MASK_KEY:-a key for examples only}"}}}
//! - mask: {columns: [phone], method: redact}
//! - mask: {columns: [message], parts: [email, phone, card], method: redact}
//! ```
//!
//! With `parts` only what is found of them within a text is masked: `call 010-1234-5678` becomes `call [phone]`. It is
//! found by its form, so a number written in words or spread over columns is not.
//!
//! A hash is the keyed BLAKE3 of the text, 32 hexadecimal digits: equal texts stay equal, so that tables can
//! still be joined, and a guess cannot be tested without the key. The key comes from the environment; a
//! variable whose name holds KEY, SECRET or TOKEN is kept out of logs and evidence. Reasons of rows that earlier
//! steps refused do not show the column's values; where a table step lies between, the cells of such rows are empty.

mod personal;

use std::fmt;
use std::sync::Arc;

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value as Json, json};
use spec::Result;

use super::{Apply, any, is_text};
use crate::operation::{Operation, TextRule};
use crate::plan::{Plan, Value};
use personal::{Found, Part};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    /// The columns to mask. They become text; empty cells stay empty.
    columns: Vec<String>,
    /// Masks only these, wherever they stand in a text. Default: the whole cell.
    #[serde(default)]
    parts: Vec<Part>,
    /// How: `redact`, or `{hash: {key: "${MASK_KEY}"}}`.
    method: Method,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MaskMethod")]
enum Method {
    /// A keyed hash: equal texts stay equal.
    Hash(Hash),
    /// The same text for all.
    Redact(Redact),
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hash {
    /// The secret key, at least 16 characters, from the environment.
    key: Secret,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Redact {
    /// What to show instead. Default: `***`, and of parts their name, such as `[email]`.
    with: Option<String>,
}

/// A key that is never printed.
#[derive(Clone)]
struct Secret([u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
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
        let (wanted, fits): (_, fn(&DataType) -> bool) = match self.parts.is_empty() {
            true => ("", any),
            false => ("string", is_text),
        };
        for name in plan.pick(&self.columns, wanted, fits)? {
            plan.check_new(&name)?;
            plan.hide(&name);
            if !self.parts.is_empty() {
                let rule = MaskedParts { parts: self.parts.clone(), method: self.method.clone() };
                plan.change_texts(vec![name], vec![Arc::new(rule)])?;
                continue;
            }
            let masked = Value::Of(Arc::new(Masked(self.method.clone())), name.clone());
            plan.set(vec![(name, masked)])?;
        }
        Ok(())
    }
}

/// The text with what is found in it masked.
#[derive(Debug)]
struct MaskedParts {
    parts: Vec<Part>,
    method: Method,
}

impl TextRule for MaskedParts {
    fn name(&self) -> &'static str {
        "mask"
    }

    fn parameters(&self) -> Json {
        json!({ "parts": self.parts, "method": self.method })
    }

    fn is_fine(&self, text: &str) -> bool {
        !personal::may_hold(text, &self.parts)
    }

    fn change(&self, text: &str, into: &mut String) {
        let mut from = 0;
        for Found { part, start, end } in personal::find(text, &self.parts) {
            into.push_str(&text[from..start]);
            match &self.method {
                Method::Hash(Hash { key }) => into.push_str(&digits(key, &text[start..end])),
                Method::Redact(Redact { with }) => into.push_str(with.as_deref().unwrap_or(part.shown())),
            }
            from = end;
        }
        into.push_str(&text[from..]);
    }
}

/// The cell as a whole masked; empty cells stay empty.
#[derive(Debug)]
struct Masked(Method);

impl Operation for Masked {
    fn name(&self) -> &'static str {
        "mask"
    }

    fn parameters(&self) -> Json {
        json!({ "method": self.0 })
    }

    fn gives(&self, _: &DataType) -> DataType {
        DataType::String
    }

    fn expr(self: Arc<Self>, of: Expr) -> Expr {
        let text = of.cast(DataType::String);
        match &self.0 {
            Method::Hash(Hash { key }) => hash(text, key.clone()),
            Method::Redact(Redact { with }) => {
                let with = with.as_deref().unwrap_or("***");
                when(text.is_not_null()).then(lit(with)).otherwise(lit(NULL).cast(DataType::String))
            }
        }
    }
}

/// The keyed hash of a text: 32 hexadecimal digits.
fn digits(key: &Secret, text: &str) -> String {
    blake3::keyed_hash(&key.0, text.as_bytes()).to_hex()[..32].to_owned()
}

fn hash(text: Expr, key: Secret) -> Expr {
    text.map(
        move |column| {
            let texts = column.str()?;
            let mut hashes = StringChunkedBuilder::new(texts.name().clone(), texts.len());
            for text in texts.iter() {
                match text {
                    Some(text) => hashes.append_value(digits(&key, text)),
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
    use crate::Changes;
    use crate::steps::join::tests::given_with;
    use crate::steps::tests::{failure, reasons, rows, run, run_given};
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
    fn what_earlier_passes_left_aside_does_not_tell_either() {
        let table = df!("mail" => ["ann@x", " bob@x", "7"], "n" => ["x", "1", "2"], "_file" => ["f"; 3], "_row" => [2u32, 3, 4]).unwrap();
        let more = df!("mail" => ["cy@x"], "n" => [3i64], "_file" => ["g"], "_row" => [2u32]).unwrap();
        let mut given = given_with("more", &more);
        let steps =
            "- cast: {columns: {n: int64}}\n- trim: {columns: [mail]}\n- union: {with: more}\n- rename: {mail: email}";
        let masked = format!("{steps}\n- mask: {{columns: [email], method: redact}}");
        let done = run_given(&table, &masked, &given);
        assert_eq!(reasons(&done), ["step 1 'cast': n: 'x' is not an int64"]);
        let refused = done.refused.unwrap();
        assert_eq!(refused.column("mail").unwrap().null_count(), 1, "{refused}");
        assert_eq!(refused.column("_row").unwrap().u32().unwrap().get(0), Some(2));
        // Nor does the reason, where the column itself was refused.
        let cast = "- cast: {columns: {mail: int64}}\n- explode: {column: n, separator: ','}\n- mask: {columns: [mail], method: redact}";
        let reason = "step 1 'cast': mail: a masked value is not an int64";
        assert_eq!(reasons(&run(&table, cast)), [reason; 2]);
        given.changes = Some(Changes { table: "t".to_owned(), log: true, ..Changes::default() });
        let changes = run_given(&table, &masked, &given).changes.unwrap();
        assert!(changes.height() > 0 && !changes.to_string().contains("bob@x"), "{changes}");
        assert!(run_given(&table, steps, &given).changes.unwrap().to_string().contains("bob@x"));
    }

    #[test]
    fn parts_of_texts_are_masked_where_they_stand() {
        let table = df!("a" => [Some("call 010-1234-5678, or ann@shop.com!"), Some("nothing"), None]).unwrap();
        let steps = "- mask: {columns: [a], parts: [email, phone], method: redact}";
        let expected = df!("a" => [Some("call [phone], or [email]!"), Some("nothing"), None]).unwrap();
        assert_eq!(rows(&table, steps), expected);
        let with = steps.replace("method: redact", "method: {redact: {with: '#'}}");
        assert_eq!(rows(&table, &with).column("a").unwrap().str().unwrap().get(0), Some("call #, or #!"));
        let hashed = rows(&table, &HASH.replace("[a]", "[a], parts: [email]"));
        let whole = rows(&df!("a" => ["ann@shop.com"]).unwrap(), HASH);
        let hash = whole.column("a").unwrap().str().unwrap().get(0).unwrap();
        let expected = format!("call 010-1234-5678, or {hash}!");
        assert_eq!(hashed.column("a").unwrap().str().unwrap().get(0), Some(expected.as_str()));
    }

    #[test]
    fn parts_need_text() {
        assert_eq!(
            failure(&df!("a" => [1i64]).unwrap(), "- mask: {columns: [a], parts: [phone], method: redact}"),
            "step 1 'mask': column 'a' is int64, not string; cast it first"
        );
    }

    #[test]
    fn a_short_key_is_refused_without_being_shown() {
        let table = df!("a" => ["x"]).unwrap();
        assert_eq!(
            failure(&table, "- mask: {columns: [a], method: {hash: {key: hunter2}}}"),
            "clean.yaml:1:45: .[0].mask.method.hash.key: the key is shorter than 16 characters; take a longer one"
        );
        let step: Vec<crate::Step> =
            spec::parse(HASH, std::path::Path::new("c.yaml"), &spec::Environment::default()).unwrap().spec;
        assert!(!format!("{step:?}").contains("0123"));
    }
}
