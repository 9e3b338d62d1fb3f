//! The Batch API: whole, partial, expired, resumed, and never submitted twice.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Bench, KEY, QUICK, inputs, task};
use llm::{FailureKind, Settings, Stop, ask, batch};
use serde_json::json;
use spec::Environment;
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

/// What the settings call the server, `test`, gets this name.
fn renamed(bench: &Bench, name: &str, more: &str) -> Settings {
    let text = format!(
        "providers:\n  {name}: {{base_url: {}, key: \"${{TEST_API_KEY:-}}\"}}\n{}{QUICK}{more}",
        bench.server.base_url(),
        "models:\n  small: {price: {input: 1, output: 2}}\n",
    );
    let variables = BTreeMap::from([("TEST_API_KEY".to_owned(), KEY.to_owned())]);
    Settings::parse(&text, &Environment::new(variables)).unwrap()
}

#[test]
fn a_batch_is_collected_though_its_provider_or_its_task_was_renamed() {
    let bench = Bench::new();
    bench.server.plan_batches(vec![BatchPlan::Completes(2), BatchPlan::Completes(2)]);
    let first = task(json!({}));
    let open = batch(&first, &inputs(4), &bench.settings(""), &bench.ledger, &(), Duration::ZERO).unwrap();
    assert!(matches!(open.stopped, Some(Stop::InBatch(_))));
    let settings = renamed(&bench, "other", "");
    let asked = batch(&first, &inputs(4), &settings, &bench.ledger, &(), WAIT).unwrap();
    assert_eq!((asked.totals.answered, bench.server.stats().batches), (4, 1));

    // The same questions of a task of another name.
    let open = batch(&first, &inputs(6), &settings, &bench.ledger, &(), Duration::ZERO).unwrap();
    assert!(matches!(open.stopped, Some(Stop::InBatch(_))));
    let second = task(json!({"task_name": "clean_again"}));
    let asked = batch(&second, &inputs(6), &settings, &bench.ledger, &(), WAIT).unwrap();
    assert_eq!((asked.totals.answered, bench.server.stats().batches), (2, 2));
    assert_eq!(bench.server.stats().most_per_prompt(), 1);
}

#[test]
fn answers_for_a_prompt_that_has_changed_are_kept_for_the_same_questions_only() {
    let bench = Bench::new();
    bench.server.plan_batches(vec![BatchPlan::Completes(2)]);
    let before = task(json!({"prompt": "{{ text }}{% if text == 'row-1-end' %}!{% endif %}"}));
    batch(&before, &inputs(2), &bench.settings(""), &bench.ledger, &(), Duration::ZERO).unwrap();
    let asked = batch(&task(json!({})), &inputs(1), &bench.settings(""), &bench.ledger, &(), WAIT).unwrap();
    assert_eq!((asked.totals.answered, bench.ledger.answers().unwrap(), bench.server.stats().batches), (1, 1, 1));
}

#[test]
fn a_batch_at_a_provider_that_is_gone_is_named_with_the_way_out() {
    let bench = Bench::new();
    bench.server.plan_batches(vec![BatchPlan::Completes(9)]);
    let (task, settings) = (task(json!({})), bench.settings(""));
    batch(&task, &inputs(2), &settings, &bench.ledger, &(), Duration::ZERO).unwrap();
    let elsewhere = Bench::new();
    let error = batch(&task, &inputs(2), &renamed(&elsewhere, "other", ""), &bench.ledger, &(), WAIT).unwrap_err();
    let connection = rusqlite::Connection::open(bench.ledger_path()).unwrap();
    let token: String = connection.query_row("SELECT token FROM batches", [], |row| row.get(0)).unwrap();
    let give_up = format!("DELETE FROM batches WHERE token = '{token}'");
    assert_eq!(
        error.to_string(),
        format!(
            "batch batch_1 waits at provider 'test', which llm.yaml does not name any more, and provider 'other' does not have it; \
             write 'test' back under providers until the batch is collected; or give the batch up, so that its inputs are asked, and \
             paid, again: sqlite3 {} \"{give_up}\"",
            bench.ledger_path().display()
        )
    );
    let direct = ask(&task, &inputs(2), &settings, &bench.ledger, &()).unwrap();
    assert_eq!(
        direct.stopped.unwrap().to_string(),
        format!("some wait in batch {token}, which a step with `batch: true` collects")
    );
    connection.execute(&give_up, []).unwrap();
    let asked = batch(&task, &inputs(2), &renamed(&elsewhere, "other", ""), &bench.ledger, &(), WAIT).unwrap();
    assert_eq!((asked.totals.answered, elsewhere.server.stats().batches), (2, 1));
}

#[test]
fn a_batch_that_its_provider_does_not_know_is_named_with_the_way_out() {
    let bench = Bench::new();
    bench.server.plan_batches(vec![BatchPlan::Completes(9)]);
    let (task, settings) = (task(json!({})), bench.settings(""));
    batch(&task, &inputs(2), &settings, &bench.ledger, &(), Duration::ZERO).unwrap();
    let elsewhere = Bench::new();
    let error = batch(&task, &inputs(2), &elsewhere.settings(""), &bench.ledger, &(), WAIT).unwrap_err();
    let text = error.to_string();
    let expected = "batch batch_1 is not known at provider 'test' any more; if the key belongs to another account, set the key with \
                    which it was submitted; or give the batch up, so that its inputs are asked, and paid, again: sqlite3 ";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn an_open_batch_counts_for_the_caps_of_the_day() {
    let bench = Bench::new();
    bench.server.plan_batches(vec![BatchPlan::Completes(9)]);
    let settings = bench.settings("daily: {money: 0.0005}\n");
    let task = task(json!({"max_tokens": 100}));
    let first = batch(&task, &inputs(40), &settings, &bench.ledger, &(), Duration::ZERO).unwrap();
    assert!(matches!(first.stopped, Some(Stop::InBatch(_))), "{:?}", first.stopped);
    let submitted = bench.ledger.spend_today().unwrap().requests;
    assert!((1..10).contains(&submitted), "{submitted}");
    // Nothing is paid yet, but what waits leaves no room.
    let more: Vec<_> = inputs(60).split_off(50);
    let direct = ask(&task, &more, &settings, &bench.ledger, &()).unwrap();
    assert_eq!(
        (direct.stopped.unwrap().to_string().as_str(), bench.server.stats().requests),
        ("the daily limit of 0.0005 (money) is reached (UTC day, all runs)", 0)
    );
}
