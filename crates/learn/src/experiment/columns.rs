//! Which columns of a table are learned from.
//!
//! The label, whom or what a row is about, when, which row it is and where it came from would give the model what it
//! must not know, or what no new row has. So these are learned from only where the spec names them.

use artifact::is_origin;
use spec::{Error, Result, did_you_mean};

use super::{Known, TrainSpec};
use crate::SplitBy;

/// Why a column is not learned from by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carried {
    Entity,
    Time,
    Split,
    Weight,
    /// When the label is known.
    KnownAt,
    Provenance,
    /// The features stage carries it along, such as its `key`.
    NoFeature,
}

impl Carried {
    /// What `column` is, if it is not a feature by default.
    fn of(column: &str, spec: &TrainSpec, known: &Known) -> Option<Carried> {
        let splits = spec.split.by != SplitBy::Random && spec.split.column.as_deref() == Some(column);
        match column {
            _ if column == spec.entity => Some(Carried::Entity),
            _ if spec.time.as_deref() == Some(column) => Some(Carried::Time),
            _ if splits => Some(Carried::Split),
            _ if spec.weight.as_deref() == Some(column) => Some(Carried::Weight),
            _ if is_origin(column) => Some(Carried::Provenance),
            _ if known.label_known_at(spec) == Some(column) => Some(Carried::KnownAt),
            _ if known.definitions.as_ref().is_some_and(|made| made.of_features && made.column(column).is_none()) => {
                Some(Carried::NoFeature)
            }
            _ => None,
        }
    }
}

/// The features among the columns `names` of the table, in their order.
///
/// Errors: columns of `exclude` and `include` that are not there, columns of `include` that are learned from anyway.
pub(super) fn features(spec: &TrainSpec, names: &[String], known: &Known) -> Result<Vec<String>> {
    let place = format!("table '{}'", spec.table);
    for (key, named) in [("exclude", &spec.exclude), ("include", &spec.include)] {
        if let Some(missing) = named.iter().find(|name| !names.contains(name)) {
            return Err(Error::cannot_run(format!("{key}: {place} has no column '{missing}'"))
                .hint(did_you_mean(missing, names.iter().map(String::as_str))));
        }
    }
    if let Some(name) = known.carried.iter().find(|name| names.contains(name) && spec.predicts(name)) {
        return Err(Error::cannot_run(format!("{place}: predictions have a column '{name}' of their own"))
            .hint("give the column of the table another name in features.yaml or clean.yaml"));
    }
    let carried = |name: &String| Carried::of(name, spec, known);
    let is_feature = |name: &&String| {
        **name != spec.label && !spec.exclude.contains(name) && (spec.include.contains(name) || carried(name).is_none())
    };
    let features: Vec<String> = names.iter().filter(is_feature).cloned().collect();
    match features.is_empty() {
        true => Err(Error::cannot_run(format!("{place}: no column is left to learn from"))
            .hint("shorten 'exclude', or add features in clean.yaml or features.yaml")),
        false => Ok(features),
    }
}

/// Columns of `include` that are learned from in any case, which those that count or name the rows (`naming`) are not: naming them suggests that the others are not.
pub(super) fn check_included(spec: &TrainSpec, naming: &[String], known: &Known) -> Result<()> {
    let idle = |name: &&String| Carried::of(name, spec, known).is_none() && !naming.contains(name);
    match spec.include.iter().find(idle) {
        Some(name) => Err(Error::cannot_run(format!("include: '{name}' is learned from anyway")).hint(
            "'include' adds columns that are left out by default (entity, time, keys, row numbers, texts of single rows); to learn from some \
             columns only, exclude the others",
        )),
        None => Ok(()),
    }
}

/// The message about columns that count the rows.
pub(super) fn row_number_note(name: &str) -> String {
    format!("column '{name}' counts the rows and is not learned from; if it means something, write `include: [{name}]`")
}

/// The message about columns with a text of their own in most rows.
pub(super) fn own_text_note(name: &str) -> String {
    format!(
        "column '{name}' has a different text in most rows and is not learned from; if it means something, write `include: [{name}]`"
    )
}
