use std::cell::{Cell, RefCell};

use super::*;
use crate::random::Random;

const SHARES: [f64; 3] = [1.0 / 9.0, 1.0 / 3.0, 1.0];

/// How good each trial is; the less rows, the more noise.
fn quality(number: u32, share: usize) -> f64 {
    let mut random = Random::new(u64::from(number), 9);
    let true_value = random.below(1000) as f64 / 1000.0;
    let mut noise = Random::new(u64::from(number), 10 + share as u64);
    true_value + (noise.below(1000) as f64 / 1000.0 - 0.5) * [0.6, 0.2, 0.0][share]
}

fn trials(most: u32) -> Budget {
    Budget { trials: Some(most), time: None }
}

/// What is found, and every fit in order.
fn run(budget: Budget, shares: &[f64]) -> (Found, Vec<(u32, usize)>) {
    let fits = RefCell::new(Vec::new());
    let gain = |one, other| one - other;
    let found = search(budget, shares, gain, &|| Duration::ZERO, |number, share| {
        fits.borrow_mut().push((number, share));
        Ok(Some(quality(number, share + 3 - shares.len())))
    });
    (found.unwrap(), fits.into_inner())
}

#[test]
fn a_third_goes_on_with_three_times_the_rows() {
    for (most, expected) in [
        (1, [0, 0, 1]),
        (2, [1, 1, 2]),
        (5, [4, 2, 2]),
        (10, [9, 3, 2]),
        (11, [10, 4, 3]),
        (28, [27, 9, 4]),
        (30, [29, 10, 5]),
    ] {
        let (found, fits) = run(trials(most), &SHARES);
        let count = |share: usize| fits.iter().filter(|fit| fit.1 == share).count();
        assert_eq!([count(0), count(1), count(2)], expected, "{most} trials");
        assert_eq!((found.trials.len(), found.out_of_time), (most as usize, false));
        assert_eq!(fits[0], (0, 2), "the experiment as it is written comes first, on all rows");
    }
    // By hand: of the first bracket the three that are best on the fewest rows, of these the best on a third.
    let (found, fits) = run(trials(10), &SHARES);
    let mut order: Vec<u32> = (1..10).collect();
    order.sort_by(|one, other| quality(*other, 0).total_cmp(&quality(*one, 0)));
    order.truncate(3);
    let mut second: Vec<u32> = fits.iter().filter(|fit| fit.1 == 1).map(|fit| fit.0).collect();
    let mut three = order.clone();
    three.sort_unstable();
    second.sort_unstable();
    assert_eq!(second, three);
    order.sort_by(|one, other| quality(*other, 1).total_cmp(&quality(*one, 1)));
    assert_eq!(fits.last(), Some(&(order[0], 2)));
    let best = if quality(order[0], 2) > quality(0, 2) { order[0] } else { 0 };
    assert_eq!(found.best, best);
    assert_eq!(found.trials[order[0] as usize], Reached { share: 2, value: Some(quality(order[0], 2)) });
}

#[test]
fn few_rows_are_not_shared() {
    assert_eq!(shares(2_999), [1.0]);
    assert_eq!(shares(3_000), [1.0 / 3.0, 1.0]);
    assert_eq!(shares(9_000), SHARES);
    let (found, fits) = run(trials(12), &[1.0]);
    assert_eq!(fits, (0..12).map(|number| (number, 0)).collect::<Vec<_>>());
    let best = (0..12).max_by(|one, other| quality(*one, 2).total_cmp(&quality(*other, 2))).unwrap();
    assert_eq!(found.best, best);
}

#[test]
fn the_smaller_may_be_the_better_and_what_fails_never_wins() {
    let values = [Some(0.5), None, Some(0.2), Some(0.4), None];
    let less = |one: f64, other: f64| other - one;
    let learn = |number: u32, _| Ok(values[number as usize]);
    let found = search(trials(5), &[1.0], less, &|| Duration::ZERO, learn).unwrap();
    assert_eq!(found.best, 2);
    let only_the_first = |number: u32, _| Ok((number == 0).then_some(0.5));
    let found = search(trials(20), &SHARES, less, &|| Duration::ZERO, only_the_first).unwrap();
    assert_eq!((found.best, found.trials.len()), (0, 20));
    let error = search(trials(3), &SHARES, less, &|| Duration::ZERO, |_, _| Err(spec::Error::refused("no")));
    assert_eq!(error.unwrap_err().to_string(), "no");
    // Of equals the first.
    let found = search(trials(12), &[1.0], less, &|| Duration::ZERO, |_, _| Ok(Some(1.0))).unwrap();
    assert_eq!(found.best, 0);
}

#[test]
fn time_says_how_many_trials_and_nothing_else() {
    let mut counts = std::collections::BTreeSet::new();
    for seconds in 0..400 {
        let now = Cell::new(Duration::ZERO);
        let limit = Duration::from_secs(seconds);
        let budget = Budget { trials: None, time: Some(limit) };
        let fits = RefCell::new(Vec::new());
        let gain = |one, other| one - other;
        let found = search(budget, &SHARES, gain, &|| now.get(), |number, share| {
            // 9 seconds on all rows.
            now.set(now.get() + Duration::from_secs_f64(9.0 * SHARES[share]));
            fits.borrow_mut().push((number, share));
            Ok(Some(quality(number, share)))
        })
        .unwrap();
        let most = found.trials.len() as u32;
        let (same, same_fits) = run(trials(most), &SHARES);
        assert_eq!((found.trials, found.best), (same.trials, same.best), "{seconds} s");
        assert_eq!(fits.into_inner(), same_fits, "{seconds} s");
        assert!(found.out_of_time);
        // The first trial runs in any case; whatever begins after it can be finished in time.
        assert!(
            now.get() <= limit.max(Duration::from_secs(9)) + Duration::from_millis(1),
            "{seconds} s: {:?}",
            now.get()
        );
        counts.insert(most);
    }
    assert!(counts.len() > 30, "{counts:?}");
    // The limit that is reached first counts.
    let now = Cell::new(Duration::ZERO);
    let budget = Budget { trials: Some(3), time: Some(Duration::from_secs(1000)) };
    let learn = |_, _| {
        now.set(now.get() + Duration::from_secs(1));
        Ok(Some(0.0))
    };
    let found = search(budget, &SHARES, |one, other| one - other, &|| now.get(), learn).unwrap();
    assert_eq!((found.trials.len(), found.out_of_time), (3, false));
}
