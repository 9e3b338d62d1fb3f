//! `catalog`: what there is, where it came from, and whether it still holds. See `tool` for all that the programs share.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod keeping;
mod listing;
mod showing;
mod tracing;
mod wiring;

fn main() -> ExitCode {
    tool::main::<wiring::Catalog>()
}
