//! `release`: who is in production, and why. See `tool` for all that the programs share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod context;
mod deciding;
mod duel;
mod judging;
mod reading;
mod training;
mod wiring;

fn main() -> ExitCode {
    tool::main::<wiring::Release>()
}
