//! The calendar of the proof. It shares no code with the one that it proves: dates are counted here, and of time zones only
//! the table of the database is the same, asked how far the clocks are ahead at a moment of UTC and nothing else.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;
use spec::{Span, Unit};

use super::clock::Clock;
use super::reference::Value;

/// A day in nanoseconds.
pub const DAY: i128 = 86_400_000_000_000;
pub const HOUR: i128 = DAY / 24;
const SECOND: i128 = 1_000_000_000;

/// A time of the wall moved by a span, forwards or backwards. A day that the month does not have becomes its last.
fn moved(time: i128, span: Span, forwards: bool) -> i128 {
    let count = i128::from(span.count) * if forwards { 1 } else { -1 };
    let by_months = |months: i128| {
        let (year, month, day) = date(time.div_euclid(DAY));
        let month = year * 12 + (month - 1) + months;
        let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
        day_number(year, month, day.min(days_of(year, month))) * DAY + time.rem_euclid(DAY)
    };
    match span.unit {
        Unit::Minute => time + count * (DAY / 1_440),
        Unit::Hour => time + count * (DAY / 24),
        Unit::Day => time + count * DAY,
        Unit::Week => time + count * 7 * DAY,
        Unit::Month => by_months(count),
        Unit::Year => by_months(count * 12),
    }
}

fn is_leap(year: i128) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

fn days_of(year: i128, month: i128) -> i128 {
    match month {
        2 => 28 + i128::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1 January 1970 to a date of the Gregorian calendar.
pub fn day_number(year: i128, month: i128, day: i128) -> i128 {
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let months: i128 = (1..month).map(|month| days_of(year, month)).sum();
    // 719,162 days lie between 1 January of the year 1 and 1970.
    before * 365 + leap_days + months + day - 1 - 719_162
}

/// The date of a day since 1970.
pub fn date(day: i128) -> (i128, i128, i128) {
    // Never later than the right one.
    let mut year = 1970 + day.div_euclid(if day < 0 { 365 } else { 366 });
    while day_number(year + 1, 1, 1) <= day {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && day_number(year, month + 1, 1) <= day {
        month += 1;
    }
    (year, month, day - day_number(year, month, 1) + 1)
}

/// The times of a plan: nanoseconds of UTC; where rows have days only, the midnights of their days, as if these lay in UTC.
#[derive(Clone, Copy, Debug)]
pub struct Almanac {
    zone: Option<Tz>,
    pub has_days: bool,
}

impl Almanac {
    pub fn of(clock: Clock) -> Almanac {
        Almanac { zone: clock.zone().and_then(|zone| zone.name().parse().ok()), has_days: clock.has_days() }
    }

    /// The same times, whose days are those of a zone.
    pub fn in_zone(self, zone: values::Zone) -> Almanac {
        Almanac { zone: zone.name().parse().ok(), ..self }
    }

    /// The same calendar where rows have a time of day.
    pub fn of_moments(self) -> Almanac {
        Almanac { has_days: false, ..self }
    }

    /// How far the clocks are ahead of UTC, in nanoseconds.
    fn ahead(self, time: i128) -> i128 {
        let second = i64::try_from(time.div_euclid(SECOND)).ok();
        let moment = second.and_then(|second| DateTime::from_timestamp(second, 0));
        let ahead = self
            .zone
            .zip(moment)
            .map(|(zone, moment)| zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc());
        ahead.map_or(0, |seconds| i128::from(seconds) * SECOND)
    }

    /// What the clocks show.
    pub fn shown(self, time: i128) -> i128 {
        if self.has_days { time } else { time + self.ahead(time) }
    }

    /// The first instant at which the clocks show `local` or later, found by looking at each: they show `local` itself at
    /// `local` less what they are ahead there, or they leap over it.
    fn first(self, local: i128) -> i128 {
        if self.zone.is_none() || self.has_days {
            return local;
        }
        // No two clocks on Earth are more than 27 hours apart, and clocks change at most once in an hour.
        let looks: Vec<(i128, i128)> =
            (-30..=30).map(|hour| local + hour * HOUR).map(|at| (at, self.ahead(at))).collect();
        let shows = looks.iter().map(|(_, ahead)| local - ahead).filter(|at| self.shown(*at) == local);
        let leaps = looks.windows(2).filter(|pair| pair[0].1 != pair[1].1).map(|pair| self.change(pair[0], pair[1].0));
        let leaps = leaps.filter(|at| self.shown(*at) > local && self.shown(at - SECOND) < local);
        shows.chain(leaps).min().unwrap_or(local)
    }

    /// The second at which the clocks change between two instants.
    fn change(self, (mut before, ahead): (i128, i128), mut after: i128) -> i128 {
        (before, after) = (before.div_euclid(SECOND), after.div_euclid(SECOND));
        while after - before > 1 {
            let middle = (before + after) / 2;
            if self.ahead(middle * SECOND) == ahead { before = middle } else { after = middle }
        }
        after * SECOND
    }

    /// Whether the clocks have changed within the last day, so that days and 24 hours are not the same.
    pub fn changed_lately(self, time: i128) -> bool {
        !self.has_days && self.ahead(time) != self.ahead(time - DAY)
    }

    /// The beginning of a day.
    pub fn start(self, day: i128) -> i128 {
        self.first(day * DAY)
    }

    /// The day in which a time lies.
    pub fn day(self, time: i128) -> i128 {
        self.shown(time).div_euclid(DAY)
    }

    /// The time that a cell holds; a day begins at its midnight.
    pub fn time(self, value: &Value) -> Option<i128> {
        match value {
            Value::Day(day) => Some(self.start(*day)),
            Value::Moment(time) if self.has_days => Some(self.of_moments().day(*time) * DAY),
            Value::Moment(time) => Some(*time),
            _ => None,
        }
    }

    /// The last nanosecond at which it may have become known: of a day its end, where rows have a time of day.
    pub fn known_by(self, value: &Value) -> Option<i128> {
        match value {
            Value::Day(day) if !self.has_days => Some(self.start(day + 1) - 1),
            other => self.time(other),
        }
    }

    /// A time moved by a span.
    pub fn moved(self, time: i128, span: Span, forwards: bool) -> i128 {
        match span.unit {
            Unit::Minute | Unit::Hour => moved(time, span, forwards),
            _ => self.first(moved(self.shown(time), span, forwards)),
        }
    }

    /// The beginning of a day moved by a span.
    pub fn moved_day(self, day: i128, span: Span, forwards: bool) -> i128 {
        match span.unit {
            Unit::Minute | Unit::Hour => moved(self.start(day), span, forwards),
            _ => self.first(moved(day * DAY, span, forwards)),
        }
    }

    /// How many whole days lie between: the most that can be added to the first without going beyond the second.
    pub fn whole_days(self, from: i128, to: i128) -> i128 {
        let after = |days: i128| self.first(self.shown(from) + days * DAY);
        let mut days = (to - from).div_euclid(DAY) - 2;
        while after(days + 1) <= to {
            days += 1;
        }
        days
    }

    /// The days between by the clocks on the wall, with fractions.
    pub fn days_apart(self, from: i128, to: i128) -> f64 {
        (self.shown(to) - self.shown(from)).max(0) as f64 / DAY as f64
    }
}

#[cfg(test)]
mod tests {
    use chrono::Datelike;

    use super::*;

    #[test]
    fn the_calendar_agrees_with_another() {
        for day in (-800_000..3_000_000).step_by(17) {
            let known = chrono::NaiveDate::from_epoch_days(day).unwrap();
            let (year, month, of_month) = date(i128::from(day));
            assert_eq!((year, month, of_month), (known.year().into(), known.month().into(), known.day().into()));
            assert_eq!(day_number(year, month, of_month), i128::from(day));
        }
        let shift = |day: &str, span: &str, forwards: bool| {
            let day = day.parse::<chrono::NaiveDate>().unwrap().to_epoch_days();
            Value::Day(moved(i128::from(day) * DAY, span.parse().unwrap(), forwards) / DAY).to_string()
        };
        assert_eq!(shift("2024-03-31", "1mo", false), "2024-02-29");
        assert_eq!(shift("2023-12-31", "2mo", true), "2024-02-29");
        assert_eq!(shift("2024-02-29", "1y", false), "2023-02-28");
        assert_eq!(shift("2024-01-31", "2w", false), "2024-01-17");
    }

    #[test]
    fn both_calendars_agree_on_every_zone() {
        use values::Zone;
        let mut random = spec::random::Random::new(7, 0);
        for zone in [
            "Europe/Berlin",
            "America/Sao_Paulo",
            "Africa/Cairo",
            "Asia/Beirut",
            "America/Havana",
            "Australia/Lord_Howe",
            "Pacific/Apia",
            "Asia/Kathmandu",
            "America/St_Johns",
            "UTC",
        ] {
            let clock = Clock::new(crate::clock::Count::Ticks(1_000), Some(Zone::named(zone).unwrap()));
            let almanac = Almanac::of(clock);
            let milliseconds = |time: i64| i128::from(time) * 1_000_000;
            for _ in 0..400 {
                // From 1990 on, by the quarter of an hour.
                let mut time = || 631_152_000_000 + random.below(45 * 366 * 96) as i64 * 900_000;
                let (one, other) = (time(), time());
                let (from, to) = (one.min(other), one.max(other));
                assert_eq!(almanac.first(milliseconds(one)), milliseconds(clock.first(one)), "{zone} {one}");
                assert_eq!(
                    almanac.whole_days(milliseconds(from), milliseconds(to)),
                    i128::from(clock.whole_days(from, to)),
                    "{zone} {from} {to}"
                );
                for span in ["1d", "5w", "1mo", "1y", "36h"] {
                    let span = span.parse().unwrap();
                    let is = clock.moved(one, span, false).unwrap();
                    assert_eq!(almanac.moved(milliseconds(one), span, false), milliseconds(is), "{zone} {one} {span}");
                }
            }
        }
    }
}
