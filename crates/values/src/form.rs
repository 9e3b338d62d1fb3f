//! The forms in which values are compared and computed with. Nothing is lost on the way: what a form cannot hold is
//! an error, never a null.
//!
//! | values | held as |
//! |---|---|
//! | texts and categories | text |
//! | integers up to 64 signed bits, days, timestamps, durations, times of day, booleans | 64-bit integers |
//! | unsigned 64-bit integers, decimals, timestamps or durations of different units | 128-bit integers |
//! | floats | their bits; the two zeros are one value, NaN is null |

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{DataType, Float64Chunked, IntoSeries, NewChunkedArray, PlSmallStr, Series, TimeUnit};
use spec::{Error, Result};

/// The largest integer up to which a 64-bit float holds every one.
const EXACT: u64 = 1 << 53;

/// What a column's values are. Two columns can be compared if theirs are of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Float,
    Decimal,
    Day,
    Moment,
    /// A timestamp in a time zone: it means the same instant everywhere, which a timestamp without a zone does not.
    Instant,
    Duration,
    TimeOfDay,
    Truth,
    /// A column of nulls.
    Nothing,
}

impl Kind {
    /// None for bytes, lists and structs, whose values are not compared.
    pub fn of(dtype: &DataType) -> Option<Kind> {
        Some(match dtype {
            dtype if is_text(dtype) => Kind::Text,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Kind::Integer,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => Kind::Integer,
            DataType::Float32 | DataType::Float64 => Kind::Float,
            DataType::Decimal(..) => Kind::Decimal,
            DataType::Date => Kind::Day,
            DataType::Datetime(_, None) => Kind::Moment,
            DataType::Datetime(_, Some(_)) => Kind::Instant,
            DataType::Duration(_) => Kind::Duration,
            DataType::Time => Kind::TimeOfDay,
            DataType::Boolean => Kind::Truth,
            DataType::Null => Kind::Nothing,
            _ => return None,
        })
    }
}

pub fn is_text(dtype: &DataType) -> bool {
    dtype.is_string() || dtype.is_categorical() || dtype.is_enum()
}

/// How the values of a column, or of two columns that are compared, are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Whole,
    Float,
    Wide(Measure),
}

/// What a 128-bit integer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Ones,
    /// The last of this many decimal places.
    Decimals(usize),
    Nanoseconds,
}

/// A type as a text that distinguishes two types: `datetime with time zone UTC`.
pub fn kind_name(dtype: &DataType) -> String {
    match dtype {
        DataType::Datetime(_, Some(zone)) => format!("{} with time zone {zone}", type_name(dtype)),
        other => type_name(other),
    }
}

impl Form {
    /// The form of one column.
    pub fn of(dtype: &DataType) -> Option<Form> {
        Form::of_both(dtype, dtype)
    }

    /// The form in which the values of two columns are equal if they mean the same; none if they cannot.
    pub fn of_both(one: &DataType, other: &DataType) -> Option<Form> {
        let (kind, other_kind) = (Kind::of(one)?, Kind::of(other)?);
        if kind == Kind::Nothing {
            return if other_kind == Kind::Nothing { Some(Form::Text) } else { Form::of(other) };
        }
        if other_kind == Kind::Nothing {
            return Form::of(one);
        }
        if kind != other_kind {
            return None;
        }
        Some(match (one, other) {
            (DataType::Decimal(_, one), DataType::Decimal(_, other)) => Form::Wide(Measure::Decimals(*one.max(other))),
            (DataType::Datetime(one, _), DataType::Datetime(other, _))
            | (DataType::Duration(one), DataType::Duration(other))
                if one != other =>
            {
                Form::Wide(Measure::Nanoseconds)
            }
            (DataType::UInt64, _) | (_, DataType::UInt64) => Form::Wide(Measure::Ones),
            _ => match kind {
                Kind::Text => Form::Text,
                Kind::Float => Form::Float,
                _ => Form::Whole,
            },
        })
    }
}

/// The values as 64-bit integers; for types of that form.
pub fn whole(column: &Series) -> Result<Vec<Option<i64>>> {
    let doing = || format!("column '{}'", column.name());
    let wide = column.to_physical_repr().strict_cast(&DataType::Int64).during(doing())?;
    Ok(wide.i64().during(doing())?.iter().collect())
}

/// The values as 128-bit integers that count `measure`.
pub fn wide(column: &Series, measure: Measure) -> Result<Vec<Option<i128>>> {
    let doing = || format!("column '{}'", column.name());
    let times = |values: Vec<Option<i128>>, factor: i128| -> Result<Vec<Option<i128>>> {
        let scaled = |value: Option<i128>| match value {
            None => Ok(None),
            Some(value) => value.checked_mul(factor).map(Some).ok_or_else(|| {
                Error::refused(format!("{}: {value} has too many digits to be compared", doing()))
                    .hint("give both columns the same number of decimal places in clean.yaml")
            }),
        };
        values.into_iter().map(scaled).collect()
    };
    match (column.dtype(), measure) {
        (DataType::UInt64, _) => {
            let values = column.u64().during(doing())?;
            Ok(values.iter().map(|value| value.map(i128::from)).collect())
        }
        (DataType::Decimal(_, scale), measure) => {
            let to = if let Measure::Decimals(to) = measure { to } else { *scale };
            let values = column.decimal().during(doing())?.physical().iter().collect();
            times(values, 10i128.pow(to.saturating_sub(*scale) as u32))
        }
        (DataType::Datetime(unit, _) | DataType::Duration(unit), Measure::Nanoseconds) => {
            let values = whole(column)?.into_iter().map(|value| value.map(i128::from)).collect();
            times(values, i128::from(nanoseconds(*unit)))
        }
        (DataType::Null, _) => Ok(vec![None; column.len()]),
        _ => Ok(whole(column)?.into_iter().map(|value| value.map(i128::from)).collect()),
    }
}

/// The values of a column as texts that are equal exactly if the values are; null and NaN have none.
pub fn tokens(column: &Series, form: Form) -> Result<Vec<Option<String>>> {
    let doing = || format!("column '{}'", column.name());
    Ok(match form {
        _ if column.dtype() == &DataType::Null => vec![None; column.len()],
        Form::Text => {
            let texts = column.strict_cast(&DataType::String).during(doing())?;
            texts.str().during(doing())?.iter().map(|text| text.map(str::to_owned)).collect()
        }
        Form::Whole => whole(column)?.into_iter().map(|value| value.map(|value| value.to_string())).collect(),
        Form::Wide(measure) => {
            wide(column, measure)?.into_iter().map(|value| value.map(|value| value.to_string())).collect()
        }
        Form::Float => {
            let numbers = column.strict_cast(&DataType::Float64).during(doing())?;
            // The two zeros are one value.
            let token = |number: f64| (!number.is_nan()).then(|| (number + 0.0).to_bits().to_string());
            numbers.f64().during(doing())?.iter().map(|number| number.and_then(token)).collect()
        }
    })
}

/// How many nanoseconds a tick of the unit has.
pub fn nanoseconds(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Milliseconds => 1_000_000,
        TimeUnit::Microseconds => 1_000,
        TimeUnit::Nanoseconds => 1,
    }
}

/// Numbers and booleans as 64-bit floats, where NaN is null.
///
/// Errors (refused): an integer that no 64-bit float is equal to.
pub fn numbers(column: &Series, place: &str) -> Result<Vec<f64>> {
    match column.dtype() {
        DataType::Int64 => fits(column.i64().during(place)?.iter().flatten(), i64::unsigned_abs, place)?,
        DataType::UInt64 => fits(column.u64().during(place)?.iter().flatten(), |value| value, place)?,
        _ => {}
    }
    let numbers = column.strict_cast(&DataType::Float64).during(place)?;
    let numbers = numbers.f64().during(place)?;
    Ok(match numbers.cont_slice() {
        Ok(slice) => slice.to_vec(),
        Err(_) => numbers.iter().map(|number| number.unwrap_or(f64::NAN)).collect(),
    })
}

/// Refuses a column of floats with an infinite cell: no sum, mean or rank of it means anything.
pub fn refuse_infinite(column: &Series, place: &str) -> Result<()> {
    let is_infinite = match column.dtype() {
        DataType::Float32 => column.f32().during(place)?.iter().flatten().any(f32::is_infinite),
        DataType::Float64 => column.f64().during(place)?.iter().flatten().any(f64::is_infinite),
        _ => false,
    };
    match is_infinite {
        false => Ok(()),
        true => Err(Error::refused(format!(
            "{place}: column '{}' holds an infinite number, which cannot be computed with",
            column.name()
        ))
        .hint(format!("take such rows out in clean.yaml, for example by `filter: abs({}) < 1e300`", column.name()))),
    }
}

fn fits<N: Copy + std::fmt::Display>(
    mut values: impl Iterator<Item = N>,
    size: impl Fn(N) -> u64,
    place: &str,
) -> Result<()> {
    // Beyond 2^53 the even ones still fit, but the next may not: a column that goes so far holds codes.
    match values.find(|value| size(*value) > EXACT) {
        None => Ok(()),
        Some(value) => Err(Error::refused(format!(
            "{place}: {value} has more digits than a 64-bit float, in which numbers are computed"
        ))
        .hint("if it is a code, cast the column to string in clean.yaml; if it is an amount, divide it there")),
    }
}

/// A column of a type that features have: categories as text, integers as Int64, other numbers as Float64 without NaN
/// or infinity; all else as it is.
///
/// Errors (refused): an integer beyond Int64.
pub fn plain(column: Series, place: &str) -> Result<Series> {
    let name = column.name().clone();
    let plain = match column.dtype() {
        dtype if is_text(dtype) => column.strict_cast(&DataType::String).during(place)?,
        DataType::Float64 if column.null_count() == 0 && finite(&column) => column.rechunk(),
        DataType::Float32 | DataType::Float64 | DataType::Decimal(..) | DataType::Null => {
            floats(numbers(&column, place)?)
        }
        DataType::UInt64 => {
            let values = column.u64().during(place)?;
            if let Some(value) = values.iter().flatten().find(|value| i64::try_from(*value).is_err()) {
                return Err(Error::refused(format!("{place}: {value} is beyond int64, the integers of features"))
                    .hint("if it is a code, cast the column to string in clean.yaml"));
            }
            column.strict_cast(&DataType::Int64).during(place)?
        }
        dtype if dtype.is_integer() => column.strict_cast(&DataType::Int64).during(place)?,
        dtype if Kind::of(dtype).is_none() => {
            return Err(Error::cannot_run(format!("{place} is {}, which cannot be a feature", type_name(dtype)))
                .hint("derive plain values of it in clean.yaml"));
        }
        _ => column,
    };
    Ok(plain.rechunk().with_name(name))
}

fn finite(column: &Series) -> bool {
    column.f64().is_ok_and(|numbers| numbers.iter().flatten().all(f64::is_finite))
}

/// A column of numbers; null where they are infinite or not numbers.
pub fn floats(values: Vec<f64>) -> Series {
    match values.iter().all(|value| value.is_finite()) {
        true => Float64Chunked::from_vec(PlSmallStr::EMPTY, values).into_series(),
        false => {
            let values = values.into_iter().map(|value| value.is_finite().then_some(value));
            Float64Chunked::from_iter_options(PlSmallStr::EMPTY, values).into_series()
        }
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::NamedFrom;

    use super::*;

    #[test]
    fn columns_are_compared_by_what_they_mean() {
        let moments = |unit| DataType::Datetime(unit, None);
        let (ms, us) = (moments(TimeUnit::Milliseconds), moments(TimeUnit::Microseconds));
        assert_eq!(Form::of_both(&ms, &us), Some(Form::Wide(Measure::Nanoseconds)));
        assert_eq!(Form::of_both(&us, &us), Some(Form::Whole));
        assert_eq!(Form::of_both(&DataType::Int8, &DataType::UInt64), Some(Form::Wide(Measure::Ones)));
        let decimal = |scale| DataType::Decimal(20, scale);
        assert_eq!(Form::of_both(&decimal(2), &decimal(5)), Some(Form::Wide(Measure::Decimals(5))));
        for (one, other) in [
            (DataType::Float64, decimal(2)),
            (DataType::Int64, DataType::Float64),
            (DataType::Boolean, DataType::Time),
            (DataType::Date, us.clone()),
            (us, DataType::Duration(TimeUnit::Microseconds)),
            (DataType::Binary, DataType::Binary),
        ] {
            assert_eq!(Form::of_both(&one, &other), None, "{one} {other}");
        }
    }

    #[test]
    fn nothing_is_lost_on_the_way() {
        let large = Series::new("n".into(), [u64::MAX, 1 << 63, 7]);
        let held = wide(&large, Measure::Ones).unwrap();
        assert_eq!(held, [Some(i128::from(u64::MAX)), Some(1 << 63), Some(7)]);
        assert_eq!(
            plain(large, "feature 'n'").unwrap_err().to_string(),
            "feature 'n': 18446744073709551615 is beyond int64, the integers of features; if it is a code, cast the \
             column to string in clean.yaml"
        );
        let codes = Series::new("n".into(), [9_007_199_254_740_993i64]);
        assert!(numbers(&codes, "feature 'n'").unwrap_err().to_string().starts_with(
            "feature 'n': 9007199254740993 has more digits than a 64-bit float, in which numbers are computed"
        ));
        assert_eq!(numbers(&Series::new("n".into(), [-(1i64 << 53)]), "").unwrap(), [-9_007_199_254_740_992.0]);
    }

    #[test]
    fn features_have_few_types_and_no_infinity() {
        let odd = Series::new("x".into(), [f64::NAN, f64::INFINITY, 1.5]);
        assert_eq!(plain(odd, "").unwrap().f64().unwrap().iter().collect::<Vec<_>>(), [None, None, Some(1.5)]);
        assert_eq!(plain(Series::new("x".into(), [1u8]), "").unwrap().dtype(), &DataType::Int64);
    }
}
