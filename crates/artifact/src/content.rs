//! Hashes of files and folders that have no footer: their evidence carries them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use spec::{Error, Result};

/// The hash of a file's bytes.
pub fn hash_file(path: &Path) -> Result<String> {
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(hasher.finalize().to_hex().to_string()),
            read => hasher.update(&buffer[..read]),
        };
    }
}

/// The hash of a folder: of its files' names and hashes, in order of their names. Its own evidence does not count.
pub fn hash_folder(folder: &Path) -> Result<String> {
    let evidence = crate::sidecar(folder);
    let mut hashes = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let entries = std::fs::read_dir(&path).map_err(|error| Error::io("read", &path, &error))?;
        for entry in entries.flatten() {
            let entry = entry.path();
            if entry == evidence {
                continue;
            }
            match entry.is_dir() {
                true => open.push(entry),
                false => {
                    let name = entry.strip_prefix(folder).unwrap_or(&entry).display().to_string();
                    hashes.insert(name, hash_file(&entry)?);
                }
            }
        }
    }
    let text: String = hashes.iter().map(|(name, hash)| format!("{name} {hash}\n")).collect();
    Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
}

/// Reads every file of a folder and compares them with the hash in the folder's evidence; a foreign folder has none.
pub fn verify_folder(folder: &Path) -> Result<()> {
    let Some(evidence) = crate::evidence_of(folder)? else { return Ok(()) };
    match hash_folder(folder)? == evidence.content {
        true => Ok(()),
        false => Err(Error::refused(format!("{}: its files are not those that were written", folder.display()))
            .hint("restore the folder from a backup, or make it again")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_and_its_name_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::create_dir(path.join("plots")).unwrap();
        for (name, text) in [("model.txt", "1"), ("plots/roc.svg", "2")] {
            std::fs::write(path.join(name), text).unwrap();
        }
        let whole = hash_folder(path).unwrap();
        std::fs::write(crate::sidecar(path), "{}").unwrap();
        assert_eq!(hash_folder(path).unwrap(), whole, "the evidence does not count itself");
        std::fs::write(path.join("plots/roc.svg"), "3").unwrap();
        assert_ne!(hash_folder(path).unwrap(), whole);
        std::fs::write(path.join("plots/roc.svg"), "2").unwrap();
        assert_eq!(hash_folder(path).unwrap(), whole);
        std::fs::rename(path.join("model.txt"), path.join("other.txt")).unwrap();
        assert_ne!(hash_folder(path).unwrap(), whole);
    }
}
