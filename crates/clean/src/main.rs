//! `clean`: cleans tables by steps, behind checks. See `stage` for all that the tools share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod raw_tables;
mod tool;
mod undone;

fn main() -> ExitCode {
    stage::main::<tool::Clean>()
}
