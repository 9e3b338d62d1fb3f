//! Table steps: those that make other rows. Each ends a pass, takes the rows that are alive, batch by batch and in
//! order, and gives the rows with which the next pass begins.

mod aggregation;
mod appending;
mod exploding;
mod fan_out;
mod groups;
mod numbering;
mod pivoting;
mod sorting;
mod unpivoting;
mod versioning;
mod windows;

use std::fmt;
use std::sync::Arc;

use artifact::{Fate, PolarsResultExt, Removed};
use polars::prelude::*;
use serde_json::Value as Json;
use spec::Result;

pub(crate) use aggregation::Aggregation;
pub use aggregation::EmptyKeys;
pub(crate) use appending::Appending;
pub(crate) use exploding::Exploding;
pub(crate) use fan_out::FanOut;
pub(crate) use numbering::Numbering;
pub use pivoting::Others;
pub(crate) use pivoting::Pivoting;
pub(crate) use sorting::Sorting;
pub(crate) use unpivoting::Unpivoting;
pub use versioning::Missing;
pub(crate) use versioning::Versioning;
pub(crate) use windows::Windows;

use crate::given::Given;
use crate::plan::Moves;

/// A table step as data, with the method that carries it out.
pub(crate) trait Reshaping: fmt::Debug + Send + Sync {
    /// `aggregate`
    fn name(&self) -> &'static str;

    /// All that distinguishes it from others of its name.
    fn parameters(&self) -> Json;

    /// From which columns those that it makes come, and which decide on its rows. Columns that it does not name are as
    /// they were.
    fn moves(&self) -> Moves;

    /// The columns of the rows that it gives, provenance included.
    fn schema(&self) -> &Schema;

    /// If each row that it gives follows from the rows of one group: by which columns rows are grouped, and the same step for a part of
    /// the table that holds whole groups, whose rows have the `_file` and `_row` of the first row of their group besides.
    /// Default: they do not.
    fn of_groups(&self) -> Option<(&[String], Arc<dyn Reshaping>)> {
        None
    }

    /// Begins to take rows.
    fn begin(&self, given: &Given) -> Result<Box<dyn Work>>;
}

/// A table step at work.
pub(crate) trait Work: Send {
    /// Takes the next rows.
    fn take(&mut self, rows: DataFrame) -> Result<()>;

    /// After the last rows.
    fn finish(self: Box<Self>) -> Result<Reshaped>;
}

/// What a table step gives.
#[derive(Default)]
pub(crate) struct Reshaped {
    pub rows: DataFrame,
    /// The rows that were removed or added, by reason, for the books.
    pub books: Vec<Removed>,
    /// Rows that it could not use, with the reason.
    pub refused: Option<DataFrame>,
}

impl Reshaped {
    /// Enters rows into the books.
    pub fn count(&mut self, rule: impl Into<String>, fate: Fate, rows: u64) {
        let rule = rule.into();
        match self.books.iter_mut().find(|entry| entry.rule == rule && entry.fate == fate) {
            Some(entry) => entry.rows += rows,
            None if rows > 0 => self.books.push(Removed { rule, fate, rows }),
            None => {}
        }
    }

    /// Enters the difference between the rows that were taken and those that were given.
    pub fn balance(&mut self, rule: &str, taken: u64, given: u64) {
        self.count(rule, Fate::Merged, taken.saturating_sub(given));
        self.count(rule, Fate::Added, given.saturating_sub(taken));
    }
}

/// Some columns of a row for errors: `shop = 'a', product = 7`.
pub(crate) fn shown_key(rows: &DataFrame, columns: &[String], row: usize) -> PolarsResult<String> {
    let columns = columns.iter().map(|name| Ok((name.as_str(), rows.column(name)?)));
    shown_cells(columns.collect::<PolarsResult<Vec<_>>>()?, row)
}

/// The same of columns under names of their own.
pub(crate) fn shown_cells<'a>(
    columns: impl IntoIterator<Item = (&'a str, &'a Column)>,
    row: usize,
) -> PolarsResult<String> {
    let mut words = Vec::new();
    for (name, column) in columns {
        let value = column.get(row)?;
        words.push(match &value {
            AnyValue::String(_) | AnyValue::StringOwned(_) => format!("{name} = '{}'", value.str_value()),
            value => format!("{name} = {}", value.str_value()),
        });
    }
    Ok(words.join(", "))
}

/// Rows that follow each other, as one table.
pub(crate) struct Gathered {
    rows: DataFrame,
    place: String,
}

impl Gathered {
    pub fn new(schema: &Schema, place: &str) -> Gathered {
        Gathered { rows: DataFrame::empty_with_schema(schema), place: place.to_owned() }
    }

    pub fn add(&mut self, rows: DataFrame) -> Result<()> {
        if rows.height() > 0 {
            self.rows.vstack_mut_owned(rows).during(&self.place)?;
        }
        Ok(())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.schema().iter_names().map(|name| name.as_str())
    }

    pub fn height(&self) -> usize {
        self.rows.height()
    }

    /// All rows, in one piece.
    pub fn finish(mut self) -> DataFrame {
        self.rows.rechunk_mut();
        self.rows
    }
}
