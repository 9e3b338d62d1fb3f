//! What is measured over all thresholds at once: AUC, average precision, and the curves behind them.

use serde::{Deserialize, Serialize};

use super::{Scored, Sum, Weights};

impl Scored {
    /// Calls `block(class 1, class 0)` for each run of equal scores from the highest down, with what its rows count.
    fn blocks<W: Weights>(&self, weights: W, mut block: impl FnMut(W::Sum, W::Sum)) {
        let none = W::Sum::default();
        let mut start = 0;
        for end in &self.ties {
            let end = *end as usize;
            if end == start + 1 {
                // Most scores are of one row: no loop for them.
                let (weight, one) = (weights.at(start), self.ones[start]);
                start = end;
                block(if one { weight } else { none }, if one { none } else { weight });
                continue;
            }
            let (mut ones, mut zeros) = (none, none);
            for (one, weight) in self.ones[start..end].iter().zip(weights.of(start..end)) {
                ones += if *one { weight } else { none };
                zeros += if *one { none } else { weight };
            }
            start = end;
            block(ones, zeros);
        }
    }

    /// The share of pairs (class 1, class 0) in the right order, ties counting half: the area under the ROC
    /// curve by trapezoids. Exact without weights: pairs are counted as integers.
    pub(super) fn auc<W: Weights>(&self, weights: W) -> Option<f64> {
        let none = W::Sum::default();
        let (mut ones, mut zeros, mut twice_area) = (none, none, none);
        self.blocks(weights, |one, zero| {
            twice_area += zero * (ones + ones + one);
            ones += one;
            zeros += zero;
        });
        let pairs = || 2.0 * ones.as_f64() * zeros.as_f64();
        (ones > none && zeros > none).then(|| twice_area.as_f64() / pairs())
    }

    /// `sum over thresholds (recall_n - recall_(n-1)) * precision_n`, as scikit-learn has it: no interpolation.
    pub(super) fn average_precision<W: Weights>(&self, weights: W) -> Option<f64> {
        let none = W::Sum::default();
        let (mut ones, mut flagged, mut sum) = (none, none, 0.0);
        self.blocks(weights, |one, zero| {
            ones += one;
            flagged += one + zero;
            if one > none {
                sum += one.as_f64() * ones.as_f64() / flagged.as_f64();
            }
        });
        (ones > none).then(|| sum / ones.as_f64())
    }

    /// Per run of equal scores, from the highest: its score, and what rows of class 1 and of class 0 count so far.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        let (mut start, mut ones, mut zeros) = (0, 0.0, 0.0);
        self.ties.iter().map(move |end| {
            let run = start..*end as usize;
            start = run.end;
            for position in run.clone() {
                let weight = self.weight(self.order[position] as usize);
                *(if self.ones[position] { &mut ones } else { &mut zeros }) += weight;
            }
            (self.score[self.order[run.start] as usize], ones, zeros)
        })
    }

    /// What all rows of class 1 and of class 0 count, summed up as [`Scored::cumulative`] does.
    pub fn totals(&self) -> (f64, f64) {
        self.cumulative().last().map_or((0.0, 0.0), |(_, ones, zeros)| (ones, zeros))
    }
}

/// Points of a curve, in drawing order.
pub type Curve = Vec<(f64, f64)>;

/// No curve needs more points than a page has dots.
const POINTS: f64 = 400.0;

/// False positive rate against true positive rate, thinned to about 800 points. Empty if a class is missing.
pub fn roc(scored: &Scored) -> Curve {
    let (ones, zeros) = scored.totals();
    if ones == 0.0 || zeros == 0.0 {
        return Vec::new();
    }
    thin(std::iter::once((0.0, 0.0)).chain(scored.cumulative().map(|(_, one, zero)| (zero / zeros, one / ones))))
}

/// Recall against precision, thinned to about 800 points. Empty without a row of class 1.
pub fn precision_recall(scored: &Scored) -> Curve {
    let (ones, _) = scored.totals();
    if ones == 0.0 {
        return Vec::new();
    }
    // Rows that do not count have no precision.
    let counting = scored.cumulative().filter(|(_, one, zero)| one + zero > 0.0);
    thin(counting.map(|(_, one, zero)| (one / ones, one / (one + zero))))
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
/// zeros. Means are by weight; rows without weight are left out.
pub fn calibration(scored: &Scored) -> [Bin; 10] {
    let mut bins = [Bin { rows: 0, predicted: 0.0, observed: 0.0 }; 10];
    let mut weights = [0.0; 10];
    for (row, (label, score)) in scored.label.iter().zip(&scored.score).enumerate() {
        let weight = scored.weight(row);
        if weight > 0.0 {
            let at = ((score.clamp(0.0, 1.0) * 10.0) as usize).min(9);
            bins[at].rows += 1;
            bins[at].predicted += weight * score;
            bins[at].observed += weight * label;
            weights[at] += weight;
        }
    }
    for (bin, weight) in bins.iter_mut().zip(weights).filter(|(bin, _)| bin.rows > 0) {
        bin.predicted /= weight;
        bin.observed /= weight;
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
