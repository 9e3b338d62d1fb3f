//! Periods by number: every window, lag and horizon is a whole number of them, so that no calendar is needed between them.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use spec::{Error, Result, Span, Unit};

use super::holidays::Closed;
use super::spec::Dated;
use crate::clock::Clock;
use crate::shape::Today;

/// The periods of a table. The number of a period counts from an arbitrary one.
#[derive(Clone, Debug, PartialEq)]
pub struct Periods {
    every: Span,
    clock: Clock,
    dated: Dated,
    /// Of minutes, hours, days and weeks the ticks from one period to the next, and what remains of every time. Of months and
    /// years the months, and the month within them times 32 plus the day: months that are shorter have their last day instead.
    step: i64,
    rest: i64,
    by_month: bool,
    /// Where days are closed, the open ones in their order: the number of a period is its place among them.
    open: Option<Vec<i64>>,
}

/// When a period is over: on a day, or where periods are minutes or hours, at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstOver {
    pub on: Option<NaiveDate>,
    pub at: Option<DateTime<Utc>>,
}

impl Periods {
    /// The periods on which most of the times lie.
    ///
    /// Errors (cannot run): periods of minutes or hours of dates, months of timestamps; minutes of which a day is not a whole
    /// number.
    pub fn among(times: &[i64], every: Span, clock: Clock, dated: Dated) -> Result<Periods> {
        clock.measures(every, "series.every")?;
        let by_month = matches!(every.unit, Unit::Month | Unit::Year);
        if by_month && !clock.has_days() {
            return Err(Error::cannot_run(format!("series.every: a period of {every} of timestamps"))
                .hint("cast the time to date in clean.yaml"));
        }
        let count = i64::from(every.count);
        if every.unit == Unit::Minute && 1_440 % count != 0 {
            return Err(Error::cannot_run(format!("series.every: a day is not a whole number of periods of {every}"))
                .hint("write minutes that divide a day, such as 15min or 30min"));
        }
        let each = match every.unit {
            Unit::Minute => clock.per_day() / 1_440,
            Unit::Hour => clock.per_day() / 24,
            Unit::Day => clock.per_day(),
            Unit::Week => clock.per_day() * 7,
            Unit::Month => 1,
            Unit::Year => 12,
        };
        let step = each.checked_mul(count).ok_or_else(|| {
            Error::cannot_run(format!("series.every: a period of {every} is longer than the calendar"))
                .hint("write the distance of two rows of a series, such as 1w")
        })?;
        let mut periods = Periods { every, clock, dated, step, rest: 0, by_month, open: None };
        let mut rests: std::collections::BTreeMap<i64, usize> = std::collections::BTreeMap::new();
        for time in times {
            for rest in periods.rests_of(*time) {
                *rests.entry(rest).or_default() += 1;
            }
        }
        let most = rests.values().max().copied().unwrap_or(0);
        let mut frequent = rests.iter().filter(|(_, count)| **count == most).map(|(rest, _)| *rest);
        // Of equally frequent ones the first; but 30 April is rather the end of a month than its 30th day.
        let first = frequent.next().unwrap_or(0);
        periods.rest = match by_month {
            false => first,
            true => frequent.take_while(|rest| rest / 32 == first / 32).last().unwrap_or(first),
        };
        Ok(periods)
    }

    /// The same without the days that are closed: each other day is a period, one after the other.
    ///
    /// Errors (cannot run): periods of another length than a day; nothing that is closed, or nothing that is not.
    pub fn without(mut self, closed: Option<&Closed>, times: &[i64]) -> Result<Periods> {
        /// Longer than any horizon, even with one open day a week.
        const AHEAD: i64 = 10_000;
        let Some(closed) = closed else { return Ok(self) };
        if self.every != Span::days(1) {
            return Err(Error::cannot_run(format!("series.closed: periods of {} leave out no days", self.every))
                .hint("write `every: 1d`, or remove it"));
        }
        if *closed == Closed::default() {
            return Err(Error::cannot_run("series.closed names no day").hint("write such as {weekdays: [sat, sun]}"));
        }
        let days = times.iter().map(|time| time.div_euclid(self.step));
        let first = days.clone().min().unwrap_or(0);
        let last = days.max().unwrap_or(0).saturating_add(AHEAD);
        let dates = crate::clock::date(first).zip(crate::clock::date(last));
        let holidays = closed.country.zip(dates).map(|(country, (first, last))| country.between(first, last));
        let holidays: BTreeSet<NaiveDate> = holidays.unwrap_or_default();
        let is_open = |day: &NaiveDate| {
            let weekday = day.weekday().num_days_from_monday();
            !(closed.weekdays.iter().any(|closed| *closed as u32 == weekday)
                || holidays.contains(day)
                || closed.on.iter().any(|holiday| holiday.times(*day, *day) > 0))
        };
        let open: Vec<i64> =
            (first..=last).filter(|day| crate::clock::date(*day).as_ref().is_some_and(is_open)).collect();
        if open.is_empty() {
            return Err(Error::cannot_run("series.closed: no day is left").hint("leave some days of the week open"));
        }
        self.open = Some(open);
        Ok(self)
    }

    /// Whether a time would be one of a period, were its day not closed.
    pub fn is_closed(&self, time: i64) -> bool {
        self.open.is_some() && self.rests_of(time).contains(&self.rest) && self.number(time).is_none()
    }

    pub fn every(&self) -> Span {
        self.every
    }

    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// What is the same of all times of one grid. The last day of a month lies on several: 28 February on those of the 28th, the
    /// 29th, the 30th and the last day.
    fn rests_of(&self, time: i64) -> std::ops::RangeInclusive<i64> {
        if !self.by_month {
            let rest = time.rem_euclid(self.step);
            return rest..=rest;
        }
        let Some(day) = crate::clock::date(time) else { return -1..=-1 };
        let months = i64::from(day.year()) * 12 + i64::from(day.month0());
        let is_last = day.succ_opt().is_none_or(|next| next.day() == 1);
        let (month, day) = (months.rem_euclid(self.step) * 32, i64::from(day.day()));
        month + day..=month + if is_last { 31 } else { day }
    }

    /// The number of the period of a time; none if it lies between two periods.
    pub fn number(&self, time: i64) -> Option<i64> {
        if !self.rests_of(time).contains(&self.rest) {
            return None;
        }
        if !self.by_month {
            let number = time.div_euclid(self.step);
            return match &self.open {
                None => Some(number),
                Some(open) => open.binary_search(&number).ok().map(|place| place as i64),
            };
        }
        let day = crate::clock::date(time)?;
        Some((i64::from(day.year()) * 12 + i64::from(day.month0())).div_euclid(self.step))
    }

    /// The number of the first period of a day; none if no period is dated by it.
    pub fn first_on(&self, day: NaiveDate) -> Option<i64> {
        let begins = self.clock.start(day);
        if self.by_month {
            return self.number(begins);
        }
        // Timestamps may lie at any time of their day.
        let time = begins.checked_add((self.rest - begins).rem_euclid(self.step))?;
        self.number(time).filter(|_| self.clock.day(time) == Some(day))
    }

    /// The time by which a period is dated; none beyond the calendar.
    pub fn time(&self, number: i64) -> Option<i64> {
        if !self.by_month {
            let number = match &self.open {
                None => number,
                Some(open) => *open.get(usize::try_from(number).ok()?)?,
            };
            return number.checked_mul(self.step)?.checked_add(self.rest);
        }
        let (month, day) = (self.rest / 32, self.rest % 32);
        let months = number.checked_mul(self.step)?.checked_add(month)?;
        let last = first_of(months + 1)?.pred_opt()?;
        let day = u32::try_from(day).ok()?.min(last.day());
        Some(i64::from(last.with_day(day)?.to_epoch_days()))
    }

    /// The day by which a period is dated; none beyond the calendar.
    pub fn day(&self, number: i64) -> Option<NaiveDate> {
        self.clock.day(self.time(number)?)
    }

    /// The first and the last day of a period. Of one of minutes or hours both are the day in which it begins; a closed day is one
    /// of none.
    pub fn days(&self, number: i64) -> Option<(NaiveDate, NaiveDate)> {
        if self.every.is_of_clock() || self.open.is_some() {
            return self.day(number).map(|day| (day, day));
        }
        Some(match self.dated {
            Dated::Start => (self.day(number)?, self.day(number + 1)?.pred_opt()?),
            Dated::End => (self.day(number - 1)?.checked_add_days(Days::new(1))?, self.day(number)?),
        })
    }

    /// The first day on which a period is over; it is one of it only where periods are dated by their end.
    pub fn over_on(&self, number: i64) -> Option<NaiveDate> {
        match self.dated {
            // Friday is over on Saturday, though no period begins there.
            Dated::Start if self.open.is_some() => self.day(number)?.succ_opt(),
            Dated::Start if !self.every.is_of_clock() => self.day(number + 1),
            Dated::Start | Dated::End => self.day(number),
        }
    }

    /// When a period of minutes or hours is over, in microseconds of UTC, rounded up.
    fn over_at(&self, number: i64) -> Option<i64> {
        const MICROSECONDS: i128 = 86_400_000_000;
        let over = match self.dated {
            Dated::Start => self.time(number + 1),
            Dated::End => self.time(number),
        };
        let per_day = i128::from(self.clock.per_day());
        i64::try_from(-(-i128::from(over?) * MICROSECONDS).div_euclid(per_day)).ok()
    }

    /// Whether a period is over when a run begins: by the day; one of minutes or hours by the clock.
    pub fn is_over(&self, number: i64, today: Today) -> bool {
        match self.every.is_of_clock() {
            true => self.over_at(number).is_some_and(|over| over <= today.now),
            false => self.over_on(number).is_some_and(|day| day <= today.day),
        }
    }

    /// From when on [`Periods::is_over`] holds.
    pub fn first_over(&self, number: i64) -> FirstOver {
        match self.every.is_of_clock() {
            true => FirstOver { on: None, at: self.over_at(number).and_then(DateTime::from_timestamp_micros) },
            false => FirstOver { on: self.over_on(number), at: None },
        }
    }

    /// When a run begins, as [`Periods::is_over`] compares it: `on 2024-01-31`, or `at 2024-01-31 10:20:30 UTC`.
    pub fn shown_now(&self, today: Today) -> String {
        match DateTime::from_timestamp_micros(today.now).filter(|_| self.every.is_of_clock()) {
            Some(now) => now.format("at %Y-%m-%d %H:%M:%S UTC").to_string(),
            None => format!("on {}", today.day),
        }
    }

    /// How many periods a span is.
    ///
    /// Errors (cannot run): a span that is not a whole number of periods.
    pub fn count(&self, span: Span, what: &str) -> Result<usize> {
        if self.open.is_some() && span.unit != Unit::Day {
            return Err(Error::cannot_run(format!("{what}: {span} is not a number of open days"))
                .hint("with 'series.closed' write days, of which only the open ones count, such as 5d"));
        }
        let months = |span: Span| match span.unit {
            Unit::Month => Some(i64::from(span.count)),
            Unit::Year => Some(i64::from(span.count) * 12),
            _ => None,
        };
        let pair = months(span).zip(months(self.every)).or(span.minutes().zip(self.every.minutes()));
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
            Some(day) if self.clock.has_days() || !self.every.is_of_clock() => day.to_string(),
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
        assert!(weeks.is_over(last, end.into()) && !weeks.is_over(last, end.pred_opt().unwrap().into()));
        let begins = among(&["2024-01-01"], "1w", Dated::Start);
        let first = begins.number(day("2024-01-01")).unwrap();
        let today = |text: &str| text.parse::<NaiveDate>().unwrap().into();
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
    fn a_day_that_a_month_does_not_have_is_its_last() {
        let thirtieth = among(&["2024-01-30", "2024-02-29", "2024-03-30", "2024-04-30"], "1mo", Dated::Start);
        let january = thirtieth.number(day("2024-01-30")).unwrap();
        assert_eq!(thirtieth.number(day("2024-04-30")), Some(january + 3));
        assert_eq!((thirtieth.number(day("2024-03-31")), thirtieth.number(day("2024-02-28"))), (None, None));
        assert_eq!([13, 14].map(|at| thirtieth.shown(january + at)), ["2025-02-28", "2025-03-30"]);
        // 28 February is a 28th, though it is the last day of its month.
        let paydays = among(&["2023-01-28", "2023-02-28", "2023-03-28"], "1mo", Dated::Start);
        let first = paydays.number(day("2023-01-28")).unwrap();
        assert_eq!([1, 2].map(|at| paydays.shown(first + at)), ["2023-02-28", "2023-03-28"]);
        // A leap day once a year, and the end of a fiscal year.
        let yearly = among(&["2023-02-28", "2024-02-29", "2025-02-28"], "1y", Dated::End);
        assert_eq!(yearly.shown(yearly.number(day("2025-02-28")).unwrap() + 3), "2028-02-29");
        let ends = among(&["2024-04-30", "2024-06-30"], "1mo", Dated::End);
        assert_eq!(ends.shown(ends.number(day("2024-04-30")).unwrap() + 1), "2024-05-31");
    }

    #[test]
    fn minutes_are_periods_of_timestamps() {
        const MILLISECONDS: Clock = Clock::new(Count::Ticks(1_000), None);
        let of =
            |every: &str, clock| Periods::among(&[300_000, 1_200_000], every.parse().unwrap(), clock, Dated::Start);
        let quarters = of("15min", MILLISECONDS).unwrap();
        assert_eq!(
            (quarters.number(300_000), quarters.number(1_200_000), quarters.number(1_500_000)),
            (Some(0), Some(1), None)
        );
        assert_eq!(
            (quarters.shown(1), quarters.shown(95)),
            ("1970-01-01 00:20".to_owned(), "1970-01-01 23:50".to_owned())
        );
        assert_eq!(quarters.count("1h".parse().unwrap(), "window").unwrap(), 4);
        assert_eq!(quarters.count("1w".parse().unwrap(), "window").unwrap(), 672);
        assert_eq!(
            quarters.count("20min".parse().unwrap(), "window").unwrap_err().to_string(),
            "window: 20min is not a whole number of periods of 15min; write a multiple of 15min"
        );
        assert_eq!(
            of("7min", MILLISECONDS).unwrap_err().to_string(),
            "series.every: a day is not a whole number of periods of 7min; write minutes that divide a day, such as 15min or 30min"
        );
        assert_eq!(
            of("200000w", Clock::new(Count::Ticks(1_000_000_000), None)).unwrap_err().to_string(),
            "series.every: a period of 200000w is longer than the calendar; write the distance of two rows of a series, such as 1w"
        );
        assert_eq!(
            of("15min", DAYS).unwrap_err().to_string(),
            "series.every: 15min needs a time of day, but the time column holds dates; write days, such as 1d"
        );
    }

    /// Of random periods and moments, in whole seconds: the period begins by a multiple of its length after the first time.
    #[test]
    fn periods_of_hours_and_minutes_are_over_by_the_clock() {
        const SECOND: i64 = 1_000_000;
        let mut drawn = 20_261_127u64;
        let mut below = |most: u64| {
            drawn = ::spec::random::mix(drawn.wrapping_add(1));
            (drawn % most) as i64
        };
        for _ in 0..2_000 {
            let minutes = [1, 5, 15, 30, 60, 120, 360, 720, 1_440][below(9) as usize];
            let every = if minutes % 60 == 0 { format!("{}h", minutes / 60) } else { format!("{minutes}min") };
            let (length, per_day) = (minutes * 60, [1_000, SECOND][below(2) as usize] * 86_400);
            let ticks = per_day / 86_400;
            // 2024-02-28 and on.
            let first = 1_709_078_400 + below(200_000);
            let dated = if below(2) == 0 { Dated::Start } else { Dated::End };
            let clock = Clock::new(Count::Ticks(ticks), None);
            let periods = Periods::among(&[first * ticks], every.parse().unwrap(), clock, dated).unwrap();
            let time = first + length * below(100);
            // Mostly near the end of the period.
            let over = if matches!(dated, Dated::Start) { time + length } else { time };
            let now = over + [0, -1, 1, below(2 * 86_400) - 86_400][below(4) as usize];
            let today = Today { day: DateTime::from_timestamp(now, 0).unwrap().date_naive(), now: now * SECOND };
            let number = periods.number(time * ticks).unwrap();
            assert_eq!(
                periods.is_over(number, today),
                over <= now,
                "{every} of {time} at {now}, {per_day} ticks a day"
            );
        }
    }

    #[test]
    fn closed_days_are_no_periods() {
        let closed = |yaml: &str| serde_yaml::from_str::<Closed>(yaml).unwrap();
        let times: Vec<i64> = ["2024-12-20", "2024-12-23"].map(day).to_vec();
        let of = |yaml: &str| {
            let periods = Periods::among(&times, "1d".parse().unwrap(), DAYS, Dated::Start).unwrap();
            periods.without(Some(&closed(yaml)), &times)
        };
        let periods = of("{weekdays: [sat, sun], country: US, on: [12-24, 2024-12-31]}").unwrap();
        let friday = periods.number(day("2024-12-20")).unwrap();
        // pandas: CustomBusinessDay(holidays=['2024-12-24', '2024-12-25', '2024-12-31', '2025-01-01'])
        let shown = [0, 1, 2, 3, 4, 5, 6].map(|at| periods.shown(friday + at));
        assert_eq!(
            shown,
            ["2024-12-20", "2024-12-23", "2024-12-26", "2024-12-27", "2024-12-30", "2025-01-02", "2025-01-03"]
        );
        assert_eq!((periods.number(day("2024-12-21")), periods.first_on("2024-12-21".parse().unwrap())), (None, None));
        assert!(periods.is_closed(day("2024-12-24")) && !periods.is_closed(day("2024-12-23")));
        let on = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert!(periods.is_over(friday, on("2024-12-21").into()) && !periods.is_over(friday, on("2024-12-20").into()));
        assert_eq!(periods.days(friday), Some((on("2024-12-20"), on("2024-12-20"))));
        assert_eq!(periods.count("5d".parse().unwrap(), "window").unwrap(), 5);
        assert_eq!(
            periods.count("1w".parse().unwrap(), "feature 'x': window").unwrap_err().to_string(),
            "feature 'x': window: 1w is not a number of open days; with 'series.closed' write days, of which only the open ones \
             count, such as 5d"
        );
        let error = |yaml: &str| of(yaml).unwrap_err().to_string();
        assert_eq!(error("{}"), "series.closed names no day; write such as {weekdays: [sat, sun]}");
        assert_eq!(
            error("{weekdays: [mon, tue, wed, thu, fri, sat, sun]}"),
            "series.closed: no day is left; leave some days of the week open"
        );
        let weeks = among(&["2024-01-01"], "1w", Dated::Start).without(Some(&closed("{weekdays: [sat]}")), &[]);
        assert_eq!(
            weeks.unwrap_err().to_string(),
            "series.closed: periods of 1w leave out no days; write `every: 1d`, or remove it"
        );
    }

    #[test]
    fn a_day_has_a_first_period_whatever_its_time() {
        const SECONDS: Clock = Clock::new(Count::Ticks(1_000), None);
        let of = |every: &str, minutes: i64| {
            Periods::among(&[minutes * 60_000], every.parse().unwrap(), SECONDS, Dated::Start).unwrap()
        };
        let first_on = |periods: &Periods, day: &str| {
            periods.first_on(day.parse().unwrap()).map(|number| {
                let minutes = periods.time(number).unwrap() / 60_000;
                (minutes / 1_440, minutes % 1_440)
            })
        };
        assert_eq!(first_on(&of("1d", 360), "1970-01-05"), Some((4, 360)));
        assert_eq!(first_on(&of("1h", 30), "1970-01-05"), Some((4, 30)));
        // Five hours do not divide a day.
        assert_eq!(first_on(&of("5h", 60), "1970-01-02"), Some((1, 120)));
        assert_eq!(first_on(&of("1w", 360), "1970-01-08"), Some((7, 360)));
        assert_eq!(first_on(&of("1w", 360), "1970-01-07"), None);
        assert_eq!(among(&["2024-01-31"], "1mo", Dated::End).first_on("2024-02-28".parse().unwrap()), None);
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
