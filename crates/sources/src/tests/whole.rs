//! Nothing is dropped, changed or read twice without a word.

use testkit::http_server::{HttpAnswer, HttpServer};

use super::*;

fn parquet(frame: DataFrame) -> Vec<u8> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame.clone()).unwrap();
    bytes
}

#[test]
fn text_in_utf_8_is_not_read_in_another_encoding() {
    let rows: String = (0..300).map(|id| format!("{id},Köln Straße\n")).collect();
    for encoding in ["cp949", "euc-kr", "shift_jis", "gbk", "big5", "latin-1", "koi8-r"] {
        let project = Project::with("a.csv", format!("id,city\n{rows}"));
        let failure = project.failure(&format!("source: {{file: {{path: a.csv, encoding: {encoding}}}}}"));
        assert!(failure.contains("the text is UTF-8, not "), "{encoding}: {failure}");
    }
    let small = Project::with("a.csv", "a,b\n1,Köln\n");
    let failure = small.failure("source: {file: {path: a.csv, encoding: latin-1}}");
    assert!(failure.ends_with("the text is UTF-8, not windows-1252; correct 'encoding', or leave it out"), "{failure}");
    for (encoding, bytes, city) in [
        ("latin-1", &b"a,b\n1,K\xf6ln\n"[..], "Köln"),
        ("cp949", b"a,b\n1,\xbc\xad\xbf\xef\n", "서울"),
        ("windows-1251", b"a,b\n1,\xcf\xf2\xf0\n", "Птр"),
    ] {
        let project = Project::with("a.csv", bytes);
        let read = project.read(&format!("source: {{file: {{path: a.csv, encoding: {encoding}}}}}")).unwrap();
        assert_eq!(read.table(), [format!("1|{city}|2")]);
    }
}

#[test]
fn utf_32_is_not_taken_for_utf_16() {
    let text: Vec<u8> = "\u{feff}a,b\n1,2\n".chars().flat_map(|letter| (letter as u32).to_le_bytes()).collect();
    let big: Vec<u8> = "\u{feff}a,b\n1,2\n".chars().flat_map(|letter| (letter as u32).to_be_bytes()).collect();
    for bytes in [&text[..], &text[4..], &big[..], &big[4..]] {
        for encoding in ["", ", encoding: utf-16le"] {
            let project = Project::with("a.csv", bytes);
            let failure = project.failure(&format!("source: {{file: {{path: a.csv{encoding}}}}}"));
            assert!(
                failure.ends_with(
                    "not text, but UTF-32, which is not read; convert it to UTF-8: iconv -f UTF-32 -t UTF-8"
                ),
                "{failure}"
            );
        }
    }
}

#[test]
fn what_is_filled_down_does_not_come_from_before_a_row_that_cannot_be_read() {
    let yaml = "source: {file: {path: a.csv, fill_down: [r]}}\ncolumns: {r: string, c: int64}";
    for bad in ["S,2,extra", "S\u{0}"] {
        let text = format!("r,c\nN,1\n,2\n{bad}\n,3\n,4\nW,5\n,6\n").replace("S\u{0}", "S\u{ff}");
        let mut bytes = text.into_bytes();
        // One byte that is not UTF-8.
        if let Some(at) = bytes.windows(2).position(|pair| pair == [0xC3, 0xBF]) {
            bytes.splice(at..at + 2, [0xFF]);
        }
        let read = Project::with("a.csv", bytes).read(yaml).unwrap();
        assert_eq!(read.table(), ["N|1|2", "N|2|3", "W|5|7", "W|6|8"]);
        assert_eq!(read.refused.height(), 3);
        let refusal = &read.refusals()[1];
        assert!(
            refusal.ends_with("the value above, which 'fill_down' would take, is in a row that could not be read"),
            "{refusal}"
        );
    }
}

#[test]
fn a_file_without_rows_says_nothing_of_the_columns() {
    for (first, second) in [("x,y\n", "a,b\n1,2\n"), ("a,b\n1,2\n", "x,y\n")] {
        let project = Project::with("0.csv", first).and("1.csv", second);
        for columns in ["", "\ncolumns: {a: int64, b: int64}"] {
            let read = project.read(&format!("source: {{file: {{path: '*.csv'}}}}{columns}")).unwrap();
            assert_eq!(read.table(), ["1|2|2"]);
        }
    }
    let (none, one) = (df!("w" => Vec::<i64>::new()).unwrap(), df!("v" => [5i64]).unwrap());
    let project = Project::with("a.parquet", parquet(none)).and("b.parquet", parquet(one));
    assert_eq!(project.read("source: {file: {path: '*.parquet'}}").unwrap().table(), ["5|1"]);
}

#[test]
fn a_late_text_does_not_change_the_type_of_a_column() {
    let numbers = |end: &str| format!("{}{{\"a\":{end}}}\n", "{\"a\":0}\n".repeat(12_000));
    for (end, refused) in [("\"5\"", 1), ("\"x\"", 1), ("\"\"", 0), ("1.5", 1), ("7", 0)] {
        let lines = numbers(end);
        let array = format!("[{}]", lines.trim_end().replace('\n', ","));
        let project = Project::with("a.jsonl", &lines).and("b.json", array);
        for path in ["a.jsonl", "b.json"] {
            let read = project.read(&format!("source: {{file: {{path: {path}}}}}")).unwrap();
            assert_eq!((read.types()[0].as_str(), read.refused.height()), ("a int64", refused), "{path} {end}");
        }
    }
}

#[test]
fn columns_that_come_later_are_not_dropped() {
    let (first, second) = (df!("v" => [1i64]).unwrap(), df!("v" => [2i64], "w" => [3i64]).unwrap());
    let project = Project::with("a.parquet", parquet(first)).and("b.parquet", parquet(second));
    let yaml = "source: {file: {path: '*.parquet'}}";
    let failure = project.read(yaml).err().unwrap().to_string();
    assert_eq!(failure, "b.parquet: the first file has no column 'w'; name the columns to read under 'columns'");
    assert_eq!(project.read(&format!("{yaml}\ncolumns: {{v: int64}}")).unwrap().table(), ["1|1", "2|1"]);
}

#[test]
fn keys_without_effect_are_refused() {
    let frame = df!("v" => [1i64]).unwrap();
    let project =
        Project::with("a.parquet", parquet(frame)).and("a.jsonl", "{\"v\": 1}\n").and("a.json", "[{\"v\": 1}]");
    for (path, keys, what) in [
        ("a.parquet", "skip_lines: 1", "'skip_lines' is for text and sheets, not for parquet"),
        ("a.parquet", "header: false", "'header' is for text in lines and sheets, not for parquet"),
        ("a.parquet", "separator: ';'", "'separator' is for csv, not for parquet"),
        ("a.parquet", "quote: \"'\"", "'quote' is for csv and tsv, not for parquet"),
        ("a.parquet", "encoding: latin-1", "'encoding' is for text, not for parquet"),
        (
            "a.parquet",
            "compression: gzip",
            "'compression' is for text and sheets, for Parquet is compressed within, not for parquet",
        ),
        ("a.jsonl", "header: false", "'header' is for text in lines and sheets, not for json_lines"),
        ("a.json", "quote: null", "'quote' is for csv and tsv, not for json"),
    ] {
        let failure = project.failure(&format!("source: {{file: {{path: {path}, {keys}}}}}"));
        assert!(failure.contains(what), "{failure}");
    }
}

#[test]
fn null_values_hold_in_parquet_for_every_type() {
    let frame = df!("n" => [1i64, -999], "x" => [0.5, -999.0], "s" => ["NA", ""]).unwrap();
    let project = Project::with("a.parquet", parquet(frame));
    let read = |keys: &str, columns: &str| {
        project.read(&format!("source: {{file: {{path: a.parquet{keys}}}}}{columns}")).unwrap().table()
    };
    for columns in ["", "\ncolumns: {n: int64, x: float64, s: string}"] {
        assert_eq!(read(", null_values: ['-999', NA]", columns), ["1|0.5|-|1", "-|-||2"], "{columns}");
        assert_eq!(read("", columns), ["1|0.5|NA|1", "-999|-999.0||2"], "{columns}");
    }
}

#[test]
fn a_later_file_whose_column_is_of_another_kind_ends_the_run() {
    let texts = || Series::new("c".into(), ["02134", "7"]);
    let numbers = || Series::new("c".into(), [2134i64, 7]);
    let truths = || Series::new("c".into(), [true, false]);
    let times = |zone: Option<TimeZone>| {
        Int64Chunked::from_slice("c".into(), &[0, 1]).into_datetime(TimeUnit::Microseconds, zone).into_series()
    };
    let read = |first: Series, second: Series| {
        let file = |column: Series| parquet(DataFrame::new(2, vec![column.into_column()]).unwrap());
        let project = Project::with("a.parquet", file(first)).and("b.parquet", file(second));
        project.read("source: {file: {path: '*.parquet'}}").map(|read| read.table()).map_err(|error| error.to_string())
    };
    let way_out = "declare its type under 'columns', or make a table of each kind of file";
    for (first, second, what) in [
        (texts(), numbers(), "int64, but string"),
        (numbers(), texts(), "string, but int64"),
        (truths(), numbers(), "int64, but bool"),
        (numbers(), truths(), "bool, but int64"),
        (
            times(None),
            times(Some(TimeZone::UTC)),
            "datetime (microseconds, in UTC), but datetime (microseconds, without time zone)",
        ),
    ] {
        let error = format!("b.parquet: column 'c' is {what} in the first file; {way_out}");
        assert_eq!(read(first, second), Err(error));
    }
    let floats = Series::new("c".into(), [3.0, 4.0]);
    assert_eq!(read(numbers(), floats).unwrap(), ["2134|1", "7|2", "3|1", "4|2"]);
    let words = texts().cast(&artifact::dtype(spec::ColumnType::Category)).unwrap();
    assert_eq!(read(texts(), words).unwrap()[2], "02134|1");
}

#[test]
fn a_key_given_twice_is_refused() {
    for (columns, key) in [("x: {type: int64, from: a, from: b}", "from"), ("a: {type: int64, type: string}", "type")] {
        let error =
            table(&format!("source: {{file: {{path: a.csv}}}}\ncolumns: {{{columns}}}")).unwrap_err().to_string();
        assert!(error.ends_with(&format!("'{key}' is given twice")), "{error}");
    }
}

#[test]
fn a_file_is_read_once_and_hidden_ones_are_not() {
    let project = Project::with("in/a.csv", "a\n1\n").and("in/.b.csv", "a\n2\n");
    assert_eq!(project.read("source: {file: {path: 'in/*.csv'}}").unwrap().table(), ["1|2"]);
    assert_eq!(
        project.failure("source: {file: {path: [in/a.csv, 'in/*.csv']}}"),
        "table 't': in/a.csv: is named twice under 'path'; take out one of the paths; its rows would be read twice"
    );
}

#[test]
fn answers_that_are_not_data_are_not_taken_for_it() {
    let read = |answer: fn() -> HttpAnswer, columns: &str| {
        let server = HttpServer::start(move |_, _| answer());
        let read =
            Project::new().read(&format!("source: {{http: {{url: '{}', retries: 0}}}}{columns}", server.url("/a")));
        read.map(|read| read.table())
            .map_err(|error| (error.class(), error.to_string().replace(&server.url(""), "http://h")))
    };
    for answer in
        [(|| HttpAnswer::ok("<html>x</html>").with_header("content-type", "text/html")) as fn() -> HttpAnswer, || {
            HttpAnswer::ok("<!DOCTYPE html><html><body>Sign in</body></html>")
        }]
    {
        let (class, text) = read(answer, "").unwrap_err();
        assert_eq!(class, spec::Class::TryAgain);
        assert!(text.contains("http://h/a: the answer is a page for people (HTML): <"), "{text}");
    }
    assert_eq!(read(|| HttpAnswer::status(204, ""), "\ncolumns: {a: int64}"), Ok(Vec::new()));
}

#[test]
fn texts_that_look_like_numbers_with_marks_name_the_keys() {
    let project = Project::with("a.csv", "v;w\n1.234,50;1\n2;1 234\n3;4\n");
    let read = project.read("source: {file: {path: a.csv, separator: ';'}}\ncolumns: {v: float64, w: int64}").unwrap();
    assert_eq!(
        read.refusals(),
        [
            "1.234,50|1|2|-|v: '1.234,50' is not a float64; decimal: \",\" with thousands: \".\" reads it as 1234.5",
            "2|1 234|3|-|w: '1 234' is not an int64; thousands: \" \" reads it as 1234"
        ]
    );
    let read = project
        .read("source: {file: {path: a.csv, separator: ';', decimal: ',', thousands: '.'}}\ncolumns: {v: float64}");
    assert_eq!(read.unwrap().table(), ["1234.5|2", "2.0|3", "3.0|4"]);
}

#[test]
fn telephone_numbers_are_not_numbers() {
    let read = Project::with("a.csv", "a,b,c\n+491711234567,+5,+1.5\n+491711234568,-3,-2\n")
        .read("source: {file: {path: a.csv}}")
        .unwrap();
    assert_eq!(read.types()[..3], ["a string", "b string", "c float64"]);
    assert_eq!(read.table(), ["+491711234567|+5|1.5|2", "+491711234568|-3|-2.0|3"]);
    let declared =
        Project::with("a.csv", "a\n+5\n").read("source: {file: {path: a.csv}}\ncolumns: {a: int64}").unwrap();
    assert_eq!(declared.table(), ["5|2"]);
}

#[test]
fn an_empty_line_of_one_column_is_a_row_without_a_value() {
    let read = |name: &str, text: &str, keys: &str, columns: &str| {
        let yaml = format!("source: {{file: {{path: {name}{keys}}}}}\n{columns}");
        Project::with(name, text).read(&yaml).unwrap().table()
    };
    assert_eq!(read("a.csv", "\na\n1\n\n3\r\n\r\n", "", ""), ["1|3", "-|4", "3|5", "-|6"]);
    assert_eq!(read("a.csv", "a\n\n2\n", "", "columns: {a: int64}"), ["-|2", "2|3"]);
    assert_eq!(read("a.csv", "a\nx\n\n", ", null_values: [NA]", "columns: {a: string}"), ["x|2", "|3"]);
    assert_eq!(read("a.csv", "\n1\n\n", ", header: false", ""), ["-|1", "1|2", "-|3"]);
    assert_eq!(read("a.csv", "a\n1\n\n", ", escape: '\\'", ""), ["1|2", "-|3"]);
    assert_eq!(read("a.tsv", "a\n1\n\n2", "", ""), ["1|2", "-|3", "2|4"]);
    assert_eq!(read("a.txt", "1\n\n2\n", ", format: whitespace", ""), ["1|1", "-|2", "2|3"]);
    assert_eq!(
        read("a.txt", "  1\n   \n\n  2\n", ", format: fixed_width, widths: [3]", ""),
        ["1|1", "-|2", "-|3", "2|4"]
    );
    // Among several columns it says nothing of any of them.
    assert_eq!(read("a.csv", "a,b\n1,2\n\n3,4\n\n", "", ""), ["1|2|2", "3|4|4"]);
    assert_eq!(read("a.jsonl", "{\"a\": 1}\n\n{\"a\": 2}\n\n", "", ""), ["1|1", "2|3"]);
}

#[test]
fn types_are_inferred_from_the_first_rows_of_all_files() {
    let yaml = "source: {file: {path: '*.csv'}}";
    let read = Project::with("a.csv", "a,b\n1,\n").and("b.csv", "a,b\n1.5,2\n").read(yaml).unwrap();
    assert_eq!(
        (read.types()[..2].to_vec(), read.table()),
        (vec!["a float64".into(), "b int64".into()], vec!["1.0|-|2".into(), "1.5|2|2".into()])
    );
    // After so many rows they stand.
    let many = format!("a\n{}", "1\n".repeat(10_000));
    let read = Project::with("a.csv", many).and("b.csv", "a\n1.5\n").read(yaml).unwrap();
    assert_eq!(read.types()[0], "a int64");
    assert_eq!(
        read.refusals(),
        ["1.5|2|-|a: '1.5' is not an int64, the type of the rows before it; declare the column under 'columns'"]
    );
}

#[test]
fn empty_files_of_every_kind_are_skipped() {
    let one = gz(b"a\n1\n");
    let project = Project::with("a.csv.gz", one).and("b.csv.gz", "");
    assert_eq!(project.read("source: {file: {path: '*.gz'}}").unwrap().table(), ["1|2"]);
    let project = Project::with("a.csv.zst", zstd::encode_all(&b"a\n1\n"[..], 1).unwrap()).and("b.csv.zst", "");
    assert_eq!(project.read("source: {file: {path: '*.zst'}}").unwrap().table(), ["1|2"]);
    let project = Project::with("a.json", "[{\"a\": 1}]").and("b.json", " \n");
    assert_eq!(project.read("source: {file: {path: '*.json'}}").unwrap().table(), ["1|1"]);
    assert!(Project::with("a.json", "[{\"a\": 1}").read("source: {file: {path: a.json}}").is_err());
}

#[test]
fn times_keep_their_digits_as_text() {
    let of = |ticks: &[i64]| {
        let ticks: Int64Chunked = ticks.iter().copied().map(Some).collect();
        let height = ticks.len();
        let times = ticks.into_time().into_series().with_name("t".into()).into_column();
        Project::with("a.parquet", parquet(DataFrame::new(height, vec![times]).unwrap()))
    };
    let project = of(&[37_230_500_000_000, 37_230_000_005_000, 86_399_000_000_000]);
    let read = project.read("source: {file: {path: a.parquet}}\ncolumns: {t: string}").unwrap();
    assert_eq!(read.table(), ["10:20:30.5|1", "10:20:30.000005|2", "23:59:59|3"]);
}

#[test]
fn a_key_that_a_record_holds_twice_refuses_it() {
    let lines = "{\"a\": 1, \"b\": 1}\n{\"a\": 2, \"b\": 2, \"a\": 3}\n";
    let array = format!("[{}]", lines.trim_end().replace('\n', ","));
    let project = Project::with("a.jsonl", lines).and("a.json", array);
    for (path, columns) in [("a.jsonl", ""), ("a.json", ""), ("a.jsonl", "\ncolumns: {a: int64, b: int64}")] {
        let read = project.read(&format!("source: {{file: {{path: {path}}}}}{columns}")).unwrap();
        assert_eq!(read.table().len(), 1, "{path}");
        assert!(read.refusals()[0].ends_with("the key 'a' is given twice"), "{:?}", read.refusals());
    }
    let server = HttpServer::start(|_, _| HttpAnswer::ok("[{\"a\": 1}, {\"a\": 2, \"a\": 3}]"));
    let read = Project::new().read(&format!("source: {{http: {{url: '{}'}}}}", server.url("/a"))).unwrap();
    assert_eq!((read.table(), read.refused.height()), (vec!["1|1".to_owned()], 1));
}

#[test]
fn a_key_on_a_path_that_a_record_holds_twice_refuses_it() {
    let right = r#"{"a":{"b":{"c":1}}}"#;
    let wrong = [
        (r#"{"a":{"b":{"c":1}},"a":{"x":2}}"#, "a"),
        (r#"{"a":{"x":2},"a":{"b":{"c":1}}}"#, "a"),
        (r#"{"a":{"b":{"c":1},"b":{"x":2}}}"#, "b"),
        (r#"{"a":{"b":{"c":1,"c":2}}}"#, "c"),
    ];
    let records: Vec<&str> = std::iter::once(right).chain(wrong.iter().map(|(record, _)| *record)).collect();
    let array = format!("[{}]", records.join(","));
    let columns = "columns: {c: {type: int64, from: a.b.c}}";
    let project = Project::with("a.jsonl", records.join("\n")).and("a.json", &array);
    let service = array.clone();
    let server = HttpServer::start(move |_, _| HttpAnswer::ok(&service));
    for source in ["file: {path: a.jsonl}", "file: {path: a.json}", &format!("http: {{url: '{}'}}", server.url("/a"))] {
        let read = project.read(&format!("source: {{{source}}}\n{columns}")).unwrap();
        assert_eq!(read.table(), ["1|1"], "{source}");
        let refusals = read.refusals();
        assert_eq!(refusals.len(), wrong.len(), "{source}: {refusals:?}");
        for (refusal, (_, key)) in refusals.iter().zip(wrong) {
            assert!(
                refusal.ends_with(&format!("'{key}' is given twice")) || refusal.ends_with("'a.b.c' is given twice"),
                "{source}: {refusal}"
            );
        }
    }
}

#[test]
fn zeros_fill_up_what_is_compressed() {
    let members = [gz(b"a\n1\n"), gz(b"2\n")].concat();
    let padded = [&members[..], &[0; 700]].concat();
    let rest = [&members[..], &[0; 700], b"x"].concat();
    let project = Project::with("a.csv.gz", padded).and("b.csv.gz", rest).and("c.csv.gz", members);
    for path in ["a.csv.gz", "c.csv.gz"] {
        let read = project.read(&format!("source: {{file: {{path: {path}}}}}")).unwrap();
        assert_eq!(read.table(), ["1|2", "2|3"], "{path}");
    }
    let failure = project.failure("source: {file: {path: b.csv.gz}}");
    assert!(failure.contains("b.csv.gz"), "{failure}");
}

/// A file of columns that polars does not write: each as the schema language of Parquet has it, with its values.
fn foreign(columns: &[(&str, &[&[u8]])]) -> Vec<u8> {
    use ::parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType};
    use ::parquet::file::writer::SerializedFileWriter;
    let fields: String = columns.iter().map(|(column, _)| format!("REQUIRED {column};")).collect();
    let schema = ::parquet::schema::parser::parse_message_type(&format!("message m {{ {fields} }}")).unwrap();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema.into(), Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (column, values) in columns {
        let mut leaf = group.next_column().unwrap().unwrap();
        if column.starts_with("FIXED") {
            let values: Vec<FixedLenByteArray> = values.iter().map(|value| value.to_vec().into()).collect();
            leaf.typed::<FixedLenByteArrayType>().write_batch(&values, None, None).unwrap();
        } else {
            let values: Vec<ByteArray> = values.iter().map(|value| value.to_vec().into()).collect();
            leaf.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
        }
        leaf.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn bytes_that_stand_for_text_are_text() {
    let ids = [[0xA0; 16], [0x0F; 16]];
    let file = foreign(&[
        ("FIXED_LEN_BYTE_ARRAY (16) id (UUID)", &[&ids[0], &ids[1]]),
        ("BYTE_ARRAY doc (JSON)", &[br#"{"a": 1}"#, b"\xff"]),
    ]);
    let project = Project::with("a.parquet", file);
    for columns in ["", "\ncolumns: {id: string, doc: string}"] {
        let read = project.read(&format!("source: {{file: {{path: a.parquet}}}}{columns}")).unwrap();
        assert_eq!(read.types()[..2], ["id string", "doc string"]);
        assert_eq!(read.table(), [r#"a0a0a0a0-a0a0-a0a0-a0a0-a0a0a0a0a0a0|{"a": 1}|1"#]);
        assert!(
            read.refusals()[0].starts_with("0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f|\\xFF|2|-|doc: '"),
            "{:?}",
            read.refusals()
        );
    }
}

/// A workbook whose first sheet holds these lines of cells.
fn book(lines: &[&[&str]]) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (row, line) in lines.iter().enumerate() {
        for (column, cell) in line.iter().enumerate() {
            sheet.write(row as u32, column as u16, *cell).unwrap();
        }
    }
    book.save_to_buffer().unwrap()
}

#[test]
fn columns_whose_names_are_taken_are_left_out_with_a_warning() {
    let said = |place: &str| {
        format!(
            "{place}: left out '_file', '_row', since each row gets columns of these names that say where it comes from; to \
             keep them, declare them with other names under 'columns', such as `source_file: {{type: string, from: _file}}`"
        )
    };
    let frame = df!("_file" => ["x"], "_row" => [7i64], "a" => [1i64]).unwrap();
    let json = br#"{"_file": "x", "_row": 7, "a": 1}"#;
    let project = Project::with("a.csv", "_file,_row,a\nx,7,1\n")
        .and("a.json", [b"[", &json[..], b"]"].concat())
        .and("a.jsonl", json)
        .and("a.parquet", parquet(frame))
        .and("a.xlsx", book(&[&["_file", "_row", "a"], &["x", "7", "1"]]));
    for file in ["a.csv", "a.json", "a.jsonl", "a.parquet", "a.xlsx"] {
        let read = project.read(&format!("source: {{file: {{path: {file}}}}}")).unwrap();
        assert_eq!(read.schema.iter_names().collect::<Vec<_>>(), ["a", "_file", "_row"], "{file}");
        assert_eq!(read.doubts, [said(file)]);
        let columns = "columns: {source_file: {type: string, from: _file}, a: int64}";
        let read = project.read(&format!("source: {{file: {{path: {file}}}}}\n{columns}"));
        // A text in a sheet is not a number.
        if let Ok(read) = read {
            assert_eq!(
                (&*read.table()[0], read.doubts.len()),
                (&*format!("x|1|{}", read.table()[0].rsplit('|').next().unwrap()), 0)
            );
        }
    }
    let connection = rusqlite::Connection::open(project.0.path().join("s.db")).unwrap();
    connection.execute_batch("CREATE TABLE t(_file TEXT, _row INT, a INT); INSERT INTO t VALUES('x', 7, 1)").unwrap();
    let read = project.read("source: {sqlite: {path: s.db, table: t}}").unwrap();
    assert_eq!(read.doubts, [said("s.db")]);
    let server = HttpServer::answering([HttpAnswer::ok(r#"[{"_file": "x", "_row": 7, "a": 1}]"#)]);
    let url = server.url("/t");
    let read = project.read(&format!("source: {{http: {{url: '{url}'}}}}")).unwrap();
    assert_eq!(read.doubts, [said(&url)]);
}

#[test]
fn records_without_keys_say_nothing_of_the_columns() {
    let project = Project::with("a.json", "[{}]")
        .and("b.json", r#"[{}, {}]"#)
        .and("c.json", r#"[{}, {"a": 1, "b": "x"}, {"a": 2}]"#)
        .and("d.json", r#"[{"a": 3}, {"c": 1}]"#);
    let read = project.read("source: {file: {path: [a.json, b.json, c.json, d.json]}}").unwrap();
    assert_eq!(read.types()[..2], ["a int64", "b string"]);
    assert_eq!(read.table(), ["-|-|1", "-|-|1", "-|-|1", "-|-|1", "1|x|1", "2|-|1", "3|-|1"]);
    assert_eq!(read.refusals(), ["-|-|1|{\"c\": 1}|line 1: the key 'c' is new; name it under 'columns' to read it"]);
}

#[test]
fn types_of_two_files_are_distinguished_by_unit_and_zone() {
    let moments = |unit: TimeUnit, zone: Option<TimeZone>| {
        let column = Column::new("at".into(), [1_710_000_000_000i64]).cast(&DataType::Datetime(unit, zone)).unwrap();
        parquet(DataFrame::new(1, vec![column]).unwrap())
    };
    let seoul = TimeZone::opt_try_new(Some("Asia/Seoul")).unwrap();
    let project = Project::with("a.parquet", moments(TimeUnit::Microseconds, None))
        .and("b.parquet", moments(TimeUnit::Nanoseconds, None))
        .and("c.parquet", moments(TimeUnit::Milliseconds, seoul));
    let failure = |files: &str| project.failure(&format!("source: {{file: {{path: [{files}]}}}}"));
    assert_eq!(
        failure("b.parquet, a.parquet"),
        "a.parquet: column 'at' is datetime (microseconds, without time zone), but datetime (nanoseconds, without \
         time zone) in the first file; declare its type under 'columns', or make a table of each kind of file"
    );
    assert!(
        failure("b.parquet, c.parquet")
            .contains("column 'at' is datetime (milliseconds, in Asia/Seoul), but datetime (")
    );
}

#[test]
fn cells_of_spaces_stay_and_damaged_workbooks_are_named() {
    let good = book(&[&["a", "b"], &["  ", "x"], &["y", "z"]]);
    let read = Project::with("a.xlsx", &good).read("source: {file: {path: a.xlsx}}").unwrap();
    assert_eq!(read.table(), ["  |x|2", "y|z|3"], "as in a CSV file");
    let failure = Project::with("a.xlsx", &good[..good.len() / 2]).failure("source: {file: {path: a.xlsx}}");
    assert!(failure.starts_with("table 't': a.xlsx: ") && !failure.contains("Zip"), "{failure}");
}
