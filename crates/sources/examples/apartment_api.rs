//! Runs the invented apartment services until standard input closes, and prints their address.
//!
//! For tests and measurements of the tools as processes: start it, read the first line, close its standard input at
//! the end.

use std::io::{self, Read, Write};

use sources::apartments::{City, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start(City::default())?;
    let mut out = io::stdout();
    writeln!(out, "{}", server.url(""))?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
