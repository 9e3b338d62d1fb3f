//! `serve` from outside: the real program, asked over HTTP.

use serde_json::{Value, json};
use testkit::{Project, Serve, Table};
use tests::served::{AT_ONCE, PREDICTIONS, bits, people};
use tests::small_churn;

fn cell_bits(cell: &str) -> u64 {
    cell.parse::<f64>().unwrap_or_else(|_| panic!("not a number: {cell}")).to_bits()
}

/// A cell as a client would send it.
fn sent(cell: &str, column_type: &str) -> Value {
    match column_type {
        _ if cell.is_empty() => Value::Null,
        "string" | "category" | "date" | "datetime" => cell.into(),
        "bool" => (cell == "true").into(),
        _ => serde_json::from_str(cell).unwrap_or_else(|_| panic!("not a number: {cell}")),
    }
}

/// Asks for every row of the scoring table by its key and by its features, one by one and all at once, and compares with
/// what `predict` wrote.
fn same_both_ways(project: &Project, pipeline: &str, entity: &str) {
    let scores = project.table(&project.latest(&format!("data/output/{pipeline}/predict"))[0]);
    let features = project.latest(&format!("data/processed/{pipeline}/features"));
    let scoring = features.iter().find(|path| path.contains("/scoring_")).expect("there is a scoring table");
    let scoring: Table = project.table(scoring);
    let server = Serve::start(project, &[pipeline]);
    let mut client = server.client();
    let described = client.get(&format!("/api/v1/pipelines/{pipeline}")).json();
    let columns = described["features"].as_array().expect("columns");
    let path = format!("/api/v1/pipelines/{pipeline}/predictions");
    let has_decision = scores.columns.iter().any(|name| name == "decision");
    let reasons = scores.columns.iter().any(|name| name == "reasons");
    let keys: Vec<Value> = scoring.column(entity).iter().map(|key| sent(key, "int64")).collect();
    let rows: Vec<Value> = (0..scoring.rows.len())
        .map(|row| {
            let cell = |column: &Value| {
                let name = column["name"].as_str().expect("a name");
                (name.to_owned(), sent(scoring.column(name)[row], column["type"].as_str().expect("a type")))
            };
            Value::Object(columns.iter().map(cell).collect())
        })
        .collect();
    let check = |prediction: &Value, row: usize, what: &str| {
        assert_eq!(bits(&prediction["score"]), cell_bits(scores.column("score")[row]), "{what} {row}: {prediction}");
        if has_decision {
            assert_eq!(prediction["decision"].to_string(), scores.column("decision")[row], "{what} {row}");
        }
        for bound in ["low", "high"].into_iter().filter(|bound| scores.columns.iter().any(|name| name == bound)) {
            assert_eq!(bits(&prediction[bound]), cell_bits(scores.column(bound)[row]), "{what} {row}");
        }
        assert_eq!(prediction["version"], scores.column("model_version")[row]);
    };
    let whole = client.post(&path, &json!({"keys": keys})).has_status(200).json();
    let given = client.post(&path, &json!({"features": rows})).has_status(200).json();
    for row in 0..keys.len() {
        check(&whole["predictions"][row], row, "by key, all at once");
        check(&given["predictions"][row], row, "by features, all at once");
    }
    for row in (0..keys.len()).take(60) {
        let one = client.post(&path, &json!({"key": keys[row], "reasons": 3})).has_status(200).json();
        check(&one["predictions"][0], row, "by key");
        assert_eq!(one["predictions"][0]["key"], keys[row]);
        if reasons {
            let listed = one["predictions"][0]["reasons"].as_array().expect("reasons");
            let text: Vec<&str> = listed.iter().filter_map(Value::as_str).collect();
            assert_eq!(text.join("; "), scores.column("reasons")[row], "{row}");
        }
        let one = client.post(&path, &json!({"features": rows[row]})).has_status(200).json();
        check(&one["predictions"][0], row, "by features");
    }
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn one_row_over_http_is_the_row_of_the_batch_bit_for_bit() {
    same_both_ways(&people(), "p", "id");
}

#[test]
fn a_boosted_model_with_categories_scores_the_same_both_ways() {
    let project = small_churn().with_variable("CHURN_PURCHASES", "6000");
    project.write("resources/churn/serve.yaml", "table: scoring\n");
    let train = project.read("resources/churn/train.yaml");
    let (before, rest) = train.split_once("experiments:").expect("there are experiments");
    let after = rest.split_once("choose_by:").expect("there is a choice").1;
    let train = format!("{before}experiments: {{one: {{lightgbm: {{trees: 30}}}}}}\nchoose_by:{after}");
    let train = train
        .replace("at_least: 0.70", "at_least: 0.5")
        .replace("{metric: brier, at_most: 0.25}", "{metric: brier, at_most: 0.5}");
    project.write("resources/churn/train.yaml", train);
    for tool in ["ingest", "clean", "features", "train", "predict"] {
        project.run(tool, ["churn"]).exits(0);
    }
    same_both_ways(&project, "churn", "customer_id");
}

#[test]
fn what_is_wrong_with_a_request_is_reported_in_our_words() {
    let project = people();
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    for (body, status, error) in [
        (
            json!({"features": {"age": 30, "incom": 0.5}}),
            422,
            json!({"code": "unknown_column", "message": "the model has no column 'incom'", "column": "incom",
                   "nearest": "income", "way_out": "did you mean 'income'?"}),
        ),
        (
            json!({"features": [{"age": 30, "income": 0.5}, {"age": "old", "income": 0.5}]}),
            422,
            json!({"code": "wrong_type", "message": "column 'age': expected a whole number, not a text", "row": 1,
                   "column": "age", "value": "old"}),
        ),
        (
            json!({"features": {"age": 30}}),
            422,
            json!({"code": "missing_column", "message": "column 'income' is missing", "column": "income",
                   "way_out": "give it, with null if its value is not known"}),
        ),
        (
            json!({"key": 9_999_999}),
            404,
            json!({"code": "not_found", "message": "no 'id' is '9999999' in the newest features", "column": "id",
                   "value": 9_999_999, "way_out": "give its features instead, or run the features stage"}),
        ),
        (
            json!({"keys": []}),
            422,
            json!({"code": "nothing_asked", "message": "the request names no rows", "way_out": "give at least one"}),
        ),
    ] {
        let answer = client.post(PREDICTIONS, &body);
        assert_eq!((answer.status, answer.json()), (status, json!({"error": error})));
        assert!(answer.header("x-request-id").is_some());
    }
    for way in ["features", "rows"] {
        let answer = client.post(PREDICTIONS, &json!({way: []})).has_status(422).json();
        assert_eq!(answer["error"]["code"], "nothing_asked");
    }
    let answer = client.post("/api/v1/pipelines/q/predictions", &json!({"key": 1}));
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (404, Some("not_found")));
    assert_eq!(client.get("/nowhere").has_status(404).json()["error"]["code"], "not_found");
    assert_eq!(client.get(PREDICTIONS).has_status(405).json()["error"]["code"], "method");
    assert_eq!(client.get("/../../etc/passwd").status, 404);
    let send = |kind: &str, body: &[u8]| {
        server.client().send("POST", PREDICTIONS, &[("content-type", kind)], body).expect("an answer")
    };
    assert_eq!(send("text/plain", b"{}").has_status(415).json()["error"]["code"], "content_type");
    assert_eq!(send("application/json", b"{\"key\": 1").has_status(400).json()["error"]["code"], "malformed");
    assert_eq!(send("application/json", &[0xff, 0xfe]).has_status(400).json()["error"]["code"], "malformed");
    // A body that is too long is refused by its header alone.
    let mut client = server.client();
    client.send_raw(format!("POST {PREDICTIONS} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n").as_bytes()).expect("sent");
    assert_eq!(client.read(false).expect("an answer").status, 413);
    assert_eq!(server.stop().0, Some(0));
    // Each of them has its line.
    let log = project
        .table(project.latest("data/raw/p_served").iter().find(|path| path.contains("/requests_")).expect("a log"));
    assert_eq!(log.column("error").iter().filter(|error| **error == "nothing_asked").count(), 3, "{log}");
}

#[test]
fn outcomes_are_kept_and_the_journals_become_tables() {
    let project = people();
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    let id = client.post(PREDICTIONS, &json!({"key": 420, "unit": "u1"})).json()["request_id"].clone();
    client.post(PREDICTIONS, &json!({"features": {"age": 3, "income": null}})).has_status(200);
    client.post(PREDICTIONS, &json!({"key": "x"})).has_status(422);
    let outcomes = "/api/v1/pipelines/p/outcomes";
    let body = json!({"outcomes": [{"request_id": id, "name": "signed", "value": true},
                                   {"unit": "u1", "name": "amount", "value": 12.5, "time": "2026-01-31T12:00:00Z"}]});
    assert_eq!(client.post(outcomes, &body).has_status(201).json(), json!({"kept": 2}));
    assert_eq!(client.post(outcomes, &json!({"name": "signed", "value": 1})).status, 422);
    // A second server on the project is refused.
    project.run("serve", ["--listen", "127.0.0.1:0"]).exits(75).says("another process writes the journal 'requests'");
    assert_eq!(server.stop().0, Some(0));

    let paths = project.latest("data/raw/p_served");
    let table = |name: &str| project.table(paths.iter().find(|path| path.contains(&format!("/{name}_"))).expect(name));
    let requests = table("requests");
    assert_eq!(requests.column("status"), ["200", "200", "422"]);
    assert_eq!(requests.column("way"), ["key", "features", ""]);
    assert_eq!(requests.column("entity"), ["420", "", ""]);
    assert_eq!(requests.column("key")[0], "u1");
    assert_eq!(requests.column("error")[2], "wrong_type");
    assert_eq!(requests.column("version"), ["v1", "v1", "v1"]);
    let features: Value = serde_json::from_str(requests.column("features")[1]).expect("features");
    assert_eq!(features, json!({"age": 3.0, "income": null}));
    let outcomes = table("outcomes");
    assert_eq!(outcomes.column("value"), ["1.0", "12.5"]);
    assert_eq!(outcomes.column("request_id")[0], id.as_str().expect("an id"));
    assert_eq!(outcomes.column("time")[1], "2026-01-31T12:00:00");
    // Ordinary artifacts, with their evidence.
    let evidence = project.evidence(&paths[0]);
    assert_eq!((evidence["tool"].as_str(), evidence["books"]["rows_out"].as_u64()), (Some("serve"), Some(3)));
    project.write(
        "resources/log/ingest.yaml",
        "tables:\n  requests:\n    source: {file: {path: data/raw/p_served/requests_*.parquet}}\n",
    );
    let ingested = project.run("ingest", ["log"]);
    ingested.exits(0);
    assert_eq!(project.table(&ingested.path()).column("status").len(), 3);
}

#[test]
fn the_same_visitor_gets_the_same_arm_and_shadows_answer_nobody() {
    let project = people();
    let train = project.read("resources/p/train.yaml");
    project.write("resources/p/train.yaml", train.replace("linear: logistic", "linear: {logistic: {l2: 50}}"));
    project.run("train", ["p"]).exits(0);
    project.run("release", ["p", "--promote", "v1", "--why", "a test"]);
    let arms =
        "arms:\n  production: {version: v1}\n  new: {version: v2, share: 0.3}\n  later: {version: v2, shadow: true}\n";
    project.write("resources/p/serve.yaml", format!("{AT_ONCE}{arms}mask: {{unit: remove}}\n"));
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    let mut new = 0;
    for unit in 0..200 {
        let mut arm = || {
            let body = json!({"key": 420, "unit": format!("visitor {unit}")});
            let prediction = client.post(PREDICTIONS, &body).has_status(200).json()["predictions"][0].clone();
            (
                prediction["arm"].as_str().expect("an arm").to_owned(),
                prediction["version"].as_str().expect("a version").to_owned(),
            )
        };
        let first = arm();
        assert_eq!(first, arm(), "the same visitor");
        assert_eq!(first.1, if first.0 == "new" { "v2" } else { "v1" });
        new += usize::from(first.0 == "new");
    }
    // 60 expected; four standard deviations are 26.
    assert!((34..=86).contains(&new), "{new}");
    assert_eq!(server.stop().0, Some(0));
    let path = project.latest("data/raw/p_served").remove(0);
    let log = project.table(&path);
    let shadows = log.column("shadow").iter().filter(|shadow| **shadow == "true").count();
    assert_eq!((log.rows.len(), shadows), (800, 400));
    assert!(log.column("key").iter().all(|key| key.is_empty()), "masked");
    assert!(log.column("arm").contains(&"later"));
}

#[test]
fn a_row_that_no_table_holds_scores_as_it_would_in_the_table() {
    let project = people();
    let scores = project.table(&project.latest("data/output/p/predict")[0]);
    let raw = Table::from_csv(&project.read("people.csv"));
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    server.wait("the clean tables", || !client.get("/api/v1/pipelines/p").json()["row"].is_null());
    let described = client.get("/api/v1/pipelines/p").json()["row"].clone();
    let optional: Vec<&str> = described
        .as_array()
        .expect("columns")
        .iter()
        .filter(|column| column["optional"] == true)
        .filter_map(|column| column["name"].as_str())
        .collect();
    assert_eq!(optional, ["id", "day"]);
    let row = |id: &str| {
        let at = raw.column("id").iter().position(|known| *known == id).expect("a person");
        let number = |name: &str| serde_json::from_str::<Value>(raw.column(name)[at]).expect("a number");
        json!({"id": number("id"), "day": raw.column("day")[at], "age": number("age"), "income": number("income")})
    };
    let rows: Vec<Value> = scores.column("id").iter().map(|id| row(id)).collect();
    let answer = client.post(PREDICTIONS, &json!({"rows": rows})).has_status(200).json();
    for (at, prediction) in answer["predictions"].as_array().expect("predictions").iter().enumerate() {
        assert_eq!(bits(&prediction["score"]), cell_bits(scores.column("score")[at]), "{at}");
        assert_eq!(prediction["key"].to_string(), scores.column("id")[at]);
        let one = client.post(PREDICTIONS, &json!({"row": rows[at]})).has_status(200).json();
        assert_eq!(one["predictions"][0], *prediction);
    }
    // Somebody new, without a key or a day; a column that no feature reads is skipped.
    let new = json!({"row": {"age": 33, "income": 0.25, "bought": null}});
    assert!(client.post(PREDICTIONS, &new).has_status(200).json()["predictions"][0]["score"].is_f64());
    let twice = r#"{"row": {"age": 33, "income": 0.25, "bought": null, "bought": true}}"#;
    let twice = client.send("POST", PREDICTIONS, &[("content-type", "application/json")], twice.as_bytes());
    assert_eq!(
        twice.expect("an answer").has_status(422).json()["error"],
        json!({"code": "twice", "message": "column 'bought' is given twice", "column": "bought"})
    );
    // What no model can hold is the fault of the row, whichever of several it is, and not of the server.
    let large = json!({"age": 9_007_199_254_740_993i64, "income": 0.25});
    for body in [json!({"row": large}), json!({"rows": [{"age": 33, "income": 0.25}, large]})] {
        let error = client.post(PREDICTIONS, &body).has_status(422).json()["error"].clone();
        assert_eq!(error["code"], "bad_row");
        let message = error["message"].as_str().expect("a message");
        assert!(message.starts_with("column 'age' holds 9007199254740993, of which a model would lose"), "{message}");
    }
    let wrong = client.post(PREDICTIONS, &json!({"row": {"age": 33, "incom": 0.25}}));
    assert_eq!(wrong.has_status(422).json()["error"]["nearest"], "income");
    assert_eq!(server.stop().0, Some(0));
    let log = project
        .table(project.latest("data/raw/p_served").iter().find(|path| path.contains("/requests_")).expect("a log"));
    let inputs: Value = serde_json::from_str(log.column("inputs")[0]).expect("inputs");
    assert_eq!(inputs, rows[0]);
}

#[test]
fn results_are_found_by_columns_and_keys_in_every_format() {
    let project = people();
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    let scores = project.table(&project.latest("data/output/p/predict")[0]);
    let get =
        |client: &mut testkit::HttpClient, query: &str| client.get(&format!("/api/v1/results?pipeline=p&{query}"));
    // A history says what it does not hold.
    let of =
        |client: &mut testkit::HttpClient, key: &str| client.get(&format!("/api/v1/results/{key}/history?pipeline=p"));
    let newest = &project.latest("data/output/p/predict")[0];
    assert_eq!(of(&mut client, "999999").has_status(404).json()["error"]["message"], "'999999' is not in any snapshot");
    assert!(of(&mut client, "420").has_status(200).json()["not_searched"].is_null());
    let copies =
        (0..101).map(|number| project.at(format!("data/output/p/predict/scores_20200101_000{number:03}.parquet")));
    let copies: Vec<_> = copies
        .inspect(|copy| {
            std::fs::copy(project.at(newest), copy).expect("a copy");
        })
        .collect();
    let history = of(&mut client, "420").has_status(200).json();
    assert_eq!((history["not_searched"].as_u64(), history["history"].as_array().map(Vec::len)), (Some(2), Some(100)));
    let unknown = of(&mut client, "999999").has_status(404).json();
    assert_eq!(unknown["error"]["message"], "'999999' is not in the newest 100 snapshots");
    let page = client.get("/pipelines/p/results/one?key=420").text();
    assert!(page.contains("2 older snapshots not looked through."), "{page}");
    copies.iter().for_each(|copy| std::fs::remove_file(copy).expect("a file"));
    let page = get(&mut client, "per_page=3&page=2&sort=-score&fields=id,score").has_status(200).json();
    let mut expected: Vec<(f64, &str)> =
        scores.column("score").iter().map(|cell| cell.parse().expect("a number")).zip(scores.column("id")).collect();
    expected.sort_by(|a, b| b.0.total_cmp(&a.0));
    assert_eq!(page["total"], 50);
    let rows = page["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 3);
    for (row, (score, id)) in rows.iter().zip(&expected[3..6]) {
        assert_eq!((bits(&row["score"]), row["id"].to_string()), (score.to_bits(), (*id).to_owned()));
        assert_eq!(row.as_object().expect("an object").len(), 2);
    }
    let above = expected.iter().filter(|(score, _)| *score >= 0.5).count();
    assert_eq!(get(&mut client, "score.ge=0.5").json()["total"], above);
    assert_eq!(get(&mut client, "decision=true&score.lt=0.5").json()["total"].as_u64(), {
        let rows = scores.column("decision").into_iter().zip(scores.column("score"));
        Some(
            rows.filter(|(decision, score)| *decision == "true" && score.parse::<f64>().expect("a number") < 0.5)
                .count() as u64,
        )
    });
    assert_eq!(get(&mut client, "id=420").json()["rows"][0]["id"], 420);
    assert_eq!(get(&mut client, "model_version.contains=V1").json()["total"], 50);
    assert_eq!(get(&mut client, "scor.ge=1").has_status(422).json()["error"]["nearest"], "score");
    assert_eq!(
        get(&mut client, "score.ge=high").has_status(422).json()["error"]["message"],
        "column 'score' is compared with a number"
    );
    assert_eq!(get(&mut client, "score.over=1").has_status(422).json()["error"]["code"], "bad_parameter");
    assert_eq!(get(&mut client, "per_page=0").status, 422);

    let path = "/api/v1/results?pipeline=p&sort=id&per_page=50";
    let csv = client.send("GET", path, &[("accept", "text/csv")], b"").expect("CSV");
    assert_eq!(Table::from_csv(&csv.text()).column("score"), scores.column("score"));
    let parquet = client.send("GET", path, &[("accept", "application/vnd.apache.parquet")], b"").expect("Parquet");
    assert!(parquet.body.starts_with(b"PAR1") && parquet.body.ends_with(b"PAR1"));
    assert_eq!(client.send("GET", path, &[("accept", "image/png")], b"").expect("an answer").status, 406);

    let first = client.get(path);
    let tag = first.header("etag").expect("a tag").to_owned();
    let again = client.send("GET", path, &[("if-none-match", &tag)], b"").expect("an answer");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let one = client.get("/api/v1/results/420?pipeline=p").has_status(200).json();
    assert_eq!(one["rows"][0]["id"], 420);
    assert_eq!(client.get("/api/v1/results/999?pipeline=p").has_status(404).json()["error"]["column"], "id");
    // A number is a key as it is shown.
    for key in ["0420", "+420", "420.0", "%20420"] {
        let refused = client.get(&format!("/api/v1/results/{key}?pipeline=p")).has_status(404).json();
        assert_eq!(refused["error"]["column"], "id", "{key}");
        assert_eq!(client.get(&format!("/api/v1/results/{key}/history?pipeline=p")).status, 404, "{key}");
        assert_eq!(
            client.get(&format!("/pipelines/p/results/one?key={}", key.replace('+', "%2B"))).status,
            404,
            "{key}"
        );
    }
    assert_eq!(client.get("/api/v1/results/0420?pipeline=p").json()["error"]["nearest"], "420");
    // `If-None-Match: *` for something that does not exist is still answered by 404 or 422.
    let mut any = |path: &str| client.send("GET", path, &[("if-none-match", "*")], b"").expect("an answer").status;
    assert_eq!([any("/api/v1/results/420?pipeline=p"), any("/api/v1/results?pipeline=p")], [304, 304]);
    assert_eq!([any("/api/v1/results/999?pipeline=p"), any("/api/v1/results?pipeline=p&scor=1")], [404, 422]);
    // A second snapshot: the answer has another tag, and the history has both.
    project.run("predict", ["p", "--force"]).exits(0);
    server.wait("the new snapshot", || client.get(path).header("etag") != Some(&tag));
    let history = client.get("/api/v1/results/420/history?pipeline=p").has_status(200).json();
    assert_eq!(history["history"].as_array().expect("a history").len(), 2);
    assert_eq!(server.stop().0, Some(0));
}
