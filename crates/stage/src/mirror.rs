//! Keeps the stage folders on disk and the object store that `MILLRACE_STORE` names in step.
//!
//! The folders on disk are where work is done; the store is where snapshots live: its `latest` is the truth, artifacts
//! are sent before it is replaced, and what is not on disk is fetched. Without `MILLRACE_STORE` this module
//! has no effect. See docs/adr/0007-object-stores.md.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use artifact::{Artifact, LATEST, Snapshot, Temporary, evidence_of, hash_file, hash_reader, open, sidecar};
use spec::{Environment, Error, Result, ResultExt, Root, Url};
use store::{Cloud, Depth, Put, Version};

use crate::incoming::Incoming;

/// The variable that names the store.
const VARIABLE: &str = "MILLRACE_STORE";

/// The store of a project, if it has one, and access to all others.
pub struct Mirror {
    root: Root,
    cloud: Cloud,
    store: Option<Url>,
    /// What was last read of the objects that are replaced.
    seen: RefCell<BTreeMap<Url, Option<Version>>>,
    incoming: OnceCell<Incoming>,
}

/// A snapshot that might be what a run would write.
pub struct Candidate {
    pub snapshot: Snapshot,
    /// Whether it is the stage's output already, wherever that has to be.
    pub released: bool,
}

/// A file that is only appended to, as it is here and in the store.
struct Journal {
    url: Url,
    here: Vec<u8>,
    there: Vec<u8>,
}

impl Mirror {
    /// Reads the variable. Nothing is sent yet.
    pub fn new(root: &Root, env: &Environment) -> Result<Mirror> {
        let store = env.get(VARIABLE).map(str::parse::<Url>).transpose().context(VARIABLE)?;
        Ok(Mirror {
            root: root.clone(),
            cloud: Cloud::new(env),
            store,
            seen: RefCell::default(),
            incoming: OnceCell::new(),
        })
    }

    /// Whether the project has a store.
    pub fn is_on(&self) -> bool {
        self.store.is_some()
    }

    /// Access to every store that the environment has credentials for.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The current output of the stage that owns `folder` (relative to the root): by the store, or without one by the
    /// disk.
    pub fn latest(&self, folder: &Path) -> Result<Option<Snapshot>> {
        let Some(store) = &self.store else { return Snapshot::read(&self.root.join(folder)) };
        let url = place(store, &folder.join(LATEST))?;
        let Some(content) = self.read(&url)? else { return Ok(None) };
        let not_ours = |why: &str| Error::cannot_run(format!("{url}: {why}")).hint("restore it from a backup");
        let snapshot = Snapshot::parse(&String::from_utf8(content).map_err(|_| not_ours("not a list of paths"))?);
        for path in &snapshot.paths {
            place(store, path).map_err(|_| not_ours("it names a path outside of data/"))?;
        }
        Ok(Some(snapshot))
    }

    /// The snapshots of the whole store, with the folders (relative to the root) of the stages that own them; none
    /// without a store.
    pub fn snapshots(&self) -> Result<Vec<(PathBuf, Snapshot)>> {
        let Some(store) = &self.store else { return Ok(Vec::new()) };
        let mut snapshots = Vec::new();
        for object in self.cloud.list(store, Depth::All)? {
            let below =
                object.url().key().strip_prefix(store.key()).map(|below| Path::new(below.trim_start_matches('/')));
            let Some(below) = below.filter(|below| below.file_name().is_some_and(|name| name == LATEST)) else {
                continue;
            };
            let folder = Path::new("data").join(below.parent().unwrap_or(Path::new("")));
            snapshots.extend(self.latest(&folder)?.map(|snapshot| (folder, snapshot)));
        }
        Ok(snapshots)
    }

    /// Removes what lies at `path` (relative to the root; a file, or a folder with all files in it) from the store.
    pub fn remove(&self, path: &Path) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        let url = place(store, path)?;
        for object in self.cloud.list(&url, Depth::All)? {
            self.cloud.remove(object.url())?;
        }
        self.cloud.remove(&url)
    }

    /// What the stage that owns `folder` has written, in the order in which it counts: its current output (fetched if
    /// need be), then what was written here and is not released.
    pub fn candidates(&self, folder: &Path) -> Result<Vec<Candidate>> {
        let current = self.latest(folder)?;
        for path in current.iter().flat_map(|snapshot| &snapshot.paths) {
            // An artifact that is missing in the store is a reason to run, not to fail.
            self.bring(path)?;
        }
        let mut candidates: Vec<Candidate> = Vec::new();
        candidates.extend(current.map(|snapshot| Candidate { snapshot, released: true }));
        let here = self.root.join(folder);
        for snapshot in [Snapshot::pending(&here)?, Snapshot::read(&here)?].into_iter().flatten() {
            if candidates.iter().all(|known| known.snapshot != snapshot) {
                candidates.push(Candidate { snapshot, released: false });
            }
        }
        Ok(candidates)
    }

    /// Makes sure that the artifact at `path` (relative to the root) is on disk; false if it is nowhere.
    pub fn bring(&self, path: &Path) -> Result<bool> {
        let target = self.root.join(path);
        let Some(store) = self.store.as_ref().filter(|_| !target.exists()) else { return Ok(target.exists()) };
        let url = place(store, path)?;
        let came = self.incoming()?.artifact(&self.cloud, &url, &target)?;
        if came {
            tracing::info!(%url, path = %path.display(), "fetched {url}");
        }
        Ok(came)
    }

    /// Makes sure that the newest artifacts of `table` in `folder` (relative to the root) are on disk, at most `most`:
    /// for anyone who looks back over runs, which other machines made. Without a store nothing is done.
    pub fn bring_newest(&self, folder: &Path, table: &str, most: usize) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        let objects = self.cloud.list(&place(store, folder)?, Depth::Folder)?;
        let names = objects.iter().map(|object| object.url().name().to_owned());
        let names = artifact::history::newest(names, table, most);
        names.iter().try_for_each(|name| self.bring(&folder.join(name)).map(drop))
    }

    /// The object at `url` as an input: fetched unless this state of it is here already.
    pub fn fetch(&self, url: &Url) -> Result<Artifact> {
        let object = self.cloud.find(url)?;
        let (path, came) = self.incoming()?.copy(&object)?;
        if came {
            tracing::info!(%url, bytes = object.size(), "fetched {url}");
        }
        // Evidence and messages name the object, not the copy.
        Ok(Artifact { path: PathBuf::from(url.to_string()), ..open(&self.root, &path)? })
    }

    /// Sends artifacts (relative to the root) with their evidence and their refused rows. Those that are there already
    /// stay as they are.
    pub fn send(&self, paths: &[PathBuf]) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        for path in paths {
            for file in self.files_of(path)? {
                let url = place(store, self.root.relative(&file))?;
                self.put(&url, &file)?;
            }
        }
        Ok(())
    }

    /// Sends copies of files (relative to the root) to the folder `to`, and compares what is there then with them.
    pub fn deliver(&self, to: &Url, paths: &[PathBuf]) -> Result<()> {
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let whole = self.root.join(path);
            if !whole.is_dir() {
                self.put_compared(&to.join(&name), &whole)?;
                continue;
            }
            // The evidence stays here; the file that says that all others are there comes last.
            let mut files = self.files_of(path)?;
            files.retain(|file| *file != sidecar(&whole));
            files.sort_by_key(|file| file.file_name().is_some_and(|name| name == "_SUCCESS"));
            for file in files {
                let within = file.strip_prefix(&whole).unwrap_or(&file).to_string_lossy();
                let url = within.split('/').fold(to.join(&name), |url, part| url.join(part));
                self.put_compared(&url, &file)?;
            }
        }
        Ok(())
    }

    /// Sends a file for others, who have no hash of it: it comes back before it counts as delivered. What was there already is compared
    /// as a whole, too: it has no evidence at its end by which two files could be distinguished.
    fn put_compared(&self, url: &Url, file: &Path) -> Result<()> {
        let put = self.cloud.put(url, file)?;
        same_content(url, self.cloud.find(url)?.open(), &hash_file(file)?)?;
        if put == Put::Sent {
            let bytes = file.metadata().map(|meta| meta.len()).unwrap_or_default();
            tracing::info!(%url, bytes, "sent {url}");
        }
        Ok(())
    }

    fn put(&self, url: &Url, file: &Path) -> Result<()> {
        if self.cloud.put(url, file)? == Put::Sent {
            let bytes = file.metadata().map(|meta| meta.len()).unwrap_or_default();
            tracing::info!(%url, bytes, "sent {url}");
        }
        Ok(())
    }

    /// What makes up an artifact, in an order in which no file is there before its evidence, and no folder's evidence
    /// before its files.
    fn files_of(&self, path: &Path) -> Result<Vec<PathBuf>> {
        let whole = self.root.join(path);
        let beside = sidecar(&whole);
        let mut files = Vec::new();
        if whole.is_dir() {
            let mut open = vec![whole];
            while let Some(folder) = open.pop() {
                for entry in std::fs::read_dir(&folder).map_err(|error| Error::io("read", &folder, &error))? {
                    let entry = entry.map_err(|error| Error::io("read", &folder, &error))?.path();
                    if entry.is_dir() { open.push(entry) } else { files.push(entry) }
                }
            }
            files.sort_by_key(|file| (*file == beside, file.clone()));
            return Ok(files);
        }
        let refused = evidence_of(&whole)?.and_then(|evidence| evidence.refused).map(|path| self.root.join(path));
        files.extend(refused.filter(|path| path.exists()));
        files.extend(Some(beside).filter(|path| path.exists()));
        files.push(whole);
        Ok(files)
    }

    /// Replaces `latest` of `folder` in the store, unless another machine did since it was read.
    pub fn replace_latest(&self, folder: &Path, snapshot: &Snapshot) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        let url = place(store, &folder.join(LATEST))?;
        self.replace(&url, snapshot.text().into_bytes())
    }

    /// Brings a file that is only ever appended to up to what the store has. What was appended here and is not sent
    /// yet stays.
    ///
    /// Errors: both have lines that the other does not have.
    pub fn take_journal(&self, folder: &Path, name: &str) -> Result<()> {
        self.take_journal_without(folder, name, &|_| false)
    }

    /// As [`Mirror::take_journal`], where lines of this machine give way to those of another: if both have lines that the other
    /// does not have, and all of ours `may_go`, the store's are taken in their place.
    pub fn take_journal_without(&self, folder: &Path, name: &str, may_go: &dyn Fn(&[u8]) -> bool) -> Result<()> {
        if !self.is_on() {
            return Ok(());
        }
        let local = self.root.join(folder);
        std::fs::create_dir_all(&local).map_err(|error| Error::io("create", folder, &error))?;
        // A writer that appends meanwhile would append to the file that is replaced.
        let _lock = artifact::lock_journal(&local.join(name))?;
        let Some(Journal { url, here, there }) = self.both(folder, name)? else { return Ok(()) };
        if here.starts_with(&there) {
            return Ok(());
        }
        if !there.starts_with(&here) && !own_lines(&here, &there).all(may_go) {
            return Err(self.diverged(folder, name, &url));
        }
        let target = self.root.join(folder).join(name);
        let mut temporary = Temporary::beside(&target)?;
        std::io::Write::write_all(temporary.file(), &there).map_err(|error| Error::io("write", &target, &error))?;
        temporary.replace(&target)?;
        tracing::info!(%url, "fetched {url}");
        Ok(())
    }

    /// What the store has of a file that is only ever appended to, without bringing it here.
    pub fn peek_journal(&self, folder: &Path, name: &str) -> Result<Option<Vec<u8>>> {
        match &self.store {
            None => Ok(None),
            Some(store) => self.read(&place(store, &folder.join(name))?),
        }
    }

    /// As [`Mirror::take_journal`], for another stage than the one that owns `folder`. While that one is at work, the
    /// journal is left to it: it has brought it up to date itself.
    pub fn read_journal(&self, folder: &Path, name: &str) -> Result<()> {
        if !self.is_on() {
            return Ok(());
        }
        match tool::lock(&self.root.join(folder), folder, name, true) {
            Ok(_lock) => self.take_journal(folder, name),
            Err(error) if error.class() == spec::Class::TryAgain => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sends what was appended to a journal here.
    pub fn send_journal(&self, folder: &Path, name: &str) -> Result<()> {
        let Some(Journal { url, here, there }) = self.journal(folder, name)? else { return Ok(()) };
        if here.len() <= there.len() {
            return Ok(());
        }
        self.replace(&url, here)?;
        tracing::info!(%url, "sent {url}");
        Ok(())
    }

    /// Sends what was appended to a journal here. If another machine appended first, its lines count: the store's are
    /// taken in the place of those of ours, which all `may_go`. A caller that appended a line must check afterwards whether it
    /// is still there.
    ///
    /// Errors: what [`Mirror::send_journal`] says; the journal here is then as it was.
    pub fn settle_journal(&self, folder: &Path, name: &str, may_go: &dyn Fn(&[u8]) -> bool) -> Result<()> {
        let Err(failed) = self.send_journal(folder, name) else { return Ok(()) };
        match self.both(folder, name) {
            // It could not be sent, or another of our processes is faster: no other machine appended.
            Ok(Some(Journal { here, there, .. })) if here != there && here.starts_with(&there) => Err(failed),
            Ok(Some(_)) => self.take_journal_without(folder, name, may_go),
            _ => Err(failed),
        }
    }

    /// A journal in which one side is the beginning of the other; none without a store.
    fn journal(&self, folder: &Path, name: &str) -> Result<Option<Journal>> {
        let Some(journal) = self.both(folder, name)? else { return Ok(None) };
        match journal.here.starts_with(&journal.there) || journal.there.starts_with(&journal.here) {
            true => Ok(Some(journal)),
            false => Err(self.diverged(folder, name, &journal.url)),
        }
    }

    fn diverged(&self, folder: &Path, name: &str, url: &Url) -> Error {
        Error::cannot_run(format!("{}: its lines are not those of {url}", folder.join(name).display())).hint(format!(
            "two machines decided at once; the store counts: move {} aside and run again",
            folder.display()
        ))
    }

    /// A journal here and in the store; none without a store.
    fn both(&self, folder: &Path, name: &str) -> Result<Option<Journal>> {
        let Some(store) = &self.store else { return Ok(None) };
        let path = folder.join(name);
        let url = place(store, &path)?;
        let there = self.read(&url)?.unwrap_or_default();
        let here = match std::fs::read(self.root.join(&path)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::io("read", &path, &error)),
        };
        Ok(Some(Journal { url, here, there }))
    }

    fn read(&self, url: &Url) -> Result<Option<Vec<u8>>> {
        let (content, version) = self.cloud.read(url)?.unzip();
        self.seen.borrow_mut().insert(url.clone(), version);
        Ok(content)
    }

    fn replace(&self, url: &Url, content: Vec<u8>) -> Result<()> {
        if !self.seen.borrow().contains_key(url) {
            self.read(url)?;
        }
        let seen = self.seen.borrow().get(url).cloned().flatten();
        let version = self.cloud.replace(url, content, seen.as_ref())?;
        self.seen.borrow_mut().insert(url.clone(), Some(version));
        Ok(())
    }

    fn incoming(&self) -> Result<&Incoming> {
        if self.incoming.get().is_none() {
            let _ = self.incoming.set(Incoming::begin(&self.root)?);
        }
        Ok(self.incoming.get().expect("it was set above"))
    }
}

/// Whether an object is what was sent.
fn same_content(url: &Url, object: impl Read, hash: &str) -> Result<()> {
    match hash_reader(object).map_err(|error| Error::io("read", Path::new(&url.to_string()), &error))? == hash {
        true => Ok(()),
        false => Err(Error::refused(format!("{url}: its content is not what was sent"))
            .hint("remove the object, and run again with --force")),
    }
}

/// The lines of `here` from the first one on that differs from `there`.
fn own_lines<'a>(here: &'a [u8], there: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let lines = |bytes: &'a [u8]| bytes.split_inclusive(|byte| *byte == b'\n');
    let common = lines(here).zip(lines(there)).take_while(|(one, other)| one == other).count();
    lines(here).skip(common)
}

/// Where the store keeps the file at `path`, which is relative to the root.
fn place(store: &Url, path: &Path) -> Result<Url> {
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    match path.strip_prefix("data") {
        Ok(below) if plain => Ok(store.join(&below.display().to_string())),
        _ => Err(Error::cannot_run(format!("{}: the store holds only what lies below data/", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_is_not_what_was_sent_is_refused() {
        let url: Url = "s3://bucket/out/orders.csv".parse().unwrap();
        let hash = hash_reader(&b"id\n1\n"[..]).unwrap();
        assert!(same_content(&url, &b"id\n1\n"[..], &hash).is_ok());
        for other in [&b"id\n2\n"[..], b"id\n1", b""] {
            assert_eq!(
                same_content(&url, other, &hash).unwrap_err().to_string(),
                "s3://bucket/out/orders.csv: its content is not what was sent; remove the object, and run again with --force"
            );
        }
    }

    /// An upload looks at the ends of files only.
    #[test]
    fn a_file_that_is_there_is_compared_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = Mirror::new(&Root::at(folder.path()), &Environment::default()).unwrap();
        let to: Url = format!("file://{}/out/", folder.path().display()).parse().unwrap();
        let rows = |first: &str| format!("{first}\n{}", "x,1\n".repeat(40_000));
        std::fs::write(folder.path().join("a.csv"), rows("id,a")).unwrap();
        let deliver = || mirror.deliver(&to, &["a.csv".into()]).map_err(|error| error.to_string());
        assert_eq!((deliver(), deliver()), (Ok(()), Ok(())));
        std::fs::write(folder.path().join("a.csv"), rows("id,b")).unwrap();
        let error = deliver().unwrap_err();
        assert!(error.contains("/out/a.csv: its content is not what was sent; remove the object"), "{error}");
    }

    #[test]
    fn lines_of_this_machine_begin_where_those_of_the_store_differ() {
        let own = |here: &str, there: &str| -> Vec<String> {
            let lines = own_lines(here.as_bytes(), there.as_bytes());
            lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect()
        };
        assert_eq!(own("a\nb\nc\n", "a\nx\n"), ["b\n", "c\n"]);
        assert_eq!(own("a\nb\n", "a\nb\nc\n"), [""; 0]);
        assert_eq!(own("a\nb", "a\nbc\n"), ["b"]);
        assert_eq!(own("", "a\n"), [""; 0]);
    }

    #[test]
    fn keys_are_paths_below_data() {
        let store: Url = "s3://bucket/shop".parse().unwrap();
        let at = |path: &str| place(&store, Path::new(path)).map(|url| url.to_string());
        assert_eq!(at("data/raw/shop/latest").unwrap(), "s3://bucket/shop/raw/shop/latest");
        for path in ["/etc/passwd", "data/../.env", "resources/shop/clean.yaml"] {
            assert_eq!(
                at(path).unwrap_err().to_string(),
                format!("{path}: the store holds only what lies below data/")
            );
        }
    }
}
