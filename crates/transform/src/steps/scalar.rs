//! A value of YAML as a cell of a column.

use polars::prelude::{DataType, NamedFrom, PlSmallStr, Scalar as Cell, Series};
use spec::Scalar;
use values::{Plain, Purpose, Reading};

/// The value as a cell of `dtype`; `None` if it cannot be one.
pub(super) fn as_cell(value: &Scalar, dtype: &DataType) -> Option<Cell> {
    let fits = match value {
        Scalar::Bool(_) => dtype.is_bool(),
        Scalar::Int(_) | Scalar::Float(_) => dtype.is_primitive_numeric() || dtype.is_decimal(),
        Scalar::Text(_) => !dtype.is_primitive_numeric() && !dtype.is_bool(),
    };
    let name = PlSmallStr::EMPTY;
    let series = match value {
        Scalar::Bool(value) => Series::new(name, [*value]),
        Scalar::Int(value) => Series::new(name, [*value]),
        Scalar::Float(value) => Series::new(name, [*value]),
        Scalar::Text(value) => Series::new(name, [value.as_str()]),
    };
    // By the one table of values, so that a date is a date and no digit is lost.
    let cell = match artifact::column_type(dtype).filter(|_| fits) {
        Some(of) if values::allows(series.dtype(), of, false) => {
            let reading = Reading::of(of);
            let cell = values::convert(&series, &reading, Purpose::Source, &Plain, |_| false).ok()?;
            if !cell.bad.is_empty() {
                return None;
            }
            // Units other than microseconds, and lists of categories that are fixed.
            let in_unit = cell.series.cast(dtype).ok()?;
            let back = in_unit.cast(cell.series.dtype()).ok()?;
            (in_unit.null_count() == 0 && back.equals(&cell.series)).then_some(in_unit)?
        }
        _ if dtype.is_decimal() && fits => {
            let text = value.to_string();
            let cell = Series::new(PlSmallStr::EMPTY, [text.as_str()]).cast(dtype).ok()?;
            let held = values::text_of(&cell)?;
            (Digits::of(&text)? == Digits::of(held.str().ok()?.get(0)?)?).then_some(cell)?
        }
        _ => return None,
    };
    Some(Cell::new(dtype.clone(), cell.get(0).ok()?.into_static()))
}

/// The digits of a decimal number, without needless zeros.
#[derive(PartialEq)]
struct Digits<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

impl Digits<'_> {
    fn of(text: &str) -> Option<Digits<'_>> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        Some(Digits { is_negative: is_negative && !(whole.is_empty() && fraction.is_empty()), whole, fraction })
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::TimeUnit;

    use super::*;

    #[test]
    fn a_value_is_held_to_the_digit_or_is_none() {
        let moment = DataType::Datetime(TimeUnit::Milliseconds, None);
        let text = |text: &str| Scalar::Text(text.to_owned());
        for (value, dtype, holds) in [
            (Scalar::Int(300), DataType::Int8, false),
            (Scalar::Int(-1), DataType::UInt64, false),
            (Scalar::Int((1 << 53) + 1), DataType::Float64, false),
            (Scalar::Int(1 << 53), DataType::Float64, true),
            (Scalar::Float(2.5), DataType::Int64, false),
            (Scalar::Float(2.0), DataType::Int64, true),
            (Scalar::Float(0.1), DataType::Float32, true),
            (Scalar::Int(1), DataType::Boolean, false),
            (text("2024-02-29"), DataType::Date, true),
            (text("2024-02-30"), DataType::Date, false),
            (text("2024-02-29T10:00+09:00"), moment.clone(), true),
            (text("2024-02-29 10:00:00.0005"), moment, false),
            (text("12.50"), DataType::Decimal(10, 2), true),
            (text("12.345"), DataType::Decimal(10, 2), false),
            (text("12345678901234567.89"), DataType::Decimal(20, 2), true),
            (text("12345678901234567.89"), DataType::Decimal(20, 1), false),
            (text("-0.00"), DataType::Decimal(10, 2), true),
            (Scalar::Float(0.5), DataType::Decimal(10, 2), true),
            (Scalar::Float(0.005), DataType::Decimal(10, 2), false),
            (Scalar::Int(-3), DataType::Decimal(10, 2), true),
            (Scalar::Int(i64::MAX), DataType::Decimal(10, 2), false),
            (text(" a "), DataType::String, true),
        ] {
            assert_eq!(as_cell(&value, &dtype).is_some(), holds, "{value:?} as {dtype}");
        }
    }
}
