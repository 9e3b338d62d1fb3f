//! Lists in JSON files, whose elements become rows.

use serde_json::{Value, json};
use spec::random::Random;

use super::*;

fn read(name: &str, content: impl AsRef<[u8]>, keys: &str, columns: &str) -> spec::Result<Read> {
    Project::with(name, content).read(&format!("source: {{file: {{path: '{name}', {keys}}}}}\n{columns}"))
}

fn lines_of(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

#[test]
fn elements_of_lists_become_rows() {
    let records = [
        json!({"id": 1, "lines": [{"sku": "a", "n": 2}, {"sku": "b\n", "n": 1}]}),
        json!({"id": 2, "lines": []}),
        json!({"id": 3}),
        json!({"id": 4, "lines": null}),
        json!({"id": 5, "lines": [{"sku": "c", "n": 9}]}),
    ];
    let columns = "columns: {id: int64, sku: {type: string, from: lines.sku}, n: {type: int64, from: lines.n}}";
    let right = ["1|a|2|1", "1|b\n|1|2", "2|-|-|3", "3|-|-|4", "4|-|-|5", "5|c|9|6"];
    let pretty = serde_json::to_string_pretty(&records).unwrap();
    for (name, text) in [
        ("a.jsonl", lines_of(&records)),
        ("a.jsonl", lines_of(&records).replace('\n', "\r\n\r\n").trim_end().to_owned()),
        ("a.json", json!(records).to_string()),
        ("a.json", format!("\u{feff} {pretty}\n\n")),
    ] {
        assert_eq!(read(name, &text, "explode: lines", columns).unwrap().table(), right, "{text}");
    }
    let found = read("a.json", &pretty, "explode: lines", "").unwrap();
    assert_eq!((found.table()[0].as_str(), found.types()[1].as_str()), (r#"1|{"sku":"a","n":2}|1"#, "lines string"));
    // Digits stay as they are, and so does the encoding.
    let text = "{\"id\": 1.10, \"l\": [12345678901234567890123, \"7\", \"\u{ac00}\"]}\n";
    let (korean, _, _) = encoding_rs::EUC_KR.encode(text);
    let read = read("a.jsonl", korean, "explode: l, encoding: cp949", "columns: {id: string, l: string}").unwrap();
    assert_eq!(read.table(), ["1.10|12345678901234567890123|1", "1.10|7|2", "1.10|가|3"]);
}

#[test]
fn what_cannot_be_taken_apart_is_refused_or_ends_the_run() {
    let columns = "columns: {id: int64, l: int64}";
    let text = "{\"id\": 1, \"l\": [1, \"x\"]}\nnot JSON\n{\"id\": 2, \"l\": [3]}\n[4]\n{\"id\": 3, \"id\": 3, \"l\": [5]}\n{\"id\": 4, \"l\": [6]}";
    let lines = read("a.jsonl", text, "explode: l", columns).unwrap();
    assert_eq!(lines.table(), ["1|1|1", "2|3|4", "4|6|7"]);
    let reasons = lines.refusals();
    assert_eq!(reasons.len(), 4);
    for (reason, right) in
        reasons.iter().zip(["'x'", "not JSON", "an array instead of an object", "'id' is given twice"])
    {
        assert!(reason.contains(right), "{reason}");
    }
    for (name, text, right) in [
        (
            "a.jsonl",
            "{\"id\": 1, \"l\": 5}\n",
            "a.jsonl: 'l' is a number or boolean instead of a list; check 'explode'",
        ),
        ("a.jsonl", "{\"id\": 1, \"l\": [5]}\n{\"id\": 2, \"l\": [", "the JSON is truncated"),
        ("a.json", "[{\"id\": 1, \"l\": [5]}, {\"id\": 2", "the JSON is truncated"),
        ("a.json", "[{\"id\": 1, \"l\": [5]} {\"id\": 2}]", "not JSON: '{' follows a record instead of ',' or ']'"),
        ("a.json", "[{\"id\": 1, \"l\": [5,]}]", "not JSON: "),
        ("a.json", "[{\"id\": 1, \"l\": [5]}] x", "text follows the end of the array"),
        ("a.json", "{\"id\": 1}", "an object instead of an array of objects"),
        ("a.json", "[]", "a.json"),
        ("a.json", "", "the file is empty"),
        ("a.json", "[5]", "a number instead of an object"),
    ] {
        let error = read(name, text, "explode: l", columns).map(|read| read.rows).unwrap_err().to_string();
        assert!(error.contains(right), "{text}: {error}");
    }
    let error =
        read("a.jsonl", text, "explode: l, skip_lines: 1", columns).map(|read| read.rows).unwrap_err().to_string();
    assert!(error.contains("'skip_lines' is for text and sheets without 'explode', not for json_lines"), "{error}");
    let error =
        read("a.jsonl", "{\"id\": 1, \"l\": [5]}", "explode: m", "columns: {id: int64, n: {type: int64, from: l.n}}");
    assert!(error.map(|read| read.rows).unwrap_err().to_string().contains("no record has 'l.n'"));
}

#[test]
fn bytes_that_are_no_text_are_refused_and_not_replaced() {
    let columns = "columns: {id: int64, l: string}";
    for (name, text) in [
        ("a.jsonl", &b"{\"id\": 1, \"l\": [\"a\", \"b\"]}\n{\"id\": 2, \"l\": [\"\xB0\xA1\"]}\n{\"id\": 3, \"l\": [\"c\"]}\n"[..]),
        (
            "a.json",
            &b"[{\"id\": 1, \"l\": [\"a\", \"b\"]},\n{\"id\": 2,\n\"l\": [\"\xB0\xA1\"]},\n{\"id\": 3, \"l\": [\"c\"]}]"[..],
        ),
    ] {
        let read = read(name, text, "explode: l", columns).unwrap();
        assert_eq!(read.table(), ["1|a|1", "1|b|2", "3|c|4"], "{name}");
        let refusals = read.refusals();
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert!(refusals[0].starts_with(r#"-|-|3|{"id": 2, "l": ["\xB0\xA1"]}|line 3: "#), "{refusals:?}");
        assert!(refusals[0].contains("is not UTF-8 (name the file's encoding"), "{refusals:?}");
    }
}

#[test]
fn bytes_that_are_no_text_in_the_encoding_that_was_named_say_so() {
    let text = b"{\"id\": 1, \"l\": [\"\xB0\xA1\"]}\n{\"id\": 2, \"l\": [\"\xB0\"]}\n";
    let read = read("a.jsonl", text, "explode: l, encoding: cp949", "columns: {id: int64, l: string}").unwrap();
    assert_eq!(read.table(), ["1|가|1"]);
    assert_eq!(
        read.refusals(),
        [r#"-|-|2|{"id": 2, "l": ["\xB0"]}|line 2: character 18 is not EUC-KR (check 'encoding')"#]
    );
}

/// Records of any size, so that they cross the ends of buffers, beside a plain walk through the same values.
#[test]
fn random_records_are_taken_apart_as_they_are_written() {
    for seed in 0..6 {
        let mut random = Random::new(20_261_127, seed);
        let (mut records, mut right) = (Vec::new(), Vec::new());
        for id in 0..400 {
            let mut lines = Vec::new();
            for _ in 0..random.below(4) {
                let pad: String = "\\\"[{]},x \u{ac00}".chars().cycle().take(random.below(9_000)).collect();
                let tags: Vec<u64> = (0..random.below(3)).map(|_| random.next_u64()).collect();
                lines.push(json!({"pad": pad, "tags": tags}));
            }
            for line in &lines {
                let tags: Vec<String> = line["tags"].as_array().unwrap().iter().map(Value::to_string).collect();
                let length = line["pad"].as_str().unwrap().chars().count();
                let tags = if tags.is_empty() { vec!["-".to_owned()] } else { tags };
                right.extend(tags.into_iter().map(|tag| (id, Some(length), tag)));
            }
            if lines.is_empty() {
                right.push((id, None, "-".to_owned()));
            }
            records.push(match random.below(3) {
                0 if lines.is_empty() => json!({"id": id}),
                _ => json!({"lines": lines, "id": id}),
            });
        }
        let columns =
            "columns: {id: int64, pad: {type: string, from: lines.pad}, tag: {type: uint64, from: lines.tags}}";
        for (name, text) in [
            ("a.jsonl", lines_of(&records)),
            ("a.json", json!(records).to_string()),
            ("a.json", serde_json::to_string_pretty(&records).unwrap()),
        ] {
            let read = read(name, text, "explode: [lines, lines.tags]", columns).unwrap();
            let ids = read.rows.column("id").unwrap().i64().unwrap();
            let pads = read.rows.column("pad").unwrap().str().unwrap();
            let tags = read.rows.column("tag").unwrap().u64().unwrap();
            let found = ids.iter().zip(pads.iter()).zip(tags.iter()).map(|((id, pad), tag)| {
                let tag = tag.map_or("-".to_owned(), |tag| tag.to_string());
                (id.unwrap(), pad.map(|pad| pad.chars().count()), tag)
            });
            // An empty text is a missing value.
            let right = right.iter().map(|(id, length, tag)| (*id, length.filter(|length| *length > 0), tag.clone()));
            assert!(found.eq(right), "seed {seed}, {name}");
        }
    }
}

#[test]
fn a_list_that_no_record_has_is_doubted() {
    let doubts = |name: &str, content: &str, keys: &str| read(name, content, keys, "").unwrap().doubts;
    let lines = "{\"id\": 1, \"lines\": [{\"n\": 1}]}\n{\"id\": 2}\n";
    let found = |list: &str, near: &str| {
        vec![format!(
            "a.jsonl: no record has the list '{list}' that 'explode' names, so each is one row; did you mean '{near}'?"
        )]
    };
    assert_eq!(doubts("a.jsonl", lines, "explode: line"), found("line", "lines"));
    assert_eq!(doubts("a.jsonl", lines, "explode: lines"), [""; 0]);
    assert_eq!(
        doubts("a.jsonl", "{\"id\": 1, \"lines\": []}\n", "explode: [lines, lines.tags]"),
        [""; 0],
        "there may be tags"
    );
    let tags = "{\"id\": 1, \"lines\": [{\"tag\": [1]}]}\n";
    assert_eq!(doubts("a.jsonl", tags, "explode: [lines, lines.tags]"), found("lines.tags", "lines.tag"));
    let json = doubts("a.json", "[{\"id\": 1, \"lines\": [1]}]", "explode: linse");
    assert_eq!(
        json,
        ["a.json: no record has the list 'linse' that 'explode' names, so each is one row; did you mean 'lines'?"]
    );
    let xml = doubts("a.xml", "<r><p><id>1</id><tag>a</tag></p><p><id>2</id></p></r>", "records: r.p, explode: tags");
    assert_eq!(
        xml,
        ["a.xml: no record has the list 'tags' that 'explode' names, so each is one row; did you mean 'tag'?"]
    );
    // One file of several has it.
    let project = Project::with("a.jsonl", lines).and("b.jsonl", "{\"id\": 3}\n");
    let both = project.read("source: {file: {path: '*.jsonl', explode: lines}}\ncolumns: {id: int64}").unwrap();
    assert_eq!((both.table().len(), both.doubts), (3, vec![]));
}
