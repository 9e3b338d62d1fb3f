//! The lock of a file to which several programs append.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use spec::{Error, Result};

/// Waits for the lock of the journal `path`, which lies beside it as `.<name>.lock`. Held while the file is compared,
/// appended to or replaced, and no longer; the kernel releases it however the program ends.
///
/// # Errors
/// Cannot run: the folder is missing or cannot be written to.
pub fn lock_journal(path: &Path) -> Result<File> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lock = path.with_file_name(format!(".{name}.lock"));
    let failed = |error: std::io::Error| Error::io("lock", path, &error);
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o640).open(&lock).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}
