//! `predict`: scores the newest features with the production model. See `stage` for all that the tools share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod tool;

fn main() -> ExitCode {
    stage::main::<tool::Predict>()
}
