use proptest::prelude::*;

use super::*;

#[test]
fn csv_with_header_infers_types() {
    let text = "id,zip,price,ok,day,at,note\n1,01234,1.5,true,2024-01-31,2024-01-31 10:00:00,a b\n2,99999,,FALSE,,,\n";
    let read = Project::with("a.csv", text).read("source: {file: {path: a.csv}}").unwrap();
    assert_eq!(
        read.types(),
        [
            "id int64",
            "zip string",
            "price float64",
            "ok bool",
            "day date",
            "at datetime",
            "note string",
            "_file string",
            "_row uint32"
        ]
    );
    assert_eq!(read.table(), ["1|01234|1.5|true|2024-01-31|2024-01-31 10:00:00|a b|2", "2|99999|-|false|-|-|-|3"]);
    assert_eq!(read.rows.column("_file").unwrap().str().unwrap().get(0), Some("a.csv"));
    assert_eq!(read.rows_in, 2);
}

#[test]
fn bom_crlf_and_newlines_in_quotes_keep_line_numbers() {
    let text = "\u{feff}id,note\r\n1,\"two\r\nlines, \"\"quoted\"\"\"\r\n\r\n2,b\r\n";
    let read = Project::with("a.csv", text).read("source: {file: {path: a.csv}}").unwrap();
    assert_eq!(read.table(), ["1|two\r\nlines, \"quoted\"|2", "2|b|5"]);
}

#[test]
fn declared_columns_are_found_by_name_and_others_left_out() {
    let project = Project::with("a.csv", "Kunde;Betrag;x\n7; 1.5 ;q\n");
    let yaml = "source: {file: {path: a.csv, separator: ';'}}\ncolumns:\n  amount: {type: float64, from: Betrag}\n  customer: {type: int8, from: Kunde}\n";
    let read = project.read(yaml).unwrap();
    assert_eq!(read.types(), ["amount float64", "customer int8", "_file string", "_row uint32"]);
    assert_eq!(read.table(), ["1.5|7|2"]);
}

#[test]
fn without_header_columns_stand_for_places() {
    let project = Project::with("a.csv", "1,x\n2,y\n");
    let read =
        project.read("source: {file: {path: a.csv, header: false}}\ncolumns: {id: int64, name: category}").unwrap();
    assert_eq!(read.table(), ["1|x|1", "2|y|2"]);
    let read = project.read("source: {file: {path: a.csv, header: false}}").unwrap();
    assert_eq!(read.types()[..2], ["column_1 int64", "column_2 string"]);
}

#[test]
fn whitespace_reads_the_cdnow_layout() {
    let project = Project::with("log.txt", " 00001 19970101  1   11.77\r\n 00002 19970112\t12   77.00\r\n");
    let read = project
        .read(
            "source: {file: {path: log.txt, format: whitespace}}\ncolumns:\n  customer: int64\n  day: {type: date, format: '%Y%m%d'}\n  units: int32\n  amount: float64\n",
        )
        .unwrap();
    assert_eq!(read.table(), ["1|1997-01-01|1|11.77|1", "2|1997-01-12|12|77.0|2"]);
}

#[test]
fn fixed_width_counts_characters() {
    let project = Project::with("a.txt", "skip me\nidname  n\n1 가나다   5\n2 b    12\n");
    let read = project
        .read("source: {file: {path: a.txt, format: fixed_width, widths: [2, 4, 3], skip_lines: 1, header: true}}")
        .unwrap();
    assert_eq!(read.types()[..3], ["id int64", "name string", "n int64"]);
    assert_eq!(read.table(), ["1|가나다|5|3", "2|b|12|4"]);
}

#[test]
fn tsv_null_values_and_no_quotes() {
    let project = Project::with("a.tsv", "a\tb\n\"1\tNA\n2\t3\n");
    let read = project.read("source: {file: {path: a.tsv, quote: null, null_values: [NA]}}").unwrap();
    assert_eq!(read.types()[..2], ["a string", "b int64"]);
    assert_eq!(read.table(), ["\"1|-|2", "2|3|3"]);
}

#[test]
fn a_missing_value_may_be_written_as_spaces() {
    let project = Project::with("a.csv", "a,b\n1,x\n  ,  \n 3, NA\nNA ,y\n");
    let keys = "source: {file: {path: a.csv, null_values: ['', '  ', NA]}}";
    for columns in ["", "\ncolumns: {a: int64, b: string}"] {
        let read = project.read(&format!("{keys}{columns}")).unwrap();
        assert_eq!(
            (read.types()[0].as_str(), read.table()),
            ("a int64", vec!["1|x|2".into(), "-|-|3".into(), "3| NA|4".into(), "-|y|5".into()])
        );
    }
}

#[test]
fn letters_behind_an_escape_are_read_only_where_they_are_certain() {
    let text = "a\tb\n1\tx\\ny\n2\t\\N\n3\tC:\\\\new\n4\t\\q\n5\t\\N";
    let project = Project::with("a.tsv", text);
    let read = |keys: &str| {
        project
            .read(&format!("source: {{file: {{path: a.tsv, escape: '\\'{keys}}}}}\ncolumns: {{a: int64, b: string}}"))
            .unwrap()
    };
    let copied = read(", quote: null");
    assert_eq!(copied.table(), ["1|x\ny|2", "2|-|3", "3|C:\\new|4", "5|-|6"]);
    let why = "a letter or digit follows the escape character, and what it stands for is not certain; where the file has no quotes and \\n \
               means a line break, write 'quote: null'";
    assert_eq!(copied.refusals(), [format!("-|-|5|4\t\\q|line 5: {why}")]);
    let quoted = read("");
    assert_eq!(quoted.table(), ["2|-|3", "3|C:\\new|4", "5|-|6"]);
    assert_eq!(quoted.refusals()[0], format!("-|-|2|1\tx\\ny|line 2: {why}"));
    // The quote is doubled, which is not an escape outside of quotes.
    let inches = Project::with("a.csv", "a,b\n1,12\" wide\n2,\"3\"\" high\"\n");
    let read = inches.read("source: {file: {path: a.csv, escape: '\"'}}").unwrap();
    assert_eq!(read.table(), ["1|12\" wide|2", "2|3\" high|3"]);
}

#[test]
fn encodings_by_name() {
    let text = "이름,값\n가나다,1\n";
    let (cp949, _, _) = encoding_rs::EUC_KR.encode(text);
    let utf16: Vec<u8> = [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let project = Project::with("k.csv", &cp949).and("l.csv", b"name,n\ncaf\xE9,1\n").and("u.csv", utf16);
    let read = |path: &str, encoding: &str| {
        let yaml = format!("source: {{file: {{path: {path}, encoding: {encoding}}}}}");
        project.read(&yaml).unwrap().table()
    };
    assert_eq!(read("k.csv", "cp949"), ["가나다|1|2"]);
    assert_eq!(read("k.csv", "EUC-KR"), ["가나다|1|2"]);
    assert_eq!(read("l.csv", "latin-1"), ["café|1|2"]);
    assert_eq!(read("u.csv", "utf-16"), ["가나다|1|2"]);
    // The byte order mark wins over the name.
    assert_eq!(read("u.csv", "cp949"), ["가나다|1|2"]);
}

#[test]
fn compressed_files_by_extension() {
    let text = b"a\n1\n2\n";
    let two_members = [gz(b"a\n1\n"), gz(b"2\n")].concat();
    let project = Project::with("a.csv.gz", two_members).and("b.csv.zst", zstd::encode_all(&text[..], 1).unwrap());
    let project = project.and("c.bin", gz(text));
    for file in ["{path: a.csv.gz}", "{path: b.csv.zst}", "{path: c.bin, format: csv, compression: gzip}"] {
        assert_eq!(project.read(&format!("source: {{file: {file}}}")).unwrap().table(), ["1|2", "2|3"], "{file}");
    }
}

#[test]
fn globs_and_lists_are_read_in_order() {
    let project = Project::with("b.csv", "x,y\n3,4\n").and("a.csv", "y,x\n2,1\n").and("c.csv", "x,y\n5,6\n");
    let read = project.read("source: {file: {path: [c.csv, '[ab].csv']}}").unwrap();
    assert_eq!(lines(&read.rows), ["5|6|c.csv|2", "1|2|a.csv|2", "3|4|b.csv|2"]);
}

#[test]
fn json_lines_and_arrays() {
    let lines = "{\"a\": 1, \"s\": \"07\"}\n\n{\"a\": null, \"b\": {\"x\": [1.50, \"}\"]}, \"s\": \"q\\\"\\u00e9\"}\n";
    let array =
        "[ {\"a\": 1, \"s\": \"07\"},\n\n{\"a\": null, \"b\": {\"x\": [1.50, \"}\"]}, \"s\": \"q\\\"\\u00e9\"} ]\n";
    let project = Project::with("a.jsonl", lines).and("a.json", array);
    for path in ["a.jsonl", "a.json"] {
        let read = project.read(&format!("source: {{file: {{path: {path}}}}}")).unwrap();
        assert_eq!(read.types()[..3], ["a int64", "s string", "b string"], "{path}");
        assert_eq!(read.table(), ["1|07|-|1", "-|q\"é|{\"x\": [1.50, \"}\"]}|3"], "{path}");
    }
    let columns = "columns: {s: string, c: {type: int64, optional: true}}";
    let read = project.read(&format!("source: {{file: {{path: a.json}}}}\n{columns}")).unwrap();
    assert_eq!(read.table(), ["07|-|1", "q\"é|-|3"]);
}

#[test]
fn dotted_paths_lead_into_json() {
    let text = r#"{"a": {"b": {"c": 1, "d.e": "x"}}, "a.b": {"f": true}, "g.h": 7, "g": {"h": 8}}
{"a": {"b": null}, "g": {"h": 9}}
{"a": 5, "g": {"h": {"i": [1]}}}
"#;
    let array = format!("[{}]", text.trim_end().replace("}\n", "},\n"));
    let project = Project::with("a.jsonl", text).and("a.json", array);
    let columns = "columns: {c: {type: int64, from: a.b.c}, e: {type: string, from: a.b.d.e}, f: {type: bool, from: a.b.f}, \
                   h: {type: string, from: g.h}, a: string}";
    for path in ["a.jsonl", "a.json"] {
        let read = project.read(&format!("source: {{file: {{path: {path}}}}}\n{columns}")).unwrap();
        assert_eq!(
            read.table(),
            [r#"1|x|true|7|{"b": {"c": 1, "d.e": "x"}}|1"#, r#"-|-|-|9|{"b": null}|2"#, r#"-|-|-|{"i": [1]}|5|3"#],
            "{path}"
        );
    }
}

#[test]
fn numbers_with_a_decimal_comma() {
    let text = "Nr;Betrag;Satz;Text\n1;1.234,50;-0,5;1.5\n2;12;1.000;x\n3;1.5;2,0;y\n";
    let project = Project::with("a.csv", text);
    let keys = "path: a.csv, separator: ';', decimal: ',', thousands: '.'";
    let read = project
        .read(&format!(
            "source: {{file: {{{keys}}}}}\ncolumns: {{Nr: int64, Betrag: float64, Satz: float64, Text: string}}"
        ))
        .unwrap();
    assert_eq!(read.table(), ["1|1234.5|-0.5|1.5|2", "2|12.0|1000.0|x|3"]);
    assert_eq!(read.refusals(), ["3|1.5|2,0|y|4|-|Betrag: '1.5' is not a float64"]);
    let inferred = Project::with("a.csv", "n;x;code\n1.234;0,5;007\n2;1.000,25;1\n");
    let read = inferred.read(&format!("source: {{file: {{{keys}}}}}")).unwrap();
    assert_eq!(read.types()[..3], ["n int64", "x float64", "code string"]);
    assert_eq!(read.table(), ["1234|0.5|007|2", "2|1000.25|1|3"]);
    let failure = |yaml: &str| project.failure(&format!("source: {{file: {yaml}}}"));
    assert_eq!(
        Project::with("a.json", "[]").failure("source: {file: {path: a.json, decimal: ','}}"),
        "table 't': 'decimal' and 'thousands' is for csv, tsv, whitespace and fixed_width, not for json; leave 'decimal' and \
         'thousands' out, or correct 'format'"
    );
    assert!(
        failure("{path: a.csv, format: whitespace, escape: '\\'}")
            .contains("'escape' is for csv and tsv, not for whitespace")
    );
    let text = table("source: {file: {path: a.csv, thousands: '.'}}").unwrap_err().to_string();
    assert!(
        text.ends_with("'decimal' and 'thousands' are both '.'; name both if thousands are marked by a point"),
        "{text}"
    );
}

/// The example of docs/new-pipeline.md, on a file such as its reader has.
#[test]
fn the_example_of_the_manual_reads_a_german_file() {
    let manual = include_str!("../../../../docs/new-pipeline.md");
    let yaml = manual.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    #[derive(serde::Deserialize)]
    struct File {
        tables: spec::Map<TableSpec>,
    }
    let spec = spec::parse::<File>(yaml, Path::new("ingest.yaml"), &Environment::default()).unwrap().spec;
    let table = spec.tables.get("purchases").unwrap();
    let project = Project::new();
    let folder = project.0.path().join("data/in");
    std::fs::create_dir_all(&folder).unwrap();
    let header = b"Order No;Customer;Date;Total\n";
    std::fs::write(folder.join("orders_1.csv"), [&header[..], b"1;M\xfcller;31.01.2024 09:30;1.234,50\n"].concat())
        .unwrap();
    std::fs::write(folder.join("orders_2.csv"), header).unwrap();
    std::fs::write(folder.join("orders_3.csv"), [&header[..], b"2;Weiss;01.02.2024 18:00;0,99\n"].concat()).unwrap();
    let read = table.open("purchases", &project.root(), &Cloud::default(), project.0.path(), &Reach::All);
    let read = read_all(read.unwrap()).unwrap();
    assert_eq!(
        read.table(),
        ["1|Müller|2024-01-31 09:30:00|1234.5|2", "2|Weiss|2024-02-01 18:00:00|0.99|2"],
        "{:?}",
        read.refusals()
    );
}

#[test]
fn escaped_characters_and_values_carried_down() {
    let text = "region,city,n\nNorth\\, far,a,1\n,b,2\n  ,\"c \\\"x\\\"\",3\nSouth,\\N,4\nbad\n,e,5\n";
    let project = Project::with("a.csv", text).and("b.csv", "region,city,n\n,f,6\nWest,g,7\n");
    let yaml = |path: &str| {
        format!(
            "source: {{file: {{path: '{path}', escape: '\\', fill_down: [region]}}}}\ncolumns: {{region: string, city: string, n: int64}}"
        )
    };
    let read = project.read(&yaml("*.csv")).unwrap();
    assert_eq!(
        read.table(),
        [
            "North, far|a|1|2",
            "North, far|b|2|3",
            "North, far|c \"x\"|3|4",
            "South|-|4|5",
            // Not beyond the end of a file.
            "-|f|6|2",
            "West|g|7|3"
        ]
    );
    assert_eq!(
        read.refusals(),
        [
            "-|-|-|6|bad|line 6: 1 field instead of 3",
            "-|-|-|7|\te\t5|the value above, which 'fill_down' would take, is in a row that could not be read"
        ]
    );
    assert_eq!(
        project.failure("source: {file: {path: a.csv, fill_down: [regoin]}}"),
        "table 't': 'fill_down' names 'regoin', which is not a column of the table; did you mean 'region'?"
    );
    // A value goes down over the end of a batch.
    let mut text = "g,n\nfirst,0\n".to_owned();
    (1..200_000).for_each(|n| text.push_str(&format!(",{n}\n")));
    let long = Project::with("a.csv", text).read("source: {file: {path: a.csv, fill_down: [g]}}").unwrap();
    assert!(long.rows.column("g").unwrap().str().unwrap().iter().all(|cell| cell == Some("first")));
}

#[test]
fn parquet_keeps_types_or_casts() {
    let project = Project::new();
    let mut table = df!("id" => [1i64, 2, 3], "x" => ["1.5", "oops", " 2"], "_row" => [7u32, 8, 9]).unwrap();
    let file = std::fs::File::create(project.0.path().join("a.parquet")).unwrap();
    ParquetWriter::new(file).finish(&mut table).unwrap();
    let read = project.read("source: {file: {path: a.parquet}}").unwrap();
    assert_eq!(read.types(), ["id int64", "x string", "_file string", "_row uint32"]);
    assert_eq!(read.table(), ["1|1.5|1", "2|oops|2", "3| 2|3"]);
    let yaml = "source: {file: {path: a.parquet}}\ncolumns: {x: float64, id: int8, old: {type: int64, from: _row}}";
    let read = project.read(yaml).unwrap();
    assert_eq!(read.table(), ["1.5|1|7|1", "2.0|3|9|3"]);
    assert_eq!(read.refusals(), ["oops|2|8|2|-|x: 'oops' is not a float64"]);
}

#[test]
fn files_larger_than_a_batch_are_whole() {
    let mut text = "n,s\n".to_owned();
    for i in 0..300_000 {
        text.push_str(&format!("{i},\"text, {i}\"\n"));
    }
    let read = Project::with("a.csv", &text).read("source: {file: {path: a.csv}}").unwrap();
    assert_eq!(read.rows.height(), 300_000);
    let sum: i64 = read.rows.column("n").unwrap().i64().unwrap().sum().unwrap();
    assert_eq!(sum, 299_999 * 300_000 / 2);
    let last = lines(&read.rows.tail(Some(1)));
    assert_eq!(last, ["299999|text, 299999|a.csv|300001"]);
}

#[test]
fn a_stream_is_never_up_to_date_and_a_file_is() {
    let project = Project::with("a.csv", "a\n1\n");
    let inputs = |yaml: &str| table(yaml).unwrap().inputs(&project.root(), &Cloud::default()).unwrap();
    assert_eq!(inputs("source: {file: {path: a.csv}}"), inputs("source: {file: {path: a.csv}}"));
    let stdin = "source: {file: {path: '-'}}";
    assert_ne!(inputs(stdin), inputs(stdin));
    assert_eq!(inputs(stdin)[0].path, "-");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn what_is_quoted_as_rfc_4180_says_is_read_back(
        records in prop::collection::vec(prop::array::uniform3("[a,\"\n\r é ;]{0,6}"), 1..20),
        crlf: bool,
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let quoted = |cell: &String| match cell.is_empty() || cell.contains(['"', ',', '\r', '\n']) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell.clone(),
        };
        let line = |record: &[String; 3]| record.iter().map(quoted).collect::<Vec<_>>().join(",") + end;
        let text = format!("x,y,z{end}{}", records.iter().map(line).collect::<String>());
        let project = Project::with("a.csv", text);
        let yaml = "source: {file: {path: a.csv, null_values: []}}\ncolumns: {x: string, y: string, z: string}";
        let read = project.read(yaml).unwrap();
        let back: Vec<Vec<String>> = (0..read.rows.height()).map(|row| {
            ["x", "y", "z"].map(|c| read.rows.column(c).unwrap().str().unwrap().get(row).unwrap().to_owned()).to_vec()
        }).collect();
        let records: Vec<Vec<String>> = records.iter().map(|record| record.to_vec()).collect();
        prop_assert_eq!(back, records);
    }
    #[test]
    fn what_is_escaped_is_read_back(
        records in prop::collection::vec(prop::array::uniform3(("[a,\"\\\\\n\r é;N]{0,6}", any::<bool>())), 1..20),
    ) {
        let written = |(cell, quoted): &(String, bool)| {
            let escaped = |special: &[char]| -> String {
                cell.chars().flat_map(|c| special.contains(&c).then_some('\\').into_iter().chain([c])).collect()
            };
            match *quoted || cell.is_empty() {
                true => format!("\"{}\"", escaped(&['\\', '"'])),
                false => escaped(&['\\', '"', ',', '\n', '\r']),
            }
        };
        let line = |record: &[(String, bool); 3]| record.iter().map(written).collect::<Vec<_>>().join(",") + "\n";
        let text = format!("x,y,z\n{}", records.iter().map(line).collect::<String>());
        let project = Project::with("a.csv", text);
        let yaml = "source: {file: {path: a.csv, escape: '\\', null_values: []}}\ncolumns: {x: string, y: string, z: string}";
        let read = project.read(yaml).unwrap();
        let back: Vec<Vec<String>> = (0..read.rows.height()).map(|row| {
            ["x", "y", "z"].map(|c| read.rows.column(c).unwrap().str().unwrap().get(row).unwrap().to_owned()).to_vec()
        }).collect();
        let records: Vec<Vec<String>> = records.iter().map(|record| record.iter().map(|(cell, _)| cell.clone()).collect()).collect();
        prop_assert_eq!(back, records);
    }

    /// Against serde_json's own idea of where a value lies.
    #[test]
    fn paths_lead_where_they_say(
        records in prop::collection::vec(
            prop::collection::btree_map("[ab]", prop::collection::btree_map("[ab]", prop::option::of(0i64..100), 0..3), 0..3),
            1..8,
        ),
    ) {
        let lines: Vec<String> = records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
        let project = Project::with("a.jsonl", lines.join("\n") + "\n");
        let columns = ["a.a", "a.b", "b.a", "b.b"];
        let declared: Vec<String> = (0..4).map(|at| format!("c{at}: {{type: int64, from: {}, optional: true}}", columns[at])).collect();
        let read = project.read(&format!("source: {{file: {{path: a.jsonl}}}}\ncolumns: {{{}}}", declared.join(", "))).unwrap();
        for (at, path) in columns.iter().enumerate() {
            let pointer = format!("/{}", path.replace('.', "/"));
            let column = read.rows.column(&format!("c{at}")).unwrap().i64().unwrap().clone();
            let expected = lines.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap().pointer(&pointer)?.as_i64());
            prop_assert_eq!(column.iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }
}

/// A file of orders with a customer and lines, as nested columns.
fn nested() -> Vec<u8> {
    let lines = |rows: &[Option<&[(&str, i64)]>]| -> Series {
        let of_row = |row: &Option<&[(&str, i64)]>| {
            row.map(|lines| {
                let skus: Vec<&str> = lines.iter().map(|(sku, _)| *sku).collect();
                let pieces: Vec<i64> = lines.iter().map(|(_, pieces)| *pieces).collect();
                let tags = ListChunked::from_iter(skus.iter().map(|sku| Series::new("".into(), [sku.to_lowercase()])));
                let fields = [
                    Series::new("sku".into(), skus),
                    Series::new("n".into(), pieces),
                    tags.into_series().with_name("tags".into()),
                ];
                StructChunked::from_series("".into(), lines.len(), fields.iter()).unwrap().into_series()
            })
        };
        ListChunked::from_iter(rows.iter().map(of_row)).into_series().with_name("lines".into())
    };
    let city = [
        Series::new("city".into(), ["Ulm", "Köln", "\"x\""]),
        Series::new("zip.code".into(), [Some(7), None, Some(9)]),
    ];
    let customer = StructChunked::from_series("customer".into(), 3, city.iter()).unwrap().into_series();
    let lines = lines(&[Some(&[("A", 2), ("B", 1)]), None, Some(&[("C", 5)])]);
    let ids = Series::new("id".into(), [1i64, 2, 3]);
    let mut table = DataFrame::new(3, vec![ids.into_column(), customer.into_column(), lines.into_column()]).unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut table).unwrap();
    bytes
}

#[test]
fn values_within_lists_are_written_as_anywhere_else() {
    let of = |values: Series| {
        let lists = ListChunked::from_iter([Some(values)]).into_series().with_name("l".into());
        let mut bytes = Vec::new();
        let mut table = DataFrame::new(1, vec![lists.into_column()]).unwrap();
        ParquetWriter::new(&mut bytes).finish(&mut table).unwrap();
        let read = Project::with("a.parquet", bytes).read("source: {file: {path: a.parquet}}\ncolumns: {l: string}");
        read.unwrap().table().remove(0)
    };
    let words = Series::new("".into(), ["a", "b\"x"]).cast(&artifact::dtype(spec::ColumnType::Category)).unwrap();
    assert_eq!(of(words), r#"["a","b\"x"]|1"#);
    let days = Series::new("".into(), [0, 2_932_897]).cast(&DataType::Date).unwrap();
    assert_eq!(of(days), r#"["1970-01-01","+10000-01-01"]|1"#, "no calendar has the second");
    let moments = |zone: Option<TimeZone>| {
        let ticks = Int64Chunked::from_slice("".into(), &[1_500_000, i64::MAX - 1]);
        of(ticks.into_datetime(TimeUnit::Microseconds, zone).into_series())
    };
    let far = "+294247-01-10 04:00:54.775806";
    assert_eq!(moments(None), format!(r#"["1970-01-01 00:00:01.500000","{far}"]|1"#));
    assert_eq!(moments(Some(TimeZone::UTC)), format!(r#"["1970-01-01 00:00:01.500000Z","{far}Z"]|1"#));
}

#[test]
fn parts_of_nested_parquet_are_columns() {
    let project = Project::with("a.parquet", nested());
    let read = |keys: &str, columns: &str| {
        project.read(&format!("source: {{file: {{path: a.parquet{keys}}}}}\ncolumns: {columns}"))
    };
    let paths = "{id: int64, city: {type: string, from: customer.city}, zip: {type: int64, from: customer.zip.code}}";
    assert_eq!(read("", paths).unwrap().table(), ["1|Ulm|7|1", "2|Köln|-|2", "3|\"x\"|9|3"]);
    // Text is what everything can be.
    let texts = read("", "{customer: string, lines: string}").unwrap().table();
    assert_eq!(
        texts,
        [
            r#"{"city":"Ulm","zip.code":7}|[{"sku":"A","n":2,"tags":["a"]},{"sku":"B","n":1,"tags":["b"]}]|1"#,
            r#"{"city":"Köln","zip.code":null}|-|2"#,
            r#"{"city":"\"x\"","zip.code":9}|[{"sku":"C","n":5,"tags":["c"]}]|3"#,
        ]
    );
    let columns = "{id: int64, sku: {type: string, from: lines.sku}, n: {type: int8, from: lines.n}}";
    let exploded = read(", explode: lines", columns).unwrap();
    assert_eq!(exploded.table(), ["1|A|2|1", "1|B|1|2", "2|-|-|3", "3|C|5|4"]);
    let tags = read(", explode: [lines, lines.tags]", "{id: int64, tag: {type: string, from: lines.tags}}").unwrap();
    assert_eq!(tags.table(), ["1|a|1", "1|b|2", "2|-|3", "3|c|4"]);
    let failure = |keys: &str, columns: &str| read(keys, columns).map(|read| read.rows_in).unwrap_err().to_string();
    assert_eq!(
        failure("", "{x: {type: string, from: customer.town}}"),
        "table 't': a.parquet: no column 'customer.town'; did you mean 'customer.city'?"
    );
    assert!(failure("", "{lines: int64}").contains("a.parquet: column 'lines'"), "{}", failure("", "{lines: int64}"));
    assert_eq!(
        failure(", explode: id", "{id: int64}"),
        "table 't': a.parquet: column 'id' is int64, and 'explode' is for lists; take it out of 'explode'"
    );
    let csv = Project::with("a.csv", "a\n1\n").failure("source: {file: {path: a.csv, explode: a}}");
    assert!(csv.contains("'explode' is for json, json_lines, xml and parquet, not for csv"), "{csv}");
}
