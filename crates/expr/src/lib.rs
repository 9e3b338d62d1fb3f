//! SQL expressions of the specs: parsed while the YAML is read, so that a mistake has file, line and column.
//!
//! [`SqlExpr`] may aggregate and look over windows. [`RowExpr`] is the narrower kind that depends on nothing but
//! its own row. What an expression may hold is written down here, not taken over from a library: every function
//! is in [`FUNCTIONS`]. `docs/sql.md` is the same for readers.

mod aggregate;
mod arithmetic;
mod calls;
mod cast;
mod compare;
mod compile;
mod dates;
mod exact;
mod functions;
mod gather;
mod grouped;
mod groups;
mod kernel;
mod literal;
mod node;
mod numbers;
mod over;
mod parse;
mod resolve;
mod row;
pub mod select;
mod sql;
mod texts;
mod typed;
mod value;
mod window;
mod wording;

pub use compile::{Compiled, meant_as_text};
pub use exact::{exact_mean, exact_sum};
pub use functions::{FUNCTIONS, Function, Kind};
pub use grouped::Grouped;
pub use groups::PatternGroups;
pub use row::RowExpr;
pub use sql::SqlExpr;
pub use wording::{normal, words};
