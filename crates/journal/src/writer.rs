//! The thread that writes: gathers the entries that wait, writes them at once, syncs once, then confirms each.

use std::io::{self, BufRead};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use spec::{Error, Result};

use crate::chain::Chain;
use crate::disk::Disk;
use crate::journal::{Kept, State};
use crate::recovery::{self, Open};
use crate::segment::path;

/// Called once per entry.
pub type Then = Box<dyn FnOnce(Kept) + Send>;

pub enum Message {
    Entry(Vec<u8>, Then),
    /// Begins the next segment, unless this one has no entries; answers with the path of the one that is closed.
    Rotate(Sender<Result<Option<PathBuf>>>),
}

/// Where bytes go: a file, or in tests a disk that fails.
pub trait Storage: Send {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file off after `length`.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// Bytes that one write takes at most: those who wait behind it wait no longer than this takes.
const MOST: usize = 4 << 20;

/// The shortest time between two writes while several entries wait: a sync costs the processor as much as tens of entries. At
/// 400 µs sixteen connections wait for the disk while the processor idles; without a pause it spends its time on syncs.
const APART: Duration = Duration::from_micros(150);

pub struct Writer<S> {
    pub folder: PathBuf,
    pub name: String,
    pub storage: S,
    pub number: u64,
    pub chain: Chain,
    /// Bytes that are on disk.
    pub length: u64,
    /// Entries in this segment.
    pub entries: u64,
    pub state: Arc<State>,
    /// Entries that were lost since the last that was kept.
    pub gap: u64,
    /// Whether the disk still has to take back what a failed write may have left behind.
    pub dirty: bool,
}

impl Writer<Disk> {
    pub fn new(folder: PathBuf, name: String, open: Open, state: Arc<State>) -> Writer<Disk> {
        Writer {
            folder,
            name,
            storage: Disk::new(open.file, open.length),
            number: open.number,
            chain: open.chain,
            length: open.length,
            entries: open.recovered.entries,
            state,
            gap: 0,
            dirty: false,
        }
    }

    /// Runs until the last sender is dropped.
    pub fn run(mut self, messages: &Receiver<Message>) {
        let (mut batch, mut then) = (Vec::new(), Vec::new());
        let (mut began, mut is_busy) = (Instant::now(), false);
        while let Ok(first) = messages.recv() {
            if is_busy {
                std::thread::sleep(APART.saturating_sub(began.elapsed()));
            }
            began = Instant::now();
            let mut next = Some(first);
            let mut rotate = None;
            let mut size = 0;
            while let Some(message) = next.take() {
                match message {
                    Message::Entry(entry, confirm) => {
                        size += entry.len();
                        batch.push(entry);
                        then.push(confirm);
                    }
                    Message::Rotate(answer) => {
                        rotate = Some(answer);
                        break;
                    }
                }
                if size < MOST {
                    next = messages.try_recv().ok();
                }
            }
            is_busy = batch.len() > 1;
            if !batch.is_empty() {
                let kept = self.commit(&batch);
                batch.clear();
                then.drain(..).for_each(|confirm: Then| confirm(kept));
            }
            if let Some(answer) = rotate {
                // The receiver may be gone.
                let _ = answer.send(self.rotate());
            }
        }
        // Zeros that stay are read as the end, too.
        let _ = self.storage.finish();
    }

    fn rotate(&mut self) -> Result<Option<PathBuf>> {
        if self.entries == 0 || self.dirty {
            return Ok(None);
        }
        let closed = path(&self.folder, &self.name, self.number);
        self.storage.finish().map_err(|error| Error::io("write", &closed, &error))?;
        let open = recovery::begin(&self.folder, &self.name, self.number + 1, self.chain.clone(), 0)?;
        self.storage = Disk::new(open.file, open.length);
        (self.number, self.length, self.entries) = (open.number, open.length, 0);
        self.state.segment_entries.store(0, Ordering::Relaxed);
        self.state.segment_bytes.store(self.length, Ordering::Relaxed);
        Ok(Some(closed))
    }
}

impl<S: Storage> Writer<S> {
    /// Writes these entries, all or none.
    pub fn commit(&mut self, batch: &[Vec<u8>]) -> Kept {
        match self.try_commit(batch) {
            Ok(count) => {
                self.gap = 0;
                self.state.kept.fetch_add(count, Ordering::Relaxed);
                self.state.segment_entries.store(self.entries, Ordering::Relaxed);
                self.state.segment_bytes.store(self.length, Ordering::Relaxed);
                self.state.failing.store(false, Ordering::Release);
                Kept::Yes
            }
            Err(error) => {
                let count = batch.iter().map(|entry| lines(entry).count() as u64).sum::<u64>();
                self.dirty = self.storage.cut(self.length).is_err();
                self.gap += count;
                self.state.lost.fetch_add(count, Ordering::Relaxed);
                self.state.failing.store(true, Ordering::Release);
                self.state.failed_with(&error);
                Kept::No
            }
        }
    }

    /// Writes these entries, all or none: how many lines they are.
    fn try_commit(&mut self, batch: &[Vec<u8>]) -> io::Result<u64> {
        if self.dirty {
            self.storage.cut(self.length)?;
            self.dirty = false;
        }
        let mut chain = self.chain.clone();
        let mut lines = Vec::with_capacity(batch.iter().map(|entry| entry.len() + 64).sum());
        let (mut entries, mut count) = (self.entries, 0);
        if self.gap > 0 {
            // A reader of the journal sees that entries are missing here, and how many.
            chain.add(format!("{{\"lost\":{}}}", self.gap).as_bytes(), &mut lines);
            entries += 1;
        }
        for entry in batch.iter().flat_map(|entry| self::lines(entry)) {
            chain.add(entry, &mut lines);
            count += 1;
        }
        entries += count;
        self.storage.write(&lines)?;
        self.storage.sync()?;
        self.length += lines.len() as u64;
        (self.chain, self.entries) = (chain, entries);
        Ok(count)
    }
}

/// The objects of one call to [`crate::Journal::append`].
fn lines(entry: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = entry;
    let next = move || {
        let from = rest;
        // Skips many bytes at a time, unlike a search byte by byte. Memory can always be read.
        let length = rest.skip_until(b'\n').unwrap_or(from.len());
        (length > 0).then(|| from[..length].strip_suffix(b"\n").unwrap_or(&from[..length]))
    };
    std::iter::from_fn(next).filter(|line| !line.is_empty())
}
