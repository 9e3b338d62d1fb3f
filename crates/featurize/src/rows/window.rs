//! Aggregates over windows of earlier rows, group by group.
//!
//! Rows are sorted by group and time once. Where the windows of later rows begin and end later, two pointers pass over
//! a group's rows once, and a window's value is joined from two parts: what is known of its older rows up to a middle,
//! backwards, and what was joined since. Months break that order: 30 March 15:00 less a month is 29 February 15:00,
//! and 31 March 10:00, which is later, leads to 29 February 10:00. Such a row asks a tree of joined rows instead; so do
//! all rows of a group of which something became known late.
//! Nothing is ever subtracted, so no value outside a window leaves a trace in its digits, however large. A group is
//! computed by one thread, in the order of time: the result does not depend on the number of threads.

use chrono::Months;
use rayon::prelude::*;
use spec::{Span, Unit};

use super::bag::Bag;
use super::fold::Fold;
use super::late::{Late, Timeline};
use crate::clock::{Clock, date};
use crate::interner::NULL;

/// Rows in the order of group and time; of equal times in the order of the table.
pub struct Sorted {
    /// Row numbers. Rows without a group are not among them.
    rows: Vec<u32>,
    /// Their times, side by side so that a window walks through memory in one direction.
    times: Vec<i64>,
    /// Where each row of the table stands among them, if it has a group.
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

    /// A group; without rows if only the other table has it.
    fn group(&self, group: usize) -> Group<'_> {
        let range = self.offsets[group]..self.offsets[group + 1];
        Group { rows: &self.rows[range.clone()], times: &self.times[range] }
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

/// Days for which a shift by months is looked up in a table; a longer stretch is computed day by day.
const TABLE: i64 = 1 << 18;

/// A shift back in time that is quick for many times.
pub struct Back {
    clock: Clock,
    span: Option<Span>,
    /// For months and years: the day that each day becomes, from the first day on.
    days: Vec<i64>,
    first: i64,
}

impl Back {
    /// For times from `low` to `high`.
    pub fn new(span: Option<Span>, clock: Clock, low: i64, high: i64) -> Back {
        let (first, last) = (clock.day_number(low), clock.day_number(high));
        let days = match span.and_then(months) {
            Some(months) if last.saturating_sub(first) < TABLE => {
                (first..=last).map(|day| shifted(day, months)).collect()
            }
            _ => Vec::new(),
        };
        Back { clock, span, days, first }
    }

    pub fn at(&self, time: i64) -> i64 {
        let Some(span) = self.span else { return time };
        if time == i64::MIN {
            return time;
        }
        let per_day = self.clock.per_day();
        let count = i64::from(span.count);
        match span.unit {
            Unit::Hour => time.saturating_sub(count.saturating_mul(per_day / 24)),
            Unit::Day => self.shown(time, |local| local.saturating_sub(count.saturating_mul(per_day))),
            Unit::Week => {
                self.shown(time, |local| local.saturating_sub(count.saturating_mul(7).saturating_mul(per_day)))
            }
            Unit::Month | Unit::Year => self.shown(time, |local| {
                let (day, rest) = (local.div_euclid(per_day), local.rem_euclid(per_day));
                let known = usize::try_from(day - self.first).ok().and_then(|place| self.days.get(place));
                let day = known.copied().or_else(|| Some(shifted(day, months(span)?)));
                day.unwrap_or(i64::MIN).saturating_mul(per_day).saturating_add(rest)
            }),
        }
    }

    /// A time moved on the clocks on the wall.
    fn shown(&self, time: i64, moved: impl Fn(i64) -> i64) -> i64 {
        self.clock.first(moved(self.clock.local(time)))
    }
}

fn months(span: Span) -> Option<Months> {
    match span.unit {
        Unit::Month => Some(Months::new(span.count)),
        Unit::Year => Some(Months::new(span.count.saturating_mul(12))),
        Unit::Hour | Unit::Day | Unit::Week => None,
    }
}

/// A day so many months earlier. A day before the calendar begins stands for the beginning of all time.
fn shifted(day: i64, months: Months) -> i64 {
    let moved = date(day).and_then(|date| date.checked_sub_months(months));
    moved.map_or(i64::MIN, |date| i64::from(date.to_epoch_days()))
}

/// From a row's time to the first moment of its window, and the first after it.
pub struct Reach {
    lag: Back,
    window: Option<Back>,
}

impl Reach {
    /// For rows whose times lie from `low` to `high`.
    pub fn new(window: Option<Span>, lag: Option<Span>, clock: Clock, low: i64, high: i64) -> Reach {
        let lag = Back::new(lag, clock, low, high);
        let shifted = |time: i64| Some(lag.at(time)).filter(|shifted| *shifted != i64::MIN).unwrap_or(time);
        let window = window.map(|span| Back::new(Some(span), clock, shifted(low), shifted(high)));
        Reach { lag, window }
    }

    /// The window of a row, end exclusive.
    pub fn of(&self, time: i64) -> (i64, i64) {
        let end = self.lag.at(time);
        (self.window.as_ref().map_or(i64::MIN, |window| window.at(end)), end)
    }
}

/// The two sides of an aggregate, of the same groups: rows that ask, and rows that are looked at.
pub struct Sides<'a> {
    pub asking: &'a Sorted,
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
        leaf: impl Fn(u32, u8) -> F + Sync,
        of: impl Fn(F, u32) -> T + Sync,
    ) -> Vec<T> {
        self.each(none, |asking, seen, out| match self.timeline(seen) {
            Some(timeline) => self.ask_tree(asking, seen, timeline, &leaf, &of, out),
            None => self.pass_over(asking, seen, |row| leaf(row, self.all_known()), &of, out),
        })
    }

    /// For every asking row what `of` says of the codes in its window. `item` is the code of one row that is looked
    /// at, when so much of it is known.
    pub fn gather<B: Bag, T: Copy + Send + Sync>(
        &self,
        none: T,
        item: impl Fn(u32, u8) -> u32 + Sync,
        of: impl Fn(&B) -> T + Sync,
    ) -> Vec<T> {
        self.each(none, |asking, seen, out| {
            let (item, masks) = (&item, 0..=self.all_known());
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
        })
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
        for ((row, time), slot) in asking.rows.iter().zip(asking.times).zip(out) {
            let (start, end) = self.reach.of(*time);
            let ends_before = window.high > 0 && seen.times[window.high - 1] >= end;
            let begins_before = window.low > 0 && seen.times[window.low - 1] >= start;
            if ends_before || begins_before {
                let tree = tree.get_or_insert_with(|| Tree::new(seen.rows.iter().map(|row| leaf(*row))));
                let (from, to) = self.range(seen, *time);
                *slot = of(tree.fold(from, to), *row);
                continue;
            }
            while window.high < seen.rows.len() && seen.times[window.high] < end {
                window.push(leaf(seen.rows[window.high]));
            }
            let old = seen.times[window.low..window.high].iter().take_while(|time| **time < start).count();
            if old > 0 {
                window.drop_oldest(old, |place| leaf(seen.rows[place]));
            }
            *slot = of(window.value(), *row);
        }
    }

    fn ask_tree<F: Fold, T>(
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
        let mut tree = Tree::new((0..seen.rows.len()).map(|place| known(&timeline, place)));
        for ((row, time), slot) in asking.rows.iter().zip(asking.times).zip(out) {
            while let Some(place) = timeline.next(*time) {
                timeline.advance();
                tree.set(place, known(&timeline, place));
            }
            let (from, to) = self.range(seen, *time);
            *slot = of(tree.fold(from, to), *row);
        }
    }

    /// Lets `group` fill in the values of each group's asking rows, in parallel.
    fn each<T: Copy + Send + Sync>(&self, none: T, group: impl Fn(Group, Group, &mut [T]) + Sync) -> Vec<T> {
        let mut values = vec![none; self.asking.rows.len()];
        parts(&mut values, &self.asking.offsets).into_par_iter().enumerate().for_each(|(number, out)| {
            group(self.asking.group(number), self.seen.group(number), out);
        });
        let places = self.asking.places.par_iter().with_min_len(1 << 16);
        places.map(|place| values.get(*place as usize).copied().unwrap_or(none)).collect()
    }
}

/// Rows joined by twos, fours, eights and so on: any range of them is joined from few parts. The parts of a range do
/// not depend on what lies after it.
struct Tree<F> {
    /// A power of two: where the rows begin.
    size: usize,
    nodes: Vec<F>,
}

impl<F: Fold> Tree<F> {
    fn new(rows: impl ExactSizeIterator<Item = F>) -> Tree<F> {
        let size = rows.len().next_power_of_two();
        let mut nodes = vec![F::EMPTY; 2 * size];
        nodes[size..].iter_mut().zip(rows).for_each(|(node, row)| *node = row);
        for place in (1..size).rev() {
            nodes[place] = nodes[2 * place].join(nodes[2 * place + 1]);
        }
        Tree { size, nodes }
    }

    fn set(&mut self, place: usize, row: F) {
        let mut place = self.size + place;
        self.nodes[place] = row;
        while place > 1 {
            place /= 2;
            self.nodes[place] = self.nodes[2 * place].join(self.nodes[2 * place + 1]);
        }
    }

    /// The rows from `low` on and before `high`, joined in their order.
    fn fold(&self, low: usize, high: usize) -> F {
        let (mut low, mut high) = (self.size + low, self.size + high);
        let (mut left, mut right) = (F::EMPTY, F::EMPTY);
        while low < high {
            if low % 2 == 1 {
                left = left.join(self.nodes[low]);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                right = self.nodes[high].join(right);
            }
            low /= 2;
            high /= 2;
        }
        left.join(right)
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
