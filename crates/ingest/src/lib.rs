//! `ingest`: reads sources into raw tables. See `stage` for all that the stages share.

mod backfill;
mod contract;
mod earlier;
mod wiring;

use tool::Entry;

/// `ingest`, for its own program and for the command `millrace`.
pub static ENTRY: Entry = stage::entry::<wiring::Ingest>();
