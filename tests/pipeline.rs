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
    let decisions = project.run("release", ["churn", "--history"]);
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
fn another_version_can_be_requested() {
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

/// From a score back to the lines of the file it was made of, by what the artifacts themselves say.
#[test]
fn a_prediction_can_be_traced_to_raw_rows() {
    let project = Project::new();
    let mut log = "id,customer,day,amount\n".to_owned();
    let mut random = testkit::Random::seeded(8);
    for id in 0..1_500 {
        // Every other customer stays away from summer on, which a model can learn.
        let customer = random.below(120);
        let (day, amount) = (random.below(if customer.is_multiple_of(2) { 360 } else { 200 }), 1 + random.below(90));
        log += &format!("{id}, c{customer} ,2025-{:02}-{:02},{amount}\n", 1 + day / 30, 1 + day % 28);
    }
    project
        .write("log.csv", &log)
        .write("resources/p/ingest.yaml", "tables:\n  log: {source: {file: {path: log.csv}}}\n")
        .write("resources/p/clean.yaml", "tables:\n  log: {steps: [trim: {columns: [customer]}]}\n")
        .write(
            "resources/p/features.yaml",
            "table: log\nentity: customer\ntime: day\ncutoffs: {every: 30d, count: 6}\nlabel: {name: gone, horizon: 30d, is: \
             no_rows}\nfeatures: {n: count, last: recency, spent: {sum: {of: amount}}}\n",
        )
        .write(
            "resources/p/train.yaml",
            "table: training\nlabel: gone\ntask: classification\nentity: customer\ntime: cutoff\nsplit: {by: group}\n\
             experiments: {linear: logistic}\nresamples: 100\n",
        )
        .write("resources/p/predict.yaml", "table: scoring\nreasons: 1\n");
    for tool in ["ingest", "clean", "features", "train"] {
        project.run(tool, ["p"]).exits(0);
    }
    let scores = project.run("predict", ["p"]).path();
    let input = |path: &str, of: &str| -> String {
        let evidence = project.evidence(path);
        let inputs = evidence["inputs"].as_array().expect("the evidence names its inputs");
        let mut paths = inputs.iter().filter_map(|input| input["path"].as_str());
        paths.find(|path| path.contains(of)).unwrap_or_else(|| panic!("{path} names no input '{of}'")).to_owned()
    };
    let scored = project.table(&scores);
    let customer = scored.column("customer")[0].to_owned();
    // The score names its model, the evidence its rows; these theirs, down to the file.
    let version = scored.column("model_version")[0].to_owned();
    assert!(project.exists(format!("data/models/p/{version}/model.json")), "{version}");
    let scoring = input(&scores, "/features/scoring_");
    let clean = input(&scoring, "/clean/log_");
    let raw = input(&clean, "data/raw/p/log_");
    assert_eq!(input(&raw, "log.csv"), "log.csv");
    let features = project.table(&scoring);
    let at = features.column("customer").iter().position(|name| *name == customer).expect("the scored row");
    let (purchases, cutoff) = (features.column("n")[at].to_owned(), features.column("cutoff")[at].to_owned());
    let cleaned = project.table(&clean);
    let (days, files, rows) = (cleaned.column("day"), cleaned.column("_file"), cleaned.column("_row"));
    let mut lines = Vec::new();
    for (row, name) in cleaned.column("customer").iter().enumerate() {
        if *name == customer && days[row] < cutoff.as_str() {
            assert_eq!(files[row], "log.csv");
            lines.push(rows[row].parse::<usize>().expect("a line number"));
        }
    }
    assert_eq!(lines.len().to_string(), purchases, "the feature counts the rows that it was made of");
    for line in lines {
        let text = log.lines().nth(line - 1).expect("the line is there");
        assert!(text.contains(&format!(" {customer} ")), "line {line}: {text}");
    }
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

/// An incremental table keeps what earlier runs read, and their evidence shows that a file has changed since.
#[test]
fn an_incremental_stage_is_up_to_date_once_it_has_looked() {
    let project = Project::new();
    let database = project.at("shop.db").display().to_string();
    let sql = |statement: &str| {
        let done = std::process::Command::new("sqlite3").args([&database, statement]).output();
        done.is_ok_and(|output| output.status.success())
    };
    if !sql("CREATE TABLE orders (id INTEGER, amount REAL); INSERT INTO orders VALUES (1, 2.5), (2, 3)") {
        testkit::skipped("sqlite3", "no sqlite3");
        return;
    }
    project.write(
        "resources/s/ingest.yaml",
        "tables:\n  orders: {source: {sqlite: {path: shop.db, table: orders, incremental: id}}}\n  spending: {source: {sqlite: {path: \
         shop.db, query: SELECT sum(amount) AS spent FROM orders}}, columns: {spent: float64}}\n",
    );
    project.run("ingest", ["s"]).exits(0);
    project.run("ingest", ["s"]).exits(0).says("up to date");
    assert!(sql("INSERT INTO orders VALUES (3, 4)"));
    let added = project.run("ingest", ["s"]);
    added.exits(0).says("runs because");
    assert_eq!(added.stdout().len(), 3, "two parts of orders, and spending: {added}");
    let again = project.run("ingest", ["s"]);
    again.exits(0).says("up to date");
    assert_eq!(again.stdout(), added.stdout());
    // A change that brings nothing new is looked at once.
    project.write(
        "resources/s/ingest.yaml",
        "tables:\n  orders: {source: {sqlite: {path: shop.db, table: orders, incremental: id}}}\n",
    );
    project.run("ingest", ["s"]).exits(0);
    assert!(sql("UPDATE orders SET amount = 9 WHERE id = 1"));
    let looked = project.run("ingest", ["s"]);
    looked.exits(0).says("runs because");
    let again = project.run("ingest", ["s"]);
    again.exits(0).says("up to date");
    assert_eq!(again.stdout(), looked.stdout());
    assert!(sql("INSERT INTO orders VALUES (4, 1)"));
    let more = project.run("ingest", ["s"]);
    more.exits(0);
    assert_eq!(more.stdout().len(), looked.stdout().len() + 1, "{more}");
    // A table that was restored has no rows for us; the run says so.
    assert!(sql("DELETE FROM orders; INSERT INTO orders VALUES (1, 1)"));
    let restored = project.run("ingest", ["s"]);
    restored.exits(0).says("orders: shop.db: no row has the value of the bookmark, 4, or a greater one any more;");
    assert_eq!(restored.stdout(), more.stdout());
}
