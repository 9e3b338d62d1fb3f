//! A wall clock that a test sets, for a program that runs.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Project;

/// The clock of one program.
#[derive(Debug)]
pub struct Clock {
    folder: TempDir,
}

impl Clock {
    /// `None`, with a message on stderr, where there is no C compiler.
    pub fn new() -> Option<Clock> {
        let folder = tempfile::Builder::new().prefix("millrace-clock-").tempdir().expect("a temporary folder");
        let clock = Clock { folder };
        crate::moment::compiled(include_str!("clock.c"), clock.folder.path(), &clock.library())?;
        clock.set(0);
        Some(clock)
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("clock.so")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }

    /// From now on programs with this clock are `seconds` ahead, or behind.
    pub fn set(&self, seconds: i64) {
        let whole = self.folder.path().join("next");
        std::fs::write(&whole, seconds.to_string()).expect("a file can be written");
        std::fs::rename(whole, self.file()).expect("a file can be renamed");
    }

    /// The project's tools have this clock.
    pub fn of(&self, project: Project) -> Project {
        let text = |path: &Path| path.display().to_string();
        project
            .with_variable("LD_PRELOAD", text(&self.library()))
            .with_variable("MILLRACE_TEST_CLOCK", text(&self.file()))
    }
}
