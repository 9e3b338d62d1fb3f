//! The file `latest`: which artifacts make up a stage's current output.

use std::io::Write;
use std::path::{Path, PathBuf};

use spec::{Error, Result};

use crate::Temporary;

/// The name of the snapshot file in a stage's folder.
pub const LATEST: &str = "latest";

/// Paths as printed by the run that made them: relative to the project root, one per line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub paths: Vec<PathBuf>,
}

impl Snapshot {
    /// The snapshot in `folder`, or `None` if the stage has not published yet.
    pub fn read(folder: &Path) -> Result<Option<Snapshot>> {
        let file = folder.join(LATEST);
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                Ok(Some(Snapshot { paths: text.lines().filter(|line| !line.is_empty()).map(PathBuf::from).collect() }))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &file, &error)),
        }
    }

    /// Replaces the snapshot in `folder` atomically.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let target = folder.join(LATEST);
        let mut temporary = Temporary::beside(&target)?;
        let text: String = self.paths.iter().map(|path| format!("{}\n", path.display())).collect();
        temporary.file().write_all(text.as_bytes()).map_err(|error| Error::io("write", &target, &error))?;
        temporary.replace(&target)
    }
}
