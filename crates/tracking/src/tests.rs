//! Against a server made for the test, which says what MLflow says. `tests/mlflow.rs` asks the real one.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use spec::{Class, Environment};
use testkit::http_server::{HttpAnswer, HttpRequest, HttpServer};

use super::*;

fn settings(server: &HttpServer, more: &[(&str, &str)]) -> Settings {
    let mut variables: BTreeMap<String, String> = [("MLFLOW_TRACKING_URI".to_owned(), server.url("/"))].into();
    variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Settings::of(&Environment::new(variables), "housing").unwrap().unwrap()
}

/// A version of two experiments, the first of which was chosen and has a file.
fn version(folder: &std::path::Path, name: &str, stage: &str) -> Tracked {
    let card = folder.join("card.md");
    std::fs::write(&card, "# Model").unwrap();
    let run = |experiment: &str, chosen| TrackedRun {
        experiment: experiment.to_owned(),
        chosen,
        parameters: vec![("trees".to_owned(), "100".to_owned()), ("long".to_owned(), "x".repeat(600))],
        metrics: vec![("valid_mae".to_owned(), 320.5)],
        tags: vec![("spec".to_owned(), "5f3a".to_owned())],
        files: if chosen { vec![("card.md".to_owned(), card.clone())] } else { Vec::new() },
    };
    Tracked {
        version: name.to_owned(),
        stage: Some(stage.to_owned()),
        registered: stage != "refused",
        began: 1_700_000_000_000,
        runs: vec![run("fast", true), run("slow", false)],
    }
}

fn run_of(name: &str, status: &str) -> Value {
    json!({ "info": { "run_id": format!("id-{name}"), "run_name": name, "status": status,
        "artifact_uri": format!("mlflow-artifacts:/1/id-{name}/artifacts"), "start_time": 1_700_000_000_000i64 } })
}

/// Answers as a server that has `runs`, and `models` of the registered model.
fn mlflow(runs: Vec<Value>, models: Vec<Value>, aliases: Value) -> HttpServer {
    HttpServer::start(move |_, request| {
        let path = request.path.split('?').next().unwrap_or_default();
        let asked: Value = serde_json::from_str(&request.body).unwrap_or(Value::Null);
        let missing =
            || HttpAnswer::status(404, r#"{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "not there"}"#);
        let answer = match path.trim_start_matches("/api/2.0/mlflow/") {
            "experiments/get-by-name" if runs.is_empty() => return missing(),
            "experiments/get-by-name" => json!({ "experiment": { "experiment_id": "1" } }),
            "experiments/create" => json!({ "experiment_id": "1" }),
            "runs/search" => json!({ "runs": runs }),
            "runs/create" => json!({ "run": run_of(asked["run_name"].as_str().unwrap(), "RUNNING") }),
            "registered-models/get" if models.is_empty() => return missing(),
            "registered-models/get" => json!({ "registered_model": { "aliases": aliases } }),
            "model-versions/search" => json!({ "model_versions": models }),
            "model-versions/create" => json!({ "model_version": { "version": "7" } }),
            _ => json!({}),
        };
        HttpAnswer::ok(&answer.to_string())
    })
}

/// Method and path of each request, without what they all begin with.
fn calls(server: &HttpServer) -> Vec<String> {
    let short = |request: HttpRequest| {
        let path = request.path.trim_start_matches("/api/2.0/mlflow/").trim_start_matches("/api/2.0/").to_owned();
        format!("{} {}", request.method, path.split('?').next().unwrap_or_default())
    };
    server.requests().into_iter().map(short).collect()
}

fn bodies(server: &HttpServer, call: &str) -> Vec<Value> {
    let requests = server.requests().into_iter().filter(|request| request.path.ends_with(call));
    requests.map(|request| serde_json::from_str(&request.body).unwrap()).collect()
}

#[test]
fn a_new_server_gets_everything() {
    let folder = tempfile::tempdir().unwrap();
    let server = mlflow(Vec::new(), Vec::new(), Value::Null);
    let sent = send(&settings(&server, &[]), "housing", &[version(folder.path(), "v1", "production")]).unwrap();
    assert_eq!(
        sent,
        Sent {
            runs: vec!["v1/fast".to_owned(), "v1/slow".to_owned()],
            registered: vec!["v1".to_owned()],
            aliases: vec!["production = v1".to_owned()],
            warnings: Vec::new(),
        }
    );
    assert_eq!(
        calls(&server),
        [
            "GET experiments/get-by-name",
            "POST experiments/create",
            "POST runs/search",
            "POST runs/create",
            "POST runs/log-batch",
            "PUT mlflow-artifacts/artifacts/1/id-v1/fast/artifacts/card.md",
            "POST runs/update",
            "POST runs/create",
            "POST runs/log-batch",
            "POST runs/update",
            "GET registered-models/get",
            "POST registered-models/create",
            "GET model-versions/search",
            "POST model-versions/create",
            "POST model-versions/set-tag",
            "POST registered-models/alias",
        ]
    );
    let batch = &bodies(&server, "runs/log-batch")[0];
    assert_eq!(
        batch["metrics"][0],
        json!({"key": "valid_mae", "value": 320.5, "timestamp": 1_700_000_000_000i64, "step": 0})
    );
    assert_eq!(batch["params"][0], json!({"key": "trees", "value": "100"}));
    assert_eq!(batch["params"][1]["value"].as_str().unwrap().chars().count(), 500);
    assert_eq!(batch["tags"][0], json!({"key": "millrace.spec", "value": "5f3a"}));
    let model = &bodies(&server, "model-versions/create")[0];
    assert_eq!(model["source"], "mlflow-artifacts:/1/id-v1/fast/artifacts/model");
    assert_eq!(
        bodies(&server, "set-tag")[0],
        json!({"name": "housing", "version": "7", "key": "millrace.stage", "value": "production"})
    );
    assert_eq!(
        bodies(&server, "registered-models/alias")[0],
        json!({"name": "housing", "alias": "production", "version": "7"})
    );
}

/// What the server has of `v1` once it has it.
fn registered(stage: &str) -> Value {
    json!({ "version": "7", "run_id": "id-v1/fast", "tags": [{ "key": "millrace.stage", "value": stage }] })
}

#[test]
fn what_is_there_is_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let runs = vec![run_of("v1/fast", "FINISHED"), run_of("v1/slow", "FINISHED")];
    let server = mlflow(runs, vec![registered("production")], json!([{ "alias": "production", "version": "7" }]));
    let sent = send(&settings(&server, &[]), "housing", &[version(folder.path(), "v1", "production")]).unwrap();
    assert_eq!(sent, Sent::default());
    assert_eq!(
        calls(&server),
        ["GET experiments/get-by-name", "POST runs/search", "GET registered-models/get", "GET model-versions/search"]
    );
}

#[test]
fn a_project_that_begins_anew_is_another_and_what_was_thrown_away_stays_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut earlier = run_of("v1/fast", "FINISHED");
    earlier["info"]["start_time"] = "1600000000000".into();
    let mut deleted = run_of("v1/slow", "FINISHED");
    deleted["info"]["lifecycle_stage"] = "deleted".into();
    let server = mlflow(vec![earlier, deleted], Vec::new(), Value::Null);
    let sent = send(&settings(&server, &[]), "housing", &[version(folder.path(), "v1", "staging")]).unwrap();
    assert_eq!((sent.runs, sent.registered), (vec!["v1/fast".to_owned()], vec!["v1".to_owned()]));
}

#[test]
fn an_interrupted_run_is_completed_and_a_new_stage_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let runs = vec![run_of("v1/fast", "FINISHED"), run_of("v1/slow", "RUNNING")];
    let server = mlflow(runs, vec![registered("production")], json!([{ "alias": "production", "version": "7" }]));
    let versions = [
        version(folder.path(), "v1", "archived"),
        Tracked { runs: Vec::new(), ..version(folder.path(), "v2", "refused") },
    ];
    let sent = send(&settings(&server, &[]), "housing", &versions).unwrap();
    assert_eq!((sent.runs, sent.registered), (vec!["v1/slow".to_owned()], Vec::<String>::new()));
    assert_eq!(sent.aliases, ["production = none"]);
    let calls = calls(&server);
    assert!(!calls.contains(&"POST runs/create".to_owned()), "{calls:?}");
    assert!(calls.contains(&"DELETE registered-models/alias".to_owned()), "{calls:?}");
    assert_eq!(bodies(&server, "runs/update")[0]["run_id"], "id-v1/slow");
    assert_eq!(bodies(&server, "set-tag")[0]["value"], "archived");
}

#[test]
fn files_that_the_server_does_not_keep_are_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = run_of("v1/fast", "RUNNING");
    run["info"]["artifact_uri"] = "s3://bucket/1".into();
    let server = mlflow(vec![run, run_of("v1/slow", "FINISHED")], vec![registered("staging")], Value::Null);
    let sent = send(&settings(&server, &[]), "housing", &[version(folder.path(), "v1", "staging")]).unwrap();
    assert_eq!(sent.aliases, ["staging = v1"]);
    assert_eq!(
        sent.warnings,
        ["the files of v1/fast were not sent: the server keeps files by 's3:'; start it with --serve-artifacts"]
    );
}

#[test]
fn credentials_are_sent_and_never_reported() {
    let folder = tempfile::tempdir().unwrap();
    let versions = [version(folder.path(), "v1", "staging")];
    for (variables, header) in [
        // base64 of ann:p4ss
        (vec![("MLFLOW_TRACKING_USERNAME", "ann"), ("MLFLOW_TRACKING_PASSWORD", "p4ss")], "Basic YW5uOnA0c3M="),
        (vec![("MLFLOW_TRACKING_TOKEN", "t0ken")], "Bearer t0ken"),
    ] {
        let server = HttpServer::answering([HttpAnswer::status(401, "who are you?")]);
        let settings = settings(&server, &variables);
        let error = send(&settings, "housing", &versions).unwrap_err();
        assert_eq!(server.requests()[0].header("authorization"), Some(header));
        let said = format!("{error} {settings:?}");
        assert!(
            said.contains(": experiments/get-by-name: 401 Unauthorized: who are you?; set MLFLOW_TRACKING_USERNAME"),
            "{said}"
        );
        for secret in ["p4ss", "t0ken", "YW5u"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[test]
fn a_token_that_no_header_can_hold_is_for_people_to_correct() {
    let folder = tempfile::tempdir().unwrap();
    let server = mlflow(Vec::new(), Vec::new(), Value::Null);
    let settings = settings(&server, &[("MLFLOW_TRACKING_TOKEN", "t0\nken")]);
    let error = send(&settings, "housing", &[version(folder.path(), "v1", "staging")]).unwrap_err();
    assert_eq!(error.class(), Class::CannotRun);
    let said = error.to_string();
    assert!(
        said.contains("the request cannot be made: ") && said.ends_with("line ends in MLFLOW_TRACKING_TOKEN"),
        "{said}"
    );
    assert!(!said.contains("ken\n") && !said.contains("t0"), "{said}");
}

#[test]
fn a_server_that_fails_is_to_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let versions = [version(folder.path(), "v1", "staging")];
    let server = HttpServer::answering([HttpAnswer::status(503, "<html>busy</html>")]);
    let error = send(&settings(&server, &[]), "housing", &versions).unwrap_err();
    assert_eq!(error.class(), Class::TryAgain);
    assert!(
        error.to_string().ends_with(": experiments/get-by-name: 503 Service Unavailable: <html>busy</html>"),
        "{error}"
    );
    let down = settings(
        &server,
        &[("MLFLOW_TRACKING_URI", &{
            let gone = HttpServer::answering([HttpAnswer::Cut]);
            gone.url("/").replace("http://", "http://ann:p4ss@")
        })],
    );
    let error = send(&down, "housing", &versions).unwrap_err();
    assert_eq!(error.class(), Class::TryAgain);
    let said = error.to_string();
    assert!(
        said.contains("MLflow at 127.0.0.1:") && said.contains(": no connection: ") && !said.contains("p4ss"),
        "{said}"
    );
    let other = HttpServer::answering([HttpAnswer::ok("<html>a page</html>")]);
    let error = send(&settings(&other, &[]), "housing", &versions).unwrap_err().to_string();
    assert!(error.contains("the answer has no JSON object; MLFLOW_TRACKING_URI must be the address of"), "{error}");
    let moved =
        HttpServer::answering([HttpAnswer::status(302, "").with_header("location", "https://login.example/?t=x")]);
    let error = send(&settings(&moved, &[]), "housing", &versions).unwrap_err().to_string();
    assert!(error.contains(": 302 Found; write the address that the server redirects to as MLFLOW"), "{error}");
    assert!(!error.contains("login.example"), "{error}");
}

/// Answers as [`mlflow`] does, but for one call.
fn but_for(call: &'static str, answer: &'static str) -> HttpServer {
    HttpServer::start(move |_, request| {
        let path = request.path.split('?').next().unwrap_or_default();
        let body = match path {
            path if path.ends_with(call) => answer,
            path if path.ends_with("experiments/get-by-name") => r#"{"experiment": {"experiment_id": "1"}}"#,
            path if path.ends_with("runs/create") => {
                r#"{"run": {"info": {"run_id": "r", "artifact_uri": "mlflow-artifacts:/1/r"}}}"#
            }
            path if path.ends_with("registered-models/get") => r#"{"registered_model": {}}"#,
            _ => "{}",
        };
        HttpAnswer::ok(body)
    })
}

/// A page in place of an answer is neither "there is nothing" nor "done": runs would be sent twice, or not at all.
#[test]
fn a_page_is_not_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let versions = [version(folder.path(), "v1", "staging")];
    for (call, answer) in [
        ("runs/search", "<html>log in</html>"),
        ("runs/search", ""),
        ("runs/search", "[]"),
        ("runs/log-batch", "<html>log in</html>"),
        ("card.md", "<html>log in</html>"),
        ("runs/update", "<html>log in</html>"),
        ("model-versions/search", ""),
    ] {
        let server = but_for(call, answer);
        let error = send(&settings(&server, &[]), "housing", &versions).unwrap_err();
        assert_eq!(error.class(), Class::CannotRun);
        assert!(error.to_string().contains(&format!("{call}: the answer has no JSON object; ")), "{call}: {error}");
    }
    // Whatever stores files may say nothing.
    assert!(
        send(&settings(&but_for("card.md", ""), &[]), "housing", &versions).unwrap_err().to_string().contains("create")
    );
}

#[test]
fn pages_that_repeat_themselves_end() {
    let folder = tempfile::tempdir().unwrap();
    let versions = [version(folder.path(), "v1", "staging")];
    for call in ["runs/search", "model-versions/search"] {
        let server = but_for(call, r#"{"next_page_token": "same"}"#);
        let error = send(&settings(&server, &[]), "housing", &versions).unwrap_err().to_string();
        assert!(error.contains(&format!("{call}: the answer has no token for another page; ")), "{error}");
        assert_eq!(calls(&server).iter().filter(|made| made.ends_with(call)).count(), 2);
    }
}

#[test]
fn settings_come_from_mlflows_variables() {
    let of = |variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::of(&Environment::new(variables), "housing")
    };
    assert!(of(&[]).unwrap().is_none());
    let named =
        of(&[("MLFLOW_TRACKING_URI", "https://ann:p4ss@ml.example/base/"), ("MLFLOW_EXPERIMENT_NAME", "homes")]);
    let named = named.unwrap().unwrap();
    assert_eq!(format!("{named:?}"), r#"Settings { server: "ml.example", experiment: "homes" }"#);
    assert_eq!(Api::new(&named).unwrap().url("api/a b").path(), "/base/api/a%20b");
    for address in ["sqlite:///p4ss.db", "databricks", "p4ss"] {
        let error = of(&[("MLFLOW_TRACKING_URI", address)]).unwrap_err().to_string();
        assert!(error.starts_with("MLFLOW_TRACKING_URI is not the address of a server; write http://"), "{error}");
        assert!(!error.contains("p4ss"), "{error}");
    }
}
