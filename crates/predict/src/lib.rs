//! `predict`: scores the newest features with the production model. See `stage` for all that the stages share.

mod parts;
mod wiring;

use tool::Entry;

/// `predict`, for its own program and for the command `millrace`.
pub static ENTRY: Entry = stage::entry::<wiring::Predict>();
