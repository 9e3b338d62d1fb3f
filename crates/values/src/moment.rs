//! What is read of a timestamp, part by part, and what the parts make.

use crate::calendar;

/// Microseconds of a day.
pub(crate) const DAY: i64 = 86_400_000_000;

/// A timestamp in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// As a clock on the wall showed it: its distance from UTC is unknown.
    Local(i64),
    /// In UTC: the text gives its distance from there.
    Utc(i64),
}

impl Moment {
    /// The timestamp; a local one is not converted.
    pub fn micros(self) -> i64 {
        match self {
            Moment::Local(micros) | Moment::Utc(micros) => micros,
        }
    }
}

/// The parts of a timestamp that a text held.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parts {
    pub year: Option<i32>,
    pub month: Option<u32>,
    pub day: Option<u32>,
    pub day_of_year: Option<u32>,
    /// From Monday, 0.
    pub weekday: Option<u32>,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    /// Microseconds.
    pub fraction: u32,
    /// Of a clock with twelve hours.
    pub afternoon: Option<bool>,
    /// Seconds since 1970.
    pub epoch: Option<i64>,
    /// Seconds that the clock is ahead of UTC.
    pub ahead: Option<i32>,
}

impl Parts {
    /// Days since 1970; `None` if the day does not exist.
    pub(crate) fn days(&self) -> Option<i64> {
        if let Some(epoch) = self.epoch {
            return Some(epoch.div_euclid(86_400)).filter(|day| calendar::has_four_digits(*day));
        }
        let year = i64::from(self.year?);
        let days = match (self.month, self.day, self.day_of_year) {
            (Some(month), Some(day), of_year) => {
                let days = calendar::day(year, month, day)?;
                if let Some(of_year) = of_year
                    && calendar::day(year, 1, 1)? + i64::from(of_year) - 1 != days
                {
                    return None;
                }
                days
            }
            (None, None, Some(of_year)) => {
                let longest = if calendar::is_leap(year) { 366 } else { 365 };
                if !(1..=longest).contains(&of_year) {
                    return None;
                }
                calendar::day(year, 1, 1)? + i64::from(of_year) - 1
            }
            _ => return None,
        };
        if self.weekday.is_some_and(|given| i64::from(given) != calendar::weekday(days)) {
            return None;
        }
        Some(days)
    }

    /// Microseconds since midnight.
    pub(crate) fn micros(&self) -> Option<i64> {
        let hour = match self.afternoon {
            None => self.hour,
            Some(afternoon) if (1..=12).contains(&self.hour) => self.hour % 12 + if afternoon { 12 } else { 0 },
            Some(_) => return None,
        };
        if hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let seconds = i64::from(hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        Some(seconds * 1_000_000 + i64::from(self.fraction))
    }

    /// Nothing for one beyond the calendar, as milliseconds are that were taken for seconds.
    pub(crate) fn moment(&self) -> Option<Moment> {
        let moment = match self.epoch {
            Some(epoch) => Moment::Utc(epoch.checked_mul(1_000_000)?.checked_add(i64::from(self.fraction))?),
            None => {
                let micros = self.days()? * DAY + self.micros()?;
                match self.ahead {
                    Some(ahead) => Moment::Utc(micros - i64::from(ahead) * 1_000_000),
                    None => Moment::Local(micros),
                }
            }
        };
        Some(moment).filter(|moment| calendar::has_four_digits(moment.micros().div_euclid(DAY)))
    }
}

/// Reads between `least` and `most` digits from the front.
#[inline]
pub(crate) fn digits(text: &mut &[u8], least: usize, most: usize) -> Option<u32> {
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
pub(crate) fn plain(text: &mut &[u8], wanted: u8) -> Option<()> {
    let (first, rest) = text.split_first()?;
    *text = rest;
    (*first == wanted).then_some(())
}

/// Digits of a second's fraction as microseconds; digits behind the sixth are cut off.
pub(crate) fn fraction(text: &mut &[u8]) -> Option<u32> {
    let before = text.len();
    let fraction = digits(text, 1, 6)?;
    let fraction = fraction * 10u32.pow(6 - (before - text.len()) as u32);
    while text.first().is_some_and(u8::is_ascii_digit) {
        *text = &text[1..];
    }
    Some(fraction)
}

/// `Z`, `+09:00`, `+0900` or `+09`: the seconds that the clock is ahead of UTC.
pub(crate) fn offset(text: &mut &[u8]) -> Option<i32> {
    let (sign, rest) = text.split_first()?;
    *text = rest;
    let sign = match sign {
        b'Z' | b'z' => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = digits(text, 2, 2)?;
    if text.first() == Some(&b':') {
        *text = &text[1..];
        if !text.first().is_some_and(u8::is_ascii_digit) {
            return None;
        }
    }
    let minutes = match text.first().is_some_and(u8::is_ascii_digit) {
        true => digits(text, 2, 2)?,
        false => 0,
    };
    // No place on earth is further than that.
    (hours <= 15 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60) as i32)
}
