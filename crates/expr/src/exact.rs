//! Sums of floats that depend on nothing but the values: not on the order of rows, nor on how an engine cuts a table.

use polars::prelude::{Column, DataType, Expr, Field};

/// Digits of 32 bits that hold every finite float as a whole multiple of the smallest, 2⁻¹⁰⁷⁴, with room for 2⁶⁴ of the largest.
const DIGITS: usize = 68;

/// After so many additions no digit has come near the end of its 64 bits.
const CARRIED_AFTER: u32 = 1 << 30;

/// A sum of floats without any rounding.
pub(crate) struct ExactSum {
    digits: [i64; DIGITS],
    added: u32,
    /// The sum of those that are infinite or NaN, which is the sum of all if there is one.
    beyond: f64,
}

impl ExactSum {
    pub fn of(values: impl Iterator<Item = f64>) -> ExactSum {
        let mut sum = ExactSum { digits: [0; DIGITS], added: 0, beyond: 0.0 };
        values.for_each(|value| sum.add(value));
        sum
    }

    fn add(&mut self, value: f64) {
        const DIGIT: u128 = 0xFFFF_FFFF;
        if !value.is_finite() {
            self.beyond += value;
            return;
        }
        let bits = value.to_bits();
        let (exponent, fraction) = ((bits >> 52 & 0x7FF) as usize, bits & ((1 << 52) - 1));
        // Numbers below the normal ones lack the leading bit.
        let (mantissa, shift) = if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        let wide = u128::from(mantissa) << (shift % 32);
        let sign = if value.is_sign_negative() { -1 } else { 1 };
        for (place, digit) in self.digits[shift / 32..].iter_mut().take(3).enumerate() {
            *digit += sign * (wide >> (32 * place) & DIGIT) as i64;
        }
        self.added += 1;
        if self.added == CARRIED_AFTER {
            self.carry();
        }
    }

    /// Leaves 32 bits in each digit; the last one holds the sign.
    fn carry(&mut self) {
        let mut carried = 0;
        for digit in &mut self.digits[..DIGITS - 1] {
            let whole = *digit + carried;
            (*digit, carried) = (whole & 0xFFFF_FFFF, whole >> 32);
        }
        self.digits[DIGITS - 1] += carried;
        self.added = 0;
    }

    /// The float nearest to the sum, of two equally near ones the even one; infinite beyond the largest.
    pub fn rounded(mut self) -> f64 {
        if self.beyond != 0.0 {
            return self.beyond;
        }
        self.carry();
        let is_negative = self.digits[DIGITS - 1] < 0;
        if is_negative {
            self.digits.iter_mut().for_each(|digit| *digit = -*digit);
            self.carry();
        }
        let first = self.digits.iter().rposition(|digit| *digit != 0).unwrap_or(0).max(2);
        let digit = |place: usize| self.digits[place] as u128;
        let mut leading = digit(first) << 64 | digit(first - 1) << 32 | digit(first - 2);
        // What follows decides only between two floats that are equally near.
        leading |= u128::from(self.digits[..first - 2].iter().any(|digit| *digit != 0));
        let size = leading as f64 * power_of_two(32 * (first as i32 - 2) - 1074);
        if is_negative { -size } else { size }
    }
}

/// The sum of a column of float64, for polars: null without values.
pub fn exact_sum(of: Expr) -> Expr {
    gathered(of, |sum, _| sum)
}

/// The mean of a column of float64, as [`exact_sum`].
pub fn exact_mean(of: Expr) -> Expr {
    gathered(of, |sum, count| sum / count as f64)
}

fn gathered(of: Expr, value: fn(f64, usize) -> f64) -> Expr {
    of.agg_with_fmt_str(
        move |column| {
            let floats = column.f64()?;
            let count = floats.len() - floats.null_count();
            let sum = ExactSum::of(floats.downcast_iter().flat_map(|chunk| chunk.non_null_values_iter())).rounded();
            Ok(Column::new(column.name().clone(), [(count > 0).then(|| value(sum, count))]))
        },
        |_, field| Ok(Field::new(field.name().clone(), DataType::Float64)),
        "sum",
    )
}

/// 2 to the power of a whole number from -1074 to 1023.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(match exponent {
        -1022.. => ((exponent + 1023) as u64) << 52,
        _ => 1 << (exponent + 1074),
    })
}

#[cfg(test)]
mod tests {
    use spec::random::Random;

    use super::*;

    fn sum(values: &[f64]) -> f64 {
        ExactSum::of(values.iter().copied()).rounded()
    }

    #[test]
    fn sums_are_rounded_once() {
        // Python 3.12: math.fsum of the same values.
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[1e100, 1.0, -1e100, 1e-100]), 1.0);
        assert_eq!(sum(&[1.0, 2f64.powi(-53), 2f64.powi(-106)]), 1.0000000000000002);
        assert_eq!(sum(&[1.0, 2f64.powi(-53)]), 1.0);
        assert_eq!(sum(&[-0.1, -0.2, 0.3]), -2.7755575615628914e-17);
        assert_eq!(sum(&[5e-324, 5e-324, -1e-323]), 0.0);
        assert_eq!(sum(&[f64::MIN_POSITIVE, -5e-324]), 2.225073858507201e-308);
        assert_eq!(sum(&[]), 0.0);
        // math.fsum gives up on the first, whose sum so far is beyond float64 in between.
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]), f64::MAX);
        assert_eq!(sum(&[1.0, f64::NEG_INFINITY, 1e300]), f64::NEG_INFINITY);
        assert!(sum(&[f64::INFINITY, 1.0, f64::NEG_INFINITY]).is_nan() && sum(&[1.0, f64::NAN]).is_nan());
        assert_eq!((sum(&[f64::MAX, f64::MAX]), sum(&[-f64::MAX, -f64::MAX])), (f64::INFINITY, f64::NEG_INFINITY));
    }

    #[test]
    fn sums_do_not_depend_on_the_order() {
        let mut random = Random::new(3, 0);
        for _ in 0..200 {
            let mut values: Vec<f64> = (0..300)
                .map(|_| f64::from_bits(random.next_u64()))
                .filter(|value| value.is_finite() && value.abs() < 1e305)
                .collect();
            let first = sum(&values);
            for _ in 0..5 {
                (1..values.len()).for_each(|at| values.swap(at, random.below(at + 1)));
                assert_eq!(sum(&values).to_bits(), first.to_bits());
            }
            // Whole numbers have sums that are known otherwise.
            let whole: Vec<i64> = (0..300).map(|_| random.next_u64() as i64 >> 12).collect();
            let exact: i128 = whole.iter().map(|value| i128::from(*value)).sum();
            assert_eq!(sum(&whole.iter().map(|value| *value as f64).collect::<Vec<_>>()), exact as f64);
        }
    }
}
