//! Writes JSON piece by piece into a buffer: answers and log lines are made thousands of times per second.

use serde::Serialize;

use crate::cell::Cell;

/// Appends a value: texts with their quotes and escapes, floats as the shortest text that is read as the same float.
pub fn value(buffer: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Writing into memory cannot fail, and none of the types that are written has a key other than a text.
    let _ = serde_json::to_writer(buffer, value);
}

/// Whole numbers below this are written digit by digit, which takes a third of the time of the shortest text of a float. Most
/// numbers in a log of requests are counts.
const DIGITS: f64 = 1e15;

/// Appends a number; NaN, which JSON does not have, as null.
pub fn number(buffer: &mut Vec<u8>, number: f64) {
    let is_whole = number.trunc() == number && number.abs() < DIGITS && !(number == 0.0 && number.is_sign_negative());
    if !is_whole {
        return value(buffer, &number);
    }
    buffer.extend_from_slice(digits(number < 0.0, number.abs() as u64, &mut [0; 21]));
    buffer.extend_from_slice(b".0");
}

/// The digits of a whole number, written into `buffer`.
fn digits(is_negative: bool, magnitude: u64, buffer: &mut [u8; 21]) -> &[u8] {
    let (mut at, mut rest) = (buffer.len(), magnitude);
    loop {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if is_negative {
        at -= 1;
        buffer[at] = b'-';
    }
    &buffer[at..]
}

/// The text of a whole number, written into `buffer`.
pub fn whole(number: i64, buffer: &mut [u8; 21]) -> &str {
    std::str::from_utf8(digits(number < 0, number.unsigned_abs(), buffer)).unwrap_or_default()
}

/// Appends a cell as [`Cell::json`] gives it.
pub fn cell(buffer: &mut Vec<u8>, cell: &Cell<'_>) {
    match cell {
        Cell::Int(number) => buffer.extend_from_slice(digits(*number < 0, number.unsigned_abs(), &mut [0; 21])),
        Cell::Text(of) => text(buffer, of),
        other => value(buffer, &other.json()),
    }
}

/// Appends a text with its quotes. Few texts have characters to escape.
pub fn text(buffer: &mut Vec<u8>, text: &str) {
    if has_escapes(text.as_bytes()) {
        return value(buffer, text);
    }
    buffer.push(b'"');
    buffer.extend_from_slice(text.as_bytes());
    buffer.push(b'"');
}

/// Whether a text has something to escape. Eight bytes at a time, without a branch for each, so that the compiler uses SIMD.
fn has_escapes(bytes: &[u8]) -> bool {
    let is_escaped = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    let (eights, rest) = bytes.as_chunks::<8>();
    let among = |bytes: &[u8]| bytes.iter().fold(false, |found, byte| found | is_escaped(byte));
    eights.iter().any(|eight| among(eight)) || rest.iter().any(is_escaped)
}

/// `"name":`, for names that are written again and again.
pub fn prepared_key(name: &str) -> Box<[u8]> {
    let mut key = Vec::with_capacity(name.len() + 3);
    text(&mut key, name);
    key.push(b':');
    key.into()
}

/// Appends what [`prepared_key`] made, with a comma before it unless it is the first.
pub fn append_key(buffer: &mut Vec<u8>, key: &[u8]) {
    if buffer.last() != Some(&b'{') {
        buffer.push(b',');
    }
    buffer.extend_from_slice(key);
}

/// Appends `"name":` with a comma before it unless it is the first.
pub fn key(buffer: &mut Vec<u8>, name: &str) {
    if buffer.last() != Some(&b'{') {
        buffer.push(b',');
    }
    text(buffer, name);
    buffer.push(b':');
}

/// Appends `"name":value`.
pub fn field(buffer: &mut Vec<u8>, name: &str, of: &(impl Serialize + ?Sized)) {
    key(buffer, name);
    value(buffer, of);
}

/// Appends a list, each item by `write`.
pub fn list<T>(buffer: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    buffer.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            buffer.push(b',');
        }
        write(buffer, item);
    }
    buffer.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let mut buffer = b"{".to_vec();
        field(&mut buffer, "a\"b", "x\n");
        key(&mut buffer, "list");
        list(&mut buffer, [0.1 + 0.2, 5e-324, f64::NAN], number);
        buffer.push(b'}');
        assert_eq!(String::from_utf8(buffer).unwrap(), r#"{"a\"b":"x\n","list":[0.30000000000000004,5e-324,null]}"#);
    }

    #[test]
    fn texts_and_cells_are_written_as_every_other_value_is() {
        let of_all_lengths = |special: &'static str| {
            (0..20).flat_map(move |before| (0..20).map(move |after| "a".repeat(before) + special + &"b".repeat(after)))
        };
        let specials = ["", "a", "\"", "\\", "\n", "\u{1}", "\u{1f}", "\u{7f}", "ü😀", "/", " ", "!", "#", "[", "]"];
        for of in specials.into_iter().flat_map(of_all_lengths) {
            let (mut ours, mut usual) = (Vec::new(), Vec::new());
            text(&mut ours, &of);
            value(&mut usual, &of);
            assert_eq!(ours, usual, "{of:?}");
            let (mut prepared, mut plain) = (b"{".to_vec(), b"{".to_vec());
            append_key(&mut prepared, &prepared_key(&of));
            key(&mut plain, &of);
            assert_eq!(prepared, plain, "{of:?}");
        }
        for number in [0, 7, -7, i64::MAX, i64::MIN] {
            assert_eq!(whole(number, &mut [0; 21]), number.to_string());
        }
        for of in [Cell::Int(-12), Cell::Unsigned(u64::MAX), Cell::Text("x\"".into()), Cell::Float(0.5), Cell::Null] {
            let (mut ours, mut usual) = (Vec::new(), Vec::new());
            cell(&mut ours, &of);
            value(&mut usual, &of.json());
            assert_eq!(ours, usual, "{of:?}");
        }
    }

    #[test]
    fn numbers_are_written_as_every_other_value_is() {
        let mut random = spec::random::Random::new(7, 2);
        let mut numbers =
            vec![0.0, -0.0, 1.0, -1.0, 1e15, -1e15, 1e15 - 1.0, 1e16, f64::NAN, f64::INFINITY, 0.5, -999.0];
        for _ in 0..20_000 {
            let whole = random.below(usize::MAX) as f64;
            let scale = 10f64.powi(random.below(24) as i32);
            numbers.extend([whole / scale, (whole / scale).trunc(), -(whole / scale).trunc()]);
        }
        for of in numbers {
            let (mut ours, mut usual) = (Vec::new(), Vec::new());
            number(&mut ours, of);
            value(&mut usual, &of);
            assert_eq!(ours, usual, "{of}");
        }
    }
}
