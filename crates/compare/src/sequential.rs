//! A test of a difference that stays valid however often it is looked at: the normal-mixture confidence sequence.
//!
//! **The method.** Under the hypothesis that the true difference is δ, the likelihood ratio of differences spread around δ
//! against δ itself is a martingale that begins at 1 (Robbins 1970; as a test, the mixture SPRT of Johari, Pekelis, Walsh
//! 2022, "Always Valid Inference"). By Ville's inequality it ever reaches 1/α with a probability of at most α. With D the
//! measured difference, V the variance of D, and differences spread by normal distributions of variances τₖ², it is
//!
//! ```text
//! Λ(δ) = mean over k of  √(V / (V + τₖ²)) · exp( τₖ² (D − δ)² / (2 V (V + τₖ²)) )
//! ```
//!
//! The interval is all δ with Λ(δ) < 1/α. It holds the true difference at **all** looks together with a probability of
//! at least 1 − α, so a reader who looks every day and stops when 0 is outside is wrong with a probability of at most α.
//!
//! The τₖ are 1, 4 and 16 times the size of difference that the comparison is made to find. They are not part of what the
//! interval promises, but decide how soon it is narrow: a single τ that is much too small would leave a large difference
//! undetected for long; three of them cost little where one would have been right.
//!
//! V is estimated from the data, which makes this an asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy,
//! Ramdas 2024, "Time-uniform central limit theory and asymptotic confidence sequences"): it holds for samples that are not
//! tiny. Rare outcomes must not make V too small: an arm that has seen none of them yet would be sure that its mean is 0. For
//! rates, a success and a failure are added to each arm before V is computed (Agresti, Caffo 2000); for means, no arm's values
//! are taken to vary less than those of both arms together. `tests/simulation.rs` measures how often equal arms are found to differ.

use crate::{Measure, Sample};

/// A difference of means, challenger minus control, at any look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub value: f64,
    /// The interval that holds the true difference at all looks together with the requested probability.
    pub low: f64,
    pub high: f64,
    /// The always-valid p-value: at most α, at any look, with a probability of at most α if there is no difference.
    pub p: f64,
}

/// How large the differences are that the mixture expects, in sizes of the difference to be found.
const SCALES: [f64; 3] = [1.0, 4.0, 16.0];

/// Keys that each arm needs: of fewer the variance is hardly known. A rate brings its own.
fn least(measure: Measure) -> u64 {
    match measure {
        Measure::Rate => 2,
        Measure::Mean => 20,
    }
}

/// Compares two arms at this look. `tau`: the size of difference to be found, in the unit of the mean.
///
/// Fewer than two keys in an arm (of means 20), no variation, or a `tau` that is not above 0 say nothing: `p` is 1 and the
/// interval has no ends.
pub fn test(measure: Measure, control: &Sample, challenger: &Sample, alpha: f64, tau: f64) -> Difference {
    let value = challenger.mean - control.mean;
    let of_arms = [control, challenger].into_iter().zip(variances(measure, [control, challenger]));
    let variance: f64 = of_arms.map(|(arm, variance)| variance / arm.keys as f64).sum();
    let usable = control.keys.min(challenger.keys) >= least(measure) && variance > 0.0 && variance.is_finite();
    if !(usable && tau > 0.0 && tau.is_finite()) {
        return Difference { value, low: f64::NEG_INFINITY, high: f64::INFINITY, p: 1.0 };
    }
    let half = half_width(variance, tau, alpha);
    let p = (-log_ratio(value, variance, tau)).exp().min(1.0);
    Difference { value, low: value - half, high: value + half, p }
}

/// The logarithm of Λ for a difference that is `off` from the hypothesis. The ratio itself overflows for differences that
/// is beyond doubt.
fn log_ratio(off: f64, variance: f64, tau: f64) -> f64 {
    let of = |scale: &f64| {
        let spread = tau * tau * scale * scale;
        let sum = variance + spread;
        0.5 * (variance / sum).ln() + spread * off * off / (2.0 * variance * sum)
    };
    let logs = SCALES.map(|scale| of(&scale));
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + (logs.iter().map(|log| (log - largest).exp()).sum::<f64>() / SCALES.len() as f64).ln()
}

/// How far the interval reaches to either side of a difference of variance `variance`: where Λ reaches 1/α.
pub fn half_width(variance: f64, tau: f64, alpha: f64) -> f64 {
    // Λ grows with the distance, and is above its limit where one of its parts alone is.
    let alone = |scale: &f64| {
        let spread = tau * tau * scale * scale;
        let sum = variance + spread;
        let limit = (SCALES.len() as f64 / alpha).ln();
        (2.0 * variance * sum / spread * (0.5 * (sum / variance).ln() + limit)).sqrt()
    };
    let (mut low, mut high) = (0.0, SCALES.iter().map(alone).fold(f64::INFINITY, f64::min));
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if log_ratio(middle, variance, tau) < -alpha.ln() { low = middle } else { high = middle }
    }
    high
}

/// How far a single rate may be from the truth at any look: the same for one arm.
pub(crate) fn half_width_of_rate(sample: &Sample, tau: f64, alpha: f64) -> f64 {
    half_width(variance_of_rate(sample) / sample.keys as f64, tau, alpha)
}

/// The variance of the values of each arm.
pub(crate) fn variances(measure: Measure, arms: [&Sample; 2]) -> [f64; 2] {
    match measure {
        Measure::Rate => arms.map(variance_of_rate),
        Measure::Mean => {
            let least = Sample::pooled_variance(arms);
            arms.map(|arm| arm.variance.max(least))
        }
    }
}

fn variance_of_rate(sample: &Sample) -> f64 {
    let rate = (sample.hits() + 1.0) / (sample.keys as f64 + 2.0);
    rate * (1.0 - rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_difference_shows_soon_though_a_small_one_is_looked_for() {
        // Six standard deviations, twenty times the size that the comparison is made to find.
        let (control, challenger) = (Sample::of_rate(118, 1180), Sample::of_rate(101, 505));
        let found = test(Measure::Rate, &control, &challenger, 0.05, 0.005);
        assert!(found.p < 1e-4, "{found:?}");
    }

    #[test]
    fn zero_is_outside_the_interval_exactly_where_p_is_below_alpha() {
        for hits in 80..160 {
            let (control, challenger) = (Sample::of_rate(100, 1000), Sample::of_rate(hits, 1000));
            let found = test(Measure::Rate, &control, &challenger, 0.05, 0.02);
            let excludes = found.low > 0.0 || found.high < 0.0;
            assert_eq!(excludes, found.p < 0.05, "{hits}: {found:?}");
        }
    }

    #[test]
    fn it_asks_for_more_than_a_single_look_would() {
        let (control, challenger) = (Sample::of_rate(1000, 10_000), Sample::of_rate(1085, 10_000));
        let once = crate::fixed::test(Measure::Rate, &control, &challenger, 0.05);
        let always = test(Measure::Rate, &control, &challenger, 0.05, 0.01);
        assert!(once.p < 0.05 && always.p > 0.05, "{once:?} {always:?}");
        assert!(always.low < once.low && once.high < always.high);
    }

    #[test]
    fn too_little_says_nothing() {
        let some = Sample::of_rate(3, 10);
        for (control, challenger, tau) in [
            (Sample::default(), some, 0.1),
            (some, Sample::of_rate(1, 1), 0.1),
            (some, some, 0.0),
            (some, some, f64::NAN),
        ] {
            let found = test(Measure::Rate, &control, &challenger, 0.05, tau);
            assert!(found.p == 1.0 && found.low == f64::NEG_INFINITY && found.high == f64::INFINITY, "{found:?}");
        }
        let constant = Sample { keys: 50, mean: 2.0, variance: 0.0 };
        assert_eq!(test(Measure::Mean, &constant, &constant, 0.05, 0.1).p, 1.0);
        // Of three the variance may look like nothing.
        let near = |mean: f64| Sample { keys: 3, mean, variance: 1e-9 };
        assert_eq!(test(Measure::Mean, &near(1.0), &near(2.0), 0.05, 0.1).p, 1.0);
        // None of a hundred visitors has bought anything yet. If one in a hundred buys, that happens in more than every third arm: it
        // says no more than it would if one of them had bought.
        let buyers = |hits: u64, keys: u64| {
            let Sample { mean, variance, .. } = Sample::of_rate(hits, keys);
            Sample { keys, mean: 100.0 * mean, variance: 1e4 * variance }
        };
        let nobody = test(Measure::Mean, &buyers(18, 1800), &buyers(0, 200), 0.05, 0.05);
        assert!(nobody.p > 0.05, "{nobody:?}");
        // No hit in five against three in five is far from sure, though the variance of the first looks like 0.
        assert!(test(Measure::Rate, &Sample::of_rate(0, 5), &Sample::of_rate(3, 5), 0.05, 0.1).p > 0.05);
    }
}
