//! `catalog`: what a project holds, where it came from, and whether it is intact. See `tool` for what all programs share.

mod again;
mod keeping;
mod listing;
mod showing;
mod tracing;
mod wiring;

use tool::Entry;

/// `catalog`, for its own program and for the command `millrace`.
pub static ENTRY: Entry = Entry::of::<wiring::Catalog>();
