//! Results from a table of PostgreSQL: the same questions have the same answers as those in files.

use serde_json::{Value, json};
use testkit::{PostgresServer, Random, Serve, Table};
use tests::served::people;

/// The answer to a question, without what names its place.
fn rows(server: &Serve, query: &str) -> (u16, Value) {
    let answer = server.client().get(&format!("/api/v1/results?{query}"));
    let json = answer.json();
    match answer.status {
        200 => (200, json!([json["total"], json["rows"]])),
        status => (status, json),
    }
}

fn literal(cell: &str, column: &str) -> String {
    match (cell.is_empty(), column) {
        (true, _) => "NULL".to_owned(),
        (_, "id" | "score") => cell.to_owned(),
        _ => format!("'{}'", cell.replace('\'', "''")),
    }
}

/// A random question about the columns of the scores: filters, order, page, fields.
fn question(random: &mut Random, scores: &Table) -> String {
    let mut parts = Vec::new();
    for _ in 0..random.below(3) {
        let column = random.of(&scores.columns);
        let row = random.below(scores.rows.len() as u64) as usize;
        let value = match random.below(6) {
            0 => "0.5".to_owned(),
            1 => "x'; DROP TABLE scores; --".to_owned(),
            2 => "2026-01-15".to_owned(),
            _ => scores.column(&column)[row].to_owned(),
        };
        let test = random.of(&["eq", "ne", "lt", "le", "gt", "ge", "contains"]);
        parts.push(format!("{column}.{test}={}", encoded(&value)));
    }
    if random.below(8) == 0 {
        parts.push(format!("{}.null={}", random.of(&scores.columns), random.of(&["true", "false", "maybe"])));
    }
    let sign = random.of(&["", "-"]);
    parts.push(format!("sort={sign}{}", random.of(&scores.columns)));
    parts.push(format!("page={}&per_page={}", 1 + random.below(3), 1 + random.below(40)));
    if random.below(3) == 0 {
        parts.push("fields=score,id".to_owned());
    }
    parts.join("&")
}

fn encoded(text: &str) -> String {
    let byte =
        |byte: u8| if byte.is_ascii_alphanumeric() { (byte as char).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(byte).collect()
}

#[test]
fn a_table_answers_as_the_files_do() {
    let Some(database) = PostgresServer::start() else { return };
    let project = people().with_variable("RESULTS_URL", database.url());
    let scores = project.table(&project.latest("data/output/p/predict")[0]);
    let kind = |column: &String| match column.as_str() {
        "id" => "int8",
        "score" => "float8",
        "decision" => "bool",
        "day" => "date",
        "scored_at" => "timestamp",
        _ => "text",
    };
    let columns: Vec<String> = scores.columns.iter().map(|column| format!("\"{column}\" {}", kind(column))).collect();
    database.psql(&format!("CREATE TABLE scores ({})", columns.join(", ")));
    // In another order than in the file.
    for row in scores.rows.iter().rev() {
        let cells: Vec<String> = row.iter().zip(&scores.columns).map(|(cell, column)| literal(cell, column)).collect();
        database.psql(&format!("INSERT INTO scores VALUES ({})", cells.join(", ")));
    }
    let mut random = Random::seeded(17);
    let questions: Vec<String> = (0..150).map(|_| question(&mut random, &scores)).collect();
    let files = Serve::start(&project, &[]);
    let expected: Vec<(u16, Value)> = questions.iter().map(|question| rows(&files, question)).collect();
    assert_eq!(files.stop().0, Some(0));
    assert!(expected.iter().filter(|(status, _)| *status == 200).count() > 60, "most questions have answers");

    project.write("resources/p/serve.yaml", "results: {postgres: {url: '${RESULTS_URL}', table: public.scores}}\n");
    let server = Serve::start(&project, &[]);
    for (question, expected) in questions.iter().zip(&expected) {
        assert_eq!(rows(&server, question), *expected, "{question}");
    }
    assert_eq!(database.psql("SELECT count(*) FROM scores"), scores.rows.len().to_string());

    // One key, its history from the files, and other formats.
    let mut client = server.client();
    let one = client.get("/api/v1/results/420").has_status(200).json();
    assert_eq!(one["rows"].as_array().map(Vec::len), Some(1));
    assert_eq!(client.get("/api/v1/results/nobody").has_status(404).json()["error"]["column"], "id");
    for key in ["99999", "0420", "+420"] {
        assert_eq!(client.get(&format!("/api/v1/results/{key}")).status, 404, "{key}");
        assert_eq!(client.get(&format!("/api/v1/results/{key}/history")).status, 404, "{key}");
    }
    assert_eq!(client.get("/api/v1/results/420/history").has_status(200).json()["history"][0]["rows"], one["rows"]);
    let csv = client.send("GET", "/api/v1/results?sort=id", &[("accept", "text/csv")], b"").expect("an answer");
    assert_eq!(csv.has_status(200).text().lines().count(), scores.rows.len().min(100) + 1);
    // The tag is that of the answer: it changes with the table.
    let path = "/api/v1/results?sort=-score&per_page=3";
    let tag = client.get(path).header("etag").expect("a tag").to_owned();
    let again = client.send("GET", path, &[("if-none-match", &tag)], b"").expect("an answer");
    assert_eq!(again.status, 304);
    database.psql("UPDATE scores SET score = 0.9996 WHERE id = 420");
    let changed = client.send("GET", path, &[("if-none-match", &tag)], b"").expect("an answer");
    assert_eq!(changed.has_status(200).json()["rows"][0]["id"], 420);
    // The page of results asks the same table, names it, and shows its new first row.
    let page = client.get("/pipelines/p/results?sort=-score").has_status(200).text();
    assert!(page.contains("/public.scores.<"), "{page}");
    let first = page.split_once("<tbody>").and_then(|(_, body)| body.split_once("</tr>")).expect("a row of results").0;
    assert!(first.contains(">420</a>") && first.contains(">0.9996<"), "{first}");
    assert!(!page.contains(database.password()), "the password is on the page");
    let (code, said) = server.stop();
    assert_eq!((code, said.contains(database.password())), (Some(0), false), "{said}");
}

#[test]
fn types_of_the_database_are_shown_and_compared_as_what_they_are() {
    let Some(database) = PostgresServer::start() else { return };
    let project = people().with_variable("RESULTS_URL", database.url());
    database.psql(
        "CREATE SCHEMA \"odd schema\"; CREATE DOMAIN whole AS integer CHECK (VALUE > 0);
         CREATE TABLE \"odd schema\".\"t\"\"able\" (\"the key\" varchar(9), n numeric(20, 4), f real, d double precision, s smallint,
             at timestamptz, day date, ok boolean, kind uuid, \"select\" text, cents whole, took interval);
         INSERT INTO \"odd schema\".\"t\"\"able\" VALUES
             ('b', 12345678901234.5678, 0.1, 0.1, 3, '2026-01-02 03:04:05.000006+02', '2026-02-28', true,
              '00000000-0000-0000-0000-000000000001', 'Ünïcode', 10, '10 hours'),
             ('a', 9.5, 'NaN', '-Infinity', -7, '1969-12-31 23:59:59Z', '0001-01-01', false, NULL, 'x', 9, '9 hours'),
             ('c', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);",
    );
    project.write(
        "resources/p/serve.yaml",
        "results: {postgres: {url: '${RESULTS_URL}', table: 'odd schema.t\"able', key: the key}}\n",
    );
    let server = Serve::start(&project, &[]);
    let all = server.client().get("/api/v1/results").has_status(200).json();
    assert_eq!(
        all["rows"],
        json!([
            {"the key": "a", "n": "9.5000", "f": null, "d": null, "s": -7, "at": "1969-12-31T23:59:59", "day": "0001-01-01",
             "ok": false, "kind": null, "select": "x", "cents": 9, "took": "09:00:00"},
            {"the key": "b", "n": "12345678901234.5678", "f": 0.1, "d": 0.1, "s": 3, "at": "2026-01-02T01:04:05.000006",
             "day": "2026-02-28", "ok": true, "kind": "00000000-0000-0000-0000-000000000001", "select": "Ünïcode", "cents": 10,
             "took": "10:00:00"},
            {"the key": "c", "n": null, "f": null, "d": null, "s": null, "at": null, "day": null, "ok": null, "kind": null,
             "select": null, "cents": null, "took": null},
        ])
    );
    let keys = |query: &str| {
        let answer = server.client().get(&format!("/api/v1/results?{query}")).has_status(200).json();
        let keys = answer["rows"]
            .as_array()
            .expect("rows")
            .iter()
            .map(|row| row["the key"].as_str().expect("a key").to_owned());
        keys.collect::<Vec<String>>().join(" ")
    };
    // As numbers, not as texts, in which 9 comes after 1.
    assert_eq!(keys("n.gt=9.5"), "b");
    assert_eq!(keys("n=9.50"), "a");
    assert_eq!(keys("n=12345678901234.5678"), "b");
    assert_eq!(keys("n=12345678901234.5679"), "");
    assert_eq!(keys("sort=-n"), "b a c");
    assert_eq!(keys("sort=n"), "a b c");
    assert_eq!(keys("at.ge=2026-01-02T01:04:05"), "b");
    assert_eq!(keys("at.lt=1970-01-01T00:00:00"), "a");
    assert_eq!(keys("day=2026-02-28"), "b");
    assert_eq!(keys("ok=false"), "a");
    assert_eq!(keys("ok.ne=false"), "b");
    assert_eq!(keys("n.null=true"), "c");
    assert_eq!(keys("select.contains=CODE"), "b");
    assert_eq!(keys("select.contains=%25"), "");
    assert_eq!(keys("kind=00000000-0000-0000-0000-000000000001"), "b");
    assert_eq!(keys("s.le=3&sort=-s"), "b a");
    assert_eq!(keys("sort=cents"), "a b c");
    assert_eq!(keys("cents.ge=10"), "b");
    assert_eq!(keys("took=09:00:00"), "a");
    for order in ["sort=took", "took.ge=09:00:00"] {
        let refused = server.client().get(&format!("/api/v1/results?{order}")).has_status(422).json();
        assert_eq!(refused["error"]["message"], "column 'took' has a type without an order here");
    }
    let wrong = server.client().get("/api/v1/results?s=three").has_status(422).json();
    assert_eq!(wrong["error"]["message"], "column 's' is compared with a whole number");
    let hostile = "the%20key=a%27%20OR%20%27%27%3D%27";
    assert_eq!(keys(hostile), "");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_database_that_is_gone_is_a_503_and_comes_back() {
    let Some(mut database) = PostgresServer::start() else { return };
    let project = people().with_variable("RESULTS_URL", database.url());
    project.write("resources/p/serve.yaml", "results: {postgres: {url: '${RESULTS_URL}', table: nothing}}\n");
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    assert_eq!(client.get("/api/v1/results").has_status(503).json()["error"]["code"], "database");
    database.psql("CREATE TABLE nothing (id int8); INSERT INTO nothing VALUES (1)");
    assert_eq!(client.get("/api/v1/results").has_status(200).json()["rows"], json!([{"id": 1}]));
    database.psql("ALTER TABLE nothing ADD COLUMN more text");
    assert_eq!(client.get("/api/v1/results").has_status(200).json()["rows"], json!([{"id": 1, "more": null}]));
    database.stop();
    let gone = client.get("/api/v1/results").has_status(503).json();
    assert_eq!(gone["error"]["code"], "database");
    assert_eq!(client.get("/pipelines/p/results").status, 503);
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(said.contains("/postgres/nothing") && !said.contains(database.password()), "{said}");
    // An address that cannot be read is refused at once, and not repeated.
    let wrong = project.with_variable("RESULTS_URL", "mysql://u:hunter2@h/d");
    let refused = wrong.run("serve", ["--listen", "127.0.0.1:0"]);
    refused.exits(2).says("resources/p/serve.yaml: results.postgres: 'url' does not begin with postgres://");
    assert!(!refused.stderr.contains("hunter2"), "{refused}");
}
