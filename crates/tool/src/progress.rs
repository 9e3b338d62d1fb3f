//! Progress on a terminal; nothing elsewhere.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The bar on screen, so that log lines can be written above it.
static ON_SCREEN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Shows what a run is doing and how many rows it has written.
#[derive(Clone)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A visible bar if stderr is a terminal and `shown`, else a silent one.
    pub fn new(shown: bool) -> Progress {
        let bar = match shown && std::io::stderr().is_terminal() {
            true => {
                let bar = ProgressBar::new_spinner();
                if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {human_pos} rows {per_sec} {elapsed}")
                {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(Duration::from_millis(120));
                *ON_SCREEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
                bar
            }
            false => ProgressBar::hidden(),
        };
        Progress { bar }
    }

    /// Says what is being done now, and counts from zero.
    pub fn begin(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
        self.bar.set_position(0);
    }

    /// Says what is being done and how far it is.
    pub fn at(&self, what: impl Into<String>, rows: u64) {
        self.bar.set_message(what.into());
        self.bar.set_position(rows);
    }

    pub fn rows(&self, more: usize) {
        self.bar.inc(more as u64);
    }

    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Runs `write` with the bar out of the way.
pub fn suspended(write: impl FnOnce()) {
    let bar = ON_SCREEN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}
