//! The change log: which step changed which cell, from what to what. Also the changes that people undo.
//!
//! A plan that is watched keeps the old column whenever a step replaces one ([`track`]); at the end of the pass each
//! batch is compared cell by cell ([`log`]). Both cost nothing while they are off.
//!
//! Each change has an id that stays the same from run to run: a hash of the table, the row's provenance, the column,
//! the step's name and settings, and the value before. A step that is added, removed or moved elsewhere in the list
//! leaves it alone. Rows of the same provenance, such as those that `unpivot` makes of one row, are numbered in their order ([`COPY`]). The settings of a step are those that the YAML gives, in the order of
//! their keys; [`Undone::without_effect`] names the ids that met no cell.

mod decisions;
mod log;
mod track;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use polars::prelude::*;
use spec::Error;

pub use decisions::Decisions;
pub(crate) use log::Log;
pub(crate) use track::{By, Tracker};

/// What to log of a table's changes, and which of them are undone.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The table's name, which is part of every id.
    pub table: String,
    /// Whether the changes are handed out with the batches.
    pub log: bool,
    /// Changes that are undone.
    pub undone: Undone,
    /// Whether several rows may have come from one row before the first step, as those of a clean table may.
    pub repeated: bool,
}

/// The number of a row among those with the same `_file` and `_row`, from 0; only there where rows may have the same ones.
pub(crate) const COPY: &str = "_step_copy";

/// Names one change of one cell: 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId(u64);

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ChangeId {
    type Err = Error;
    fn from_str(text: &str) -> Result<ChangeId, Error> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u64::from_str_radix(text, 16) {
            Ok(id) if digits => Ok(ChangeId(id)),
            _ => Err(Error::cannot_run(format!("'{text}' is not the id of a change"))
                .hint("an id is 16 hexadecimal digits, from the column 'id' of a change log")),
        }
    }
}

/// Changes that are undone: their cells keep the value that the step found.
#[derive(Clone, Debug, Default)]
pub struct Undone {
    /// By row number, which alone decides for most rows.
    by_row: HashMap<u64, Vec<ChangeId>>,
    met: Arc<Mutex<BTreeSet<ChangeId>>>,
}

impl Undone {
    /// Changes by their id and the row number (`_row`) of their cell.
    pub fn new(changes: impl IntoIterator<Item = (ChangeId, u64)>) -> Undone {
        let mut undone = Undone::default();
        for (id, row) in changes {
            undone.by_row.entry(row).or_default().push(id);
        }
        undone
    }

    pub fn is_empty(&self) -> bool {
        self.by_row.is_empty()
    }

    /// All changes, with the row number of their cell.
    pub fn all(&self) -> Vec<(ChangeId, u64)> {
        let mut all: Vec<(ChangeId, u64)> =
            self.by_row.iter().flat_map(|(row, ids)| ids.iter().map(|id| (*id, *row))).collect();
        all.sort_unstable();
        all
    }

    /// The changes that were met so far.
    pub fn met(&self) -> Vec<ChangeId> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Takes note of changes that were met elsewhere, over another part of the table.
    pub fn meet(&self, ids: impl IntoIterator<Item = ChangeId>) {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    /// After a pass: the changes that it did not meet, because the row, the value or the step has changed.
    pub fn without_effect(&self) -> Vec<ChangeId> {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missed: Vec<ChangeId> =
            self.by_row.values().flatten().filter(|id| !met.contains(id)).copied().collect();
        missed.sort_unstable();
        missed
    }

    /// True for the cells of the columns `[file, row, before]`, and perhaps [`COPY`], whose change is undone.
    fn covers(&self, ids: &Ids, columns: &[Column]) -> PolarsResult<Column> {
        let [file, row, before, copies @ ..] = columns else {
            polars_bail!(ComputeError: "three columns were expected")
        };
        let copies = copies.first().map(Column::u32).transpose()?;
        let rows = row.cast(&DataType::UInt64)?;
        let mut covered = vec![false; rows.len()];
        let mut texts = None;
        for (at, row) in rows.u64()?.iter().enumerate() {
            let Some(known) = row.and_then(|row| self.by_row.get(&row)) else { continue };
            // Most batches hold no row of that number, and need no text.
            if texts.is_none() {
                texts = Some((as_text(file)?, as_text(before)?));
            }
            let Some((files, values)) = &texts else { continue };
            let copy = copies.and_then(|copies| copies.get(at)).unwrap_or_default();
            let place = Place { file: files.get(at), row: row.unwrap_or_default(), copy };
            // A change of a column that a later step masks has an id that does not know the value.
            let candidates = [ids.of(place, Before::Known(values.get(at))), ids.of(place, Before::Hidden)];
            for id in known.iter().filter(|id| candidates.contains(id)) {
                covered[at] = true;
                self.met.lock().unwrap_or_else(PoisonError::into_inner).insert(*id);
            }
        }
        Ok(Column::new(before.name().clone(), covered))
    }
}

/// Where a cell's row was read.
#[derive(Clone, Copy)]
struct Place<'a> {
    file: Option<&'a str>,
    row: u64,
    /// See [`COPY`].
    copy: u32,
}

/// The value that a step found.
#[derive(Clone, Copy)]
enum Before<'a> {
    Known(Option<&'a str>),
    /// A value that must not be guessable from the id.
    Hidden,
}

/// Makes the ids of the changes of one step in one column.
#[derive(Clone, Debug)]
struct Ids {
    key: [u8; 32],
}

impl Ids {
    /// `column` is named as the step found it; `step` is its name with its settings.
    fn new(table: &str, column: &str, step: &str) -> Ids {
        let mut words = Vec::new();
        [table, column, step].iter().for_each(|word| append(&mut words, word));
        Ids { key: blake3::derive_key("millrace 2026 change id", &words) }
    }

    fn of(&self, place: Place<'_>, before: Before<'_>) -> ChangeId {
        let mut words = place.row.to_le_bytes().to_vec();
        append(&mut words, place.file.unwrap_or_default());
        match before {
            Before::Known(Some(text)) => {
                words.push(1);
                append(&mut words, text);
            }
            Before::Known(None) => words.push(0),
            Before::Hidden => words.push(2),
        }
        if place.copy > 0 {
            words.extend(place.copy.to_le_bytes());
        }
        let hash = blake3::keyed_hash(&self.key, &words);
        let first: [u8; 8] = std::array::from_fn(|at| hash.as_bytes()[at]);
        ChangeId(u64::from_be_bytes(first))
    }
}

/// Appends a word and its length, so that no two lists of words look alike.
fn append(words: &mut Vec<u8>, word: &str) {
    words.extend((word.len() as u64).to_le_bytes());
    words.extend(word.as_bytes());
}

/// The cells as the log shows them.
pub(crate) fn as_text(column: &Column) -> PolarsResult<StringChunked> {
    if let Ok(text) = column.cast(&DataType::String) {
        return text.str().cloned();
    }
    // Lists and structs have no text of their own.
    let mut texts = StringChunkedBuilder::new(column.name().clone(), column.len());
    for at in 0..column.len() {
        match column.get(at)? {
            AnyValue::Null => texts.append_null(),
            value => texts.append_value(value.to_string()),
        }
    }
    Ok(texts.finish())
}
