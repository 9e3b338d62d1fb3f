//! Reading only what is new: from where a source starts, and how far it came.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact::{PolarsResultExt, ROW};
use chrono::{DateTime, Days, NaiveDate, Utc};
use polars::prelude::DataFrame;
use serde_json::Value;
use spec::{Error, Result};

/// Which part of a source is to be read.
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
///
/// A source that knows its rows by their own values moves it by accepted rows alone: whatever takes its batches
/// reports by [`Bookmark::accept`] which rows of each were accepted.
#[derive(Clone, Default)]
pub struct Bookmark(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    value: Option<Value>,
    /// Knows the rows of the batch that was handed out last.
    batch: Option<Furthest>,
    /// Adds to the value what the source has to remember beside it.
    finish: Option<Finish>,
}

/// Makes the bookmark of the value of the last accepted row, if there is one.
type Finish = Box<dyn Fn(Option<Value>) -> Option<Value> + Send>;

/// Says how far the source came, given the numbers of the accepted rows of one batch, in order.
pub(crate) type Furthest = Box<dyn FnOnce(&[u32]) -> Result<Option<Value>> + Send>;

impl Bookmark {
    /// Nothing for a source that is always read as a whole, or of which nothing was read yet.
    pub fn get(&self) -> Option<Value> {
        let state = self.state();
        match &state.finish {
            Some(finish) => finish(state.value.clone()),
            None => state.value.clone(),
        }
    }

    /// What the source has to remember is added by `finish`.
    pub(crate) fn finish_by(&self, finish: impl Fn(Option<Value>) -> Option<Value> + Send + 'static) {
        self.state().finish = Some(Box::new(finish));
    }

    /// Everything up to `value` was read.
    pub fn set(&self, value: Value) {
        self.state().value = Some(value);
    }

    /// Of the batch taken last, these `rows` are accepted; it must be reported before the next batch is taken. Fails if
    /// one of them stands where nothing can come after it.
    pub fn accept(&self, rows: &DataFrame) -> Result<()> {
        let Some(furthest) = self.state().batch.take() else { return Ok(()) };
        let numbers = rows.column(ROW).and_then(|column| column.u32().cloned()).during("the numbers of rows")?;
        let numbers: Vec<u32> = numbers.iter().flatten().collect();
        if let Some(value) = furthest(&numbers)? {
            self.set(value);
        }
        Ok(())
    }

    /// Notes that a batch is handed out; `furthest` knows its rows.
    pub(crate) fn hand_out(&self, furthest: Furthest) {
        self.state().batch = Some(furthest);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bookmark").field(&self.get()).finish()
    }
}

/// A value further ahead of now than this many days is a mistake, or means "for ever".
const AHEAD: u64 = 366;

/// How a timestamp relates to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Past,
    /// More than a day ahead, which is more than time zones and clocks explain. Such a row is read, but the bookmark waits for
    /// the rows between.
    Ahead,
}

/// How `instant` relates to now. Fails for one so far ahead that it can be no time of a change.
pub(crate) fn when(moment: DateTime<Utc>, shown: &str) -> Result<When> {
    let now = Utc::now();
    match (now.checked_add_days(Days::new(1)), now.checked_add_days(Days::new(AHEAD))) {
        (_, Some(limit)) if moment > limit => Err(nothing_after(shown)),
        (Some(limit), _) if moment > limit => Ok(When::Ahead),
        _ => Ok(When::Past),
    }
}

/// The error for a bookmark that no new row can exceed.
pub(crate) fn nothing_after(shown: &str) -> Error {
    Error::cannot_run(format!("incremental: the greatest value is {shown}, after which nothing comes"))
        .hint("take another column, or a 'query' that leaves these rows out")
}
