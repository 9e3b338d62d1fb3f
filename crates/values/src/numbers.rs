//! Numbers and booleans out of text, strictly: the whole text must be one.

use spec::ColumnType;

/// Decimal digits with an optional sign.
#[inline]
pub fn int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    if digits.len() <= 18 {
        let mut value = 0i64;
        for digit in digits {
            let digit = digit.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        return Some(if negative { -value } else { value });
    }
    let text = std::str::from_utf8(text).ok()?;
    text.parse().ok()
}

/// Decimal digits with an optional `+`.
pub fn uint(text: &[u8]) -> Option<u64> {
    match int(text) {
        Some(value) => value.try_into().ok(),
        None => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// A decimal number with optional sign, fraction and exponent; correctly rounded. `nan`, `inf` and what is too
/// large or too small for a float64 are not numbers; nor is one without exponent whose digits before the point would not
/// come back, such as 9007199254740993.
///
/// Up to 15 digits the digits and the power of ten are exact floats, so that one division rounds correctly
/// (Clinger, "How to Read Floating Point Numbers Accurately", 1990); the rest is left to the standard library.
#[inline]
pub fn float(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.len() > 16 {
        return slow_float(text);
    }
    let mut mantissa = 0u64;
    let mut count = 0;
    let mut point = None;
    for (i, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + u64::from(byte - b'0');
                count += 1;
            }
            b'.' if point.is_none() => point = Some(i),
            _ => return slow_float(text),
        }
    }
    if count == 0 || count > 15 {
        return slow_float(text);
    }
    let fraction = point.map_or(0, |point| digits.len() - 1 - point);
    let value = mantissa as f64 / POWERS[fraction];
    Some(if negative { -value } else { value })
}

fn slow_float(text: &[u8]) -> Option<f64> {
    let text = written(text)?;
    let value: f64 = text.parse().ok()?;
    let kept =
        value.is_finite() && (value != 0.0 || is_zero(text)) && (whole_digits(text) <= 15 || comes_back(text, &value));
    kept.then_some(value)
}

/// As [`float`], correctly rounded to a float32.
pub fn float32(text: &[u8]) -> Option<f32> {
    let text = written(text)?;
    let value: f32 = text.parse().ok()?;
    let kept =
        value.is_finite() && (value != 0.0 || is_zero(text)) && (whole_digits(text) <= 6 || comes_back(text, &value));
    kept.then_some(value)
}

/// The nearest float32, unless there is none or it has lost more than its last digits.
pub fn narrow(value: f64) -> Option<f32> {
    let narrow = value as f32;
    (narrow.is_normal() || narrow.is_finite() && f64::from(narrow) == value).then_some(narrow)
}

/// The text, if it has no other characters than those of numbers: the standard library also reads "inf" and "nan".
fn written(text: &[u8]) -> Option<&str> {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    if !text.iter().all(is_part) {
        return None;
    }
    std::str::from_utf8(text).ok()
}

/// Why a type does not hold the number in a text; nothing if it holds it, or if the text is not a number. To be put behind
/// `is not an int8`.
pub fn why_not(text: &[u8], column_type: ColumnType) -> Option<String> {
    use ColumnType as C;
    let (low, high) = match column_type {
        C::Int8 => (i64::from(i8::MIN), i8::MAX as u64),
        C::Int16 => (i64::from(i16::MIN), i16::MAX as u64),
        C::Int32 => (i64::from(i32::MIN), i32::MAX as u64),
        C::Int64 => (i64::MIN, i64::MAX as u64),
        C::Uint8 => (0, u64::from(u8::MAX)),
        C::Uint16 => (0, u64::from(u16::MAX)),
        C::Uint32 => (0, u64::from(u32::MAX)),
        C::Uint64 => (0, u64::MAX),
        C::Float32 | C::Float64 => {
            let text = written(text)?;
            let value: f64 = text.parse().ok()?;
            let is_held = match column_type {
                C::Float32 => float32(text.as_bytes()).is_some(),
                _ => float(text.as_bytes()).is_some(),
            };
            if is_held {
                return None;
            }
            let nearest = if column_type == C::Float32 { f64::from(value as f32) } else { value };
            return Some(match nearest {
                _ if nearest.is_infinite() => "it is too large".to_owned(),
                _ if nearest == 0.0 => "it is too close to 0".to_owned(),
                _ if column_type == C::Float32 && float(text.as_bytes()).is_some() => {
                    "it would be rounded; declare the column as float64".to_owned()
                }
                _ if int(text.as_bytes()).is_some() => {
                    "it would be rounded; declare the column as int64 or string".to_owned()
                }
                _ => "it would be rounded; declare the column as string".to_owned(),
            });
        }
        _ => return None,
    };
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let is_whole = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let value: Option<i128> = std::str::from_utf8(text).ok()?.parse().ok();
    let is_held = value.is_some_and(|value| (i128::from(low)..=i128::from(high)).contains(&value));
    (is_whole && !is_held).then(|| format!("its values are {low} to {high}"))
}

fn is_zero(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    !mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

/// Digits before the point that count; none of a number with an exponent, which says itself that it is rounded.
fn whole_digits(text: &str) -> usize {
    if text.contains(['e', 'E']) {
        return 0;
    }
    let whole = text.trim_start_matches(['-', '+']).split('.').next().unwrap_or_default();
    whole.trim_start_matches('0').len()
}

/// Whether the number is written as it was: to the digit, or as programs write a number that is this one.
fn comes_back<T: std::fmt::Display>(text: &str, value: &T) -> bool {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let digits = digits.trim_start_matches('0');
    let digits = digits.strip_suffix('.').unwrap_or(digits);
    let behind = digits.split_once('.').map_or(0, |(_, behind)| behind.len());
    let text = format!("{sign}{digits}");
    let bare = if behind > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{value:.behind$}") == text || format!("{value}") == bare
}

/// A number as text that no reader takes for a code: an exponent only behind a point.
pub fn shown(value: f64) -> String {
    let text = format!("{value:?}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0e{exponent}"),
        _ => text,
    }
}

/// `true` or `false`, in any case.
pub fn truth_word(text: &[u8]) -> Option<bool> {
    match () {
        () if text.eq_ignore_ascii_case(b"true") => Some(true),
        () if text.eq_ignore_ascii_case(b"false") => Some(false),
        () => None,
    }
}

/// `true`/`false`, `t`/`f`, `yes`/`no`, `y`/`n`, `1`/`0`, in any case.
pub fn bool(text: &[u8]) -> Option<bool> {
    let mut lower = [0u8; 5];
    let lower = lower.get_mut(..text.len())?;
    lower.copy_from_slice(text);
    lower.make_ascii_lowercase();
    match &*lower {
        b"true" | b"t" | b"yes" | b"y" | b"1" => Some(true),
        b"false" | b"f" | b"no" | b"n" | b"0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers() {
        assert_eq!(int(b"007"), Some(7));
        assert_eq!(int(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(uint(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!((uint(b"-1"), uint(b"+1")), (None, Some(1)));
        for text in ["", "-", "+", "1.0", "1e3", "1 2", "9223372036854775808", "１"] {
            assert_eq!(int(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_that_a_type_does_not_hold_have_a_cause() {
        use ColumnType as C;
        for (text, of, why) in [
            ("1234567890123456789", C::Float64, "it would be rounded; declare the column as int64 or string"),
            ("12345678901234567890", C::Float64, "it would be rounded; declare the column as string"),
            ("16777217", C::Float32, "it would be rounded; declare the column as float64"),
            ("1e400", C::Float64, "it is too large"),
            ("-1e39", C::Float32, "it is too large"),
            ("1e-400", C::Float64, "it is too close to 0"),
            ("128", C::Int8, "its values are -128 to 127"),
            ("-1", C::Uint64, "its values are 0 to 18446744073709551615"),
            ("9223372036854775808", C::Int64, "its values are -9223372036854775808 to 9223372036854775807"),
        ] {
            assert_eq!(why_not(text.as_bytes(), of).as_deref(), Some(why), "{text}");
        }
        for (text, of) in [
            ("x", C::Float64),
            ("nan", C::Float64),
            ("1.5", C::Int64),
            ("", C::Int8),
            ("1", C::Date),
            ("1.5", C::Float64),
            ("127", C::Int8),
        ] {
            assert_eq!(why_not(text.as_bytes(), of), None, "{text}");
        }
    }

    #[test]
    fn floats() {
        assert_eq!(float(b".5"), Some(0.5));
        assert_eq!(float(b"5."), Some(5.0));
        assert_eq!(float(b"-1e3"), Some(-1000.0));
        assert_eq!(float(b"-0").map(f64::is_sign_negative), Some(true));
        for (text, value) in [
            ("9007199254740992", 2f64.powi(53)),
            ("100000000000000000000000", 1e23),
            ("1e23", 1e23),
            ("0.33333333333333333333", 1.0 / 3.0),
            ("0e5", 0.0),
        ] {
            assert_eq!(float(text.as_bytes()), Some(value), "{text}");
        }
        for text in ["9007199254740993", "-9007199254740993", "1234567890123456.78", "1e-400", "1e400"] {
            assert_eq!(float(text.as_bytes()), None, "{text}");
        }
        assert_eq!(
            [float32(b"0.1"), float32(b"16777216"), float32(b"1e38")],
            [Some(0.1), Some(16_777_216.0), Some(1e38)]
        );
        assert_eq!([float32(b"16777217"), float32(b"1e39"), float32(b"1e-60"), float32(b"nan")], [None; 4]);
        for text in ["", ".", "-", "1.2.3", "1,5", "nan", "inf", "1e999", "0x10", "abc", "--1", "e"] {
            assert_eq!(float(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn truth() {
        assert_eq!(
            [bool(b"TRUE"), bool(b"n"), bool(b"2"), bool(b""), bool(b"falsely")],
            [Some(true), Some(false), None, None, None]
        );
    }

    proptest! {
        #[test]
        fn floats_are_read_as_the_standard_library_reads_them(digits in "-?[0-9]{1,17}(\\.[0-9]{0,17})?") {
            let value: f64 = digits.parse().unwrap();
            let whole = digits.trim_start_matches('-').split('.').next().unwrap().trim_start_matches('0').to_owned();
            match float(digits.as_bytes()) {
                Some(read) => {
                    prop_assert_eq!(read.to_bits(), value.to_bits());
                    // A whole number that is read has the digits that were written.
                    let exact = format!("{:.0}", value.abs());
                    let back = if whole.is_empty() { "0" } else { &whole };
                    let shortest = format!("{}", value.abs());
                    prop_assert!(digits.contains('.') || exact == back || shortest == back, "{}", exact);
                }
                None => {
                    let back = format!("{:.0}", value.abs());
                    prop_assert!(whole.len() > 15 && (back != whole || digits.contains('.')), "{}", back);
                }
            }
        }
        #[test]
        fn integers_are_read_as_the_standard_library_reads_them(digits in "-?[0-9]{1,20}") {
            prop_assert_eq!(int(digits.as_bytes()), digits.parse::<i64>().ok());
        }
    }
}
