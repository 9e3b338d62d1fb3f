//! How dates, datetimes and times are written, in strftime's letters: checked when the YAML is read.
//!
//! A number has as many digits as its letter says (`%Y` four, `%y` two) or, between other characters, one digit less
//! (`1.3.2024`). Two numbers that touch need all their digits: `2024111` would be ambiguous.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use spec::ColumnType;

use crate::moment::{DAY, Moment, Parts, digits, fraction, offset, plain};

/// A checked strftime format.
#[derive(Clone, Debug, PartialEq)]
pub struct MomentFormat {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Number(Part, Width),
    /// Digits of a second, with a point before them; as many as given, or any.
    Fraction {
        point: bool,
        digits: Option<usize>,
    },
    MonthName,
    Weekday,
    Half,
    /// Seconds since 1970: the digits before the last `behind`, which are a fraction.
    Epoch {
        behind: usize,
    },
    Offset,
    Plain(u8),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Year,
    ShortYear,
    Month,
    Day,
    DayOfYear,
    Hour,
    HourOfTwelve,
    Minute,
    Second,
}

/// The fewest and the most digits of a number; spaces may stand before it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Width {
    least: usize,
    most: usize,
    blanks: bool,
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Letters that mean several others.
const SHORTHANDS: [(&str, &str); 9] = [
    ("F", "%Y-%m-%d"),
    ("T", "%H:%M:%S"),
    ("X", "%H:%M:%S"),
    ("R", "%H:%M"),
    ("D", "%m/%d/%y"),
    ("x", "%m/%d/%y"),
    ("v", "%e-%b-%Y"),
    ("r", "%I:%M:%S %p"),
    ("c", "%a %b %e %H:%M:%S %Y"),
];

impl MomentFormat {
    /// Fails with what is wrong in the format, whatever it is to make.
    pub fn new(text: &str) -> Result<MomentFormat, String> {
        if !text.contains('%') {
            return Err(format!("\"{text}\" holds no date; write strftime's letters, such as \"%Y-%m-%d\""));
        }
        let mut pieces = Vec::new();
        read_letters(text, text, &mut pieces)?;
        widen_what_touches(&mut pieces);
        let format = MomentFormat { text: text.to_owned(), pieces };
        format.check_parts()?;
        Ok(format)
    }

    /// As written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Fails if the format cannot make a value of this type. Writes known timestamps with it, by another library, and reads
    /// them back.
    pub fn check(&self, makes: ColumnType) -> Result<(), String> {
        let text = &self.text;
        let (has_date, has_time) = (self.has_date(), self.has_time());
        let cannot = |why: &str, way_out: &str| Err(format!("\"{text}\" makes no {}: {why}; {way_out}", makes.name()));
        match makes {
            ColumnType::Date | ColumnType::Datetime if !has_date => {
                let why = match (self.has(Part::Year) || self.has(Part::ShortYear), self.has(Part::Month)) {
                    (true, true) => "it has no day",
                    (true, false) => "it has neither month nor day",
                    (false, _) if self.has(Part::Month) || self.has(Part::Day) => "it has no year",
                    (false, _) => "it has no date",
                };
                if has_time && !self.pieces.iter().any(is_of_date) {
                    return cannot(why, "declare the column as time");
                }
                return cannot(
                    why,
                    "keep the column as string, and derive the date in clean.yaml, such as strptime(month || '-01', '%Y-%m-%d')",
                );
            }
            ColumnType::Time if self.pieces.iter().any(is_of_date) => {
                return cannot("it has a date", "read the column as datetime");
            }
            ColumnType::Time if !has_time => return cannot("it has no hour", "add %H"),
            _ => {}
        }
        let known = ["2024-02-03T04:05:06.007008Z", "2023-11-23T21:45:56.789012Z"];
        for moment in known.iter().filter_map(|moment| moment.parse::<DateTime<Utc>>().ok()) {
            if !self.comes_back(moment, makes) {
                let way_out = "put something between its numbers, or write each with all its digits";
                return cannot("what it writes cannot be read back", way_out);
            }
        }
        Ok(())
    }

    fn comes_back(&self, moment: DateTime<Utc>, makes: ColumnType) -> bool {
        use std::fmt::Write;
        // chrono counts nanoseconds by %f, where everybody else means the digits behind the point.
        let letters = self.text.replace("%f", "%6f").replace("%#z", "%z");
        let mut written = String::new();
        if write!(written, "{}", moment.format(&letters)).is_err() {
            return false;
        }
        let micros = moment.timestamp_micros();
        let finest = self.finest();
        let expected = micros - micros.rem_euclid(finest);
        match makes {
            ColumnType::Date => self.date(written.as_bytes()).map(i64::from) == Some(micros.div_euclid(DAY)),
            ColumnType::Time => self.time(written.as_bytes()) == Some(expected.rem_euclid(DAY) * 1000),
            _ => self.datetime(written.as_bytes()).map(Moment::micros) == Some(expected),
        }
    }

    /// The microseconds that the smallest part of the format counts.
    fn finest(&self) -> i64 {
        let fraction = self.pieces.iter().find_map(|piece| match piece {
            Piece::Fraction { digits, .. } => Some(10i64.pow(6 - digits.unwrap_or(6).min(6) as u32)),
            _ => None,
        });
        match fraction {
            Some(micros) => micros,
            None if self.has(Part::Second) || self.has_epoch() => 1_000_000,
            None if self.has(Part::Minute) => 60_000_000,
            None if self.has_time() => 3_600_000_000,
            None => DAY,
        }
    }

    /// Microseconds since 1970. Without a time of day midnight is meant; an offset is converted to UTC.
    pub fn datetime(&self, text: &[u8]) -> Option<Moment> {
        self.parts(text)?.moment()
    }

    /// Days since 1970; the day as written, whatever the offset.
    pub fn date(&self, text: &[u8]) -> Option<i32> {
        let parts = self.parts(text)?;
        parts.micros()?;
        parts.days()?.try_into().ok()
    }

    /// Nanoseconds since midnight.
    pub fn time(&self, text: &[u8]) -> Option<i64> {
        Some(self.parts(text)?.micros()? * 1000)
    }

    /// Whether a time of day is in the format.
    pub fn has_time(&self) -> bool {
        self.has(Part::Hour) || self.has(Part::HourOfTwelve) || self.has_epoch()
    }

    /// Whether the format itself says how far a timestamp is from UTC.
    pub fn has_offset(&self) -> bool {
        self.has_epoch() || self.pieces.contains(&Piece::Offset)
    }

    fn has_epoch(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Epoch { .. }))
    }

    fn has_date(&self) -> bool {
        let year = self.has(Part::Year) || self.has(Part::ShortYear);
        let month = self.has(Part::Month) || self.pieces.contains(&Piece::MonthName);
        self.has_epoch() || year && (month && self.has(Part::Day) || self.has(Part::DayOfYear) && !month)
    }

    fn has(&self, part: Part) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Number(of, _) => *of == part,
            Piece::MonthName => part == Part::Month,
            _ => false,
        })
    }

    /// Parts that are given twice, or that say nothing without another.
    fn check_parts(&self) -> Result<(), String> {
        let text = &self.text;
        let count = |kinds: &[&dyn Fn(&Piece) -> bool]| {
            self.pieces.iter().filter(|piece| kinds.iter().any(|is| is(piece))).count()
        };
        let number = |part: Part| move |piece: &Piece| matches!(piece, Piece::Number(of, _) if *of == part);
        let twice: [(&str, usize); 10] = [
            ("the year", count(&[&number(Part::Year), &number(Part::ShortYear)])),
            ("the month", count(&[&number(Part::Month), &|piece| *piece == Piece::MonthName])),
            ("the day", count(&[&number(Part::Day)])),
            ("the hour", count(&[&number(Part::Hour), &number(Part::HourOfTwelve)])),
            ("the minute", count(&[&number(Part::Minute)])),
            ("the second", count(&[&number(Part::Second)])),
            ("the fraction", count(&[&|piece| matches!(piece, Piece::Fraction { .. })])),
            ("the weekday", count(&[&|piece| *piece == Piece::Weekday])),
            ("the half of the day", count(&[&|piece| *piece == Piece::Half])),
            ("the offset", count(&[&|piece| *piece == Piece::Offset])),
        ];
        if let Some((what, _)) = twice.iter().find(|(_, count)| *count > 1) {
            return Err(format!("\"{text}\" has {what} twice; name it once"));
        }
        let is_in = |piece: &dyn Fn(&Piece) -> bool| self.pieces.iter().any(piece);
        let (twelve, half) = (self.has(Part::HourOfTwelve), is_in(&|piece| *piece == Piece::Half));
        let fraction = is_in(&|piece| matches!(piece, Piece::Fraction { .. }));
        let why = match () {
            () if twelve && !half => {
                "has an hour of twelve without %p, which says which half of the day; write %H, or add %p"
            }
            () if half && !twelve => "has %p without %I; write %I for an hour of twelve",
            () if self.has_epoch() && self.pieces.iter().any(is_of_moment) => {
                "has %s, which counts seconds since 1970, and other parts of a timestamp; keep one of the two"
            }
            () if self.has(Part::Minute) && !self.has_time() => "has minutes without an hour; add %H",
            () if self.has(Part::Second) && !self.has(Part::Minute) => "has seconds without minutes; add %M",
            () if fraction && !self.has(Part::Second) && !self.has_epoch() => "has a fraction without seconds; add %S",
            () if self.pieces.contains(&Piece::Offset) && !self.has_time() => {
                "has an offset from UTC without a time of day; add %H"
            }
            () => return Ok(()),
        };
        Err(format!("\"{text}\" {why}"))
    }

    fn parts(&self, mut text: &[u8]) -> Option<Parts> {
        let mut parts = Parts::default();
        let text = &mut text;
        let mut pieces = self.pieces.iter();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Number(part, width) => {
                    if width.blanks {
                        *text = text.trim_ascii_start();
                    }
                    let value = digits(text, width.least, width.most)?;
                    match part {
                        Part::Year => parts.year = Some(value as i32),
                        // As POSIX has it.
                        Part::ShortYear => parts.year = Some(value as i32 + if value < 69 { 2000 } else { 1900 }),
                        Part::Month => parts.month = Some(value),
                        Part::Day => parts.day = Some(value),
                        Part::DayOfYear => parts.day_of_year = Some(value),
                        Part::Hour | Part::HourOfTwelve => parts.hour = value,
                        Part::Minute => parts.minute = value,
                        Part::Second => parts.second = value,
                    }
                }
                Piece::Fraction { point, digits: wanted } => {
                    if *point {
                        // "%.f" holds for timestamps without a fraction, too.
                        match text.first() {
                            Some(b'.' | b',') => *text = &text[1..],
                            _ if wanted.is_none() => continue,
                            _ => return None,
                        }
                    }
                    parts.fraction = match wanted {
                        None => fraction(text)?,
                        Some(count) => {
                            let (mut some, rest) = text.split_at_checked(*count)?;
                            *text = rest;
                            let value = fraction(&mut some)?;
                            some.is_empty().then_some(value)?
                        }
                    };
                }
                Piece::MonthName => parts.month = Some(name(text, &MONTHS)? + 1),
                Piece::Weekday => parts.weekday = Some(name(text, &DAYS)?),
                Piece::Half => {
                    let (half, rest) = text.split_at_checked(2)?;
                    *text = rest;
                    parts.afternoon = Some(match half.to_ascii_lowercase().as_slice() {
                        b"am" => false,
                        b"pm" => true,
                        _ => return None,
                    });
                }
                // The count of a smaller unit: its last digits are the fraction, which comes next.
                Piece::Epoch { behind } if *behind > 0 => {
                    let digits = text.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count() + 1;
                    let (count, rest) = text.split_at_checked(digits)?;
                    *text = rest;
                    let (count, units) =
                        (crate::numbers::int(count)?, 10i64.checked_pow(u32::try_from(*behind).ok()?)?);
                    parts.epoch = Some(count.div_euclid(units));
                    parts.fraction = (i128::from(count.rem_euclid(units)) * 1_000_000 / i128::from(units)) as u32;
                    pieces.next();
                }
                Piece::Epoch { .. } => {
                    let digits = text.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count() + 1;
                    let (whole, rest) = text.split_at_checked(digits)?;
                    *text = rest;
                    parts.epoch = Some(crate::numbers::int(whole)?);
                }
                Piece::Offset => parts.ahead = Some(offset(text)?),
                Piece::Plain(wanted) => plain(text, *wanted)?,
            }
        }
        text.is_empty().then_some(parts)
    }
}

impl<'de> Deserialize<'de> for MomentFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MomentFormat, D::Error> {
        spec::read_text(deserializer, "a strptime format such as %d.%m.%Y", MomentFormat::new)
    }
}

impl Serialize for MomentFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl schemars::JsonSchema for MomentFormat {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DateFormat".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "A strptime format such as `%d.%m.%Y %H:%M`." })
    }
}

fn is_of_date(piece: &Piece) -> bool {
    let part = |part: Part| matches!(part, Part::Year | Part::ShortYear | Part::Month | Part::Day | Part::DayOfYear);
    match piece {
        Piece::Number(of, _) => part(*of),
        Piece::MonthName | Piece::Weekday | Piece::Epoch { .. } | Piece::Offset => true,
        _ => false,
    }
}

fn is_of_moment(piece: &Piece) -> bool {
    !matches!(piece, Piece::Plain(_) | Piece::Epoch { .. } | Piece::Fraction { .. })
}

/// Adds the pieces of `letters`, which are a part of `format`.
fn read_letters(letters: &str, format: &str, pieces: &mut Vec<Piece>) -> Result<(), String> {
    let unknown = || format!("\"{format}\" is not a date format; write strftime's letters, such as \"%Y-%m-%d\"");
    let mut rest = letters;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        if first != '%' {
            pieces.extend(first.to_string().bytes().map(Piece::Plain));
            continue;
        }
        // How a number is filled up says nothing of how it is read, but that spaces may stand before it.
        let padded = rest.strip_prefix(['-', '_', '0']);
        let (blanks, unpadded) = (rest.starts_with('_'), rest.starts_with('-'));
        rest = padded.unwrap_or(rest);
        let (letter, behind) = letter(rest).ok_or_else(unknown)?;
        rest = behind;
        let number = |part: Part, least: usize, most: usize| {
            Piece::Number(part, Width { least: if unpadded { 1 } else { least }, most, blanks })
        };
        let spaced = |part: Part| Piece::Number(part, Width { least: 1, most: 2, blanks: true });
        pieces.push(match letter {
            "Y" => Piece::Number(Part::Year, Width { least: 4, most: 4, blanks: false }),
            "y" => Piece::Number(Part::ShortYear, Width { least: 2, most: 2, blanks: false }),
            "m" => number(Part::Month, 1, 2),
            "d" => number(Part::Day, 1, 2),
            "e" => spaced(Part::Day),
            "j" => number(Part::DayOfYear, 1, 3),
            "H" => number(Part::Hour, 1, 2),
            "k" => spaced(Part::Hour),
            "I" => number(Part::HourOfTwelve, 1, 2),
            "l" => spaced(Part::HourOfTwelve),
            "M" => number(Part::Minute, 1, 2),
            "S" => number(Part::Second, 1, 2),
            "f" => Piece::Fraction { point: false, digits: None },
            ".f" => Piece::Fraction { point: true, digits: None },
            "3f" | "6f" | "9f" | ".3f" | ".6f" | ".9f" => {
                let point = letter.starts_with('.');
                let digits = letter.trim_start_matches('.').trim_end_matches('f').parse().ok();
                Piece::Fraction { point, digits }
            }
            "b" | "h" | "B" => Piece::MonthName,
            "a" | "A" => Piece::Weekday,
            "p" | "P" => Piece::Half,
            "s" => Piece::Epoch { behind: 0 },
            "z" | ":z" | "#z" => Piece::Offset,
            "%" => Piece::Plain(b'%'),
            "n" => Piece::Plain(b'\n'),
            "t" => Piece::Plain(b'\t'),
            "+" => {
                read_letters("%Y-%m-%dT%H:%M:%S%.f%:z", format, pieces)?;
                continue;
            }
            "Z" => {
                return Err(format!(
                    "\"{format}\" has %Z, the name of a time zone, which is ambiguous (CST is three zones); where it is \
                     always the same, write it into the format, such as \"%H:%M CET\", and add 'zone: Europe/Berlin'"
                ));
            }
            "U" | "W" | "V" | "G" | "g" | "u" | "w" | "C" | "q" => {
                return Err(format!(
                    "\"{format}\" has %{letter}, which is not supported; keep the text, and make the date from it in clean \
                     by SQL"
                ));
            }
            _ => match SHORTHANDS.iter().find(|(known, _)| *known == letter) {
                Some((_, long)) => {
                    read_letters(long, format, pieces)?;
                    continue;
                }
                None => return Err(unknown()),
            },
        });
    }
    Ok(())
}

/// The letter after a `%`, with what belongs to it.
fn letter(text: &str) -> Option<(&str, &str)> {
    let known = [".3f", ".6f", ".9f", "3f", "6f", "9f", ".f", ":z", "#z"];
    let length = match known.iter().find(|known| text.starts_with(**known)) {
        Some(known) => known.len(),
        None => text.chars().next()?.len_utf8(),
    };
    Some(text.split_at(length))
}

/// Numbers that touch other numbers need all their digits; %s leaves those of a fraction behind it.
fn widen_what_touches(pieces: &mut [Piece]) {
    let is_digits = |piece: Option<&Piece>| match piece {
        Some(Piece::Number(..) | Piece::Epoch { .. }) => true,
        Some(Piece::Fraction { point, .. }) => !point,
        Some(Piece::Plain(byte)) => byte.is_ascii_digit(),
        _ => false,
    };
    for at in 0..pieces.len() {
        let before = at.checked_sub(1).is_some_and(|before| is_digits(pieces.get(before)));
        let touches = before || is_digits(pieces.get(at + 1));
        let behind = match pieces.get(at + 1) {
            Some(Piece::Fraction { point: false, digits }) => digits.unwrap_or(0),
            _ => 0,
        };
        match &mut pieces[at] {
            Piece::Number(_, width) if touches && !width.blanks => width.least = width.most,
            Piece::Epoch { behind: left } => *left = behind,
            _ => {}
        }
    }
}

/// Takes one of `names` off the front, whole or its first three letters, in any case: its place.
fn name(text: &mut &[u8], names: &[&str]) -> Option<u32> {
    let starts = |long: &str| text.get(..long.len()).is_some_and(|head| head.eq_ignore_ascii_case(long.as_bytes()));
    let whole = names.iter().position(|long| starts(long)).map(|at| (at, names[at].len()));
    let (at, length) = whole.or_else(|| Some((names.iter().position(|long| starts(&long[..3]))?, 3)))?;
    *text = &text[length..];
    u32::try_from(at).ok()
}

#[cfg(test)]
mod tests;
