//! `ingest`: reads sources into raw tables. See `stage` for all that the stages share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod backfill;
mod contract;
mod earlier;
mod wiring;

fn main() -> ExitCode {
    stage::main::<wiring::Ingest>()
}
