//! Runs the experiments of a spec.

use std::collections::BTreeMap;

use polars::prelude::LazyFrame;
use spec::{Result, ResultExt};

use super::choice::{choose, compare, within_noise};
use super::explain::{explain, importance};
use super::gate::{beats, beats_baseline};
use super::release::{Released, Trained};
use super::rows::{self, Table};
use super::targets::{self, Targets};
use super::units::{self, Units};
use super::unseen;
use super::{BASELINE, ExperimentSpec, Gate, Known, Measured, TrainSpec, Trial, scaled, searched};
use crate::label_transform::around;
use crate::metrics::{Interval, Metric, Scored};
use crate::search::SearchSpec;
use crate::{Imported, Learner, LearnerSpec, Part, SplitSummary, Task};

/// A learner with the name of its experiment.
pub(super) struct Contender {
    pub name: String,
    pub learner: Box<dyn Learner>,
    /// What it was built from; `None` of one that is made by hand.
    pub settings: Option<LearnerSpec>,
    /// With a search it takes part with the best settings that were found.
    pub search: Option<SearchSpec>,
}

impl Contender {
    /// The learner of `spec` with these settings.
    pub fn new(spec: &TrainSpec, name: &str, settings: &LearnerSpec) -> Contender {
        let learner = match (spec.label_transform, settings) {
            // A baseline is the mean or median of the label itself, not of its logarithm; a feature is in its unit, too.
            (Some(transform), learner) if !matches!(learner, LearnerSpec::Baseline(_) | LearnerSpec::Naive(_)) => {
                around(transform, learner.build())
            }
            _ => settings.build(),
        };
        let learner = clipped(spec, learner);
        Contender { name: name.to_owned(), learner, settings: Some(settings.clone()), search: None }
    }

    /// A model that was trained elsewhere. It predicts in the label's own unit, and nothing is searched.
    pub fn imported(spec: &TrainSpec, name: &str, model: &Imported) -> Contender {
        let learner = clipped(spec, Box::new(model.clone()));
        Contender { name: name.to_owned(), learner, settings: None, search: None }
    }

    /// A learner that no spec can name.
    #[cfg(test)]
    pub fn by_hand(name: &str, learner: impl Learner + 'static) -> Contender {
        Contender { name: name.to_owned(), learner: Box::new(learner), settings: None, search: None }
    }
}

/// The learner with predictions in the range of the spec, if it has one.
fn clipped(spec: &TrainSpec, learner: Box<dyn Learner>) -> Box<dyn Learner> {
    match spec.clip {
        Some(clip) => crate::clip::around(clip, learner),
        None => learner,
    }
}

/// Learns, chooses and judges: the table of features `table` (label included) as `spec` says. The table is read column
/// by column, so that it is never in memory beside its parts.
///
/// `known` is what the table's evidence contains: with a horizon a split by time purges, with definitions only features are
/// learned from. Equal inputs give equal trials. Errors: columns that are not there or of the wrong type, labels that leave
/// nothing to learn, parts without rows, a validation part on which the choosing metric is undefined,
/// scores that are not numbers. A gate that does not pass is not an error: it is in [`Trial::gate`].
pub fn run(spec: &TrainSpec, table: LazyFrame, known: &Known, progress: &dyn Fn(&str)) -> Result<Trial> {
    // Before anything that takes long.
    for (name, experiment) in spec.experiments.iter() {
        experiment.learner.ready().context(format!("experiment '{name}'"))?;
    }
    let contender = |(name, experiment): (&str, &ExperimentSpec)| match unseen::of(experiment, known) {
        Some(model) => model.map(|model| Contender::imported(spec, name, model)),
        None => Ok(Contender { search: experiment.search.clone(), ..Contender::new(spec, name, &experiment.learner) }),
    };
    let baseline = LearnerSpec::Baseline(Default::default());
    let baseline = Contender::new(spec, BASELINE, &baseline);
    let contenders = spec.experiments.iter().map(contender).chain([Ok(baseline)]).collect::<Result<Vec<_>>>()?;
    run_contenders(spec, contenders, table, known, progress)
}

/// The last contender is the baseline.
pub(super) fn run_contenders(
    spec: &TrainSpec,
    mut contenders: Vec<Contender>,
    table: LazyFrame,
    known: &Known,
    progress: &dyn Fn(&str),
) -> Result<Trial> {
    let table = Table::new(table, known, spec)?;
    let judged_by = spec.judge_by.iter().chain(spec.judge_totals.iter().flatten());
    judged_by.into_iter().try_for_each(|column| table.must_have(column))?;
    let keys = table.keys()?;
    let (count, left_out) = table.rows(keys.height());
    let (label, classes) = match spec.task {
        Task::Multiclass => targets::several_classes(&keys, spec).map(|(label, names)| (label, Some(names)))?,
        _ => (targets::label(&keys, spec)?, None),
    };
    let label_known = rows::label_known(&keys, &table, known)?;
    let mut split = rows::split(&keys, &label, &label_known, spec)?;
    if let Some(names) = &classes {
        targets::every_class_teaches(&split, &label, names, spec)?;
    }
    let entities = rows::entities(&keys, spec)?;
    if contenders.iter().any(|contender| contender.search.is_some()) {
        let classes = spec.task.has_classes().then_some(&label[..]);
        split.steer(&entities, classes, &spec.entity, spec.seed)?;
    }
    let imported = unseen::check(spec, known, &table, &split, classes.as_deref())?;
    split.summary.notes.extend(imported);
    let of_split = split.summary.notes.clone();
    split.summary.notes.extend(table.notes().iter().cloned());
    let test_at = table.numbers(split.parts.iter().map(|part| *part == Part::Test));
    let block = units::block(spec, known);
    let judging = Units::of(&keys, spec, block)?.among(&split.judging());
    let targets = Targets { weights: targets::weights(&keys, spec)?, label, classes };
    drop(keys);
    let parts = rows::cut(&table, &split, &targets)?;
    progress(&in_words(&split.summary));
    let (mut outcomes, searches) = searched::fit_all(spec, &mut contenders, &parts, &split.folds, progress)?;
    let chosen = choose(spec, &outcomes)?;
    let units = judging.in_words(spec);
    compare(spec, &mut outcomes, chosen, judging);
    let judges = match split.folds.len() {
        0 => format!("{} validation rows", outcomes[chosen].valid.rows()),
        folds => format!("{} rows in {folds} folds", outcomes[chosen].valid.rows()),
    };
    progress(&format!("chosen: {}", outcomes[chosen].tried.name));
    let scales = scaled::of_test(spec, (&contenders, &outcomes), &parts, &split, &entities)?;
    drop(entities);
    let trained = Trained { spec, table: &table, split: &split, targets: &targets, contenders: &contenders };
    let Released { model, summaries, intervals, refit, test, baseline, others, test_features } =
        trained.release(&mut outcomes, chosen, parts, progress)?;
    let test_rows = rows::test_rows(&table, &split)?;
    others.into_iter().for_each(|(number, test)| outcomes[number].test = Some(test));
    let of_split: Vec<String> =
        of_split.into_iter().chain(scaled::without_value(&contenders, &test_features)).collect();
    let with_scales = |scored: Scored| match &scales {
        Some(scales) => scored.with_scales(scales.clone()),
        None => scored,
    };
    let (best, baseline) = (with_scales(test), with_scales(baseline));
    for outcome in &mut outcomes {
        outcome.test = outcome.test.take().map(with_scales);
    }

    let resamples = Units::of(&test_rows, spec, block)?.resamples(spec);
    let threshold = outcomes[chosen].tried.threshold.clone();
    let at = threshold.as_ref().map(|threshold| threshold.value);
    let at_baseline = outcomes.last().and_then(|last| Some(last.tried.threshold.as_ref()?.value));
    let of_intervals = Metric::of_intervals().filter(|_| intervals.is_some());
    let of_scales = Metric::ALL.into_iter().filter(|metric| metric.is_scaled() && scales.is_some());
    let metrics: Vec<Metric> = Metric::of(spec.task).chain(of_scales).chain(of_intervals).collect();
    let choose_by = spec.choose_by();
    let (resampled, gain) = resamples.judge((&best, at), &metrics, choose_by, (&baseline, at_baseline));
    let measured = |(metric, interval): (&Metric, Option<Interval>)| {
        let value = best.value(*metric, at);
        let why = value.is_none().then(|| best.why_undefined(*metric));
        (*metric, Measured { value, interval, baseline: baseline.value(*metric, at_baseline), why })
    };
    let test: BTreeMap<Metric, Measured> = metrics.iter().zip(resampled).map(measured).collect();
    let value = |metric: Metric| test.get(&metric).and_then(|measured| measured.value);
    let too_few = units::too_few(spec, &resamples, best.rows());
    let theirs = baseline.value(choose_by, at_baseline);
    let against_baseline = beats_baseline(choose_by, gain, value(choose_by), theirs, (&best, &too_few));
    let has_limit = |gate: &&Gate| gate.at_least.is_some() || gate.at_most.is_some();
    let limits = spec.gate.iter().filter(has_limit).map(|gate| gate.judge(value(gate.metric), &best));
    let others = spec.gate.iter().filter_map(|gate| {
        let other = outcomes.iter().position(|outcome| Some(&outcome.tried.name) == gate.better_than.as_ref())?;
        let cut = outcomes[other].tried.threshold.as_ref().map(|threshold| threshold.value);
        // The chosen one has been taken out; of all others that the gate names there are scores.
        let test = outcomes[other].test.as_ref().filter(|_| other != chosen);
        let gain = test.and_then(|test| resamples.gain(gate.metric, (&best, at), (test, cut)));
        let theirs = test.and_then(|test| test.value(gate.metric, cut));
        let name = (outcomes[other].tried.name.as_str(), other == chosen);
        Some(beats(gate.metric, name, gain, (value(gate.metric), theirs), (&best, &too_few)))
    });
    let gate = std::iter::once(against_baseline).chain(limits).chain(others).collect();
    let confusion = at.map(|threshold| best.confusion_at(threshold));
    let classes = targets.classes.as_ref().map(|names| best.classes(names));
    let explained = explain(model.as_ref(), &test_features, spec.seed)?;
    let importance = importance(model.as_ref(), explained.as_ref());
    drop(test_features);
    let parts = rows::assignment(&table, &split, refit.is_some())?;

    let last = outcomes.len() - 1;
    let (mut tried, mut scored, mut fitting) = (Vec::new(), Vec::new(), Vec::new());
    let (mut best, mut baseline) = (Some(best), Some(baseline));
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let judged = match number {
            _ if number == chosen => best.take(),
            _ if number == last => baseline.take(),
            _ => outcome.test,
        };
        fitting.push(outcome.fitting);
        scored.extend(judged.map(|judged| (outcome.tried.name.clone(), judged)));
        tried.push(outcome.tried);
    }
    let chosen = tried[chosen].name.clone();
    Ok(Trial {
        spec: spec.clone(),
        horizon_days: known.horizon_days,
        definitions: known.definitions.clone(),
        summaries,
        notes: table.notes().iter().chain(&of_split).cloned().collect(),
        rows: count,
        left_out,
        split: split.summary,
        within_noise: within_noise(spec, &tried, &chosen, (&judges, &units)),
        chosen,
        tried,
        searches,
        fitting,
        model,
        intervals,
        refit,
        threshold,
        test,
        confusion,
        classes,
        gain_over_baseline: gain,
        gate,
        scored,
        importance,
        explained,
        test_rows,
        test_at,
        parts,
        resamples,
        block,
        carried: known.carried.clone(),
    })
}

fn in_words(split: &SplitSummary) -> String {
    let rows = |part: Part| split.rows(part);
    let (train, test, purged) = (rows(Part::Train), rows(Part::Test), rows(Part::Purged));
    match &split.folds {
        Some(folds) => format!("split: {train} rows in {} folds, {test} test, {purged} purged rows", folds.rows.len()),
        None => {
            format!("split: {train} train, {} validation, {test} test, {purged} purged rows", rows(Part::Valid))
        }
    }
}
