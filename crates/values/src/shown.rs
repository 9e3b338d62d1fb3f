//! How a value of a table is shown to people.

use chrono::DateTime;
use polars::prelude::{AnyValue, DataType, TimeUnit};

use crate::calendar;

/// A value as text for a page: `number` writes fractions, dates and timestamps are in ISO 8601 with whole seconds, and a
/// missing value is empty.
pub fn shown(dtype: &DataType, value: &AnyValue<'_>, number: impl Fn(f64) -> String) -> String {
    // A table of one row gives values that it owns.
    match &value.as_borrowed() {
        AnyValue::Null => String::new(),
        AnyValue::Boolean(value) => if *value { "yes" } else { "no" }.to_owned(),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::Float64(value) => number(*value),
        AnyValue::Float32(value) => number(f64::from(*value)),
        AnyValue::Date(day) => calendar::day_text((*day).into()),
        AnyValue::Datetime(ticks, unit, _) => {
            let per_second = match unit {
                TimeUnit::Nanoseconds => 1_000_000_000,
                TimeUnit::Microseconds => 1_000_000,
                TimeUnit::Milliseconds => 1000,
            };
            let time = DateTime::from_timestamp(ticks.div_euclid(per_second), 0);
            time.map(|time| time.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
        }
        value if dtype.is_integer() => value.extract::<i128>().map(|value| value.to_string()).unwrap_or_default(),
        other => other.str_value().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(dtype: DataType, value: AnyValue<'_>) -> String {
        shown(&dtype, &value, |number| format!("{number:.1}"))
    }

    #[test]
    fn the_largest_whole_numbers_are_shown() {
        assert_eq!(text(DataType::UInt64, AnyValue::UInt64(u64::MAX)), "18446744073709551615");
        assert_eq!(text(DataType::Int64, AnyValue::Int64(i64::MIN)), "-9223372036854775808");
        assert_eq!(text(DataType::Int64, AnyValue::Null), "");
        assert_eq!(text(DataType::Float32, AnyValue::Float32(0.25)), "0.2");
    }

    /// As a float the last nanosecond of a second is the next second.
    #[test]
    fn timestamps_are_cut_to_the_second_never_rounded() {
        let shown = |ticks, unit| text(DataType::Datetime(unit, None), AnyValue::Datetime(ticks, unit, None));
        assert_eq!(shown(1_700_000_000_999_999_999, TimeUnit::Nanoseconds), "2023-11-14 22:13:20");
        assert_eq!(shown(253_402_300_799_999_999, TimeUnit::Microseconds), "9999-12-31 23:59:59");
        assert_eq!(shown(-1, TimeUnit::Milliseconds), "1969-12-31 23:59:59");
        assert_eq!(text(DataType::Date, AnyValue::Date(-1)), "1969-12-31");
    }
}
