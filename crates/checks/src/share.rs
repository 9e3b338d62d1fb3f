//! Shares of rows, as written in YAML and as shown in findings.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use spec::text::{count, percent};

/// A share between 0 (none) and 1 (all).
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize)]
pub struct Share(f64);

impl Share {
    /// `share` must lie between 0 and 1.
    pub fn new(share: f64) -> Option<Share> {
        (0.0..=1.0).contains(&share).then_some(Share(share))
    }

    /// Whether `part` of `whole` is no more than this share. Nothing of nothing is not a share at all.
    pub fn allows(self, part: u64, whole: u64) -> bool {
        part == 0 || part as f64 / whole as f64 <= self.0
    }

    /// `at most 2 % allowed`
    pub(crate) fn allowed(self) -> String {
        match self.0 {
            0.0 => "none allowed".to_owned(),
            share => format!("at most {} allowed", percent(share)),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&percent(self.0))
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Share, D::Error> {
        deserializer.deserialize_f64(One)
    }
}

/// Checks the number while the parser is at it, so that an error has its place.
struct One;

impl Visitor<'_> for One {
    type Value = Share;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share of rows from 0 to 1")
    }
    fn visit_f64<E: de::Error>(self, share: f64) -> Result<Share, E> {
        Share::new(share).ok_or_else(|| {
            E::custom(format!("{share} is not a share of rows; write a number from 0 to 1, such as 0.01 for 1 %"))
        })
    }
    fn visit_u64<E: de::Error>(self, share: u64) -> Result<Share, E> {
        self.visit_f64(share as f64)
    }
    fn visit_i64<E: de::Error>(self, share: i64) -> Result<Share, E> {
        self.visit_f64(share as f64)
    }
}

impl schemars::JsonSchema for Share {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Share".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

/// `12 of 1000 rows (1.2 %)`
#[derive(Clone, Copy, Debug)]
pub struct Rows(pub u64, pub u64);

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rows(part, whole) = self;
        write!(f, "{part} of {}", count(*whole, "row"))?;
        match whole {
            0 => Ok(()),
            _ => write!(f, " ({})", percent(*part as f64 / *whole as f64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_itself_is_allowed() {
        for (part, whole, share) in [(2, 100, 0.02), (1, 3, 1.0 / 3.0), (7, 700, 0.01), (0, 0, 0.0), (29, 100, 0.29)] {
            assert!(Share(share).allows(part, whole), "{part} of {whole}");
        }
        assert!(!Share(0.02).allows(3, 100));
        assert!(!Share(0.0).allows(1, 1_000_000_000));
    }

    #[test]
    fn shares_are_reported_in_percent() {
        assert_eq!(Rows(12, 1000).to_string(), "12 of 1000 rows (1.2 %)");
        assert_eq!(Rows(1, 3).to_string(), "1 of 3 rows (33.33 %)");
        assert_eq!(Rows(1, 1).to_string(), "1 of 1 row (100 %)");
        assert_eq!(Rows(1, 10_000_000).to_string(), "1 of 10000000 rows (less than 0.01 %)");
        assert_eq!(Share(0.015).allowed(), "at most 1.5 % allowed");
        assert_eq!(Share(0.0).allowed(), "none allowed");
    }
}
