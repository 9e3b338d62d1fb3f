//! Every page of `serve` in a real browser (scripts/check-pages): wide and narrow, light and dark, with axe-core.

use std::process::Command;

use serde_json::json;
use testkit::{HttpClient, Serve};
use tests::browser::{by_cron, with_script};
use tests::served::PREDICTIONS;
use tests::{people_pipeline, repository};

#[test]
fn no_page_has_a_fault_that_a_browser_or_axe_core_finds() {
    let check = |arguments: &[&str]| {
        let mut command = Command::new(repository().join("scripts/check-pages"));
        command.args(arguments).output().expect("the script runs")
    };
    let ready = check(&["--ready"]);
    if !ready.status.success() {
        let why = String::from_utf8_lossy(&ready.stderr);
        return testkit::skipped("chromium", &format!("no page was opened in a browser: {}", why.trim()));
    }
    // A project in which every kind of page has something to show: runs that failed, versions, requests with outcomes, a
    // watch, alerts.
    let project = with_script(people_pipeline());
    project.write("resources/p/serve.yaml", "table: scoring\nrollout: {smoke_for: 1ms, watch_for: 1ms}\n");
    project.write(
        "resources/p/monitor.yaml",
        "drift: {}\nruns: {days: 30}\ndisk: {}\nservice: {}\nestimate: {metric: brier}\n",
    );
    project.write("resources/alerts.yaml", "channels: [{command: {run: [\"true\"]}}, {command: {run: [\"false\"]}}]\n");
    by_cron(&project, &["p"]).exits(0);
    let train = project.read("resources/p/train.yaml");
    project.write("resources/p/train.yaml", train.replace("linear: logistic", "linear: {logistic: {l2: 50}}"));
    project.run("train", ["p"]).exits(0);
    let people = project.read("people.csv");
    project.write("people.csv", "id,day,age,income,bought\nx,y,z,a,b\n");
    by_cron(&project, &["p"]).exits(1);
    project.write("people.csv", people);
    let first = Serve::start(&project, &[]);
    talk(&mut first.client());
    // Sealed with its end, so that the watch has requests to count.
    assert_eq!(first.stop().0, Some(0));
    project.run("monitor", ["p"]).exits(0);
    let server = Serve::start(&project, &[]);
    talk(&mut server.client());

    let pictures = project.at("pictures");
    let output = check(&[server.url(), pictures.to_str().expect("a path")]);
    let (said, faults) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{faults}");
    let pages: usize = said.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{said}"));
    assert!(pages >= 14, "{said}");
    let kept = std::fs::read_dir(pictures).expect("a folder").count();
    assert_eq!(kept, 4 * pages, "a picture of each page in each view");
    assert_eq!(server.stop().0, Some(0));
}

/// Predictions with outcomes, and one that is refused.
fn talk(client: &mut HttpClient) {
    for key in 400..430 {
        let answer = client.post(PREDICTIONS, &json!({"key": key})).has_status(200).json();
        let outcome = json!({"request_id": answer["request_id"], "name": "signed", "value": key % 2 == 0});
        client.post("/api/v1/pipelines/p/outcomes", &outcome).has_status(201);
    }
    client.post(PREDICTIONS, &json!({"key": 999_999})).has_status(404);
}
