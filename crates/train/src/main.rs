//! `train`: learns, judges, explains and releases a model. See `stage` for all that the tools share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod rebuild;
mod runs;
mod tool;
mod track;

fn main() -> ExitCode {
    stage::main::<tool::Train>()
}
