//! Moves what was committed from the write-ahead log into the ledger's file, beside the thread that commits: a checkpoint
//! syncs the disk, and slots would wait for it.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use rusqlite::Connection;
use spec::{Error, Result};

use super::connect;

/// Commits after which the log is moved: about 100 MB of it, for beginning the log again holds up the commits for as long as
/// the disk syncs. Should that be too late, the committing thread does it itself ([`super::LOG_PAGES`]).
const COMMITS: usize = 4000;

/// A thread that ends after the ledger is closed. It is not waited for: should the process end first, the log stays beside
/// the file, and who opens the ledger next reads both.
#[derive(Debug)]
pub(super) struct Checkpoints(Sender<usize>);

/// Tells the thread of commits.
pub(super) struct Commits(Sender<usize>);

impl Checkpoints {
    pub fn start(path: &Path) -> Result<Checkpoints> {
        let connection = connect(path)?;
        let (commits, received) = channel();
        let spawned =
            std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || run(&connection, &received));
        spawned.map_err(|error| Error::cannot_run(format!("cannot start a thread: {error}")))?;
        Ok(Checkpoints(commits))
    }

    pub fn commits(&self) -> Commits {
        Commits(self.0.clone())
    }
}

impl Commits {
    pub fn count_one(&self) {
        let _ = self.0.send(1);
    }
}

impl Drop for Commits {
    /// No more will come for a while: the log is moved now, while others do something else.
    fn drop(&mut self) {
        let _ = self.0.send(COMMITS);
    }
}

fn run(connection: &Connection, commits: &Receiver<usize>) {
    let mut count = 0;
    while let Ok(more) = commits.recv() {
        count += more + commits.try_iter().sum::<usize>();
        if count >= COMMITS {
            count = 0;
            // The long way lets others write; what they wrote meanwhile is short, and then the log can begin again. One
            // that fails, for others read or the disk is full, is not a loss: the answers are in the log.
            for mode in ["PASSIVE", "PASSIVE", "RESTART"] {
                let _ = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()));
            }
        }
    }
}
