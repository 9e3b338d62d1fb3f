//! Dates, datetimes and times as ISO 8601 writes them: how they are read where no format is given.

use crate::calendar;
use crate::moment::{DAY, Moment, Parts, digits, fraction, offset, plain};

fn date_part(text: &mut &[u8], parts: &mut Parts) -> Option<()> {
    parts.year = Some(digits(text, 4, 4)?.try_into().ok()?);
    plain(text, b'-')?;
    parts.month = Some(digits(text, 2, 2)?);
    plain(text, b'-')?;
    parts.day = Some(digits(text, 2, 2)?);
    Some(())
}

/// `HH:MM`, `HH:MM:SS` or with a fraction, whose digits beyond microseconds are cut off.
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
    day_of(text.try_into().ok()?)?.try_into().ok()
}

fn day_of(text: &[u8; 10]) -> Option<i64> {
    let [a, b, c, d, e, f, g, h] = spread(text[..8].try_into().ok()?, *b"0000-00-")?;
    let [i, j] = [text[8], text[9]].map(|digit| digit.wrapping_sub(b'0'));
    if i > 9 || j > 9 {
        return None;
    }
    debug_assert!(e == 0 && h == 0);
    let number = |tens: u8, ones: u8| u32::from(tens) * 10 + u32::from(ones);
    calendar::day(i64::from(number(a, b) * 100 + number(c, d)), number(f, g), number(i, j))
}

/// The digits of a text of this shape, in which `0` is any digit; other characters as zeros.
#[inline]
fn spread(text: [u8; 8], shape: [u8; 8]) -> Option<[u8; 8]> {
    const ONES: u64 = u64::MAX / 255;
    // What is left of the shape's own characters is zero, and of a digit the digit.
    let left = u64::from_le_bytes(text) ^ u64::from_le_bytes(shape);
    let is_digit = u64::from_le_bytes(shape.map(|wanted| if wanted == b'0' { 0xff } else { 0 }));
    // A digit has four bits, and adding six leaves it there.
    let beyond = (left | ((left & (0x0f * ONES)) + 0x06 * ONES)) & (0xf0 * ONES);
    ((left & !is_digit) | beyond == 0).then(|| left.to_le_bytes())
}

/// `YYYY-MM-DD HH:MM:SS`, in one piece, as most logs have it; nothing for all else, whether it is a moment or not.
fn plain_second(text: &[u8]) -> Option<i64> {
    let text: &[u8; 19] = text.try_into().ok()?;
    let [a, b, _, c, d, _, e, f] = spread(text[11..].try_into().ok()?, *b"00:00:00")?;
    let number = |tens: u8, ones: u8| i64::from(tens) * 10 + i64::from(ones);
    let (hour, minute, second) = (number(a, b), number(c, d), number(e, f));
    if !matches!(text[10], b' ' | b'T') || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let day = day_of(text[..10].try_into().ok()?)?;
    Some(day * DAY + (hour * 3600 + minute * 60 + second) * 1_000_000)
}

/// `YYYY-MM-DD`; or that, then `T` or a blank, a time, and how far it is from UTC if you like: `Z`, `+09:00`,
/// `+0900` or `+09`.
pub fn iso_datetime(text: &[u8]) -> Option<Moment> {
    plain_second(text).map_or_else(|| any_datetime(text), |micros| Some(Moment::Local(micros)))
}

fn any_datetime(mut text: &[u8]) -> Option<Moment> {
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
    use spec::random::Random;

    use super::*;

    // Reference: Python's datetime, (datetime(…) - datetime(1970, 1, 1)) // timedelta(microseconds=1).
    const MOMENT: i64 = 1_709_217_012_345_678; // 2024-02-29 14:30:12.345678

    #[test]
    fn iso_moments() {
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
    fn moments_beyond_the_calendar_are_none() {
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
    fn in_one_piece_they_are_read_as_part_by_part() {
        let mut random = Random::new(9, 1);
        let mut moments = 0;
        for round in 0..200_000 {
            let (year, month, day) = (random.below(10_000), random.below(14), random.below(33));
            let (hour, minute, second) = (random.below(26), random.below(62), random.below(62));
            let between = if random.below(2) == 0 { ' ' } else { 'T' };
            let mut text =
                format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}").into_bytes();
            if random.below(2) == 0 {
                let at = random.below(text.len());
                text[at] = random.below(256) as u8;
            }
            let parts = any_datetime(&text);
            moments += u32::from(parts.is_some());
            assert_eq!(iso_datetime(&text), parts, "round {round}: {}", text.escape_ascii());
            let mut date = &text[..10];
            let mut parts = Parts::default();
            let day = date_part(&mut date, &mut parts).and_then(|()| parts.days());
            assert_eq!(iso_date(&text[..10]).map(i64::from), day, "round {round}: {}", text.escape_ascii());
        }
        assert!(moments > 50_000, "{moments}");
    }

    #[test]
    fn what_is_no_moment() {
        for text in ["2023-02-29", "2024-13-01", "2024-00-10", "2024-1-1", "20240101", "", "2024-01-01x", "24-01-01"] {
            assert_eq!(iso_date(text.as_bytes()), None, "{text}");
        }
        for text in ["2024-01-01 24:00", "2024-01-01T", "2024-01-01 10:60", "now"] {
            assert_eq!(iso_datetime(text.as_bytes()), None, "{text}");
        }
    }
}
