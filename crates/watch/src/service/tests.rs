use alert::Priority;
use artifact::Verdict;
use spec::random::Random;

use super::*;

const MINUTE: i64 = 60_000_000;
/// 2026-11-01T00:00:00Z
const NOW: i64 = 1_793_491_200_000_000;

fn asked<'a>(time: i64, id: &'a str, version: &'a str, arm: &'a str, status: i64, ms: i64) -> LoggedRequest<'a> {
    let latency_us = (status < 500).then_some(ms * 1000);
    LoggedRequest { time, request_id: Some(id), arm: Some(arm), version: Some(version), status, latency_us }
}

fn level<'a>(report: &'a ServiceReport, name: &str) -> &'a Levelled {
    report.levels.iter().find(|level| level.level == name).expect("the level")
}

/// `minutes` minutes up to now with ten requests each, of which `failed(minute)` fail; minute 0 is the present one.
fn traffic(spec: &ServiceSpec, minutes: i64, failed: impl Fn(i64) -> i64, ms: i64) -> ServiceReport {
    let mut log = ServiceLog::new(spec, &[], NOW);
    for minute in (0..minutes).rev() {
        for number in 0..10 {
            let id = format!("{minute}-{number}");
            let status = if number < failed(minute) { 500 } else { 200 };
            log.see(&asked(NOW - minute * MINUTE, &id, "v1", "production", status, ms));
        }
    }
    log.finish()
}

#[test]
fn requests_are_counted_by_version_and_arm_as_one_by_one() {
    for round in 0..30 {
        let mut random = Random::new(11, round);
        let spec = ServiceSpec { days: 2, ..ServiceSpec::default() };
        let production = [
            InProduction { from: NOW - 2000 * MINUTE, version: "v1".to_owned(), before: None },
            InProduction { from: NOW - 700 * MINUTE, version: "v2".to_owned(), before: Some("v1".to_owned()) },
            InProduction { from: NOW - 90 * MINUTE, version: "v1".to_owned(), before: None },
        ];
        let mut log = ServiceLog::new(&spec, &production, NOW);
        // What the log should say: (time, version, arm, status, latency) of each request.
        let mut all: Vec<(i64, &str, &str, i64, i64)> = Vec::new();
        for number in 0..1 + random.below(400) {
            let time = NOW - random.below(3500) as i64 * MINUTE;
            let version = ["v1", "v2"][random.below(2)];
            let arm = ["production", "staging"][random.below(2)];
            let status = [200, 200, 200, 422, 500, 503][random.below(6)];
            let ms = 1 + random.below(900) as i64;
            let id = number.to_string();
            // Some requests have several rows.
            for _ in 0..1 + random.below(3) {
                log.see(&asked(time, &id, version, arm, status, ms));
            }
            if time >= NOW - 2 * 1440 * MINUTE {
                all.push((time, version, arm, status, ms));
            }
        }
        let report = log.finish();
        let check = |line: &ServiceLine, rows: &[&(i64, &str, &str, i64, i64)]| {
            let failed = rows.iter().filter(|row| row.3 >= 500).count() as u64;
            let stood_by = |row: &&&(i64, &str, &str, i64, i64)| {
                row.1 == "v1" && (NOW - 700 * MINUTE..NOW - 90 * MINUTE).contains(&row.0)
            };
            let fallbacks = rows.iter().filter(stood_by).count() as u64;
            assert_eq!(
                (line.tally.requests, line.tally.failed, line.tally.fallbacks),
                (rows.len() as u64, failed, fallbacks),
                "round {round}: {line:?}"
            );
            let mut latencies: Vec<i64> = rows.iter().filter(|row| row.3 < 500).map(|row| row.4).collect();
            latencies.sort_unstable();
            for share in [0.5, 0.95, 0.99] {
                // The smallest latency that at least this share of requests kept.
                let kept = |at: &&i64| {
                    latencies.iter().filter(|other| other <= at).count() as f64 >= share * latencies.len() as f64
                };
                let expected = latencies.iter().find(kept).map(|ms| *ms as f64);
                assert_eq!(line.tally.quantile_ms(share), expected, "round {round} {share}");
            }
        };
        check(&report.lines[0], &all.iter().collect::<Vec<_>>());
        let by_arm = report.lines.iter().filter(|line| line.arm.is_some());
        let mut seen = 0;
        for line in by_arm {
            let of = |row: &&(i64, &str, &str, i64, i64)| {
                Some(row.1) == line.version.as_deref() && Some(row.2) == line.arm.as_deref()
            };
            check(line, &all.iter().filter(of).collect::<Vec<_>>());
            seen += line.tally.requests;
        }
        assert_eq!(seen, all.len() as u64);
        let days: u64 = report.lines.iter().filter(|line| line.day.is_some()).map(|line| line.tally.requests).sum();
        assert_eq!(days, all.len() as u64);
    }
}

#[test]
fn a_service_that_keeps_its_levels_passes() {
    let spec = ServiceSpec::default();
    let report = traffic(&spec, 600, |_| 0, 120);
    let (verdict, words, priority) = report.verdict(&spec);
    assert_eq!((verdict, priority), (Verdict::Passed, None));
    assert_eq!(
        words,
        "6000 requests: P95 120 ms (goal 500 ms, alert at 800 ms), errors 0 % (goal 1 %, alert at 3 %), availability 100 % (goal \
         99.9 %)"
    );
    assert_eq!(level(&report, "errors").burn, [Some(0.0); 3]);
    assert_eq!(level(&report, "errors").budget_left, Some(1.0));
    assert_eq!(report.levels_table("p").unwrap().height(), 3);
    assert_eq!(report.table("p").unwrap().height(), 1 + 2 + 1);
    let nothing = traffic(&spec, 0, |_| 0, 1).verdict(&spec);
    assert_eq!((nothing.0, nothing.1.as_str()), (Verdict::Skipped, "the server had no requests in 30 days"));
    let report = traffic(&spec, 9, |_| 5, 1);
    assert!(report.levels.iter().all(|level| (level.state, level.priority) == (LevelState::NotJudged, None)));
    // Of requests that all failed there is no latency to judge.
    let p95 = traffic(&spec, 60, |_| 10, 1);
    assert_eq!((level(&p95, "p95_ms").state, level(&p95, "errors").state), (LevelState::NotJudged, LevelState::Alert));
    let few = report.verdict(&spec);
    assert_eq!((few.0, few.1.as_str()), (Verdict::Skipped, "only 90 requests in the log, of at least 100 requests"));
}

#[test]
fn what_is_missed_warns_and_what_is_far_off_alerts() {
    let spec = ServiceSpec { severity: Severity::Hard, ..ServiceSpec::default() };
    // Between goal and alert: known, but nobody is woken.
    let slow = traffic(&spec, 600, |_| 0, 620);
    let (verdict, words, priority) = slow.verdict(&spec);
    assert_eq!((verdict, priority), (Verdict::Warned, Some(Priority::P3)), "{words}");
    assert_eq!(words, "P95 620 ms (goal 500 ms, alert at 800 ms)");
    // Every request is slower than the alert allows 5 of 100 to be: the budget burns 20 times too fast.
    let slow = traffic(&spec, 600, |_| 0, 820);
    let (verdict, words, priority) = slow.verdict(&spec);
    assert_eq!((verdict, priority), (Verdict::Failed, Some(Priority::P0)), "{words}");
    assert_eq!(level(&slow, "p95_ms").burn, [Some(20.0); 3]);
    assert!(words.starts_with("P95 820 ms (goal 500 ms, alert at 800 ms), budget burns at 20 times"), "{words}");

    // One of fifty failed for a while, none since: within the budget.
    let old = traffic(&spec, 4000, |minute| i64::from(minute > 2000 && minute % 5 == 0), 10);
    let errors = level(&old, "errors");
    assert_eq!(errors.state, LevelState::Kept, "{errors:?}");
    // Four of a hundred over the whole time: beyond the alert.
    let bad =
        traffic(&spec, 4000, |minute| if minute > 400 && minute % 5 != 0 { i64::from(minute % 2 == 0) } else { 0 }, 10);
    let errors = level(&bad, "errors");
    assert_eq!((errors.state, errors.priority), (LevelState::Alert, Some(Priority::P1)), "{errors:?}");
    assert_eq!(bad.verdict(&spec).0, Verdict::Failed);
    assert_eq!(bad.verdict(&ServiceSpec { severity: Severity::Soft, ..spec.clone() }).0, Verdict::Warned);
    // A missed goal is no reason to refuse.
    let missed = traffic(&spec, 4000, |minute| i64::from(minute > 400 && minute % 5 == 0), 10);
    let errors = level(&missed, "errors");
    assert_eq!((errors.state, errors.priority), (LevelState::Missed, Some(Priority::P3)), "{errors:?}");
    assert_eq!((missed.verdict(&spec).0, missed.verdict(&spec).2), (Verdict::Warned, Some(Priority::P3)));
}

#[test]
fn a_budget_that_burns_now_wakes_people_and_one_that_burnt_does_not() {
    let spec = ServiceSpec::default();
    // Down for the last ten minutes, after weeks without an error: 10 of 60 minutes are 166.7 times 0.1 %.
    let down = traffic(&spec, 20_000, |minute| if minute < 10 { 10 } else { 0 }, 10);
    let availability = level(&down, "availability");
    assert_eq!((availability.state, availability.priority), (LevelState::Alert, Some(Priority::P0)));
    assert!((availability.burn[0].unwrap() - 10.0 / 60.0 / 0.001).abs() < 1e-9, "{availability:?}");
    assert!(availability.found.contains("budget burns at 166.7 times the rate that would use it up over 1 h"));
    // 20,000 minutes have a budget of 20, of which 10 are used.
    assert!((availability.budget_left.unwrap() - 0.5).abs() < 1e-9, "{availability:?}");
    assert_eq!(down.verdict(&spec).2, Some(Priority::P0));
    assert_eq!(down.verdict(&ServiceSpec { priority: Some(Priority::P2), ..spec.clone() }).2, Some(Priority::P2));
    // The same an hour ago: over, so nobody is woken. It still burns over six hours, but not over the last thirty minutes.
    let over = traffic(&spec, 20_000, |minute| if (60..70).contains(&minute) { 10 } else { 0 }, 10);
    let availability = level(&over, "availability");
    assert_eq!(availability.burn[0], Some(0.0));
    assert_eq!(
        (availability.state, availability.priority),
        (LevelState::Missed, Some(Priority::P3)),
        "{availability:?}"
    );
    // Half of the requests of a minute: down. Less: not.
    let report =
        traffic(&ServiceSpec::default(), 100, |minute| if minute == 50 { 5 } else { i64::from(minute == 51) * 4 }, 10);
    assert_eq!(level(&report, "availability").value, Some(0.99));
}

#[test]
fn the_last_minutes_are_those_of_the_log() {
    // Down for the last ten minutes until the log was sealed, half an hour ago.
    let of = |until: Option<i64>| {
        let spec = ServiceSpec::default();
        let mut log = ServiceLog::new(&spec, &[], NOW + 30 * MINUTE);
        for minute in (0..2000).rev() {
            for number in 0..10 {
                let id = format!("{minute}-{number}");
                let status = if minute < 10 { 500 } else { 200 };
                log.see(&asked(NOW - minute * MINUTE, &id, "v1", "production", status, 10));
            }
        }
        let log = if let Some(until) = until { log.known_until(until) } else { log };
        let report = log.finish();
        let errors = level(&report, "errors");
        (errors.state, errors.priority)
    };
    assert_eq!(of(Some(NOW)), (LevelState::Alert, Some(Priority::P0)));
    // A clock that was set back since: nothing is known of the future.
    assert_eq!(of(Some(NOW + 90 * MINUTE)), of(None));
    assert_ne!(of(None).1, Some(Priority::P0), "nothing is known of the last five minutes");
}

#[test]
fn limits_out_of_their_range_are_named() {
    let fault = |spec: ServiceSpec| spec.fault().map(|error| error.to_string());
    let of = ServiceSpec::default;
    assert_eq!(fault(of()), None);
    for (spec, error) in [
        (ServiceSpec { days: 0, ..of() }, "days: found 0, expected a whole number from 1 to 3650"),
        (ServiceSpec { availability: 1.0, ..of() }, "availability: found 1, expected a number above 0 and below 1"),
        (ServiceSpec { min_requests: 0, ..of() }, "min_requests: found 0, expected a whole number from 1"),
        (
            ServiceSpec { errors: Limits { goal: 0.01, alert: 3.0 }, ..of() },
            "errors.alert: found 3, expected a number above 0 and up to 1",
        ),
        (
            ServiceSpec { p95_ms: Limits { goal: 500.0, alert: 80.0 }, ..of() },
            "p95_ms.alert: found 80, which is below the goal of 500, expected at least the goal",
        ),
    ] {
        assert_eq!(fault(spec).as_deref(), Some(error));
    }
}
