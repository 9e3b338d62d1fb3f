//! Gates: what a stage promises about the tables that it publishes, and whether they keep it.
//!
//! Every stage's YAML may hold `checks:`, a list per table:
//!
//! ```yaml
#![doc = include_str!("example.yaml")]
//! ```
//!
//! **One rule.** *Row checks* (`not_null`, `in_range`, `accepted_values`, `matches`, `references`, `row`)
//! split the table. A hard one takes the rows that fail out, into the refused rows with their reason, as
//! long as their share of all rows stays within `max_share` (0 by default: not one row may fail); beyond it
//! the run is refused. A soft one leaves the rows where they are; beyond `max_share` it warns. *Table
//! checks* (`required`, `types`, `unique`, `primary_key`, `row_count`, `freshness`, `mean_near_history`, `no_drift`,
//! `table`) judge what is left as a whole: a failed hard one refuses the run, a failed soft one warns.
//!
//! **Nulls** pass every row check but `not_null`, and a `row` expression that is null passes, as in an SQL
//! `CHECK`. `unique` does not compare rows with a null in the key. A `table` expression that is null fails:
//! it says nothing about the table.
//!
//! This crate must not know where tables come from or go to: it sees batches ([`RowChecks::split`]) and one
//! scan of the finished table ([`judge`]).

mod check;
mod judge;
#[cfg(test)]
mod keys;
mod kinds;
mod list;
mod names;
mod rows;
mod scalar;
mod share;
#[cfg(test)]
mod testing;

pub use check::Finding;
pub use judge::{Published, judge, refusal};
pub use kinds::{
    AcceptedValues, Freshness, InRange, Matches, MeanNearHistory, NoDrift, NotNull, Pattern, References, Required, Row,
    RowCount, Table, Types, Unique,
};
pub use list::Check;
pub use names::ColumnNames;
pub use rows::RowChecks;
pub use scalar::Moment;
pub use share::{Rows, Share};

/// The checks of a stage by table.
pub type Checks = spec::Map<Vec<Check>>;

/// One of every check, for docs.
pub const EXAMPLE: &str = include_str!("example.yaml");
