//! The days of a calendar, one row each: what a dimension of dates begins with.

use std::fmt::Display;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Deserialize;
use spec::ColumnType;

use crate::check_days;
use crate::text::{Log, Text};

/// All days from one to another, in order, without gaps.
///
/// Its column: `day` (date).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct Days {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

/// All days from one to another, in order, without gaps.
///
/// Its column: `day` (date).
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Days")]
struct Written {
    /// The first day, such as `2023-01-01`.
    #[schemars(with = "String")]
    from: NaiveDate,
    /// The last day.
    #[schemars(with = "String")]
    to: NaiveDate,
}

impl TryFrom<Written> for Days {
    type Error = String;
    fn try_from(Written { from, to }: Written) -> Result<Days, String> {
        check_days(from, to, "a calendar has")?;
        Ok(Days { from, to })
    }
}

impl Days {
    /// Stands for the days when runs are compared: the same text, the same days.
    pub fn identity(&self) -> String {
        format!("days {self:?}")
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        (self.to - self.from).num_days().unsigned_abs() + 1
    }
}

/// The column, with the type it has unless `columns:` says otherwise.
pub const COLUMNS: [(&str, ColumnType); 1] = [("day", ColumnType::Date)];

/// Writes the rows of [`Days`].
pub struct DaysLog {
    days: Days,
    written: u64,
}

impl DaysLog {
    pub fn new(days: &Days) -> DaysLog {
        DaysLog { days: days.clone(), written: 0 }
    }
}

impl Log for DaysLog {
    fn next(&mut self, most: u64) -> Option<Text> {
        let end = self.days.count().min(self.written + most.max(1));
        if self.written == end {
            return None;
        }
        let mut text = Text::new(COLUMNS.len());
        for number in self.written..end {
            let day = self.days.from.checked_add_days(chrono::Days::new(number));
            text.row(&[day.as_ref().map(|day| day as &dyn Display)]);
        }
        self.written = end;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_comes_once() {
        let days = Days { from: "2024-02-27".parse().unwrap(), to: "2024-03-02".parse().unwrap() };
        let mut log = DaysLog::new(&days);
        let mut shown = Vec::new();
        while let Some(text) = log.next(2) {
            shown.extend(
                text.columns[0]
                    .iter()
                    .filter_map(|span| span.range())
                    .map(|(start, end)| String::from_utf8(text.bytes[start..end].to_vec()).unwrap()),
            );
        }
        assert_eq!(shown, ["2024-02-27", "2024-02-28", "2024-02-29", "2024-03-01", "2024-03-02"]);
        assert_eq!(days.count(), 5);
        let error = serde_json::from_str::<Days>(r#"{"from": "2024-03-02", "to": "2024-03-01"}"#).unwrap_err();
        assert!(error.to_string().contains("from 2024-03-02 to 2024-03-01 are 0 days; a calendar has 1 to 36600 days"));
    }
}
