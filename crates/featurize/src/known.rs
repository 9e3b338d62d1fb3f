//! When a row, or a column of it, became known.
//!
//! As of a time T only that counts which became known before T: a row that arrived later is missing, a column that
//! was filled or changed later is null.

use std::fmt;

use artifact::PolarsResultExt;
use chrono::NaiveDate;
use polars::prelude::{DataFrame, DataType, Schema, Series};
use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};
use spec::{Error, Map, Result, Span};

use super::changes::{Changes, Late};
use super::clock::Clock;
use crate::cutoffs::plan::dtype_of;
use values::form::nanoseconds;

/// A time that never comes.
pub const NEVER: i64 = i64::MAX;

/// When something became known: a column of dates or timestamps, or a span after the row's time.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    At(String),
    After(Span),
}

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Known, D::Error> {
        spec::read_text(deserializer, "a column of timestamps, or a span such as 14d", Known::read)
    }
}

impl Serialize for Known {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Known::At(column) => serializer.serialize_str(column),
            Known::After(span) => serializer.collect_str(span),
        }
    }
}

impl Known {
    /// A span if it begins with a digit, else a column.
    pub fn read(text: &str) -> std::result::Result<Known, String> {
        let starts_with_digit = text.starts_with(|first: char| first.is_ascii_digit());
        match (text.parse::<Span>(), starts_with_digit) {
            (Ok(span), _) => Ok(Known::After(span)),
            (Err(error), true) => Err(error.to_string()),
            (Err(_), false) => Ok(Known::At(text.to_owned())),
        }
    }

    /// Checks that it can be computed for a table. `place` names the key, for errors.
    pub fn fits(&self, schema: &Schema, clock: Clock, place: &str) -> Result<()> {
        match self {
            Known::After(span) => clock.measures(*span, place),
            Known::At(column) => match dtype_of(schema, column, place)? {
                DataType::Date | DataType::Datetime(_, None) => Ok(()),
                other => Err(Error::cannot_run(format!(
                    "{place}: column '{column}' is {}, not a date or a datetime without a time zone",
                    artifact::type_name(&other)
                ))
                .hint("parse it in clean.yaml, or name another column")),
            },
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Known::At(column) => write!(f, "`{column}`"),
            Known::After(span) => write!(f, "{span} after the row's time"),
        }
    }
}

impl schemars::JsonSchema for Known {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Known".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A column of dates or timestamps, or a span after the row's time (14d)."
        })
    }
}

/// What of a table becomes known after its rows' time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Knowledge {
    /// The rows themselves.
    pub rows: Option<Known>,
    /// Single columns. One that is named twice is known when both say so.
    pub columns: Vec<(String, Known)>,
    /// Columns that changed more than once.
    pub changes: Vec<(String, Changes)>,
    /// Columns that clean made of one of those.
    pub made: Vec<(String, String)>,
    /// The column that says when the rows became known, if it is not their time.
    pub rows_at: Option<String>,
}

impl Knowledge {
    /// As written, for a table whose rows happened at `time`. `place` is where, for errors.
    ///
    /// A column that says when another became known is filled by the same event: it is late, too, and known at its own
    /// instant.
    ///
    /// Errors (cannot run): unknown columns; columns that hold no time; spans that the clock cannot measure.
    pub fn new(
        rows: Option<&Known>,
        columns: &Map<Late>,
        schema: &Schema,
        (time, clock): (&str, Clock),
        place: &str,
    ) -> Result<Knowledge> {
        if let Some(known) = rows {
            known.fits(schema, clock, &format!("{place}: 'known_at'"))?;
        }
        let mut known = Knowledge { rows: rows.cloned(), ..Knowledge::default() };
        for (column, how) in columns.iter() {
            let place = format!("{place}: 'known_late'");
            dtype_of(schema, column, &place)?;
            match how {
                Late::Once(how) => {
                    how.fits(schema, clock, &place)?;
                    known.columns.push((column.to_owned(), how.clone()));
                }
                Late::Changes(changes) => match &changes.made_of {
                    Some(of) => known.made.push((column.to_owned(), of.clone())),
                    None => known.changes.push((column.to_owned(), changes.as_ref().clone())),
                },
            }
        }
        for (_, how) in known.columns.clone() {
            known.add_moment(&how, time);
        }
        known.rows_at = rows.and_then(|rows| match rows {
            Known::At(moment) if moment != time => Some(moment.clone()),
            _ => None,
        });
        Ok(known)
    }

    /// Notes that the column that says when another became known is known at its own time, unless it is the row's time.
    pub fn add_moment(&mut self, how: &Known, time: &str) {
        if let Known::At(moment) = how
            && moment != time
            && !self.columns.iter().any(|(late, _)| late == moment)
        {
            self.columns.push((moment.clone(), how.clone()));
        }
    }

    /// Whether a row's own time may be too early to know a column of it. Of a row that is known, the instant since when it
    /// is known, too.
    pub fn is_late(&self, column: &str) -> bool {
        self.columns.iter().any(|(late, _)| late == column)
            || self.changed(column).is_some()
            || self.made_of(column).is_some()
            || self.rows_at.as_deref() == Some(column)
    }

    /// The table of a column's changes.
    pub fn changed(&self, column: &str) -> Option<&Changes> {
        self.changes.iter().find(|(changed, _)| changed == column).map(|(_, changes)| changes)
    }

    /// The column that changed, of which clean made another.
    pub fn made_of(&self, column: &str) -> Option<&str> {
        self.made.iter().find(|(made, _)| made == column).map(|(_, of)| of.as_str())
    }

    /// Refuses columns that clean made of one that changed: their earlier values are unknown.
    pub fn can_be_read<'a>(&self, reads: impl IntoIterator<Item = &'a String>, place: &str) -> Result<()> {
        match reads.into_iter().find_map(|column| Some((column, self.made_of(column)?))) {
            None => Ok(()),
            Some((column, of)) => Err(Error::cannot_run(format!(
                "{place} reads '{column}', which clean computes from '{of}': the changes of '{of}' are known, but not those of '{column}'"
            ))
            .hint(format!("read '{of}' and compute the rest in SQL here"))),
        }
    }

    /// What of it concerns a feature that reads some columns.
    pub fn of(&self, reads: &[String]) -> Knowledge {
        let columns = self.columns.iter().filter(|(column, _)| reads.contains(column)).cloned().collect();
        let changes = self.changes.iter().filter(|(column, _)| reads.contains(column)).cloned().collect();
        let made = self.made.iter().filter(|(column, _)| reads.contains(column)).cloned().collect();
        Knowledge { rows: self.rows.clone(), columns, changes, made, rows_at: self.rows_at.clone() }
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_none() && self.columns.is_empty() && self.changes.is_empty()
    }

    /// The columns that say when something became known.
    pub fn moments(&self) -> impl Iterator<Item = &str> {
        let all = self.rows.iter().chain(self.columns.iter().map(|(_, known)| known));
        all.filter_map(|known| match known {
            Known::At(column) => Some(column.as_str()),
            Known::After(_) => None,
        })
    }
}

/// What the column is called that says when a label is known.
pub fn known_at_name(label: &str) -> String {
    format!("{label}_known_at")
}

/// The last day of the calendar: a label that counts a row that has no time of becoming known is not known earlier.
pub const LAST_DAY: NaiveDate = match NaiveDate::from_ymd_opt(9_999, 12, 31) {
    Some(day) => day,
    None => NaiveDate::MAX,
};

/// When something became known, for rows whose times a clock counts: it is known at every time that is larger. Null is
/// never; the smallest time means null and is never known.
pub fn known(how: &Known, frame: &DataFrame, times: &[i64], clock: Clock) -> Result<Vec<i64>> {
    match how {
        Known::At(column) => {
            let doing = format!("column '{column}'");
            moments(frame.column(column).during(&doing)?.as_materialized_series(), clock)
        }
        Known::After(span) => Ok(times.iter().map(|time| clock.moved(*time, *span, true).unwrap_or(NEVER)).collect()),
    }
}

/// Dates or timestamps as a clock counts them. A timestamp becomes the day or tick in which it lies. A date counts as its
/// end where the clock knows the time of day: the time on that day is unknown.
fn moments(column: &Series, clock: Clock) -> Result<Vec<i64>> {
    let doing = format!("column '{}'", column.name());
    let values = values::form::whole(column)?;
    let counted = |value: i64| match column.dtype() {
        DataType::Date if clock.has_days() => Some(value),
        DataType::Date => Some(clock.start_of(value.saturating_add(1)).saturating_sub(1)),
        DataType::Datetime(unit, _) => Some(clock.counted(i128::from(value) * i128::from(nanoseconds(*unit)))),
        _ => None,
    };
    values
        .into_iter()
        .map(|value| match value {
            None => Ok(NEVER),
            Some(value) => {
                counted(value).ok_or_else(|| Error::cannot_run(format!("{doing} is {}, not a time", column.dtype())))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use polars::prelude::{NamedFrom, TimeUnit};

    use super::*;
    use crate::clock::Count;

    #[test]
    fn dates_and_moments_meet_on_the_side_of_not_yet() {
        let day = Series::new("d".into(), [Some(19_723i32), None]).cast(&DataType::Date).unwrap();
        let [days, ticks] = [Count::Days, Count::Ticks(1_000)].map(|count| Clock::new(count, None));
        assert_eq!(moments(&day, days).unwrap(), [19_723, NEVER]);
        // Known at every later instant than the last millisecond of that day.
        assert_eq!(moments(&day, ticks).unwrap(), [19_724 * 86_400_000 - 1, NEVER]);
        let moment = Series::new("m".into(), [19_723i64 * 86_400_000_000 + 1_999, -1]);
        let moment = moment.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
        assert_eq!(moments(&moment, days).unwrap(), [19_723, -1]);
        assert_eq!(moments(&moment, ticks).unwrap(), [19_723 * 86_400_000 + 1, -1]);
    }

    #[test]
    fn a_column_or_a_span() {
        let read = |text: &str| serde_yaml::from_str::<Known>(text);
        assert_eq!(read("14d").unwrap(), Known::After(Span::days(14)));
        assert_eq!(read("loaded_at").unwrap(), Known::At("loaded_at".to_owned()));
        assert!(read("14 days").unwrap_err().to_string().contains("'14 days' is not a span of time"));
    }
}
