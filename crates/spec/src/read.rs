//! Reads values from text so that errors have the line and column of the value.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};

/// Reads a text by `read`, whose error is raised while the parser is at the text. `what` says what is
/// expected, such as `a regular expression`.
pub fn read_text<'de, D, T, E>(
    deserializer: D,
    what: &'static str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    deserializer.deserialize_str(Text { what, read })
}

struct Text<R> {
    what: &'static str,
    read: R,
}

impl<T, E: fmt::Display, R: FnOnce(&str) -> Result<T, E>> Visitor<'_> for Text<R> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
    fn visit_str<F: de::Error>(self, text: &str) -> Result<T, F> {
        (self.read)(text).map_err(F::custom)
    }
}
