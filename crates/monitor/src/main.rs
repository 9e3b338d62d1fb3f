//! `monitor`: watches what a pipeline reads, runs and predicts. See `stage` for all that the stages share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod comparison;
mod drift;
mod found;
mod performance;
mod request_drift;
mod service;
mod wiring;

fn main() -> ExitCode {
    stage::main::<wiring::Monitor>()
}
