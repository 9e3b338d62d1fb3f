//! Numbers and truth values out of text, strictly: the whole text must be one.

/// Decimal digits with an optional sign.
#[inline]
pub(crate) fn int(text: &[u8]) -> Option<i64> {
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
pub(crate) fn uint(text: &[u8]) -> Option<u64> {
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
/// large for a float64 are no numbers.
///
/// Up to 15 digits the digits and the power of ten are exact floats, so that one division rounds correctly
/// (Clinger, "How to Read Floating Point Numbers Accurately", 1990); the rest is left to the standard library.
#[inline]
pub(crate) fn float(text: &[u8]) -> Option<f64> {
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
    // The standard library also reads "inf", "infinity" and "nan".
    if !text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok().filter(|value: &f64| value.is_finite())
}

/// `true`/`false`, `t`/`f`, `yes`/`no`, `y`/`n`, `1`/`0`, in any case.
pub(crate) fn bool(text: &[u8]) -> Option<bool> {
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
    fn floats() {
        assert_eq!(float(b".5"), Some(0.5));
        assert_eq!(float(b"5."), Some(5.0));
        assert_eq!(float(b"-1e3"), Some(-1000.0));
        assert_eq!(float(b"-0").map(f64::is_sign_negative), Some(true));
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
            prop_assert_eq!(float(digits.as_bytes()), digits.parse::<f64>().ok());
        }
        #[test]
        fn integers_are_read_as_the_standard_library_reads_them(digits in "-?[0-9]{1,20}") {
            prop_assert_eq!(int(digits.as_bytes()), digits.parse::<i64>().ok());
        }
    }
}
