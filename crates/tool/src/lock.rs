//! One run at a time of whatever changes a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use spec::{Error, Result};

/// Held for the length of a run; the kernel releases it however the run ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not read")] File);

/// Locks `folder`, which messages call `shown`. If another run holds it: waits, or fails with "try again" when `no_wait`.
pub fn lock(folder: &Path, shown: &Path, who: &str, no_wait: bool) -> Result<Lock> {
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create", shown, &error))?;
    let path = folder.join(".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o640)
        .open(&path)
        .map_err(|error| Error::io("write to", shown, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) if no_wait => {
            Err(Error::try_again(format!("another run is in progress in {}", shown.display()))
                .hint("wait for it to end, or leave out --no-wait"))
        }
        Err(TryLockError::WouldBlock) => {
            tracing::info!("{who}: waiting for another run to end");
            file.lock().map_err(|error| Error::io("lock", shown, &error))?;
            Ok(Lock(file))
        }
        Err(TryLockError::Error(error)) => Err(Error::io("lock", shown, &error)),
    }
}
