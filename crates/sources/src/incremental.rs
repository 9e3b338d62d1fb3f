//! Reading only what is new: from where a source starts, and how far it came.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::NaiveDate;
use serde_json::Value;

/// What of a source is to be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Reach {
    /// All of it.
    #[default]
    All,
    /// What came after the bookmark of an earlier run.
    After(Value),
    /// The days from the first to the last, both included, whatever was read before.
    Days(NaiveDate, NaiveDate),
}

/// How far an incremental source came, for the run after this one. Readers may be ahead of the batches taken from
/// them, so it counts only after the last batch.
#[derive(Clone, Debug, Default)]
pub struct Bookmark(Arc<Mutex<Option<Value>>>);

impl Bookmark {
    /// Nothing for a source that is always read as a whole, or that has not come anywhere yet.
    pub fn get(&self) -> Option<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything up to `value` was read.
    pub fn set(&self, value: Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }
}
