//! What the server needs from the program around it.

/// The program that runs the server: it knows how people are told.
pub trait Host: Send + Sync {
    /// Tells people that something went wrong with a pipeline.
    fn alert(&self, pipeline: &spec::Name, error: &spec::Error);

    /// A decision on a version of the pipeline was logged here: whoever else is told of such decisions is told now.
    fn decided(&self, pipeline: &spec::Name);
}
