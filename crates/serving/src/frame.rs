//! Rows of a request as a table: the raw columns of rows whose features are not computed yet.

use std::borrow::Cow;

use artifact::{PolarsResultExt, type_name};
use axum::http::StatusCode;
use polars::prelude::{
    Column, DataFrame, DataType, Int128Chunked, IntoColumn, IntoSeries, NamedFrom, NewChunkedArray, Schema, Series,
    TimeUnit,
};

use crate::cell::{Cell, Row};
use crate::refusal::Refusal;

/// The rows as a table with the columns of `schema`, which they all must have, but for `optional`.
///
/// Errors (422): a column that is missing, unknown or given twice; a value that its type cannot hold.
pub fn frame(rows: &[Row<'_>], schema: &Schema, optional: &[String]) -> Result<DataFrame, Refusal> {
    let several = rows.len() > 1;
    let placed = |at: usize| move |refusal: Refusal| if several { refusal.at_row(at) } else { refusal };
    for (at, given) in rows.iter().enumerate() {
        let Row(row) = given;
        once(given, several.then_some(at))?;
        for (name, _) in row {
            if !schema.contains(name) {
                let message = format!("the pipeline has no column '{}'", spec::text::cut(name, 100));
                let refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_column", message);
                let refusal = Refusal { column: Some(name.to_string()), ..refusal };
                return Err(placed(at)(refusal.among(name, schema.iter_names().map(|name| name.as_str()))));
            }
        }
    }
    let mut columns = Vec::with_capacity(schema.len());
    for (name, dtype) in schema.iter() {
        let mut cells = Vec::with_capacity(rows.len());
        for (at, Row(row)) in rows.iter().enumerate() {
            match row.iter().find(|(given, _)| given == name.as_str()) {
                Some((_, cell)) => cells.push(cell),
                None if optional.iter().any(|optional| optional == name.as_str()) => cells.push(&Cell::Null),
                None => {
                    let refusal =
                        Refusal::wrong("missing_column", name.as_str(), format!("column '{name}' is missing"));
                    return Err(placed(at)(refusal.way_out("give it, with null if its value is not known")));
                }
            }
        }
        columns.push(column(name, dtype, &cells, several)?);
    }
    Ok(DataFrame::new(rows.len(), columns).during("the rows of the request")?)
}

/// Errors (422): the row has a column twice. `at`: which of several it is.
pub fn once(Row(row): &Row<'_>, at: Option<usize>) -> Result<(), Refusal> {
    let is_known =
        |(at, (name, _)): &(usize, &(Cow<'_, str>, Cell<'_>))| row[..*at].iter().any(|(other, _)| other == name);
    match row.iter().enumerate().find(is_known) {
        None => Ok(()),
        Some((_, (name, _))) => {
            let refusal = Refusal::wrong("twice", name.as_ref(), format!("column '{name}' is given twice"));
            Err(match at {
                None => refusal,
                Some(at) => refusal.at_row(at),
            })
        }
    }
}

/// Digits of a number that a float tells apart from all others of as many.
const DIGITS_OF_FLOAT: usize = 15;

/// The number as units of the last of `scale` decimal places. A text is read as it is written; a float as its shortest text.
///
/// `None`: it has more places, or more digits than floats and decimals tell apart.
fn units(cell: &Cell<'_>, scale: usize) -> Option<i128> {
    let text = match cell {
        Cell::Text(text) => text.to_string(),
        Cell::Int(value) => value.to_string(),
        Cell::Unsigned(value) => value.to_string(),
        Cell::Float(value) => {
            let text = value.to_string();
            let digits = text.replace(['-', '.'], "");
            Some(text).filter(|_| digits.trim_matches('0').len() <= DIGITS_OF_FLOAT)?
        }
        _ => return None,
    };
    let (whole, behind) = text.split_once('.').unwrap_or((&text, ""));
    let unsigned = whole.strip_prefix('-').unwrap_or(whole);
    let is_of_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = !unsigned.is_empty() && !text.ends_with('.') && is_of_digits(unsigned) && is_of_digits(behind);
    let behind = behind.trim_end_matches('0');
    let fits = is_number && behind.len() <= scale;
    fits.then(|| format!("{whole}{behind:0<scale$}").parse().ok()).flatten()
}

fn column(name: &str, dtype: &DataType, cells: &[&Cell<'_>], several: bool) -> Result<Column, Refusal> {
    let beyond = |at: usize| {
        let message = format!("column '{name}': {} cannot hold this value", type_name(dtype));
        let refusal = Refusal::wrong("out_of_range", name, message).value(cells[at].json());
        let refusal = match dtype {
            DataType::Decimal(_, scale) => refusal.way_out(format!(
                "write at most {}, and a number of more than {DIGITS_OF_FLOAT} digits in quotes",
                spec::text::count(*scale as u64, "decimal place")
            )),
            _ => refusal,
        };
        if several { refusal.at_row(at) } else { refusal }
    };
    let wrong = |at: usize, expected: &str| {
        let cell = cells[at];
        let is_whole = matches!(cell, Cell::Int(_) | Cell::Unsigned(_));
        let is_number = is_whole || matches!(cell, Cell::Float(_));
        let is_written = is_number || matches!(cell, Cell::Text(_));
        // Of the right kind, but not a number that the type has.
        if is_whole && dtype.is_integer() || is_number && dtype.is_float() || is_written && dtype.is_decimal() {
            return beyond(at);
        }
        // Of the right kind, but not written as one.
        let unreadable = match (dtype, cell) {
            (DataType::Date, Cell::Text(_)) => Some(("not a date", "write YYYY-MM-DD")),
            (DataType::Datetime(..), Cell::Text(_)) => Some(("not a datetime", "write YYYY-MM-DDTHH:MM:SS, in UTC")),
            _ => None,
        };
        let refusal = match unreadable {
            Some((what, way_out)) => {
                Refusal::wrong("wrong_type", name, format!("column '{name}': {what}")).way_out(way_out)
            }
            None => {
                let message = format!("column '{name}': expected {expected}, not {}", cell.kind());
                Refusal::wrong("wrong_type", name, message)
            }
        };
        let refusal = refusal.value(cell.json());
        if several { refusal.at_row(at) } else { refusal }
    };
    fn each<T>(
        cells: &[&Cell<'_>],
        read: impl Fn(&Cell<'_>) -> Option<T>,
        wrong: impl Fn(usize) -> Refusal,
    ) -> Result<Vec<Option<T>>, Refusal> {
        let one = |(at, cell): (usize, &&Cell<'_>)| match cell {
            Cell::Null => Ok(None),
            cell => read(cell).map(Some).ok_or_else(|| wrong(at)),
        };
        cells.iter().enumerate().map(one).collect()
    }
    let text = |cell: &Cell<'_>| match cell {
        Cell::Text(text) => Some(Cow::into_owned(text.clone())),
        _ => None,
    };
    let series = match dtype {
        DataType::String | DataType::Categorical(..) | DataType::Enum(..) => {
            Series::new(name.into(), each(cells, text, |at| wrong(at, "a text"))?)
        }
        DataType::Boolean => {
            let read = |cell: &Cell<'_>| if let Cell::Bool(value) = cell { Some(*value) } else { None };
            Series::new(name.into(), each(cells, read, |at| wrong(at, "true or false"))?)
        }
        DataType::UInt64 => {
            let read = |cell: &Cell<'_>| match cell {
                Cell::Int(value) => u64::try_from(*value).ok(),
                Cell::Unsigned(value) => Some(*value),
                _ => None,
            };
            Series::new(name.into(), each(cells, read, |at| wrong(at, "a whole number, 0 or more"))?)
        }
        dtype if dtype.is_integer() => {
            let read = |cell: &Cell<'_>| match cell {
                Cell::Int(value) => Some(*value),
                // `3.0` is the whole number 3, as long as a float holds each whole number of that size.
                Cell::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(*value as i64),
                _ => None,
            };
            Series::new(name.into(), each(cells, read, |at| wrong(at, "a whole number"))?)
        }
        DataType::Float32 | DataType::Float64 => {
            let is_narrow = *dtype == DataType::Float32;
            let read = |cell: &Cell<'_>| match cell {
                Cell::Float(value) if is_narrow => values::numbers::narrow(*value).map(f64::from),
                Cell::Float(value) => Some(*value),
                Cell::Int(value) if (*value as f64) as i64 == *value => Some(*value as f64),
                _ => None,
            };
            Series::new(name.into(), each(cells, read, |at| wrong(at, "a number"))?)
        }
        DataType::Decimal(precision, scale) => {
            let limit = u32::try_from(*precision).ok().and_then(|precision| 10u128.checked_pow(precision));
            let read = |cell: &Cell<'_>| {
                units(cell, *scale).filter(|units| limit.is_none_or(|limit| units.unsigned_abs() < limit))
            };
            let all = each(cells, read, |at| wrong(at, "a number"))?;
            let all = Int128Chunked::from_iter_options(name.into(), all.into_iter());
            all.into_decimal_unchecked(*precision, *scale).into_series()
        }
        DataType::Date => {
            let read = |cell: &Cell<'_>| values::iso_date(text(cell)?.as_bytes());
            Series::new(name.into(), each(cells, read, |at| wrong(at, "a date as text"))?)
        }
        DataType::Datetime(..) => {
            let read = |cell: &Cell<'_>| Some(values::iso_datetime(text(cell)?.as_bytes())?.micros());
            let micros = each(cells, read, |at| wrong(at, "a datetime as text"))?;
            let micros = Series::new(name.into(), micros);
            micros.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).during(name)?
        }
        other => {
            let message = format!("column '{name}' is {}, which a request cannot contain", type_name(other));
            return Err(Refusal::wrong("wrong_type", name, message));
        }
    };
    match series.strict_cast(dtype) {
        Ok(series) => Ok(series.into_column()),
        // The type is right, but some value is beyond what it holds.
        Err(_) => {
            let fits = |at: &usize| series.slice(*at as i64, 1).strict_cast(dtype).is_ok();
            Err(beyond((0..cells.len()).find(|at| !fits(at)).unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let columns = [
            ("id", DataType::Int64),
            ("floor", DataType::Int8),
            ("area", DataType::Float64),
            ("district", DataType::String),
            ("day", DataType::Date),
            ("new", DataType::Boolean),
        ];
        columns.into_iter().map(|(name, dtype)| (name.into(), dtype)).collect()
    }

    fn read(text: &str) -> Result<DataFrame, Refusal> {
        let rows: Vec<Row<'_>> = serde_json::from_str(text).unwrap();
        frame(&rows, &schema(), &["day".to_owned()])
    }

    #[test]
    fn rows_become_a_table_of_the_columns_types() {
        let table = read(
            r#"[{"id": 1, "floor": -2, "area": 59, "district": "Mapo", "day": "2024-02-29", "new": true},
                {"new": null, "district": null, "area": 84.97, "floor": 3.0, "id": 2}]"#,
        )
        .unwrap();
        assert_eq!(table.schema().as_ref(), &schema());
        assert_eq!(table.column("area").unwrap().f64().unwrap().get(0), Some(59.0));
        assert_eq!(table.column("floor").unwrap().i8().unwrap().get(1), Some(3));
        assert_eq!(table.column("day").unwrap().null_count(), 1);
    }

    #[test]
    fn numbers_are_held_as_they_are_written_or_refused() {
        let of = |dtype: DataType, cell: &str| {
            let row = format!(r#"[{{"x": {cell}}}]"#);
            let rows: Vec<Row<'_>> = serde_json::from_str(&row).unwrap();
            let schema: Schema = [("x".into(), dtype)].into_iter().collect();
            frame(&rows, &schema, &[])
        };
        let cents = DataType::Decimal(18, 2);
        for (cell, units) in [
            ("0.29", 29),
            ("-1.10", -110),
            ("7", 700),
            ("1e3", 100_000),
            ("-0.0", 0),
            ("1234567890123.45", 123_456_789_012_345),
            ("\"90071992547409.93\"", 9_007_199_254_740_993),
            ("\"-12.5\"", -1250),
            ("9007199254740993", 900_719_925_474_099_300),
        ] {
            let table = of(cents.clone(), cell).unwrap();
            assert_eq!(table.column("x").unwrap().decimal().unwrap().physical().get(0), Some(units), "{cell}");
        }
        for cell in ["0.125", "90071992547409.93", "1e17", "10000000000000000", "\"0.125\"", "\"much\""] {
            let refusal = of(cents.clone(), cell).unwrap_err();
            let message = "column 'x': decimal[18,2] cannot hold this value";
            assert_eq!((refusal.code, refusal.message.as_str()), ("out_of_range", message), "{cell}");
            let way_out = "write at most 2 decimal places, and a number of more than 15 digits in quotes";
            assert_eq!(refusal.way_out.as_deref(), Some(way_out));
        }
        assert_eq!(of(cents.clone(), "true").unwrap_err().message, "column 'x': expected a number, not true or false");
        for text in ["", "1.", ".5", "1e3", "+1", "0x1", "--1"] {
            assert!(of(cents.clone(), &format!("\"{text}\"")).is_err(), "{text}");
        }
        // Nothing becomes infinite, or nothing.
        for (dtype, cell, name) in [
            (DataType::Float32, "1e300", "float32"),
            (DataType::Float32, "1e-60", "float32"),
            (DataType::Float64, "9007199254740993", "float64"),
            (DataType::Int64, "9223372036854775808", "int64"),
            (DataType::UInt64, "-1", "uint64"),
            (DataType::Int8, "200", "int8"),
        ] {
            let refusal = of(dtype, cell).unwrap_err();
            let message = format!("column 'x': {name} cannot hold this value");
            assert_eq!((refusal.code, refusal.message), ("out_of_range", message), "{cell}");
        }
        let narrow = of(DataType::Float32, "0.1").unwrap();
        assert_eq!(narrow.column("x").unwrap().f32().unwrap().get(0), Some(0.1));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let one = |change: &str| {
            let row = format!(
                r#"[{{"id": 1, "floor": 1, "area": 1.5, "district": "x", "new": true}}, {{"id": 1, "floor": 1, "area": 1.5, "district": "x", "new": true, {change}}}]"#
            );
            let refusal = read(&row).unwrap_err();
            (refusal.code, refusal.row, refusal.message)
        };
        let (twice, row, _) = one(r#""floor": 200"#);
        assert_eq!((twice, row), ("twice", Some(1)));
        let refusal = read(r#"[{"id": 1, "floor": 200, "area": 1.5, "district": "x", "new": true}]"#).unwrap_err();
        assert_eq!(
            (refusal.code, refusal.message.as_str()),
            ("out_of_range", "column 'floor': int8 cannot hold this value")
        );
        let refusal = read(r#"[{"id": 1, "floor": 2, "area": "big", "district": "x", "new": true}]"#).unwrap_err();
        assert_eq!(
            (refusal.code, refusal.message.as_str()),
            ("wrong_type", "column 'area': expected a number, not a text")
        );
        let (code, row, _) = one(r#""distrct": "y""#);
        assert_eq!((code, row), ("unknown_column", Some(1)));
        let refusal = read(r#"[{"id": 1, "floor": 2, "area": 2, "new": true}]"#).unwrap_err();
        assert_eq!((refusal.code, refusal.column.as_deref()), ("missing_column", Some("district")));
    }
}
