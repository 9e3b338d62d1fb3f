//! Spans of calendar time, written `90d`, `12w`, `6mo`, `1y` or `24h`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

/// A unit of calendar time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    const ALL: [(&'static str, Unit); 5] =
        [("h", Unit::Hour), ("d", Unit::Day), ("w", Unit::Week), ("mo", Unit::Month), ("y", Unit::Year)];

    /// The suffix as written in YAML.
    pub fn suffix(self) -> &'static str {
        Unit::ALL.iter().find(|(_, unit)| *unit == self).map_or("", |(suffix, _)| suffix)
    }
}

/// A positive number of one unit. Months and years follow the calendar (31 January + 1mo = 28 February).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    pub count: u32,
    pub unit: Unit,
}

impl Span {
    pub const fn days(count: u32) -> Span {
        Span { count, unit: Unit::Day }
    }
}

impl FromStr for Span {
    type Err = Error;
    fn from_str(text: &str) -> Result<Span> {
        let wrong = || {
            Error::cannot_run(format!("'{text}' is not a span of time"))
                .hint("write a number and a unit, such as 24h, 90d, 12w, 6mo or 1y")
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let count: u32 = text[..digits].parse().map_err(|_| wrong())?;
        let unit = Unit::ALL.iter().find(|(suffix, _)| *suffix == &text[digits..]).ok_or_else(wrong)?.1;
        if count == 0 {
            return Err(wrong());
        }
        Ok(Span { count, unit })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.suffix())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        crate::read_text(deserializer, "a span of time such as 90d", str::parse)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": "^[1-9][0-9]*(h|d|w|mo|y)$",
            "description": "A span of calendar time: 24h, 90d, 12w, 6mo or 1y."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["24h", "90d", "12w", "6mo", "1y"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn says_how_to_write_a_span() {
        for text in ["", "0d", "d", "3", "3 d", "-1d", "3m", "99999999999d"] {
            assert_eq!(
                text.parse::<Span>().unwrap_err().to_string(),
                format!("'{text}' is not a span of time; write a number and a unit, such as 24h, 90d, 12w, 6mo or 1y")
            );
        }
    }
}
