//! Functions of numbers.

use polars::prelude::*;

use crate::kernel::{Label, Refusal, columns};
use crate::value::{Value, single_or_all};

type Out<'a> = Result<Option<Value<'a>>, Refusal>;

/// A function of floats. Where it has no value, null; a result beyond float64 is refused.
pub(crate) fn float(label: &Label, name: &'static str, of: Expr, function: fn(f64) -> f64, pole: bool) -> Expr {
    let label = label.clone();
    columns(vec![of], DataType::Float64, move |columns| {
        let series = single_or_all(&columns[0]).cast(&DataType::Float64)?;
        let mut out = Vec::with_capacity(series.len());
        for value in series.f64()?.iter() {
            out.push(match value.map(|value| (value, function(value))) {
                Some((_, result)) if result.is_finite() => Some(result),
                Some((value, result)) if result.is_infinite() && value.is_finite() && !pole => {
                    let cause = format!("{name}({value:?}) is beyond float64");
                    return Err(Refusal::new(cause, "take such rows out first").at(&label));
                }
                _ => None,
            });
        }
        Ok(Float64Chunked::from_iter_options(PlSmallStr::EMPTY, out.into_iter()).into_series())
    })
}

/// `power`, and other functions of two floats.
pub(crate) fn power<'a>(row: &[Value<'a>]) -> Out<'a> {
    let (Value::Float(x), Value::Float(y)) = (&row[0], &row[1]) else { return Ok(None) };
    let result = x.powf(*y);
    if result.is_infinite() && x.is_finite() && y.is_finite() && *x != 0.0 {
        return Err(Refusal::new(format!("power({x:?}, {y:?}) is beyond float64"), "take such rows out first"));
    }
    Ok(result.is_finite().then_some(Value::Float(result)))
}

pub(crate) fn atan2<'a>(row: &[Value<'a>]) -> Out<'a> {
    let (Value::Float(y), Value::Float(x)) = (&row[0], &row[1]) else { return Ok(None) };
    Ok(Some(Value::Float(y.atan2(*x))))
}

pub(crate) fn abs<'a>(row: &[Value<'a>]) -> Out<'a> {
    Ok(Some(match &row[0] {
        Value::Int(wide) => Value::Int(wide.abs()),
        Value::Decimal(digits, behind) => Value::Decimal(digits.abs(), *behind),
        Value::Float(float) => Value::Float(float.abs()),
        other => other.clone(),
    }))
}

pub(crate) fn negated<'a>(row: &[Value<'a>]) -> Out<'a> {
    Ok(Some(match &row[0] {
        Value::Int(wide) => Value::Int(-wide),
        Value::Decimal(digits, behind) => Value::Decimal(-digits, *behind),
        Value::Float(float) => Value::Float(-float),
        Value::Duration(nanos) => Value::Duration(-nanos),
        other => other.clone(),
    }))
}

pub(crate) fn sign<'a>(row: &[Value<'a>]) -> Out<'a> {
    Ok(Some(Value::Int(match &row[0] {
        Value::Int(wide) => wide.signum(),
        Value::Decimal(digits, _) => digits.signum(),
        Value::Float(float) if *float == 0.0 => 0,
        Value::Float(float) => float.signum() as i128,
        _ => return Ok(None),
    })))
}

/// Which way a number goes to the next that is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// To the nearest, halves away from zero.
    Nearest,
    Up,
    Down,
    Zero,
}

/// A number with `digits` behind the point, fewer than none for tens and hundreds.
pub(crate) fn rounded<'a>(value: &Value<'a>, digits: i32, rounding: Rounding) -> Out<'a> {
    Ok(Some(match value {
        Value::Int(wide) if digits >= 0 => Value::Int(*wide),
        Value::Int(wide) => match 10i128.checked_pow(digits.unsigned_abs()) {
            Some(unit) => Value::Int(to_unit(*wide, unit, rounding) * unit),
            None => Value::Int(0),
        },
        Value::Decimal(held, behind) => {
            let kept = (digits.max(0) as u32).min(*behind);
            let drop = *behind as i32 - digits.min(*behind as i32);
            let Some(unit) = 10i128.checked_pow(drop as u32) else { return Ok(Some(Value::Decimal(0, kept))) };
            let whole = to_unit(*held, unit, rounding);
            Value::Decimal(if digits < 0 { whole * 10i128.pow(digits.unsigned_abs()) } else { whole }, kept)
        }
        Value::Float(float) => Value::Float(float_rounded(*float, digits, rounding)),
        other => other.clone(),
    }))
}

fn to_unit(wide: i128, unit: i128, rounding: Rounding) -> i128 {
    let (whole, rest) = (wide / unit, wide % unit);
    match rounding {
        Rounding::Zero => whole,
        Rounding::Up => whole + i128::from(rest > 0),
        Rounding::Down => whole - i128::from(rest < 0),
        Rounding::Nearest => whole + if rest.abs() >= unit - rest.abs() { rest.signum() } else { 0 },
    }
}

fn float_rounded(float: f64, digits: i32, rounding: Rounding) -> f64 {
    let whole = |float: f64| match rounding {
        Rounding::Nearest => float.round(),
        Rounding::Up => float.ceil(),
        Rounding::Down => float.floor(),
        Rounding::Zero => float.trunc(),
    };
    if digits == 0 || !float.is_finite() {
        return whole(float);
    }
    if rounding == Rounding::Nearest && digits > 0 {
        return nearest(float, digits as usize);
    }
    let unit = 10f64.powi(digits.abs());
    let result = if digits > 0 { whole(float * unit) / unit } else { whole(float / unit) * unit };
    // So many digits that there is nothing to round, or so few that nothing is left.
    match result.is_finite() {
        true => result,
        false if digits > 0 => float,
        false => 0.0,
    }
}

/// Rounds what the float really is: 2.675 lies a little below 2.675, and goes to 2.67.
fn nearest(float: f64, digits: usize) -> f64 {
    let unit = 10f64.powi(digits as i32);
    let scaled = float.abs() * unit;
    // Far enough from a half that the rounding of the product does not matter.
    if scaled < 1e15 && (scaled.fract() - 0.5).abs() > 1e-4 + scaled * 1e-15 {
        return (float * unit).round() / unit;
    }
    if float.abs() >= 9_007_199_254_740_992.0 {
        return float;
    }
    // Exact digits, halves to even; a half has one binary digit more than it has decimal ones.
    let text = format!("{:.digits$}", float.abs());
    let Ok(mut whole) = text.replace('.', "").parse::<u128>() else { return float };
    let halves = float.abs() * 2f64.powi(digits as i32 + 1);
    let is_half = halves.fract() == 0.0 && halves % 2.0 == 1.0;
    if is_half && text.parse::<f64>().is_ok_and(|rounded| rounded < float.abs()) {
        whole += 1;
    }
    let rounded: f64 = format!("{whole}e-{digits}").parse().unwrap_or(float.abs());
    rounded.copysign(float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_where_it_says() {
        use Rounding::*;
        for (wide, digits, rounding, expected) in [
            (25, -1, Nearest, 30),
            (-25, -1, Nearest, -30),
            (24, -1, Nearest, 20),
            (21, -1, Up, 30),
            (-21, -1, Up, -20),
            (-21, -1, Down, -30),
            (29, -1, Zero, 20),
            (7, -40, Nearest, 0),
            (7, 2, Nearest, 7),
        ] {
            let out = rounded(&Value::Int(wide), digits, rounding).map_err(|refusal| refusal.cause);
            assert_eq!(out, Ok(Some(Value::Int(expected))), "{wide} {digits} {rounding:?}");
        }
        let decimal = |held, behind, digits| {
            rounded(&Value::Decimal(held, behind), digits, Nearest).map_err(|refusal| refusal.cause)
        };
        assert_eq!(decimal(1005, 3, 2), Ok(Some(Value::Decimal(101, 2))));
        assert_eq!(decimal(-1005, 3, 2), Ok(Some(Value::Decimal(-101, 2))));
        assert_eq!(decimal(123_456, 3, -2), Ok(Some(Value::Decimal(100, 0))));
        assert_eq!(decimal(15, 1, 3), Ok(Some(Value::Decimal(15, 1))));
        assert_eq!(float_rounded(2.675, 2, Nearest), 2.67);
        assert_eq!(float_rounded(-2.5, 0, Nearest), -3.0);
        // Python: decimal.Decimal(x).quantize(Decimal(10) ** -n, ROUND_HALF_UP)
        for (float, digits, expected) in [
            (0.125, 2, 0.13),
            (-0.125, 2, -0.13),
            (1.005, 2, 1.0),
            (1.115, 2, 1.11),
            (0.5, 1, 0.5),
            (8.5e14 + 0.125, 2, 8.5e14 + 0.13),
        ] {
            assert_eq!(float_rounded(float, digits, Nearest), expected, "{float} {digits}");
        }
        assert_eq!(float_rounded(1e300, 20, Nearest), 1e300);
    }
}
