//! Pure table transformations: the clean steps, in SQL terms.
//!
//! This crate must not know about files, terminals or networks: what goes in and out are plans and batches.

mod agreement;
mod alike;
mod carry;
mod changes;
mod clusters;
mod given;
mod key_set;
mod keys;
mod lookup;
mod made;
mod mapping;
mod operation;
mod pending;
mod plan;
mod review;
mod samples;
mod seen;
mod split;
mod statistics;
pub mod steps;
mod texts;
mod union;

pub use changes::{ChangeId, Changes, Undone};
pub use expr::{RowExpr, SqlExpr};
pub use given::Given;
pub use key_set::KeySet;
pub use keys::{Nulls, filled, is_exact};
pub use lookup::{Lookup, PROMPT_HASH};
pub use mapping::{Mapped, Mapping};
pub use pending::{Pending, pending};
pub use plan::{Plan, Sources};
pub use review::Review;
pub use samples::{Sample, Types};
pub use split::{Cleaned, clean, plan};
pub use steps::Step;
pub use union::union;
