//! How good predictions probably are, before it is known what happened: an estimate, and how wrong such estimates were.
//!
//! **Classes: confidence-based performance estimation (CBPE)** (Białek, Kuberski, Perrakis, Bifet 2024, "Estimating Model
//! Performance Under Covariate Shift Without Labels", arXiv:2401.08348). If scores are calibrated, a row with the probability
//! p is of class 1 with p and of class 0 with 1 − p. So each row counts twice: as a row of class 1 with the weight p, and as
//! one of class 0 with the weight 1 − p. A metric of these weighted rows is what the metric is expected to be. Scores become
//! probabilities by isotonic regression on the rows of the test part.
//!
//! **Regression.** Each row is expected to have the loss that test rows with such a prediction had, by tenths of the
//! predictions. That is coarser than CBPE: it sees that predictions are now of a size where errors are larger.
//!
//! Both see only what changes in the columns (covariate shift). If the same columns mean another label than before (concept
//! drift), nothing but labels can tell; so the error of the estimate is measured on the weeks whose labels have come.

mod calibration;
mod report;

use std::collections::BTreeMap;

use alert::Priority;
use chrono::NaiveDate;
use polars::prelude::DataFrame;
use schemars::JsonSchema;
use score::Task;
use score::metrics::{Metric, Resamples, Scored};
use serde::Deserialize;
use spec::{Error, Result, Severity};

use self::calibration::{Isotonic, Losses};
use crate::outcomes::{self, Asker, Keys, Outcome, entities_of, grouped, join, newest_weeks};
use crate::performance::{Promised, RESAMPLES};

/// How predictions are judged before it is known what happened.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EstimateSpec {
    /// The table of the features stage that holds labels, where there are any yet. Default: `training`.
    pub labels: String,
    /// By which metric; it must be one that the model's card has. Default: `auc`, of regression `mae`.
    pub metric: Option<Metric>,
    /// How much worse than the card's figure the estimate may be, as a share of that figure. Default: 0.2.
    pub max_worse: f64,
    /// Weeks with fewer rows are reported and not judged. Default: 100.
    pub min_rows: u32,
    /// Predictions of how many weeks are looked at, from the newest. Default: 26.
    pub weeks: u32,
    /// `soft` (default) warns, `hard` refuses the run.
    pub severity: Severity,
    /// How urgent an alert is, from `P0` to `P3`. Default: as `resources/alerts.yaml` says.
    pub priority: Option<Priority>,
}

impl Default for EstimateSpec {
    fn default() -> EstimateSpec {
        EstimateSpec {
            labels: "training".to_owned(),
            metric: None,
            max_worse: 0.2,
            min_rows: 100,
            weeks: 26,
            severity: Severity::Soft,
            priority: None,
        }
    }
}

impl EstimateSpec {
    /// The first key whose value is out of its range, with the way out.
    pub fn fault(&self) -> Option<Error> {
        outcomes::fault(self.max_worse, self.weeks, self.min_rows)
    }

    /// The metric that is estimated for predictions of `task`.
    ///
    /// # Errors
    /// Cannot run: a metric that cannot be estimated, or several classes.
    pub fn metric_of(&self, task: Task) -> Result<Metric> {
        let metric = self.metric.unwrap_or(if task == Task::Regression { Metric::Mae } else { Metric::Auc });
        if task == Task::Multiclass {
            return Err(Error::cannot_run("estimate: predictions of several classes cannot be estimated yet")
                .hint("take 'estimate' out of monitor.yaml"));
        }
        // What is expected is a loss per row; these are no means of it.
        let can_be = |metric: &Metric| !matches!(metric, Metric::R2 | Metric::Wape | Metric::Bias);
        if !Metric::of(task).filter(can_be).any(|known| known == metric) {
            let known: Vec<&str> = Metric::of(task).filter(can_be).map(Metric::name).collect();
            return Err(Error::cannot_run(format!("estimate.metric: '{metric}' cannot be estimated for this model"))
                .hint(format!("choose one of: {}", known.join(", "))));
        }
        Ok(metric)
    }
}

/// The rows of a version's test part: what the model scored, and what was true.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    pub scores: Vec<f64>,
    pub labels: Vec<f64>,
}

/// A version, one of its weeks, and how good its predictions probably are.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    pub version: String,
    pub week: NaiveDate,
    /// Predictions of the week.
    pub rows: u64,
    pub estimate: Option<f64>,
    /// The interval that holds the estimate in 95 % of resamples of whole entities.
    pub interval: Option<(f64, f64)>,
    pub test: Option<f64>,
    /// How much worse than on the test part, as a share of that; negative if better.
    pub worse: Option<f64>,
    /// Predictions of the week whose label is known by now.
    pub known_rows: u64,
    /// What the metric turned out to be on these rows.
    pub value: Option<f64>,
    /// The estimate for the same rows minus that value.
    pub error: Option<f64>,
    /// Whether it is worse than allowed, by more than chance and the usual error of the estimate.
    pub failed: bool,
}

/// What was estimated.
#[derive(Clone, Debug, PartialEq)]
pub struct EstimateReport {
    pub metric: Metric,
    /// By version and week.
    pub lines: Vec<Estimate>,
    /// The mean size of the error of the estimates, over the weeks with enough known labels; `None` without any.
    pub usual_error: Option<f64>,
    /// How many such weeks there are.
    pub checked_weeks: u32,
    /// Versions with predictions whose test part has too few rows to say what a score means.
    pub without_reference: Vec<String>,
}

/// Rows of the test part that it takes to say what a score means.
const LEAST_REFERENCE: usize = 100;

/// Estimates how good predictions are. `predictions` and `outcomes` as for [`crate::performance`]; `outcomes` is `None` if no
/// label is known at all. `promised` and `references`: by version.
///
/// # Errors
/// Cannot run: keys of different types, a label that is not of numbers or booleans.
pub fn estimate(
    spec: &EstimateSpec,
    task: Task,
    keys: &Keys,
    predictions: &DataFrame,
    outcomes: Option<&DataFrame>,
    promised: &BTreeMap<String, Promised>,
    references: &BTreeMap<String, Reference>,
) -> Result<EstimateReport> {
    let metric = spec.metric_of(task)?;
    let asker = Asker { key: "estimate", labels: &spec.labels, segments: &[] };
    let mut rows = join(asker, keys, predictions, outcomes)?;
    newest_weeks(&mut rows, spec.weeks);
    let mut report = EstimateReport {
        metric,
        lines: Vec::new(),
        usual_error: None,
        checked_weeks: 0,
        without_reference: Vec::new(),
    };
    for (version, rows) in grouped(rows.iter(), |outcome| outcome.version.as_str()) {
        let reference = references.get(version).filter(|reference| reference.scores.len() >= LEAST_REFERENCE);
        let Some(reference) = reference else {
            report.without_reference.push(version.to_owned());
            continue;
        };
        let promised = promised.get(version).cloned().unwrap_or_default();
        let expected = Expected::of(task, metric, reference, promised.threshold);
        for (week, rows) in grouped(rows.iter().copied(), |outcome| outcome.week) {
            report.lines.push(line(&expected, &promised, version, week, &rows)?);
        }
    }
    let is_checked = |line: &&Estimate| line.known_rows >= u64::from(spec.min_rows);
    let errors: Vec<f64> = report.lines.iter().filter(is_checked).filter_map(|line| Some(line.error?.abs())).collect();
    report.checked_weeks = errors.len() as u32;
    report.usual_error = (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64);
    let usual = report.usual_error.unwrap_or(0.0);
    for line in &mut report.lines {
        let beyond = line.interval.map(|(low, high)| (low - usual, high + usual));
        let promised = Promised { test: line.test, threshold: None };
        // What is known is judged by `performance`.
        let is_open = 2 * line.known_rows < line.rows && line.rows >= u64::from(spec.min_rows);
        line.failed =
            is_open && promised.is_beyond(metric, beyond) && line.worse.is_some_and(|worse| worse > spec.max_worse);
    }
    Ok(report)
}

fn line(
    expected: &Expected,
    promised: &Promised,
    version: &str,
    week: NaiveDate,
    rows: &[&Outcome],
) -> Result<Estimate> {
    let all = expected.of_rows(rows)?;
    let estimate = all.value(expected.metric, expected.threshold);
    let resamples = Resamples::of_entities(expected.entities(rows), RESAMPLES.0, RESAMPLES.1);
    let interval = resamples.intervals(&all, &[expected.metric], expected.threshold).remove(0);
    let known: Vec<&Outcome> = rows.iter().copied().filter(|row| row.label.is_some()).collect();
    let (mut value, mut error) = (None, None);
    if !known.is_empty() {
        let labels = known.iter().filter_map(|row| row.label).collect();
        let scores = known.iter().map(|row| row.score).collect();
        value = Scored::new(expected.task, labels, scores, "estimate")?.value(expected.metric, expected.threshold);
        let guessed = expected.of_rows(&known)?.value(expected.metric, expected.threshold);
        error = guessed.zip(value).map(|(guessed, value)| guessed - value);
    }
    Ok(Estimate {
        version: version.to_owned(),
        week,
        rows: rows.len() as u64,
        estimate,
        interval: interval.map(|interval| (interval.low, interval.high)),
        test: promised.test,
        worse: promised.worse(expected.metric, estimate),
        known_rows: known.len() as u64,
        value,
        error,
        failed: false,
    })
}

/// What is expected of a row by its score.
struct Expected {
    task: Task,
    metric: Metric,
    threshold: Option<f64>,
    by: By,
}

enum By {
    /// The probability of class 1.
    Probability(Isotonic),
    /// The loss that the metric is the mean of.
    Loss(Losses),
}

impl Expected {
    fn of(task: Task, metric: Metric, reference: &Reference, threshold: Option<f64>) -> Expected {
        let Reference { scores, labels } = reference;
        let by = match task {
            Task::Regression => {
                let loss = |(score, label): (&f64, &f64)| match metric {
                    Metric::Rmse => (score - label) * (score - label),
                    Metric::Mape => ((score - label) / label).abs(),
                    _ => (score - label).abs(),
                };
                let losses: Vec<f64> = scores.iter().zip(labels).map(loss).collect();
                By::Loss(Losses::fit(scores, &losses))
            }
            _ => By::Probability(Isotonic::fit(scores, labels)),
        };
        Expected { task, metric, threshold, by }
    }

    /// The rows with labels that stand for what is expected: the metric of these is the estimate.
    fn of_rows(&self, rows: &[&Outcome]) -> Result<Scored> {
        let scores: Vec<f64> = rows.iter().map(|row| row.score).collect();
        match &self.by {
            By::Probability(isotonic) => {
                let ones: Vec<f64> = scores.iter().map(|score| isotonic.at(*score)).collect();
                let weights: Vec<f64> = ones.iter().copied().chain(ones.iter().map(|one| 1.0 - one)).collect();
                let labels = [vec![1.0; rows.len()], vec![0.0; rows.len()]].concat();
                let scored = Scored::new(self.task, labels, [&scores[..], &scores].concat(), "estimate")?;
                Ok(scored.with_weights(Some(&weights)))
            }
            By::Loss(losses) => {
                // A label that is off by just what is expected.
                let label = |score: &f64| {
                    let loss = losses.at(*score);
                    match self.metric {
                        Metric::Rmse => score - loss.sqrt(),
                        Metric::Mape => score / (1.0 + loss),
                        _ => score - loss,
                    }
                };
                Scored::new(self.task, scores.iter().map(label).collect(), scores, "estimate")
            }
        }
    }

    /// The entity of each row of [`Expected::of_rows`].
    fn entities(&self, rows: &[&Outcome]) -> Vec<u32> {
        let entities = entities_of(rows);
        match self.by {
            By::Probability(_) => [&entities[..], &entities].concat(),
            By::Loss(_) => entities,
        }
    }
}

#[cfg(test)]
mod tests;
