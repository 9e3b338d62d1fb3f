//! Decisions against classes.

use serde::{Deserialize, Serialize};

use super::Scored;

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
        share(self.true_positive, self.flagged()).unwrap_or(0.0)
    }

    /// `TP / (TP + FN)`; `None` without a row of class 1.
    pub fn recall(&self) -> Option<f64> {
        share(self.true_positive, self.true_positive + self.false_negative)
    }

    /// `2 TP / (2 TP + FP + FN)`; `None` without a row of class 1 or flagged.
    pub fn f1(&self) -> Option<f64> {
        share(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)
    }

    /// `(TP + TN) / rows`.
    pub fn accuracy(&self) -> Option<f64> {
        share(self.true_positive + self.true_negative, self.rows())
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Scored {
    /// Decisions at `threshold`: rows that score at least as much are flagged.
    pub fn confusion_at(&self, threshold: f64) -> Confusion {
        self.confusion(threshold, &vec![1; self.rows()])
    }

    pub(super) fn confusion(&self, threshold: f64, weights: &[u8]) -> Confusion {
        let flagged = self.order.partition_point(|row| self.score[*row as usize] >= threshold);
        let count = |positions: std::ops::Range<usize>| {
            let (mut ones, mut all) = (0u64, 0u64);
            for (one, times) in self.ones[positions.clone()].iter().zip(&weights[positions]) {
                ones += u64::from(*times) * u64::from(*one);
                all += u64::from(*times);
            }
            (ones, all - ones)
        };
        let (true_positive, false_positive) = count(0..flagged);
        let (false_negative, true_negative) = count(flagged..self.rows());
        Confusion { true_positive, false_positive, false_negative, true_negative }
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
