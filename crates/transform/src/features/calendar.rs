//! Cutoffs, windows and horizons on the calendar, and as the numbers that a time column holds.

use chrono::{Days, Months, NaiveDate, NaiveDateTime, TimeDelta};
use polars::prelude::{DataType, TimeUnit};
use spec::{Error, Result, Span, Unit};

use super::spec::{Cutoffs, Label};

/// How a time column counts from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    Days,
    /// Ticks of which so many make a second.
    Ticks(i64),
}

impl Clock {
    /// The clock of a time column.
    pub fn of(dtype: &DataType, column: &str) -> Result<Clock> {
        match dtype {
            DataType::Date => Ok(Clock::Days),
            DataType::Datetime(unit, None) => Ok(Clock::Ticks(match unit {
                TimeUnit::Milliseconds => 1_000,
                TimeUnit::Microseconds => 1_000_000,
                TimeUnit::Nanoseconds => 1_000_000_000,
            })),
            DataType::Datetime(_, Some(_)) => Err(Error::cannot_run(format!("column '{column}' has a time zone"))
                .hint("cast it to datetime in clean.yaml, so that a day begins at one moment")),
            other => Err(Error::cannot_run(format!(
                "column '{column}' is {}, but the time of a row must be a date or datetime",
                artifact::type_name(other)
            ))
            .hint("parse it in clean.yaml, or name another column as 'time'")),
        }
    }

    /// The number at which `moment` stands in the column. Clocks of days floor to the day.
    pub fn at(self, moment: NaiveDateTime) -> i64 {
        let time = moment.and_utc();
        match self {
            Clock::Days => time.timestamp().div_euclid(86_400),
            Clock::Ticks(per_second) => {
                let rest = i64::from(time.timestamp_subsec_nanos()) / (1_000_000_000 / per_second);
                time.timestamp().saturating_mul(per_second).saturating_add(rest)
            }
        }
    }

    /// The moment that a value of the column stands for; nothing beyond the calendar.
    pub fn moment(self, value: i64) -> Option<NaiveDateTime> {
        let day = midnight(self.day(value)?);
        match self {
            Clock::Days => Some(day),
            Clock::Ticks(per_second) => {
                let rest = value.rem_euclid(self.per_day()).checked_mul(1_000_000_000 / per_second)?;
                day.checked_add_signed(TimeDelta::nanoseconds(rest))
            }
        }
    }

    pub fn per_day(self) -> i64 {
        match self {
            Clock::Days => 1,
            Clock::Ticks(per_second) => 86_400 * per_second,
        }
    }

    /// The day of a value of the column.
    pub fn day(self, value: i64) -> Option<NaiveDate> {
        let days = value.div_euclid(self.per_day());
        NaiveDate::from_epoch_days(i32::try_from(days).ok()?)
    }

    /// Refuses spans of hours where only days are known.
    pub fn measures(self, span: Span, what: &str) -> Result<()> {
        if self == Clock::Days && span.unit == Unit::Hour {
            return Err(Error::cannot_run(format!("{what}: {span} cannot be told apart in a column of dates"))
                .hint("write days, such as 1d"));
        }
        Ok(())
    }
}

/// `moment` minus a span. Months and years follow the calendar: 31 March − 1mo is 28 or 29 February.
pub fn before(moment: NaiveDateTime, span: Span) -> Result<NaiveDateTime> {
    shift(moment, span, 1, false)
}

/// `moment` plus a span.
pub fn after(moment: NaiveDateTime, span: Span) -> Result<NaiveDateTime> {
    shift(moment, span, 1, true)
}

fn shift(moment: NaiveDateTime, span: Span, times: u32, forward: bool) -> Result<NaiveDateTime> {
    let count = u64::from(span.count) * u64::from(times);
    let months = |per: u64| u32::try_from(count * per).ok().map(Months::new);
    let days = |per: u64| Some(Days::new(count * per));
    let shifted = match span.unit {
        Unit::Hour => i64::try_from(count).ok().and_then(TimeDelta::try_hours).and_then(|delta| match forward {
            true => moment.checked_add_signed(delta),
            false => moment.checked_sub_signed(delta),
        }),
        Unit::Day | Unit::Week => days(if span.unit == Unit::Day { 1 } else { 7 }).and_then(|days| match forward {
            true => moment.checked_add_days(days),
            false => moment.checked_sub_days(days),
        }),
        Unit::Month | Unit::Year => months(if span.unit == Unit::Month { 1 } else { 12 }).and_then(|m| match forward {
            true => moment.checked_add_months(m),
            false => moment.checked_sub_months(m),
        }),
    };
    shifted.ok_or_else(|| {
        let sign = if forward { '+' } else { '−' };
        Error::cannot_run(format!("{} {sign} {times} × {span} is beyond the calendar", moment.date()))
            .hint("write a shorter span")
    })
}

pub fn midnight(date: NaiveDate) -> NaiveDateTime {
    date.and_time(chrono::NaiveTime::MIN)
}

/// The cutoffs of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Training cutoffs, oldest first.
    pub training: Vec<NaiveDate>,
    /// The cutoff of the scoring rows.
    pub newest: NaiveDate,
    /// The days of the first and the last row.
    pub span: (NaiveDate, NaiveDate),
    /// Cutoffs that were asked for and left out, and why.
    pub notes: Vec<String>,
}

impl Calendar {
    /// Settles the cutoffs for rows whose days run from `first` to `last`. A training cutoff's horizon must
    /// be over by the newest cutoff and by the end of the last row's day, and a row must lie before it.
    pub fn settle(cutoffs: &Cutoffs, label: &Label, first: NaiveDate, last: NaiveDate) -> Result<Calendar> {
        let known = after(midnight(last), Span::days(1))?.date();
        let newest = cutoffs.newest().unwrap_or(known);
        if newest <= first {
            return Err(Error::refused(format!(
                "the newest cutoff {newest} lies before every row; the first is of {first}"
            ))
            .hint("name a later day as cutoffs.newest, or leave it out"));
        }
        let until = newest.min(known);
        let is_known = |cutoff: NaiveDate| -> Result<NaiveDateTime> {
            let over = after(midnight(cutoff), label.horizon)?;
            label.delay.map_or(Ok(over), |delay| after(over, delay))
        };
        let latest = {
            // Whole days, so that a horizon of hours does not move the cutoff into a day.
            let over = label.delay.map_or(Ok(midnight(until)), |delay| before(midnight(until), delay))?;
            let mut latest = before(over, label.horizon)?.date();
            while is_known(latest)? > midnight(until) {
                latest = before(midnight(latest), Span::days(1))?.date();
            }
            latest
        };
        let needed = match label.delay {
            None => label.horizon.to_string(),
            Some(delay) => format!("{} and {delay} until it is known", label.horizon),
        };
        let mut asked = match cutoffs {
            Cutoffs::Every(every) => (0..every.count)
                .map(|k| Ok(shift(midnight(latest), every.every, k, false)?.date()))
                .collect::<Result<Vec<_>>>()?,
            Cutoffs::Dates(dates) => dates.clone(),
            Cutoffs::At(at) => at.at.clone(),
        };
        asked.sort_unstable();
        asked.dedup();
        let mut notes = Vec::new();
        let mut leave_out = |dates: Vec<NaiveDate>, why: String| {
            if !dates.is_empty() {
                let dates: Vec<String> = dates.iter().map(NaiveDate::to_string).collect();
                notes.push(format!("left out {}: {why}", dates.join(", ")));
            }
        };
        let (early, rest): (Vec<_>, Vec<_>) = asked.into_iter().partition(|cutoff| *cutoff <= first);
        let (late, training): (Vec<_>, Vec<_>) = rest.into_iter().partition(|cutoff| *cutoff > latest);
        leave_out(early, format!("no row lies before (the first is of {first})"));
        leave_out(late, format!("the horizon of {needed} is not over by {until}"));
        if training.is_empty() {
            let days = (known - first).num_days();
            return Err(Error::refused(format!(
                "the log spans {days} {} ({first} to {last}), but label '{}' needs {needed} after the first cutoff: no \
                 training cutoff is left",
                if days == 1 { "day" } else { "days" },
                label.name,
            ))
            .hint(format!(
                "shorten the horizon, bring a longer log, or name cutoffs after {first} and not after {latest}"
            )));
        }
        Ok(Calendar { training, newest, span: (first, last), notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::spec::{At, Every, LabelKind};

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn label(horizon: &str) -> Label {
        Label {
            name: "churned".to_owned(),
            horizon: horizon.parse().unwrap(),
            is: LabelKind::NoRows,
            filter: None,
            delay: None,
            description: None,
        }
    }

    fn every(span: &str, count: u32, newest: Option<&str>) -> Cutoffs {
        Cutoffs::Every(Every { every: span.parse().unwrap(), count, newest: newest.map(day) })
    }

    #[test]
    fn months_follow_the_calendar_and_leap_years() {
        let back =
            |date: &str, span: &str| before(midnight(day(date)), span.parse().unwrap()).unwrap().date().to_string();
        assert_eq!(back("2024-03-31", "1mo"), "2024-02-29");
        assert_eq!(back("2023-03-31", "1mo"), "2023-02-28");
        assert_eq!(back("2024-02-29", "1y"), "2023-02-28");
        assert_eq!(back("2024-01-31", "2w"), "2024-01-17");
    }

    #[test]
    fn cutoffs_end_where_the_label_is_known() {
        let calendar =
            Calendar::settle(&every("30d", 3, None), &label("90d"), day("2023-01-01"), day("2023-12-31")).unwrap();
        assert_eq!(calendar.newest, day("2024-01-01"));
        assert_eq!(calendar.training, ["2023-08-04", "2023-09-03", "2023-10-03"].map(day));
        assert!(calendar.notes.is_empty());
    }

    #[test]
    fn monthly_cutoffs_do_not_drift() {
        let calendar =
            Calendar::settle(&every("1mo", 4, Some("2024-06-30")), &label("1mo"), day("2023-01-01"), day("2024-12-31"))
                .unwrap();
        assert_eq!(calendar.training, ["2024-02-29", "2024-03-30", "2024-04-30", "2024-05-30"].map(day));
    }

    #[test]
    fn cutoffs_without_room_are_left_out_and_said() {
        let dates = Cutoffs::At(At { at: ["2023-01-01", "2023-03-01", "2023-05-02"].map(day).to_vec(), newest: None });
        let calendar = Calendar::settle(&dates, &label("30d"), day("2023-01-01"), day("2023-05-30")).unwrap();
        assert_eq!(calendar.training, [day("2023-03-01")]);
        assert_eq!(
            calendar.notes,
            [
                "left out 2023-01-01: no row lies before (the first is of 2023-01-01)",
                "left out 2023-05-02: the horizon of 30d is not over by 2023-05-31"
            ]
        );
    }

    #[test]
    fn a_newest_cutoff_beyond_the_log_does_not_make_unknown_labels() {
        let far =
            Calendar::settle(&every("30d", 1, Some("2025-01-01")), &label("90d"), day("2023-01-01"), day("2023-12-31"));
        assert_eq!(far.unwrap().training, [day("2023-10-03")]);
    }

    #[test]
    fn a_label_that_is_known_late_moves_the_last_cutoff() {
        let label = Label { delay: Some(Span::days(10)), ..label("30d") };
        let calendar = Calendar::settle(&every("30d", 2, None), &label, day("2023-01-01"), day("2023-05-30")).unwrap();
        assert_eq!(calendar.training, ["2023-03-22", "2023-04-21"].map(day));
        let dates = Cutoffs::At(At { at: ["2023-04-21", "2023-04-22"].map(day).to_vec(), newest: None });
        let calendar = Calendar::settle(&dates, &label, day("2023-01-01"), day("2023-05-30")).unwrap();
        assert_eq!(
            calendar.notes,
            ["left out 2023-04-22: the horizon of 30d and 10d until it is known is not over by 2023-05-31"]
        );
    }

    #[test]
    fn a_short_log_is_refused_with_the_way_out() {
        let error =
            Calendar::settle(&every("30d", 8, None), &label("90d"), day("2023-01-01"), day("2023-02-09")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the log spans 40 days (2023-01-01 to 2023-02-09), but label 'churned' needs 90d after the first cutoff: \
             no training cutoff is left; shorten the horizon, bring a longer log, or name cutoffs after 2023-01-01 and \
             not after 2022-11-12"
        );
        assert_eq!(error.class(), spec::Class::Refused);
    }

    #[test]
    fn clocks_count_what_their_column_counts() {
        let noon = midnight(day("1970-01-02")) + TimeDelta::hours(12);
        assert_eq!(Clock::Days.at(noon), 1);
        assert_eq!(Clock::Ticks(1_000_000).at(noon), 129_600_000_000);
        assert_eq!(Clock::Ticks(1_000).day(-1), Some(day("1969-12-31")));
    }
}
