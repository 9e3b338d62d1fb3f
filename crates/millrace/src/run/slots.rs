//! How many stages work at once on this machine: pipelines that start at the same time share its cores and its
//! memory instead of competing for them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use spec::{Error, Result};
use tool::Project;

use super::log::Log;
use super::memory::{Memory, shown};
use super::stage::{Ended, Stages};

/// The variable that sets the number.
const VARIABLE: &str = "MILLRACE_SLOTS";

/// How often a run that waits looks for a free slot.
const PAUSE: Duration = Duration::from_millis(100);

/// The slots of a project: files that are locked while a stage works, and hold how many bytes are set aside for it.
pub struct Slots {
    folder: PathBuf,
    count: usize,
}

/// Held while a stage works; the kernel releases it however the process ends.
pub struct Slot(#[expect(dead_code, reason = "held, not read")] File);

/// What keeps a stage from starting.
#[derive(Debug, PartialEq)]
enum Busy {
    Slots,
    /// This many bytes are set aside for others.
    Memory(u64),
}

impl Slots {
    /// As many as `MILLRACE_SLOTS` says; otherwise as many as there are cores.
    pub fn new(project: &Project) -> Result<Slots> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let count = match project.env.get(VARIABLE) {
            None => cores(),
            Some(text) => text.parse().ok().filter(|count| (1..=1024).contains(count)).ok_or_else(|| {
                Error::cannot_run(format!("{VARIABLE}: '{text}' is not a number of slots")).hint("write 1 to 1024")
            })?,
        };
        let folder = project.root.join("data/runs/slots");
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, &error))?;
        Ok(Slots { folder, count })
    }

    /// Waits for a free slot, and until `share` bytes are left of the budget; why the run has to end if that comes first.
    pub fn take(&self, stages: &mut Stages, memory: &Memory, share: u64, log: &Log) -> Result<Result<Slot, Ended>> {
        let mut is_noted = false;
        loop {
            match self.try_take(memory.budget, share)? {
                Ok(slot) => return Ok(Ok(slot)),
                Err(Busy::Memory(taken)) if !std::mem::replace(&mut is_noted, true) => log.note(&format!(
                    "waits for memory: {} are set aside for other stages, and {} are needed; all may have {}",
                    shown(taken),
                    shown(share),
                    shown(memory.budget.unwrap_or_default())
                ))?,
                Err(Busy::Memory(_) | Busy::Slots) => {}
            }
            if let Some(ended) = stages.pause(PAUSE) {
                return Ok(Err(ended));
            }
        }
    }

    fn try_take(&self, budget: Option<u64>, share: u64) -> Result<Result<Slot, Busy>> {
        // Two that look at the same time must not both find the last of the memory.
        let _one_at_a_time = match budget {
            Some(_) => {
                let file = self.open("budget")?;
                file.lock().map_err(|error| Error::io("lock", &self.folder.join("budget"), &error))?;
                Some(file)
            }
            None => None,
        };
        let (mut free, mut taken, mut is_alone) = (None, 0_u64, true);
        for number in 1..=self.count {
            match self.lock(number)? {
                Ok(file) => {
                    free.get_or_insert(file);
                    if budget.is_none() {
                        break;
                    }
                }
                Err(mut held) => {
                    is_alone = false;
                    let mut text = String::new();
                    // A slot without a readable amount belongs to a run without a budget.
                    let _ = held.read_to_string(&mut text);
                    taken = taken.saturating_add(text.trim().parse().unwrap_or(0));
                }
            }
        }
        let Some(mut file) = free else { return Ok(Err(Busy::Slots)) };
        match budget {
            Some(budget) if !is_alone && taken.saturating_add(share) > budget => Ok(Err(Busy::Memory(taken))),
            _ => {
                let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{share}"));
                written.map_err(|error| Error::io("write", &self.folder, &error))?;
                Ok(Ok(Slot(file)))
            }
        }
    }

    fn open(&self, name: &str) -> Result<File> {
        let path = self.folder.join(name);
        let opened = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o640).open(&path);
        opened.map_err(|error| Error::io("lock", &path, &error))
    }

    /// A slot that is free, locked; or one that is held, to read.
    fn lock(&self, number: usize) -> Result<Result<File, File>> {
        let file = self.open(&number.to_string())?;
        match file.try_lock() {
            Ok(()) => Ok(Ok(file)),
            Err(TryLockError::WouldBlock) => Ok(Err(file)),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", &self.folder.join(number.to_string()), &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(count: usize) -> (tempfile::TempDir, Slots) {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots { folder: folder.path().to_owned(), count };
        (folder, slots)
    }

    #[test]
    fn no_more_stages_work_than_there_are_slots() {
        let (_folder, slots) = slots(2);
        let take = || slots.try_take(None, 0).unwrap();
        let first = take().unwrap();
        let _second = take().unwrap();
        assert_eq!(take().err(), Some(Busy::Slots));
        drop(first);
        assert!(take().is_ok());
    }

    #[test]
    fn no_more_memory_is_set_aside_than_there_is() {
        let (_folder, slots) = slots(4);
        let take = |share| slots.try_take(Some(1000), share).unwrap();
        let large = take(1000).unwrap();
        assert_eq!(take(1).err(), Some(Busy::Memory(1000)));
        drop(large);
        let first = take(600).unwrap();
        let second = take(400).unwrap();
        assert_eq!(take(1).err(), Some(Busy::Memory(1000)));
        drop(first);
        assert_eq!(take(601).err(), Some(Busy::Memory(400)), "a slot is free, but not enough memory");
        let _third = take(500).unwrap();
        drop(second);
        assert!(take(500).is_ok(), "what was set aside before does not count");
    }
}
