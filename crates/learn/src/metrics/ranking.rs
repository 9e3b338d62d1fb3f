//! What is measured over all thresholds at once: AUC, average precision, and the curves behind them.

use serde::{Deserialize, Serialize};

use super::Scored;

impl Scored {
    /// Calls `block(class 1, class 0)` for each run of equal scores from the highest down, with weighted counts.
    fn blocks(&self, weights: &[u8], mut block: impl FnMut(u64, u64)) {
        let mut start = 0;
        for end in &self.ties {
            let end = *end as usize;
            if end == start + 1 {
                // Most scores are of one row: no loop for them.
                let (all, one) = (u64::from(weights[start]), u64::from(self.ones[start]));
                start = end;
                block(all * one, all * (1 - one));
                continue;
            }
            let (mut ones, mut all) = (0u64, 0u64);
            for (one, times) in self.ones[start..end].iter().zip(&weights[start..end]) {
                ones += u64::from(*times) * u64::from(*one);
                all += u64::from(*times);
            }
            start = end;
            block(ones, all - ones);
        }
    }

    /// The share of pairs (class 1, class 0) in the right order, ties counting half: the area under the ROC
    /// curve by trapezoids. Exact: pairs are counted as integers.
    pub(super) fn auc(&self, weights: &[u8]) -> Option<f64> {
        let (mut ones, mut zeros, mut twice_area) = (0u64, 0u64, 0u64);
        self.blocks(weights, |one, zero| {
            twice_area += zero * (2 * ones + one);
            ones += one;
            zeros += zero;
        });
        (ones > 0 && zeros > 0).then(|| twice_area as f64 / (2.0 * ones as f64 * zeros as f64))
    }

    /// `sum over thresholds (recall_n - recall_(n-1)) * precision_n`, as scikit-learn has it: no interpolation.
    pub(super) fn average_precision(&self, weights: &[u8]) -> Option<f64> {
        let (mut ones, mut flagged, mut sum) = (0u64, 0u64, 0.0);
        self.blocks(weights, |one, zero| {
            ones += one;
            flagged += one + zero;
            if one > 0 {
                sum += one as f64 * ones as f64 / flagged as f64;
            }
        });
        (ones > 0).then(|| sum / ones as f64)
    }

    /// Per run of equal scores, from the highest: its score, and rows of class 1 and of class 0 so far.
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = (f64, u64, u64)> + '_ {
        let (mut start, mut ones, mut zeros) = (0, 0, 0);
        self.ties.iter().map(move |end| {
            let run = start..*end as usize;
            start = run.end;
            let one = self.ones[run.clone()].iter().filter(|one| **one).count() as u64;
            ones += one;
            zeros += run.len() as u64 - one;
            (self.score[self.order[run.start] as usize], ones, zeros)
        })
    }
}

/// Points of a curve, in drawing order.
pub type Curve = Vec<(f64, f64)>;

/// No curve needs more points than a page has dots.
const POINTS: f64 = 400.0;

/// False positive rate against true positive rate, thinned to about 800 points. Empty if a class is missing.
pub fn roc(scored: &Scored) -> Curve {
    let ones = scored.positives() as f64;
    let zeros = scored.rows() as f64 - ones;
    if ones == 0.0 || zeros == 0.0 {
        return Vec::new();
    }
    thin(
        std::iter::once((0.0, 0.0))
            .chain(scored.cumulative().map(|(_, one, zero)| (zero as f64 / zeros, one as f64 / ones))),
    )
}

/// Recall against precision, thinned to about 800 points. Empty without a row of class 1.
pub fn precision_recall(scored: &Scored) -> Curve {
    let ones = scored.positives() as f64;
    if ones == 0.0 {
        return Vec::new();
    }
    thin(scored.cumulative().map(|(_, one, zero)| (one as f64 / ones, one as f64 / (one + zero) as f64)))
}

/// Keeps the points that lie a step away from the last one kept, and the last.
fn thin(points: impl Iterator<Item = (f64, f64)>) -> Curve {
    let mut kept: Curve = Vec::new();
    let mut skipped = None;
    for point in points {
        let far = kept
            .last()
            .is_none_or(|last| (point.0 - last.0).abs() >= 1.0 / POINTS || (point.1 - last.1).abs() >= 1.0 / POINTS);
        skipped = (!far).then_some(point);
        if far {
            kept.push(point);
        }
    }
    kept.extend(skipped);
    kept
}

/// Rows whose probability lies in one tenth of the way from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    pub rows: u64,
    /// Mean of the predicted probabilities.
    pub predicted: f64,
    /// Share of class 1.
    pub observed: f64,
}

/// The reliability diagram (DeGroot and Fienberg 1983): ten bins of equal width; those without rows have
/// zeros.
pub fn calibration(scored: &Scored) -> [Bin; 10] {
    let mut bins = [Bin { rows: 0, predicted: 0.0, observed: 0.0 }; 10];
    for (label, score) in scored.label.iter().zip(&scored.score) {
        let bin = &mut bins[((score.clamp(0.0, 1.0) * 10.0) as usize).min(9)];
        bin.rows += 1;
        bin.predicted += score;
        bin.observed += label;
    }
    for bin in bins.iter_mut().filter(|bin| bin.rows > 0) {
        bin.predicted /= bin.rows as f64;
        bin.observed /= bin.rows as f64;
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;
    use crate::metrics::Metric;

    fn scored(label: &[f64], score: &[f64]) -> Scored {
        Scored::new(Task::Classification, label.to_vec(), score.to_vec(), "test").unwrap()
    }

    fn close(value: Option<f64>, reference: f64) {
        let value = value.unwrap();
        assert!((value - reference).abs() < 1e-12, "{value} instead of {reference}");
    }

    const LABEL: [f64; 10] = [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0];
    const SCORE: [f64; 10] = [0.1, 0.4, 0.35, 0.8, 0.4, 0.4, 0.9, 0.8, 0.05, 0.4];

    #[test]
    fn scores_with_ties_are_judged_as_scikit_learn_judges_them() {
        // scikit-learn 1.9: roc_auc_score, average_precision_score, log_loss, brier_score_loss.
        let scored = scored(&LABEL, &SCORE);
        close(scored.value(Metric::Auc, None), 0.7);
        close(scored.value(Metric::AveragePrecision, None), 0.686_904_761_904_761_9);
        close(scored.value(Metric::LogLoss, None), 0.599_865_062_523_048_2);
        close(scored.value(Metric::Brier, None), 0.216_5);
    }

    #[test]
    fn certain_and_wrong_is_clipped_as_scikit_learn_clips() {
        // scikit-learn 1.9: log_loss([0, 1, 1], [1.0, 0.0, 1.0]).
        close(scored(&[0.0, 1.0, 1.0], &[1.0, 0.0, 1.0]).value(Metric::LogLoss, None), 24.029_102_259_411_435);
    }

    #[test]
    fn constant_scores_are_chance() {
        let scored = scored(&[0.0, 1.0, 0.0, 0.0], &[0.3; 4]);
        close(scored.value(Metric::Auc, None), 0.5);
        close(scored.value(Metric::AveragePrecision, None), 0.25);
        assert_eq!(roc(&scored), [(0.0, 0.0), (1.0, 1.0)]);
    }

    #[test]
    fn curves_are_those_of_scikit_learn() {
        // scikit-learn 1.9: roc_curve(.., drop_intermediate=False).
        let curve = roc(&scored(&LABEL, &SCORE));
        assert_eq!(curve, [(0.0, 0.0), (0.0, 0.2), (0.2, 0.4), (0.6, 0.8), (0.6, 1.0), (0.8, 1.0), (1.0, 1.0)]);
        assert_eq!(precision_recall(&scored(&[0.0, 1.0, 1.0], &[0.1, 0.5, 0.5])), [(1.0, 1.0), (1.0, 2.0 / 3.0)]);
    }

    #[test]
    fn long_curves_are_thinned_and_end_where_they_should() {
        let rows = 100_000;
        let label: Vec<f64> = (0..rows).map(|row| f64::from(row % 3 == 0)).collect();
        let score: Vec<f64> = (0..rows).map(|row| f64::from(row) / f64::from(rows)).collect();
        let curve = roc(&scored(&label, &score));
        assert!(curve.len() < 1000, "{}", curve.len());
        assert_eq!(*curve.last().unwrap(), (1.0, 1.0));
    }

    #[test]
    fn calibration_counts_every_row_once() {
        let bins = calibration(&scored(&[0.0, 1.0, 1.0, 0.0], &[0.0, 1.0, 0.95, 0.31]));
        assert_eq!(bins.iter().map(|bin| bin.rows).sum::<u64>(), 4);
        assert_eq!(bins[9], Bin { rows: 2, predicted: 0.975, observed: 1.0 });
    }
}
