//! Which format a date or time may be written in that is not ISO 8601: the way out for a cell that was refused.

use std::sync::LazyLock;

use spec::ColumnType;
use values::{MomentFormat, Reading, TypeOrigin};

/// Ways of writing dates, the commonest first; each also with a time behind it.
const DATES: [&str; 9] =
    ["%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y%m%d", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y", "%d %b %Y"];
const TIMES: [&str; 4] = ["%H:%M", "%H:%M:%S", "%I:%M %p", "%H%M%S"];

static OF_DATES: LazyLock<Vec<MomentFormat>> =
    LazyLock::new(|| DATES.iter().filter_map(|date| MomentFormat::new(date).ok()).collect());
static OF_DATETIMES: LazyLock<Vec<MomentFormat>> = LazyLock::new(|| {
    let texts = DATES.iter().flat_map(|date| TIMES.map(|time| format!("{date} {time}")));
    texts.filter_map(|text| MomentFormat::new(&text).ok()).collect()
});

/// Which formats would read `cell`, if it is a date or time in another way of writing than the column has.
pub(crate) fn way_out(cell: &str, reading: &Reading<'_>) -> Option<String> {
    if reading.format.is_some() || reading.origin != TypeOrigin::Declared {
        return None;
    }
    let text = cell.trim().as_bytes();
    let fitting: Vec<&str> = match reading.column_type {
        ColumnType::Date => fitting(&OF_DATES, |format| format.date(text).is_some()),
        ColumnType::Datetime => {
            let whole = fitting(&OF_DATETIMES, |format| format.datetime(text).is_some());
            match whole.is_empty() {
                // A date alone is its midnight.
                true => fitting(&OF_DATES, |format| format.datetime(text).is_some()),
                false => whole,
            }
        }
        _ => return None,
    };
    let formats: Vec<String> = fitting.iter().map(|text| format!("format: \"{text}\"")).collect();
    (!formats.is_empty()).then(|| format!("{} reads it", formats.join(" or ")))
}

fn fitting(formats: &'static [MomentFormat], reads: impl Fn(&MomentFormat) -> bool) -> Vec<&'static str> {
    formats.iter().filter(|format| reads(format)).map(MomentFormat::text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column_spec::ColumnSpec;

    fn guessed(cell: &str, column_type: ColumnType) -> Option<String> {
        way_out(cell, &ColumnSpec::from(column_type).reading())
    }

    #[test]
    fn other_ways_of_writing_are_suggested() {
        let of = |cell: &str| guessed(cell, ColumnType::Date);
        assert_eq!(of("31.01.2024").unwrap(), r#"format: "%d.%m.%Y" reads it"#);
        assert_eq!(of("01/02/2024").unwrap(), r#"format: "%d/%m/%Y" or format: "%m/%d/%Y" reads it"#);
        assert_eq!(of("05-02-2010").unwrap(), r#"format: "%d-%m-%Y" or format: "%m-%d-%Y" reads it"#);
        assert_eq!(of("12/31/2024").unwrap(), r#"format: "%m/%d/%Y" reads it"#);
        assert_eq!(of("20240131").unwrap(), r#"format: "%Y%m%d" reads it"#);
        for cell in ["2024-01-32", "n/a", "", "32.01.2024"] {
            assert_eq!(of(cell), None, "{cell}");
        }
        let of = |cell: &str| guessed(cell, ColumnType::Datetime);
        assert_eq!(of("31.01.2024 14:30").unwrap(), r#"format: "%d.%m.%Y %H:%M" reads it"#);
        assert_eq!(of("1/31/2024 2:30 PM").unwrap(), r#"format: "%m/%d/%Y %I:%M %p" reads it"#);
        assert_eq!(of("31.01.2024").unwrap(), r#"format: "%d.%m.%Y" reads it"#);
        assert_eq!(guessed("31.01.2024", ColumnType::Int64), None);
    }

    #[test]
    fn every_format_is_one() {
        assert_eq!((OF_DATES.len(), OF_DATETIMES.len()), (DATES.len(), DATES.len() * TIMES.len()));
    }
}
