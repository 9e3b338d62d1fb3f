//! Aggregates over windows of earlier rows, group by group.
//!
//! Rows are sorted by group and time once. For a whole table, where the windows of later rows begin and end later, two
//! pointers pass over a group's rows once, and a window's value is joined from two parts: what is known of its older rows up
//! to a middle, backwards, and what was joined since. That holds for counts, ends and extremes, of which the parts do not
//! matter. Sums ask a tree of joined rows, so that a row has the same value to its last digit whether it asks with others or
//! alone. Others ask it where windows do not run in step with the rows: 30 March 15:00 less a month is 29 February 15:00, and
//! 31 March 10:00, which is later, leads to 29 February 10:00; and where something became known late.
//! Nothing is ever subtracted, so no value outside a window leaves a trace in its digits, however large. A group is
//! computed by one thread, in the order of time: the result does not depend on the number of threads.

use rayon::prelude::*;

use super::bag::Bag;
use super::fold::{Fold, Latest};
use super::late::{Late, Timeline};
use super::reach::Reach;
use super::sorted::{Group, Sorted};
use super::tree::{Tree, Walk};
use crate::interner::NULL;

/// The rows that ask.
#[derive(Clone, Copy)]
pub enum Asking<'a> {
    /// All rows of a table, by group and time.
    All(&'a Sorted),
    /// Single rows: the group and the time of each.
    Each(&'a [u32], &'a [i64]),
}

/// What is kept of the rows that are looked at, for rows that ask alone.
pub struct Kept<F> {
    groups: Vec<Tree<F>>,
    /// When all is known of each part, if that is later than the rows.
    settled: Vec<Tree<Latest>>,
}

impl<F: Fold> Kept<F> {
    /// `leaf` is what is known of one row, when so much of it is known (see [`Late`]).
    pub fn new(seen: &Sorted, late: Option<&Late>, leaf: impl Fn(u32, u8) -> F + Sync) -> Kept<F> {
        let groups = || (0..seen.groups()).into_par_iter().map(|group| seen.group(group));
        let at_last = |row: u32| match late {
            None => leaf(row, 0),
            Some(late) => late.at_last(row).map_or(F::EMPTY, |mask| leaf(row, mask)),
        };
        let of = |group: Group| Tree::new(group.rows.len(), |place| at_last(group.rows[place]));
        let settled = late.map(|late| {
            let of = |group: Group| Tree::new(group.rows.len(), |place| Latest(late.settled(group.rows[place])));
            groups().map(of).collect()
        });
        Kept { groups: groups().map(of).collect(), settled: settled.unwrap_or_default() }
    }
}

/// The two sides of an aggregate, of the same groups: rows that ask, and rows that are looked at.
pub struct Sides<'a> {
    pub asking: Asking<'a>,
    pub seen: &'a Sorted,
    pub reach: &'a Reach,
    /// What becomes known after a row's time, if anything does.
    pub late: Option<&'a Late>,
}

impl Sides<'_> {
    /// For every asking row, by its number, what `of` says of the rows in its window; `none` where there is no group.
    /// `leaf` is what is known of one row that is looked at, when so much of it is known (see [`Late`]).
    pub fn slide<F: Fold, T: Copy + Send + Sync>(
        &self,
        none: T,
        kept: Option<&Kept<F>>,
        leaf: impl Fn(u32, u8) -> F + Sync,
        of: impl Fn(F, u32) -> T + Sync,
    ) -> Vec<T> {
        match self.asking {
            Asking::All(asking) => asking.fill(none, |number, asking, out| {
                let seen = self.seen.group(number);
                match self.timeline(seen) {
                    Some(timeline) => self.as_time_goes_on(asking, seen, timeline, &leaf, &of, out),
                    None if F::IS_EXACT => self.pass_over(asking, seen, |row| leaf(row, self.all_known()), &of, out),
                    None => self.ask_tree(asking, seen, |row| leaf(row, self.all_known()), &of, out),
                }
            }),
            Asking::Each(groups, times) => self.each(groups, none, |row, group| {
                let time = times[row as usize];
                let seen = self.seen.group(group as usize);
                let leaf = |place: usize| {
                    self.at(seen.rows[place], time).map_or(F::EMPTY, |mask| leaf(seen.rows[place], mask))
                };
                let (from, to) = self.range(seen, time);
                let tree = kept.and_then(|kept| Some((kept.groups.get(group as usize)?, kept)));
                let all = match tree {
                    Some((tree, kept)) => match kept.settled.get(group as usize) {
                        Some(settled) => tree.fold_where((from, to), leaf, settled, |at| at.0 < time),
                        None => tree.fold(from, to, leaf),
                    },
                    None => Tree::new(seen.rows.len(), &leaf).fold(from, to, &leaf),
                };
                of(all, row)
            }),
        }
    }

    /// For every asking row what `of` says of the codes in its window. `item` is the code of one row that is looked
    /// at, when so much of it is known.
    pub fn gather<B: Bag, T: Copy + Send + Sync>(
        &self,
        none: T,
        item: impl Fn(u32, u8) -> u32 + Sync,
        of: impl Fn(&B) -> T + Sync,
    ) -> Vec<T> {
        match self.asking {
            Asking::All(asking) => asking.fill(none, |number, asking, out| {
                self.fill_bag(asking, self.seen.group(number), &item, &of, out);
            }),
            Asking::Each(groups, times) => self.each(groups, none, |row, group| {
                let time = times[row as usize];
                let seen = self.seen.group(group as usize);
                let (from, to) = self.range(seen, time);
                let rows = seen.rows[from..to].iter();
                let codes: Vec<u32> =
                    rows.map(|row| self.at(*row, time).map_or(NULL, |mask| item(*row, mask))).collect();
                let mut bag = B::new(codes.iter().copied());
                codes.into_iter().for_each(|code| bag.add(code));
                of(&bag)
            }),
        }
    }

    fn fill_bag<B: Bag, T>(
        &self,
        asking: Group,
        seen: Group,
        item: &impl Fn(u32, u8) -> u32,
        of: &impl Fn(&B) -> T,
        out: &mut [T],
    ) {
        let masks = 0..=self.all_known();
        let mut bag = B::new(seen.rows.iter().flat_map(|row| masks.clone().map(move |mask| item(*row, mask))));
        let mut timeline = self.timeline(seen);
        let (mut low, mut high) = (0, 0);
        // What lies in the bag of each row that is looked at.
        let code = |timeline: &Option<Timeline>, place: usize| match timeline {
            Some(timeline) => timeline.known(place).map_or(NULL, |mask| item(seen.rows[place], mask)),
            None => item(seen.rows[place], self.all_known()),
        };
        for (time, slot) in asking.times.iter().zip(out) {
            while let Some(place) = timeline.as_ref().and_then(|timeline| timeline.next(*time)) {
                let before = code(&timeline, place);
                if let Some(timeline) = &mut timeline {
                    timeline.advance();
                }
                if (low..high).contains(&place) {
                    bag.remove(before);
                    bag.add(code(&timeline, place));
                }
            }
            let (from, to) = self.range(seen, *time);
            while low > from {
                low -= 1;
                bag.add(code(&timeline, low));
            }
            while high < to {
                bag.add(code(&timeline, high));
                high += 1;
            }
            while low < from {
                bag.remove(code(&timeline, low));
                low += 1;
            }
            while high > to {
                high -= 1;
                bag.remove(code(&timeline, high));
            }
            *slot = of(&bag);
        }
    }

    /// One value for each of single rows.
    fn each<T: Copy + Send + Sync>(&self, groups: &[u32], none: T, of: impl Fn(u32, u32) -> T + Sync) -> Vec<T> {
        let one = |(row, group): (usize, &u32)| if *group == NULL { none } else { of(row as u32, *group) };
        groups.par_iter().enumerate().with_min_len(64).map(one).collect()
    }

    /// The mask of a row as of a time; none if it is not seen then.
    fn at(&self, row: u32, time: i64) -> Option<u8> {
        self.late.map_or(Some(0), |late| late.as_of(row, time))
    }

    fn all_known(&self) -> u8 {
        self.late.map_or(0, Late::all_known)
    }

    fn timeline(&self, seen: Group) -> Option<Timeline> {
        self.late.and_then(|late| late.timeline(seen))
    }

    /// The places of the rows in the window of a row at `time`.
    fn range(&self, seen: Group, time: i64) -> (usize, usize) {
        let (start, end) = self.reach.of(time);
        let from = seen.times.partition_point(|time| *time < start);
        (from, seen.times.partition_point(|time| *time < end).max(from))
    }

    fn pass_over<F: Fold, T>(
        &self,
        asking: Group,
        seen: Group,
        leaf: impl Fn(u32) -> F,
        of: impl Fn(F, u32) -> T,
        out: &mut [T],
    ) {
        let mut window = Window::new();
        let mut tree = None;
        let at = |place: usize| leaf(seen.rows[place]);
        for ((row, time), slot) in asking.rows.iter().zip(asking.times).zip(out) {
            let (start, end) = self.reach.of(*time);
            let ends_before = window.high > 0 && seen.times[window.high - 1] >= end;
            let begins_before = window.low > 0 && seen.times[window.low - 1] >= start;
            if ends_before || begins_before {
                let tree = tree.get_or_insert_with(|| Tree::new(seen.rows.len(), at));
                let (from, to) = self.range(seen, *time);
                *slot = of(tree.fold(from, to, at), *row);
                continue;
            }
            while window.high < seen.rows.len() && seen.times[window.high] < end {
                window.push(at(window.high));
            }
            let old = seen.times[window.low..window.high].iter().take_while(|time| **time < start).count();
            if old > 0 {
                window.drop_oldest(old, at);
            }
            *slot = of(window.value(), *row);
        }
    }

    fn ask_tree<F: Fold, T>(
        &self,
        asking: Group,
        seen: Group,
        leaf: impl Fn(u32) -> F,
        of: impl Fn(F, u32) -> T,
        out: &mut [T],
    ) {
        if asking.rows.is_empty() {
            return;
        }
        // Each row is looked up once, and not for every range that it lies in.
        let leaves: Vec<F> = seen.rows.iter().map(|row| leaf(*row)).collect();
        let at = |place: usize| leaves[place];
        let tree = Tree::new(leaves.len(), at);
        let mut walk = Walk::new(&tree);
        let (mut from, mut to) = (0, 0);
        for ((row, time), slot) in asking.rows.iter().zip(asking.times).zip(out) {
            let (start, end) = self.reach.of(*time);
            from = first_from(seen.times, from, start);
            to = first_from(seen.times, to, end);
            *slot = of(walk.fold(from, to.max(from), at), *row);
        }
    }

    fn as_time_goes_on<F: Fold, T>(
        &self,
        asking: Group,
        seen: Group,
        mut timeline: Timeline,
        leaf: impl Fn(u32, u8) -> F,
        of: impl Fn(F, u32) -> T,
        out: &mut [T],
    ) {
        let known = |timeline: &Timeline, place: usize| {
            timeline.known(place).map_or(F::EMPTY, |mask| leaf(seen.rows[place], mask))
        };
        let mut tree = Tree::new(seen.rows.len(), |place| known(&timeline, place));
        for ((row, time), slot) in asking.rows.iter().zip(asking.times).zip(out) {
            while let Some(place) = timeline.next(*time) {
                timeline.advance();
                tree.refresh(place, |place| known(&timeline, place));
            }
            let (from, to) = self.range(seen, *time);
            *slot = of(tree.fold(from, to, |place| known(&timeline, place)), *row);
        }
    }
}

/// The first of times in order that is not before `bound`, near `hint` if it can be found there.
fn first_from(times: &[i64], hint: usize, bound: i64) -> usize {
    const NEAR: usize = 8;
    if hint > 0 && times[hint - 1] >= bound {
        return times[..hint].partition_point(|time| *time < bound);
    }
    let near = times[hint..].iter().take(NEAR).take_while(|time| **time < bound).count();
    match near {
        NEAR => hint + NEAR + times[hint + NEAR..].partition_point(|time| *time < bound),
        near => hint + near,
    }
}

/// A window that rows enter at the end and leave at the beginning.
struct Window<F> {
    low: usize,
    high: usize,
    /// What is known from each of the older rows up to the middle, the oldest last.
    older: Vec<F>,
    /// What is known from the middle to the end.
    newer: F,
}

impl<F: Fold> Window<F> {
    fn new() -> Window<F> {
        Window { low: 0, high: 0, older: Vec::new(), newer: F::EMPTY }
    }

    fn push(&mut self, row: F) {
        self.newer = self.newer.join(row);
        self.high += 1;
    }

    fn drop_oldest(&mut self, count: usize, leaf: impl Fn(usize) -> F) {
        self.low += count;
        if count <= self.older.len() {
            self.older.truncate(self.older.len() - count);
            return;
        }
        // The older part is used up: all rows that are left become the older part.
        self.older.clear();
        let mut known = F::EMPTY;
        for place in (self.low..self.high).rev() {
            known = leaf(place).join(known);
            self.older.push(known);
        }
        self.newer = F::EMPTY;
    }

    fn value(&self) -> F {
        self.older.last().map_or(self.newer, |older| older.join(self.newer))
    }
}
