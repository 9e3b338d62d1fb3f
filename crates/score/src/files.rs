//! The files of a version: their hashes are in `model.json`, whose own hash is in the log of decisions. So anyone who
//! follows the log knows each byte that a model is read from.

use std::collections::BTreeMap;
use std::path::Path;

use spec::{Error, Result};

/// Whether the files in `folder` are still those of `hashes`; the first that is not is refused.
pub(crate) fn verify(folder: &Path, hashes: &BTreeMap<String, String>) -> Result<()> {
    const WAY_OUT: &str = "restore it from a backup, use another version, or train a new one";
    for (name, hash) in hashes {
        let path = folder.join(name);
        if !path.is_file() {
            return Err(Error::refused(format!("{}: no such file, but the model was saved with it", path.display()))
                .hint(WAY_OUT));
        }
        if artifact::hash_file(&path)? != *hash {
            return Err(Error::refused(format!("{}: changed since the model was saved", path.display())).hint(WAY_OUT));
        }
    }
    Ok(())
}
