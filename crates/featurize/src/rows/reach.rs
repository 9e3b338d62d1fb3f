//! Where the window of a row begins and ends.

use chrono::Months;
use spec::{Span, Unit};

use crate::clock::{Clock, date};

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
            Unit::Minute => time.saturating_sub(count.saturating_mul(per_day / 1_440)),
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
        Unit::Minute | Unit::Hour | Unit::Day | Unit::Week => None,
    }
}

/// A day so many months earlier. A day before the calendar means the beginning of time.
fn shifted(day: i64, months: Months) -> i64 {
    let moved = date(day).and_then(|date| date.checked_sub_months(months));
    moved.map_or(i64::MIN, |date| i64::from(date.to_epoch_days()))
}

/// From a row's time to the first instant of its window, and the first after it.
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
