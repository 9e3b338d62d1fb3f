//! Duplicates by key: which rows lose against another row of the same key.
//!
//! A key is known by 76 bits of hash (12 choose one of 4096 sets, 64 are stored there), or exactly where it
//! is a single number or date. The chance that any two of 100 million different keys are taken for one is
//! below 1 in 10 million. Memory: about 9 bytes per distinct key to keep the first row, 25 to choose by
//! another column.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;
use polars::prelude::*;
use std::hash::BuildHasher;

const SHARDS: usize = 1 << 12;
/// Keys that are empty cells, where the key is exact.
const EMPTY: Key = Key { shard: SHARDS as u16, tag: 0 };

#[derive(Clone, Copy)]
struct Key {
    shard: u16,
    tag: u64,
}

/// The keys of all rows. Empty cells are equal to each other.
fn keys(columns: &[Column]) -> PolarsResult<Vec<Key>> {
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
                _ => {
                    let wide = physical.cast(&DataType::Int64)?;
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

/// Keeps the first alive row of each key while batches go by.
pub(crate) struct FirstSeen {
    rule: u16,
    columns: Vec<String>,
    shards: Vec<HashSet<u64, FixedState>>,
}

impl FirstSeen {
    /// `columns` of the batch are the key; `rule` marks the duplicates.
    pub(crate) fn new(rule: u16, columns: Vec<String>) -> FirstSeen {
        let shards = (0..=SHARDS).map(|_| HashSet::with_hasher(FixedState::with_seed(3))).collect();
        FirstSeen { rule, columns, shards }
    }

    /// Marks the duplicates among the rows that were alive when the step's turn came: those that no earlier
    /// rule took out. A mark of a later rule gives way.
    pub(crate) fn mark(&mut self, frame: &DataFrame, marks: &mut [u16]) -> PolarsResult<()> {
        let columns: Vec<Column> =
            self.columns.iter().map(|name| frame.column(name).cloned()).collect::<PolarsResult<_>>()?;
        for (mark, key) in marks.iter_mut().zip(keys(&columns)?) {
            if (*mark == 0 || *mark > self.rule) && !self.shards[usize::from(key.shard)].insert(key.tag) {
                *mark = self.rule;
            }
        }
        Ok(())
    }
}

/// Which of several rows of one key stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Winner {
    First,
    Last,
    /// The smallest value of another column, then the first.
    Smallest,
    /// The largest value of another column, then the last.
    Largest,
}

/// Finds the positions of rows that lose, over a table that goes by in batches of alive rows.
pub(crate) struct Contest {
    winner: Winner,
    /// Rank and position of the best row so far.
    best: Vec<HashMap<u64, (u64, IdxSize), FixedState>>,
    losers: Vec<bool>,
}

impl Contest {
    pub(crate) fn new(winner: Winner) -> Contest {
        let best = (0..=SHARDS).map(|_| HashMap::with_hasher(FixedState::with_seed(3))).collect();
        Contest { winner, best, losers: Vec::new() }
    }

    /// `positions` ascend; `by` is the column of [`Winner::Smallest`] and [`Winner::Largest`], a number or time.
    pub(crate) fn observe(&mut self, positions: &IdxCa, by: Option<&Column>, key: &[Column]) -> PolarsResult<()> {
        let ranks = match by {
            Some(by) => ranks(by, self.winner)?,
            None => vec![0; positions.len()],
        };
        for ((position, rank), key) in positions.iter().zip(ranks).zip(keys(key)?) {
            let position = position.unwrap_or_default();
            match self.best[usize::from(key.shard)].entry(key.tag) {
                Entry::Vacant(free) => {
                    free.insert((rank, position));
                }
                Entry::Occupied(mut held) => {
                    let (best, holder) = *held.get();
                    let wins = match self.winner {
                        Winner::First => false,
                        Winner::Last => true,
                        Winner::Smallest => rank < best,
                        Winner::Largest => rank >= best,
                    };
                    let loser = if wins { holder } else { position };
                    if wins {
                        held.insert((rank, position));
                    }
                    let loser = loser as usize;
                    if self.losers.len() <= loser {
                        self.losers.resize(loser + 1, false);
                    }
                    self.losers[loser] = true;
                }
            }
        }
        Ok(())
    }

    /// True at the position of each row that loses; positions beyond the end do not lose.
    pub(crate) fn losers(self) -> BooleanChunked {
        BooleanChunked::from_slice(PlSmallStr::EMPTY, &self.losers)
    }
}

/// Numbers in the order of the column's values; an empty cell loses against every value.
fn ranks(by: &Column, winner: Winner) -> PolarsResult<Vec<u64>> {
    let empty = if winner == Winner::Smallest { u64::MAX } else { 0 };
    let physical = by.to_physical_repr();
    let ranks = match physical.dtype() {
        DataType::Float32 | DataType::Float64 => {
            let wide = physical.cast(&DataType::Float64)?;
            let rank = |value: f64| {
                let bits = (value + 0.0).to_bits();
                if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
            };
            wide.f64()?.iter().map(|v| v.filter(|v| !v.is_nan()).map_or(empty, rank)).collect()
        }
        DataType::UInt64 => physical.u64()?.iter().map(|v| v.unwrap_or(empty)).collect(),
        _ => {
            let wide = physical.cast(&DataType::Int64)?;
            wide.i64()?.iter().map(|v| v.map_or(empty, |v| (v as u64) ^ (1 << 63))).collect()
        }
    };
    Ok(ranks)
}

/// Whether a row lost, by its position.
pub(crate) fn is_loser(losers: BooleanChunked, position: Expr) -> Expr {
    position.map(
        move |positions| {
            let places = positions.idx()?;
            if places.is_empty() {
                return Ok(Column::new_empty(positions.name().clone(), &DataType::Boolean));
            }
            let (first, count) = (places.first().unwrap_or_default() as usize, places.len());
            // Morsels hold consecutive rows, for which a slice will do.
            let consecutive = places.last().is_some_and(|last| last as usize + 1 == first + count);
            let mut mask = if consecutive && first + count <= losers.len() {
                losers.slice(first as i64, count)
            } else {
                let lost = |at: IdxSize| (at as usize) < losers.len() && losers.get(at as usize).unwrap_or(false);
                places.iter().map(|at| Some(at.is_some_and(lost))).collect()
            };
            mask.rename(positions.name().clone());
            Ok(mask.into_column())
        },
        |_, field| Ok(Field::new(field.name().clone(), DataType::Boolean)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losers(winner: Winner, key: Column, by: Option<Column>) -> Vec<bool> {
        let mut contest = Contest::new(winner);
        let rows = key.len();
        let positions = IdxCa::from_vec("p".into(), (0..rows as IdxSize).collect());
        // In two batches, so that state is carried over.
        let half = rows / 2;
        for (from, count) in [(0, half), (half, rows - half)] {
            let by = by.as_ref().map(|by| by.slice(from as i64, count));
            let key = [key.slice(from as i64, count)];
            contest.observe(&positions.slice(from as i64, count), by.as_ref(), &key).unwrap();
        }
        let losers = contest.losers();
        (0..rows).map(|at| at < losers.len() && losers.get(at).unwrap_or(false)).collect()
    }

    fn key() -> Column {
        Column::new("k".into(), [Some("a"), Some("b"), None, Some("a"), None])
    }

    #[test]
    fn empty_keys_are_equal() {
        assert_eq!(losers(Winner::First, key(), None), [false, false, false, true, true]);
        assert_eq!(losers(Winner::Last, key(), None), [true, false, true, false, false]);
    }

    #[test]
    fn by_a_column_the_empty_cell_loses_and_ties_go_by_position() {
        let by = Column::new("t".into(), [Some(-1.5f64), None, Some(2.0), None, Some(2.0)]);
        assert_eq!(losers(Winner::Largest, key(), Some(by.clone())), [false, false, true, true, false]);
        assert_eq!(losers(Winner::Smallest, key(), Some(by)), [false, false, false, true, true]);
        let by = Column::new("t".into(), [Some(-1i64), Some(0), Some(-3), Some(-2), Some(-2)]);
        assert_eq!(losers(Winner::Smallest, key(), Some(by)), [true, false, false, false, true]);
    }

    #[test]
    fn numbers_are_exact_keys() {
        let key = Column::new("k".into(), [i64::MIN, i64::MAX, 0, -1, 0]);
        assert_eq!(losers(Winner::First, key, None), [false, false, false, false, true]);
        let key = Column::new("k".into(), [0.0f64, -0.0, f64::NAN, f64::NAN, 1.0]);
        assert_eq!(losers(Winner::First, key, None), [false, true, false, true, false]);
    }
}
