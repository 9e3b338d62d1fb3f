//! The file `latest`: which artifacts make up a stage's current output; and `.pending`, which it will be once all that
//! has to be sent elsewhere is sent.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use spec::{Error, Result};

use crate::Temporary;

/// The name of the snapshot file in a stage's folder.
pub const LATEST: &str = "latest";

/// The name of a snapshot whose artifacts have their names, but are not yet everywhere they have to be.
const PENDING: &str = ".pending";

/// Paths as printed by the run that made them: relative to the project root, one per line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub paths: Vec<PathBuf>,
}

impl Snapshot {
    /// The snapshot in `folder`, or `None` if the stage has not published yet.
    pub fn read(folder: &Path) -> Result<Option<Snapshot>> {
        read(&folder.join(LATEST))
    }

    /// What an earlier run wrote in `folder` and could not send.
    pub fn pending(folder: &Path) -> Result<Option<Snapshot>> {
        read(&folder.join(PENDING))
    }

    /// The snapshot that `text` holds: a path per line.
    pub fn parse(text: &str) -> Snapshot {
        Snapshot { paths: text.lines().filter(|line| !line.is_empty()).map(PathBuf::from).collect() }
    }

    /// The content of the file.
    pub fn text(&self) -> String {
        self.paths.iter().map(|path| format!("{}\n", path.display())).collect()
    }

    /// Replaces the snapshot in `folder` atomically; what was pending is gone.
    pub fn write(&self, folder: &Path) -> Result<()> {
        self.replace(&folder.join(LATEST))?;
        let pending = folder.join(PENDING);
        match std::fs::remove_file(&pending) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", &pending, &error)),
            _ => Ok(()),
        }
    }

    /// Notes that this will be the snapshot once it is sent.
    pub fn write_pending(&self, folder: &Path) -> Result<()> {
        self.replace(&folder.join(PENDING))
    }

    fn replace(&self, target: &Path) -> Result<()> {
        let mut temporary = Temporary::beside(target)?;
        temporary.file().write_all(self.text().as_bytes()).map_err(|error| Error::io("write", target, &error))?;
        temporary.replace(target)
    }
}

fn read(file: &Path) -> Result<Option<Snapshot>> {
    match std::fs::read(file) {
        Ok(bytes) => match spec::utf8(bytes, file) {
            Ok(text) => Ok(Some(Snapshot::parse(&text))),
            Err(error) => Err(error.hint("restore the file from a backup, or run its stage again with --force")),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", file, &error)),
    }
}
