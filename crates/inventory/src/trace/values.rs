//! Cells as people read them.

use artifact::PolarsResultExt;
use polars::prelude::{AnyValue, DataFrame};
use spec::Result;

/// The cells of a row by column; `None` is an empty cell.
pub fn cells(rows: &DataFrame, at: usize) -> Result<Vec<(String, Option<String>)>> {
    let cell = |name: &str| -> Result<(String, Option<String>)> {
        let value = rows.column(name).during(name)?.get(at).during(name)?;
        Ok((name.to_owned(), shown(&value)))
    };
    rows.get_column_names().into_iter().map(|name| name.as_str()).map(cell).collect()
}

/// A value as text; `None` for an empty cell.
pub fn shown(value: &AnyValue<'_>) -> Option<String> {
    match value {
        AnyValue::Null => None,
        AnyValue::String(text) => Some((*text).to_owned()),
        AnyValue::StringOwned(text) => Some(text.to_string()),
        AnyValue::Float64(number) => Some(number.to_string()),
        AnyValue::Float32(number) => Some(number.to_string()),
        value => Some(value.str_value().into_owned()),
    }
}
