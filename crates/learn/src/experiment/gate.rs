//! What the chosen model must reach before anyone may use it.

use score::{GateResult, gain_text, number_text};
use spec::did_you_mean;

use super::{Gate, TrainSpec};
use crate::metrics::{Interval, Metric, Scored};

impl Gate {
    /// Whether it has a limit.
    pub(super) fn check(&self, spec: &TrainSpec) -> Result<(), String> {
        let metric = self.metric;
        if self.at_least.is_none() && self.at_most.is_none() && self.better_than.is_none() {
            return Err(format!("gate: '{metric}' has no limit; write at_least, at_most or better_than"));
        }
        if let (Some(least), Some(most)) = (self.at_least, self.at_most)
            && least > most
        {
            return Err(format!("gate: '{metric}' is never at least {least} and at most {most}; change one of them"));
        }
        if let Some(least) = self.at_least.filter(|least| *least > metric.most()) {
            let share = if least <= 100.0 { format!("; write {} for {least} %", least / 100.0) } else { String::new() };
            return Err(format!("gate: '{metric}' is at most 1, so never at least {least}{share}"));
        }
        if let Some(most) = self.at_most.filter(|most| *most < metric.least()) {
            return Err(format!("gate: '{metric}' is at least 0, so never at most {most}"));
        }
        let Some(other) = &self.better_than else { return Ok(()) };
        if !spec.experiments.names().any(|name| name == other) {
            let known = did_you_mean(other, spec.experiments.names());
            return Err(format!("gate: better_than: no experiment '{other}'; {known}"));
        }
        if metric.judges_intervals() {
            return Err(format!(
                "gate: '{metric}' judges intervals, which '{other}' has none of; write at_least or at_most"
            ));
        }
        Ok(())
    }

    /// Judges the value on the test part; an undefined one does not pass.
    pub fn judge(&self, found: Option<f64>, test: &Scored) -> GateResult {
        let limits = [
            self.at_least.map(|least| format!("at least {least}")),
            self.at_most.map(|most| format!("at most {most}")),
        ];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        let rule = format!("{} {}", self.metric, limits.join(" and "));
        match found {
            None => {
                let found = format!("{} {} on the test part", self.metric, test.why_undefined(self.metric));
                GateResult { rule, passed: false, found }
            }
            Some(value) => {
                let passed =
                    self.at_least.is_none_or(|least| value >= least) && self.at_most.is_none_or(|most| value <= most);
                GateResult { rule, passed, found: number_text(value) }
            }
        }
    }
}

/// The chosen model must surely be better than another experiment; it is not if it is that one itself.
pub(super) fn beats(
    metric: Metric,
    (name, is_chosen): (&str, bool),
    gain: Option<Interval>,
    (model, other): (Option<f64>, Option<f64>),
    (test, too_few): (&Scored, &str),
) -> GateResult {
    if is_chosen {
        let rule = format!("{metric} better than '{name}'");
        return GateResult { rule, passed: false, found: "it was chosen itself".to_owned() };
    }
    let judged = beats_baseline(metric, gain, model, other, (test, too_few));
    GateResult { rule: format!("{metric} better than '{name}'"), ..judged }
}

/// The chosen model must surely be better than a constant: the interval of its gain lies above 0. `too_few` says why there may
/// be none.
pub(super) fn beats_baseline(
    metric: Metric,
    gain: Option<Interval>,
    model: Option<f64>,
    baseline: Option<f64>,
    (test, too_few): (&Scored, &str),
) -> GateResult {
    let rule = format!("{metric} better than the baseline");
    match (gain, model, baseline) {
        (Some(gain), Some(model), Some(baseline)) => GateResult {
            rule,
            passed: gain.low > 0.0,
            found: format!("{} against {}: {}", number_text(model), number_text(baseline), gain_text(gain)),
        },
        (None, Some(model), Some(baseline)) => GateResult {
            rule,
            passed: false,
            found: format!("{} against {}, but {too_few}", number_text(model), number_text(baseline)),
        },
        _ => GateResult {
            rule,
            passed: false,
            found: format!("{metric} {} on the test part", test.why_undefined(metric)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;

    fn test_part(label: Vec<f64>) -> Scored {
        let score = vec![0.5; label.len()];
        Scored::new(Task::Classification, label, score, "test").unwrap()
    }

    #[test]
    fn limits_are_inclusive_and_undefined_does_not_pass() {
        let gate = Gate { metric: Metric::Auc, at_least: Some(0.7), at_most: Some(0.99), better_than: None };
        let test = test_part(vec![1.0, 0.0]);
        assert!(gate.judge(Some(0.7), &test).passed && gate.judge(Some(0.99), &test).passed);
        let found = gate.judge(Some(0.694_444), &test);
        assert_eq!((found.rule.as_str(), found.passed), ("auc at least 0.7 and at most 0.99", false));
        assert_eq!(found.found, "0.6944");
        let one = gate.judge(None, &test_part(vec![1.0, 1.0]));
        assert!(!one.passed);
        assert_eq!(one.found, "auc is undefined because all of the 2 rows have class 1 on the test part");
    }

    #[test]
    fn a_gain_whose_interval_holds_zero_is_none() {
        let test = test_part(vec![1.0, 0.0]);
        let judge = |low| {
            let gain = Interval { value: 0.1, low, high: 0.2 };
            beats_baseline(Metric::Auc, Some(gain), Some(0.6), Some(0.5), (&test, ""))
        };
        assert!(judge(0.01).passed && !judge(0.0).passed);
        assert_eq!(judge(-0.01).found, "0.6 against 0.5: better by 0.1 (95 % interval of the gain -0.01 to 0.2)");
        let without = beats_baseline(Metric::Auc, None, Some(0.6), Some(0.5), (&test, "2 rows are too few"));
        assert_eq!((without.passed, without.found.as_str()), (false, "0.6 against 0.5, but 2 rows are too few"));
    }
}
