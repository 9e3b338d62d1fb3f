//! Values as YAML writes them, turned into the types of columns.

use std::fmt;

use artifact::dtype;
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Utc};
use polars::prelude::{AnyValue, DataType, Expr, Scalar as Cell, TimeUnit, lit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use spec::{ColumnType, Error, Result, Scalar};

/// A value as a literal of a column's type; an error says what it is not.
pub(crate) fn literal(value: &Scalar, of: &DataType) -> Result<Expr> {
    let not = |what: &str| Error::cannot_run(format!("{value} is not {what}"));
    // What is compared with a float32 is meant as one: 0.1 is the float32 that is nearest to it.
    if let (DataType::Float32, Some(narrow)) = (of, float32(value)) {
        return Ok(lit(narrow));
    }
    match (of, value) {
        (DataType::String | DataType::Categorical(..) | DataType::Enum(..), Scalar::Text(text)) => {
            Ok(lit(text.as_str()))
        }
        (DataType::String | DataType::Categorical(..) | DataType::Enum(..), _) => {
            Err(not("text").hint(format!("put it in quotes: \"{value}\"")))
        }
        (DataType::Boolean, Scalar::Bool(truth)) => Ok(lit(*truth)),
        (DataType::Boolean, _) => Err(not("true or false")),
        // Beside a signed literal both would be compared as floats.
        (DataType::UInt64, Scalar::Int(number)) if *number >= 0 => Ok(lit(*number as u64)),
        // Beside a float integers of more than 53 bits would be compared as floats, too.
        (dtype, Scalar::Float(number)) if dtype.is_integer() && is_whole(*number, dtype) => match *number < 0.0 {
            true => Ok(lit(*number as i64)),
            false if *dtype == DataType::UInt64 => Ok(lit(*number as u64)),
            false => Ok(lit(*number as i64)),
        },
        (DataType::Decimal(_, scale), _) => match value {
            Scalar::Bool(_) => Err(not("a number")),
            Scalar::Text(text) => decimal(text, *scale).ok_or_else(|| {
                not(&format!("a number of up to {scale} decimals")).hint("write it as the column has it: '12.50'")
            }),
            // A float keeps 15 digits as they were written.
            Scalar::Float(number) if digits(*number) > 15 && number.abs() < 1e38 => {
                Err(Error::cannot_run(format!("{number} is perhaps not what was written: a number keeps 15 digits"))
                    .hint("put all its digits in quotes"))
            }
            number => Ok(decimal(&number.to_string(), *scale).unwrap_or_else(|| as_float(number))),
        },
        (dtype, Scalar::Int(number)) if dtype.is_float() && *number as f64 as i128 != i128::from(*number) => {
            let near = *number as f64;
            Err(not("a float64, which would round it")
                .hint(format!("write the float64 that is meant, such as {near:?}")))
        }
        (dtype, Scalar::Int(number)) if dtype.is_numeric() => Ok(lit(*number)),
        (dtype, Scalar::Float(number)) if dtype.is_numeric() => Ok(lit(*number)),
        (dtype, _) if dtype.is_numeric() => Err(not("a number")),
        (DataType::Date, Scalar::Text(text)) => match text.parse::<Moment>() {
            Ok(Moment { time, whole_day: true }) => Ok(lit(time).cast(DataType::Date)),
            _ => Err(not("a day").hint("write it as 2024-12-31")),
        },
        (DataType::Datetime(unit, _), Scalar::Text(text)) => {
            let time = text.parse::<Moment>()?.time.and_utc();
            let ticks = match unit {
                TimeUnit::Milliseconds => Some(time.timestamp_millis()),
                TimeUnit::Microseconds => Some(time.timestamp_micros()),
                TimeUnit::Nanoseconds => time.timestamp_nanos_opt(),
            };
            let ticks = ticks.ok_or_else(|| not("a timestamp between 1677 and 2262"))?;
            Ok(lit(ticks).cast(of.clone()))
        }
        (DataType::Date | DataType::Datetime(..), _) => Err(not("a date or timestamp").hint("write it as 2024-12-31")),
        (other, _) => Err(not(&format!("comparable with {other}"))),
    }
}

/// The float32 that a number in YAML means; none for one that would lose more than its last digits, such as 16777217.
pub(crate) fn float32(value: &Scalar) -> Option<f32> {
    match value {
        Scalar::Int(_) | Scalar::Float(_) => values::numbers::float32(value.to_string().as_bytes()),
        Scalar::Bool(_) | Scalar::Text(_) => None,
    }
}

/// Whether a float is an integer that 64 bits hold, as the column does.
fn is_whole(number: f64, of: &DataType) -> bool {
    let least = if *of == DataType::UInt64 { 0.0 } else { i64::MIN as f64 };
    let beyond = if *of == DataType::UInt64 { u64::MAX as f64 } else { i64::MAX as f64 };
    number.fract() == 0.0 && number >= least && number < beyond
}

/// How many digits a number has, from the first to the last that is not zero.
fn digits(number: f64) -> usize {
    let text = number.abs().to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.trim_start_matches('0').trim_end_matches('0').len()
}

/// A decimal number to the digit; none if it has more decimals than `scale`, or more digits than a decimal holds.
pub(crate) fn decimal(text: &str, scale: usize) -> Option<Expr> {
    const MOST: usize = 38;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (sign, whole) = whole.strip_prefix('-').map_or((1, whole), |whole| (-1, whole));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = fraction.len() <= scale && whole.len() + scale <= MOST;
    if !(fits && all_digits(whole) && all_digits(fraction) && text.bytes().any(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let units = format!("{whole}{fraction:0<scale$}");
    let units = if units.is_empty() { 0 } else { units.parse::<i128>().ok()? };
    Some(lit(Cell::new(DataType::Decimal(MOST, scale), AnyValue::Decimal(sign * units, MOST, scale))))
}

/// A number beyond what a decimal of the column's scale holds.
fn as_float(number: &Scalar) -> Expr {
    match number {
        Scalar::Int(number) => lit(*number),
        Scalar::Float(number) => lit(*number),
        _ => lit(f64::NAN),
    }
}

/// A day (its midnight) or a timestamp in UTC, written `2024-12-31` or `2024-12-31 18:30:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    time: NaiveDateTime,
    whole_day: bool,
}

impl Moment {
    pub fn utc(self) -> DateTime<Utc> {
        self.time.and_utc()
    }
}

impl std::str::FromStr for Moment {
    type Err = Error;
    fn from_str(text: &str) -> Result<Moment> {
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Ok(Moment { time: day.and_time(chrono::NaiveTime::MIN), whole_day: true });
        }
        let plain = text.trim_end_matches('Z').replace('T', " ");
        ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(&plain, format).ok())
            .map(|time| Moment { time, whole_day: false })
            .ok_or_else(|| {
                Error::cannot_run(format!("'{text}' is not a date or timestamp"))
                    .hint("write it as 2024-12-31 or 2024-12-31 18:30:00")
            })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.whole_day {
            true => write!(f, "{}", self.time.format("%Y-%m-%d")),
            false => write!(f, "{}", self.time.format("%Y-%m-%d %H:%M:%S")),
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        spec::read_text(deserializer, "a date or timestamp", str::parse)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl schemars::JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A date (its midnight) or a timestamp, in UTC: 2024-12-31 or 2024-12-31 18:30:00."
        })
    }
}

/// The timestamp of a summary's physical number: days, or ticks of the column's unit, since 1970.
pub(crate) fn moment_of(physical: i64, of: &DataType) -> Option<DateTime<Utc>> {
    match of {
        DataType::Date => Utc.timestamp_opt(physical.checked_mul(86_400)?, 0).single(),
        DataType::Datetime(TimeUnit::Milliseconds, _) => Utc.timestamp_millis_opt(physical).single(),
        DataType::Datetime(TimeUnit::Microseconds, _) => Utc.timestamp_micros(physical).single(),
        DataType::Datetime(TimeUnit::Nanoseconds, _) => Some(Utc.timestamp_nanos(physical)),
        _ => None,
    }
}

/// Whether a column of this type has the type that YAML names. Moments count whatever their unit or zone.
pub(crate) fn is_of(of: &DataType, wanted: ColumnType) -> bool {
    match wanted {
        ColumnType::Datetime => matches!(of, DataType::Datetime(..)),
        ColumnType::Category => matches!(of, DataType::Categorical(..) | DataType::Enum(..)),
        _ => of == &dtype(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_as_people_write_them() {
        for (text, shown) in [
            ("2024-12-31", "2024-12-31"),
            ("2024-12-31 18:30", "2024-12-31 18:30:00"),
            ("2024-12-31T18:30:05Z", "2024-12-31 18:30:05"),
        ] {
            assert_eq!(text.parse::<Moment>().unwrap().to_string(), shown);
        }
        assert_eq!(
            "31.12.2024".parse::<Moment>().unwrap_err().to_string(),
            "'31.12.2024' is not a date or timestamp; write it as 2024-12-31 or 2024-12-31 18:30:00"
        );
    }

    #[test]
    fn a_value_of_another_type_says_what_it_is_not() {
        let failure = |value: Scalar, of: DataType| literal(&value, &of).unwrap_err().to_string();
        assert_eq!(failure(Scalar::Int(1), DataType::String), "1 is not text; put it in quotes: \"1\"");
        assert_eq!(failure(Scalar::Text("web".into()), DataType::Int64), "web is not a number");
        assert_eq!(failure(Scalar::Int(1), DataType::Boolean), "1 is not true or false");
        assert_eq!(
            failure(Scalar::Text("2024-12-31 12:00".into()), DataType::Date),
            "2024-12-31 12:00 is not a day; write it as 2024-12-31"
        );
        assert_eq!(
            failure(Scalar::Int((1 << 53) + 1), DataType::Float64),
            "9007199254740993 is not a float64, which would round it; write the float64 that is meant, such as \
             9007199254740992.0"
        );
    }
}
