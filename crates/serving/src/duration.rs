//! Lengths of time of a server, written `500ms`, `30s`, `5m`, `24h` or `7d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use spec::{Error, Result};

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A length of time to the millisecond, above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(u64);

impl Length {
    pub const fn milliseconds(count: u64) -> Length {
        Length(count)
    }
    pub const fn seconds(count: u64) -> Length {
        Length(count * 1000)
    }
    pub const fn minutes(count: u64) -> Length {
        Length(count * 60_000)
    }
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Length {
    type Err = Error;
    fn from_str(text: &str) -> Result<Length> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let unit = UNITS.iter().find(|(suffix, _)| *suffix == &text[digits..]);
        let count = text[..digits].parse().ok().filter(|count: &u64| *count > 0);
        let length = unit.zip(count).and_then(|((_, unit), count)| unit.checked_mul(count));
        length.map(Length).ok_or_else(|| {
            Error::cannot_run(format!("'{text}' is not a length of time"))
                .hint("write a number and a unit, such as 500ms, 30s, 5m, 24h or 7d")
        })
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (suffix, unit) =
            UNITS.iter().rev().find(|(_, unit)| self.0.is_multiple_of(*unit)).copied().unwrap_or(UNITS[0]);
        write!(f, "{}{suffix}", self.0 / unit)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Length, D::Error> {
        spec::read_text(deserializer, "a length of time such as 30s", str::parse)
    }
}

impl schemars::JsonSchema for Length {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Length".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": "^[1-9][0-9]*(ms|s|m|h|d)$",
            "description": "A length of time: 500ms, 30s, 5m, 24h or 7d."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Length;

    #[test]
    fn reads_what_it_writes() {
        for text in ["500ms", "30s", "5m", "24h", "7d"] {
            let expected = if text == "24h" { "1d" } else { text };
            assert_eq!(text.parse::<Length>().unwrap().to_string(), expected);
        }
        for text in ["", "0s", "5", "m", "5 m", "-1s", "1mo", "99999999999999999999s", "18446744073709551615d"] {
            let error = text.parse::<Length>().unwrap_err().to_string();
            assert!(error.ends_with("write a number and a unit, such as 500ms, 30s, 5m, 24h or 7d"), "{error}");
        }
    }
}
