//! How good predictions probably are, before it is known what happened: an estimate, and how wrong such estimates were.
//!
//! **Classes: confidence-based performance estimation (CBPE)** (Białek, Kuberski, Perrakis, Bifet 2024, "Estimating Model
//! Performance Under Covariate Shift Without Labels", arXiv:2401.08348). If scores are calibrated, a row with the probability
//! p is of class 1 with p and of class 0 with 1 − p. So each row counts twice: as a row of class 1 with the weight p, and as
//! one of class 0 with the weight 1 − p. A metric of these weighted rows is what the metric is expected to be. Scores become
//! probabilities by isotonic regression on the rows of the test part.
//!
//! **Several classes.** Each class against all others is calibrated separately (Zadrozny and Elkan 2002, "Transforming
//! Classifier Scores into Accurate Multiclass Probability Estimates"), and the probabilities of a row are divided by their
//! sum; if all of them are 0, each class has the same. A row then counts once per class, with the probability of the class.
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
use artifact::PolarsResultExt;
use chrono::NaiveDate;
use polars::prelude::{Column, DataFrame, DataType};
use schemars::JsonSchema;
use score::metrics::{Metric, Resamples, Scored};
use score::{Registry, Task, Version};
use serde::Deserialize;
use spec::{Error, Name, Result, Severity};

use self::calibration::{Isotonic, Losses};
use crate::answers::Origin;
use crate::outcomes::{self, Asker, Keys, Outcome, class_names, entities_of, grouped, join, newest_weeks};
use crate::performance::{Promised, RESAMPLES};
use crate::unjudged::Unjudged;

/// How predictions are judged before it is known what happened.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EstimateSpec {
    /// Whose predictions: `predict` (default) are the scores that the stage `predict` wrote, `requests` the answers in the log
    /// that `serve` sealed. Of several about one row the last counts.
    pub from: Vec<Origin>,
    /// The pipeline under whose name the server seals its requests. Default: the pipeline's name with `_served`.
    pub served: Option<Name>,
    /// The table of the features stage that holds labels, where there are any yet. Default: `training`.
    pub labels: String,
    /// By which metric; it must be one that the model's card has. Default: `auc`, of several classes `log_loss`, of regression
    /// `mae`.
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
            from: vec![Origin::Predict],
            served: None,
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
        Origin::fault(&self.from, self.served.is_some())
            .or_else(|| outcomes::fault(self.max_worse, self.weeks, self.min_rows))
    }

    /// The metric that is estimated for predictions of `task`.
    ///
    /// # Errors
    /// Cannot run: a metric that cannot be estimated.
    pub fn metric_of(&self, task: Task) -> Result<Metric> {
        let metric = self.metric.unwrap_or(outcomes::usual_metric(task));
        // The estimate is a loss per row; these metrics are not means of one.
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
    /// One score per row; of several classes one probability per row and class.
    pub scores: Vec<f64>,
    /// One per row; of several classes the number of the class.
    pub labels: Vec<f64>,
}

impl Reference {
    /// From the folder of a version; empty if that does not have them. `classes`: of several classes their names.
    ///
    /// # Errors
    /// Test predictions that cannot be read.
    pub fn read(registry: &Registry, version: Version, keys: &Keys, classes: &[String]) -> Result<Reference> {
        let file = registry.folder(version).join("predictions.parquet");
        if !file.is_file() {
            return Ok(Reference::default());
        }
        let doing = format!("the test predictions of {version}");
        Reference::of(&artifact::collect(artifact::scan_files(&[&file])?, &doing)?, keys, classes)
    }

    /// From the test predictions of a version: the keys and the label, then one score or one probability per class, in their
    /// order; their names do not matter. `classes`: of several classes their names. Empty if a column is missing.
    ///
    /// # Errors
    /// Cannot run: a column of another type.
    pub fn of(rows: &DataFrame, keys: &Keys, classes: &[String]) -> Result<Reference> {
        let doing = "test predictions";
        let mut given = keys.shared();
        given.push(&keys.label);
        given.dedup();
        let width = classes.len().max(1);
        let scores: Vec<&Column> = rows.columns().iter().skip(given.len()).take(width).collect();
        let Ok(label) = rows.column(&keys.label) else { return Ok(Reference::default()) };
        if scores.len() < width {
            return Ok(Reference::default());
        }
        let numbers = |column: &Column| -> Result<Vec<Option<f64>>> {
            let column = column.cast(&DataType::Float64).during(doing)?;
            Ok(column.f64().during(doing)?.iter().collect())
        };
        let number = |name: &String| classes.iter().position(|class| class == name).map(|at| at as f64);
        let labels: Vec<Option<f64>> = match classes {
            [] => numbers(label)?,
            _ => class_names(doing, label)?.iter().map(|name| number(name.as_ref()?)).collect(),
        };
        let scores = scores.into_iter().map(numbers).collect::<Result<Vec<_>>>()?;
        let mut found = Reference::default();
        for (row, label) in labels.into_iter().enumerate() {
            let of_row: Option<Vec<f64>> = scores.iter().map(|column| column[row]).collect();
            if let (Some(label), Some(of_row)) = (label, of_row) {
                found.labels.push(label);
                found.scores.extend(of_row);
            }
        }
        Ok(found)
    }
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
    /// Why it could not fail; `None` if it has enough rows, something to be compared with, and is of a version that answers.
    pub unjudged: Option<Unjudged>,
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
/// Cannot run: keys of different types, a label of another type than the task needs, metrics that are weighted.
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
    if let Some(weight) = &keys.weight {
        return Err(Error::cannot_run(format!(
            "estimate: the metrics of the model are weighted by column '{weight}', which predictions do not have"
        ))
        .hint("take 'estimate' out of monitor.yaml, or 'weighted_metrics' out of train.yaml"));
    }
    let asker = Asker { key: "estimate", task, labels: &spec.labels, segments: &[], promised };
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
        let reference = references.get(version).filter(|reference| reference.labels.len() >= LEAST_REFERENCE);
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
        let promised = Promised { test: line.test, ..Promised::default() };
        let enough = line.rows >= u64::from(spec.min_rows);
        line.unjudged = Unjudged::of(line.rows, spec.min_rows, line.estimate, line.test);
        // What is known is judged by `performance`.
        let is_open = 2 * line.known_rows < line.rows && enough;
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
    let (all, entities) = expected.of_rows(rows)?;
    let estimate = all.value(expected.metric, expected.threshold);
    let resamples = Resamples::of_entities(entities, RESAMPLES.0, RESAMPLES.1);
    let interval = resamples.intervals(&all, &[expected.metric], expected.threshold).remove(0);
    let known: Vec<&Outcome> = rows.iter().copied().filter(|row| row.label.is_some()).collect();
    let (mut value, mut error) = (None, None);
    if !known.is_empty() {
        let scored = outcomes::scored(expected.task, &known, false, "estimate")?;
        value = scored.value(expected.metric, expected.threshold);
        let guessed = expected.of_rows(&known)?.0.value(expected.metric, expected.threshold);
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
        unjudged: None,
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
    /// The probability of each class by its score; of two classes that of class 1 alone.
    Probability(Vec<Isotonic>),
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
            Task::Classification => By::Probability(vec![Isotonic::fit(scores, labels)]),
            Task::Multiclass => {
                let classes = scores.len() / labels.len();
                let against_all = |class: usize| {
                    let scores: Vec<f64> = scores.iter().skip(class).step_by(classes).copied().collect();
                    let is_it = labels.iter().map(|label| f64::from(u8::from(*label == class as f64)));
                    Isotonic::fit(&scores, &is_it.collect::<Vec<_>>())
                };
                By::Probability((0..classes).map(against_all).collect())
            }
        };
        Expected { task, metric, threshold, by }
    }

    /// The rows with expected labels, whose metric is the estimate; and the entity of each.
    fn of_rows(&self, rows: &[&Outcome]) -> Result<(Scored, Vec<u32>)> {
        let entities = entities_of(rows);
        let (mut labels, mut scores) = (Vec::new(), Vec::new());
        match &self.by {
            By::Probability(calibrated) => {
                let (mut weights, mut of_entity) = (Vec::new(), Vec::new());
                for (row, entity) in rows.iter().zip(entities) {
                    let probabilities = probabilities(calibrated, &row.scores).into_iter().enumerate();
                    for (class, probability) in probabilities.filter(|(_, probability)| *probability > 0.0) {
                        labels.push(class as f64);
                        scores.extend_from_slice(&row.scores);
                        weights.push(probability);
                        of_entity.push(entity);
                    }
                }
                let scored = Scored::new(self.task, labels, scores, "estimate")?;
                Ok((scored.with_weights(Some(&weights)), of_entity))
            }
            By::Loss(losses) => {
                for score in rows.iter().flat_map(|row| &row.scores) {
                    // A row that loses just what is expected. Its label is not that of the prediction: from a prediction of 0 no
                    // label is some percent away.
                    let (label, score) = match (self.metric, losses.at(*score)) {
                        // Undefined, as it is among these rows of the test part.
                        (Metric::Mape, loss) if !loss.is_finite() => (0.0, 1.0),
                        (Metric::Mape, loss) => (1.0, 1.0 + loss),
                        (Metric::Rmse, loss) => (0.0, loss.sqrt()),
                        (_, loss) => (0.0, loss),
                    };
                    labels.push(label);
                    scores.push(score);
                }
                Ok((Scored::new(self.task, labels, scores, "estimate")?, entities))
            }
        }
    }
}

/// The probability of each class, by the scores of a row; they add up to 1.
fn probabilities(calibrated: &[Isotonic], scores: &[f64]) -> Vec<f64> {
    if let [of_one] = calibrated {
        let one = scores.first().map_or(f64::NAN, |score| of_one.at(*score));
        return vec![1.0 - one, one];
    }
    let mut each: Vec<f64> = calibrated.iter().zip(scores).map(|(of_class, score)| of_class.at(*score)).collect();
    let sum: f64 = each.iter().sum();
    let even = 1.0 / each.len() as f64;
    each.iter_mut().for_each(|one| *one = if sum > 0.0 { *one / sum } else { even });
    each
}

#[cfg(test)]
mod tests;
