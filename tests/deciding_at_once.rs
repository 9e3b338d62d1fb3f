//! Machines that share a store and decide at the same instant. A proxy before the store holds each write of the log of
//! decisions until both machines have sent theirs: both then decided on the same state, and one of them is late.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Outcome, Project, S3, Serve};
use tests::people_pipeline;

const LOG: &str = "data/models/p/decisions.jsonl";
const STORE: &str = "s3://bucket/projects/p";

/// Holds writes of the log until so many have come, then lets them through one by one.
#[derive(Default)]
struct Gate {
    wanted: Mutex<usize>,
    came: Condvar,
    one_by_one: Mutex<()>,
}

impl Gate {
    /// From now on, so many writes are waited for.
    fn hold(&self, count: usize) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = count;
    }

    fn pass(&self) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        *wanted = wanted.saturating_sub(1);
        self.came.notify_all();
        // Longer than any tool takes to get here. Without the other write the test fails by what it finds, and does not hang.
        drop(self.came.wait_timeout_while(wanted, Duration::from_secs(60), |wanted| *wanted > 0));
    }
}

/// A proxy before `upstream`; its address.
fn proxy(upstream: String, gate: &Arc<Gate>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let gate = Arc::clone(gate);
    // It ends with the test's process.
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (gate, upstream) = (Arc::clone(&gate), upstream.clone());
            std::thread::spawn(move || forward(client, &upstream, &gate));
        }
    });
    address
}

/// Forwards one request and its answer. A client that goes away is not an error.
fn forward(mut client: TcpStream, upstream: &str, gate: &Gate) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let name = line.to_ascii_lowercase();
        if let Some(value) = name.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
        if !name.starts_with("connection:") {
            head.push(line);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let is_log = head.first().is_some_and(|line| line.starts_with("PUT ") && line.contains("decisions.jsonl"));
    let turn = is_log.then(|| {
        gate.pass();
        gate.one_by_one.lock().unwrap_or_else(PoisonError::into_inner)
    });
    let mut server = TcpStream::connect(upstream).ok()?;
    server.write_all(format!("{}Connection: close\r\n\r\n", head.concat()).as_bytes()).ok()?;
    server.write_all(&body).ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok()?;
    drop(turn);
    client.write_all(&answer).ok()
}

/// Two machines of one project with three versions, v1 in production, behind the gate.
struct Machines {
    one: Project,
    other: Project,
    gate: Arc<Gate>,
    _store: S3,
}

impl Machines {
    fn new() -> Option<Machines> {
        let store = S3::start("bucket")?;
        let gate = Arc::new(Gate::default());
        let [(_, direct), ..] = store.variables();
        let behind = proxy(direct.trim_start_matches("http://").to_owned(), &gate);
        let machine = || {
            let project = people_pipeline().with_variables(store.variables()).with_variable("MILLRACE_STORE", STORE);
            project.write("resources/p/serve.yaml", "rollout: {smoke_for: 1ms, watch_for: 1h}\n");
            project.with_variable("AWS_ENDPOINT_URL", format!("http://{behind}"))
        };
        let (one, other) = (machine(), machine());
        for tool in ["ingest", "clean", "features", "train", "predict"] {
            one.run(tool, ["p"]).exits(0);
        }
        let train = one.read("resources/p/train.yaml");
        for l2 in [50, 500] {
            let spec = train.replace("linear: logistic", &format!("linear: {{logistic: {{l2: {l2}}}}}"));
            one.write("resources/p/train.yaml", spec + "promote: {when: by_hand}\n");
            one.run("train", ["p"]).exits(0);
        }
        let machines = Machines { one, other, gate, _store: store };
        // Brings the log and all versions.
        assert_eq!(machines.agreed().0, "v1");
        machines.other.run("release", ["p", "--show", "v3"]).exits(0);
        Some(machines)
    }

    /// What is in production and the lines of the log, which both machines have alike once they have looked.
    fn agreed(&self) -> (String, Vec<Value>) {
        let logs = [&self.one, &self.other].map(|machine| {
            machine.run("release", ["p", "--history"]).exits(0);
            machine.read(LOG)
        });
        assert_eq!(logs[0], logs[1]);
        let lines: Vec<Value> = logs[0].lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let mut standing: Vec<String> = Vec::new();
        for line in &lines {
            match line["action"].as_str() {
                Some("promote") => standing.push(line["version"].as_str().expect("a version").to_owned()),
                Some("rollback") => drop(standing.pop()),
                _ => {}
            }
        }
        (standing.last().cloned().unwrap_or_default(), lines)
    }

    /// Both decide, each on the state before.
    fn at_once(&self, one: &[&str], other: &[&str]) -> [Outcome; 2] {
        self.gate.hold(2);
        std::thread::scope(|scope| {
            // Two machines have two names, but here both are this one: the reason tells them apart.
            let decide = |machine: &Project, arguments: &[&str], why: &str| {
                machine.run("release", [&["p"], arguments, &["--why", why]].concat())
            };
            let first = scope.spawn(move || decide(&self.one, one, "the one"));
            let second = scope.spawn(move || decide(&self.other, other, "the other"));
            [first.join().expect("no panic"), second.join().expect("no panic")]
        })
    }
}

#[test]
fn of_two_machines_that_decide_at_once_one_is_told_that_it_was_late() {
    let Some(machines) = Machines::new() else { return };
    let rollback = ["--rollback"].as_slice();
    for (start, one, other) in [
        ("v1", ["--promote", "v2"].as_slice(), ["--promote", "v3"].as_slice()),
        ("v3", rollback, &["--promote", "v2"]),
        ("v2", &["--promote", "v3"], rollback),
        ("v3", rollback, rollback),
    ] {
        if machines.agreed().0 != start {
            machines.one.run("release", ["p", "--promote", start, "--why", "the start"]).exits(0);
        }
        let (_, lines) = machines.agreed();
        let outcomes = machines.at_once(one, other);
        let codes: Vec<i32> = outcomes.iter().map(|outcome| outcome.code.unwrap_or(-1)).collect();
        assert!(codes == [0, 75] || codes == [75, 0], "{one:?} and {other:?}: {codes:?}");
        let late = &outcomes[usize::from(codes[1] == 75)];
        late.says("not decided: another machine was first: ").says("; decide again if it is still right");
        let (_, after) = machines.agreed();
        assert_eq!(after.len(), lines.len() + 1, "one decision was made");
        assert_eq!(after[..lines.len()], lines[..]);
    }
    // Whoever was late may decide again.
    let (now, _) = machines.agreed();
    let next = if now == "v2" { "v3" } else { "v2" };
    machines.other.run("release", ["p", "--promote", next, "--why", "again"]).exits(0);
    assert_eq!(machines.agreed().0, next);
}

#[test]
fn a_server_that_was_late_answers_by_the_decision_of_the_other() {
    let Some(machines) = Machines::new() else { return };
    let server = Serve::start(&machines.one, &["--store-every", "3600"]);
    let (_, lines) = machines.agreed();
    machines.gate.hold(2);
    let (status, other) = std::thread::scope(|scope| {
        let by_page = scope.spawn(|| {
            let promoted =
                server.client().post("/api/v1/pipelines/p/versions/v2/promote", &json!({"why": "x", "on": "v1"}));
            (promoted.status, promoted.text())
        });
        let by_command = scope
            .spawn(|| machines.other.run("release", ["p", "--promote", "v3", "--why", "a test"]).code.unwrap_or(-1));
        (by_page.join().expect("no panic"), by_command.join().expect("no panic"))
    });
    match other {
        0 => assert!(status.0 == 409 && status.1.contains("another machine decided first"), "{status:?}"),
        75 => assert_eq!(status.0, 200, "{}", status.1),
        other => panic!("exit {other}"),
    }
    let (code, said) = server.stop();
    assert_eq!(code, Some(0), "{said}");
    let (production, after) = machines.agreed();
    assert_eq!(production, if other == 0 { "v3" } else { "v2" });
    let decisions = |lines: &[Value]| lines.iter().filter(|line| line["action"] == "promote").count();
    assert_eq!(decisions(&after), decisions(&lines) + 1);
}
