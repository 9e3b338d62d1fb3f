//! What the table holds for every row besides its features: its label or class, and how much it counts.

use std::collections::{HashMap, HashSet};

use artifact::{PolarsResultExt, type_name};
use polars::prelude::{ChunkCompareEq, Column, DataFrame, DataType};
use spec::{Error, Result};

use super::TrainSpec;
use super::rows::{PartRows, column, no_nulls};
use score::Clip;

use crate::{LabelTransform, Matrix, Part, Split, Task};

/// What the table holds for every row besides its features.
pub(super) struct Targets {
    pub label: Vec<f64>,
    /// The names of the classes, where there are several: the label is the number of one of them.
    pub classes: Option<Vec<String>>,
    /// How much each row counts; `None`: all the same.
    pub weights: Option<Vec<f64>>,
}

impl Targets {
    /// `features` of the rows that are `wanted` with their labels and weights.
    pub fn rows(&self, features: Matrix, wanted: impl Iterator<Item = bool> + Clone) -> Result<PartRows> {
        let of = |values: &[f64]| -> Vec<f64> {
            values.iter().zip(wanted.clone()).filter(|(_, wanted)| *wanted).map(|(value, _)| *value).collect()
        };
        let features = match &self.weights {
            Some(weights) => features.with_weights(&of(weights))?,
            None => features,
        };
        Ok(PartRows { features, label: of(&self.label) })
    }

    /// The same of the test part, which is not learned from: without weights where metrics do not ask for them.
    pub fn test_rows(&self, features: Matrix, split: &Split, spec: &TrainSpec) -> Result<PartRows> {
        let wanted = split.parts.iter().map(|part| *part == Part::Test);
        match spec.weighted_metrics {
            true => self.rows(features, wanted),
            false => {
                let label = self.label.iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(label, _)| *label);
                Ok(PartRows { features, label: label.collect() })
            }
        }
    }
}

/// The label as numbers: 0 and 1 for classification, both of which must occur.
pub(super) fn label(rows: &DataFrame, spec: &TrainSpec) -> Result<Vec<f64>> {
    let column = column(rows, &spec.label, spec)?;
    let place = format!("table '{}': label '{}'", spec.table, spec.label);
    no_nulls(column, spec, "drop these rows in clean.yaml or features.yaml, or choose a label that is always known")?;
    if !(is_number(column.dtype()) || column.dtype().is_bool()) {
        let (wanted, hint) = match spec.task {
            Task::Classification => (
                "true/false or 1/0",
                "derive such a label in clean.yaml or features.yaml, or write 'task: multiclass' if it has more than two classes",
            ),
            _ => ("numbers", "derive such a label in clean.yaml or features.yaml"),
        };
        return Err(Error::refused(format!("{place} is {}, not {wanted}", type_name(column.dtype()))).hint(hint));
    }
    let values = numbers(column, &place)?;
    if spec.task == Task::Regression {
        if let Some(row) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::refused(format!("{place} is {} in row {}", values[row], row + 1))
                .hint("labels must be finite numbers"));
        }
        let outside = |clip: Clip| values.iter().find(|value| clip.cut(**value) != **value).map(|value| (clip, *value));
        if let Some((clip, value)) = spec.clip.and_then(outside) {
            return Err(Error::refused(format!("{place} is {value} in a row, but 'clip' keeps predictions at {clip}"))
                .hint("correct or drop such rows in clean.yaml or features.yaml, or widen 'clip'"));
        }
        return match (spec.label_transform, values.iter().filter(|value| **value <= 0.0).count()) {
            (Some(LabelTransform::Log), without @ 1..) => Err(Error::refused(format!(
                "{place} is 0 or less in {without} of {} rows, which have no logarithm",
                values.len()
            ))
            .hint("drop these rows in clean.yaml or features.yaml, or remove 'label_transform'")),
            _ => Ok(values),
        };
    }
    if let Some(row) = values.iter().position(|value| *value != 0.0 && *value != 1.0) {
        return Err(Error::refused(format!(
            "{place} is {} in row {}, but classification takes 0 and 1",
            values[row],
            row + 1
        ))
        .hint(
            "derive a label of two classes in clean.yaml or features.yaml, or write 'task: multiclass' for more of them, or 'task: \
             regression' for numbers",
        ));
    }
    let ones = values.iter().filter(|value| **value == 1.0).count();
    if ones == 0 || ones == values.len() {
        return Err(Error::refused(format!("{place} is {} in all {} rows", u8::from(ones > 0), values.len()))
            .hint("there is nothing to learn; look at the label's definition in clean.yaml or features.yaml"));
    }
    Ok(values)
}

/// The most classes: more values than this are names of things.
const MAX_CLASSES: usize = 100;

/// The number of each row's class, and the names of all classes in order of their numbers: texts in theirs, numbers in
/// that of their values.
pub(super) fn several_classes(rows: &DataFrame, spec: &TrainSpec) -> Result<(Vec<f64>, Vec<String>)> {
    let column = column(rows, &spec.label, spec)?;
    let place = format!("table '{}': label '{}'", spec.table, spec.label);
    no_nulls(column, spec, "drop these rows in clean.yaml or features.yaml, or choose a label that is always known")?;
    let texts = matches!(column.dtype(), DataType::String | DataType::Categorical(..) | DataType::Enum(..));
    if !(texts || column.dtype().is_integer() || column.dtype().is_bool()) {
        return Err(Error::refused(format!("{place} is {}, not texts or whole numbers", type_name(column.dtype())))
            .hint("derive such a label in clean.yaml or features.yaml, or write 'task: regression'"));
    }
    let cast = column.cast(&DataType::String).during(&place)?;
    let values: Vec<&str> = cast.str().during(&place)?.iter().map(Option::unwrap_or_default).collect();
    let mut names: Vec<&str> = values.iter().copied().collect::<HashSet<&str>>().into_iter().collect();
    match texts {
        true => names.sort_unstable(),
        false => names.sort_unstable_by_key(|name| name.parse::<i128>().unwrap_or_default()),
    }
    match names.len() {
        1 => Err(Error::refused(format!("{place} is {} in all {} rows", names[0], values.len()))
            .hint("there is nothing to learn; look at the label's definition in clean.yaml or features.yaml")),
        2 => Err(Error::refused(format!("{place} has two classes only, '{}' and '{}'", names[0], names[1]))
            .hint("derive a label of true and false in clean.yaml or features.yaml and write 'task: classification'")),
        many if many > MAX_CLASSES => Err(Error::refused(format!(
            "{place} has {many} distinct values, more than the {MAX_CLASSES} that can be classes"
        ))
        .hint("group its values, or write 'task: regression' for numbers")),
        _ => {
            let numbers: HashMap<&str, f64> = names.iter().enumerate().map(|(at, name)| (*name, at as f64)).collect();
            let label = values.iter().map(|value| numbers[value]).collect();
            Ok((label, names.into_iter().map(str::to_owned).collect()))
        }
    }
}

/// Refuses a split that leaves the train part, or what teaches a fold, without a class.
pub(super) fn every_class_teaches(split: &Split, label: &[f64], names: &[String], spec: &TrainSpec) -> Result<()> {
    let lacks = |rows: &mut dyn Iterator<Item = usize>| {
        let mut there = vec![false; names.len()];
        rows.for_each(|row| there[label[row] as usize] = true);
        there.iter().position(|there| !there)
    };
    let train = split.rows_of(Part::Train);
    let missing = |class: usize, place: &str| {
        Error::refused(format!(
            "table '{}': label '{}': no row of class '{}' is in {place}",
            spec.table, spec.label, names[class]
        ))
        .hint("bring more rows of this class, join it with another one, or change 'split'")
    };
    if let Some(class) = lacks(&mut train.iter().copied()) {
        return Err(missing(class, "the train part"));
    }
    for (number, fold) in split.folds.iter().enumerate() {
        if let Some(class) = lacks(&mut fold.train.iter().map(|at| train[*at])) {
            return Err(missing(class, &format!("what teaches fold {}", number + 1)));
        }
    }
    Ok(())
}

/// How much each row counts; `None`: all the same.
pub(super) fn weights(rows: &DataFrame, spec: &TrainSpec) -> Result<Option<Vec<f64>>> {
    let Some(name) = &spec.weight else { return Ok(None) };
    let column = column(rows, name, spec)?;
    let place = format!("table '{}': weight '{name}'", spec.table);
    no_nulls(column, spec, "say how much these rows count in clean.yaml or features.yaml, 0 for not at all")?;
    if !is_number(column.dtype()) {
        return Err(Error::refused(format!("{place} is {}, not numbers", type_name(column.dtype())))
            .hint("name a column of numbers"));
    }
    let values = numbers(column, &place)?;
    if let Some(row) = values.iter().position(|weight| !weight.is_finite() || *weight < 0.0) {
        return Err(Error::refused(format!("{place} is {} in row {}", values[row], row + 1))
            .hint("weights are finite numbers from 0"));
    }
    Ok(Some(values))
}

fn is_number(dtype: &DataType) -> bool {
    dtype.is_primitive_numeric() || dtype.is_decimal()
}

fn numbers(column: &Column, place: &str) -> Result<Vec<f64>> {
    let cast = column.strict_cast(&DataType::Float64).during(place)?;
    if column.dtype().is_integer() {
        // Two labels that a float holds as one would be the same.
        let back = cast.cast(column.dtype()).during(place)?;
        let same = back.as_materialized_series().equal_missing(column.as_materialized_series()).during(place)?;
        if let Some(row) = same.iter().position(|same| same != Some(true)) {
            return Err(Error::refused(format!("{place} in row {} loses its last digits beyond 2^53", row + 1))
                .hint("derive a smaller number, such as a difference or a ratio"));
        }
    }
    Ok(cast.f64().during(place)?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}
