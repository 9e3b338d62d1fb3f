//! Runs the experiments of a spec.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use polars::prelude::LazyFrame;
use rayon::prelude::*;
use spec::{Error, Result, ResultExt};

use super::gate::beats_baseline;
use super::rows::{self, Parts, Table};
use super::{BASELINE, Explained, Importance, Known, Measured, TrainSpec, Trial, Tried};
use crate::intervals::Fitting;
use crate::metrics::{Interval, Metric, Resamples, Scored};
use crate::random::sample;
use crate::{Data, Intervals, Learner, LearnerSpec, Model, Part, Task};

/// Rows of the test part that are explained by contributions.
const EXPLAINED: usize = 1000;

/// A learner with the name of its experiment.
pub(super) struct Contender {
    pub name: String,
    pub learner: Box<dyn Learner>,
}

/// What became of a contender.
struct Outcome {
    tried: Tried,
    model: Box<dyn Model>,
    valid: Scored,
    test: Scored,
    fitting: Duration,
}

/// Learns, chooses and judges: the table of features `table` (label included) as `spec` says. The table is read column
/// by column, so that it never stands in memory beside its parts.
///
/// `known` is what the table's evidence says: with a horizon a split by time purges, with definitions only features are
/// learned from. Equal inputs give equal trials. Errors: columns that are not there or of the wrong type, labels that leave
/// nothing to learn, parts without rows, a validation part on which the choosing metric is undefined,
/// scores that are no numbers. A gate that does not pass is no error: it is in [`Trial::gate`].
pub fn run(spec: &TrainSpec, table: LazyFrame, known: &Known, progress: &dyn Fn(&str)) -> Result<Trial> {
    let contender = |(name, learner): (&str, &LearnerSpec)| {
        let learner = match (spec.label_transform, learner) {
            // A baseline is the mean or median of the label itself, not of its logarithm.
            (Some(transform), learner) if !matches!(learner, LearnerSpec::Baseline(_)) => {
                transform.around(learner.build())
            }
            _ => learner.build(),
        };
        Contender { name: name.to_owned(), learner }
    };
    let baseline = Contender { name: BASELINE.to_owned(), learner: LearnerSpec::Baseline(Default::default()).build() };
    let contenders: Vec<Contender> = spec.experiments.iter().map(contender).chain([baseline]).collect();
    run_contenders(spec, &contenders, table, known, progress)
}

/// The last contender is the baseline.
pub(super) fn run_contenders(
    spec: &TrainSpec,
    contenders: &[Contender],
    table: LazyFrame,
    known: &Known,
    progress: &dyn Fn(&str),
) -> Result<Trial> {
    let table = Table::new(table, known.definitions.as_ref(), spec)?;
    let keys = table.keys()?;
    let count = keys.height() as u64;
    let label = rows::label(&keys, spec)?;
    let mut split = rows::split(&keys, &label, known.horizon_days, spec)?;
    drop(keys);
    let parts = rows::cut(&table, &split, &label)?;
    split.summary.notes.extend(parts.notes.iter().cloned());
    let test_at = (0..).zip(&split.parts).filter(|(_, part)| **part == Part::Test).map(|(at, _)| at).collect();
    drop(label);
    progress(&format!(
        "split: {} train, {} validation, {} test, {} purged rows",
        split.summary.rows(Part::Train),
        split.summary.rows(Part::Valid),
        split.summary.rows(Part::Test),
        split.summary.rows(Part::Purged)
    ));
    let mut outcomes = fit_all(spec, contenders, &parts, progress)?;
    let chosen = choose(spec, &outcomes)?;
    progress(&format!("chosen: {}", outcomes[chosen].tried.name));
    let intervals = intervals(spec, &mut outcomes[chosen], &parts, progress)?;

    let resamples = Resamples::of_entities(rows::entities(&parts.test_rows, spec)?, spec.resamples as usize, spec.seed);
    let (best, baseline) = (&outcomes[chosen], &outcomes[outcomes.len() - 1]);
    let threshold = best.tried.threshold.clone();
    let at = |outcome: &Outcome| outcome.tried.threshold.as_ref().map(|threshold| threshold.value);
    let of_intervals = Metric::of_intervals().filter(|_| intervals.is_some());
    let metrics: Vec<Metric> = Metric::of(spec.task).chain(of_intervals).collect();
    let resampled = resamples.intervals(&best.test, &metrics, at(best));
    let measured = |(metric, interval): (&Metric, Option<Interval>)| {
        let value = best.test.value(*metric, at(best));
        let why = value.is_none().then(|| best.test.why_undefined(*metric));
        (*metric, Measured { value, interval, baseline: baseline.test.value(*metric, at(baseline)), why })
    };
    let test: BTreeMap<Metric, Measured> = metrics.iter().zip(resampled).map(measured).collect();
    let choose_by = spec.choose_by();
    let gain = resamples.gain(choose_by, (&best.test, at(best)), (&baseline.test, at(baseline)));
    let value = |metric: Metric| test.get(&metric).and_then(|measured| measured.value);
    let against_baseline =
        beats_baseline(choose_by, gain, value(choose_by), baseline.test.value(choose_by, at(baseline)), &best.test);
    let limits = spec.gate.iter().map(|gate| gate.judge(value(gate.metric), &best.test));
    let gate = std::iter::once(against_baseline).chain(limits).collect();
    let confusion = at(best).map(|threshold| best.test.confusion_at(threshold));
    let explained = explain(best.model.as_ref(), &parts, spec.seed)?;
    let importance = importance(best.model.as_ref(), explained.as_ref());

    let mut models = Vec::new();
    let (mut tried, mut scored, mut fitting) = (Vec::new(), Vec::new(), Vec::new());
    for outcome in outcomes {
        fitting.push(outcome.fitting);
        scored.push((outcome.tried.name.clone(), outcome.test));
        tried.push(outcome.tried);
        models.push(outcome.model);
    }
    Ok(Trial {
        spec: spec.clone(),
        horizon_days: known.horizon_days,
        definitions: known.definitions.clone(),
        summaries: parts.summaries,
        notes: parts.notes,
        rows: count,
        split: split.summary,
        chosen: tried[chosen].name.clone(),
        tried,
        fitting,
        model: models.swap_remove(chosen),
        intervals,
        threshold,
        test,
        confusion,
        gain_over_baseline: gain,
        gate,
        scored,
        importance,
        explained,
        test_rows: parts.test_rows,
        test_at,
        resamples,
    })
}

/// Intervals of the chosen model, and with them the bounds of its predictions of the test part.
fn intervals(
    spec: &TrainSpec,
    outcome: &mut Outcome,
    parts: &Parts,
    progress: &dyn Fn(&str),
) -> Result<Option<Intervals>> {
    let Some(asked) = &spec.intervals else { return Ok(None) };
    progress("fitting intervals");
    let fitted = asked.fit(&Fitting {
        train: Data { features: &parts.train.features, label: &parts.train.label },
        valid: Data { features: &parts.valid.features, label: &parts.valid.label },
        predicted: outcome.valid.score(),
        label_transform: spec.label_transform,
        chosen: spec.experiments.iter().find(|(name, _)| *name == outcome.tried.name).map(|(_, learner)| learner),
        seed: spec.seed,
    })?;
    let bounds = fitted.bounds(&parts.test.features, outcome.test.score())?;
    outcome.test = outcome.test.clone().with_bounds(bounds);
    Ok(Some(fitted))
}

/// Fits every contender. Those that use all cores by themselves run one after the other, the rest side by
/// side.
fn fit_all(spec: &TrainSpec, contenders: &[Contender], parts: &Parts, progress: &dyn Fn(&str)) -> Result<Vec<Outcome>> {
    let uses_all_cores = |contender: &Contender| matches!(contender.learner.name(), "lightgbm" | "forest");
    let single: Vec<&Contender> = contenders.iter().filter(|contender| !uses_all_cores(contender)).collect();
    let names: Vec<&str> = single.iter().map(|contender| contender.name.as_str()).collect();
    progress(&format!("fitting {}", names.join(", ")));
    let mut side_by_side =
        single.par_iter().map(|contender| fit(spec, contender, parts)).collect::<Vec<Result<Outcome>>>().into_iter();
    let mut outcomes = Vec::with_capacity(contenders.len());
    for contender in contenders {
        let outcome = match uses_all_cores(contender) {
            false => side_by_side.next().unwrap_or_else(|| fit(spec, contender, parts)),
            true => {
                progress(&format!("fitting {}", contender.name));
                fit(spec, contender, parts)
            }
        };
        outcomes.push(outcome?);
    }
    Ok(outcomes)
}

fn fit(spec: &TrainSpec, contender: &Contender, parts: &Parts) -> Result<Outcome> {
    let place = format!("experiment '{}'", contender.name);
    let train = Data { features: &parts.train.features, label: &parts.train.label };
    let valid = Data { features: &parts.valid.features, label: &parts.valid.label };
    let begun = Instant::now();
    let model = contender.learner.fit(spec.task, train, valid, spec.seed).context(&place)?;
    let fitting = begun.elapsed();
    let scores = model.predict(&parts.valid.features).context(&place)?;
    let on_valid =
        Scored::new(spec.task, parts.valid.label.clone(), scores, &format!("{place} on the validation part"))?;
    let scores = model.predict(&parts.test.features).context(&place)?;
    let test = Scored::new(spec.task, parts.test.label.clone(), scores, &format!("{place} on the test part"))?;
    let threshold = match spec.task {
        Task::Classification => Some(spec.threshold.clone().unwrap_or_default().pick(&on_valid).context(&place)?),
        Task::Regression => None,
    };
    let at = threshold.as_ref().map(|threshold| threshold.value);
    let metrics: BTreeMap<Metric, Option<f64>> =
        Metric::of(spec.task).map(|metric| (metric, on_valid.value(metric, at))).collect();
    if metrics.get(&spec.choose_by()).is_none_or(Option::is_none) {
        return Err(Error::refused(format!(
            "choose_by: {} {} on the validation part",
            spec.choose_by(),
            on_valid.why_undefined(spec.choose_by())
        ))
        .hint("give the validation part a larger share in 'split', or choose by another metric"));
    }
    let tried = Tried {
        name: contender.name.clone(),
        learner: contender.learner.name().to_owned(),
        parameters: contender.learner.settings(),
        metrics,
        threshold,
        notes: model.notes(),
    };
    Ok(Outcome { tried, model, valid: on_valid, test, fitting })
}

/// The best experiment on the validation part; of equals the first. The baseline is no candidate.
fn choose(spec: &TrainSpec, outcomes: &[Outcome]) -> Result<usize> {
    let metric = spec.choose_by();
    let value = |outcome: &Outcome| outcome.tried.metrics.get(&metric).copied().flatten();
    let mut best: Option<(usize, f64)> = None;
    for (at, outcome) in outcomes.iter().enumerate().take(outcomes.len() - 1) {
        if let Some(found) = value(outcome)
            && best.is_none_or(|(_, most)| metric.gain(found, most) > 0.0)
        {
            best = Some((at, found));
        }
    }
    best.map(|(at, _)| at).ok_or_else(|| {
        Error::cannot_run("experiments: none given").hint("write at least one, such as 'lightgbm: lightgbm'")
    })
}

fn explain(model: &dyn Model, parts: &Parts, seed: u64) -> Result<Option<Explained>> {
    let rows = parts.test.features.take(&sample(parts.test.label.len(), EXPLAINED, seed));
    Ok(model.contributions(&rows)?.map(|contributions| Explained { contributions, rows }))
}

/// The model's own weights; without them the mean size of contributions.
fn importance(model: &dyn Model, explained: Option<&Explained>) -> Importance {
    let own = model.importance();
    let (of, weights) = match explained {
        _ if !own.is_empty() => ("weight by the model", own),
        Some(explained) => ("mean size of contributions", explained.mean_sizes()),
        None => return Importance::default(),
    };
    let names = model.features().iter().map(|feature| feature.name.clone());
    let mut weights: Vec<(String, f64)> = names.zip(weights).collect();
    weights.sort_by(|a, b| b.1.total_cmp(&a.1));
    Importance { of: of.to_owned(), weights }
}

impl Explained {
    /// Mean absolute contribution of each feature, in the unit of the raw score.
    pub fn mean_sizes(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.contributions.features];
        for row in 0..self.contributions.rows() {
            self.contributions.row(row).iter().zip(&mut sums).for_each(|(value, sum)| *sum += value.abs());
        }
        sums.into_iter().map(|sum| sum / self.contributions.rows().max(1) as f64).collect()
    }
}
