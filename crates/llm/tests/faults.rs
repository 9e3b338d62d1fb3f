//! Asking when things go wrong: nothing is lost, nothing is paid twice.

mod common;

use std::time::{Duration, Instant};

use common::{Bench, KEY, input, inputs, settings, task};
use llm::{FailureKind, Stop, ask};
use serde_json::json;
use testkit::llm_server::{Fault, LlmServer};

#[test]
fn every_passing_fault_is_survived_and_paid_once() {
    for fault in [
        Fault::Busy(0),
        Fault::Busy(1),
        Fault::BusyUntil(1),
        Fault::BusySilent,
        Fault::BusyHtml,
        Fault::Status(500),
        Fault::Status(503),
        Fault::Hang,
        Fault::Drip(20),
        Fault::Cut,
        Fault::Garbled,
    ] {
        let bench = Bench::new();
        bench.server.fault_at(2, fault.clone());
        bench.server.fault_at(4, fault.clone());
        let asked = ask(&task(json!({})), &inputs(8), &bench.settings(""), &bench.ledger, &()).unwrap();
        let stats = bench.server.stats();
        assert_eq!(asked.totals.answered, 8, "{fault:?}: {:?}", asked.outcomes);
        assert_eq!((stats.requests, stats.answered.len(), stats.most_per_prompt()), (10, 8, 1), "{fault:?}");
        assert_eq!((asked.totals.requests, asked.totals.retries), (10, 2), "{fault:?}");
        assert_eq!(bench.ledger.spend_today().unwrap().requests, 10, "{fault:?}");
    }
}

#[test]
fn a_storm_of_faults_loses_nothing_and_pays_nothing_twice() {
    let bench = Bench::new();
    let faults =
        vec![Fault::BusySilent, Fault::BusyHtml, Fault::Status(502), Fault::Cut, Fault::Garbled, Fault::Busy(0)];
    bench.server.fault_often(0.3, 11, faults);
    let settings = bench.settings(
        "limits: {requests_per_second: 5000, concurrency: 16, retries: 12, backoff_seconds: 0.005, \
         retry_after_cap_seconds: 0.1, breaker: {failures: 1000}}\n",
    );
    let asked = ask(&task(json!({"batch_rows": 2})), &inputs(600), &settings, &bench.ledger, &()).unwrap();
    assert_eq!((asked.totals.answered, asked.totals.failed), (600, 0));
    let stats = bench.server.stats();
    assert_eq!((stats.answered.len(), stats.most_per_prompt()), (300, 1));
    assert_eq!(asked.totals.requests as usize, stats.requests);
}

#[test]
fn retry_after_holds_everybody_back_and_is_capped() {
    let bench = Bench::new();
    bench.server.fault_at(1, Fault::Busy(3600));
    let begun = Instant::now();
    let asked = ask(&task(json!({})), &inputs(6), &bench.settings(""), &bench.ledger, &()).unwrap();
    assert_eq!(asked.totals.answered, 6);
    assert!(begun.elapsed() >= Duration::from_millis(1200), "an hour is capped at 1.2 s, and those are kept");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_busy_server_gets_fewer_at_once() {
    let bench = Bench::new();
    bench.server.latency(Duration::from_millis(10));
    let settings = bench.settings("limits: {requests_per_second: 5000, concurrency: 16, backoff_seconds: 0.01}\n");
    for number in 1..=16 {
        bench.server.fault_at(number, Fault::BusySilent);
    }
    let asked = ask(&task(json!({})), &inputs(60), &settings, &bench.ledger, &()).unwrap();
    assert_eq!((asked.totals.answered, asked.totals.retries), (60, 16));
}

#[test]
fn a_refused_key_ends_the_run_and_names_provider_and_variable() {
    let bench = Bench::new();
    bench.server.expect_key("another");
    let error = ask(&task(json!({})), &inputs(50), &bench.settings(""), &bench.ledger, &()).unwrap_err();
    assert_eq!(error.class(), spec::Class::CannotRun);
    assert_eq!(
        error.to_string(),
        "task 'clean': model 'small' at provider 'test': the server rejects the key (401); \
         the key comes from TEST_API_KEY: its value is not accepted"
    );
    assert!(bench.server.stats().unauthorized <= 4, "no more than were in flight");
}

#[test]
fn an_unknown_model_and_an_empty_account_are_not_repeated() {
    let bench = Bench::new();
    bench.server.fault_often(1.0, 1, vec![Fault::Status(404)]);
    let error = ask(&task(json!({})), &inputs(50), &bench.settings(""), &bench.ledger, &()).unwrap_err().to_string();
    assert!(error.contains("no such model or address on the server (404): the server says no"), "{error}");
    assert!(bench.server.stats().requests <= 4);
    let bench = Bench::new();
    bench.server.fault_often(1.0, 1, vec![Fault::NoQuota]);
    let asked = ask(&task(json!({})), &inputs(50), &bench.settings(""), &bench.ledger, &()).unwrap();
    let error = asked.try_again().unwrap().to_string();
    assert!(error.contains("the account's quota is used up"), "{error}");
    assert!(bench.server.stats().requests <= 4);
}

#[test]
fn requests_that_are_all_rejected_end_the_run() {
    let bench = Bench::new();
    bench.server.fault_often(1.0, 1, vec![Fault::Status(400)]);
    let error = ask(&task(json!({})), &inputs(500), &bench.settings(""), &bench.ledger, &()).unwrap_err().to_string();
    assert_eq!(
        error,
        "task 'clean': model 'small': the first 20 requests were all rejected: the server rejects the request (400): \
         the server says no; correct the task file or the model's settings"
    );
    assert!(bench.server.stats().requests < 30);
}

#[test]
fn a_dead_server_ends_the_run_soon_and_what_was_done_is_kept() {
    let bench = Bench::new();
    let task = task(json!({}));
    ask(&task, &inputs(5), &bench.settings(""), &bench.ledger, &()).unwrap();
    bench.server.fault_often(1.0, 1, vec![Fault::Status(500)]);
    let asked = ask(&task, &inputs(200), &bench.settings(""), &bench.ledger, &()).unwrap();
    assert!(matches!(asked.stopped, Some(Stop::Down(_))), "{:?}", asked.stopped);
    assert_eq!((asked.totals.cached, asked.totals.failed), (5, 195));
    let requests = bench.server.stats().requests;
    assert!(requests < 5 + 20, "the breaker kept it from {requests} requests");
    assert_eq!(asked.try_again().unwrap().class(), spec::Class::TryAgain);
}

#[test]
fn an_outage_that_passes_is_waited_for() {
    let bench = Bench::new();
    for number in 3..=12 {
        bench.server.fault_at(number, Fault::Status(500));
    }
    let settings = bench.settings(
        "limits: {requests_per_second: 5000, concurrency: 2, backoff_seconds: 0.01, \
         breaker: {failures: 3, pause_seconds: 0.05, give_up_after: 50}}\n",
    );
    let asked = ask(&task(json!({})), &inputs(20), &settings, &bench.ledger, &()).unwrap();
    assert_eq!((asked.totals.answered, asked.totals.failed), (20, 0), "{:?}", asked.stopped);
    assert_eq!(bench.server.stats().most_per_prompt(), 1);
}

#[test]
fn a_fallback_answers_under_its_own_name_and_is_found_again() {
    let bench = Bench::new();
    let other = LlmServer::start();
    let more = format!(
        "  spare: {{base_url: {}}}\nmodels:\n  small: {{price: {{input: 1, output: 1}}}}\n  \
         large: {{provider: spare, name: big, price: {{input: 9, output: 9}}}}\n",
        other.base_url()
    );
    let text = |more: &str| {
        let env = spec::Environment::new([("TEST_API_KEY".to_owned(), KEY.to_owned())].into());
        let head =
            format!("providers:\n  test: {{base_url: {}, key: \"${{TEST_API_KEY:-}}\"}}\n", bench.server.base_url());
        llm::Settings::parse(&format!("{head}{more}{}", common::QUICK), &env).unwrap()
    };
    let settings = text(&more);
    let task = task(json!({"fallback": ["large"]}));
    bench.server.fault_often(1.0, 1, vec![Fault::Status(500)]);
    let asked = ask(&task, &inputs(10), &settings, &bench.ledger, &()).unwrap();
    assert_eq!(asked.totals.answered, 10, "{:?}", asked.stopped);
    assert_eq!(asked.outcomes[0].answer().unwrap().model, "big");
    let again = ask(&task, &inputs(10), &settings, &bench.ledger, &()).unwrap();
    assert_eq!((again.totals.cached, again.totals.requests), (10, 0));
    // The first model's answer is preferred as soon as there is one.
    bench.server.heal();
    let first = common::task(json!({}));
    ask(&first, &inputs(1), &settings, &bench.ledger, &()).unwrap();
    let mixed = ask(&task, &inputs(2), &settings, &bench.ledger, &()).unwrap();
    let models: Vec<&str> = mixed.outcomes.iter().map(|outcome| outcome.answer().unwrap().model.as_str()).collect();
    assert_eq!(models, ["small", "big"]);
}

#[test]
fn one_bad_row_does_not_spoil_its_neighbours() {
    let bench = Bench::new();
    bench.server.fault_on("poison", Fault::Status(400), 99);
    let rows = [input("a"), input("poison"), input("b")];
    let asked = ask(&task(json!({"batch_rows": 3})), &rows, &bench.settings(""), &bench.ledger, &()).unwrap();
    assert!(asked.outcomes[0].answer().is_some() && asked.outcomes[2].answer().is_some());
    assert_eq!(asked.outcomes[1].failure().unwrap().kind, FailureKind::Refused);
}

#[test]
fn the_key_never_shows() {
    let bench = Bench::new();
    let settings = bench.settings("log_bodies: true\n");
    ask(&task(json!({})), &[input("a"), input(&format!("my key is {KEY}"))], &settings, &bench.ledger, &()).unwrap();
    bench.server.fault_often(1.0, 1, vec![Fault::Status(400)]);
    let refused = ask(&task(json!({})), &inputs(3), &settings, &bench.ledger, &()).unwrap();
    bench.server.heal();
    bench.server.expect_key("another");
    let error = ask(&task(json!({})), &inputs(4), &settings, &bench.ledger, &()).unwrap_err();
    let words = format!("{error} {error:?} {settings:?} {:?}", refused.stopped);
    assert!(!words.contains(KEY), "{words}");
    let read = |table: &str| {
        let connection = rusqlite::Connection::open(bench.ledger_path()).unwrap();
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            Ok((0..columns)
                .map(|at| format!("{:?}|", row.get::<_, rusqlite::types::Value>(at).unwrap()))
                .collect::<String>())
        });
        rows.unwrap().map(Result::unwrap).collect::<Vec<String>>()
    };
    let calls = read("calls");
    assert!(calls.iter().any(|row| row.contains("messages")), "bodies are logged here");
    assert!(calls.iter().all(|row| !row.contains(KEY)));
    assert!(read("spend").iter().chain(&read("claims")).all(|row| !row.contains(KEY)));
}

#[test]
fn calls_are_logged_without_bodies() {
    let bench = Bench::new();
    bench.server.fault_at(1, Fault::Status(500));
    ask(&task(json!({})), &inputs(1), &bench.settings(""), &bench.ledger, &()).unwrap();
    let connection = rusqlite::Connection::open(bench.ledger_path()).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT task, model, provider, rows, retries, status, error, tokens_in > 0, cost > 0, request FROM calls",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        let cell = |at| match row.get::<_, rusqlite::types::Value>(at).unwrap() {
            rusqlite::types::Value::Null => "-".to_owned(),
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        };
        Ok((0..10).map(cell).collect::<Vec<String>>().join(" "))
    });
    let rows: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
    assert_eq!(rows, ["clean small test 1 0 500 server 0 - -", "clean small test 1 1 200 - 1 1 -"]);
}

#[test]
fn nobody_listens() {
    let bench = Bench::new();
    let nowhere = settings("http://127.0.0.1:1/v1", "");
    let asked = ask(&task(json!({})), &inputs(3), &nowhere, &bench.ledger, &()).unwrap();
    let error = asked.try_again().unwrap().to_string();
    assert!(error.contains("no connection: "), "{error}");
}
