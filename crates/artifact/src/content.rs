//! Hashes of files and folders that have no footer: their evidence carries them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use spec::{Error, Result};

/// The hash of a file's bytes.
pub fn hash_file(path: &Path) -> Result<String> {
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    File::open(path).and_then(hash_reader).map_err(failed)
}

/// The hash of all that is left to be read.
pub fn hash_reader(mut reader: impl Read) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().to_hex().to_string()),
            read => hasher.update(&buffer[..read]),
        };
    }
}

/// The hash of every file below `folder`, by its path there. Its own evidence does not count.
///
/// Errors: a link, whose content lies elsewhere, and whatever else is neither a file nor a folder.
pub fn hash_files(folder: &Path) -> Result<BTreeMap<String, String>> {
    let evidence = crate::sidecar(folder);
    let mut hashes = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let failed = |error: std::io::Error| Error::io("read", &path, &error);
        for entry in std::fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (kind, path) = (entry.file_type().map_err(failed)?, entry.path());
            if kind.is_dir() {
                open.push(path);
            } else if !kind.is_file() {
                let what = if kind.is_symlink() { "a link" } else { "neither a file nor a folder" };
                return Err(Error::refused(format!(
                    "{}: {what}, but {} holds files only",
                    path.display(),
                    folder.display()
                ))
                .hint("put the file itself in its place, or restore the folder from a backup"));
            } else if path != evidence {
                let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
                hashes.insert(name, hash_file(&path)?);
            }
        }
    }
    Ok(hashes)
}

/// The hash of a folder: of its files' names and hashes, in order of their names.
pub fn hash_folder(folder: &Path) -> Result<String> {
    Ok(hash_of(&hash_files(folder)?))
}

/// The hash of a folder with these files.
pub fn hash_of(files: &BTreeMap<String, String>) -> String {
    let text: String = files.iter().map(|(name, hash)| format!("{name} {hash}\n")).collect();
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// Reads every file of a folder and compares them with the hash in the folder's evidence; a foreign folder has none.
pub fn verify_folder(folder: &Path) -> Result<()> {
    let Some(evidence) = crate::evidence_of(folder)? else { return Ok(()) };
    let files = hash_files(folder)?;
    if hash_of(&files) == evidence.content {
        return Ok(());
    }
    let which = match evidence.notes.files.is_empty() {
        true => String::new(),
        false => differences(&evidence.notes.files, &files),
    };
    Err(Error::refused(format!("{}: its files are not those that were written{which}", folder.display()))
        .hint("restore the folder from a backup, or make it again"))
}

/// `: 'model.json' changed, 'notes.txt' was added`
fn differences(written: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> String {
    let changed = written.iter().filter_map(|(name, hash)| match found.get(name) {
        None => Some(format!("'{name}' is missing")),
        Some(now) if now != hash => Some(format!("'{name}' changed")),
        Some(_) => None,
    });
    let added = found.keys().filter(|name| !written.contains_key(*name)).map(|name| format!("'{name}' was added"));
    let all: Vec<String> = changed.chain(added).collect();
    if all.is_empty() { String::new() } else { format!(": {}", all.join(", ")) }
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

    #[test]
    fn each_file_that_differs_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let files = ["a.txt", "b.txt", "c.txt"];
        let put = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
        files.iter().for_each(|name| put(name, "1"));
        let hashes = hash_files(path).unwrap();
        let evidence = serde_json::json!({
            "format": 1, "tool": "train", "version": "0.1.0", "pipeline": "p", "table": "v1", "kind": "file", "run": "",
            "time": "2026-01-01T00:00:00Z", "spec": "", "inputs": [], "books": {"rows_in": 0, "rows_out": 0, "entries": []},
            "content": hash_of(&hashes), "notes": {"files": hashes},
        });
        std::fs::write(crate::sidecar(path), evidence.to_string()).unwrap();
        verify_folder(path).unwrap();
        put("a.txt", "2");
        std::fs::remove_file(path.join("b.txt")).unwrap();
        put("d.txt", "1");
        let error = verify_folder(path).unwrap_err().to_string();
        let expected = ": its files are not those that were written: 'a.txt' changed, 'b.txt' is missing, 'd.txt' was added; restore";
        assert!(error.contains(expected), "{error}");
        std::os::unix::fs::symlink("c.txt", path.join("b.txt")).unwrap();
        let error = verify_folder(path).unwrap_err().to_string();
        assert!(error.contains("b.txt: a link, but "), "{error}");
    }
}
