//! Types in Parquet files of other programs that the engine would misread, or at which it panics.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{ColumnOrder, ConvertedType, LogicalType, TimeUnit as Unit};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::WriterProperties;
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescPtr, Type};
use polars::prelude::{AnyValue, BooleanChunked, DataType, PolarsResult, Series};
use polars_arrow::datatypes::{ArrowDataType, IntervalUnit, Metadata, TimeUnit};
use polars_parquet::read::schema::read_schema_from_metadata;
use spec::{Error, Result};

use crate::arrow_note::{ARROW_SCHEMA, ArrowNote};
use crate::footer::metadata;
use crate::{PolarsResultExt, Temporary};

/// A column that cannot be read.
struct Unreadable {
    column: String,
    error: Error,
    /// The engine fails at the whole file, even where the column is not read.
    spoils_file: bool,
}

/// What is read of a file: as it is, or the copy that [`readable_copy`] makes of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    Itself,
    Copy,
}

/// Why a column of the file at `path` cannot be read, if there is such a column: among all, or among `columns` if they are
/// given. `shown`: what errors call the file.
pub(crate) fn unreadable_column(
    path: &Path,
    shown: &str,
    columns: Option<&[String]>,
    reads: Reads,
) -> Result<Option<Error>> {
    let is_read = |column: &String| columns.is_none_or(|columns| columns.contains(column));
    Ok(unreadable(path, shown, reads)?.into_iter().find(|found| is_read(&found.column)).map(|found| found.error))
}

/// If the engine cannot read the file at `path` because of columns other than `columns`, or because of time zones or orders
/// that it does not know: a copy of the file in `folder`, without these columns, and in UTC. The pages are copied as they are.
pub fn readable_copy(path: &Path, shown: &str, columns: Option<&[String]>, folder: &Path) -> Result<Option<Temporary>> {
    let is_wanted = |column: &String| columns.is_none_or(|columns| columns.contains(column));
    let spoiling = unreadable(path, shown, Reads::Copy)?.into_iter().filter(|found| found.spoils_file);
    let left_out: HashSet<String> = spoiling.map(|found| found.column).filter(|column| !is_wanted(column)).collect();
    let metadata = metadata(path)?;
    let fields = metadata.file_metadata().schema_descr().root_schema().get_fields();
    // A column that is missing is reported with the names of those that are, so then they are kept.
    let complete =
        columns.filter(|columns| columns.iter().all(|column| fields.iter().any(|field| field.name() == column)));
    let is_kept = |name: &str| match complete {
        Some(columns) => columns.iter().any(|column| column == name),
        None => !left_out.contains(name),
    };
    let mut types = arrow_note(&metadata, shown)?;
    let in_utc = types.as_mut().is_some_and(|types| types.in_utc(crate::dtype::is_zone));
    let orders = metadata.file_metadata().column_orders().into_iter().flatten();
    let has_changed = in_utc || orders.into_iter().any(is_new);
    if left_out.is_empty() && !has_changed {
        return Ok(None);
    }
    if let Some(types) = &mut types {
        types.retain(is_kept);
    }
    let mut copy = Temporary::beside(&folder.join(path.file_name().unwrap_or_default()))?;
    let failed = |error: ParquetError| Error::cannot_run(format!("{shown}: cannot copy the columns to read: {error}"));
    copy_columns(path, &metadata, types, is_kept, copy.file()).map_err(failed)?;
    Ok(Some(copy))
}

fn copy_columns(
    path: &Path,
    metadata: &ParquetMetaData,
    types: Option<ArrowNote>,
    is_kept: impl Fn(&str) -> bool,
    copy: &mut File,
) -> Result<(), ParquetError> {
    let from = File::open(path)?;
    let schema = metadata.file_metadata().schema_descr();
    let fields = schema.root_schema().get_fields().iter().filter(|field| is_kept(field.name())).cloned().collect();
    let root = Type::group_type_builder(schema.root_schema().name()).with_fields(fields).build()?;
    let types = types.map(|types| vec![KeyValue::new(ARROW_SCHEMA.to_owned(), types.to_text())]);
    let properties = WriterProperties::builder().set_key_value_metadata(types).build();
    let mut writer = SerializedFileWriter::new(&mut *copy, Arc::new(root), Arc::new(properties))?;
    for group in metadata.row_groups() {
        let mut into = writer.next_row_group()?;
        for column in group.columns() {
            if !is_kept(&column.column_path().parts()[0]) {
                continue;
            }
            let chunk = ColumnCloseResult {
                bytes_written: column.compressed_size() as u64,
                rows_written: group.num_rows() as u64,
                metadata: column.clone(),
                bloom_filter: None,
                column_index: None,
                offset_index: None,
            };
            into.append_column(&from, chunk)?;
        }
        into.close()?;
    }
    writer.close()?;
    let leaves = schema.columns().iter().filter(|column| is_kept(&column.path().parts()[0])).count();
    without_new_orders(copy, leaves)
}

/// Puts the order of the type in the place of that of INT96, which the engine does not know, in the footer that was just written. It
/// ends with the orders of the `leaves`, each in three bytes, and a zero (parquet.thrift, `ColumnOrder`, in the compact protocol).
pub(crate) fn without_new_orders(copy: &mut File, leaves: usize) -> Result<(), ParquetError> {
    const OF_TYPE: u8 = 0x1C;
    const OF_INT96: u8 = 0x3C;
    const TAIL: usize = 8;
    let length = 3 * leaves;
    copy.seek(SeekFrom::End(-((length + 1 + TAIL) as i64)))?;
    let mut orders = vec![0; length];
    copy.read_exact(&mut orders)?;
    if !orders.chunks(3).all(|order| matches!(order, [OF_TYPE..=OF_INT96, 0, 0])) {
        return Ok(());
    }
    orders.chunks_mut(3).filter(|order| order[0] == OF_INT96).for_each(|order| order[0] = OF_TYPE);
    copy.seek(SeekFrom::End(-((length + 1 + TAIL) as i64)))?;
    copy.write_all(&orders)?;
    Ok(())
}

/// The types as the writer noted them; the engine goes by that, too.
fn arrow_note(metadata: &ParquetMetaData, shown: &str) -> Result<Option<ArrowNote>> {
    let mut notes = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    let Some(text) = notes.find(|note| note.key == ARROW_SCHEMA).and_then(|note| note.value.as_deref()) else {
        return Ok(None);
    };
    ArrowNote::read(text).ok_or_else(|| no_types(shown)).map(Some)
}

fn no_types(shown: &str) -> Error {
    Error::cannot_run(format!("{shown}: the types that its writer noted cannot be read")).hint(
        "it is damaged, or written in a way that is newer than this version; write it without the schema of Arrow",
    )
}

/// All columns of the file at `path` that cannot be read.
fn unreadable(path: &Path, shown: &str, reads: Reads) -> Result<Vec<Unreadable>> {
    let metadata = metadata(path)?;
    let mut all = named_twice(&metadata, shown);
    all.extend(of_unknown_type(&metadata, shown));
    if all.is_empty() {
        // Where the engine fails at the kinds above, it may fail at the note of their types, too.
        all.extend(of_unknown_arrow_type(&metadata, shown, reads)?);
    } else if let Ok(more) = of_unknown_arrow_type(&metadata, shown, reads) {
        all.extend(more);
    }
    all.extend(late_times(&metadata, shown));
    if reads == Reads::Itself {
        all.extend(of_new_order(&metadata, shown));
    }
    Ok(all)
}

/// Whether a column is in an order that the engine does not know: it takes the whole file for damaged.
fn is_new(order: &ColumnOrder) -> bool {
    matches!(order, ColumnOrder::INT96_TIMESTAMP_ORDER | ColumnOrder::UNKNOWN)
}

fn of_new_order(metadata: &ParquetMetaData, shown: &str) -> Option<Unreadable> {
    let file = metadata.file_metadata();
    let at = file.column_orders()?.iter().position(is_new)?;
    let column = file.schema_descr().columns().get(at)?.path().parts().first()?.clone();
    let error = Error::cannot_run(format!("{shown}: column '{column}' names an order that is read from a copy only"))
        .hint("let ingest read the file, or write timestamps of 64 bits instead of 96");
    Some(Unreadable { column, error, spoils_file: true })
}

fn named_twice(metadata: &ParquetMetaData, shown: &str) -> Vec<Unreadable> {
    let fields = metadata.file_metadata().schema_descr().root_schema().get_fields();
    let of = |(at, field): (usize, &Arc<Type>)| {
        let earlier = fields[..at].iter().position(|other| other.name() == field.name())? + 1;
        let (at, name) = (at + 1, field.name());
        let error = Error::cannot_run(format!("{shown}: columns {earlier} and {at} are both named '{name}'"))
            .hint("give each its own name where the file is written");
        Some(Unreadable { column: name.to_owned(), error, spoils_file: true })
    };
    fields.iter().enumerate().filter_map(of).collect()
}

/// Columns of types of Parquet that the engine does not know: it panics, or fails as if the file were damaged.
fn of_unknown_type(metadata: &ParquetMetaData, shown: &str) -> Vec<Unreadable> {
    /// Digits of a decimal that 128 bits hold.
    const DIGITS: i32 = 38;
    let schema = metadata.file_metadata().schema_descr();
    let kinds = schema.root_schema().get_fields().iter().filter_map(|field| {
        let (name, what, way_out) = unknown_kind(field)?;
        let error = Error::cannot_run(format!("{shown}: column '{name}' is {what}, which is not read")).hint(way_out);
        Some(Unreadable { column: field.name().to_owned(), error, spoils_file: true })
    });
    let leaves = schema.columns().iter().filter_map(|column| {
        let (precision, scale) = (column.type_precision(), column.type_scale());
        let (what, way_out) = match column.converted_type() {
            ConvertedType::DECIMAL if precision > DIGITS => (
                format!("decimal({precision},{scale}), but decimals are read up to {DIGITS} digits"),
                "write it as text, or with fewer digits",
            ),
            ConvertedType::INTERVAL => {
                ("an interval, which is not read".to_owned(), "write it as text, or as numbers of months and days")
            }
            _ => return None,
        };
        let name = column.path().string();
        let error = Error::cannot_run(format!("{shown}: column '{name}' is {what}")).hint(way_out);
        Some(Unreadable { column: column.path().parts()[0].clone(), error, spoils_file: true })
    });
    kinds.chain(leaves).collect()
}

/// A field, itself or within others, of a kind that the engine does not know: its name, what it is, and how else to write
/// it.
fn unknown_kind(field: &Type) -> Option<(&str, &'static str, &'static str)> {
    let what = match field.get_basic_info().logical_type_ref() {
        Some(LogicalType::Variant(_)) => "a VARIANT",
        Some(LogicalType::Geometry(_)) => "a GEOMETRY",
        Some(LogicalType::Geography(_)) => "a GEOGRAPHY",
        Some(LogicalType::File) => "a reference to a file",
        Some(LogicalType::_Unknown { .. }) => "of a type that is newer than this version",
        Some(LogicalType::Float16) => return Some((field.name(), "of the type float16", "write it as float32")),
        _ if field.is_group() => return field.get_fields().iter().find_map(|field| unknown_kind(field)),
        _ => return None,
    };
    Some((field.name(), what, "write it as text, or in columns of plain types"))
}

/// Columns of types of Arrow that the engine would misread, or at which it panics.
fn of_unknown_arrow_type(metadata: &ParquetMetaData, shown: &str, reads: Reads) -> Result<Vec<Unreadable>> {
    let Some(mut note) = arrow_note(metadata, shown)? else { return Ok(Vec::new()) };
    if reads == Reads::Copy {
        note.in_utc(crate::dtype::is_zone);
    }
    let of = |column: &str, what: &str, way_out: &str| Unreadable {
        column: column.to_owned(),
        error: Error::cannot_run(format!("{shown}: column '{column}' is {what}, which is not read")).hint(way_out),
        spoils_file: true,
    };
    let unknown = note.unknown();
    let way_out = "write it as a list, or as another type that docs/values.md names";
    let mut all: Vec<Unreadable> =
        unknown.iter().map(|(column, what)| of(column, &format!("of the type {what}"), way_out)).collect();
    note.retain(|name| !unknown.iter().any(|(column, _)| column == name));
    let mut note: Metadata = [(ARROW_SCHEMA.into(), note.to_text().into())].into();
    let types = read_schema_from_metadata(&mut note).map_err(|_| no_types(shown))?.unwrap_or_default();
    all.extend(types.iter().filter_map(|(name, field)| {
        let (what, way_out) = unknown_arrow_type(field.dtype())?;
        Some(of(name, &what, way_out))
    }));
    Ok(all)
}

/// Columns of times that hold 24:00:00, which some programs write, or more, or negative ones: the engine makes nulls of them. Goes by
/// the statistics in the footer; without them, nothing is known.
fn late_times(metadata: &ParquetMetaData, shown: &str) -> Vec<Unreadable> {
    let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
    let of = |column: &parquet::file::metadata::ColumnChunkMetaData| {
        let day = match (column.column_descr().logical_type_ref(), column.column_descr().converted_type()) {
            (Some(LogicalType::Time(time)), _) => match time.unit {
                Unit::MILLIS => 86_400_000,
                Unit::MICROS => 86_400_000_000,
                Unit::NANOS => 86_400_000_000_000,
            },
            (_, ConvertedType::TIME_MILLIS) => 86_400_000,
            (_, ConvertedType::TIME_MICROS) => 86_400_000_000,
            _ => return None,
        };
        let (least, greatest) = match column.statistics() {
            Some(Statistics::Int32(of)) => (of.min_opt().copied().map(i64::from), of.max_opt().copied().map(i64::from)),
            Some(Statistics::Int64(of)) => (of.min_opt().copied(), of.max_opt().copied()),
            _ => (None, None),
        };
        let nulls = column.statistics().and_then(Statistics::null_count_opt);
        if nulls.is_some_and(|nulls| i64::try_from(nulls) == Ok(column.num_values())) {
            return None;
        }
        let (what, way_out) = match least.zip(greatest) {
            Some((least, greatest)) if least >= 0 && greatest < day => return None,
            Some((least, _)) if least < 0 => {
                ("holds times before 00:00:00, which no day has", "write them as text, or as durations")
            }
            Some(_) => ("holds times of 24:00:00 or later, which no day has", "write them as text, or as durations"),
            None => (
                "holds times without statistics, which tell whether there is one of 24:00:00 or later",
                "write the file with statistics, or the times as text",
            ),
        };
        let name = column.column_path().string();
        let error = Error::cannot_run(format!("{shown}: column '{name}' {what}")).hint(way_out);
        Some(Unreadable { column: column.column_path().parts()[0].clone(), error, spoils_file: false })
    };
    columns.filter_map(of).collect()
}

/// What the bytes of a column mean, where Parquet says so and the engine does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BytesOf {
    /// 16 bytes, for people in five groups of hexadecimal digits.
    Uuid,
    /// Text in UTF-8.
    Json,
}

/// The columns of the file at `path` whose bytes have a meaning.
pub fn bytes_of(path: &Path) -> Result<Vec<(String, BytesOf)>> {
    let metadata = metadata(path)?;
    let columns = metadata.file_metadata().schema_descr().columns().iter();
    let of = |column: &ColumnDescPtr| {
        // Older programs write the converted type alone.
        let of = match (column.logical_type_ref(), column.converted_type()) {
            (Some(LogicalType::Uuid), _) => BytesOf::Uuid,
            (Some(LogicalType::Json), _) | (None, ConvertedType::JSON) => BytesOf::Json,
            _ => return None,
        };
        // Within lists and structs they stay what they are.
        (column.path().parts().len() == 1).then(|| (column.name().to_owned(), of))
    };
    Ok(columns.filter_map(of).collect())
}

/// The columns of the file at `path` that hold timestamps of 96 bits (INT96), themselves or within them. Where one does not fit into
/// 64 bits of nanoseconds, the engine reads the greatest number that does.
pub fn with_int96(path: &Path) -> Result<Vec<String>> {
    let metadata = metadata(path)?;
    let columns = metadata.file_metadata().schema_descr().columns().iter();
    let of_96 = columns.filter(|column| column.physical_type() == parquet::basic::Type::INT96);
    Ok(of_96.map(|column| column.path().parts()[0].clone()).collect())
}

/// Which values of a column with timestamps of 96 bits do not fit into 64 bits of nanoseconds: in their place the engine reads the
/// greatest number that does.
pub fn beyond_96_bits(column: &Series) -> PolarsResult<BooleanChunked> {
    Ok(match column.dtype() {
        DataType::Datetime(..) => {
            let ticks = column.to_physical_repr();
            ticks.i64()?.iter().map(|tick| Some(tick == Some(i64::MAX))).collect()
        }
        _ => column.rechunk().iter().map(|value| Some(is_beyond(&value))).collect(),
    })
}

/// Whether a value is, or holds, the last timestamp in nanoseconds.
fn is_beyond(value: &AnyValue<'_>) -> bool {
    match value {
        AnyValue::Datetime(i64::MAX, ..) | AnyValue::DatetimeOwned(i64::MAX, ..) => true,
        AnyValue::List(values) | AnyValue::Array(values, _) => values.iter().any(|value| is_beyond(&value)),
        AnyValue::Struct(..) => value._iter_struct_av().any(|value| is_beyond(&value)),
        AnyValue::StructOwned(parts) => parts.0.iter().any(is_beyond),
        _ => false,
    }
}

/// Refuses a column in which the engine has misread a timestamp of 96 bits. `shown`: what errors call the file or table.
pub(crate) fn check_96_bits(column: &Series, shown: &str) -> Result<()> {
    if !beyond_96_bits(column).during(shown)?.any() {
        return Ok(());
    }
    let name = column.name();
    Err(Error::cannot_run(format!(
        "{shown}: column '{name}' holds a 96-bit timestamp before 1677 or after 2262, which is not read"
    ))
    .hint("let ingest read the file, which refuses such rows, or write timestamps of 64 bits"))
}

/// What cannot be read of a type, and how else to write it.
fn unknown_arrow_type(dtype: &ArrowDataType) -> Option<(String, &'static str)> {
    use ArrowDataType as A;
    match dtype {
        A::Null | A::Boolean => None,
        A::Int8 | A::Int16 | A::Int32 | A::Int64 | A::UInt8 | A::UInt16 | A::UInt32 | A::UInt64 => None,
        A::Float32 | A::Float64 | A::Date32 | A::Date64 | A::Duration(_) | A::Time64(_) => None,
        A::Timestamp(_, Some(zone)) if !crate::dtype::is_zone(zone) => Some((
            format!("a timestamp in the time zone '{zone}'"),
            "let ingest read the file, which makes it UTC, or write it in UTC or in a zone with a name, such as Europe/Berlin",
        )),
        A::Timestamp(..) => None,
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
            unknown_arrow_type(field.dtype())
        }
        A::Struct(fields) => fields.iter().find_map(|field| unknown_arrow_type(field.dtype())),
        A::Dictionary(_, values, _) => unknown_arrow_type(values),
        other => Some((format!("of the type {other:?}"), "write it as text, or as a type that docs/values.md names")),
    }
}

#[cfg(test)]
mod tests {
    use parquet::data_type::{FixedLenByteArray, FixedLenByteArrayType, Int32Type};
    use parquet::file::metadata::KeyValue;
    use parquet::file::properties::{EnabledStatistics, WriterProperties};
    use parquet::file::writer::SerializedFileWriter;
    use polars_arrow::datatypes::{ArrowSchema, Field};
    use polars_parquet::write::schema_to_metadata_key;
    use spec::Root;

    use super::*;

    /// A file of one column `c`: as Parquet keeps it, and as its writer called it.
    fn file(folder: &Path, column: &str, named: ArrowDataType, value: i32) -> std::path::PathBuf {
        file_with(folder, column, named, value, EnabledStatistics::Page)
    }

    fn file_with(
        folder: &Path,
        column: &str,
        named: ArrowDataType,
        value: i32,
        statistics: EnabledStatistics,
    ) -> std::path::PathBuf {
        let path = folder.join("c.parquet");
        let schema =
            parquet::schema::parser::parse_message_type(&format!("message m {{ OPTIONAL {column}; }}")).unwrap();
        let arrow: ArrowSchema =
            [Field::new("c".into(), named, true)].into_iter().map(|field| (field.name.clone(), field)).collect();
        let note = schema_to_metadata_key(&arrow);
        let notes = vec![KeyValue::new(note.key, note.value)];
        let properties = WriterProperties::builder().set_key_value_metadata(Some(notes));
        let properties = properties.set_statistics_enabled(statistics).build();
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
                format!(
                    "v.parquet: column {what}, which is not read; write it as text, or in columns of plain types, \
                         or leave it out under 'columns' in ingest.yaml"
                )
            );
        }
    }

    #[test]
    fn zones_that_the_engine_does_not_know_are_refused_unless_the_file_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        for (zone, is_read) in [("UTC", true), ("Asia/Seoul", true), ("+05:30", false), ("Z", false)] {
            let named = ArrowDataType::Timestamp(TimeUnit::Millisecond, Some(zone.into()));
            let path = file(folder.path(), "INT32 c (DATE)", named, 1);
            let found = unreadable_column(&path, "c.parquet", None, Reads::Itself).unwrap();
            assert_eq!(found.is_none(), is_read, "{zone}");
            if let Some(error) = found {
                let text = format!("c.parquet: column 'c' is a timestamp in the time zone '{zone}', which is not read");
                assert!(error.to_string().starts_with(&text), "{error}");
            }
            assert!(unreadable_column(&path, "c.parquet", None, Reads::Copy).unwrap().is_none(), "{zone}");
            let copy = readable_copy(&path, "c.parquet", None, folder.path()).unwrap();
            assert_eq!(copy.is_none(), is_read, "{zone}");
            if let Some(copy) = copy {
                assert!(unreadable_column(copy.path(), "c.parquet", None, Reads::Itself).unwrap().is_none(), "{zone}");
            }
        }
    }

    #[test]
    fn a_note_of_types_that_cannot_be_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.parquet");
        for note in ["", "AAA=", "no base64 at all", "/////wAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            let schema = parquet::schema::parser::parse_message_type("message m { required int32 a; }").unwrap();
            let notes = vec![KeyValue::new(ARROW_SCHEMA.to_owned(), note.to_owned())];
            let properties = WriterProperties::builder().set_key_value_metadata(Some(notes)).build();
            let file = File::create(&path).unwrap();
            SerializedFileWriter::new(file, schema.into(), properties.into()).unwrap().close().unwrap();
            assert_eq!(
                crate::open(&Root::at(folder.path()), &path).unwrap_err().to_string(),
                "c.parquet: the types that its writer noted cannot be read; it is damaged, or written in \
                 a way that is newer than this version; write it without the schema of Arrow",
                "{note}"
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
             microseconds, or leave it out under 'columns' in ingest.yaml"
        );
        assert_eq!(open(time, ArrowDataType::Time32(TimeUnit::Millisecond)), Ok(()));
        assert_eq!(
            open("FIXED_LEN_BYTE_ARRAY (2) c (FLOAT16)", ArrowDataType::Float16).unwrap_err(),
            "c.parquet: column 'c' is of the type float16, which is not read; write it as float32, or leave it out under 'columns' \
             in ingest.yaml"
        );
        let path = file(folder.path(), time, ArrowDataType::Time32(TimeUnit::Millisecond), 86_400_000);
        assert_eq!(
            crate::open(&root, &path).unwrap_err().to_string(),
            "c.parquet: column 'c' holds times of 24:00:00 or later, which no day has; write them as text, or as durations, or \
             leave it out under 'columns' in ingest.yaml"
        );
        let path = file(folder.path(), time, ArrowDataType::Time32(TimeUnit::Millisecond), -1);
        let error = crate::open(&root, &path).unwrap_err().to_string();
        assert!(
            error.starts_with("c.parquet: column 'c' holds times before 00:00:00, which no day has; write them"),
            "{error}"
        );
        let named = ArrowDataType::Time32(TimeUnit::Millisecond);
        let path = file_with(folder.path(), time, named, 0, EnabledStatistics::None);
        assert_eq!(
            crate::open(&root, &path).unwrap_err().to_string(),
            "c.parquet: column 'c' holds times without statistics, which tell whether there is one of 24:00:00 or later; write the \
             file with statistics, or the times as text, or leave it out under 'columns' in ingest.yaml"
        );
        let list = ArrowDataType::List(Box::new(Field::new("item".into(), ArrowDataType::Float16, true)));
        assert!(unknown_arrow_type(&list).is_some(), "the types within lists, too");
    }
}
