//! Metrics by name, the same on one row or a million: each takes how often rows are drawn, so that a bootstrap resample
//! is only another set of counts and nothing is sorted twice. Rows may have weights besides: a row of weight 2 is as good
//! as the row twice, as in scikit-learn's `sample_weight`.

mod bootstrap;
mod classes;
mod confusion;
mod errors;
mod forecasts;
mod ranking;
mod weights;

use std::fmt;

use rayon::slice::ParallelSliceMut;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use crate::{Bounds, Task};
pub use bootstrap::{Interval, Resamples, Side};
pub use classes::Classes;
pub use classes::largest;
pub use confusion::Confusion;
pub use confusion::Decisions;
pub use errors::{error_curve, error_quantile};
pub use forecasts::{Scale, scales};
pub use ranking::{Bin, Curve, calibration, precision_recall, roc};
use weights::{Counts, Sum, Weighed, Weights, mean};

/// A measure of how good predictions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Area under the ROC curve: the chance that a row of class 1 scores above one of class 0, ties half
    /// (Hanley and McNeil 1982). 0.5 is chance, 1 is best.
    Auc,
    /// Average precision: the mean of precision over the steps of recall (`sum (R_n - R_n-1) P_n`).
    AveragePrecision,
    /// Mean negative log-likelihood, probabilities clipped to [2.2e-16, 1 - 2.2e-16]. Lower is better.
    LogLoss,
    /// Mean squared difference of probability and class (Brier 1950). Lower is better.
    Brier,
    /// Share of class 1 among the flagged rows; 0 if none is flagged.
    Precision,
    /// Share of flagged among the rows of class 1.
    Recall,
    /// Harmonic mean of precision and recall.
    F1,
    /// Share of rows decided rightly; of several classes those whose class has the largest probability.
    Accuracy,
    /// Several classes: the mean of the F1 of each class that occurs or is predicted.
    MacroF1,
    /// Several classes: the mean over the classes of the area under the ROC curve of each against all others.
    MacroAuc,
    /// Mean absolute error, in the label's unit.
    Mae,
    /// Root of the mean squared error, in the label's unit.
    Rmse,
    /// Mean absolute error as a share of the label; undefined if a label is 0.
    Mape,
    /// The sum of absolute errors as a share of the sum of labels, both taken without sign; undefined if all labels are 0.
    Wape,
    /// Mean of prediction less label, in the label's unit: above 0 if predictions are too high. Best is 0.
    Bias,
    /// Mean absolute scaled error: each error as a share of the mean error that a plain forecast made in the train part for
    /// the same series (Hyndman and Koehler 2006). Below 1 is better than that.
    Mase,
    /// Root of the mean squared scaled error, scaled by the plain forecast's mean squared error (M5 competition).
    Rmsse,
    /// Share of the label's variance that is explained (coefficient of determination); 1 is best, 0 is no
    /// better than the mean, below 0 is worse.
    R2,
    /// Share of labels that lie within their prediction interval, bounds included. Best is near the requested coverage.
    Coverage,
    /// Mean width of the prediction intervals, in the label's unit. Lower is better, of intervals that cover.
    IntervalWidth,
    /// Mean pinball loss of the two bounds, as quantiles (Koenker and Bassett 1978): with a coverage of 0.8 those of 10 % and
    /// 90 %. In the label's unit; lower is better.
    Pinball,
}

impl Metric {
    /// Every metric, in the order of reports.
    pub const ALL: [Metric; 21] = [
        Metric::Auc,
        Metric::AveragePrecision,
        Metric::LogLoss,
        Metric::Brier,
        Metric::Precision,
        Metric::Recall,
        Metric::F1,
        Metric::Accuracy,
        Metric::MacroF1,
        Metric::MacroAuc,
        Metric::Mae,
        Metric::Rmse,
        Metric::Mape,
        Metric::Wape,
        Metric::Bias,
        Metric::Mase,
        Metric::Rmsse,
        Metric::R2,
        Metric::Coverage,
        Metric::IntervalWidth,
        Metric::Pinball,
    ];

    /// The name as written in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Auc => "auc",
            Metric::AveragePrecision => "average_precision",
            Metric::LogLoss => "log_loss",
            Metric::Brier => "brier",
            Metric::Precision => "precision",
            Metric::Recall => "recall",
            Metric::F1 => "f1",
            Metric::Accuracy => "accuracy",
            Metric::MacroF1 => "macro_f1",
            Metric::MacroAuc => "macro_auc",
            Metric::Mae => "mae",
            Metric::Rmse => "rmse",
            Metric::Mape => "mape",
            Metric::Wape => "wape",
            Metric::Bias => "bias",
            Metric::Mase => "mase",
            Metric::Rmsse => "rmsse",
            Metric::R2 => "r2",
            Metric::Coverage => "coverage",
            Metric::IntervalWidth => "interval_width",
            Metric::Pinball => "pinball",
        }
    }

    /// Whether it judges models of this task.
    pub fn judges(self, task: Task) -> bool {
        match self {
            Metric::Mae | Metric::Rmse | Metric::Mape | Metric::R2 => task == Task::Regression,
            Metric::Wape | Metric::Bias | Metric::Mase | Metric::Rmsse => task == Task::Regression,
            Metric::Coverage | Metric::IntervalWidth | Metric::Pinball => task == Task::Regression,
            Metric::MacroF1 | Metric::MacroAuc => task == Task::Multiclass,
            Metric::LogLoss | Metric::Accuracy => task.has_classes(),
            _ => task == Task::Classification,
        }
    }

    /// The metrics of a task's predictions, in the order of reports.
    pub fn of(task: Task) -> impl Iterator<Item = Metric> {
        let of_predictions = |metric: &Metric| !metric.judges_intervals() && !metric.is_scaled();
        Metric::ALL.into_iter().filter(move |metric| metric.judges(task) && of_predictions(metric))
    }

    /// The metrics of prediction intervals.
    pub fn of_intervals() -> impl Iterator<Item = Metric> {
        Metric::ALL.into_iter().filter(|metric| metric.judges_intervals())
    }

    /// Judges prediction intervals, not predictions.
    pub fn judges_intervals(self) -> bool {
        matches!(self, Metric::Coverage | Metric::IntervalWidth | Metric::Pinball)
    }

    pub fn higher_is_better(self) -> bool {
        use Metric::{Bias, Brier, IntervalWidth, LogLoss, Mae, Mape, Mase, Pinball, Rmse, Rmsse, Wape};
        let of_predictions = matches!(self, LogLoss | Brier | Mae | Rmse | Mape | Wape | Bias | Mase | Rmsse);
        !of_predictions && !matches!(self, IntervalWidth | Pinball)
    }

    /// The least that it can be.
    pub fn least(self) -> f64 {
        if matches!(self, Metric::R2 | Metric::Bias) { f64::NEG_INFINITY } else { 0.0 }
    }

    /// The most that it can be: 1 of shares, and of what is measured by them.
    pub fn most(self) -> f64 {
        use Metric::{Accuracy, Auc, AveragePrecision, Brier, Coverage, F1, MacroAuc, MacroF1, Precision, R2, Recall};
        let of_shares = matches!(self, Auc | AveragePrecision | Brier | Precision | Recall | F1 | Accuracy);
        if of_shares || matches!(self, MacroF1 | MacroAuc | Coverage | R2) { 1.0 } else { f64::INFINITY }
    }

    /// How much better `value` is than `than`: positive is better, whatever the metric's direction.
    pub fn gain(self, value: f64, than: f64) -> f64 {
        if self == Metric::Bias {
            // Too high is as bad as too low.
            return than.abs() - value.abs();
        }
        if self.higher_is_better() { value - than } else { than - value }
    }

    /// What one row of (label, score) loses, for metrics that are means over rows.
    fn loss(self) -> Option<fn(f64, f64) -> f64> {
        Some(match self {
            Metric::LogLoss => |label, score| {
                let score = score.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
                -(if label == 1.0 { score.ln() } else { (1.0 - score).ln() })
            },
            Metric::Brier | Metric::Rmse => |label, score| (score - label) * (score - label),
            Metric::Mae => |label, score| (score - label).abs(),
            Metric::Mape => |label, score| ((score - label) / label).abs(),
            Metric::Bias => |label, score| score - label,
            _ => return None,
        })
    }

    /// The metric from the mean loss of its rows.
    fn of_loss(self, mean: f64) -> Option<f64> {
        let value = if self == Metric::Rmse { mean.sqrt() } else { mean };
        value.is_finite().then_some(value)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Labels and predictions of the same rows, made ready to be measured again and again.
///
/// Rows keep their order for the caller; measures walk through *positions*, by descending score, so that one
/// sequential pass over labels and weights is a metric.
#[derive(Clone, Debug)]
pub struct Scored {
    task: Task,
    label: Vec<f64>,
    score: Vec<f64>,
    /// The row at each position. Regression: rows in their own order.
    order: Vec<u32>,
    /// Whether the row at each position is of class 1 (classification only).
    ones: Vec<bool>,
    /// Ends (exclusive) of the runs of positions of equal scores (classification only).
    ties: Vec<u32>,
    /// Prediction intervals of the rows, where there are any.
    bounds: Option<Bounds>,
    /// Several classes: each against all others.
    each: Vec<Scored>,
    /// How much each row counts, and the row at each position; none: all the same.
    weights: Option<RowWeights>,
    /// What a plain forecast errs in the series of each row.
    scales: Option<Vec<Scale>>,
    /// Which share of the labels the bounds are to hold.
    coverage: Option<f64>,
}

/// Weights in the order of rows and in that of positions.
#[derive(Clone, Debug)]
struct RowWeights {
    of_rows: Vec<f64>,
    of_positions: Vec<f64>,
}

impl Scored {
    /// Takes one label (classification: 0 or 1) and one score per row; of several classes the number of the class and one
    /// probability per class. `place` names the rows in errors.
    ///
    /// Errors: no rows, unequal lengths, a label or score that is not a number, a class other than 0 and 1.
    pub fn new(task: Task, label: Vec<f64>, score: Vec<f64>, place: &str) -> Result<Scored> {
        if task == Task::Multiclass {
            return Scored::of_classes(label, score, place);
        }
        if label.len() != score.len() {
            return Err(Error::cannot_run(format!("{place}: {} labels but {} scores", label.len(), score.len()))
                .hint("this is a defect of the learner"));
        }
        if label.is_empty() {
            return Err(Error::refused(format!("{place}: no rows")).hint("change 'split' so that each part has rows"));
        }
        if let Some(row) = score.iter().position(|score| !score.is_finite()) {
            return Err(Error::refused(format!("{place}: the score of row {} is {}", row + 1, score[row]))
                .hint("look for infinite or extreme features, or lower the learning rate"));
        }
        let known = |label: &f64| match task {
            Task::Classification => *label == 0.0 || *label == 1.0,
            Task::Regression | Task::Multiclass => label.is_finite(),
        };
        if let Some(row) = label.iter().position(|label| !known(label)) {
            let wanted = if task == Task::Classification { "0 and 1" } else { "finite numbers" };
            return Err(Error::refused(format!("{place}: the label of row {} is {}", row + 1, label[row]))
                .hint(format!("labels must be {wanted}")));
        }
        let order = (0..score.len() as u32).collect();
        let (ones, ties, each) = (Vec::new(), Vec::new(), Vec::new());
        let (bounds, weights, scales, coverage) = (None, None, None, None);
        let mut scored = Scored { task, label, score, order, ones, ties, bounds, each, weights, scales, coverage };
        if task == Task::Classification {
            scored.sort();
        }
        Ok(scored)
    }

    /// The same rows with one weight each, finite and 0 or more; `None`: all count the same. Only ratios matter.
    pub fn with_weights(mut self, weights: Option<&[f64]>) -> Scored {
        self.each = self.each.into_iter().map(|each| each.with_weights(weights)).collect();
        self.weights = weights.map(|weights| RowWeights {
            of_rows: weights.to_vec(),
            of_positions: self.order.iter().map(|row| weights[*row as usize]).collect(),
        });
        self
    }

    /// How much each row counts; `None`: all the same.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_ref().map(|weights| &weights.of_rows[..])
    }

    /// How much a row counts: 1 without weights.
    fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights.of_rows[row])
    }

    /// The same rows with their prediction intervals, a lower and an upper bound per row.
    pub fn with_bounds(self, bounds: Bounds) -> Scored {
        Scored { bounds: Some(bounds), ..self }
    }

    /// The prediction intervals, where there are any.
    pub fn bounds(&self) -> Option<&Bounds> {
        self.bounds.as_ref()
    }

    fn sort(&mut self) {
        let Scored { label, score, order, .. } = self;
        // Equal scores stay in row order, so that every run sees the same sequence.
        order.par_sort_by(|a, b| score[*b as usize].total_cmp(&score[*a as usize]));
        let at = |position: usize| score[order[position] as usize];
        let ends = (1..order.len()).filter(|next| at(next - 1) != at(*next)).chain([order.len()]);
        self.ties = ends.map(|end| end as u32).collect();
        self.ones = order.iter().map(|row| label[*row as usize] == 1.0).collect();
    }

    pub fn task(&self) -> Task {
        self.task
    }
    pub fn rows(&self) -> usize {
        self.label.len()
    }
    pub fn label(&self) -> &[f64] {
        &self.label
    }
    pub fn score(&self) -> &[f64] {
        &self.score
    }

    /// Rows of class 1.
    pub fn positives(&self) -> usize {
        self.label.iter().filter(|label| **label == 1.0).count()
    }

    /// The share of class 1, by weight.
    pub fn share_of_ones(&self) -> f64 {
        let (mut ones, mut all) = (0.0, 0.0);
        for (row, label) in self.label.iter().enumerate() {
            let weight = self.weight(row);
            ones += if *label == 1.0 { weight } else { 0.0 };
            all += weight;
        }
        ones / all
    }

    /// The row at each position.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// The metric over all rows; `None` where it is undefined ([`Scored::why_undefined`] says why).
    /// `threshold`: rows that score at least as much are flagged; without one there are no decisions to judge.
    pub fn value(&self, metric: Metric, threshold: Option<f64>) -> Option<f64> {
        self.prepare(metric, threshold).value(&vec![1; self.rows()])
    }

    /// The metric made ready for many sets of weights: what each position loses is computed once.
    pub(crate) fn prepare(&self, metric: Metric, threshold: Option<f64>) -> Measure<'_> {
        let of_position = |loss: fn(f64, f64) -> f64| {
            self.order.iter().map(|row| loss(self.label[*row as usize], self.score[*row as usize])).collect()
        };
        let losses = match metric {
            _ if self.task == Task::Multiclass => self.losses_of_classes(metric),
            Metric::Coverage | Metric::IntervalWidth | Metric::Pinball => {
                self.bounds.as_ref().map(|bounds| self.of_bounds(metric, bounds))
            }
            _ => metric.loss().map(of_position),
        };
        Measure { scored: self, metric, threshold, losses }
    }

    /// Whether each row's label lies within its bounds, or how wide they are.
    fn of_bounds(&self, metric: Metric, Bounds { low, high }: &Bounds) -> Vec<f64> {
        let of_row = |row: &u32| {
            let (label, low, high) = (self.label[*row as usize], low[*row as usize], high[*row as usize]);
            match metric {
                Metric::Coverage => f64::from(u8::from(low <= label && label <= high)),
                Metric::Pinball => self.pinball(label, (low, high)),
                _ => high - low,
            }
        };
        self.order.iter().map(of_row).collect()
    }

    /// Why a metric has no value here, as the end of a sentence.
    pub fn why_undefined(&self, metric: Metric) -> String {
        let counts = |row: &usize| self.weight(*row) > 0.0;
        let rows = (0..self.rows()).filter(counts).count();
        let ones = (0..self.rows()).filter(counts).filter(|row| self.label[*row] == 1.0).count();
        let named = if self.weights.is_some() { "rows that count" } else { "rows" };
        match (metric.judges(self.task), metric) {
            (false, _) => "is not of this task".to_owned(),
            _ if rows == 0 => format!("is undefined because all {} rows have the weight 0", self.rows()),
            (_, Metric::MacroAuc) => self.why_no_macro_auc(),
            (_, Metric::Mape) => "is undefined where a label is 0".to_owned(),
            (_, Metric::Wape) => "is undefined because all labels are 0".to_owned(),
            (_, Metric::Coverage | Metric::IntervalWidth | Metric::Pinball) => {
                "is undefined without intervals".to_owned()
            }
            (_, Metric::Mase | Metric::Rmsse) => {
                "is undefined without errors of a plain forecast to scale by".to_owned()
            }
            (_, Metric::Mae | Metric::Rmse | Metric::Bias) => {
                "is undefined because it lies beyond the largest float64; scale the label".to_owned()
            }
            (_, Metric::R2) => "is undefined because all labels are equal".to_owned(),
            (_, _) if ones == 0 => format!("is undefined because none of the {rows} {named} has class 1"),
            (_, _) if ones == rows => format!("is undefined because all of the {rows} {named} have class 1"),
            _ => "is undefined without a threshold".to_owned(),
        }
    }
}

/// A metric of certain rows, to be taken with any weights.
pub(crate) struct Measure<'a> {
    scored: &'a Scored,
    metric: Metric,
    threshold: Option<f64>,
    /// What the row at each position loses, for metrics that are means over rows.
    losses: Option<Vec<f64>>,
}

impl Measure<'_> {
    /// The metric where the row at position `i` was drawn `counts[i]` times; `None` where undefined.
    pub fn value(&self, counts: &[u8]) -> Option<f64> {
        match &self.scored.weights {
            None => self.weighed(counts, Counts(counts)),
            Some(weights) => self.weighed(counts, Weighed { counts, weights: &weights.of_positions }),
        }
    }

    fn weighed(&self, counts: &[u8], weights: impl Weights) -> Option<f64> {
        let scored = self.scored;
        if !self.metric.judges(scored.task) {
            return None;
        }
        if let Some(losses) = &self.losses {
            return self.metric.of_loss(mean(losses, weights)?);
        }
        let value = match self.metric {
            Metric::Auc => scored.auc(weights),
            Metric::AveragePrecision => scored.average_precision(weights),
            Metric::Precision => Some(scored.decisions(self.threshold?, weights).precision()),
            Metric::Recall => scored.decisions(self.threshold?, weights).recall(),
            Metric::F1 => scored.decisions(self.threshold?, weights).f1(),
            Metric::Accuracy => scored.decisions(self.threshold?, weights).accuracy(),
            Metric::R2 => scored.r2(weights),
            Metric::Wape => scored.wape(weights),
            Metric::Mase => scored.scaled(weights, |error, scale| error.abs() / scale.absolute),
            Metric::Rmsse => scored.scaled(weights, |error, scale| error * error / scale.squared).map(f64::sqrt),
            Metric::MacroF1 => scored.macro_f1(weights),
            Metric::MacroAuc => scored.macro_auc(counts),
            _ => None,
        };
        value.filter(|value| value.is_finite())
    }
}

impl Scored {
    /// `1 - sum (y - ŷ)² / sum (y - mean y)²`.
    fn r2(&self, weights: impl Weights) -> Option<f64> {
        let mean = mean(&self.label, weights)?;
        let (mut spread, mut error) = (0.0, 0.0);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for ((label, score), weight) in self.label.iter().zip(&self.score).zip(weights.of(0..self.rows())) {
            let weight = weight.as_f64();
            spread += weight * (label - mean).powi(2);
            error += weight * (label - score).powi(2);
            if weight > 0.0 {
                (low, high) = (low.min(*label), high.max(*label));
            }
        }
        // Of equal labels the mean is rounded: the spread around it need not be 0.
        (low < high && spread > 0.0).then(|| 1.0 - error / spread)
    }
}

#[cfg(test)]
mod weights_tests;

#[cfg(test)]
mod tests {
    use super::*;

    fn regression(label: &[f64], score: &[f64]) -> Scored {
        Scored::new(Task::Regression, label.to_vec(), score.to_vec(), "test").unwrap()
    }

    fn close(value: Option<f64>, reference: f64) {
        let value = value.unwrap();
        assert!((value - reference).abs() < 1e-12, "{value} instead of {reference}");
    }

    #[test]
    fn regression_metrics_are_those_of_scikit_learn() {
        // scikit-learn 1.9: mean_absolute_error, root_mean_squared_error, mean_absolute_percentage_error,
        // r2_score of y = [3, -0.5, 2, 7.5], p = [2.5, 0.1, 2, 8].
        let scored = regression(&[3.0, -0.5, 2.0, 7.5], &[2.5, 0.1, 2.0, 8.0]);
        close(scored.value(Metric::Mae, None), 0.4);
        close(scored.value(Metric::Rmse, None), 0.463_680_924_774_785_2);
        close(scored.value(Metric::Mape, None), 0.358_333_333_333_333_35);
        close(scored.value(Metric::R2, None), 0.974_328_358_208_955_2);
        // By hand: (0.5 + 0.6 + 0 + 0.5) / 13, and (-0.5 + 0.6 + 0 + 0.5) / 4.
        close(scored.value(Metric::Wape, None), 1.6 / 13.0);
        close(scored.value(Metric::Bias, None), 0.15);
        assert!(Metric::Bias.gain(-0.1, 0.2) > 0.0 && Metric::Bias.gain(0.3, -0.2) < 0.0);
        assert_eq!(regression(&[0.0], &[1.0]).why_undefined(Metric::Wape), "is undefined because all labels are 0");
    }

    #[test]
    fn intervals_are_judged_by_share_and_width() {
        let bounds = Bounds { low: vec![2.0, 0.0, 1.0, 7.5], high: vec![3.0, 1.0, 4.0, 9.0] };
        let scored = regression(&[3.0, -0.5, 2.0, 7.5], &[2.5, 0.1, 2.0, 8.0]);
        assert_eq!(scored.value(Metric::Coverage, None), None);
        assert_eq!(scored.why_undefined(Metric::Coverage), "is undefined without intervals");
        let scored = scored.with_bounds(bounds);
        close(scored.value(Metric::Coverage, None), 0.75);
        close(scored.value(Metric::IntervalWidth, None), 1.625);
        assert!(Metric::of(Task::Regression).all(|metric| !metric.judges_intervals()));
        let found = Resamples::of_rows(4, 200, 1).intervals(&scored, &[Metric::Coverage], None)[0].unwrap();
        assert!(found.low < 0.75 && found.high == 1.0, "{found:?}");
    }

    #[test]
    fn what_is_undefined_has_no_value_and_a_reason() {
        let scored = regression(&[0.0, 0.0], &[1.0, 2.0]);
        assert_eq!(scored.value(Metric::Mape, None), None);
        assert_eq!(scored.value(Metric::R2, None), None);
        assert_eq!(scored.why_undefined(Metric::Mape), "is undefined where a label is 0");
        let equal = regression(&[0.1; 3], &[0.1, 0.2, 0.3]);
        assert_eq!(equal.value(Metric::R2, None), None);
        assert_eq!(equal.why_undefined(Metric::R2), "is undefined because all labels are equal");
        let huge = regression(&[1e300, -1e300], &[0.0, 0.0]);
        assert_eq!(huge.value(Metric::Rmse, None), None);
        assert!(huge.why_undefined(Metric::Rmse).contains("beyond the largest float64"));
        let one = Scored::new(Task::Classification, vec![0.0; 3], vec![0.1, 0.2, 0.3], "test").unwrap();
        for metric in [Metric::Auc, Metric::AveragePrecision, Metric::Recall] {
            assert_eq!(one.value(metric, Some(0.5)), None, "{metric}");
        }
        assert_eq!(one.why_undefined(Metric::Auc), "is undefined because none of the 3 rows has class 1");
        assert_eq!(one.value(Metric::Accuracy, None), None);
    }

    #[test]
    fn rows_that_cannot_be_measured_are_refused() {
        let failure = |label: &[f64], score: &[f64]| {
            Scored::new(Task::Classification, label.to_vec(), score.to_vec(), "test part").unwrap_err().to_string()
        };
        assert_eq!(
            failure(&[0.0, 1.0], &[0.5, f64::NAN]),
            "test part: the score of row 2 is NaN; look for infinite or extreme features, or lower the learning rate"
        );
        assert_eq!(failure(&[0.0, 2.0], &[0.5, 0.5]), "test part: the label of row 2 is 2; labels must be 0 and 1");
        assert_eq!(failure(&[], &[]), "test part: no rows; change 'split' so that each part has rows");
    }

    #[test]
    fn names_are_those_of_yaml() {
        for metric in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
        }
    }

    #[test]
    fn a_gain_is_positive_when_better() {
        assert!(Metric::Auc.gain(0.8, 0.7) > 0.0 && Metric::LogLoss.gain(0.5, 0.6) > 0.0);
    }
}
