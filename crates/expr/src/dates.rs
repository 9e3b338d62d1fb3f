//! Functions of dates, timestamps, times and lengths of time.

use values::calendar::{civil, days_in, weekday};
use values::{LocalTime, Zone};

use crate::kernel::Refusal;
use crate::node::{Interval, Part};
use crate::texts::{text, whole};
use crate::value::{DAY, SECOND, Value};

type Out<'a> = Result<Option<Value<'a>>, Refusal>;

const BEYOND: &str = "take such rows out first";

/// Days and the nanoseconds of the day.
fn split(value: &Value<'_>) -> Option<(i64, i128)> {
    Some(match value {
        Value::Date(days) => (i64::from(*days), 0),
        Value::Moment(nanos) => (nanos.div_euclid(DAY) as i64, nanos.rem_euclid(DAY)),
        Value::Time(nanos) => (0, i128::from(*nanos)),
        _ => return None,
    })
}

/// Days and the nanoseconds of the day, within what the calendar can count.
fn within(value: &Value<'_>) -> Result<Option<(i64, i128)>, Refusal> {
    // 200,000 years.
    const MOST: i64 = 73_000_000;
    match split(value) {
        Some((day, _)) if day.abs() > MOST => {
            Err(Refusal::new(format!("{} lies beyond the calendar", value.shown()), BEYOND))
        }
        other => Ok(other),
    }
}

/// The day of a date; nothing beyond what a column of dates holds.
fn days(year: i64, month: u32, day: u32) -> Option<i32> {
    i32::try_from(values::calendar::day(year, month, day)?).ok()
}

/// `EXTRACT`.
pub(crate) fn part<'a>(part: Part, value: &Value<'a>) -> Out<'a> {
    if let Value::Duration(nanos) = value {
        return Ok(Some(of_duration(part, *nanos)));
    }
    let Some((day, clock)) = within(value)? else { return Ok(None) };
    let (year, month, of_month) = civil(day);
    let weekday = weekday(day) + 1;
    let of_year = || day - i64::from(days(year, 1, 1).unwrap_or_default()) + 1;
    let whole = match part {
        Part::Year => year,
        Part::IsoYear => iso_week(day).0,
        Part::Quarter => i64::from(month - 1) / 3 + 1,
        Part::Month => i64::from(month),
        Part::Week => iso_week(day).1,
        Part::Day => i64::from(of_month),
        Part::DayOfWeek => weekday % 7,
        Part::IsoDayOfWeek => weekday,
        Part::DayOfYear => of_year(),
        Part::Hour => (clock / (3600 * SECOND)) as i64,
        Part::Minute => (clock / (60 * SECOND) % 60) as i64,
        Part::Second => (clock / SECOND % 60) as i64,
        Part::Millisecond => (clock % (60 * SECOND) / 1_000_000) as i64,
        Part::Microsecond => (clock % (60 * SECOND) / 1000) as i64,
        Part::Epoch => return Ok(Some(Value::Float(seconds(i128::from(day) * DAY + clock)))),
    };
    Ok(Some(Value::Int(i128::from(whole))))
}

fn of_duration<'a>(part: Part, nanos: i128) -> Value<'a> {
    let of = |unit: i128, within: i128| Value::Int(nanos / unit % within);
    match part {
        Part::Day => Value::Int(nanos / DAY),
        Part::Hour => of(3600 * SECOND, 24),
        Part::Minute => of(60 * SECOND, 60),
        Part::Second => of(SECOND, 60),
        Part::Millisecond => Value::Int(nanos % (60 * SECOND) / 1_000_000),
        Part::Microsecond => Value::Int(nanos % (60 * SECOND) / 1000),
        _ => Value::Float(seconds(nanos)),
    }
}

/// Nanoseconds as seconds, rounded once.
fn seconds(nanos: i128) -> f64 {
    crate::value::decimal_as_float(nanos, 9)
}

/// Year and week of ISO 8601: the week belongs to the year of its Thursday.
fn iso_week(day: i64) -> (i64, i64) {
    let thursday = day - weekday(day) + 3;
    let year = civil(thursday).0;
    let first = i64::from(days(year, 1, 1).unwrap_or_default());
    (year, (thursday - first) / 7 + 1)
}

/// The parts that `date_trunc` and `date_diff` know.
pub(crate) fn is_unit(part: Part) -> bool {
    use Part::*;
    matches!(part, Year | Quarter | Month | Week | Day | Hour | Minute | Second | Millisecond | Microsecond)
}

fn nanos_of(part: Part) -> i128 {
    match part {
        Part::Hour => 3600 * SECOND,
        Part::Minute => 60 * SECOND,
        Part::Second => SECOND,
        Part::Millisecond => 1_000_000,
        Part::Microsecond => 1000,
        _ => DAY,
    }
}

/// `date_trunc`: of a date a date, of a timestamp a timestamp.
pub(crate) fn truncated<'a>(part: Part, value: &Value<'a>) -> Out<'a> {
    let Some((day, clock)) = within(value)? else { return Ok(None) };
    let (year, month, _) = civil(day);
    let start = |month: u32| i64::from(days(year, month, 1).unwrap_or_default());
    let day = match part {
        Part::Year => start(1),
        Part::Quarter => start((month - 1) / 3 * 3 + 1),
        Part::Month => start(month),
        Part::Week => day - weekday(day),
        _ => day,
    };
    Ok(Some(match value {
        Value::Date(_) => Value::Date(day as i32),
        _ => {
            let unit = nanos_of(part);
            let clock = if unit == DAY { 0 } else { clock - clock % unit };
            Value::Moment(i128::from(day) * DAY + clock)
        }
    }))
}

/// `date_diff`: the starts of `part` after `from` up to `to`.
pub(crate) fn difference<'a>(part: Part, from: &Value<'a>, to: &Value<'a>) -> Out<'a> {
    within(from)?;
    within(to)?;
    let number = |value: &Value<'_>| -> Option<i128> {
        let (day, clock) = split(value)?;
        let (year, month, _) = civil(day);
        let months = i128::from(year) * 12 + i128::from(month) - 1;
        Some(match part {
            Part::Year => i128::from(year),
            Part::Quarter => months.div_euclid(3),
            Part::Month => months,
            Part::Week => i128::from((day + 3).div_euclid(7)),
            _ => (i128::from(day) * DAY + clock).div_euclid(nanos_of(part)),
        })
    };
    Ok(number(from).zip(number(to)).map(|(from, to)| Value::Int(to - from)))
}

/// A date or timestamp and an interval: months first, a day that the month lacks becomes its last; then days, then
/// the clock.
pub(crate) fn moved<'a>(value: &Value<'a>, by: Interval, sign: i64) -> Out<'a> {
    let beyond = || Refusal::new(format!("{} moved by an interval leaves the calendar", value.shown()), BEYOND);
    let Some((day, clock)) = within(value)? else { return Ok(None) };
    let (year, month, of_month) = civil(day);
    let months = by.months.checked_mul(sign).and_then(|by| by.checked_add(year * 12 + i64::from(month) - 1));
    let months = months.ok_or_else(beyond)?;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) as u32 + 1);
    if year.abs() > 260_000 {
        return Err(beyond());
    }
    let start = days(year, month, of_month.min(days_in(year, month).unwrap_or(31))).ok_or_else(beyond)?;
    let by_days = i128::from(by.days) * i128::from(sign);
    let by_clock = i128::from(by.micros) * 1000 * i128::from(sign);
    let nanos = (i128::from(start) + by_days) * DAY + clock + by_clock;
    Ok(Some(match value {
        Value::Date(_) if by.micros == 0 => Value::Date(i32::try_from(nanos.div_euclid(DAY)).map_err(|_| beyond())?),
        Value::Time(_) => Value::Time((clock + by_clock).rem_euclid(DAY) as i64),
        _ => Value::Moment(nanos),
    }))
}

/// A date and a number of days.
pub(crate) fn days_later<'a>(value: &Value<'a>, by: i128) -> Out<'a> {
    let Value::Date(day) = value else { return Ok(None) };
    match i32::try_from(i128::from(*day) + by) {
        Ok(day) => Ok(Some(Value::Date(day))),
        Err(_) => Err(Refusal::new(format!("{} and {by} days leave the calendar", value.shown()), BEYOND)),
    }
}

/// What the clocks of a zone show at a timestamp of UTC.
pub(crate) fn to_local<'a>(value: &Value<'a>, zone: Zone) -> Out<'a> {
    let Some((micros, rest)) = in_micros(value) else { return Ok(None) };
    match micros.and_then(|micros| Some((micros, zone.ahead(micros)?))) {
        Some((micros, ahead)) => {
            let local = i128::from(micros) + i128::from(ahead) * 1_000_000;
            Ok(Some(Value::Moment(local * 1000 + rest)))
        }
        None => Err(Refusal::new(format!("{} lies beyond the calendar", value.shown()), BEYOND)),
    }
}

/// The timestamp of UTC at which the clocks of a zone show a time.
pub(crate) fn to_utc<'a>(value: &Value<'a>, local: LocalTime) -> Out<'a> {
    let Some((micros, rest)) = in_micros(value) else { return Ok(None) };
    match micros.and_then(|micros| local.utc(micros)) {
        Some(utc) => Ok(Some(Value::Moment(i128::from(utc) * 1000 + rest))),
        None => Err(Refusal::new(
            format!("the clocks of {} skip {} or show it twice", local.zone.name(), value.shown()),
            "add 'earlier' or 'later' as the third argument to take one of the two",
        )),
    }
}

/// A timestamp in microseconds, and the nanoseconds that are left.
fn in_micros(value: &Value<'_>) -> Option<(Option<i64>, i128)> {
    let Value::Moment(nanos) = value else { return None };
    Some((i64::try_from(nanos.div_euclid(1000)).ok(), nanos.rem_euclid(1000)))
}

pub(crate) fn last_day<'a>(row: &[Value<'a>]) -> Out<'a> {
    let Some((day, _)) = within(&row[0])? else { return Ok(None) };
    let (year, month, _) = civil(day);
    Ok(days_in(year, month).and_then(|last| days(year, month, last)).map(Value::Date))
}

pub(crate) fn make_date<'a>(row: &[Value<'a>]) -> Out<'a> {
    let (year, month, day) = (whole(&row[0]), whole(&row[1]), whole(&row[2]));
    let found = (0..=9999).contains(&year).then(|| {
        let (month, day) = (u32::try_from(month).ok()?, u32::try_from(day).ok()?);
        days(year as i64, month, day)
    });
    match found.flatten() {
        Some(days) => Ok(Some(Value::Date(days))),
        None => Err(Refusal::new(
            format!("there is no day {year}-{month}-{day}"),
            "take such rows out first, or cast a text with TRY_CAST",
        )),
    }
}

/// The parts that a format can have, and whether each is a part of the day.
fn is_known(letter: char) -> bool {
    "YmdHMSfjyBbAaIp%FT".contains(letter)
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Checks a format of `strftime` and `strptime`.
pub(crate) fn check_format(format: &str, reads: bool) -> Result<(), Refusal> {
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            continue;
        }
        match letters.next() {
            Some(part) if is_known(part) && !(reads && "jAa".contains(part)) => {}
            Some(part) => {
                return Err(Refusal::new(
                    format!("the format '{format}' has '%{part}', which has no meaning here"),
                    "docs/sql.md lists what a format may hold",
                ));
            }
            None => {
                return Err(Refusal::new(format!("the format '{format}' ends with '%'"), "write '%%' for the sign"));
            }
        }
    }
    if reads
        && !(format.contains("%F")
            || ((format.contains("%Y") || format.contains("%y"))
                && (format.contains("%m") || format.contains("%B") || format.contains("%b"))
                && format.contains("%d")))
    {
        return Err(Refusal::new(
            format!("the format '{format}' does not name a day"),
            "it needs year, month and day, such as '%Y-%m-%d'",
        ));
    }
    if reads && format.contains("%I") && !format.contains("%p") {
        return Err(Refusal::new(
            format!("the format '{format}' has an hour of 12 without AM or PM"),
            "write %H, or add %p",
        ));
    }
    Ok(())
}

pub(crate) fn strftime<'a>(value: &Value<'a>, format: &str) -> Out<'a> {
    let Some((day, clock)) = within(value)? else { return Ok(None) };
    let (year, month, of_month) = civil(day);
    let seconds = clock / SECOND;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let weekday = WEEKDAYS[weekday(day) as usize];
    let name = MONTHS[month as usize - 1];
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('Y') => out += &format!("{year:04}"),
            Some('y') => out += &format!("{:02}", year.rem_euclid(100)),
            Some('m') => out += &format!("{month:02}"),
            Some('d') => out += &format!("{of_month:02}"),
            Some('F') => out += &format!("{year:04}-{month:02}-{of_month:02}"),
            Some('H') => out += &format!("{hour:02}"),
            Some('I') => out += &format!("{:02}", (hour + 11) % 12 + 1),
            Some('p') => out += if hour < 12 { "AM" } else { "PM" },
            Some('M') => out += &format!("{minute:02}"),
            Some('S') => out += &format!("{second:02}"),
            Some('T') => out += &format!("{hour:02}:{minute:02}:{second:02}"),
            Some('f') => out += &format!("{:06}", clock % SECOND / 1000),
            Some('j') => out += &format!("{:03}", day - i64::from(days(year, 1, 1).unwrap_or_default()) + 1),
            Some('B') => out += name,
            Some('b') => out += &name[..3],
            Some('A') => out += weekday,
            Some('a') => out += &weekday[..3],
            _ => out.push('%'),
        }
    }
    crate::texts::made(out)
}

/// Reads a timestamp; nothing if the text does not fit the format from end to end.
pub(crate) fn strptime(text: &str, format: &str) -> Option<i128> {
    let expanded = format.replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S");
    let mut rest = text;
    let (mut year, mut month, mut day) = (None, None, None);
    let (mut hour, mut minute, mut second, mut fraction, mut afternoon) = (0, 0, 0, 0, None);
    let mut letters = expanded.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            rest = rest.strip_prefix(letter)?;
            continue;
        }
        match letters.next()? {
            'Y' => year = Some(number(&mut rest, 4, 4)?),
            // As POSIX has it: 69 to 99 are of the 20th century.
            'y' => year = Some(number(&mut rest, 2, 2).map(|year| if year < 69 { 2000 + year } else { 1900 + year })?),
            'm' => month = Some(number(&mut rest, 1, 2)?),
            'd' => day = Some(number(&mut rest, 1, 2)?),
            'B' => month = Some(name(&mut rest, |month| month)?),
            'b' => month = Some(name(&mut rest, |month| &month[..3])?),
            'H' => hour = number(&mut rest, 1, 2).filter(|hour| *hour < 24)?,
            'I' => hour = number(&mut rest, 1, 2).filter(|hour| (1..=12).contains(hour))?,
            'M' => minute = number(&mut rest, 1, 2).filter(|minute| *minute < 60)?,
            'S' => second = number(&mut rest, 1, 2).filter(|second| *second < 60)?,
            'f' => {
                let before = rest.len();
                let digits = number(&mut rest, 1, 9)?;
                fraction = digits * 10i64.pow(9 - (before - rest.len()) as u32);
            }
            'p' => {
                let half = rest.get(..2)?;
                afternoon = Some(match half.to_ascii_uppercase().as_str() {
                    "AM" => false,
                    "PM" => true,
                    _ => return None,
                });
                rest = &rest[2..];
            }
            '%' => rest = rest.strip_prefix('%')?,
            _ => return None,
        }
    }
    if !rest.is_empty() {
        return None;
    }
    if let Some(afternoon) = afternoon {
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    let day = days(year?, u32::try_from(month?).ok()?, u32::try_from(day?).ok()?)?;
    // A timestamp of the table counts microseconds.
    if fraction % 1000 != 0 {
        return None;
    }
    let seconds = i128::from(hour) * 3600 + i128::from(minute) * 60 + i128::from(second);
    Some(i128::from(day) * DAY + seconds * SECOND + i128::from(fraction))
}

fn number(rest: &mut &str, least: usize, most: usize) -> Option<i64> {
    let count = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    let value = rest[..count].parse().ok()?;
    *rest = &rest[count..];
    Some(value)
}

fn name(rest: &mut &str, of: fn(&'static str) -> &'static str) -> Option<i64> {
    for (month, full) in (1..).zip(MONTHS) {
        let name = of(full);
        if let Some(start) = rest.get(..name.len())
            && start.eq_ignore_ascii_case(name)
        {
            *rest = &rest[name.len()..];
            return Some(month);
        }
    }
    None
}

pub(crate) fn read<'a>(value: &Value<'a>, format: &str, or_null: bool) -> Out<'a> {
    let of = text(value);
    match strptime(of, format) {
        Some(nanos) => Ok(Some(Value::Moment(nanos))),
        None if or_null => Ok(None),
        None => Err(Refusal::new(
            format!("'{of}' does not fit the format '{format}'"),
            "try_strptime gives null for such texts",
        )),
    }
}
