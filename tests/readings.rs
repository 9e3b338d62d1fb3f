//! How `ingest.yaml` has a column read is part of what the column means: a model is not applied to rows that are read in
//! another way, and continues where an edit changes no value. Every key of a source has its place in [`KEYS`].

use std::collections::BTreeSet;

use Effect::{Elsewhere, Meaning, Nothing};
use serde_json::Value;
use testkit::Project;
use testkit::http_server::{HttpAnswer, HttpServer};

/// What an edit of a key does. An edit puts the second text of each pair in the place of the first.
enum Effect {
    /// The model refuses what is read from then on.
    Meaning(&'static [(&'static str, &'static str)]),
    /// The model continues.
    Nothing(&'static [(&'static str, &'static str)]),
    /// Another test has it, or another key stands for it.
    Elsewhere(&'static str),
}

/// A source to learn from, the keys that are edited in it, and what the edit does.
const KEYS: [(&str, &str, &str, Effect); 118] = [
    ("csv", "TableSpec", "source", Elsewhere("the keys of each source")),
    ("csv", "TableSpec", "columns", Elsewhere("the keys of a column")),
    (
        "csv",
        "TableSpec",
        "fallback",
        Meaning(&[("    columns:", "    fallback: {file: {path: people.csv, decimal: ','}}\n    columns:")]),
    ),
    (
        "csv",
        "TableSpec",
        "fallback",
        Nothing(&[("    columns:", "    fallback: {file: {path: other.csv}}\n    columns:")]),
    ),
    ("csv", "TableSpec", "schema", Nothing(&[("    columns:", "    schema: evolve\n    columns:")])),
    ("csv", "FileSpec", "path", Nothing(&[("people.csv", "other.csv")])),
    ("csv", "FileSpec", "format", Nothing(&[("people.csv", "people.csv, format: csv")])),
    ("tabs", "FileSpec", "format", Meaning(&[("format: tsv", "format: whitespace")])),
    ("csv", "FileSpec", "separator", Nothing(&[("people.csv", "people.csv, separator: ','")])),
    ("csv", "FileSpec", "separator", Meaning(&[("people.csv", "semicolons.csv, separator: ;")])),
    ("csv", "FileSpec", "quote", Nothing(&[("people.csv", "people.csv, quote: '\"'")])),
    ("csv", "FileSpec", "quote", Meaning(&[("people.csv", "people.csv, quote: null")])),
    ("csv", "FileSpec", "header", Nothing(&[("people.csv", "people.csv, header: true")])),
    ("csv", "FileSpec", "header", Meaning(&[("people.csv", "bare.csv, header: false")])),
    ("csv", "FileSpec", "encoding", Nothing(&[("people.csv", "people.csv, encoding: utf-8")])),
    ("csv", "FileSpec", "encoding", Meaning(&[("people.csv", "people.csv, encoding: cp949")])),
    ("csv", "FileSpec", "compression", Nothing(&[("people.csv", "people.csv, compression: none")])),
    ("fixed", "FileSpec", "widths", Meaning(&[("widths: [8, 8,", "widths: [7, 9,")])),
    ("csv", "FileSpec", "skip_lines", Nothing(&[("people.csv", "people.csv, skip_lines: 0")])),
    ("csv", "FileSpec", "skip_lines", Meaning(&[("people.csv", "titled.csv, skip_lines: 1")])),
    ("csv", "FileSpec", "null_values", Nothing(&[("people.csv", "people.csv, null_values: ['']")])),
    ("csv", "FileSpec", "null_values", Meaning(&[("people.csv", "people.csv, null_values: ['', NA]")])),
    ("excel", "FileSpec", "sheet", Nothing(&[("people.xlsx", "people.xlsx, sheet: 1")])),
    ("excel", "FileSpec", "sheet", Meaning(&[("people.xlsx", "people.xlsx, sheet: people")])),
    ("csv", "FileSpec", "empty_files", Nothing(&[("people.csv", "people.csv, empty_files: error")])),
    ("csv", "FileSpec", "escape", Meaning(&[("people.csv", "people.csv, escape: '\\'")])),
    ("csv", "FileSpec", "decimal", Nothing(&[("people.csv", "people.csv, decimal: '.'")])),
    ("csv", "FileSpec", "decimal", Meaning(&[("people.csv", "people.csv, decimal: ','")])),
    ("csv", "FileSpec", "thousands", Meaning(&[("people.csv", "people.csv, thousands: \"'\"")])),
    ("csv", "FileSpec", "fill_down", Meaning(&[("people.csv", "people.csv, fill_down: [city]")])),
    (
        "csv",
        "FileSpec",
        "folders",
        Nothing(&[("people.csv", "city=Ulm/people.csv, folders: [other]"), ("city=Ulm", "other=Ulm")]),
    ),
    (
        "csv",
        "FileSpec",
        "folders",
        Meaning(&[("people.csv", "city=Ulm/people.csv, folders: [city]"), ("city: string, ", "")]),
    ),
    ("", "FileSpec", "records", Elsewhere("an XML file: crates/sources, xml_files.rs")),
    ("", "FileSpec", "explode", Elsewhere("as http; JSON, XML and Parquet: crates/sources, reading.rs")),
    ("", "FileSpec", "member", Elsewhere("which files are read, as path")),
    ("csv", "Column", "type", Nothing(&[("id: string", "id: category")])),
    ("csv", "Column", "type", Meaning(&[("b: float64", "b: float32")])),
    ("csv", "Column", "format", Meaning(&[("%d/%m/%Y", "%m/%d/%Y")])),
    ("csv", "Column", "zone", Meaning(&[("Asia/Seoul", "Europe/Berlin")])),
    ("csv", "Column", "dst", Nothing(&[("zone: Asia/Seoul", "zone: Asia/Seoul, dst: refuse")])),
    ("csv", "Column", "dst", Meaning(&[("zone: Asia/Seoul", "zone: Asia/Seoul, dst: later")])),
    ("csv", "Column", "from", Nothing(&[("b: float64", "b: {type: float64, from: b}")])),
    ("csv", "Column", "from", Meaning(&[("b: float64", "b: {type: float64, from: a}")])),
    ("csv", "Column", "optional", Nothing(&[("b: float64", "b: {type: float64, optional: true}")])),
    ("sqlite", "Sqlite", "path", Nothing(&[("people.db", "other.db")])),
    ("sqlite", "Sqlite", "table", Meaning(&[("table: people", "table: same")])),
    ("sqlite", "Sqlite", "query", Meaning(&[("table: people", "query: SELECT * FROM people")])),
    ("sqlite", "Sqlite", "incremental", Nothing(&[("table: people", "table: people, incremental: rowno")])),
    ("sqlite", "Sqlite", "timeout_seconds", Nothing(&[("table: people", "table: people, timeout_seconds: 5")])),
    ("", "ServerSpec", "url", Elsewhere("a path, as that of sqlite")),
    ("", "ServerSpec", "table", Elsewhere("sqlite")),
    ("", "ServerSpec", "query", Elsewhere("sqlite")),
    ("", "ServerSpec", "incremental", Elsewhere("sqlite")),
    ("", "ServerSpec", "timeout_seconds", Elsewhere("sqlite")),
    ("http", "HttpSpec", "url", Meaning(&[("/v1/people", "/v2/people")])),
    ("http", "HttpSpec", "url", Nothing(&[("127.0.0.1", "localhost")])),
    ("http", "HttpSpec", "format", Nothing(&[("items: list", "items: list, format: json")])),
    ("http", "HttpSpec", "query", Meaning(&[("currency: EUR", "currency: USD")])),
    ("http", "HttpSpec", "query", Nothing(&[("serviceKey: abcd", "serviceKey: efgh")])),
    ("http", "HttpSpec", "headers", Meaning(&[("items: list", "items: list, headers: {Accept-Language: de}")])),
    ("http", "HttpSpec", "headers", Nothing(&[("items: list", "items: list, headers: {Authorization: Bearer x}")])),
    ("http", "HttpSpec", "for", Nothing(&[("items: list", "items: list, for: {part: [all]}")])),
    ("http", "HttpSpec", "pages", Nothing(&[("items: list", "items: list, pages: none")])),
    ("http", "HttpSpec", "items", Meaning(&[("items: list", "items: same")])),
    ("http", "HttpSpec", "total", Nothing(&[("items: list", "items: list, total: count")])),
    ("http", "HttpSpec", "error", Nothing(&[("items: list", "items: list, error: {at: code, ok: ['0']}")])),
    ("http", "HttpSpec", "rate", Nothing(&[("items: list", "items: list, rate: 100/s")])),
    ("http", "HttpSpec", "timeout_seconds", Nothing(&[("items: list", "items: list, timeout_seconds: 20")])),
    ("http", "HttpSpec", "retries", Nothing(&[("items: list", "items: list, retries: 1")])),
    ("http", "HttpSpec", "parallel", Nothing(&[("items: list", "items: list, parallel: 1")])),
    (
        "http",
        "HttpSpec",
        "incremental",
        Nothing(&[(
            "items: list",
            "items: list, for: {day: {days: {from: 2024-01-01, to: 2024-01-01}}}, incremental: day",
        )]),
    ),
    (
        "http",
        "HttpSpec",
        "overlap",
        Nothing(&[(
            "items: list",
            "items: list, for: {day: {days: {from: 2024-01-01, to: 2024-01-01}}}, incremental: day, overlap: 3d",
        )]),
    ),
    ("http", "HttpSpec", "since", Elsewhere("which items are fetched")),
    ("http", "HttpSpec", "explode", Meaning(&[("items: list", "items: list, explode: tags")])),
    (
        "http",
        "HttpSpec",
        "budget",
        Nothing(&[("items: list", "items: list, budget: {remaining: x-left, reset: x-reset}")]),
    ),
    ("command", "CommandSpec", "run", Meaning(&[("cat, people.csv", "cat, other.csv")])),
    ("command", "CommandSpec", "format", Elsewhere("FileSpec")),
    ("command", "CommandSpec", "environment", Nothing(&[("format: csv", "format: csv, environment: {A: b}")])),
    ("command", "CommandSpec", "timeout_seconds", Nothing(&[("format: csv", "format: csv, timeout_seconds: 60")])),
    ("command", "CommandSpec", "separator", Elsewhere("FileSpec")),
    ("command", "CommandSpec", "header", Elsewhere("FileSpec")),
    ("command", "CommandSpec", "encoding", Elsewhere("FileSpec")),
    ("command", "CommandSpec", "null_values", Meaning(&[("format: csv", "format: csv, null_values: ['', NA]")])),
    ("", "CommandSpec", "stream", Elsewhere("needs a tap: crates/sources, command.rs")),
    ("", "CommandSpec", "config", Elsewhere("needs a tap: crates/sources, command.rs")),
    ("", "CommandSpec", "incremental", Elsewhere("needs a tap; which rows are fetched")),
    ("web", "WebSpec", "start", Nothing(&[("/people.html", "/other.html")])),
    ("web", "WebSpec", "rows", Meaning(&[("tr.p", "tr.q")])),
    ("web", "WebSpec", "fields", Meaning(&[("a: .a", "a: .b")])),
    ("web", "WebSpec", "next", Nothing(&[("rows:", "next: {select: a.next, optional: true}, rows:")])),
    ("web", "WebSpec", "details", Elsewhere("a field of the details: crates/sources, reading.rs")),
    ("web", "WebSpec", "pages", Nothing(&[("rows:", "pages: 3, rows:")])),
    ("web", "WebSpec", "most_requests", Nothing(&[("rows:", "most_requests: 7, rows:")])),
    ("web", "WebSpec", "hosts", Nothing(&[("rows:", "hosts: [www.homes.example], rows:")])),
    ("web", "WebSpec", "delay_seconds", Nothing(&[("delay_seconds: 0", "delay_seconds: 0.01")])),
    ("web", "WebSpec", "user_agent", Nothing(&[("rows:", "user_agent: my-shop, rows:")])),
    ("web", "WebSpec", "encoding", Meaning(&[("rows:", "encoding: utf-8, rows:")])),
    ("web", "WebSpec", "timeout_seconds", Nothing(&[("rows:", "timeout_seconds: 60, rows:")])),
    ("web", "WebSpec", "retries", Nothing(&[("rows:", "retries: 1, rows:")])),
    ("", "Source", "command", Elsewhere("CommandSpec")),
    ("", "Source", "web", Elsewhere("WebSpec")),
    ("", "Source", "file", Elsewhere("FileSpec")),
    ("", "Source", "generate", Elsewhere("crates/sources, reading.rs")),
    ("", "Source", "sqlite", Elsewhere("Sqlite")),
    ("", "Source", "postgres", Elsewhere("ServerSpec")),
    ("", "Source", "mysql", Elsewhere("ServerSpec")),
    ("", "Source", "http", Elsewhere("HttpSpec")),
    ("", "Generate", "shop", Elsewhere("which log: crates/sources, reading.rs")),
    ("", "Generate", "messages", Elsewhere("which log: crates/sources, reading.rs")),
    ("", "Generate", "market", Elsewhere("which log: crates/sources, reading.rs")),
    ("", "Generate", "marketplace", Elsewhere("which log: crates/sources, reading.rs")),
    ("", "Generate", "days", Elsewhere("which log: crates/sources, reading.rs")),
    ("", "Marketplace", "*", Elsewhere("which table: crates/sources, reading.rs; how much is generated: as a path")),
    ("", "Days", "*", Elsewhere("how much is generated: as a path")),
    ("", "Market", "*", Elsewhere("how much is generated: as a path")),
    ("", "Shop", "*", Elsewhere("how much is generated: as a path")),
    ("", "Messages", "*", Elsewhere("how much is generated: as a path")),
    ("", "Pages", "*", Elsewhere("which items are fetched")),
];

/// Definitions of the schema whose keys belong to one of [`KEYS`].
const PARTS: [(&str, &str); 15] = [
    ("WebField", "WebSpec"),
    ("WebNext", "WebSpec"),
    ("PageNumber", "Pages"),
    ("PageOffset", "Pages"),
    ("PageCursor", "Pages"),
    ("PageNext", "Pages"),
    ("PageLast", "Pages"),
    ("ErrorSpec", "HttpSpec"),
    ("HttpValues", "HttpSpec"),
    ("Since", "HttpSpec"),
    ("Budget", "HttpSpec"),
    ("Range", "HttpSpec"),
    ("Format", "FileSpec"),
    ("Kind", "Messages"),
    ("MarketplaceSettings", "Marketplace"),
];

/// The keys of a definition, in all its forms.
fn keys(definition: &Value) -> BTreeSet<String> {
    let forms = ["anyOf", "oneOf"].into_iter().flat_map(|of| definition[of].as_array().into_iter().flatten());
    let own = definition["properties"].as_object().into_iter().flat_map(|keys| keys.keys().cloned());
    own.chain(forms.flat_map(keys)).collect()
}

/// The names of the definitions that a part of the schema refers to.
fn references(part: &Value, found: &mut BTreeSet<String>) {
    match part {
        Value::Object(entries) => {
            if let Some(name) = part["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
                found.insert(name.to_owned());
            }
            entries.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_a_source_is_known_to_change_values_or_not() {
    let schema = Project::new().run("ingest", ["--schema"]);
    schema.exits(0);
    let schema: Value = serde_json::from_slice(&schema.bytes).unwrap();
    let mut seen = BTreeSet::new();
    let mut next = BTreeSet::from(["TableSpec".to_owned()]);
    while let Some(name) = next.pop_first() {
        references(&schema["$defs"][&name], &mut next);
        seen.insert(name);
        next.retain(|name| !seen.contains(name));
    }
    assert!(seen.contains("HttpSpec") && seen.contains("Column"), "{seen:?}");
    let known = |definition: &str, key: &str| {
        KEYS.iter().any(|(_, of, name, _)| *of == definition && (*name == key || *name == "*"))
    };
    for definition in &seen {
        let of = PARTS.iter().find(|(part, _)| part == definition).map_or(definition.as_str(), |(_, whole)| whole);
        for key in keys(&schema["$defs"][definition]) {
            let part = of != definition && KEYS.iter().any(|(_, whole, ..)| *whole == of);
            assert!(part || known(of, &key), "decide in KEYS whether '{key}' of {definition} can change a value");
        }
    }
    for (_, definition, key, effect) in &KEYS {
        let there = *key == "*" || keys(&schema["$defs"][definition]).contains(*key);
        assert!(there, "KEYS names '{key}' of {definition}, which is not in the schema");
        assert!(!matches!(effect, Elsewhere("")), "say where '{key}' of {definition} is decided");
    }
}

/// People as fields: id, city, a, b, at, y.
fn people() -> Vec<[String; 6]> {
    let city = |row: usize| ["Ulm", "Bonn", "Trier"][row % 3].to_owned();
    let fields = |row: usize| {
        [
            format!("p{row}"),
            city(row),
            ((row * 37) % 101).to_string(),
            ((row * 53) % 97).to_string(),
            format!("{:02}/{:02}/2024 10:30", 1 + row % 12, 1 + (row / 12) % 12),
            u8::from((row * 37) % 101 > 50).to_string(),
        ]
    };
    (0..200).map(fields).collect()
}

/// The lines of [`people`] with `separator` between their fields.
fn lines(separator: &str) -> String {
    people().iter().map(|fields| fields.join(separator) + "\n").collect()
}

const COLUMNS: &str = "{id: string, city: string, a: float64, b: float64, at: {type: datetime, format: \"%d/%m/%Y %H:%M\", zone: Asia/Seoul}, y: int64}";

/// What `ingest.yaml` says about a source; its files are written.
fn source(project: &Project, name: &str, server: &HttpServer) -> (String, &'static str) {
    let header = "id,city,a,b,at,y\n";
    let of_people = lines(",");
    let plain = "{id: string, city: string, a: float64, b: float64, y: int64}";
    match name {
        "csv" => {
            for path in ["people.csv", "other.csv", "city=Ulm/people.csv", "other=Ulm/people.csv"] {
                project.write(path, format!("{header}{of_people}"));
            }
            project
                .write("semicolons.csv", format!("{}{}", header.replace(',', ";"), lines(";")))
                .write("bare.csv", &of_people)
                .write("titled.csv", format!("People\n{header}{of_people}"));
            ("{file: {path: people.csv}}".to_owned(), COLUMNS)
        }
        "tabs" => {
            project.write("people.txt", lines("\t").replace(" 10:30", ""));
            let columns = "{id: string, city: string, a: float64, b: float64, day: string, y: int64}";
            ("{file: {path: people.txt, format: tsv, header: false}}".to_owned(), columns)
        }
        "fixed" => {
            let line = |[id, city, a, b, _, y]: [String; 6]| format!("{id:8}{city:8}{a:8}{b:8}{y}\n");
            project.write("people.txt", people().into_iter().map(line).collect::<String>());
            ("{file: {path: people.txt, format: fixed_width, widths: [8, 8, 8, 8, 1]}}".to_owned(), plain)
        }
        "excel" => {
            project
                .write("people.csv", format!("{header}{of_people}"))
                .write("resources/book/ingest.yaml", "tables: {people: {source: {file: {path: people.csv}}}}\n")
                .write("resources/book/export.yaml", "table: people\nformat: excel\n");
            project.run("ingest", ["book"]).exits(0);
            project.run("export", ["book", "-o", "people.xlsx"]).exits(0);
            ("{file: {path: people.xlsx}}".to_owned(), plain)
        }
        "sqlite" => {
            let columns = "id TEXT, city TEXT, a REAL, b REAL, at TEXT, y INTEGER, rowno INTEGER PRIMARY KEY";
            let rows: Vec<String> =
                people().iter().map(|fields| format!("('{}', NULL)", fields.join("', '"))).collect();
            let rows = rows.join(", ");
            let script = format!(
                "CREATE TABLE people({columns}); INSERT INTO people VALUES {rows}; CREATE VIEW same AS SELECT * FROM people;"
            );
            for path in ["people.db", "other.db"] {
                let made = std::process::Command::new("sqlite3").arg(project.at(path)).arg(&script).output();
                assert!(made.is_ok_and(|made| made.status.success()), "sqlite3 makes {path}");
            }
            ("{sqlite: {path: people.db, table: people}}".to_owned(), plain)
        }
        "command" => {
            for path in ["people.csv", "other.csv"] {
                project.write(path, format!("{header}{of_people}"));
            }
            ("{command: {run: [cat, people.csv], format: csv}}".to_owned(), plain)
        }
        "http" => {
            let url = server.url("/v1/people");
            (format!("{{http: {{url: '{url}', query: {{currency: EUR, serviceKey: abcd}}, items: list}}}}"), plain)
        }
        "web" => {
            let fields = "fields: {id: .id, city: .city, a: .a, b: .b, y: .y}";
            let url = server.url("/people.html");
            (format!("{{web: {{start: '{url}', delay_seconds: 0, rows: tr.p, {fields}}}}}"), plain)
        }
        other => panic!("no source '{other}'"),
    }
}

/// A service of [`people`] that answers each request alike: with JSON, or with a page of HTML.
fn service() -> HttpServer {
    let item = |[id, city, a, b, _, y]: [String; 6]| {
        format!(r#"{{"id": "{id}", "city": "{city}", "a": {a}, "b": {b}, "y": {y}}}"#)
    };
    let items: Vec<String> = people().into_iter().map(item).collect();
    let items = items.join(", ");
    let body = format!(r#"{{"code": "0", "count": 200, "list": [{items}], "same": [{items}]}}"#);
    let row = |[id, city, a, b, _, y]: [String; 6]| {
        format!("<tr class='p q'><td class=id>{id}<td class=city>{city}<td class=a>{a}<td class=b>{b}<td class=y>{y}")
    };
    let page = format!("<table>{}</table>", people().into_iter().map(row).collect::<String>());
    HttpServer::start(move |_, request| match request.path.as_str() {
        "/robots.txt" => HttpAnswer::status(404, ""),
        path if path.ends_with(".html") => HttpAnswer::ok(&page).with_header("content-type", "text/html"),
        _ => HttpAnswer::ok(&body).with_header("content-type", "application/json"),
    })
}

fn each_edit_of(name: &str) {
    if name == "sqlite" && std::process::Command::new("sqlite3").arg("-version").output().is_err() {
        testkit::skipped("sqlite3", "no sqlite3");
        return;
    }
    let (project, server) = (Project::new(), service());
    let (source, columns) = source(&project, name, &server);
    let text = format!("tables:\n  people:\n    source: {source}\n    columns: {columns}\n");
    let age = if columns.contains("at:") { ", age: \"date_diff('day', at, TIMESTAMP '2026-01-01')\"" } else { "" };
    let steps = format!("[{{derive: {{half: b / 2{age}}}}}]");
    // What is derived keeps its type, whatever that of the raw column is.
    let train = "table: people\nlabel: y\ntask: classification\nentity: id\nexclude: [b]\nsplit: {by: random}\n\
                 resamples: 100\nexperiments: {t: {tree: {depth: 3}}}\n";
    project
        .write("resources/flat/ingest.yaml", &text)
        .write("resources/flat/clean.yaml", format!("tables:\n  people:\n    steps: {steps}\n"))
        .write("resources/flat/train.yaml", train)
        .write("resources/flat/predict.yaml", "table: people\n");
    for tool in ["ingest", "clean", "train", "predict"] {
        project.run(tool, ["flat"]).exits(0);
    }
    for (_, definition, key, effect) in KEYS.iter().filter(|(of, ..)| *of == name) {
        let edits = match effect {
            Meaning(edits) | Nothing(edits) => *edits,
            Elsewhere(_) => continue,
        };
        let edited = edits.iter().fold(text.clone(), |text, (from, to)| {
            assert!(text.contains(from), "{definition}.{key}: no '{from}' in {text}");
            text.replacen(from, to, 1)
        });
        project.write("resources/flat/ingest.yaml", &edited);
        for tool in ["ingest", "clean"] {
            let run = project.run(tool, ["flat"]);
            assert!(run.code == Some(0), "{definition}.{key}: {run}");
        }
        let run = project.run("predict", ["flat"]);
        let expected = i32::from(matches!(effect, Meaning(_)));
        assert!(run.code == Some(expected), "{definition}.{key} in {edited}\n{run}");
        if expected == 1 {
            run.says("its columns are defined differently from those that the model learned")
                .says(" read with {")
                .says("bin/train flat");
        }
    }
}

#[test]
fn edits_of_a_csv_are_noticed_where_they_change_values() {
    each_edit_of("csv");
}

#[test]
fn edits_of_other_texts_are_noticed_where_they_change_values() {
    each_edit_of("tabs");
    each_edit_of("fixed");
}

#[test]
fn edits_of_a_workbook_are_noticed_where_they_change_values() {
    each_edit_of("excel");
}

#[test]
fn edits_of_a_database_are_noticed_where_they_change_values() {
    each_edit_of("sqlite");
}

#[test]
fn edits_of_a_service_are_noticed_where_they_change_values() {
    each_edit_of("http");
}

#[test]
fn edits_of_a_web_page_are_noticed_where_they_change_values() {
    each_edit_of("web");
}

/// A pipeline that learns from one table and scores another, each from its own kind of file.
fn two_tables() -> Project {
    let project = Project::new();
    let newcomers: String = people().iter().map(|[id, city, a, b, ..]| format!("{id};{city};{a},0;{b},0\n")).collect();
    project
        .write("people.csv", format!("id,city,a,b,at,y\n{}", lines(",")))
        .write("newcomers.csv", format!("id;city;a;b\n{newcomers}"))
        .write(
            "resources/flat/ingest.yaml",
            "tables:\n  people:\n    source: {file: {path: people.csv}}\n    columns: {id: string, city: string, a: float64, b: float64, y: int64}\n  \
             newcomers:\n    source: {file: {path: newcomers.csv, separator: ;, decimal: ','}}\n    \
             columns: {id: string, city: string, a: float64, b: float64}\n",
        )
        .write("resources/flat/clean.yaml", "tables:\n  people: {}\n  newcomers: {}\n")
        .write(
            "resources/flat/train.yaml",
            "table: people\nlabel: y\ntask: classification\nentity: id\nsplit: {by: random}\nresamples: 100\n\
             experiments: {t: {tree: {depth: 3}}}\n",
        )
        .write("resources/flat/predict.yaml", "table: newcomers\n");
    for tool in ["ingest", "clean", "train", "predict"] {
        project.run(tool, ["flat"]).exits(0);
    }
    project
}

#[test]
fn a_table_to_score_may_be_read_otherwise_than_that_of_training_but_not_otherwise_than_before() {
    let project = two_tables();
    let text = project.read("resources/flat/ingest.yaml");
    let run = |from: &str, to: &str| {
        project.write("resources/flat/ingest.yaml", text.replacen(from, to, 1));
        project.run("ingest", ["flat"]).exits(0);
        project.run("clean", ["flat"]).exits(0);
        project.run("predict", ["flat"])
    };
    run("decimal: ','", "decimal: ',', thousands: '.'")
        .exits(1)
        .says("'newcomers.a', 'newcomers.b' are read with {\"decimal\":\",\",\"separator\":\";\",\"thousands\":\".\"} now, were read with {\"decimal\":\",\",\"separator\":\";\"}");
    // The training table is not scored: how it is read today changes no score, unless the question is another one.
    run("a: float64", "a: {type: float64, from: b}").exits(0);
    run("y: int64", "y: {type: int64, from: a}")
        .exits(1)
        .says("the label 'people.y' is read with {\"from\":\"a\"} now");
}

#[test]
fn an_incremental_table_is_not_continued_with_other_settings() {
    if std::process::Command::new("sqlite3").arg("-version").output().is_err() {
        testkit::skipped("sqlite3", "no sqlite3");
        return;
    }
    let project = Project::new();
    let sql = |statement: &str| {
        let done = std::process::Command::new("sqlite3").arg(project.at("shop.db")).arg(statement).output();
        assert!(done.is_ok_and(|done| done.status.success()), "{statement}");
    };
    sql("CREATE TABLE orders(id INTEGER, at TEXT); INSERT INTO orders VALUES (1, '03/04/2024');");
    let ingest = |format: &str| {
        let text = format!(
            "tables:\n  orders:\n    source: {{sqlite: {{path: shop.db, table: orders, incremental: id}}}}\n    \
             columns: {{id: int64, at: {{type: date, format: \"{format}\"}}}}\n"
        );
        project.write("resources/shop/ingest.yaml", text);
    };
    ingest("%d/%m/%Y");
    project.run("ingest", ["shop"]).exits(0);
    sql("INSERT INTO orders VALUES (2, '05/06/2024');");
    ingest("%m/%d/%Y");
    project
        .run("ingest", ["shop"])
        .exits(2)
        .says("table 'orders': what was read before means something else: 'orders.at' is read with {\"format\":\"%m/%d/%Y\",\"table\":\"orders\"} now, was read with {\"format\":\"%d/%m/%Y\",\"table\":\"orders\"}")
        .says("bin/ingest shop --full, or go back to the settings of the last run");
    project.run("ingest", ["shop", "--full"]).exits(0);
}

#[test]
fn a_type_that_changes_is_noticed_by_the_schema() {
    let project = two_tables();
    let text = project.read("resources/flat/ingest.yaml");
    let columns = "columns: {id: string, city: string, a: float64, b: float64}";
    project.write("resources/flat/ingest.yaml", text.replace(columns, &columns.replace("a: float64", "a: string")));
    for tool in ["ingest", "clean"] {
        project.run(tool, ["flat"]).exits(0);
    }
    let run = project.run("predict", ["flat"]);
    assert!(run.code != Some(0), "{run}");
    run.says("'a'");
}
