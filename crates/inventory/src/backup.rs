//! A copy of the project elsewhere: each file once by the hash of its content, and a list of what was where for every backup.
//!
//! Below the target lie `objects/<hash>` and `lists/<time>.json`. The list is written last, so a backup that was cut short does
//! not count, but what it has sent need not be sent again. Restoring compares each file with its hash.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use artifact::{LATEST, Stamp, Temporary, hash_file};
use serde::{Deserialize, Serialize};
use spec::{Error, Result, Root, Scheme, Url};
use store::{Cloud, Depth, Put};

/// The version of the list.
const FORMAT: u32 = 1;

/// What a backup holds.
const FOLDERS: [&str; 2] = ["data", "resources"];

/// One backup: which file had which content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct List {
    pub format: u32,
    /// `YYYYMMDD_HHMMSS`, UTC.
    pub time: String,
    pub host: String,
    /// In the order of their paths.
    pub files: Vec<Entry>,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative to the root.
    pub path: PathBuf,
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified: i64,
    /// Access rights, such as 0o640.
    pub mode: u32,
    /// BLAKE3 of the content, as hex.
    pub hash: String,
}

/// What a backup did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BackedUp {
    pub time: String,
    pub files: usize,
    pub bytes: u64,
    /// What had to be sent: the rest was there.
    pub sent: usize,
    pub sent_bytes: u64,
}

/// What a restore did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Restored {
    pub time: String,
    pub files: usize,
    pub written: usize,
    pub written_bytes: u64,
}

/// A backup under way.
pub struct Backup<'a> {
    root: &'a Root,
    cloud: &'a Cloud,
    to: &'a Url,
    /// The last list: what has not changed since need not be hashed.
    known: BTreeMap<PathBuf, Entry>,
    /// Objects that are there, with their sizes.
    there: BTreeMap<String, u64>,
    done: BTreeMap<PathBuf, Entry>,
    result: BackedUp,
}

impl<'a> Backup<'a> {
    /// Lists what exists already.
    ///
    /// Errors: it would lie in a folder that it holds, and so hold all earlier ones.
    pub fn begin(root: &'a Root, cloud: &'a Cloud, to: &'a Url) -> Result<Backup<'a>> {
        if let Some(folder) = FOLDERS.iter().find(|folder| lies_in(to, &root.join(folder))) {
            return Err(Error::cannot_run(format!("{to}: lies in {folder}/, which a backup holds"))
                .hint("name a folder elsewhere, best on another disk"));
        }
        let last = last(cloud, to, None)?;
        let objects = cloud.list(&to.join("objects"), Depth::All)?;
        let there = objects.iter().map(|object| (object.url().name().to_owned(), object.size()));
        Ok(Backup {
            root,
            cloud,
            to,
            known: last.into_iter().flat_map(|list| list.files).map(|entry| (entry.path.clone(), entry)).collect(),
            there: there.collect(),
            done: BTreeMap::new(),
            result: BackedUp::default(),
        })
    }

    /// Sends the artifacts, which never change. Stages may run meanwhile.
    pub fn artifacts(&mut self, progress: &dyn Fn(&str)) -> Result<()> {
        for path in files(self.root)?.into_iter().filter(|path| is_immutable(path)) {
            progress(&path.display().to_string());
            self.send(&path)?;
        }
        Ok(())
    }

    /// Sends the files that change, and those that were added meanwhile, and writes the list. The caller makes sure
    /// that no stage runs.
    pub fn finish(mut self, progress: &dyn Fn(&str)) -> Result<BackedUp> {
        let all = files(self.root)?;
        let now: BTreeSet<&PathBuf> = all.iter().collect();
        self.done.retain(|path, _| now.contains(path));
        for path in all.iter().filter(|path| !self.done.contains_key(*path)).cloned().collect::<Vec<_>>() {
            progress(&path.display().to_string());
            self.send(&path)?;
        }
        let mut stamp = Stamp::now();
        let lists = lists(self.cloud, self.to)?;
        while lists.contains(&stamp.to_string()) {
            stamp = stamp.next();
        }
        let host = spec::host_name().unwrap_or_default();
        let files: Vec<Entry> = self.done.into_values().collect();
        let list = List { format: FORMAT, time: stamp.to_string(), host, files };
        let text = serde_json::to_vec_pretty(&list).map_err(|error| Error::cannot_run(error.to_string()))?;
        let file = written(&text)?;
        self.cloud.put(&self.to.join("lists").join(&format!("{stamp}.json")), file.path())?;
        self.result.time = list.time;
        self.result.files = list.files.len();
        self.result.bytes = list.files.iter().map(|entry| entry.size).sum();
        Ok(self.result)
    }

    fn send(&mut self, path: &Path) -> Result<()> {
        let whole = self.root.join(path);
        let meta = match std::fs::metadata(&whole) {
            Ok(meta) => meta,
            // The file was removed since it was listed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("read", path, &error)),
        };
        let modified = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
        let (size, mode) = (meta.len(), meta.permissions().mode() & 0o777);
        let same = self.known.get(path).filter(|known| known.size == size && known.modified == modified);
        let unchanged = same.filter(|known| self.there.get(&known.hash) == Some(&size)).cloned();
        let entry = match unchanged {
            Some(known) => Entry { mode, ..known },
            None => {
                // A file that may change while it is read is copied first, so that what was hashed is what is sent.
                let copy = if is_immutable(path) { None } else { Some(copied(&whole, path)?) };
                let from = copy.as_ref().map_or(whole.as_path(), |copy| copy.path());
                let hash = hash_file(from)?;
                let size = std::fs::metadata(from).map_err(|error| Error::io("read", path, &error))?.len();
                if self.there.get(&hash) != Some(&size) {
                    if self.cloud.put(&self.to.join("objects").join(&hash), from)? == Put::Sent {
                        self.result.sent += 1;
                        self.result.sent_bytes += size;
                    }
                    self.there.insert(hash.clone(), size);
                }
                Entry { path: path.to_owned(), size, modified, mode, hash }
            }
        };
        self.done.insert(path.to_owned(), entry);
        Ok(())
    }
}

/// Whether an address is a place in a folder of this machine.
fn lies_in(url: &Url, folder: &Path) -> bool {
    let at = Path::new("/").join(url.key());
    let there = at.ancestors().find_map(|at| std::fs::canonicalize(at).ok());
    let is_in = |there: PathBuf| std::fs::canonicalize(folder).is_ok_and(|folder| there.starts_with(folder));
    url.scheme() == Scheme::File && there.is_some_and(is_in)
}

fn copied(whole: &Path, path: &Path) -> Result<tempfile::NamedTempFile> {
    let failed = |error: std::io::Error| Error::io("copy", path, &error);
    let mut file = temporary()?;
    std::fs::File::open(whole).and_then(|mut from| std::io::copy(&mut from, &mut file)).map_err(failed)?;
    // Of a journal that is just being written to, the line that is not whole is left out.
    if path.extension().is_some_and(|extension| extension == "jsonl") {
        file.flush().and_then(|()| cut_to_lines(file.as_file_mut())).map_err(failed)?;
    }
    Ok(file)
}

/// Cuts off what follows the last end of a line, if there is one.
fn cut_to_lines(file: &mut std::fs::File) -> std::io::Result<()> {
    const PIECE: u64 = 64 << 10;
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        let mut piece = vec![0; (end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return file.set_len(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(())
}

fn written(content: &[u8]) -> Result<tempfile::NamedTempFile> {
    let mut file = temporary()?;
    file.write_all(content).and_then(|()| file.flush()).map_err(not_written)?;
    Ok(file)
}

fn temporary() -> Result<tempfile::NamedTempFile> {
    tempfile::NamedTempFile::new().map_err(not_written)
}

fn not_written(error: std::io::Error) -> Error {
    Error::io("write", Path::new("a temporary file"), &error)
}

/// Whether a file never changes once it has its name: artifacts with all that belongs to them.
fn is_immutable(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_artifact = name.ends_with(".parquet") || name.ends_with(".evidence.json");
    let in_version = path.starts_with("data/models") && path.components().count() > 4;
    is_artifact || in_version
}

/// All files of the project that a backup holds, in order: `data/` and `resources/`, without locks, files that are just being
/// written, and copies of what lies elsewhere. `.env` is not among them: secrets are kept where secrets are kept. Links are
/// followed: what they lead to is part of the project.
///
/// Errors: a folder that cannot be read, or a link that leads nowhere, to a folder above it, or to a file `.env`: a backup is whole or
/// there is none.
fn files(root: &Root) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    // Each folder with the places of those above it.
    let mut open: Vec<(PathBuf, Vec<PathBuf>)> = FOLDERS.map(|folder| (folder.into(), Vec::new())).into();
    while let Some((folder, mut above)) = open.pop() {
        let failed = |error: std::io::Error| Error::io("read", &folder, &error);
        let whole = root.join(&folder);
        let (at, entries) = match std::fs::canonicalize(&whole).and_then(|at| Ok((at, std::fs::read_dir(&whole)?))) {
            // There is none, or it was removed a moment ago.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            found => found.map_err(failed)?,
        };
        above.push(at);
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let path = folder.join(entry.file_name());
            let is_copy = [Path::new("data/catalog"), Path::new("data/.store"), Path::new(crate::index::FILE)]
                .contains(&path.as_path());
            if is_copy || is_passing(&path) {
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            let kind = if kind.is_symlink() { followed(root, &path, &above)? } else { kind };
            match () {
                () if kind.is_dir() => open.push((path, above.clone())),
                () if kind.is_file() => files.push(path),
                () => {}
            }
        }
    }
    files.sort();
    Ok(files)
}

/// What is not kept whatever it is: locks, those of editors among them, files that are just being written, secrets.
fn is_passing(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name == ".lock" || name == ".env" || [".tmp-", ".#"].iter().any(|start| name.starts_with(start))
}

/// What a link leads to.
fn followed(root: &Root, link: &Path, above: &[PathBuf]) -> Result<std::fs::FileType> {
    let refused = |what: &str| {
        Err(Error::refused(format!("{}: a link that leads {what}, so that it cannot be backed up", link.display()))
            .hint("remove it, or let it lead to a file or folder of its own"))
    };
    match std::fs::canonicalize(root.join(link)).and_then(|at| Ok((std::fs::metadata(&at)?.file_type(), at))) {
        Ok((_, at)) if is_passing(&at) => refused("to what no backup holds"),
        Ok((_, at)) if above.iter().any(|folder| folder.starts_with(&at)) => refused("to a folder that it lies in"),
        Ok((kind, _)) => Ok(kind),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => refused("nowhere"),
        Err(error) => Err(Error::io("read", link, &error)),
    }
}

/// The times of the backups that are there, oldest first.
pub fn lists(cloud: &Cloud, at: &Url) -> Result<Vec<String>> {
    let objects = cloud.list(&at.join("lists"), Depth::Folder)?;
    let mut times: Vec<String> =
        objects.iter().filter_map(|object| object.url().name().strip_suffix(".json").map(str::to_owned)).collect();
    times.sort();
    Ok(times)
}

/// The newest list, or that of a time.
fn last(cloud: &Cloud, at: &Url, time: Option<&str>) -> Result<Option<List>> {
    let times = lists(cloud, at)?;
    let chosen = match time {
        Some(time) if !times.iter().any(|known| known == time) => {
            return Err(Error::cannot_run(format!("{at}: no backup of {time}"))
                .hint(spec::did_you_mean(time, times.iter().map(String::as_str))));
        }
        Some(time) => Some(time.to_owned()),
        None => times.last().cloned(),
    };
    let Some(time) = chosen else { return Ok(None) };
    let url = at.join("lists").join(&format!("{time}.json"));
    let Some((content, _)) = cloud.read(&url)? else { return Ok(None) };
    let damaged = |what: &str| Error::refused(format!("{url}: {what}")).hint("restore an earlier backup with --at");
    let list: List = serde_json::from_slice(&content).map_err(|_| damaged("not the list of a backup"))?;
    if list.format > FORMAT {
        return Err(Error::cannot_run(format!("{url}: written by a later version")).hint("update the tools"));
    }
    let is_inside = |path: &Path| {
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        plain && FOLDERS.iter().any(|folder| path.starts_with(folder))
    };
    let is_hash = |hash: &str| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    match list.files.iter().find(|entry| !is_inside(&entry.path) || !is_hash(&entry.hash)) {
        Some(entry) => Err(damaged(&format!("it names '{}', which is not a file of a project", entry.path.display()))),
        None => Ok(Some(list)),
    }
}

/// The list of a backup: the newest, or that of a time.
///
/// Errors: there is none, or it is damaged.
pub fn list(cloud: &Cloud, from: &Url, time: Option<&str>) -> Result<List> {
    last(cloud, from, time)?.ok_or_else(|| {
        Error::cannot_run(format!("{from}: no backup there")).hint("name the address that `catalog backup` was given")
    })
}

/// The files that exist and differ from those in the backup.
pub fn differing(root: &Root, list: &List) -> Result<Vec<PathBuf>> {
    let mut differing = Vec::new();
    for entry in &list.files {
        if root.join(&entry.path).exists() && !is_here(root, entry)? {
            differing.push(entry.path.clone());
        }
    }
    Ok(differing)
}

fn is_here(root: &Root, entry: &Entry) -> Result<bool> {
    let whole = root.join(&entry.path);
    match std::fs::metadata(&whole) {
        Ok(meta) if meta.len() == entry.size => Ok(hash_file(&whole)? == entry.hash),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("read", &entry.path, &error)),
    }
}

/// Brings back what is missing or differs. Artifacts come first and each `latest` last, so that after a restore that was cut
/// short no `latest` names a missing file.
///
/// Errors: an object that is missing, or is not what was sent; then no file is replaced by it.
pub fn restore(root: &Root, cloud: &Cloud, from: &Url, list: &List, progress: &dyn Fn(&str)) -> Result<Restored> {
    let mut restored = Restored { time: list.time.clone(), files: list.files.len(), ..Restored::default() };
    let rank = |entry: &&Entry| match entry.path.file_name().is_some_and(|name| name == LATEST) {
        true => 2,
        false => i32::from(!is_immutable(&entry.path)),
    };
    let mut entries: Vec<&Entry> = list.files.iter().collect();
    entries.sort_by_key(rank);
    for entry in entries {
        if is_here(root, entry)? {
            continue;
        }
        progress(&entry.path.display().to_string());
        let whole = root.join(&entry.path);
        let folder = whole.parent().unwrap_or(root.path());
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
        let mut temporary = Temporary::beside(&whole)?;
        let path = temporary.path().to_owned();
        let url = from.join("objects").join(&entry.hash);
        cloud.find(&url)?.fetch(temporary.file(), &path)?;
        temporary.file().flush().map_err(|error| Error::io("write", &entry.path, &error))?;
        if hash_file(&path)? != entry.hash {
            return Err(Error::refused(format!("{url}: not what was backed up as {}", entry.path.display()))
                .hint("the backup is damaged there; try an earlier one with --at"));
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(entry.mode))
            .map_err(|error| Error::io("write", &entry.path, &error))?;
        // Files that Millrace did not write are known by their time: with another one, stages would take them for new.
        let modified = UNIX_EPOCH + Duration::from_nanos(entry.modified.max(0) as u64);
        temporary.file().set_modified(modified).map_err(|error| Error::io("write", &entry.path, &error))?;
        temporary.replace(&whole)?;
        restored.written += 1;
        restored.written_bytes += entry.size;
    }
    Ok(restored)
}
