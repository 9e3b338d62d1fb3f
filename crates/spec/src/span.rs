//! Lengths of time as YAML writes them: a whole number and a unit. A [`Span`] follows the calendar (`30min`, `24h`, `90d`, `12w`,
//! `6mo`, `1y`); a [`Length`] always takes equally long (`500ms`, `30s`, `5m`, `24h`, `7d`, `4w`). Both read the same grammar, so that
//! `6m` is never half a year in one place and six minutes in another: where it cannot be meant, the error says so.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

/// A unit of calendar time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    const ALL: [(&'static str, Unit); 6] = [
        ("min", Unit::Minute),
        ("h", Unit::Hour),
        ("d", Unit::Day),
        ("w", Unit::Week),
        ("mo", Unit::Month),
        ("y", Unit::Year),
    ];

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

    /// Whether it is one of minutes or hours, which need a time of day.
    pub fn is_of_clock(self) -> bool {
        matches!(self.unit, Unit::Minute | Unit::Hour)
    }

    /// How many minutes it takes; none of months and years, which differ.
    pub fn minutes(self) -> Option<i64> {
        let each = match self.unit {
            Unit::Minute => 1,
            Unit::Hour => 60,
            Unit::Day => 24 * 60,
            Unit::Week => 7 * 24 * 60,
            Unit::Month | Unit::Year => return None,
        };
        Some(i64::from(self.count) * each)
    }
}

impl FromStr for Span {
    type Err = Error;
    fn from_str(text: &str) -> Result<Span> {
        let wrong = |hint: &str| Error::cannot_run(format!("'{text}' is not a span of time")).hint(hint);
        let usual = || wrong("write a number and a unit, such as 24h, 90d, 12w, 6mo or 1y");
        let (count, suffix) = split(text).ok_or_else(usual)?;
        let count = u32::try_from(count).map_err(|_| usual())?;
        match Unit::ALL.iter().find(|(known, _)| *known == suffix) {
            Some((_, unit)) => Ok(Span { count, unit: *unit }),
            None if suffix == "m" => Err(wrong(&format!("write {count}min for minutes, {count}mo for months"))),
            None if EXACT.iter().any(|(known, _)| *known == suffix) => {
                Err(wrong("the shortest unit here is the minute; write 1min or more"))
            }
            None => Err(usual()),
        }
    }
}

/// The number, which is above 0, and the unit behind it.
fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let count = text[..digits].parse().ok().filter(|count| *count > 0)?;
    Some((count, &text[digits..]))
}

/// Units that always take equally long, in milliseconds.
const EXACT: [(&str, u64); 6] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 7 * 86_400_000)];

/// A length of time to the millisecond, above 0. A day is 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    pub const fn hours(count: u64) -> Length {
        Length(count * 3_600_000)
    }
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Length {
    type Err = Error;
    fn from_str(text: &str) -> Result<Length> {
        let wrong = |hint: &str| Error::cannot_run(format!("'{text}' is not a length of time")).hint(hint);
        let usual = || wrong("write a number and a unit, such as 500ms, 30s, 5m, 24h or 7d");
        let (count, suffix) = split(text).ok_or_else(usual)?;
        match EXACT.iter().find(|(known, _)| *known == suffix) {
            Some((_, unit)) => count.checked_mul(*unit).map(Length).ok_or_else(usual),
            None if ["mo", "y"].contains(&suffix) => {
                Err(wrong("months and years differ in length; write days, such as 30d"))
            }
            None => Err(usual()),
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (suffix, unit) =
            EXACT.iter().rev().find(|(_, unit)| self.0.is_multiple_of(*unit)).copied().unwrap_or(EXACT[0]);
        write!(f, "{}{suffix}", self.0 / unit)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Length, D::Error> {
        crate::read_text(deserializer, "a length of time such as 30s", str::parse)
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl schemars::JsonSchema for Length {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Length".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": "^[1-9][0-9]*(ms|s|m|h|d|w)$",
            "description": "A length of time: 500ms, 30s, 5m, 24h, 7d or 4w."
        })
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
            "type": "string", "pattern": "^[1-9][0-9]*(min|h|d|w|mo|y)$",
            "description": "A span of calendar time: 30min, 24h, 90d, 12w, 6mo or 1y."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["30min", "24h", "90d", "12w", "6mo", "1y"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn says_how_to_write_a_span() {
        for text in ["", "0d", "d", "3", "3 d", "-1d", "3x", "99999999999d"] {
            assert_eq!(
                text.parse::<Span>().unwrap_err().to_string(),
                format!("'{text}' is not a span of time; write a number and a unit, such as 24h, 90d, 12w, 6mo or 1y")
            );
        }
    }

    #[test]
    fn spans_of_a_fixed_length_have_minutes() {
        let minutes = |text: &str| text.parse::<Span>().unwrap().minutes();
        assert_eq!([minutes("15min"), minutes("2h"), minutes("1d")], [Some(15), Some(120), Some(1_440)]);
        assert_eq!([minutes("2w"), minutes("1mo"), minutes("1y")], [Some(20_160), None, None]);
    }

    #[test]
    fn minutes_are_never_months() {
        let failure = |text: &str| text.parse::<Span>().unwrap_err().to_string();
        assert_eq!(failure("6m"), "'6m' is not a span of time; write 6min for minutes, 6mo for months");
        assert_eq!(
            failure("90s"),
            "'90s' is not a span of time; the shortest unit here is the minute; write 1min or more"
        );
    }

    #[test]
    fn a_length_takes_equally_long_everywhere() {
        let cases = [
            ("500ms", "500ms", 500),
            ("30s", "30s", 30_000),
            ("90s", "90s", 90_000),
            ("5m", "5m", 300_000),
            ("24h", "1d", 86_400_000),
            ("7d", "1w", 604_800_000),
            ("4w", "4w", 2_419_200_000),
        ];
        for (text, shown, milliseconds) in cases {
            let length: Length = text.parse().unwrap();
            assert_eq!((length.to_string().as_str(), length.duration().as_millis()), (shown, milliseconds));
        }
        for text in ["", "0s", "5", "m", "5 m", "-1s", "1x", "99999999999999999999s", "18446744073709551615d"] {
            let error = text.parse::<Length>().unwrap_err().to_string();
            assert!(error.ends_with("write a number and a unit, such as 500ms, 30s, 5m, 24h or 7d"), "{error}");
        }
        assert_eq!(
            "6mo".parse::<Length>().unwrap_err().to_string(),
            "'6mo' is not a length of time; months and years differ in length; write days, such as 30d"
        );
    }
}
