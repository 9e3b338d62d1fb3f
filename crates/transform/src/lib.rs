//! Pure table transformations: the clean steps, in SQL terms.
//!
//! This crate must not know about files, terminals or networks: what goes in and out are plans and batches.

mod agreement;
mod alike;
mod beside;
mod carry;
mod changes;
mod clean_spec;
mod clusters;
mod from_tables;
mod given;
mod joining;
mod key_hash;
mod key_set;
mod keys;
mod lineage;
mod lookup;
mod made;
mod mapping;
mod matching;
mod operation;
pub mod order;
mod pending;
mod plan;
mod reshape;
mod review;
mod rounds;
mod samples;
mod seen;
mod split;
mod statistics;
pub mod steps;
mod texts;
mod union;
mod witness;

pub use beside::{Beside, OtherTable};
pub use changes::{ChangeId, Changes, Decisions, Undone};
pub use clean_spec::{TableSpec, Tables};
pub use expr::{RowExpr, SqlExpr};
pub use from_tables::FromTables;
pub use given::Given;
pub use key_set::KeySet;
pub use keys::{Nulls, filled, is_exact};
pub use lineage::{KnownTable, lineage};
pub use lookup::{Lookup, PROMPT_HASH};
pub use mapping::{Mapped, Mapping};
pub use pending::{Pending, pending};
pub use plan::{ColumnSources, Plan, Source};
pub use review::Review;
pub use rounds::{BUCKET, End, Made, Rounds};
pub use samples::{Sample, Types};
pub use split::{Cleaned, clean, plan};
pub use steps::Step;
pub use union::{known_together, union};
pub use witness::{RowsBehind, Witness, behind};
