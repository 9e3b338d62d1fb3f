//! Proves the paths that lead from page to page.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use spec::{Error, Result};

/// Whether the paths that lead from page to page lead anywhere at all. A service may leave a cursor out of its last page,
/// so that only all answers together tell a misspelt path.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    pointer: Trace,
    more: Trace,
}

/// Whether one path was found in any answer, and the error if it was in none.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub found: AtomicBool,
    pub missing: Mutex<Option<Error>>,
}

/// One of the paths that lead on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// To the cursor or the address of the next page.
    Pointer,
    /// To whether there are more.
    More,
}

impl Proof {
    pub(crate) fn of(&self, lead: Lead) -> &Trace {
        match lead {
            Lead::Pointer => &self.pointer,
            Lead::More => &self.more,
        }
    }

    /// The error of a path that was found in no answer.
    pub(crate) fn judge(&self) -> Result<()> {
        for lead in [Lead::Pointer, Lead::More] {
            let Trace { found, missing } = self.of(lead);
            match missing.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(error) if !found.load(Ordering::Relaxed) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
