//! Fits the experiments: once, judged on the validation part, or once per fold.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use spec::{Error, Result, ResultExt};

use super::rows::{PartRows, Parts};
use super::{Contender, TrainSpec, Tried};
use crate::metrics::{Metric, Scored};
use crate::{Data, Fold, Model, Task, Tuned};

/// The outcome of a contender.
pub(super) struct Outcome {
    pub tried: Tried,
    /// What learned from the train part; none with folds, of which no model has learned from all rows.
    pub model: Option<Box<dyn Model>>,
    pub tuned: Tuned,
    pub valid: Validated,
    /// The model's scores of the test part.
    pub test: Option<Scored>,
    pub fitting: Duration,
}

/// An experiment's scores of rows that it had not learned from: of the validation part, or fold after fold.
pub(super) struct Validated {
    pub folds: Vec<Scored>,
}

impl Validated {
    /// The mean over the folds; `None` if it is undefined in one of them.
    pub fn value(&self, metric: Metric, threshold: Option<f64>) -> Option<f64> {
        let values: Option<Vec<f64>> = self.folds.iter().map(|fold| fold.value(metric, threshold)).collect();
        let values = values.filter(|values| !values.is_empty())?;
        Some(values.iter().sum::<f64>() / values.len() as f64)
    }

    fn why_undefined(&self, metric: Metric, threshold: Option<f64>) -> String {
        let undefined = self.folds.iter().enumerate().find(|(_, fold)| fold.value(metric, threshold).is_none());
        match undefined {
            Some((number, fold)) if self.folds.len() > 1 => {
                format!("{} in fold {}", fold.why_undefined(metric), number + 1)
            }
            Some((_, fold)) => format!("{} on the validation part", fold.why_undefined(metric)),
            None => "is undefined".to_owned(),
        }
    }

    /// All rows as one.
    fn pooled(&self, task: Task, place: &str) -> Result<Scored> {
        let of = |values: fn(&Scored) -> &[f64]| self.folds.iter().flat_map(|fold| values(fold).to_vec()).collect();
        let weights: Option<Vec<&[f64]>> = self.folds.iter().map(Scored::weights).collect();
        let weights = weights.map(|folds| folds.concat());
        Ok(Scored::new(task, of(Scored::label), of(Scored::score), place)?.with_weights(weights.as_deref()))
    }

    pub fn rows(&self) -> usize {
        self.folds.iter().map(Scored::rows).sum()
    }
}

/// One fit of one contender.
pub(super) struct Fit {
    pub model: Box<dyn Model>,
    pub valid: Scored,
    pub took: Duration,
}

/// Rows of one fit.
#[derive(Clone, Copy)]
pub(super) struct Round<'a> {
    pub train: &'a PartRows,
    /// What may stop it early.
    pub stopping: &'a PartRows,
    pub judging: &'a PartRows,
}

/// Fits every contender, on the train part or fold by fold.
pub(super) fn fit_all(
    spec: &TrainSpec,
    contenders: &[&Contender],
    parts: &Parts,
    folds: &[Fold],
    progress: &dyn Fn(&str),
) -> Result<Vec<Outcome>> {
    if folds.is_empty() {
        let round = Round { train: &parts.train, stopping: parts.stopping(), judging: &parts.valid };
        let fits = fit_round(spec, contenders, round, " on the validation part", &|what| {
            progress(&format!("fitting {what}"));
        })?;
        let outcome = |(contender, fit)| single(spec, contender, fit, &parts.test);
        return contenders.iter().copied().zip(fits).map(outcome).collect();
    }
    let mut rounds: Vec<Vec<(Scored, Tuned, Duration)>> = contenders.iter().map(|_| Vec::new()).collect();
    for (number, fold) in (1..).zip(folds) {
        let [train, valid, steering] = [&fold.train, &fold.valid, &fold.steering].map(|rows| parts.train.take(rows));
        let stopping = if fold.steering.is_empty() { &valid } else { &steering };
        let place = format!(" in fold {number} of {}", folds.len());
        let round = Round { train: &train, stopping, judging: &valid };
        let fits = fit_round(spec, contenders, round, &place, &|what| {
            progress(&format!("fitting {what}{place}"));
        })?;
        for (round, fit) in rounds.iter_mut().zip(fits) {
            round.push((fit.valid, fit.model.tuned(), fit.took));
        }
    }
    contenders.iter().zip(rounds).map(|(contender, round)| over_folds(spec, contender, round)).collect()
}

/// Fits every contender on the same rows. Learners that use all cores themselves run one after the other, the rest side
/// by side.
fn fit_round(
    spec: &TrainSpec,
    contenders: &[&Contender],
    round: Round<'_>,
    place: &str,
    progress: &dyn Fn(&str),
) -> Result<Vec<Fit>> {
    let uses_all_cores = |contender: &Contender| matches!(contender.learner.name(), "lightgbm" | "forest");
    let single: Vec<&Contender> = contenders.iter().copied().filter(|contender| !uses_all_cores(contender)).collect();
    let names: Vec<&str> = single.iter().map(|contender| contender.name.as_str()).collect();
    progress(&names.join(", "));
    let fit = |contender: &Contender| fit(spec, contender, round, place);
    let side_by_side = single.par_iter().map(|contender| fit(contender)).collect::<Vec<Result<Fit>>>();
    let mut side_by_side = side_by_side.into_iter();
    let mut fits = Vec::with_capacity(contenders.len());
    for contender in contenders {
        let found = match uses_all_cores(contender) {
            false => side_by_side.next().unwrap_or_else(|| fit(contender)),
            true => {
                progress(&contender.name);
                fit(contender)
            }
        };
        fits.push(found?);
    }
    Ok(fits)
}

pub(super) fn fit(spec: &TrainSpec, contender: &Contender, round: Round<'_>, place: &str) -> Result<Fit> {
    let Round { train, stopping, judging } = round;
    let of_experiment = format!("experiment '{}'", contender.name);
    let begun = Instant::now();
    let model = contender.learner.fit(spec.task, train.data(), stopping.data(), spec.seed).context(&of_experiment)?;
    let took = begun.elapsed();
    let scores = model.predict(&judging.features).context(&of_experiment)?;
    let valid = scored(spec, judging.data(), scores, &format!("{of_experiment}{place}"))?;
    Ok(Fit { model, valid, took })
}

/// Scores of the test part by a model of `contender`.
pub(super) fn on_test(spec: &TrainSpec, name: &str, model: &dyn Model, rows: Data<'_>) -> Result<Scored> {
    let place = format!("experiment '{name}'");
    let scores = model.predict(rows.features).context(&place)?;
    scored(spec, rows, scores, &format!("{place} on the test part"))
}

/// `scores` of `rows`, which count by their weights unless the spec says otherwise.
pub(super) fn scored(spec: &TrainSpec, rows: Data<'_>, scores: Vec<f64>, place: &str) -> Result<Scored> {
    let weights = rows.features.weights().filter(|_| spec.weighted_metrics);
    Ok(Scored::new(spec.task, rows.label.to_vec(), scores, place)?.with_weights(weights))
}

/// The outcome of a contender that has learned from the train part.
pub(super) fn single(spec: &TrainSpec, contender: &Contender, fit: Fit, test: &PartRows) -> Result<Outcome> {
    let test = on_test(spec, &contender.name, fit.model.as_ref(), test.data())?;
    let valid = Validated { folds: vec![fit.valid] };
    let tried = tried(spec, contender, &valid, fit.model.notes())?;
    let tuned = fit.model.tuned();
    Ok(Outcome { tried, model: Some(fit.model), tuned, valid, test: Some(test), fitting: fit.took })
}

/// The outcome of a contender that has learned once per fold.
pub(super) fn over_folds(
    spec: &TrainSpec,
    contender: &Contender,
    rounds: Vec<(Scored, Tuned, Duration)>,
) -> Result<Outcome> {
    let fitting = rounds.iter().map(|(_, _, took)| *took).sum();
    let tuned: Vec<(Tuned, usize)> = rounds.iter().map(|(valid, tuned, _)| (*tuned, valid.rows())).collect();
    let trees: Vec<u32> = tuned.iter().filter_map(|(tuned, _)| tuned.trees).collect();
    let notes = trees_by_fold(&trees);
    let valid = Validated { folds: rounds.into_iter().map(|(valid, ..)| valid).collect() };
    let tried = tried(spec, contender, &valid, notes)?;
    Ok(Outcome { tried, model: None, tuned: Tuned::of_folds(&tuned), valid, test: None, fitting })
}

/// Notes on the trees of several folds.
pub(super) fn trees_by_fold(trees: &[u32]) -> serde_json::Value {
    match trees.is_empty() {
        true => serde_json::Value::Null,
        false => serde_json::json!({ "trees_by_fold": trees }),
    }
}

pub(super) fn tried(
    spec: &TrainSpec,
    contender: &Contender,
    valid: &Validated,
    notes: serde_json::Value,
) -> Result<Tried> {
    let place = format!("experiment '{}'", contender.name);
    let threshold = match (spec.task, &valid.folds[..]) {
        (Task::Regression | Task::Multiclass, _) => None,
        (Task::Classification, [one]) => Some(spec.threshold.clone().unwrap_or_default().pick(one).context(&place)?),
        (Task::Classification, folds) => {
            let pooled = valid.pooled(spec.task, &place)?;
            let rows = format!("the held-out rows of {} folds", folds.len());
            Some(spec.threshold.clone().unwrap_or_default().pick_on(&pooled, &rows).context(&place)?)
        }
    };
    let at = threshold.as_ref().map(|threshold| threshold.value);
    let metrics: BTreeMap<Metric, Option<f64>> =
        Metric::of(spec.task).map(|metric| (metric, valid.value(metric, at))).collect();
    let choose_by = spec.choose_by();
    if metrics.get(&choose_by).is_none_or(Option::is_none) {
        let hint = match valid.folds.len() {
            1 => "give the validation part a larger share in 'split', or choose by another metric",
            _ => "write fewer folds, or choose by another metric",
        };
        let why = valid.why_undefined(choose_by, at);
        return Err(Error::refused(format!("choose_by: {choose_by} {why}")).hint(hint));
    }
    let by_fold = match valid.folds.len() {
        1 => Vec::new(),
        _ => valid.folds.iter().filter_map(|fold| fold.value(choose_by, at)).collect(),
    };
    Ok(Tried {
        name: contender.name.clone(),
        learner: contender.learner.name().to_owned(),
        parameters: contender.learner.settings(),
        metrics,
        by_fold,
        behind: None,
        threshold,
        notes,
    })
}
