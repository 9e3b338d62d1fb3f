//! What `serve` must withstand: it is killed, its disk is full, its versions change under load, its clients are slow.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use testkit::{Project, Serve};
use tests::served::{AT_ONCE, PREDICTIONS, bits, journal, people, versions};

/// Lines of a pipeline's journals and rows of their artifacts, all together.
fn logged(project: &Project, name: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for file in project.list("data/journals/p").into_iter().filter(|file| file.starts_with(&format!("{name}-"))) {
        for line in journal(project, &format!("data/journals/p/{file}")).lines().skip(1) {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{file}: not JSON: {line}"));
            ids.push(line["request_id"].as_str().expect("a request").to_owned());
        }
    }
    for path in project.latest("data/raw/p_served").into_iter().filter(|path| path.contains(&format!("/{name}_"))) {
        ids.extend(project.table(&path).column("request_id").into_iter().map(str::to_owned));
    }
    ids
}

#[test]
fn nothing_that_was_answered_is_lost_when_the_server_is_killed() {
    let project = people();
    let mut answered: Vec<String> = Vec::new();
    for round in 0..3 {
        let server = Serve::start(&project, &[]);
        let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let askers: Vec<_> = (0..8)
                .map(|asker| {
                    let (server, stop, count) = (&server, &stop, &count);
                    scope.spawn(move || {
                        let mut client = server.client();
                        let mut ids = Vec::new();
                        while !stop.load(Ordering::Relaxed) {
                            let key = 400 + (asker * 7 + ids.len()) % 50;
                            let body = json!({"key": key}).to_string();
                            let headers = [("content-type", "application/json")];
                            let Ok(answer) = client.send("POST", PREDICTIONS, &headers, body.as_bytes()) else { break };
                            answer.has_status(200);
                            ids.push(answer.json()["request_id"].as_str().expect("an id").to_owned());
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        ids
                    })
                })
                .collect();
            server.wait("answers", || count.load(Ordering::Relaxed) > 100 * (round + 1));
            testkit::signal::send("KILL", &server.process().to_string()).expect("killed");
            stop.store(true, Ordering::Relaxed);
            for asker in askers {
                answered.extend(asker.join().expect("no panic"));
            }
        });
        server.kill();
    }
    assert!(answered.len() > 300);
    // The next server seals what the killed ones left, and again nothing is lost or doubled.
    let server = Serve::start(&project, &[]);
    assert_eq!(server.stop().0, Some(0));
    let mut logged = logged(&project, "requests");
    logged.sort();
    let all = logged.len();
    logged.dedup();
    assert_eq!(logged.len(), all, "a request is logged twice");
    let missing: Vec<&String> = answered.iter().filter(|id| logged.binary_search(id).is_err()).collect();
    assert!(missing.is_empty(), "{} of {} answers are not in the log", missing.len(), answered.len());
    assert!(project.list("data/raw/p_served").iter().any(|file| file.ends_with(".parquet")));
}

#[test]
fn a_sealed_journal_is_in_the_snapshot_whenever_the_server_is_killed() {
    let project = people();
    let server = Serve::start(&project, &[]);
    let answer = server.client().post(PREDICTIONS, &json!({"key": 420})).has_status(200).json();
    testkit::signal::send("KILL", &server.process().to_string()).expect("killed");
    server.kill();
    let journals = project.list("data/journals/p");
    let segment = journals.iter().find(|file| file.starts_with("requests-")).expect("a segment");
    let segment = format!("data/journals/p/{segment}");
    let lines = journal(&project, &segment);
    assert_eq!(Serve::start(&project, &[]).stop().0, Some(0));
    let sealed = project.latest("data/raw/p_served");
    // As a kill leaves it after the artifact was renamed, and before `latest` was.
    project.write(&segment, lines);
    std::fs::remove_file(project.at("data/raw/p_served/latest")).expect("it can be removed");
    assert_eq!(Serve::start(&project, &[]).stop().0, Some(0));
    assert_eq!(project.latest("data/raw/p_served"), sealed);
    assert!(!project.at(&segment).exists());
    assert_eq!(logged(&project, "requests"), [answer["request_id"].as_str().expect("an id")]);
}

#[test]
fn swaps_are_noticed_and_no_request_fails() {
    let project = people();
    project.write("resources/p/serve.yaml", AT_ONCE);
    let train = project.read("resources/p/train.yaml");
    project.write("resources/p/train.yaml", train.replace("{linear: logistic}", "{small: {tree: {depth: 2}}}"));
    project.run("train", ["p"]).exits(0);
    project.write("resources/p/train.yaml", train);
    let trained = project.run("release", ["p", "--history"]);
    let in_production = |project: &Project| {
        let log = project.read("data/models/p/decisions.jsonl");
        let mut decisions = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("a decision"));
        let last =
            decisions.rfind(|entry| ["promote", "rollback"].contains(&entry["action"].as_str().expect("an action")));
        last.expect("a decision")["version"].as_str().expect("a version").to_owned()
    };
    assert!(trained.stdout().len() >= 2, "{trained}");
    let server = Serve::start(&project, &[]);
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (answered, mut by_hand) = (std::sync::Mutex::new(Vec::new()), None);
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..4)
            .map(|asker| {
                let (server, stop, count) = (&server, &stop, &count);
                scope.spawn(move || {
                    let mut client = server.client();
                    let (mut seen, mut ids) = (std::collections::BTreeSet::new(), Vec::new());
                    while !stop.load(Ordering::Relaxed) {
                        let answer = client.post(PREDICTIONS, &json!({"key": 400 + asker}));
                        // Whoever answers, it is one whole version.
                        let answer = answer.has_status(200).json();
                        let prediction = &answer["predictions"][0];
                        seen.insert((prediction["version"].to_string(), bits(&prediction["score"])));
                        ids.push(answer["request_id"].as_str().expect("an id").to_owned());
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    (seen, ids)
                })
            })
            .collect();
        let mut client = server.client();
        for swap in 0..6 {
            let now = in_production(&project);
            let other = if now == "v1" { "v2" } else { "v1" };
            let arguments: &[&str] = match swap % 3 {
                2 => &["p", "--rollback", "--why", "a test"],
                _ => &["p", "--promote", other, "--why", "a test"],
            };
            project.run("release", arguments).exits(0);
            let expected = in_production(&project);
            assert_ne!(expected, now);
            let began = std::time::Instant::now();
            server.wait("the swap", || versions(&mut client, &[json!(420)]) == [expected.as_str()]);
            assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
        for asker in askers {
            let (seen, ids) = asker.join().expect("no request fails");
            assert_eq!(seen.len(), 2, "two versions, each with one score: {seen:?}");
            answered.lock().expect("no panic").extend(ids);
        }
        // Those that waited for a swap were asked by this client.
        by_hand = server.client().get("/api/v1/pipelines/p").json()["journals"]["requests"]["kept"].as_u64();
    });
    assert!(count.load(Ordering::Relaxed) > 100);
    assert_eq!(server.stop().0, Some(0));
    // Each answer is in the log, once, whichever version gave it.
    let (mut answered, mut logged) = (answered.into_inner().expect("no panic"), logged(&project, "requests"));
    assert_eq!(by_hand, Some(logged.len() as u64));
    answered.sort();
    logged.sort();
    let all = logged.len();
    logged.dedup();
    assert_eq!(logged.len(), all, "a request is logged twice");
    assert!(answered.iter().all(|id| logged.binary_search(id).is_ok()), "an answer is not in the log");
}

#[test]
fn a_version_that_cannot_prove_itself_does_not_answer() {
    let project = people();
    project.write("resources/p/serve.yaml", AT_ONCE);
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    assert_eq!(versions(&mut client, &[json!(420)]), ["v1"]);
    // A second version whose test predictions are not what it scores now: those of another model.
    let train = project.read("resources/p/train.yaml");
    project.write("resources/p/train.yaml", train.replace("linear: logistic", "linear: {logistic: {l2: 50}}"));
    let trained = project.run("train", ["p"]);
    trained.exits(0);
    let features = project.latest("data/processed/p/features");
    let training = features.iter().find(|path| path.contains("/training_")).expect("a training table");
    let whole = std::fs::read(project.at(training)).expect("it can be read");
    std::fs::remove_file(project.at(training)).expect("it can be removed");
    let log = project.read("data/models/p/decisions.jsonl");
    if !log.lines().last().expect("a line").contains("\"promote\"") {
        project.run("release", ["p", "--promote", "v2", "--why", "a test"]).exits(0);
    }
    server.wait("the refusal", || server.said().contains("its test cannot be repeated"));
    assert_eq!(versions(&mut client, &[json!(420)]), ["v1"], "the old version answers");
    let described = client.get("/api/v1/pipelines/p").json();
    assert!(described["problem"].as_str().expect("a problem").contains("no longer exists"), "{described}");
    assert_eq!(client.get("/readyz").status, 200, "it answers, if by the old version");
    // The file is back: the next change is taken.
    std::fs::write(project.at(training), whole).expect("it can be written");
    project.run("release", ["p", "--rollback", "--why", "a test"]).exits(0);
    project.run("release", ["p", "--promote", "v2", "--why", "a test"]).exits(0);
    server.wait("v2", || versions(&mut client, &[json!(420)]) == ["v2"]);
    assert_eq!(client.get("/api/v1/pipelines/p").json()["problem"], Value::Null);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn tokens_have_roles_and_without_any_only_this_machine_is_answered() {
    let project = people();
    project
        .run("serve", ["--listen", "0.0.0.0:0"])
        .exits(2)
        .says("without tokens the server answers this machine only");
    project
        .run("serve", ["--listen", "127.0.0.1:0", "--public-url", "https://m.example"])
        .exits(2)
        .says("--public-url: without tokens everybody who finds m.example may do all; set SERVE_TOKEN_VIEWER");
    let (viewer, operator) = ("viewer-0123456789abcdef", "operator-0123456789abcdef");
    let project = project.with_variable("SERVE_TOKEN_VIEWER", viewer).with_variable("SERVE_TOKEN_OPERATOR", operator);
    // A pipeline that is named twice is served once.
    let server = Serve::start(&project, &["--listen", "0.0.0.0:0", "p", "p"]);
    let url = server.url().replace("0.0.0.0", "127.0.0.1");
    let as_who =
        |token: &str| testkit::HttpClient::connect(&url).with_header("authorization", &format!("Bearer {token}"));
    let body = json!({"key": 420});
    let status = |client: &mut testkit::HttpClient| client.post(PREDICTIONS, &body).status;
    assert_eq!(status(&mut testkit::HttpClient::connect(&url)), 401);
    assert_eq!(status(&mut as_who("viewer-0123456789abcdeg")), 401);
    assert_eq!(status(&mut as_who(viewer)), 403);
    assert_eq!(status(&mut as_who(operator)), 200);
    assert_eq!(as_who(viewer).get("/api/v1/results?pipeline=p").status, 200);
    assert_eq!(testkit::HttpClient::connect(&url).get("/metrics").status, 401);
    assert_eq!(testkit::HttpClient::connect(&url).get("/readyz").status, 200);
    let metrics = as_who(viewer).get("/metrics").has_status(200).text();
    assert!(
        metrics.contains("millrace_serve_predictions_total{pipeline=\"p\",arm=\"production\",version=\"v1\"} 1"),
        "{metrics}"
    );
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(!said.contains(viewer) && !said.contains(operator), "{said}");
}

#[test]
fn who_cannot_log_in_takes_no_place_of_those_who_can() {
    let (viewer, wrong) = ("viewer-0123456789abcdef", "viewer-0123456789abcdeg");
    let project = people().with_variable("SERVE_TOKEN_VIEWER", viewer);
    let server = Serve::start(&project, &["--in-flight", "2"]);
    let login = |token: &str, length: usize| {
        let form = format!("token={token}&next=%2F");
        let length = form.len() + length;
        let head = format!("POST /login HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}");
        format!("{head}\r\ncontent-type: application/x-www-form-urlencoded\r\n\r\n{form}")
    };
    // Each wrong token waits for its answer, and some of these logins never come to their end.
    let mut strangers: Vec<_> = (0..12).map(|_| server.client()).collect();
    for (at, stranger) in strangers.iter_mut().enumerate() {
        stranger.send_raw(login(wrong, 100 * (at % 2)).as_bytes()).expect("sent");
    }
    let mut client = server.client().with_header("authorization", &format!("Bearer {viewer}"));
    for _ in 0..50 {
        client.get("/api/v1/results?pipeline=p&per_page=1").has_status(200);
    }
    let mut browser = server.client();
    browser.send_raw(login(viewer, 0).as_bytes()).expect("sent");
    assert_eq!(browser.read(false).expect("an answer").status, 303);
    for stranger in strangers.iter_mut().step_by(2) {
        assert_eq!(stranger.read(false).expect("an answer").status, 401);
    }
    // Nor does anybody's login fill the memory.
    let mut long = server.client();
    long.send_raw(login(&"x".repeat(20 << 10), 0).as_bytes()).expect("sent");
    assert_eq!(long.read(false).expect("an answer").status, 400);
    drop(strangers);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn slow_and_silent_clients_are_let_go_and_too_many_are_turned_away() {
    let project = people();
    let server = Serve::start(&project, &["--idle", "3", "--in-flight", "1"]);
    let began = std::time::Instant::now();
    // Half a head, half a body, and nothing at all.
    for bytes in [
        "GET /healthz HTT".to_owned(),
        format!(
            "POST {PREDICTIONS} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{{"
        ),
        String::new(),
    ] {
        let mut client = server.client();
        client.send_raw(bytes.as_bytes()).expect("sent");
        // The connection is closed, or the half request is answered with 408; it does not hang.
        if let Ok(answer) = client.read(false) {
            assert_eq!(answer.status, 408);
        }
    }
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
    // One request that sends its body slowly takes the only place.
    let mut slow = server.client();
    let head = "HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 12";
    slow.send_raw(format!("POST {PREDICTIONS} {head}\r\n\r\n{{\"key\"").as_bytes()).expect("sent");
    let mut client = server.client();
    server.wait("the slow one", || client.get("/metrics").text().contains("millrace_serve_in_flight 1\n"));
    let answer = client.post(PREDICTIONS, &json!({"key": 420}));
    assert_eq!(
        (answer.status, answer.header("retry-after"), answer.json()["error"]["code"].as_str()),
        (503, Some("1"), Some("busy"))
    );
    assert_eq!(client.get("/healthz").status, 200, "whoever watches is answered");
    drop(slow);
    server.wait("room", || client.post(PREDICTIONS, &json!({"key": 420})).status == 200);
    server.wait("nobody", || client.get("/metrics").text().contains("millrace_serve_in_flight 0\n"));
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_version_that_is_too_slow_is_put_back_by_itself() {
    let project = people();
    let spec =
        "rollout: {smoke_share: 1, smoke_for: 1ms, max_p95: 1ms, min_answers: 5, watch_for: 1h}\nmax_rows: 20000\n";
    project.write("resources/p/serve.yaml", spec);
    let train = project.read("resources/p/train.yaml");
    project.write("resources/p/train.yaml", train.replace("linear: logistic", "linear: {logistic: {l2: 50}}"));
    project.run("train", ["p"]).exits(0);
    project.run("release", ["p", "--promote", "v1", "--why", "a test"]);
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    project.run("release", ["p", "--promote", "v2", "--why", "a test"]).exits(0);
    server.wait("v2", || versions(&mut client, &[json!(420)]) == ["v2"]);
    assert_eq!(client.get("/api/v1/pipelines/p").json()["takeover"]["before"], "v1");
    // So many rows at once take longer than a millisecond.
    let keys: Vec<Value> = (0..5000).map(|at| json!(400 + at % 50)).collect();
    server.wait("the way back", || {
        let seen = versions(&mut client, &keys);
        seen.iter().all(|version| version == "v1")
    });
    let log = project.read("data/models/p/decisions.jsonl");
    let last: Value = serde_json::from_str(log.lines().last().expect("a decision")).expect("JSON");
    assert_eq!(
        (last["action"].as_str(), last["version"].as_str(), last["champion"].as_str()),
        (Some("rollback"), Some("v1"), Some("v2"))
    );
    let why = last["why"].as_str().expect("a reason");
    assert!(why.starts_with("automatically, while it took over: 95 of 100 answers took up to"), "{why}");
    assert!(last["metrics"]["p95_ms"].as_f64().expect("a number") > 1.0);
    assert!(server.said().contains("v2 was put back to v1"), "{}", server.said());
    // Whoever came back answers all, and is not judged again.
    assert_eq!(client.get("/api/v1/pipelines/p").json()["takeover"], Value::Null);
    assert_eq!(server.stop().0, Some(0));
}

/// A small disk of its own in a folder of the project; `None` where mounting is not allowed.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn at(folder: std::path::PathBuf) -> Option<SmallDisk> {
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let disk = SmallDisk(folder);
        if disk.mount("size=96k,nr_inodes=64") {
            return Some(disk);
        }
        testkit::skipped("mount", "a small disk cannot be mounted here");
        None
    }

    fn mount(&self, options: &str) -> bool {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&self.0);
        mount.status().is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_stops_the_log_and_not_the_answers() {
    let project = people();
    let Some(disk) = SmallDisk::at(project.at("data/journals")) else { return };
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    // As many requests as it takes, however long they take.
    let mut answered = 0u64;
    loop {
        client.post(PREDICTIONS, &json!({"key": 420})).has_status(200);
        answered += 1;
        if client.get("/readyz").status == 503 {
            break;
        }
        assert!(answered < 20_000, "the disk is not full");
    }
    let problems = client.get("/readyz").json();
    let problem = problems["problems"]["p"][0].as_str().expect("a problem").to_owned();
    assert!(problem.starts_with("journal 'requests': no space left on device; "), "{problem}");
    client.post(PREDICTIONS, &json!({"key": 421})).has_status(200);
    let described = client.get("/api/v1/pipelines/p").json();
    let (kept, lost) =
        (described["journals"]["requests"]["kept"].as_u64(), described["journals"]["requests"]["lost"].as_u64());
    assert_eq!(kept.zip(lost).map(|(kept, lost)| kept + lost), Some(answered + 1));
    assert!(client.get("/metrics").text().contains("journal=\"requests\",fate=\"lost\""));
    // Room again: the log continues and says what is missing.
    let grown = std::process::Command::new("mount").args(["-o", "remount,size=8m"]).arg(&disk.0).status();
    assert!(grown.is_ok_and(|status| status.success()));
    client.post(PREDICTIONS, &json!({"key": 422})).has_status(200);
    assert_eq!(client.get("/readyz").status, 200);
    assert_eq!(server.stop().0, Some(0));
    let path = project.latest("data/raw/p_served").remove(0);
    let books = &project.evidence(&path)["books"];
    assert_eq!(books["rows_out"].as_u64(), Some(kept.expect("a count") + 1));
    assert_eq!(books["entries"][0]["rows"].as_u64(), lost);
}

#[test]
fn a_score_that_is_no_number_is_the_fault_of_the_row_and_not_of_the_version() {
    let project = Project::new();
    let rows: String = (0..400)
        .map(|row| {
            let x = (row * 37 % 100) as f64 / 10.0;
            let (month, y) =
                if row < 350 { (1, format!("{}", 3.0 * x + (row % 7) as f64)) } else { (2, String::new()) };
            format!("{row},2026-0{month}-0{},{x},{y}\n", 1 + row % 9)
        })
        .collect();
    project
        .write("d.csv", format!("id,at,x,y\n{rows}"))
        .write(
            "resources/p/ingest.yaml",
            "tables: {d: {source: {file: {path: d.csv}}, columns: {id: int64, at: date, x: float64, y: float64}}}\n",
        )
        .write("resources/p/clean.yaml", "tables: {d: {}}\n")
        .write(
            "resources/p/features.yaml",
            "table: d\nkey: id\ntime: at\nrows: {}\nlabel: {name: v, is: {sql: y}}\nfeatures: {x: {sql: x}}\n",
        )
        .write(
            "resources/p/train.yaml",
            "table: training\nlabel: v\ntask: regression\nentity: id\ntime: at\nexclude: [id, at]\nsplit: {by: group}\n\
             experiments: {linear: elastic_net}\nresamples: 100\n",
        )
        .write("resources/p/serve.yaml", "table: scoring\n");
    for tool in ["ingest", "clean", "features", "train"] {
        project.run(tool, ["p"]).exits(0);
    }
    let server = Serve::start(&project, &[]);
    let mut client = server.client();
    let found = |answer: testkit::HttpResponse| {
        let error = answer.has_status(422).json()["error"].clone();
        assert_eq!(
            (error["code"].as_str(), error["message"].as_str()),
            (Some("out_of_range"), Some("the score of the row is not a finite number")),
            "{error}"
        );
        error["row"].as_u64()
    };
    assert_eq!(found(client.post(PREDICTIONS, &json!({"features": {"x": 1e308}}))), None);
    assert_eq!(found(client.post(PREDICTIONS, &json!({"features": [{"x": 1}, {"x": 2}, {"x": -1e308}]}))), Some(2));
    // The version is not put back for that.
    let arm = client.get("/api/v1/pipelines/p").has_status(200).json()["arms"][0].clone();
    assert_eq!(arm["errors"], 0, "{arm}");
    client.post(PREDICTIONS, &json!({"features": {"x": 1e300}})).has_status(200);
    assert_eq!(server.stop().0, Some(0));
}
