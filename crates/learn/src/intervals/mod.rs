//! Prediction intervals: bounds that hold the label of a new row with a chosen probability.
//!
//! Both methods are split-conformal: what the model misses on the validation rows, of which no learner learned, says how
//! wide the bounds of new rows must be. The promise holds for rows like those of the validation part; an
//! early stop and the choice among experiments looked at these rows too, and time advances, so the coverage is
//! measured on the test part. With folds the misses are those of every fold, each by a model that had not learned its
//! rows, and the model that predicts has learned from all of them (as in CV+, Barber et al. 2021, without its minimum and
//! maximum over the folds).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Error, Result, ResultExt};

use score::{
    IntervalMethod, IntervalRecord, Intervals, LabelTransform, Model, Task, Tuned, logarithms, quantile_scores,
};

use crate::{Data, Learner, LearnerSpec};

/// How wide the bounds beside each prediction are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IntervalSpec {
    /// The share of labels that shall lie between the bounds, above 0 and below 1; default 0.9.
    #[serde(deserialize_with = "spec::range::within")]
    #[schemars(range(min = 0, max = 1))]
    pub coverage: f64,
    /// How the bounds are found.
    pub by: IntervalMethod,
}

impl Default for IntervalSpec {
    fn default() -> IntervalSpec {
        IntervalSpec { coverage: 0.9, by: IntervalMethod::default() }
    }
}

/// What intervals are fitted on.
pub(crate) struct Fitting<'a> {
    pub train: Data<'a>,
    pub valid: Data<'a>,
    /// The model's predictions of the validation rows, in the label's unit.
    pub predicted: &'a [f64],
    /// Whether misses count by the weights of their rows.
    pub weighted: bool,
    pub label_transform: Option<LabelTransform>,
    /// The learner of the chosen experiment.
    pub chosen: Option<&'a LearnerSpec>,
    pub seed: u64,
}

/// What the bounds would miss on rows that taught nothing, before they are widened.
pub(crate) struct Missed {
    /// By how much, per row, on the scale that is learned on; negative within the bounds.
    misses: Vec<f64>,
    /// How much each row counts; none: all the same.
    weights: Option<Vec<f64>>,
    /// Models of the quantiles (`quantiles`).
    quantiles: Option<[Box<dyn Model>; 2]>,
}

impl IntervalSpec {
    /// Intervals of a model by its errors on the validation rows. Errors: too few of these rows.
    pub(crate) fn fit(&self, fitting: &Fitting<'_>) -> Result<Intervals> {
        let Missed { misses, weights, quantiles } = self.missed(fitting)?;
        self.intervals(misses, weights, quantiles, fitting.label_transform)
    }

    /// Intervals of a model that learned from `rows`, among them all that taught and validated the fits of `missed`: one,
    /// or one per fold. No row was missed by a model that had learned from it.
    pub(crate) fn refit(
        &self,
        missed: Vec<Missed>,
        rows: Data<'_>,
        (label_transform, chosen): (Option<LabelTransform>, Option<&LearnerSpec>),
        seed: u64,
    ) -> Result<Intervals> {
        let label = match label_transform {
            Some(LabelTransform::Log) => logarithms(rows.label),
            None => rows.label.to_vec(),
        };
        let refit = |at: usize, learner: &dyn Learner| {
            let tuned =
                missed.iter().filter_map(|missed| Some((missed.quantiles.as_ref()?[at].tuned(), missed.misses.len())));
            let tuned = Tuned::of_folds(&tuned.collect::<Vec<_>>());
            let rows = Data { features: rows.features, label: &label };
            learner.refit(Task::Regression, rows, &tuned, seed).context("intervals")
        };
        let quantiles = match self.by {
            IntervalMethod::Conformal => None,
            IntervalMethod::Quantiles => {
                let [low, high] = self.quantile_learners(chosen);
                Some([refit(0, low.as_ref())?, refit(1, high.as_ref())?])
            }
        };
        let weights: Option<Vec<&[f64]>> = missed.iter().map(|missed| missed.weights.as_deref()).collect();
        let weights = weights.map(|all| all.concat());
        let misses = missed.into_iter().flat_map(|missed| missed.misses).collect();
        self.intervals(misses, weights, quantiles, label_transform)
    }

    fn intervals(
        &self,
        misses: Vec<f64>,
        weights: Option<Vec<f64>>,
        quantiles: Option<[Box<dyn Model>; 2]>,
        label_transform: Option<LabelTransform>,
    ) -> Result<Intervals> {
        let margin = match weights {
            None => conformal_quantile(misses, self.coverage)?,
            Some(weights) => weighted_quantile(misses, &weights, self.coverage)?,
        };
        let record =
            IntervalRecord { coverage: self.coverage, by: self.by, margin, label_transform, clip: None, files: None };
        Ok(Intervals::new(record, quantiles))
    }

    /// What is missed on the validation rows.
    pub(crate) fn missed(&self, fitting: &Fitting<'_>) -> Result<Missed> {
        let scale = |values: &[f64]| match fitting.label_transform {
            Some(LabelTransform::Log) => logarithms(values),
            None => values.to_vec(),
        };
        let label = scale(fitting.valid.label);
        let weights = fitting.valid.features.weights().filter(|_| fitting.weighted).map(<[f64]>::to_vec);
        match self.by {
            IntervalMethod::Conformal => {
                let predicted = scale(fitting.predicted);
                let misses = label.iter().zip(&predicted).map(|(label, predicted)| (label - predicted).abs());
                Ok(Missed { misses: misses.collect(), weights, quantiles: None })
            }
            IntervalMethod::Quantiles => {
                let models = self.quantiles(fitting, &scale(fitting.train.label), &label)?;
                let [low, high] = quantile_scores(&models, fitting.valid.features)?;
                let misses = label.iter().zip(low.iter().zip(&high));
                let misses = misses.map(|(label, (low, high))| (low - label).max(label - high));
                Ok(Missed { misses: misses.collect(), weights, quantiles: Some(models) })
            }
        }
    }

    /// The models of the quantiles that leave out equal shares below and above.
    fn quantiles(&self, fitting: &Fitting<'_>, train: &[f64], valid: &[f64]) -> Result<[Box<dyn Model>; 2]> {
        let fit = |learner: &dyn Learner| {
            let train = Data { features: fitting.train.features, label: train };
            let valid = Data { features: fitting.valid.features, label: valid };
            learner.fit(Task::Regression, train, valid, fitting.seed).context("intervals")
        };
        let [low, high] = self.quantile_learners(fitting.chosen);
        Ok([fit(low.as_ref())?, fit(high.as_ref())?])
    }

    fn quantile_learners(&self, chosen: Option<&LearnerSpec>) -> [Box<dyn Learner>; 2] {
        let outside = (1.0 - self.coverage) / 2.0;
        [outside, 1.0 - outside].map(|level| {
            let chosen = chosen.and_then(|chosen| chosen.of_quantile(level));
            chosen.unwrap_or_else(|| LearnerSpec::lightgbm_of_quantile(level)).build()
        })
    }
}

/// The `ceil((n + 1) · coverage)`-th smallest of n misses (Lei et al. 2018, algorithm 2): a new row misses by no more
/// with a probability of at least `coverage`.
fn conformal_quantile(mut misses: Vec<f64>, coverage: f64) -> Result<f64> {
    let rows = misses.len();
    // In floats a product may come out a hair above a whole number, as 0.07 · 100 does.
    let rank = ((rows + 1) as f64 * coverage - 1e-9).ceil().max(1.0) as usize;
    if rank > rows {
        return Err(too_few(rows, coverage));
    }
    let (_, quantile, _) = misses.select_nth_unstable_by(rank - 1, f64::total_cmp);
    Ok(*quantile)
}

/// The same where rows have weights (weighted conformal prediction: Tibshirani et al. 2019, "Conformal prediction under
/// covariate shift"): the smallest miss up to which the rows weigh at least `coverage` of all, a new row of mean weight
/// among them. Rows of weight 0 are not there.
fn weighted_quantile(misses: Vec<f64>, weights: &[f64], coverage: f64) -> Result<f64> {
    let mut misses: Vec<(f64, f64)> =
        misses.into_iter().zip(weights.iter().copied()).filter(|(_, weight)| *weight > 0.0).collect();
    misses.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let rows = misses.len() as f64;
    let mean = misses.iter().map(|(_, weight)| weight).sum::<f64>() / rows;
    let goal = (rows + 1.0) * coverage - 1e-9;
    let mut sum = 0.0;
    let found = misses.iter().find(|(_, weight)| {
        sum += weight / mean;
        sum >= goal
    });
    found.map(|(miss, _)| *miss).ok_or_else(|| too_few(misses.len(), coverage))
}

fn too_few(rows: usize, coverage: f64) -> Error {
    let needed = (coverage / (1.0 - coverage) - 1e-9).ceil();
    Error::refused(format!(
        "intervals: {rows} validation rows are too few for a coverage of {coverage}; at least {needed} are needed"
    ))
    .hint("give the validation part a larger share in 'split', or ask for less coverage")
}

#[cfg(test)]
mod tests;
