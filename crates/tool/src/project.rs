//! The project that a program works on.

use spec::{Environment, Result, Root};

use crate::console;

/// Its root and its environment.
#[derive(Debug)]
pub struct Project {
    pub root: Root,
    /// The variables of the process, then those of `.env` in the root.
    pub env: Environment,
}

impl Project {
    /// Finds the root and reads the environment. From here on secrets are replaced in every log line.
    ///
    /// # Errors
    /// Cannot run: no project is found, or its `.env` cannot be read.
    pub fn open() -> Result<Project> {
        let root = Root::find()?;
        let env = Environment::of_process(root.path())?;
        console::redact_with(env.redactor());
        Ok(Project { root, env })
    }
}
