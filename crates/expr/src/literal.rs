//! Dates, times, timestamps and lengths of time as texts of SQL.

use values::calendar;

use crate::node::Interval;

pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// Days since 1970-01-01 of `YYYY-MM-DD`, in the years 0 to 9999; `None` if the day does not exist.
pub(crate) fn date(text: &str) -> Option<i32> {
    let mut parts = text.trim().split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() > 2 || day.len() > 2 {
        return None;
    }
    let days = calendar::day(i64::from(whole(year)?), whole(month)?, whole(day)?)?;
    i32::try_from(days).ok()
}

/// Microseconds since 1970-01-01 of `YYYY-MM-DD`, with `T` or a space and a time behind it or without.
pub(crate) fn moment(text: &str) -> Option<i64> {
    let text = text.trim();
    let (day, clock) = match text.find(['T', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let nanos = clock.map_or(Some(0), time)?;
    if nanos % 1000 != 0 {
        return None;
    }
    i64::from(date(day)?).checked_mul(DAY_MICROS)?.checked_add(nanos / 1000)
}

/// Nanoseconds since midnight of `HH:MM`, `HH:MM:SS` or `HH:MM:SS.f…`.
pub(crate) fn time(text: &str) -> Option<i64> {
    let mut parts = text.trim().split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next().unwrap_or("00"));
    if parts.next().is_some() || hour.len() > 2 || minute.len() != 2 {
        return None;
    }
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    if second.len() != 2 || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let (hour, minute, second) = (whole(hour)?, whole(minute)?, whole(second)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanos = i64::from(whole(fraction)?) * 10i64.pow(9 - fraction.len() as u32);
    Some((i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)) * 1_000_000_000 + nanos)
}

/// `3 days`, `1 year 6 months`, `-2 hours 30 minutes`, `01:30:00`.
pub(crate) fn interval(text: &str) -> Option<Interval> {
    let mut sum = Interval::default();
    let mut words = text.split_whitespace().peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        if word.contains(':') {
            let (sign, clock) = word.strip_prefix('-').map_or((1, word), |clock| (-1, clock));
            sum.micros = sum.micros.checked_add(sign * (time(clock)? / 1000))?;
            continue;
        }
        let split = word.find(|letter: char| letter.is_alphabetic()).unwrap_or(word.len());
        let (number, unit) = word.split_at(split);
        let unit = if unit.is_empty() { words.next()? } else { unit };
        sum = plus(sum, number, unit)?;
    }
    Some(sum)
}

/// `number` of `unit`s.
pub(crate) fn of_unit(number: &str, unit: &str) -> Option<Interval> {
    plus(Interval::default(), number.trim(), unit)
}

fn plus(mut sum: Interval, number: &str, unit: &str) -> Option<Interval> {
    let unit = unit.to_lowercase();
    let unit = unit.strip_suffix('s').filter(|one| one.len() > 1).unwrap_or(&unit);
    let micros = match unit {
        "microsecond" | "us" => 1,
        "millisecond" | "ms" => 1000,
        "second" | "sec" => 1_000_000,
        "minute" | "min" => 60_000_000,
        "hour" => 3_600_000_000,
        _ => 0,
    };
    if micros > 0 {
        sum.micros = sum.micros.checked_add(scaled(number, micros)?)?;
        return Some(sum);
    }
    let count: i64 = number.parse().ok()?;
    match unit {
        "day" => sum.days = sum.days.checked_add(count)?,
        "week" => sum.days = sum.days.checked_add(count.checked_mul(7)?)?,
        "month" | "mon" => sum.months = sum.months.checked_add(count)?,
        "quarter" => sum.months = sum.months.checked_add(count.checked_mul(3)?)?,
        "year" => sum.months = sum.months.checked_add(count.checked_mul(12)?)?,
        "decade" => sum.months = sum.months.checked_add(count.checked_mul(120)?)?,
        _ => return None,
    }
    Some(sum)
}

/// A number that may have a fraction, in microseconds; nothing if some of it would be lost.
fn scaled(number: &str, micros: i64) -> Option<i64> {
    let (negative, digits) = number.strip_prefix('-').map_or((false, number), |rest| (true, rest));
    let (whole_part, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    if fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let unit = i128::from(micros);
    let scale = 10i128.pow(fraction.len() as u32);
    let part = i128::from(whole(fraction)?) * unit;
    if part % scale != 0 || !whole_part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let sum = whole_part.parse::<i128>().ok()?.checked_mul(unit)?.checked_add(part / scale)?;
    i64::try_from(if negative { -sum } else { sum }).ok()
}

fn whole(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_is_right() {
        // Python: (datetime.date(y, m, d) - datetime.date(1970, 1, 1)).days
        for (text, days) in [
            ("1970-01-01", 0),
            ("2024-02-29", 19_782),
            ("1900-03-01", -25_508),
            ("2000-12-31", 11_322),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(date(text), Some(days), "{text}");
        }
        for wrong in ["2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "24-01-01", "2024-01", "2024-01-01-", "x"]
        {
            assert_eq!(date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn timestamps_and_times_are_read_to_the_microsecond() {
        assert_eq!(moment("1970-01-02"), Some(DAY_MICROS));
        assert_eq!(moment("1970-01-01T00:00:01.5"), Some(1_500_000));
        assert_eq!(moment("1969-12-31 23:59:59.999999"), Some(-1));
        assert_eq!(moment("1970-01-01 00:00:00.0000001"), None);
        assert_eq!(moment("1970-01-01 24:00"), None);
        assert_eq!(time("09:05"), Some(32_700_000_000_000));
        assert_eq!(time("9"), None);
    }

    #[test]
    fn lengths_of_time_add_up() {
        let of = |months, days, micros| Some(Interval { months, days, micros });
        assert_eq!(interval("1 year 6 months"), of(18, 0, 0));
        assert_eq!(interval("2 weeks -1 day"), of(0, 13, 0));
        assert_eq!(interval("1.5 hours"), of(0, 0, 5_400_000_000));
        assert_eq!(interval("01:30:00"), of(0, 0, 5_400_000_000));
        assert_eq!(interval("3days"), of(0, 3, 0));
        assert_eq!(interval("5 ms"), of(0, 0, 5_000));
        assert_eq!(of_unit("90", "MINUTES"), of(0, 0, 5_400_000_000));
        for wrong in ["", "3", "days", "1.5 months", "2 fortnights", "1 day 2"] {
            assert_eq!(interval(wrong), None, "{wrong}");
        }
    }
}
