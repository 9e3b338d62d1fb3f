//! INT and TERM: leave no trace but a log line.

use std::sync::{Mutex, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use spec::{Error, Exit, Result};

use crate::runlog::RunLog;

/// The run that an interruption would end.
static CURRENT: Mutex<Option<(String, RunLog)>> = Mutex::new(None);

/// Names the run that is at work, for the log line of its interruption.
pub fn current(who: &str, log: &RunLog) {
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some((who.to_owned(), log.clone()));
}

/// The run is over; an interruption has nothing to report any more.
pub fn over() {
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Watches for signals on a thread of its own: work deep inside a library cannot look for a flag.
pub fn watch() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Error::cannot_run(format!("cannot watch for signals: {error}")))?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            artifact::discard_all();
            let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
            if let Some((who, log)) = CURRENT.lock().unwrap_or_else(PoisonError::into_inner).take() {
                tracing::error!("{who}: interrupted by {name}; nothing was published");
                log.abort(&format!("interrupted by {name}"));
            }
            std::process::exit(i32::from(Exit::TryAgain.code()));
        }
    });
    Ok(())
}
