//! Parquet files with columns of types that are not read: such a column matters only where it is read.

use ::parquet::data_type::{ByteArrayType, FixedLenByteArrayType, Int32Type, Int64Type, Int96, Int96Type};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use ::parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, ExtensionType, Field, TimeUnit as Unit};
use polars_parquet::write::schema_to_metadata_key;

use super::*;

/// Two row groups of two rows: `before` holds 1 to 4, `after` 10 to 40, and the columns between, in the schema language of
/// Parquet, any bytes of their length. `named`: the types as Arrow notes them.
fn file(between: &str, named: &[(&str, ArrowDataType)]) -> Vec<u8> {
    let fields = format!("required int64 before; {between} required int64 after;");
    let schema = ::parquet::schema::parser::parse_message_type(&format!("message m {{ {fields} }}")).unwrap();
    let notes = (!named.is_empty()).then(|| {
        let fields = named.iter().map(|(name, dtype)| Field::new((*name).into(), dtype.clone(), false));
        let schema: ArrowSchema = fields.map(|field| (field.name.clone(), field)).collect();
        let note = schema_to_metadata_key(&schema);
        vec![KeyValue::new(note.key, note.value)]
    });
    let properties = WriterProperties::builder().set_key_value_metadata(notes).build();
    let schema = Arc::new(schema);
    let leaves = SchemaDescriptor::new(schema.clone());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties.into()).unwrap();
    for first in [1, 3] {
        let mut group = writer.next_row_group().unwrap();
        let mut at = 0;
        while let Some(mut leaf) = group.next_column().unwrap() {
            let scale = if at == 0 { 1 } else { 10 };
            write(&mut leaf, &leaves.column(at), [first * scale, (first + 1) * scale]);
            leaf.close().unwrap();
            at += 1;
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

fn write(leaf: &mut SerializedColumnWriter<'_>, column: &ColumnDescPtr, values: [i64; 2]) {
    use ::parquet::basic::Type;
    // The columns between are required, so that there are no levels.
    match column.physical_type() {
        Type::INT64 => drop(leaf.typed::<Int64Type>().write_batch(&values, None, None).unwrap()),
        Type::INT32 => drop(leaf.typed::<Int32Type>().write_batch(&[1, 2], None, None).unwrap()),
        Type::FIXED_LEN_BYTE_ARRAY => {
            let values = [1u8, 2].map(|byte| vec![byte; column.type_length() as usize].into());
            leaf.typed::<FixedLenByteArrayType>().write_batch(&values, None, None).unwrap();
        }
        _ => drop(leaf.typed::<ByteArrayType>().write_batch(&[vec![1].into(), vec![2].into()], None, None).unwrap()),
    }
}

#[test]
fn a_column_that_is_not_read_may_be_of_any_type() {
    let plain = |other: (&'static str, ArrowDataType)| {
        vec![("before", ArrowDataType::Int64), other, ("after", ArrowDataType::Duration(Unit::Millisecond))]
    };
    let uuid = ArrowDataType::Extension(Box::new(ExtensionType {
        name: "arrow.uuid".into(),
        inner: ArrowDataType::FixedSizeBinary(16),
        metadata: None,
    }));
    for (column, what, named) in [
        ("required fixed_len_byte_array(2) c (FLOAT16);", "'c' is of the type float16", Vec::new()),
        (
            "required fixed_len_byte_array(2) c (FLOAT16);",
            "'c' is of the type float16",
            plain(("c", ArrowDataType::Float16)),
        ),
        (
            "required int32 c (TIME(MILLIS, false));",
            "'c' is a time of day in seconds (time32[s])",
            plain(("c", ArrowDataType::Time32(Unit::Second))),
        ),
        (
            "required fixed_len_byte_array(16) c (UUID);",
            "'c' is of the extension type 'arrow.uuid'",
            plain(("c", uuid)),
        ),
        ("required fixed_len_byte_array(12) c (INTERVAL);", "'c' is an interval", Vec::new()),
        (
            "required fixed_len_byte_array(17) c (DECIMAL(39,2));",
            "'c' is decimal(39,2), but decimals are read up to 38 digits",
            Vec::new(),
        ),
        (
            "required group c (VARIANT) { required binary metadata; required binary value; }",
            "'c' is a VARIANT",
            Vec::new(),
        ),
        (
            "required group c { required group inner { required binary p (GEOMETRY); required int64 n; } }",
            "'p' is a GEOMETRY",
            Vec::new(),
        ),
        ("required int64 c; required int64 c;", "columns 2 and 3 are both named 'c'", Vec::new()),
    ] {
        let types = named.clone();
        let project = Project::with("a.parquet", file(column, &named));
        let yaml = |columns: &str| format!("source: {{file: {{path: '*.parquet'}}}}{columns}");
        for all in ["", "\ncolumns: {before: int64, c: string}"] {
            let failure = project.failure(&yaml(all));
            assert!(failure.starts_with("table 't': a.parquet: column"), "{failure}");
            assert!(failure.contains(what), "{failure}");
            assert!(failure.ends_with(", or leave it out under 'columns' in ingest.yaml"), "{failure}");
        }
        let read = project.read(&yaml("\ncolumns: {before: int64}")).unwrap();
        assert_eq!(read.table(), ["1|1", "2|2", "3|3", "4|4"], "{column}");
        // The types that the writer noted stay in force.
        if !types.is_empty() {
            let read = project.read(&yaml("\ncolumns: {before: int64, after: float64}"));
            let error = read.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("column 'after' is duration"), "{column}: {error}");
        } else {
            let read = project.read(&yaml("\ncolumns: {last: {type: int64, from: after}, before: string}")).unwrap();
            assert_eq!(read.table(), ["10|1|1", "20|2|2", "30|3|3", "40|4|4"], "{column}");
        }
        // A name that is missing is looked for among those that are.
        let failure = project.failure(&yaml("\ncolumns: {befor: int64}"));
        assert_eq!(failure, "table 't': a.parquet: no column 'befor'; did you mean 'before'?");
        let left = std::fs::read_dir(project.0.path()).unwrap().count();
        assert_eq!(left, 1, "the copy is gone");
        // Beside a file of plain columns, whichever is the first.
        for other in ["0.parquet", "b.parquet"] {
            let project = Project::with("a.parquet", file(column, &named)).and(other, file("", &[]));
            let read = project.read(&yaml("\ncolumns: {before: int64}")).unwrap();
            assert_eq!(read.rows.height(), 8, "{column}");
        }
    }
}

/// Spark writes timestamps so, and 9999-12-31 for one that never comes.
#[test]
fn timestamps_of_96_bits_that_no_nanoseconds_hold_refuse_their_row() {
    let days = [19_753, 2_932_896, -719_162, 0].map(|day: i32| {
        let mut value = Int96::new();
        value.set_data(1000, 0, (day + 2_440_588) as u32);
        value
    });
    let schema = "message m { required int96 at; required group s { required int96 at; } }";
    let schema = Arc::new(::parquet::schema::parser::parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    while let Some(mut leaf) = group.next_column().unwrap() {
        leaf.typed::<Int96Type>().write_batch(&days, None, None).unwrap();
        leaf.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    let project = Project::with("a.parquet", bytes);
    let read = |columns: &str| project.read(&format!("source: {{file: {{path: a.parquet}}}}{columns}")).unwrap();
    let what = "a 96-bit timestamp before 1677 or after 2262";
    let rows = read("");
    let numbers: Vec<u32> = rows.rows.column("_row").unwrap().u32().unwrap().iter().flatten().collect();
    assert_eq!(numbers, [1, 4]);
    assert_eq!(rows.rows.column("at").unwrap().get(0).unwrap().to_string(), "2024-01-31 00:00:00.000001");
    let reason = rows.refused.column("_reason").unwrap().str().unwrap().get(0).unwrap().to_owned();
    assert!(reason.starts_with(&format!("at: '{what}' is not a datetime")), "{reason}");
    for (of, first) in [("at: datetime", "at"), ("x: {type: string, from: s.at}", "x"), ("s: string", "s")] {
        let read = read(&format!("\ncolumns: {{{of}}}"));
        assert_eq!((read.rows.height(), read.refused.height()), (2, 2), "{of}");
        let texts = read.refused.column(first).unwrap().str().unwrap().clone();
        assert_eq!(texts.iter().flatten().collect::<Vec<_>>(), [what, what], "{of}");
    }
}

/// As pyarrow writes them: the instants are UTC, whatever the zone is called.
#[test]
fn timestamps_in_zones_that_the_engine_does_not_know_are_instants_in_utc() {
    for (zone, known_as) in
        [("+05:30", "UTC"), ("Z", "UTC"), ("-03:30", "UTC"), ("-03:00", "Etc/GMT+3"), ("Asia/Seoul", "Asia/Seoul")]
    {
        let named = [
            ("before", ArrowDataType::Int64),
            ("c", ArrowDataType::Timestamp(Unit::Millisecond, Some(zone.into()))),
            ("after", ArrowDataType::Int64),
        ];
        let project = Project::with("a.parquet", file("required int64 c (TIMESTAMP(MILLIS, true));", &named));
        let read = |columns: &str| project.read(&format!("source: {{file: {{path: a.parquet}}}}{columns}")).unwrap();
        let all = read("");
        let DataType::Datetime(unit, Some(found)) = all.schema.get("c").unwrap() else { panic!("{:?}", all.schema) };
        assert_eq!((*unit, found.as_str()), (TimeUnit::Milliseconds, known_as), "{zone}");
        let ticks =
            all.rows.column("c").unwrap().to_physical_repr().i64().unwrap().iter().flatten().collect::<Vec<_>>();
        assert_eq!(ticks, [10, 20, 30, 40], "{zone}");
        let some = read("\ncolumns: {at: {type: datetime, from: c}, after: int64}").table();
        assert_eq!(some[0], "1970-01-01 00:00:00.010|10|1", "{zone}");
        assert_eq!(read("\ncolumns: {before: int64}").rows.height(), 4, "{zone}");
        assert_eq!(std::fs::read_dir(project.0.path()).unwrap().count(), 1, "the copy is gone");
    }
}

/// fastparquet writes the older of the two notes alone.
#[test]
fn json_is_text_by_either_note() {
    let schema = Arc::new(
        ::parquet::schema::types::Type::group_type_builder("m")
            .with_fields(vec![Arc::new(
                ::parquet::schema::types::Type::primitive_type_builder("j", ::parquet::basic::Type::BYTE_ARRAY)
                    .with_repetition(::parquet::basic::Repetition::REQUIRED)
                    .with_converted_type(::parquet::basic::ConvertedType::JSON)
                    .build()
                    .unwrap(),
            )])
            .build()
            .unwrap(),
    );
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::builder().build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut leaf = group.next_column().unwrap().unwrap();
    let text = "{\"a\":[1]}".as_bytes().to_vec();
    leaf.typed::<ByteArrayType>().write_batch(&[text.into()], None, None).unwrap();
    leaf.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let read = Project::with("a.parquet", bytes).read("source: {file: {path: a.parquet}}").unwrap();
    assert_eq!((read.table(), read.types()[0].as_str()), (vec!["{\"a\":[1]}|1".to_owned()], "j string"));
}
