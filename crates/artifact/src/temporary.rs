//! Temporary names: an incomplete file is never visible, and an interrupted run leaves none behind.
//!
//! Every temporary lives beside its target, named `.tmp-<pid>-<name>`. A run that ends well renames it, one
//! that fails drops it, one that is interrupted calls [`discard_all`], and what a killed run left is swept
//! by the next one ([`sweep`], under the stage's lock).

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use spec::{Error, Result};

const PREFIX: &str = ".tmp-";
/// Owner reads and writes, group reads, others nothing.
const MODE: u32 = 0o640;

static LIVE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
static PUBLISHING: Mutex<()> = Mutex::new(());
static NEXT: AtomicU64 = AtomicU64::new(0);

fn live() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See [`publishing`].
pub type Publishing = MutexGuard<'static, ()>;

/// Held while a run turns its temporaries into artifacts and a snapshot, and says so in the log. An
/// interruption waits for it, so that the two never mix.
pub fn publishing() -> Publishing {
    PUBLISHING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every temporary of this process: the last act of an interrupted run. Waits until a publication
/// that has begun is over and keeps further ones from beginning.
pub fn discard_all() {
    std::mem::forget(publishing());
    for path in live().iter() {
        remove(path);
    }
}

/// Removes temporaries that a killed run left in `folder`. The caller holds the stage's lock, so none is
/// in use.
pub fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            remove(&entry.path());
        }
    }
}

fn remove(path: &Path) {
    // A file that is already gone counts as removed; any other failure shows at the next sweep.
    let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
}

/// A file or folder under a temporary name. Removed when dropped, unless it was given its real name.
#[derive(Debug)]
pub struct Temporary {
    path: PathBuf,
    file: Option<File>,
}

impl Temporary {
    /// A new file in the folder of `target`, which is made if need be.
    pub fn beside(target: &Path) -> Result<Temporary> {
        let path = name(target)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&path)
            .map_err(|error| Error::io("create a file in", folder_of(target), &error))?;
        live().insert(path.clone());
        Ok(Temporary { path, file: Some(file) })
    }

    /// A new folder in the folder of `target`.
    pub fn folder_beside(target: &Path) -> Result<Temporary> {
        let path = name(target)?;
        std::fs::create_dir(&path).map_err(|error| Error::io("create a folder in", folder_of(target), &error))?;
        live().insert(path.clone());
        Ok(Temporary { path, file: None })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file. Panics for a folder, which has none.
    pub fn file(&mut self) -> &mut File {
        self.file.as_mut().expect("a temporary folder has no file")
    }

    /// Syncs and renames to `target`, which must not exist yet: artifacts are never overwritten.
    pub fn publish(mut self, target: &Path) -> Result<()> {
        self.sync()?;
        if target.exists() {
            return Err(Error::cannot_run(format!("{}: exists already", target.display()))
                .hint("artifacts are never overwritten; run again"));
        }
        self.rename(target)
    }

    /// Syncs and renames to `target`, replacing an existing file: for snapshots only.
    pub fn replace(mut self, target: &Path) -> Result<()> {
        self.sync()?;
        self.rename(target)
    }

    fn sync(&mut self) -> Result<()> {
        let failed = |error: std::io::Error| Error::io("sync", &self.path, &error);
        match &self.file {
            Some(file) => file.sync_all().map_err(failed),
            None => {
                for entry in std::fs::read_dir(&self.path).map_err(failed)? {
                    let entry = entry.map_err(failed)?;
                    File::open(entry.path()).and_then(|file| file.sync_all()).map_err(failed)?;
                }
                sync_folder(&self.path)
            }
        }
    }

    fn rename(self, target: &Path) -> Result<()> {
        std::fs::rename(&self.path, target).map_err(|error| Error::io("rename to", target, &error))?;
        live().remove(&self.path);
        sync_folder(folder_of(target))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if live().remove(&self.path) {
            remove(&self.path);
        }
    }
}

fn folder_of(target: &Path) -> &Path {
    target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn name(target: &Path) -> Result<PathBuf> {
    let folder = folder_of(target);
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let file = target.file_name().unwrap_or_default().to_string_lossy();
    Ok(folder.join(format!("{PREFIX}{}-{number}-{file}", std::process::id())))
}

/// A rename lasts only once its folder is synced too.
fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|error| Error::io("sync", folder, &error))
}
