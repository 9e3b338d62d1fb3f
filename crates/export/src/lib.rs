//! `export`: delivers tables. See `stage` for all that the stages share.

mod deliveries;
mod outputs;
mod report_data;
mod tables;
mod to_path;
mod wiring;

use tool::Entry;

/// `export`, for its own program and for the command `millrace`.
pub static ENTRY: Entry = stage::entry::<wiring::Export>();
