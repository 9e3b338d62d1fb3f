//! How amounts are shown.

use chrono::{DateTime, TimeDelta};
use polars::prelude::{DataType, TimeUnit};

pub use pages::words::{bytes, grouped, number, seconds};

/// How long ago something was: `4 min`, `3 h`, `12 days`.
pub fn age(since: TimeDelta) -> String {
    seconds(since.num_seconds().max(0) as f64)
}

/// The smallest or largest value of a column as people read it: numbers of days and ticks of its type as dates. Without the
/// type such a number is shown as it is.
pub fn bound(value: &serde_json::Value, dtype: Option<&DataType>) -> String {
    let moment = match (value.as_i64(), dtype) {
        (Some(days), Some(DataType::Date)) => DateTime::from_timestamp(days.saturating_mul(86_400), 0),
        (Some(ticks), Some(DataType::Datetime(unit, _))) => match unit {
            TimeUnit::Milliseconds => DateTime::from_timestamp_millis(ticks),
            TimeUnit::Microseconds => DateTime::from_timestamp_micros(ticks),
            TimeUnit::Nanoseconds => Some(DateTime::from_timestamp_nanos(ticks)),
        },
        _ => None,
    };
    match (moment, value) {
        (Some(day), _) if dtype == Some(&DataType::Date) => day.format("%Y-%m-%d").to_string(),
        (Some(moment), _) => moment.format("%Y-%m-%d %H:%M:%S").to_string(),
        (None, serde_json::Value::String(text)) => spec::text::cut(text, 40),
        (None, serde_json::Value::Number(value)) => {
            value.as_f64().map_or_else(|| value.to_string(), spec::text::number)
        }
        (None, other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bounds_are_shown_in_the_kind_of_their_column() {
        assert_eq!(bound(&json!(19_000), Some(&DataType::Date)), "2022-01-08");
        for (unit, ticks) in [
            (TimeUnit::Milliseconds, 1_641_600_000_000i64),
            (TimeUnit::Microseconds, 1_641_600_000_000_000),
            (TimeUnit::Nanoseconds, 1_641_600_000_000_000_000),
        ] {
            assert_eq!(bound(&json!(ticks), Some(&DataType::Datetime(unit, None))), "2022-01-08 00:00:00");
        }
        assert_eq!(bound(&json!(1.5), Some(&DataType::Float64)), "1.5");
        assert_eq!(bound(&json!("abc"), None), "abc");
        assert_eq!([age(TimeDelta::seconds(-3)), age(TimeDelta::hours(5))], ["0 s", "5 h"]);
    }
}
