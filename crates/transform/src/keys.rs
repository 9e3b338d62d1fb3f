//! Keys: the values by which rows are compared, in one column or several. What holds for all who compare rows by keys
//! (`dedupe`, `outliers`, `unique`, `references`, lookups, groups and entities of features) is decided here:
//!
//! - A key with an empty cell equals no other key, not even one that is empty, too: nobody knows what stands there. NaN
//!   counts as empty, and so does a struct with an empty field. Only where the YAML says `nulls: equal`, and where whole
//!   rows are compared, an empty cell is a value like others.
//! - 0.0 and -0.0 are one value.
//!
//! Sets of keys: a key is known by 76 bits of hash (12 choose one of 4096 shards, 64 are stored there), or exactly where it
//! is a single whole number or date. The chance that any two of 100 million different keys are taken for one is
//! below 1 in 10 million. Equal keys are never taken for different ones.

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many sets share the keys, so that growing copies a small one.
pub(crate) const SHARDS: usize = 1 << 12;
/// Keys that are empty cells, where the key is exact.
const EMPTY: Key = Key { shard: SHARDS as u16, tag: 0 };

#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub shard: u16,
    pub tag: u64,
}

/// The keys of all rows. Empty cells are equal to each other.
pub(crate) fn keys(columns: &[Column]) -> PolarsResult<Vec<Key>> {
    let tags = FixedState::with_seed(1);
    let shards = FixedState::with_seed(2);
    let hashed = |bytes: &[u8]| Key { shard: shard(shards.hash_one(bytes)), tag: tags.hash_one(bytes) };
    if let [column] = columns {
        let physical = column.to_physical_repr();
        if is_narrow(physical.dtype()) {
            let exact = |value: u64| Key { shard: shard(shards.hash_one(value)), tag: value };
            // Wrapping keeps different values of up to 64 bits different.
            return Ok(match physical.dtype() {
                DataType::UInt64 => physical.u64()?.iter().map(|v| v.map_or(EMPTY, exact)).collect(),
                // Decimals: more than 64 bits, so known by their hash.
                DataType::Int128 => {
                    physical.i128()?.iter().map(|v| v.map_or(EMPTY, |v| hashed(&v.to_le_bytes()))).collect()
                }
                _ => {
                    let wide = physical.strict_cast(&DataType::Int64)?;
                    wide.i64()?.iter().map(|v| v.map_or(EMPTY, |v| exact(v as u64))).collect()
                }
            });
        }
        if physical.dtype() == &DataType::String {
            return Ok(physical.str()?.iter().map(|v| v.map_or(EMPTY, |v| hashed(v.as_bytes()))).collect());
        }
    }
    let rows = row_encode::encode_rows_unordered(columns)?;
    Ok(rows.iter().map(|row| hashed(row.unwrap_or_default())).collect())
}

/// Whether empty cells of a key are equal to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nulls {
    /// Nobody knows what stands in an empty cell: a key with one equals no other.
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

/// The distinct keys that went by. About 13 bytes per key.
pub struct KeySet {
    shards: Vec<HashSet<u64, FixedState>>,
}

impl Default for KeySet {
    fn default() -> KeySet {
        KeySet { shards: (0..=SHARDS).map(|_| HashSet::with_hasher(FixedState::with_seed(3))).collect() }
    }
}

impl KeySet {
    /// Adds the key of each row; returns how many rows repeat a key that was there before them.
    pub fn insert_all(&mut self, columns: &[Column]) -> PolarsResult<u64> {
        Ok(keys(columns)?.into_iter().map(|key| u64::from(!self.insert(key))).sum())
    }

    /// Whether the key is new.
    pub(crate) fn insert(&mut self, key: Key) -> bool {
        self.shards[usize::from(key.shard)].insert(key.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_counted_across_batches() {
        let mut set = KeySet::default();
        let batch = |values: &[Option<&str>]| [Column::new("k".into(), values)];
        assert_eq!(set.insert_all(&batch(&[Some("a"), Some("b"), None, Some("a")])).unwrap(), 1);
        assert_eq!(set.insert_all(&batch(&[Some("b"), None, Some("c")])).unwrap(), 2);
    }

    #[test]
    fn decimals_beyond_64_bits_are_keys_of_their_own() {
        let decimal = DataType::Decimal(38, 2);
        let texts = ["123456789012345678901.25", "123456789012345678901.26", "1.00", "123456789012345678901.25"];
        let column = Column::new("k".into(), texts).strict_cast(&decimal).unwrap();
        assert_eq!(KeySet::default().insert_all(&[column]).unwrap(), 1);
        assert!(!is_exact(&[decimal]));
    }

    #[test]
    fn whole_numbers_and_days_are_exact() {
        assert!(is_exact(&[DataType::Int64]) && is_exact(&[DataType::Date]));
        assert!(!is_exact(&[DataType::String]) && !is_exact(&[DataType::Int64, DataType::Int64]));
    }
}
