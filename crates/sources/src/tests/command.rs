//! Programs that print tables: what is passed on, and that nothing does where one does not end well.

use super::*;
use crate::Reach;
use serde_json::{Value, json};
use spec::Class;

/// A project with a shell script that prints.
fn script(body: &str) -> Project {
    Project::with("print.sh", format!("set -eu\n{body}"))
}

fn source(keys: &str) -> String {
    format!("source: {{command: {{run: [sh, print.sh], {keys}}}}}\n")
}

fn fails(project: &Project, yaml: &str) -> (Class, String) {
    let error = project.read(yaml).map(|read| read.rows).unwrap_err();
    (error.class(), error.to_string().trim_start_matches("table 't': ").to_owned())
}

#[test]
fn text_in_fields_and_json_lines_become_tables() {
    let expected = ["7|Ulm|2024-02-29|2", "8|-|2024-03-01|3"];
    let csv = script("printf 'id,city,day\\n7,Ulm,2024-02-29\\n8,,2024-03-01\\n'");
    let read = csv.read(&source("format: csv")).unwrap();
    assert_eq!(read.table(), expected);
    assert_eq!(read.types(), ["id int64", "city string", "day date", "_file string", "_row uint32"]);
    assert_eq!(read.rows.column("_file").unwrap().get(0).unwrap().to_string(), "\"command:sh\"");
    let tabs = script("printf 'id\\tcity\\tday\\n7\\tUlm\\t2024-02-29\\n8\\t\\t2024-03-01\\n'");
    assert_eq!(tabs.read(&source("format: tsv")).unwrap().table(), expected);
    let bare = script("printf '7;Ulm;2024-02-29\\n8;NA;2024-03-01\\n'");
    let keys = "format: csv, separator: ;, header: false, null_values: [NA]";
    let yaml = format!("{}columns: {{id: int64, city: string, day: date}}", source(keys));
    assert_eq!(bare.read(&yaml).unwrap().table(), ["7|Ulm|2024-02-29|1", "8|-|2024-03-01|2"]);
    let lines = script(
        r#"echo '{"id": 7, "city": "Ulm", "day": "2024-02-29"}'; echo '{"id": 8, "city": null, "day": "2024-03-01"}'"#,
    );
    assert_eq!(lines.read(&source("format: json_lines")).unwrap().table(), ["7|Ulm|2024-02-29|1", "8|-|2024-03-01|2"]);
}

#[test]
fn a_program_that_does_not_end_well_has_said_nothing() {
    let row = "printf 'id\\n1\\n2\\n'";
    let nothing =
        "nothing was published; correct the program, or 'run' and 'environment' (exit code 75 means: try again)";
    let failing = script(&format!("{row}; echo 'no connection' >&2; echo 'gave up' >&2; exit 3"));
    let said = "its last output: no connection | gave up";
    assert_eq!(
        fails(&failing, &source("format: csv")),
        (Class::CannotRun, format!("command:sh: the program ended with exit code 3; {said}; {nothing}"))
    );
    for (body, class, words) in [
        (
            "exit 75",
            Class::TryAgain,
            "ended with exit code 75; it printed nothing to stderr; nothing was published; run again later",
        ),
        ("kill -9 $$", Class::TryAgain, "was killed by a signal; it printed nothing to stderr"),
        // The last record is cut short, and the program says that all is well.
        ("printf '{\"id\": 1}\\n{\"id\"'", Class::CannotRun, "the JSON is truncated"),
        ("true", Class::CannotRun, "the program printed nothing; run it by hand"),
    ] {
        let (found, text) = fails(&script(body), &source("format: json_lines"));
        assert!(found == class && text.contains(words), "{body}: {text}");
    }
    let (class, text) =
        fails(&script(&format!("{row}; echo begun >&2; exec sleep 600")), &source("format: csv, timeout_seconds: 1"));
    let begin = "command:sh: the program took longer than 1 s and was killed";
    let end = "nothing was published; run again, or raise 'timeout_seconds'";
    assert!(class == Class::TryAgain && text.starts_with(begin) && text.ends_with(end), "{text}");
}

/// Whether a process is there and has not ended.
fn is_running(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

#[test]
fn what_a_program_started_ends_with_it() {
    let starting =
        "sleep 600 & echo $! >started; sh -c 'trap \"\" TERM; sleep 600' & echo $! >deaf; printf 'id\\n1\\n'";
    for body in [format!("{starting}; wait"), format!("trap '' TERM; {starting}; sleep 600; sleep 600")] {
        let project = script(&body);
        let (class, _) = fails(&project, &source("format: csv, timeout_seconds: 1"));
        assert_eq!(class, Class::TryAgain);
        for file in ["started", "deaf"] {
            let id = std::fs::read_to_string(project.0.path().join(file)).unwrap();
            // The kernel needs a moment for a process that was killed.
            let gone = (0..2000).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(5));
                !is_running(&id)
            });
            assert!(gone, "{body}: '{file}' is still running");
        }
    }
}

#[test]
fn a_program_may_clean_up_before_it_ends() {
    let project = script("trap 'echo done >cleaned; exit 1' TERM; printf 'id\\n1\\n'; while true; do sleep 0.05; done");
    fails(&project, &source("format: csv, timeout_seconds: 1"));
    assert_eq!(std::fs::read_to_string(project.0.path().join("cleaned")).unwrap(), "done\n");
}

#[test]
fn a_last_line_that_is_cut_short_ends_the_run() {
    for (text, why) in [
        ("id,x\\n1,a\\n2", Some("command:sh:3: the last line is cut short: 1 field instead of 2")),
        ("id,x\\n1,a\\n2,\"b", Some("command:sh:3: the last line is cut short: ")),
        // Some programs leave out the last end, and a line that is wrong in itself is refused.
        ("id,x\\n1,a\\n2,b", None),
        ("id,x\\n1,a\\n2\\n", None),
    ] {
        let read = script(&format!("printf '{text}'")).read(&source("format: csv"));
        match why {
            None => assert_eq!(read.unwrap().rows_in, 2, "{text}"),
            Some(why) => {
                let error = read.map(|read| read.rows_in).unwrap_err().to_string();
                assert!(error.contains(why), "{text}: {error}");
            }
        }
    }
}

#[test]
fn what_fails_late_fails_the_run() {
    // More than one batch comes before the program fails: the error is that of the batches.
    let body = "i=0; echo id; while [ $i -lt 20000 ]; do echo $i; i=$((i + 1)); done; exit 4";
    let (_, text) = fails(&script(body), &source("format: csv"));
    assert!(text.contains("the program ended with exit code 4"), "{text}");
}

/// An Arrow stream of numbers, texts, timestamps in a zone and dictionaries, in batches of so many rows.
pub(super) fn arrow(batches: &[usize]) -> Vec<u8> {
    use arrow_array::types::Int32Type;
    use arrow_array::{
        ArrayRef, DictionaryArray, Float64Array, Int16Array, RecordBatch, StringArray, TimestampMillisecondArray,
    };
    use std::sync::Arc;
    let batch = |first: usize, rows: usize| {
        let range = || first..first + rows;
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("n", Arc::new(Int16Array::from_iter(range().map(|row| (row % 3 > 0).then_some(row as i16))))),
            ("s", Arc::new(StringArray::from_iter(range().map(|row| (row % 4 > 0).then(|| format!("é{row}")))))),
            ("x", Arc::new(Float64Array::from_iter_values(range().map(|row| row as f64 / 8.0)))),
            (
                "at",
                Arc::new(
                    TimestampMillisecondArray::from_iter_values(range().map(|row| row as i64 * 1000))
                        .with_timezone("+09:00"),
                ),
            ),
            ("c", Arc::new(range().map(|row| ["a", "b"][row % 2]).collect::<DictionaryArray<Int32Type>>())),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .unwrap()
    };
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batch(0, 0).schema()).unwrap();
    let mut first = 0;
    for rows in batches {
        writer.write(&batch(first, *rows)).unwrap();
        first += rows;
    }
    writer.into_inner().unwrap()
}

#[test]
fn an_arrow_stream_becomes_a_table() {
    let stream = arrow(&[2, 0, 1]);
    let project = Project::with("stream", &stream).and("print.sh", "cat stream");
    let yaml = source("format: arrow");
    let read = project.read(&yaml).unwrap();
    assert_eq!(read.types()[..5], ["n int16", "s string", "x float64", "at datetime", "c category"]);
    assert_eq!(
        read.table(),
        ["-|-|0.0|1970-01-01 00:00:00|a|1", "1|é1|0.125|1970-01-01 00:00:01|b|2", "2|é2|0.25|1970-01-01 00:00:02|a|3"]
    );
    let declared = format!("{yaml}columns: {{key: {{type: string, from: n}}, x: int64, c: string}}");
    let read = project.read(&declared).unwrap();
    assert_eq!((read.table(), read.refusals().len()), (vec!["-|0|a|1".to_owned()], 2), "0.125 is not a whole number");
    let error = project.failure(&format!("{yaml}columns: {{m: int64}}"));
    assert!(error.starts_with("table 't': command:sh: no column 'm'; "), "{error}");
    // One batch of many rows is handed on in parts.
    let many = Project::with("stream", arrow(&[300_000])).and("print.sh", "cat stream");
    let opened = table(&format!("{yaml}columns: {{x: float64}}"))
        .unwrap()
        .open("t", &many.root(), &Cloud::default(), many.0.path(), &Reach::All)
        .unwrap();
    assert_eq!(
        opened.batches.map(|batch| batch.unwrap().rows.height()).collect::<Vec<_>>(),
        [131_072, 131_072, 37_856]
    );
    for (body, words) in [
        ("head -c 700 stream", "the program does not print a complete Arrow stream"),
        ("echo hello world", "the program does not print a complete Arrow stream"),
        ("cat stream; echo x", "the program does not print a complete Arrow stream"),
        ("cat stream; exit 3", "the program ended with exit code 3"),
        ("exit 4", "the program ended with exit code 4"),
    ] {
        let error = Project::with("stream", &stream).and("print.sh", body).failure(&yaml);
        assert!(error.contains("command:sh: ") && error.contains(words), "{body}: {error}");
    }
    // By pyarrow, with compression="lz4".
    let compressed = "/////3gAAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAEAAAAUAAAAEAAUAAgABgAHAAwAAAAQABAAAAAAAAECEAAAABwAAAAEAAAAAAAAAAEAAABuAAAACAAMAAgABwAIAAAAAAAAAUAAAAD/////mAAAABQAAAAAAAAADAAYAAYABQAIAAwADAAAAAADBAAcAAAAMAAAAAAAAAAAAAAADAAcABAABAAIAAwADAAAAEgAAAAcAAAAFAAAAMgAAAAAAAAAAAAAAAQABAAEAAAAAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACwAAAAAAAAAAAAAAAEAAADIAAAAAAAAAAAAAAAAAAAAQAYAAAAAAAAEIk0YYECCFQAAACIHAAEADwgA////////JlAAAAAAAAAAAAAAAAAA/////wAAAAA=";
    assert_eq!(
        fails(&script(&format!("echo {compressed} | base64 -d")), &yaml),
        (
            Class::CannotRun,
            "command:sh: the Arrow stream is compressed; write it without compression, as pyarrow.ipc.new_stream does by \
             default"
                .to_owned()
        )
    );
    let empty = Project::with("stream", arrow(&[0])).and("print.sh", "cat stream");
    let error = empty.failure(&yaml);
    assert!(error.contains("command:sh: the stream has no rows"), "{error}");
}

#[test]
fn programs_that_cannot_be_started() {
    let failure =
        |run: &str| Project::with("a.txt", "x").failure(&format!("source: {{command: {{run: {run}, format: csv}}}}"));
    assert_eq!(
        failure("[no-such-program-here]"),
        "table 't': command:no-such-program-here: no such program; install it, or correct 'run'; a name with a '/' counts from the \
         project root"
    );
    assert_eq!(
        failure("[./a.txt]"),
        "table 't': command:a.txt: may not be run; make the file executable, or name its interpreter first, such as [python3, \
         export.py]"
    );
}

#[test]
fn no_shell_reads_the_arguments_and_the_environment_is_that_of_the_spec() {
    let project = script("printf 'arguments\\n%s\\n' \"$*\"");
    let yaml = "source: {command: {run: [sh, print.sh, '*', '$HOME', 'a b', '; exit 1'], format: csv}}";
    assert_eq!(project.read(yaml).unwrap().table(), ["* $HOME a b ; exit 1|2"]);
    let project =
        script("printf 'own,other,path\\n%s,%s,%s\\n' \"$OWN\" \"${CARGO_MANIFEST_DIR:-none}\" \"${PATH:+set}\"");
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "cargo sets it for tests");
    let yaml = source("format: csv, environment: {OWN: 'x y'}");
    assert_eq!(project.read(&yaml).unwrap().table(), ["x y|none|set|2"]);
}

#[test]
fn secrets_do_not_come_back_in_errors() {
    let project = script("echo \"token $TOKEN was refused\" >&2; cat \"$2\" >&2; exit 1");
    let keys =
        "format: singer, environment: {TOKEN: s3cr3t-token}, config: {password: pa55word, nested: {key: [k3y-of-it]}}";
    let (_, text) = fails(&project, &source(keys));
    assert!(text.contains("token *** was refused") && text.contains("\"password\":\"***\""), "{text}");
    for secret in ["s3cr3t", "pa55word", "k3y-of-it"] {
        assert!(!text.contains(secret), "{text}");
    }
    // On standard output, too, where errors quote what is no table.
    let keys = "config: {password: pa55word, pin: 904127, port: 5432}";
    for (body, format) in [
        ("echo Bearer pa55word", "singer"),
        ("echo '{\"type\": \"pa55word\"}'", "singer"),
        ("echo 904127 pa55word 5432 >&2; exit 1", "singer"),
    ] {
        let (_, text) = fails(&script(body), &source(&format!("format: {format}, {keys}")));
        assert!(text.contains("***") && !text.contains("pa55word") && !text.contains("904127"), "{text}");
    }
    let (_, text) =
        fails(&script("echo 'a;s3cr3t-token'; echo 'b;1'"), &source("format: csv, environment: {T: s3cr3t-token}"));
    assert!(text.contains("one column, 'a;***'"), "{text}");
    // Warnings of rows that come later.
    let late = script("echo '{\"a\": 1}'; seq 1 200000 | sed 's/.*/{\"a\": 1}/'; printf '{\"a\": 1}{\"s3cr3t-token'");
    let (_, text) = fails(&late, &source("format: json_lines, environment: {T: s3cr3t-token}"));
    assert!(!text.contains("s3cr3t"), "{text}");
    let keys = "format: singer, environment: {TOKEN: s3cr3t-token}, config: {password: pa55word}";
    let parsed = format!("{:?}", table(&source(keys)).unwrap());
    assert!(!parsed.contains("s3cr3t") && !parsed.contains("pa55word"), "{parsed}");
}

#[test]
fn keys_of_other_formats_are_refused() {
    for (keys, error) in [
        ("format: json_lines, separator: ;", "'separator' is for the format csv, not for json_lines"),
        ("format: csv, incremental: true", "'incremental' is for the format singer, not for csv"),
        ("format: arrow, encoding: latin-1", "'encoding' is for the format csv, tsv and json_lines, not for arrow"),
        ("format: csv, timeout_seconds: 0", "'timeout_seconds' ranges from 1 to 86400"),
        ("format: csv, environment: {'A=B': x}", "'A=B' is not the name of a variable"),
    ] {
        let text = table(&source(keys)).unwrap_err().to_string();
        assert!(text.ends_with(error), "{text}");
    }
    let text = table("source: {command: {run: [], format: csv}}").unwrap_err().to_string();
    assert!(text.ends_with("'run' names no program; write a list such as [python3, scripts/orders.py]"), "{text}");
}

/// A project whose program prints these messages, and keeps the state that it got in `state.json`.
fn tap(messages: &[Value]) -> Project {
    let text: String = messages.iter().map(|message| format!("{message}\n")).collect();
    Project::with("messages", text).and(
        "print.sh",
        "set -eu\nwhile [ $# -gt 0 ]; do case \"$1\" in --state) cp \"$2\" state.json ;; --config) cp \"$2\" config.json ;; esac; shift; done\ncat messages\n",
    )
}

fn schema(stream: &str) -> Value {
    json!({"type": "SCHEMA", "stream": stream, "key_properties": ["id"], "schema": {"type": "object", "properties": {
        "id": {"type": "integer"},
        "at": {"type": ["null", "string"], "format": "date-time"},
        "price": {"type": ["null", "number"]},
        "paid": {"type": ["null", "boolean"]},
        "tags": {"type": ["null", "array"]},
        "note": {"type": ["null", "string"]},
    }}})
}

fn record(stream: &str, record: Value) -> Value {
    json!({"type": "RECORD", "stream": stream, "record": record, "time_extracted": "2024-01-01T00:00:00Z"})
}

fn state(value: Value) -> Value {
    json!({"type": "STATE", "value": value})
}

#[test]
fn a_tap_declares_its_types() {
    let project = tap(&[
        schema("orders"),
        record(
            "orders",
            json!({"id": 1, "at": "2024-01-05T10:00:00+09:00", "price": 1.5, "paid": true, "tags": ["a", 1], "note": "07"}),
        ),
        state(json!({"a": 1})),
        record("orders", json!({"id": 2, "price": null})),
    ]);
    let read = project.read(&source("format: singer, config: {start: 2024-01-01, pages: 3}")).unwrap();
    let types = ["id int64", "at datetime", "price float64", "paid bool", "tags string", "note string"];
    assert_eq!(read.types()[..6], types);
    assert_eq!(
        read.table(),
        ["1|2024-01-05 01:00:00|1.5|true|[\"a\",1]|07|2", "2|-|-|-|-|-|4"],
        "a code is text, since the tap says so"
    );
    assert_eq!(read.bookmark, None, "without 'incremental' nothing is kept");
    let config = std::fs::read_to_string(project.0.path().join("config.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&config).unwrap(), json!({"start": "2024-01-01", "pages": 3}));
    // Declared columns go before those of the SCHEMA.
    let yaml = format!("{}columns: {{key: {{type: string, from: id}}, price: float32}}", source("format: singer"));
    assert_eq!(project.read(&yaml).unwrap().table(), ["1|1.5|2", "2|-|4"]);
    let yaml = format!("{}columns: {{id: int64, prize: float64}}", source("format: singer"));
    let (_, text) = fails(&project, &yaml);
    assert!(text.starts_with("command:sh: no record has 'prize'; did you mean 'price'?"), "{text}");
}

#[test]
fn a_record_that_does_not_fit_its_schema_is_refused() {
    let project = tap(&[
        schema("orders"),
        record("orders", json!({"id": 1, "at": "yesterday"})),
        record("orders", json!({"id": 1.5})),
        record("orders", json!({"id": 2, "more": 1})),
        json!({"type": "RECORD", "stream": "orders", "record": "3"}),
        record("orders", json!({"id": 4, "note": "fine"})),
    ]);
    let exact = "{\"type\":\"RECORD\",\"stream\":\"orders\",\"record\":{\"id\":5,\"price\":1234567890.123456789}}\n";
    let path = project.0.path().join("messages");
    let text = std::fs::read_to_string(&path).unwrap() + exact;
    std::fs::write(path, text).unwrap();
    let read = project.read(&source("format: singer")).unwrap();
    assert_eq!(read.table(), ["4|-|-|-|-|fine|6"]);
    let reasons: Vec<String> =
        read.refused.column("_reason").unwrap().str().unwrap().iter().flatten().map(str::to_owned).collect();
    assert_eq!(
        reasons,
        [
            "at: 'yesterday' is not a datetime",
            "id: '1.5' is not an int64",
            "line 4: the key 'more' is new; name it under 'columns' to read it",
            "line 5: a string instead of an object",
            "line 7: price: 19 digits are more than a float64 holds; declare it as a string",
        ]
    );
}

#[test]
fn one_stream_of_several_makes_the_table() {
    let project = tap(&[
        schema("orders"),
        schema("items"),
        record("items", json!({"id": 10})),
        record("orders", json!({"id": 1})),
        record("items", json!({"id": 11})),
        state(json!({})),
    ]);
    let ids = |stream: &str| {
        let yaml = format!("{}columns: {{id: int64}}", source(&format!("format: singer, stream: {stream}")));
        project.read(&yaml).map(|read| read.table()).map_err(|error| error.to_string())
    };
    assert_eq!(ids("orders").unwrap(), ["1|4"]);
    assert_eq!(ids("items").unwrap(), ["10|3", "11|5"]);
    let error = project.failure(&source("format: singer, stream: item"));
    assert_eq!(error, "table 't': command:sh: the tap sends no stream 'item'; did you mean 'items'?");
    assert_eq!(
        project.failure(&source("format: singer")),
        "table 't': command:sh:2: the tap sends the streams 'orders' and 'items'; add 'stream: orders', and make another table of \
         each other stream"
    );
}

#[test]
fn the_state_goes_back_to_the_tap() {
    let yaml = source("format: singer, incremental: true");
    let row = |id: i64| record("orders", json!({"id": id}));
    let bad = || record("orders", json!({"id": "x"}));
    let mark = |n: i64| state(json!({"bookmarks": {"orders": {"id": n}}}));
    let project = tap(&[schema("orders"), row(1), mark(1), row(2), bad(), mark(2)]);
    let read = project.read(&yaml).unwrap();
    let bookmark = read.bookmark.clone().unwrap();
    assert_eq!(bookmark, json!({"state": {"bookmarks": {"orders": {"id": 2}}}}));
    assert!(!project.0.path().join("state.json").exists(), "the first run has no state");
    project.read_part(&yaml, &Reach::After(bookmark)).unwrap();
    let given = std::fs::read_to_string(project.0.path().join("state.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&given).unwrap(), json!({"bookmarks": {"orders": {"id": 2}}}));
    // Rows after the last state come again, and so do those that were all refused.
    let reached = |messages: &[Value]| tap(messages).read(&yaml).unwrap().bookmark;
    let at = |n: i64| Some(json!({"state": {"bookmarks": {"orders": {"id": n}}}}));
    assert_eq!(reached(&[schema("orders"), row(1), mark(1), row(2)]), at(1));
    assert_eq!(reached(&[schema("orders"), row(1), mark(1), bad(), bad(), mark(2)]), at(1));
    assert_eq!(reached(&[schema("orders"), row(1), mark(1), mark(9)]), at(9));
    let read = tap(&[schema("orders"), row(1)]).read(&yaml).unwrap();
    assert_eq!(read.bookmark, None);
    assert_eq!(read.doubts, ["command:sh: the tap sent no STATE, so the next run begins where this one began"]);
    // A few new records may lack what those before had.
    let declared = format!("{yaml}columns: {{id: int64, price: float64}}");
    let more = tap(&[schema("orders"), row(3), mark(3)]).read_more(&declared, &Reach::After(json!({"state": {}})));
    let more = more.unwrap();
    assert_eq!((more.table(), more.doubts.len()), (vec!["3|-|2".to_owned()], 1));
    assert!(more.doubts[0].starts_with("command:sh: no record of this run has 'price'"), "{:?}", more.doubts);
    // No new rows are not an error if there were rows before.
    let quiet = tap(&[schema("orders"), mark(2)]);
    assert_eq!(quiet.read_part(&yaml, &Reach::After(json!({"state": {}}))).unwrap().rows_in, 0);
    let silent = tap(&[mark(2)]);
    let declared = format!("{yaml}columns: {{id: int64}}");
    assert_eq!(silent.read_part(&declared, &Reach::After(json!({"state": {}}))).unwrap().rows_in, 0);
    assert_eq!(
        quiet.failure(&yaml),
        "table 't': command:sh: the stream 'orders' has no records; check the settings of the tap, or take the table out of the spec"
    );
}

#[test]
fn a_stream_of_records_that_cannot_be_read_refuses_them() {
    let messages = [schema("orders"), record("orders", json!({"new": 1})), record("orders", json!(null))];
    let read = tap(&messages).read(&source("format: singer")).unwrap();
    assert_eq!((read.rows.height(), read.refused.height()), (0, 2));
    assert!(
        read.refusals()[0].ends_with("the key 'new' is new; name it under 'columns' to read it"),
        "{:?}",
        read.refusals()
    );
}

#[test]
fn a_new_version_of_a_stream_needs_all_of_it() {
    let yaml = source("format: singer, incremental: true");
    let versioned = |version: i64| {
        let mut row = record("orders", json!({"id": version}));
        row["version"] = version.into();
        tap(&[
            schema("orders"),
            row,
            json!({"type": "ACTIVATE_VERSION", "stream": "orders", "version": version}),
            state(json!({"v": version})),
        ])
    };
    let read = versioned(5).read(&yaml).unwrap();
    let bookmark = read.bookmark.unwrap();
    assert_eq!(bookmark, json!({"state": {"v": 5}, "version": 5}));
    versioned(5).read_part(&yaml, &Reach::After(bookmark.clone())).unwrap();
    let error =
        versioned(6).read_part(&yaml, &Reach::After(bookmark)).map(|read| read.rows_in).unwrap_err().to_string();
    assert_eq!(
        error,
        "table 't': command:sh:2: the tap restarts the stream: its rows are of version 6, those before of version 5; the rows of \
         the old version are no longer valid; read all again with 'ingest --full'"
    );
}

#[test]
fn messages_that_are_none() {
    let hint = "run the program by hand, and see what it prints; a Singer tap prints nothing but messages";
    let failure = |lines: &str| {
        let error = tap(&[schema("orders"), record("orders", json!({"id": 1}))])
            .and("more", lines)
            .and("print.sh", "cat messages more");
        error.failure(&source("format: singer")).trim_start_matches("table 't': command:sh:3: ").to_owned()
    };
    for (line, what) in [
        ("INFO reading\n", "not a message of a Singer tap: INFO reading"),
        ("{\"type\": RECORD}\n", "not JSON: expected value at column 10: {\"type\": RECORD}"),
        ("{\"type\": \"RECORD\", \"str", "the last message is cut short"),
        ("[1]\n", "a message is an object with a 'type', which this line is not"),
        ("{\"stream\": \"a\"}\n", "the message has no 'type'"),
        ("{\"type\": \"RECORD\", \"record\": {}}\n", "the RECORD message names no 'stream'"),
        ("{\"type\": \"RECORD\", \"stream\": \"orders\"}\n", "the RECORD message has no 'record'"),
        ("{\"type\": \"STATE\"}\n", "the STATE message has no 'value'"),
        ("{\"type\": \"STATE\", \"type\": \"RECORD\"}\n", "the message has two 'type'"),
        ("{\"type\": \"DELETE\", \"stream\": \"orders\"}\n", "the message type 'DELETE' is not known"),
    ] {
        assert_eq!(failure(line), format!("{what}; {hint}"));
    }
    for number in ["NaN", "Infinity", "-Infinity"] {
        let text =
            failure(&format!("{{\"type\": \"RECORD\", \"stream\": \"orders\", \"record\": {{\"x\": {number}}}}}\n"));
        assert!(text.starts_with("not JSON: ") && text.contains(number), "{text}");
        assert!(text.ends_with("; JSON has neither NaN nor infinity; let the tap send null instead"), "{text}");
    }
    assert_eq!(
        failure("{\"type\": \"BATCH\", \"stream\": \"orders\", \"manifest\": []}\n"),
        "the tap sends a BATCH, which is a list of files instead of records; take 'batch_config' out of its settings"
    );
    let mut other = schema("orders");
    other["schema"]["properties"]["id"] = json!({"type": "string"});
    assert_eq!(
        failure(&format!("{other}\n")),
        "the SCHEMA of the stream 'orders' changes within one run; name the columns to read under 'columns'"
    );
    let error = tap(&[record("orders", json!({"id": 1}))]).failure(&source("format: singer"));
    assert!(
        error.ends_with(&format!("command:sh:1: a message of the stream 'orders' comes before its SCHEMA; {hint}")),
        "{error}"
    );
    let error = tap(&[state(json!({}))]).failure(&source("format: singer"));
    assert!(error.contains("the tap sends no SCHEMA; many taps send only streams that a catalog selects"), "{error}");
}

#[test]
fn the_way_out_of_a_program_is_none_of_files() {
    for (body, format, right) in [
        (
            "printf '\\037\\213\\010\\000'",
            "csv",
            "not text, but compressed by gzip; let the program print text, or add 'encoding'",
        ),
        ("echo a,b", "csv", "there is a header, but no rows; run the program by hand, and see what it prints"),
        ("printf '\\n\\n'", "json_lines", "there are no rows; run the program by hand, and see what it prints"),
    ] {
        let text = fails(&script(body), &source(&format!("format: {format}"))).1;
        assert_eq!(text, format!("command:sh: {right}"), "{body}");
    }
}

/// The engine makes a null of a time that no day has.
#[test]
fn times_that_no_day_has_end_the_run() {
    let stream = |array: arrow_array::ArrayRef| {
        let batch = arrow_array::RecordBatch::try_from_iter([("at", array)]).unwrap();
        let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    };
    let right = "command:sh: column 'at': a time of 24:00:00 or later, or before 00:00:00, which no day has; write the times as \
                 text, or as durations";
    for array in [
        Arc::new(arrow_array::Time32SecondArray::from(vec![Some(0), Some(86_400)])) as arrow_array::ArrayRef,
        Arc::new(arrow_array::Time32MillisecondArray::from(vec![Some(-1), None])),
        Arc::new(arrow_array::Time64MicrosecondArray::from(vec![86_400_000_000])),
        Arc::new(arrow_array::Time64NanosecondArray::from(vec![0, i64::MAX])),
    ] {
        let project = Project::with("stream", stream(array)).and("print.sh", "cat stream");
        assert_eq!(fails(&project, &source("format: arrow")).1, right);
    }
    let last: arrow_array::ArrayRef = Arc::new(arrow_array::Time32SecondArray::from(vec![Some(0), Some(86_399), None]));
    let project = Project::with("stream", stream(last)).and("print.sh", "cat stream");
    assert_eq!(project.read(&source("format: arrow")).unwrap().table(), ["00:00:00|1", "23:59:59|2", "-|3"]);
}
