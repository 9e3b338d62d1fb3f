use super::*;
use crate::fixed::tests::{close, reference};
use crate::sequential;

#[test]
fn a_fixed_test_needs_as_many_keys_as_statsmodels_says() {
    for case in reference("sizes") {
        let of = |key: &str| case[key].as_f64().unwrap();
        let goal = Goal { difference: of("difference"), tau: 0.0, alpha: of("alpha"), power: of("power") };
        let control = Sample { keys: 10, mean: of("rate"), variance: 0.0 };
        let keys = keys(Test::Fixed, Measure::Rate, goal, (&control, &control), of("share")).unwrap();
        // Ours is a whole number.
        close(keys, &serde_json::json!(of("keys").ceil()), 1e-9, &case);
    }
}

#[test]
fn a_sequential_test_has_the_power_at_its_number_of_keys() {
    let control = Sample::of_rate(1000, 10_000);
    let goal = Goal { difference: 0.02, tau: 0.02, alpha: 0.05, power: 0.8 };
    let total = keys(Test::Sequential, Measure::Rate, goal, (&control, &control), 0.5).unwrap();
    let fixed = keys(Test::Fixed, Measure::Rate, goal, (&control, &control), 0.5).unwrap();
    assert!(fixed < total && total < 2.5 * fixed, "{total} {fixed}");
    // With exactly the true rates, the interval's end is z(0.8) standard deviations above 0.
    let half = (total / 2.0) as u64;
    let (old, new) = (Sample::of_rate(half / 10, half), Sample::of_rate((0.12 * half as f64) as u64, half));
    let found = sequential::test(Measure::Rate, &old, &new, 0.05, 0.02);
    let deviation = ((0.1 * 0.9 + 0.12 * 0.88) / half as f64).sqrt();
    assert!((found.low / deviation - 0.8416).abs() < 0.03, "{found:?} {deviation}");
}

#[test]
fn nothing_to_find_needs_no_number() {
    let goal = |difference| Goal { difference, tau: 0.02, alpha: 0.05, power: 0.8 };
    let (none, some) = (Sample::of_rate(0, 100), Sample::of_rate(10, 100));
    for test in [Test::Fixed, Test::Sequential] {
        assert_eq!(keys(test, Measure::Rate, goal(0.0), (&some, &some), 0.5), None);
        assert_eq!(keys(test, Measure::Rate, goal(0.0), (&none, &none), 0.5), None);
        assert_eq!(
            keys(
                test,
                Measure::Mean,
                goal(0.1),
                (&Sample { keys: 9, mean: 1.0, variance: 0.0 }, &Sample::default()),
                0.5
            ),
            None
        );
    }
}

/// Keys of both arms together as the docs show them: to two digits.
fn shown(keys: f64) -> String {
    let unit = 10f64.powf(keys.log10().floor() - 1.0);
    let rounded = ((keys / unit).round() * unit) as u64;
    let digits = rounded.to_string();
    let commas = digits.bytes().rev().enumerate().map(|(at, digit)| {
        let comma = if at > 0 && at % 3 == 0 { "," } else { "" };
        format!("{comma}{}", char::from(digit)).chars().rev().collect::<String>()
    });
    commas.collect::<Vec<_>>().into_iter().rev().collect()
}

#[test]
fn the_table_in_the_docs_is_what_is_computed() {
    let mut lines = Vec::new();
    for rate in [0.02, 0.1, 0.3] {
        for lift in [0.05, 0.1, 0.2, 0.5] {
            let control = Sample { keys: 10, mean: rate, variance: 0.0 };
            // The comparison looks for 5 %, whatever the truth is.
            let goal = Goal { difference: lift * rate, tau: 0.05 * rate, alpha: 0.05, power: 0.8 };
            let of = |test, share| shown(keys(test, Measure::Rate, goal, (&control, &control), share).unwrap());
            lines.push(format!(
                "| {} % | {} % | {} | {} | {} |",
                rate * 100.0,
                (lift * 100.0f64).round(),
                of(Test::Sequential, 0.5),
                of(Test::Sequential, 0.1),
                of(Test::Fixed, 0.5)
            ));
        }
    }
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/releasing.md");
    let docs = std::fs::read_to_string(docs).expect("the page of release");
    let table = lines.join("\n");
    assert!(docs.contains(&table), "docs/releasing.md, 'How much traffic it takes', should say:\n{table}");
}
