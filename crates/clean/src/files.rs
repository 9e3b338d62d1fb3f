//! Files that a spec names, beside the tables.

use std::path::Path;

use spec::{Error, Result, Root};

/// The text of the file at `path`, relative to `root`.
pub fn read(root: &Root, path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    std::fs::read_to_string(root.join(path)).map_err(|error| Error::io("read", path, &error))
}
