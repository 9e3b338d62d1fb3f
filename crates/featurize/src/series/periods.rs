//! Periods by number: every window, lag and horizon is a whole number of them, so that no calendar is needed between them.

use chrono::{Datelike, Days, NaiveDate};
use spec::{Error, Result, Span, Unit};

use super::spec::Dated;
use crate::clock::Clock;

/// The periods of a table. The number of a period counts from an arbitrary one.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Periods {
    every: Span,
    clock: Clock,
    dated: Dated,
    /// Of hours, days and weeks the ticks from one period to the next, and what remains of every time. Of months and years
    /// the months, and the day: 31 is the last of each month.
    step: i64,
    rest: i64,
    by_month: bool,
}

impl Periods {
    /// The periods on which most of the times lie.
    ///
    /// Errors (cannot run): periods of hours of dates, months of timestamps.
    pub fn among(times: &[i64], every: Span, clock: Clock, dated: Dated) -> Result<Periods> {
        clock.measures(every, "series.every")?;
        let by_month = matches!(every.unit, Unit::Month | Unit::Year);
        if by_month && !clock.has_days() {
            return Err(Error::cannot_run(format!("series.every: a period of {every} of timestamps"))
                .hint("cast the time to date in clean.yaml"));
        }
        let count = i64::from(every.count);
        let step = match every.unit {
            Unit::Hour => clock.per_day() / 24 * count,
            Unit::Day => clock.per_day() * count,
            Unit::Week => clock.per_day() * 7 * count,
            Unit::Month => count,
            Unit::Year => 12 * count,
        };
        let mut periods = Periods { every, clock, dated, step, rest: 0, by_month };
        let mut rests: std::collections::BTreeMap<i64, usize> = std::collections::BTreeMap::new();
        for time in times {
            *rests.entry(periods.rest_of(*time)).or_default() += 1;
        }
        // Of equally frequent ones the first.
        let most = rests.values().max().copied().unwrap_or(0);
        periods.rest = rests.iter().find(|(_, count)| **count == most).map_or(0, |(rest, _)| *rest);
        Ok(periods)
    }

    pub fn every(&self) -> Span {
        self.every
    }

    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// What is the same of all times of one grid.
    fn rest_of(&self, time: i64) -> i64 {
        if !self.by_month {
            return time.rem_euclid(self.step);
        }
        let Some(day) = crate::clock::date(time) else { return -1 };
        let months = i64::from(day.year()) * 12 + i64::from(day.month0());
        let is_last = day.succ_opt().is_none_or(|next| next.day() == 1);
        months.rem_euclid(self.step) * 32 + if is_last { 31 } else { i64::from(day.day()) }
    }

    /// The number of the period of a time; none if it lies between two periods.
    pub fn number(&self, time: i64) -> Option<i64> {
        if self.rest_of(time) != self.rest {
            return None;
        }
        if !self.by_month {
            return Some(time.div_euclid(self.step));
        }
        let day = crate::clock::date(time)?;
        Some((i64::from(day.year()) * 12 + i64::from(day.month0())).div_euclid(self.step))
    }

    /// The time by which a period is dated; none beyond the calendar.
    pub fn time(&self, number: i64) -> Option<i64> {
        if !self.by_month {
            return number.checked_mul(self.step)?.checked_add(self.rest);
        }
        let (month, day) = (self.rest / 32, self.rest % 32);
        let months = number.checked_mul(self.step)?.checked_add(month)?;
        let first = first_of(months)?;
        let day = match day {
            31 => first_of(months + 1)?.pred_opt()?,
            day => NaiveDate::from_ymd_opt(first.year(), first.month(), u32::try_from(day).ok()?)?,
        };
        Some(i64::from(day.to_epoch_days()))
    }

    /// The day by which a period is dated; none beyond the calendar.
    pub fn day(&self, number: i64) -> Option<NaiveDate> {
        self.clock.day(self.time(number)?)
    }

    /// The first and the last day of a period. Of one of hours both are the day in which it begins.
    pub fn days(&self, number: i64) -> Option<(NaiveDate, NaiveDate)> {
        if self.every.unit == Unit::Hour {
            return self.day(number).map(|day| (day, day));
        }
        Some(match self.dated {
            Dated::Start => (self.day(number)?, self.day(number + 1)?.pred_opt()?),
            Dated::End => (self.day(number - 1)?.checked_add_days(Days::new(1))?, self.day(number)?),
        })
    }

    /// The first day on which a period is over; it is one of it only where periods are dated by their end.
    pub fn over_on(&self, number: i64) -> Option<NaiveDate> {
        match (self.dated, self.every.unit) {
            (Dated::End, _) | (_, Unit::Hour) => self.day(number),
            (Dated::Start, _) => self.day(number + 1),
        }
    }

    /// Whether a period is over on a day.
    pub fn is_over(&self, number: i64, today: NaiveDate) -> bool {
        self.over_on(number).is_some_and(|day| day <= today)
    }

    /// How many periods a span is.
    ///
    /// Errors (cannot run): a span that is not a whole number of periods.
    pub fn count(&self, span: Span, what: &str) -> Result<usize> {
        let months = |span: Span| match span.unit {
            Unit::Month => Some(i64::from(span.count)),
            Unit::Year => Some(i64::from(span.count) * 12),
            _ => None,
        };
        let hours = |span: Span| match span.unit {
            Unit::Hour => Some(i64::from(span.count)),
            Unit::Day => Some(i64::from(span.count) * 24),
            Unit::Week => Some(i64::from(span.count) * 168),
            _ => None,
        };
        let pair = months(span).zip(months(self.every)).or(hours(span).zip(hours(self.every)));
        match pair {
            Some((span, every)) if span % every == 0 => Ok((span / every) as usize),
            _ => Err(Error::cannot_run(format!("{what}: {span} is not a whole number of periods of {}", self.every))
                .hint(match (self.every.unit, span.unit) {
                    (Unit::Week, Unit::Month | Unit::Year) => "a year has 52 weeks and a day; write 52w".to_owned(),
                    (Unit::Day, Unit::Month | Unit::Year) => "write days, such as 364d or 28d".to_owned(),
                    _ => format!("write a multiple of {}", self.every),
                })),
        }
    }

    /// A period as people write it.
    pub fn shown(&self, number: i64) -> String {
        let time = self.time(number);
        match time.and_then(|time| self.clock.day(time)) {
            None => format!("period {number}"),
            Some(day) if self.clock.has_days() || self.every.unit != Unit::Hour => day.to_string(),
            Some(day) => {
                let within = time.unwrap_or_default().rem_euclid(self.clock.per_day());
                let minutes = within / (self.clock.per_day() / 1_440);
                format!("{day} {:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

/// The first day of a month, counted from year 0.
fn first_of(months: i64) -> Option<NaiveDate> {
    let year = i32::try_from(months.div_euclid(12)).ok()?;
    NaiveDate::from_ymd_opt(year, months.rem_euclid(12) as u32 + 1, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Count;

    const DAYS: Clock = Clock::new(Count::Days, None);

    fn day(text: &str) -> i64 {
        text.parse::<NaiveDate>().unwrap().to_epoch_days().into()
    }

    fn among(times: &[&str], every: &str, dated: Dated) -> Periods {
        let times: Vec<i64> = times.iter().map(|text| day(text)).collect();
        Periods::among(&times, every.parse().unwrap(), DAYS, dated).unwrap()
    }

    #[test]
    fn weeks_keep_their_weekday() {
        let weeks = among(&["2012-10-26", "2012-10-19", "2012-10-18"], "1w", Dated::End);
        let last = weeks.number(day("2012-10-26")).unwrap();
        assert_eq!(weeks.number(day("2012-10-19")), Some(last - 1));
        assert_eq!(weeks.number(day("2012-10-18")), None);
        assert_eq!(weeks.shown(last + 1), "2012-11-02");
        let (first, end) = weeks.days(last).unwrap();
        assert_eq!((first.to_string(), end.to_string()), ("2012-10-20".to_owned(), "2012-10-26".to_owned()));
        assert!(weeks.is_over(last, end) && !weeks.is_over(last, end.pred_opt().unwrap()));
        let begins = among(&["2024-01-01"], "1w", Dated::Start);
        let first = begins.number(day("2024-01-01")).unwrap();
        let today = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert!(begins.is_over(first, today("2024-01-08")) && !begins.is_over(first, today("2024-01-07")));
    }

    #[test]
    fn months_may_end_on_any_day() {
        let ends = among(&["2024-01-31", "2024-02-29", "2024-04-30"], "1mo", Dated::End);
        let january = ends.number(day("2024-01-31")).unwrap();
        assert_eq!(ends.number(day("2024-02-29")), Some(january + 1));
        assert_eq!((ends.number(day("2024-02-28")), ends.shown(january + 13)), (None, "2025-02-28".to_owned()));
        let quarters = among(&["2024-01-01", "2024-04-01"], "3mo", Dated::Start);
        assert_eq!(quarters.number(day("2024-02-01")), None);
        assert_eq!(quarters.count("1y".parse().unwrap(), "window").unwrap(), 4);
        let (first, last) = quarters.days(quarters.number(day("2024-04-01")).unwrap()).unwrap();
        assert_eq!((first.to_string(), last.to_string()), ("2024-04-01".to_owned(), "2024-06-30".to_owned()));
    }

    #[test]
    fn spans_are_whole_numbers_of_periods() {
        let weeks = among(&["2024-01-01"], "1w", Dated::Start);
        assert_eq!(weeks.count("14d".parse().unwrap(), "window").unwrap(), 2);
        assert_eq!(
            weeks.count("1y".parse().unwrap(), "feature 'x': window").unwrap_err().to_string(),
            "feature 'x': window: 1y is not a whole number of periods of 1w; a year has 52 weeks and a day; write 52w"
        );
    }

    #[test]
    fn a_number_gives_back_its_time() {
        for (first, every) in [("2024-02-29", "1d"), ("2023-12-15", "1mo"), ("2024-12-31", "1y"), ("2024-01-05", "2w")]
        {
            let periods = among(&[first], every, Dated::Start);
            let number = periods.number(day(first)).unwrap();
            for by in [-30, -1, 0, 1, 2, 25] {
                let time = periods.time(number + by).unwrap();
                assert_eq!(periods.number(time), Some(number + by), "{first} {every} {by}");
            }
        }
    }
}
