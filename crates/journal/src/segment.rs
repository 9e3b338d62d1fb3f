//! The files of a journal: their names, their first line, and their entries.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use crate::chain::Chain;

/// The first line of a segment.
#[derive(Debug, Serialize, Deserialize)]
pub struct Header {
    pub journal: String,
    pub segment: u64,
    /// What the chain had come to before this segment; empty in the first.
    pub previous: String,
}

impl Header {
    pub fn line(&self) -> Result<Vec<u8>> {
        let mut line =
            serde_json::to_vec(self).map_err(|error| Error::cannot_run(format!("a journal's header: {error}")))?;
        line.push(b'\n');
        Ok(line)
    }
}

/// `<name>-<number>.jsonl`
pub fn path(folder: &Path, name: &str, number: u64) -> PathBuf {
    folder.join(format!("{name}-{number:06}.jsonl"))
}

/// The segments of the journal `name` in `folder` with their numbers, oldest first.
pub fn segments(folder: &Path, name: &str) -> Result<Vec<(u64, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", folder, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("read", folder, &error))?;
        let file = entry.file_name();
        let number = file.to_str().and_then(|file| {
            let digits = file.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(".jsonl")?;
            let is_number = digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| is_number)
        });
        found.extend(number.map(|number| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}

/// The entries of a segment, each checked against the one before. They end where only zeros follow.
pub struct Entries {
    lines: BufReader<std::fs::File>,
    path: PathBuf,
    number: usize,
    chain: Chain,
}

/// Opens the segment at `path`.
///
/// Errors: the first line is not a header.
pub fn entries(path: &Path) -> Result<Entries> {
    let file = std::fs::File::open(path).map_err(|error| Error::io("read", path, &error))?;
    let mut entries =
        Entries { lines: BufReader::new(file), path: path.to_owned(), number: 0, chain: Chain::default() };
    let header: Option<Header> = entries.line()?.and_then(|line| serde_json::from_slice(&line).ok());
    match header {
        Some(header) => entries.chain = Chain::from_text(&header.previous),
        None => return Err(entries.broken("not the first line of a journal")),
    }
    Ok(entries)
}

impl Entries {
    /// The next line without its newline; `None` at the end.
    fn line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = self.lines.read_until(b'\n', &mut line);
        if read.map_err(|error| Error::io("read", &self.path, &error))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        match line.pop() {
            Some(b'\n') => Ok(Some(line)),
            // The room for the entries to come.
            Some(0) if line.iter().all(|byte| *byte == 0) => Ok(None),
            _ => Err(self.broken("the last line is cut off")),
        }
    }

    fn broken(&self, cause: &str) -> Error {
        Error::refused(format!("{}:{}: {cause}", self.path.display(), self.number))
            .hint("a journal is only ever appended to: restore the file from a backup, or move it away")
    }

    /// The hash of the last line that was read, as hex.
    pub fn hash(&self) -> &str {
        self.chain.text()
    }
}

impl Iterator for Entries {
    type Item = Result<Vec<u8>>;

    /// The next entry as it was appended.
    fn next(&mut self) -> Option<Result<Vec<u8>>> {
        let line = match self.line() {
            Ok(line) => line?,
            Err(error) => return Some(Err(error)),
        };
        let entry = self.chain.follow(&line);
        Some(entry.ok_or_else(|| self.broken("the chain is broken: this line does not follow from the one before")))
    }
}
