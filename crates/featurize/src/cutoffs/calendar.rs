//! The cutoffs of a run.

use chrono::NaiveDate;
use spec::{Error, Result, Span};

use super::spec::{Cutoffs, Label};
use crate::clock::{Clock, beyond, day_moved};

/// The cutoffs of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Training cutoffs, oldest first.
    pub training: Vec<NaiveDate>,
    /// The cutoff of the scoring rows.
    pub newest: NaiveDate,
    /// The days of the first and the last row.
    pub span: (NaiveDate, NaiveDate),
    /// Cutoffs that were requested and left out, and why.
    pub notes: Vec<String>,
}

impl Calendar {
    /// Settles the cutoffs for rows whose days run from `first` to `last`. A training cutoff's horizon must
    /// be over by the newest cutoff and by the end of the last row's day, and a row must lie before it.
    pub fn settle(
        cutoffs: &Cutoffs,
        label: &Label,
        clock: Clock,
        (first, last): (NaiveDate, NaiveDate),
    ) -> Result<Calendar> {
        let known = last.succ_opt().ok_or_else(|| beyond(last, Span::days(1), 1, true))?;
        let newest = cutoffs.newest().unwrap_or(known);
        if newest <= first {
            return Err(Error::refused(format!(
                "the newest cutoff {newest} lies before every row; the first is of {first}"
            ))
            .hint("name a later day as cutoffs.newest, or leave it out"));
        }
        let until = newest.min(known);
        let over = clock.start(until);
        let is_known = |cutoff: NaiveDate| -> Result<i64> {
            let over = clock.moved_day(cutoff, label.horizon, true)?;
            match label.delay {
                None => Ok(over),
                Some(delay) => clock.moved(over, delay, true).ok_or_else(|| beyond(cutoff, delay, 1, true)),
            }
        };
        let latest = {
            // Whole days, so that a horizon of hours does not move the cutoff into a day.
            let back =
                |time: i64, span: Span| clock.moved(time, span, false).ok_or_else(|| beyond(until, span, 1, false));
            let begins = back(label.delay.map_or(Ok(over), |delay| back(over, delay))?, label.horizon)?;
            let mut latest = clock.day(begins).ok_or_else(|| beyond(until, label.horizon, 1, false))?;
            while is_known(latest)? > over {
                latest = latest.pred_opt().ok_or_else(|| beyond(until, label.horizon, 1, false))?;
            }
            // A month before 30 June is 30 May, but the month after 31 May is over by then, too.
            while let Some(next) = latest.succ_opt().filter(|next| *next < until)
                && is_known(next)? <= over
            {
                latest = next;
            }
            latest
        };
        let needed = match label.delay {
            None => label.horizon.to_string(),
            Some(delay) => format!("{} and {delay} until it is known", label.horizon),
        };
        let mut asked = match cutoffs {
            Cutoffs::Every(every) => (0..every.count)
                .map(|k| day_moved(latest, every.every, k, false).ok_or_else(|| beyond(latest, every.every, k, false)))
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
    use crate::clock::Count;
    use crate::cutoffs::spec::{At, Every, LabelKind};

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

    const MOMENTS: Clock = Clock::new(Count::Ticks(1_000_000), None);

    fn settle(cutoffs: &Cutoffs, label: &Label, first: NaiveDate, last: NaiveDate) -> Result<Calendar> {
        Calendar::settle(cutoffs, label, MOMENTS, (first, last))
    }

    #[test]
    fn cutoffs_end_where_the_label_is_known() {
        let calendar = settle(&every("30d", 3, None), &label("90d"), day("2023-01-01"), day("2023-12-31")).unwrap();
        assert_eq!(calendar.newest, day("2024-01-01"));
        assert_eq!(calendar.training, ["2023-08-04", "2023-09-03", "2023-10-03"].map(day));
        assert!(calendar.notes.is_empty());
    }

    #[test]
    fn monthly_cutoffs_do_not_drift() {
        let calendar =
            settle(&every("1mo", 4, Some("2024-06-30")), &label("1mo"), day("2023-01-01"), day("2024-12-31")).unwrap();
        assert_eq!(calendar.training, ["2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"].map(day));
    }

    #[test]
    fn the_last_cutoff_is_the_last_whose_label_is_known() {
        let months = |horizon: &str, delay: Option<&str>, newest: &str| {
            let label = Label { delay: delay.map(|delay| delay.parse().unwrap()), ..label(horizon) };
            let calendar =
                settle(&every("1mo", 3, Some(newest)), &label, day("2022-01-01"), day("2024-12-31")).unwrap();
            calendar.training.iter().map(NaiveDate::to_string).collect::<Vec<_>>()
        };
        assert_eq!(months("1mo", None, "2023-02-28"), ["2022-11-30", "2022-12-31", "2023-01-31"]);
        assert_eq!(months("3mo", None, "2024-06-30"), ["2024-01-31", "2024-02-29", "2024-03-31"]);
        assert_eq!(months("1mo", None, "2024-03-31"), ["2023-12-29", "2024-01-29", "2024-02-29"]);
        assert_eq!(months("1mo", None, "2024-03-30"), ["2023-12-29", "2024-01-29", "2024-02-29"]);
        assert_eq!(months("1mo", Some("1d"), "2024-07-01"), ["2024-03-31", "2024-04-30", "2024-05-31"]);
        // Named cutoffs whose label is known are not left out.
        let dates = Cutoffs::At(At { at: vec![day("2024-05-31")], newest: Some(day("2024-06-30")) });
        let calendar = settle(&dates, &label("1mo"), day("2022-01-01"), day("2024-12-31")).unwrap();
        assert_eq!((calendar.training, calendar.notes), (vec![day("2024-05-31")], Vec::new()));
    }

    #[test]
    fn cutoffs_without_room_are_left_out_and_said() {
        let dates = Cutoffs::At(At { at: ["2023-01-01", "2023-03-01", "2023-05-02"].map(day).to_vec(), newest: None });
        let calendar = settle(&dates, &label("30d"), day("2023-01-01"), day("2023-05-30")).unwrap();
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
        let far = settle(&every("30d", 1, Some("2025-01-01")), &label("90d"), day("2023-01-01"), day("2023-12-31"));
        assert_eq!(far.unwrap().training, [day("2023-10-03")]);
    }

    #[test]
    fn a_label_that_is_known_late_moves_the_last_cutoff() {
        let label = Label { delay: Some(Span::days(10)), ..label("30d") };
        let calendar = settle(&every("30d", 2, None), &label, day("2023-01-01"), day("2023-05-30")).unwrap();
        assert_eq!(calendar.training, ["2023-03-22", "2023-04-21"].map(day));
        let dates = Cutoffs::At(At { at: ["2023-04-21", "2023-04-22"].map(day).to_vec(), newest: None });
        let calendar = settle(&dates, &label, day("2023-01-01"), day("2023-05-30")).unwrap();
        assert_eq!(
            calendar.notes,
            ["left out 2023-04-22: the horizon of 30d and 10d until it is known is not over by 2023-05-31"]
        );
    }

    #[test]
    fn a_short_log_is_refused_with_the_way_out() {
        let error = settle(&every("30d", 8, None), &label("90d"), day("2023-01-01"), day("2023-02-09")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the log spans 40 days (2023-01-01 to 2023-02-09), but label 'churned' needs 90d after the first cutoff: \
             no training cutoff is left; shorten the horizon, bring a longer log, or name cutoffs after 2023-01-01 and \
             not after 2022-11-12"
        );
        assert_eq!(error.class(), spec::Class::Refused);
    }

    #[test]
    fn horizons_of_hours_are_judged_by_the_hours_of_the_day() {
        let berlin = Clock::new(Count::Ticks(1_000_000), Some(values::Zone::named("Europe/Berlin").unwrap()));
        let latest = |horizon: &str, last: &str, clock: Clock| {
            let settled =
                Calendar::settle(&every("1d", 1, None), &label(horizon), clock, (day("2024-01-01"), day(last)))
                    .unwrap();
            settled.training[0].to_string()
        };
        // The last day of the log is the short one, the long one.
        assert_eq!(latest("24h", "2024-03-31", MOMENTS), "2024-03-31");
        assert_eq!(latest("24h", "2024-03-31", berlin), "2024-03-30");
        assert_eq!(latest("1d", "2024-03-31", berlin), "2024-03-31");
        assert_eq!(latest("25h", "2024-10-27", MOMENTS), "2024-10-26");
        assert_eq!(latest("25h", "2024-10-27", berlin), "2024-10-27");
    }
}
