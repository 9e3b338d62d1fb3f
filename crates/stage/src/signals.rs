//! INT and TERM: leave no trace but a log line.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use spec::{Error, Exit, Result};

use crate::runlog::RunLog;

/// How far the run is, for the log line of its interruption.
enum Moment {
    /// It waits, or looks for a cause to run: the log knows nothing of it.
    Before,
    /// The log holds its beginning.
    During(RunLog),
    /// The log holds its end.
    After,
}

static MOMENT: Mutex<Moment> = Mutex::new(Moment::Before);

fn moment() -> MutexGuard<'static, Moment> {
    MOMENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Logs the beginning of the run; an interruption meanwhile waits until it is logged.
pub fn begin(log: impl FnOnce() -> Result<RunLog>) -> Result<RunLog> {
    let mut moment = moment();
    let log = log()?;
    *moment = Moment::During(log.clone());
    Ok(log)
}

/// Logs the end of the run; an interruption meanwhile waits until it is logged.
pub fn end(log: impl FnOnce()) {
    let mut moment = moment();
    log();
    *moment = Moment::After;
}

/// Whether the store is just being told what the output is.
static IS_SENDING: AtomicBool = AtomicBool::new(false);

/// Does what an interruption does not wait for, and of which it cannot know how far it came.
pub fn while_sending<T>(work: impl FnOnce() -> T) -> T {
    IS_SENDING.store(true, Ordering::SeqCst);
    let done = work();
    IS_SENDING.store(false, Ordering::SeqCst);
    done
}

/// Watches for signals on a thread of its own: work deep inside a library cannot look for a flag.
pub fn watch(who: &str) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Error::cannot_run(format!("cannot watch for signals: {error}")))?;
    let who = who.to_owned();
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
            artifact::discard_all();
            let moment = moment();
            let is_sending = IS_SENDING.load(Ordering::SeqCst);
            match &*moment {
                Moment::After => tracing::error!("{who}: interrupted by {name} after its end"),
                _ if is_sending => tracing::error!(
                    "{who}: interrupted by {name} while the store was told of the new output; the next run sees whether it \
                     was in time"
                ),
                _ => tracing::error!("{who}: interrupted by {name}; nothing was published"),
            }
            if let Moment::During(log) = &*moment {
                log.abort(&format!("interrupted by {name}"));
                // Whoever interrupts does not want to wait.
                log.post_within(Duration::from_secs(1));
            }
            std::process::exit(i32::from(Exit::TryAgain.code()));
        }
    });
    Ok(())
}
