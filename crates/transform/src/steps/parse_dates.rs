//! `parse_dates` reads dates written in one of several formats, tried in order. The whole text must fit.
//!
//! ```yaml
//! - parse_dates:
//!     columns: [ordered_at]
//!     formats: ["%Y-%m-%d", "%d.%m.%Y", "%Y%m%d"]
//!     to: date
//!     on_failure: refuse
//! ```

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{ColumnType, Error, Result};
use values::{Dst, LocalTime, MomentFormat, Zone};

use super::dates::Parsed;
use super::{Apply, OnFailure, is_text};
use crate::plan::{Plan, Problem, Value};

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct ParseDates {
    columns: Vec<String>,
    formats: Vec<MomentFormat>,
    to: To,
    zone: Option<LocalTime>,
    on_failure: OnFailure,
}

/// Reads dates written in one of several formats.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ParseDates")]
struct Written {
    /// The text columns to read.
    columns: Vec<String>,
    /// strptime formats, tried in order, such as `%d.%m.%Y %H:%M`. `%Y` has four digits, `%y` two (69 to 99 are 1969 to
    /// 1999); an offset (`%z`, which reads `+0900`, `+09:00` and `Z`) is converted to UTC.
    formats: Vec<MomentFormat>,
    /// What they become. Default: date.
    #[serde(default)]
    to: To,
    /// The time zone of times without an offset, such as `Europe/Berlin`: they become UTC. Default:
    /// they are kept as they are.
    #[serde(default)]
    zone: Option<Zone>,
    /// What to do with local times that occur twice or not at all when the clocks of the zone change. Default: they fit
    /// no format.
    #[serde(default)]
    dst: Option<Dst>,
    /// What to do with texts that match no format. Default: refuse the row.
    #[serde(default)]
    on_failure: OnFailure,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum To {
    /// A calendar day; a time of day in the format is dropped.
    #[default]
    Date,
    /// A timestamp in microseconds, without time zone; midnight where the format has no time.
    Datetime,
}

impl To {
    fn column_type(self) -> ColumnType {
        match self {
            To::Date => ColumnType::Date,
            To::Datetime => ColumnType::Datetime,
        }
    }
}

impl TryFrom<Written> for ParseDates {
    type Error = Error;
    fn try_from(written: Written) -> Result<ParseDates> {
        let Written { columns, formats, to, zone, dst, on_failure } = written;
        for (i, format) in formats.iter().enumerate() {
            format.check(to.column_type()).map_err(|why| Error::cannot_run(format!("formats[{i}]: {why}")))?;
        }
        let zone = match (zone, dst) {
            (Some(_), _) if to == To::Date => {
                return Err(Error::cannot_run("'zone' is for timestamps").hint("write 'to: datetime', or leave it out"));
            }
            (Some(zone), dst) => Some(LocalTime { zone, dst: dst.unwrap_or_default() }),
            (None, Some(_)) => return Err(Error::cannot_run("'dst' needs a 'zone', such as Europe/Berlin")),
            (None, None) => None,
        };
        Ok(ParseDates { columns, formats, to, zone, on_failure })
    }
}

impl Apply for ParseDates {
    fn apply(&self, plan: &mut Plan) -> Result<()> {
        if self.formats.is_empty() {
            return Err(plan.error("no formats given").hint("name at least one, such as %Y-%m-%d"));
        }
        if self.columns.is_empty() {
            return Err(plan.error("no columns given").hint("name the columns to read"));
        }
        let to = self.to.column_type();
        for name in plan.pick(&self.columns, "string", is_text)? {
            let read = Parsed { formats: self.formats.clone(), to, zone: self.zone };
            let read = vec![(name.clone(), Value::Of(Arc::new(read), name.clone()))];
            if self.on_failure == OnFailure::Null {
                plan.set(read)?;
                continue;
            }
            let original = plan.keep("text", Value::Column(name.clone()));
            plan.set(read)?;
            let failed = Value::Lost { now: name.clone(), before: original.clone() };
            plan.refuse(&name, &original, Problem::Text(" fits no format".to_owned()), failed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::tests::{failure, reasons, rows, run};
    use polars::prelude::*;

    fn table() -> DataFrame {
        df!("d" => [Some("2024-02-29"), Some("1.3.2024"), Some("2023-02-29"), None, Some("2024-02-29x")], "n" => [1, 2, 3, 4, 5])
            .unwrap()
    }

    fn dates(texts: &[Option<&str>]) -> Column {
        Column::new("d".into(), texts).cast(&DataType::Date).unwrap()
    }

    #[test]
    fn the_first_format_that_fits_wins_and_others_are_refused() {
        let done = run(&table(), "- parse_dates: {columns: [d], formats: ['%Y-%m-%d', '%d.%m.%Y']}");
        let days = dates(&[Some("2024-02-29"), Some("2024-03-01"), None]);
        assert_eq!(done.rows.column("d").unwrap(), &days);
        assert_eq!(
            reasons(&done),
            [
                "step 1 'parse_dates': d: '2023-02-29' fits no format",
                "step 1 'parse_dates': d: '2024-02-29x' fits no format"
            ]
        );
    }

    #[test]
    fn failures_may_become_null() {
        let out = rows(&table(), "- parse_dates: {columns: [d], formats: ['%Y-%m-%d'], on_failure: null}");
        assert_eq!(out.column("d").unwrap(), &dates(&[Some("2024-02-29"), None, None, None, None]));
    }

    #[test]
    fn times_of_day_are_read() {
        let table = df!("d" => ["2024-01-02 03:04", "02/01/2024"]).unwrap();
        let formats = "formats: ['%Y-%m-%d %H:%M', '%d/%m/%Y']";
        let moments = rows(&table, &format!("- parse_dates: {{columns: [d], to: datetime, {formats}}}"));
        let texts = moments.column("d").unwrap().cast(&DataType::String).unwrap();
        assert_eq!(texts.str().unwrap().get(0), Some("2024-01-02 03:04:00.000000"));
        assert_eq!(texts.str().unwrap().get(1), Some("2024-01-02 00:00:00.000000"));
        let days = rows(&table, &format!("- parse_dates: {{columns: [d], {formats}}}"));
        assert_eq!(days.column("d").unwrap(), &dates(&[Some("2024-01-02"), Some("2024-01-02")]));
    }

    #[test]
    fn a_bad_format_has_its_place() {
        assert_eq!(
            failure(&table(), "- parse_dates: {columns: [d], formats: ['%Q']}"),
            "clean.yaml:1:41: .[0].parse_dates.formats[0]: \"%Q\" is not a date format; write strftime's letters, such as \
             \"%Y-%m-%d\""
        );
        assert_eq!(
            failure(&table(), "- parse_dates: {columns: [d], formats: ['%Y-%m-%d', '%Y-%m']}"),
            "clean.yaml:1:3: .[0]: formats[1]: \"%Y-%m\" makes no date: it has no day; keep the column as string, and \
             derive the date in clean.yaml, such as strptime(month || '-01', '%Y-%m-%d')"
        );
        assert_eq!(
            failure(&table(), "- parse_dates: {columns: [d], formats: ['%Y-%m-%d'], zone: UTC}"),
            "clean.yaml:1:3: .[0]: 'zone' is for timestamps; write 'to: datetime', or leave it out"
        );
    }

    #[test]
    fn offsets_and_zones_become_utc() {
        let table = df!("d" => ["2024-07-01 12:00 +0200", "2024-07-01 12:00", "2024-03-31 02:30", "2024-10-27 02:30", "24-07-01 12:00"]).unwrap();
        let steps = |dst: &str| {
            format!(
                "- parse_dates: {{columns: [d], to: datetime, formats: ['%Y-%m-%d %H:%M %z', '%Y-%m-%d %H:%M'], zone: Europe/Berlin{dst}}}"
            )
        };
        let texts = |done: &DataFrame| -> Vec<String> {
            let texts = done.column("d").unwrap().cast(&DataType::String).unwrap();
            texts.str().unwrap().iter().flatten().map(|text| text[..16].to_owned()).collect()
        };
        let done = run(&table, &steps(""));
        assert_eq!(texts(&done.rows), ["2024-07-01 10:00", "2024-07-01 10:00"]);
        assert_eq!(
            reasons(&done),
            [
                "step 1 'parse_dates': d: '2024-03-31 02:30' fits no format",
                "step 1 'parse_dates': d: '2024-10-27 02:30' fits no format",
                "step 1 'parse_dates': d: '24-07-01 12:00' fits no format"
            ]
        );
        let done = run(&table, &steps(", dst: earlier"));
        assert_eq!(texts(&done.rows)[2..], ["2024-03-31 00:30", "2024-10-27 00:30"]);
    }
}
