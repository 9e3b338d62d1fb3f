//! Files of every format with random damage: they are read, refused or named; nothing panics. How long it tries
//! says `testkit::fuzz`.

use testkit::Random;
use testkit::fuzz::{Round, Rounds};

use super::*;

fn damaged(whole: &[u8], random: &mut Random) -> Vec<u8> {
    let mut below = |end: usize| random.below(end as u64) as usize;
    let mut bytes = whole.to_vec();
    for _ in 0..=below(5) {
        let at = below(bytes.len());
        match below(6) {
            0 => bytes[at] ^= 1 << below(8),
            1 => {
                bytes[at] =
                    [0, 0xFF, b'"', b'\n', b'\\', b'{', b'}', b'[', b',', b'-', b'.', b'e', b'\r', b'%'][below(14)]
            }
            2 => bytes[at] = below(256) as u8,
            3 => drop(bytes.remove(at)),
            4 => bytes.insert(at, below(256) as u8),
            _ => {
                let end = (at + below(20)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                let to = below(bytes.len());
                bytes.splice(to..to, part);
            }
        }
        if bytes.is_empty() {
            bytes.push(b'x');
        }
    }
    if below(8) == 0 {
        bytes.truncate(below(bytes.len()));
    }
    bytes
}

/// Words of libraries, which do not help users.
const RAW: [&str; 8] =
    ["polars", "panicked", "called `", "Error(", "Error {", "src/", "ComputeError", "expected usize"];

fn try_all(name: &str, whole: &[u8], yaml: &[&str]) {
    for Round { seed, mut random } in Rounds::of(100) {
        let bytes = damaged(whole, &mut random);
        let (stem, extension) = name.split_once('.').unwrap();
        let file = format!("{stem}{seed}.{extension}");
        let project = Project::with(&file, &bytes);
        for yaml in yaml {
            let yaml = yaml.replace(name, &file);
            let read = std::panic::catch_unwind(|| project.read(&yaml).map(|read| read.rows_in));
            let problem = match read {
                Ok(Ok(_)) => continue,
                Ok(Err(error)) => {
                    let text = error.to_string();
                    match RAW.iter().any(|raw| text.contains(raw)) {
                        true => text,
                        false => continue,
                    }
                }
                Err(_) => "it panics".to_owned(),
            };
            let kept = std::env::temp_dir().join(format!("millrace-{file}"));
            std::fs::write(&kept, &bytes).unwrap();
            panic!("{}, seed {seed}: {problem}\n{yaml}", kept.display());
        }
    }
}

#[test]
fn damaged_text() {
    let text = "a,b,c,d\n1,\"x, \"\"y\"\"\",2.5,2024-02-29\n-7,é,1e-3,2024-03-01 10:00:00+09:00\n,,,\n007,\"two\nlines\",nan,x\n";
    try_all(
        "a.csv",
        text.as_bytes(),
        &[
            "source: {file: {path: a.csv}}",
            "source: {file: {path: a.csv}}\ncolumns: {a: int8, b: category, c: float32, d: {type: datetime, zone: Europe/Berlin}}",
            "source: {file: {path: a.csv, encoding: cp949, decimal: ',', separator: ;}}",
            "source: {file: {path: a.csv, format: whitespace}}",
            "source: {file: {path: a.csv, format: fixed_width, widths: [3, 2, 9]}}",
        ],
    );
}

#[test]
fn damaged_json() {
    let lines = "{\"a\": 1, \"b\": {\"c\": [1.50, \"}\"]}, \"s\": \"q\\\"\\u00e9\"}\n{\"a\": null, \"s\": \"07\"}\n{\"a\": -2e5, \"b\": {\"c\": true}}\n";
    try_all(
        "a.jsonl",
        lines.as_bytes(),
        &[
            "source: {file: {path: a.jsonl}}",
            "source: {file: {path: a.jsonl}}\ncolumns: {a: int64, x: {type: string, from: b.c, optional: true}}",
        ],
    );
    let array = format!("[{}]", lines.trim_end().replace('\n', ","));
    try_all("a.json", array.as_bytes(), &["source: {file: {path: a.json}}"]);
}

#[test]
fn damaged_parquet() {
    let project = Project::new();
    let mut table = df!("n" => [Some(1i64), None, Some(3)], "s" => ["x", "", "é"], "x" => [0.5, f64::NAN, 1e300], "d" => [1i32, 2, 3]).unwrap();
    let days = table.column("d").unwrap().cast(&DataType::Date).unwrap();
    table.with_column(days).unwrap();
    let path = project.0.path().join("a.parquet");
    ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut table).unwrap();
    let whole = std::fs::read(&path).unwrap();
    try_all(
        "a.parquet",
        &whole,
        &[
            "source: {file: {path: a.parquet}}",
            "source: {file: {path: a.parquet}}\ncolumns: {n: uint8, s: float64, x: int64, d: datetime}",
        ],
    );
}

#[test]
fn damaged_workbooks() {
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let sheet = workbook.add_worksheet();
    for row in 0..20u32 {
        sheet.write(row, 0, row).unwrap();
        sheet.write(row, 1, format!("text {row}")).unwrap();
        sheet.write(row, 2, f64::from(row) / 7.0).unwrap();
    }
    let whole = workbook.save_to_buffer().unwrap();
    try_all("a.xlsx", &whole, &["source: {file: {path: a.xlsx}}"]);
}

#[test]
fn damaged_databases() {
    let project = Project::new();
    let path = project.0.path().join("a.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    let rows = "CREATE TABLE t (id INTEGER, name TEXT, x REAL, y); INSERT INTO t VALUES (1, 'a', 0.5, 'z'), (2, NULL, 1e300, 7), (3, 'c', NULL, x'ff')";
    database.execute_batch(rows).unwrap();
    drop(database);
    let whole = std::fs::read(&path).unwrap();
    try_all("a.db", &whole, &["source: {sqlite: {path: a.db, table: t}}"]);
}

#[test]
fn damaged_singer_messages_and_arrow_streams() {
    let messages = concat!(
        r#"{"type": "SCHEMA", "stream": "s", "schema": {"properties": {"id": {"type": "integer"}, "x": {"type": ["null", "number"]}}}}"#,
        "\n",
        r#"{"type": "RECORD", "stream": "s", "record": {"id": 1, "x": 2.50}, "version": 1}"#,
        "\n",
        r#"{"type": "STATE", "value": {"id": 1}}"#,
        "\n",
        r#"{"type": "ACTIVATE_VERSION", "stream": "s", "version": 1}"#,
        "\n",
    );
    let singer = "source: {command: {run: [cat, a.singer], format: singer, incremental: true}}";
    let named = "source: {command: {run: [cat, a.singer], format: singer, stream: s}}\ncolumns: {id: int8, x: {type: string, optional: true}}";
    try_all("a.singer", messages.as_bytes(), &[singer, named]);
    let stream = command::arrow(&[3, 2]);
    try_all(
        "a.arrows",
        &stream,
        &[
            "source: {command: {run: [cat, a.arrows], format: arrow}}",
            "source: {command: {run: [cat, a.arrows], format: arrow}}\ncolumns: {n: uint8, s: float64, at: date}",
        ],
    );
}

#[test]
fn damaged_xml_and_archives() {
    let text =
        "<?xml version=\"1.0\"?><r x='1'><a><b id=\"1\">x &amp; y</b><b/></a><a>2<![CDATA[<z>]]></a><!-- c --></r>";
    let exploded = "source: {file: {path: a.xml, records: r.a, explode: b}}";
    let declared =
        "source: {file: {path: a.xml, records: r.a}}\ncolumns: {b: {type: string, from: b.@id, optional: true}}";
    try_all("a.xml", text.as_bytes(), &["source: {file: {path: a.xml, records: r.a}}", exploded, declared]);
    let archive = xml_files::zip(&[("a.csv", b"id,x\n1,a\n2,b\n"), ("b.csv", b"id,x\n3,c\n")], true);
    try_all("a.zip", &archive, &["source: {file: {path: a.zip, member: '*.csv'}}"]);
}
