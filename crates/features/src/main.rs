//! `features`: computes features as of cutoffs. See `stage` for all that the stages share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod wiring;

fn main() -> ExitCode {
    stage::main::<wiring::Features>()
}
