//! How amounts are shown to people.

/// A whole number with its thousands apart: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A length of time in the unit that says it best: `350 ms`, `4.2 s`, `3 min`, `5 h`, `12 days`.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        seconds if !seconds.is_finite() || seconds < 0.0 => "unknown".to_owned(),
        0.0 => "0 s".to_owned(),
        seconds if seconds < 0.9995 => format!("{:.0} ms", (seconds * 1e3).max(1.0)),
        seconds if seconds < 9.95 => format!("{seconds:.1} s"),
        seconds if seconds < 119.5 => format!("{seconds:.0} s"),
        seconds if seconds < 7170.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds < 172_000.0 => format!("{:.0} h", seconds / 3600.0),
        seconds => format!("{:.0} days", seconds / 86_400.0),
    }
}

/// A size in bytes: `12 KiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 || size >= 99.95 { format!("{size:.0} {}", UNITS[unit]) } else { format!("{size:.1} {}", UNITS[unit]) }
}

/// A number as a chart or a table shows it: short, with thousands separated, `–` for NaN.
pub fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => "–".to_owned(),
        value if value.is_infinite() => if value > 0.0 { "∞" } else { "−∞" }.to_owned(),
        value if value != 0.0 && !(1e-4..1e15).contains(&value.abs()) => {
            let text = format!("{value:.3e}");
            match text.split_once('e') {
                Some((digits, exponent)) if digits.contains('.') => {
                    format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'))
                }
                _ => text,
            }
        }
        value if value.abs() >= 1e4 => {
            let whole = grouped(value.abs().round() as u64);
            if value < 0.0 { format!("-{whole}") } else { whole }
        }
        value => {
            // Four significant digits say enough beside a bar.
            let decimals = if value == 0.0 { 0 } else { (3 - value.abs().log10().floor() as i32).clamp(0, 8) };
            let text = format!("{:.*}", decimals as usize, value + 0.0);
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short_and_not_wrong() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
        let spans = [0.0, 1e-9, 0.35, 0.9999, 4.24, 59.7, 119.9, 7200.0, 90_000.0, 1e6, f64::NAN, -1.0];
        let shown = ["0 s", "1 ms", "350 ms", "1.0 s", "4.2 s", "60 s", "2 min", "2 h", "25 h", "12 days", "unknown"];
        assert_eq!(spans.map(seconds)[..11], shown);
        assert_eq!(
            [0, 1023, 1024, 1 << 20, u64::MAX].map(bytes),
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.0 MiB", "16777216 TiB"]
        );
        let numbers = [0.0, -0.0, 0.123_456, 12.0, 1234.56, 12_345.6, -98_765.0, 1e-5, 1e300, -2.5e20, f64::INFINITY];
        let shown = ["0", "0", "0.1235", "12", "1235", "12,346", "-98,765", "1e-5", "1e300", "-2.5e20", "∞"];
        assert_eq!(numbers.map(number), shown);
        assert_eq!(number(f64::NAN), "–");
        assert_eq!(number(100.0), "100");
    }
}
