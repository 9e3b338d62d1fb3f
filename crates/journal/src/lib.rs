//! Append-only journals: one JSON object per line, each line chained by hash to the one before, durable before it is confirmed
//! that it is kept.
//!
//! A journal is a row of files, its *segments*: `requests-000001.jsonl`, `requests-000002.jsonl`, … Lines go to the newest.
//! [`Journal::rotate`] begins the next one, so that entries can be moved elsewhere in whole files that no longer change.
//!
//! Many writers share one write and one sync: while the disk works, lines gather, and the next write takes them all. The segment
//! that is written to ends in zeros, the room for the entries to come; readers take them for its end.

mod chain;
mod disk;
mod journal;
mod recovery;
mod segment;
mod writer;

pub use journal::{Counts, Journal, Kept};
pub use recovery::Recovered;
pub use segment::{Entries, entries, segments};
