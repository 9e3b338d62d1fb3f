//! Kills a tool at a named moment of its publishing.
//!
//! A small library is compiled and loaded before the C library of the tool; it knows the moments by the calls that
//! the tool makes. So there is nothing in the tools that could kill them anywhere else.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A moment of publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Everything is written and sealed, nothing has its name.
    Sealed,
    /// The first file has its name.
    Renamed,
    /// All have their names, the snapshot is the old one.
    BeforeLatest,
    /// The snapshot is replaced, the log does not know it yet.
    Latest,
    /// The log holds the end of the run.
    Logged,
    /// A decision on a model is about to be logged. No moment of publishing.
    Deciding,
    /// A decision on a model is logged, and not reported yet. No moment of publishing.
    Decided,
}

impl Moment {
    /// Those of publishing.
    pub const ALL: [Moment; 5] =
        [Moment::Sealed, Moment::Renamed, Moment::BeforeLatest, Moment::Latest, Moment::Logged];

    fn name(self) -> &'static str {
        match self {
            Moment::Sealed => "sealed",
            Moment::Renamed => "renamed",
            Moment::BeforeLatest => "before_latest",
            Moment::Latest => "latest",
            Moment::Logged => "logged",
            Moment::Deciding => "deciding",
            Moment::Decided => "decided",
        }
    }
}

/// The compiled library.
#[derive(Debug)]
pub struct Killer {
    library: PathBuf,
    _folder: TempDir,
}

impl Killer {
    /// `None`, with a message on stderr, where there is no C compiler.
    pub fn new() -> Option<Killer> {
        let folder = tempfile::Builder::new().prefix("millrace-moment-").tempdir().expect("a temporary folder");
        let library = folder.path().join("moment.so");
        compiled(include_str!("moment.c"), folder.path(), &library)?;
        Some(Killer { library, _folder: folder })
    }

    /// Runs `command` until it is killed at `moment`.
    ///
    /// # Panics
    /// If it ends in another way: then the moment never came.
    #[track_caller]
    pub fn kill(&self, mut command: Command, moment: Moment) {
        use std::os::unix::process::ExitStatusExt;
        command.env("LD_PRELOAD", &self.library).env("MILLRACE_TEST_KILL_AT", moment.name()).stdin(Stdio::null());
        let output = command.output().expect("the tool starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(9), "{moment:?} never came: {command:?}\n{said}");
    }
}

/// Compiles `source` in `folder` into a library that is loaded before the C library. `None`, with a message on stderr, where
/// there is no C compiler.
pub(crate) fn compiled(source: &str, folder: &Path, library: &Path) -> Option<()> {
    let file = folder.join("source.c");
    std::fs::write(&file, source).expect("a file can be written");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(library).arg(&file).arg("-ldl").stdin(Stdio::null());
    match compiler.output() {
        Ok(output) => {
            assert!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
            Some(())
        }
        Err(_) => {
            crate::skipped("cc", "no C compiler");
            None
        }
    }
}
