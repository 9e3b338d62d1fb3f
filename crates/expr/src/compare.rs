//! Comparisons: across widths, scales and units without rounding; what cannot be compared is refused.

use std::cmp::Ordering;
use std::collections::HashSet;

use polars::prelude::*;
use spec::{Error, Result};

use crate::cast::Sort;
use crate::kernel::{Label, columns, row_fn, rows};
use crate::node::{Comparison, Literal};
use crate::typed::{Typed, decimal_literal, literal_as, scalar};
use crate::value::{Value, single_or_all};

/// `left op right`. Null where a side is null, but for `IS DISTINCT FROM`.
pub(crate) fn compared(label: &Label, op: Comparison, left: Typed, right: Typed) -> Result<Typed> {
    if left.is_null() || right.is_null() {
        let expr = match op {
            Comparison::NotDistinct => left.expr.is_null().and(right.expr.is_null()),
            Comparison::Distinct => left.expr.is_null().and(right.expr.is_null()).not(),
            _ => scalar(DataType::Boolean, AnyValue::Null),
        };
        return Ok(Typed::boolean(expr));
    }
    let (left, right) = adapted(left, right)?;
    let (op, right) = floored(op, &left, right);
    if left.dtype == right.dtype && is_native(&left.dtype) {
        let (a, b) = (left.expr, right.expr);
        return Ok(Typed::boolean(match op {
            Comparison::Equal => a.eq(b),
            Comparison::NotEqual => a.neq(b),
            Comparison::Less => a.lt(b),
            Comparison::LessOrEqual => a.lt_eq(b),
            Comparison::Greater => a.gt(b),
            Comparison::GreaterOrEqual => a.gt_eq(b),
            Comparison::Distinct => a.neq_missing(b),
            Comparison::NotDistinct => a.eq_missing(b),
        }));
    }
    let same = |op: Comparison| {
        let function = row_fn(move |row| Ok(row[0].order(&row[1]).map(|order| Value::Bool(holds(op, order)))));
        rows(label, vec![left.expr.clone(), right.expr.clone()], DataType::Boolean, function)
    };
    let missing = || {
        let (a, b) = (left.expr.clone().is_null(), right.expr.clone().is_null());
        when(a.clone().or(b.clone())).then(a.and(b)).otherwise(same(Comparison::Equal))
    };
    Ok(Typed::boolean(match op {
        Comparison::NotDistinct => missing(),
        Comparison::Distinct => missing().not(),
        op => same(op),
    }))
}

/// An integer column beside a number with a fraction: no integer lies between that and the whole number below.
fn floored(op: Comparison, left: &Typed, right: Typed) -> (Comparison, Typed) {
    let Some(Literal::Number(digits)) = &right.literal else { return (op, right) };
    let beside = match op {
        Comparison::Less | Comparison::LessOrEqual => Comparison::LessOrEqual,
        Comparison::Greater | Comparison::GreaterOrEqual => Comparison::Greater,
        _ => return (op, right),
    };
    let below = digits.parse::<f64>().ok().filter(|float| float.fract() != 0.0).map(f64::floor);
    match below {
        Some(below) if left.dtype == DataType::Int64 && left.literal.is_none() => {
            (beside, Typed::new(scalar(DataType::Int64, AnyValue::Int64(below as i64)), DataType::Int64))
        }
        _ => (op, right),
    }
}

fn holds(op: Comparison, order: Ordering) -> bool {
    match op {
        Comparison::Equal | Comparison::NotDistinct => order.is_eq(),
        Comparison::NotEqual | Comparison::Distinct => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }
}

/// Types whose columns polars compares as SQL does.
fn is_native(dtype: &DataType) -> bool {
    matches!(
        dtype,
        DataType::Boolean | DataType::String | DataType::Date | DataType::Datetime(..) | DataType::Duration(_)
    ) || dtype.is_integer()
        || dtype.is_float()
        || *dtype == DataType::Time
}

/// Both sides in types that can be compared: values that stand in the text take the type of the other side.
fn adapted(left: Typed, right: Typed) -> Result<(Typed, Typed)> {
    let takes = |typed: &Typed, other: &Typed| other.literal.is_none() || typed.text().is_some();
    let left = if takes(&left, &right) { taken(left, &right)? } else { left };
    let right = if takes(&right, &left) { taken(right, &left)? } else { right };
    let (left, right) = (plain(left), plain(right));
    for interval in [&left, &right].into_iter().filter_map(Typed::interval) {
        if interval.months != 0 {
            return Err(Error::cannot_run("months have no fixed length to compare with")
                .hint("write the interval in days, or use date_diff('month', …)"));
        }
    }
    let numbers = |typed: &Typed| typed.is_number();
    let days = |typed: &Typed| matches!(typed.sort(), Some(Sort::Date | Sort::Moment));
    let comparable = numbers(&left) && numbers(&right)
        || days(&left) && days(&right)
        || left.sort().is_some() && left.sort() == right.sort()
        || matches!((&left.dtype, &right.dtype), (DataType::Datetime(_, Some(_)), DataType::Datetime(_, Some(_))));
    if comparable {
        return Ok(widened(left, right));
    }
    let hint = match (left.sort(), right.sort()) {
        (Some(Sort::Text), _) | (_, Some(Sort::Text)) if numbers(&left) || numbers(&right) => {
            "make them one type: CAST(… AS DOUBLE), or quote the number"
        }
        (Some(Sort::Bool), _) | (_, Some(Sort::Bool)) => "compare a boolean with TRUE or FALSE",
        _ if is_zoned(&left) || is_zoned(&right) => "one has a time zone: convert it where the table is ingested",
        _ => "make them one type: CAST(… AS …)",
    };
    Err(Error::cannot_run(format!("{} is compared with {}", left.name(), right.name())).hint(hint))
}

fn is_zoned(typed: &Typed) -> bool {
    matches!(typed.dtype, DataType::Datetime(_, Some(_)))
}

/// A value of the text in the type of the other side, where it has one there.
fn taken(typed: Typed, other: &Typed) -> Result<Typed> {
    if typed.literal.is_none() {
        return Ok(typed);
    }
    if other.sort() == Some(Sort::Decimal)
        && let Some(decimal) = decimal_literal(&typed)
    {
        return Ok(decimal);
    }
    // 0.1 as float64 would equal no float32.
    Ok(literal_as(&typed, &other.dtype)?.unwrap_or(typed))
}

/// Categories as texts.
pub(crate) fn plain(typed: Typed) -> Typed {
    match typed.sort() {
        Some(Sort::Text) if typed.dtype != DataType::String => {
            Typed { expr: typed.expr.cast(DataType::String), dtype: DataType::String, ..typed }
        }
        _ => typed,
    }
}

/// Both in one type, where that rounds nothing: polars compares such columns at once.
fn widened(left: Typed, right: Typed) -> (Typed, Typed) {
    let bits = |typed: &Typed| match typed.dtype {
        DataType::UInt64 => 65,
        DataType::Int64 => 64,
        _ => 32,
    };
    let to = match (left.sort(), right.sort()) {
        (Some(Sort::Int), Some(Sort::Int)) if bits(&left) <= 64 && bits(&right) <= 64 => DataType::Int64,
        (Some(Sort::Float), Some(Sort::Float)) => DataType::Float64,
        (Some(Sort::Int), Some(Sort::Float)) if bits(&left) == 32 => DataType::Float64,
        (Some(Sort::Float), Some(Sort::Int)) if bits(&right) == 32 => DataType::Float64,
        _ => return (left, right),
    };
    let cast = |typed: Typed| match typed.dtype == to {
        true => typed,
        false => Typed { expr: typed.expr.cast(to.clone()), dtype: to.clone(), ..typed },
    };
    (cast(left), cast(right))
}

/// `of IN (list)`.
pub(crate) fn within(label: &Label, of: Typed, list: Vec<Typed>) -> Result<Typed> {
    if let Some(known) = known_texts(&of, &list) {
        let text = plain(of);
        let function = columns(vec![text.expr], DataType::Boolean, move |columns| {
            let series = single_or_all(&columns[0]);
            let found = series.str()?.iter().map(|text| text.map(|text| known.contains(text)));
            Ok(BooleanChunked::from_iter_options(PlSmallStr::EMPTY, found).into_series())
        });
        return Ok(Typed::boolean(function));
    }
    if let Some(known) = known_integers(&of, &list) {
        let function = row_fn(move |row| match &row[0] {
            Value::Int(wide) => Ok(Some(Value::Bool(known.contains(wide)))),
            _ => Ok(None),
        });
        return Ok(Typed::boolean(rows(label, vec![of.expr], DataType::Boolean, function)));
    }
    let mut level = Vec::with_capacity(list.len());
    for item in list {
        level.push(compared(label, Comparison::Equal, of.clone(), item)?.expr);
    }
    while level.len() > 1 {
        let mut pairs = level.into_iter();
        let mut next = Vec::new();
        while let Some(left) = pairs.next() {
            next.push(match pairs.next() {
                Some(right) => left.or(right),
                None => left,
            });
        }
        level = next;
    }
    Ok(Typed::boolean(level.pop().unwrap_or_else(|| lit(false))))
}

fn known_texts(of: &Typed, list: &[Typed]) -> Option<HashSet<String>> {
    if of.sort() != Some(Sort::Text) || of.literal.is_some() {
        return None;
    }
    list.iter().map(|item| item.text().map(str::to_owned)).collect()
}

fn known_integers(of: &Typed, list: &[Typed]) -> Option<HashSet<i128>> {
    if of.sort() != Some(Sort::Int) || of.literal.is_some() || list.len() < 4 {
        return None;
    }
    let whole = |item: &Typed| match &item.literal {
        Some(Literal::Number(digits)) => digits.parse().ok(),
        _ => None,
    };
    list.iter().map(whole).collect()
}
