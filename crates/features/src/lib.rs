//! `features`: computes features as of cutoffs. See `stage` for all that the stages share.

mod parts;
mod row_parts;
mod wiring;

use tool::Entry;

/// `features`, for its own program and for the command `millrace`.
pub static ENTRY: Entry = stage::entry::<wiring::Features>();
