//! What a source reports about the rows that were taken from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use polars::prelude::DataFrame;
use serde_json::Value;
use spec::Result;

use crate::incremental::Bookmark;
use crate::passed::Passed;

/// Follows the rows of a source. Readers may be ahead of the batches taken from them, so what it says counts only after the
/// last batch.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    pub(crate) rows_in: Arc<AtomicU64>,
    pub(crate) bookmark: Bookmark,
    pub(crate) passed: Passed,
    pub(crate) doubts: Doubts,
}

/// What is known about a source after its last batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// Records that the reader came upon, refused ones included.
    pub rows_in: u64,
    /// How far an incremental source came.
    pub bookmark: Option<Value>,
    /// Files without rows that were skipped, each with what was found in it.
    pub passed: Vec<String>,
    /// What makes it likely, but not certain, that the source holds more than was read.
    pub doubts: Vec<String>,
}

impl Ending {
    /// Of the batch taken last, these `rows` are accepted; it must be called before the next batch is taken. Fails if
    /// one of them stands where nothing can come after it.
    pub fn accept(&self, rows: &DataFrame) -> Result<()> {
        self.bookmark.accept(rows)
    }

    /// The counter of records that the reader came upon so far, refused ones included.
    pub fn rows_in(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.rows_in)
    }

    /// Notes that these columns of the source at `place` are not read, since their names are taken.
    pub(crate) fn leaves_out(&self, place: &str, names: &[String]) {
        let Some(first) = names.first() else { return };
        let listed: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
        self.doubts.add(format!(
            "{place}: left out {}, since each row gets columns of these names that say where it comes from; to keep them, \
             declare them with other names under 'columns', such as `source{first}: {{type: string, from: {first}}}`",
            listed.join(", ")
        ));
    }

    /// To be called after the last batch.
    pub fn finish(&self) -> Finished {
        Finished {
            rows_in: self.rows_in.load(Ordering::Relaxed),
            bookmark: self.bookmark.get(),
            passed: self.passed.get(),
            doubts: self.doubts.get(),
        }
    }
}

/// Messages about what a source may have left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doubts(Arc<Mutex<Vec<String>>>);

impl Doubts {
    pub(crate) fn add(&self, doubt: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(doubt);
    }

    pub(crate) fn get(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
