//! Runs the invented apartment services until standard input closes, and prints their address.
//!
//! For tests and measurements of the tools as processes: start it, read the first line, close its standard input at
//! the end. An argument is the time before each answer, in milliseconds.

use std::io::{self, Read, Write};
use std::time::Duration;

use demo::apartments::{City, Fault, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let latency: Option<u64> = std::env::args().nth(1).map(|text| text.parse()).transpose()?;
    let delay = latency.map(|milliseconds| Fault::Delay(Duration::from_millis(milliseconds)));
    let server = Server::with_faults(City::default(), delay.into_iter().collect())?;
    let mut out = io::stdout();
    writeln!(out, "{}", server.url(""))?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
