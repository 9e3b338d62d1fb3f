//! `train`: learns, judges and explains models. See `stage` for all that the stages share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod moved;
mod rebuild;
mod runs;
mod since;
mod waiting;
mod wiring;

fn main() -> ExitCode {
    waiting::let_others_work();
    moved::passed_on().unwrap_or_else(stage::main::<wiring::Train>)
}
