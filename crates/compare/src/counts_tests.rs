use super::*;

const SPEC: &str = "
arms: {old: 0.5, new: 0.5}
primary: {outcome: sign}
secondary: [{outcome: amount, measure: mean}, {outcome: sign, window: 1h}]
";
const MINUTE: i64 = 60_000_000;

fn spec() -> CompareSpec {
    spec::parse(SPEC, std::path::Path::new("release.yaml"), &Default::default()).unwrap().spec
}

/// `(minute, request, key, arm, version, status)`
type TestRequest = (i64, &'static str, &'static str, &'static str, &'static str, i64);
/// `(minute, request, key, name, value)`; an empty text is none.
type Happened = (i64, &'static str, &'static str, &'static str, f64);

fn counts(asked: &[TestRequest], happened: &[Happened]) -> Result<Counts> {
    counts_of(&spec(), asked, happened)
}

fn counts_of(spec: &CompareSpec, asked: &[TestRequest], happened: &[Happened]) -> Result<Counts> {
    let text = |text: &'static str| (!text.is_empty()).then_some(text);
    Counts::of(
        spec,
        |take| {
            for (minute, request, key, arm, version, status) in asked {
                take(RequestRow {
                    time: minute * MINUTE,
                    request_id: text(request),
                    key: text(key),
                    arm: text(arm),
                    version: text(version),
                    status: *status,
                    latency_us: Some(1000 * minute),
                });
            }
            Ok(())
        },
        |take| {
            for (minute, request, key, name, value) in happened {
                take(OutcomeRow {
                    time: minute * MINUTE,
                    request_id: text(request),
                    key: text(key),
                    name,
                    value: *value,
                    text: None,
                });
            }
            Ok(())
        },
    )
}

fn means(counts: &Counts, outcome: usize) -> Vec<(u64, f64)> {
    counts.arms.iter().map(|arm| (arm.samples[outcome].keys, arm.samples[outcome].mean)).collect()
}

#[test]
fn keys_are_counted_not_requests() {
    let asked = [
        (1, "r1", "a", "old", "v1", 200),
        (2, "r2", "b", "new", "v2", 200),
        (3, "r3", "a", "old", "v1", 500),
        (4, "r4", "c", "old", "v1", 200),
        (5, "r5", "d", "new", "v2", 404),
        (90, "r6", "b", "new", "v2", 200),
        (90, "r7", "a", "old", "v1", 200),
    ];
    let happened = [
        // By request, by key, by both; twice the same outcome; one that says no.
        (10, "r2", "", "sign", 1.0),
        (12, "", "a", "sign", 1.0),
        (13, "r3", "a", "sign", 1.0),
        (20, "", "d", "sign", 0.0),
        (14, "", "a", "amount", 10.0),
        (15, "", "a", "amount", 2.5),
        (15, "", "a", "amount", 2.5),
        // Not in the spec.
        (15, "", "a", "click", f64::NAN),
    ];
    let found = counts(&asked, &happened).unwrap();
    assert_eq!((found.from, found.to, found.now), (2 * MINUTE, 90 * MINUTE, 90 * MINUTE));
    // The request of minute 1 lies before the comparison: the other arm was not there yet.
    assert_eq!(found.requests_outside, 1);
    assert_eq!(
        found.arms.iter().map(|arm| (arm.keys, arm.requests, arm.failed)).collect::<Vec<_>>(),
        [(2, 3, 1), (2, 3, 0)]
    );
    assert_eq!(found.arms[0].latencies, [3000, 4000, 90_000]);
    assert_eq!(means(&found, 0), [(2, 0.5), (2, 0.5)]);
    assert_eq!(means(&found, 1), [(2, 6.25), (2, 0.0)]);
    assert_eq!((found.outcomes_repeated, found.outcomes_unknown, found.outcomes_too_early), (1, 0, 0));
    assert_eq!(found.arms[1].samples[1].variance, 0.0);
    // (12.5² + 0²) − 2·6.25², over 1.
    assert_eq!(found.arms[0].samples[1].variance, 78.125);
}

#[test]
fn only_what_the_arm_may_have_caused_counts() {
    let asked = [
        (10, "r1", "a", "old", "v1", 200),
        (10, "r2", "b", "new", "v2", 200),
        (11, "r3", "c", "old", "v1", 200),
        (11, "r4", "d", "new", "v2", 200),
        (60, "r5", "late", "new", "v2", 200),
        (200, "r6", "other", "shadow", "v9", 200),
        (75, "r7", "a", "old", "v1", 200),
        (75, "r8", "b", "new", "v2", 200),
    ];
    let happened = [
        (9, "", "a", "sign", 1.0),       // before the first request
        (71, "", "b", "sign", 1.0),      // after more than an hour
        (70, "", "c", "sign", 1.0),      // within it, by a minute
        (30, "", "nobody", "sign", 1.0), // of no key
        (30, "r99", "", "sign", 1.0),    // of no request
        (30, "", "", "sign", 1.0),       // of nothing
        (62, "r5", "", "sign", 1.0),
    ];
    let found = counts(&asked, &happened).unwrap();
    assert_eq!((found.outcomes_too_early, found.outcomes_unknown), (1, 3));
    assert_eq!(means(&found, 0), [(2, 0.5), (3, 2.0 / 3.0)]);
    // With the window of an hour: the shadow's request makes it minute 200, so all windows are over.
    assert_eq!((found.now, found.to), (200 * MINUTE, 75 * MINUTE));
    assert_eq!(means(&found, 2), [(2, 0.5), (3, 1.0 / 3.0)]);
    // Without it, only keys of minute 15 and before can be judged.
    let without: Vec<TestRequest> = asked.iter().filter(|(.., arm, _, _)| *arm != "shadow").copied().collect();
    assert_eq!(means(&counts(&without, &happened).unwrap(), 2), [(2, 0.5), (2, 0.0)]);
}

#[test]
fn an_outcome_at_the_moment_of_the_request_counts_and_a_window_includes_its_end() {
    let asked = [
        (10, "r1", "a", "old", "v1", 200),
        (10, "r2", "b", "new", "v2", 200),
        (70, "r3", "b", "new", "v2", 200),
        (70, "r4", "a", "old", "v1", 200),
    ];
    let found = counts(&asked, &[(10, "", "a", "sign", 1.0), (70, "", "b", "sign", 1.0)]).unwrap();
    assert_eq!((means(&found, 0), means(&found, 2)), (vec![(1, 1.0), (1, 1.0)], vec![(1, 1.0), (1, 1.0)]));
}

#[test]
fn a_key_in_two_arms_belongs_to_none() {
    let asked = [
        (10, "r1", "a", "old", "v1", 200),
        (10, "r2", "b", "new", "v2", 200),
        (11, "r3", "b", "old", "v1", 200),
        (11, "r4", "c", "new", "v2", 200),
        (13, "r5", "", "new", "v2", 200),
    ];
    let found = counts(&asked, &[(20, "", "b", "sign", 1.0)]).unwrap();
    assert_eq!((found.mixed_keys, found.requests_without_key), (1, 0));
    assert_eq!(means(&found, 0), [(1, 0.0), (1, 0.0)]);
    // With a later request of the control, the one without a key lies within the comparison.
    let inside = counts(&[&asked[..], &[(20, "r6", "d", "old", "v1", 200)]].concat(), &[]).unwrap();
    assert_eq!(inside.requests_without_key, 1);
}

#[test]
fn a_request_of_many_rows_is_one_request_and_one_that_failed_counts() {
    let asked = [
        (10, "r1", "a", "old", "v1", 200),
        (10, "r1", "b", "old", "v1", 200),
        (10, "r2", "c", "new", "v2", 200),
        (10, "r1", "d", "old", "v1", 200),
        // No version answered, so none is recorded.
        (11, "r3", "", "new", "", 500),
        (12, "r4", "e", "new", "", 503),
        (13, "r5", "f", "new", "v2", 200),
        (13, "r6", "g", "old", "v1", 200),
    ];
    let found = counts(&asked, &[]).unwrap();
    let numbers = |arm: &ArmCounts| (arm.requests, arm.failed, arm.keys, arm.latencies.len());
    assert_eq!(found.arms.iter().map(numbers).collect::<Vec<_>>(), [(2, 0, 4, 2), (4, 2, 3, 4)]);
    assert_eq!((found.requests_without_key, found.requests_outside), (1, 0));
}

#[test]
fn an_outcome_of_a_request_of_several_keys_is_of_the_key_that_it_names() {
    let asked = [
        (10, "r1", "a", "old", "v1", 200),
        (10, "r1", "b", "new", "v2", 200),
        (10, "r1", "c", "old", "v1", 200),
        // Two rows of one key.
        (11, "r2", "d", "new", "v2", 200),
        (11, "r2", "d", "new", "v2", 200),
        (11, "r3", "e", "old", "v1", 200),
    ];
    let happened = [
        (12, "r1", "b", "sign", 1.0),
        // Its arm is unknown.
        (13, "r1", "", "sign", 1.0),
        (14, "r2", "", "sign", 1.0),
    ];
    let found = counts(&asked, &happened).unwrap();
    assert_eq!((means(&found, 0), found.outcomes_unknown), (vec![(3, 0.0), (2, 1.0)], 1));
    let turned: Vec<TestRequest> = asked.iter().rev().copied().collect();
    let turned = counts(&turned, &happened).unwrap();
    assert_eq!((means(&turned, 0), turned.outcomes_unknown), (vec![(3, 0.0), (2, 1.0)], 1));
}

#[test]
fn what_was_before_its_beginning_is_left_out() {
    let asked = [
        (10, "r1", "a", "old", "v1", 200),
        (10, "r2", "b", "new", "v2", 200),
        // From minute 20 on more of them get the new version.
        (20, "r3", "a", "new", "v2", 200),
        (20, "r4", "c", "old", "v1", 200),
        (30, "r5", "b", "new", "v2", 200),
        (30, "r6", "c", "old", "v1", 200),
    ];
    let of = |since: &str| {
        let text = format!("{SPEC}since: {since}\n");
        let spec = spec::parse(&text, std::path::Path::new("release.yaml"), &Default::default()).unwrap().spec;
        counts_of(&spec, &asked, &[(15, "", "b", "sign", 1.0), (31, "", "a", "sign", 1.0)])
    };
    let whole = of("1970-01-01").unwrap();
    assert_eq!((whole.mixed_keys, whole.requests_outside), (1, 0));
    let found = of("1970-01-01T00:20").unwrap();
    assert_eq!((found.from, found.mixed_keys, found.requests_outside), (20 * MINUTE, 0, 2));
    assert_eq!((means(&found, 0), found.outcomes_too_early), (vec![(1, 0.0), (2, 0.5)], 1));
    assert!(of("1971-01-01").unwrap_err().to_string().starts_with("no request has reached the arms 'old', 'new' yet"));
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let mut random = testkit::Random::seeded(3);
    let keys = ["a", "b", "c", "d", "e", "f"];
    let mut asked: Vec<TestRequest> = (0..60)
        .map(|minute| {
            let key = keys[random.below(6) as usize];
            let arm = if key < "d" { ("old", "v1") } else { ("new", "v2") };
            (minute, "", key, arm.0, arm.1, if random.below(5) == 0 { 500 } else { 200 })
        })
        .collect();
    let mut happened: Vec<Happened> =
        (0..40).map(|minute| (minute + 10, "", keys[random.below(6) as usize], "amount", minute as f64)).collect();
    let expected = counts(&asked, &happened).unwrap();
    for _ in 0..20 {
        for at in (1..asked.len()).rev() {
            asked.swap(at, random.below(at as u64 + 1) as usize);
        }
        happened.reverse();
        happened.rotate_left(random.below(40) as usize);
        let found = counts(&asked, &happened).unwrap();
        let rounded =
            |counts: &Counts| counts.arms.iter().map(|arm| (arm.samples[1].mean * 1e9).round()).collect::<Vec<_>>();
        assert_eq!(rounded(&found), rounded(&expected));
        let plain =
            |counts: &Counts| (counts.from, counts.to, counts.outcomes_too_early, counts.arms[0].latencies.clone());
        assert_eq!(plain(&found), plain(&expected));
    }
}

#[test]
fn what_cannot_be_compared_says_why() {
    let failure = |asked: &[TestRequest], happened: &[Happened]| counts(asked, happened).unwrap_err().to_string();
    let way_out = "; see that `serve` runs with these arms, and that its journal has been sealed since";
    assert_eq!(failure(&[], &[]), format!("there are no requests yet{way_out}"));
    let only_old = [(1, "r", "a", "old", "v1", 200)];
    assert_eq!(failure(&only_old, &[]), format!("no request has reached arm 'new' yet{way_out}"));
    assert_eq!(
        failure(&[(1, "r", "a", "shadow", "v1", 200)], &[]),
        format!("no request has reached the arms 'old', 'new' yet{way_out}")
    );
    let apart = [(1, "r", "a", "old", "v1", 200), (5, "r", "b", "new", "v2", 200)];
    assert_eq!(
        failure(&apart, &[]),
        format!("the arms never answered at the same time with the versions that they have now{way_out}")
    );
    let both = [(1, "r", "a", "old", "v1", 200), (1, "r", "b", "new", "v2", 200)];
    assert_eq!(
        failure(&both, &[(2, "", "a", "amount", f64::NAN)]),
        "outcome 'amount' has the value NaN; outcomes that are compared are finite numbers, true or false; correct what is sent, and \
         begin the comparison anew with `since`, or name another outcome"
    );
}

#[test]
fn a_text_is_neither_a_success_nor_a_number() {
    let asked = [
        (1, "r1", "a", "old", "v1", 200),
        (1, "r2", "b", "new", "v2", 200),
        (9, "", "", "old", "v1", 200),
        (9, "", "", "new", "v2", 200),
    ];
    let of = |minute: i64, name: &'static str| {
        let requests = |take: &mut dyn FnMut(RequestRow<'_>)| {
            for (minute, request, key, arm, version, status) in asked {
                let text = |text: &'static str| (!text.is_empty()).then_some(text);
                take(RequestRow {
                    time: minute * MINUTE,
                    request_id: text(request),
                    key: text(key),
                    arm: text(arm),
                    version: text(version),
                    status,
                    latency_us: None,
                });
            }
            Ok(())
        };
        let outcomes = |take: &mut dyn FnMut(OutcomeRow<'_>)| {
            let (time, text) = (minute * MINUTE, Some("no"));
            take(OutcomeRow { time, request_id: None, key: Some("a"), name, value: 1.0, text });
            Ok(())
        };
        Counts::of(&spec(), requests, outcomes).map_err(|error| error.to_string())
    };
    assert_eq!(
        of(2, "sign").unwrap_err(),
        "outcome 'sign' has the value 'no'; outcomes that are compared are finite numbers, true or false; correct what is sent, and \
         begin the comparison anew with `since`, or name another outcome"
    );
    // What is not compared may be a text, and so may what came before the comparison.
    assert!(of(2, "comment").is_ok());
    assert_eq!(of(0, "sign").unwrap().outcomes_too_early, 1);
}
