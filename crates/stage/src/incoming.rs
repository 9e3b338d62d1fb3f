//! What comes from a store: written under a temporary name, compared with its hash, then given its name.
//!
//! It comes into `data/.store/`, since the folder of another stage is not ours to put temporaries into. Copies of
//! objects that were named as inputs stay there, one folder for every state of an object; the folder may be removed
//! whenever no tool is running.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use artifact::{Artifact, Evidence, Temporary, evidence_of, hash_file, hash_folder, sidecar, sweep};
use spec::{Error, Result, Root, Url};
use store::{Cloud, Depth, Object};

const FOLDER: &str = "data/.store";

/// The folder, held while something may be coming in.
pub struct Incoming {
    root: Root,
    folder: PathBuf,
    _lock: File,
}

impl Incoming {
    /// Opens the folder. A run that is alone in it removes what a killed run left.
    pub fn begin(root: &Root) -> Result<Incoming> {
        let folder = root.join(FOLDER);
        let failed = |error: std::io::Error| Error::io("write to", Path::new(FOLDER), &error);
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o640).open(folder.join(".lock"));
        let lock = lock.map_err(failed)?;
        if lock.try_lock().is_ok() {
            sweep(&folder);
        }
        lock.lock_shared().map_err(failed)?;
        Ok(Incoming { root: root.clone(), folder, _lock: lock })
    }

    /// A copy of `object`, and whether it had to be fetched. Its time is that of the object: a file that is not ours is
    /// known by it.
    pub fn copy(&self, object: &Object) -> Result<(PathBuf, bool)> {
        let state = format!("{} {} {}", object.url(), object.version(), object.size());
        let state = &blake3::hash(state.as_bytes()).to_hex()[..16];
        let target = self.folder.join(state).join(object.url().name());
        if target.exists() {
            return Ok((target, false));
        }
        let mut temporary = self.fetch(object)?;
        temporary
            .file()
            .set_modified(object.modified())
            .map_err(|error| Error::io("set the time of", temporary.path(), &error))?;
        settle(temporary, &target)?;
        Ok((target, true))
    }

    /// Fetches the artifact at `url`, a file or a folder, to `target`; false if there is none.
    pub fn artifact(&self, cloud: &Cloud, url: &Url, target: &Path) -> Result<bool> {
        if let Some(object) = cloud.head(url)? {
            return self.file(cloud, &object, target).map(|()| true);
        }
        let parts = cloud.list(url, Depth::All)?;
        match parts.is_empty() {
            true => Ok(false),
            false => self.parts(url, &parts, target).map(|()| true),
        }
    }

    fn file(&self, cloud: &Cloud, object: &Object, target: &Path) -> Result<()> {
        let url = object.url();
        let temporary = self.fetch(object)?;
        let path = temporary.path();
        match evidence_of(path)? {
            Some(evidence) => {
                let artifact = Artifact {
                    path: PathBuf::from(url.to_string()),
                    file: path.to_owned(),
                    table: evidence.table.clone(),
                    evidence: Some(evidence),
                };
                artifact.verify().map_err(|_| damaged(url))?;
            }
            None => {
                let beside = sidecar(target);
                let name = beside.file_name().unwrap_or_default().to_string_lossy();
                let folder = url.key().rsplit_once('/').map_or("", |(folder, _)| folder);
                let evidence = cloud.find(&url.with_key(folder).join(&name))?;
                let record = self.fetch(&evidence)?;
                if read(record.path(), evidence.url())?.content != hash_file(path)? {
                    return Err(damaged(url));
                }
                // The evidence comes first: a file without it would look foreign.
                settle(record, &beside)?;
            }
        }
        settle(temporary, target)
    }

    fn parts(&self, url: &Url, parts: &[Object], target: &Path) -> Result<()> {
        let temporary = Temporary::folder_beside(&self.folder.join(url.name()))?;
        for part in parts {
            let name = part.url().key().strip_prefix(url.key()).unwrap_or_default().trim_start_matches('/');
            let path = temporary.path().join(name);
            let folder = path.parent().unwrap_or(temporary.path());
            std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
            let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path);
            part.fetch(&mut file.map_err(|error| Error::io("write", &path, &error))?, &path)?;
        }
        let evidence = read(&sidecar(temporary.path()), url)?;
        if evidence.content != hash_folder(temporary.path())? {
            return Err(damaged(url));
        }
        settle(temporary, target)
    }

    fn fetch(&self, object: &Object) -> Result<Temporary> {
        let mut temporary = Temporary::beside(&self.folder.join(object.url().name()))?;
        let path = self.root.relative(temporary.path()).to_owned();
        object.fetch(temporary.file(), &path)?;
        Ok(temporary)
    }
}

/// Gives the fetched artifact its name. If another run was faster, its copy is the same.
fn settle(temporary: Temporary, target: &Path) -> Result<()> {
    let folder = target.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
    match temporary.replace(target) {
        Err(_) if target.exists() => Ok(()),
        settled => settled,
    }
}

fn read(file: &Path, url: &Url) -> Result<Evidence> {
    let bytes = std::fs::read(file).map_err(|_| Error::cannot_run(format!("{url}: its evidence is missing")))?;
    let text = String::from_utf8(bytes).map_err(|_| damaged(url))?;
    Evidence::from_json(&text, url)
}

fn damaged(url: &Url) -> Error {
    Error::cannot_run(format!("{url}: its content does not match its hash"))
        .hint("it was damaged or changed in the store; run the stage that wrote it with --force")
}
