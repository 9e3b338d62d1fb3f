//! Predictions as Arrow streams and Parquet: the same checks, and the same values bit for bit, as in JSON.

use serde_json::{Value, json};
use testkit::{HttpResponse, Project, Serve};
use tests::served::{PREDICTIONS, bits, people};

const ARROW: &str = "application/vnd.apache.arrow.stream";
const PARQUET: &str = "application/vnd.apache.parquet";

fn post(server: &Serve, query: &str, kind: &str, accept: &str, body: &[u8]) -> HttpResponse {
    let path = format!("{PREDICTIONS}{query}");
    let headers = [("content-type", kind), ("accept", accept)];
    server.client().send("POST", &path, &headers, body).expect("an answer")
}

/// The table of an answer in Parquet.
fn table_of(project: &Project, answer: &HttpResponse) -> testkit::Table {
    project.write("answer.parquet", &answer.body);
    project.write("resources/answer/ingest.yaml", "tables:\n  answer:\n    source: {file: {path: answer.parquet}}\n");
    let ingested = project.run("ingest", ["answer", "--force"]);
    ingested.exits(0);
    project.table(&ingested.path())
}

#[test]
fn every_format_gives_the_scores_of_json() {
    let project = people();
    let server = Serve::start(&project, &[]);
    let scoring = project.latest("data/processed/p/features").into_iter().find(|path| path.contains("/scoring_"));
    let scoring = scoring.expect("a scoring table");
    // As pandas writes a table: only the features, keys and times may be there, so the stage's own table will do.
    let parquet = std::fs::read(project.at(&scoring)).expect("it can be read");
    let table = project.table(&scoring);
    let ids: Vec<Value> =
        table.column("id").into_iter().map(|id| serde_json::from_str(id).expect("a number")).collect();
    let expected = server.client().post(PREDICTIONS, &json!({"keys": ids, "reasons": 2})).has_status(200).json();
    let expected = expected["predictions"].as_array().expect("predictions").clone();
    let same = |found: &Value, expected: &Value, at: usize| {
        assert_eq!(bits(&found["score"]), bits(&expected["score"]), "row {at}");
        for name in ["key", "decision", "version", "arm"] {
            assert_eq!(found[name], expected[name], "row {at}");
        }
    };
    // Parquet in, JSON out.
    let answer = post(&server, "?way=features&reasons=2", PARQUET, "application/json", &parquet);
    let found = answer.has_status(200).json();
    for (at, (found, expected)) in
        found["predictions"].as_array().expect("predictions").iter().zip(&expected).enumerate()
    {
        same(found, expected, at);
        assert_eq!(found["reasons"], expected["reasons"]);
    }
    // An Arrow stream in: the keys, as the server itself writes them.
    let page = "/api/v1/results?pipeline=p&per_page=50&sort=id&fields=id";
    let keys = server.client().send("GET", page, &[("accept", ARROW)], b"").expect("keys");
    let answer = post(&server, "?way=keys&reasons=2", ARROW, PARQUET, &keys.has_status(200).body);
    assert_eq!(
        (answer.has_status(200).header("content-type"), answer.header("x-request-id").is_some()),
        (Some(PARQUET), true)
    );
    let table = table_of(&project, &answer);
    assert_eq!(table.rows.len(), expected.len());
    let by_key = |key: &str| expected.iter().find(|row| row["key"].as_i64() == key.parse().ok()).expect("the key");
    for (at, key) in table.column("key").into_iter().enumerate() {
        let expected = by_key(key);
        let score: f64 = table.column("score")[at].parse().expect("a number");
        assert_eq!(score.to_bits(), bits(&expected["score"]), "{key}");
        assert_eq!(table.column("decision")[at], expected["decision"].to_string());
        assert_eq!(table.column("version")[at], expected["version"].as_str().expect("a version"));
        let reasons: Vec<&str> =
            expected["reasons"].as_array().expect("reasons").iter().filter_map(Value::as_str).collect();
        assert_eq!(table.column("reasons")[at], reasons.join("; "));
    }
    let stream = post(&server, "?way=keys", ARROW, ARROW, &keys.body);
    assert_eq!(stream.has_status(200).header("content-type"), Some(ARROW));
    assert!(stream.body.starts_with(&[0xff; 4]) && stream.body.len() > 1000);
    // Each prediction is in the log, whatever it came in.
    assert_eq!(server.stop().0, Some(0));
    let log = project.latest("data/raw/p_served").into_iter().find(|path| path.contains("/requests_")).expect("a log");
    let log = project.table(&log);
    assert_eq!(log.rows.len(), 4 * expected.len());
    assert_eq!(log.column("way").iter().filter(|way| **way == "key").count(), 3 * expected.len());
}

#[test]
fn raw_rows_and_refusals_are_those_of_json() {
    let project = people();
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    server.wait("the clean tables", || !client.get("/api/v1/pipelines/p").json()["row"].is_null());
    // The clean table itself, as raw rows.
    let clean =
        project.latest("data/processed/p/clean").into_iter().find(|path| path.contains("/people_")).expect("a table");
    let parquet = std::fs::read(project.at(&clean)).expect("it can be read");
    let found = post(&server, "?way=rows", PARQUET, "*/*", &parquet);
    let table = project.table(&clean);
    let number = |text: &str| serde_json::from_str::<Value>(text).expect("a number");
    let rows: Vec<Value> = (0..table.rows.len())
        .map(|at| {
            let column = |name: &str| table.column(name)[at];
            json!({"id": number(column("id")), "day": column("day"), "age": number(column("age")), "income": number(column("income"))})
        })
        .collect();
    let expected = client.post(PREDICTIONS, &json!({"rows": rows})).has_status(200).json();
    let scores = |answer: &Value| -> Vec<u64> {
        answer["predictions"].as_array().expect("predictions").iter().map(|row| bits(&row["score"])).collect()
    };
    assert_eq!(scores(&found.has_status(200).json()), scores(&expected));
    for (query, kind, body, status, message) in [
        ("", PARQUET, parquet.as_slice(), 422, "the model has no column 'bought'"),
        ("?way=keys", PARQUET, &parquet, 422, "a table of keys has one column, not"),
        ("?way=people", PARQUET, &parquet, 422, "'way' cannot be 'people'"),
        ("?raw=1", PARQUET, &parquet, 422, "an address for predictions has no parameter 'raw'"),
        ("", PARQUET, &parquet[..parquet.len() / 2], 400, "the body: not a complete Parquet file"),
        ("", ARROW, &parquet, 400, "the body is not a complete Arrow stream"),
        ("", "text/csv", b"age,income\n1,2\n", 415, "the body has another format"),
    ] {
        let answer = post(&server, query, kind, "*/*", body);
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.json()["error"]["message"].as_str().expect("a text").starts_with(message), "{}", answer.text());
    }
    assert_eq!(post(&server, "", "application/json", "image/png", b"{\"key\": 420}").status, 406);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn rows_of_one_request_share_a_line_of_the_log_and_are_sealed_row_by_row() {
    let project = people();
    project.write("resources/p/serve.yaml", "table: scoring\nmask: {age: hash}\nmask_key: 0123456789abcdef\n");
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    let keys = [420, 421, 422, 423];
    let together = client.post(PREDICTIONS, &json!({"keys": keys, "unit": "visitor"})).has_status(200).json();
    for key in keys {
        client.post(PREDICTIONS, &json!({"key": key, "unit": "visitor"})).has_status(200);
    }
    let lines = tests::served::journal(&project, "data/journals/p/requests-000001.jsonl");
    // The header, one line for the four rows, and four of one row each.
    assert_eq!(lines.lines().count(), 6, "{lines}");
    let line: Value = serde_json::from_str(lines.lines().nth(1).expect("a line")).expect("JSON");
    assert_eq!(
        (line["block"]["key"].as_array().map(Vec::len), line["columns"].as_array().map(Vec::len)),
        (Some(4), Some(2))
    );
    assert_eq!(server.stop().0, Some(0));
    let path =
        project.latest("data/raw/p_served").into_iter().find(|path| path.contains("/requests_")).expect("a table");
    let table = project.table(&path);
    assert_eq!(table.rows.len(), 8);
    for (place, key) in keys.iter().enumerate() {
        let cell = |name: &str, row: usize| table.column(name)[row].to_owned();
        let id = together["request_id"].as_str().expect("an id");
        assert_eq!((cell("request_id", place).as_str(), cell("row", place)), (id, place.to_string()));
        assert_eq!(cell("entity", place), key.to_string());
        // The answer to a request of one row with the same key.
        for name in ["entity", "key", "arm", "version", "way", "shadow", "score", "decision", "features", "status"] {
            assert_eq!(cell(name, place), cell(name, 4 + place), "{name} of {key}");
        }
        let features: Value = serde_json::from_str(&cell("features", place)).expect("JSON");
        assert!(
            features["age"].as_str().is_some_and(|hash| hash.len() == 32) && features["income"].is_f64(),
            "{features}"
        );
        let score: f64 = cell("score", place).parse().expect("a number");
        assert!((together["predictions"][place]["score"].as_f64().expect("a score") - score).abs() < 1e-6);
    }
}
