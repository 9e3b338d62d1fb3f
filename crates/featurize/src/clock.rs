//! How a time column counts, and by which clock on the wall its days begin.
//!
//! Without a zone, times are taken as they are: a day begins at 00:00 and has 24 hours. With a zone, times are UTC, and days,
//! weeks, months and years are those of the zone; hours are hours. A local time means the first instant at which
//! the clocks show it or a later one: of a time that they show twice this is the first of both instants, of one that they skip
//! the instant of the change.

use chrono::{Days, Months, NaiveDate};
use polars::prelude::{DataType, TimeUnit};
use spec::{Error, Result, Span, Unit};
use values::Zone;

/// What a time column counts from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Count {
    Days,
    /// Ticks of which so many make a second.
    Ticks(i64),
}

/// How a time column counts, and in which zone its days lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Clock {
    count: Count,
    zone: Option<Zone>,
}

impl Clock {
    pub const fn new(count: Count, zone: Option<Zone>) -> Clock {
        Clock { count, zone }
    }

    /// The clock of a time column.
    pub fn of(dtype: &DataType, column: &str, zone: Option<Zone>) -> Result<Clock> {
        let count = match dtype {
            DataType::Date => Count::Days,
            DataType::Datetime(unit, None) => Count::Ticks(match unit {
                TimeUnit::Milliseconds => 1_000,
                TimeUnit::Microseconds => 1_000_000,
                TimeUnit::Nanoseconds => 1_000_000_000,
            }),
            DataType::Datetime(_, Some(_)) => {
                return Err(Error::cannot_run(format!("column '{column}' has a time zone")).hint(
                    "cast it to datetime in clean.yaml, so that each day begins at one point in time; for days of a zone, \
                     write it as 'zone' in features.yaml",
                ));
            }
            other => {
                return Err(Error::cannot_run(format!(
                    "column '{column}' is {}, but the time of a row must be a date or datetime",
                    artifact::type_name(other)
                ))
                .hint("parse it in clean.yaml, or name another column as 'time'"));
            }
        };
        Ok(Clock { count, zone })
    }

    /// Whether it counts days, so that the time of day is unknown.
    pub fn has_days(self) -> bool {
        self.count == Count::Days
    }

    pub fn zone(self) -> Option<Zone> {
        self.zone
    }

    /// The same times, whose days are those of a zone.
    pub fn in_zone(self, zone: Zone) -> Clock {
        Clock { zone: Some(zone), ..self }
    }

    /// The same wall, counted in nanoseconds.
    pub fn in_nanoseconds(self) -> Clock {
        Clock { count: Count::Ticks(1_000_000_000), ..self }
    }

    /// How much 24 hours are.
    pub fn per_day(self) -> i64 {
        match self.count {
            Count::Days => 1,
            Count::Ticks(per_second) => 86_400 * per_second,
        }
    }

    /// Refuses spans of hours where only days are known.
    pub fn measures(self, span: Span, what: &str) -> Result<()> {
        if self.has_days() && span.is_of_clock() {
            return Err(Error::cannot_run(format!(
                "{what}: {span} needs a time of day, but the time column holds dates"
            ))
            .hint("write days, such as 1d"));
        }
        Ok(())
    }

    /// What the clocks on the wall show at a time. It may go back while time advances.
    pub fn local(self, time: i64) -> i64 {
        match (self.zone, self.count) {
            (Some(zone), Count::Ticks(per_second)) => {
                let ahead = zone.ahead(time.div_euclid(per_second).saturating_mul(1_000_000)).unwrap_or(0);
                time.saturating_add(i64::from(ahead) * per_second)
            }
            _ => time,
        }
    }

    /// The first time at which the clocks on the wall show `local` or later.
    pub fn first(self, local: i64) -> i64 {
        let (Some(zone), Count::Ticks(per_second)) = (self.zone, self.count) else { return local };
        let second = local.div_euclid(per_second);
        let shown = second.saturating_mul(1_000_000);
        match zone.first(shown) {
            // Clocks change at whole seconds, so a fraction of a second stays.
            Some(utc) if zone.local(utc) == Some(shown) => {
                utc.div_euclid(1_000_000).saturating_mul(per_second).saturating_add(local.rem_euclid(per_second))
            }
            Some(utc) => utc.div_euclid(1_000_000).saturating_mul(per_second),
            None => local,
        }
    }

    /// The number of the day, since 1970, in which a time lies.
    pub fn day_number(self, time: i64) -> i64 {
        match self.count {
            Count::Days => time,
            Count::Ticks(_) => self.local(time).div_euclid(self.per_day()),
        }
    }

    /// The day in which a time lies; nothing beyond the calendar.
    pub fn day(self, time: i64) -> Option<NaiveDate> {
        date(self.day_number(time))
    }

    /// When a day begins.
    pub fn start(self, day: NaiveDate) -> i64 {
        self.start_of(i64::from(day.to_epoch_days()))
    }

    /// When the day of a number begins.
    pub fn start_of(self, day: i64) -> i64 {
        self.first(day.saturating_mul(self.per_day()))
    }

    /// Nanoseconds of UTC as this clock counts: the day or the tick in which they lie.
    pub fn counted(self, nanoseconds: i128) -> i64 {
        let counted = match self.count {
            Count::Ticks(per_second) => nanoseconds.div_euclid(i128::from(1_000_000_000 / per_second)),
            Count::Days => {
                const DAY: i128 = 86_400_000_000_000;
                let micros = i64::try_from(nanoseconds.div_euclid(1_000)).ok();
                let ahead = self.zone.zip(micros).and_then(|(zone, micros)| zone.ahead(micros)).unwrap_or(0);
                (nanoseconds + i128::from(ahead) * 1_000_000_000).div_euclid(DAY)
            }
        };
        i64::try_from(counted).unwrap_or(if counted > 0 { i64::MAX } else { i64::MIN })
    }

    /// A time moved by a span, forwards or back; nothing beyond the calendar.
    pub fn moved(self, time: i64, span: Span, forwards: bool) -> Option<i64> {
        match span.unit {
            Unit::Minute | Unit::Hour => shifted(time, span, forwards, self.per_day()),
            _ => shifted(self.local(time), span, forwards, self.per_day()).map(|local| self.first(local)),
        }
    }

    /// The beginning of a day moved by a span.
    ///
    /// Errors (cannot run): beyond the calendar.
    pub fn moved_day(self, day: NaiveDate, span: Span, forwards: bool) -> Result<i64> {
        let moved = match span.unit {
            Unit::Minute | Unit::Hour => shifted(self.start(day), span, forwards, self.per_day()),
            // From midnight, though the clocks may skip it: a month before is a midnight, too.
            _ => i64::from(day.to_epoch_days())
                .checked_mul(self.per_day())
                .and_then(|midnight| shifted(midnight, span, forwards, self.per_day()))
                .map(|local| self.first(local)),
        };
        moved.ok_or_else(|| beyond(day, span, 1, forwards))
    }

    /// The whole days from one time to a later one: how many days of the calendar fit between them.
    pub fn whole_days(self, from: i64, to: i64) -> i64 {
        let per_day = i128::from(self.per_day());
        let (shown, shown_then) = (self.local(from), self.local(to));
        let days = (i128::from(shown_then) - i128::from(shown)).div_euclid(per_day) as i64;
        if self.zone.is_none() || self.has_days() {
            return days;
        }
        // After clocks were put back they show less than has gone by.
        let next = (days + 1).checked_mul(self.per_day()).and_then(|apart| shown.checked_add(apart));
        days + i64::from(next.is_some_and(|next| self.first(next) <= to))
    }

    /// The days from one time to a later one by the clocks on the wall, with fractions.
    pub fn days_apart(self, from: i64, to: i64) -> f64 {
        let apart = i128::from(self.local(to)) - i128::from(self.local(from));
        apart.max(0) as f64 / self.per_day() as f64
    }
}

/// The date of a day since 1970.
pub fn date(day: i64) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(i32::try_from(day).ok()?)
}

/// A time of the wall moved by a span. Months and years follow the calendar: 31 March less a month is 28 or 29 February.
fn shifted(local: i64, span: Span, forwards: bool, per_day: i64) -> Option<i64> {
    let by = |each: i64| {
        let by = i64::from(span.count).checked_mul(each)?;
        if forwards { local.checked_add(by) } else { local.checked_sub(by) }
    };
    match span.unit {
        Unit::Minute => by(per_day / 1_440),
        Unit::Hour => by(per_day / 24),
        Unit::Day => by(per_day),
        Unit::Week => by(7 * per_day),
        Unit::Month | Unit::Year => {
            let day = date(local.div_euclid(per_day))?;
            let day = day_moved(day, span, 1, forwards)?;
            i64::from(day.to_epoch_days()).checked_mul(per_day)?.checked_add(local.rem_euclid(per_day))
        }
    }
}

/// A day moved so many times by a span of days or longer.
pub fn day_moved(day: NaiveDate, span: Span, times: u32, forwards: bool) -> Option<NaiveDate> {
    let count = u64::from(span.count) * u64::from(times);
    let days = |each: u64| Days::new(count * each);
    let months = |each: u64| u32::try_from(count * each).ok().map(Months::new);
    let (by_days, by_months) = match span.unit {
        Unit::Minute | Unit::Hour => return None,
        Unit::Day => (Some(days(1)), None),
        Unit::Week => (Some(days(7)), None),
        Unit::Month => (None, Some(months(1)?)),
        Unit::Year => (None, Some(months(12)?)),
    };
    match (by_days, by_months, forwards) {
        (Some(days), _, true) => day.checked_add_days(days),
        (Some(days), _, false) => day.checked_sub_days(days),
        (_, Some(months), true) => day.checked_add_months(months),
        (_, Some(months), false) => day.checked_sub_months(months),
        (None, None, _) => None,
    }
}

/// The refusal of a span that leads nowhere.
pub fn beyond(day: NaiveDate, span: Span, times: u32, forwards: bool) -> Error {
    let sign = if forwards { '+' } else { '−' };
    Error::cannot_run(format!("{day} {sign} {times} × {span} is beyond the calendar")).hint("write a shorter span")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn time(text: &str) -> i64 {
        let moment = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap();
        moment.and_utc().timestamp_micros()
    }

    fn shown(time: i64) -> String {
        chrono::DateTime::from_timestamp_micros(time).unwrap().format("%Y-%m-%d %H:%M:%S").to_string()
    }

    fn of(zone: &str) -> Clock {
        Clock::new(Count::Ticks(1_000_000), Some(Zone::named(zone).unwrap()))
    }

    #[test]
    fn months_follow_the_calendar_and_leap_years() {
        let days = Clock::new(Count::Days, None);
        let back = |date: &str, span: &str| {
            days.day(days.moved_day(day(date), span.parse().unwrap(), false).unwrap()).unwrap().to_string()
        };
        assert_eq!(back("2024-03-31", "1mo"), "2024-02-29");
        assert_eq!(back("2023-03-31", "1mo"), "2023-02-28");
        assert_eq!(back("2024-02-29", "1y"), "2023-02-28");
        assert_eq!(back("2024-01-31", "2w"), "2024-01-17");
    }

    #[test]
    fn clocks_count_what_their_column_counts() {
        let noon = 129_600_000_000_000;
        assert_eq!(Clock::new(Count::Days, None).counted(noon), 1);
        assert_eq!(Clock::new(Count::Ticks(1_000_000), None).counted(noon), 129_600_000_000);
        assert_eq!(Clock::new(Count::Ticks(1_000), None).day(-1), Some(day("1969-12-31")));
    }

    // Reference: Python's zoneinfo.
    #[test]
    fn days_begin_at_the_midnight_of_their_zone() {
        for (zone, on, begins) in [
            ("Europe/Berlin", "2024-01-15", "2024-01-14 23:00:00"),
            ("Europe/Berlin", "2024-07-15", "2024-07-14 22:00:00"),
            ("Asia/Seoul", "2024-07-15", "2024-07-14 15:00:00"),
            // The clocks skip midnight.
            ("America/Sao_Paulo", "2018-11-04", "2018-11-04 03:00:00"),
            ("Africa/Cairo", "2024-04-26", "2024-04-25 22:00:00"),
            ("Asia/Beirut", "2024-03-31", "2024-03-30 22:00:00"),
            // They show midnight twice.
            ("America/Sao_Paulo", "2018-02-18", "2018-02-18 03:00:00"),
            ("Africa/Cairo", "2023-10-27", "2023-10-26 22:00:00"),
            ("America/Havana", "2024-11-03", "2024-11-03 04:00:00"),
            // A day that there was not.
            ("Pacific/Apia", "2011-12-30", "2011-12-30 10:00:00"),
        ] {
            assert_eq!(shown(of(zone).start(day(on))), begins, "{zone} {on}");
        }
        let berlin = of("Europe/Berlin");
        let hours = |on: &str| (berlin.start(day(on).succ_opt().unwrap()) - berlin.start(day(on))) / 3_600_000_000;
        assert_eq!([hours("2024-03-30"), hours("2024-03-31"), hours("2024-10-27")], [24, 23, 25]);
    }

    #[test]
    fn spans_keep_the_time_of_the_wall_and_hours_are_hours() {
        let berlin = of("Europe/Berlin");
        for (from, span, to) in [
            // 10:00 in summer, 10:00 in winter.
            ("2024-04-01 08:00:00", "1d", "2024-03-31 08:00:00"),
            ("2024-04-01 08:00:00", "2d", "2024-03-30 09:00:00"),
            ("2024-04-01 08:00:00", "48h", "2024-03-30 08:00:00"),
            ("2024-04-30 08:00:00", "1mo", "2024-03-30 09:00:00"),
            // 02:30 of the day on which the clocks skip it, and of the day on which they show it twice.
            ("2024-04-01 00:30:00", "1d", "2024-03-31 01:00:00"),
            ("2024-10-28 01:30:00", "1d", "2024-10-27 00:30:00"),
            ("2024-10-28 01:30:00", "1w", "2024-10-21 00:30:00"),
        ] {
            let moved = berlin.moved(time(from), span.parse().unwrap(), false).unwrap();
            assert_eq!(shown(moved), to, "{from} − {span}");
        }
        // The same in nanoseconds, to the last.
        let fine = berlin.in_nanoseconds();
        let moved = fine.moved(time("2024-04-01 08:00:00") * 1_000 + 7, Span::days(2), false).unwrap();
        assert_eq!(moved, time("2024-03-30 09:00:00") * 1_000 + 7);
        let skipped = fine.moved(time("2024-04-01 00:30:00") * 1_000 + 7, Span::days(1), false).unwrap();
        assert_eq!(skipped, time("2024-03-31 01:00:00") * 1_000);
    }

    #[test]
    fn days_between_are_days_of_the_calendar() {
        let berlin = of("Europe/Berlin");
        let days = |from: &str, to: &str| berlin.whole_days(time(from), time(to));
        // 47 hours over the short day, 49 over the long one.
        assert_eq!(days("2024-03-29 23:00:00", "2024-03-31 22:00:00"), 2);
        assert_eq!(days("2024-03-29 23:00:01", "2024-03-31 22:00:00"), 1);
        assert_eq!(days("2024-10-25 22:00:00", "2024-10-27 22:59:59"), 1);
        assert_eq!(days("2024-10-25 22:00:00", "2024-10-27 23:00:00"), 2);
        // 02:45, an hour before the second 02:15: the clocks go back, time does not.
        assert_eq!(days("2024-10-27 00:45:00", "2024-10-27 01:15:00"), 0);
        assert_eq!(berlin.days_apart(time("2024-10-27 00:45:00"), time("2024-10-27 01:15:00")), 0.0);
        assert_eq!(days("2024-10-26 00:45:00", "2024-10-27 01:15:00"), 1, "the first 02:45 has been");
        assert_eq!(berlin.days_apart(time("2024-03-30 11:00:00"), time("2024-03-31 10:00:00")), 1.0);
    }

    #[test]
    fn moments_lie_in_days_of_the_zone() {
        let days = Clock::new(Count::Days, Some(Zone::named("Europe/Berlin").unwrap()));
        let at = |text: &str| date(days.counted(i128::from(time(text)) * 1_000)).unwrap().to_string();
        assert_eq!(at("2024-07-14 21:59:59"), "2024-07-14");
        assert_eq!(at("2024-07-14 22:00:00"), "2024-07-15");
    }
}
