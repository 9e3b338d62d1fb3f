//! Dates and timestamps as text, for reports: proleptic Gregorian calendar, UTC.

/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;

pub use values::calendar::day_text as day;

/// Microseconds since 1970 as a day, with the time of day where it is not midnight.
pub fn moment(micros: i64) -> String {
    let rest = micros.rem_euclid(DAY) / 1_000_000;
    let day = day(micros.div_euclid(DAY));
    match rest {
        0 => day,
        _ => format!("{day} {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        // Python: datetime.date(1970, 1, 1) + datetime.timedelta(days)
        for (days, text) in [(0, "1970-01-01"), (-1, "1969-12-31"), (10_286, "1998-03-01"), (11_016, "2000-02-29")] {
            assert_eq!(day(days), text);
        }
        assert_eq!(moment(11_016 * DAY + 3_661_000_000), "2000-02-29 01:01:01");
        assert_eq!(moment(-DAY), "1969-12-31");
    }
}
