//! `+ - * / // %`: integers in int64, where what does not fit is refused; floats, where division by zero is null;
//! decimals, exact.

use polars::prelude::*;
use polars_arrow::bitmap::Bitmap;

use crate::kernel::{Label, Refusal, columns, row_fn, rows};
use crate::node::Arithmetic;
use crate::value::{Value, height, single_or_all};

/// The largest decimal.
pub(crate) const DIGITS: usize = 38;

const WIDER: &str = "compute with DOUBLE or DECIMAL instead, such as CAST(… AS DOUBLE)";

/// Integers of any width, as int64.
pub(crate) fn integers(label: &Label, op: Arithmetic, left: Expr, right: Expr) -> Expr {
    let label = label.clone();
    columns(vec![left, right], DataType::Int64, move |columns| {
        let (a, b) = (int64(&single_or_all(&columns[0]), &label)?, int64(&single_or_all(&columns[1]), &label)?);
        let height = height(columns);
        match op {
            Arithmetic::Add => checked(&label, "+", &a, &b, height, added),
            Arithmetic::Subtract => checked(&label, "-", &a, &b, height, subtracted),
            Arithmetic::Multiply => checked(&label, "*", &a, &b, height, multiplied),
            Arithmetic::Remainder => divided(&label, "%", &a, &b, height, |a, b| (a.wrapping_rem(b), false)),
            Arithmetic::DivideWhole | Arithmetic::Divide => divided(&label, "//", &a, &b, height, i64::overflowing_div),
        }
    })
}

/// Integers of any width as int64; a uint64 beyond it is refused.
pub(crate) fn int64(series: &Series, label: &Label) -> PolarsResult<Int64Chunked> {
    let series = series.rechunk();
    if let Ok(unsigned) = series.u64()
        && let Some(beyond) = unsigned.iter().flatten().find(|value| i64::try_from(*value).is_err())
    {
        return Err(Refusal::new(format!("{beyond} is beyond int64"), WIDER).at(label));
    }
    Ok(series.cast(&DataType::Int64)?.i64()?.clone())
}

/// `of` for each pair; a side of one value meets all of the other.
fn zipped<T: Copy, O>(a: &[T], b: &[T], height: usize, mut of: impl FnMut(T, T) -> O) -> Vec<O> {
    match (a, b) {
        (&[a], b) if b.len() == height => b.iter().map(|b| of(a, *b)).collect(),
        (a, &[b]) if a.len() == height => a.iter().map(|a| of(*a, b)).collect(),
        // Cut before, and not while they go by: so the loop runs over many at once.
        (a, b) => a[..height.min(a.len())].iter().zip(&b[..height.min(b.len())]).map(|(a, b)| of(*a, *b)).collect(),
    }
}

fn values<T: PolarsNumericType>(column: &ChunkedArray<T>) -> &[T::Native] {
    column.downcast_iter().next().map_or(&[], |chunk| chunk.values().as_slice())
}

/// Puts null where a side is null.
fn with_nulls<T: PolarsNumericType, O: PolarsNumericType>(
    out: Vec<O::Native>,
    a: &ChunkedArray<T>,
    b: &ChunkedArray<T>,
    height: usize,
) -> ChunkedArray<O> {
    let single_null = |side: &ChunkedArray<T>| side.len() == 1 && side.null_count() == 1;
    if single_null(a) || single_null(b) {
        return ChunkedArray::full_null(PlSmallStr::EMPTY, height);
    }
    let validity = |side: &ChunkedArray<T>| {
        let chunk = side.downcast_iter().next()?;
        (side.len() == height && side.null_count() > 0).then(|| chunk.validity().cloned()).flatten()
    };
    let validity = match (validity(a), validity(b)) {
        (Some(a), Some(b)) => Some(&a & &b),
        (a, b) => a.or(b),
    };
    ChunkedArray::from_vec_validity(PlSmallStr::EMPTY, out, validity)
}

fn at<T: PolarsNumericType>(column: &ChunkedArray<T>, row: usize) -> Option<T::Native> {
    column.get(if column.len() == 1 { 0 } else { row })
}

// Results with a number that is negative where they leave the range: of sums and differences the sign tells (Warren, "Hacker's
// Delight", 2-13), in steps that the compiler takes for several rows at once, as it does not with the processor's own flag.

fn added(a: i64, b: i64) -> (i64, i64) {
    let sum = a.wrapping_add(b);
    (sum, (a ^ sum) & (b ^ sum))
}

fn subtracted(a: i64, b: i64) -> (i64, i64) {
    let difference = a.wrapping_sub(b);
    (difference, (a ^ b) & (a ^ difference))
}

fn multiplied(a: i64, b: i64) -> (i64, i64) {
    let (product, beyond) = a.overflowing_mul(b);
    (product, -i64::from(beyond))
}

fn checked(
    label: &Label,
    sign: &str,
    a: &Int64Chunked,
    b: &Int64Chunked,
    height: usize,
    of: impl Fn(i64, i64) -> (i64, i64),
) -> PolarsResult<Series> {
    let mut any = 0;
    let out = zipped(values(a), values(b), height, |a, b| {
        let (value, beyond) = of(a, b);
        any |= beyond;
        value
    });
    if any < 0 {
        refuse_beyond(label, sign, a, b, height, |a, b| of(a, b).1 < 0)?;
    }
    Ok(with_nulls::<_, Int64Type>(out, a, b, height).into_series())
}

fn divided(
    label: &Label,
    sign: &str,
    a: &Int64Chunked,
    b: &Int64Chunked,
    height: usize,
    of: impl Fn(i64, i64) -> (i64, bool),
) -> PolarsResult<Series> {
    let (mut any_zero, mut any_beyond) = (false, false);
    let out = zipped(values(a), values(b), height, |a, b| {
        if b == 0 {
            any_zero = true;
            return 0;
        }
        let (value, beyond) = of(a, b);
        any_beyond |= beyond;
        value
    });
    if any_beyond {
        refuse_beyond(label, sign, a, b, height, |a, b| b != 0 && of(a, b).1)?;
    }
    let out = with_nulls::<_, Int64Type>(out, a, b, height);
    Ok(match (any_zero, values(b)) {
        (false, _) => out,
        (true, [_]) => Int64Chunked::full_null(PlSmallStr::EMPTY, height),
        (true, divisors) => {
            let divisors = divisors[..height.min(divisors.len())].iter();
            defined(out, &Bitmap::from_trusted_len_iter(divisors.map(|divisor| *divisor != 0)))
        }
    }
    .into_series())
}

/// The refusal of the first row whose result is beyond int64. Values under a null may leave the range without harm.
fn refuse_beyond(
    label: &Label,
    sign: &str,
    a: &Int64Chunked,
    b: &Int64Chunked,
    height: usize,
    is_beyond: impl Fn(i64, i64) -> bool,
) -> PolarsResult<()> {
    for row in 0..height {
        if let (Some(a), Some(b)) = (at(a, row), at(b, row))
            && is_beyond(a, b)
        {
            return Err(Refusal::new(format!("{a} {sign} {b} is beyond int64"), WIDER).at(label));
        }
    }
    Ok(())
}

/// `of` for each pair, and whether all results are finite. Without a way out of the loop, it runs over many at once.
fn finite<T: Copy>(a: &[T], b: &[T], height: usize, of: impl Fn(T, T) -> f64) -> (Vec<f64>, bool) {
    let mut beyond = false;
    let out = zipped(a, b, height, |a, b| {
        let value = of(a, b);
        beyond |= !value.is_finite();
        value
    });
    (out, !beyond)
}

/// `/` of integers that int64 holds: a float.
pub(crate) fn quotient(label: &Label, left: Expr, right: Expr) -> Expr {
    let label = label.clone();
    columns(vec![left, right], DataType::Float64, move |columns| {
        let (a, b) = (int64(&single_or_all(&columns[0]), &label)?, int64(&single_or_all(&columns[1]), &label)?);
        let height = height(columns);
        let (out, all_finite) = finite(values(&a), values(&b), height, |a, b| a as f64 / b as f64);
        let quotients = with_nulls::<_, Float64Type>(out, &a, &b, height);
        Ok(match all_finite {
            true => quotients,
            // Only division by zero is not.
            false => {
                let is_defined = values(&quotients).iter().map(|value| value.is_finite());
                defined(quotients.clone(), &Bitmap::from_trusted_len_iter(is_defined))
            }
        }
        .into_series())
    })
}

/// Floats. Where a side is infinite and the result no number, or division is by zero: null. A result beyond
/// float64 of finite sides is refused.
pub(crate) fn floats(label: &Label, op: Arithmetic, left: Expr, right: Expr) -> Expr {
    let label = label.clone();
    columns(vec![left, right], DataType::Float64, move |columns| {
        let float = |column: &Column| -> PolarsResult<Float64Chunked> {
            Ok(single_or_all(column).rechunk().cast(&DataType::Float64)?.f64()?.clone())
        };
        let (a, b) = (float(&columns[0])?, float(&columns[1])?);
        let height = height(columns);
        let (av, bv) = (values(&a), values(&b));
        let out = match op {
            Arithmetic::Add => finite(av, bv, height, |a, b| a + b),
            Arithmetic::Subtract => finite(av, bv, height, |a, b| a - b),
            Arithmetic::Multiply => finite(av, bv, height, |a, b| a * b),
            Arithmetic::Divide => finite(av, bv, height, |a, b| a / b),
            Arithmetic::DivideWhole => finite(av, bv, height, |a, b| (a / b).trunc()),
            Arithmetic::Remainder => finite(av, bv, height, |a, b| a % b),
        };
        let divides = matches!(op, Arithmetic::Divide | Arithmetic::DivideWhole | Arithmetic::Remainder);
        let (out, all_finite) = out;
        if all_finite {
            return Ok(with_nulls::<_, Float64Type>(out, &a, &b, height).into_series());
        }
        // Division by zero is never finite, and neither is what has a NaN or an infinite side.
        let is_defined = Bitmap::from_trusted_len_iter(out.iter().map(|value| value.is_finite()));
        let side = |values: &[f64], row: usize| values[if values.len() == 1 { 0 } else { row }];
        let has_cause = |row: &usize| {
            let (a, b) = (side(av, *row), side(bv, *row));
            !(a.is_finite() && b.is_finite()) || divides && b == 0.0
        };
        for row in (!&is_defined).true_idx_iter().filter(|row| !has_cause(row)) {
            // What lies under a null does no harm.
            if let (Some(a), Some(b)) = (at(&a, row), at(&b, row)) {
                let cause = format!("{a:?} {} {b:?} is beyond float64", op.sign());
                return Err(Refusal::new(cause, "take such rows out first").at(&label));
            }
        }
        Ok(defined(with_nulls::<_, Float64Type>(out, &a, &b, height), &is_defined).into_series())
    })
}

/// Null where `is_defined` says no.
fn defined<T: PolarsNumericType>(column: ChunkedArray<T>, is_defined: &Bitmap) -> ChunkedArray<T> {
    let chunks = column.downcast_iter().map(|chunk| {
        let validity = match chunk.validity() {
            Some(known) => known & is_defined,
            None => is_defined.clone(),
        };
        chunk.clone().with_validity(Some(validity))
    });
    ChunkedArray::from_chunk_iter(PlSmallStr::EMPTY, chunks)
}

/// `//` of decimals and integers: how often the right side is in the left, counted without rounding, as a float.
pub(crate) fn whole_quotient(label: &Label, left: Expr, right: Expr) -> Expr {
    let function = row_fn(|row| {
        let (Some(a), Some(b)) = (digits(&row[0]), digits(&row[1])) else { return Ok(None) };
        let scale = a.1.max(b.1);
        let raised = |(digits, behind): (i128, u32)| digits.checked_mul(10i128.pow(scale - behind));
        match (raised(a), raised(b)) {
            (_, Some(0)) => Ok(None),
            (Some(a), Some(b)) => Ok(Some(Value::Float((a / b) as f64))),
            _ => Err(beyond_digits(Arithmetic::DivideWhole, row)),
        }
    });
    rows(label, vec![left, right], DataType::Float64, function)
}

fn beyond_digits(op: Arithmetic, row: &[Value<'_>]) -> Refusal {
    Refusal::new(
        format!("{} {} {} has more than {DIGITS} digits", row[0].shown(), op.sign(), row[1].shown()),
        "compute with DOUBLE instead: CAST(… AS DOUBLE)",
    )
}

/// Decimals and integers, exact. `scales` are the digits behind the point of both sides.
pub(crate) fn decimals(
    label: &Label,
    op: Arithmetic,
    left: Expr,
    right: Expr,
    scales: (usize, usize),
) -> (Expr, DataType) {
    let behind = match op {
        Arithmetic::Multiply => scales.0 + scales.1,
        _ => scales.0.max(scales.1),
    };
    let dtype = DataType::Decimal(DIGITS, behind);
    let scale = behind as u32;
    let function = row_fn(move |row| {
        let (Some(a), Some(b)) = (digits(&row[0]), digits(&row[1])) else { return Ok(None) };
        let raised = |(digits, behind): (i128, u32)| digits.checked_mul(10i128.pow(scale - behind));
        let value = match op {
            Arithmetic::Multiply => a.0.checked_mul(b.0),
            _ => match (raised(a), raised(b)) {
                (Some(_), Some(0)) if op == Arithmetic::Remainder => return Ok(None),
                (Some(a), Some(b)) => match op {
                    Arithmetic::Add => a.checked_add(b),
                    Arithmetic::Subtract => a.checked_sub(b),
                    _ => a.checked_rem(b),
                },
                _ => None,
            },
        };
        match value.filter(|value| value.unsigned_abs() < 10u128.pow(DIGITS as u32)) {
            Some(value) => Ok(Some(Value::Decimal(value, scale))),
            None => Err(beyond_digits(op, row)),
        }
    });
    (rows(label, vec![left, right], dtype.clone(), function), dtype)
}

/// The digits of a decimal or integer, and how many stand behind the point.
pub(crate) fn digits(value: &Value<'_>) -> Option<(i128, u32)> {
    match value {
        Value::Decimal(digits, behind) => Some((*digits, *behind)),
        Value::Int(whole) => Some((*whole, 0)),
        _ => None,
    }
}
