//! Which artifacts were compared with their hash already: an earlier snapshot is read for one key at a time, and need not be
//! read whole each time.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use artifact::Artifact;
use spec::{Error, Result};

/// Files that were verified: they are unchanged as long as they have this time and size.
static KNOWN: Mutex<Option<HashMap<PathBuf, (SystemTime, u64)>>> = Mutex::new(None);

/// Compares the artifact with its hash, unless that was done since it changed.
///
/// Errors: it is not what was written.
pub fn verify_once(artifact: &Artifact) -> Result<()> {
    let failed = |error: std::io::Error| Error::io("read", &artifact.path, &error);
    let meta = std::fs::metadata(&artifact.file).map_err(failed)?;
    let state = (meta.modified().map_err(failed)?, meta.len());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known().get_or_insert_default().get(&artifact.file) == Some(&state) {
        return Ok(());
    }
    artifact.verify()?;
    known().get_or_insert_default().insert(artifact.file.clone(), state);
    Ok(())
}
