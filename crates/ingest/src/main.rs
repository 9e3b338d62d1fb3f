//! `ingest`: reads sources into raw tables. See `stage` for all that the tools share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod backfill;
mod earlier;
mod tool;

fn main() -> ExitCode {
    stage::main::<tool::Ingest>()
}
