//! The whole story of a model, as `make loop` tells it, and the books of the server: every answer is in a sealed table once.

use std::collections::BTreeMap;

use serde_json::Value;

#[test]
fn a_model_is_served_replaced_retrained_and_put_back() {
    let mut lines = Vec::new();
    let told = tests::story::tell(&mut |line| lines.push(line.to_owned()), &mut |_| {});
    let text = lines.join("\n");
    let project = &told.project;

    let log = project.read("data/models/housing/decisions.jsonl");
    let entries: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("a decision")).collect();
    let changes: Vec<(&str, &str)> = entries
        .iter()
        .map(|entry| (entry["action"].as_str().expect("an action"), entry["version"].as_str().expect("a version")))
        .filter(|(action, _)| ["promote", "rollback"].contains(action))
        .collect();
    let expected = [("promote", "v1"), ("promote", "v2"), ("promote", "v3"), ("promote", "v4"), ("rollback", "v3")];
    assert_eq!(changes, expected, "{text}");
    // The second and the third were promoted for what visitors did.
    for version in ["v2", "v3"] {
        let entry = entries.iter().find(|entry| entry["action"] == "promote" && entry["version"] == version);
        let entry = entry.expect("it was promoted");
        assert!(entry["judged_on"].is_string() && entry["metrics"]["improvement"].as_f64() > Some(0.05), "{entry}");
    }
    let last = entries.last().expect("a decision");
    let why = last["why"].as_str().expect("a reason");
    assert!(why.starts_with("automatically, while it took over: ") && why.contains(" answers failed ("), "{why}");
    for words in ["drifted", "was put back"] {
        assert!(told.alerts.iter().any(|alert| alert.contains(words)), "no alert has '{words}': {text}");
    }
    assert!(text.contains("train housing: runs because drift of "), "{text}");

    // The books: every answer is in a sealed table, once.
    let mut sealed: BTreeMap<String, usize> = BTreeMap::new();
    let mut refused = 0;
    for path in project.latest("data/raw/housing_served").iter().filter(|path| path.contains("/requests_")) {
        let table = project.table(path);
        for (id, status) in table.column("request_id").into_iter().zip(table.column("status")) {
            match status {
                "200" => *sealed.entry(id.to_owned()).or_default() += 1,
                _ => refused += 1,
            }
        }
    }
    let answered = told.answered.iter().filter_map(|answer| answer.request_id.clone());
    let answered: BTreeMap<String, usize> = answered.map(|id| (id, 1)).collect();
    assert_eq!(sealed, answered);
    assert_eq!(refused, told.answered.iter().filter(|answer| answer.status != 200).count());
    // So are the outcomes of all visitors who signed.
    let outcomes = project.latest("data/raw/housing_served");
    let contracts: usize = outcomes
        .iter()
        .filter(|path| path.contains("/outcomes_"))
        .map(|path| project.table(path).column("name").into_iter().filter(|name| *name == "contract").count())
        .sum();
    assert_eq!(contracts, told.answered.iter().filter(|answer| answer.signed).count());
    // They are an ordinary source.
    project.write(
        "resources/log/ingest.yaml",
        "tables:\n  requests:\n    source: {file: {path: data/raw/housing_served/requests_*.parquet}}\n",
    );
    let ingested = project.run("ingest", ["log"]);
    ingested.exits(0);
    assert_eq!(project.table(&ingested.path()).column("status").len(), told.answered.len());
}
