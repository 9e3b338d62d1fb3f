//! A time as people write it.

use std::borrow::Cow;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use spec::{Error, Result};

/// A day, or a day and a time; UTC unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PointInTime {
    /// Microseconds since 1970.
    pub micros: i64,
}

impl FromStr for PointInTime {
    type Err = Error;

    fn from_str(text: &str) -> Result<PointInTime> {
        let moment = values::iso_datetime(text.as_bytes()).ok_or_else(|| {
            Error::cannot_run(format!("'{text}' is not a time"))
                .hint("write a day such as 2026-01-01, or a time such as 2026-01-01T08:30 (UTC)")
        })?;
        Ok(PointInTime { micros: moment.micros() })
    }
}

impl<'de> Deserialize<'de> for PointInTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<PointInTime, D::Error> {
        spec::read_text(deserializer, "a day or a time, such as 2026-01-01T08:30", str::parse)
    }
}

impl JsonSchema for PointInTime {
    fn schema_name() -> Cow<'static, str> {
        "PointInTime".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let zero = |text: &str| text.parse::<PointInTime>().map(|time| time.micros).map_err(|error| error.to_string());
        // 2026-01-02T03:04:05Z is 1767323045.
        for (text, seconds) in [
            ("2026-01-02", 1_767_312_000),
            ("2026-01-02T03:04", 1_767_323_040),
            ("2026-01-02 03:04:05", 1_767_323_045),
            ("2026-01-02T03:04:05Z", 1_767_323_045),
            ("2026-01-02T03:04:05+09:00", 1_767_290_645),
        ] {
            assert_eq!(zero(text), Ok(seconds * 1_000_000), "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "02.01.2026", "2026-01-02T25:00"] {
            assert_eq!(
                zero(text).unwrap_err(),
                format!(
                    "'{text}' is not a time; write a day such as 2026-01-01, or a time such as 2026-01-01T08:30 (UTC)"
                )
            );
        }
    }
}
