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
