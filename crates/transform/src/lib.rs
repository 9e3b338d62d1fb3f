//! Pure table transformations: the clean steps and the feature plan, in SQL terms.
//!
//! This crate must not know about files, terminals or networks: what goes in and out are plans and batches.

pub mod features;
mod keys;
mod plan;
mod seen;
mod split;
mod sql;
mod statistics;
pub mod steps;
mod union;

pub use keys::{KeySet, is_exact};
pub use plan::Plan;
pub use split::{Cleaned, clean};
pub use sql::{RowExpr, SqlExpr};
pub use steps::Step;
pub use union::union;
