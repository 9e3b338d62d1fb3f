//! Single values of columns, in one form for all widths and units, and columns made of them.

use std::borrow::Cow;
use std::cmp::Ordering;

use polars::prelude::*;
use values::calendar::FOUR_DIGITS;

/// A value that is not null. Integers are wide enough for every width, timestamps and durations count nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Bool(bool),
    Int(i128),
    Float(f64),
    /// Digits, and how many of them stand behind the point.
    Decimal(i128, u32),
    Text(Cow<'a, str>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Nanoseconds since 1970-01-01.
    Moment(i128),
    /// Nanoseconds since midnight.
    Time(i64),
    /// Nanoseconds.
    Duration(i128),
}

pub(crate) const SECOND: i128 = 1_000_000_000;
pub(crate) const DAY: i128 = 86_400 * SECOND;

impl Value<'_> {
    pub fn owned(self) -> Value<'static> {
        match self {
            Value::Bool(value) => Value::Bool(value),
            Value::Int(value) => Value::Int(value),
            Value::Float(value) => Value::Float(value),
            Value::Decimal(digits, behind) => Value::Decimal(digits, behind),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::Date(value) => Value::Date(value),
            Value::Moment(value) => Value::Moment(value),
            Value::Time(value) => Value::Time(value),
            Value::Duration(value) => Value::Duration(value),
        }
    }

    /// The order of values of one kind; a date is the timestamp at which it begins. Nothing across kinds.
    pub fn order(&self, other: &Value<'_>) -> Option<Ordering> {
        use Value::*;
        match (self, other) {
            (Bool(a), Bool(b)) => Some(a.cmp(b)),
            (Int(a), Int(b)) => Some(a.cmp(b)),
            (Float(a), Float(b)) => a.partial_cmp(b),
            (Int(a), Float(b)) => integer_to_float(*a, *b),
            (Float(a), Int(b)) => integer_to_float(*b, *a).map(Ordering::reverse),
            (Decimal(a, a_behind), Decimal(b, b_behind)) => Some(decimals(*a, *a_behind, *b, *b_behind)),
            (Decimal(a, behind), Int(b)) => Some(decimals(*a, *behind, *b, 0)),
            (Int(a), Decimal(b, behind)) => Some(decimals(*a, 0, *b, *behind)),
            (Decimal(a, behind), Float(b)) => decimal_as_float(*a, *behind).partial_cmp(b),
            (Float(a), Decimal(b, behind)) => a.partial_cmp(&decimal_as_float(*b, *behind)),
            (Text(a), Text(b)) => Some(a.cmp(b)),
            (Date(a), Date(b)) => Some(a.cmp(b)),
            (Moment(a), Moment(b)) => Some(a.cmp(b)),
            (Date(a), Moment(b)) => Some((i128::from(*a) * DAY).cmp(b)),
            (Moment(a), Date(b)) => Some(a.cmp(&(i128::from(*b) * DAY))),
            (Time(a), Time(b)) => Some(a.cmp(b)),
            (Duration(a), Duration(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// As errors show it.
    pub fn shown(&self) -> String {
        match self {
            Value::Text(text) => format!("'{text}'"),
            other => crate::cast::text(other),
        }
    }
}

/// Compares without rounding either; nothing for NaN.
fn integer_to_float(integer: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // Beyond 2^100 no 64-bit integer is left to compare with.
    if float.abs() > 1.2e30 {
        return Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let whole = float.trunc();
    Some(integer.cmp(&(whole as i128)).then_with(|| 0.0.partial_cmp(&(float - whole)).unwrap_or(Ordering::Equal)))
}

fn decimals(a: i128, a_behind: u32, b: i128, b_behind: u32) -> Ordering {
    // No decimal has more than 38 digits: what leaves i128 is greater than every other.
    let common = a_behind.max(b_behind);
    let raised = |digits: i128, behind: u32| digits.saturating_mul(10i128.pow(common - behind));
    raised(a, a_behind).cmp(&raised(b, b_behind))
}

/// The nearest float.
pub(crate) fn decimal_as_float(digits: i128, behind: u32) -> f64 {
    // Both exact: one division, rounded once. Else through text, which is rounded once too.
    if digits.unsigned_abs() < 1 << 53 && behind <= 22 {
        return digits as f64 / 10f64.powi(behind as i32);
    }
    format!("{digits}e-{behind}").parse().unwrap_or(f64::NAN)
}

/// A column read value by value; a column of one value is repeated as often as requested.
pub(crate) struct View {
    column: Physical,
    single: bool,
    len: usize,
}

enum Physical {
    Null,
    Bool(BooleanChunked),
    Int(Int64Chunked),
    Unsigned(UInt64Chunked),
    Float(Float64Chunked),
    Decimal(Int128Chunked, u32),
    Text(StringChunked),
    Date(Int32Chunked),
    /// With the nanoseconds of one tick.
    Moment(Int64Chunked, i128),
    Time(Int64Chunked),
    Duration(Int64Chunked, i128),
}

pub(crate) fn tick(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Nanoseconds => 1,
        TimeUnit::Microseconds => 1000,
        TimeUnit::Milliseconds => 1_000_000,
    }
}

impl View {
    pub fn of(column: &Column) -> PolarsResult<View> {
        let series = single_or_all(column).rechunk();
        let ints = |series: &Series| -> PolarsResult<Int64Chunked> {
            Ok(series.to_physical_repr().cast(&DataType::Int64)?.i64()?.clone())
        };
        let column = match series.dtype() {
            DataType::Null => Physical::Null,
            DataType::Boolean => Physical::Bool(series.bool()?.clone()),
            DataType::UInt64 => Physical::Unsigned(series.u64()?.clone()),
            dtype if dtype.is_integer() => Physical::Int(ints(&series)?),
            dtype if dtype.is_float() => Physical::Float(series.cast(&DataType::Float64)?.f64()?.clone()),
            DataType::Decimal(_, behind) => {
                let behind = *behind as u32;
                Physical::Decimal(series.decimal()?.physical().clone(), behind)
            }
            DataType::Date => Physical::Date(series.date()?.physical().clone()),
            DataType::Datetime(unit, _) => Physical::Moment(ints(&series)?, tick(*unit)),
            DataType::Time => Physical::Time(ints(&series)?),
            DataType::Duration(unit) => Physical::Duration(ints(&series)?, tick(*unit)),
            _ => Physical::Text(series.cast(&DataType::String)?.str()?.clone()),
        };
        Ok(View { column, single: series.len() == 1, len: series.len() })
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the value is true.
    pub fn is_true(&self, row: usize) -> bool {
        self.get(row) == Some(Value::Bool(true))
    }

    pub fn get(&self, row: usize) -> Option<Value<'_>> {
        let row = if self.single { 0 } else { row };
        Some(match &self.column {
            Physical::Null => return None,
            Physical::Bool(column) => Value::Bool(column.get(row)?),
            Physical::Int(column) => Value::Int(i128::from(column.get(row)?)),
            Physical::Unsigned(column) => Value::Int(i128::from(column.get(row)?)),
            // NaN is null wherever it comes from.
            Physical::Float(column) => Value::Float(column.get(row).filter(|value| !value.is_nan())?),
            Physical::Decimal(column, behind) => Value::Decimal(column.get(row)?, *behind),
            Physical::Text(column) => Value::Text(Cow::Borrowed(column.get(row)?)),
            Physical::Date(column) => Value::Date(column.get(row)?),
            Physical::Moment(column, tick) => Value::Moment(i128::from(column.get(row)?) * tick),
            Physical::Time(column) => Value::Time(column.get(row)?),
            Physical::Duration(column, tick) => Value::Duration(i128::from(column.get(row)?) * tick),
        })
    }
}

/// The column as a series; of a scalar, its one value.
pub(crate) fn single_or_all(column: &Column) -> Series {
    match column {
        Column::Scalar(scalar) if !scalar.is_empty() => scalar.as_single_value_series(),
        other => other.as_materialized_series().clone(),
    }
}

/// How many rows columns have together: those of one value take the length of the others.
pub(crate) fn height(columns: &[Column]) -> usize {
    let all = columns.iter().map(Column::len);
    all.clone().find(|len| *len != 1).unwrap_or_else(|| all.max().unwrap_or(1))
}

/// A column of `dtype` from values of its kind; the error is a value that the type does not hold.
pub(crate) fn column(
    name: PlSmallStr,
    dtype: &DataType,
    values: Vec<Option<Value<'_>>>,
) -> Result<Series, Value<'static>> {
    let mut beyond: Option<Value<'static>> = None;
    let mut ints = |low: i128, high: i128, tick: i128| -> Vec<Option<i64>> {
        let held = |value: &Value<'_>| {
            let wide = match value {
                Value::Int(wide) | Value::Moment(wide) | Value::Duration(wide) => *wide,
                Value::Date(days) => i128::from(*days),
                Value::Time(nanos) => i128::from(*nanos),
                _ => return None,
            };
            let ticks = wide / tick;
            (wide % tick == 0 && (low..=high).contains(&ticks)).then_some(ticks as i64)
        };
        let mut taken = Vec::with_capacity(values.len());
        for value in &values {
            let ticks = value.as_ref().map(held);
            if ticks == Some(None) && beyond.is_none() {
                beyond = value.clone().map(Value::owned);
            }
            taken.push(ticks.flatten());
        }
        taken
    };
    let whole = (i128::from(i64::MIN), i128::from(i64::MAX));
    let (first_day, last_day) = (i128::from(*FOUR_DIGITS.start()), i128::from(*FOUR_DIGITS.end()));
    let series = match dtype {
        DataType::Boolean => {
            let taken = values.iter().map(|value| match value {
                Some(Value::Bool(value)) => Some(*value),
                _ => None,
            });
            BooleanChunked::from_iter_options(name, taken).into_series()
        }
        DataType::UInt64 => {
            // Cannot pass through i64.
            let mut taken = Vec::with_capacity(values.len());
            for value in &values {
                taken.push(match value {
                    Some(Value::Int(wide)) => match u64::try_from(*wide) {
                        Ok(held) => Some(held),
                        Err(_) => return Err(Value::Int(*wide)),
                    },
                    _ => None,
                });
            }
            UInt64Chunked::from_iter_options(name, taken.into_iter()).into_series()
        }
        dtype if dtype.is_integer() => {
            let (low, high) = range(dtype);
            let taken = ints(low, high, 1);
            let series = Int64Chunked::from_iter_options(name, taken.into_iter()).into_series();
            series.cast(dtype).expect("integers of the range fit")
        }
        DataType::Float32 => {
            let mut taken = Vec::with_capacity(values.len());
            for value in &values {
                taken.push(match value {
                    Some(Value::Float(wide)) if wide.is_finite() && !(*wide as f32).is_finite() => {
                        return Err(Value::Float(*wide));
                    }
                    Some(Value::Float(wide)) => Some(*wide as f32),
                    _ => None,
                });
            }
            Float32Chunked::from_iter_options(name, taken.into_iter()).into_series()
        }
        DataType::Float64 => {
            let taken = values.iter().map(|value| match value {
                Some(Value::Float(value)) => Some(*value),
                _ => None,
            });
            Float64Chunked::from_iter_options(name, taken).into_series()
        }
        DataType::Decimal(digits, behind) => {
            let most = 10i128.pow(*digits as u32);
            let mut taken = Vec::with_capacity(values.len());
            for value in &values {
                taken.push(match value {
                    Some(Value::Decimal(held, scale)) if *scale as usize == *behind && held.abs() < most => Some(*held),
                    Some(other) => return Err(other.clone().owned()),
                    None => None,
                });
            }
            Int128Chunked::from_iter_options(name, taken.into_iter())
                .into_decimal_unchecked(*digits, *behind)
                .into_series()
        }
        DataType::Date => {
            let taken = ints(first_day, last_day, 1);
            let taken = taken.into_iter().map(|days| days.map(|days| days as i32));
            Int32Chunked::from_iter_options(name, taken).into_date().into_series()
        }
        DataType::Datetime(unit, zone) => {
            let of_day = DAY / tick(*unit);
            let (first, last) = (first_day * of_day, (last_day + 1) * of_day - 1);
            let taken = ints(first.max(whole.0), last.min(whole.1), tick(*unit));
            Int64Chunked::from_iter_options(name, taken.into_iter()).into_datetime(*unit, zone.clone()).into_series()
        }
        DataType::Duration(unit) => {
            let taken = ints(whole.0, whole.1, tick(*unit));
            Int64Chunked::from_iter_options(name, taken.into_iter()).into_duration(*unit).into_series()
        }
        DataType::Time => {
            let taken = ints(0, DAY - 1, 1);
            Int64Chunked::from_iter_options(name, taken.into_iter()).into_time().into_series()
        }
        DataType::String => {
            let taken = values.iter().map(|value| match value {
                Some(Value::Text(text)) => Some(text.as_ref()),
                _ => None,
            });
            StringChunked::from_iter_options(name, taken).into_series()
        }
        // No expression makes such values, but one may pass nulls on.
        other => match values.iter().flatten().next() {
            Some(value) => return Err(value.clone().owned()),
            None => Series::full_null(name, values.len(), other),
        },
    };
    match beyond {
        Some(value) => Err(value),
        None => Ok(series),
    }
}

/// The least and the greatest integer of an integer type.
pub(crate) fn range(dtype: &DataType) -> (i128, i128) {
    match dtype {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        DataType::UInt8 => (0, u8::MAX.into()),
        DataType::UInt16 => (0, u16::MAX.into()),
        DataType::UInt32 => (0, u32::MAX.into()),
        DataType::UInt64 => (0, u64::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_floats_compare_without_rounding() {
        let order = |a: i128, b: f64| Value::Int(a).order(&Value::Float(b));
        assert_eq!(order(9_007_199_254_740_993, 9_007_199_254_740_992.0), Some(Ordering::Greater));
        assert_eq!(order(2, 2.5), Some(Ordering::Less));
        assert_eq!(order(-2, -2.5), Some(Ordering::Greater));
        assert_eq!(order(i128::from(u64::MAX), 18_446_744_073_709_551_616.0), Some(Ordering::Less));
        assert_eq!(order(1, f64::INFINITY), Some(Ordering::Less));
        assert_eq!(order(1, f64::NAN), None);
    }

    #[test]
    fn a_column_refuses_what_its_type_does_not_hold() {
        let one = |value: Value<'static>, dtype: &DataType| column("x".into(), dtype, vec![Some(value)]).map(|_| ());
        assert_eq!(one(Value::Int(128), &DataType::Int8), Err(Value::Int(128)));
        assert_eq!(one(Value::Int(-1), &DataType::UInt64), Err(Value::Int(-1)));
        assert_eq!(one(Value::Float(1e300), &DataType::Float32), Err(Value::Float(1e300)));
        assert_eq!(one(Value::Decimal(1000, 2), &DataType::Decimal(3, 2)), Err(Value::Decimal(1000, 2)));
        let micros = DataType::Datetime(TimeUnit::Microseconds, None);
        assert_eq!(one(Value::Moment(1500), &micros), Err(Value::Moment(1500)));
        assert_eq!(one(Value::Moment(2000), &micros), Ok(()));
    }
}
