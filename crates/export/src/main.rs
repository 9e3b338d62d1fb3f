//! `export`: delivers a table. See `stage` for all that the stages share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod deliveries;
mod given;
mod tables;
mod wiring;

fn main() -> ExitCode {
    stage::main::<wiring::Export>()
}
