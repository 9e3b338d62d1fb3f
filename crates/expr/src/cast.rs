//! `CAST`: what becomes of each value. Which type becomes which says the table of crate `values`, where the step `cast` and
//! all sources look, too. What would lose something is refused; `TRY_CAST` gives null for it.

use std::borrow::Cow;

use polars::prelude::*;
pub(crate) use values::Sort;
use values::{calendar, iso_date, iso_datetime, iso_time, numbers};

use crate::kernel::Refusal;
use crate::node::Target;
use crate::value::{DAY, SECOND, Value, range};

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

/// What a column holds, as far as expressions know it: not timestamps of other zones than UTC, and not bytes.
pub(crate) fn sort_of(dtype: &DataType) -> Option<Sort> {
    Sort::of(dtype).filter(|sort| !matches!(sort, Sort::Instant | Sort::Bytes))
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
    Ok(match (value, sort_of(to)) {
        (Bool(truth), Some(Sort::Int)) => Int(i128::from(*truth)),
        (Bool(truth), Some(Sort::Float)) => Float(f64::from(u8::from(*truth))),
        (Bool(truth), Some(Sort::Decimal)) => scaled(i128::from(*truth), 0)?,
        (Int(wide), Some(Sort::Int)) => whole(*wide)?,
        (Int(wide), Some(Sort::Float)) => match exact_float(*wide, to) {
            Some(float) => Float(float),
            None => return lost("write x + 0.0 if rounding does no harm, or TRY_CAST for null"),
        },
        (Int(wide), Some(Sort::Decimal)) => scaled(*wide, 0)?,
        (Int(0), Some(Sort::Bool)) => Bool(false),
        (Int(1), Some(Sort::Bool)) => Bool(true),
        (Float(float), Some(Sort::Bool)) if *float == 0.0 || *float == 1.0 => Bool(*float == 1.0),
        (Decimal(digits, behind), Some(Sort::Bool)) if matches!(rescaled(*digits, *behind, 0), Some(0 | 1)) => {
            Bool(*digits != 0)
        }
        (Int(_) | Float(_) | Decimal(..), Some(Sort::Bool)) => {
            return unread("only 0 and 1 are; write x <> 0, or TRY_CAST for null");
        }
        (Float(float), Some(Sort::Int)) => {
            if !float.is_finite() || float.abs() > 1e30 {
                return unread(TRY);
            }
            if float.trunc() != *float {
                return lost(ROUND);
            }
            whole(*float as i128)?
        }
        (Float(float), Some(Sort::Float)) if *to == DataType::Float32 && float.is_finite() => {
            match numbers::narrow(*float) {
                Some(narrow) => Float(f64::from(narrow)),
                None => return lost("keep it as DOUBLE"),
            }
        }
        (Float(float), Some(Sort::Float)) => Float(*float),
        (Float(float), Some(Sort::Decimal)) => match literal_digits(&format!("{float}")) {
            Some((digits, behind)) => scaled(digits, behind)?,
            None => return unread(TRY),
        },
        (Decimal(digits, behind), Some(Sort::Int)) => match rescaled(*digits, *behind, 0) {
            Some(wide) => whole(wide)?,
            None => return lost(ROUND),
        },
        (Decimal(..), Some(Sort::Float)) => match float(&text(value), to) {
            Some(float) => Float(float),
            None => return lost("write x + 0.0 if rounding does no harm, or TRY_CAST for null"),
        },
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

/// A text read as another sort, as sources read it; nothing if it cannot be.
fn from_text<'a>(text: &Cow<'a, str>, sort: Sort, to: &DataType) -> Option<Result<Value<'a>, Refusal>> {
    let bare = text.trim_ascii();
    let bytes = bare.as_bytes();
    match sort {
        Sort::Text => Some(Ok(Value::Text(text.clone()))),
        Sort::Int => {
            let wide = numbers::int(bytes).map(i128::from).or_else(|| numbers::uint(bytes).map(i128::from))?;
            Some(converted(&Value::Int(wide), to))
        }
        Sort::Float => Some(Ok(Value::Float(float(bare, to)?))),
        Sort::Decimal => literal_digits(bare).map(|(digits, behind)| converted(&Value::Decimal(digits, behind), to)),
        Sort::Bool => numbers::bool(bytes).map(|truth| Ok(Value::Bool(truth))),
        Sort::Date => iso_date(bytes).map(|days| Ok(Value::Date(days))),
        Sort::Moment => iso_datetime(bytes).map(|moment| Ok(Value::Moment(i128::from(moment.micros()) * 1000))),
        Sort::Time => iso_time(bytes).map(|nanos| Ok(Value::Time(nanos))),
        Sort::Duration | Sort::Instant | Sort::Bytes => None,
    }
}

/// A number of a type of floats, correctly rounded.
fn float(text: &str, to: &DataType) -> Option<f64> {
    match to {
        DataType::Float32 => numbers::float32(text.as_bytes()).map(f64::from),
        _ => numbers::float(text.as_bytes()),
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
        Value::Date(days) => calendar::day_text(i64::from(*days)),
        Value::Moment(nanos) => {
            format!("{} {}", calendar::day_text(nanos.div_euclid(DAY) as i64), clock(nanos.rem_euclid(DAY)))
        }
        Value::Time(nanos) => clock(i128::from(*nanos)),
        Value::Duration(nanos) => format!("{} s", *nanos as f64 / SECOND as f64),
    }
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
