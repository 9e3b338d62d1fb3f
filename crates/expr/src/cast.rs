//! `CAST`: which type becomes which, and what becomes of each value. What would lose something is refused;
//! `TRY_CAST` gives null for it.

use std::borrow::Cow;

use polars::prelude::*;

use crate::kernel::Refusal;
use crate::literal;
use crate::node::Target;
use crate::value::{DAY, SECOND, Value, decimal_as_float, range};

/// The table type of a target.
pub(crate) fn dtype(target: &Target) -> DataType {
    match target {
        Target::Bool => DataType::Boolean,
        Target::Integer(8, true) => DataType::Int8,
        Target::Integer(16, true) => DataType::Int16,
        Target::Integer(32, true) => DataType::Int32,
        Target::Integer(_, true) => DataType::Int64,
        Target::Integer(8, false) => DataType::UInt8,
        Target::Integer(16, false) => DataType::UInt16,
        Target::Integer(32, false) => DataType::UInt32,
        Target::Integer(_, false) => DataType::UInt64,
        Target::Float32 => DataType::Float32,
        Target::Float64 => DataType::Float64,
        Target::Decimal(digits, behind) => DataType::Decimal(*digits, *behind),
        Target::Text => DataType::String,
        Target::Date => DataType::Date,
        Target::Moment => DataType::Datetime(TimeUnit::Microseconds, None),
        Target::Time => DataType::Time,
    }
}

/// The sorts of types that the table of casts tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Bool,
    Int,
    Float,
    Decimal,
    Text,
    Date,
    Moment,
    Time,
    Duration,
}

impl Sort {
    pub fn of(dtype: &DataType) -> Option<Sort> {
        Some(match dtype {
            DataType::Boolean => Sort::Bool,
            dtype if dtype.is_integer() => Sort::Int,
            dtype if dtype.is_float() => Sort::Float,
            DataType::Decimal(..) => Sort::Decimal,
            DataType::String | DataType::Categorical(..) | DataType::Enum(..) => Sort::Text,
            DataType::Date => Sort::Date,
            DataType::Datetime(_, None) => Sort::Moment,
            // Moments without a zone are those of UTC. In other zones days and hours begin elsewhere.
            DataType::Datetime(_, Some(zone)) if is_utc(zone) => Sort::Moment,
            DataType::Time => Sort::Time,
            DataType::Duration(_) => Sort::Duration,
            _ => return None,
        })
    }
}

fn is_utc(zone: &TimeZone) -> bool {
    ["UTC", "Etc/UTC", "+00:00", "Z"].contains(&zone.as_str())
}

/// The table of casts: from, to, and what they give. What is not in it is refused when the expression is read.
pub const CASTS: &[(&str, &str, &str)] = &[
    ("any", "itself", "the same"),
    ("integer", "integer", "the same number; refused beyond the width"),
    ("integer", "float", "the same number; refused where the float has no such number, as beyond 2^53"),
    ("integer", "decimal", "the same number; refused with too many digits"),
    ("integer", "boolean", "0 is false, 1 is true; all else is refused"),
    ("float", "integer", "the same number; refused with a fraction or beyond the width"),
    ("float", "float", "the nearest; refused beyond the width"),
    ("float", "decimal", "the digits as shown; refused if more of them stand behind the point"),
    ("decimal", "integer", "the same number; refused with a fraction or beyond the width"),
    ("decimal", "float", "the nearest"),
    ("decimal", "decimal", "the same number; refused if digits would be lost"),
    ("boolean", "integer", "0 or 1"),
    ("text", "integer", "digits with a sign or without; blanks around them are passed over"),
    ("text", "float", "a number; refused beyond float64, and whole numbers that it would round"),
    ("text", "decimal", "a number with a point or without; refused with more digits"),
    ("text", "boolean", "true, t, yes, y, 1 or false, f, no, n, 0 in any case"),
    ("text", "date", "`YYYY-MM-DD`"),
    ("text", "timestamp", "`YYYY-MM-DD`, with a time behind `T` or a blank"),
    ("text", "time", "`HH:MM`, `HH:MM:SS` or `HH:MM:SS.ffffff`"),
    ("any plain type", "text", "as shown: `2024-01-31`, `2024-01-31 12:30:00`, `12.0`, `true`"),
    ("date", "timestamp", "its midnight"),
    ("timestamp", "date", "its day"),
    ("timestamp", "time", "its time of the day"),
    ("timestamp", "timestamp", "the same moment; refused where nanoseconds would be lost"),
];

/// Whether one sort ever becomes the other.
pub(crate) fn is_known(from: Sort, to: Sort) -> bool {
    use Sort::*;
    let text = to == Text && from != Duration;
    from == to && from != Duration
        || text
        || matches!(
            (from, to),
            (Int, Float | Decimal | Bool)
                | (Float, Int | Decimal)
                | (Decimal, Int | Float)
                | (Bool, Int)
                | (Text, Int | Float | Decimal | Bool | Date | Moment | Time)
                | (Date, Moment)
                | (Moment, Date | Time)
        )
}

/// The way out where there is no such cast.
pub(crate) fn instead(from: Sort, to: Sort) -> &'static str {
    use Sort::*;
    match (from, to) {
        (Date | Moment, Int | Float) => {
            "write epoch(x) for seconds, or date_diff('day', DATE '1970-01-01', x) for days"
        }
        (Int, Date) => "write DATE '1970-01-01' + x if it counts days",
        (Int | Float, Moment) => "write TIMESTAMP '1970-01-01' + to_seconds(x) if it counts seconds",
        (Duration, _) => "write epoch(x) for its seconds",
        (Float | Decimal, Bool) => "write x <> 0",
        _ => "docs/sql.md lists the casts",
    }
}

/// A value as a value of `to`, a type of the sort that the table allows.
pub(crate) fn converted<'a>(value: &Value<'a>, to: &DataType) -> Result<Value<'a>, Refusal> {
    let lost =
        |hint: &'static str| Err(Refusal::new(format!("{} as {} would lose something", value.shown(), name(to)), hint));
    let unread = |hint: &'static str| Err(Refusal::new(format!("{} is not {}", value.shown(), article(to)), hint));
    const ROUND: &str = "write round(x), floor(x), ceil(x) or trunc(x) around it, or TRY_CAST for null";
    const TRY: &str = "TRY_CAST gives null for such values";
    use Value::{Bool, Date, Decimal, Float, Int, Moment, Text, Time};
    let whole = |wide: i128| -> Result<Value<'a>, Refusal> {
        let (low, high) = range(to);
        if (low..=high).contains(&wide) {
            return Ok(Int(wide));
        }
        Err(Refusal::new(
            format!("{} is beyond {}", value.shown(), name(to)),
            "cast to a wider type, or write TRY_CAST for null",
        ))
    };
    let scaled = |digits: i128, behind: u32| -> Result<Value<'a>, Refusal> {
        let DataType::Decimal(most, scale) = to else { return unread(TRY) };
        match rescaled(digits, behind, *scale as u32) {
            Some(held) if held.unsigned_abs() < 10u128.pow(*most as u32) => Ok(Decimal(held, *scale as u32)),
            _ => lost("write round(x, digits) around it, or name a decimal of more digits"),
        }
    };
    Ok(match (value, Sort::of(to)) {
        (Bool(truth), Some(Sort::Int)) => Int(i128::from(*truth)),
        (Int(wide), Some(Sort::Int)) => whole(*wide)?,
        (Int(wide), Some(Sort::Float)) => match exact_float(*wide, to) {
            Some(float) => Float(float),
            None => return lost("write x + 0.0 if rounding does no harm, or TRY_CAST for null"),
        },
        (Int(wide), Some(Sort::Decimal)) => scaled(*wide, 0)?,
        (Int(0), Some(Sort::Bool)) => Bool(false),
        (Int(1), Some(Sort::Bool)) => Bool(true),
        (Int(_), Some(Sort::Bool)) => return unread("only 0 and 1 are; write x <> 0, or TRY_CAST for null"),
        (Float(float), Some(Sort::Int)) => {
            if !float.is_finite() || float.abs() > 1e30 {
                return unread(TRY);
            }
            if float.trunc() != *float {
                return lost(ROUND);
            }
            whole(*float as i128)?
        }
        (Float(float), Some(Sort::Float)) => {
            if *to == DataType::Float32 && float.is_finite() && !(*float as f32).is_finite() {
                return lost("keep it as DOUBLE");
            }
            Float(*float)
        }
        (Float(float), Some(Sort::Decimal)) => match literal_digits(&format!("{float}")) {
            Some((digits, behind)) => scaled(digits, behind)?,
            None => return unread(TRY),
        },
        (Decimal(digits, behind), Some(Sort::Int)) => match rescaled(*digits, *behind, 0) {
            Some(wide) => whole(wide)?,
            None => return lost(ROUND),
        },
        (Decimal(digits, behind), Some(Sort::Float)) => Float(decimal_as_float(*digits, *behind)),
        (Decimal(digits, behind), Some(Sort::Decimal)) => scaled(*digits, *behind)?,
        (Text(text), Some(sort)) => return from_text(text, sort, to).unwrap_or_else(|| unread(TRY)),
        (Date(days), Some(Sort::Moment)) => Moment(i128::from(*days) * DAY),
        (Moment(nanos), Some(Sort::Date)) => match i32::try_from(nanos.div_euclid(DAY)) {
            Ok(days) => Date(days),
            Err(_) => return unread(TRY),
        },
        (Moment(nanos), Some(Sort::Time)) => Time(nanos.rem_euclid(DAY) as i64),
        (Moment(nanos), Some(Sort::Moment)) => {
            let DataType::Datetime(unit, _) = to else { return unread(TRY) };
            if nanos % crate::value::tick(*unit) != 0 {
                return lost("keep the column as it is");
            }
            Moment(*nanos)
        }
        (other, Some(Sort::Text)) => Text(Cow::Owned(text(other))),
        (other, _) => other.clone(),
    })
}

/// A text read as another sort; nothing if it cannot be.
fn from_text<'a>(text: &Cow<'a, str>, sort: Sort, to: &DataType) -> Option<Result<Value<'a>, Refusal>> {
    let bare = text.trim();
    let again = |value: Value<'a>| Some(converted(&value, to));
    match sort {
        Sort::Text => Some(Ok(Value::Text(text.clone()))),
        Sort::Int => {
            let digits = bare.strip_prefix(['-', '+']).unwrap_or(bare);
            let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            all_digits.then(|| bare.parse().ok()).flatten().and_then(|wide| again(Value::Int(wide)))
        }
        Sort::Float => {
            let is_number = bare.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
            let float: f64 = is_number.then(|| bare.parse().ok()).flatten()?;
            if !float.is_finite() {
                return None;
            }
            match bare.parse::<i128>() {
                Ok(wide) => again(Value::Int(wide)),
                Err(_) => again(Value::Float(float)),
            }
        }
        Sort::Decimal => literal_digits(bare).and_then(|(digits, behind)| again(Value::Decimal(digits, behind))),
        Sort::Bool => match bare.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => Some(Ok(Value::Bool(true))),
            "false" | "f" | "no" | "n" | "0" => Some(Ok(Value::Bool(false))),
            _ => None,
        },
        Sort::Date => literal::date(bare).map(|days| Ok(Value::Date(days))),
        Sort::Moment => literal::moment(bare).map(|micros| Ok(Value::Moment(i128::from(micros) * 1000))),
        Sort::Time => literal::time(bare).map(|nanos| Ok(Value::Time(nanos))),
        Sort::Duration => None,
    }
}

/// The digits of a number written with a point or without, and how many stand behind it.
pub(crate) fn literal_digits(text: &str) -> Option<(i128, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let bare = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(bare) || !is_digits(fraction) || bare.is_empty() && fraction.is_empty() || fraction.len() > 38 {
        return None;
    }
    Some((format!("{whole}{fraction}").parse().ok()?, fraction.len() as u32))
}

/// The same number with `to` digits behind the point; nothing if some would be lost or i128 left.
pub(crate) fn rescaled(digits: i128, from: u32, to: u32) -> Option<i128> {
    match to >= from {
        true => digits.checked_mul(10i128.pow(to - from)),
        false => {
            let unit = 10i128.pow(from - to);
            (digits % unit == 0).then_some(digits / unit)
        }
    }
}

/// The float that is this integer, if there is one.
fn exact_float(wide: i128, to: &DataType) -> Option<f64> {
    let float = if *to == DataType::Float32 { f64::from(wide as f32) } else { wide as f64 };
    (float as i128 == wide).then_some(float)
}

/// A value as text.
pub(crate) fn text(value: &Value<'_>) -> String {
    match value {
        Value::Bool(truth) => truth.to_string(),
        Value::Int(wide) => wide.to_string(),
        Value::Float(float) => format!("{float:?}"),
        Value::Decimal(digits, 0) => digits.to_string(),
        Value::Decimal(digits, behind) => {
            let (sign, bare) = if *digits < 0 { ("-", digits.unsigned_abs()) } else { ("", digits.unsigned_abs()) };
            let unit = 10u128.pow(*behind);
            format!("{sign}{}.{:0width$}", bare / unit, bare % unit, width = *behind as usize)
        }
        Value::Text(text) => text.to_string(),
        Value::Date(days) => date(i64::from(*days)),
        Value::Moment(nanos) => {
            format!("{} {}", date(nanos.div_euclid(DAY) as i64), clock(nanos.rem_euclid(DAY)))
        }
        Value::Time(nanos) => clock(i128::from(*nanos)),
        Value::Duration(nanos) => format!("{} s", *nanos as f64 / SECOND as f64),
    }
}

fn date(days: i64) -> String {
    let (year, month, day) = literal::civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

fn clock(nanos: i128) -> String {
    let seconds = nanos / SECOND;
    let fraction = nanos % SECOND;
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        text += format!(".{fraction:09}").trim_end_matches('0');
    }
    text
}

/// What errors call a type of values.
pub(crate) fn name(dtype: &DataType) -> String {
    match dtype {
        DataType::Decimal(digits, behind) => format!("decimal({digits}, {behind})"),
        DataType::Boolean => "bool".to_owned(),
        DataType::Duration(_) => "length of time".to_owned(),
        DataType::Datetime(_, Some(zone)) => format!("datetime in {}", zone.as_str()),
        other => artifact::type_name(other),
    }
}

fn article(dtype: &DataType) -> String {
    let name = name(dtype);
    let a = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{a} {name}")
}
