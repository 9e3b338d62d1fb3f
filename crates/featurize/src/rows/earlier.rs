//! Aggregates over earlier rows.

use std::sync::Arc;

use polars::prelude::{DataFrame, Series};
use spec::{Error, Result};
use values::form::{Form, Kind, floats, numbers};

use super::bag::{Distinct, Ranked};
use super::compute::{RowQuery, Tables};
use super::fold::{Ends, Extremes, Moments, Total};
use super::grouping::{Grouping, Groupings};
use super::late::Late;
use super::plan::{Earlier, Op, RowsPlan};
use super::reach::Reach;
use super::window::{Asking, Kept, Sides};
use super::window_rows::{WindowRows, late};
use crate::clock::Clock;
use crate::cutoffs::store::{integers, take};
use crate::interner::{Interner, NULL};

/// An aggregate over earlier rows, ready to be asked.
pub struct Ready {
    of: Earlier,
    clock: Clock,
    grouping: Arc<Grouping>,
    late: Option<Late>,
    window_rows: WindowRows,
    values: Values,
    kept: Joined,
}

/// What an aggregate computes with, by the places of [`WindowRows`].
enum Values {
    /// Rows alone.
    None,
    /// NaN means null.
    Numbers(Vec<f64>),
    /// Codes of numbers, which follow in order.
    Ranks(Vec<u32>, Vec<f64>),
    Codes(Vec<u32>),
    /// Cells, and which are not nulls.
    Cells(Series, Vec<bool>),
}

/// Rows that were joined for those who ask alone.
enum Joined {
    None,
    Ends(Kept<Ends>),
    Totals(Kept<Total>),
    Extremes(Kept<Extremes>),
    Moments(Kept<Moments>),
}

impl Ready {
    /// `own` is the own table with those features that are made of the row itself. `all_ask`: its rows are those that ask;
    /// otherwise rows will ask alone.
    pub fn new(
        plan: &RowsPlan,
        tables: &Tables,
        own: (&DataFrame, &Arc<[i64]>),
        of: &Earlier,
        groupings: &mut Groupings,
        all_ask: bool,
        place: &str,
    ) -> Result<Ready> {
        let grouping = groupings.of(plan, tables, own, of, all_ask, place)?;
        let source = match &of.from {
            Some((table, _)) => tables.other(table)?,
            None => own.0,
        };
        let expanded = match &grouping.versions {
            Some(versions) => Some(versions.frame(source)?),
            None => None,
        };
        let source = expanded.as_ref().unwrap_or(source);
        let mut late = late(source, &of.known, &grouping.times, plan.clock)?;
        if let (Some(late), Some(versions)) = (&mut late, &grouping.versions) {
            late.are_versions(versions);
        }
        let mut window_rows = WindowRows::at(source, of, place)?;
        let values = match of.op {
            Op::Count | Op::Recency | Op::Tenure | Op::MeanGap | Op::Share => Values::None,
            Op::Sum | Op::Mean | Op::Min | Op::Max | Op::Std => {
                Values::Numbers(numbers(window_rows.values(place)?, place)?)
            }
            Op::Quantile(_) => {
                let (codes, sorted) = ranks(&numbers(window_rows.values(place)?, place)?);
                Values::Ranks(codes, sorted)
            }
            Op::Distinct => Values::Codes(told_apart(window_rows.values(place)?, place)?),
            Op::First | Op::Last => {
                let column = window_rows.values(place)?;
                // Numbers are given as numbers are computed: as 64-bit floats.
                let is_number = matches!(Kind::of(column.dtype()), Some(Kind::Integer | Kind::Float | Kind::Decimal));
                let column = if is_number { floats(numbers(column, place)?) } else { column.clone() };
                let known = column.is_not_null().iter().map(|known| known == Some(true)).collect();
                Values::Cells(column, known)
            }
        };
        window_rows.forget_values();
        let mut ready =
            Ready { of: of.clone(), clock: plan.clock, grouping, late, window_rows, values, kept: Joined::None };
        if !all_ask {
            ready.kept = ready.joined();
        }
        Ok(ready)
    }

    fn joined(&self) -> Joined {
        let (seen, late) = (&self.grouping.seen, self.late.as_ref());
        match self.of.op {
            Op::Count | Op::Recency | Op::Tenure | Op::MeanGap => {
                Joined::Ends(Kept::new(seen, late, |row, mask| self.row(row, mask)))
            }
            Op::First | Op::Last => Joined::Ends(Kept::new(seen, late, |row, mask| self.cell(row, mask))),
            Op::Share => Joined::Totals(Kept::new(seen, late, |row, mask| self.holds(row, mask))),
            Op::Sum | Op::Mean => Joined::Totals(Kept::new(seen, late, |row, mask| self.total(row, mask))),
            Op::Min | Op::Max => Joined::Extremes(Kept::new(seen, late, |row, mask| self.extremes(row, mask))),
            Op::Std => Joined::Moments(Kept::new(seen, late, |row, mask| self.moments(row, mask))),
            Op::Quantile(_) | Op::Distinct => Joined::None,
        }
    }

    /// The aggregate for rows that ask: for all rows of the own table, or for others alone.
    pub fn ask(&self, asked: &RowQuery, place: &str) -> Result<Series> {
        let codes;
        let asking = match asked.are_all {
            true => Asking::All(self.grouping.asking.as_ref().unwrap_or(&self.grouping.seen)),
            false => {
                codes = self.grouping.keys.find(asked.rows, place)?;
                Asking::Each(&codes, asked.times)
            }
        };
        let (low, high) =
            asked.times.iter().fold((i64::MAX, i64::MIN), |(low, high), at| (low.min(*at), high.max(*at)));
        let (low, high) = if low > high { (0, 0) } else { (low, high) };
        let reach = Reach::new(self.of.window, self.of.lag, self.clock, low, high);
        let sides = Sides { asking, seen: &self.grouping.seen, reach: &reach, late: self.late.as_ref() };
        let (ends, totals, extremes, moments) = match &self.kept {
            Joined::None => (None, None, None, None),
            Joined::Ends(kept) => (Some(kept), None, None, None),
            Joined::Totals(kept) => (None, Some(kept), None, None),
            Joined::Extremes(kept) => (None, None, Some(kept), None),
            Joined::Moments(kept) => (None, None, None, Some(kept)),
        };
        let seen_times = &self.grouping.times;
        let since = |row: u32, seen: u32| match seen {
            NULL => i64::MIN,
            seen => self.clock.whole_days(seen_times[seen as usize], asked.times[row as usize]),
        };
        let row = |row, mask| self.row(row, mask);
        Ok(match self.of.op {
            Op::Count => integers("", sides.slide(i64::MIN, ends, row, |all, _| all.count as i64)),
            Op::Recency => integers("", sides.slide(i64::MIN, ends, row, |all, asking| since(asking, all.last))),
            Op::Tenure => integers("", sides.slide(i64::MIN, ends, row, |all, asking| since(asking, all.first))),
            Op::MeanGap => floats(sides.slide(f64::NAN, ends, row, |all, _| match all.count {
                0 | 1 => f64::NAN,
                count => {
                    let (first, last) = (seen_times[all.first as usize], seen_times[all.last as usize]);
                    self.clock.days_apart(first, last) / (count - 1) as f64
                }
            })),
            Op::Share => {
                let leaf = |row, mask| self.holds(row, mask);
                floats(sides.slide(f64::NAN, totals, leaf, |all: Total, _| all.sum / all.count as f64))
            }
            Op::Sum | Op::Mean => {
                let mean = self.of.op == Op::Mean;
                let result = |all: Total, _| if mean { all.sum / all.count as f64 } else { all.sum };
                floats(sides.slide(f64::NAN, totals, |row, mask| self.total(row, mask), result))
            }
            Op::Min | Op::Max => {
                let min = self.of.op == Op::Min;
                let result = |all: Extremes, _| if min { all.min } else { all.max };
                floats(sides.slide(f64::NAN, extremes, |row, mask| self.extremes(row, mask), result))
            }
            Op::Std => {
                let result = |all: Moments, _| match all.count < 2.0 {
                    true => f64::NAN,
                    false => (all.squares / (all.count - 1.0)).sqrt(),
                };
                floats(sides.slide(f64::NAN, moments, |row, mask| self.moments(row, mask), result))
            }
            Op::Quantile(q) => {
                let Values::Ranks(codes, sorted) = &self.values else { return Err(no_values(place)) };
                let result = |bag: &Ranked| bag.quantile(q, sorted);
                floats(sides.gather(f64::NAN, |row, mask| self.code(codes, row, mask), result))
            }
            Op::Distinct => {
                let Values::Codes(codes) = &self.values else { return Err(no_values(place)) };
                let result = |bag: &Distinct| bag.count();
                integers("", sides.gather(i64::MIN, |row, mask| self.code(codes, row, mask), result))
            }
            Op::First | Op::Last => {
                let Values::Cells(column, _) = &self.values else { return Err(no_values(place)) };
                let last = self.of.op == Op::Last;
                let result = |all: Ends, _| if last { all.last } else { all.first };
                take(column, &sides.slide(NULL, ends, |row, mask| self.cell(row, mask), result))?
            }
        })
    }

    fn row(&self, row: u32, mask: u8) -> Ends {
        ends(row, self.window_rows.keeps(row, mask))
    }

    fn cell(&self, row: u32, mask: u8) -> Ends {
        let at = self.window_rows.place(row, mask);
        let is_known = matches!(&self.values, Values::Cells(_, known) if known[at as usize]);
        ends(at, self.window_rows.keeps(row, mask) && is_known)
    }

    fn holds(&self, row: u32, mask: u8) -> Total {
        Total { count: 1, sum: f64::from(u8::from(self.window_rows.keeps(row, mask))) }
    }

    fn number(&self, row: u32, mask: u8) -> f64 {
        match &self.values {
            Values::Numbers(values) if self.window_rows.keeps(row, mask) => {
                values[self.window_rows.place(row, mask) as usize]
            }
            _ => f64::NAN,
        }
    }

    fn total(&self, row: u32, mask: u8) -> Total {
        match self.number(row, mask) {
            value if value.is_nan() => Total { count: 0, sum: 0.0 },
            value => Total { count: 1, sum: value },
        }
    }

    fn extremes(&self, row: u32, mask: u8) -> Extremes {
        // The two zeros are one value.
        let value = self.number(row, mask) + 0.0;
        Extremes { min: value, max: value }
    }

    fn moments(&self, row: u32, mask: u8) -> Moments {
        match self.number(row, mask) {
            value if value.is_nan() => Moments { count: 0.0, mean: 0.0, squares: 0.0 },
            value => Moments { count: 1.0, mean: value, squares: 0.0 },
        }
    }

    fn code(&self, codes: &[u32], row: u32, mask: u8) -> u32 {
        match self.window_rows.keeps(row, mask) {
            true => codes[self.window_rows.place(row, mask) as usize],
            false => NULL,
        }
    }
}

fn ends(place: u32, counts: bool) -> Ends {
    match counts {
        true => Ends { count: 1, first: place, last: place },
        false => Ends { count: 0, first: NULL, last: NULL },
    }
}

fn no_values(place: &str) -> Error {
    Error::cannot_run(format!("{place}: 'of' is missing"))
}

/// The rank of each number among the distinct ones, which follow; NaN has none.
fn ranks(values: &[f64]) -> (Vec<u32>, Vec<f64>) {
    // The two zeros are one value.
    let mut sorted: Vec<f64> = values.iter().filter(|value| !value.is_nan()).map(|value| value + 0.0).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.dedup();
    let rank = |value: &f64| sorted.binary_search_by(|other| other.total_cmp(&(value + 0.0)));
    let code = |value: &f64| if value.is_nan() { NULL } else { rank(value).map_or(NULL, |rank| rank as u32) };
    (values.iter().map(code).collect(), sorted)
}

fn told_apart(column: &Series, place: &str) -> Result<Vec<u32>> {
    let form = Form::of(column.dtype()).ok_or_else(|| {
        Error::cannot_run(format!("{place}: 'of' gives {}, whose values cannot be compared", column.dtype()))
            .hint("name plain values")
    })?;
    Interner::new(form).encode(column)
}
