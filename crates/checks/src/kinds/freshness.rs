//! `freshness`: how old the newest row may be.

use artifact::ColumnSummary;
use chrono::{DateTime, Days, Duration, Months, Utc};
use polars::prelude::{AnyValue, DataType, Expr, TimeUnit, col, lit};
use serde::{Deserialize, Serialize};
use spec::{Result, Severity, Span, Unit};

use super::described;
use crate::check::{Columns, Finding, TableCheck};
use crate::scalar::moment_of;
use crate::{Moment, Published};

/// The newest date or timestamp is not older than `max_age`. Rows dated in the future do not count, and the
/// finding names the first of them. A table without any other fails. Example:
/// `- freshness: {column: ordered_at, max_age: 7d}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Freshness {
    /// A column of dates or timestamps (UTC where it has no time zone).
    pub column: String,
    /// The age allowed, by the calendar: `24h`, `7d`, `2w`, `1mo`.
    pub max_age: Span,
    /// The time from which age is counted. Without it, now: the start of the run.
    #[serde(default)]
    pub as_of: Option<Moment>,
    /// `hard` (default) refuses the run, `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

described!(Freshness, |check| format!("{} within {}", check.column, check.max_age));

impl TableCheck for Freshness {
    /// Nothing, if the summary knows the newest row. If that lies after now: the newest until now, how many lie after
    /// it, and of the first of those the time, the file and the row.
    fn queries(&self, table: &Columns, published: &Published) -> Result<Vec<Expr>> {
        let of = self.dtype(table)?;
        let as_of = self.as_of(published);
        let Some(summary) = self.summary(published).filter(|summary| summary.max.is_some()) else {
            return Ok(Vec::new());
        };
        // What is beyond the calendar lies after now too.
        if newest_of(summary, of).is_some_and(|newest| newest <= as_of) {
            return Ok(Vec::new());
        }
        let time = || col(self.column.as_str());
        let late = || time().gt(ticks_of(as_of, of));
        let first = |column: Expr| column.filter(late()).first();
        let mut queries = vec![
            time().filter(late().not()).max().to_physical().cast(DataType::Int64),
            late().sum().cast(DataType::Int64),
            first(time()).to_physical().cast(DataType::Int64),
        ];
        if [artifact::FILE, artifact::ROW].iter().all(|name| table.schema.contains(name)) {
            queries.push(first(col(artifact::FILE)).cast(DataType::String));
            queries.push(first(col(artifact::ROW)).cast(DataType::Int64));
        }
        Ok(queries)
    }

    fn judge(&self, table: &Columns, published: &Published, values: &[AnyValue<'_>]) -> Result<Finding> {
        let of = self.dtype(table)?;
        let as_of = self.as_of(published);
        let shown = |time: DateTime<Utc>| match of {
            DataType::Date => time.format("%Y-%m-%d").to_string(),
            _ => time.format(TO_THE_DIGIT).to_string(),
        };
        let number = |at: usize| values.get(at).and_then(|value| value.extract::<i64>());
        let (newest, late) = match values.is_empty() {
            true => (self.summary(published).and_then(|summary| newest_of(summary, of)), String::new()),
            false => {
                let first = number(2).and_then(|ticks| moment_of(ticks, of)).map(shown).unwrap_or_default();
                let place = match (values.get(3), number(4)) {
                    (Some(file), Some(row)) if !file.is_null() => format!(" (row {row} of {})", text_of(file)),
                    _ => String::new(),
                };
                let count = number(1).unwrap_or(0);
                let lie = if count == 1 { "row lies after it and does" } else { "rows lie after it and do" };
                let late = format!("; {count} {lie} not count, first {first}{place}");
                (number(0).and_then(|ticks| moment_of(ticks, of)), late)
            }
        };
        let Some(newest) = newest else {
            let until = if late.is_empty() { String::new() } else { format!(" up to {}", shown(as_of)) };
            return Ok(Finding::Failed(format!("'{}' holds no value{until}{late}", self.column)));
        };
        let passed = goes_stale(newest, self.max_age).is_none_or(|stale| stale >= as_of);
        let (rounded, mut age) = in_words(as_of - newest);
        let mut until = shown(as_of);
        // Rounded down, the age of what has just become too old may be one that is allowed.
        if !passed && goes_stale(as_of - rounded, self.max_age).is_none_or(|stale| stale >= as_of) {
            (age, until) = (exactly(as_of - newest), as_of.format(TO_THE_DIGIT).to_string());
        }
        let text = format!("newest is {}, {age} before {until}; at most {} allowed{late}", shown(newest), self.max_age);
        Ok(Finding::of(passed, text))
    }
}

impl Freshness {
    fn dtype<'a>(&self, table: &Columns<'a>) -> Result<&'a DataType> {
        let of = table.dtype(&self.column)?;
        match of {
            DataType::Date | DataType::Datetime(..) => Ok(of),
            _ => Err(table.unsuited(&self.column, "dates or timestamps").hint("parse it as a date first")),
        }
    }

    fn as_of(&self, published: &Published) -> DateTime<Utc> {
        self.as_of.map_or(published.now, Moment::utc)
    }

    fn summary<'a>(&self, published: &Published<'a>) -> Option<&'a ColumnSummary> {
        published.columns.iter().find(|summary| summary.name == self.column)
    }
}

/// A timestamp as a literal of a column's type. A day has begun if its midnight has.
fn ticks_of(moment: DateTime<Utc>, of: &DataType) -> Expr {
    let ticks = match of {
        DataType::Date => return lit(moment.timestamp().div_euclid(86_400) as i32).cast(of.clone()),
        DataType::Datetime(TimeUnit::Milliseconds, _) => moment.timestamp_millis(),
        DataType::Datetime(TimeUnit::Nanoseconds, _) => moment.timestamp_nanos_opt().unwrap_or(i64::MAX),
        _ => moment.timestamp_micros(),
    };
    lit(ticks).cast(of.clone())
}

fn text_of(value: &AnyValue<'_>) -> String {
    value.get_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn newest_of(summary: &ColumnSummary, of: &DataType) -> Option<DateTime<Utc>> {
    moment_of(summary.max.as_ref()?.as_i64()?, of)
}

/// The timestamp until which a row of `newest` counts as fresh; none if the calendar ends before.
fn goes_stale(newest: DateTime<Utc>, max_age: Span) -> Option<DateTime<Utc>> {
    let count = max_age.count;
    match max_age.unit {
        Unit::Minute => newest.checked_add_signed(Duration::minutes(i64::from(count))),
        Unit::Hour => newest.checked_add_signed(Duration::hours(i64::from(count))),
        Unit::Day => newest.checked_add_days(Days::new(u64::from(count))),
        Unit::Week => newest.checked_add_days(Days::new(7 * u64::from(count))),
        Unit::Month => newest.checked_add_months(Months::new(count)),
        Unit::Year => newest.checked_add_months(Months::new(count.checked_mul(12)?)),
    }
}

/// A timestamp with all its digits.
const TO_THE_DIGIT: &str = "%Y-%m-%d %H:%M:%S%.f";

/// The age in whole days, hours or minutes, and in words.
fn in_words(age: Duration) -> (Duration, String) {
    match (age.num_days(), age.num_hours()) {
        (days, _) if days.abs() >= 2 => (Duration::days(days), format!("{days} days")),
        (_, hours) if hours.abs() >= 2 => (Duration::hours(hours), format!("{hours} hours")),
        _ => (Duration::minutes(age.num_minutes()), format!("{} minutes", age.num_minutes())),
    }
}

/// `7 days 1 second`
fn exactly(age: Duration) -> String {
    let counts = [
        (age.num_days(), "day"),
        (age.num_hours() % 24, "hour"),
        (age.num_minutes() % 60, "minute"),
        (age.num_seconds() % 60, "second"),
        (i64::from(age.subsec_nanos()), "nanosecond"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    counts.map(|(count, unit)| spec::text::count(count as u64, unit)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::Finding::*;
    use crate::testing::{failure, judged};

    /// 19,723 days after 1970-01-01 is 2024-01-01.
    fn days() -> DataFrame {
        let days = Series::new("day".into(), [Some(19_720i32), Some(19_723), None]).cast(&DataType::Date).unwrap();
        DataFrame::new_infer_height(vec![days.into()]).unwrap()
    }

    #[test]
    fn the_age_allowed_is_fresh_and_one_day_more_is_stale() {
        assert_eq!(
            judged("freshness: {column: day, max_age: 7d, as_of: 2024-01-08}", &days()),
            Passed("newest is 2024-01-01, 7 days before 2024-01-08; at most 7d allowed".into())
        );
        assert_eq!(
            judged("freshness: {column: day, max_age: 1w, as_of: 2024-01-09}", &days()),
            Failed("newest is 2024-01-01, 8 days before 2024-01-09; at most 1w allowed".into())
        );
        // The calendar counts: a month from 1 January ends on 1 February.
        assert!(matches!(judged("freshness: {column: day, max_age: 1mo, as_of: 2024-02-01}", &days()), Passed(_)));
        assert!(matches!(judged("freshness: {column: day, max_age: 1mo, as_of: 2024-02-02}", &days()), Failed(_)));
    }

    #[test]
    fn timestamps_of_every_unit_count_hours() {
        for unit in [TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds] {
            let table = days().lazy().select([col("day").cast(DataType::Datetime(unit, None))]).collect().unwrap();
            assert_eq!(
                judged("freshness: {column: day, max_age: 24h, as_of: 2024-01-02 01:00}", &table),
                Failed(
                    "newest is 2024-01-01 00:00:00, 25 hours before 2024-01-02 01:00:00; at most 24h allowed".into()
                )
            );
        }
    }

    #[test]
    fn an_age_just_above_the_one_allowed_is_told_exactly() {
        let age = |newest: i64, check: &str| {
            let time = Series::new("day".into(), [newest]).cast(&DataType::Datetime(TimeUnit::Nanoseconds, None));
            judged(
                &format!("freshness: {{column: day, {check}}}"),
                &DataFrame::new_infer_height(vec![time.unwrap().into()]).unwrap(),
            )
        };
        // 2024-01-01 00:00:00, in nanoseconds.
        const NEWEST: i64 = 1_704_067_200_000_000_000;
        assert_eq!(
            age(NEWEST, "max_age: 7d, as_of: 2024-01-08 00:00:01"),
            Failed(
                "newest is 2024-01-01 00:00:00, 7 days 1 second before 2024-01-08 00:00:01; at most 7d allowed".into()
            )
        );
        assert_eq!(
            age(NEWEST - 500_000_000, "max_age: 24h, as_of: 2024-01-02"),
            Failed(
                "newest is 2023-12-31 23:59:59.500, 1 day 500000000 nanoseconds before 2024-01-02 00:00:00; at most 24h \
                 allowed"
                    .into()
            )
        );
        assert_eq!(
            age(NEWEST, "max_age: 90min, as_of: 2024-01-01 01:30:10"),
            Failed(
                "newest is 2024-01-01 00:00:00, 1 hour 30 minutes 10 seconds before 2024-01-01 01:30:10; at most 90min \
                 allowed"
                    .into()
            )
        );
        // A day has begun at its midnight.
        assert_eq!(
            judged("freshness: {column: day, max_age: 9d}", &days()),
            Failed("newest is 2024-01-01, 9 days 12 hours before 2024-01-10 12:00:00; at most 9d allowed".into())
        );
    }

    #[test]
    fn without_as_of_the_run_counts() {
        // The tests' runs begin at 2024-01-10 12:00.
        assert_eq!(
            judged("freshness: {column: day, max_age: 10d}", &days()),
            Passed("newest is 2024-01-01, 9 days before 2024-01-10; at most 10d allowed".into())
        );
    }

    #[test]
    fn rows_after_now_do_not_count_and_are_named() {
        let day = |days: &[Option<i32>]| Series::new("day".into(), days).cast(&DataType::Date).unwrap();
        // 2,932,896 days after 1970-01-01 is 9999-12-31; 85,107 is 2203-01-06.
        let mut table = DataFrame::new_infer_height(vec![
            day(&[Some(19_723), Some(2_932_896), None, Some(85_107)]).into(),
            Column::new("_file".into(), ["a.csv", "a.csv", "a.csv", "b.csv"]),
            Column::new("_row".into(), [2u32, 3, 4, 2]),
        ])
        .unwrap();
        assert_eq!(
            judged("freshness: {column: day, max_age: 7d}", &table),
            Failed(
                "newest is 2024-01-01, 9 days before 2024-01-10; at most 7d allowed; 2 rows lie after it and do not \
                 count, first 9999-12-31 (row 3 of a.csv)"
                    .into()
            )
        );
        table = table.drop("_file").unwrap();
        assert_eq!(
            judged("freshness: {column: day, max_age: 10d}", &table),
            Passed(
                "newest is 2024-01-01, 9 days before 2024-01-10; at most 10d allowed; 2 rows lie after it and do not \
                 count, first 9999-12-31"
                    .into()
            )
        );
        for unit in [TimeUnit::Milliseconds, TimeUnit::Microseconds] {
            let moments = table.clone().lazy().select([col("day").cast(DataType::Datetime(unit, None))]);
            assert!(matches!(judged("freshness: {column: day, max_age: 7d}", &moments.collect().unwrap()), Failed(_)));
        }
        assert_eq!(
            judged("freshness: {column: day, max_age: 7d}", &table.slice(1, 2)),
            Failed(
                "'day' holds no value up to 2024-01-10; 1 row lies after it and does not count, first 9999-12-31"
                    .into()
            )
        );
        // The day of the run itself is not after it.
        let today = DataFrame::new_infer_height(vec![day(&[Some(19_732)]).into()]).unwrap();
        assert_eq!(
            judged("freshness: {column: day, max_age: 1d}", &today),
            Passed("newest is 2024-01-10, 12 hours before 2024-01-10; at most 1d allowed".into())
        );
    }

    #[test]
    fn no_value_is_not_fresh_and_text_is_not_a_time() {
        assert_eq!(
            judged("freshness: {column: day, max_age: 7d}", &days().head(Some(0))),
            Failed("'day' holds no value".into())
        );
        let table = df!("day" => ["2024-01-01"]).unwrap();
        assert_eq!(
            failure("freshness: {column: day, max_age: 7d}", &table).to_string(),
            "table 'orders': check 1 'freshness': column 'day' holds string, not dates or timestamps; parse it as a \
             date first"
        );
    }
}
