//! What the server needs from the program around it.

use std::path::Path;

use spec::Result;

/// The program that runs the server: it knows how people are told, and how folders are locked.
pub trait Host: Send + Sync {
    /// Tells people that something went wrong with a pipeline.
    fn alert(&self, pipeline: &spec::Name, error: &spec::Error);

    /// Does `work` while no other tool changes `folder`, which is relative to the root.
    fn locked(&self, folder: &Path, work: &mut dyn FnMut() -> Result<()>) -> Result<()>;
}
