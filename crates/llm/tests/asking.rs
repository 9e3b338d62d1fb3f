//! Asking when all goes well: cached answers, several rows, limits, caps, estimates.

mod common;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use common::{Bench, input, inputs, settings, task};
use llm::{FailureKind, Progress, Stop, Watch, ask, estimate};
use serde_json::json;
use testkit::llm_server::Fault;

#[test]
fn each_distinct_input_is_asked_once_and_never_again() {
    let bench = Bench::new();
    let (task, settings) = (task(json!({})), bench.settings(""));
    let rows = [input("a"), input("b"), input("a"), input("a")];
    let first = ask(&task, &rows, &settings, &bench.ledger, &()).unwrap();
    let said: Vec<&str> =
        first.outcomes.iter().map(|outcome| outcome.answer().unwrap().values["cleaned"].as_str().unwrap()).collect();
    assert_eq!(said, ["A", "B", "A", "A"]);
    assert_eq!((first.totals.inputs, first.totals.distinct, first.totals.answered), (4, 2, 2));
    assert_eq!((first.totals.requests, first.totals.retries, first.totals.cached), (2, 0, 0));
    assert!(first.totals.cost > 0.0 && first.totals.tokens_in > 0 && first.try_again().is_none());

    let again = ask(&task, &rows, &settings, &bench.ledger, &()).unwrap();
    assert_eq!((again.totals.requests, again.totals.cached), (0, 2));
    let answer = again.outcomes[3].answer().unwrap();
    assert!(answer.cached);
    assert_eq!((answer.values["cleaned"].as_str(), answer.model.as_str()), (Some("A"), "small"));
    assert_eq!(answer.prompt_hash, task.prompt_hash());
    assert_eq!(bench.server.stats().requests, 2);
}

#[test]
fn what_is_known_needs_no_server() {
    let bench = Bench::new();
    let task = task(json!({}));
    ask(&task, &inputs(3), &bench.settings(""), &bench.ledger, &()).unwrap();
    let nowhere = settings("http://127.0.0.1:1/v1", "");
    let asked = ask(&task, &inputs(3), &nowhere, &bench.ledger, &()).unwrap();
    assert_eq!(asked.totals.cached, 3);
}

#[test]
fn several_rows_travel_together_and_share_their_answers_with_single_ones() {
    let bench = Bench::new();
    let settings = bench.settings("");
    let asked = ask(&task(json!({"batch_rows": 8})), &inputs(20), &settings, &bench.ledger, &()).unwrap();
    assert_eq!((asked.totals.answered, asked.totals.requests), (20, 3));
    assert_eq!(asked.outcomes[7].answer().unwrap().values["cleaned"], "ROW-7-END");
    let single = ask(&task(json!({})), &inputs(20), &settings, &bench.ledger, &()).unwrap();
    assert_eq!(single.totals.cached, 20);
}

#[test]
fn missing_and_repeated_rows_are_asked_alone() {
    let bench = Bench::new();
    let said = r#"{"answers": [{"row": 1, "cleaned": "one"}, {"row": 2, "cleaned": "x"}, {"row": 2, "cleaned": "y"}]}"#;
    bench.server.fault_at(1, Fault::Says(said.to_owned()));
    let asked = ask(&task(json!({"batch_rows": 3})), &inputs(3), &bench.settings(""), &bench.ledger, &()).unwrap();
    let said: Vec<_> =
        asked.outcomes.iter().map(|outcome| outcome.answer().unwrap().values["cleaned"].clone()).collect();
    assert_eq!(said, ["one", "ROW-1-END", "ROW-2-END"]);
    assert_eq!(asked.totals.requests, 3);
}

#[test]
fn an_invalid_answer_is_sent_back_with_its_fault_once() {
    let bench = Bench::new();
    bench.server.answer(|asked| match asked.prompt.contains("cannot be used") {
        true => {
            let said = asked.body["messages"].as_array().unwrap();
            assert_eq!(said[said.len() - 2]["content"], "{\"cleaned\": 7}");
            json!({"cleaned": "seven"}).to_string()
        }
        false => "{\"cleaned\": 7}".to_owned(),
    });
    let asked = ask(&task(json!({})), &inputs(1), &bench.settings(""), &bench.ledger, &()).unwrap();
    assert_eq!(asked.outcomes[0].answer().unwrap().values["cleaned"], "seven");
    assert_eq!(asked.totals.requests, 2);
}

#[test]
fn an_answer_that_stays_invalid_fails_with_its_reason_and_is_not_kept() {
    let bench = Bench::new();
    bench.server.answer(|_| "{\"cleaned\": 7}".to_owned());
    let asked = ask(&task(json!({})), &inputs(1), &bench.settings(""), &bench.ledger, &()).unwrap();
    let failure = asked.outcomes[0].failure().unwrap();
    assert_eq!(
        (failure.kind, failure.reason.as_str()),
        (FailureKind::Invalid, "at /cleaned: 7 is not of type \"string\"")
    );
    assert!(asked.try_again().is_none(), "asking again would change nothing");
    assert_eq!((asked.totals.failed, bench.ledger.answers().unwrap()), (1, 0));
    assert_eq!(bench.server.stats().requests, 2);
}

#[test]
fn answers_that_break_off_or_are_withheld_say_so() {
    for (fault, reason) in [
        (Fault::Finishes("length"), "the answer was cut off at the most tokens allowed (max_tokens: 9)"),
        (Fault::Finishes("content_filter"), "the provider's content filter withheld the answer"),
        (Fault::Refuses("I must not".to_owned()), "the model refuses: I must not"),
        (Fault::Status(400), "the server rejects the request (400): the server says no"),
    ] {
        let bench = Bench::new();
        bench.server.fault_at(1, fault);
        let asked = ask(&task(json!({"max_tokens": 9})), &inputs(1), &bench.settings(""), &bench.ledger, &()).unwrap();
        let failure = asked.outcomes[0].failure().unwrap();
        assert_eq!((failure.kind, failure.reason.as_str()), (FailureKind::Refused, reason));
        assert_eq!(bench.server.stats().requests, 1, "{reason}");
    }
}

#[test]
fn rates_and_concurrency_hold_at_the_server() {
    let bench = Bench::new();
    bench.server.latency(Duration::from_millis(60));
    let settings = bench.settings("limits: {requests_per_second: 20, concurrency: 3}\n");
    let begun = Instant::now();
    ask(&task(json!({})), &inputs(30), &settings, &bench.ledger, &()).unwrap();
    let stats = bench.server.stats();
    assert!(stats.at_once <= 3, "{} at once", stats.at_once);
    let most = stats.most_within(Duration::from_secs(1));
    // One more for the second's two ends, and the three on their way may arrive together where a machine stalls.
    assert!(most <= 24, "{most} in one second");
    assert!(begun.elapsed() >= Duration::from_millis(1400), "30 requests at 20 per second in {:?}", begun.elapsed());
}

#[test]
fn requests_and_tokens_per_minute_hold() {
    for limit in ["requests_per_minute: 600", "tokens_per_minute: 7200"] {
        let bench = Bench::new();
        let settings = bench.settings(&format!("limits: {{requests_per_second: 5000, {limit}}}\n"));
        let begun = Instant::now();
        // 600 requests per minute are one each 100 ms. A request of this task is expected to take 12 to 13 tokens in
        // and 60 out; 7200 tokens per minute are 120 per second, of which 720 may go at once.
        let task = task(json!({"max_tokens": 60}));
        let count = if limit.starts_with("requests") { 10 } else { 12 };
        ask(&task, &inputs(count), &settings, &bench.ledger, &()).unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(850), "{limit}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_daily_cap_keeps_what_was_done_and_names_the_rest() {
    let bench = Bench::new();
    let (task, settings) = (task(json!({})), bench.settings("daily: {requests: 5}\n"));
    let asked = ask(&task, &inputs(9), &settings, &bench.ledger, &()).unwrap();
    assert_eq!((bench.server.stats().requests, asked.totals.answered, asked.totals.failed), (5, 5, 4));
    let error = asked.try_again().unwrap();
    assert_eq!(error.class(), spec::Class::TryAgain);
    assert_eq!(
        error.to_string(),
        "4 of 9 inputs have no answer yet: the daily limit of 5 requests is reached (UTC day, all runs); \
         the answers so far are kept; run again later"
    );
    // The cap is of the day, not of the run; what is known costs nothing.
    let again = ask(&task, &inputs(9), &settings, &bench.ledger, &()).unwrap();
    assert_eq!((again.totals.cached, again.totals.requests), (5, 0));
    assert_eq!(bench.ledger.spend_today().unwrap().requests, 5);
}

#[test]
fn caps_of_tokens_and_money_hold() {
    for cap in ["tokens: 1000", "money: 0.001"] {
        let bench = Bench::new();
        let settings = bench.settings(&format!("daily: {{{cap}}}\n"));
        let task = task(json!({"max_tokens": 30}));
        let asked = ask(&task, &inputs(200), &settings, &bench.ledger, &()).unwrap();
        assert!(matches!(asked.stopped, Some(Stop::Cap(_))), "{cap}");
        assert!(asked.totals.answered > 5);
        let spent = bench.ledger.spend_today().unwrap();
        let holds = if cap.starts_with("tokens") { spent.tokens <= 1000 } else { spent.money <= 0.001 };
        assert!(holds, "{cap}: {spent:?}");
    }
}

#[test]
fn a_cap_of_money_needs_prices() {
    let bench = Bench::new();
    let settings = bench.settings("daily: {money: 1}\nmodels: {}\n");
    let error = ask(&task(json!({})), &inputs(1), &settings, &bench.ledger, &()).unwrap_err().to_string();
    assert_eq!(
        error,
        "daily.money: model 'small' has no price; write models.small.price: {input: …, output: …}, per million tokens"
    );
}

#[test]
fn without_a_key_nothing_is_asked_and_the_variable_is_named() {
    let bench = Bench::new();
    let built_in = llm::Settings::built_in(&spec::Environment::default()).unwrap();
    let asked = ask(&task(json!({})), &inputs(2), &built_in, &bench.ledger, &()).unwrap();
    assert!(matches!(asked.stopped, Some(Stop::NotConfigured(_))));
    assert_eq!(
        asked.try_again().unwrap().message(),
        "2 of 2 inputs have no answer yet: provider 'openai' has no key: set OPENAI_API_KEY"
    );
}

#[test]
fn an_estimate_counts_without_asking() {
    let bench = Bench::new();
    let (task, settings) = (task(json!({"max_tokens": 50})), bench.settings(""));
    let mut rows = inputs(10);
    rows.extend(inputs(4));
    let before = estimate(&task, &rows, &settings, &bench.ledger).unwrap();
    assert_eq!((before.rows, before.distinct, before.cached, before.requests), (14, 10, 0, 10));
    assert_eq!(before.tokens_out, 500);
    assert_eq!(before.cost, Some((before.tokens_in as f64 + 2.0 * 500.0) / 1e6));
    assert_eq!(bench.server.stats().requests, 0);
    ask(&task, &inputs(3), &settings, &bench.ledger, &()).unwrap();
    let after = estimate(&task, &rows, &settings, &bench.ledger).unwrap();
    assert_eq!((after.cached, after.requests), (3, 7));
    assert!(after.tokens_out < 50 * 7, "now the answers so far tell how long the next will be");
}

struct Cancels {
    after: u64,
    seen: RefCell<Vec<Progress>>,
}

impl Watch for Cancels {
    fn progress(&self, progress: &Progress) {
        self.seen.borrow_mut().push(*progress);
    }
    fn cancelled(&self) -> bool {
        self.seen.borrow().iter().any(|progress| progress.done >= self.after)
    }
}

#[test]
fn a_cancelled_run_ends_soon_and_keeps_what_was_done() {
    let bench = Bench::new();
    bench.server.latency(Duration::from_millis(20));
    bench.server.fault_on("row-9-", Fault::Hang, 9);
    let settings = bench.settings("limits: {requests_per_second: 5000, concurrency: 2, timeout_seconds: 30}\n");
    let watch = Cancels { after: 9, seen: RefCell::default() };
    let begun = Instant::now();
    let asked = ask(&task(json!({})), &inputs(500), &settings, &bench.ledger, &watch).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "it waited for the server that hangs: {:?}", begun.elapsed());
    assert_eq!(asked.stopped, Some(Stop::Cancelled));
    assert!(asked.totals.answered >= 9);
    assert_eq!(bench.ledger.answers().unwrap(), asked.totals.answered);
    assert!(asked.try_again().is_some());
}

#[test]
fn progress_reaches_the_total() {
    let bench = Bench::new();
    let watch = Cancels { after: 99, seen: RefCell::default() };
    let task = task(json!({}));
    ask(&task, &inputs(5), &bench.settings(""), &bench.ledger, &()).unwrap();
    ask(&task, &inputs(12), &bench.settings(""), &bench.ledger, &watch).unwrap();
    let seen = watch.seen.borrow();
    assert_eq!(seen.first().map(|p| (p.done, p.total)), Some((5, 12)));
    assert_eq!(seen.last().map(|p| (p.done, p.total)), Some((12, 12)));
    assert!(seen.last().unwrap().cost > 0.0);
}
