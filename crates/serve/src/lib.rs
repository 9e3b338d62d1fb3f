//! `serve`: answers over HTTP what the pipelines know. See `tool` for all that the programs share, `serving` for the server.

mod follow;
mod wiring;

use tool::Entry;

/// `serve`, for its own program and for the command `millrace`.
pub static ENTRY: Entry = Entry::of::<wiring::Serve>();
