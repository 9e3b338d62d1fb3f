//! Types in Parquet files of other programs that the engine would misread, or at which it panics.

use std::fs::File;
use std::path::Path;

use parquet::basic::{ConvertedType, LogicalType, TimeUnit as Unit};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;
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
            return Err(
                Error::cannot_run(format!("{shown}: column '{name}' is {what}, which is not read")).hint(way_out)
            );
        }
    }
    check_times(path, shown)
}

/// Fails if a column of times holds 24:00:00, which some programs write, or more: the engine makes nulls of them. Goes by the
/// statistics in the footer.
fn check_times(path: &Path, shown: &str) -> Result<()> {
    let metadata = crate::footer::metadata(path)?;
    let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
    for column in columns {
        let day = match (column.column_descr().logical_type_ref(), column.column_descr().converted_type()) {
            (Some(LogicalType::Time(time)), _) => match time.unit {
                Unit::MILLIS => 86_400_000,
                Unit::MICROS => 86_400_000_000,
                Unit::NANOS => 86_400_000_000_000,
            },
            (_, ConvertedType::TIME_MILLIS) => 86_400_000,
            (_, ConvertedType::TIME_MICROS) => 86_400_000_000,
            _ => continue,
        };
        let greatest = match column.statistics() {
            Some(Statistics::Int32(of)) => of.max_opt().map(|most| i64::from(*most)),
            Some(Statistics::Int64(of)) => of.max_opt().copied(),
            _ => None,
        };
        if greatest.is_some_and(|greatest| greatest >= day) {
            let name = column.column_path().string();
            return Err(Error::cannot_run(format!(
                "{shown}: column '{name}' holds times of 24:00:00 or later, which no day has"
            ))
            .hint("write them as text, or as durations"));
        }
    }
    Ok(())
}

/// What bytes of a column stand for, where Parquet says so and the engine does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BytesOf {
    /// 16 bytes, for people in five groups of hexadecimal digits.
    Uuid,
    /// Text in UTF-8.
    Json,
}

/// The columns of the file at `path` whose bytes stand for something.
pub fn bytes_of(path: &Path) -> Result<Vec<(String, BytesOf)>> {
    let metadata = crate::footer::metadata(path)?;
    let columns = metadata.file_metadata().schema_descr().columns().iter();
    let of = |column: &ColumnDescPtr| {
        let of = match column.logical_type_ref() {
            Some(LogicalType::Uuid) => BytesOf::Uuid,
            Some(LogicalType::Json) => BytesOf::Json,
            _ => return None,
        };
        // Within lists and structs they stay what they are.
        (column.path().parts().len() == 1).then(|| (column.name().to_owned(), of))
    };
    Ok(columns.filter_map(of).collect())
}

/// What cannot be read of a type, and how else to write it.
fn unreadable(dtype: &ArrowDataType) -> Option<(String, &'static str)> {
    use ArrowDataType as A;
    match dtype {
        A::Null | A::Boolean => None,
        A::Int8 | A::Int16 | A::Int32 | A::Int64 | A::UInt8 | A::UInt16 | A::UInt32 | A::UInt64 => None,
        A::Float32 | A::Float64 | A::Date32 | A::Date64 | A::Timestamp(..) | A::Duration(_) | A::Time64(_) => None,
        A::Decimal(..) | A::Decimal32(..) | A::Decimal64(..) | A::Decimal256(..) => None,
        A::Binary | A::LargeBinary | A::BinaryView | A::FixedSizeBinary(_) | A::Utf8 | A::LargeUtf8 | A::Utf8View => {
            None
        }
        A::Time32(TimeUnit::Second) => {
            // The engine takes the milliseconds that Parquet holds for seconds.
            Some(("a time of day in seconds (time32[s])".to_owned(), "write it in milliseconds or microseconds"))
        }
        A::Time32(_) => None,
        A::Float16 => Some(("of the type float16".to_owned(), "write it as float32")),
        A::Interval(
            IntervalUnit::MonthDayNano | IntervalUnit::MonthDayMillis | IntervalUnit::YearMonth | IntervalUnit::DayTime,
        ) => Some(("an interval".to_owned(), "write it as text, or as numbers of months and days")),
        A::Extension(extension) => {
            Some((format!("of the extension type '{}'", extension.name), "write it as text, or as a type of its own"))
        }
        A::List(field) | A::LargeList(field) | A::FixedSizeList(field, _) | A::Map(field, _) => {
            unreadable(field.dtype())
        }
        A::Struct(fields) => fields.iter().find_map(|field| unreadable(field.dtype())),
        A::Dictionary(_, values, _) => unreadable(values),
        other => Some((format!("of the type {other:?}"), "write it as text, or as a type that docs/values.md names")),
    }
}

#[cfg(test)]
mod tests {
    use parquet::data_type::{FixedLenByteArray, FixedLenByteArrayType, Int32Type};
    use parquet::file::metadata::KeyValue;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use polars_arrow::datatypes::{ArrowSchema, Field};
    use polars_parquet::write::schema_to_metadata_key;
    use spec::Root;

    use super::*;

    /// A file of one column `c`: as Parquet keeps it, and as its writer called it.
    fn file(folder: &Path, column: &str, named: ArrowDataType, value: i32) -> std::path::PathBuf {
        let path = folder.join("c.parquet");
        let schema =
            parquet::schema::parser::parse_message_type(&format!("message m {{ OPTIONAL {column}; }}")).unwrap();
        let arrow: ArrowSchema =
            [Field::new("c".into(), named, true)].into_iter().map(|field| (field.name.clone(), field)).collect();
        let note = schema_to_metadata_key(&arrow);
        let notes = vec![KeyValue::new(note.key, note.value)];
        let properties = WriterProperties::builder().set_key_value_metadata(Some(notes)).build();
        let mut writer =
            SerializedFileWriter::new(File::create(&path).unwrap(), schema.into(), properties.into()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut leaf = group.next_column().unwrap().unwrap();
        match column.starts_with("INT32") {
            true => drop(leaf.typed::<Int32Type>().write_batch(&[value], Some(&[1]), None).unwrap()),
            false => {
                let value = FixedLenByteArray::from(vec![0u8, 0x3C]);
                leaf.typed::<FixedLenByteArrayType>().write_batch(&[value], Some(&[1]), None).unwrap();
            }
        }
        leaf.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        path
    }

    #[test]
    fn kinds_that_the_engine_does_not_know_are_refused_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.parquet");
        for (column, what) in [
            ("optional group v (VARIANT) { required binary metadata; required binary value; }", "'v' is a VARIANT"),
            ("optional group g { optional binary p (GEOMETRY); }", "'p' is a GEOMETRY"),
        ] {
            let schema = format!("message m {{ optional int32 a; {column} }}");
            let schema = parquet::schema::parser::parse_message_type(&schema).unwrap();
            let file = File::create(&path).unwrap();
            SerializedFileWriter::new(file, schema.into(), Default::default()).unwrap().close().unwrap();
            assert_eq!(
                crate::open(&Root::at(folder.path()), &path).unwrap_err().to_string(),
                format!("v.parquet: column {what}, which is not read; write it as text, or in columns of plain types")
            );
        }
    }

    #[test]
    fn what_would_be_misread_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        let open = |column: &str, named: ArrowDataType| {
            let path = file(folder.path(), column, named, 14_706_000);
            crate::open(&root, &path).map(drop).map_err(|error| error.to_string())
        };
        let time = "INT32 c (TIME(MILLIS, false))";
        assert_eq!(
            open(time, ArrowDataType::Time32(TimeUnit::Second)).unwrap_err(),
            "c.parquet: column 'c' is a time of day in seconds (time32[s]), which is not read; write it in milliseconds or \
             microseconds"
        );
        assert_eq!(open(time, ArrowDataType::Time32(TimeUnit::Millisecond)), Ok(()));
        assert_eq!(
            open("FIXED_LEN_BYTE_ARRAY (2) c (FLOAT16)", ArrowDataType::Float16).unwrap_err(),
            "c.parquet: column 'c' is of the type float16, which is not read; write it as float32"
        );
        let path = file(folder.path(), time, ArrowDataType::Time32(TimeUnit::Millisecond), 86_400_000);
        assert_eq!(
            crate::open(&root, &path).unwrap_err().to_string(),
            "c.parquet: column 'c' holds times of 24:00:00 or later, which no day has; write them as text, or as durations"
        );
        let list = ArrowDataType::List(Box::new(Field::new("item".into(), ArrowDataType::Float16, true)));
        assert!(unreadable(&list).is_some(), "the types within lists, too");
    }
}
