//! How many stages work at once on this machine: pipelines that start at the same time share its cores and its memory
//! instead of taking them from each other.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use spec::{Error, Result};
use tool::Project;

use super::stage::Stages;

/// The variable that says how many.
const VARIABLE: &str = "MILLRACE_SLOTS";

/// How often a run that waits looks for a free slot.
const PAUSE: Duration = Duration::from_millis(100);

/// The slots of a project: files that are locked while a stage works.
pub struct Slots {
    folder: PathBuf,
    count: usize,
}

/// Held while a stage works; the kernel lets go of it however the process ends.
pub struct Slot(#[expect(dead_code, reason = "held, not read")] File);

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

    /// Waits for a free slot; `None` if the run is stopped meanwhile.
    pub fn take(&self, stages: &mut Stages) -> Result<Option<Slot>> {
        loop {
            for number in 1..=self.count {
                if let Some(slot) = self.try_take(number)? {
                    return Ok(Some(slot));
                }
            }
            if stages.pause(PAUSE).is_some() {
                return Ok(None);
            }
        }
    }

    fn try_take(&self, number: usize) -> Result<Option<Slot>> {
        let path = self.folder.join(number.to_string());
        let failed = |error: std::io::Error| Error::io("lock", &path, &error);
        let file = OpenOptions::new().create(true).append(true).mode(0o640).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Slot(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_stages_work_than_there_are_slots() {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots { folder: folder.path().to_owned(), count: 2 };
        let first = slots.try_take(1).unwrap();
        let second = slots.try_take(2).unwrap();
        assert!(first.is_some() && second.is_some());
        assert!(slots.try_take(1).unwrap().is_none());
        drop(first);
        assert!(slots.try_take(1).unwrap().is_some());
    }
}
