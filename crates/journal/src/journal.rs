//! The handle that all threads share.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use spec::{Error, Result};

use crate::recovery::{self, Recovered};
use crate::writer::{Message, Then, Writer};

/// Whether an entry is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Yes,
    /// The disk refused: [`Counts::lost`] counts it, and the journal will say how many are missing.
    No,
}

/// What has happened to the entries so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    pub kept: u64,
    pub lost: u64,
    /// Whether the last write failed.
    pub failing: bool,
    /// The error of the last failed write.
    pub why: Option<String>,
    /// Entries in the segment that is written to.
    pub in_segment: u64,
    /// Bytes of that segment.
    pub segment_bytes: u64,
}

#[derive(Default)]
pub(crate) struct State {
    pub kept: AtomicU64,
    pub lost: AtomicU64,
    pub failing: AtomicBool,
    pub segment_entries: AtomicU64,
    pub segment_bytes: AtomicU64,
    why: Mutex<Option<String>>,
}

impl State {
    pub fn failed_with(&self, error: &std::io::Error) {
        let text = spec::text::root_cause(error);
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }
}

/// An open journal. Dropped, it writes what waits and closes.
pub struct Journal {
    sender: Option<Sender<Message>>,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
    /// Held, so that no other process writes.
    _lock: File,
}

impl Journal {
    /// Opens the journal `name` in `folder`, which is made if need be. A line that a crash cut off is removed.
    ///
    /// Errors: another process has it open (try again); a line in the middle was changed (refused).
    pub fn open(folder: &Path, name: &str) -> Result<(Journal, Recovered)> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
        let lock = lock(folder, name)?;
        let open = recovery::open(folder, name)?;
        let recovered = open.recovered.clone();
        let state = Arc::new(State::default());
        state.segment_entries.store(recovered.entries, Ordering::Relaxed);
        state.segment_bytes.store(open.length, Ordering::Relaxed);
        let writer = Writer::new(folder.to_owned(), name.to_owned(), open, state.clone());
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name(format!("journal {name}"))
            .spawn(move || writer.run(&receiver))
            .map_err(|error| Error::io("start a thread for", folder, &error))?;
        Ok((Journal { sender: Some(sender), state, thread: Some(thread), _lock: lock }, recovered))
    }

    /// Appends `entry`: a JSON object with at least one key, or several that belong together, one per line. `then` is called
    /// from the journal's thread once all of them are on disk, or none can be kept.
    pub fn append(&self, entry: Vec<u8>, then: impl FnOnce(Kept) + Send + 'static) {
        self.send(Message::Entry(entry, Box::new(then) as Then));
    }

    /// Appends and waits until the entry is on disk.
    pub fn append_and_wait(&self, entry: Vec<u8>) -> Kept {
        let (sender, receiver) = channel();
        self.append(entry, move |kept| {
            // The receiver waits below.
            let _ = sender.send(kept);
        });
        receiver.recv().unwrap_or(Kept::No)
    }

    /// Begins the next segment and gives the path of the one that is closed; `None` if that would be empty.
    pub fn rotate(&self) -> Result<Option<PathBuf>> {
        let (sender, receiver) = channel();
        self.send(Message::Rotate(sender));
        receiver.recv().unwrap_or(Ok(None))
    }

    fn send(&self, message: Message) {
        let Some(sender) = &self.sender else { return };
        if let Err(refused) = sender.send(message)
            && let Message::Entry(_, then) = refused.0
        {
            self.state.lost.fetch_add(1, Ordering::Relaxed);
            self.state.failing.store(true, Ordering::Release);
            then(Kept::No);
        }
    }

    pub fn counts(&self) -> Counts {
        let failing = self.state.failing.load(Ordering::Acquire);
        Counts {
            kept: self.state.kept.load(Ordering::Relaxed),
            lost: self.state.lost.load(Ordering::Relaxed),
            failing,
            why: self.state.why.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(|_| failing),
            in_segment: self.state.segment_entries.load(Ordering::Relaxed),
            segment_bytes: self.state.segment_bytes.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            // The panic hook has reported a panic there already.
            let _ = thread.join();
        }
    }
}

fn lock(folder: &Path, name: &str) -> Result<File> {
    let path = folder.join(format!(".{name}.lock"));
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o640)
        .open(&path)
        .map_err(|error| Error::io("write", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::try_again(format!("{}: another process writes the journal '{name}'", folder.display()))
                .hint("stop the other server first: a project has one"))
        }
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &path, &error)),
    }
}

#[cfg(test)]
mod tests;
