//! The model that a version releases: what was chosen, learned again from all rows before the test part where the spec
//! wants that, with its intervals.

use std::collections::BTreeMap;

use spec::{Error, Result, ResultExt};

use super::outcome::{Outcome, on_test};
use super::rows::{PartRows, Parts, Table, cut_before_test};
use super::targets::Targets;
use super::{Contender, TrainSpec};
use crate::intervals::{Fitting, Missed};
use crate::metrics::{Metric, Scored};
use crate::{FeatureSummary, Intervals, LearnerSpec, Matrix, Model, Part, Refit, Split};

/// The model with all that judges it.
pub(super) struct Released {
    pub model: Box<dyn Model>,
    /// What the features hold in the rows that it learned from.
    pub summaries: Vec<FeatureSummary>,
    pub intervals: Option<Intervals>,
    pub refit: Option<Refit>,
    /// Its scores of the test part, with bounds if there are intervals.
    pub test: Scored,
    /// The baseline's.
    pub baseline: Scored,
    /// Of other experiments that have learned again, since the gate names them, by their place.
    pub others: Vec<(usize, Scored)>,
    /// The test part as the model sees it.
    pub test_features: Matrix,
}

/// What is needed to learn again.
pub(super) struct Trained<'a> {
    pub spec: &'a TrainSpec,
    pub table: &'a Table<'a>,
    pub split: &'a Split,
    pub targets: &'a Targets,
    pub contenders: &'a [Contender],
}

impl Trained<'_> {
    pub fn release(
        &self,
        outcomes: &mut [Outcome],
        chosen: usize,
        parts: Parts,
        progress: &dyn Fn(&str),
    ) -> Result<Released> {
        let spec = self.spec;
        if spec.intervals.is_some() {
            progress("fitting intervals");
        }
        let mut released = match spec.refits() && self.contenders[chosen].learner.learns() {
            true => self.refitted(outcomes, chosen, parts, progress)?,
            false => self.as_it_is(outcomes, chosen, parts)?,
        };
        if let Some(intervals) = &released.intervals {
            let bounds = intervals.bounds(&released.test_features, released.test.score())?;
            released.test = released.test.with_bounds(bounds).with_coverage(intervals.record().coverage);
        }
        Ok(released)
    }

    /// The model that has learned from the train part.
    fn as_it_is(&self, outcomes: &mut [Outcome], chosen: usize, parts: Parts) -> Result<Released> {
        let last = outcomes.len() - 1;
        let intervals = match &self.spec.intervals {
            Some(asked) => {
                let fitted = asked.fit(&self.fitting(&outcomes[chosen], 0, (&parts.train, &parts.valid)))?;
                Some(fitted.within(self.spec.clip))
            }
            None => None,
        };
        let gone = || Error::cannot_run("experiments: the chosen model is gone");
        Ok(Released {
            model: outcomes[chosen].model.take().ok_or_else(gone)?,
            summaries: FeatureSummary::of(&parts.train.features),
            intervals,
            refit: None,
            test: outcomes[chosen].test.clone().ok_or_else(gone)?,
            baseline: outcomes[last].test.clone().ok_or_else(gone)?,
            others: Vec::new(),
            test_features: parts.test.features,
        })
    }

    /// The chosen experiment on all rows before the test part, and the baseline too, against which it is judged.
    fn refitted(&self, outcomes: &[Outcome], chosen: usize, parts: Parts, progress: &dyn Fn(&str)) -> Result<Released> {
        let spec = self.spec;
        let last = outcomes.len() - 1;
        let missed = self.missed(&outcomes[chosen], &parts)?;
        let Parts { train, valid, steering, test } = parts;
        let (rows, test) = match self.split.folds.is_empty() {
            false => (train, test),
            true => {
                drop((train, valid, steering, test));
                cut_before_test(self.table, self.split, self.targets)?
            }
        };
        let again = |number: usize| -> Result<(Box<dyn Model>, Scored)> {
            let (contender, outcome) = (&self.contenders[number], &outcomes[number]);
            progress(&format!("fitting {} again on {} rows", contender.name, rows.label.len()));
            let place = format!("experiment '{}' on all rows before the test part", contender.name);
            let model = contender.learner.refit(spec.task, rows.data(), &outcome.tuned, spec.seed).context(place)?;
            let scored = on_test(spec, &contender.name, model.as_ref(), test.data())?;
            Ok((model, scored))
        };
        let before = before(spec, &outcomes[chosen]);
        let (model, scored) = again(chosen)?;
        let (_, baseline) = again(last)?;
        // Others that the gate names learn again, too: compared with what had fewer rows, the chosen one would be flattered. With
        // folds they have not scored the test part at all.
        let is_rival = |number: &usize| {
            let name = Some(&outcomes[*number].tried.name);
            *number != chosen && spec.gate.iter().any(|gate| gate.better_than.as_ref() == name)
        };
        let others = (0..last).filter(is_rival).map(|number| Ok((number, again(number)?.1)));
        let others = others.collect::<Result<Vec<_>>>()?;
        let intervals = match &spec.intervals {
            Some(asked) => {
                let how = (spec.label_transform, self.learner_spec(&outcomes[chosen]));
                Some(asked.refit(missed, rows.data(), how, spec.seed)?.within(spec.clip))
            }
            None => None,
        };
        let before_test = self.split.before_test.iter().zip(&self.split.parts);
        let bridging = before_test.filter(|(before, part)| **before && **part == Part::Purged).count() as u64;
        let trees = outcomes[chosen].tuned.trees;
        let refit = Refit { rows: rows.label.len() as u64, bridging, trees, before };
        let summaries = FeatureSummary::of(&rows.features);
        let refit = Some(refit);
        let test_features = test.features;
        Ok(Released { model, summaries, intervals, refit, test: scored, baseline, others, test_features })
    }

    /// What intervals would miss on the rows that judged the chosen experiment.
    fn missed(&self, chosen: &Outcome, parts: &Parts) -> Result<Vec<Missed>> {
        let Some(asked) = &self.spec.intervals else { return Ok(Vec::new()) };
        if self.split.folds.is_empty() {
            return Ok(vec![asked.missed(&self.fitting(chosen, 0, (&parts.train, &parts.valid)))?]);
        }
        let folds = self.split.folds.iter().enumerate();
        folds
            .map(|(number, fold)| {
                let (train, valid) = (parts.train.take(&fold.train), parts.train.take(&fold.valid));
                asked.missed(&self.fitting(chosen, number, (&train, &valid)))
            })
            .collect()
    }

    fn fitting<'b>(
        &'b self,
        chosen: &'b Outcome,
        fold: usize,
        (train, valid): (&'b PartRows, &'b PartRows),
    ) -> Fitting<'b> {
        Fitting {
            train: train.data(),
            valid: valid.data(),
            predicted: chosen.valid.folds[fold].score(),
            weighted: self.spec.weighted_metrics,
            label_transform: self.spec.label_transform,
            chosen: self.learner_spec(chosen),
            seed: self.spec.seed,
        }
    }

    fn learner_spec(&self, outcome: &Outcome) -> Option<&LearnerSpec> {
        self.contenders.iter().find(|contender| contender.name == outcome.tried.name)?.settings.as_ref()
    }
}

/// The metrics on the test part of the model that learned from train alone.
fn before(spec: &TrainSpec, outcome: &Outcome) -> BTreeMap<Metric, f64> {
    let threshold = outcome.tried.threshold.as_ref().map(|threshold| threshold.value);
    let Some(test) = &outcome.test else { return BTreeMap::new() };
    Metric::of(spec.task).filter_map(|metric| Some((metric, test.value(metric, threshold)?))).collect()
}
