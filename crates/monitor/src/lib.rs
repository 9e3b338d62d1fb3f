//! `monitor`: watches what a pipeline reads, runs and predicts. See `stage` for all that the stages share.

mod comparison;
mod drift;
mod found;
mod performance;
mod request_drift;
mod service;
mod wiring;

use tool::Entry;

/// `monitor`, for its own program and for the command `millrace`.
pub static ENTRY: Entry = stage::entry::<wiring::Monitor>();
