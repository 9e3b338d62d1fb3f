//! Inputs are compared with their hashes while the stage works on them, so that a damaged file is never published from, at
//! hardly any cost in time: the engine silently decodes a page whose bytes were changed.

use std::thread::JoinHandle;

use artifact::Artifact;
use spec::{Class, Error, Result};

/// Reads the inputs on a thread of its own.
pub(crate) struct Verification(Option<JoinHandle<Result<()>>>);

impl Verification {
    /// Begins to read `artifacts`: files of ours are compared with their hash, others with the checksums of their pages.
    pub fn begin(artifacts: &[Artifact]) -> Verification {
        let artifacts = artifacts.to_vec();
        Verification(Some(std::thread::spawn(move || verify(&artifacts))))
    }

    /// For inputs that were compared already.
    pub fn done() -> Verification {
        Verification(None)
    }

    /// Waits for the end. Called before anything gets its name.
    ///
    /// # Errors
    /// Cannot run: an input is not what was written.
    pub fn end(&mut self) -> Result<()> {
        match self.0.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(verified)) => verified,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }

    /// Why the run failed: the engine's messages about damaged inputs are of no use.
    pub fn or_cause(&mut self, error: Error) -> Error {
        match error.class() {
            Class::TryAgain => error,
            _ if error.is_closed_pipe() => error,
            _ => self.end().err().unwrap_or(error),
        }
    }
}

/// Reads every input whole and compares it with what its evidence or its pages say.
pub(crate) fn verify(artifacts: &[Artifact]) -> Result<()> {
    artifacts.iter().try_for_each(Artifact::verify)
}
