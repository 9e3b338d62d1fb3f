//! Fits the experiments: those without a search as they are written, the others with the best settings that are found.
//!
//! Trials are judged on rows that judge nothing else ([`crate::Split::steer`]). The best of them then takes part in the
//! choice as one experiment, by its scores of the rows that steered nothing: being the best of many
//! trials gives it no advantage there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use score::{Searched, Trialed, number_text};
use serde_json::json;
use spec::{Error, Result, ResultExt};

use super::outcome::{self, Fit, Outcome, Round, Validated};
use super::rows::{PartRows, Parts};
use super::{Contender, TrainSpec, Tried};
use crate::Fold;
use crate::random::share_of_rows;
use crate::search::halving::{Budget, search, shares};
use crate::search::{SearchSpec, Space};

/// Fits every contender. Those with a search have the settings that were found when this returns.
pub(super) fn fit_all(
    spec: &TrainSpec,
    contenders: &mut [Contender],
    parts: &Parts,
    folds: &[Fold],
    progress: &dyn Fn(&str),
) -> Result<(Vec<Outcome>, Vec<Searched>)> {
    let plain: Vec<&Contender> = contenders.iter().filter(|contender| contender.search.is_none()).collect();
    let mut fitted = outcome::fit_all(spec, &plain, parts, folds, progress)?.into_iter();
    let mut rows = Rows::new(spec, parts, folds);
    let (mut outcomes, mut searches) = (Vec::new(), Vec::new());
    for contender in contenders {
        match (contender.search.take(), contender.settings.clone()) {
            (Some(search), Some(written)) => {
                let begun = Instant::now();
                let (found, outcome, searched) =
                    Search { spec, name: &contender.name, search: &search, rows: &mut rows, parts }
                        .run(&written, &|| begun.elapsed(), progress)
                        .context(format!("experiment '{}'", contender.name))?;
                *contender = found;
                outcomes.push(outcome);
                searches.push(searched);
            }
            _ => outcomes.extend(fitted.next()),
        }
    }
    Ok((outcomes, searches))
}

/// The rows of trials, by the share that they learn from. All searches have the same, so that rows are binned once.
struct Rows<'a> {
    spec: &'a TrainSpec,
    parts: &'a Parts,
    folds: &'a [Fold],
    shares: Vec<f64>,
    /// Made when the first trial needs them.
    rounds: Vec<Vec<TrialRows<'a>>>,
}

/// The rows of one fit of a trial.
struct TrialRows<'a> {
    train: Cow<'a, PartRows>,
    steering: Cow<'a, PartRows>,
    judging: Cow<'a, PartRows>,
}

impl<'a> Rows<'a> {
    fn new(spec: &'a TrainSpec, parts: &'a Parts, folds: &'a [Fold]) -> Rows<'a> {
        let fewest = folds.iter().map(|fold| fold.train.len()).min().unwrap_or(parts.train.label.len());
        let shares = shares(fewest);
        let rounds = shares.iter().map(|_| Vec::new()).collect();
        Rows { spec, parts, folds, shares, rounds }
    }

    /// One round, or one per fold.
    fn of(&mut self, share: usize) -> &[TrialRows<'a>] {
        if self.rounds[share].is_empty() {
            self.rounds[share] = self.made(self.shares[share]);
        }
        &self.rounds[share]
    }

    fn made(&self, share: f64) -> Vec<TrialRows<'a>> {
        let parts = self.parts;
        let some = |label: &[f64]| {
            let classes = self.spec.task.has_classes().then_some(label);
            share_of_rows(label.len(), classes, share, self.spec.seed)
        };
        if self.folds.is_empty() {
            let train = match share < 1.0 {
                true => Cow::Owned(parts.train.take(&some(&parts.train.label))),
                false => Cow::Borrowed(&parts.train),
            };
            return vec![TrialRows {
                train,
                steering: Cow::Borrowed(&parts.steering),
                judging: Cow::Borrowed(&parts.valid),
            }];
        }
        let of_fold = |fold: &Fold| {
            let label: Vec<f64> = fold.train.iter().map(|row| parts.train.label[*row]).collect();
            let train: Vec<usize> = some(&label).into_iter().map(|at| fold.train[at]).collect();
            let [train, steering, judging] =
                [&train, &fold.steering, &fold.valid].map(|rows| Cow::Owned(parts.train.take(rows)));
            TrialRows { train, steering, judging }
        };
        self.folds.iter().map(of_fold).collect()
    }
}

/// One search.
struct Search<'s, 'a> {
    spec: &'s TrainSpec,
    /// The experiment's name.
    name: &'s str,
    search: &'s SearchSpec,
    rows: &'s mut Rows<'a>,
    parts: &'s Parts,
}

/// The best trial that has learned from all rows.
struct Best {
    number: u32,
    value: f64,
    contender: Contender,
    fits: Vec<Fit>,
}

impl Search<'_, '_> {
    /// The contender with the best settings, its outcome on the rows that steered nothing, and what was tried.
    fn run(
        self,
        written: &crate::LearnerSpec,
        clock: &dyn Fn() -> Duration,
        progress: &dyn Fn(&str),
    ) -> Result<(Contender, Outcome, Searched)> {
        let Search { spec, name, search: limits, rows, parts } = self;
        let space = Space::new(written, limits.space.as_ref(), spec.task).context("search")?;
        let metric = spec.choose_by();
        let shares = rows.shares.clone();
        let mut trials: BTreeMap<u32, Trialed> = BTreeMap::new();
        let mut best: Option<Best> = None;
        let mut learn = |number: u32, share: usize| -> Result<Option<f64>> {
            let trial = format!("{name}/{}", number + 1);
            progress(&format!("fitting {trial}{}", of_the_rows(shares[share])));
            let (tried, done) = match learned(spec, &space, &trial, number, rows.of(share)) {
                Ok((tried, contender, fits)) => {
                    let value = tried.metrics.get(&metric).copied().flatten();
                    (tried, value.map(|value| (value, contender, fits)))
                }
                // The experiment as it is written must work; settings that were drawn need not.
                Err(error) if number == 0 => return Err(error),
                Err(error) => (failed(&space, spec.seed, &trial, number, &error), None),
            };
            trials.insert(number, Trialed { share: shares[share], tried });
            let Some((value, contender, fits)) = done else { return Ok(None) };
            let better = best.as_ref().is_none_or(|best| metric.gain(value, best.value) > 0.0);
            if share + 1 == shares.len() && better {
                best = Some(Best { number, value, contender, fits });
            }
            Ok(Some(value))
        };
        let budget = Budget {
            trials: limits.trials,
            time: limits.minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0)),
        };
        let found = search(budget, &shares, |one, other| metric.gain(one, other), clock, &mut learn)?;
        let gone = || Error::cannot_run("search: its best trial is gone");
        let best = best.filter(|best| best.number == found.best).ok_or_else(gone)?;
        progress(&format!(
            "{name}: the best of {} trials is number {}, {metric} {} on the rows that steered the search",
            found.trials.len(),
            best.number + 1,
            number_text(best.value)
        ));
        let contender = Contender { name: name.to_owned(), ..best.contender };
        let all = rows.of(shares.len() - 1);
        let steering = all.iter().map(|round| round.steering.label.len() as u64).sum();
        let outcome = judged(spec, &contender, best.fits, all, parts)?;
        let searched = Searched {
            experiment: name.to_owned(),
            minutes: limits.minutes,
            most_trials: limits.trials,
            out_of_time: found.out_of_time,
            rows: steering,
            best: best.number + 1,
            trials: trials.into_values().collect(),
        };
        Ok((contender, outcome, searched))
    }
}

/// Learns with the settings of a trial, and judges it on the rows that steer.
fn learned(
    spec: &TrainSpec,
    space: &Space,
    trial: &str,
    number: u32,
    rounds: &[TrialRows<'_>],
) -> Result<(Tried, Contender, Vec<Fit>)> {
    let contender = Contender::new(spec, trial, &space.draw(spec.seed, number)?);
    let fit = |rows: &TrialRows<'_>| {
        let round = Round { train: &rows.train, stopping: &rows.steering, judging: &rows.steering };
        outcome::fit(spec, &contender, round, " on the rows that steer the search")
    };
    let fits = rounds.iter().map(fit).collect::<Result<Vec<Fit>>>()?;
    let notes = match &fits[..] {
        [one] => one.model.notes(),
        folds => outcome::trees_by_fold(&folds.iter().filter_map(|fit| fit.model.tuned().trees).collect::<Vec<u32>>()),
    };
    let steered = Validated { folds: fits.iter().map(|fit| fit.valid.clone()).collect() };
    Ok((outcome::tried(spec, &contender, &steered, notes)?, contender, fits))
}

/// A trial whose settings cannot be learned with.
fn failed(space: &Space, seed: u64, trial: &str, number: u32, error: &Error) -> Tried {
    let learner = space.draw(seed, number).unwrap_or_else(|_| space.written().clone()).build();
    Tried {
        name: trial.to_owned(),
        learner: learner.name().to_owned(),
        parameters: learner.settings(),
        metrics: BTreeMap::new(),
        by_fold: Vec::new(),
        behind: None,
        threshold: None,
        notes: json!({ "failed": error.to_string() }),
    }
}

/// The outcome of the best trial on the rows that steered nothing.
fn judged(
    spec: &TrainSpec,
    contender: &Contender,
    fits: Vec<Fit>,
    rounds: &[TrialRows<'_>],
    parts: &Parts,
) -> Result<Outcome> {
    let place = format!("experiment '{}'", contender.name);
    let mut judged = Vec::new();
    for (fit, rows) in fits.into_iter().zip(rounds) {
        let scores = fit.model.predict(&rows.judging.features).context(&place)?;
        let valid = outcome::scored(spec, rows.judging.data(), scores, &place)?;
        judged.push(Fit { valid, ..fit });
    }
    match parts.steering.label.is_empty() {
        false => {
            let fit = judged.pop().ok_or_else(|| Error::cannot_run(format!("{place}: nothing was fitted")))?;
            outcome::single(spec, contender, fit, &parts.test)
        }
        true => {
            let folds = judged.into_iter().map(|fit| (fit.valid, fit.model.tuned(), fit.took));
            outcome::over_folds(spec, contender, folds.collect())
        }
    }
}

/// ` on 11.11 % of the rows`; nothing of all.
fn of_the_rows(share: f64) -> String {
    match share < 1.0 {
        true => format!(" on {} of the rows", spec::text::percent(share)),
        false => String::new(),
    }
}
