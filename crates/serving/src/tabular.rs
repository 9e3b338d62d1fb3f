//! Requests for predictions as a table: an Arrow stream or Parquet. Each row is checked as one in JSON is, by the same code.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use axum::http::StatusCode;
use spec::Error;

use crate::cell::Cell;
use crate::refusal::Refusal;
use crate::request::{Columns, Request, Rows, Values, too_many_rows, unit_of};
use crate::results::Format;

/// How much longer the pages of a Parquet file may be once they are unpacked than a body may be.
const UNPACKED: u64 = 16;

/// What the rows of a table are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    Keys,
    #[default]
    Features,
    Rows,
}

/// What a request in JSON says beside its rows, and one with a table in the address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    pub way: Way,
    pub unit: Option<String>,
    pub reasons: usize,
}

const NAMES: [&str; 3] = ["way", "unit", "reasons"];

impl Parameters {
    /// A body in JSON has them itself: in the address nothing would read them.
    ///
    /// Errors (422): any parameter.
    pub fn refuse(given: &[(String, String)]) -> Result<(), Refusal> {
        let Some((name, _)) = given.first() else { return Ok(()) };
        let way_out = match name.as_str() {
            "way" => "give 'key', 'keys', 'features', 'row' or 'rows' in the body".to_owned(),
            name if NAMES.contains(&name) => format!("give '{name}' in the body"),
            other => return Err(Parameters::unknown(other)),
        };
        let message = format!("'{name}' in the address is for bodies that are tables, not for JSON");
        Err(Refusal::wrong("bad_parameter", name, message).way_out(way_out))
    }

    fn unknown(name: &str) -> Refusal {
        let message = format!("an address for predictions has no parameter '{}'", spec::text::cut(name, 100));
        Refusal::wrong("bad_parameter", name, message).among(name, NAMES)
    }

    /// Reads the parameters of the address.
    ///
    /// Errors (422): one that is unknown or given twice; a value that it cannot have.
    pub fn read(given: &[(String, String)], most_reasons: usize) -> Result<Parameters, Refusal> {
        let wrong = |name: &str, message: String| Refusal::wrong("bad_parameter", name, message);
        let mut read = Parameters::default();
        for (at, (name, value)) in given.iter().enumerate() {
            if given[..at].iter().any(|(other, _)| other == name) {
                return Err(wrong(name, format!("'{name}' is given twice")));
            }
            match name.as_str() {
                "way" => {
                    read.way = match value.as_str() {
                        "keys" => Way::Keys,
                        "features" => Way::Features,
                        "rows" => Way::Rows,
                        other => {
                            let message = format!("'way' cannot be '{}'", spec::text::cut(other, 100));
                            return Err(wrong(name, message).among(other, ["keys", "features", "rows"]));
                        }
                    }
                }
                "unit" => read.unit = Some(unit_of(value.clone().into())?),
                "reasons" => {
                    let count = value.parse().ok().filter(|count| *count <= most_reasons);
                    read.reasons = count.ok_or_else(|| {
                        wrong(name, format!("'reasons' is a whole number from 0 to {most_reasons}"))
                            .value(value.as_str())
                    })?;
                }
                other => return Err(Parameters::unknown(other)),
            }
        }
        Ok(read)
    }
}

/// The columns of a body.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(String, Vec<ArrayRef>)>,
    rows: usize,
}

impl Table {
    /// Reads a body of this format. Columns that say where a row of a stage's table is from are left out. `most_bytes`: the longest body that is accepted.
    ///
    /// Errors: bytes that are not of the format (400); too many rows (422).
    pub fn read(format: Format, body: &[u8], most_rows: usize, most_bytes: usize) -> Result<Table, Refusal> {
        match format {
            Format::Parquet => {
                let most = (most_bytes as u64).saturating_mul(UNPACKED);
                // One row more than allowed is still read, so that the refusal is the one that JSON gets.
                let table = artifact::read_received(body, "the body", usize::MAX, most).map_err(unreadable)?;
                check_rows(table.height(), most_rows)?;
                let is_meant = |column: &&polars::prelude::Column| !artifact::is_origin(column.name());
                let column = |column: &polars::prelude::Column| -> Result<_, Refusal> {
                    let name = column.name().to_string();
                    let shared = artifact::ipc::share(column.as_materialized_series())
                        .map_err(|_| no_such_type(&name, "values of another type"))?;
                    Ok((name, vec![shared]))
                };
                let columns = table.columns().iter().filter(is_meant).map(column).collect::<Result<_, _>>()?;
                Ok(Table { columns, rows: table.height() })
            }
            Format::Arrow => {
                // Its reader panics at some bytes that do not follow the format.
                let read = catch_unwind(AssertUnwindSafe(|| batches(body, most_rows)));
                read.unwrap_or_else(|_| Err(not_a_stream()))
            }
            Format::Json | Format::Csv => Err(Refusal::malformed("the body is not a table")),
        }
    }

    /// The table as a request. `entity`: the column that keys are of.
    ///
    /// Errors (422): a column of a type that no request holds; a number that is infinite; keys among other columns.
    pub fn request(&self, parameters: &Parameters, entity: &str) -> Result<Request<'_>, Refusal> {
        let Parameters { way, unit, reasons } = parameters.clone();
        let rows = match way {
            Way::Keys => {
                let [(name, chunks)] = &self.columns[..] else {
                    let message = format!("a table of keys has one column, not {}", self.columns.len());
                    return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_type", message)
                        .way_out(format!("send the column '{entity}' alone")));
                };
                if name != entity && name != "key" {
                    let message = format!("a table of keys has the column '{entity}'");
                    return Err(Refusal::wrong("unknown_column", name, message).among(name, [entity, "key"]));
                }
                Rows::Keys(cells_of(name, chunks, self.rows)?)
            }
            Way::Features => Rows::Table(self.columns()?),
            Way::Rows => {
                let columns = self.columns()?;
                Rows::Raw((0..self.rows).map(|at| columns.row(at)).collect())
            }
        };
        Ok(Request { rows, unit, reasons })
    }

    fn columns(&self) -> Result<Columns<'_>, Refusal> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for (name, chunks) in &self.columns {
            let values = match floats_of(name, chunks, self.rows)? {
                Some(floats) => Values::Floats(floats),
                None => Values::Cells(cells_of(name, chunks, self.rows)?),
            };
            columns.push((name.as_str(), values));
        }
        Ok(Columns { columns, rows: self.rows })
    }
}

fn unreadable(error: Error) -> Refusal {
    let refusal = Refusal::malformed(error.message());
    Refusal { way_out: error.way_out().map(str::to_owned), ..refusal }
}

fn not_a_stream() -> Refusal {
    Refusal::malformed("the body is not a complete Arrow stream: its bytes do not follow the format")
        .way_out("write it with a stream writer (pyarrow.ipc.new_stream), without compression")
}

fn no_such_type(name: &str, kind: &str) -> Refusal {
    let message = format!("column '{name}' holds {kind}, which a request cannot contain");
    Refusal::wrong("wrong_type", name, message).way_out("write numbers, texts, true or false, or datetimes")
}

fn check_rows(rows: usize, most: usize) -> Result<(), Refusal> {
    if rows > most { Err(too_many_rows(rows, most)) } else { Ok(()) }
}

fn batches(body: &[u8], most_rows: usize) -> Result<Table, Refusal> {
    let failed = |_| not_a_stream();
    let reader = arrow_ipc::reader::StreamReader::try_new(Cursor::new(body), None).map_err(failed)?;
    let fields = reader.schema();
    let mut columns: Vec<(String, Vec<ArrayRef>)> =
        fields.fields().iter().map(|field| (field.name().clone(), Vec::new())).collect();
    let mut rows = 0usize;
    for batch in reader {
        let batch: RecordBatch = batch.map_err(failed)?;
        rows = rows.saturating_add(batch.num_rows());
        check_rows(rows, most_rows)?;
        for ((_, chunks), array) in columns.iter_mut().zip(batch.columns()) {
            chunks.push(array.clone());
        }
    }
    columns.retain(|(name, _)| !artifact::is_origin(name));
    Ok(Table { columns, rows })
}

/// The values of a column of 64-bit floats, NaN for those that are missing; `None` for any other column.
fn floats_of(name: &str, chunks: &[ArrayRef], rows: usize) -> Result<Option<Vec<f64>>, Refusal> {
    let mut floats: Vec<f64> = Vec::with_capacity(rows);
    for chunk in chunks {
        let Some(values) = chunk.as_primitive_opt::<Float64Type>() else { return Ok(None) };
        let values = values.iter().map(|value| value.filter(|value| !value.is_nan()).unwrap_or(f64::NAN));
        floats.extend(values);
    }
    match floats.iter().position(|value| value.is_infinite()) {
        None => Ok(Some(floats)),
        Some(row) => Err(not_finite(name, floats[row], row)),
    }
}

fn not_finite(name: &str, value: f64, row: usize) -> Refusal {
    Refusal::wrong("out_of_range", name, format!("column '{name}': a number must be finite"))
        .value(value.to_string())
        .at_row(row)
}

fn cells_of<'a>(name: &str, chunks: &'a [ArrayRef], rows: usize) -> Result<Vec<Cell<'a>>, Refusal> {
    if let [only] = chunks {
        return cells(name, only.as_ref());
    }
    let mut all = Vec::with_capacity(rows);
    for chunk in chunks {
        let before = all.len();
        all.extend(cells(name, chunk.as_ref()).map_err(|refusal| match refusal.row {
            Some(row) => Refusal { row: Some(before + row), ..refusal },
            None => refusal,
        })?);
    }
    Ok(all)
}

/// The values of one column as JSON would give them: dates and timestamps in ISO 8601, missing numbers (NaN, as pandas
/// writes them) as null.
fn cells<'a>(name: &str, array: &'a dyn Array) -> Result<Vec<Cell<'a>>, Refusal> {
    use DataType as D;
    fn each<'a, P: ArrowPrimitiveType>(
        array: &'a dyn Array,
        cell: impl Fn(usize, P::Native) -> Result<Cell<'a>, Refusal>,
    ) -> Result<Vec<Cell<'a>>, Refusal> {
        let values = array.as_primitive::<P>().iter().enumerate();
        values.map(|(row, value)| value.map_or(Ok(Cell::Null), |value| cell(row, value))).collect()
    }
    fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Vec<Cell<'a>> {
        values.map(|text| text.map_or(Cell::Null, |text| Cell::Text(text.into()))).collect()
    }
    let float = |row: usize, value: f64| match value {
        value if value.is_nan() => Ok(Cell::Null),
        value if value.is_finite() => Ok(Cell::Float(value)),
        value => Err(not_finite(name, value, row)),
    };
    let beyond =
        |row: usize, what: &str| Refusal::wrong("out_of_range", name, format!("column '{name}': {what}")).at_row(row);
    let whole = |number: i64| Ok(Cell::Int(number));
    let timestamp = |row: usize, micros: Option<i64>| {
        let time = micros.and_then(chrono::DateTime::from_timestamp_micros);
        let time = time.ok_or_else(|| beyond(row, "a datetime beyond what a table holds"))?;
        Ok(Cell::Text(time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string().into()))
    };
    let day = |row: usize, day: i64| match chrono::DateTime::from_timestamp(day.saturating_mul(86_400), 0) {
        Some(_) => Ok(Cell::Text(values::calendar::day_text(day).into())),
        None => Err(beyond(row, "a date beyond what a table holds")),
    };
    match array.data_type() {
        D::Null => Ok(vec![Cell::Null; array.len()]),
        D::Boolean => Ok(array.as_boolean().iter().map(|value| value.map_or(Cell::Null, Cell::Bool)).collect()),
        D::Int8 => each::<Int8Type>(array, |_, value| whole(value.into())),
        D::Int16 => each::<Int16Type>(array, |_, value| whole(value.into())),
        D::Int32 => each::<Int32Type>(array, |_, value| whole(value.into())),
        D::Int64 => each::<Int64Type>(array, |_, value| whole(value)),
        D::UInt8 => each::<UInt8Type>(array, |_, value| whole(value.into())),
        D::UInt16 => each::<UInt16Type>(array, |_, value| whole(value.into())),
        D::UInt32 => each::<UInt32Type>(array, |_, value| whole(value.into())),
        D::UInt64 => {
            each::<UInt64Type>(array, |_, value| Ok(i64::try_from(value).map_or(Cell::Unsigned(value), Cell::Int)))
        }
        D::Float32 => each::<Float32Type>(array, |row, value| float(row, value.into())),
        D::Float64 => each::<Float64Type>(array, float),
        D::Decimal128(_, scale) => {
            let unit = 10f64.powi(i32::from(*scale));
            each::<Decimal128Type>(array, |row, value| float(row, value as f64 / unit))
        }
        D::Utf8 => Ok(texts(array.as_string::<i32>().iter())),
        D::LargeUtf8 => Ok(texts(array.as_string::<i64>().iter())),
        D::Utf8View => Ok(texts(array.as_string_view().iter())),
        D::Date32 => each::<Date32Type>(array, |row, value| day(row, value.into())),
        D::Date64 => each::<Date64Type>(array, |row, value| match value % 86_400_000 {
            0 => day(row, value / 86_400_000),
            _ => Err(beyond(row, "a date with a time of day")),
        }),
        D::Timestamp(TimeUnit::Second, _) => {
            each::<TimestampSecondType>(array, |row, value| timestamp(row, value.checked_mul(1_000_000)))
        }
        D::Timestamp(TimeUnit::Millisecond, _) => {
            each::<TimestampMillisecondType>(array, |row, value| timestamp(row, value.checked_mul(1000)))
        }
        D::Timestamp(TimeUnit::Microsecond, _) => {
            each::<TimestampMicrosecondType>(array, |row, value| timestamp(row, Some(value)))
        }
        D::Timestamp(TimeUnit::Nanosecond, _) => {
            each::<TimestampNanosecondType>(array, |row, value| match value.rem_euclid(1000) {
                0 => timestamp(row, Some(value.div_euclid(1000))),
                _ => Err(beyond(row, "a datetime finer than a microsecond")),
            })
        }
        D::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let words = cells(name, dictionary.values().as_ref())?;
            if words.is_empty() {
                return Ok(vec![Cell::Null; array.len()]);
            }
            let keys = dictionary.normalized_keys().into_iter().enumerate();
            Ok(keys.map(|(row, key)| if array.is_null(row) { Cell::Null } else { words[key].clone() }).collect())
        }
        other => {
            let kind = match other {
                D::List(_) | D::LargeList(_) | D::FixedSizeList(..) | D::ListView(_) | D::LargeListView(_) => "lists",
                D::Struct(_) | D::Map(..) => "objects",
                D::Binary | D::LargeBinary | D::FixedSizeBinary(_) | D::BinaryView => "bytes",
                D::Time32(_) | D::Time64(_) => "times of day",
                D::Duration(_) | D::Interval(_) => "durations",
                _ => "values of another type",
            };
            Err(no_such_type(name, kind))
        }
    }
}

#[cfg(test)]
mod tests;
