//! `train`: learns, judges, explains and releases a model. See `stage` for all that the stages share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod rebuild;
mod runs;
mod track;
mod wiring;

fn main() -> ExitCode {
    stage::main::<wiring::Train>()
}
