use polars::prelude::*;
use testkit::fuzz::{Round, Rounds};

use super::*;
use crate::TableWriter;

/// A file `t.parquet` in a folder of this name, whose columns are those that a reader of folders would find there.
fn written(folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let table = df!("v" => [1i64, 2], "a" => ["x", "y"], "zip" => ["1", "02"]).unwrap();
    let file = folder.join("t.parquet");
    let mut writer = TableWriter::create(&file, table.schema()).unwrap();
    writer.write(table).unwrap();
    let written = writer.finish().unwrap();
    std::fs::rename(written.path(), &file).unwrap();
    file
}

#[test]
fn names_of_folders_are_not_data() {
    let base = tempfile::tempdir().unwrap();
    for folder in [
        "v=9",
        "a=5/project/data",
        "env=prod",
        "zip=02134",
        "v=__HIVE_DEFAULT_PARTITION__",
        "day=2024-01-01/v=3",
        "with blank",
        "100%25",
        "[ab]",
        "*",
        "~",
        "{x}",
        "v=9/a=/zip=%2F",
        "s3:",
        "ü=ß",
    ] {
        let file = written(&base.path().join(folder));
        let read = crate::collect(scan_files(&[file.as_path()]).unwrap(), "test").unwrap();
        let expected = df!("v" => [1i64, 2], "a" => ["x", "y"], "zip" => ["1", "02"]).unwrap();
        assert!(read.equals(&expected), "{folder}: {read}");
        assert_eq!(schema_of(&file).unwrap(), **expected.schema(), "{folder}");
    }
}

#[test]
fn two_files_of_two_such_folders_are_one_table() {
    let base = tempfile::tempdir().unwrap();
    let files = ["v=1", "v=2/b=3"].map(|folder| written(&base.path().join(folder)));
    let plan = scan_files(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>()).unwrap();
    let read = crate::collect(plan, "test").unwrap();
    let expected = df!("v" => [1i64, 2, 1, 2], "a" => ["x", "y", "x", "y"], "zip" => ["1", "02", "1", "02"]).unwrap();
    assert!(read.equals(&expected), "{read}");
}

/// A file with a column of each kind, as another program may have written it.
fn of_all_kinds(file: &Path) {
    let rows = 300i64;
    let numbers: Vec<Option<i64>> = (0..rows).map(|row| (row % 7 != 0).then_some(row * row)).collect();
    let texts: Vec<String> = (0..rows).map(|row| format!("text {}", row % 13)).collect();
    let list = Series::new("".into(), numbers.iter().map(|n| Series::new("".into(), [*n, None])).collect::<Vec<_>>());
    let mut table = df!(
        "n" => &numbers, "s" => &texts, "x" => numbers.iter().map(|n| n.map(|n| n as f64 / 3.0)).collect::<Vec<_>>(),
        "b" => numbers.iter().map(|n| n.map(|n| n % 2 == 0)).collect::<Vec<_>>(), "l" => list,
    )
    .unwrap();
    let days = Column::new("d".into(), numbers.iter().map(|n| n.map(|n| n as i32)).collect::<Vec<_>>());
    table.with_column(days.cast(&DataType::Date).unwrap()).unwrap();
    let prices = Column::new("p".into(), &numbers).cast(&DataType::Decimal(20, 2)).unwrap();
    table.with_column(prices).unwrap();
    let out = std::fs::File::create(file).unwrap();
    ParquetWriter::new(out).with_row_group_size(Some(100)).finish(&mut table).unwrap();
}

/// Everything that a stage does with a file that it is given.
fn read_whole(root: &Root, file: &Path) -> Result<usize> {
    let artifact = open(root, file)?;
    artifact.rows()?;
    artifact.verify()?;
    let plan = scan(std::slice::from_ref(&artifact), &artifact.table)?;
    let mut rows = 0;
    for batch in crate::stream(plan, file.display().to_string())? {
        rows += batch?.height();
    }
    Ok(rows)
}

#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    let file = folder.path().join("a.parquet");
    of_all_kinds(&file);
    assert_eq!(read_whole(&root, &file).unwrap(), 300);
    let whole = std::fs::read(&file).unwrap();
    // Words of the engine, or without a way out.
    let mut raw_texts = BTreeSet::new();
    for Round { seed, mut random } in Rounds::of(200) {
        let mut random = |below: usize| random.below(below as u64) as usize;
        let mut bytes = whole.clone();
        for _ in 0..=random(4) {
            let at = match random(2) {
                // The footer says where everything is.
                0 => bytes.len() - 1 - random(bytes.len() / 4),
                _ => random(bytes.len()),
            };
            bytes[at] = match random(3) {
                0 => bytes[at] ^ (1 << random(8)),
                1 => [0, 0xFF, 0x7F, 0x80][random(4)],
                _ => random(256) as u8,
            };
        }
        if random(10) == 0 {
            bytes.truncate(random(bytes.len()));
        }
        // A file of its own: the engine may still have the last one in its memory map.
        let damaged = folder.path().join(format!("{seed}_b.parquet"));
        std::fs::write(&damaged, &bytes).unwrap();
        let read = std::panic::catch_unwind(|| read_whole(&root, &damaged));
        match read {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                let text = error.to_string();
                let text = text.split_once("b.parquet: ").map_or(text.as_str(), |(_, what)| what).to_owned();
                let raw = ["parquet: ", "Parquet error", "Error {", "ARROW", "spec: "];
                if !text.contains("; ") || text.contains("/tmp") || raw.iter().any(|words| text.contains(words)) {
                    raw_texts.insert(
                        text.chars().take(120).map(|c| if c.is_ascii_digit() { 'N' } else { c }).collect::<String>(),
                    );
                }
            }
            Err(_) => {
                let kept = std::env::temp_dir().join("millrace-damaged.parquet");
                std::fs::write(&kept, &bytes).unwrap();
                panic!("reading panics: seed {seed}, {}", kept.display());
            }
        }
        std::fs::remove_file(&damaged).unwrap();
    }
    assert!(raw_texts.is_empty(), "{raw_texts:#?}");
}

/// A file of one column of this type, with one value of so many bytes.
fn of_type(file: &Path, column: &str, bytes: usize) {
    use parquet::data_type::{ByteArray, FixedLenByteArray, Int32Type, Int64Type};
    use parquet::file::writer::SerializedFileWriter;
    let schema = parquet::schema::parser::parse_message_type(&format!("message m {{ REQUIRED {column}; }}")).unwrap();
    let mut writer =
        SerializedFileWriter::new(std::fs::File::create(file).unwrap(), schema.into(), Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut leaf = group.next_column().unwrap().unwrap();
    if column.starts_with("INT32") {
        leaf.typed::<Int32Type>().write_batch(&[7], None, None).unwrap();
    } else if column.starts_with("INT64") {
        leaf.typed::<Int64Type>().write_batch(&[7], None, None).unwrap();
    } else if column.starts_with("BYTE_ARRAY") {
        leaf.typed::<parquet::data_type::ByteArrayType>()
            .write_batch(&[ByteArray::from(vec![b'1'; bytes])], None, None)
            .unwrap();
    } else {
        let value = FixedLenByteArray::from(vec![0u8; bytes]);
        leaf.typed::<parquet::data_type::FixedLenByteArrayType>().write_batch(&[value], None, None).unwrap();
    }
    leaf.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn types_of_other_programs_are_read_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    let file = folder.path().join("c.parquet");
    for (column, bytes) in [
        ("INT32 c (INTEGER(8,true))", 4),
        ("INT32 c (INTEGER(16,false))", 4),
        ("INT64 c (INTEGER(64,false))", 8),
        ("INT32 c (DATE)", 4),
        ("INT32 c (TIME(MILLIS,true))", 4),
        ("INT64 c (TIME(NANOS,false))", 8),
        ("INT64 c (TIMESTAMP(NANOS,true))", 8),
        ("INT64 c (TIMESTAMP(MILLIS,false))", 8),
        ("INT32 c (DECIMAL(9,2))", 4),
        ("INT64 c (DECIMAL(18,2))", 8),
        ("BYTE_ARRAY c (DECIMAL(20,2))", 3),
        ("FIXED_LEN_BYTE_ARRAY (16) c (DECIMAL(38,2))", 16),
        ("BYTE_ARRAY c (JSON)", 1),
        ("BYTE_ARRAY c (BSON)", 1),
        ("BYTE_ARRAY c (ENUM)", 1),
        ("BYTE_ARRAY c", 1),
        ("FIXED_LEN_BYTE_ARRAY (5) c", 5),
        ("FIXED_LEN_BYTE_ARRAY (16) c (UUID)", 16),
    ] {
        of_type(&file, column, bytes);
        assert_eq!(read_whole(&root, &file).map_err(|error| error.to_string()), Ok(1), "{column}");
    }
    for (column, bytes, why) in [
        (
            "FIXED_LEN_BYTE_ARRAY (17) c (DECIMAL(39,2))",
            17,
            "decimal(39,2), but decimals are read up to 38 digits; write it as text, or with fewer digits",
        ),
        (
            "FIXED_LEN_BYTE_ARRAY (32) c (DECIMAL(76,10))",
            32,
            "decimal(76,10), but decimals are read up to 38 digits; write it as text, or with fewer digits",
        ),
        (
            "BYTE_ARRAY c (DECIMAL(50,2))",
            3,
            "decimal(50,2), but decimals are read up to 38 digits; write it as text, or with fewer digits",
        ),
        (
            "FIXED_LEN_BYTE_ARRAY (12) c (INTERVAL)",
            12,
            "an interval, which is not read; write it as text, or as numbers of months and days",
        ),
        ("FIXED_LEN_BYTE_ARRAY (2) c (FLOAT16)", 2, "of the type float16, which is not read; write it as float32"),
    ] {
        of_type(&file, column, bytes);
        let error = read_whole(&root, &file).unwrap_err().to_string();
        assert_eq!(error, format!("c.parquet: column 'c' is {why}, or leave it out under 'columns' in ingest.yaml"));
    }
}

/// Arrow writes a row group without rows, whose columns have no pages and begin at 0 (`fixtures/without_rows.parquet`, by pyarrow 25).
#[test]
fn a_table_without_rows_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    let file = folder.path().join("t.parquet");
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/without_rows.parquet")).unwrap();
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(read_whole(&root, &file).unwrap(), 0);
}

/// A page of data whose counts fit and whose bytes do not is decoded as it is: a wrong value. Its checksum finds it.
#[test]
fn a_page_that_does_not_match_its_checksum_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    // Written by pyarrow 26 with write_page_checksum=True, two row groups, columns n, s, x; plain, Snappy and dictionary.
    let whole = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/with_checksums.parquet")).unwrap();
    let verified = |bytes: &[u8], name: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        open(&root, &file).and_then(|artifact| artifact.verify())
    };
    verified(&whole, "whole.parquet").unwrap();
    let file = folder.path().join("whole.parquet");
    let metadata = crate::footer::metadata(&file).unwrap();
    let mut found = 0;
    for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        // The last byte of a column is the last of its last page.
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let mut bytes = whole.clone();
        bytes[(start + column.compressed_size() - 1) as usize] ^= 1;
        let error = verified(&bytes, "damaged.parquet").unwrap_err().to_string();
        let name = column.column_descr().path().string();
        assert_eq!(
            error,
            format!(
                "damaged.parquet: column '{name}' is damaged: a page does not match its checksum; fetch the file again, or \
                 have it written again"
            )
        );
        found += 1;
    }
    assert_eq!(found, 6);
}

/// Spark's files of one column `at`: a day of each row, counted from 1970-01-01, at midnight.
fn of_96_bits(file: &Path, days: &[i32]) {
    use parquet::data_type::{Int96, Int96Type};
    let values: Vec<Int96> = days
        .iter()
        .map(|day| {
            let mut value = Int96::new();
            value.set_data(0, 0, (day + 2_440_588) as u32);
            value
        })
        .collect();
    let schema = parquet::schema::parser::parse_message_type("message m { required int96 at; }").unwrap();
    let created = std::fs::File::create(file).unwrap();
    let mut writer =
        parquet::file::writer::SerializedFileWriter::new(created, schema.into(), Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut leaf = group.next_column().unwrap().unwrap();
    leaf.typed::<Int96Type>().write_batch(&values, None, None).unwrap();
    leaf.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn timestamps_of_96_bits_that_no_nanoseconds_hold_are_never_read_as_others() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    let read = |days: &[i32]| {
        let file = folder.path().join("visits.parquet");
        of_96_bits(&file, days);
        let new = open(&root, Path::new("visits.parquet")).unwrap_err().to_string();
        assert!(
            new.starts_with("visits.parquet: column 'at' names an order that is read from a copy only; let ingest"),
            "{new}"
        );
        let mut older = std::fs::File::options().read(true).write(true).open(&file).unwrap();
        crate::foreign::without_new_orders(&mut older, 1).unwrap();
        let artifact = open(&root, Path::new("visits.parquet")).unwrap();
        crate::collect(scan(&[artifact], "visits").unwrap(), "test").map_err(|error| error.to_string())
    };
    assert_eq!(read(&[0, 19_753]).unwrap().column("at").unwrap().get(1).unwrap().to_string(), "2024-01-31 00:00:00");
    // 9999-12-31 and 0001-01-01.
    for beyond in [2_932_896, -719_162] {
        assert_eq!(
            read(&[0, beyond]).unwrap_err(),
            "visits.parquet: column 'at' holds a 96-bit timestamp before 1677 or after 2262, which is not read; let ingest read the \
             file, which refuses such rows, or write timestamps of 64 bits"
        );
    }
    let bytes = std::fs::read(folder.path().join("visits.parquet")).unwrap();
    let error = crate::read_received(&bytes, "the body", 10, 1 << 20).unwrap_err().to_string();
    assert!(error.starts_with("the body: column 'at' holds a 96-bit timestamp"), "{error}");
}
