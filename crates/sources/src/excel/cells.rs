//! Cells of a sheet as they would stand in a CSV file.

use calamine::{Data, ExcelDateTime};

/// A cell as text; nothing for an empty one. `is_float`: its column is one of floating-point numbers, which may be rounded.
/// Or why what it held cannot be determined.
pub(crate) fn text(cell: &Data, is_float: bool) -> Result<Option<String>, String> {
    /// Below it a float64 holds every whole number; of this number and greater ones, the original digits are lost.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    /// Larger numbers are measures, not counts: they are written with an exponent.
    const LARGE: f64 = 1e21;
    Ok(Some(match cell {
        Data::Empty => return Ok(None),
        Data::String(text) => text.clone(),
        Data::Int(value) => value.to_string(),
        // Excel has no integer type.
        Data::Float(value) if value.fract() == 0.0 && value.abs() < EXACT => (*value as i64).to_string(),
        Data::Float(value) if value.fract() == 0.0 && !is_float && value.abs() < LARGE => {
            return Err(format!(
                "holds a whole number of more than 15 digits (about {value:?}), of which a workbook does not keep all; keep \
                 it as text there, or declare the column as float64"
            ));
        }
        Data::Float(value) => values::numbers::shown(*value),
        Data::Bool(value) => value.to_string(),
        Data::DateTime(moment) if moment.is_duration() => duration(millis(moment.as_f64())),
        Data::DateTime(moment) => date(moment)?,
        Data::DateTimeIso(text) => text.clone(),
        Data::DurationIso(text) => iso_duration(text).map_or_else(|| text.clone(), duration),
        Data::Error(error) => return Err(format!("holds {error}")),
    }))
}

/// Excel's calendar ends with the year 9999.
const LAST: f64 = 2_958_466.0;

fn date(moment: &ExcelDateTime) -> Result<String, String> {
    let value = moment.as_f64();
    if !(0.0..LAST).contains(&value) {
        return Err(format!("holds a date that no calendar has (day {value})"));
    }
    let (year, month, day, hour, minute, second, milli) = moment.to_ymd_hms_milli();
    let fraction = if milli > 0 { format!(".{milli:03}") } else { String::new() };
    let time = format!("{hour:02}:{minute:02}:{second:02}{fraction}");
    Ok(match value {
        // A time of day is a part of a day.
        value if value < 1.0 => time,
        value if value.fract() == 0.0 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:04}-{month:02}-{day:02} {time}"),
    })
}

fn millis(days: f64) -> i64 {
    (days * 86_400_000.0).round() as i64
}

/// `H:MM:SS`, however many hours there are; two digits for less than a hundred, as times of day have.
fn duration(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let fraction = if millis > 0 { format!(".{millis:03}") } else { String::new() };
    format!("{sign}{:02}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `PT36H10M05.5S` (ISO 8601, days to seconds) in milliseconds.
fn iso_duration(text: &str) -> Option<i64> {
    let (sign, rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let (mut millis, mut number, mut in_time) = (0.0, String::new(), false);
    for letter in rest.strip_prefix('P')?.chars() {
        let unit = match letter {
            '0'..='9' | '.' => {
                number.push(letter);
                continue;
            }
            ',' => {
                number.push('.');
                continue;
            }
            'T' if number.is_empty() && !in_time => {
                in_time = true;
                continue;
            }
            'D' if !in_time => 86_400_000.0,
            'H' if in_time => 3_600_000.0,
            'M' if in_time => 60_000.0,
            'S' if in_time => 1000.0,
            _ => return None,
        };
        millis += std::mem::take(&mut number).parse::<f64>().ok()? * unit;
    }
    number.is_empty().then_some((sign * millis).round() as i64)
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    #[test]
    fn cells_stand_as_in_a_csv_file() {
        let moment = |value: f64| Data::DateTime(ExcelDateTime::new(value, ExcelDateTimeType::DateTime, false));
        let span = |value: f64| Data::DateTime(ExcelDateTime::new(value, ExcelDateTimeType::TimeDelta, false));
        let iso = |text: &str| Data::DurationIso(text.to_owned());
        for (cell, expected) in [
            (Data::Float(12.0), "12"),
            (Data::Float(-0.5), "-0.5"),
            (Data::Float(0.1), "0.1"),
            (Data::Float(999_999_999_999_999.0), "999999999999999"),
            (Data::Float(9_007_199_254_740_991.0), "9007199254740991"),
            (Data::Float(1e300), "1.0e300"),
            (Data::Float(-1e21), "-1.0e21"),
            (Data::Bool(true), "true"),
            (Data::String("007".to_owned()), "007"),
            (moment(45_351.0), "2024-02-29"),
            (moment(45_351.5), "2024-02-29 12:00:00"),
            (moment(0.75), "18:00:00"),
            (span(0.75), "18:00:00"),
            (span(1.5), "36:00:00"),
            (span(2.0), "48:00:00"),
            (span(5.000_011_574_074_074), "120:00:01"),
            (span(-0.25), "-06:00:00"),
            (span(0.5 + 0.25 / 86_400.0), "12:00:00.250"),
            (iso("PT10H30M00S"), "10:30:00"),
            (iso("PT36H00M00.5S"), "36:00:00.500"),
            (iso("P1DT2H"), "26:00:00"),
            (iso("-PT90M"), "-01:30:00"),
            (iso("P1Y"), "P1Y"),
        ] {
            assert_eq!(text(&cell, false), Ok(Some(expected.to_owned())), "{cell:?}");
        }
        assert_eq!(text(&Data::Empty, false), Ok(None));
    }

    #[test]
    fn what_a_workbook_does_not_keep_is_reported() {
        let way_out = "of which a workbook does not keep all; keep it as text there, or declare the column as float64";
        for (value, shown) in [
            (1_234_567_890_123_456_789.0, "1.2345678901234568e18"),
            (i64::MIN as f64, "-9.223372036854776e18"),
            (9_007_199_254_740_992.0, "9007199254740992.0"),
        ] {
            let why = format!("holds a whole number of more than 15 digits (about {shown}), {way_out}");
            assert_eq!(text(&Data::Float(value), false), Err(why));
            assert_eq!(text(&Data::Float(value), true), Ok(Some(shown.to_owned())));
        }
        assert!(text(&Data::Float(1e20), false).is_err_and(|why| why.contains("(about 1e20)")));
        for day in [-1.0, 2_958_466.0, 1e9] {
            let cell = Data::DateTime(ExcelDateTime::new(day, ExcelDateTimeType::DateTime, false));
            assert_eq!(text(&cell, false), Err(format!("holds a date that no calendar has (day {day})")));
        }
    }
}
