//! Keys: the values by which rows are compared, in one column or several. What holds for all who compare rows by keys
//! (`dedupe`, `outliers`, `unique`, `references`, lookups, groups and entities of features) is decided here:
//!
//! - A key with an empty cell equals no other key, not even one that is empty, too: its value is unknown. NaN
//!   counts as empty, and so does a struct with an empty field. Only where the YAML says `nulls: equal`, and where whole
//!   rows are compared, an empty cell is a value like others.
//! - 0.0 and -0.0 are one value.
//!
//! Where keys are kept, a key is known by 76 bits of hash (12 choose one of 4096 shards, 64 are stored there), or exactly where
//! it is a single whole number or date. The chance that any two of 100 million different keys are taken for one is
//! below 1 in 10 million. Equal keys are never taken for different ones.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many sets share the keys, so that growing copies a small one.
pub(crate) const SHARDS: usize = 1 << 12;
/// Keys that are empty cells.
pub(crate) const EMPTY: Key = Key { shard: SHARDS as u16, tag: 0 };

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub shard: u16,
    pub tag: u64,
}

/// The keys of all rows. Empty cells are equal to each other.
pub(crate) fn keys(columns: &[Column]) -> PolarsResult<Vec<Key>> {
    let tags = FixedState::with_seed(1);
    let shards = FixedState::with_seed(2);
    let hashed = |bytes: &[u8]| Key { shard: shard(shards.hash_one(bytes)), tag: tags.hash_one(bytes) };
    if let Some(whole) = whole(columns)? {
        return Ok(whole.iter().map(|value| value.map_or(EMPTY, |value| exact(value as u64))).collect());
    }
    if let [column] = columns
        && column.dtype() == &DataType::String
    {
        return Ok(column.str()?.iter().map(|v| v.map_or(EMPTY, |v| hashed(v.as_bytes()))).collect());
    }
    let columns = columns.iter().map(without_nan).collect::<PolarsResult<Vec<Column>>>()?;
    let rows = row_encode::encode_rows_unordered(&columns)?;
    Ok(rows.iter().map(|row| hashed(row.unwrap_or_default())).collect())
}

/// The same column, in which NaN is an empty cell.
fn without_nan(column: &Column) -> PolarsResult<Column> {
    if !column.dtype().is_float() {
        return Ok(column.clone());
    }
    let is_nan = column.is_nan()?;
    match is_nan.any() {
        true => column.zip_with(&!&is_nan, &Column::full_null(column.name().clone(), column.len(), column.dtype())),
        false => Ok(column.clone()),
    }
}

/// The key that is a whole number.
pub(crate) fn exact(value: u64) -> Key {
    Key { shard: shard(FixedState::with_seed(2).hash_one(value)), tag: value }
}

/// The keys where they are whole numbers: those of unsigned ones wrapped, which keeps different ones different.
pub(crate) fn whole(columns: &[Column]) -> PolarsResult<Option<Int64Chunked>> {
    let [column] = columns else { return Ok(None) };
    let physical = column.to_physical_repr();
    Ok(match physical.dtype() {
        dtype if !is_narrow(dtype) => None,
        DataType::UInt64 => Some(physical.u64()?.iter().map(|value| value.map(|value| value as i64)).collect()),
        _ => Some(physical.strict_cast(&DataType::Int64)?.i64()?.clone()),
    })
}

/// Whether empty cells of a key are equal to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nulls {
    /// The value of an empty cell is unknown, so a key with one equals no other.
    #[default]
    Differ,
    /// An empty cell is a value like others.
    Equal,
}

impl Nulls {
    /// Which rows have a key that can be compared; `None` if all do.
    pub(crate) fn comparable(self, key: &[Column]) -> PolarsResult<Option<Vec<bool>>> {
        match self {
            Nulls::Differ => filled(key),
            Nulls::Equal => Ok(None),
        }
    }
}

/// Which rows have a value in every column of their key; `None` if all do.
pub fn filled(columns: &[Column]) -> PolarsResult<Option<Vec<bool>>> {
    let mut filled: Option<Vec<bool>> = None;
    for column in columns {
        let has_value = match column.dtype() {
            DataType::Float32 | DataType::Float64 => column.is_not_null() & column.is_not_nan()?,
            DataType::Struct(_) => {
                let fields = column.struct_()?.fields_as_series();
                let fields: Vec<Column> = fields.into_iter().map(IntoColumn::into_column).collect();
                match self::filled(&fields)? {
                    None if column.null_count() == 0 => continue,
                    None => column.is_not_null(),
                    Some(rows) => column.is_not_null() & BooleanChunked::from_slice(PlSmallStr::EMPTY, &rows),
                }
            }
            _ if column.null_count() == 0 => continue,
            _ => column.is_not_null(),
        };
        let rows = filled.get_or_insert_with(|| vec![true; column.len()]);
        for (row, has_value) in rows.iter_mut().zip(has_value.iter()) {
            *row &= has_value == Some(true);
        }
    }
    Ok(filled)
}

fn shard(hash: u64) -> u16 {
    (hash >> 52) as u16
}

/// Whether keys in `columns` are kept whole: a single column of whole numbers, dates or timestamps.
pub fn is_exact(dtypes: &[DataType]) -> bool {
    matches!(dtypes, [one] if is_narrow(&one.to_physical()))
}

/// Whole numbers of up to 64 bits; decimals have 128.
fn is_narrow(physical: &DataType) -> bool {
    use DataType::*;
    matches!(physical, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_and_days_are_exact() {
        assert!(is_exact(&[DataType::Int64]) && is_exact(&[DataType::Date]));
        assert!(!is_exact(&[DataType::String]) && !is_exact(&[DataType::Int64, DataType::Int64]));
    }
}
