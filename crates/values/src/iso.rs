//! Dates, datetimes and times as ISO 8601 writes them: how they are read where no format is given.

use crate::calendar;
use crate::moment::{Moment, Parts, digits, fraction, offset, plain};

fn date_part(text: &mut &[u8], parts: &mut Parts) -> Option<()> {
    parts.year = Some(digits(text, 4, 4)?.try_into().ok()?);
    plain(text, b'-')?;
    parts.month = Some(digits(text, 2, 2)?);
    plain(text, b'-')?;
    parts.day = Some(digits(text, 2, 2)?);
    Some(())
}

/// `HH:MM`, `HH:MM:SS` or with a fraction, of which digits beyond microseconds are cut off.
fn time_part(text: &mut &[u8], parts: &mut Parts) -> Option<()> {
    parts.hour = digits(text, 2, 2)?;
    plain(text, b':')?;
    parts.minute = digits(text, 2, 2)?;
    if text.first() != Some(&b':') {
        return Some(());
    }
    *text = &text[1..];
    parts.second = digits(text, 2, 2)?;
    if matches!(text.first(), Some(b'.' | b',')) {
        *text = &text[1..];
        parts.fraction = fraction(text)?;
    }
    Some(())
}

/// `YYYY-MM-DD`: days since 1970.
pub fn iso_date(text: &[u8]) -> Option<i32> {
    // As `date_part` reads it, but in one piece: columns of dates are long.
    let [a, b, c, d, b'-', e, f, b'-', g, h] = *text else { return None };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |value: u32, digit| match digit.wrapping_sub(b'0') {
            digit @ 0..=9 => Some(value * 10 + u32::from(digit)),
            _ => None,
        })
    };
    calendar::day(number(&[a, b, c, d])?.into(), number(&[e, f])?, number(&[g, h])?)?.try_into().ok()
}

/// `YYYY-MM-DD`; or that, then `T` or a space, a time, and how far it is from UTC if you like: `Z`, `+09:00`,
/// `+0900` or `+09`.
pub fn iso_datetime(mut text: &[u8]) -> Option<Moment> {
    let mut parts = Parts::default();
    date_part(&mut text, &mut parts)?;
    if let Some((b'T' | b't' | b' ', rest)) = text.split_first() {
        text = rest;
        time_part(&mut text, &mut parts)?;
        if !text.is_empty() {
            text = text.strip_prefix(b" ").unwrap_or(text);
            parts.ahead = Some(offset(&mut text)?);
        }
    }
    if !text.is_empty() {
        return None;
    }
    parts.moment()
}

/// `HH:MM`, with seconds and a fraction if you like: nanoseconds since midnight.
pub fn iso_time(mut text: &[u8]) -> Option<i64> {
    let mut parts = Parts::default();
    time_part(&mut text, &mut parts)?;
    if !text.is_empty() {
        return None;
    }
    Some(parts.micros()? * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::DAY;

    // Reference: Python's datetime, (datetime(…) - datetime(1970, 1, 1)) // timedelta(microseconds=1).
    const MOMENT: i64 = 1_709_217_012_345_678; // 2024-02-29 14:30:12.345678

    #[test]
    fn iso_timestamps() {
        let local = |text: &str| match iso_datetime(text.as_bytes()) {
            Some(Moment::Local(micros)) => micros,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(iso_date(b"1970-01-01"), Some(0));
        assert_eq!(iso_date(b"2024-02-29"), Some(19_782));
        assert_eq!(iso_date(b"1969-12-31"), Some(-1));
        assert_eq!(iso_date(b"0001-01-01"), Some(-719_162));
        assert_eq!(local("2024-02-29T14:30:12.345678"), MOMENT);
        assert_eq!(local("2024-02-29 14:30:12,3456789"), MOMENT);
        assert_eq!(local("2024-02-29 14:30"), MOMENT - 12_345_678);
        assert_eq!(local("2024-02-29"), 19_782 * DAY);
        assert_eq!(iso_time(b"00:00:01.5"), Some(1_500_000_000));
    }

    #[test]
    fn timestamps_beyond_the_calendar_are_none() {
        assert_eq!(iso_datetime(b"9999-12-31T23:59:59-01:00"), None);
        assert_eq!(iso_datetime(b"0000-01-01T00:00:00+01:00"), None);
        assert!(iso_datetime(b"9999-12-31T23:59:59+01:00").is_some());
    }

    #[test]
    fn offsets_are_reckoned_back_to_utc() {
        let second = MOMENT - 345_678;
        for text in [
            "2024-02-29T14:30:12Z",
            "2024-02-29 14:30:12z",
            "2024-02-29T23:30:12+09:00",
            "2024-02-29T23:30:12+0900",
            "2024-02-29T23:30:12 +09",
            "2024-02-29T09:00:12-05:30",
            "2024-03-01T04:15:12+13:45",
            "2024-02-29T14:30:12-00:00",
        ] {
            assert_eq!(iso_datetime(text.as_bytes()), Some(Moment::Utc(second)), "{text}");
        }
        assert_eq!(iso_datetime(b"2024-02-29T14:30:12.345678+00"), Some(Moment::Utc(MOMENT)));
        for text in [
            "2024-02-29T14:30+9",
            "2024-02-29T14:30+09:",
            "2024-02-29T14:30+09:60",
            "2024-02-29T14:30+25:00",
            "2024-02-29T14:30 PST",
            "2024-02-29+02:00",
            "2024-02-29T14:30Zz",
        ] {
            assert_eq!(iso_datetime(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_timestamp() {
        for text in ["2023-02-29", "2024-13-01", "2024-00-10", "2024-1-1", "20240101", "", "2024-01-01x", "24-01-01"] {
            assert_eq!(iso_date(text.as_bytes()), None, "{text}");
        }
        for text in ["2024-01-01 24:00", "2024-01-01T", "2024-01-01 10:60", "now"] {
            assert_eq!(iso_datetime(text.as_bytes()), None, "{text}");
        }
    }
}
