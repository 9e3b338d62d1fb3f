//! How values are put into sentences: the same in every message.

use std::error::Error;

/// A share in percent with at most two decimals: `33.33 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent != 0.0 && percent.abs() < 0.01 {
        return "less than 0.01 %".to_owned();
    }
    format!("{} %", number((percent * 100.0).round() / 100.0))
}

/// A number without needless digits: at most six significant ones beyond the point.
pub fn number(value: f64) -> String {
    // Adding zero makes -0.0, which is the sum of no values, plain 0.
    let value = value + 0.0;
    if value == value.trunc() || !value.is_finite() {
        return format!("{value}");
    }
    let decimals = (5 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    format!("{value:.decimals$}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How many there are of something that takes an `s` in the plural: `1 row`, `2 rows`.
pub fn count(number: u64, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{number} {one}s"),
    }
}

/// The text if it has at most `most` characters; else its beginning and `…`, which together have as many.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// The text on one line, with single spaces.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `bytes` as text for people; what is not UTF-8 is written `\xNN`.
pub fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

/// Texts as one, joined by `/`, so that others never give the same: a `/` within one of them becomes `\/`, and a `\` is doubled.
pub fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let escaped = texts.map(|text| text.replace('\\', "\\\\").replace('/', "\\/"));
    escaped.collect::<Vec<_>>().join("/")
}

/// `%2F` as `/`: a part of an address as it was before it was written there. What is no escape stays as it is.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        let hex = others.get(..2).filter(|hex| *first == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        match hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &others[2..];
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Texts in columns under their names; empty without rows. A row that is shorter than the names ends with empty cells.
pub fn aligned<Row: AsRef<[String]>>(names: &[&str], rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let cell = |row: &Row, at: usize| row.as_ref().get(at).cloned().unwrap_or_default();
    let width = |at: usize| {
        let cells = rows.iter().map(|row| cell(row, at).chars().count());
        cells.chain([names[at].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let line = |cells: Vec<String>| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let head = line(names.iter().map(|name| (*name).to_owned()).collect());
    rows.iter().fold(head, |text, row| text + &line((0..names.len()).map(|at| cell(row, at)).collect()))
}

/// The cause of all causes of an error, without its error number. What surrounds it
/// mostly repeats what we say ourselves.
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
    let text = causes.last().map(ToString::to_string).unwrap_or_default();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_in_columns() {
        let rows = [vec!["a".to_owned(), "é1".to_owned()], vec!["long".to_owned()]];
        assert_eq!(aligned(&["x", "y"], &rows), "x     y\na     é1\nlong\n");
        assert_eq!(aligned::<Vec<String>>(&["x"], &[]), "");
    }

    #[test]
    fn joined_texts_can_be_told_apart() {
        let of = |texts: &[&str]| joined(texts.iter().copied());
        assert_eq!(of(&["a", "b"]), "a/b");
        assert_eq!([of(&["a/b", "c"]), of(&["a", "b/c"]), of(&["a\\", "b"])], ["a\\/b/c", "a/b\\/c", "a\\\\/b"]);
    }

    #[test]
    fn only_escapes_are_decoded() {
        assert_eq!(decoded("a%2Fb%c3%a9"), "a/bé");
        // A sign is no digit.
        assert_eq!(decoded("50%+5 100% %"), "50%+5 100% %");
    }

    #[test]
    fn shares_and_numbers_are_short() {
        assert_eq!([percent(0.012), percent(1.0 / 3.0), percent(1.0)], ["1.2 %", "33.33 %", "100 %"]);
        assert_eq!([percent(1e-7), percent(0.0)], ["less than 0.01 %", "0 %"]);
        assert_eq!(
            [number(3.0), number(0.1 + 0.2), number(1234.56789), number(1e-7), number(-2.5), number(-0.0)],
            ["3", "0.3", "1234.57", "0.0000001", "-2.5", "0"]
        );
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(
            [count(0, "row"), count(1, "row"), count(2, "changed cell")],
            ["0 rows", "1 row", "2 changed cells"]
        );
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("가나다라마", 5), "가나다라마");
        assert_eq!(cut("가나다라마바", 5), "가나다라…");
    }

    #[test]
    fn foreign_text_is_readable_on_one_line() {
        assert_eq!(one_line(" a\n\tb  c\r\n"), "a b c");
        assert_eq!(readable(b"a\xFF\xC3\xA9\xE2\x82"), "a\\xFF\u{e9}\\xE2\\x82");
    }

    #[test]
    fn the_innermost_cause_counts() {
        let inner = std::io::Error::from_raw_os_error(111);
        assert_eq!(root_cause(&std::io::Error::other(inner)), "connection refused");
        assert_eq!(root_cause(&"x".parse::<u8>().unwrap_err()), "invalid digit found in string");
    }
}
