//! Results: the newest published scores of a pipeline, asked by columns and keys.

mod formats;
mod query;
mod relation;
mod source;
mod table;
mod verified;

pub use formats::{Format, write_rows};
pub use query::{MOST_ROWS, Query};
pub use relation::Relation;
pub use source::{Answer, Source};
pub use table::Results;
