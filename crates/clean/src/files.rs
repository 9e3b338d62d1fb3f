//! Files that a spec names, beside the tables.

use std::path::Path;

use spec::{Error, Result, Root};

/// The text of the file at `path`, relative to `root`. Errors name the line that is not UTF-8.
pub fn read(root: &Root, path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let bytes = std::fs::read(root.join(path)).map_err(|error| Error::io("read", path, &error))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::cannot_run(format!("{}:{line}: the text is not UTF-8", path.display())).hint("save the file as UTF-8")
    })
}
