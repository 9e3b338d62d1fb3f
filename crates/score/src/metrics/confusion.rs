//! Decisions against classes.

use serde::{Deserialize, Serialize};

use super::{Scored, Sum, Weights};

/// Counts of decisions at a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Flagged, and of class 1.
    pub true_positive: u64,
    /// Flagged, but of class 0.
    pub false_positive: u64,
    /// Not flagged, but of class 1.
    pub false_negative: u64,
    /// Not flagged, and of class 0.
    pub true_negative: u64,
}

impl Confusion {
    pub fn rows(&self) -> u64 {
        self.true_positive + self.false_positive + self.false_negative + self.true_negative
    }

    pub fn flagged(&self) -> u64 {
        self.true_positive + self.false_positive
    }

    /// `TP / (TP + FP)`; 0 if nothing is flagged, as scikit-learn has it.
    pub fn precision(&self) -> f64 {
        Decisions::from(*self).precision()
    }

    /// `TP / (TP + FN)`; `None` without a row of class 1.
    pub fn recall(&self) -> Option<f64> {
        Decisions::from(*self).recall()
    }
}

/// What rows count by decision and class: their number, or the sum of their weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decisions {
    pub true_positive: f64,
    pub false_positive: f64,
    pub false_negative: f64,
    pub true_negative: f64,
}

impl From<Confusion> for Decisions {
    fn from(counts: Confusion) -> Decisions {
        Decisions {
            true_positive: counts.true_positive as f64,
            false_positive: counts.false_positive as f64,
            false_negative: counts.false_negative as f64,
            true_negative: counts.true_negative as f64,
        }
    }
}

impl Decisions {
    pub fn flagged(&self) -> f64 {
        self.true_positive + self.false_positive
    }

    /// `TP / (TP + FP)`; 0 if nothing is flagged, as scikit-learn has it.
    pub fn precision(&self) -> f64 {
        share(self.true_positive, self.flagged()).unwrap_or(0.0)
    }

    /// `TP / (TP + FN)`; `None` without a row of class 1.
    pub fn recall(&self) -> Option<f64> {
        share(self.true_positive, self.true_positive + self.false_negative)
    }

    /// `2 TP / (2 TP + FP + FN)`; `None` without a row of class 1 or flagged.
    pub fn f1(&self) -> Option<f64> {
        share(2.0 * self.true_positive, 2.0 * self.true_positive + self.false_positive + self.false_negative)
    }

    /// `(TP + TN) / rows`.
    pub fn accuracy(&self) -> Option<f64> {
        let right = self.true_positive + self.true_negative;
        share(right, right + self.false_positive + self.false_negative)
    }
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

impl Scored {
    /// Decisions at `threshold`, each row once: rows that score at least as much are flagged.
    pub fn confusion_at(&self, threshold: f64) -> Confusion {
        let flagged = self.flagged(threshold);
        let ones = |positions: &[bool]| positions.iter().filter(|one| **one).count() as u64;
        let (true_positive, false_negative) = (ones(&self.ones[..flagged]), ones(&self.ones[flagged..]));
        Confusion {
            true_positive,
            false_positive: flagged as u64 - true_positive,
            false_negative,
            true_negative: (self.rows() - flagged) as u64 - false_negative,
        }
    }

    /// How many positions are flagged: the first ones.
    fn flagged(&self, threshold: f64) -> usize {
        self.order.partition_point(|row| self.score[*row as usize] >= threshold)
    }

    pub(super) fn decisions<W: Weights>(&self, threshold: f64, weights: W) -> Decisions {
        let flagged = self.flagged(threshold);
        let sums = |positions: std::ops::Range<usize>| {
            let none = W::Sum::default();
            let (mut ones, mut zeros) = (none, none);
            for (one, weight) in self.ones[positions.clone()].iter().zip(weights.of(positions)) {
                ones += if *one { weight } else { none };
                zeros += if *one { none } else { weight };
            }
            (ones.as_f64(), zeros.as_f64())
        };
        let (true_positive, false_positive) = sums(0..flagged);
        let (false_negative, true_negative) = sums(flagged..self.rows());
        Decisions { true_positive, false_positive, false_negative, true_negative }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;
    use crate::metrics::Metric;

    #[test]
    fn decisions_are_judged_as_scikit_learn_judges_them() {
        // scikit-learn 1.9: confusion_matrix, precision_score, recall_score, f1_score, accuracy_score of
        // y = [0,0,1,1,1,0,1], s >= 0.5, s = [0.1,0.6,0.5,0.9,0.2,0.4,0.8].
        let label = vec![0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0];
        let score = vec![0.1, 0.6, 0.5, 0.9, 0.2, 0.4, 0.8];
        let scored = Scored::new(Task::Classification, label, score, "test").unwrap();
        let counts = scored.confusion_at(0.5);
        assert_eq!(counts, Confusion { true_positive: 3, false_positive: 1, false_negative: 1, true_negative: 2 });
        assert_eq!(scored.value(Metric::Precision, Some(0.5)), Some(0.75));
        assert_eq!(scored.value(Metric::Recall, Some(0.5)), Some(0.75));
        assert_eq!(scored.value(Metric::F1, Some(0.5)), Some(0.75));
        assert_eq!(scored.value(Metric::Accuracy, Some(0.5)), Some(5.0 / 7.0));
    }

    #[test]
    fn nothing_flagged_has_no_precision() {
        let scored = Scored::new(Task::Classification, vec![0.0, 1.0], vec![0.1, 0.2], "test").unwrap();
        assert_eq!(scored.value(Metric::Precision, Some(0.9)), Some(0.0));
        assert_eq!(scored.value(Metric::F1, Some(0.9)), Some(0.0));
    }
}
