//! `train`: learns, judges and explains models. See `stage` for all that the stages share.

mod lineage;
mod moved;
mod rebuild;
mod runs;
mod since;
mod waiting;
mod wiring;

use tool::Entry;

/// `train`, for its own program and for the command `millrace`.
pub static ENTRY: Entry = Entry {
    main: |call| {
        waiting::let_others_work(&call);
        moved::passed_on(&call).unwrap_or_else(|| stage::main::<wiring::Train>(call))
    },
    ..stage::entry::<wiring::Train>()
};
