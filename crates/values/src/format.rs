//! Dates, datetimes and times out of text: ISO 8601 by default, or a strftime format.

use chrono::format::{Item, Parsed, StrftimeItems};
use chrono::{Datelike, NaiveDateTime, NaiveTime, Timelike};
use serde::{Deserialize, Deserializer};

/// A checked strftime format. Formats made of `%Y %m %d %H %M %S` and plain characters take a fast way.
#[derive(Clone, Debug, PartialEq)]
pub struct MomentFormat {
    text: String,
    items: Vec<Item<'static>>,
    fast: Option<Vec<Piece>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Piece {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Plain(u8),
}

impl MomentFormat {
    /// Fails with what is wrong in the format.
    pub fn new(text: &str) -> Result<MomentFormat, String> {
        let items = StrftimeItems::new(text)
            .parse_to_owned()
            .map_err(|_| format!("\"{text}\" is not a date format; write strftime's letters, such as \"%Y-%m-%d\""))?;
        if !text.contains('%') {
            return Err(format!("\"{text}\" holds no date; write strftime's letters, such as \"%Y-%m-%d\""));
        }
        Ok(MomentFormat { text: text.to_owned(), items, fast: pieces(text) })
    }

    /// As written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Microseconds since 1970. Without a time of day midnight is meant; an offset is reckoned back to UTC.
    pub(crate) fn datetime(&self, text: &[u8]) -> Option<i64> {
        if let Some(fast) = &self.fast {
            let parts = walk(fast, text)?;
            return Some(parts.days()? * DAY + parts.micros()?);
        }
        let parsed = self.parsed(text)?;
        let moment = match parsed.offset() {
            Some(_) => parsed.to_datetime().ok()?.naive_utc(),
            None => match parsed.to_naive_datetime_with_offset(0) {
                Ok(moment) => moment,
                Err(_) => NaiveDateTime::new(parsed.to_naive_date().ok()?, NaiveTime::MIN),
            },
        };
        Some(moment.and_utc().timestamp_micros())
    }

    /// Days since 1970.
    pub(crate) fn date(&self, text: &[u8]) -> Option<i32> {
        if let Some(fast) = &self.fast {
            return walk(fast, text)?.days()?.try_into().ok();
        }
        let date = self.parsed(text)?.to_naive_date().ok()?;
        days_from_civil(date.year(), date.month(), date.day()).try_into().ok()
    }

    /// Nanoseconds since midnight.
    pub(crate) fn time(&self, text: &[u8]) -> Option<i64> {
        if let Some(fast) = &self.fast {
            return Some(walk(fast, text)?.micros()? * 1000);
        }
        let time = self.parsed(text)?.to_naive_time().ok()?;
        Some(i64::from(time.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(time.nanosecond()))
    }

    fn parsed(&self, text: &[u8]) -> Option<Parsed> {
        let mut parsed = Parsed::new();
        chrono::format::parse(&mut parsed, std::str::from_utf8(text).ok()?, self.items.iter()).ok()?;
        Some(parsed)
    }
}

impl<'de> Deserialize<'de> for MomentFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MomentFormat, D::Error> {
        spec::read_text(deserializer, "a strptime format such as %d.%m.%Y", MomentFormat::new)
    }
}

const DAY: i64 = 86_400_000_000;

fn pieces(format: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut letters = format.bytes();
    while let Some(letter) = letters.next() {
        if letter != b'%' {
            // chrono lets a blank of the format match any run of blanks.
            if !letter.is_ascii() || letter.is_ascii_whitespace() && letter != b' ' {
                return None;
            }
            pieces.push(Piece::Plain(letter));
            continue;
        }
        match letters.next()? {
            b'Y' => pieces.push(Piece::Year),
            b'm' => pieces.push(Piece::Month),
            b'd' => pieces.push(Piece::Day),
            b'H' => pieces.push(Piece::Hour),
            b'M' => pieces.push(Piece::Minute),
            b'S' => pieces.push(Piece::Second),
            b'F' => {
                let dash = Piece::Plain(b'-');
                pieces.extend([Piece::Year, dash, Piece::Month, dash, Piece::Day]);
            }
            b'T' => {
                let colon = Piece::Plain(b':');
                pieces.extend([Piece::Hour, colon, Piece::Minute, colon, Piece::Second]);
            }
            _ => return None,
        }
    }
    Some(pieces)
}

/// What was read of a moment; absent parts keep their start value.
#[derive(Clone, Copy)]
struct Parts {
    year: Option<i32>,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    fraction: u32,
}

impl Parts {
    const NONE: Parts = Parts { year: None, month: 0, day: 0, hour: 0, minute: 0, second: 0, fraction: 0 };

    fn days(&self) -> Option<i64> {
        let year = self.year?;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let longest = match self.month {
            2 => 28 + u32::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        (1..=longest).contains(&self.day).then(|| days_from_civil(year, self.month, self.day))
    }

    /// Since midnight.
    fn micros(&self) -> Option<i64> {
        if self.hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let seconds = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        Some(seconds * 1_000_000 + i64::from(self.fraction))
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", `days_from_civil`).
pub(crate) fn days_from_civil(year: i32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = i64::from(month);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Reads between `least` and `most` digits from the front.
#[inline]
fn digits(text: &mut &[u8], least: usize, most: usize) -> Option<u32> {
    let mut value = 0;
    let mut count = 0;
    while count < most && count < text.len() {
        let digit = text[count].wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value * 10 + u32::from(digit);
        count += 1;
    }
    if count < least {
        return None;
    }
    *text = &text[count..];
    Some(value)
}

#[inline]
fn plain(text: &mut &[u8], wanted: u8) -> Option<()> {
    let (first, rest) = text.split_first()?;
    *text = rest;
    (*first == wanted).then_some(())
}

fn walk(pieces: &[Piece], mut text: &[u8]) -> Option<Parts> {
    let mut parts = Parts::NONE;
    for piece in pieces {
        match piece {
            Piece::Year => parts.year = Some(digits(&mut text, 4, 4)?.try_into().ok()?),
            Piece::Month => parts.month = digits(&mut text, 1, 2)?,
            Piece::Day => parts.day = digits(&mut text, 1, 2)?,
            Piece::Hour => parts.hour = digits(&mut text, 1, 2)?,
            Piece::Minute => parts.minute = digits(&mut text, 1, 2)?,
            Piece::Second => parts.second = digits(&mut text, 1, 2)?,
            Piece::Plain(wanted) => plain(&mut text, *wanted)?,
        }
    }
    text.is_empty().then_some(parts)
}

fn iso_date_part(text: &mut &[u8], parts: &mut Parts) -> Option<()> {
    parts.year = Some(digits(text, 4, 4)?.try_into().ok()?);
    plain(text, b'-')?;
    parts.month = digits(text, 2, 2)?;
    plain(text, b'-')?;
    parts.day = digits(text, 2, 2)?;
    Some(())
}

/// `HH:MM`, `HH:MM:SS` or with a fraction, of which nanoseconds beyond microseconds are cut off.
fn iso_time_part(text: &mut &[u8], parts: &mut Parts) -> Option<()> {
    parts.hour = digits(text, 2, 2)?;
    plain(text, b':')?;
    parts.minute = digits(text, 2, 2)?;
    if text.first() != Some(&b':') {
        return Some(());
    }
    *text = &text[1..];
    parts.second = digits(text, 2, 2)?;
    if text.first() == Some(&b'.') {
        *text = &text[1..];
        let before = text.len();
        let fraction = digits(text, 1, 6)?;
        parts.fraction = fraction * 10u32.pow(6 - (before - text.len()) as u32);
        while text.first().is_some_and(u8::is_ascii_digit) {
            *text = &text[1..];
        }
    }
    Some(())
}

/// `YYYY-MM-DD`: days since 1970.
pub(crate) fn iso_date(mut text: &[u8]) -> Option<i32> {
    let mut parts = Parts::NONE;
    iso_date_part(&mut text, &mut parts)?;
    if !text.is_empty() {
        return None;
    }
    parts.days()?.try_into().ok()
}

/// `YYYY-MM-DD`, then `T` or a blank, a time, and `Z` if you like: microseconds since 1970.
pub(crate) fn iso_datetime(mut text: &[u8]) -> Option<i64> {
    let mut parts = Parts::NONE;
    iso_date_part(&mut text, &mut parts)?;
    if let Some((b'T' | b't' | b' ', rest)) = text.split_first() {
        text = rest;
        iso_time_part(&mut text, &mut parts)?;
        if matches!(text, [b'Z' | b'z']) {
            text = &[];
        }
    }
    if !text.is_empty() {
        return None;
    }
    Some(parts.days()? * DAY + parts.micros()?)
}

/// `HH:MM`, with seconds and a fraction if you like: nanoseconds since midnight.
pub(crate) fn iso_time(mut text: &[u8]) -> Option<i64> {
    let mut parts = Parts::NONE;
    iso_time_part(&mut text, &mut parts)?;
    if !text.is_empty() {
        return None;
    }
    Some(parts.micros()? * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Reference: Python's datetime, (datetime(…) - datetime(1970, 1, 1)) // timedelta(microseconds=1).
    const MOMENT: i64 = 1_709_217_012_345_678; // 2024-02-29 14:30:12.345678

    #[test]
    fn iso_moments() {
        assert_eq!(iso_date(b"1970-01-01"), Some(0));
        assert_eq!(iso_date(b"2024-02-29"), Some(19_782));
        assert_eq!(iso_date(b"1969-12-31"), Some(-1));
        assert_eq!(iso_date(b"0001-01-01"), Some(-719_162));
        assert_eq!(iso_datetime(b"2024-02-29T14:30:12.345678"), Some(MOMENT));
        assert_eq!(iso_datetime(b"2024-02-29 14:30:12.3456789Z"), Some(MOMENT));
        assert_eq!(iso_datetime(b"2024-02-29 14:30:12.3Z"), Some(MOMENT - 45_678));
        assert_eq!(iso_datetime(b"2024-02-29 14:30"), Some(MOMENT - 12_345_678));
        assert_eq!(iso_datetime(b"2024-02-29"), Some(19_782 * DAY));
        assert_eq!(iso_time(b"00:00:01.5"), Some(1_500_000_000));
    }

    #[test]
    fn what_is_no_moment() {
        for text in ["2023-02-29", "2024-13-01", "2024-00-10", "2024-1-1", "20240101", "", "2024-01-01x", "24-01-01"] {
            assert_eq!(iso_date(text.as_bytes()), None, "{text}");
        }
        for text in ["2024-01-01 24:00", "2024-01-01T", "2024-01-01 10:60", "2024-01-01 10:00:00+09:00", "now"] {
            assert_eq!(iso_datetime(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn formats_fast_and_slow_agree() {
        let read = |format: &str, text: &str| MomentFormat::new(format).unwrap().datetime(text.as_bytes());
        for (format, text) in [
            ("%Y%m%d", "20240229"),
            ("%d.%m.%Y", "29.2.2024"),
            ("%d %b %Y", "29 Feb 2024"),
            ("%m/%d/%y", "2/29/24"),
            ("%F", "2024-02-29"),
        ] {
            assert_eq!(read(format, text), Some(19_782 * DAY), "{format}");
            assert_eq!(MomentFormat::new(format).unwrap().date(text.as_bytes()), Some(19_782), "{format}");
        }
        let second = MOMENT - 345_678;
        assert_eq!(read("%Y-%m-%d %H:%M:%S", "2024-02-29 14:30:12"), Some(second));
        assert_eq!(read("%d/%m/%Y %I:%M:%S %p", "29/02/2024 02:30:12 PM"), Some(second));
        assert_eq!(read("%Y-%m-%dT%H:%M:%S%z", "2024-02-29T23:30:12+0900"), Some(second));
        assert_eq!(read("%Y%m%d", "20240230"), None);
        assert_eq!(read("%Y%m%d", "202402291"), None);
        assert_eq!(MomentFormat::new("%H%M").unwrap().time(b"1430"), Some(52_200_000_000_000));
        assert!(MomentFormat::new("%Q").unwrap_err().contains("is not a date format"));
        assert!(MomentFormat::new("yyyy").unwrap_err().contains("holds no date"));
    }
}
