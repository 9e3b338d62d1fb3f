//! What a plain forecast errs in the train part, by which errors of the test part are scaled.

use spec::{Result, ResultExt};

use super::outcome::Outcome;
use super::rows::Parts;
use super::{Contender, TrainSpec};
use crate::metrics::{Scale, scales};
use crate::{Matrix, Part, Split};

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
    let known = is_known(contender.learner.repeats(), &parts.train.features);
    let rows = of(Part::Train).zip(&parts.train.label).zip(&forecasts).zip(known);
    let rows = rows.filter(|(_, is_known)| *is_known);
    let scales = scales(rows.map(|(((series, label), forecast), _)| (series, *label, *forecast)));
    Ok(Some(of(Part::Test).map(|series| scales.get(&series).copied()).collect()))
}

/// Of each row whether one of the features has a value; every row has without features.
fn is_known(features: &[String], rows: &Matrix) -> Vec<bool> {
    if features.is_empty() {
        return vec![true; rows.rows()];
    }
    let place = |name: &String| rows.features().iter().position(|feature| feature.name == *name);
    let columns: Vec<Vec<f64>> = features.iter().filter_map(place).map(|place| rows.column(place)).collect();
    (0..rows.rows()).map(|row| columns.iter().any(|column| column[row].is_finite())).collect()
}

/// The note on plain forecasts that have no value for some rows of the test part.
pub(super) fn without_value(contenders: &[Contender], test: &Matrix) -> Vec<String> {
    let note = |contender: &Contender| {
        let features = contender.learner.repeats();
        let unknown = is_known(features, test).into_iter().filter(|is_known| !is_known).count();
        (unknown > 0).then(|| {
            format!(
                "experiment '{}': {unknown} of {} test rows have no value of {}: it predicts the mean of the training rows there; \
                 name another feature under 'of' for them",
                contender.name,
                test.rows(),
                features.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(" or ")
            )
        })
    };
    contenders.iter().filter_map(note).collect()
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
