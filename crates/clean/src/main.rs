//! `clean`: cleans tables by steps, behind checks. See `stage` for all that the stages share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod lineage;
mod making;
mod review;
mod trial;
mod undone;
mod wiring;

fn main() -> ExitCode {
    stage::main::<wiring::Clean>()
}
