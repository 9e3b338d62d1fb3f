//! Cells of YAML as columns of a table.

use polars::prelude::*;
use spec::{ColumnType, Scalar};
use values::{Plain, Purpose, Reading};

/// A column of type `to`, and the numbers of the cells that it cannot hold, which are null there.
///
/// A number or truth value is not a text: YAML would read `007` as 7.
pub fn column(name: &str, cells: &[Option<&Scalar>], to: ColumnType) -> PolarsResult<(Series, Vec<u32>)> {
    let is_text = matches!(to, ColumnType::String | ColumnType::Category);
    let mut bad: Vec<u32> = Vec::new();
    let mut texts = Vec::with_capacity(cells.len());
    for (at, cell) in (0u32..).zip(cells) {
        match cell {
            Some(cell) if is_text && !matches!(cell, Scalar::Text(_)) => {
                bad.push(at);
                texts.push(None);
            }
            cell => texts.push(cell.map(text)),
        }
    }
    let source = Series::new(name.into(), texts);
    let converted = values::convert(&source, &Reading::of(to), Purpose::Source, &Plain, |_| false)?;
    bad.extend(converted.bad);
    bad.sort_unstable();
    Ok((converted.series, bad))
}

/// A cell as it is read and shown.
pub fn text(cell: &Scalar) -> String {
    match cell {
        Scalar::Float(value) => values::numbers::shown(*value),
        cell => cell.to_string(),
    }
}

/// The type that the cells have in common: text if all are empty. None if they have several.
pub fn type_of(cells: &[Option<&Scalar>]) -> Option<ColumnType> {
    let mut found = None;
    for cell in cells.iter().flatten() {
        let of = match cell {
            Scalar::Bool(_) => ColumnType::Bool,
            Scalar::Int(_) => ColumnType::Int64,
            Scalar::Float(_) => ColumnType::Float64,
            Scalar::Text(_) => ColumnType::String,
        };
        found = match (found, of) {
            (None, of) => Some(of),
            (Some(one), other) if one == other => Some(one),
            (Some(ColumnType::Int64 | ColumnType::Float64), ColumnType::Int64 | ColumnType::Float64) => {
                Some(ColumnType::Float64)
            }
            _ => return None,
        };
    }
    Some(found.unwrap_or(ColumnType::String))
}
