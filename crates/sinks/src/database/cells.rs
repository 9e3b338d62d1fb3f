//! Rows as databases take them: one type per column, one value per cell, nothing rounded on the way.

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{
    BooleanChunked, DataFrame, DataType, Float32Chunked, Float64Chunked, Int64Chunked, Int128Chunked, PolarsResult,
    Schema, Series, StringChunked, TimeUnit,
};
use spec::{Error, Result};

/// What a column is in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Bool,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Text,
    Date,
    /// To the microsecond, without a time zone.
    Timestamp,
    /// To the microsecond, in UTC.
    TimestampUtc,
    Time,
    Decimal {
        precision: usize,
        scale: usize,
    },
}

impl Type {
    /// The type of a column. `place` names the target in errors.
    pub fn of(name: &str, dtype: &DataType, place: &str) -> Result<Type> {
        Ok(match dtype {
            DataType::Boolean => Type::Bool,
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => Type::Int16,
            DataType::UInt16 | DataType::Int32 => Type::Int32,
            DataType::UInt32 | DataType::Int64 => Type::Int64,
            DataType::UInt64 => Type::Decimal { precision: 20, scale: 0 },
            DataType::Float32 => Type::Float32,
            DataType::Float64 => Type::Float64,
            DataType::String | DataType::Categorical(..) | DataType::Enum(..) => Type::Text,
            DataType::Date => Type::Date,
            DataType::Datetime(_, None) => Type::Timestamp,
            DataType::Datetime(_, Some(_)) => Type::TimestampUtc,
            DataType::Time => Type::Time,
            DataType::Decimal(precision, scale) => Type::Decimal { precision: *precision, scale: *scale },
            other => {
                let what =
                    format!("{place}: column '{name}' holds {}, which a database has no type for", type_name(other));
                return Err(
                    Error::cannot_run(what).hint("leave it out by 'columns', or turn it into text or a number before")
                );
            }
        })
    }

    /// Whether values can be added up without rounding.
    pub fn is_exact_number(self) -> bool {
        matches!(self, Type::Int16 | Type::Int32 | Type::Int64 | Type::Decimal { .. })
    }
}

/// A column of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub of: Type,
}

/// The columns of a table as fields.
pub fn fields(schema: &Schema, place: &str) -> Result<Vec<Field>> {
    let fields =
        schema.iter().map(|(name, dtype)| Ok(Field { name: name.to_string(), of: Type::of(name, dtype, place)? }));
    fields.collect()
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float32(f32),
    Float(f64),
    Text(&'a str),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01.
    Timestamp(i64),
    /// Microseconds since midnight.
    Time(i64),
    /// Units of the last decimal place.
    Decimal(i128),
}

/// The columns of a batch, from which cells are taken.
pub struct Rows {
    columns: Vec<Values>,
    height: usize,
}

enum Values {
    Bool(BooleanChunked),
    Int(Int64Chunked),
    Float32(Float32Chunked),
    Float(Float64Chunked),
    Text(StringChunked),
    Date(Int64Chunked),
    /// Ticks, and how many make a microsecond; negative: how many microseconds make a tick.
    Timestamp(Int64Chunked, i64),
    Time(Int64Chunked),
    Decimal(Int128Chunked),
}

impl Rows {
    pub fn new(batch: &DataFrame, place: &str) -> Result<Rows> {
        let columns = batch.columns().iter().map(|column| values(&column.as_materialized_series().rechunk()));
        let columns = columns.collect::<PolarsResult<Vec<Values>>>().during(place)?;
        Ok(Rows { columns, height: batch.height() })
    }

    pub fn height(&self) -> usize {
        self.height
    }

    /// The cell of a row and column. Fails with the reason if it cannot be held to the microsecond.
    pub fn cell(&self, row: usize, column: usize) -> Result<Cell<'_>, &'static str> {
        Ok(match &self.columns[column] {
            Values::Bool(values) => values.get(row).map_or(Cell::Null, Cell::Bool),
            Values::Int(values) => values.get(row).map_or(Cell::Null, Cell::Int),
            // -0 becomes 0, which is the same number: not every database knows the difference.
            Values::Float32(values) => values.get(row).map_or(Cell::Null, |value| Cell::Float32(value + 0.0)),
            Values::Float(values) => values.get(row).map_or(Cell::Null, |value| Cell::Float(value + 0.0)),
            Values::Text(values) => values.get(row).map_or(Cell::Null, Cell::Text),
            Values::Date(values) => values.get(row).map_or(Cell::Null, |day| Cell::Date(day as i32)),
            Values::Timestamp(values, per_micro) => match (values.get(row), *per_micro) {
                (None, _) => Cell::Null,
                (Some(ticks), micros) if micros < 0 => {
                    Cell::Timestamp(ticks.checked_mul(-micros).ok_or("a time beyond what a database holds")?)
                }
                (Some(ticks), per_micro) if ticks % per_micro == 0 => Cell::Timestamp(ticks / per_micro),
                _ => return Err("a time with fractions of a microsecond"),
            },
            Values::Time(values) => match values.get(row) {
                None => Cell::Null,
                Some(nanos) if nanos % 1_000 == 0 => Cell::Time(nanos / 1_000),
                _ => return Err("a time with fractions of a microsecond"),
            },
            Values::Decimal(values) => values.get(row).map_or(Cell::Null, Cell::Decimal),
        })
    }
}

fn values(series: &Series) -> PolarsResult<Values> {
    let whole = |series: &Series| PolarsResult::Ok(series.to_physical_repr().cast(&DataType::Int64)?.i64()?.clone());
    Ok(match series.dtype() {
        DataType::Boolean => Values::Bool(series.bool()?.clone()),
        DataType::UInt64 => Values::Decimal(series.cast(&DataType::Int128)?.i128()?.clone()),
        dtype if dtype.is_integer() => Values::Int(series.cast(&DataType::Int64)?.i64()?.clone()),
        DataType::Float32 => Values::Float32(series.f32()?.clone()),
        DataType::Float64 => Values::Float(series.f64()?.clone()),
        DataType::Date => Values::Date(whole(series)?),
        DataType::Datetime(unit, _) => {
            let per_micro = match unit {
                TimeUnit::Nanoseconds => 1_000,
                TimeUnit::Microseconds => 1,
                TimeUnit::Milliseconds => -1_000,
            };
            Values::Timestamp(whole(series)?, per_micro)
        }
        DataType::Time => Values::Time(whole(series)?),
        DataType::Decimal(..) => Values::Decimal(series.to_physical_repr().i128()?.clone()),
        _ => Values::Text(series.cast(&DataType::String)?.str()?.clone()),
    })
}

/// A decimal as text: `-0.05` of -5 and scale 2.
pub fn decimal_text(units: i128, scale: usize) -> String {
    let digits = units.unsigned_abs().to_string();
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if units < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}
