//! Aggregates over sliding windows of earlier rows, group by group.
//!
//! Rows are sorted by group and time once. In a group the windows of later rows begin and end later, so two
//! pointers pass over its rows once. A window's value is joined from two parts: what is known of its older rows up
//! to a middle, backwards, and what was joined since. Nothing is ever subtracted, so no value outside a window
//! leaves a trace in its digits, however large. A group is computed by one thread, in the order of time: the
//! result does not depend on the number of threads.

use std::collections::HashMap;

use chrono::{Months, NaiveDate};
use polars::prelude::PlHashMap;
use rayon::prelude::*;
use spec::{Span, Unit};

use crate::features::calendar::Clock;
use crate::features::interner::NULL;

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
struct Group<'a> {
    rows: &'a [u32],
    times: &'a [i64],
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
        let per_day = clock.per_day();
        let (first, last) = (low.div_euclid(per_day), high.div_euclid(per_day));
        let months = span.and_then(|span| match span.unit {
            Unit::Month => Some(Months::new(span.count)),
            Unit::Year => Some(Months::new(span.count.saturating_mul(12))),
            Unit::Hour | Unit::Day | Unit::Week => None,
        });
        let shifted = |day: i64, months: Months| {
            let date = i32::try_from(day).ok().and_then(NaiveDate::from_epoch_days)?;
            date.checked_sub_months(months).map(|date| i64::from(date.to_epoch_days()))
        };
        // A day before the calendar begins stands for the beginning of all time.
        let days = months.map_or_else(Vec::new, |months| {
            (first..=last).map(|day| shifted(day, months).unwrap_or(i64::MIN)).collect()
        });
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
            Unit::Day => time.saturating_sub(count.saturating_mul(per_day)),
            Unit::Week => time.saturating_sub(count.saturating_mul(7 * per_day)),
            Unit::Month | Unit::Year => {
                let (day, rest) = (time.div_euclid(per_day), time.rem_euclid(per_day));
                match self.days.get((day - self.first) as usize) {
                    Some(shifted) if *shifted != i64::MIN => shifted * per_day + rest,
                    _ => i64::MIN,
                }
            }
        }
    }
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

/// What is known of some rows in their order, joined from what is known of each.
pub trait Fold: Copy + Send + Sync {
    const EMPTY: Self;
    /// `later` are the rows that follow.
    fn join(self, later: Self) -> Self;
}

/// Count and sum.
#[derive(Clone, Copy)]
pub struct Total {
    pub count: u64,
    pub sum: f64,
}

impl Fold for Total {
    const EMPTY: Total = Total { count: 0, sum: 0.0 };
    fn join(self, later: Total) -> Total {
        Total { count: self.count + later.count, sum: self.sum + later.sum }
    }
}

/// Count, mean and the sum of squared deviations (Chan, Golub and LeVeque 1979).
#[derive(Clone, Copy)]
pub struct Moments {
    pub count: f64,
    pub mean: f64,
    pub squares: f64,
}

impl Fold for Moments {
    const EMPTY: Moments = Moments { count: 0.0, mean: 0.0, squares: 0.0 };
    fn join(self, later: Moments) -> Moments {
        if self.count == 0.0 || later.count == 0.0 {
            return if self.count == 0.0 { later } else { self };
        }
        let (count, apart) = (self.count + later.count, later.mean - self.mean);
        Moments {
            count,
            mean: self.mean + apart * (later.count / count),
            squares: self.squares + later.squares + apart * apart * (self.count * later.count / count),
        }
    }
}

/// The smallest and the largest value; NaN without any.
#[derive(Clone, Copy)]
pub struct Extremes {
    pub min: f64,
    pub max: f64,
}

impl Fold for Extremes {
    const EMPTY: Extremes = Extremes { min: f64::NAN, max: f64::NAN };
    fn join(self, later: Extremes) -> Extremes {
        // The minimum of a number and NaN is the number.
        Extremes { min: self.min.min(later.min), max: self.max.max(later.max) }
    }
}

/// The number of rows, the first and the last.
#[derive(Clone, Copy)]
pub struct Ends {
    pub count: u64,
    pub first: u32,
    pub last: u32,
}

impl Fold for Ends {
    const EMPTY: Ends = Ends { count: 0, first: NULL, last: NULL };
    fn join(self, later: Ends) -> Ends {
        Ends {
            count: self.count + later.count,
            first: if self.first == NULL { later.first } else { self.first },
            last: if later.last == NULL { self.last } else { later.last },
        }
    }
}

/// The two sides of an aggregate, of the same groups: rows that ask, and rows that are looked at.
pub struct Sides<'a> {
    pub asking: &'a Sorted,
    pub seen: &'a Sorted,
    pub reach: &'a Reach,
}

impl Sides<'_> {
    /// For every asking row, by its number, what `of` says of the rows in its window; `none` where there is no group.
    /// `leaf` is what is known of one row that is looked at.
    pub fn slide<F: Fold, T: Copy + Send + Sync>(
        &self,
        none: T,
        leaf: impl Fn(u32) -> F + Sync,
        of: impl Fn(F, u32) -> T + Sync,
    ) -> Vec<T> {
        self.each(none, |asking, seen, out| {
            let mut window = Window::new();
            for ((row, time), slot) in asking.rows.iter().zip(asking.times).zip(out) {
                let (start, end) = self.reach.of(*time);
                while window.high < seen.rows.len() && seen.times[window.high] < end {
                    window.push(leaf(seen.rows[window.high]));
                }
                let old = seen.times[window.low..window.high].iter().take_while(|time| **time < start).count();
                if old > 0 {
                    window.drop_oldest(old, |place| leaf(seen.rows[place]));
                }
                *slot = of(window.value(), *row);
            }
        })
    }

    /// The number of distinct codes in each window.
    pub fn distinct(&self, codes: &[u32]) -> Vec<i64> {
        self.each(i64::MIN, |asking, seen, out| {
            let (mut low, mut high) = (0, 0);
            let mut counts: PlHashMap<u32, u32> = PlHashMap::default();
            let code = |place: usize| Some(codes[seen.rows[place] as usize]).filter(|code| *code != NULL);
            for (time, slot) in asking.times.iter().zip(out) {
                let (start, end) = self.reach.of(*time);
                while high < seen.rows.len() && seen.times[high] < end {
                    if let Some(code) = code(high) {
                        *counts.entry(code).or_default() += 1;
                    }
                    high += 1;
                }
                while low < high && seen.times[low] < start {
                    if let Some(code) = code(low)
                        && let Some(count) = counts.get_mut(&code)
                    {
                        *count -= 1;
                        if *count == 0 {
                            counts.remove(&code);
                        }
                    }
                    low += 1;
                }
                *slot = counts.len() as i64;
            }
        })
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

/// One code for each combination of codes; null where one of them is.
pub struct Combined {
    codes: HashMap<(u32, u32), u32, foldhash::fast::FixedState>,
}

impl Combined {
    pub fn new() -> Combined {
        Combined { codes: HashMap::with_hasher(foldhash::fast::FixedState::default()) }
    }

    pub fn len(&self) -> usize {
        self.codes.len()
    }

    pub fn of(&mut self, left: &[u32], right: &[u32]) -> Vec<u32> {
        let code = |(left, right): (&u32, &u32)| {
            if *left == NULL || *right == NULL {
                return NULL;
            }
            let fresh = self.codes.len() as u32;
            *self.codes.entry((*left, *right)).or_insert(fresh)
        };
        left.iter().zip(right).map(code).collect()
    }
}
