//! Days since 1970-01-01 and what the calendar calls them: the proleptic Gregorian calendar (Howard Hinnant,
//! "chrono-Compatible Low-Level Date Algorithms", `days_from_civil` and `civil_from_days`).

/// Days of the years 0 to 9999, which four digits can write; engines and calendars fail beyond some of them.
pub const FOUR_DIGITS: std::ops::RangeInclusive<i64> = -719_528..=2_932_896;

/// Whether a day lies in a year of four digits.
pub fn has_four_digits(day: i64) -> bool {
    FOUR_DIGITS.contains(&day)
}

/// The day of a year, month (1 to 12) and day of the month; `None` if the day does not exist.
pub fn day(year: i64, month: u32, of_month: u32) -> Option<i64> {
    if !(1..=days_in(year, month)?).contains(&of_month) {
        return None;
    }
    let shifted = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(of_month) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era.checked_mul(146_097)?.checked_add(day_of_era - 719_468)
}

/// Year, month (1 to 12) and day of the month.
pub fn civil(day: i64) -> (i64, u32, u32) {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let of_month = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, of_month)
}

/// Whether a year has a 29 February.
pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// How many days a month has; `None` if the month does not exist.
pub fn days_in(year: i64, month: u32) -> Option<u32> {
    Some(match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    })
}

/// The day of the week, 0 (Monday) to 6. 1970-01-01 was a Thursday.
pub fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// `YYYY-MM-DD`, with a sign where four digits do not say it.
pub fn day_text(day: i64) -> String {
    let (year, month, of_month) = civil(day);
    let sign = match year {
        0..=9999 => "",
        year if year < 0 => "-",
        _ => "+",
    };
    format!("{sign}{:04}-{month:02}-{of_month:02}", year.abs())
}

/// The day of a time in seconds since 1970, as [`day_text`]; nothing for one that is not a number or beyond the calendar.
pub fn day_at(seconds: f64) -> String {
    let day = (seconds / 86_400.0).floor();
    if day.abs() < 1e8 { day_text(day as i64) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike, NaiveDate};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_calendar_is_that_of_chrono(days in -3_000_000i32..5_000_000, month in 0u32..15, of_month in 0u32..34) {
            let date = NaiveDate::from_epoch_days(days).unwrap();
            let (year, days) = (i64::from(date.year()), i64::from(days));
            prop_assert_eq!(civil(days), (year, date.month(), date.day()));
            prop_assert_eq!(day(year, date.month(), date.day()), Some(days));
            prop_assert_eq!(weekday(days), i64::from(date.weekday().num_days_from_monday()));
            let other = NaiveDate::from_ymd_opt(date.year(), month, of_month).map(|date| i64::from(date.to_epoch_days()));
            prop_assert_eq!(day(year, month, of_month), other);
            prop_assert_eq!(is_leap(year), date.leap_year());
            if has_four_digits(days) {
                prop_assert_eq!(day_text(days), date.to_string());
            }
        }
    }

    #[test]
    fn the_day_of_a_time() {
        for (seconds, day) in [
            (0.0, "1970-01-01"),
            (86_399.9, "1970-01-01"),
            (-0.5, "1969-12-31"),
            (1_709_164_800.0, "2024-02-29"),
            (f64::NAN, ""),
            (f64::INFINITY, ""),
        ] {
            assert_eq!(day_at(seconds), day, "{seconds}");
        }
    }
}
