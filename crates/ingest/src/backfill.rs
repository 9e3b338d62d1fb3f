//! `--backfill FROM..TO`: days of the past, month by month.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use spec::Error;

/// Days from the first to the last, both included: `2023-01-15..2023-03-31`, or whole months: `2023-01..2023-03`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub first: NaiveDate,
    pub last: NaiveDate,
}

impl Window {
    /// Its parts by calendar month: each is read, published and done with before the next.
    pub fn months(self) -> Vec<Window> {
        let mut parts = Vec::new();
        let mut first = self.first;
        while first <= self.last {
            let last = end_of_month(first).min(self.last);
            parts.push(Window { first, last });
            let Some(next) = last.succ_opt() else { break };
            first = next;
        }
        parts
    }

    /// Whether all of its days were over at a time, by UTC: rows of a day that was not may have come since.
    pub fn was_over(self, at: DateTime<Utc>) -> bool {
        self.last < at.date_naive()
    }
}

impl FromStr for Window {
    type Err = Error;
    fn from_str(text: &str) -> Result<Window, Error> {
        let wrong = |what: String| Error::cannot_run(what).hint("write 2023-01..2023-06 or 2023-01-15..2023-02-10");
        let Some((from, to)) = text.split_once("..") else {
            return Err(wrong(format!("'{text}' is not a range of days")));
        };
        let first = day(from, |first| first).ok_or_else(|| wrong(format!("'{from}' is neither a day nor a month")))?;
        let last = day(to, end_of_month).ok_or_else(|| wrong(format!("'{to}' is neither a day nor a month")))?;
        match first <= last {
            true => Ok(Window { first, last }),
            false => Err(wrong(format!("'{text}' ends before it begins"))),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.last)
    }
}

/// A day as written, or the day that `of_month` makes of the first of a month.
fn day(text: &str, of_month: impl FnOnce(NaiveDate) -> NaiveDate) -> Option<NaiveDate> {
    let text = text.trim();
    match text.parse() {
        Ok(day) => Some(day),
        Err(_) => format!("{text}-01").parse().ok().map(of_month),
    }
}

fn end_of_month(day: NaiveDate) -> NaiveDate {
    let first = day.with_day(1).unwrap_or(day);
    first.checked_add_months(Months::new(1)).and_then(|next| next.checked_sub_days(Days::new(1))).unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> Result<Window, String> {
        text.parse().map_err(|error: Error| error.to_string())
    }

    #[test]
    fn months_are_whole_and_days_are_themselves() {
        assert_eq!(window("2023-01..2023-02").unwrap().to_string(), "2023-01-01..2023-02-28");
        assert_eq!(window("2024-01-15..2024-02").unwrap().to_string(), "2024-01-15..2024-02-29");
    }

    #[test]
    fn a_range_is_read_month_by_month() {
        let parts = window("2023-11-15..2024-01-10").unwrap().months();
        let parts: Vec<String> = parts.iter().map(Window::to_string).collect();
        assert_eq!(parts, ["2023-11-15..2023-11-30", "2023-12-01..2023-12-31", "2024-01-01..2024-01-10"]);
    }

    #[test]
    fn a_range_is_over_after_its_last_day() {
        let over = |at: &str| window("2024-01-15..2024-02").unwrap().was_over(at.parse().unwrap());
        assert!(over("2024-03-01T00:00:00Z") && !over("2024-02-29T23:59:59Z") && !over("2023-06-01T00:00:00Z"));
    }

    #[test]
    fn what_is_not_a_range_is_named() {
        let hint = "; write 2023-01..2023-06 or 2023-01-15..2023-02-10";
        assert_eq!(window("2023").unwrap_err(), format!("'2023' is not a range of days{hint}"));
        assert_eq!(window("2023-13..2024-01").unwrap_err(), format!("'2023-13' is neither a day nor a month{hint}"));
        assert_eq!(window("2023-02..2023-01").unwrap_err(), format!("'2023-02..2023-01' ends before it begins{hint}"));
    }
}
