//! Proves the paths that lead from page to page.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use spec::{Error, Result};

/// What a doubt about a missing `Link` header says.
pub(crate) const NO_LINK: &str = "no answer has a 'Link' header";

/// Whether the paths that lead from page to page lead anywhere at all. A service may leave a cursor out of its last page,
/// so that only all answers together reveal a misspelt path.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    pointer: Trace,
    more: Trace,
    link: Trace,
    /// What makes it likely, but not certain, that something was left behind.
    doubts: Mutex<Vec<String>>,
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
    /// The `Link` header.
    Link,
}

impl Proof {
    pub(crate) fn of(&self, lead: Lead) -> &Trace {
        match lead {
            Lead::Pointer => &self.pointer,
            Lead::More => &self.more,
            Lead::Link => &self.link,
        }
    }

    pub(crate) fn doubt(&self, what: String) {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// What people should hear of, once all answers were read.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let mut doubts = self.doubts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.link.found.load(Ordering::Relaxed) {
            doubts.retain(|doubt| !doubt.contains(NO_LINK));
        }
        // A table may consist of thousands of requests, of which one is like the other.
        const FEW: usize = 3;
        let more = doubts.len().saturating_sub(FEW);
        if more > 0 {
            doubts.truncate(FEW);
            doubts.push(format!("there are {more} more doubts of this kind"));
        }
        doubts
    }

    /// The error of a path that was found in no answer.
    pub(crate) fn judge(&self) -> Result<()> {
        for lead in [Lead::Pointer, Lead::More, Lead::Link] {
            let Trace { found, missing } = self.of(lead);
            match missing.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(error) if !found.load(Ordering::Relaxed) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
