//! Limits that a challenger must keep whatever its primary outcome is.
//!
//! They are looked at every time, so what is called broken *for sure* is so by an interval that stays valid at all looks.

use crate::distributions::normal_quantile;
use crate::judgement::GuardrailResult;
use crate::sequential::{self, half_width_of_rate};
use crate::{ArmCounts, Better, CompareSpec, Outcome, Sample};

/// The confidence with which the 95 % quantile of latency must be above its limit: high, since it is looked at again and
/// again and has no sequential interval.
const SURE: f64 = 0.9999;

/// With fewer requests a binomial count is too far from normal to be sure of anything.
const ENOUGH: usize = 100;

/// The challenger's limits, in the order: errors, latency, secondary outcomes.
pub(crate) fn of(spec: &CompareSpec, alpha: f64, control: &ArmCounts, challenger: &ArmCounts) -> Vec<GuardrailResult> {
    let mut guarded = Vec::new();
    guarded.extend(spec.guardrails.errors.map(|limit| errors(limit, alpha, challenger)));
    guarded.extend(spec.guardrails.p95_ms.map(|limit| latency(limit, &challenger.latencies)));
    for (at, outcome) in spec.outcomes().enumerate() {
        if let Some(worse_by) = outcome.worse_by {
            let arms = [&control.samples[at], &challenger.samples[at]];
            let found = secondary(outcome, worse_by, alpha, arms);
            // A window of its own may leave it with fewer keys than the primary outcome, or none at all.
            let is_known = arms.iter().all(|arm| arm.keys >= spec.least_keys());
            guarded.push(GuardrailResult { is_known, held: found.held && is_known, ..found });
        }
    }
    guarded
}

fn errors(limit: f64, alpha: f64, arm: &ArmCounts) -> GuardrailResult {
    let sample = Sample::of_rate(arm.failed, arm.requests);
    let half = if arm.requests > 1 { half_width_of_rate(&sample, limit, alpha) } else { f64::INFINITY };
    GuardrailResult {
        what: "failed requests".to_owned(),
        value: sample.mean,
        limit,
        is_known: true,
        held: sample.mean <= limit,
        broken: sample.mean - half > limit,
        is_share: true,
    }
}

/// The quantile, and its lower bound by order statistics: a count of Binomial(n, 0.95) lies below `n·0.95 − z·√(n·0.95·0.05)`
/// with the probability of `z`.
fn latency(limit: f64, sorted: &[u32]) -> GuardrailResult {
    const P: f64 = 0.95;
    let n = sorted.len() as f64;
    let at = |rank: f64| f64::from(sorted[(rank.ceil() as usize).clamp(1, sorted.len()) - 1]) / 1000.0;
    let what = "P95 of latency in ms".to_owned();
    if sorted.is_empty() {
        return GuardrailResult {
            what,
            value: 0.0,
            limit,
            is_known: false,
            held: false,
            broken: false,
            is_share: false,
        };
    }
    let (value, least) = (at(P * n), P * n - normal_quantile(SURE) * (n * P * (1.0 - P)).sqrt());
    GuardrailResult {
        what,
        value,
        limit,
        is_known: true,
        held: value <= limit,
        broken: sorted.len() >= ENOUGH && at(least) > limit,
        is_share: false,
    }
}

fn secondary(outcome: &Outcome, worse_by: f64, alpha: f64, [control, challenger]: [&Sample; 2]) -> GuardrailResult {
    let scale = control.mean.abs();
    // With a tolerance of 0 the test still needs a size of difference to be quickest for.
    let tau = scale * if worse_by > 0.0 { worse_by } else { 0.05 };
    let found = sequential::test(outcome.measure, control, challenger, alpha, tau);
    let (worse, surely_worse) = match outcome.better {
        Better::Higher => (-found.value, -found.high),
        Better::Lower => (found.value, found.low),
    };
    let allowed = worse_by * scale;
    GuardrailResult {
        what: format!("'{}' worse by", outcome.outcome),
        value: match scale > 0.0 {
            true => worse / scale,
            // Of nothing, anything worse is more than any share.
            false if worse > 0.0 => f64::INFINITY,
            false => 0.0,
        },
        limit: worse_by,
        is_known: true,
        held: worse <= allowed,
        broken: surely_worse > allowed,
        is_share: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Measure;

    fn arm(failed: u64, requests: u64, latencies: Vec<u32>) -> ArmCounts {
        ArmCounts {
            arm: "new".to_owned(),
            version: "v2".to_owned(),
            share: 0.5,
            keys: requests,
            requests,
            failed,
            latencies,
            samples: Vec::new(),
        }
    }

    #[test]
    fn errors_are_over_the_limit_before_they_surely_are() {
        let of = |failed, requests| errors(0.01, 0.05, &arm(failed, requests, Vec::new()));
        assert!(of(10, 1000).held);
        let some = of(12, 1000);
        assert!(!some.held && !some.broken, "{some:?}");
        assert!(of(60, 1000).broken);
        // One of one proves nothing.
        assert!(!of(1, 1).broken && !of(2, 3).broken);
    }

    #[test]
    fn the_quantile_is_that_of_the_sorted_latencies() {
        let of = |count: u32, limit: f64| latency(limit, &(1..=count).map(|ms| ms * 1000).collect::<Vec<_>>());
        // numpy: np.quantile(range(1, 1001), 0.95, method="inverted_cdf") = 950
        let found = of(1000, 950.0);
        assert!(found.held && found.value == 950.0, "{found:?}");
        // scipy.stats.norm.ppf(0.9999) = 3.7190; 950 - 3.7190 * sqrt(1000 * 0.95 * 0.05) = 924.37
        assert!(of(1000, 924.0).broken && !of(1000, 925.0).broken);
        assert!(!of(5, 1.0).broken, "five requests prove nothing");
        let unknown = latency(1.0, &[]);
        assert!(!unknown.is_known && !unknown.held && !unknown.broken, "{unknown:?}");
    }

    #[test]
    fn a_secondary_outcome_may_be_a_little_worse() {
        let outcome = |better| Outcome {
            outcome: "inquiry".to_owned(),
            measure: Measure::Rate,
            better,
            window: None,
            worse_by: Some(0.05),
        };
        let (control, slightly) = (Sample::of_rate(2000, 10_000), Sample::of_rate(1930, 10_000));
        let much = Sample::of_rate(1500, 10_000);
        let of = |better, challenger: &Sample| secondary(&outcome(better), 0.05, 0.05, [&control, challenger]);
        let held = of(Better::Higher, &slightly);
        assert!(held.held && (held.value - 0.035).abs() < 1e-9, "{held:?}");
        assert!(of(Better::Higher, &much).broken && !of(Better::Higher, &much).held);
        assert!(of(Better::Lower, &much).held && of(Better::Lower, &Sample::of_rate(2600, 10_000)).broken);
        // Complaints where there were none.
        let none = Sample::of_rate(0, 10_000);
        let found = secondary(&outcome(Better::Lower), 0.05, 0.05, [&none, &much]);
        assert!(!found.held && found.value == f64::INFINITY, "{found:?}");
        assert_eq!(
            found.in_words(),
            "'inquiry' worse by more than can be said in percent, because the control has none, at most 5 % is allowed"
        );
    }
}
