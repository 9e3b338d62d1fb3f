//! Types in Parquet files of other programs that the engine would misread, or at which it panics.

use std::fs::File;
use std::path::Path;

use polars_arrow::datatypes::{ArrowDataType, IntervalUnit, TimeUnit};
use polars_parquet::read::{infer_schema, read_metadata};
use spec::{Error, Result};

use crate::PolarsResultExt;

/// Fails if a column of the file at `path` is of such a type. `shown`: what errors call the file.
pub(crate) fn check(path: &Path, shown: &str) -> Result<()> {
    let mut file = File::open(path).map_err(|error| Error::io("read", Path::new(shown), &error))?;
    let metadata = read_metadata(&mut file).during(shown)?;
    // As the writer named the types, where it left them; the engine goes by that, too.
    let schema = infer_schema(&metadata).during(shown)?;
    for (name, field) in schema.iter() {
        if let Some((what, way_out)) = unreadable(field.dtype()) {
            return Err(Error::cannot_run(format!("{shown}: column '{name}' is {what}, which is not read")).hint(way_out));
        }
    }
    Ok(())
}

/// What cannot be read of a type, and how else to write it.
fn unreadable(dtype: &ArrowDataType) -> Option<(String, &'static str)> {
    use ArrowDataType as A;
    match dtype {
        A::Null | A::Boolean => None,
        A::Int8 | A::Int16 | A::Int32 | A::Int64 | A::UInt8 | A::UInt16 | A::UInt32 | A::UInt64 => None,
        A::Float32 | A::Float64 | A::Date32 | A::Date64 | A::Timestamp(..) | A::Duration(_) | A::Time64(_) => None,
        A::Decimal(..) | A::Decimal32(..) | A::Decimal64(..) | A::Decimal256(..) => None,
        A::Binary | A::LargeBinary | A::BinaryView | A::FixedSizeBinary(_) | A::Utf8 | A::LargeUtf8 | A::Utf8View => None,
        A::Time32(TimeUnit::Second) => {
            // The engine takes the milliseconds that Parquet holds for seconds.
            Some(("a time of day in seconds (time32[s])".to_owned(), "write it in milliseconds or microseconds"))
        }
        A::Time32(_) => None,
        A::Float16 => Some(("of the type float16".to_owned(), "write it as float32")),
        A::Interval(IntervalUnit::MonthDayNano | IntervalUnit::MonthDayMillis | IntervalUnit::YearMonth | IntervalUnit::DayTime) => {
            Some(("an interval".to_owned(), "write it as text, or as numbers of months and days"))
        }
        A::Extension(extension) => {
            Some((format!("of the extension type '{}'", extension.name), "write it as text, or as a type of its own"))
        }
        A::List(field) | A::LargeList(field) | A::FixedSizeList(field, _) | A::Map(field, _) => unreadable(field.dtype()),
        A::Struct(fields) => fields.iter().find_map(|field| unreadable(field.dtype())),
        A::Dictionary(_, values, _) => unreadable(values),
        other => Some((format!("of the type {other:?}"), "write it as text, or as a type that docs/values.md names")),
    }
}
