use super::*;

fn csv(content: &[u8]) -> String {
    Project::with("a.csv", content).failure("source: {file: {path: a.csv}}")
}

#[test]
fn files_that_are_not_there() {
    let project = Project::with("a.csv", "a\n1\n");
    std::fs::create_dir(project.0.path().join("in")).unwrap();
    let failure = |path: &str| project.failure(&format!("source: {{file: {{path: '{path}'}}}}"));
    assert_eq!(
        failure("b.csv"),
        "table 't': b.csv: no such file; check 'path'; relative paths count from the project root"
    );
    assert_eq!(
        failure("in/*.csv"),
        "table 't': in/*.csv: no file matches; check 'path'; relative paths count from the project root"
    );
    assert_eq!(failure("in"), "table 't': in: is a folder; name the files in it, such as 'in/*.csv'");
}

/// Found by fuzzing: the words of serde for what is neither a number nor a text.
#[test]
fn a_sheet_is_a_name_or_a_number() {
    for sheet in ["1.5", "[a]", "true", "{}", "-1"] {
        let error = Project::new().failure(&format!("source: {{file: {{path: a.xlsx, sheet: {sheet}}}}}"));
        assert!(error.contains("'sheet' is neither the name of a sheet nor its number from 1"), "{error}");
    }
}

#[test]
fn files_without_rows() {
    let way_out = "fetch the file again, or take it out of 'path'";
    assert_eq!(csv(b""), "table 't': a.csv: the file is empty; fetch the file again, or take it out of 'path'");
    assert_eq!(csv(b"a,b\n"), format!("table 't': a.csv: there is a header, but no rows; {way_out}"));
    assert_eq!(csv(b"\n\n"), format!("table 't': a.csv: there is no header; {way_out}"));
    let project = Project::with("a.txt", "\n").and("a.json", "[]").and("b.jsonl", "\n");
    let failure = |file: &str| project.failure(&format!("source: {{file: {file}}}"));
    assert_eq!(failure("{path: a.txt, format: whitespace}"), format!("table 't': a.txt: there are no rows; {way_out}"));
    assert_eq!(failure("{path: a.json}"), format!("table 't': a.json: there are no rows; {way_out}"));
    assert_eq!(failure("{path: b.jsonl}"), format!("table 't': b.jsonl: there are no rows; {way_out}"));
}

#[test]
fn another_separator_is_noticed() {
    let failure = |text: &str| Project::with("a.csv", text).failure("source: {file: {path: a.csv}}");
    let place = "table 't': a.csv:1: the whole header is one column";
    let way_out = |separator: &str| format!("set 'separator: \"{separator}\"', or if it is one column, declare it");
    assert_eq!(failure("a;b\n1;2\n"), format!("{place}, 'a;b'; {}", way_out(";")));
    assert_eq!(failure("a\tb\n1\t2\n"), format!("{place}, 'a\\tb'; {}", way_out("\\t")));
    assert_eq!(failure("a|b|c\n1|2|3\n"), format!("{place}, 'a|b|c'; {}", way_out("|")));
    // One column it may well be.
    for text in ["a;b\n1\n", "a\n1;2\n", "a\nx\n"] {
        assert_eq!(Project::with("a.csv", text).read("source: {file: {path: a.csv}}").unwrap().rows_in, 1, "{text}");
    }
    let declared = "source: {file: {path: a.csv}}\ncolumns: {'a;b': string}";
    assert_eq!(Project::with("a.csv", "a;b\n1;2\n").read(declared).unwrap().table(), ["1;2|2"]);
    let failure = Project::with("a.csv", "a;b\n1;2\n").failure("source: {file: {path: a.csv}}\ncolumns: {a: int64}");
    assert_eq!(failure, format!("{place}, 'a;b'; {}", way_out(";")));
}

#[test]
fn an_empty_file_among_others_is_skipped() {
    let part = |rows: &[i64]| {
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes).finish(&mut df!("a" => rows).unwrap()).unwrap();
        bytes
    };
    let sheet = |rows: &[u32]| {
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        sheet.write(0, 0, "a").unwrap();
        for (at, value) in (1..).zip(rows) {
            sheet.write(at, 0, *value).unwrap();
        }
        book.save_to_buffer().unwrap()
    };
    type Kind<'a> = (&'a str, &'a str, Vec<u8>, Vec<u8>, Vec<u8>, &'a str);
    let kinds: [Kind; 7] = [
        ("csv", "", b"a\n1\n".into(), b"a\n".into(), b"a\n2\n".into(), "there is a header, but no rows"),
        ("csv", "", b"a\n1\n".into(), b"".into(), b"a\n2\n".into(), "the file is empty"),
        ("csv", "", b"a\n1\n".into(), b"\n\n".into(), b"a\n2\n".into(), "there is no header"),
        ("csv.gz", "", gz(b"a\n1\n"), gz(b""), gz(b"a\n2\n"), "the file is empty"),
        ("json", "", b"[{\"a\": 1}]".into(), b"[]".into(), b"[{\"a\": 2}]".into(), "there are no rows"),
        ("parquet", "", part(&[1]), part(&[]), part(&[2]), "there are no rows"),
        ("xlsx", "", sheet(&[1]), sheet(&[]), sheet(&[2]), "there is a header, but no rows"),
    ];
    for (extension, keys, first, empty, last, what) in kinds {
        let name = |at: u32| format!("{at}.{extension}");
        // Whichever of the three it is.
        for order in [[&first, &empty, &last], [&empty, &first, &last], [&first, &last, &empty]] {
            let at = order.iter().position(|file| *file == &empty).unwrap() as u32;
            let project = (0..3).zip(order).fold(Project::new(), |project, (at, file)| project.and(&name(at), file));
            let yaml = |more: &str| format!("source: {{file: {{path: '*.{extension}'{keys}{more}}}}}");
            for columns in ["", "\ncolumns: {a: int64}"] {
                let mut opened = open(&project, &format!("{}{columns}", yaml(""))).unwrap();
                let rows: Vec<i64> = opened
                    .batches
                    .by_ref()
                    .flat_map(|batch| batch.unwrap().rows.column("a").unwrap().i64().unwrap().to_vec())
                    .flatten()
                    .collect();
                assert_eq!(
                    (rows, opened.ending.finish().passed),
                    (vec![1, 2], vec![format!("{}: {what}", name(at))]),
                    "{extension}"
                );
            }
            let failure = project.failure(&yaml(", empty_files: error"));
            let way_out = "fetch the file again, or take it out of 'path'";
            assert!(failure.ends_with(&format!("{}: {what}; {way_out}", name(at))), "{failure}");
        }
        let none = (0..3).fold(Project::new(), |project, at| project.and(&name(at), &empty));
        let failure = none.failure(&format!("source: {{file: {{path: '*.{extension}'{keys}}}}}"));
        let each: Vec<String> = (0..3).map(|at| format!("{}: {what}", name(at))).collect();
        let all = format!("none of the 3 files has rows: {}; fetch them again, or correct 'path'", each.join("; "));
        assert!(failure.ends_with(&all), "{failure}");
    }
    let spark = Project::with("part-0.csv", "a\n1\n").and("_SUCCESS", "").and("part-1.csv", "");
    let read = spark.read("source: {file: {path: '*', format: csv}}").unwrap();
    assert_eq!(read.table(), ["1|2"]);
    let zero = Project::with("part-0.parquet", part(&[1])).and("part-1.parquet", "");
    assert_eq!(zero.read("source: {file: {path: '*.parquet'}}").unwrap().table(), ["1|1"]);
}

fn open(project: &Project, yaml: &str) -> spec::Result<crate::Opened> {
    table(yaml)?.open("t", &project.root(), &Cloud::default(), project.0.path(), &Reach::All)
}

#[test]
fn names_that_no_record_has() {
    let text = "{\"id\": 1, \"amount\": null, \"address\": {\"city\": \"x\"}}\n{\"id\": 2}\n";
    let project = Project::with("a.jsonl", text).and("b.jsonl", "{\"id\": 3, \"late\": 1}\n");
    let project = project.and("a.json", format!("[{}]", text.trim_end().replace('\n', ",")));
    let failure = |path: &str, columns: &str| {
        project.failure(&format!("source: {{file: {{path: '{path}'}}}}\ncolumns: {{{columns}}}"))
    };
    let rest = "If it may be absent, add 'optional: true' to the column";
    for path in ["a.jsonl", "a.json"] {
        assert_eq!(
            failure(path, "id: int64, amuont: float64"),
            format!("{path}: no record has 'amuont'; did you mean 'amount'? {rest}")
        );
        assert_eq!(
            failure(path, "town: {type: string, from: address.ctiy}"),
            format!("{path}: no record has 'address.ctiy'; did you mean 'address.city'? {rest}")
        );
    }
    assert_eq!(
        failure("*.jsonl", "lat: int64"),
        format!("a.jsonl and 1 more: no record has 'lat'; did you mean 'late'? {rest}")
    );
    let read = |path: &str, columns: &str| {
        project.read(&format!("source: {{file: {{path: '{path}'}}}}\ncolumns: {{{columns}}}")).unwrap().table()
    };
    assert_eq!(read("*.jsonl", "id: int64, late: int64"), ["1|-|1", "2|-|2", "3|1|1"]);
    assert_eq!(read("a.jsonl", "id: int64, amuont: {type: float64, optional: true}"), ["1|-|1", "2|-|2"]);
    // Nothing is known of an object that is null in all records.
    let project = Project::with("a.jsonl", "{\"id\": 1, \"a\": null}\n{\"id\": 2, \"a\": {\"b\": null}}\n");
    let yaml = "source: {file: {path: a.jsonl}}\ncolumns: {id: int64, c: {type: int64, from: a.b.c}}";
    assert_eq!(project.read(yaml).unwrap().table(), ["1|-|1", "2|-|2"]);
    let project = Project::with("a.csv", "id,x\n1,2\n").and("b.csv", "id\n3\n");
    let yaml = "source: {file: {path: '*.csv'}}\ncolumns: {id: int64, x: {type: int64, optional: true}}";
    assert_eq!(project.read(yaml).unwrap().table(), ["1|2|2", "3|-|2"]);
    let yaml = "source: {sqlite: {path: a.db, table: t}}\ncolumns: {id: {type: int64, optional: true}}";
    assert!(
        table(yaml)
            .unwrap_err()
            .to_string()
            .ends_with("'optional' of the column 'id' is for files, services and programs")
    );
}

#[test]
fn headers_that_do_not_fit() {
    assert_eq!(
        csv(b"a,b,a\n1,2,3\n"),
        "table 't': a.csv:1: columns 1 and 3 are both named 'a'; write 'header: false', 'skip_lines: 1' and give all \
         columns names under 'columns'"
    );
    let project = Project::with("a.csv", "amount,b\n1,2\n");
    assert_eq!(
        project.failure("source: {file: {path: a.csv}}\ncolumns: {amout: int64}"),
        "table 't': a.csv:1: no column 'amout' in the header; did you mean 'amount'?"
    );
    assert_eq!(
        project.failure("source: {file: {path: a.csv, header: false}}\ncolumns: {a: string}"),
        "table 't': a.csv: none of its first 2 records can be read: line 1: 2 fields instead of 1; check 'format', \
         'header', 'separator' and the number of 'columns'"
    );
    assert_eq!(
        csv(b"\xB0\xA1,b\n1,2\n"),
        "table 't': a.csv:1: the header cannot be read: character 1 is not UTF-8; name the file's encoding, such as \
         'encoding: cp949' or 'encoding: latin-1'"
    );
    let project = project.and("b.csv", "amount,c\n1,2\n");
    assert_eq!(
        project.failure("source: {file: {path: '*.csv'}}"),
        "b.csv:1: the first file has no column 'c'; name the columns to read under 'columns'"
    );
}

#[test]
fn files_that_break_off() {
    let mut cut = gz("a,b\n1,2\n".repeat(1000).as_bytes());
    cut.truncate(cut.len() - 9);
    let project = Project::with("a.csv.gz", cut).and("b.csv.gz", "a,b\n1,2\n");
    let failure = project.failure("source: {file: {path: a.csv.gz}}");
    assert!(
        failure.ends_with(
            ": the compressed data is truncated; the file was cut short, or is still being written; fetch it again"
        ),
        "{failure}"
    );
    assert_eq!(
        project.failure("source: {file: {path: b.csv.gz}}"),
        "table 't': b.csv.gz: not compressed by gzip; add 'compression: none', or the right one"
    );

    let project = Project::with("a.jsonl", "{\"a\": 1}\n{\"a\":").and("a.json", "[{\"a\": 1},\n{\"a\": 2");
    let project = project.and("b.json", "[{\"a\": 1}\n").and("c.json", "{\"a\": 1}").and("d.json", "[{\"a\": 1} 2]");
    let failure = |path: &str| project.failure(&format!("source: {{file: {{path: {path}}}}}"));
    let breaks_off = "the JSON is truncated; the file was cut short, or is still being written; fetch it again";
    assert_eq!(failure("a.jsonl"), format!("table 't': a.jsonl:2: {breaks_off}"));
    assert_eq!(failure("a.json"), format!("table 't': a.json:2: {breaks_off}"));
    assert_eq!(failure("b.json"), format!("table 't': b.json:1: {breaks_off}"));
    assert_eq!(
        failure("c.json"),
        "table 't': c.json:1: an object instead of an array of objects; for one object per line write \
         'format: json_lines'"
    );
    assert_eq!(
        failure("d.json"),
        "table 't': d.json:1: not JSON: '2' follows a record instead of ',' or ']'; correct the file, or fetch it again"
    );
    // What followed the comma may be missing.
    let project =
        Project::with("e.json", "[{\"a\": 1},\n ]").and("f.json", "[1, 2]").and("g.json", r#"[{"a": "x\ud83d"}]"#);
    let failure = |keys: &str| project.failure(&format!("source: {{file: {{path: {keys}}}}}"));
    let comma = "not JSON: ']' follows a comma instead of a record; correct the file, or fetch it again";
    assert_eq!(failure("e.json"), format!("table 't': e.json:2: {comma}"));
    assert_eq!(failure("e.json, explode: l"), format!("table 't': e.json: {comma}"));
    assert_eq!(
        failure("f.json"),
        "table 't': f.json: none of its first 2 records can be read: line 1: a number instead of an object; check 'format': each \
         record is an object"
    );
    assert_eq!(
        failure("g.json"),
        r#"table 't': g.json: its only record cannot be read: line 1: the text "x\ud83d" is not valid; check 'format': each record is an object"#
    );
}

#[test]
fn files_of_another_kind() {
    assert_eq!(csv(&gz(b"a\n1\n")), "table 't': a.csv: not text, but compressed by gzip; add 'compression: gzip'");
    // As `tar -czf a.csv.gz b.csv` makes it, which programs take for a csv.
    let mut tar = vec![0; 1024];
    tar[..5].copy_from_slice(b"b.csv");
    tar[257..262].copy_from_slice(b"ustar");
    tar[512..518].copy_from_slice(b"a,b\n1,");
    let way_out = "unpack it, or read what 'tar -xOf' prints with a source 'command'";
    assert_eq!(csv(&tar), format!("table 't': a.csv: not text, but a tar archive; {way_out}"));
    let packed = Project::with("a.csv.gz", gz(&tar)).failure("source: {file: {path: a.csv.gz}}");
    assert_eq!(packed, format!("table 't': a.csv.gz: not text, but a tar archive; {way_out}"));
    for name in ["a.tar.gz", "a.TGZ", "a.csv.bz2", "a.7z"] {
        let error = Project::with(name, "x").failure(&format!("source: {{file: {{path: {name}}}}}"));
        assert_eq!(
            error,
            format!(
                "table 't': {name}: the name does not tell the format; of archives only .zip is read, and of compressed files .gz \
                 and .zst; unpack it, or read what a program such as 'tar -xOf' prints with a source 'command'"
            )
        );
    }
    assert_eq!(
        csv(b"PK\x03\x04rest"),
        "table 't': a.csv: not text, but a zip archive or an Excel file; name it with the extension .zip, or add 'format: excel'"
    );
    let project = Project::with("a.txt", "a").and("a.csv", "a\n1\n").and("b.json", "[]");
    assert_eq!(
        project.failure("source: {file: {path: a.txt}}"),
        "table 't': a.txt: the name does not tell the format; add 'format:' to the source: csv, tsv, whitespace, \
         fixed_width, json, json_lines, parquet, excel, xml"
    );
    assert_eq!(
        project.failure("source: {file: {path: [a.csv, b.json]}}"),
        "table 't': a.csv is csv, but b.json is json; make a table of each, or name one 'format' for all"
    );
    assert_eq!(
        project.failure("source: {file: {path: a.txt, format: parquet}}"),
        "table 't': a.txt: the name of a Parquet file must end with .parquet; rename it, or correct 'format'"
    );
    let project = project.and("c.parquet", "a,b\n1,2\n");
    let failure = project.failure("source: {file: {path: c.parquet}}");
    assert!(failure.starts_with("table 't': ") && failure.contains("c.parquet"), "{failure}");
}

#[test]
fn specs_that_contradict_themselves() {
    let failure = |yaml: &str| table(yaml).unwrap_err().to_string();
    for (file, error) in [
        ("{path: a, widths: [1]}", "'widths' is for the format fixed_width; add 'format: fixed_width'"),
        ("{path: a, format: fixed_width}", "the format fixed_width needs 'widths', such as [6, 9, 3]"),
        ("{path: a, format: tsv, separator: ';'}", "'separator' is for the format csv, not for tsv"),
        ("{path: a, separator: ';;'}", "';;' is not one ASCII character"),
        ("{path: a, separator: tab}", r#"'tab' is not one ASCII character; write a tab as "\t""#),
        ("{path: a, encoding: cp94}", "unknown encoding 'cp94'; did you mean 'cp949'?"),
        ("{path: a, formt: csv}", "unknown key 'formt'; did you mean 'format'?"),
        ("{path: []}", "a path is empty"),
    ] {
        let text = failure(&format!("source: {{file: {file}}}"));
        assert!(text.starts_with("ingest.yaml:1:") && text.ends_with(error), "{text}");
    }
    for (columns, error) in [
        ("{a: int46}", "unknown type 'int46'; did you mean 'int64'?"),
        ("{a: {typ: int64}}", "unknown key 'typ'; did you mean 'type'?"),
        ("{a: {from: b}}", "missing key 'type'"),
        ("{a: {type: int64, format: '%Y'}}", "format \"%Y\" is for the types date, datetime and time, not for int64"),
        ("{_row: int64}", "the column name '_row' is reserved for the row's origin; write 'other_name: {from: _row}'"),
        ("{}", "'columns' names no column; leave the key out to read all"),
    ] {
        let text = failure(&format!("source: {{file: {{path: a}}}}\ncolumns: {columns}"));
        assert!(text.starts_with("ingest.yaml:") && text.ends_with(error), "{text}");
    }
}

#[test]
fn columns_of_folders_are_read_where_they_are_requested() {
    let part = |ids: &[i64]| {
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes).finish(&mut df!("id" => ids, "v" => ids).unwrap()).unwrap();
        bytes
    };
    let project =
        Project::with("in/zip=02134/v=9/a.parquet", part(&[1, 2])).and("in/zip=1%2F2/v=8/b.parquet", part(&[3]));
    let csv = Project::with("in/zip=02134/a.csv", b"id\n1\nx\n").and("in/zip=7/b.csv", b"id\n3\n");
    let read = |project: &Project, more: &str| project.read(&format!("source: {{file: {{path: 'in/**/*', {more}}}}}"));
    let parquet = "format: parquet";
    assert_eq!(read(&project, parquet).unwrap().table(), ["1|1|1", "2|2|2", "3|3|1"]);
    let with_folders = read(&project, &format!("{parquet}, folders: [zip]")).unwrap();
    assert_eq!(with_folders.types()[2], "zip string");
    assert_eq!(with_folders.table(), ["1|1|02134|1", "2|2|02134|2", "3|3|1/2|1"]);
    assert_eq!(
        project.failure(&format!("source: {{file: {{path: 'in/**/*', {parquet}, folders: [v]}}}}")),
        "table 't': 'folders' names 'v', which is a column of the files already; take it out of 'folders', or give the column \
         another name with 'columns'"
    );
    let declared = "source: {file: {path: 'in/**/*.csv', folders: [zip]}}\ncolumns: {id: int64}";
    let read = csv.read(declared).unwrap();
    assert_eq!(read.table(), ["1|02134|2", "3|7|2"]);
    assert_eq!(read.refused.column("zip").unwrap().str().unwrap().get(0), Some("02134"));
    let nowhere = csv.failure("source: {file: {path: 'in/**/*.csv', folders: [day]}}");
    assert!(
        nowhere.ends_with("a.csv: no folder 'day=…' on the way to the file; correct 'folders' or 'path'"),
        "{nowhere}"
    );
}
