//! `serve`: answers over HTTP what the pipelines know. See `tool` for all that the programs share, `serving` for the server.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod follow;
mod wiring;

fn main() -> ExitCode {
    tool::main::<wiring::Serve>()
}
