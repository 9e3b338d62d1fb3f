//! The Batch API: whole, partial, expired, resumed, and never submitted twice.

mod common;

use std::time::Duration;

use common::{Bench, inputs, task};
use llm::{FailureKind, Stop, ask, batch};
use serde_json::json;
use testkit::llm_server::BatchPlan;

const WAIT: Duration = Duration::from_secs(20);

#[test]
fn a_batch_is_answered_at_half_the_price() {
    let bench = Bench::new();
    bench.server.plan_batches(vec![BatchPlan::Completes(3)]);
    let (task, settings) = (task(json!({})), bench.settings(""));
    let asked = batch(&task, &inputs(5), &settings, &bench.ledger, &(), WAIT).unwrap();
    assert_eq!((asked.totals.answered, asked.totals.failed, bench.server.stats().batches), (5, 0, 1));
    assert_eq!(asked.outcomes[3].answer().unwrap().values["cleaned"], "ROW-3-END");
    let spent = bench.ledger.spend_today().unwrap();
    assert_eq!(spent.requests, 5);
    let again = ask(&task, &inputs(5), &settings, &bench.ledger, &()).unwrap();
    assert_eq!((again.totals.cached, bench.server.stats().requests), (5, 0));
    let other = Bench::new();
    ask(&task, &inputs(5), &other.settings(""), &other.ledger, &()).unwrap();
    let full = other.ledger.spend_today().unwrap();
    assert_eq!(spent.tokens, full.tokens);
    assert!((spent.money - full.money / 2.0).abs() < 1e-9, "{} of {}", spent.money, full.money);
}

#[test]
fn a_batch_that_takes_long_is_left_and_found_again() {
    let bench = Bench::new();
    bench.server.plan_batches(vec![BatchPlan::Completes(2)]);
    let (task, settings) = (task(json!({})), bench.settings(""));
    let first = batch(&task, &inputs(4), &settings, &bench.ledger, &(), Duration::ZERO).unwrap();
    assert!(matches!(first.stopped, Some(Stop::InBatch(_))));
    assert_eq!(
        first.try_again().unwrap().to_string(),
        "4 of 4 inputs have no answer yet: they wait in batch_1; the answers so far are kept; run again later"
    );
    // Asking directly does not pay for what waits in a batch.
    let direct = ask(&task, &inputs(4), &settings, &bench.ledger, &()).unwrap();
    assert_eq!(direct.outcomes[0].failure().unwrap().kind, FailureKind::Unasked);
    assert_eq!(bench.server.stats().requests, 0);
    let second = batch(&task, &inputs(4), &settings, &bench.ledger, &(), WAIT).unwrap();
    assert_eq!((second.totals.answered, bench.server.stats().batches), (4, 1));
    assert_eq!(bench.server.stats().most_per_prompt(), 1);
}

#[test]
fn what_expired_goes_into_a_new_batch_and_the_finished_is_kept() {
    let bench = Bench::new();
    bench.server.plan_batches(vec![BatchPlan::Expires(3), BatchPlan::Completes(1)]);
    let asked = batch(&task(json!({})), &inputs(8), &bench.settings(""), &bench.ledger, &(), WAIT).unwrap();
    let stats = bench.server.stats();
    assert_eq!((asked.totals.answered, stats.batches, stats.most_per_prompt()), (8, 2, 1));
}

#[test]
fn what_expires_again_and_again_is_named() {
    let bench = Bench::new();
    bench.server.plan_batches(vec![BatchPlan::Expires(1), BatchPlan::Expires(1), BatchPlan::Expires(0)]);
    let asked = batch(&task(json!({})), &inputs(4), &bench.settings(""), &bench.ledger, &(), WAIT).unwrap();
    assert_eq!((asked.totals.answered, asked.totals.failed), (2, 2));
    assert_eq!(
        asked.try_again().unwrap().message(),
        "2 of 4 inputs have no answer yet: its batch ended before it was answered"
    );
}

#[test]
fn lines_of_the_error_file_are_named() {
    let bench = Bench::new();
    bench.server.plan_batches(vec![BatchPlan::Rejects("row-2-".to_owned())]);
    let asked = batch(&task(json!({})), &inputs(4), &bench.settings(""), &bench.ledger, &(), WAIT).unwrap();
    assert_eq!(asked.totals.answered, 3);
    let failure = asked.outcomes[2].failure().unwrap();
    assert_eq!(failure.reason, "the server rejects the request (400): rejected");
    assert!(asked.try_again().is_none());
}

#[test]
fn a_batch_that_is_not_accepted_is_an_error() {
    let bench = Bench::new();
    bench.server.plan_batches(vec![BatchPlan::Fails]);
    let error = batch(&task(json!({})), &inputs(2), &bench.settings(""), &bench.ledger, &(), WAIT).unwrap_err();
    assert_eq!(error.to_string(), "the provider does not accept the batch: the file is not accepted");
}

#[test]
fn a_creation_whose_answer_is_lost_is_found_and_not_repeated() {
    let bench = Bench::new();
    bench.server.plan_batches(vec![BatchPlan::CreatedUnheard]);
    let asked = batch(&task(json!({})), &inputs(3), &bench.settings(""), &bench.ledger, &(), WAIT).unwrap();
    assert_eq!((asked.totals.answered, bench.server.stats().batches), (3, 1));
}

/// The process that wrote the manifest, as if it had been another one that has ended.
fn gone(connection: &rusqlite::Connection) -> String {
    let process: String = connection.query_row("SELECT process FROM batches", [], |row| row.get(0)).unwrap();
    let parts: Vec<&str> = process.rsplitn(3, '/').collect();
    format!("{}/1/0", parts[2])
}

/// The state that a kill leaves between the batch's creation and its record: an intention of a process that is gone.
#[test]
fn a_kill_between_submission_and_record_submits_nothing_twice() {
    let bench = Bench::new();
    bench.server.plan_batches(vec![BatchPlan::Completes(2)]);
    let (task, settings) = (task(json!({})), bench.settings(""));
    batch(&task, &inputs(3), &settings, &bench.ledger, &(), Duration::ZERO).unwrap();
    let connection = rusqlite::Connection::open(bench.ledger_path()).unwrap();
    let sql = "UPDATE batches SET state = 'intended', id = NULL, process = ?1";
    connection.execute(sql, [gone(&connection)]).unwrap();
    let asked = batch(&task, &inputs(3), &settings, &bench.ledger, &(), WAIT).unwrap();
    let stats = bench.server.stats();
    assert_eq!((asked.totals.answered, stats.batches, stats.most_per_prompt()), (3, 1, 1));
}

#[test]
fn a_kill_before_submission_leaves_nothing_behind() {
    let bench = Bench::new();
    let (task, settings) = (task(json!({})), bench.settings(""));
    bench.server.plan_batches(vec![BatchPlan::Completes(2), BatchPlan::Completes(1)]);
    batch(&task, &inputs(3), &settings, &bench.ledger, &(), Duration::ZERO).unwrap();
    let connection = rusqlite::Connection::open(bench.ledger_path()).unwrap();
    let sql = "UPDATE batches SET state = 'intended', id = NULL, token = 'never-sent', process = ?1";
    connection.execute(sql, [gone(&connection)]).unwrap();
    connection.execute("UPDATE batch_items SET token = 'never-sent'", []).unwrap();
    let asked = batch(&task, &inputs(3), &settings, &bench.ledger, &(), WAIT).unwrap();
    assert_eq!((asked.totals.answered, bench.server.stats().batches), (3, 2));
    let left: i64 =
        connection.query_row("SELECT count(*) FROM batches WHERE token = 'never-sent'", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}
