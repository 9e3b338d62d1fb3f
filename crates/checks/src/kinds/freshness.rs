//! `freshness`: how old the newest row may be.

use artifact::ColumnSummary;
use chrono::{DateTime, Days, Duration, Months, Utc};
use polars::prelude::{AnyValue, DataType};
use serde::{Deserialize, Serialize};
use spec::{Result, Severity, Span, Unit};

use super::described;
use crate::check::{Columns, Finding, TableCheck};
use crate::scalar::moment_of;
use crate::{Moment, Published};

/// The newest day or moment is not older than `max_age`. A table without any fails. Example:
/// `- freshness: {column: ordered_at, max_age: 7d}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Freshness {
    /// A column of days or moments (UTC where it has no time zone).
    pub column: String,
    /// The age allowed, by the calendar: `24h`, `7d`, `2w`, `1mo`.
    pub max_age: Span,
    /// The moment from which age is counted. Without it, now: the start of the run.
    #[serde(default)]
    pub as_of: Option<Moment>,
    /// `hard` (default) refuses the run, `soft` warns.
    #[serde(default)]
    pub severity: Severity,
}

described!(Freshness, |check| format!("{} within {}", check.column, check.max_age));

impl TableCheck for Freshness {
    fn judge(&self, table: &Columns, published: &Published, _: &[AnyValue<'_>]) -> Result<Finding> {
        let of = table.dtype(&self.column)?;
        if !matches!(of, DataType::Date | DataType::Datetime(..)) {
            return Err(table.unsuited(&self.column, "days or moments").hint("parse it as a date first"));
        }
        let as_of = self.as_of.map_or(published.now, Moment::utc);
        let summary = published.columns.iter().find(|summary| summary.name == self.column);
        let Some(newest) = summary.and_then(|summary| newest_of(summary, of)) else {
            return Ok(Finding::Failed(format!("'{}' holds no value", self.column)));
        };
        let passed = goes_stale(newest, self.max_age).is_none_or(|stale| stale >= as_of);
        let shown = |time: DateTime<Utc>| match of {
            DataType::Date => time.format("%Y-%m-%d").to_string(),
            _ => time.format("%Y-%m-%d %H:%M:%S").to_string(),
        };
        let age = in_words(as_of - newest);
        Ok(Finding::of(
            passed,
            format!("newest is {}, {age} before {}; at most {} allowed", shown(newest), shown(as_of), self.max_age),
        ))
    }
}

fn newest_of(summary: &ColumnSummary, of: &DataType) -> Option<DateTime<Utc>> {
    moment_of(summary.max.as_ref()?.as_i64()?, of)
}

/// The moment until which a row of `newest` counts as fresh; none if the calendar ends before.
fn goes_stale(newest: DateTime<Utc>, max_age: Span) -> Option<DateTime<Utc>> {
    let count = max_age.count;
    match max_age.unit {
        Unit::Hour => newest.checked_add_signed(Duration::hours(i64::from(count))),
        Unit::Day => newest.checked_add_days(Days::new(u64::from(count))),
        Unit::Week => newest.checked_add_days(Days::new(7 * u64::from(count))),
        Unit::Month => newest.checked_add_months(Months::new(count)),
        Unit::Year => newest.checked_add_months(Months::new(count.checked_mul(12)?)),
    }
}

fn in_words(age: Duration) -> String {
    match (age.num_days(), age.num_hours()) {
        (days, _) if days.abs() >= 2 => format!("{days} days"),
        (_, hours) if hours.abs() >= 2 => format!("{hours} hours"),
        _ => format!("{} minutes", age.num_minutes()),
    }
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
    fn moments_of_every_unit_count_hours() {
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
    fn without_as_of_the_run_counts() {
        // The tests' runs begin at 2024-01-10 12:00.
        assert_eq!(
            judged("freshness: {column: day, max_age: 10d}", &days()),
            Passed("newest is 2024-01-01, 9 days before 2024-01-10; at most 10d allowed".into())
        );
    }

    #[test]
    fn no_value_is_not_fresh_and_text_is_no_time() {
        assert_eq!(
            judged("freshness: {column: day, max_age: 7d}", &days().head(Some(0))),
            Failed("'day' holds no value".into())
        );
        let table = df!("day" => ["2024-01-01"]).unwrap();
        assert_eq!(
            failure("freshness: {column: day, max_age: 7d}", &table).to_string(),
            "table 'orders': check 1 'freshness': column 'day' holds string, not days or moments; parse it as a date first"
        );
    }
}
