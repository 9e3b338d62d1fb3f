//! Duplicates by key ([`crate::keys`]): which rows are dropped for another row of the same key.
//!
//! Memory: about 13 bytes per distinct key to keep the first row, less for whole numbers that lie close together; 43 to
//! choose by another column.

use std::cell::Cell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::FixedState;
use polars::prelude::*;

use crate::key_set::KeySet;
use crate::keys::{Nulls, SHARDS, keys};

/// Whether the row at `at` takes part.
fn takes_part(comparable: &Option<Vec<bool>>, at: usize) -> bool {
    comparable.as_ref().is_none_or(|rows| rows[at])
}

/// Keeps the first alive row of each key, batch by batch.
pub(crate) struct FirstSeen {
    rule: u16,
    columns: Vec<String>,
    nulls: Nulls,
    seen: KeySet,
}

impl FirstSeen {
    /// `columns` of the batch are the key; `rule` marks the duplicates.
    pub(crate) fn new(rule: u16, columns: Vec<String>, nulls: Nulls) -> FirstSeen {
        FirstSeen { rule, columns, nulls, seen: KeySet::default() }
    }

    /// Marks the duplicates among the rows that were alive when the step's turn came: those that no earlier
    /// rule took out. A mark of a later rule is overwritten.
    pub(crate) fn mark(&mut self, frame: &DataFrame, marks: &mut [u16]) -> PolarsResult<()> {
        let columns: Vec<Column> =
            self.columns.iter().map(|name| frame.column(name).cloned()).collect::<PolarsResult<_>>()?;
        let comparable = self.nulls.comparable(&columns)?;
        let marks = Cell::from_mut(marks).as_slice_of_cells();
        let is_alive = |at: usize| marks[at].get() == 0 || marks[at].get() > self.rule;
        let takes_part = |at: usize| is_alive(at) && takes_part(&comparable, at);
        self.seen.insert_where(&columns, takes_part, |at| marks[at].set(self.rule))
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

/// Finds the positions of the duplicates, over a table that comes in batches of alive rows.
pub(crate) struct Contest {
    winner: Winner,
    nulls: Nulls,
    /// Rank and position of the best row so far.
    best: Vec<HashMap<u64, (Rank, IdxSize), FixedState>>,
    losers: Vec<bool>,
    /// By position: for how many rows the row stands; `None` if it is not needed.
    counts: Option<Vec<u32>>,
}

impl Contest {
    /// `with_counts`: also counts the rows of each key, 4 bytes per row of the table.
    pub(crate) fn new(winner: Winner, nulls: Nulls, with_counts: bool) -> Contest {
        let best = (0..=SHARDS).map(|_| HashMap::with_hasher(FixedState::with_seed(3))).collect();
        Contest { winner, nulls, best, losers: Vec::new(), counts: with_counts.then(Vec::new) }
    }

    /// `positions` ascend; `by` is the column of [`Winner::Smallest`] and [`Winner::Largest`], a number or time.
    pub(crate) fn observe(&mut self, positions: &IdxCa, by: Option<&Column>, key: &[Column]) -> PolarsResult<()> {
        let ranks = match by {
            Some(by) => ranks(by, self.winner)?,
            None => vec![(0, 0); positions.len()],
        };
        let comparable = self.nulls.comparable(key)?;
        for (at, ((position, rank), key)) in positions.iter().zip(ranks).zip(keys(key)?).enumerate() {
            let position = position.unwrap_or_default();
            if let Some(counts) = &mut self.counts {
                counts.resize(position as usize + 1, 0);
                counts[position as usize] = 1;
            }
            if !takes_part(&comparable, at) {
                continue;
            }
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
                    let (stays, loser) = if wins { (position, holder) } else { (holder, position) };
                    if let Some(counts) = &mut self.counts {
                        counts[stays as usize] += counts[loser as usize];
                    }
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

    /// True at the position of each duplicate; positions beyond the end are none. And the counts, for
    /// [`count_at`].
    pub(crate) fn finish(self) -> (BooleanChunked, Vec<u32>) {
        (BooleanChunked::from_slice(PlSmallStr::EMPTY, &self.losers), self.counts.unwrap_or_default())
    }
}

/// Ordered as the values are: the upper and the lower half of 128 bits.
pub(crate) type Rank = (u64, u64);

/// Ranks in the order of the column's values; an empty cell loses against every value.
pub(crate) fn ranks(by: &Column, winner: Winner) -> PolarsResult<Vec<Rank>> {
    let empty = if winner == Winner::Smallest { (u64::MAX, u64::MAX) } else { (0, 0) };
    // Every value is above the rank of empty cells.
    let narrow = |rank: u64| (rank, 1);
    let physical = by.to_physical_repr();
    let ranks = match physical.dtype() {
        DataType::Float32 | DataType::Float64 => {
            let wide = physical.cast(&DataType::Float64)?;
            let rank = |value: f64| {
                let bits = (value + 0.0).to_bits();
                narrow(if bits >> 63 == 1 { !bits } else { bits | 1 << 63 })
            };
            wide.f64()?.iter().map(|v| v.filter(|v| !v.is_nan()).map_or(empty, rank)).collect()
        }
        DataType::UInt64 => physical.u64()?.iter().map(|v| v.map_or(empty, narrow)).collect(),
        // Decimals.
        DataType::Int128 => {
            let rank = |value: i128| {
                let bits = (value as u128) ^ (1 << 127);
                ((bits >> 64) as u64, bits as u64)
            };
            physical.i128()?.iter().map(|v| v.map_or(empty, rank)).collect()
        }
        _ => {
            let wide = physical.strict_cast(&DataType::Int64)?;
            wide.i64()?.iter().map(|v| v.map_or(empty, |v| narrow((v as u64) ^ (1 << 63)))).collect()
        }
    };
    Ok(ranks)
}

/// For how many rows a row stands, or another number above 0, by its position; empty for rows that took no part.
pub(crate) fn count_at(counts: Vec<u32>, position: Expr) -> Expr {
    position.map(
        move |positions| {
            let count = |at: IdxSize| counts.get(at as usize).copied().filter(|count| *count > 0);
            let counted: UInt32Chunked = positions.idx()?.iter().map(|at| at.and_then(count)).collect();
            Ok(counted.with_name(positions.name().clone()).into_column())
        },
        |_, field| Ok(Field::new(field.name().clone(), DataType::UInt32)),
    )
}

/// Whether a row is a duplicate, by its position.
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
        losers_with(winner, Nulls::Equal, key, by)
    }

    fn losers_with(winner: Winner, nulls: Nulls, key: Column, by: Option<Column>) -> Vec<bool> {
        let mut contest = Contest::new(winner, nulls, false);
        let rows = key.len();
        let positions = IdxCa::from_vec("p".into(), (0..rows as IdxSize).collect());
        // In two batches, so that state is carried over.
        let half = rows / 2;
        for (from, count) in [(0, half), (half, rows - half)] {
            let by = by.as_ref().map(|by| by.slice(from as i64, count));
            let key = [key.slice(from as i64, count)];
            contest.observe(&positions.slice(from as i64, count), by.as_ref(), &key).unwrap();
        }
        let (losers, _) = contest.finish();
        (0..rows).map(|at| at < losers.len() && losers.get(at).unwrap_or(false)).collect()
    }

    fn key() -> Column {
        Column::new("k".into(), [Some("a"), Some("b"), None, Some("a"), None])
    }

    #[test]
    fn empty_keys_are_equal_only_if_requested() {
        for winner in [Winner::First, Winner::Last] {
            let found = losers_with(winner, Nulls::Differ, key(), None);
            assert_eq!(found.iter().filter(|lost| **lost).count(), 1, "{found:?}");
            assert!(!found[2] && !found[4]);
        }
        let floats = Column::new("k".into(), [Some(f64::NAN), Some(1.0), None, Some(f64::NAN), Some(1.0)]);
        assert_eq!(losers_with(Winner::First, Nulls::Differ, floats, None), [false, false, false, false, true]);
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
    fn a_row_is_chosen_by_any_number() {
        let chosen = |by: Column| {
            let key = Column::new("k".into(), ["a"; 4]);
            let stays = |winner| losers(winner, key.clone(), Some(by.clone())).iter().position(|lost| !lost).unwrap();
            (stays(Winner::Smallest), stays(Winner::Largest))
        };
        let decimals = [Some(10i128.pow(37)), None, Some(-10i128.pow(37)), Some(0)];
        let decimals = Int128Chunked::from_iter_options("t".into(), decimals.into_iter()).into_decimal(38, 2).unwrap();
        assert_eq!(chosen(decimals.into_column()), (2, 0));
        assert_eq!(chosen(Column::new("t".into(), [Some(u64::MAX), None, Some(0), Some(1)])), (2, 0));
        assert_eq!(chosen(Column::new("t".into(), [Some(i64::MIN), None, Some(i64::MAX), Some(0)])), (0, 2));
        assert_eq!(chosen(Column::new("t".into(), [Some(0.0), None, Some(f64::INFINITY), Some(-1e300)])), (3, 2));
        assert_eq!(chosen(Column::new("t".into(), [Some(true), None, Some(false), None])), (2, 0));
    }

    #[test]
    fn numbers_are_exact_keys() {
        let key = Column::new("k".into(), [i64::MIN, i64::MAX, 0, -1, 0]);
        assert_eq!(losers(Winner::First, key, None), [false, false, false, false, true]);
        let key = Column::new("k".into(), [0.0f64, -0.0, f64::NAN, f64::NAN, 1.0]);
        assert_eq!(losers(Winner::First, key, None), [false, true, false, true, false]);
    }
}
