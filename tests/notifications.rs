//! What a run reports to others: events to a lineage server, alerts to people. Both servers are loopback ones.

use serde_json::Value;
use testkit::http_server::{HttpAnswer, HttpServer};
use tests::{people_pipeline, shop};

#[test]
fn every_run_is_posted_to_the_lineage_server() {
    let server = HttpServer::start(|_, _| HttpAnswer::status(201, ""));
    let project = shop().with_variable("OPENLINEAGE_URL", server.url(""));
    project.run("ingest", ["shop"]).exits(0);

    let requests = server.requests();
    let events: Vec<Value> =
        requests.iter().map(|request| serde_json::from_str(&request.body).expect("the body is JSON")).collect();
    let kinds: Vec<&Value> = events.iter().map(|event| &event["eventType"]).collect();
    assert_eq!(kinds, ["START", "COMPLETE"]);
    assert!(requests.iter().all(|request| request.method == "POST" && request.path == "/api/v1/lineage"));
    assert_eq!(events[0]["run"]["runId"], events[1]["run"]["runId"]);
    assert_eq!(events[1]["job"]["name"], "shop.ingest");
    assert_eq!(events[1]["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"], 4);
    // What was posted is what the run log holds.
    let logged: Vec<Value> = project
        .read("data/runs/shop.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of the run log is JSON"))
        .collect();
    assert_eq!(logged, events);
}

#[test]
fn a_lineage_server_that_is_down_stops_nobody() {
    let server = HttpServer::start(|_, _| HttpAnswer::status(503, "down"));
    let project = shop().with_variable("OPENLINEAGE_URL", server.url("/api/v1/lineage"));
    project.run("ingest", ["shop"]).exits(0).says("OPENLINEAGE_URL: the server answered 503");

    let nobody = shop().with_variable("OPENLINEAGE_URL", "http://127.0.0.1:1");
    nobody.run("ingest", ["shop"]).exits(0).says("run log: OPENLINEAGE_URL: ");
}

#[test]
fn a_refusal_is_reported_once_and_the_secret_address_never() {
    let server = HttpServer::start(|_, _| HttpAnswer::ok("ok"));
    let webhook = server.url("/services/T000/B000/canary-of-the-webhook");
    let project = shop().with_variable("SLACK_WEBHOOK", webhook);
    project.write("resources/alerts.yaml", "channels:\n  - slack: {webhook: \"${SLACK_WEBHOOK}\"}\n").write(
        "resources/shop/ingest.yaml",
        tests::SHOP_INGEST.to_owned() + "checks:\n  orders:\n    - row_count: {min: 100}\n",
    );
    let first = project.run("ingest", ["shop"]);
    first.exits(1).says("alert: slack 127.0.0.1").says("sent");
    let again = project.run("ingest", ["shop"]);
    again.exits(1).says("not sent: an alert for the same cause was sent at");

    let requests = server.requests();
    assert_eq!(requests.len(), 1, "one alert per cause and hour");
    let told: Value = serde_json::from_str(&requests[0].body).expect("the body is JSON");
    let text = told["text"].as_str().expect("Slack's message has a text");
    assert!(text.contains("shop ingest refused") && text.contains("row_count"), "{text}");
    for outcome in [&first, &again] {
        outcome.never_says("canary");
    }
    assert!(!project.read("data/runs/shop.jsonl").contains("canary"));
    for name in project.list("data/runs/alerts") {
        assert!(!project.read(format!("data/runs/alerts/{name}")).contains("canary"), "{name}");
    }
}

#[test]
fn channels_that_cannot_be_read_change_no_answer() {
    let project = shop();
    project.write("resources/alerts.yaml", "chanels: []\n").write("orders.csv", "id,customer,day,amount\n");
    project.run("ingest", ["shop"]).exits(2).says("resources/alerts.yaml:1:1: unknown key 'chanels'");
}

/// Sends SIGTERM as soon as the server was asked so often, and returns how the tool ended while the server still says
/// nothing.
fn interrupted(mut child: std::process::Child, server: &HttpServer, requests: usize) -> std::process::Output {
    drop(child.stdin.take());
    while server.requests().len() < requests {
        assert!(child.try_wait().expect("a child can be asked").is_none(), "it ended before it asked the server");
        std::thread::yield_now();
    }
    assert!(testkit::signal::send("TERM", &child.id().to_string()).expect("there is a shell").success());
    child.wait_with_output().expect("it ends")
}

#[test]
fn an_interruption_does_not_wait_for_a_lineage_server() {
    // It hangs on the second event, that of the end.
    let server = HttpServer::start(|number, _| if number == 0 { HttpAnswer::ok("") } else { HttpAnswer::Hang });
    let project = shop().with_variable("OPENLINEAGE_URL", server.url(""));
    let output = interrupted(project.command("ingest", ["shop"]).spawn().expect("ingest starts"), &server, 2);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("interrupted by SIGTERM after its end"), "{said}");
    // A run that waited for the answer would have complained of its absence.
    assert!(!said.contains("OPENLINEAGE_URL"), "{said}");
    assert_eq!(project.latest("data/raw/shop").len(), 1);
    assert!(project.read("data/runs/shop.jsonl").contains("\"COMPLETE\""));
}

#[test]
fn an_interruption_does_not_wait_for_a_tracking_server() {
    let server = HttpServer::answering([HttpAnswer::Hang]);
    let project = people_pipeline();
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["p"]).exits(0);
    }
    let project = project.with_variable("MLFLOW_TRACKING_URI", server.url(""));
    let output = interrupted(project.command("train", ["p"]).spawn().expect("train starts"), &server, 1);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("interrupted by SIGTERM after its end"), "{said}");
    assert!(!said.contains("not tracked"), "{said}");
    // The version is decided on and stands; the next run sends what the server lacks.
    assert_eq!(project.latest("data/models/p"), ["data/models/p/v1"]);
    assert!(project.run("release", ["p", "--history"]).stdout().join("\n").contains("v1"));
}
