//! A server of a project whose snapshots live in a store: it sees what other machines publish and decide, and sends what it
//! logged. A folder stands for all kinds of store.

use serde_json::json;
use testkit::{HttpClient, Project, Serve};
use tests::people_pipeline;
use tests::served::{PREDICTIONS, versions};

/// A machine of the project with this store.
fn machine(store: &Project) -> Project {
    let project = people_pipeline();
    project.write("resources/p/serve.yaml", "rollout: {smoke_for: 1ms, watch_for: 1ms}\n");
    project.with_variable("MILLRACE_STORE", format!("file://{}/store", store.root().display()))
}

#[test]
fn a_server_follows_the_store_and_sends_its_log() {
    let store = Project::new();
    let (worker, answering) = (machine(&store), machine(&store));
    for tool in ["ingest", "clean", "features", "train", "predict"] {
        worker.run(tool, ["p"]).exits(0);
    }
    // Nothing is on the disk of the machine that answers.
    assert!(!answering.exists("data/models"));
    let server = Serve::start(&answering, &["--store-every", "1"]);
    let mut client = server.client();
    let id = client.post(PREDICTIONS, &json!({"key": 420})).has_status(200).json()["request_id"].clone();
    assert_eq!(versions(&mut client, &[json!(420)]), ["v1"]);
    server.wait("raw rows", || client.post(PREDICTIONS, &json!({"row": {"age": 33, "income": 0.5}})).status == 200);
    let tag = client.get("/api/v1/results?pipeline=p").has_status(200).header("etag").expect("a tag").to_owned();
    // Another version, decided on elsewhere; and another snapshot of results.
    let train = worker.read("resources/p/train.yaml");
    worker.write("resources/p/train.yaml", train.replace("linear: logistic", "linear: {logistic: {l2: 50}}"));
    worker.run("train", ["p"]).exits(0);
    if !worker.read("data/models/p/decisions.jsonl").lines().last().expect("a line").contains("\"promote\"") {
        worker.run("release", ["p", "--promote", "v2", "--why", "a test"]).exits(0);
    }
    server.wait("v2", || versions(&mut client, &[json!(420)]) == ["v2"]);
    worker.run("predict", ["p", "--force"]).exits(0);
    server.wait("new results", || client.get("/api/v1/results?pipeline=p").header("etag") != Some(&tag));
    // The store is gone for a while: no request notices.
    let (folder, away) = (store.at("store"), store.at("away"));
    std::fs::rename(&folder, &away).expect("it can be renamed");
    store.write("store", "no folder");
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(versions(&mut client, &[json!(420)]), ["v2"]);
    assert_eq!(client.get("/readyz").status, 200);
    std::fs::remove_file(&folder).and_then(|()| std::fs::rename(&away, &folder)).expect("it can be put back");
    let (code, said) = server.stop();
    assert_eq!(code, Some(0), "{said}");
    // What was logged is in the store, with what another server had sent: an ordinary source for the worker.
    let sealed = answering.latest("data/raw/p_served");
    let in_store = std::fs::read_to_string(store.at("store/raw/p_served/latest")).expect("a snapshot");
    assert_eq!(in_store.lines().collect::<Vec<_>>(), sealed);
    let other = machine(&store);
    let second = Serve::start(&other, &[]);
    versions(&mut second.client(), &[json!(421)]);
    // Even if it was in the same second: in a file of its own; the first server's stays listed.
    let (code, said) = second.stop();
    assert_eq!(code, Some(0), "{said}");
    let both = std::fs::read_to_string(store.at("store/raw/p_served/latest")).expect("a snapshot");
    assert_eq!(both.lines().count(), sealed.len() + 1, "{both}{said}");
    assert!(both.starts_with(&in_store), "{both}");
    let log = answering.table(sealed.iter().find(|path| path.contains("/requests_")).expect("a log"));
    assert!(log.column("request_id").contains(&id.as_str().expect("an id")));
}

/// The log of decisions in the store: action and version of each.
fn in_store(store: &Project) -> Vec<(String, String)> {
    let log = std::fs::read_to_string(store.at("store/models/p/decisions.jsonl")).expect("a log");
    let entry = |line: &str| -> (String, String) {
        let entry: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let text = |name: &str| entry[name].as_str().expect("a text").to_owned();
        (text("action"), text("version"))
    };
    log.lines().map(entry).filter(|(action, _)| action != "takeover").collect()
}

#[test]
fn decisions_by_the_server_are_those_of_the_store() {
    let store = Project::new();
    let (worker, answering) = (machine(&store), machine(&store));
    for tool in ["ingest", "clean", "features", "train", "predict"] {
        worker.run(tool, ["p"]).exits(0);
    }
    // A version that takes over is watched for longer than the test.
    answering.write("resources/p/serve.yaml", "rollout: {smoke_for: 1ms, watch_for: 1h}\n");
    // It looks at the store once, at its start, and then only where it has to.
    let server = Serve::start(&answering, &["--store-every", "3600"]);
    let mut client = server.client();
    assert_eq!(versions(&mut client, &[json!(420)]), ["v1"]);
    let train = worker.read("resources/p/train.yaml");
    worker.write("resources/p/train.yaml", train.replace("linear: logistic", "linear: {logistic: {l2: 50}}"));
    worker.run("train", ["p"]).exits(0);
    let production = || in_store(&store).into_iter().rfind(|(action, _)| action != "keep").expect("a decision").1;
    if production() == "v2" {
        worker.run("release", ["p", "--rollback", "--why", "a test"]).exits(0);
    }
    assert!(!answering.exists("data/models/p/v2"));

    // A version that is only in the store, by a log that is only there up to date.
    let decide = |client: &mut HttpClient, deed: &str, body: serde_json::Value| {
        client.post(&format!("/api/v1/pipelines/p/{deed}"), &body)
    };
    let promoted = decide(&mut client, "versions/v2/promote", json!({"why": "better", "on": "v1"}));
    let entry = promoted.has_status(200).json();
    assert_eq!((entry["version"].as_str(), entry.get("warning")), (Some("v2"), None), "{entry}");
    assert_eq!(in_store(&store).last().expect("a line"), &("promote".to_owned(), "v2".to_owned()));
    server.wait("v2", || versions(&mut client, &[json!(420)]) == ["v2"]);
    let history = worker.run("release", ["p", "--history"]).exits(0).stdout().join("\n");
    assert!(history.contains("better"), "{history}");
    // The server logs the steps of the takeover, which the store does not have yet.
    server.wait("the takeover", || answering.read("data/models/p/decisions.jsonl").contains("\"takeover\""));

    // Another machine decides; what this one decides on the old state is refused.
    worker.run("release", ["p", "--rollback", "--why", "worse"]).exits(0);
    let stale = decide(&mut client, "rollback", json!({"why": "worse", "on": "v2"}));
    assert_eq!(stale.has_status(409).json()["error"]["code"], "changed", "{}", stale.text());
    let unknown = decide(&mut client, "versions/v9/promote", json!({"why": "x"}));
    assert_eq!(unknown.status, 404, "{}", unknown.text());
    decide(&mut client, "versions/v2/promote", json!({"why": "again", "on": "v1"})).has_status(200);
    decide(&mut client, "rollback", json!({"why": "again", "on": "v2"})).has_status(200);
    assert_eq!(in_store(&store).last().expect("a line"), &("rollback".to_owned(), "v1".to_owned()));

    // The store is away: nothing is decided.
    let (folder, away) = (store.at("store"), store.at("away"));
    let before = in_store(&store);
    std::fs::rename(&folder, &away).expect("it can be renamed");
    store.write("store", "no folder");
    let refused = decide(&mut client, "versions/v2/promote", json!({"why": "again"}));
    assert_eq!(refused.has_status(503).json()["error"]["code"], "store", "{}", refused.text());
    std::fs::remove_file(&folder).and_then(|()| std::fs::rename(&away, &folder)).expect("it can be put back");
    assert_eq!(in_store(&store), before);
    let (code, said) = server.stop();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(in_store(&store), before);
}
