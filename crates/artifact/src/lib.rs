//! The only code that opens or writes Parquet: scans, batches, footers with their evidence, temporary
//! names, atomic publishing and snapshots.
//!
//! An *artifact* is an immutable file. It is written under a temporary name in its own folder, synced,
//! sealed with its [`Evidence`] and then renamed. A [`Snapshot`] is the file `latest` beside the artifacts,
//! which lists those that make up the stage's current output.

mod arrow_note;
mod batch;
mod books;
mod clock;
mod codes;
mod content;
mod cpu_time;
mod definitions;
mod described;
mod distinct;
mod dtype;
mod encode;
mod engine;
mod errors;
mod evidence;
mod fingerprint;
mod footer;
mod foreign;
pub mod history;
pub mod ipc;
mod journal_lock;
mod lineage;
mod made_from;
mod notes;
mod numbers;
mod pages;
mod quality;
mod quantiles;
mod received;
mod sample;
mod scan;
mod schema_history;
mod settings;
mod snapshot;
mod summary;
mod temporary;
mod texts;
mod writer;

pub use batch::{Batch, Batches, REASON, Removed};
pub use books::{Books, Entry, Fate};
pub use clock::{Stamp, now};
pub use content::{hash_file, hash_files, hash_folder, hash_of, hash_reader, verify_folder};
pub use cpu_time::{cpu_time, let_others_go_first};
pub use definitions::{Definition, Definitions, Readings, definitions_of};
pub use described::{Described, DescribedColumn};
pub use dtype::{column_type, dtype, type_in_full, type_name, type_names};
pub use encode::RowGroups;
pub use engine::{BATCH_ROWS, ONE_KEY, collect, keys_of_groups, set_up_engine, stream};
pub use errors::{PolarsResultExt, raised};
pub use evidence::{CheckResult, Evidence, Input, Kind, Verdict};
pub use fingerprint::{Fingerprint, fingerprint};
pub use footer::{evidence_of, rows_of, sidecar, strip, write_sidecar};
pub use foreign::{BytesOf, beyond_96_bits, bytes_of, readable_copy, with_int96};
pub use journal_lock::lock_journal;
pub use lineage::{ColumnOf, Lineage, RowLink};
pub use made_from::{KeyColumn, Layer, Purpose, Read, Reshape};
pub use notes::{LlmUsage, MonitorFindings, Notes, Receipt};
pub use quality::{Quality, TakenOut};
pub use quantiles::Quantiles;
pub use received::read_received;
pub use scan::{Artifact, open, open_columns, scan, scan_files};
pub use schema_history::{SchemaChange, SchemaHistory, changes as schema_changes, typed};
pub use settings::{flow, stripped};
pub use snapshot::{LATEST, Snapshot};
pub use summary::{ColumnSummary, Summary};
pub use temporary::{Publishing, Temporary, discard_all, publishing, sweep};
pub use writer::{TableWriter, WrittenTable};

/// The column that names the source file of a row.
pub const FILE: &str = "_file";
/// The column that holds the line (text formats) or row (others) within [`FILE`], counted from 1.
pub const ROW: &str = "_row";
/// The column with the name of the language model that answered for the row.
pub const LLM_MODEL: &str = "llm_model";
/// The column with the name of the task that was asked.
pub const CLEANING_TASK: &str = "cleaning_task";
/// The column with the time of the answer, UTC.
pub const PROCESSED_AT: &str = "processed_at";

/// Whether a column is one that tools add to say where a row or its cells come from.
pub fn is_origin(column: &str) -> bool {
    column.starts_with('_') || [LLM_MODEL, CLEANING_TASK, PROCESSED_AT].contains(&column)
}
