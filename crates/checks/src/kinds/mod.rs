//! The checks, one file each: doc with an example, spec, implementation, tests.

mod accepted_values;
mod freshness;
mod in_range;
mod matches;
mod mean_near_history;
mod no_drift;
mod not_null;
mod primary_key;
mod references;
mod required;
mod row;
mod row_count;
mod table;
mod types;
mod unique;

pub use accepted_values::AcceptedValues;
pub use freshness::Freshness;
pub use in_range::InRange;
pub use matches::{Matches, Pattern};
pub use mean_near_history::MeanNearHistory;
pub use no_drift::NoDrift;
pub use not_null::NotNull;
pub use primary_key::PrimaryKey;
pub use references::References;
pub use required::Required;
pub use row::Row;
pub use row_count::RowCount;
pub use table::Table;
pub use types::Types;
pub use unique::Unique;

use polars::prelude::{DataType, Expr, col, concat_str, lit};

/// Longest value that a reason repeats, in characters.
const SHOWN: u32 = 80;

/// A column's value as text for reasons; text in quotes.
fn shown(column: &str, of: &DataType) -> Expr {
    let text = col(column).cast(DataType::String).str().slice(lit(0), lit(SHOWN));
    let quoted = if is_text(of) { concat_str([lit("'"), text, lit("'")], "", false) } else { text };
    quoted.fill_null(lit("null"))
}

/// Texts side by side; a null among them counts as empty.
fn joined<const N: usize>(parts: [Expr; N]) -> Expr {
    concat_str(parts, "", true)
}

/// Whether a column holds text, plain or as codes.
fn is_text(of: &DataType) -> bool {
    matches!(of, DataType::String | DataType::Categorical(..) | DataType::Enum(..))
}

/// Implements [`crate::check::Described`] by the fields that every check has.
macro_rules! described {
    ($check:ty, |$this:ident| $subject:expr) => {
        impl crate::check::Described for $check {
            fn subject(&self) -> String {
                let $this = self;
                $subject
            }
            fn severity(&self) -> spec::Severity {
                self.severity
            }
        }
    };
}
use described;
