//! Numbers as people write them: with a decimal comma, and with something between thousands.

use serde::Deserialize;
use spec::{ColumnType, Error};
use values::{Number, numbers};

/// The most bytes of a number.
const LONGEST: usize = 64;

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numerals {
    decimal: char,
    thousands: Option<char>,
    /// The source has keys for both.
    has_keys: bool,
}

impl Default for Numerals {
    fn default() -> Numerals {
        Numerals { decimal: '.', thousands: None, has_keys: false }
    }
}

/// Ways of writing numbers that are suggested, the commonest first.
const WAYS: [(char, Option<char>); 8] = [
    (',', None),
    ('.', Some(',')),
    (',', Some('.')),
    ('.', Some(' ')),
    (',', Some(' ')),
    ('.', Some('\'')),
    (',', Some('\'')),
    ('.', Some('_')),
];

impl Numerals {
    pub(crate) fn new(decimal: Option<Mark>, thousands: Option<Mark>) -> Result<Numerals, String> {
        let decimal = decimal.map_or('.', |mark| mark.0);
        let thousands = thousands.map(|mark| mark.0);
        match thousands == Some(decimal) {
            true => Err(format!(
                "'decimal' and 'thousands' are both '{decimal}'; name both if thousands are marked by a point"
            )),
            false => Ok(Numerals { decimal, thousands, has_keys: true }),
        }
    }

    /// The characters before the fraction, and between thousands.
    pub(crate) fn marks(&self) -> (char, Option<char>) {
        (self.decimal, self.thousands)
    }

    pub(crate) fn are_plain(&self) -> bool {
        (self.decimal, self.thousands) == ('.', None)
    }

    /// Which keys of the source would read `text`, if it is a number that is written in another way.
    pub(crate) fn way_out(&self, text: &str, column_type: ColumnType) -> Option<String> {
        let text = text.trim().as_bytes();
        if !self.has_keys || !self.are_plain() || text.len() > LONGEST || !is_number(column_type) {
            return None;
        }
        let is_float = matches!(column_type, ColumnType::Float32 | ColumnType::Float64);
        // A text that is a number unchanged was refused for another reason.
        let is_plain = if is_float { numbers::float(text).is_some() } else { numbers::int(text).is_some() };
        if is_plain {
            return None;
        }
        let mut ways: Vec<(f64, String)> = Vec::new();
        for (decimal, thousands) in WAYS {
            let numerals = Numerals { decimal, thousands, ..*self };
            let value = match is_float {
                true => numerals.read(text, numbers::float),
                false => numerals.read(text, numbers::int).map(|value| value as f64),
            };
            let Some(value) = value.filter(|value| ways.iter().all(|(known, _)| known != value)) else { continue };
            let keys: Vec<String> = [("decimal", Some(decimal).filter(|mark| *mark != '.')), ("thousands", thousands)]
                .into_iter()
                .filter_map(|(key, mark)| Some(format!("{key}: \"{}\"", mark?)))
                .collect();
            ways.push((value, format!("{} reads it as {value}", keys.join(" with "))));
        }
        let ways: Vec<String> = ways.into_iter().map(|(_, way)| way).collect();
        (!ways.is_empty()).then(|| ways.join(", "))
    }

    /// Writes the number as programs do, and returns its length. Thousands are marked everywhere or nowhere: groups of
    /// three digits after the first, so that `1.5` is no 15.
    fn plain(&self, text: &[u8], plain: &mut [u8; LONGEST]) -> Option<usize> {
        let text = std::str::from_utf8(text).ok()?;
        let mut length = 0;
        let mut put = |byte: char| {
            *plain.get_mut(length)? = u8::try_from(byte).ok()?;
            length += 1;
            Some(())
        };
        let (mut group, mut groups, mut behind, mut is_zero_first) = (0, 0, false, false);
        for (at, letter) in text.chars().enumerate() {
            let is_whole = !behind && letter.is_ascii_digit();
            if is_whole {
                is_zero_first |= group == 0 && groups == 0 && letter == '0';
                group += 1;
                put(letter)?;
                continue;
            }
            if !behind && self.parts(letter) {
                // The first group has up to three digits, every other just three. A separator does not follow a
                // leading zero.
                if group == 0 || group > 3 || groups > 0 && group != 3 || groups == 0 && is_zero_first {
                    return None;
                }
                groups += 1;
                group = 0;
                continue;
            }
            let is_end_of_whole = !behind && (letter == self.decimal || matches!(letter, 'e' | 'E'));
            if is_end_of_whole {
                // Nor does anybody group the digits before an exponent.
                if groups > 0 && (group != 3 || letter != self.decimal) {
                    return None;
                }
                behind = true;
                put(if letter == self.decimal { '.' } else { letter })?;
                continue;
            }
            match letter {
                '-' | '+' if at == 0 || behind => put(letter)?,
                '0'..='9' | 'e' | 'E' if behind => put(letter)?,
                _ => return None,
            }
        }
        (behind || groups == 0 || group == 3).then_some(length)
    }

    /// Whether this character separates thousands. A space is any space that may be written there.
    fn parts(&self, letter: char) -> bool {
        match self.thousands {
            None => false,
            Some(' ') => matches!(letter, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}'),
            Some('\'') => matches!(letter, '\'' | '\u{2019}'),
            Some(mark) => letter == mark,
        }
    }
}

pub(crate) fn is_number(column_type: ColumnType) -> bool {
    let others = [
        ColumnType::String,
        ColumnType::Category,
        ColumnType::Bool,
        ColumnType::Date,
        ColumnType::Datetime,
        ColumnType::Time,
    ];
    !others.contains(&column_type)
}

impl Number for Numerals {
    #[inline]
    fn read<T>(&self, text: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        match self.are_plain() {
            true => read(text),
            false => {
                let mut plain = [0; LONGEST];
                let length = self.plain(text, &mut plain)?;
                read(&plain[..length])
            }
        }
    }
}

/// A character within numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(char);

fn mark(text: &str) -> Result<Mark, Error> {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if !letter.is_alphanumeric() && !matches!(letter, '-' | '+' | '\n' | '\r' | '\0') => {
            Ok(Mark(letter))
        }
        _ => Err(Error::cannot_run(format!("'{text}' cannot be part of a number"))
            .hint("write one character, such as ',', '.', ' ' or an apostrophe")),
    }
}

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Mark, D::Error> {
        spec::read_text(deserializer, "a character within numbers", mark)
    }
}

impl schemars::JsonSchema for Mark {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mark".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": 1, "examples": [",", ".", " ", "'"] })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numerals(decimal: char, thousands: Option<char>) -> Numerals {
        Numerals::new(Some(Mark(decimal)), thousands.map(Mark)).unwrap()
    }

    #[test]
    fn numbers_of_many_countries() {
        let float = |numerals: Numerals, text: &str| numerals.read(text.as_bytes(), numbers::float);
        let german = numerals(',', Some('.'));
        for (text, value) in [
            ("1.234,5", 1234.5),
            ("-1.234.567", -1_234_567.0),
            ("0,25", 0.25),
            ("12", 12.0),
            ("1234,5", 1234.5),
            ("1,5e3", 1500.0),
            ("0", 0.0),
            ("0,5", 0.5),
            ("007", 7.0),
            ("10.000", 10_000.0),
        ] {
            assert_eq!(float(german, text), Some(value), "{text}");
        }
        for text in [
            "1.5",
            "12.34,5",
            "1.2345",
            ".123",
            "1,234.5",
            "1..234",
            "1.234.",
            "1,2,3",
            "",
            "-",
            "a",
            "1-2",
            "1,234,567",
            "0.123",
            "001.234",
            "-0.500",
            "1.234E2",
            "1.234e5",
        ] {
            assert_eq!(float(german, text), None, "{text}");
        }
        assert_eq!(float(numerals(',', None), "1.234"), None, "a point that nothing was said of");
        for text in ["1 234,5", "1\u{a0}234,5", "1\u{202f}234,5"] {
            assert_eq!(float(numerals(',', Some(' ')), text), Some(1234.5), "{text}");
        }
        assert_eq!(float(numerals('.', Some('\'')), "1’234.5"), Some(1234.5));
        assert_eq!(numerals('.', Some(',')).read(b"82,500", numbers::int), Some(82_500));
        assert_eq!(numerals('.', Some(',')).read(b"8,2500", numbers::int), None);
        assert!(Numerals::new(None, Some(Mark('.'))).is_err());
    }

    #[test]
    fn the_keys_that_would_read_a_number_are_named() {
        let plain = Numerals::new(None, None).unwrap();
        let float = |text: &str| plain.way_out(text, ColumnType::Float64).unwrap_or_default();
        assert_eq!(float("1.234,50"), "decimal: \",\" with thousands: \".\" reads it as 1234.5");
        assert_eq!(float("1 234,50"), "decimal: \",\" with thousands: \" \" reads it as 1234.5");
        assert_eq!(float("12,5"), "decimal: \",\" reads it as 12.5");
        assert_eq!(float("1,234"), "decimal: \",\" reads it as 1.234, thousands: \",\" reads it as 1234");
        assert_eq!(float("1\u{a0}234"), "thousands: \" \" reads it as 1234");
        assert_eq!(
            plain.way_out("1.234", ColumnType::Int64).unwrap(),
            "decimal: \",\" with thousands: \".\" reads it as 1234"
        );
        for text in ["abc", "", "1,2,3", "12-5"] {
            assert_eq!(float(text), "", "{text}");
        }
        assert_eq!(Numerals::default().way_out("12,5", ColumnType::Float64), None, "a source without these keys");
        assert_eq!(plain.way_out("12,5", ColumnType::Date), None);
    }

    /// Writes a number with marks, as a reference that shares nothing with the reading.
    fn written(whole: u64, fraction: Option<u32>, decimal: char, thousands: char) -> String {
        let digits: Vec<u8> = whole.to_string().bytes().rev().collect();
        let groups: Vec<String> =
            digits.chunks(3).map(|group| group.iter().rev().map(|digit| char::from(*digit)).collect()).collect();
        let whole = groups.into_iter().rev().collect::<Vec<_>>().join(&thousands.to_string());
        fraction.map_or(whole.clone(), |fraction| format!("{whole}{decimal}{fraction}"))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(whole in 0u64..10_000_000_000, fraction in prop::option::of(0u32..100_000), swiss: bool) {
            let (decimal, thousands) = if swiss { ('.', '\'') } else { (',', '.') };
            let plain = fraction.map_or(whole.to_string(), |fraction| format!("{whole}.{fraction}"));
            let text = written(whole, fraction, decimal, thousands);
            prop_assert_eq!(numerals(decimal, Some(thousands)).read(text.as_bytes(), numbers::float), plain.parse::<f64>().ok());
        }
    }
}
