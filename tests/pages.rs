//! The pages of `serve`, by the real program: who may do what, and what people find there.

use serde_json::{Value, json};
use testkit::{Project, Serve};
use tests::browser::{Browser, addresses, by_cron, crawl, with_script};
use tests::people_pipeline;
use tests::served::{AT_ONCE, PREDICTIONS, people};

const VIEWER: &str = "viewer-viewer-viewer";
const OPERATOR: &str = "operator-operator-op";
const ADMIN: &str = "admin-admin-admin-ad";

fn with_tokens(project: Project) -> Project {
    project
        .with_variable("SERVE_TOKEN_VIEWER", VIEWER)
        .with_variable("SERVE_TOKEN_OPERATOR", OPERATOR)
        .with_variable("SERVE_TOKEN_ADMIN", ADMIN)
}

/// The entries of the audit journal.
fn audit(project: &Project) -> Vec<Value> {
    let text = project.read("data/journals/audit-000001.jsonl");
    text.lines().skip(1).map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn a_session_has_the_role_of_its_token_and_no_more() {
    let project = with_tokens(people_pipeline());
    project.write("resources/p/serve.yaml", "table: scoring\n");
    let server = Serve::start(&project, &[]);
    let mut browser = Browser::new(&server);
    let sent = browser.get("/pipelines/p?x=1");
    assert_eq!((sent.status, sent.header("location")), (303, Some("/login?next=%2Fpipelines%2Fp%3Fx%3D1")));
    assert_eq!(browser.get("/login").status, 200);
    let refused = browser.post("/login", &[("token", "not-a-token-of-anybody"), ("next", "/")]);
    assert!(refused.has_status(401).text().contains("This token is not known."));
    assert_eq!(refused.header("set-cookie"), None);
    assert_eq!(browser.get("/").status, 303);

    let sent = browser.post("/login", &[("token", VIEWER), ("next", "/pipelines/p?x=1")]);
    assert_eq!((sent.status, sent.header("location")), (303, Some("/pipelines/p?x=1")));
    let cookie = sent.header("set-cookie").expect("a cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "over plain HTTP a browser would not send it: {cookie}");
    let page = browser.get("/pipelines/p").has_status(200).text();
    assert!(page.contains("Logged in as viewer") && page.contains("The role operator may start stages."), "{page}");
    assert_eq!(browser.get("/audit").status, 403);
    let csrf = browser.csrf("/");
    let start = [("csrf", csrf.as_str()), ("stage", "")];
    assert!(browser.post("/pipelines/p/start", &start).has_status(403).text().contains("this needs the role operator"));

    let mut operator = Browser::logged_in(&server, OPERATOR);
    let csrf = operator.csrf("/pipelines/p");
    let decide = [("csrf", csrf.as_str()), ("kind", "rollback"), ("why", "x"), ("on", "")];
    assert!(
        operator
            .post("/pipelines/p/models/decide", &decide)
            .has_status(403)
            .text()
            .contains("this needs the role admin")
    );
    // The token of somebody else's session does not count.
    let mut admin = Browser::logged_in(&server, ADMIN);
    assert_eq!(admin.post("/pipelines/p/models/decide", &decide).status, 403);
    let page = admin.get("/audit").has_status(200).text();
    assert!(page.contains("this token is not known") && page.contains("operator"), "{page}");

    let csrf = browser.csrf("/");
    let before = browser.cookie.clone();
    browser.post("/logout", &[("csrf", &csrf)]).has_status(303);
    browser.cookie = before;
    assert_eq!(browser.get("/").status, 303, "the session has ended");
    // An open redirect would lead people to a page that looks like ours.
    let sent = browser.post("/login", &[("token", VIEWER), ("next", "//evil.example/")]);
    assert_eq!(sent.header("location"), Some("/"));
    assert_eq!(server.stop().0, Some(0));

    let entries = audit(&project);
    let shown: Vec<[&str; 4]> = entries
        .iter()
        .map(|entry| ["who", "action", "state", "way"].map(|name| entry[name].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(
        shown[..6],
        [
            ["unknown", "login", "refused", "page"],
            ["viewer", "login", "done", "page"],
            ["viewer", "form", "refused", "page"],
            ["operator", "login", "done", "page"],
            ["operator", "form", "refused", "page"],
            ["admin", "login", "done", "page"],
        ]
    );
    let journal = project.read("data/journals/audit-000001.jsonl");
    for token in [VIEWER, OPERATOR, ADMIN, "not-a-token-of-anybody"] {
        assert!(!journal.contains(token), "a token is in the journal");
    }
}

#[test]
fn without_tokens_pages_of_other_sites_see_and_change_nothing() {
    let project = people_pipeline();
    project.write("resources/p/serve.yaml", "table: scoring\n");
    let server = Serve::start(&project, &[]);
    let mut browser = Browser::new(&server);
    let csrf = browser.csrf("/pipelines/p");
    let start = [("csrf", csrf.as_str()), ("stage", "ingest")];
    let own = server.url().to_owned();
    // A form of another site: the browser says so, and it cannot know the token.
    for origin in ["http://evil.example", "null", "http://localhost:1"] {
        let answer = browser.send("/pipelines/p/start", &start, &[("origin", origin)]);
        assert_eq!(answer.status, 403, "{origin}");
    }
    assert_eq!(browser.send("/pipelines/p/start", &start, &[("sec-fetch-site", "cross-site")]).status, 403);
    for fields in
        [&[("stage", "ingest")][..], &[("csrf", ""), ("stage", "ingest")], &[("csrf", "0123"), ("stage", "ingest")]]
    {
        let answer = browser.send("/pipelines/p/start", fields, &[("origin", &own)]);
        assert!(answer.has_status(403).text().contains("the form does not belong to your session"));
    }
    // The API takes JSON alone, which no form can send, and the same origin.
    let api = "/api/v1/pipelines/p/runs";
    let mut client = server.client();
    let json = ("content-type", "application/json");
    let mut post = |headers: &[(&str, &str)]| client.send("POST", api, headers, b"{}").expect("an answer").status;
    assert_eq!(post(&[json, ("origin", "http://evil.example")]), 403);
    assert_eq!(post(&[("content-type", "text/plain")]), 415);
    // A name of the attacker's that leads here.
    for path in ["/", "/pipelines/p", "/api/v1/pipelines", "/assets/style.css"] {
        let mut client = server.client();
        client.send_raw(format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\n\r\n").as_bytes()).expect("sent");
        assert_eq!(client.read(false).expect("an answer").status, 421, "{path}");
    }
    assert_eq!(server.stop().0, Some(0));
    assert!(!project.exists("data/logs/p.log"), "nothing was started");
    assert!(audit(&project).iter().all(|entry| entry["state"] == "refused"));
}

#[test]
fn last_nights_failure_and_its_cause_are_two_clicks_away() {
    let project = with_script(people_pipeline());
    project.write("resources/p/serve.yaml", "table: scoring\n");
    by_cron(&project, &["p"]).exits(0);
    project.write("people.csv", "id,day,age,income,bought\nx,y,z,a,b\n");
    by_cron(&project, &["p"]).exits(1);
    let server = Serve::start(&project, &[]);
    let mut browser = Browser::new(&server);
    let overview = browser.get("/").has_status(200).text();
    assert!(overview.contains("✕</span> failed") && overview.contains("failed in ingest: "), "{overview}");
    assert!(overview.contains("max_refused") && addresses(&overview).contains("/pipelines/p"), "{overview}");
    // One click.
    let page = browser.get("/pipelines/p").has_status(200).text();
    assert!(page.contains("<strong>Cause: </strong>") && page.contains("<strong>What to do: </strong>"), "{page}");
    assert!(page.contains("max_refused"), "{page}");
    // Two.
    let (before, _) = page.split_once("\">The whole log</a>").expect("a link");
    let log = browser.get(before.rsplit_once("href=\"").expect("a link").1).has_status(200).text();
    assert!(log.contains("<pre") && log.contains("max_refused") && log.contains("refused"), "{log}");

    // A failure before any stage has begun: only the script knows.
    project.write("people.csv", tests::people());
    by_cron(&project, &["p"]).exits(0);
    assert!(!browser.get("/").text().contains("✕</span> failed"));
    let spec = project.read("resources/p/clean.yaml");
    project.write("resources/p/clean.yaml", "tabels: {}\n");
    by_cron(&project, &["p"]).exits(2);
    let overview = browser.get("/").text();
    assert!(overview.contains("failed in clean: ") && overview.contains("unknown key &#39;tabels&#39;"), "{overview}");
    // Two causes are both causes, and neither is what to do.
    let checks = "checks:\n  people:\n    - row_count: {min: 1000}\n    - row_count: {max: 10}\n";
    project.write("resources/p/clean.yaml", format!("{spec}{checks}"));
    by_cron(&project, &["p"]).exits(1);
    let page = browser.get("/pipelines/p").has_status(200).text();
    let cause = page.split_once("<strong>Cause: </strong>").and_then(|(_, rest)| rest.split_once("</p>"));
    let cause = cause.expect("a cause").0;
    assert_eq!(cause.matches(" failed: 450 rows, ").count(), 2, "{cause}");
    // All is well again although `clean` finds itself up to date, so that it does not run.
    project.write("resources/p/clean.yaml", spec);
    by_cron(&project, &["p"]).exits(0);
    assert!(!browser.get("/").text().contains("✕</span> failed"));
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn names_in_data_are_names_on_every_page() {
    const HOSTILE: &str = "<script>alert(1)</script>";
    let project = with_script(people_pipeline());
    // Ids, a column, a category and a line of a log, each with what a browser would run.
    let people: Vec<String> = tests::people()
        .lines()
        .enumerate()
        .map(|(at, line)| match (at, line.split_once(',')) {
            (0, _) => format!("{line},\"a\"\"><img src=x onerror=alert(1)>\""),
            (_, Some((id, rest))) => format!("\"{HOSTILE}{id}&\"\"'\",{rest},\"{}\"", ["<b>x</b>", "y'\"\"z"][at % 2]),
            _ => unreachable!("every line has commas"),
        })
        .collect();
    project.write("people.csv", people.join("\n") + "\n");
    let ingest = project.read("resources/p/ingest.yaml");
    project.write(
        "resources/p/ingest.yaml",
        ingest.replace("id: int64", "'a\"><img src=x onerror=alert(1)>': string, id: string"),
    );
    let features = project.read("resources/p/features.yaml");
    let column = "features: {kind: {sql: '\"a\"\"><img src=x onerror=alert(1)>\"'}, ";
    project.write("resources/p/features.yaml", features.replace("features: {", column));
    project.write("resources/p/predict.yaml", "table: scoring\nreasons: 3\n");
    project.write("resources/p/serve.yaml", "table: scoring\n");
    by_cron(&project, &["p"]).exits(0);
    project.write(&format!("{}.csv", "<b onmouseover=alert(1)>"), "id\n1\n");
    project
        .write("resources/q/ingest.yaml", "tables:\n  q: {source: {file: {path: '<b onmouseover=alert(1)>.txt'}}}\n");
    by_cron(&project, &["q"]).exits(2);
    let server = Serve::start(&project, &[]);
    let mut browser = Browser::new(&server);
    let pages = crawl(&mut browser);
    let paths: Vec<&str> = pages.iter().map(|(path, _)| path.as_str()).collect();
    for needed in [
        "/",
        "/pipelines/p",
        "/pipelines/p/results",
        "/pipelines/p/models",
        "/pipelines/p/models/v1",
        "/pipelines/p/comparison",
        "/pipelines/p/watch",
        "/pipelines/p/try",
        "/pipelines/q",
        "/audit",
    ] {
        assert!(paths.contains(&needed), "{needed} not in {paths:?}");
    }
    let all: String = pages.iter().map(|(_, text)| text.as_str()).collect();
    for raw in ["<script>alert", "<img src=x", "<b>x", "<b on"] {
        assert!(!all.contains(raw), "{raw} is markup on a page");
    }
    for shown in ["&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;b onmouseover=alert(1)&gt;", "&lt;b&gt;x&lt;/b&gt;"] {
        assert!(all.contains(shown), "{shown} is on no page");
    }
    assert!(paths.iter().any(|path| path.starts_with("/pipelines/p/results/one?key=%3Cscript%3E")), "{paths:?}");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_promotion_by_the_page_is_logged_audited_and_answers_at_once() {
    let project = people();
    let train = project.read("resources/p/train.yaml");
    project.write("resources/p/train.yaml", train.replace("linear: logistic", "linear: {logistic: {l2: 50}}"));
    project.run("train", ["p"]).exits(0);
    project.run("release", ["p", "--list"]).exits(0);
    let before = project.read("data/models/p/decisions.jsonl");
    let newest: Value = serde_json::from_str(before.lines().last().expect("a decision")).expect("JSON");
    let (now, other) = match newest["action"].as_str() {
        Some("promote") => ("v2", "v1"),
        _ => ("v1", "v2"),
    };
    project.write("resources/p/serve.yaml", AT_ONCE);
    let server = Serve::start(&project, &[]);
    let mut browser = Browser::new(&server);
    let mut client = server.client();
    let mut version =
        || client.post(PREDICTIONS, &json!({"key": 420})).has_status(200).json()["predictions"][0]["version"].clone();
    assert_eq!(version(), now);
    let csrf = browser.csrf("/pipelines/p/models");
    let promote = |on: &'static str, why: &'static str| {
        [
            ("csrf", csrf.clone()),
            ("kind", "promote".to_owned()),
            ("version", other.to_owned()),
            ("on", on.to_owned()),
            ("why", why.to_owned()),
        ]
    };
    let send = |browser: &mut Browser, fields: &[(&str, String)]| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post("/pipelines/p/models/decide", &fields)
    };
    // Decided on a page that was opened before somebody else decided.
    let stale = send(&mut browser, &promote(other, "old"));
    assert!(stale.has_status(409).text().contains("is in production now, not"));
    assert!(
        send(&mut browser, &promote(now, "  ")).has_status(422).text().contains("the reason has 1 to 2000 characters")
    );
    assert_eq!(project.read("data/models/p/decisions.jsonl"), before);
    let done = send(&mut browser, &promote(now, "better for <new> customers"));
    assert_eq!((done.status, done.header("location")), (303, Some("/pipelines/p/models")));
    server.wait("the new version", || version() == other);
    let page = browser.get("/pipelines/p/models").text();
    assert!(page.contains("better for &lt;new&gt; customers"), "{page}");
    let csrf = browser.csrf("/pipelines/p/models");
    let back = [("csrf", csrf), ("kind", "rollback".to_owned()), ("on", other.to_owned()), ("why", "worse".to_owned())];
    send(&mut browser, &back).has_status(303);
    server.wait("the old version", || version() == now);
    assert_eq!(server.stop().0, Some(0));

    let log = project.read("data/models/p/decisions.jsonl");
    let decided: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [.., promoted, rolled_back] = &decided[..] else { panic!("{log}") };
    assert_eq!(
        (&promoted["action"], &promoted["version"], &promoted["why"]),
        (&json!("promote"), &json!(other), &json!("better for <new> customers"))
    );
    assert!(promoted["who"].as_str().is_some_and(|who| who.contains('@')), "{promoted}");
    assert_eq!((&rolled_back["action"], &rolled_back["version"]), (&json!("rollback"), &json!(now)));
    project.run("release", ["p", "--history"]).exits(0);
    let entries = audit(&project);
    let shown: Vec<String> = entries
        .iter()
        .map(|entry| ["action", "state", "result"].map(|name| entry[name].as_str().unwrap_or_default()).join("|"))
        .collect();
    assert_eq!(
        shown[shown.len() - 4..],
        [
            "promote|begun|".to_owned(),
            format!("promote|done|promote {other}"),
            "rollback|begun|".to_owned(),
            format!("rollback|done|rollback {now}")
        ]
    );
    assert_eq!(entries.last().expect("entries")["about"]["why"], "worse");
}

#[test]
fn a_start_by_the_page_runs_what_cron_runs() {
    let project = with_script(people_pipeline());
    project.write("resources/p/serve.yaml", "table: scoring\n");
    let server = Serve::start(&project, &[]);
    let mut browser = Browser::new(&server);
    let mut client = server.client();
    let mut ended = |wanted: &str| {
        let mut summary = Value::Null;
        server.wait_for(300, wanted, || {
            summary = client.get("/api/v1/pipelines/p/runs").has_status(200).json()["newest"]["ended"].clone();
            !summary.is_null()
        });
        summary
    };
    let csrf = browser.csrf("/pipelines/p");
    let sent = browser.post("/pipelines/p/start", &[("csrf", &csrf), ("stage", "")]);
    assert_eq!((sent.status, sent.header("location")), (303, Some("/pipelines/p")));
    let first = ended("the whole pipeline");
    assert_eq!(first["code"], 0, "{first}");
    assert!(first["summary"].as_str().is_some_and(|summary| summary.starts_with("p ok ")), "{first}");
    assert_eq!(project.latest("data/output/p/export").len(), 1);
    let page = browser.get("/pipelines/p").text();
    assert!(page.contains("started the whole pipeline at") && page.contains(": p ok "), "{page}");
    // A single stage; its failure is shown.
    project.write("people.csv", "id,day,age,income,bought\nx,y,z,a,b\n");
    browser.post("/pipelines/p/start", &[("csrf", &csrf), ("stage", "ingest")]).has_status(303);
    assert_eq!(ended("one stage")["code"], 1);
    let log = project.read("data/logs/p.log");
    assert!(log.lines().last().is_some_and(|line| line.contains("p refused ")), "{log}");
    // Cron is at work: the same lock.
    let lock = std::fs::File::options().write(true).open(project.root().join("data/logs/.p.lock")).expect("a lock");
    lock.lock().expect("locked");
    browser.post("/pipelines/p/start", &[("csrf", &csrf), ("stage", "")]).has_status(303);
    let busy = ended("the lock");
    assert_eq!(
        (busy["code"].as_u64(), busy["summary"].as_str().is_some_and(|text| text.ends_with("another run is at work"))),
        (Some(75), true),
        "{busy}"
    );
    drop(lock);
    // What is not a stage, or would be one of a shell's.
    for (stage, status) in [("ingest; touch x", 422), ("../x", 422), ("serve", 422), ("release", 422)] {
        assert_eq!(browser.post("/pipelines/p/start", &[("csrf", &csrf), ("stage", stage)]).status, status, "{stage}");
    }
    assert_eq!(server.stop().0, Some(0));
    let actions: Vec<String> =
        audit(&project).iter().map(|entry| format!("{} {}", entry["action"], entry["state"])).collect();
    assert_eq!(actions.iter().filter(|action| *action == "\"run ended\" \"done\"").count(), 3, "{actions:?}");
}

#[test]
fn the_api_decides_and_starts_by_roles() {
    let project = with_tokens(people());
    let server = Serve::start(&project, &[]);
    let client = |token: &str| server.client().with_header("authorization", &format!("Bearer {token}"));
    let promote = "/api/v1/pipelines/p/versions/v1/promote";
    let why = json!({"why": "a test"});
    assert_eq!(server.client().post(promote, &why).status, 401);
    assert_eq!(client(OPERATOR).post(promote, &why).has_status(403).json()["error"]["code"], "role");
    assert_eq!(client(VIEWER).post("/api/v1/pipelines/p/runs", &json!({})).status, 403);
    let mut admin = client(ADMIN);
    let refused = admin.post(promote, &why).has_status(409).json();
    assert_eq!(refused["error"]["message"], "'v1' is in production already");
    let unknown = admin.post("/api/v1/pipelines/p/versions/v2/promote", &why).has_status(404).json();
    assert_eq!(
        (&unknown["error"]["message"], &unknown["error"]["way_out"]),
        (&json!("pipeline 'p' has no version 'v2'"), &json!("choose one of: v1"))
    );
    assert_eq!(admin.post("/api/v1/pipelines/p/versions/latest/promote", &why).status, 404);
    assert_eq!(admin.post("/api/v1/pipelines/P/rollback", &why).status, 404);
    assert_eq!(admin.post(promote, &json!({"why": ""})).has_status(422).json()["error"]["column"], "why");
    assert_eq!(admin.post(promote, &json!({"reason": "x"})).status, 422);
    assert_eq!(admin.post("/api/v1/pipelines/p/rollback", &why).status, 409);
    assert_eq!(admin.post("/api/v1/pipelines/p/versions/v1/archive", &why).status, 409);
    let start = client(OPERATOR).post("/api/v1/pipelines/p/runs", &json!({"stage": "trian"})).has_status(422).json();
    assert_eq!((&start["error"]["column"], &start["error"]["nearest"]), (&json!("stage"), &json!("train")));
    // Without the script nothing can be started, and the answer says so.
    let start = client(OPERATOR).post("/api/v1/pipelines/p/runs", &json!({"stage": "train"})).has_status(409).json();
    assert_eq!(start["error"]["message"], "scripts/run-pipeline: no such file, and it is what runs pipelines");
    let listed = client(VIEWER).get("/api/v1/pipelines/p/versions").has_status(200).json();
    assert_eq!(listed["versions"], json!([{"version": "v1", "stage": "production"}]));
    let described = client(VIEWER).get("/openapi.json").json();
    for path in ["versions/{version}/promote", "versions/{version}/archive", "rollback", "runs", "versions"] {
        assert!(!described["paths"][format!("/api/v1/pipelines/{{pipeline}}/{path}")].is_null(), "{path}");
    }
    assert_eq!(server.stop().0, Some(0));
    let refused = audit(&project).iter().filter(|entry| entry["state"] == "refused" && entry["way"] == "api").count();
    assert!(refused >= 8, "{refused}");
}

#[test]
fn a_prediction_by_the_form_is_that_of_the_api_beside_what_happened() {
    let project = people_pipeline();
    project.write("people.csv", tests::people() + "421,2025-12-01,30,0.5,true\n");
    project.write("resources/p/serve.yaml", "table: scoring\n");
    for tool in ["ingest", "clean", "features", "train", "predict"] {
        project.run(tool, ["p"]).exits(0);
    }
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    server.wait("the clean tables", || !client.get("/api/v1/pipelines/p").json()["row"].is_null());
    let mut browser = Browser::new(&server);
    let page = browser.get("/pipelines/p/try?key=420").has_status(200).text();
    assert!(page.contains("value=\"420\"") && page.contains("name=\"column:income\""), "{page}");
    let csrf = browser.csrf("/pipelines/p/try");
    let page =
        browser.post("/pipelines/p/try", &[("csrf", &csrf), ("by", "key"), ("key", "420")]).has_status(200).text();
    let api = client.post(PREDICTIONS, &json!({"key": 420})).json();
    let score = api["predictions"][0]["score"].as_f64().expect("a score");
    let shown = format!("{score:.4}");
    assert!(page.contains(shown.trim_end_matches('0')), "{shown} not in {page}");
    assert!(page.contains("The newest snapshot does not know a label of it yet."), "{page}");
    let row = [("csrf", csrf.as_str()), ("by", "row"), ("column:age", "30"), ("column:income", "0.5")];
    assert!(browser.post("/pipelines/p/try", &row).has_status(200).text().contains("Strongest reasons"));
    let wrong = [("csrf", csrf.as_str()), ("by", "row"), ("column:age", "old"), ("column:income", "0.5")];
    let page = browser.post("/pipelines/p/try", &wrong).has_status(200).text();
    assert!(page.contains("role=\"alert\"") && page.contains("expected a whole number, not a text"), "{page}");
    assert!(page.contains("value=\"old\""), "what was typed in is kept: {page}");
    let page = browser.post("/pipelines/p/try", &[("csrf", &csrf), ("by", "key"), ("key", "nobody")]).text();
    assert!(page.contains("role=\"alert\""), "{page}");
    // Of a day in the past it is known what happened.
    let page = browser.get("/pipelines/p/results/one?key=421").has_status(200).text();
    let (_, happened) = page.split_once("What happened").expect("a heading");
    let (happened, predicted) = happened.split_once("What was predicted").expect("another");
    assert!(happened.contains(">2025-12-01</th><td>yes</td>"), "{happened}");
    assert!(predicted.contains("model_version"), "{predicted}");
    assert_eq!(server.stop().0, Some(0));
    let log = project
        .table(project.latest("data/raw/p_served").iter().find(|path| path.contains("/requests_")).expect("a log"));
    assert_eq!(log.column("status"), ["200", "200", "200", "422", "422"]);
}

#[test]
fn results_are_searched_sorted_filtered_and_downloaded() {
    let project = people();
    let server = Serve::start(&project, &[]);
    let mut browser = Browser::new(&server);
    let all = project.table(&project.latest("data/output/p/predict")[0]);
    let page = browser.get("/pipelines/p/results").has_status(200).text();
    assert!(page.contains(&format!("{0} of {0} rows.", all.rows.len())), "{page}");
    for part in
        ["Distribution of scores", "<svg class=\"chart\"", "the threshold", "aria-label=\"Distribution of scores."]
    {
        assert!(page.contains(part), "{part} not in {page}");
    }
    let sorted = browser.get("/pipelines/p/results?sort=-score").text();
    assert!(sorted.contains("aria-sort=\"descending\""), "{sorted}");
    // The form of a filter leads to the address of the table with that filter.
    let sent = browser.get("/pipelines/p/results/filter?keep=sort%3D-score&column=score&test=ge&value=0.5");
    assert_eq!((sent.status, sent.header("location")), (303, Some("/pipelines/p/results?sort=-score&score.ge=0.5")));
    let over = all.column("score").iter().filter(|score| score.parse::<f64>().is_ok_and(|score| score >= 0.5)).count();
    let page = browser.get("/pipelines/p/results?sort=-score&score.ge=0.5").has_status(200).text();
    assert!(page.contains(&format!("{over} of {} rows.", all.rows.len())), "{page}");
    let sent = browser.get("/pipelines/p/results/filter?column=id&test=search&value=420");
    assert_eq!(sent.header("location"), Some("/pipelines/p/results?id.eq=420"));
    let file = browser.get("/pipelines/p/results/file?as=csv&score.ge=0.5");
    assert_eq!(file.has_status(200).header("content-disposition"), Some("attachment; filename=\"p_results.csv\""));
    assert_eq!(file.text().lines().count(), over + 1);
    let page = browser.get("/pipelines/p/results?nocolumn=1").has_status(422).text();
    assert!(page.contains("the results have no column &#39;nocolumn&#39;"), "{page}");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn no_address_and_no_form_makes_the_server_fail_or_speak_in_words_of_others() {
    let project = people();
    let server = Serve::start(&project, &[]);
    let mut browser = Browser::new(&server);
    let csrf = browser.csrf("/pipelines/p");
    let paths = [
        "/",
        "/login",
        "/logout",
        "/audit",
        "/api",
        "/pipelines/p",
        "/pipelines/p/start",
        "/pipelines/p/log",
        "/pipelines/p/results",
        "/pipelines/p/results/filter",
        "/pipelines/p/results/file",
        "/pipelines/p/results/one",
        "/pipelines/p/models",
        "/pipelines/p/models/decide",
        "/pipelines/p/models/v1",
        "/pipelines/p/models/v1/card",
        "/pipelines/p/models/v1/plots/roc",
        "/pipelines/p/comparison",
        "/pipelines/p/watch",
        "/pipelines/p/try",
    ];
    let words = [
        "%00",
        "%ff",
        "%",
        "..",
        "%2e%2e%2f",
        "'",
        "\"",
        "<b>",
        "v1",
        "v0",
        "v99999999999",
        "key",
        "at",
        "as",
        "csv",
        "sort",
        "score",
        "-score",
        "score.ge",
        "nan",
        "1e999",
        "page",
        "0",
        "-1",
        "18446744073709551616",
        "&",
        "=",
        ";",
        "%0d%0a",
        "id",
        "keep",
        "column",
        "test",
        "value",
        "kind",
        "promote",
        "on",
        "why",
        "stage",
        "by",
        "row",
        "column:age",
        "é",
    ];
    let mut random = testkit::Random::seeded(23);
    for round in 0..600 {
        // A server may close a connection on which a form came that are not read.
        browser.client = server.client();
        let mut path = random.of(&paths).to_owned();
        if random.below(4) == 0 {
            path = path.replacen("v1", random.of(&words), 1).replacen("/p/", &format!("/{}/", random.of(&words)), 1);
        }
        let pairs: Vec<String> =
            (0..random.below(5)).map(|_| format!("{}={}", random.of(&words), random.of(&words))).collect();
        let path: String = path.chars().filter(|c| c.is_ascii_graphic()).collect();
        let query: String = pairs.join("&").chars().filter(|c| c.is_ascii_graphic()).collect();
        let answer = match random.below(2) {
            0 => browser.get(&format!("{path}?{query}")),
            _ => {
                let mut fields: Vec<(&str, &str)> =
                    (0..random.below(5)).map(|_| (random.of(&words), random.of(&words))).collect();
                if random.below(2) == 0 {
                    fields.push(("csrf", &csrf));
                }
                // Nothing is decided or started: what comes after shall find the same project.
                fields.retain(|(_, value)| *value != "promote");
                if path.ends_with("/start") {
                    fields.insert(0, ("stage", "none"));
                }
                browser.post(&path, &fields)
            }
        };
        let text = answer.text();
        assert!(answer.status < 500, "round {round}: {path}?{query}: {} {text}", answer.status);
        for raw in ["Failed to deserialize", "Invalid URL", "invalid digit", "panicked", "missing field"] {
            assert!(!text.contains(raw), "round {round}: {path}?{query}: {text}");
        }
    }
    assert_eq!(server.stop().0, Some(0));
}
