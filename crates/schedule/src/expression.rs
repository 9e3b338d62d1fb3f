//! Cron expressions: `0 2 * * mon-fri`.
//!
//! The dialects of cron, systemd and Airflow agree on most of the language and differ at its edges. What they read
//! differently is refused, and what they are given uses only what they have in common.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use spec::{Error, Result, did_you_mean};

use crate::field::{DAY, Field, HOUR, Kind, MINUTE, MONTH, WEEKDAY};

const KINDS: [Kind; 5] = [MINUTE, HOUR, DAY, MONTH, WEEKDAY];

/// Names for common expressions. `@reboot` is not one of them: it names no time.
const NAMED: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// When something runs: minute, hour, day of the month, month, day of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    pub(crate) minute: Field,
    pub(crate) hour: Field,
    pub(crate) day: Field,
    pub(crate) month: Field,
    pub(crate) weekday: Field,
}

impl Expression {
    /// Whether it runs at some time of this day. Where day and weekday are both limited, either is enough, as in cron.
    fn has_day(&self, day: NaiveDate) -> bool {
        let of_month = self.day.values.contains(&day.day());
        let of_week = self.weekday.values.contains(&day.weekday().num_days_from_sunday());
        let fits = if self.day.is_any || self.weekday.is_any { of_month && of_week } else { of_month || of_week };
        fits && self.month.values.contains(&day.month())
    }

    /// The next time after `after`. `None`: it never comes.
    pub fn next(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let local = after.with_timezone(&zone).naive_local();
        // The clock may have been set back: an earlier time of day may still follow.
        let mut day = local.date().pred_opt()?;
        // Leap years are at most eight years apart.
        for _ in 0..366 * 9 {
            if let Some(time) = self.times(day, zone).into_iter().find(|time| *time > after) {
                return Some(time);
            }
            day = day.checked_add_days(Days::new(1))?;
        }
        None
    }

    /// The times of one day. Where the clocks change, one that runs every hour goes on every hour. For others, a time that the
    /// clock skips becomes the first one after the gap, and one that it shows twice is the earlier.
    pub(crate) fn times(&self, day: NaiveDate, zone: Tz) -> BTreeSet<DateTime<Utc>> {
        let shown = self.shown(day);
        match self.hour.is_any {
            true => {
                let both = shown.map(|local| zone.from_local_datetime(&local));
                both.flat_map(|times| [times.earliest(), times.latest()]).flatten().map(|time| time.to_utc()).collect()
            }
            false => shown.filter_map(|local| instant(local, zone)).collect(),
        }
    }

    /// What the clocks show when it runs on this day.
    pub(crate) fn shown(&self, day: NaiveDate) -> impl Iterator<Item = NaiveDateTime> {
        let hours = self.hour.values.iter().filter(move |_| self.has_day(day));
        hours.flat_map(move |hour| {
            self.minute.values.iter().filter_map(move |minute| day.and_hms_opt(*hour, *minute, 0))
        })
    }
}

/// When the clocks of `zone` show this.
fn instant(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let mut shown = local;
    // No clock skips more than a day.
    for _ in 0..=24 * 60 {
        if let Some(time) = zone.from_local_datetime(&shown).earliest() {
            return Some(time.with_timezone(&Utc));
        }
        shown += TimeDelta::minutes(1);
    }
    None
}

impl FromStr for Expression {
    type Err = Error;
    fn from_str(text: &str) -> Result<Expression> {
        let trimmed = text.trim();
        let wrong = |what: String| Error::cannot_run(format!("'{text}' is not a time to run: {what}"));
        let named = NAMED.iter().find(|(name, _)| *name == trimmed).map(|(_, expression)| *expression);
        if named.is_none() && trimmed.starts_with('@') {
            let names = NAMED.iter().map(|(name, _)| *name);
            return Err(wrong("no such name".to_owned()).hint(did_you_mean(trimmed, names)));
        }
        let fields: Vec<&str> = named.unwrap_or(trimmed).split_ascii_whitespace().collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(wrong(format!("{}, and cron has 5", spec::text::count(fields.len() as u64, "field")))
                .hint("write minute, hour, day of the month, month and day of the week, such as 0 2 * * *"));
        };
        let read = |text: &str, kind: Kind| {
            Field::read(text, kind).map_err(|error| {
                let hint = error.way_out().unwrap_or_default().to_owned();
                wrong(error.message().to_owned()).hint(hint)
            })
        };
        let expression = Expression {
            minute: read(minute, MINUTE)?,
            hour: read(hour, HOUR)?,
            day: read(day, DAY)?,
            month: read(month, MONTH)?,
            weekday: read(weekday, WEEKDAY)?,
        };
        // cron takes `*/2` as "any day" here and then requires both; Airflow takes it as a list and requires either.
        let is_stepped = |field: &str| field.starts_with('*') && field.len() > 1;
        if (is_stepped(day) && !expression.weekday.is_any) || (is_stepped(weekday) && !expression.day.is_any) {
            return Err(wrong("programs differ on a step of '*' beside another limit of the day".to_owned())
                .hint("write the days as a list or a range"));
        }
        // cron takes `1-31` for a limit that every day keeps, and either is enough; Airflow takes it for `*`.
        let is_spelt_out = |field: &Field, text: &str| field.is_any && !text.starts_with('*');
        let spelt_out = [(&expression.day, day, &expression.weekday), (&expression.weekday, weekday, &expression.day)];
        if let Some((_, text, _)) =
            spelt_out.into_iter().find(|(field, text, other)| is_spelt_out(field, text) && !other.is_any)
        {
            return Err(wrong(format!(
                "programs differ on '{text}', which is every day, beside another limit of the day"
            ))
            .hint("write * instead for the days that the other limit names, or * in both places for every day"));
        }
        let start = Utc.timestamp_opt(0, 0).single().unwrap_or_default();
        if expression.next(start, Tz::UTC).is_none() {
            return Err(wrong("that day never comes".to_owned()).hint("correct the day or the month"));
        }
        Ok(expression)
    }
}

/// In numbers, in the part of the language that cron and Airflow read alike. For cron, a `*` in the minute or the hour says that
/// a line follows the clock where it is changed; without one it is neither skipped nor repeated.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = [&self.minute, &self.hour, &self.day, &self.month, &self.weekday];
        let written = |(field, kind): (&&Field, Kind)| match kind.name {
            "minute" | "hour" if !self.hour.is_any => {
                field.canonical(kind).replacen('*', &format!("{}-{}", kind.first, kind.last), 1)
            }
            _ => field.canonical(kind),
        };
        let fields: Vec<String> = fields.iter().zip(KINDS).map(written).collect();
        f.write_str(&fields.join(" "))
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Expression, D::Error> {
        spec::read_text(deserializer, "a cron expression such as 0 2 * * *", str::parse)
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl schemars::JsonSchema for Expression {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cron".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Minute, hour, day of the month, month, day of the week, as in crontab(5): `0 2 * * mon-fri`; or \
                            @hourly, @daily, @weekly, @monthly, @yearly."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(text: &str, after: &str, zone: &str) -> String {
        let after = after.parse::<DateTime<Utc>>().unwrap();
        let time = text.parse::<Expression>().unwrap().next(after, zone.parse().unwrap()).unwrap();
        time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    #[test]
    fn comes_next_when_a_calendar_says_so() {
        // 2026-01-01 is a Thursday.
        for (text, expected) in [
            ("0 2 * * *", "2026-01-01T02:00:00Z"),
            ("*/15 * * * *", "2026-01-01T00:15:00Z"),
            ("0 2 * * mon-fri", "2026-01-01T02:00:00Z"),
            ("0 2 * * sat", "2026-01-03T02:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("@monthly", "2026-02-01T00:00:00Z"),
            // Either the 13th or a Friday, as in cron.
            ("0 0 13 * 5", "2026-01-02T00:00:00Z"),
            ("0 0 13 * *", "2026-01-13T00:00:00Z"),
        ] {
            assert_eq!(next(text, "2026-01-01T00:00:00Z", "UTC"), expected, "{text}");
        }
        assert_eq!(next("0 0 1 1 *", "2025-12-31T23:59:59Z", "UTC"), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn follows_the_clocks_of_its_zone() {
        assert_eq!(next("0 2 * * *", "2026-01-01T00:00:00Z", "Europe/Berlin"), "2026-01-01T01:00:00Z");
        assert_eq!(next("0 2 * * *", "2026-07-01T00:30:00Z", "Europe/Berlin"), "2026-07-02T00:00:00Z");
        // On 29 March 2026 Berlin's clocks go from 02:00 to 03:00.
        assert_eq!(next("30 2 * * *", "2026-03-28T12:00:00Z", "Europe/Berlin"), "2026-03-29T01:00:00Z");
        // On 25 October 2026 they show 02:30 twice, at 00:30 and at 01:30 UTC.
        assert_eq!(next("30 2 * * *", "2026-10-24T12:00:00Z", "Europe/Berlin"), "2026-10-25T00:30:00Z");
        assert_eq!(next("30 2 * * *", "2026-10-25T00:30:00Z", "Europe/Berlin"), "2026-10-26T01:30:00Z");
    }

    #[test]
    fn what_runs_every_hour_goes_on_where_the_clocks_change() {
        let hourly = |after: &str, zone: &str| next("30 * * * *", after, zone);
        // Berlin shows 01:30, 03:30 in spring, and 02:30 twice in autumn.
        assert_eq!(hourly("2026-03-29T00:30:00Z", "Europe/Berlin"), "2026-03-29T01:30:00Z");
        assert_eq!(hourly("2026-10-25T00:30:00Z", "Europe/Berlin"), "2026-10-25T01:30:00Z");
        assert_eq!(hourly("2026-10-25T01:30:00Z", "Europe/Berlin"), "2026-10-25T02:30:00Z");
        assert_eq!(next("*/20 * * * *", "2026-11-01T05:50:00Z", "America/New_York"), "2026-11-01T06:00:00Z");
    }

    #[test]
    fn no_star_tells_cron_to_follow_a_changed_clock() {
        for (text, expected) in [
            ("*/20 8-10 * * *", "0-59/20 8-10 * * *"),
            ("* 2 * * *", "0-59 2 * * *"),
            ("0 */2 * * *", "0 0-23/2 * * *"),
            ("*/20 * * * *", "*/20 * * * *"),
            ("* * * * *", "* * * * *"),
        ] {
            assert_eq!(text.parse::<Expression>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_programs_read_differently_is_refused() {
        for (text, error) in [
            (
                "0 2 * *",
                "'0 2 * *' is not a time to run: 4 fields, and cron has 5; write minute, hour, day of the month, month and day of \
                 the week, such as 0 2 * * *",
            ),
            ("0 24 * * *", "'0 24 * * *' is not a time to run: hour: '24' is not one; write a number from 0 to 23"),
            ("@dayly", "'@dayly' is not a time to run: no such name; did you mean '@daily'?"),
            ("0 0 30 2 *", "'0 0 30 2 *' is not a time to run: that day never comes; correct the day or the month"),
            (
                "0 0 */2 * 1",
                "'0 0 */2 * 1' is not a time to run: programs differ on a step of '*' beside another limit of the day; write \
                 the days as a list or a range",
            ),
        ] {
            assert_eq!(text.parse::<Expression>().unwrap_err().to_string(), error);
        }
        for (text, every_day) in [
            ("0 2 1-31 * fri", "1-31"),
            ("0 2 13 * 0-6", "0-6"),
            ("0 2 13 * mon-7", "mon-7"),
            ("0 2 1-15,16-31 * 5", "1-15,16-31"),
        ] {
            assert_eq!(
                text.parse::<Expression>().unwrap_err().to_string(),
                format!(
                    "'{text}' is not a time to run: programs differ on '{every_day}', which is every day, beside another limit \
                     of the day; write * instead for the days that the other limit names, or * in both places for every day"
                )
            );
        }
        assert_eq!("0 2 1-31 * *".parse::<Expression>().unwrap().to_string(), "0 2 * * *");
        assert!("@reboot".parse::<Expression>().is_err());
        assert!("0 0 1 1 * 2026".parse::<Expression>().is_err());
    }

    #[test]
    fn reads_what_it_writes() {
        for text in ["0 2 * * mon-fri", "*/7 1-5 1,15 jan-mar *", "@weekly", "5 0 13 * fri"] {
            let read: Expression = text.parse().unwrap();
            assert_eq!(read.to_string().parse::<Expression>().unwrap(), read, "{text}");
        }
        assert_eq!("0 2 * * MON-FRI".parse::<Expression>().unwrap().to_string(), "0 2 * * 1-5");
    }
}
