//! What `serve` must withstand from its own project: files that are damaged or gone, a pipeline that breaks while others continue,
//! decisions made at once, a second server, a clock that is set.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use testkit::{Clock, HttpClient, Project, Serve};
use tests::PEOPLE;
use tests::served::{AT_ONCE, PREDICTIONS, people, versions};

/// What an artifact or a file of a model holds, with one bit changed near its beginning, where the pages are.
fn damaged(project: &Project, path: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(project.at(path)).expect("it can be read");
    bytes[60] ^= 0x10;
    bytes
}

/// A second version, in production.
fn promote_a_second(project: &Project) {
    let train = project.read("resources/p/train.yaml");
    project.write("resources/p/train.yaml", train.replace("linear: logistic", "linear: {logistic: {l2: 50}}"));
    project.run("train", ["p"]).exits(0);
    let log = project.read("data/models/p/decisions.jsonl");
    if !log.lines().last().expect("a line").contains("\"promote\"") {
        project.run("release", ["p", "--promote", "v2", "--why", "a test"]).exits(0);
    }
}

fn metric(client: &mut HttpClient, name: &str) -> bool {
    client.get("/metrics").has_status(200).text().lines().any(|line| line.starts_with(name))
}

#[test]
fn a_damaged_or_missing_snapshot_leaves_what_answers() {
    let project = people();
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    let keys = json!({"keys": [420, 421]});
    let before = client.post(PREDICTIONS, &keys).has_status(200).json()["predictions"].clone();
    let page = "/api/v1/results?pipeline=p&per_page=50";
    let results = client.get(page).has_status(200).json()["rows"].clone();
    for (folder, table, part) in
        [("data/output/p/predict", "scores", "results"), ("data/processed/p/features", "scoring", "model")]
    {
        let latest = project.read(format!("{folder}/latest"));
        let path = latest.lines().find(|path| path.contains(&format!("/{table}_"))).expect("the table").to_owned();
        let good = std::fs::read(project.at(&path)).expect("it can be read");
        // Another snapshot: its table is the one before, but for a bit.
        let copy = format!("{folder}/{table}_20300101_000000.parquet");
        project.write(&copy, damaged(&project, &path));
        let problem = format!("millrace_serve_problem{{pipeline=\"p\",part=\"{part}\"}} 1");
        project.write(&format!("{folder}/latest"), latest.replace(&path, &copy));
        server.wait("the damage", || server.said().contains(&format!("{copy}: its content does not match its hash")));
        assert!(metric(&mut client, &problem));
        let ready = client.get("/readyz").has_status(200).text();
        assert!(ready.starts_with("ready\nwarning: p: ") && ready.contains(&copy), "{ready}");
        assert_eq!(client.post(PREDICTIONS, &keys).has_status(200).json()["predictions"], before);
        assert_eq!(client.get(page).has_status(200).json()["rows"], results);
        // The file is put right: nothing else has to change.
        project.write(&copy, &good);
        server.wait("the repair", || !metric(&mut client, &problem));
        // A snapshot that names what is missing, and no snapshot at all.
        project.write(
            &format!("{folder}/latest"),
            latest.replace(&path, &format!("{folder}/{table}_20310101_000000.parquet")),
        );
        server.wait("the gap", || server.said().contains(&format!("{table}_20310101_000000.parquet: no such file")));
        std::fs::remove_file(project.at(format!("{folder}/latest"))).expect("it can be removed");
        server.wait("the loss", || server.said().contains(&format!("{folder}/latest: no such file")));
        assert_eq!(client.post(PREDICTIONS, &keys).has_status(200).json()["predictions"], before);
        assert_eq!(client.get(page).has_status(200).json()["rows"], results);
        project.write(&format!("{folder}/latest"), &latest);
        server.wait("the return", || !metric(&mut client, &problem));
        assert_eq!(client.get("/readyz").has_status(200).text(), "ready\n");
    }
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_mask_of_a_column_that_there_is_not_is_a_warning() {
    let project = people();
    for (mask, warning) in [
        ("incom", "warning: p: mask: no column 'incom', so it hides nothing; did you mean 'income'?"),
        ("income", ""),
        // The key, and the label: a column of the clean table.
        ("id", ""),
        ("bought", ""),
    ] {
        project.write("resources/p/serve.yaml", format!("table: scoring\nmask: {{{mask}: remove}}\n"));
        let server = Serve::start(&project, &[]);
        let mut client = server.client();
        server.wait("the clean tables", || !client.get("/api/v1/pipelines/p").json()["row"].is_null());
        server.wait("the masks", || client.get("/readyz").text().contains(warning));
        let problem = "millrace_serve_problem{pipeline=\"p\",part=\"mask\"} 1";
        assert_eq!(metric(&mut client, problem), !warning.is_empty(), "{mask}");
        assert_eq!(server.stop().0, Some(0));
    }
}

#[test]
fn a_damaged_model_does_not_answer_and_the_history_names_what_it_cannot_read() {
    let project = people();
    project.write("resources/p/serve.yaml", AT_ONCE);
    promote_a_second(&project);
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    assert_eq!(versions(&mut client, &[json!(420)]), ["v2"]);
    // Damage in production, noticed when the files are read again: at a new snapshot of features.
    let model = project
        .list("data/models/p/v2")
        .into_iter()
        .find(|file| file.starts_with("model.") && !file.ends_with(".json"));
    let model = format!("data/models/p/v2/{}", model.unwrap_or_else(|| "model.json".to_owned()));
    let good = std::fs::read(project.at(&model)).expect("it can be read");
    project.write(&model, damaged(&project, &model));
    project.run("features", ["p", "--force"]).exits(0);
    server.wait("the damage", || metric(&mut client, "millrace_serve_problem{pipeline=\"p\",part=\"model\"} 1"));
    assert_eq!(versions(&mut client, &[json!(420)]), ["v2"], "as it was read");
    // A new process has nothing that it could answer with, and says so: no 500.
    let scores = project.latest("data/output/p/predict").remove(0);
    project.write(&scores, damaged(&project, &scores));
    assert_eq!(server.stop().0, Some(0));
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    let answer = client.post(PREDICTIONS, &json!({"key": 420}));
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(answer.json()["error"]["code"], "no_model");
    assert_eq!(client.get("/readyz").status, 503);
    assert!(metric(&mut client, "millrace_serve_ready{pipeline=\"p\"} 0"));
    assert_eq!(client.get("/api/v1/results?pipeline=p").status, 404);
    project.write(&model, good);
    server.wait("the repair", || client.get("/readyz").status == 200);
    // Scores again: the history has the new ones, and names those that are damaged.
    project.run("predict", ["p", "--force"]).exits(0);
    server.wait("results", || client.get("/api/v1/results?pipeline=p").status == 200);
    let history = client.get("/api/v1/results/420/history?pipeline=p").has_status(200).json();
    assert_eq!(history["history"].as_array().map(Vec::len), Some(1), "{history}");
    assert_eq!(history["unreadable"][0]["artifact"], scores.as_str());
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_pipeline_that_breaks_leaves_the_others_as_they_are() {
    let project = people();
    for (tool, spec) in PEOPLE {
        project.write(&format!("resources/q/{tool}.yaml"), spec);
    }
    project.write("resources/q/serve.yaml", "table: scoring\n");
    for tool in ["ingest", "clean", "features", "train", "predict"] {
        project.run(tool, ["q"]).exits(0);
    }
    // A features.yaml that cannot be read is reported at once, with its place.
    let good = project.read("resources/q/features.yaml");
    project.write("resources/q/features.yaml", good.replace("features: {", "faetures: {"));
    let server = Serve::start(&project, &[]);
    server.wait("the report", || server.said().contains("resources/q/features.yaml:6:1: unknown key 'faetures'"));
    let mut client = server.client();
    let of_q = "/api/v1/pipelines/q/predictions";
    let row = json!({"row": {"age": 33, "income": 0.25}});
    client.post(of_q, &json!({"key": 420})).has_status(200);
    let refused = client.post(of_q, &row);
    assert_eq!(refused.has_status(503).json()["error"]["code"], "no_rows");
    assert!(refused.text().contains("unknown key 'faetures'"), "{}", refused.text());
    assert!(metric(&mut client, "millrace_serve_problem{pipeline=\"q\",part=\"rows\"} 1"));
    server.wait("p", || client.post(PREDICTIONS, &row).status == 200);
    project.write("resources/q/features.yaml", good);
    server.wait("q", || client.post(of_q, &row).status == 200);
    server.kill();
    // Lines of a journal that somebody changed: that pipeline is not served, and the other one is.
    let journal = "data/journals/q/requests-000001.jsonl";
    let text = project.read(journal);
    assert!(text.lines().count() > 2, "{text}");
    project.write(journal, text.replacen("\"status\":200", "\"status\":500", 1));
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    client.post(PREDICTIONS, &json!({"key": 420})).has_status(200);
    let broken = client.post(of_q, &json!({"key": 420}));
    assert_eq!(broken.has_status(503).json()["error"]["code"], "broken");
    assert!(broken.text().contains("the chain is broken"), "{}", broken.text());
    assert!(client.get("/readyz").has_status(503).text().contains("the chain is broken"));
    assert_eq!(server.stop().0, Some(0));
    project.run("serve", ["q", "--listen", "127.0.0.1:0"]).exits(1).says("the chain is broken");
}

#[test]
fn promotions_and_rollbacks_at_once_leave_one_answer() {
    let project = people();
    project.write("resources/p/serve.yaml", AT_ONCE);
    promote_a_second(&project);
    let server = Serve::start(&project, &[]);
    let decisions = || {
        let log = project.read("data/models/p/decisions.jsonl");
        let actions =
            log.lines().map(|line| serde_json::from_str::<Value>(line).expect("a decision")["action"].clone());
        actions.filter(|action| action == "promote" || action == "rollback").count()
    };
    let before = decisions();
    let mut decided = 0;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let (mut client, mut count) = (server.client(), 0u32);
            while !stop.load(Ordering::Relaxed) {
                client.post(PREDICTIONS, &json!({"key": 420})).has_status(200);
                count += 1;
            }
            count
        });
        for _ in 0..4 {
            let deciders = [
                vec!["p", "--promote", "v1", "--why", "a test"],
                vec!["p", "--rollback", "--why", "a test"],
                vec!["p", "--promote", "v2", "--why", "a test"],
            ];
            let deciders = deciders.map(|arguments| scope.spawn(|| project.run("release", arguments)));
            for decider in deciders {
                let outcome = decider.join().expect("no panic");
                // The slower one is refused, or finds that its version is in production already.
                match outcome.code {
                    Some(0) => decided += 1,
                    Some(1) => drop(outcome.says("production")),
                    _ => drop(outcome.exits(75)),
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(asker.join().expect("no request fails") > 0);
    });
    assert_eq!(decisions(), before + decided, "each command that succeeded decided once");
    project.run("release", ["p", "--history"]).exits(0);
    let shown = project.run("predict", ["p", "--force"]);
    shown.exits(0);
    let in_production = project.table(&shown.path()).column("model_version")[0].to_owned();
    let mut client = server.client();
    server.wait("the last decision", || versions(&mut client, &[json!(420)]) == [in_production.as_str()]);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_takeover_is_in_the_log_of_decisions_step_by_step() {
    let Some(clock) = Clock::new() else { return };
    let project = clock.of(people());
    project.write("resources/p/serve.yaml", "rollout: {smoke_share: 0.5, smoke_for: 1h, watch_for: 24h}\n");
    promote_a_second(&project);
    let steps = || -> Vec<Value> {
        let log = project.read("data/models/p/decisions.jsonl");
        let all = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("a decision"));
        all.filter(|entry| ["takeover", "archive"].contains(&entry["action"].as_str().expect("a word"))).collect()
    };
    // The promotion is of now; then of two hours ago, and of two days ago. Each step is logged once, however often it starts.
    for (count, hours) in [(1, 0), (1, 0), (2, 2), (2, 2), (3, 48), (3, 48)] {
        clock.set(hours * 3600);
        let server = Serve::start(&project, &[]);
        server.client().post(PREDICTIONS, &json!({"key": 420})).has_status(200);
        server.wait("the step", || steps().len() == count);
        assert_eq!(server.stop().0, Some(0));
    }
    let steps = steps();
    let told = |at: usize, name: &str| steps[at][name].as_str().unwrap_or_default().to_owned();
    assert_eq!(steps.len(), 3, "{steps:?}");
    let share = |at: usize| steps[at]["metrics"]["share"].as_f64();
    assert_eq!((told(0, "action"), told(0, "version"), share(0)), ("takeover".into(), "v2".into(), Some(0.5)));
    let why = told(0, "why");
    assert!(
        why.starts_with("answers 50 % of visitors for 1h, v1 the others; ") && why.ends_with("bit for bit"),
        "{why}"
    );
    assert_eq!((told(1, "action"), share(1)), ("takeover".into(), Some(1.0)));
    assert!(told(1, "why").starts_with("answers all visitors, and is watched until 1d after its promotion; so far "));
    assert!(steps[1]["metrics"]["answers"].is_number(), "{steps:?}");
    assert_eq!(
        (told(2, "action"), told(2, "version"), told(2, "champion")),
        ("archive".into(), "v1".into(), "v2".into())
    );
    assert!(told(2, "why").starts_with("v2 was watched for 1d after its promotion ("), "{}", told(2, "why"));
    // They change nothing: v2 is in production, and the log can be read by everybody.
    let history = project.run("release", ["p", "--history"]);
    history.exits(0);
    assert!(history.stdout().iter().any(|line| line.contains(" takeover v2, champion v2 by ")), "{history}");
    project.run("release", ["p", "--rollback", "--why", "a test"]).exits(0);
}

#[test]
fn a_clock_that_is_set_changes_no_takeover_and_loses_no_line() {
    let Some(clock) = Clock::new() else { return };
    let project = clock.of(people());
    project.write("resources/p/serve.yaml", "rollout: {smoke_share: 0.5, smoke_for: 1h, watch_for: 24h}\n");
    promote_a_second(&project);
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    let keys: Vec<Value> = (400..450).map(|key| json!(key)).collect();
    let expected = versions(&mut client, &keys);
    assert!(expected.contains(&"v1".to_owned()) && expected.contains(&"v2".to_owned()), "{expected:?}");
    let mut ids = Vec::new();
    // Two days ahead, a day behind, and back.
    for offset in [172_800, -86_400, 0] {
        clock.set(offset);
        // Longer than the server waits between two looks.
        std::thread::sleep(std::time::Duration::from_millis(1200));
        assert_eq!(versions(&mut client, &keys), expected, "{offset}");
        assert_eq!(client.get("/api/v1/pipelines/p").json()["takeover"]["phase"], "smoke", "{offset}");
        let answer = client.post(PREDICTIONS, &json!({"key": 420})).has_status(200).json();
        ids.push(answer["request_id"].as_str().expect("an id").to_owned());
        client.get("/metrics").has_status(200);
    }
    assert_eq!(server.stop().0, Some(0));
    let path = project.latest("data/raw/p_served").remove(0);
    let log = project.table(&path);
    let logged: Vec<&str> =
        log.column("request_id").into_iter().filter(|id| ids.iter().any(|known| known == id)).collect();
    assert_eq!(logged, ids, "in the order of the answers, whatever the clock said");
    assert_eq!(log.rows.len(), 4 * keys.len() + ids.len());
}

#[test]
fn a_project_has_one_server_for_each_pipeline() {
    let project = people();
    project.write("resources/q/serve.yaml", "table: scoring\n");
    let first = Serve::start(&project, &["p"]);
    let mut client = first.client();
    client.post(PREDICTIONS, &json!({"key": 420})).has_status(200);
    for _ in 0..2 {
        let second = project.run("serve", ["p", "--listen", "127.0.0.1:0"]);
        second.exits(75).says("another process writes the journal 'requests'; stop the other server first");
        client.post(PREDICTIONS, &json!({"key": 421})).has_status(200);
    }
    // Another pipeline may have a server of its own.
    let other = Serve::start(&project, &["q"]);
    assert_eq!(other.client().get("/readyz").status, 503);
    assert_eq!(other.stop().0, Some(0));
    assert_eq!(first.stop().0, Some(0));
    let log = project.table(&project.latest("data/raw/p_served")[0]);
    assert_eq!(log.column("entity"), ["420", "421", "421"]);
}
