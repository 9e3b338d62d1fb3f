//! A regression from its spec to predictions with intervals, the list of runs, and an MLflow server that receives
//! them: one made for the test that is down, and the real one where it is installed.

use std::process::Stdio;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use testkit::http_server::{HttpAnswer, HttpServer};
use testkit::{Mlflow, Project};
use tests::small_churn;

const TRAIN: &str = "\
table: training
label: dearest
task: regression
label_transform: log
intervals: {coverage: 0.8}
entity: customer_id
time: cutoff
exclude: [customer_id, cutoff, basket_max, churned]
split: {by: group}
experiments:
  boosted: {lightgbm: {trees: 60, learning_rate: 0.1}}
  linear: {elastic_net: {penalty: 0.01}}
  readable: {tree: {depth: 4}}
choose_by: mae
gate: [{metric: r2, at_least: 0.3}, {metric: coverage, at_least: 0.7}]
resamples: 200
";

/// `churn` with the price of the dearest basket, at least 1, as its label; up to the features.
fn baskets() -> Project {
    let project = small_churn();
    let mut features = project.read("resources/churn/features.yaml");
    features += "\n  dearest: {sql: CASE WHEN basket_max > 1 THEN basket_max ELSE 1 END}\n";
    project.write("resources/churn/features.yaml", features).write("resources/churn/train.yaml", TRAIN);
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["churn"]).exits(0);
    }
    project
}

#[test]
fn numbers_are_predicted_with_intervals_and_every_run_is_listed() {
    let project = baskets();
    project.run("train", ["churn"]).exits(0).says("v1 (").says("promote");
    let card = project.read("data/models/churn/v1/card.md");
    for part in ["smearing factor", "## Prediction intervals", "| coverage", "errors.svg"] {
        assert!(card.contains(part), "no {part} in {card}");
    }
    let scores = project.table(&project.run("predict", ["churn"]).path());
    let numbers = |name: &str| -> Vec<f64> { scores.column(name).iter().map(|cell| cell.parse().unwrap()).collect() };
    let bounds = numbers("low").into_iter().zip(numbers("high"));
    assert!(!scores.column("score").is_empty());
    for ((low, high), score) in bounds.zip(numbers("score")) {
        assert!(0.0 < low && low < score && score < high, "{low} {score} {high}");
    }

    let table = project.run("train", ["churn", "--runs", "--sort", "mae"]);
    table.exits(0);
    let lines = table.stdout();
    assert_eq!(lines.len(), 5, "{table}");
    assert!(lines[0].starts_with("version  experiment  learner      parameters"), "{table}");
    assert!(lines[1].contains("trees=60") && lines[1].contains("*       production"), "{table}");
    let chosen = project.run("train", ["churn", "--runs", "--where", "chosen AND mae > 0", "--format", "json"]);
    assert_eq!(chosen.stdout().len(), 1, "{chosen}");
    project.run("train", ["churn", "--runs", "--where", "maee > 0"]).exits(2).says("did you mean 'mae'?");
    project.run("train", ["churn", "--sort", "mae"]).exits(2).says("--runs");
}

#[test]
fn a_tracking_server_that_is_down_never_fails_a_training() {
    let down = HttpServer::answering([HttpAnswer::Cut]).url("");
    let secret = "a-pass-that-nobody-may-see";
    let project = baskets()
        .with_variable("MLFLOW_TRACKING_URI", &down)
        .with_variable("MLFLOW_TRACKING_USERNAME", "ann")
        .with_variable("MLFLOW_TRACKING_PASSWORD", secret);
    let trained = project.run("train", ["churn"]);
    trained.exits(0).says("train churn: not tracked, the next run sends it: MLflow at 127.0.0.1:").never_says(secret);
    assert!(project.exists("data/models/churn/v1/card.md"));
    project.run("train", ["churn", "--track"]).exits(75).says("no connection").never_says(secret);

    let Some(server) = Mlflow::start() else { return };
    let project = project.with_variable("MLFLOW_TRACKING_URI", server.url(""));
    project
        .run("train", ["churn", "--track"])
        .exits(0)
        .says("tracked: runs v1/boosted, v1/linear, v1/readable, v1/baseline; registered v1; aliases production = v1");
    project.run("train", ["churn", "--track"]).exits(0).says("the tracking server is up to date");
}

#[test]
fn a_tracking_server_that_never_answers_holds_up_nobody() {
    let (arrived, wait) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let (arrived, gate) = (Mutex::new(arrived), Mutex::new(gate));
    let server = HttpServer::start(move |_, _| {
        let _ = arrived.lock().unwrap().send(());
        // Until the test ends, which drops the other side.
        let _ = gate.lock().unwrap().recv();
        HttpAnswer::Cut
    });
    let open = open;
    let project = baskets().with_variable("MLFLOW_TRACKING_URI", server.url(""));
    let mut command = project.command("train", ["churn"]);
    let child = command.stderr(Stdio::piped()).spawn().expect("train starts");
    wait.recv_timeout(Duration::from_secs(300)).expect("the server is asked");
    // The version exists and was decided on, and the stage is free, though the server has not answered.
    assert_eq!(project.latest("data/models/churn"), ["data/models/churn/v1"]);
    let decisions = project.run("release", ["churn", "--history"]);
    decisions.exits(0);
    assert_eq!(decisions.stdout().len(), 1, "{decisions}");
    let begun = Instant::now();
    testkit::signal::send("TERM", &child.id().to_string()).expect("a signal can be sent");
    let ended = child.wait_with_output().expect("it ends");
    assert!(begun.elapsed() < Duration::from_secs(5), "it waited for the server");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(75) && said.contains("interrupted by SIGTERM after its end"), "{said}");
    drop(open);
}

#[test]
fn tracking_without_a_server_says_which_variable_names_one() {
    let project = baskets();
    project.run("train", ["churn", "--track"]).exits(2).says("set MLFLOW_TRACKING_URI: address of the server");
}
