//! `catalog`: what there is, where it came from, and whether it still holds. See `tool` for all that the programs share.

mod again;
mod keeping;
mod listing;
mod showing;
mod tracing;
mod wiring;

use tool::Entry;

/// `catalog`, for its own program and for the command `millrace`.
pub static ENTRY: Entry = Entry::of::<wiring::Catalog>();
