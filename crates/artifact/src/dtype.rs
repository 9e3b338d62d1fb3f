//! Column types of specs and of tables.

use polars::prelude::{Categories, DataType, TimeUnit};
use spec::ColumnType;

/// The table type of a type named in YAML.
pub fn dtype(of: ColumnType) -> DataType {
    match of {
        ColumnType::String => DataType::String,
        ColumnType::Category => DataType::from_categories(Categories::global()),
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Int8 => DataType::Int8,
        ColumnType::Int16 => DataType::Int16,
        ColumnType::Int32 => DataType::Int32,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Uint8 => DataType::UInt8,
        ColumnType::Uint16 => DataType::UInt16,
        ColumnType::Uint32 => DataType::UInt32,
        ColumnType::Uint64 => DataType::UInt64,
        ColumnType::Float32 => DataType::Float32,
        ColumnType::Float64 => DataType::Float64,
        ColumnType::Date => DataType::Date,
        ColumnType::Datetime => DataType::Datetime(TimeUnit::Microseconds, None),
        ColumnType::Time => DataType::Time,
    }
}

/// The YAML type of a table type, where there is one.
pub fn column_type(of: &DataType) -> Option<ColumnType> {
    Some(match of {
        DataType::String => ColumnType::String,
        DataType::Categorical(..) | DataType::Enum(..) => ColumnType::Category,
        DataType::Boolean => ColumnType::Bool,
        DataType::Int8 => ColumnType::Int8,
        DataType::Int16 => ColumnType::Int16,
        DataType::Int32 => ColumnType::Int32,
        DataType::Int64 => ColumnType::Int64,
        DataType::UInt8 => ColumnType::Uint8,
        DataType::UInt16 => ColumnType::Uint16,
        DataType::UInt32 => ColumnType::Uint32,
        DataType::UInt64 => ColumnType::Uint64,
        DataType::Float32 => ColumnType::Float32,
        DataType::Float64 => ColumnType::Float64,
        DataType::Date => ColumnType::Date,
        DataType::Datetime(..) => ColumnType::Datetime,
        DataType::Time => ColumnType::Time,
        _ => return None,
    })
}

/// A type as evidence, dictionaries and errors name it: YAML's word where there is one.
pub fn type_name(of: &DataType) -> String {
    match column_type(of) {
        Some(known) => known.name().to_owned(),
        None => of.to_string(),
    }
}
