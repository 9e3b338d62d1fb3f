//! The table of conversions: which kind of values becomes which, and what comes of them. Sources, the step `cast` and
//! `CAST` in SQL all ask it; what it does not list is refused before a row is read.

use polars::prelude::{DataType, TimeZone};

/// The kinds of types that the table distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Bool,
    Int,
    Float,
    Decimal,
    /// Texts and categories.
    Text,
    Date,
    /// Moments without a time zone, which are those of UTC, or in UTC.
    Moment,
    /// Moments in another time zone: their days and hours begin elsewhere.
    Instant,
    Time,
    Duration,
    Bytes,
}

impl Sort {
    /// None for lists, structs and columns of nulls.
    pub fn of(dtype: &DataType) -> Option<Sort> {
        Some(match dtype {
            DataType::Boolean => Sort::Bool,
            dtype if dtype.is_integer() => Sort::Int,
            dtype if dtype.is_float() => Sort::Float,
            DataType::Decimal(..) => Sort::Decimal,
            DataType::String | DataType::Categorical(..) | DataType::Enum(..) => Sort::Text,
            DataType::Date => Sort::Date,
            DataType::Datetime(_, None) => Sort::Moment,
            DataType::Datetime(_, Some(zone)) if is_utc(zone) => Sort::Moment,
            DataType::Datetime(_, Some(_)) => Sort::Instant,
            DataType::Time => Sort::Time,
            DataType::Duration(_) => Sort::Duration,
            DataType::Binary => Sort::Bytes,
            _ => return None,
        })
    }

    /// As the documentation calls it.
    pub fn name(self) -> &'static str {
        match self {
            Sort::Bool => "boolean",
            Sort::Int => "integer",
            Sort::Float => "float",
            Sort::Decimal => "decimal",
            Sort::Text => "text",
            Sort::Date => "date",
            Sort::Moment => "timestamp",
            Sort::Instant => "timestamp in a time zone",
            Sort::Time => "time",
            Sort::Duration => "length of time",
            Sort::Bytes => "bytes",
        }
    }
}

fn is_utc(zone: &TimeZone) -> bool {
    ["UTC", "Etc/UTC", "+00:00", "Z"].contains(&zone.as_str())
}

/// Who may ask for a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Sources, the step `cast`, and SQL.
    All,
    /// SQL alone: no column is declared as such a type.
    Sql,
    /// Sources and the step `cast`: SQL has no such values.
    Columns,
    /// Sources that say how the values are written.
    Format,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Conversion {
    pub from: Sort,
    pub to: Sort,
    pub by: By,
    /// What comes of a value, for the documentation.
    pub gives: &'static str,
}

const fn line(from: Sort, to: Sort, by: By, gives: &'static str) -> Conversion {
    Conversion { from, to, by, gives }
}

const SHOWN: &str = "as shown: `2024-01-31`, `2024-01-31 12:30:00`, `12.0`, `true`";

/// The table. Every kind becomes itself, as the lines that repeat it say.
#[rustfmt::skip]
pub const CONVERSIONS: &[Conversion] = &[
    line(Sort::Int, Sort::Int, By::All, "the same number; refused beyond the width"),
    line(Sort::Int, Sort::Float, By::All, "the same number; refused where the float has no such number, as beyond 2^53"),
    line(Sort::Int, Sort::Decimal, By::Sql, "the same number; refused with too many digits"),
    line(Sort::Int, Sort::Bool, By::All, "0 is false, 1 is true; others are refused"),
    line(Sort::Int, Sort::Date, By::Format, "its digits, read by the format"),
    line(Sort::Int, Sort::Moment, By::Format, "its digits, read by the format"),
    line(Sort::Int, Sort::Time, By::Format, "its digits, read by the format"),
    line(Sort::Float, Sort::Int, By::All, "the same number; refused with a fraction or beyond the width"),
    line(Sort::Float, Sort::Float, By::All, "the nearest; refused beyond the width, and where it would be almost 0"),
    line(Sort::Float, Sort::Decimal, By::Sql, "the digits as shown; refused if there are more behind the point"),
    line(Sort::Float, Sort::Bool, By::All, "0 is false, 1 is true; others are refused"),
    line(Sort::Decimal, Sort::Int, By::All, "the same number; refused with a fraction or beyond the width"),
    line(Sort::Decimal, Sort::Float, By::All, "the nearest; refused where digits before the point would not come back"),
    line(Sort::Decimal, Sort::Decimal, By::Sql, "the same number; refused if digits would be lost"),
    line(Sort::Decimal, Sort::Bool, By::All, "0 is false, 1 is true; others are refused"),
    line(Sort::Bool, Sort::Bool, By::All, "the same"),
    line(Sort::Bool, Sort::Int, By::All, "0 or 1"),
    line(Sort::Bool, Sort::Float, By::All, "0.0 or 1.0"),
    line(Sort::Bool, Sort::Decimal, By::Sql, "0 or 1"),
    line(Sort::Text, Sort::Text, By::All, "the same"),
    line(Sort::Text, Sort::Int, By::All, "digits with an optional sign; surrounding spaces are ignored"),
    line(Sort::Text, Sort::Float, By::All, "a number; refused beyond float64, and whole numbers that it would round"),
    line(Sort::Text, Sort::Decimal, By::Sql, "a number with an optional point; refused with more digits"),
    line(Sort::Text, Sort::Bool, By::All, "true, t, yes, y, 1 or false, f, no, n, 0 in any case"),
    line(Sort::Text, Sort::Date, By::All, "`YYYY-MM-DD`"),
    line(Sort::Text, Sort::Moment, By::All, "`YYYY-MM-DD`, with a time after `T` or a space; an offset such as `+09:00` or `Z` is converted to UTC"),
    line(Sort::Text, Sort::Time, By::All, "`HH:MM`, `HH:MM:SS` or `HH:MM:SS.ffffff`"),
    line(Sort::Int, Sort::Text, By::All, SHOWN),
    line(Sort::Float, Sort::Text, By::All, SHOWN),
    line(Sort::Decimal, Sort::Text, By::All, SHOWN),
    line(Sort::Bool, Sort::Text, By::All, SHOWN),
    line(Sort::Date, Sort::Text, By::All, SHOWN),
    line(Sort::Moment, Sort::Text, By::All, SHOWN),
    line(Sort::Time, Sort::Text, By::All, SHOWN),
    line(Sort::Date, Sort::Date, By::All, "the same"),
    line(Sort::Date, Sort::Moment, By::All, "its midnight"),
    line(Sort::Moment, Sort::Date, By::All, "its day"),
    line(Sort::Moment, Sort::Time, By::Sql, "its time of the day"),
    line(Sort::Moment, Sort::Moment, By::All, "the same point in time; refused if nanoseconds would be lost"),
    line(Sort::Instant, Sort::Date, By::Columns, "its day in its own zone"),
    line(Sort::Instant, Sort::Moment, By::Columns, "the same point in time, in UTC"),
    line(Sort::Instant, Sort::Text, By::Columns, "as shown, in UTC"),
    line(Sort::Time, Sort::Time, By::All, "the same"),
    line(Sort::Bytes, Sort::Text, By::Columns, "decoded as UTF-8; refused if they are not valid UTF-8"),
];

/// The line of the table for one kind and another.
pub fn conversion(from: Sort, to: Sort) -> Option<&'static Conversion> {
    CONVERSIONS.iter().find(|line| line.from == from && line.to == to)
}

/// Whether `CAST` in SQL makes the one of the other.
pub fn sql_casts(from: Sort, to: Sort) -> bool {
    conversion(from, to).is_some_and(|line| matches!(line.by, By::All | By::Sql))
}

/// Whether a column of the one kind becomes one of the other. `format`: whether the format of timestamps is given.
pub fn columns_become(from: Sort, to: Sort, format: bool) -> bool {
    conversion(from, to).is_some_and(|line| match line.by {
        By::All | By::Columns => true,
        By::Format => format,
        By::Sql => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_stands_twice() {
        for (at, line) in CONVERSIONS.iter().enumerate() {
            let same = |other: &&Conversion| (other.from, other.to) == (line.from, line.to);
            assert_eq!(CONVERSIONS.iter().filter(same).count(), 1, "{at}: {line:?}");
        }
    }
}
