//! `serve` from outside: the real program, asked over HTTP.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use testkit::{Project, Serve, Table};
use tests::{people_pipeline, small_churn};

const PREDICTIONS: &str = "/api/v1/pipelines/p/predictions";

/// The pipeline of people, served; up to its predictions.
fn people() -> Project {
    let project = people_pipeline();
    project.write("resources/p/serve.yaml", "table: scoring\n");
    for tool in ["ingest", "clean", "features", "train", "predict"] {
        project.run(tool, ["p"]).exits(0);
    }
    project
}

fn bits(value: &Value) -> u64 {
    value.as_f64().unwrap_or_else(|| panic!("not a number: {value}")).to_bits()
}

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
fn what_is_wrong_with_a_request_is_said_in_our_words() {
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
    ] {
        let answer = client.post(PREDICTIONS, &body);
        assert_eq!((answer.status, answer.json()), (status, json!({"error": error})));
        assert!(answer.header("x-request-id").is_some());
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
    client.send_raw(format!("POST {PREDICTIONS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n").as_bytes()).expect("sent");
    assert_eq!(client.read(false).expect("an answer").status, 413);
    assert_eq!(server.stop().0, Some(0));
}

/// Lines of a pipeline's journals and rows of their artifacts, all together.
fn logged(project: &Project, journal: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for file in project.list("data/journals/p").into_iter().filter(|file| file.starts_with(&format!("{journal}-"))) {
        for line in project.read(format!("data/journals/p/{file}")).lines().skip(1) {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{file}: not JSON: {line}"));
            ids.push(line["request"].as_str().expect("a request").to_owned());
        }
    }
    for path in project.latest("data/raw/p_served").into_iter().filter(|path| path.contains(&format!("/{journal}_"))) {
        ids.extend(project.table(&path).column("request").into_iter().map(str::to_owned));
    }
    ids
}

#[test]
fn nothing_that_was_answered_is_lost_when_the_server_is_killed() {
    let project = people();
    let mut answered: Vec<String> = Vec::new();
    for round in 0..3 {
        let server = Serve::start(&project, &[]);
        let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let askers: Vec<_> = (0..8)
                .map(|asker| {
                    let (server, stop, count) = (&server, &stop, &count);
                    scope.spawn(move || {
                        let mut client = server.client();
                        let mut ids = Vec::new();
                        while !stop.load(Ordering::Relaxed) {
                            let key = 400 + (asker * 7 + ids.len()) % 50;
                            let body = json!({"key": key}).to_string();
                            let headers = [("content-type", "application/json")];
                            let Ok(answer) = client.send("POST", PREDICTIONS, &headers, body.as_bytes()) else { break };
                            answer.has_status(200);
                            ids.push(answer.json()["request_id"].as_str().expect("an id").to_owned());
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        ids
                    })
                })
                .collect();
            server.wait("answers", || count.load(Ordering::Relaxed) > 100 * (round + 1));
            testkit::signal::send("KILL", &server.process().to_string()).expect("killed");
            stop.store(true, Ordering::Relaxed);
            for asker in askers {
                answered.extend(asker.join().expect("no panic"));
            }
        });
        server.kill();
    }
    assert!(answered.len() > 300);
    // The next server seals what the killed ones left, and again nothing is lost or doubled.
    let server = Serve::start(&project, &[]);
    assert_eq!(server.stop().0, Some(0));
    let mut logged = logged(&project, "requests");
    logged.sort();
    let all = logged.len();
    logged.dedup();
    assert_eq!(logged.len(), all, "a request is logged twice");
    let missing: Vec<&String> = answered.iter().filter(|id| logged.binary_search(id).is_err()).collect();
    assert!(missing.is_empty(), "{} of {} answers are not in the log", missing.len(), answered.len());
    assert!(project.list("data/raw/p_served").iter().any(|file| file.ends_with(".parquet")));
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
    assert_eq!(requests.column("key"), ["420", "", ""]);
    assert_eq!(requests.column("unit")[0], "u1");
    assert_eq!(requests.column("error")[2], "wrong_type");
    assert_eq!(requests.column("version"), ["v1", "v1", ""]);
    let features: Value = serde_json::from_str(requests.column("features")[1]).expect("features");
    assert_eq!(features, json!({"age": 3.0, "income": null}));
    let outcomes = table("outcomes");
    assert_eq!(outcomes.column("value"), ["1.0", "12.5"]);
    assert_eq!(outcomes.column("request")[0], id.as_str().expect("an id"));
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

/// The version that answers each of `keys`, in order.
fn versions(client: &mut testkit::HttpClient, keys: &[Value]) -> Vec<String> {
    let answer = client.post(PREDICTIONS, &json!({"keys": keys})).has_status(200).json();
    let all = answer["predictions"].as_array().expect("predictions");
    all.iter().map(|prediction| prediction["version"].as_str().expect("a version").to_owned()).collect()
}

const AT_ONCE: &str = "table: scoring\nrollout: {smoke_for: 1ms, watch_for: 1ms}\n";

#[test]
fn swaps_are_noticed_within_a_second_and_no_request_fails() {
    let project = people();
    project.write("resources/p/serve.yaml", AT_ONCE);
    let train = project.read("resources/p/train.yaml");
    project.write("resources/p/train.yaml", train.replace("{linear: logistic}", "{small: {tree: {depth: 2}}}"));
    project.run("train", ["p"]).exits(0);
    project.write("resources/p/train.yaml", train);
    let trained = project.run("train", ["p", "--decisions"]);
    let in_production = |project: &Project| {
        let log = project.read("data/models/p/decisions.jsonl");
        let standing = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("a decision"));
        let last = standing
            .filter(|entry| ["promote", "rollback"].contains(&entry["action"].as_str().expect("an action")))
            .last();
        last.expect("a decision")["version"].as_str().expect("a version").to_owned()
    };
    assert!(trained.stdout().len() >= 2, "{trained}");
    let server = Serve::start(&project, &[]);
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..4)
            .map(|asker| {
                let (server, stop, count) = (&server, &stop, &count);
                scope.spawn(move || {
                    let mut client = server.client();
                    let mut seen = std::collections::BTreeSet::new();
                    while !stop.load(Ordering::Relaxed) {
                        let answer = client.post(PREDICTIONS, &json!({"key": 400 + asker}));
                        // Whoever answers, it is one whole version.
                        let answer = answer.has_status(200).json();
                        let prediction = &answer["predictions"][0];
                        seen.insert((prediction["version"].to_string(), bits(&prediction["score"])));
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    seen
                })
            })
            .collect();
        let mut client = server.client();
        for swap in 0..6 {
            let now = in_production(&project);
            let other = if now == "v1" { "v2" } else { "v1" };
            let arguments: &[&str] = match swap % 3 {
                2 => &["p", "--rollback", "--why", "a test"],
                _ => &["p", "--promote", other, "--why", "a test"],
            };
            project.run("train", arguments).exits(0);
            let expected = in_production(&project);
            assert_ne!(expected, now);
            let began = std::time::Instant::now();
            server.wait("the swap", || versions(&mut client, &[json!(420)]) == [expected.as_str()]);
            assert!(began.elapsed().as_secs_f64() < 1.5, "{:?}", began.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
        for asker in askers {
            let seen = asker.join().expect("no request fails");
            assert_eq!(seen.len(), 2, "two versions, each with one score: {seen:?}");
        }
    });
    assert!(count.load(Ordering::Relaxed) > 100);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_version_that_cannot_prove_itself_does_not_answer() {
    let project = people();
    project.write("resources/p/serve.yaml", AT_ONCE);
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    assert_eq!(versions(&mut client, &[json!(420)]), ["v1"]);
    // A second version whose test predictions are not what it scores now: those of another model.
    let train = project.read("resources/p/train.yaml");
    project.write("resources/p/train.yaml", train.replace("linear: logistic", "linear: {logistic: {l2: 50}}"));
    let trained = project.run("train", ["p"]);
    trained.exits(0);
    let features = project.latest("data/processed/p/features");
    let training = features.iter().find(|path| path.contains("/training_")).expect("a training table");
    let whole = std::fs::read(project.at(training)).expect("it can be read");
    std::fs::remove_file(project.at(training)).expect("it can be removed");
    let log = project.read("data/models/p/decisions.jsonl");
    if !log.lines().last().expect("a line").contains("\"promote\"") {
        project.run("train", ["p", "--promote", "v2", "--why", "a test"]).exits(0);
    }
    server.wait("the refusal", || server.said().contains("its test cannot be repeated"));
    assert_eq!(versions(&mut client, &[json!(420)]), ["v1"], "the old version answers");
    let described = client.get("/api/v1/pipelines/p").json();
    assert!(described["problem"].as_str().expect("a problem").contains("is not there any more"), "{described}");
    assert_eq!(client.get("/readyz").status, 200, "it answers, if by the old version");
    // The file is back: the next change is taken.
    std::fs::write(project.at(training), whole).expect("it can be written");
    project.run("train", ["p", "--rollback", "--why", "a test"]).exits(0);
    project.run("train", ["p", "--promote", "v2", "--why", "a test"]).exits(0);
    server.wait("v2", || versions(&mut client, &[json!(420)]) == ["v2"]);
    assert_eq!(client.get("/api/v1/pipelines/p").json()["problem"], Value::Null);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn the_same_visitor_gets_the_same_arm_and_shadows_answer_nobody() {
    let project = people();
    let train = project.read("resources/p/train.yaml");
    project.write("resources/p/train.yaml", train.replace("linear: logistic", "linear: {logistic: {l2: 50}}"));
    project.run("train", ["p"]).exits(0);
    project.run("train", ["p", "--promote", "v1", "--why", "a test"]);
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
    assert!(log.column("unit").iter().all(|unit| unit.is_empty()), "masked");
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
    // Somebody new, without a key or a day; a column that no feature reads is passed over.
    let new = json!({"row": {"age": 33, "income": 0.25, "bought": null}});
    assert!(client.post(PREDICTIONS, &new).has_status(200).json()["predictions"][0]["score"].is_f64());
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
    // A second snapshot: the answer has another tag, and the history has both.
    project.run("predict", ["p", "--force"]).exits(0);
    server.wait("the new snapshot", || client.get(path).header("etag") != Some(&tag));
    let history = client.get("/api/v1/results/420/history?pipeline=p").has_status(200).json();
    assert_eq!(history["history"].as_array().expect("a history").len(), 2);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn tokens_have_roles_and_without_any_only_this_machine_is_answered() {
    let project = people();
    project
        .run("serve", ["--listen", "0.0.0.0:0"])
        .exits(2)
        .says("without tokens the server answers this machine only");
    let (viewer, operator) = ("viewer-0123456789abcdef", "operator-0123456789abcdef");
    let project = project.with_variable("SERVE_TOKEN_VIEWER", viewer).with_variable("SERVE_TOKEN_OPERATOR", operator);
    let server = Serve::start(&project, &["--listen", "0.0.0.0:0"]);
    let url = server.url().replace("0.0.0.0", "127.0.0.1");
    let as_who =
        |token: &str| testkit::HttpClient::connect(&url).with_header("authorization", &format!("Bearer {token}"));
    let body = json!({"key": 420});
    let status = |client: &mut testkit::HttpClient| client.post(PREDICTIONS, &body).status;
    assert_eq!(status(&mut testkit::HttpClient::connect(&url)), 401);
    assert_eq!(status(&mut as_who("viewer-0123456789abcdeg")), 401);
    assert_eq!(status(&mut as_who(viewer)), 403);
    assert_eq!(status(&mut as_who(operator)), 200);
    assert_eq!(as_who(viewer).get("/api/v1/results?pipeline=p").status, 200);
    assert_eq!(testkit::HttpClient::connect(&url).get("/metrics").status, 401);
    assert_eq!(testkit::HttpClient::connect(&url).get("/readyz").status, 200);
    let metrics = as_who(viewer).get("/metrics").has_status(200).text();
    assert!(
        metrics.contains("millrace_serve_predictions_total{pipeline=\"p\",arm=\"production\",version=\"v1\"} 1"),
        "{metrics}"
    );
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(!said.contains(viewer) && !said.contains(operator), "{said}");
}

#[test]
fn slow_and_silent_clients_are_let_go_and_too_many_are_turned_away() {
    let project = people();
    let server = Serve::start(&project, &["--idle", "1", "--in-flight", "1"]);
    let began = std::time::Instant::now();
    // Half a head, half a body, and nothing at all.
    for bytes in [
        "GET /healthz HTT".to_owned(),
        format!(
            "POST {PREDICTIONS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{{"
        ),
        String::new(),
    ] {
        let mut client = server.client();
        client.send_raw(bytes.as_bytes()).expect("sent");
        // The connection is closed, or the half request is answered with 408; it does not hang.
        if let Ok(answer) = client.read(false) {
            assert_eq!(answer.status, 408);
        }
    }
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    // One request that sends its body slowly takes the only place.
    let mut slow = server.client();
    slow.send_raw(format!("POST {PREDICTIONS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{{\"key\"").as_bytes()).expect("sent");
    let mut client = server.client();
    let mut turned_away = 0;
    let began = std::time::Instant::now();
    while turned_away == 0 && began.elapsed().as_secs() < 10 {
        let answer = client.post(PREDICTIONS, &json!({"key": 420}));
        if answer.status == 503 {
            assert_eq!(
                (answer.header("retry-after"), answer.json()["error"]["code"].as_str()),
                (Some("1"), Some("busy"))
            );
            turned_away += 1;
        }
    }
    assert!(turned_away > 0);
    assert_eq!(client.get("/healthz").status, 200, "whoever watches is answered");
    drop(slow);
    server.wait("room", || client.post(PREDICTIONS, &json!({"key": 420})).status == 200);
    assert_eq!(server.stop().0, Some(0));
}
