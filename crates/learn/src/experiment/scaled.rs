//! What a plain forecast errs in the train part, by which errors of the test part are scaled.

use spec::{Result, ResultExt};

use super::outcome::Outcome;
use super::rows::Parts;
use super::{Contender, TrainSpec};
use crate::metrics::{Scale, scales};
use crate::{Part, Split};

/// The scale of each row of the test part, by the series that it is of; nothing if the spec names no plain forecast.
/// `series` has the number of each row's series. With folds the train part is all rows before the test part.
pub(super) fn of_test(
    spec: &TrainSpec,
    (contenders, outcomes): (&[Contender], &[Outcome]),
    parts: &Parts,
    split: &Split,
    series: &[u32],
) -> Result<Option<Vec<Option<Scale>>>> {
    let Some(name) = &spec.scaled_by else { return Ok(None) };
    let place = format!("scaled_by: experiment '{name}'");
    let Some((contender, plain)) = contenders.iter().zip(outcomes).find(|(_, outcome)| outcome.tried.name == *name)
    else {
        return Ok(None);
    };
    let forecasts = match &plain.model {
        Some(model) => model.predict(&parts.train.features),
        None => {
            let model = contender.learner.refit(spec.task, parts.train.data(), &plain.tuned, spec.seed);
            model.and_then(|model| model.predict(&parts.train.features))
        }
    };
    let forecasts = forecasts.context(&place)?;
    let of = |wanted: Part| {
        let rows = series.iter().zip(&split.parts).filter(move |(_, part)| **part == wanted);
        rows.map(|(series, _)| *series)
    };
    let rows = of(Part::Train).zip(&parts.train.label).zip(&forecasts);
    let scales = scales(rows.map(|((series, label), forecast)| (series, *label, *forecast)));
    Ok(Some(of(Part::Test).map(|series| scales.get(&series).copied()).collect()))
}

/// What is wrong with `scaled_by`, and with what needs it.
pub(super) fn check(spec: &TrainSpec) -> Result<(), String> {
    let uses = [("choose_by", spec.choose_by), ("promote", spec.promote.metric)];
    if let Some((key, metric)) =
        uses.into_iter().find_map(|(key, metric)| Some((key, metric.filter(|m| m.is_scaled())?)))
    {
        return Err(format!("{key}: '{metric}' is measured on the test part only; choose by 'wape' or 'mae'"));
    }
    let Some(name) = &spec.scaled_by else {
        return match spec.gate.iter().find(|gate| gate.metric.is_scaled()) {
            None => Ok(()),
            Some(gate) => Err(format!(
                "gate: '{}' needs 'scaled_by', the experiment with a plain forecast, such as a naive one",
                gate.metric
            )),
        };
    };
    if !spec.experiments.names().any(|known| known == name) {
        return Err(format!(
            "scaled_by: no experiment '{name}'; {}",
            spec::did_you_mean(name, spec.experiments.names())
        ));
    }
    if spec.task != crate::Task::Regression {
        return Err("scaled_by: only errors of numbers can be scaled; remove it".to_owned());
    }
    Ok(())
}
