//! How many threads a tool may use: `MILLRACE_THREADS`.

use std::os::unix::process::CommandExt;
use std::process::Command;

use spec::{Error, Result};

/// The variable.
const VARIABLE: &str = "MILLRACE_THREADS";

/// Variables that libraries read for the sizes of their pools: the query engine, columns in parallel, LightGBM, runtimes.
const OF_LIBRARIES: [&str; 4] = ["POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS", "TOKIO_WORKER_THREADS"];

/// Keeps to the limit, if there is one. OpenMP reads its variable before `main`, so the program calls itself with all of them
/// set, and this returns without an error only where there is nothing to do.
pub fn limit() -> Result<()> {
    let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) else { return Ok(()) };
    let text = text.to_string_lossy().into_owned();
    let count = text.parse::<usize>().ok().filter(|count| (1..=1024).contains(count)).ok_or_else(|| {
        Error::cannot_run(format!("{VARIABLE}: '{text}' is not a number of threads")).hint("write 1 to 1024")
    })?;
    let count = count.to_string();
    if OF_LIBRARIES.iter().all(|name| std::env::var(name).is_ok_and(|value| value == count)) {
        return Ok(());
    }
    let failed =
        |error: std::io::Error| Error::cannot_run(format!("{VARIABLE}: the program cannot call itself: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let mut line = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = line.next() {
        command.arg0(name);
    }
    Err(failed(command.args(line).envs(OF_LIBRARIES.map(|name| (name, count.clone()))).exec()))
}
