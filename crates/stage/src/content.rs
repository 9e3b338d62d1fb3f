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
    let evidence = artifact::sidecar(folder);
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
