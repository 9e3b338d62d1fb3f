//! What the server needs from the program around it.

use score::{Entry, Version};
use spec::{Error, Name, Result};

/// The program that runs the server: it knows the project's store, and how people are notified.
pub trait Host: Send + Sync {
    /// Sends an alert about a pipeline.
    fn alert(&self, pipeline: &Name, error: &Error);

    /// Brings the log of decisions to what the project's store has. Without a store nothing is done.
    ///
    /// # Errors
    /// The store cannot be reached, or its log is not the continuation of the one on disk.
    fn fetch_decisions(&self, pipeline: &Name) -> Result<()>;

    /// Makes sure that a version is on disk, if the store has it.
    ///
    /// # Errors
    /// The store cannot be reached.
    fn fetch_version(&self, pipeline: &Name, version: Version) -> Result<()>;

    /// Sends the log of decisions with `entry`, which was just added, to the project's store. Without a store nothing is done. If
    /// another machine decided first, its decisions take the place of `entry`.
    ///
    /// # Errors
    /// The store cannot be reached.
    fn send_decisions(&self, pipeline: &Name, entry: &Entry) -> Result<()>;

    /// Reports the decisions of the log to the tracking server. May take long; a failure is a warning.
    fn report_decisions(&self, pipeline: &Name);
}
