//! Expressions with the type of what they give, and the types that several of them have in common.

use polars::prelude::*;
use spec::{Error, Result};

use crate::cast::{self, Sort, sort_of};
use crate::kernel::{Label, row_fn, rows};
use crate::literal;
use crate::node::{Interval, Literal};
use crate::value::{Value, decimal_as_float};

/// An expression of polars and what is known about it.
#[derive(Clone)]
pub(crate) struct Typed {
    pub expr: Expr,
    pub dtype: DataType,
    /// What is written in the text, if it is a single value: such values take the type of what they meet.
    pub literal: Option<Literal>,
    /// Whether it is a float that may be infinite.
    pub open: bool,
}

impl Typed {
    pub fn new(expr: Expr, dtype: DataType) -> Typed {
        Typed { expr, dtype, literal: None, open: false }
    }

    pub fn boolean(expr: Expr) -> Typed {
        Typed::new(expr, DataType::Boolean)
    }

    pub fn null() -> Typed {
        Typed { literal: Some(Literal::Null), ..Typed::new(lit(NULL), DataType::Null) }
    }

    pub fn sort(&self) -> Option<Sort> {
        sort_of(&self.dtype)
    }

    pub fn is_null(&self) -> bool {
        self.dtype == DataType::Null && self.interval().is_none()
    }

    pub fn interval(&self) -> Option<Interval> {
        match self.literal {
            Some(Literal::Interval(interval)) => Some(interval),
            _ => None,
        }
    }

    /// The text literal.
    pub fn text(&self) -> Option<&str> {
        match &self.literal {
            Some(Literal::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// What errors call its type.
    pub fn name(&self) -> String {
        match self.interval() {
            Some(_) => "an interval".to_owned(),
            None => cast::name(&self.dtype),
        }
    }

    /// Refuses months: only where they are added to a day is their length known.
    pub fn check_length(&self) -> Result<()> {
        match self.interval() {
            Some(by) if by.months != 0 => Err(Error::cannot_run("an interval of months has no length of its own")
                .hint("add it to a date or timestamp, such as day + INTERVAL 1 MONTH")),
            _ => Ok(()),
        }
    }

    /// Refuses lists and other values that are not plain; `what` is where they would stand.
    pub fn check_plain(&self, what: &str) -> Result<()> {
        let zoned = matches!(self.dtype, DataType::Datetime(..));
        match self.sort().is_some() || self.is_null() || zoned {
            true => Ok(()),
            false => Err(Error::cannot_run(format!("{what} is {}", self.name())).hint("name a column of plain values")),
        }
    }

    pub fn is_number(&self) -> bool {
        matches!(self.sort(), Some(Sort::Int | Sort::Float | Sort::Decimal))
    }
}

/// A value that is written in the text.
pub(crate) fn of_literal(literal: &Literal) -> Result<Typed> {
    let typed = match literal {
        Literal::Null => return Ok(Typed::null()),
        Literal::Bool(truth) => Typed::boolean(lit(*truth)),
        Literal::Number(digits) => return number(digits),
        Literal::Text(text) => Typed::new(lit(text.as_str()), DataType::String),
        Literal::Date(days) => Typed::new(scalar(DataType::Date, AnyValue::Date(*days)), DataType::Date),
        Literal::Moment(micros) => {
            let dtype = DataType::Datetime(TimeUnit::Microseconds, None);
            Typed::new(scalar(dtype.clone(), AnyValue::Datetime(*micros, TimeUnit::Microseconds, None)), dtype)
        }
        Literal::Time(nanos) => Typed::new(scalar(DataType::Time, AnyValue::Time(*nanos)), DataType::Time),
        Literal::Interval(interval) => match interval.months {
            0 => duration(*interval)?,
            // Only a date knows how long a month is.
            _ => Typed::null(),
        },
    };
    Ok(Typed { literal: Some(literal.clone()), ..typed })
}

fn duration(interval: Interval) -> Result<Typed> {
    let micros = interval.days.checked_mul(literal::DAY_MICROS).and_then(|days| days.checked_add(interval.micros));
    let Some(micros) = micros else {
        return Err(Error::cannot_run("an interval is longer than 292,000 years").hint("write a shorter one"));
    };
    let dtype = DataType::Duration(TimeUnit::Microseconds);
    Ok(Typed::new(scalar(dtype.clone(), AnyValue::Duration(micros, TimeUnit::Microseconds)), dtype))
}

fn number(digits: &str) -> Result<Typed> {
    let literal = Some(Literal::Number(digits.to_owned()));
    let is_whole = !digits.contains(['.', 'e', 'E']);
    if is_whole {
        let typed = match (digits.parse::<i64>(), digits.parse::<u64>()) {
            (Ok(value), _) => Typed::new(scalar(DataType::Int64, AnyValue::Int64(value)), DataType::Int64),
            (_, Ok(value)) => Typed::new(scalar(DataType::UInt64, AnyValue::UInt64(value)), DataType::UInt64),
            _ => {
                return Err(Error::cannot_run(format!("{digits} is beyond the integers of 64 bits"))
                    .hint("write it with a point, as a float"));
            }
        };
        return Ok(Typed { literal, ..typed });
    }
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() => {
            Ok(Typed { literal, ..Typed::new(scalar(DataType::Float64, AnyValue::Float64(value)), DataType::Float64) })
        }
        _ => Err(Error::cannot_run(format!("{digits} is beyond float64")).hint("write a smaller number")),
    }
}

pub(crate) fn scalar(dtype: DataType, value: AnyValue<'static>) -> Expr {
    lit(Scalar::new(dtype, value))
}

/// A literal as a value of `dtype`, where that loses nothing; an error where a text is not such a value.
pub(crate) fn literal_as(typed: &Typed, dtype: &DataType) -> Result<Option<Typed>> {
    let made = |value: AnyValue<'static>| {
        Ok(Some(Typed { literal: typed.literal.clone(), ..Typed::new(scalar(dtype.clone(), value), dtype.clone()) }))
    };
    match (&typed.literal, dtype) {
        (Some(Literal::Number(digits)), dtype) if dtype.is_integer() => {
            let (low, high) = crate::value::range(dtype);
            // 2.0 is 2.
            let whole = |float: f64| (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i128);
            let wide = digits.parse::<i128>().ok().or_else(|| digits.parse().ok().and_then(whole));
            match wide.ok_or(()) {
                Ok(wide) if (low..=high).contains(&wide) => {
                    let expr = match dtype {
                        DataType::UInt64 => scalar(DataType::UInt64, AnyValue::UInt64(wide as u64)),
                        _ => scalar(DataType::Int64, AnyValue::Int64(wide as i64)).cast(dtype.clone()),
                    };
                    Ok(Some(Typed { literal: typed.literal.clone(), ..Typed::new(expr, dtype.clone()) }))
                }
                _ => Ok(None),
            }
        }
        (Some(Literal::Number(digits)), DataType::Float32) => match values::numbers::float32(digits.as_bytes()) {
            Some(value) => made(AnyValue::Float32(value)),
            None => Ok(None),
        },
        (Some(Literal::Number(digits)), DataType::Float64) => match digits.parse::<i64>() {
            // Whole numbers up to here are floats as they stand.
            Ok(wide) if wide.unsigned_abs() <= 1 << 53 => made(AnyValue::Float64(wide as f64)),
            _ => Ok(None),
        },
        (Some(Literal::Text(text)), DataType::Date) => match (literal::date(text), literal::moment(text)) {
            (Some(days), _) => made(AnyValue::Date(days)),
            (None, Some(micros)) => of_literal(&Literal::Moment(micros)).map(Some),
            _ => Err(no_such(text, "a date", "'2024-01-31'")),
        },
        (Some(Literal::Text(text)), DataType::Datetime(..)) => match literal::moment(text) {
            Some(micros) => of_literal(&Literal::Moment(micros)).map(Some),
            None => Err(no_such(text, "a timestamp", "'2024-01-31 12:30:00'")),
        },
        (Some(Literal::Text(text)), DataType::Time) => match literal::time(text) {
            Some(nanos) => made(AnyValue::Time(nanos)),
            None => Err(no_such(text, "a time", "'12:30:00'")),
        },
        _ => Ok(None),
    }
}

fn no_such(text: &str, what: &str, example: &str) -> Error {
    Error::cannot_run(format!("'{text}' is not {what}")).hint(format!("write one as {example}"))
}

/// The decimal that a number in the text is, if it has a point.
pub(crate) fn decimal_literal(typed: &Typed) -> Option<Typed> {
    let Some(Literal::Number(digits)) = &typed.literal else { return None };
    let (held, behind) = cast::literal_digits(digits)?;
    let dtype = DataType::Decimal(crate::arithmetic::DIGITS, behind as usize);
    let value = AnyValue::Decimal(held, crate::arithmetic::DIGITS, behind as usize);
    (held.unsigned_abs() < 10u128.pow(38))
        .then(|| Typed { literal: typed.literal.clone(), ..Typed::new(scalar(dtype.clone(), value), dtype) })
}

/// As float64; what cannot be is left as it is.
pub(crate) fn as_float(label: &Label, typed: Typed) -> Typed {
    let expr = match typed.sort() {
        _ if typed.dtype == DataType::Float64 => return typed,
        Some(Sort::Decimal) => changed(label, typed.expr, DataType::Float64),
        _ => typed.expr.cast(DataType::Float64),
    };
    Typed { expr, dtype: DataType::Float64, literal: None, open: typed.open }
}

/// A value of another type, because it meets one: as a cast makes it, but that decimals become the nearest float.
pub(crate) fn changed(label: &Label, of: Expr, to: DataType) -> Expr {
    let target = to.clone();
    let function = row_fn(move |row| match &row[0] {
        Value::Decimal(digits, behind) if target.is_float() => {
            Ok(Some(Value::Float(decimal_as_float(*digits, *behind))))
        }
        value => cast::converted(value, &target).map(Some),
    });
    rows(label, vec![of], to, function)
}

/// All in one type that holds each of their values; `what` names them in errors, such as "the branches of CASE".
/// Of each counts only the rows where its condition in `only` is true, if there is one.
pub(crate) fn common(
    label: &Label,
    all: Vec<Typed>,
    only: &[Option<Expr>],
    what: &str,
) -> Result<(Vec<Typed>, DataType)> {
    all.iter().try_for_each(Typed::check_length)?;
    let Some(dtype) = common_type(&all, what)? else { return Ok((all, DataType::Null)) };
    let mut out = Vec::with_capacity(all.len());
    for (at, typed) in all.into_iter().enumerate() {
        let typed = match only.get(at) {
            Some(Some(only)) if typed.dtype != dtype && typed.literal.is_none() => {
                Typed { expr: when(only.clone()).then(typed.expr).otherwise(lit(NULL)), ..typed }
            }
            _ => typed,
        };
        out.push(into(label, typed, &dtype)?);
    }
    Ok((out, dtype))
}

fn common_type(all: &[Typed], what: &str) -> Result<Option<DataType>> {
    let mut sum: Option<DataType> = None;
    // Columns first: values that stand in the text take their type where it holds them.
    let (texts, others): (Vec<&Typed>, Vec<&Typed>) =
        all.iter().filter(|typed| !typed.is_null()).partition(|typed| typed.literal.is_some());
    for typed in others.into_iter().chain(texts) {
        sum = Some(match sum {
            None => typed.dtype.clone(),
            Some(sum) if fits(typed, &sum)? => sum,
            Some(sum) => both(&sum, typed).ok_or_else(|| {
                Error::cannot_run(format!("{what} are {} and {}", cast::name(&sum), typed.name()))
                    .hint("make them one type: CAST(… AS …)")
            })?,
        });
    }
    Ok(sum)
}

/// Whether a value that is written in the text can be of the type that others have. 0.0 is meant as a float.
fn fits(typed: &Typed, dtype: &DataType) -> Result<bool> {
    if typed.literal.is_none() || typed.sort() == Some(Sort::Float) && dtype.is_integer() {
        return Ok(false);
    }
    Ok(literal_as(typed, dtype)?.is_some_and(|held| held.dtype == *dtype))
}

/// The type that holds values of both.
fn both(a: &DataType, other: &Typed) -> Option<DataType> {
    let b = &other.dtype;
    if a == b {
        return Some(a.clone());
    }
    let decimal = |dtype: &DataType| match dtype {
        DataType::Decimal(_, behind) => *behind,
        _ => 0,
    };
    Some(match (sort_of(a)?, sort_of(b)?) {
        (Sort::Int, Sort::Int) => DataType::Int64,
        (Sort::Int | Sort::Float, Sort::Float) | (Sort::Float, Sort::Int) => DataType::Float64,
        (Sort::Decimal, Sort::Float) if decimal_literal(other).is_some() => {
            let scale = decimal_literal(other).map_or(0, |held| decimal(&held.dtype));
            DataType::Decimal(crate::arithmetic::DIGITS, decimal(a).max(scale))
        }
        (Sort::Decimal, Sort::Float) | (Sort::Float, Sort::Decimal) => DataType::Float64,
        (Sort::Int | Sort::Decimal, Sort::Int | Sort::Decimal) => {
            DataType::Decimal(crate::arithmetic::DIGITS, decimal(a).max(decimal(b)))
        }
        (Sort::Text, Sort::Text) => DataType::String,
        (Sort::Date | Sort::Moment, Sort::Date | Sort::Moment) => {
            let unit = |dtype: &DataType| match dtype {
                DataType::Datetime(unit, _) => *unit,
                _ => TimeUnit::Milliseconds,
            };
            let finest = [unit(a), unit(b)].into_iter().min_by_key(|unit| crate::value::tick(*unit))?;
            DataType::Datetime(if finest == TimeUnit::Milliseconds { TimeUnit::Microseconds } else { finest }, None)
        }
        (Sort::Duration, Sort::Duration) => DataType::Duration(TimeUnit::Nanoseconds),
        _ => return None,
    })
}

/// One value as the type that all share.
pub(crate) fn into(label: &Label, typed: Typed, dtype: &DataType) -> Result<Typed> {
    if typed.dtype == *dtype {
        return Ok(typed);
    }
    if typed.is_null() {
        return Ok(Typed { literal: typed.literal, ..Typed::new(lit(NULL).cast(dtype.clone()), dtype.clone()) });
    }
    if let Some(held) = literal_as(&typed, dtype)?
        && held.dtype == *dtype
    {
        return Ok(held);
    }
    let open = typed.open;
    let typed = match (sort_of(dtype), decimal_literal(&typed)) {
        (Some(Sort::Decimal), Some(held)) => held,
        _ => typed,
    };
    let expr = match (typed.sort(), sort_of(dtype)) {
        (Some(Sort::Int), Some(Sort::Int)) if typed.dtype != DataType::UInt64 => typed.expr.cast(dtype.clone()),
        (Some(Sort::Text), Some(Sort::Text)) => typed.expr.cast(DataType::String),
        (Some(Sort::Float), Some(Sort::Float)) if *dtype == DataType::Float64 => typed.expr.cast(DataType::Float64),
        // A number that is written in the text is meant as the float nearest to it.
        (Some(Sort::Int), Some(Sort::Float)) if typed.literal.is_some() => typed.expr.cast(dtype.clone()),
        _ => changed(label, typed.expr, dtype.clone()),
    };
    Ok(Typed { expr, dtype: dtype.clone(), literal: None, open })
}
