//! `monitor`: watches what a pipeline reads, runs and predicts. See `stage` for all that the stages share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod drift;
mod performance;
mod wiring;

fn main() -> ExitCode {
    stage::main::<wiring::Monitor>()
}
