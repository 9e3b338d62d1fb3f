//! Chooses among experiments, and says how sure the choice is.

use spec::{Error, Result};

use super::outcome::Outcome;
use super::units::Units;
use super::{BASELINE, TrainSpec, Tried};
use score::number_text;

/// The best experiment on the rows that judge; of equals the first. The last outcome, the baseline, is not a candidate.
pub(super) fn choose(spec: &TrainSpec, outcomes: &[Outcome]) -> Result<usize> {
    let metric = spec.choose_by();
    let value = |outcome: &Outcome| outcome.tried.metrics.get(&metric).copied().flatten();
    let mut best: Option<(usize, f64)> = None;
    for (at, outcome) in outcomes.iter().enumerate().take(outcomes.len() - 1) {
        if let Some(found) = value(outcome)
            && best.is_none_or(|(_, most)| metric.gain(found, most) > 0.0)
        {
            best = Some((at, found));
        }
    }
    best.map(|(at, _)| at).ok_or_else(|| {
        Error::cannot_run("experiments: none given").hint("write at least one, such as 'lightgbm: lightgbm'")
    })
}

/// Notes how far every other outcome is behind the chosen one on the same rows. `units`: those of the rows that judge, in the
/// order in which they do.
pub(super) fn compare(spec: &TrainSpec, outcomes: &mut [Outcome], chosen: usize, units: Units) {
    let resamples = units.resamples(spec);
    fn side(outcome: &Outcome) -> (&[crate::metrics::Scored], Option<f64>) {
        (&outcome.valid.folds, outcome.tried.threshold.as_ref().map(|threshold| threshold.value))
    }
    let others: Vec<usize> = (0..outcomes.len()).filter(|number| *number != chosen).collect();
    let of_others: Vec<_> = others.iter().map(|number| side(&outcomes[*number])).collect();
    let behind = resamples.gains(spec.choose_by(), side(&outcomes[chosen]), &of_others);
    for (number, behind) in others.into_iter().zip(behind) {
        outcomes[number].tried.behind = behind;
    }
}

/// The note on a choice that may be due to chance; `None` if every other experiment is surely worse. `judges`:
/// the rows that it was made on, in words; `units`: what was drawn of them.
pub(super) fn within_noise(
    spec: &TrainSpec,
    tried: &[Tried],
    chosen: &str,
    (judges, units): (&str, &str),
) -> Option<String> {
    let rivals: Vec<String> = tried
        .iter()
        .filter(|tried| tried.name != chosen && tried.name != BASELINE)
        .filter_map(|tried| match tried.behind {
            Some(gain) if gain.low > 0.0 => None,
            Some(gain) => Some(format!(
                "'{}' (behind by {}, 95 % interval {} to {})",
                tried.name,
                number_text(gain.value),
                number_text(gain.low),
                number_text(gain.high)
            )),
            None => Some(format!("'{}' (no interval: too few {units})", tried.name)),
        })
        .collect();
    if rivals.is_empty() {
        return None;
    }
    let way_out = match spec.folds {
        None => "compare on more rows, such as by 'folds: 5', or prefer the simpler one",
        Some(_) => "prefer the simpler one, or use more rows",
    };
    Some(format!(
        "the choice of '{chosen}' by {} is within noise on {judges}; {} may be equally good; {way_out}",
        spec.choose_by(),
        rivals.join(", ")
    ))
}
