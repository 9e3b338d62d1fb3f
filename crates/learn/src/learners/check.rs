//! What every learner requires of its rows before it learns.

use spec::{Error, Result};

use score::Task;

use crate::Data;

/// Rows and labels that agree, at least one row and feature, finite labels; for classification 0 and 1, both of them.
pub(super) fn check(task: Task, train: Data<'_>, valid: Data<'_>) -> Result<()> {
    agree(train, "training")?;
    agree(valid, "validation")?;
    if train.label.is_empty() {
        return Err(Error::refused("no rows to learn from").hint("widen the split, the cutoffs or the filter"));
    }
    if train.features.features().is_empty() {
        return Err(Error::cannot_run("no features to learn from").hint("name at least one"));
    }
    if train.features.features() != valid.features.features() {
        return Err(Error::cannot_run("training and validation rows have different features"));
    }
    match task {
        Task::Classification => classes(train),
        Task::Multiclass => several_classes(train),
        Task::Regression => Ok(()),
    }
}

/// Numbers of classes from 0, each of which has training rows that count.
fn several_classes(Data { label, features }: Data<'_>) -> Result<()> {
    if let Some(other) = label.iter().find(|label| **label < 0.0 || label.fract() != 0.0 || **label > 1e6) {
        return Err(Error::refused(format!("the label has the value {other}, which is not the number of a class"))
            .hint("number the classes from 0, or set the task to regression"));
    }
    let mut counts = vec![0.0; classes_of(label)];
    label.iter().enumerate().for_each(|(row, label)| counts[*label as usize] += features.weight(row));
    match counts.iter().position(|count| *count == 0.0) {
        _ if counts.len() < 2 => {
            Err(Error::refused(format!("the label has one class only in all {} training rows", label.len()))
                .hint("choose another horizon, cutoff or split, or bring rows of other classes"))
        }
        Some(class) => Err(Error::refused(format!("no training row that counts is of class number {}", class + 1))
            .hint("choose another split, or bring more rows of this class")),
        None => Ok(()),
    }
}

/// How many classes there are, by the largest number.
pub(super) fn classes_of(label: &[f64]) -> usize {
    label.iter().map(|label| *label as usize + 1).max().unwrap_or(0)
}

/// How many classes a tree has to distinguish by their numbers: 1 where the label is 0 and 1, and for numbers.
pub(super) fn views_of(task: Task, label: &[f64]) -> usize {
    match task {
        Task::Multiclass => classes_of(label),
        Task::Classification | Task::Regression => 1,
    }
}

fn agree(data: Data<'_>, which: &str) -> Result<()> {
    let (rows, labels) = (data.features.rows(), data.label.len());
    if rows != labels {
        return Err(Error::cannot_run(format!("{labels} labels for {rows} {which} rows")));
    }
    match data.label.iter().position(|label| !label.is_finite()) {
        None => Ok(()),
        Some(row) => Err(Error::refused(format!("the label of {which} row {} is {}", row + 1, data.label[row]))
            .hint("drop the rows without a label")),
    }
}

fn classes(Data { label, features }: Data<'_>) -> Result<()> {
    if let Some(other) = label.iter().find(|label| **label != 0.0 && **label != 1.0) {
        return Err(Error::refused(format!("the label has the value {other}, but classes are 0 and 1"))
            .hint("derive a label of 0 and 1, or set the task to regression"));
    }
    let ones = label.iter().filter(|label| **label == 1.0).count();
    let counts = |class: f64| (0..label.len()).any(|row| label[row] == class && features.weight(row) > 0.0);
    if counts(0.0) && counts(1.0) {
        return Ok(());
    }
    if ones > 0 && ones < label.len() {
        let class = u8::from(!counts(1.0));
        return Err(Error::refused(format!("all training rows of class {class} have the weight 0"))
            .hint("choose another column as 'weight'"));
    }
    let only = u8::from(ones > 0);
    Err(Error::refused(format!("the label has one class only ({only} in all {} training rows)", label.len()))
        .hint("choose another horizon, cutoff or split, or bring rows of both classes"))
}

/// Refuses regression in the name of a learner that only classifies.
pub(super) fn classifies_only(task: Task, learner: &str) -> Result<()> {
    match task {
        Task::Classification | Task::Multiclass => Ok(()),
        Task::Regression => Err(Error::cannot_run(format!("{learner}: learns classes, not numbers"))
            .hint("use lightgbm, xgboost, elastic_net, forest or tree for regression")),
    }
}

/// The mean, which of classes is the share of class 1.
pub(super) fn mean(label: &[f64], weights: Option<&[f64]>) -> f64 {
    match weights {
        None => label.iter().sum::<f64>() / label.len().max(1) as f64,
        Some(weights) => {
            let sum: f64 = label.iter().zip(weights).map(|(label, weight)| label * weight).sum();
            sum / weights.iter().sum::<f64>()
        }
    }
}
