//! The files of a version: their hashes stand in `model.json`, whose own hash stands in the log of decisions. So whoever
//! follows the log knows each byte that a model is read from.

use std::collections::BTreeMap;
use std::path::Path;

use spec::{Error, Result};

/// The hash of every file in `folder`, by its path there.
pub(crate) fn hashes(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut hashes = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let entries = std::fs::read_dir(&path).map_err(|error| Error::io("read", &path, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| Error::io("read", &path, &error))?.path();
            match entry.is_dir() {
                true => open.push(entry),
                false => {
                    let name = entry.strip_prefix(folder).unwrap_or(&entry).display().to_string();
                    hashes.insert(name, artifact::hash_file(&entry)?);
                }
            }
        }
    }
    Ok(hashes)
}

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
