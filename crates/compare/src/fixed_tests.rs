//! Compared with what scipy and statsmodels say: `fixtures/reference.py`.

use serde_json::Value;

use super::*;
use crate::distributions::chi_square_above;
use crate::sequential;

/// The cases of a kind.
pub(crate) fn reference(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../fixtures/reference.json")).expect("JSON");
    let cases = all[kind].as_array().cloned().unwrap_or_default();
    assert!(cases.len() > 3, "no cases of {kind}");
    cases
}

pub(crate) fn close(ours: f64, theirs: &Value, relative: f64, case: &Value) {
    let theirs = theirs.as_f64().unwrap_or_else(|| panic!("no number in {case}"));
    let off = (ours - theirs).abs();
    assert!(off <= relative * theirs.abs() || off < 1e-12, "{ours} instead of {theirs}: {case}");
}

pub(crate) fn rate_of(counts: &Value) -> Sample {
    Sample::of_rate(counts[0].as_u64().expect("hits"), counts[1].as_u64().expect("keys"))
}

fn sample_of(values: &Value) -> Sample {
    let values: Vec<f64> = values.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    Sample::of(values.into_iter())
}

fn is_theirs(found: Difference, case: &Value) {
    close(found.p, &case["p"], 1e-8, case);
    close(found.low, &case["low"], 1e-7, case);
    close(found.high, &case["high"], 1e-7, case);
}

#[test]
fn rates_are_compared_as_statsmodels_does() {
    for case in reference("rates") {
        let alpha = case["alpha"].as_f64().unwrap();
        is_theirs(test(Measure::Rate, &rate_of(&case["control"]), &rate_of(&case["challenger"]), alpha), &case);
    }
}

#[test]
fn means_are_compared_as_scipy_does() {
    for case in reference("means") {
        let alpha = case["alpha"].as_f64().unwrap();
        is_theirs(test(Measure::Mean, &sample_of(&case["control"]), &sample_of(&case["challenger"]), alpha), &case);
    }
}

#[test]
fn sample_ratios_are_those_of_scipy() {
    for case in reference("ratios") {
        let counts: Vec<u64> = case["counts"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
        let shares: Vec<f64> = case["shares"].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
        let (statistic, p) = crate::sample_ratio::test(&counts, &shares).unwrap();
        close(statistic, &case["statistic"], 1e-9, &case);
        close(p, &case["p"], 1e-8, &case);
    }
    // scipy.stats.chi2.sf(700, 1) = 2.7e-154: the tail has digits where 1 − p has none.
    assert!(chi_square_above(700.0, 1.0) > 1e-160 && chi_square_above(700.0, 1.0) < 1e-150);
}

#[test]
fn the_sequential_test_is_the_mixture_that_it_says_it_is() {
    for case in reference("sequential") {
        let of = |key: &str| case[key].as_f64().unwrap();
        let (variance, tau, alpha) = (of("variance"), of("tau"), of("alpha"));
        close(sequential::half_width(variance, tau, alpha), &case["half"], 1e-8, &case);
        // Two arms of means whose difference has this variance.
        let keys = 1000;
        let arm = |mean: f64| Sample { keys, mean, variance: variance / 2.0 * keys as f64 };
        for look in case["looks"].as_array().unwrap() {
            let difference = look["difference"].as_f64().unwrap();
            let found = sequential::test(Measure::Mean, &arm(5.0), &arm(5.0 + difference), alpha, tau);
            close(found.p, &look["p"], 1e-6, look);
        }
    }
}

#[test]
fn too_little_says_nothing() {
    let some = Sample::of_rate(3, 10);
    for measure in [Measure::Rate, Measure::Mean] {
        for (control, challenger) in [(Sample::default(), some), (some, Sample::of_rate(1, 1))] {
            let found = test(measure, &control, &challenger, 0.05);
            assert!(found.p == 1.0 && found.low == f64::NEG_INFINITY && found.high == f64::INFINITY, "{found:?}");
        }
    }
    assert_eq!(test(Measure::Rate, &Sample::of_rate(0, 9), &Sample::of_rate(0, 9), 0.05).p, 1.0);
    assert_eq!(test(Measure::Mean, &Sample::of_rate(9, 9), &Sample::of_rate(0, 9), 0.05).p, 1.0);
}
