//! `train`: learns, judges and explains models. See `stage` for all that the stages share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod lineage;
mod moved;
mod rebuild;
mod runs;
mod since;
mod wiring;

fn main() -> ExitCode {
    moved::passed_on().unwrap_or_else(stage::main::<wiring::Train>)
}
