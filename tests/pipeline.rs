//! The whole `churn` pipeline, as shipped, at 20,000 purchases.

use serde_json::Value;
use testkit::{Project, whole_parquet};
use tests::{TOOLS, assert_balanced, folder, run_all, small_churn};

#[test]
fn runs_from_a_log_to_scores_and_is_then_up_to_date() {
    let project = small_churn();
    let printed = run_all(&project, "churn");

    for path in printed.iter().flatten().filter(|path| path.ends_with(".parquet")) {
        whole_parquet(&project.at(path)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(project.evidence(path)["pipeline"], "churn");
        assert_balanced(&project, path);
    }

    let delivered = printed[5].first().expect("export printed a path");
    let csv = std::fs::read(project.at(delivered)).expect("the export can be read");
    assert!(csv.starts_with(b"\xEF\xBB\xBF"), "{delivered}: no byte order mark: Excel would not know it as UTF-8");

    for tool in TOOLS {
        let again = project.run(tool, ["churn"]);
        again.exits(0).says("up to date");
        assert_eq!(again.stdout(), project.latest(&folder(tool, "churn")));
    }
}

#[test]
fn is_a_chain_of_pipes_too() {
    let project = small_churn();
    let mut paths = project.run("ingest", ["churn"]);
    for tool in ["clean", "features", "train"] {
        paths.exits(0);
        paths = project.run_with_stdin(tool, ["churn", "-"], &paths.bytes);
    }
    paths.exits(0);
    let scores = project.run("predict", ["churn"]);
    let scores = project.run_with_stdin("export", ["churn", "-", "-o", "-"], &scores.bytes);
    scores.exits(0);
    assert!(scores.stdout().len() > 100, "{scores}");
}

#[test]
fn equal_runs_give_equal_bytes() {
    let (one, other) = (small_churn(), small_churn());
    let content = |project: &Project, paths: &[String]| -> Vec<Value> {
        paths.iter().map(|path| project.evidence(path)["content"].clone()).collect()
    };
    // What follows bears the time of its run: the model's card, the moment of scoring.
    for tool in &TOOLS[..3] {
        let (printed, reprinted) = (one.run(tool, ["churn"]), other.run(tool, ["churn"]));
        assert_eq!(
            content(&one, &printed.stdout()),
            content(&other, &reprinted.stdout()),
            "{tool} is not deterministic"
        );
    }
    one.run("train", ["churn"]).exits(0);
    other.run("train", ["churn"]).exits(0);
    let predictions = ["data/models/churn/v1/predictions.parquet".to_owned()];
    assert_eq!(content(&one, &predictions), content(&other, &predictions), "train is not deterministic");
}

#[test]
fn a_forced_equal_model_is_not_promoted_and_the_log_says_why() {
    let project = small_churn();
    run_all(&project, "churn");
    let again = project.run("train", ["churn", "--force"]);
    again.exits(0);
    let decisions = project.run("train", ["churn", "--decisions"]);
    decisions.exits(0);
    let text = decisions.stdout().join("\n");
    assert!(text.contains("v1") && text.contains("v2"), "{decisions}");
    let scores = project.run("predict", ["churn"]);
    scores.exits(0);
    let versions = project.table(&scores.path());
    let used = versions.column("model_version");
    assert!(used.iter().all(|version| *version == "v1"), "the equal challenger took over: {}", used[0]);
}

#[test]
fn another_version_can_be_asked_for() {
    let project = small_churn();
    run_all(&project, "churn");
    project.run("train", ["churn", "--force"]).exits(0);
    let scores = project.run("predict", ["churn", "--model", "v2"]);
    scores.exits(0);
    assert_eq!(project.table(&scores.path()).column("model_version")[0], "v2");
    project.run("predict", ["churn", "--model", "v9"]).exits(2).says("v9");
}

#[test]
fn features_do_not_look_into_the_future() {
    let project = small_churn();
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["churn"]).exits(0);
    }
    project.run("features", ["churn", "--prove"]).exits(0);
}

#[test]
fn a_prediction_can_be_traced_to_raw_rows() {
    let project = small_churn();
    let raw = project.run("ingest", ["churn"]).path();
    let table = project.table(&raw);
    assert!(
        table.columns.iter().any(|column| column == "_file") && table.columns.iter().any(|column| column == "_row")
    );
    let clean = project.run("clean", ["churn"]).path();
    let cleaned = project.table(&clean);
    let rows = table.column("_row");
    let first = cleaned.column("_row")[0];
    assert!(rows.contains(&first), "row {first} of the clean table is not in the raw one");
}

#[test]
fn every_run_leaves_a_pair_of_events() {
    let project = small_churn();
    project.run("ingest", ["churn"]).exits(0);
    let log = project.read("data/runs/churn.jsonl");
    let kinds: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON")["eventType"].to_string())
        .collect();
    assert_eq!(kinds, ["\"START\"", "\"COMPLETE\""]);
}
