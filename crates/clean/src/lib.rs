//! `clean`: cleans tables by steps, behind checks. See `stage` for all that the stages share.

mod making;
mod parts;
mod review;
mod trial;
mod wiring;

use tool::Entry;

/// `clean`, for its own program and for the command `millrace`.
pub static ENTRY: Entry = stage::entry::<wiring::Clean>();
