//! Moves what was committed from the write-ahead log into the ledger's file, beside the thread that commits: a checkpoint
//! syncs the disk, and slots would wait for it.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use spec::{Error, Result};

use super::connect;

/// Commits after which the log is moved: about 100 MB of it, for beginning the log anew holds up the commits for as long as
/// the disk syncs. Should that be too late, the committing thread does it itself ([`super::LOG_PAGES`]).
const COMMITS: usize = 4000;

/// A thread that ends when this is dropped.
pub(super) struct Checkpoints {
    commits: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub fn start(path: &Path) -> Result<Checkpoints> {
        let connection = connect(path)?;
        let (commits, received) = channel();
        let spawned =
            std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || run(&connection, &received));
        let thread = spawned.map_err(|error| Error::cannot_run(format!("cannot start a thread: {error}")))?;
        Ok(Checkpoints { commits: Some(commits), thread: Some(thread) })
    }

    /// Counts a commit.
    pub fn count(&self) {
        if let Some(commits) = &self.commits {
            let _ = commits.send(());
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.commits = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, commits: &Receiver<()>) {
    let mut count = 0;
    while commits.recv().is_ok() {
        count += 1 + commits.try_iter().count();
        if count >= COMMITS {
            count = 0;
            // The long way lets others write; what they wrote meanwhile is short, and then the log can begin anew. One
            // that fails, for others read or the disk is full, is no loss: the answers are in the log.
            for mode in ["PASSIVE", "PASSIVE", "RESTART"] {
                let _ = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()));
            }
        }
    }
}
