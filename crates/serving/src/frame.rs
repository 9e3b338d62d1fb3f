//! Rows of a request as a table: the raw columns of rows whose features are not computed yet.

use std::borrow::Cow;

use artifact::{PolarsResultExt, type_name};
use axum::http::StatusCode;
use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, Schema, Series, TimeUnit};

use crate::cell::{Cell, Row};
use crate::refusal::Refusal;

/// The rows as a table with the columns of `schema`, which they all must have, but for `optional`.
///
/// Errors (422): a column that is missing, unknown or given twice; a value that its type cannot hold.
pub fn frame(rows: &[Row<'_>], schema: &Schema, optional: &[String]) -> Result<DataFrame, Refusal> {
    let several = rows.len() > 1;
    let placed = |at: usize| move |refusal: Refusal| if several { refusal.at_row(at) } else { refusal };
    for (at, Row(row)) in rows.iter().enumerate() {
        for (place, (name, _)) in row.iter().enumerate() {
            if row[..place].iter().any(|(other, _)| other == name) {
                return Err(placed(at)(Refusal::wrong(
                    "twice",
                    name.as_ref(),
                    format!("column '{name}' is given twice"),
                )));
            }
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

fn column(name: &str, dtype: &DataType, cells: &[&Cell<'_>], several: bool) -> Result<Column, Refusal> {
    let wrong = |at: usize, expected: &str| {
        let cell = cells[at];
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
        DataType::Float32 | DataType::Float64 | DataType::Decimal(..) => {
            let read = |cell: &Cell<'_>| match cell {
                Cell::Float(value) => Some(*value),
                Cell::Int(value) if (*value as f64) as i64 == *value => Some(*value as f64),
                _ => None,
            };
            Series::new(name.into(), each(cells, read, |at| wrong(at, "a number"))?)
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
            let at = (0..cells.len()).find(|at| !fits(at)).unwrap_or_default();
            let message = format!("column '{name}': {} cannot hold this value", type_name(dtype));
            let refusal = Refusal::wrong("out_of_range", name, message).value(cells[at].json());
            Err(if several { refusal.at_row(at) } else { refusal })
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
