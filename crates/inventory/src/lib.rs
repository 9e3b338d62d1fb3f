//! What a project holds, where it came from, and whether it is intact: answered from footers, snapshots, run logs,
//! change logs and decisions. It keeps nothing of its own but an index of footers, which counts only while the files
//! are as they were.
//!
//! This crate must not know about terminals; nor how a table is made, beyond what its evidence says.

mod backup;
mod description;
mod events;
mod found;
mod graph;
mod index;
mod lineage_words;
mod names;
mod place;
mod prune;
pub mod sheet;
mod site;
mod table;
mod trace;
mod verify;
pub mod words;

pub use backup::{BackedUp, Backup, Entry, List, Restored, differing, list as backup_list, lists as backups, restore};
pub use description::description;
pub use events::events;
pub use found::{Found, Inventory, Problem, folders};
pub use graph::{Affected, ColumnId, Graph, Node};
pub use names::{column, table};
pub use place::{Layer, MODEL, Place, TableId};
pub use prune::{Old, Pruning, prunable, remove, wanting};
pub use site::{Site, site};
pub use table::{CheckHistory, Table};
pub use trace::{Again, Behind, Change, Original, TraceOptions, Traced, TracedRow, trace};
pub use verify::{Verified, verify};
