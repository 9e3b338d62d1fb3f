//! A mail address, checked where it is written.

use lettre::message::Mailbox;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `ops@shop.example` or `Millrace <millrace@shop.example>`.
#[derive(Clone, Debug, PartialEq)]
pub struct Address(pub Mailbox);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        spec::read_text(deserializer, "a mail address", |text| {
            text.parse()
                .map(Address)
                .map_err(|_| format!("'{text}' is not a mail address; write 'name@host' or 'Your Name <name@host>'"))
        })
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
            "description": "A mail address: name@host or Your Name <name@host>."
        })
    }
}
