//! Represents a file's content when two runs are compared.

use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use crate::footer;

/// Stands for the content of an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fingerprint {
    /// One of our artifacts: the content hash from its evidence. A small file beside the spec: the hash of its text.
    Content(String),
    /// A file that is not ours: size in bytes and modification time in nanoseconds since 1970.
    Stat { size: u64, modified: u64 },
    /// An object in a store: size in bytes, and its entity tag or when it was last modified.
    Object { size: u64, version: String },
    /// A source that is not a file (stdin, a generator): what its spec says is all there is to compare.
    Given(String),
}

impl Fingerprint {
    /// Of a small file that was read anyway: the hash of its text, which a copy or a checkout does not change.
    pub fn of_text(text: &str) -> Fingerprint {
        Fingerprint::Content(blake3::hash(text.as_bytes()).to_hex().to_string())
    }
}

/// The fingerprint of the file (or model folder) at `path`, without reading its data.
pub fn fingerprint(path: &Path) -> Result<Fingerprint> {
    if let Ok(Some(evidence)) = footer::evidence_of(path) {
        return Ok(Fingerprint::Content(evidence.content));
    }
    let meta = std::fs::metadata(path).map_err(|error| Error::io("read", path, &error))?;
    let modified = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Ok(Fingerprint::Stat { size: meta.len(), modified: modified.as_nanos() as u64 })
}
