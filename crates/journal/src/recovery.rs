//! Opens the newest segment after whatever ended the process before.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use spec::{Error, Result};

use crate::chain::Chain;
use crate::segment::{Header, entries, path, segments};

/// What was found at opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Entries in the newest segment.
    pub entries: u64,
    /// Bytes of lines that were not whole and were cut off. They were never confirmed.
    pub cut: u64,
}

/// The segment that is written to.
pub struct Open {
    pub file: File,
    pub number: u64,
    pub chain: Chain,
    /// Bytes that are good.
    pub length: u64,
    pub recovered: Recovered,
}

/// Opens the newest segment of the journal, cuts off what a crash left unfinished at its end, or begins the first one.
///
/// Refused: a line in the middle that does not follow from the one before, which no crash can cause.
pub fn open(folder: &Path, name: &str) -> Result<Open> {
    let all = segments(folder, name)?;
    let Some((number, file)) = all.last() else { return begin(folder, name, 1, Chain::default(), 0) };
    let failed = |error: std::io::Error| Error::io("read", file, &error);
    let mut bytes = Vec::new();
    let mut open = OpenOptions::new().read(true).write(true).open(file).map_err(failed)?;
    let whole = open.read_to_end(&mut bytes).map_err(failed)?;
    // Zeros at the end were the room for the entries to come.
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    let first = bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    let header: Option<Header> = first.strip_suffix(b"\n").and_then(|line| serde_json::from_slice(line).ok());
    let Some(header) = header else {
        if !is_torn(first) {
            return Err(changed(file, 1));
        }
        // The crash came before the first line was whole: the segment holds nothing yet.
        let before = match all.iter().rev().nth(1) {
            Some((_, before)) => end_of(before)?,
            None => Chain::default(),
        };
        drop(open);
        std::fs::remove_file(file).map_err(|error| Error::io("remove", file, &error))?;
        return begin(folder, name, *number, before, bytes.len() as u64);
    };
    let mut chain = Chain::from_text(&header.previous);
    let mut good = first.len();
    let mut recovered = Recovered::default();
    for line in bytes[good..].split_inclusive(|byte| *byte == b'\n') {
        let entry = line.strip_suffix(b"\n").and_then(|line| chain.follow(line));
        if entry.is_none() {
            if !is_torn(line) {
                return Err(changed(file, recovered.entries + 2));
            }
            recovered.cut = (bytes.len() - good) as u64;
            break;
        }
        good += line.len();
        recovered.entries += 1;
    }
    let length = good as u64;
    let failed = |error: std::io::Error| Error::io("write", file, &error);
    if good < whole {
        open.set_len(length).and_then(|()| open.sync_all()).map_err(failed)?;
    }
    open.seek(SeekFrom::Start(length)).map_err(failed)?;
    Ok(Open { file: open, number: *number, chain, length, recovered })
}

/// Whether a crash can have left this line, the first that is not good: the file ends within it, or it has zeros where
/// a block was not written yet. A line that is whole was changed, whatever the end of the file looks like.
fn is_torn(line: &[u8]) -> bool {
    !line.ends_with(b"\n") || line.contains(&0)
}

fn changed(file: &Path, line: u64) -> Error {
    Error::refused(format!(
        "{}:{line}: the chain is broken: this line does not follow from the one before",
        file.display()
    ))
    .hint("a journal is only ever appended to: restore the file from a backup, or move it away")
}

/// What the chain comes to at the end of the segment at `path`.
fn end_of(path: &Path) -> Result<Chain> {
    let mut entries = entries(path)?;
    entries.by_ref().try_for_each(|entry| entry.map(drop))?;
    Ok(Chain::from_text(entries.hash()))
}

/// Begins segment `number`, which follows from `chain`.
pub fn begin(folder: &Path, name: &str, number: u64, chain: Chain, cut: u64) -> Result<Open> {
    let target = path(folder, name, number);
    let failed = |error: std::io::Error| Error::io("write", &target, &error);
    let mut file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o640).open(&target).map_err(failed)?;
    let header = Header { journal: name.to_owned(), segment: number, previous: chain.text().to_owned() }.line()?;
    let written = file.write_all(&header).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| File::open(folder)?.sync_all()) {
        // No other attempt may stumble over half a segment.
        let _ = std::fs::remove_file(&target);
        return Err(failed(error));
    }
    Ok(Open { file, number, chain, length: header.len() as u64, recovered: Recovered { entries: 0, cut } })
}
