//! A hash of keys that depends on what the values mean, not on how wide or in which unit their columns hold them.

use artifact::raised;
use polars::prelude::*;
use values::form::{Form, Kind, Measure, nanoseconds, tokens, wide};

/// 32 hexadecimal digits for the key of each row; nothing where a part of it is empty.
pub(crate) fn key_hash(columns: &[String]) -> Expr {
    let inputs: Vec<Expr> = columns.iter().map(|name| col(name.as_str())).collect();
    map_multiple(
        |columns: &mut [Column]| {
            let height = columns.iter().map(Column::len).max().unwrap_or_default();
            let parts = columns.iter().map(canonical).collect::<PolarsResult<Vec<_>>>()?;
            let hash = |row: usize| {
                let mut hasher = blake3::Hasher::new();
                for (kind, texts) in &parts {
                    let text = texts.get(row)?.as_ref()?;
                    // The length keeps two texts from running into each other.
                    hasher.update(&[*kind]);
                    hasher.update(&(text.len() as u64).to_le_bytes());
                    hasher.update(text.as_bytes());
                }
                Some(hasher.finalize().to_hex()[..32].to_owned())
            };
            let name = columns.first().map(|column| column.name().clone()).unwrap_or_default();
            Ok(Column::new(name, (0..height).map(hash).collect::<Vec<Option<String>>>()))
        },
        inputs,
        |_: &Schema, fields: &[Field]| {
            let name = fields.first().map(|field| field.name().clone()).unwrap_or_default();
            Ok(Field::new(name, DataType::String))
        },
    )
}

/// What kind of values they are, and a text for each that equal values have in common.
fn canonical(column: &Column) -> PolarsResult<(u8, Vec<Option<String>>)> {
    let series = column.as_materialized_series();
    let dtype = series.dtype();
    let (Some(kind), Some(form)) = (Kind::of(dtype), Form::of(dtype)) else {
        return Ok((b'?', vec![None; series.len()]));
    };
    let tag = match kind {
        Kind::Text => b't',
        Kind::Integer => b'i',
        Kind::Float => b'f',
        Kind::Decimal => b'd',
        Kind::Day => b'D',
        Kind::Moment => b'M',
        Kind::Instant => b'Z',
        Kind::Duration => b'L',
        Kind::TimeOfDay => b'T',
        Kind::Truth => b'b',
        Kind::Nothing => b'?',
    };
    let texts = match dtype {
        DataType::Decimal(_, scale) => {
            let values = wide(series, Measure::Decimals(*scale)).map_err(raised)?;
            values.into_iter().map(|value| value.map(|value| decimal(value, *scale))).collect()
        }
        DataType::Datetime(unit, _) | DataType::Duration(unit) => {
            let values = tokens(series, Form::Whole).map_err(raised)?;
            let factor = i128::from(nanoseconds(*unit));
            let nanos =
                |value: String| value.parse::<i128>().map(|value| (value * factor).to_string()).unwrap_or(value);
            values.into_iter().map(|value| value.map(nanos)).collect()
        }
        _ => tokens(series, form).map_err(raised)?,
    };
    Ok((tag, texts))
}

/// `1250e-3` as `125e-2`: without trailing zeros.
fn decimal(mut digits: i128, mut scale: usize) -> String {
    while scale > 0 && digits % 10 == 0 {
        digits /= 10;
        scale -= 1;
    }
    format!("{digits}e-{scale}")
}
