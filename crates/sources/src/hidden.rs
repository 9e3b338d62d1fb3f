//! Values of a spec that may be secrets.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use spec::Scalar;

/// A value that may be a secret: nothing shows it.
#[derive(Clone, PartialEq)]
pub(crate) struct Hidden(String);

impl Hidden {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hidden, D::Error> {
        Scalar::deserialize(deserializer).map(|value| Hidden(value.to_string()))
    }
}

impl JsonSchema for Hidden {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpValue".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Scalar::json_schema(generator)
    }
}
