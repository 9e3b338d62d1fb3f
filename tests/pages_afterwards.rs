//! Pages of `serve` about what came after: outcomes that were reported, labels of later snapshots, alerts and their deliveries.

use serde_json::{Value, json};
use testkit::{HttpClient, Project, Serve};
use tests::browser::{Browser, addresses, by_cron, with_script};
use tests::people_pipeline;
use tests::served::{PREDICTIONS, journal, people};

const OUTCOMES: &str = "/api/v1/pipelines/p/outcomes";

/// Asks for a prediction by key: the id of the request.
fn ask(client: &mut HttpClient, key: Value) -> String {
    let answer = client.post(PREDICTIONS, &json!({"key": key})).has_status(200).json();
    answer["request_id"].as_str().expect("an id").to_owned()
}

fn report(client: &mut HttpClient, outcome: &Value) {
    client.post(OUTCOMES, outcome).has_status(201);
}

#[test]
fn reported_outcomes_stand_beside_their_predictions() {
    let project = people();
    let server = Serve::start(&project, &[]);
    let (mut client, mut browser) = (server.client(), Browser::new(&server));
    let (one, other) = (ask(&mut client, json!(420)), ask(&mut client, json!(421)));
    let page = browser.get("/pipelines/p/results/one?key=420").has_status(200).text();
    assert!(page.contains(&one) && !page.contains(&other) && page.contains("nothing yet"), "{page}");
    assert!(!browser.get("/pipelines/p/results").text().contains("What happened is known"));

    let time = "2026-01-31T12:00:00Z";
    report(&mut client, &json!({"request_id": one, "name": "visited", "value": 3, "time": time}));
    report(&mut client, &json!({"key": 420, "name": "signed", "value": "<b>yes</b>", "time": "2026-02-01T12:00:00Z"}));
    report(&mut client, &json!({"request_id": other, "name": "called", "value": true}));
    let check = |browser: &mut Browser| {
        let page = browser.get("/pipelines/p/results/one?key=420").has_status(200).text();
        assert!(page.contains("visited: 3 (") && page.contains("2026-01-31 12:00:00 UTC"), "{page}");
        assert!(page.contains("Reported without a request") && page.contains("signed"), "{page}");
        assert!(page.contains("&lt;b&gt;yes&lt;/b&gt;") && !page.contains("<b>yes"), "{page}");
        assert!(!page.contains("called"), "{page}");
        // From there to the request, and what was reported about it.
        let link = addresses(&page).into_iter().find(|address| address.contains("request=")).expect("a link");
        let page = browser.get(&link).has_status(200).text();
        assert!(page.contains("visited: 3 (") && !page.contains("signed"), "{page}");
        // In the table beside the row: the newest outcome of the key.
        let page = browser.get("/pipelines/p/results?id=420").has_status(200).text();
        assert!(page.contains("signed: &lt;b&gt;yes") && page.contains("known of 1 of these 1 rows"), "{page}");
        let page = browser.get("/pipelines/p/results?id=421").has_status(200).text();
        assert!(!page.contains("What happened is known"), "{page}");
    };
    check(&mut browser);
    // Who tries a prediction of the key sees it, too.
    let csrf = browser.csrf("/pipelines/p/try");
    let tried =
        browser.post("/pipelines/p/try", &[("csrf", &csrf), ("by", "key"), ("key", "420")]).has_status(200).text();
    assert!(tried.contains("visited: 3 (") && tried.contains("Prediction"), "{tried}");
    let unknown = browser.get("/pipelines/p/try?request=no-such-id").has_status(200).text();
    assert!(unknown.contains("The log holds no prediction of it."), "{unknown}");
    // Sealed, by another server.
    assert_eq!(server.stop().0, Some(0));
    assert!(project.latest("data/raw/p_served").iter().any(|path| path.contains("/outcomes_")));
    let server = Serve::start(&project, &[]);
    check(&mut Browser::new(&server));
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn an_outcome_of_a_request_of_several_keys_stands_beside_the_key_that_it_names() {
    let project = people();
    let server = Serve::start(&project, &[]);
    let (mut client, mut browser) = (server.client(), Browser::new(&server));
    let answer = client.post(PREDICTIONS, &json!({"keys": [420, 421]})).has_status(200).json();
    let id = answer["request_id"].as_str().expect("an id");
    report(&mut client, &json!({"request_id": id, "key": 420, "name": "signed", "value": true}));
    for (key, is_there) in [(420, true), (421, false)] {
        let page = browser.get(&format!("/pipelines/p/results/one?key={key}")).has_status(200).text();
        assert!(page.contains(id), "{page}");
        assert_eq!(page.contains("signed: true ("), is_there, "{key}: {page}");
    }
    let page = browser.get(&format!("/pipelines/p/try?request={id}")).has_status(200).text();
    assert_eq!(page.matches("signed: true (").count(), 1, "{page}");
    assert_eq!(server.stop().0, Some(0));
}

/// Between the moment in which the list names a sealed table and the removal of its journal, both are there; after a crash for
/// as long as an hour.
#[test]
fn a_journal_that_is_sealed_and_still_there_is_read_once() {
    let project = people();
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    let answer = client.post(PREDICTIONS, &json!({"keys": [420, 421]})).has_status(200).json();
    let id = answer["request_id"].as_str().expect("an id");
    report(&mut client, &json!({"request_id": id, "key": 420, "name": "signed", "value": true}));
    let paths = ["requests", "outcomes"].map(|name| format!("data/journals/p/{name}-000001.jsonl"));
    let segments = paths.each_ref().map(|path| journal(&project, path));
    assert_eq!(server.stop().0, Some(0));
    for (path, segment) in paths.iter().zip(segments) {
        assert!(!project.exists(path), "{path}: sealed");
        project.write(path, segment);
    }
    let server = Serve::start(&project, &[]);
    let page = Browser::new(&server).get(&format!("/pipelines/p/try?request={id}")).has_status(200).text();
    // A row for each of the two predictions, with its link.
    assert_eq!(page.matches(&format!("request={id}\"")).count(), 2, "{page}");
    assert_eq!(page.matches("signed: true (").count(), 1, "{page}");
    // It is removed in the end, without a second table of it.
    assert_eq!(server.stop().0, Some(0));
    assert!(paths.iter().all(|path| !project.exists(path)));
    let tables = project.latest("data/raw/p_served");
    assert_eq!(tables.iter().filter(|path| path.contains("/outcomes_")).count(), 1, "{tables:?}");
}

#[test]
fn masked_keys_are_found_by_their_hash_and_removed_ones_not_at_all() {
    for (mask, is_found) in [("hash", true), ("remove", false)] {
        let project = people();
        project.write(
            "resources/p/serve.yaml",
            format!("table: scoring\nmask: {{id: {mask}}}\nmask_key: 0123456789abcdef\n"),
        );
        let server = Serve::start(&project, &[]);
        let (mut client, mut browser) = (server.client(), Browser::new(&server));
        let id = ask(&mut client, json!(420));
        report(&mut client, &json!({"key": 420, "name": "signed", "value": true}));
        ask(&mut client, json!(421));
        let page = browser.get("/pipelines/p/results/one?key=420").has_status(200).text();
        assert_eq!((page.contains(&id), page.contains("signed")), (is_found, is_found), "{mask}: {page}");
        assert_eq!(server.stop().0, Some(0));
    }
}

#[test]
fn labels_of_later_snapshots_stand_beside_the_rows_that_were_scored() {
    let project = people();
    let server = Serve::start(&project, &[]);
    let mut browser = Browser::new(&server);
    let scored = browser.get("/api/v1/results?pipeline=p&per_page=1").has_status(200).json();
    let key = scored["rows"][0]["id"].clone();
    assert!(!browser.get("/pipelines/p/results").text().contains("What happened is known"));
    // It became known: the row has its label now, at the same time as in the scores.
    let people = tests::people();
    let known = people.lines().map(|line| match line.strip_prefix(&format!("{key},")) {
        Some(_) => line.trim_end_matches(',').to_owned() + if line.ends_with(',') { ",true" } else { "" },
        None => line.to_owned(),
    });
    project.write("people.csv", known.collect::<Vec<_>>().join("\n") + "\n");
    for tool in ["ingest", "clean", "features"] {
        project.run(tool, ["p"]).exits(0);
    }
    let page = browser.get(&format!("/pipelines/p/results?id={key}")).has_status(200).text();
    assert!(page.contains("bought: yes") && page.contains("known of 1 of these 1 rows"), "{page}");
    let page = browser.get(&format!("/pipelines/p/results/one?key={key}")).has_status(200).text();
    assert!(page.contains("Labels in the newest snapshot") && page.contains("<td>yes</td>"), "{page}");
    assert_eq!(server.stop().0, Some(0));
}

/// The file of a project whose alerts go to two commands, one of which fails.
fn alerts(project: &Project) {
    project.write(
        "resources/alerts.yaml",
        "channels:\n  - command: {run: [\"true\"]}\n  - command: {run: [sh, -c, \"echo no line is free >&2; exit 3\"]}\n",
    );
}

#[test]
fn the_watch_shows_which_alerts_went_where() {
    let project = with_script(people_pipeline());
    project.write("resources/p/serve.yaml", "table: scoring\n");
    by_cron(&project, &["p"]).exits(0);
    let server = Serve::start(&project, &[]);
    let mut browser = Browser::new(&server);
    let page = browser.get("/pipelines/p/watch").has_status(200).text();
    assert!(page.contains("There were no alerts.") && page.contains("No notifications are sent"), "{page}");
    alerts(&project);
    project.write("people.csv", "id,day,age,income,bought\nx,y,z,a,<i>b</i>\n");
    by_cron(&project, &["p"]).exits(1);
    by_cron(&project, &["p"]).exits(1);
    let page = browser.get("/pipelines/p/watch").has_status(200).text();
    assert!(!page.contains("No notifications are sent") && !page.contains("<i>b"), "{page}");
    for words in [
        "command true",
        "</span> sent",
        "command sh",
        "</span> failed",
        "no line is free",
        "</span> not sent again",
        "the same cause was reported at",
        "P2",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn the_data_docs_are_read_behind_the_same_login_and_policy() {
    let project = people().with_variable("SERVE_TOKEN_VIEWER", "viewer-viewer-viewer");
    let server = Serve::start(&project, &[]);
    let mut browser = Browser::logged_in(&server, "viewer-viewer-viewer");
    assert!(!browser.get("/").text().contains("Data docs"));
    let missing = browser.get("/docs/index.html");
    assert!(missing.has_status(404).text().contains("bin/catalog docs"), "{}", missing.text());
    project
        .write("data/catalog/index.html", "<!doctype html><title>docs</title><a href=\"./tables/a%20b.html\">a b</a>");
    project.write("data/catalog/tables/a b.html", "<!doctype html><title>a b</title>");
    project
        .write("data/catalog/style.css", "a {}")
        .write("data/catalog/notes.txt", "no page")
        .write(".env", "SECRET=1\n");
    assert!(browser.get("/").text().contains("/docs/index.html"));
    assert_eq!(browser.get("/docs").header("location"), Some("/docs/index.html"));
    let page = browser.get("/docs/index.html");
    assert!(page.has_status(200).text().contains("<title>docs"), "{}", page.text());
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(browser.get("/docs/tables/a%20b.html").has_status(200).text().contains("a b"));
    assert_eq!(browser.get("/docs/style.css").header("content-type"), Some("text/css; charset=utf-8"));
    for path in
        ["/docs/notes.txt", "/docs/..%2f..%2f.env", "/docs/%2e%2e/raw/latest", "/docs/tables", "/docs/%2fetc%2fpasswd"]
    {
        let answer = browser.get(path);
        assert!(answer.status == 404 && !answer.text().contains("SECRET"), "{path}: {}", answer.status);
    }
    let mut stranger = Browser::new(&server);
    for path in ["/docs", "/docs/", "/docs/index.html"] {
        let sent = stranger.get(path);
        assert!(sent.status == 303 && sent.header("location").is_some_and(|to| to.starts_with("/login")), "{path}");
    }
    assert_eq!(server.stop().0, Some(0));
}
