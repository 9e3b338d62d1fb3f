//! Column types of specs and of tables.

use polars::prelude::{Categories, DataType, TimeUnit, TimeZone};
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

/// A type as [`type_name`] gives it, with all that distinguishes it from others of that name: the unit and time zone of
/// times, the fixed values of a category.
pub fn type_in_full(of: &DataType) -> String {
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Milliseconds => "milliseconds",
        TimeUnit::Microseconds => "microseconds",
        TimeUnit::Nanoseconds => "nanoseconds",
    };
    match of {
        DataType::Datetime(of_unit, zone) => {
            let zone = zone.as_ref().map_or("without time zone".to_owned(), |zone| format!("in {}", zone.as_str()));
            format!("{} ({}, {zone})", type_name(of), unit(of_unit))
        }
        DataType::Duration(of_unit) => format!("duration ({})", unit(of_unit)),
        DataType::Enum(values, _) => {
            let categories = values.categories();
            let first: Vec<&str> = categories.values_iter().take(3).collect();
            let more = if categories.len() > first.len() { ", …" } else { "" };
            format!("{} (of {}: {}{more})", type_name(of), categories.len(), first.join(", "))
        }
        _ => type_name(of),
    }
}

/// Whether polars knows the time zone of this name; it panics at types in other zones.
pub(crate) fn is_zone(name: &str) -> bool {
    TimeZone::opt_try_new(Some(name)).is_ok()
}

/// The names of two types that differ, so that a reader sees in what: in full where the short names are the same.
pub fn type_names(one: &DataType, other: &DataType) -> (String, String) {
    let short = (type_name(one), type_name(other));
    if short.0 == short.1 { (type_in_full(one), type_in_full(other)) } else { short }
}

/// A type as evidence, dictionaries and errors name it: YAML's word where there is one.
pub fn type_name(of: &DataType) -> String {
    match column_type(of) {
        Some(known) => known.name().to_owned(),
        None => of.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_types_are_told_apart() {
        let at = |unit, zone: Option<&str>| DataType::Datetime(unit, TimeZone::opt_try_new(zone).unwrap());
        let names = |one: &DataType, other: &DataType| {
            let (one, other) = type_names(one, other);
            format!("{one} / {other}")
        };
        let (milli, micro) = (at(TimeUnit::Milliseconds, None), at(TimeUnit::Microseconds, None));
        assert_eq!(
            names(&milli, &micro),
            "datetime (milliseconds, without time zone) / datetime (microseconds, without time zone)"
        );
        assert_eq!(
            names(&micro, &at(TimeUnit::Microseconds, Some("Asia/Tokyo"))),
            "datetime (microseconds, without time zone) / datetime (microseconds, in Asia/Tokyo)"
        );
        assert_eq!(names(&milli, &DataType::Date), "datetime / date");
        assert_eq!(names(&DataType::Decimal(9, 2), &DataType::Decimal(18, 4)), "decimal[9,2] / decimal[18,4]");
        let (one, other) = (DataType::Duration(TimeUnit::Milliseconds), DataType::Duration(TimeUnit::Nanoseconds));
        assert_eq!(names(&one, &other), "duration[ms] / duration[ns]");
        let fixed = |values: &[&str]| {
            DataType::from_frozen_categories(polars::prelude::FrozenCategories::new(values.iter().copied()).unwrap())
        };
        assert_eq!(
            names(&fixed(&["a", "b"]), &fixed(&["a", "b", "c", "d"])),
            "category (of 2: a, b) / category (of 4: a, b, c, …)"
        );
    }
}
