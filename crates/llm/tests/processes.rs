//! Several processes on one ledger, and processes that are killed.

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Bench, inputs, settings, task};
use llm::{Ledger, Stop, ask};
use serde_json::json;
use testkit::Random;

const SLOTS: usize = 6;
const ROWS: usize = 300;

fn child_settings(address: &str) -> llm::Settings {
    settings(address, &format!("limits: {{requests_per_second: 5000, concurrency: {SLOTS}}}\n"))
}

/// Not a test by itself: what the children of the tests below run.
#[test]
fn child() {
    let (Ok(address), Ok(ledger)) = (std::env::var("CHILD_SERVER"), std::env::var("CHILD_LEDGER")) else { return };
    let ledger = Ledger::open(Path::new(&ledger)).unwrap();
    let Ok(task_and_cap) = std::env::var("CHILD_CAP") else {
        let asked = ask(&task(json!({})), &inputs(ROWS), &child_settings(&address), &ledger, &()).unwrap();
        assert!(asked.outcomes.iter().all(|outcome| outcome.answer().is_some()));
        return;
    };
    let (prompt, cap) = task_and_cap.split_once('|').unwrap();
    let limits = format!("limits: {{requests_per_second: 5000, concurrency: {SLOTS}}}\ndaily: {{{cap}}}\n");
    let task = task(json!({"prompt": prompt, "max_tokens": 20}));
    let asked = ask(&task, &inputs(ROWS), &settings(&address, &limits), &ledger, &()).unwrap();
    assert!(matches!(asked.stopped, Some(Stop::Cap(_))), "{:?}", asked.stopped);
}

fn start(bench: &Bench) -> Child {
    start_capped(bench, None)
}

/// `capped`: the task's prompt and the day's cap.
fn start_capped(bench: &Bench, capped: Option<(&str, &str)>) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child"])
        .envs(capped.map(|(prompt, cap)| ("CHILD_CAP", format!("{prompt}|{cap}"))))
        .env("CHILD_SERVER", bench.server.base_url())
        .env("CHILD_LEDGER", bench.ledger_path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn killed_at_any_moment_no_more_than_one_request_per_slot_is_paid_twice() {
    let bench = Bench::new();
    bench.server.latency(Duration::from_millis(15));
    let mut random = Random::seeded(20_260_301);
    let mut kills = 0;
    loop {
        let before = bench.server.stats().requests;
        let mut child = start(&bench);
        // Killed after so many more requests: a moment that depends on no clock.
        let moment = 5 + random.below(60) as usize;
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if bench.server.stats().requests >= before + moment {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_micros(200));
        };
        match ended {
            Some(status) => {
                assert!(status.success());
                break;
            }
            None => kills += 1,
        }
    }
    assert!(kills >= 3, "killed {kills} times");
    let stats = bench.server.stats();
    assert_eq!(stats.answered.len(), ROWS);
    let most = ROWS + kills * SLOTS;
    assert!(stats.requests <= most, "{} requests, {kills} kills, at most {most}", stats.requests);
    assert_eq!(bench.ledger.answers().unwrap(), ROWS as u64);
}

#[test]
fn processes_at_once_share_the_work_and_pay_once() {
    let bench = Bench::new();
    bench.server.latency(Duration::from_millis(50));
    let mut children = [start(&bench), start(&bench), start(&bench)];
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let stats = bench.server.stats();
    assert_eq!((stats.requests, stats.answered.len(), stats.most_per_prompt()), (ROWS, ROWS, 1));
    assert!(stats.at_once > SLOTS, "they worked at once: {}", stats.at_once);
}

#[test]
fn who_waits_for_a_process_that_dies_takes_over() {
    let bench = Bench::new();
    bench.server.latency(Duration::from_millis(300));
    let mut child = start(&bench);
    while bench.server.stats().requests < SLOTS {
        std::thread::sleep(Duration::from_millis(1));
    }
    let begun = Instant::now();
    child.kill().unwrap();
    child.wait().unwrap();
    bench.server.latency(Duration::ZERO);
    let settings = child_settings(&bench.server.base_url());
    let asked = ask(&task(json!({})), &inputs(ROWS), &settings, &bench.ledger, &()).unwrap();
    assert_eq!(asked.totals.failed, 0);
    assert!(begun.elapsed() < Duration::from_secs(30), "the claims of the dead were not waited for");
}

/// Two pipelines at once: what one has in flight counts for the other, so that together they stay below the cap.
#[test]
fn processes_at_once_keep_the_caps_of_the_day_together() {
    for cap in ["requests: 20", "tokens: 900", "money: 0.001"] {
        let bench = Bench::new();
        // An answer of 20 tokens, as many as the task allows.
        bench.server.answer(|_| format!("{{\"cleaned\": \"{}\"}}", "x".repeat(61)));
        bench.server.latency(Duration::from_millis(60));
        let mut children = ["a {{ text }}", "b {{ text }}"].map(|prompt| start_capped(&bench, Some((prompt, cap))));
        for child in &mut children {
            assert!(child.wait().unwrap().success(), "{cap}");
        }
        let (spent, requests) = (bench.ledger.spend_today().unwrap(), bench.server.stats().requests);
        assert_eq!(spent.requests as usize, requests);
        let most = match cap {
            "requests: 20" => spent.requests == 20,
            "tokens: 900" => spent.tokens <= 900,
            _ => spent.money <= 0.001,
        };
        assert!(most && requests > SLOTS, "{cap}: {spent:?} of {requests} requests");
    }
}
