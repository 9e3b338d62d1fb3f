//! Aggregates over ranges of sorted rows: one cutoff, a run of entities, all features.
//!
//! For every entity two binary searches bound the rows of a window; then each feature is one tight loop over the
//! ranges of all entities. Every value is computed from the rows of its own window alone and in their order, never
//! as the difference of running sums: rows outside cannot change even its last digit, which is what `--prove`
//! relies on.

use super::plan::{Aggregate, LabelKnown, Op};
use super::store::Store;
use super::words::words;
use crate::clock::Clock;
use crate::known::{LAST_DAY, NEVER};

/// Entities that are computed at a time: their rows fit into the processor's cache.
pub const RUN: usize = 2_048;

/// A cutoff as the time column counts.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub cutoff: i64,
    /// Where each window begins.
    pub windows: Vec<i64>,
    /// Entities without a row from here on have no row in the table.
    pub active: Option<i64>,
    /// Where the label's horizon ends.
    pub horizon: i64,
    /// When its label is known, as far as all rows of the horizon are known by then.
    pub over: i64,
    pub clock: Clock,
}

/// A computed column.
#[derive(Clone, Debug)]
pub enum Lane {
    /// The smallest integer means null.
    Integers(Vec<i64>),
    /// NaN means null.
    Floats(Vec<f64>),
    /// Codes of a column of words.
    Codes(Vec<u32>, usize),
}

impl Lane {
    pub fn append(&mut self, other: Lane) {
        match (self, other) {
            (Lane::Integers(all), Lane::Integers(more)) => all.extend(more),
            (Lane::Floats(all), Lane::Floats(more)) => all.extend(more),
            (Lane::Codes(all, _), Lane::Codes(more, _)) => all.extend(more),
            // One operation makes one kind of lane.
            _ => {}
        }
    }
}

/// The entities present at a cutoff, each with its rows before it and its last row of all.
pub struct Present {
    pub entities: Vec<u32>,
    rows: Vec<(usize, usize)>,
    ends: Vec<usize>,
}

impl Present {
    pub fn find(store: &Store, bounds: &Bounds, entities: impl IntoIterator<Item = usize>) -> Present {
        let mut present = Present { entities: Vec::new(), rows: Vec::new(), ends: Vec::new() };
        for entity in entities {
            let (start, end) = (store.offsets[entity], store.offsets[entity + 1]);
            let high = store.times.first_from(start, end, bounds.cutoff);
            let newest = match &store.known {
                None => (high > start).then(|| high - 1),
                Some(known) => (start..high).rev().find(|row| known[*row] < bounds.cutoff),
            };
            let Some(newest) = newest else { continue };
            if bounds.active.is_some_and(|active| store.times.at(newest) < active) {
                continue;
            }
            present.entities.push(entity as u32);
            present.rows.push((start, high));
            present.ends.push(end);
        }
        present
    }

    /// The ranges of rows in the window that begins at `bound`.
    pub fn since(&self, store: &Store, bound: i64) -> Vec<(usize, usize)> {
        self.rows.iter().map(|(start, high)| (store.times.first_from(*start, *high, bound), *high)).collect()
    }

    /// The ranges of rows from the cutoff to the end of the horizon.
    pub fn ahead(&self, store: &Store, bound: i64) -> Vec<(usize, usize)> {
        let rows = self.rows.iter().zip(&self.ends);
        rows.map(|((_, high), end)| (*high, store.times.first_from(*high, *end, bound))).collect()
    }
}

/// The first day, since 1970, as of which the label of each entity is known: the horizon and its delay are over, and the rows
/// of the horizon became known before, with the columns `late` of them.
pub fn label_known(store: &Store, bounds: &Bounds, ahead: &[(usize, usize)], of: &LabelKnown) -> Lane {
    let clock = bounds.clock;
    let next = |time: i64, is_at: bool| {
        let mut day = clock.day_number(time);
        while clock.start_of(day) < time || (!is_at && clock.start_of(day) == time) {
            day += 1;
        }
        day
    };
    let at_last = i64::from(LAST_DAY.to_epoch_days());
    let over = next(bounds.over, true);
    // The last version of a row is there since the last change, which matters if the label reads a column that changed.
    let since = if of.reads_changes || store.until.is_none() { &store.known } else { &store.arrived };
    let days = ahead.iter().map(|(low, high)| {
        let is_last = |row: &usize| store.until.as_ref().is_none_or(|until| until[*row] == NEVER);
        let rows = since.iter().flat_map(|since| (*low..*high).filter(is_last).map(|row| since[row]));
        let rows = rows.filter(|at| *at != i64::MIN);
        // A column that never changed does not delay the label.
        let columns =
            of.late.iter().flat_map(|late| &store.late[*late][*low..*high]).copied().filter(|at| *at != NEVER);
        match rows.chain(columns).max() {
            None => over,
            Some(NEVER) => at_last,
            Some(latest) => over.max(next(latest, false)),
        }
    });
    Lane::Integers(days.collect())
}

/// Computes an aggregate for the ranges of one window, as of a time: of rows and columns that became known late only
/// what was known before it counts. Nothing is the present, as which labels are computed.
pub fn aggregate(store: &Store, bounds: &Bounds, ranges: &[(usize, usize)], of: Aggregate, as_of: Option<i64>) -> Lane {
    let known = store.known.as_ref().zip(as_of);
    let until = store.until.as_ref();
    match (of.condition, known, until) {
        (None, None, None) => compute(store, bounds, ranges, of.op, as_of, |_| true),
        (None, Some((known, as_of)), None) => {
            compute(store, bounds, ranges, of.op, Some(as_of), |row| known[row] < as_of)
        }
        (Some(i), None, None) if store.tests[i].late.is_empty() => {
            let (lane, bit) = bit_of(store, i);
            compute(store, bounds, ranges, of.op, as_of, |row| lane[row] & bit != 0)
        }
        (condition, known, until) => compute(store, bounds, ranges, of.op, as_of, |row| {
            known.is_none_or(|(known, as_of)| known[row] < as_of)
                // Of the versions of a row that of the time; today the last.
                && until.is_none_or(|until| until[row] >= as_of.unwrap_or(NEVER))
                && condition.is_none_or(|i| holds(store, i, row, as_of))
        }),
    }
}

/// The lane and bit of a condition that reads nothing late.
fn bit_of(store: &Store, condition: usize) -> (&[u8], u8) {
    let bit = store.tests[condition].first;
    (&store.conditions[bit / 8], 1u8 << (bit % 8))
}

/// Whether a condition holds, as far as its late columns are known.
fn holds(store: &Store, condition: usize, row: usize, as_of: Option<i64>) -> bool {
    let test = &store.tests[condition];
    let is_known = |late: usize| as_of.is_none_or(|as_of| store.late[late][row] < as_of);
    let way: usize = test.late.iter().enumerate().map(|(k, late)| usize::from(is_known(*late)) << k).sum();
    let bit = test.first + way;
    store.conditions[bit / 8][row] & 1 << (bit % 8) != 0
}

fn compute(
    store: &Store,
    bounds: &Bounds,
    ranges: &[(usize, usize)],
    op: Op,
    as_of: Option<i64>,
    keep: impl Fn(usize) -> bool + Copy,
) -> Lane {
    let rows = |(low, high): (usize, usize)| (low..high).filter(move |row| keep(*row));
    let each = ranges.iter().copied();
    let integers = |of: &dyn Fn((usize, usize)) -> i64| Lane::Integers(ranges.iter().map(|range| of(*range)).collect());
    let days = |from: i64| bounds.clock.whole_days(from, bounds.cutoff);
    let numbers = |i: usize| {
        let column = &store.numbers[i];
        let late = store.late_numbers[i].map(|late| &store.late[late]).zip(as_of);
        let is_known = move |row: &usize| late.is_none_or(|(late, as_of)| late[*row] < as_of);
        move |range| rows(range).filter(is_known).map(move |row| column.at(row)).filter(|value| !value.is_nan())
    };
    match op {
        Op::Count => Lane::Integers(each.map(|range| rows(range).count() as i64).collect()),
        Op::Any => integers(&|range| i64::from(rows(range).next().is_some())),
        Op::None => integers(&|range| i64::from(rows(range).next().is_none())),
        Op::Recency => integers(&|range| rows(range).next_back().map_or(i64::MIN, |row| days(store.times.at(row)))),
        Op::Tenure => integers(&|range| rows(range).next().map_or(i64::MIN, |row| days(store.times.at(row)))),
        Op::MeanGap => floats(each.map(|range| {
            let (mut first, mut last, mut count) = (0, 0, 0u64);
            for row in rows(range) {
                last = store.times.at(row);
                first = if count == 0 { last } else { first };
                count += 1;
            }
            if count < 2 { f64::NAN } else { bounds.clock.days_apart(first, last) / (count - 1) as f64 }
        })),
        Op::Share(i) => {
            let is_late = !store.tests[i].late.is_empty();
            let (lane, bit) = bit_of(store, i);
            let counts = |row: usize| if is_late { holds(store, i, row, as_of) } else { lane[row] & bit != 0 };
            floats(each.map(|range| {
                let (mut all, mut holding) = (0u64, 0u64);
                for row in rows(range) {
                    all += 1;
                    holding += u64::from(counts(row));
                }
                if all == 0 { f64::NAN } else { holding as f64 / all as f64 }
            }))
        }
        Op::Sum(i) => floats(each.map(|range| numbers(i)(range).fold(0.0, |sum, value| sum + value))),
        Op::Mean(i) => floats(each.map(|range| mean(numbers(i)(range)).1)),
        Op::Min(i) => floats(each.map(|range| numbers(i)(range).reduce(f64::min).unwrap_or(f64::NAN))),
        Op::Max(i) => floats(each.map(|range| numbers(i)(range).reduce(f64::max).unwrap_or(f64::NAN))),
        Op::Std(i) => floats(each.map(|range| {
            let (count, mean) = mean(numbers(i)(range));
            if count < 2 {
                return f64::NAN;
            }
            // The mean of equal values is rounded, and would lie beside them.
            let first = numbers(i)(range).next();
            if numbers(i)(range).all(|value| Some(value) == first) {
                return 0.0;
            }
            let squares: f64 = numbers(i)(range).map(|value| (value - mean) * (value - mean)).sum();
            (squares / (count - 1) as f64).sqrt()
        })),
        Op::Quantile(i, q) => {
            let mut values = Vec::new();
            floats(each.map(|range| {
                values.clear();
                values.extend(numbers(i)(range));
                quantile(&mut values, q)
            }))
        }
        Op::FirstNumber(i) => floats(each.map(|range| numbers(i)(range).next().unwrap_or(f64::NAN))),
        Op::LastNumber(i) => floats(each.map(|range| numbers(i)(range).next_back().unwrap_or(f64::NAN))),
        Op::Distinct(i) | Op::FirstWord(i) | Op::LastWord(i) | Op::MostFrequent(i) => {
            let late = store.late_words[i].map(|late| &store.late[late]).zip(as_of);
            let keep = move |row| keep(row) && late.is_none_or(|(late, as_of)| late[row] < as_of);
            words(&store.words[i], ranges, op, i, keep)
        }
    }
}

fn floats(values: impl Iterator<Item = f64>) -> Lane {
    Lane::Floats(values.map(|value| if value.is_finite() { value } else { f64::NAN }).collect())
}

fn mean(values: impl Iterator<Item = f64>) -> (u64, f64) {
    let (count, sum) = values.fold((0u64, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count, if count == 0 { f64::NAN } else { sum / count as f64 })
}

/// The value at a share `q` of the way from the smallest to the largest, interpolated between neighbours, as
/// `PERCENTILE_CONT` in SQL and the default of numpy do; NaN without values.
fn quantile(values: &mut [f64], q: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let place = q * (values.len() - 1) as f64;
    let (low, share) = (place.floor() as usize, place.fract());
    let (_, below, above) = values.select_nth_unstable_by(low, f64::total_cmp);
    let below = *below;
    match above.iter().copied().min_by(f64::total_cmp) {
        Some(above) if share > 0.0 => below + (above - below) * share,
        _ => below,
    }
}
