//! A table on its way to disk: batches of rows, those refused, and counts of those removed.

use polars::prelude::DataFrame;
use spec::Result;

use crate::Fate;

/// The column of refused rows that says why.
pub const REASON: &str = "_reason";

/// A slice of a table.
#[derive(Debug, Default)]
pub struct Batch {
    /// Rows that are passed on.
    pub rows: DataFrame,
    /// Rows refused, with their reason in the column [`REASON`].
    pub refused: Option<DataFrame>,
    /// Rows that a named rule took out of this batch.
    pub removed: Vec<Removed>,
    /// Rows of the change log, about cells in `rows`; they do not count in the books.
    pub changes: Option<DataFrame>,
}

/// How many rows a named rule took out.
#[derive(Clone, Debug, PartialEq)]
pub struct Removed {
    /// The rule as people read it, such as `step 3 'dedupe' on order_id`.
    pub rule: String,
    pub fate: Fate,
    pub rows: u64,
}

impl From<DataFrame> for Batch {
    fn from(rows: DataFrame) -> Batch {
        Batch { rows, refused: None, removed: Vec::new(), changes: None }
    }
}

/// Batches in the order of the table. A failed batch ends the table.
pub type Batches = Box<dyn Iterator<Item = Result<Batch>> + Send>;
