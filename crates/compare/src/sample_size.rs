//! How many keys a comparison needs.

use crate::distributions::normal_quantile;
use crate::sequential::{half_width, variances};
use crate::{Measure, Sample, Test};

/// What a comparison is to find: a difference of `difference` from the control's mean, at an error of `alpha`, with a
/// probability of `power`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    pub difference: f64,
    /// The size of difference that the sequential test is made to find.
    pub tau: f64,
    pub alpha: f64,
    pub power: f64,
}

/// Keys of both arms together, of which the challenger gets `share`; `None` where it cannot be computed: a control without
/// any variation, a difference of 0.
pub(crate) fn keys(
    test: Test,
    measure: Measure,
    goal: Goal,
    (control, challenger): (&Sample, &Sample),
    share: f64,
) -> Option<f64> {
    let variances = match measure {
        Measure::Mean => variances(measure, [control, challenger]),
        Measure::Rate => {
            let better = (control.mean + goal.difference).clamp(0.0, 1.0);
            [control.mean * (1.0 - control.mean), better * (1.0 - better)]
        }
    };
    // The variance of the difference is this over the number of keys.
    let unit = variances[0] / (1.0 - share) + variances[1] / share;
    let difference = goal.difference.abs();
    if !(difference > 0.0 && unit > 0.0 && unit.is_finite()) {
        return None;
    }
    let power = normal_quantile(goal.power);
    let keys = match test {
        Test::Fixed => {
            let level = normal_quantile(1.0 - goal.alpha / 2.0);
            let under_none = match measure {
                // The z-test takes both arms for one where it asks whether they differ.
                Measure::Rate => {
                    let pooled = control.mean * (1.0 - share) + (control.mean + goal.difference) * share;
                    pooled * (1.0 - pooled) * (1.0 / (1.0 - share) + 1.0 / share)
                }
                Measure::Mean => unit,
            };
            ((level * under_none.max(0.0).sqrt() + power * unit.sqrt()) / difference).powi(2)
        }
        Test::Sequential => unit / variance_needed(difference, goal.tau, goal.alpha, power),
    };
    Some(keys.ceil())
}

/// The variance of a difference at which the sequential interval excludes 0 with the wanted power, if `difference` is
/// the true one. It may have excluded 0 at an earlier look, so fewer keys are often enough.
fn variance_needed(difference: f64, tau: f64, alpha: f64, power: f64) -> f64 {
    let too_large = |variance: f64| half_width(variance, tau, alpha) + power * variance.sqrt() > difference;
    // In logarithms, from far too exact to far too vague.
    let (mut low, mut high) = ((difference * difference * 1e-6).ln(), (difference * difference * 1e3).ln());
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if too_large(middle.exp()) { high = middle } else { low = middle }
    }
    low.exp()
}

#[cfg(test)]
#[path = "sample_size_tests.rs"]
mod tests;
