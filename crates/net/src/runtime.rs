//! Runtimes for code that is not asynchronous.

use spec::text::root_cause;
use spec::{Error, Result};
use tokio::runtime::{Builder, Runtime};

/// A runtime on the thread that drives it. It is made where it is needed and not before: a run without network calls does not pay
/// for it.
pub fn runtime() -> Result<Runtime> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Error::cannot_run(format!("cannot start a runtime: {}", root_cause(&error))))
}

/// Runs `work` to its end on this thread.
pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = runtime()?;
    let done = runtime.block_on(work);
    // A look-up of a name that hangs must not hold up the end.
    runtime.shutdown_background();
    done
}
