//! Rows in the order of group and time.

use rayon::prelude::*;

use crate::interner::NULL;

/// Rows in the order of group and time; of equal times in the order of the table.
pub struct Sorted {
    /// Row numbers. Rows without a group are not among them.
    rows: Vec<u32>,
    /// Their times, side by side so that a window walks through memory in one direction.
    times: Vec<i64>,
    /// The position of each row of the table among them, if it has a group.
    places: Vec<u32>,
    /// Where each group begins; one more at the end.
    offsets: Vec<usize>,
}

/// A group's row numbers and times.
#[derive(Clone, Copy)]
pub struct Group<'a> {
    pub rows: &'a [u32],
    pub times: &'a [i64],
}

impl Sorted {
    /// `groups` has the group of each row, below `count`, or [`NULL`].
    pub fn new(groups: &[u32], count: usize, times: &[i64]) -> Sorted {
        let mut offsets = vec![0usize; count + 1];
        for group in groups.iter().filter(|group| **group != NULL) {
            offsets[*group as usize + 1] += 1;
        }
        for i in 1..offsets.len() {
            offsets[i] += offsets[i - 1];
        }
        let mut next = offsets.clone();
        let mut sorted = vec![(0i64, 0u32); offsets[count]];
        for ((row, group), time) in (0u32..).zip(groups).zip(times).filter(|((_, group), _)| **group != NULL) {
            let slot = &mut next[*group as usize];
            sorted[*slot] = (*time, row);
            *slot += 1;
        }
        // Row numbers break ties, so the order is that of a stable sort.
        parts(&mut sorted, &offsets).into_par_iter().filter(|part| !part.is_sorted()).for_each(|part| {
            part.par_sort_unstable();
        });
        let mut places = vec![NULL; groups.len()];
        for (place, (_, row)) in (0u32..).zip(&sorted) {
            places[*row as usize] = place;
        }
        let (times, rows) = sorted.into_iter().unzip();
        Sorted { rows, times, places, offsets }
    }

    /// How many groups there are.
    pub fn groups(&self) -> usize {
        self.offsets.len() - 1
    }

    /// A group; without rows if it is not among them.
    pub fn group(&self, group: usize) -> Group<'_> {
        let range = match self.offsets.get(group + 1) {
            Some(end) => self.offsets[group]..*end,
            None => 0..0,
        };
        Group { rows: &self.rows[range.clone()], times: &self.times[range] }
    }

    /// One value for each row, by its number: `fill` writes those of a group's rows, group by group in parallel; `none` where
    /// there is no group.
    pub fn fill<T: Copy + Send + Sync>(&self, none: T, fill: impl Fn(usize, Group, &mut [T]) + Sync) -> Vec<T> {
        let mut values = vec![none; self.rows.len()];
        parts(&mut values, &self.offsets).into_par_iter().enumerate().for_each(|(number, out)| {
            fill(number, self.group(number), out);
        });
        let places = self.places.par_iter().with_min_len(1 << 16);
        places.map(|place| values.get(*place as usize).copied().unwrap_or(none)).collect()
    }
}

/// A slice cut at the offsets.
fn parts<'a, T>(mut rest: &'a mut [T], offsets: &[usize]) -> Vec<&'a mut [T]> {
    let mut parts = Vec::with_capacity(offsets.len());
    for pair in offsets.windows(2) {
        let (part, after) = rest.split_at_mut(pair[1] - pair[0]);
        parts.push(part);
        rest = after;
    }
    parts
}
