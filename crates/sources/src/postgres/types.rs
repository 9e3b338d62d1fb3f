//! Types of the server, and what becomes of them here.

use polars::prelude::{DataType, TimeUnit};
use spec::ColumnType;
use tokio_postgres::types::{Kind, Type};

use crate::database::{in_query, quoted};

/// How the server writes a value (PostgreSQL 15, binary format of COPY), and as what it is taken up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wire {
    Bool,
    Int16,
    Int32,
    Int64,
    /// An object identifier.
    Uint32,
    Float32,
    Float64,
    Date,
    /// With or without time zone: on the wire it is a timestamp in UTC.
    Timestamp,
    Time,
    /// As text, with every digit.
    Numeric,
    Text,
    /// One byte, of the server's own type `"char"`.
    Char,
    /// Text after a byte that says how it is written.
    Jsonb,
    Uuid,
}

impl Wire {
    /// The type of the columns that such values make.
    pub(crate) fn dtype(self) -> DataType {
        match self {
            Wire::Bool => DataType::Boolean,
            Wire::Int16 => DataType::Int16,
            Wire::Int32 => DataType::Int32,
            Wire::Int64 => DataType::Int64,
            Wire::Uint32 => DataType::UInt32,
            Wire::Float32 => DataType::Float32,
            Wire::Float64 => DataType::Float64,
            Wire::Date => DataType::Date,
            Wire::Timestamp => DataType::Datetime(TimeUnit::Microseconds, None),
            Wire::Time => DataType::Time,
            Wire::Numeric | Wire::Text | Wire::Char | Wire::Jsonb | Wire::Uuid => DataType::String,
        }
    }
}

/// How values of a type come, and the column type that holds them all; nothing for types that have none.
pub(crate) fn of(server: &Type, modifier: i32) -> Option<(Wire, ColumnType)> {
    Some(match *server {
        Type::BOOL => (Wire::Bool, ColumnType::Bool),
        Type::INT2 => (Wire::Int16, ColumnType::Int16),
        Type::INT4 => (Wire::Int32, ColumnType::Int32),
        Type::INT8 => (Wire::Int64, ColumnType::Int64),
        Type::OID => (Wire::Uint32, ColumnType::Uint32),
        Type::FLOAT4 => (Wire::Float32, ColumnType::Float32),
        Type::FLOAT8 => (Wire::Float64, ColumnType::Float64),
        Type::NUMERIC => (Wire::Numeric, numeric(modifier)),
        Type::DATE => (Wire::Date, ColumnType::Date),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => (Wire::Timestamp, ColumnType::Datetime),
        Type::TIME => (Wire::Time, ColumnType::Time),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::JSON | Type::XML | Type::UNKNOWN => {
            (Wire::Text, ColumnType::String)
        }
        Type::CHAR => (Wire::Char, ColumnType::String),
        Type::JSONB => (Wire::Jsonb, ColumnType::String),
        Type::UUID => (Wire::Uuid, ColumnType::String),
        _ => match server.kind() {
            Kind::Enum(_) => (Wire::Text, ColumnType::String),
            Kind::Domain(inner) => of(inner, modifier)?,
            Kind::Simple if server.name() == "citext" => (Wire::Text, ColumnType::String),
            _ => return None,
        },
    })
}

/// The type in which no value of a `numeric` loses a digit: a number up to 18 digits before and none behind the
/// point, or up to 15 in all; text for longer ones and for those without bounds.
fn numeric(modifier: i32) -> ColumnType {
    if modifier < 4 {
        return ColumnType::String;
    }
    let digits = (modifier - 4) >> 16 & 0xFFFF;
    // Eleven bits with a sign.
    let behind = ((modifier - 4) & 0x7FF ^ 1024) - 1024;
    match (digits, behind) {
        (..=18, 0) => ColumnType::Int64,
        (..=15, 1..=15) => ColumnType::Float64,
        _ => ColumnType::String,
    }
}

/// How to read a column whose type has no column type here, for errors.
pub(crate) fn way_out(column: &str, server: &Type) -> String {
    let column = in_query(column, quoted);
    match *server {
        Type::BYTEA => format!("read it by a query: encode({column}, 'hex') AS {column}"),
        // As text it would be written as the server's country writes money.
        Type::MONEY => format!("read it by a query: {column}::numeric AS {column}"),
        _ => format!("read it by a query: {column}::text AS {column}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_without_a_column_type_name_a_query_that_reads_them() {
        assert_eq!(way_out("tags", &Type::TEXT_ARRAY), "read it by a query: tags::text AS tags");
        assert_eq!(way_out("Price", &Type::MONEY), "read it by a query: \"Price\"::numeric AS \"Price\"");
        assert_eq!(way_out("photo", &Type::BYTEA), "read it by a query: encode(photo, 'hex') AS photo");
    }

    #[test]
    fn numerics_take_a_type_that_keeps_their_digits() {
        let of = |digits: i32, behind: i32| numeric((digits << 16 | behind & 0x7FF) + 4);
        assert_eq!(of(18, 0), ColumnType::Int64);
        assert_eq!(of(19, 0), ColumnType::String);
        assert_eq!(of(15, 2), ColumnType::Float64);
        assert_eq!(of(16, 2), ColumnType::String);
        assert_eq!(of(3, -2), ColumnType::String);
        assert_eq!(of(3, 20), ColumnType::String);
        assert_eq!(numeric(-1), ColumnType::String);
    }
}
