//! Lines, fields and numbers of a model text. Nothing is believed: every error names its cause, and the caller adds the
//! line.

use std::str::{FromStr, SplitInclusive};

use crate::checked::{Checked, shown};

/// Lines one by one. The last must be closed, too: a text that was cut off anywhere is refused.
pub(crate) struct Reader<'a> {
    lines: SplitInclusive<'a, char>,
    /// The line that was read last, counted from 1.
    pub number: usize,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Reader<'a> {
        Reader { lines: text.split_inclusive('\n'), number: 0 }
    }

    pub fn next(&mut self, wanted: &str) -> Checked<&'a str> {
        Ok(self.next_sized(wanted)?.0)
    }

    /// The line, and its length in bytes with its end.
    pub fn next_sized(&mut self, wanted: &str) -> Checked<(&'a str, usize)> {
        self.number += 1;
        let line = self.lines.next().ok_or_else(|| format!("the text ends where {wanted} is expected"))?;
        let whole = line.strip_suffix('\n').ok_or_else(|| format!("the text is cut off in {wanted}"))?;
        match whole.find(|c: char| c.is_control()) {
            Some(_) => Err(format!("{wanted} holds a control character")),
            None => Ok((whole, line.len())),
        }
    }

    /// A line that must read as `wanted`.
    pub fn expect(&mut self, wanted: &str, words: &str) -> Checked<()> {
        match self.next(words)? {
            line if line == wanted => Ok(()),
            line => Err(format!("{} where {words} is expected", shown(line))),
        }
    }

    /// The next line, whether it is closed or not; `None` after the last.
    pub fn rest(&mut self) -> Option<&'a str> {
        let line = self.lines.next()?;
        self.number += 1;
        Some(line.trim_end_matches('\n'))
    }
}

/// Lines `name=value`, each name once.
#[derive(Default)]
pub(crate) struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    pub fn add_line(&mut self, line: &'a str) -> Checked<()> {
        let (name, value) = line.split_once('=').ok_or_else(|| format!("{} is not 'name=value'", shown(line)))?;
        // LightGBM splits names of features at blanks only: they may hold the sign.
        if value.contains('=') && name != "feature_names" {
            return Err(format!("'{}' has two values", name.escape_debug()));
        }
        self.add(name, value)
    }

    pub fn add(&mut self, name: &'a str, value: &'a str) -> Checked<()> {
        match self.0.iter().any(|(known, _)| *known == name) {
            true => Err(format!("{} is given twice", shown(name))),
            false => {
                self.0.push((name, value));
                Ok(())
            }
        }
    }

    pub fn take_if_there(&mut self, name: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    pub fn take(&mut self, name: &str) -> Checked<&'a str> {
        self.take_if_there(name).ok_or_else(|| format!("'{name}' is missing"))
    }

    /// A list of one number for each leaf or split. Of a tree of one leaf some lists are left out, or hold a number that is
    /// not read.
    pub fn list<T: FromStr>(&mut self, name: &str, length: usize, leaves: usize) -> Checked<Vec<T>> {
        let needed = name == "leaf_value" || leaves > 1;
        let Some(text) = self.take_if_there(name) else {
            return if needed { Err(format!("'{name}' is missing")) } else { Ok(Vec::new()) };
        };
        let values = numbers(text, name)?;
        match (needed, values.len()) {
            (true, found) => check_length(name, found, length).map(|()| values),
            (false, 0 | 1) => Ok(Vec::new()),
            (false, found) => Err(format!("'{name}' has {found} numbers in a tree of one leaf")),
        }
    }

    pub fn nothing_left(&self) -> Checked<()> {
        match self.0.first() {
            Some((name, _)) => Err(format!("{} is not known", shown(name))),
            None => Ok(()),
        }
    }
}

/// Numbers with one blank between them.
pub(crate) fn numbers<T: FromStr>(text: &str, name: &str) -> Checked<Vec<T>> {
    match text {
        "" => Ok(Vec::new()),
        text => text.split(' ').map(|part| number(part, name)).collect(),
    }
}

/// Numbers with any number of blanks around them: the lists of linear leaves have one group per leaf.
pub(crate) fn groups<T: FromStr>(text: &str, name: &str, length: usize) -> Checked<Vec<T>> {
    let values: Vec<T> =
        text.split(' ').filter(|part| !part.is_empty()).map(|part| number(part, name)).collect::<Checked<_>>()?;
    check_length(name, values.len(), length).map(|()| values)
}

/// A number without sign characters, blanks or words that Rust reads and C++ does not.
pub(crate) fn number<T: FromStr>(text: &str, name: &str) -> Checked<T> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) && !text.starts_with('+');
    let special = matches!(text, "inf" | "-inf" | "nan" | "-nan");
    let number = if plain || special { text.parse().ok() } else { None };
    number.ok_or_else(|| format!("'{name}' holds {}", shown(text)))
}

pub(crate) fn check_length(name: &str, found: usize, wanted: usize) -> Checked<()> {
    match found == wanted {
        true => Ok(()),
        false => Err(format!("'{name}' has {found} entries, not {wanted}")),
    }
}

/// A number as LightGBM's `Common::Atof` reads it, which does not round as IEEE does: the slope of a sigmoid and the gains
/// are read so, and results must equal LightGBM's to the last bit. `text` has passed [`number`].
pub(crate) fn atof(text: &str) -> f64 {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    if text.starts_with('i') {
        return sign * 1e308;
    }
    if text.starts_with('n') {
        return f64::NAN;
    }
    let mut bytes = text.bytes().peekable();
    let mut digits = |value: &mut f64| {
        let mut count = 0;
        while let Some(digit) = bytes.next_if(u8::is_ascii_digit) {
            *value = *value * 10.0 + f64::from(digit - b'0');
            count += 1;
        }
        (count, bytes.next())
    };
    let mut value = 0.0;
    let (_, mut stop) = digits(&mut value);
    if stop == Some(b'.') {
        let mut right = 0.0;
        let (count, after) = digits(&mut right);
        value += right / power(10.0, count);
        stop = after;
    }
    if !matches!(stop, Some(b'e' | b'E')) {
        return sign * value;
    }
    let negative = bytes.next_if(|byte| matches!(byte, b'-' | b'+')) == Some(b'-');
    let mut exponent: u32 = 0;
    while let Some(digit) = bytes.next_if(u8::is_ascii_digit) {
        exponent = exponent.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'));
    }
    let mut exponent = exponent.min(308);
    let mut scale = 1.0;
    for (step, factor) in [(50, 1e50), (8, 1e8), (1, 10.0)] {
        while exponent >= step {
            scale *= factor;
            exponent -= step;
        }
    }
    sign * if negative { value / scale } else { value * scale }
}

/// LightGBM's `Common::Pow` for exponents from 0: the order of its products decides the last bit.
fn power(base: f64, exponent: u32) -> f64 {
    match exponent {
        0 => 1.0,
        even if even % 2 == 0 => power(base * base, even / 2),
        third if third % 3 == 0 => power(base * base * base, third / 3),
        other => base * power(base, other - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atof_reads_what_it_is_given() {
        for (text, value) in [("0.5", 0.5), ("-12", -12.0), ("1e3", 1000.0), ("25e-1", 2.5), ("1.5E+2", 150.0)] {
            assert_eq!(atof(text), value, "{text}");
        }
        assert_eq!(atof("-inf"), -1e308);
        assert!(atof("nan").is_nan());
    }

    #[test]
    fn atof_rounds_as_lightgbm_does() {
        // 0.3 has the digits 3 and the power 1: 3 / 10 is what IEEE rounds to. 17 digits are not exact any more.
        assert_eq!(atof("0.3"), 0.3);
        assert_ne!(Ok(atof("0.12345678901234567891")), "0.12345678901234567891".parse());
        assert!((atof("0.12345678901234567891") - 0.123_456_789_012_345_68).abs() < 1e-16);
    }
}
