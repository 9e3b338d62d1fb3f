//! From scores to decisions: the threshold, chosen on the validation part as the YAML says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::text::percent;
use spec::{Error, Result, range};

use crate::metrics::{Decisions, Scored};

/// How the threshold is found; rows that score at least as much are flagged. Rows count by their weights, if they have any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdRule {
    /// This very score, between 0 and 1.
    Fixed(#[serde(deserialize_with = "range::ratio")] f64),
    /// The score at which wrong decisions cost least on the validation part.
    Cost(Cost),
    /// Flag at most this share of rows (0 to 1), those that score highest. With weights: this share of all weight.
    Quota(#[serde(deserialize_with = "range::ratio")] f64),
    /// The score at which this metric is best on the validation part.
    Best(Best),
}

impl Default for ThresholdRule {
    fn default() -> ThresholdRule {
        ThresholdRule::Fixed(0.5)
    }
}

/// What a wrong decision costs, in any unit: only the ratio counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "CostAsWritten")]
pub struct Cost {
    pub false_positive: f64,
    pub false_negative: f64,
}

/// What a wrong decision costs, in any unit: only the ratio counts.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Cost")]
struct CostAsWritten {
    /// Cost of flagging a row of class 0.
    false_positive: f64,
    /// Cost of missing a row of class 1.
    false_negative: f64,
}

impl TryFrom<CostAsWritten> for Cost {
    type Error = String;
    fn try_from(cost: CostAsWritten) -> Result<Cost, String> {
        let CostAsWritten { false_positive, false_negative } = cost;
        let sound = |cost: f64| cost.is_finite() && cost >= 0.0;
        match sound(false_positive) && sound(false_negative) && false_positive + false_negative > 0.0 {
            true => Ok(Cost { false_positive, false_negative }),
            false => Err("costs must be 0 or more, and one of them above 0".to_owned()),
        }
    }
}

/// A metric that a threshold can be best at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Best {
    /// Harmonic mean of precision and recall.
    F1,
    /// Share of rows decided rightly.
    Accuracy,
}

/// A threshold with the rule that picked it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Rows that score at least this are flagged.
    pub value: f64,
    /// The rule in words.
    pub rule: String,
}

impl ThresholdRule {
    /// Picks the threshold on the rows of `valid`, the validation part. Among equally good ones the highest wins: it flags
    /// fewest.
    pub fn pick(&self, valid: &Scored) -> Result<Threshold> {
        self.pick_on(valid, "the validation part")
    }

    /// The same with a name for the rows of `valid`.
    pub fn pick_on(&self, valid: &Scored, rows: &str) -> Result<Threshold> {
        let (value, rule) = match self {
            ThresholdRule::Fixed(score) => (*score, format!("fixed at {score}")),
            ThresholdRule::Cost(cost) => {
                let value = best_cut(valid, |counts| {
                    -(cost.false_positive * counts.false_positive + cost.false_negative * counts.false_negative)
                });
                let words = format!(
                    "least cost on {rows}, a false positive costing {} and a false negative {}",
                    cost.false_positive, cost.false_negative
                );
                (value, words)
            }
            ThresholdRule::Quota(quota) => {
                let (ones, zeros) = valid.totals();
                let most = quota * (ones + zeros);
                // The comparison forgives the rounding of a quota such as 0.1 of 30 rows.
                let most = most + 1e-9 * most.max(1.0);
                let value = best_cut(valid, |counts| if counts.flagged() <= most { counts.flagged() } else { -1.0 });
                (value, format!("flags at most {} of {rows}", percent(*quota)))
            }
            ThresholdRule::Best(best) => {
                if valid.totals().0 == 0.0 {
                    let named = if valid.weights().is_some() { "rows that count" } else { "rows" };
                    return Err(Error::refused(format!(
                        "threshold: none of the {} {named} of {rows} has class 1",
                        valid.rows()
                    ))
                    .hint("give the validation part a larger share in 'split', or use 'fixed'"));
                }
                let (value, name) = match best {
                    Best::F1 => (best_cut(valid, |counts| counts.f1().unwrap_or(0.0)), "F1"),
                    Best::Accuracy => (best_cut(valid, |counts| counts.accuracy().unwrap_or(0.0)), "accuracy"),
                };
                (value, format!("best {name} on {rows}"))
            }
        };
        Ok(Threshold { value, rule })
    }
}

/// The cut with the most `worth`: between two neighbouring scores, above all or below all of them.
fn best_cut(valid: &Scored, worth: impl Fn(&Decisions) -> f64) -> f64 {
    let (ones, zeros) = valid.totals();
    let counts = |one: f64, zero: f64| Decisions {
        true_positive: one,
        false_positive: zero,
        false_negative: ones - one,
        true_negative: zeros - zero,
    };
    let mut best = (worth(&counts(0.0, 0.0)), None);
    let mut runs = valid.cumulative().peekable();
    let highest = runs.peek().map_or(0.0, |(score, ..)| *score);
    while let Some((score, one, zero)) = runs.next() {
        let worth = worth(&counts(one, zero));
        // Sums of weights are rounded: what differs by less is equal.
        if worth > best.0 + 1e-12 * best.0.abs() {
            best = (worth, Some((score, runs.peek().map(|(next, ..)| *next))));
        }
    }
    match best.1 {
        // Half way to the next score, so that a score that is equal but for its last digit is decided alike.
        Some((score, Some(next))) => middle(next, score),
        Some((score, None)) => middle(score.min(0.0), score),
        None if highest < 1.0 => middle(highest, 1.0),
        None => highest.next_up(),
    }
}

/// A number above `low` (unless they are equal) and at most `high`, half way between.
fn middle(low: f64, high: f64) -> f64 {
    let middle = low + (high - low) / 2.0;
    if middle > low { middle } else { high }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;

    fn scored(label: &[f64], score: &[f64]) -> Scored {
        Scored::new(Task::Classification, label.to_vec(), score.to_vec(), "test").unwrap()
    }

    fn rule(yaml: &str) -> ThresholdRule {
        #[derive(Deserialize)]
        struct Spec {
            threshold: ThresholdRule,
        }
        let path = std::path::Path::new("train.yaml");
        let spec = spec::parse::<Spec>(&format!("threshold: {yaml}\n"), path, &Default::default());
        spec.map(|loaded| loaded.spec.threshold).unwrap_or_else(|error| panic!("{error}"))
    }

    const LABEL: [f64; 6] = [1.0, 0.0, 1.0, 0.0, 0.0, 0.0];
    const SCORE: [f64; 6] = [0.9, 0.8, 0.6, 0.5, 0.3, 0.1];

    #[test]
    fn each_rule_picks_its_cut() {
        let valid = scored(&LABEL, &SCORE);
        let pick = |yaml: &str| rule(yaml).pick(&valid).unwrap().value;
        let near = |value: f64, reference: f64| assert!((value - reference).abs() < 1e-12, "{value}, not {reference}");
        near(pick("{fixed: 0.5}"), 0.5);
        // Missing one costs 5, flagging wrongly 1: flag three rows, one of them wrongly.
        near(pick("{cost: {false_positive: 1, false_negative: 5}}"), 0.55);
        near(pick("{cost: {false_positive: 5, false_negative: 1}}"), 0.85);
        near(pick("{quota: 0.34}"), 0.7);
        near(pick("{quota: 1}"), 0.05);
        near(pick("{best: f1}"), 0.55);
        near(pick("{best: accuracy}"), 0.85);
    }

    #[test]
    fn nothing_worth_flagging_puts_the_threshold_above_all_scores() {
        let none = rule("{cost: {false_positive: 1, false_negative: 0}}");
        let threshold = none.pick(&scored(&LABEL, &SCORE)).unwrap();
        assert!((threshold.value - 0.95).abs() < 1e-12);
        let certain = scored(&[0.0, 1.0], &[1.0, 1.0]);
        assert_eq!(certain.confusion_at(rule("{quota: 0.1}").pick(&certain).unwrap().value).flagged(), 0);
    }

    #[test]
    fn a_quota_never_splits_equal_scores() {
        let tied = scored(&[1.0, 0.0, 0.0, 0.0], &[0.4, 0.4, 0.4, 0.1]);
        assert_eq!(tied.confusion_at(rule("{quota: 0.5}").pick(&tied).unwrap().value).flagged(), 0);
        assert_eq!(tied.confusion_at(rule("{quota: 0.75}").pick(&tied).unwrap().value).flagged(), 3);
    }

    #[test]
    fn senseless_rules_are_refused_where_they_stand() {
        let failure = |yaml: &str| {
            let path = std::path::Path::new("train.yaml");
            spec::parse::<ThresholdRule>(yaml, path, &Default::default()).unwrap_err().to_string()
        };
        assert!(failure("fixed: 1.5\n").ends_with("1.5 is not from 0 to 1"), "{}", failure("fixed: 1.5\n"));
        let negative = failure("cost: {false_positive: -1, false_negative: 5}\n");
        assert!(negative.ends_with("costs must be 0 or more, and one of them above 0"), "{negative}");
        let one = scored(&[0.0, 0.0], &[0.1, 0.2]);
        assert_eq!(
            rule("{best: f1}").pick(&one).unwrap_err().to_string(),
            "threshold: none of the 2 rows of the validation part has class 1; give the validation part a larger \
             share in 'split', or use 'fixed'"
        );
    }
}
