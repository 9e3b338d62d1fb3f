//! Aggregates of words: codes of distinct values.

use rayon::prelude::*;

use super::kernel::Lane;
use super::plan::Op;
use super::store::{Codes, Words};
use crate::interner::NULL;

/// Columns of so many distinct values are counted in a table with a place for each, which the processor's cache holds.
pub const FEW: usize = 1 << 12;

/// A code of any width.
trait Code: Copy + Sync {
    /// The code, unless it means null.
    fn value(self) -> Option<u32>;
}

macro_rules! code {
    ($($width:ty),*) => {$(
        impl Code for $width {
            #[inline]
            fn value(self) -> Option<u32> {
                (self != <$width>::MAX).then_some(self as u32)
            }
        }
    )*};
}
code!(u8, u16, u32);

/// For each row the row of the same entity before it that has the same code; [`NULL`] if there is none. Where a window begins,
/// a value of many thousands is distinguished by it without a table of all of them: a table would have to be cleared for
/// each entity, or looked into all over memory for each row.
pub fn rows_before(codes: &Codes, distinct: usize, offsets: &[usize]) -> Vec<u32> {
    match codes {
        Codes::U8(codes) => before(codes, distinct, offsets),
        Codes::U16(codes) => before(codes, distinct, offsets),
        Codes::U32(codes) => before(codes, distinct, offsets),
    }
}

fn before<C: Code>(codes: &[C], distinct: usize, offsets: &[usize]) -> Vec<u32> {
    const PARTS: usize = 16;
    let mut all = vec![NULL; codes.len()];
    let entities = offsets.len() - 1;
    let mut parts = Vec::new();
    let mut rest = &mut all[..];
    for pair in (0..entities).step_by(entities.div_ceil(PARTS).max(1)).chain([entities]).collect::<Vec<_>>().windows(2)
    {
        let (part, after) = rest.split_at_mut(offsets[pair[1]] - offsets[pair[0]]);
        parts.push((pair[0]..pair[1], part));
        rest = after;
    }
    parts.into_par_iter().for_each(|(entities, part)| {
        let first = offsets[entities.start];
        // Of each code its last row so far, and one more.
        let mut last = vec![0u32; distinct];
        for entity in entities {
            let (start, end) = (offsets[entity], offsets[entity + 1]);
            for row in start..end {
                let Some(code) = codes[row].value() else { continue };
                let known = std::mem::replace(&mut last[code as usize], row as u32 + 1);
                if known as usize > start {
                    part[row - first] = known - 1;
                }
            }
        }
    });
    all
}

/// Computes an aggregate of words for the ranges of one window, of the rows that `keep` says.
pub fn words(
    words: &Words,
    ranges: &[(usize, usize)],
    op: Op,
    index: usize,
    keep: impl Fn(usize) -> bool + Copy,
) -> Lane {
    let (distinct, before) = (words.values.len(), words.before.as_deref());
    match &words.codes {
        Codes::U8(codes) => compute(codes, distinct, before, ranges, op, index, keep),
        Codes::U16(codes) => compute(codes, distinct, before, ranges, op, index, keep),
        Codes::U32(codes) => compute(codes, distinct, before, ranges, op, index, keep),
    }
}

fn compute<C: Code>(
    codes: &[C],
    distinct: usize,
    before: Option<&[u32]>,
    ranges: &[(usize, usize)],
    op: Op,
    index: usize,
    keep: impl Fn(usize) -> bool + Copy,
) -> Lane {
    let value = |row: usize| if keep(row) { codes[row].value() } else { None };
    let of = |(low, high): (usize, usize)| (low..high).filter_map(value);
    let each = ranges.iter().copied();
    let mut slots = Slots::default();
    match (op, before) {
        (Op::FirstWord(_), _) => Lane::Codes(each.map(|range| of(range).next().unwrap_or(NULL)).collect(), index),
        (Op::LastWord(_), _) => Lane::Codes(each.map(|range| of(range).next_back().unwrap_or(NULL)).collect(), index),
        (Op::Distinct(_), _) if distinct <= 64 => {
            let set = |range| of(range).fold(0u64, |set, code| set | 1 << code);
            Lane::Integers(each.map(|range| i64::from(set(range).count_ones())).collect())
        }
        (Op::Distinct(_), Some(before)) => {
            let counts = each.map(|range| {
                slots.count(before, range, |row| value(row).is_some());
                slots.counts.iter().filter(|count| **count > 0).count() as i64
            });
            Lane::Integers(counts.collect())
        }
        (Op::Distinct(_), None) => {
            // A value counts where it was not yet seen in this range: no clearing between ranges.
            let mut seen = vec![0u32; distinct];
            let counts = each.zip(1u32..).map(|(range, turn)| {
                let fresh = of(range).filter(|code| std::mem::replace(&mut seen[*code as usize], turn) != turn);
                fresh.count() as i64
            });
            Lane::Integers(counts.collect())
        }
        (_, Some(before)) => {
            let most = each.map(|(low, high)| {
                slots.count(before, (low, high), |row| value(row).is_some());
                // The first of equally frequent values wins, since only a larger count replaces it.
                let mut best = (NULL, 0);
                for (row, slot) in (low..high).zip(&slots.of_rows) {
                    let count = slots.counts[*slot as usize];
                    if count > best.1
                        && let Some(code) = value(row)
                    {
                        best = (code, count);
                    }
                }
                best.0
            });
            Lane::Codes(most.collect(), index)
        }
        _ => {
            let mut counts = vec![0u32; distinct];
            let most = each.map(|range| {
                of(range).for_each(|code| counts[code as usize] += 1);
                let mut best = (NULL, 0);
                for code in of(range) {
                    if counts[code as usize] > best.1 {
                        best = (code, counts[code as usize]);
                    }
                }
                of(range).for_each(|code| counts[code as usize] = 0);
                best.0
            });
            Lane::Codes(most.collect(), index)
        }
    }
}

/// The distinct values of a range, numbered in the order in which they come.
#[derive(Default)]
struct Slots {
    /// The number of each row's value.
    of_rows: Vec<u32>,
    /// How many rows that count each value has.
    counts: Vec<u32>,
}

impl Slots {
    fn count(&mut self, before: &[u32], (low, high): (usize, usize), counts: impl Fn(usize) -> bool) {
        self.of_rows.clear();
        self.counts.clear();
        for (row, before) in (low..high).zip(&before[low..high]) {
            let known = (*before as usize).checked_sub(low).and_then(|at| self.of_rows.get(at));
            let slot = match known {
                Some(slot) => *slot,
                None => {
                    self.counts.push(0);
                    self.counts.len() as u32 - 1
                }
            };
            self.of_rows.push(slot);
            self.counts[slot as usize] += u32::from(counts(row));
        }
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::{NamedFrom, Series};
    use spec::random::Random;

    use super::*;

    #[test]
    fn values_are_told_apart_with_a_table_and_without() {
        let mut random = Random::new(8, 1);
        for round in 0..40 {
            let distinct = [70, 1_000][round % 2];
            let mut offsets = vec![0];
            for _ in 0..random.below(60) + 1 {
                offsets.push(offsets[offsets.len() - 1] + random.below(50) + 1);
            }
            let rows = offsets[offsets.len() - 1];
            // Some values are frequent, and some rows have none.
            let code = |random: &mut Random| match random.below(10) {
                0 => u32::MAX,
                1..4 => random.below(distinct) as u32,
                _ => random.below(5) as u32,
            };
            let codes = Codes::U32((0..rows).map(|_| code(&mut random)).collect());
            let kept: Vec<bool> = (0..rows).map(|_| random.below(3) > 0).collect();
            let before = Some(rows_before(&codes, distinct, &offsets));
            let values = Series::new("v".into(), (0..distinct as i64).collect::<Vec<_>>());
            let mut all = Words { codes, values, before };
            let ranges: Vec<(usize, usize)> = offsets
                .windows(2)
                .map(|of| {
                    let low = of[0] + random.below(of[1] - of[0] + 1);
                    (low, low + random.below(of[1] - low + 1))
                })
                .collect();
            for op in [Op::Distinct(0), Op::MostFrequent(0), Op::FirstWord(0), Op::LastWord(0)] {
                let lanes = |words_: &Words| match words(words_, &ranges, op, 0, |row| kept[row]) {
                    Lane::Integers(values) => values,
                    Lane::Codes(codes, _) => codes.into_iter().map(i64::from).collect(),
                    Lane::Floats(_) => Vec::new(),
                };
                let without = lanes(&all);
                let before = all.before.take();
                assert_eq!(lanes(&all), without, "round {round}, {op:?}");
                all.before = before;
            }
        }
    }
}
