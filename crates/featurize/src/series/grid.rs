//! The calendar of the plain definitions: periods are found by looking at days, one by one where some are closed.

use spec::Unit;

use super::holidays::{Country, Day, Holiday};
use super::plan::SeriesPlan;
use crate::almanac::{DAY, HOUR, date, day_number};

/// Days after the last row that may be asked for.
const AHEAD: i128 = 10_000;

/// The periods of a table, in nanoseconds of its clock.
pub struct Grid<'a> {
    plan: &'a SeriesPlan,
    /// The day of the month by which periods of months and years are dated; 31 is the last.
    anchor: i128,
    /// Where days are closed, those that are not, in their order.
    open: Option<Vec<i128>>,
}

impl<'a> Grid<'a> {
    /// Of rows at these times.
    pub fn new(plan: &'a SeriesPlan, times: &[i128]) -> Grid<'a> {
        let days = times.iter().map(|time| date(time.div_euclid(DAY)));
        let anchor = days.filter(|day| day.2 < length_of(day.0 * 12 + day.1 - 1)).map(|day| day.2).max().unwrap_or(31);
        let open = plan.rules().closed.as_ref().map(|closed| {
            let first = times.iter().min().copied().unwrap_or(0).div_euclid(DAY);
            let last = times.iter().max().copied().unwrap_or(0).div_euclid(DAY) + AHEAD;
            let is_closed = |day: &i128| {
                closed.weekdays.iter().any(|weekday| *weekday as i128 == weekday_of(*day))
                    || closed.country.is_some_and(|country| is_public(country, *day))
                    || closed.on.iter().any(|holiday| is_on(*day, holiday))
            };
            (first..=last).filter(|day| !is_closed(day)).collect()
        });
        Grid { plan, anchor, open }
    }

    /// Whether some days are closed.
    pub fn has_closed(&self) -> bool {
        self.open.is_some()
    }

    /// The number of the period that a time begins or ends.
    pub fn number(&self, time: i128) -> i128 {
        let day = time.div_euclid(DAY);
        if let Some(open) = &self.open {
            return open.partition_point(|open| *open < day) as i128;
        }
        let count = i128::from(self.plan.every.count);
        let (year, month, _) = date(day);
        match self.plan.every.unit {
            Unit::Minute => time.div_euclid(count * HOUR / 60),
            Unit::Hour => time.div_euclid(count * HOUR),
            Unit::Day => time.div_euclid(count * DAY),
            Unit::Week => time.div_euclid(count * 7 * DAY),
            Unit::Month => (year * 12 + month - 1).div_euclid(count),
            Unit::Year => year.div_euclid(count),
        }
    }

    /// A time some periods later.
    pub fn next(&self, time: i128, by: i128) -> i128 {
        if let Some(open) = &self.open {
            let place = usize::try_from(self.number(time) + by).ok();
            let day = place.and_then(|place| open.get(place)).copied();
            return day.map_or(i128::MAX, |day| day * DAY + time.rem_euclid(DAY));
        }
        let count = i128::from(self.plan.every.count) * by;
        let months = match self.plan.every.unit {
            Unit::Minute => return time + count * HOUR / 60,
            Unit::Hour => return time + count * HOUR,
            Unit::Day => return time + count * DAY,
            Unit::Week => return time + count * 7 * DAY,
            Unit::Month => count,
            Unit::Year => count * 12,
        };
        let (year, month, _) = date(time.div_euclid(DAY));
        let at = year * 12 + month - 1 + months;
        day_number(at.div_euclid(12), at.rem_euclid(12) + 1, self.anchor.min(length_of(at))) * DAY
    }
}

/// How many days a month has, counted from January of the year 0.
fn length_of(month: i128) -> i128 {
    let begins = |at: i128| day_number(at.div_euclid(12), at.rem_euclid(12) + 1, 1);
    begins(month + 1) - begins(month)
}

/// The day of the week, 0 for Monday.
fn weekday_of(day: i128) -> i128 {
    // 1970-01-01 was a Thursday.
    (day + 3).rem_euclid(7)
}

/// Whether a day is one of a list.
pub fn is_on(at: i128, holiday: &Holiday) -> bool {
    match holiday {
        Holiday::Once(day) => i128::from(day.to_epoch_days()) == at,
        Holiday::Yearly(month, day) => (date(at).1, date(at).2) == (i128::from(*month), i128::from(*day)),
    }
}

/// Whether a day is a public holiday: its rules, read by looking at the day.
pub fn is_public(country: Country, at: i128) -> bool {
    let (year, month, day) = date(at);
    let holds = |(rule, from, to): &(Day, i32, i32)| {
        let is_it = match rule {
            Day::On(on, at) => (month, day) == (i128::from(*on), i128::from(*at)),
            Day::Nth(nth, on, of) => {
                let is_last = date(at + 7).1 != month;
                let nth_is_it = if *nth == 5 { is_last } else { (day - 1) / 7 + 1 == i128::from(*nth) };
                month == i128::from(*of) && weekday_of(at) == i128::from(on.num_days_from_monday()) && nth_is_it
            }
            Day::Easter(after) => at - i128::from(*after) == easter(year),
        };
        is_it && (i128::from(*from)..=i128::from(*to)).contains(&year)
    };
    country.rules().iter().any(holds)
}

/// Easter Sunday as a day since 1970: the Sunday after the full moon of the tables (Gauss 1800, corrected 1816).
fn easter(year: i128) -> i128 {
    let (k, a) = (year / 100, year % 19);
    let m = 15 + (3 * k + 3) / 4 - (8 * k + 13) / 25;
    let d = (19 * a + m) % 30;
    let r = (d + a / 11) / 29;
    let (og, s) = (21 + d - r, 2 - (3 * k + 3) / 4);
    let sz = 7 - (year + year / 4 + s).rem_euclid(7);
    let oe = 7 - (og - sz).rem_euclid(7);
    day_number(year, 3, 1) + og + oe - 1
}
