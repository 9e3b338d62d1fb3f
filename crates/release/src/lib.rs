//! `release`: who is in production, and why. See `tool` for all that the programs share.

mod comparing;
mod context;
mod deciding;
mod judging;
mod reading;
mod training;
mod wiring;

use tool::Entry;

/// `release`, for its own program and for the command `millrace`.
pub static ENTRY: Entry = Entry::of::<wiring::Release>();
