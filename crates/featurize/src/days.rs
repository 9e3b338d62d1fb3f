//! The days on which the rows of a table lie, and those that lie alone in time.
//!
//! One row dated 2203 must not move the cutoffs of a whole log there, nor one of 1900 pass for its beginning. No row dated
//! after today does, however many there are: what happens until then is not known yet.

use std::collections::HashMap;

use artifact::{PolarsResultExt, stream};
use chrono::NaiveDate;
use foldhash::fast::FixedState;
use polars::prelude::{DataFrame, LazyFrame, col};
use spec::{Error, Result};

use super::clock::Clock;
use values::form::whole;

/// A gap of so many days, five years, parts rows from the rest, if the rest spans no more than that itself.
const GAP: i64 = 1_826;

/// The first and the last day of the rows, without outliers and rows after today.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    pub rows: u64,
    pub first: NaiveDate,
    pub last: NaiveDate,
    /// The day from which rows count that are dated after today.
    pub changes_on: Option<NaiveDate>,
    /// One for rows that lie alone or after today, at each end.
    pub warnings: Vec<String>,
}

/// A table as far as its time is concerned.
pub struct Timed<'a> {
    pub table: &'a str,
    pub time: &'a str,
    pub clock: Clock,
    /// A column that names a row.
    pub key: Option<&'a str>,
    /// What follows from leaving out such rows, for the warning.
    pub so: &'a str,
}

impl Timed<'_> {
    /// Reads the times, once.
    ///
    /// Errors (refused): no rows, none with a time, times beyond the calendar.
    pub fn stretch(&self, input: &LazyFrame, today: NaiveDate) -> Result<Stretch> {
        let doing = format!("table '{}'", self.table);
        let (mut rows, mut counts) = (0u64, Counts::new(self.clock));
        for batch in stream(input.clone().select([col(self.time)]), &doing)? {
            let batch = batch?;
            rows += batch.height() as u64;
            self.times(&batch)?.into_iter().flatten().for_each(|time| counts.add(time));
        }
        let days = counts.finish();
        let today_at = i64::from(today.to_epoch_days());
        let (from, to) = among(&days, today_at);
        let (Some((first, _)), Some((last, _))) = (days.get(from), days.get(to.saturating_sub(1))) else {
            let cause = if rows == 0 { "no rows" } else { "no row with a time" };
            return Err(Error::refused(format!("table '{}' has {cause}", self.table))
                .hint(format!("see what clean.yaml removes, and that '{}' is the right time column", self.time)));
        };
        let date = |day: i64| {
            i32::try_from(day).ok().and_then(NaiveDate::from_epoch_days).ok_or_else(|| {
                Error::refused(format!("column '{}' holds a time beyond the calendar", self.time))
                    .hint("drop or refuse such rows in clean.yaml, for example with a range check")
            })
        };
        let (first, last) = (date(*first)?, date(*last)?);
        let later = days[to..].iter().map(|(day, _)| *day).find(|day| *day > today_at);
        let changes_on = later.and_then(|day| date(day).ok());
        let mut warnings = Vec::new();
        for (alone, is_late) in [(&days[..from], false), (&days[to..], true)] {
            if let (Some((low, _)), Some((high, _))) = (alone.first(), alone.last()) {
                let count: u64 = alone.iter().map(|(_, count)| count).sum();
                let row = self.row(input, *low, *high)?;
                let than = match is_late {
                    true if *low > today_at => format!("after today, {today}"),
                    true => format!("far after {last}, the last of the others"),
                    false => format!("far before {first}, the first of the others"),
                };
                warnings.push(format!(
                    "table '{}': {count} {} {than}: {row}; {}; if the date is wrong, correct or remove it in clean.yaml, for \
                     example with in_range on '{}'",
                    self.table,
                    if count == 1 { "row lies" } else { "rows lie" },
                    self.so,
                    self.time
                ));
            }
        }
        Ok(Stretch { rows, first, last, changes_on, warnings })
    }

    fn times(&self, rows: &DataFrame) -> Result<Vec<Option<i64>>> {
        let times = rows.column(self.time).during(format!("table '{}'", self.table))?;
        whole(times.as_materialized_series())
    }

    /// Names the first row of some days.
    fn row(&self, input: &LazyFrame, low: i64, high: i64) -> Result<String> {
        let doing = format!("table '{}'", self.table);
        let mut input = input.clone();
        let schema = input.collect_schema().during(&doing)?;
        let mut names = vec![self.time];
        for name in self.key.into_iter().chain([artifact::FILE, artifact::ROW]) {
            if schema.contains(name) && !names.contains(&name) {
                names.push(name);
            }
        }
        let mut before = 0;
        for batch in stream(input.select(names.iter().map(|name| col(*name)).collect::<Vec<_>>()), &doing)? {
            let batch = batch?;
            let is_there = |time: i64| (low..=high).contains(&self.clock.day_number(time));
            let found = self.times(&batch)?.iter().position(|time| time.is_some_and(is_there));
            let Some(row) = found else {
                before += batch.height();
                continue;
            };
            let cell = |name: &str| -> Result<Option<String>> {
                let Ok(column) = batch.column(name) else { return Ok(None) };
                let value = column.get(row).during(&doing)?;
                Ok(Some(value.get_str().map_or_else(|| value.to_string(), str::to_owned)))
            };
            let time = cell(self.time)?.unwrap_or_default();
            let key = match self.key {
                Some(key) => cell(key)?.map(|value| format!(", {key} {value}")).unwrap_or_default(),
                None => String::new(),
            };
            let place = match (cell(artifact::ROW)?, cell(artifact::FILE)?) {
                (Some(row), Some(file)) => format!("row {row} of {file}"),
                _ => format!("row {}", before + row + 1),
            };
            return Ok(format!("{place}{key}, '{}' {time}", self.time));
        }
        Ok(String::new())
    }
}

/// How many rows lie on each day.
struct Counts {
    clock: Clock,
    counts: HashMap<i64, u64, FixedState>,
    /// The same of the days on which most rows lie, by their numbers.
    near: Vec<u64>,
    /// The day of the row before, how many rows in a row lie on it, and from when to before when it lasts, if that is certain.
    last: (i64, u64),
    lasts: (i64, i64),
}

impl Counts {
    fn new(clock: Clock) -> Counts {
        Counts { clock, counts: HashMap::default(), near: vec![0; 1 << 16], last: (0, 0), lasts: (0, 0) }
    }

    fn add(&mut self, time: i64) {
        if self.lasts.0 <= time && time < self.lasts.1 {
            self.last.1 += 1;
            return;
        }
        self.note();
        let day = self.clock.day_number(time);
        self.last = (day, 1);
        // In a zone, clocks that go back around midnight show a day twice.
        let begins = day.checked_mul(self.clock.per_day()).filter(|_| self.clock.zone().is_none());
        self.lasts = begins.map_or((0, 0), |begins| (begins, begins.saturating_add(self.clock.per_day())));
    }

    fn note(&mut self) {
        let (day, rows) = self.last;
        // 1970 to 2149.
        match usize::try_from(day).ok().and_then(|day| self.near.get_mut(day)) {
            Some(count) => *count += rows,
            None if rows > 0 => *self.counts.entry(day).or_default() += rows,
            None => {}
        }
    }

    /// The days, ascending, with their rows.
    fn finish(mut self) -> Vec<(i64, u64)> {
        self.note();
        let near = (0..).zip(self.near).filter(|(_, rows)| *rows > 0);
        let mut days: Vec<(i64, u64)> = near.chain(self.counts).collect();
        days.sort_unstable();
        days
    }
}

/// The times that lie alone at either end, and not after today: one of all, or one of a thousand, beyond a gap of years that is
/// longer than all the rest. With them the first and the last day of the rest.
pub fn alone(times: &[i64], clock: Clock, today: NaiveDate) -> Option<(Vec<usize>, (i64, i64))> {
    let mut counts = Counts::new(clock);
    times.iter().for_each(|time| counts.add(*time));
    let (days, today) = (counts.finish(), i64::from(today.to_epoch_days()));
    let (from, to) = among(&days, today);
    let (first, last) = (days.get(from)?.0, days.get(to.checked_sub(1)?)?.0);
    let is_alone = |time: &i64| {
        let day = clock.day_number(*time);
        day < first || day > last && day <= today
    };
    let found: Vec<usize> = (0..times.len()).filter(|row| is_alone(&times[*row])).collect();
    (!found.is_empty()).then_some((found, (first, last)))
}

/// The days, ascending with their rows, without those after today, and without those at both ends that lie alone: one row,
/// or one of a thousand, beyond a gap of years that is longer than all the rest.
fn among(days: &[(i64, u64)], today: i64) -> (usize, usize) {
    // If all rows are later, the clock may be wrong: then it is unknown.
    let days = match days.partition_point(|(day, _)| *day <= today) {
        0 => days,
        past => &days[..past],
    };
    let rows: u64 = days.iter().map(|(_, count)| count).sum();
    let most = (rows / 1_000).max(1);
    let gap = GAP.max(inner_span(days, most));
    let (mut from, mut to) = (0, days.len());
    let mut alone = 0;
    for place in 1..days.len() {
        alone += days[place - 1].1;
        if alone > most {
            break;
        }
        if days[place].0 - days[place - 1].0 > gap {
            from = place;
        }
    }
    alone = 0;
    for place in (from + 1..days.len()).rev() {
        alone += days[place].1;
        if alone > most {
            break;
        }
        if days[place].0 - days[place - 1].0 > gap {
            to = place;
        }
    }
    // With two rows it is unknown which of them is the outlier.
    if rows < 3 { (0, days.len()) } else { (from, to) }
}

/// How many days lie between the rows that remain when some at both ends are left out.
fn inner_span(days: &[(i64, u64)], most: u64) -> i64 {
    match (edge(days.iter(), most), edge(days.iter().rev(), most)) {
        (Some(first), Some(last)) => (last - first).max(0),
        _ => 0,
    }
}

/// The first day that is left when so many rows are left out.
fn edge<'a>(mut days: impl Iterator<Item = &'a (i64, u64)>, mut left: u64) -> Option<i64> {
    let inner = days.find(|(_, count)| {
        let is_inner = *count > left;
        left = left.saturating_sub(*count);
        is_inner
    });
    inner.map(|(day, _)| *day)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use polars::prelude::{IntoLazy, df};
    use spec::random::Random;
    use values::Zone;

    use super::*;
    use crate::clock::Count;
    use crate::cutoffs::tests::days as dates;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn stretch(on: &[&str], today: &str) -> Stretch {
        let on: Vec<Option<&str>> = on.iter().copied().map(Some).collect();
        let mut table = df!("who" => (0..on.len() as i64).collect::<Vec<_>>()).unwrap();
        table.with_column(dates("day", &on)).unwrap();
        let timed = Timed {
            table: "log",
            time: "day",
            clock: Clock::new(Count::Days, None),
            key: Some("who"),
            so: "it is left out",
        };
        timed.stretch(&table.lazy(), day(today)).unwrap()
    }

    #[test]
    fn a_row_that_lies_alone_is_named_and_moves_nothing() {
        let found = stretch(&["2024-01-01", "2203-05-06", "2024-02-01", "2024-03-01"], "2026-01-01");
        assert_eq!((found.rows, found.first, found.last), (4, day("2024-01-01"), day("2024-03-01")));
        assert_eq!(
            found.warnings,
            [
                "table 'log': 1 row lies after today, 2026-01-01: row 2, who 1, 'day' 2203-05-06; it is left out; if the date \
                 is wrong, correct or remove it in clean.yaml, for example with in_range on 'day'"
            ]
        );
        let found = stretch(&["1900-01-01", "2024-01-01", "2024-02-01", "9999-12-31", "2024-03-01"], "2026-01-01");
        assert_eq!((found.first, found.last), (day("2024-01-01"), day("2024-03-01")));
        assert_eq!(found.warnings.len(), 2);
        assert!(found.warnings[0].contains("far before 2024-01-01, the first of the others: row 1, who 0"));
    }

    #[test]
    fn rows_after_today_move_nothing_however_many_they_are() {
        let on = ["2023-01-01", "2024-01-01", "2024-03-01", "2025-03-01", "2025-03-02", "2025-03-03"];
        let found = stretch(&on, "2024-03-02");
        assert_eq!(found.last, day("2024-03-01"));
        assert!(
            found.warnings[0].starts_with("table 'log': 3 rows lie after today, 2024-03-02: row 4, who 3"),
            "{:?}",
            found.warnings
        );
        assert_eq!(stretch(&on, "2025-03-01").last, day("2025-03-01"), "tomorrow is not known yet");
        // From when on each of them counts.
        for (today, changes_on) in [
            ("2024-03-02", Some("2025-03-01")),
            ("2025-03-01", Some("2025-03-02")),
            ("2025-03-02", Some("2025-03-03")),
            ("2025-03-03", None),
        ] {
            assert_eq!(stretch(&on, today).changes_on, changes_on.map(day), "{today}");
            if let Some(then) = changes_on {
                assert!(stretch(&on, then).last > stretch(&on, today).last);
                assert_eq!(stretch(&on, &day(then).pred_opt().unwrap().to_string()).last, stretch(&on, today).last);
            }
        }
        assert_eq!(stretch(&on, "2020-01-01").last, day("2025-03-03"), "the clock is wrong");
    }

    #[test]
    fn rows_are_counted_by_day_in_any_order_and_zone() {
        let mut random = Random::new(2, 1);
        for zone in [None, Some("America/Havana"), Some("Asia/Seoul")] {
            let zone = zone.map(|zone| Zone::named(zone).unwrap());
            for count in [Count::Days, Count::Ticks(1_000)] {
                let clock = Clock::new(count, zone);
                let (mut counts, mut plain) = (Counts::new(clock), BTreeMap::new());
                let mut time = 0i64;
                for _ in 0..20_000 {
                    // Mostly a few hours on, as in a log.
                    time = match random.below(50) {
                        0 => random.next_u64() as i64 >> 20,
                        _ => time + random.below(clock.per_day() as usize * 2) as i64 / 8,
                    };
                    counts.add(time);
                    *plain.entry(clock.day_number(time)).or_default() += 1;
                }
                assert_eq!(counts.finish(), plain.into_iter().collect::<Vec<(i64, u64)>>());
            }
        }
        let mut counts = Counts::new(Clock::new(Count::Ticks(1), None));
        [i64::MAX, i64::MAX, i64::MIN].into_iter().for_each(|time| counts.add(time));
        assert_eq!(counts.finish(), [(i64::MIN.div_euclid(86_400), 1), (i64::MAX.div_euclid(86_400), 2)]);
    }

    #[test]
    fn gaps_of_a_log_are_no_outliers() {
        let found = stretch(&["2010-01-01", "2013-01-01", "2016-01-01", "2016-01-02", "2020-01-01"], "2026-01-01");
        assert_eq!((found.first, found.last, found.warnings.len()), (day("2010-01-01"), day("2020-01-01"), 0));
        assert!(stretch(&["2000-01-01", "2020-01-01"], "2026-01-01").warnings.is_empty());
    }
}
