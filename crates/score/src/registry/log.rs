//! The log of decisions: one JSON line each, append-only, every line carrying the hash of the one before.
//!
//! A line that is edited, dropped or moved breaks the chain at that place, and every reader reports it. A writer holds
//! the log's own lock for as long as it takes to read it and to write one line: nothing waits for a training, and
//! of two who decide at once the second one sees what the first has done.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use super::Version;

/// What was decided about a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The version goes into production.
    Promote,
    /// The version passed its gate, but the champion stays.
    Keep,
    /// The version did not pass its gate.
    Refuse,
    /// Production goes back to `version`; `champion` is the one that left.
    Rollback,
    /// The version is set aside: it no longer waits in staging.
    Archive,
    /// A comparison has a verdict on the version, which a person carries out or not.
    Propose,
    /// A comparison of the version with production needs more data.
    Wait,
    /// A comparison of the version with production was stopped, because it cannot say anything.
    Stop,
    /// The version, which was promoted, answers more than before: a step of its takeover by a server.
    Takeover,
}

impl Action {
    pub fn word(self) -> &'static str {
        match self {
            Action::Promote => "promote",
            Action::Keep => "keep",
            Action::Refuse => "refuse",
            Action::Rollback => "rollback",
            Action::Archive => "archive",
            Action::Propose => "propose",
            Action::Wait => "wait",
            Action::Stop => "stop",
            Action::Takeover => "takeover",
        }
    }

    /// Whether it leaves every version where it is: a look at a comparison, or a step of a takeover.
    pub fn is_remark(self) -> bool {
        matches!(self, Action::Propose | Action::Wait | Action::Stop | Action::Takeover)
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When, RFC 3339, UTC.
    pub time: String,
    /// Who, as `user@host`.
    pub who: String,
    pub action: Action,
    pub version: Version,
    /// The version in production before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<Version>,
    /// The reason, in words with numbers.
    pub why: String,
    /// The numbers that decided.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// BLAKE3 of the version's `model.json`, as hex.
    pub evidence: String,
    /// Verdicts on a running comparison: BLAKE3 over the spec and the tables that it was judged by, as hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_on: Option<String>,
    /// BLAKE3 of the line before, as hex; empty in the first line.
    pub previous: String,
}

/// The file of decisions in a pipeline's model folder.
#[derive(Clone, Debug)]
pub struct Log {
    path: PathBuf,
}

impl Log {
    pub const FILE: &'static str = "decisions.jsonl";

    pub fn in_folder(folder: &Path) -> Log {
        Log { path: folder.join(Log::FILE) }
    }

    /// All entries, oldest first. A line that is not an entry, or does not follow from the one before, is an
    /// error that names it.
    pub fn read(&self) -> Result<Vec<Entry>> {
        Ok(self.read_chain()?.0)
    }

    /// The entries, and the hash that the next one must carry. A line that is only half there may be one that is just being
    /// written, so the log is read once more when no one writes.
    fn read_chain(&self) -> Result<(Vec<Entry>, String)> {
        let bytes = self.bytes()?;
        if bytes.is_empty() || bytes.ends_with(b"\n") {
            return self.chain(bytes);
        }
        let _lock = artifact::lock_journal(&self.path)?;
        self.chain(self.bytes()?)
    }

    /// As bytes: half a line may end within a character.
    fn bytes(&self) -> Result<Vec<u8>> {
        match std::fs::read(&self.path) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::io("read", &self.path, &error)),
        }
    }

    fn chain(&self, bytes: Vec<u8>) -> Result<(Vec<Entry>, String)> {
        const WAY_OUT: &str = "restore the file from a backup; the tools only ever append to it";
        let broken = |line: usize, cause: &str| {
            Error::cannot_run(format!("{}:{line}: {cause}", self.path.display())).hint(WAY_OUT)
        };
        if bytes.last().is_some_and(|last| *last != b'\n') {
            return Err(broken(bytes.split(|byte| *byte == b'\n').count(), "the last line is cut off"));
        }
        let text = spec::utf8(bytes, &self.path).map_err(|error| error.hint(WAY_OUT))?;
        let (mut entries, mut previous) = (Vec::new(), String::new());
        for (number, line) in text.split_terminator('\n').enumerate() {
            let broken = |cause: &str| broken(number + 1, cause);
            let entry: Entry =
                serde_json::from_str(line).map_err(|error| broken(&format!("not a decision: {error}")))?;
            if entry.previous != previous {
                return Err(broken("the chain of decisions is broken: this line does not follow from the one before"));
            }
            previous = blake3::hash(line.as_bytes()).to_hex().to_string();
            entries.push(entry);
        }
        Ok((entries, previous))
    }

    /// Appends `entry` with one write, chained to the last line, and syncs. `check` sees the entries, and nothing comes in
    /// between; its error is returned, and nothing is written.
    ///
    /// # Errors
    /// Cannot run: a broken chain, a disk that is full. Then the log is as it was.
    pub fn append(&self, mut entry: Entry, check: impl FnOnce(&[Entry]) -> Result<()>) -> Result<Entry> {
        let failed = |error: std::io::Error| Error::io("append to", &self.path, &error);
        let _lock = artifact::lock_journal(&self.path)?;
        let (entries, previous) = self.chain(self.bytes()?)?;
        check(&entries)?;
        entry.previous = previous;
        let mut line = serde_json::to_string(&entry)
            .map_err(|error| Error::cannot_run(format!("{}: {error}", self.path.display())))?;
        line.push('\n');
        let mut file = OpenOptions::new().append(true).create(true).mode(0o640).open(&self.path).map_err(failed)?;
        let before = file.metadata().map_err(failed)?.len();
        if let Err(error) = file.write_all(line.as_bytes()).and_then(|()| file.sync_all()) {
            // Half a line would make the whole log unreadable.
            let _ = file.set_len(before);
            return Err(failed(error));
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(entry)
    }
}

/// The versions that were put into production and not rolled back since, oldest first; the last one is in
/// production.
pub(super) fn promoted(entries: &[Entry]) -> Vec<Version> {
    let mut stack = Vec::new();
    for entry in entries {
        match entry.action {
            Action::Promote => stack.push(entry.version),
            Action::Rollback => {
                stack.pop();
            }
            Action::Keep | Action::Refuse | Action::Archive => {}
            Action::Propose | Action::Wait | Action::Stop | Action::Takeover => {}
        }
    }
    stack
}
