//! Numbers of specs with their legal ranges, checked while they are read so that the error has its place.

use std::fmt;
use std::ops::Bound;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// A whole number from `MIN` to `MAX`.
pub fn whole<'de, const MIN: u32, const MAX: u32, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    from.deserialize_u32(Whole { min: MIN, max: MAX })
}

/// A share: above 0 and at most 1.
pub fn share<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    from.deserialize_f64(Number { range: (Bound::Excluded(0.0), Bound::Included(1.0)), words: "above 0 and at most 1" })
}

/// A share: above 0 and below 1.
pub fn within<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    from.deserialize_f64(Number { range: (Bound::Excluded(0.0), Bound::Excluded(1.0)), words: "above 0 and below 1" })
}

/// A share that may be nothing or all: from 0 to 1.
pub fn ratio<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    from.deserialize_f64(Number { range: (Bound::Included(0.0), Bound::Included(1.0)), words: "from 0 to 1" })
}

/// A share, above 0 and at most 1, for a setting that may be left out.
pub fn optional_share<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    share(from).map(Some)
}

/// A share from 0 to 1, for a setting that may be left out.
pub fn optional_ratio<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    ratio(from).map(Some)
}

/// A whole number from `MIN` to `MAX`, for a setting that may be left out.
pub fn optional_whole<'de, const MIN: u32, const MAX: u32, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<u32>, D::Error> {
    whole::<MIN, MAX, D>(from).map(Some)
}

/// A number that is 0 or more.
pub fn not_negative<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    from.deserialize_f64(Number { range: (Bound::Included(0.0), Bound::Excluded(f64::INFINITY)), words: "0 or more" })
}

/// A number that is 0 or more, for a setting that may be left out.
pub fn optional_not_negative<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    not_negative(from).map(Some)
}

/// A number above 0.
pub fn positive<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    from.deserialize_f64(Number { range: (Bound::Excluded(0.0), Bound::Excluded(f64::INFINITY)), words: "above 0" })
}

/// The check is in the visitor because only what it refuses is given a place.
struct Whole {
    min: u32,
    max: u32,
}

impl Visitor<'_> for Whole {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {} to {}", self.min, self.max)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u32, E> {
        match u32::try_from(value) {
            Ok(value) if (self.min..=self.max).contains(&value) => Ok(value),
            _ => Err(E::custom(format!("{value} is not from {} to {}", self.min, self.max))),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<u32, E> {
        match u64::try_from(value) {
            Ok(value) => self.visit_u64(value),
            Err(_) => Err(E::custom(format!("{value} is not from {} to {}", self.min, self.max))),
        }
    }
}

struct Number {
    range: (Bound<f64>, Bound<f64>),
    words: &'static str,
}

impl Visitor<'_> for Number {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number that is {}", self.words)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
        use std::ops::RangeBounds;
        if self.range.contains(&value) { Ok(value) } else { Err(E::custom(format!("{value} is not {}", self.words))) }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
        self.visit_f64(value as f64)
    }
}
