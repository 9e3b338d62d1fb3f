//! Tests of a difference for a single look at a planned time.
//!
//! **They must not be looked at again and again**: of comparisons of two equal arms, a test at 5 % that is repeated every day
//! for a month finds a difference in more than one of five.

use crate::distributions::{normal_quantile, normal_two_sided, student_quantile, student_two_sided};
use crate::{Measure, Sample};

/// A difference of means, challenger minus control, as a test sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub value: f64,
    /// The interval that holds the true difference with the requested probability.
    pub low: f64,
    pub high: f64,
    /// How probable a difference at least as large is if there is none; 1 where it cannot be computed.
    pub p: f64,
}

/// Tests whether the means of two arms differ, with an interval of confidence 1 − `alpha`.
///
/// Rates: the pooled two-proportion z-test, and Newcombe's interval from two Wilson intervals (Newcombe 1998, method 10).
/// Means: Welch's t-test with Satterthwaite's degrees of freedom (Welch 1947). Arms of fewer than two keys, and arms
/// without any variation, say nothing: `p` is 1 and the interval has no ends.
pub fn test(measure: Measure, control: &Sample, challenger: &Sample, alpha: f64) -> Difference {
    let value = challenger.mean - control.mean;
    if control.keys < 2 || challenger.keys < 2 {
        return nothing(value);
    }
    match measure {
        Measure::Rate => proportions(control, challenger, value, alpha),
        Measure::Mean => welch(control, challenger, value, alpha),
    }
}

fn nothing(value: f64) -> Difference {
    Difference { value, low: f64::NEG_INFINITY, high: f64::INFINITY, p: 1.0 }
}

fn proportions(control: &Sample, challenger: &Sample, value: f64, alpha: f64) -> Difference {
    let (n, m) = (control.keys as f64, challenger.keys as f64);
    let pooled = (control.hits() + challenger.hits()) / (n + m);
    let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    let p = if error > 0.0 { normal_two_sided(value / error) } else { 1.0 };
    let z = normal_quantile(1.0 - alpha / 2.0);
    let ((low, high), (low_of_new, high_of_new)) = (wilson(control, z), wilson(challenger, z));
    let below = (challenger.mean - low_of_new).hypot(high - control.mean);
    let above = (high_of_new - challenger.mean).hypot(control.mean - low);
    Difference { value, low: value - below, high: value + above, p }
}

/// Wilson's interval of a rate (Wilson 1927).
pub(crate) fn wilson(sample: &Sample, z: f64) -> (f64, f64) {
    let n = sample.keys as f64;
    let wide = z * z / n;
    let middle = (sample.mean + wide / 2.0) / (1.0 + wide);
    let half = z / (1.0 + wide) * (sample.mean * (1.0 - sample.mean) / n + wide / (4.0 * n)).sqrt();
    (middle - half, middle + half)
}

fn welch(control: &Sample, challenger: &Sample, value: f64, alpha: f64) -> Difference {
    let parts = [control, challenger].map(|sample| (sample.variance / sample.keys as f64, (sample.keys - 1) as f64));
    let squared: f64 = parts.iter().map(|(part, _)| part).sum();
    if squared <= 0.0 {
        return nothing(value);
    }
    let freedom = squared * squared / parts.iter().map(|(part, freedom)| part * part / freedom).sum::<f64>();
    let error = squared.sqrt();
    let half = error * student_quantile(1.0 - alpha / 2.0, freedom);
    Difference { value, low: value - half, high: value + half, p: student_two_sided(value / error, freedom) }
}

#[cfg(test)]
#[path = "fixed_tests.rs"]
pub(crate) mod tests;
