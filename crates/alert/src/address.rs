//! A mail address, checked where it is written.

use std::fmt;

use lettre::message::Mailbox;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// `ops@shop.example` or `Millrace <millrace@shop.example>`.
#[derive(Clone, Debug, PartialEq)]
pub struct Address(pub Mailbox);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        /// Fails while the parser still stands on the address, so that the error is placed there.
        struct Parse;
        impl de::Visitor<'_> for Parse {
            type Value = Address;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mail address")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Address, E> {
                text.parse().map(Address).map_err(|_| {
                    E::custom(format!("'{text}' is not a mail address; write 'name@host' or 'Some Name <name@host>'"))
                })
            }
        }
        deserializer.deserialize_str(Parse)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl schemars::JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": "@",
            "description": "A mail address: name@host or Some Name <name@host>."
        })
    }
}
