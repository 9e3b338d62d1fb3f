//! The distinct keys of the rows so far.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;
use polars::prelude::*;

use crate::keys::{EMPTY, Key, SHARDS, exact, keys, whole};

/// The distinct keys so far: a bit or a few for each whole number of those that lie close together, such as the numbers
/// of orders, and about 13 bytes for every other key.
#[derive(Default)]
pub struct KeySet {
    close: Close,
    /// All keys but those in `close`; empty until one comes.
    shards: Vec<HashSet<u64, FixedState>>,
    /// Whole numbers lie too far apart for bits.
    are_apart: bool,
}

impl KeySet {
    /// Adds the key of each row; returns how many rows repeat a key that was there before them.
    #[cfg(test)]
    fn insert_all(&mut self, columns: &[Column]) -> PolarsResult<u64> {
        let mut repeats = 0;
        self.insert_where(columns, |_| true, |_| repeats += 1)?;
        Ok(repeats)
    }

    /// Adds the keys of the rows that take part, in order, and names each row that repeats a key that was there before it.
    pub fn insert_where(
        &mut self,
        columns: &[Column],
        takes_part: impl Fn(usize) -> bool,
        mut repeats: impl FnMut(usize),
    ) -> PolarsResult<()> {
        let Some(whole) = whole(columns)? else {
            for (row, key) in keys(columns)?.into_iter().enumerate() {
                if takes_part(row) && !self.insert(key) {
                    repeats(row);
                }
            }
            return Ok(());
        };
        for (row, value) in whole.iter().enumerate() {
            let is_new = match value {
                _ if !takes_part(row) => continue,
                None => self.insert(EMPTY),
                Some(value) if self.are_apart => self.insert(exact(value as u64)),
                Some(value) => self.close.insert(value as u64),
            };
            if !is_new {
                repeats(row);
            }
        }
        if !self.are_apart && self.close.is_sparse() {
            self.are_apart = true;
            std::mem::take(&mut self.close).each(|value| {
                self.insert(exact(value));
            });
        }
        Ok(())
    }

    /// Whether the key is new.
    fn insert(&mut self, key: Key) -> bool {
        if self.shards.is_empty() {
            self.shards = (0..=SHARDS).map(|_| HashSet::with_hasher(FixedState::with_seed(3))).collect();
        }
        self.shards[usize::from(key.shard)].insert(key.tag)
    }
}

/// Whole numbers, a bit each, in blocks of neighbours.
#[derive(Default)]
struct Close {
    /// Where the block of these highest bits lies.
    places: HashMap<u64, u32, FixedState>,
    blocks: Vec<[u64; WORDS]>,
    /// The block that was looked at last, and where it lies: numbers often come in order.
    last: Option<(u64, u32)>,
    count: u64,
}

/// Numbers of a block: two to the power of this.
const BLOCK: u32 = 12;
const WORDS: usize = 1 << (BLOCK - 6);

impl Close {
    /// Whether the number is new.
    #[inline]
    fn insert(&mut self, value: u64) -> bool {
        let high = value >> BLOCK;
        let place = match self.last {
            Some((last, place)) if last == high => place,
            _ => self.place(high),
        };
        let word = &mut self.blocks[place as usize][(value >> 6) as usize % WORDS];
        let bit = 1 << (value % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        self.count += u64::from(is_new);
        is_new
    }

    fn place(&mut self, high: u64) -> u32 {
        let next = self.blocks.len() as u32;
        let place = *self.places.entry(high).or_insert(next);
        if place == next {
            self.blocks.push([0; WORDS]);
        }
        self.last = Some((high, place));
        place
    }

    /// Whether bits take more memory than a set of hashes would. Unordered numbers may look far apart at first: below
    /// this size it does not matter.
    fn is_sparse(&self) -> bool {
        const FREE: u64 = 16 << 20;
        (self.blocks.len() * size_of::<[u64; WORDS]>()) as u64 > FREE + 16 * self.count
    }

    fn each(self, mut visit: impl FnMut(u64)) {
        for (high, place) in self.places {
            for (at, word) in (0u64..).zip(self.blocks[place as usize]) {
                let mut left = word;
                while left != 0 {
                    visit(high << BLOCK | at << 6 | u64::from(left.trailing_zeros()));
                    left &= left - 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use spec::random::Random;

    use super::*;
    use crate::keys::is_exact;

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
    fn whole_numbers_are_counted_as_a_plain_set_counts_them() {
        let mut random = Random::new(5, 1);
        // Close together, far apart from the first batch on, and close at first.
        for spread in [3_000, u64::MAX, 0] {
            let (mut set, mut plain) = (KeySet::default(), HashSet::new());
            for batch in 0..12u64 {
                let width = if spread == 0 { 1 << (5 * batch) } else { spread };
                let values: Vec<Option<i64>> = (0..10_000)
                    .map(|_| (random.below(50) > 0).then(|| random.next_u64().checked_rem(width).unwrap_or(1) as i64))
                    .collect();
                let takes_part = |row: usize| !row.is_multiple_of(3);
                let mut repeats = Vec::new();
                set.insert_where(&[Column::new("k".into(), &values)], takes_part, |row| repeats.push(row)).unwrap();
                let rows = values.iter().enumerate().filter(|(row, _)| takes_part(*row));
                let expected: Vec<usize> =
                    rows.filter(|(_, value)| !plain.insert(**value)).map(|(row, _)| row).collect();
                assert!(repeats == expected, "spread {spread}, batch {batch}");
            }
            assert_eq!(set.are_apart, spread != 3_000, "spread {spread}");
        }
    }

    #[test]
    fn whole_numbers_of_all_types_are_apart() {
        let batch = |column: Column| KeySet::default().insert_all(&[column]).unwrap();
        assert_eq!(batch(Column::new("k".into(), [u64::MAX, 0, 1 << 63, u64::MAX, 0])), 2);
        assert_eq!(batch(Column::new("k".into(), [i64::MIN, i64::MAX, 0, -1, i64::MIN])), 1);
        let days = Column::new("k".into(), [-1i32, 0, 19_000, -1]).cast(&DataType::Date).unwrap();
        assert_eq!(batch(days), 1);
    }
}
