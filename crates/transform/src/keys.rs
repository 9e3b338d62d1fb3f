//! Sets of keys: which rows have the same values in some columns.
//!
//! A key is known by 76 bits of hash (12 choose one of 4096 shards, 64 are stored there), or exactly where it
//! is a single whole number or date. The chance that any two of 100 million different keys are taken for one is
//! below 1 in 10 million. Equal keys are never taken for different ones.

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use polars::prelude::*;

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
        if physical.dtype().is_integer() {
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

fn shard(hash: u64) -> u16 {
    (hash >> 52) as u16
}

/// Whether keys in `columns` are kept whole: a single column of whole numbers, days or moments.
pub fn is_exact(dtypes: &[DataType]) -> bool {
    matches!(dtypes, [one] if one.to_physical().is_integer() && one.to_physical() != DataType::Int128)
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
    fn decimals_beyond_64_bits_stay_apart() {
        let numbers = [1, 2, 1, 3].map(|last| 10i128.pow(30) + last);
        let decimals = Int128Chunked::from_slice("k".into(), &numbers).into_decimal(38, 10).unwrap().into_series();
        assert_eq!(KeySet::default().insert_all(&[decimals.clone().into_column()]).unwrap(), 1);
        assert!(!is_exact(&[decimals.dtype().clone()]));
    }

    #[test]
    fn whole_numbers_and_days_are_exact() {
        assert!(is_exact(&[DataType::Int64]) && is_exact(&[DataType::Date]));
        assert!(!is_exact(&[DataType::String]) && !is_exact(&[DataType::Int64, DataType::Int64]));
    }
}
