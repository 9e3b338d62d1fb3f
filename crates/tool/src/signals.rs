//! INT and TERM: leave no trace but a log line. For programs that run to an end; a server handles them itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use spec::{Error, Exit, Result};

use crate::runlog::RunLog;

/// How far the run is, for the log line of its interruption.
enum Moment {
    /// It waits, or looks for a reason to run: it is not in the log yet.
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
pub(crate) fn begin(log: impl FnOnce() -> Result<RunLog>) -> Result<RunLog> {
    let mut moment = moment();
    let log = log()?;
    *moment = Moment::During(log.clone());
    Ok(log)
}

/// Logs the end of the run; an interruption meanwhile waits until it is logged.
pub(crate) fn end(log: impl FnOnce()) {
    let mut moment = moment();
    log();
    *moment = Moment::After;
}

/// Whether something is just being sent that an interruption does not wait for.
static IS_SENDING: AtomicBool = AtomicBool::new(false);

/// Does work that an interruption does not wait for, so that it is not known how far it came.
pub fn while_sending<T>(work: impl FnOnce() -> T) -> T {
    IS_SENDING.store(true, Ordering::SeqCst);
    let done = work();
    IS_SENDING.store(false, Ordering::SeqCst);
    done
}

/// What a program does and says when it is interrupted.
pub struct Interrupted {
    /// Removes what is half-done; may wait for what must not be cut short.
    pub clean_up: fn(),
    /// What an interruption means, such as `nothing was published`.
    pub unfinished: &'static str,
    /// What it means during [`while_sending`].
    pub while_sending: &'static str,
}

/// Watches for signals on a thread of its own: work deep inside a library cannot look for a flag. `who` begins the log
/// line. The program ends with the exit code "try again".
pub fn watch(who: &str, interrupted: Interrupted) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Error::cannot_run(format!("cannot watch for signals: {error}")))?;
    let who = who.to_owned();
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
            (interrupted.clean_up)();
            let moment = moment();
            let is_sending = IS_SENDING.load(Ordering::SeqCst);
            match &*moment {
                Moment::After => tracing::error!("{who}: interrupted by {name} after its end"),
                _ if is_sending => tracing::error!("{who}: interrupted by {name} {}", interrupted.while_sending),
                _ => tracing::error!("{who}: interrupted by {name}; {}", interrupted.unfinished),
            }
            if let Moment::During(log) = &*moment {
                log.abort(&format!("interrupted by {name}"));
                // A user who interrupts does not want to wait.
                log.post_within(Duration::from_secs(1));
            }
            std::process::exit(i32::from(Exit::TryAgain.code()));
        }
    });
    Ok(())
}
