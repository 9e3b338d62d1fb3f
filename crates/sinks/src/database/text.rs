//! Cells as texts, for databases that store or send them so, and back.

use values::calendar::day_text;
use values::{iso_date, iso_datetime, iso_time};

use super::cells::{Cell, Type, decimal_text};

const MICROS_OF_DAY: i64 = 86_400_000_000;

/// A cell as text: ISO 8601 with a space between day and time, fractions of a second only where there are any, and `Z` behind a
/// timestamp in UTC. Empty for a null.
pub fn of(cell: Cell<'_>, of: Type) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Bool(value) => if value { "true" } else { "false" }.to_owned(),
        Cell::Int(value) => value.to_string(),
        Cell::Float32(value) => value.to_string(),
        Cell::Float(value) => value.to_string(),
        Cell::Text(text) => text.to_owned(),
        Cell::Date(day) => day_text(day.into()),
        Cell::Timestamp(micros) => {
            let zone = if of == Type::TimestampUtc { "Z" } else { "" };
            let (day, time) = (micros.div_euclid(MICROS_OF_DAY), micros.rem_euclid(MICROS_OF_DAY));
            format!("{} {}{zone}", day_text(day), time_of_day(time))
        }
        Cell::Time(micros) => time_of_day(micros),
        Cell::Decimal(units) => decimal_text(units, if let Type::Decimal { scale, .. } = of { scale } else { 0 }),
    }
}

fn time_of_day(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 { text } else { format!("{text}.{fraction:06}") }
}

/// The cell of a text as [`of`] writes it; nothing if it is not a value of this type.
pub fn read(bytes: &[u8], of: Type) -> Option<Cell<'_>> {
    Some(match of {
        Type::Text => Cell::Text(std::str::from_utf8(bytes).ok()?),
        Type::Date => Cell::Date(iso_date(bytes)?),
        Type::Timestamp | Type::TimestampUtc => {
            let bytes = if of == Type::TimestampUtc { bytes.strip_suffix(b"Z").unwrap_or(bytes) } else { bytes };
            Cell::Timestamp(iso_datetime(bytes)?.micros())
        }
        Type::Time => Cell::Time(iso_time(bytes)? / 1_000),
        Type::Decimal { scale, .. } => Cell::Decimal(units(std::str::from_utf8(bytes).ok()?, scale)?),
        Type::Bool => match bytes {
            b"true" | b"1" => Cell::Bool(true),
            b"false" | b"0" => Cell::Bool(false),
            _ => return None,
        },
        Type::Int16 | Type::Int32 | Type::Int64 => Cell::Int(std::str::from_utf8(bytes).ok()?.parse().ok()?),
        Type::Float32 => Cell::Float32(std::str::from_utf8(bytes).ok()?.parse().ok()?),
        Type::Float64 => Cell::Float(std::str::from_utf8(bytes).ok()?.parse().ok()?),
    })
}

/// A decimal in units of its last place; nothing if it has more places than that.
fn units(text: &str, scale: usize) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = match fraction.len() > scale {
        true if fraction[scale..].bytes().all(|digit| digit == b'0') => &fraction[..scale],
        true => return None,
        false => fraction,
    };
    format!("{whole}{fraction}{}", "0".repeat(scale - fraction.len())).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_the_cells_that_they_were() {
        let decimal = Type::Decimal { precision: 10, scale: 2 };
        for (cell, of_type, text) in [
            (Cell::Date(20_088), Type::Date, "2024-12-31"),
            (Cell::Timestamp(-500_000), Type::Timestamp, "1969-12-31 23:59:59.500000"),
            (Cell::Timestamp(1_735_669_800_000_000), Type::TimestampUtc, "2024-12-31 18:30:00Z"),
            (Cell::Time(66_600_000_001), Type::Time, "18:30:00.000001"),
            (Cell::Decimal(-5), decimal, "-0.05"),
            (Cell::Decimal(i128::from(i64::MIN)), decimal, "-92233720368547758.08"),
            (Cell::Float(0.1), Type::Float64, "0.1"),
            (Cell::Float(5e-324), Type::Float64, &5e-324f64.to_string()),
        ] {
            assert_eq!(of(cell, of_type), text);
            assert_eq!(read(text.as_bytes(), of_type), Some(cell), "{text}");
        }
        assert_eq!(read(b"1.505", decimal), None);
        assert_eq!(read(b"1.500", decimal), Some(Cell::Decimal(150)));
        assert_eq!(read(b"7.0", Type::Int64), None);
    }
}
