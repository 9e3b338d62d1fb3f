//! Models that were trained elsewhere must not have seen the rows by which they are judged; nor must the champion have seen those on
//! which it is compared.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use artifact::{FILE, PolarsResultExt, ROW};
use polars::prelude::{DataFrame, DataType};
use spec::{Error, Result, ResultExt};

use super::rows::{self, Table};
use super::{ExperimentSpec, Known, TrainSpec};
use crate::{Imported, Part, Split};

/// The model that an experiment imports; none of those that learn.
pub(super) fn of<'a>(experiment: &ExperimentSpec, known: &'a Known) -> Option<Result<&'a Imported>> {
    let path = experiment.learner.imported()?;
    let model = known.imported.get(path);
    Some(model.ok_or_else(|| Error::cannot_run(format!("{path}: was not read")).hint("please report it")))
}

/// Refuses imported models that predict something else than the label or learned from other columns, that have seen rows of the test part, or have learned from rows
/// of the validation part. Says of each where it comes from.
pub(super) fn check(
    spec: &TrainSpec,
    known: &Known,
    table: &Table<'_>,
    split: &Split,
    classes: Option<&[String]>,
) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for (name, experiment) in spec.experiments.iter() {
        let Some(model) = of(experiment, known) else { continue };
        let checked = model.and_then(|model| {
            check_label(model, spec, classes)?;
            check_meaning(model, spec, known)?;
            check_rows(model, &rows::assignment(table, split, false)?, spec)?;
            Ok(format!(
                "experiment '{name}' is {}, trained elsewhere by the parts of {}; what its file says of that was compared with \
                 the table, but not how it was trained",
                model.path(),
                model.mark().version
            ))
        });
        notes.push(checked.context(format!("experiment '{name}'"))?);
    }
    Ok(notes)
}

fn check_label(model: &Imported, spec: &TrainSpec, classes: Option<&[String]>) -> Result<()> {
    let (path, mark) = (model.path(), model.mark());
    if mark.label != spec.label {
        return Err(Error::cannot_run(format!("{path}: it predicts '{}', not '{}'", mark.label, spec.label))
            .hint("import a model of this label"));
    }
    if mark.classes != classes.unwrap_or_default() {
        let listed = |names: &[String]| match names.is_empty() {
            true => "none".to_owned(),
            false => names.join(", "),
        };
        return Err(Error::cannot_run(format!(
            "{path}: its classes are {}, and those of the label {}",
            listed(&mark.classes),
            listed(classes.unwrap_or_default())
        ))
        .hint("train it again on this table"));
    }
    Ok(())
}

/// Columns of the same name may be made otherwise than when it was trained.
fn check_meaning(model: &Imported, spec: &TrainSpec, known: &Known) -> Result<()> {
    let (Some(was), Some(now)) = (model.definitions(), &known.definitions) else { return Ok(()) };
    let names = model.mark().features.iter().map(|feature| feature.name.as_str());
    let mut changed = was.changed(now, names);
    changed.extend(was.changed_label(now, &spec.label).map(|changed| format!("the label {changed}")));
    match changed.is_empty() {
        true => Ok(()),
        false => Err(Error::cannot_run(format!(
            "{}: columns mean something else than when it was trained: {}",
            model.path(),
            changed.join("; ")
        ))
        .hint("train it again by the parts of the newest version")),
    }
}

/// `now`: the parts of this run.
fn check_rows(model: &Imported, now: &DataFrame, spec: &TrainSpec) -> Result<()> {
    let (path, then) = (model.path(), model.parts());
    let by = identity(now, spec)?;
    for name in &by {
        let types = [now, then].map(|rows| rows.schema().get(name).cloned());
        if types[0] != types[1] {
            return Err(Error::cannot_run(format!(
                "{path}: the rows of {} cannot be found in the table by column '{name}', whose type is another one",
                model.mark().version
            ))
            .hint("train it again by the parts of the newest version"));
        }
    }
    let (ours, theirs) = (identities(now, &by)?, identities(then, &by)?);
    for (judged, seen) in [(Part::Test, vec![Part::Train, Part::Valid]), (Part::Valid, vec![Part::Train])] {
        let is_of = |rows: &DataFrame, parts: &[Part]| -> Result<Vec<bool>> {
            let column = own_column(rows, "part")
                .ok_or_else(|| Error::cannot_run(format!("{path}: a table of parts has none")))?;
            let texts = rows.column(&column).and_then(|column| column.cast(&DataType::String)).during(path)?;
            let texts = texts.str().during(path)?;
            Ok(texts.iter().map(|text| parts.iter().any(|part| Some(part.name()) == text)).collect())
        };
        let has_seen = is_of(then, &seen)?;
        let known: HashSet<u64> = theirs.iter().zip(has_seen).filter_map(|(row, seen)| seen.then_some(*row)).collect();
        let wanted: Vec<u64> =
            ours.iter().zip(is_of(now, &[judged])?).filter_map(|(row, wanted)| wanted.then_some(*row)).collect();
        let count = wanted.iter().filter(|row| known.contains(row)).count();
        if count > 0 {
            return Err(Error::cannot_run(format!(
                "{path}: it has seen {count} of the {} rows of the {} part, when it was trained by the parts of {}",
                wanted.len(),
                judged.name(),
                model.mark().version
            ))
            .hint("train it again by the parts of the newest version"));
        }
    }
    Ok(())
}

/// The columns by which a row is found again: entity, time and what the split goes by, where these tell rows apart, else its file and
/// number.
fn identity(now: &DataFrame, spec: &TrainSpec) -> Result<Vec<String>> {
    let there = |name: &&String| now.schema().contains(name);
    let mut by: Vec<String> = Vec::new();
    for name in [Some(&spec.entity), spec.time.as_ref(), spec.split.column.as_ref()].into_iter().flatten().filter(there)
    {
        if !by.contains(name) {
            by.push(name.clone());
        }
    }
    let traced = [FILE, ROW].map(str::to_owned);
    let is_traced = traced.iter().all(|name| now.schema().contains(name));
    let tells_apart = || -> Result<bool> {
        let rows = identities(now, &by)?;
        Ok(rows.iter().collect::<HashSet<_>>().len() == rows.len())
    };
    Ok(if is_traced && !tells_apart()? { traced.into() } else { by })
}

/// A number for each row that is equal for equal values in these columns.
fn identities(rows: &DataFrame, by: &[String]) -> Result<Vec<u64>> {
    let mut hashes = vec![DefaultHasher::new(); rows.height()];
    for name in by {
        let texts = rows.column(name).and_then(|column| column.cast(&DataType::String)).during("parts")?;
        let texts = texts.str().during("parts")?;
        hashes.iter_mut().zip(texts.iter()).for_each(|(hash, text)| text.hash(hash));
    }
    Ok(hashes.iter().map(DefaultHasher::finish).collect())
}

/// Which of the rows `now` taught a version, or chose it, whose table of parts is `then`. `None`: the two tables do not tell.
pub(super) fn known_to(then: &DataFrame, now: &DataFrame, spec: &TrainSpec) -> Result<Option<Vec<bool>>> {
    let by = identity(now, spec)?;
    let (Some(part), Some(learned)) = (own_column(then, "part"), own_column(then, "learned")) else { return Ok(None) };
    if by.iter().any(|name| !then.schema().contains(name)) {
        return Ok(None);
    }
    let (ours, theirs) = (identities(now, &by)?, identities(then, &by)?);
    // Rows that cannot be told apart may be others than those that it knows.
    if [&ours, &theirs].into_iter().any(|rows| rows.iter().collect::<HashSet<_>>().len() < rows.len()) {
        return Ok(None);
    }
    let parts = then.column(&part).and_then(|column| column.cast(&DataType::String)).during("parts")?;
    let learned = then.column(&learned).and_then(|column| column.bool().cloned()).during("parts")?;
    let seen = parts.str().during("parts")?.iter().zip(learned.iter());
    let seen = seen.map(|(part, learned)| learned == Some(true) || part == Some(Part::Valid.name()));
    let known: HashSet<u64> = theirs.into_iter().zip(seen).filter_map(|(row, seen)| seen.then_some(row)).collect();
    Ok(Some(ours.iter().map(|row| known.contains(row)).collect()))
}

/// The column of a table of parts that is called `name`: the last, for it has `_` at its end where the table has one of that name.
fn own_column(rows: &DataFrame, name: &str) -> Option<String> {
    let names = rows.get_column_names();
    let last = names.iter().rev().find(|column| column.trim_end_matches('_') == name);
    last.map(|name| name.to_string())
}
