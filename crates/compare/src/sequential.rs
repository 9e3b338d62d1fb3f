//! A test of a difference that stays valid however often it is looked at: the normal-mixture confidence sequence.
//!
//! **The method.** Under the hypothesis that the true difference is δ, the likelihood ratio of differences spread around δ
//! like a normal distribution of variance τ², against δ itself, is a martingale that begins at 1 (Robbins 1970; as a test,
//! the mixture SPRT of Johari, Pekelis, Walsh 2022, "Always Valid Inference"). By Ville's inequality it ever reaches 1/α with a
//! probability of at most α. With D the measured difference and V the variance of D, it is
//!
//! ```text
//! Λ(δ) = √(V / (V + τ²)) · exp( τ² (D − δ)² / (2 V (V + τ²)) )
//! ```
//!
//! The interval is all δ with Λ(δ) < 1/α. It holds the true difference at **all** looks together with a probability of
//! at least 1 − α, so whoever looks every day and stops when 0 is outside is wrong with a probability of at most α.
//!
//! V is estimated from the data, which makes this an asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy,
//! Ramdas 2024, "Time-uniform central limit theory and asymptotic confidence sequences"): it holds for samples that are not
//! tiny. For rates, a success and a failure are added to each arm before V is computed (Agresti, Caffo 2000), so that rare
//! outcomes do not make V too small. `tests/simulation.rs` measures how often equal arms are told apart.
//!
//! τ is the size of difference for which the test is quickest. It is no part of what the interval promises.

use crate::{Measure, Sample};

/// A difference of means, challenger minus control, at any look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub value: f64,
    /// The interval that holds the true difference at all looks together with the probability asked for.
    pub low: f64,
    pub high: f64,
    /// The always-valid p-value: at most α, at any look, with a probability of at most α if there is no difference.
    pub p: f64,
}

/// Compares two arms at this look. `tau`: the size of difference to be quickest for, in the unit of the mean.
///
/// Fewer than two keys in an arm, no variation, or a `tau` that is not above 0 say nothing: `p` is 1 and the interval has
/// no ends.
pub fn test(measure: Measure, control: &Sample, challenger: &Sample, alpha: f64, tau: f64) -> Difference {
    let value = challenger.mean - control.mean;
    let variance = variance(measure, control) + variance(measure, challenger);
    let usable = control.keys > 1 && challenger.keys > 1 && variance > 0.0 && variance.is_finite();
    if !usable || !(tau > 0.0 && tau.is_finite()) {
        return Difference { value, low: f64::NEG_INFINITY, high: f64::INFINITY, p: 1.0 };
    }
    let half = half_width(variance, tau, alpha);
    let spread = variance + tau * tau;
    // Its logarithm: the ratio itself overflows for differences that nobody doubts.
    let ratio = 0.5 * (variance / spread).ln() + tau * tau * value * value / (2.0 * variance * spread);
    Difference { value, low: value - half, high: value + half, p: (-ratio).exp().min(1.0) }
}

/// How far the interval reaches to either side of a difference of variance `variance`.
pub fn half_width(variance: f64, tau: f64, alpha: f64) -> f64 {
    let spread = variance + tau * tau;
    (2.0 * variance * spread / (tau * tau) * (0.5 * (spread / variance).ln() - alpha.ln())).sqrt()
}

/// How far a single mean may be from the truth at any look: the same for one arm.
pub(crate) fn half_width_of(measure: Measure, sample: &Sample, tau: f64, alpha: f64) -> f64 {
    half_width(variance(measure, sample), tau, alpha)
}

/// The variance of an arm's mean.
fn variance(measure: Measure, sample: &Sample) -> f64 {
    let n = sample.keys as f64;
    match measure {
        Measure::Mean => sample.variance / n,
        Measure::Rate => {
            let rate = (sample.hits() + 1.0) / (n + 2.0);
            rate * (1.0 - rate) / n
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_where_the_ratio_is_below_its_limit() {
        // By hand, digit by digit from the formula of the module, for V = 4e-4, τ = 0.03, α = 0.05 (Python's math):
        // sqrt(2*4e-4*(4e-4+9e-4)/9e-4*(0.5*log((4e-4+9e-4)/4e-4)+log(20))) = 0.06436409
        assert!((half_width(4e-4, 0.03, 0.05) - 0.064_364_09).abs() < 1e-7, "{}", half_width(4e-4, 0.03, 0.05));
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
        // No hit in five against three in five is far from sure, though the variance of the first looks like 0.
        assert!(test(Measure::Rate, &Sample::of_rate(0, 5), &Sample::of_rate(3, 5), 0.05, 0.1).p > 0.05);
    }
}
