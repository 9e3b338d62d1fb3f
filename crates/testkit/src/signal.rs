//! Signals to other processes.

use std::io;
use std::process::{Command, ExitStatus};

/// Sends `signal`, such as `TERM`, to the process `target`, or to the group of that number if it begins with `-`. Every
/// shell knows how; the program `kill` is not on every machine.
///
/// Errors: the system has no shell.
pub fn send(signal: &str, target: &str) -> io::Result<ExitStatus> {
    Command::new("sh").args(["-c", "kill -s \"$0\" -- \"$1\"", signal, target]).status()
}
