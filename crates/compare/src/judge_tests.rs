use super::*;
use crate::Sample;

const DAY: i64 = 86_400_000_000;

fn spec(more: &str) -> CompareSpec {
    let text =
        format!("arms: {{production: 0.9, staging: 0.1}}\nunits: visitors\nprimary: {{outcome: contract}}\n{more}\n");
    spec::parse(&text, std::path::Path::new("release.yaml"), &Default::default()).unwrap().spec
}

fn arm(name: &str, version: &str, share: f64, keys: u64, samples: Vec<Sample>) -> ArmCounts {
    ArmCounts {
        arm: name.to_owned(),
        version: version.to_owned(),
        share,
        keys,
        requests: 2 * keys,
        failed: 0,
        latencies: vec![10_000; 100],
        samples,
    }
}

/// Ten days of 90,000 keys with 9,000 contracts, and 10,000 with `hits`.
fn counts(hits: u64) -> Counts {
    let arms = vec![
        arm("production", "v6", 0.9, 90_000, vec![Sample::of_rate(9_000, 90_000)]),
        arm("staging", "v7", 0.1, 10_000, vec![Sample::of_rate(hits, 10_000)]),
    ];
    Counts {
        arms,
        from: 0,
        to: 10 * DAY,
        now: 10 * DAY,
        mixed_keys: 0,
        requests_without_key: 0,
        requests_outside: 0,
        outcomes_unknown: 0,
        outcomes_too_early: 0,
        outcomes_repeated: 0,
    }
}

fn verdict(more: &str, counts: &Counts) -> (Verdict, String) {
    let found = judge(&spec(more), counts);
    (found.verdict, found.why)
}

#[test]
fn a_better_version_is_promoted() {
    let found = judge(&spec(""), &counts(1_200));
    assert_eq!(found.verdict, Verdict::Promote);
    assert_eq!((found.control_version.as_str(), found.challenger_version.as_str()), ("v6", "v7"));
    assert_eq!(
        found.why,
        "of 10,000 visitors with v7 12 % had 'contract', of 90,000 with v6 10 %, 20 % better (the truth lies between 8.9 % \
         better and 31.1 % better); that is more than the required 5 %, and a difference that chance alone would hardly make"
    );
    assert_eq!(found.arms[0].need, None);
    let metrics = found.metrics();
    assert!((metrics["improvement"] - 0.2).abs() < 1e-12 && metrics["sequential_p"] < 0.001, "{metrics:?}");
    assert_eq!((metrics["control_keys"], metrics["challenger_keys"]), (90_000.0, 10_000.0));
    assert!(metrics.values().all(|value| value.is_finite()));
}

#[test]
fn what_may_be_chance_needs_more_data_and_says_how_much() {
    let (verdict, why) = verdict("", &counts(1_060));
    assert_eq!(verdict, Verdict::MoreData);
    assert!(
        why.contains("6 % better")
            && why.contains("that may still be chance, or less than the required 5 %; to find 5 % it needs about "),
        "{why}"
    );
    assert!(
        why.contains(" more visitors, which takes about ") && why.ends_with(" if it is as much better as it looks"),
        "{why}"
    );
    let need = judge(&spec(""), &counts(1_060)).arms[0].need.unwrap();
    assert_eq!(need.more_keys, need.keys - 100_000);
    // 6 % are found sooner than 5 %, and 4 % are no more than what is looked for.
    assert!(need.more_if_measured.unwrap() < need.more_keys, "{need:?}");
    assert_eq!(judge(&spec(""), &counts(1_040)).arms[0].need.unwrap().more_if_measured, None);
    // 10,000 keys a day.
    assert!((need.days.unwrap() - need.more_keys as f64 / 10_000.0).abs() < 1e-6, "{need:?}");
}

#[test]
fn a_worse_or_hopeless_version_is_given_up() {
    let (kept, why) = verdict("", &counts(800));
    assert_eq!(kept, Verdict::Keep);
    assert!(why.contains("20 % worse") && why.ends_with("that is surely worse, so v6 stays"), "{why}");
    // Equal, on so many keys that 20 % can be ruled out.
    let (kept, why) = verdict("least_improvement: 0.2", &counts(1_000));
    assert_eq!(kept, Verdict::Keep);
    assert!(why.ends_with("it is surely not better by more than the required 20 %, so v6 stays"), "{why}");
}

#[test]
fn an_outcome_may_be_better_when_it_is_lower() {
    let lower = |hits| {
        let mut spec = spec("");
        spec.primary.better = Better::Lower;
        let found = judge(&spec, &counts(hits));
        (found.verdict, found.why)
    };
    let (verdict, why) = lower(800);
    assert!(verdict == Verdict::Promote && why.contains("20 % better (the truth lies between 10.6 % better"), "{why}");
    let (verdict, why) = lower(1_200);
    assert!(
        verdict == Verdict::Keep && why.contains("20 % worse") && why.ends_with("surely worse, so v6 stays"),
        "{why}"
    );
}

#[test]
fn the_sample_ratio_comes_first() {
    let mut wrong = counts(1_500);
    wrong.arms[1].keys = 9_000;
    let (stopped, why) = verdict("", &wrong);
    assert_eq!(stopped, Verdict::SampleRatio);
    assert!(
        why.starts_with("the arms did not get their shares: 'production' got 90,000 (90.9 %), not 90 %, 'staging' got 9,000 (9.1 %), not 10 %; chance does that in less than one in a million comparisons"),
        "{why}"
    );
    let mut mixed = counts(1_500);
    mixed.mixed_keys = 1_200;
    let (stopped, why) = verdict("", &mixed);
    assert_eq!(stopped, Verdict::SampleRatio);
    assert!(why.starts_with("1,200 of 101,200 keys (1.19 %) were seen in several arms"), "{why}");
    mixed.mixed_keys = 900;
    let found = judge(&spec(""), &mixed);
    assert_eq!(found.verdict, Verdict::Promote);
    assert_eq!(found.notes, ["900 visitors were seen in several arms and are left out"]);
}

#[test]
fn guardrails_stop_what_would_win() {
    let mut failing = counts(1_300);
    failing.arms[1].failed = 900;
    let (kept, why) = verdict("guardrails: {errors: 0.01}", &failing);
    assert_eq!(kept, Verdict::Keep);
    assert_eq!(
        why,
        "v7 is given up, because it surely breaks a guardrail: failed requests 4.5 %, at most 1 % is allowed"
    );
    failing.arms[1].failed = 205;
    let (waits, why) = verdict("guardrails: {errors: 0.01}", &failing);
    assert_eq!(waits, Verdict::MoreData);
    assert!(
        why.ends_with("but a guardrail is not kept, which may be chance: failed requests 1 %, at most 1 % is allowed"),
        "{why}"
    );
    failing.arms[1].failed = 100;
    let (promoted, why) = verdict("guardrails: {errors: 0.01, p95_ms: 10}", &failing);
    assert!(promoted == Verdict::Promote && why.ends_with("hardly make; all guardrails are kept"), "{why}");
    let (kept, why) = verdict("guardrails: {p95_ms: 9.5}", &failing);
    assert!(kept == Verdict::Keep && why.ends_with("P95 of latency in ms 10, at most 9.5 is allowed"), "{why}");
}

#[test]
fn a_secondary_outcome_can_stop_a_promotion() {
    let mut two = counts(1_300);
    two.arms[0].samples.push(Sample::of_rate(27_000, 90_000));
    two.arms[1].samples.push(Sample::of_rate(2_400, 10_000));
    let secondary = |more: &str| verdict(&format!("secondary: [{{outcome: inquiry{more}}}]"), &two);
    assert_eq!(secondary("").0, Verdict::Promote);
    let (kept, why) = secondary(", worse_by: 0.05");
    assert_eq!(kept, Verdict::Keep);
    assert!(why.ends_with("it surely breaks a guardrail: 'inquiry' worse by 20 %, at most 5 % is allowed"), "{why}");
}

#[test]
fn time_has_a_least_and_a_most() {
    let (waits, why) = verdict("shortest: 2w", &counts(1_300));
    assert!(
        waits == Verdict::MoreData && why.ends_with("that is enough, but a comparison runs for at least 2w"),
        "{why}"
    );
    assert_eq!(verdict("shortest: 10d", &counts(1_300)).0, Verdict::Promote);
    assert_eq!(verdict("longest: 10d", &counts(1_300)).0, Verdict::Promote);
    let (kept, why) = verdict("longest: 10d", &counts(1_060));
    assert_eq!(kept, Verdict::Keep);
    assert!(
        why.starts_with("the longest duration of 10d is over, and v7 has not been shown to be better by more than 5 %"),
        "{why}"
    );
    assert_eq!(verdict("longest: 11d", &counts(1_060)).0, Verdict::MoreData);
    let mut few = counts(1_300);
    few.arms[1].samples[0] = Sample::of_rate(20, 60);
    let (waits, why) = verdict("", &few);
    assert_eq!(waits, Verdict::MoreData);
    assert!(
        why.starts_with("the smaller arm has 60 visitors, and at least 100 are needed before anything is decided"),
        "{why}"
    );
    assert_eq!(verdict("longest: 10d", &few).0, Verdict::Keep);
}

#[test]
fn a_fixed_test_looks_once() {
    // 1,085 of 10,000: significant for a single look, not for daily ones.
    assert_eq!(verdict("", &counts(1_085)).0, Verdict::MoreData);
    assert_eq!(verdict("test: fixed\nleast_keys: 10000", &counts(1_085)).0, Verdict::Promote);
    let (waits, why) = verdict("test: fixed\nleast_keys: 20000", &counts(1_300));
    assert!(waits == Verdict::MoreData && why.contains("at least 20,000 are needed"), "{why}");
    let (waits, why) = verdict("test: fixed\nlongest: 14d", &counts(1_300));
    assert!(
        waits == Verdict::MoreData
            && why == "the only look is planned for the end of 14d, of which 10 days have passed",
        "{why}"
    );
    assert_eq!(verdict("test: fixed\nlongest: 10d", &counts(1_085)).0, Verdict::Promote);
    let (kept, why) = verdict("test: fixed\nleast_keys: 10000", &counts(1_040));
    assert!(
        kept == Verdict::Keep && why.starts_with("at the planned number of visitors, v7 has not been shown"),
        "{why}"
    );
}

#[test]
fn a_small_improvement_that_is_sure_is_not_enough() {
    // A hundred times as many keys.
    let mut many = counts(0);
    many.arms[0].samples[0] = Sample::of_rate(900_000, 9_000_000);
    many.arms[1].samples[0] = Sample::of_rate(103_000, 1_000_000);
    let (kept, why) = verdict("", &many);
    assert!(kept == Verdict::Keep && why.contains("3 % better"), "{why}");
    assert_eq!(verdict("least_improvement: 0", &many).0, Verdict::Promote);
    // Exactly as much as required is not more.
    many.arms[1].samples[0] = Sample::of_rate(105_000, 1_000_000);
    assert_eq!(verdict("", &many).0, Verdict::MoreData);
}

#[test]
fn several_challengers_share_the_error_and_the_best_wins() {
    let text = "arms: {a: 0.8, b: 0.1, c: 0.1}\nprimary: {outcome: contract}\n";
    let spec: CompareSpec = spec::parse(text, std::path::Path::new("release.yaml"), &Default::default()).unwrap().spec;
    let of = |b: u64, c: u64| {
        let mut counts = counts(0);
        counts.arms = vec![
            arm("a", "v1", 0.8, 80_000, vec![Sample::of_rate(8_000, 80_000)]),
            arm("b", "v2", 0.1, 10_000, vec![Sample::of_rate(b, 10_000)]),
            arm("c", "v3", 0.1, 10_000, vec![Sample::of_rate(c, 10_000)]),
        ];
        let found = judge(&spec, &counts);
        (found.verdict, found.challenger)
    };
    assert_eq!(of(1_250, 1_300), (Verdict::Promote, "c".to_owned()));
    assert_eq!(of(1_250, 700), (Verdict::Promote, "b".to_owned()));
    assert_eq!(of(700, 1_050), (Verdict::MoreData, "c".to_owned()));
    assert_eq!(of(700, 700), (Verdict::Keep, "b".to_owned()));
    // Sure enough for one challenger, but not for one of two.
    let lone = judge(&self::spec(""), &counts(1_110)).arms[0].primary.sequential.p;
    assert!((0.025..0.05).contains(&lone), "{lone}");
    assert_eq!(of(1_110, 1_000).0, Verdict::MoreData);
}

#[test]
fn a_control_without_any_outcome_is_no_reason_to_fail() {
    let mut none = counts(3);
    none.arms[0].samples[0] = Sample::of_rate(0, 90_000);
    let found = judge(&spec(""), &none);
    assert_eq!(found.verdict, Verdict::MoreData);
    assert!(found.why.contains("which cannot be said in percent, because the control has none"), "{}", found.why);
}

#[test]
fn a_guardrail_of_which_nothing_is_known_yet_is_not_kept() {
    let with = |more: &str, keys: u64| {
        let spec = spec(&format!("secondary: [{{outcome: inquiry, window: 28d, worse_by: 0.05}}]\n{more}"));
        let mut counts = counts(1_300);
        for arm in &mut counts.arms {
            arm.samples.push(Sample::of_rate(keys / 4, keys));
        }
        counts.arms[1].latencies.truncate(keys as usize);
        let found = judge(&spec, &counts);
        (found.verdict, found.why)
    };
    assert_eq!(with("guardrails: {p95_ms: 100}", 100).0, Verdict::Promote);
    for keys in [0, 99] {
        let (verdict, why) = with("", keys);
        assert_eq!(verdict, Verdict::MoreData, "{keys}");
        let end = "; but it is not known yet whether a guardrail is kept: 'inquiry' worse by: not known yet, at most 5 % is allowed";
        assert!(why.ends_with(end), "{why}");
    }
    let (verdict, why) = with("guardrails: {p95_ms: 100}", 0);
    let end = "whether a guardrail is kept: P95 of latency in ms: not known yet, at most 100 is allowed";
    assert!(verdict == Verdict::MoreData && why.ends_with(end), "{why}");
}
