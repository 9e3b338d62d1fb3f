//! The file of a segment, with room ahead: its end is filled with zeros before entries come, so that a sync has only their bytes
//! to write and not the length of the file and its blocks as well. On ext4 the median of such a sync is 0.11 ms instead of 0.65.
//!
//! Readers stop where only zeros follow. A segment that is closed ends with its last line.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use crate::writer::Storage;

/// Zeros ahead are as many as the file has bytes, within these limits: a journal that is hardly used stays small, and one that is
/// in use is never held up for long. Entries wait for the zeros to reach the disk: 0.4 ms for 256 KiB, 1.0 ms for 1 MiB (ext4); all
/// of them together take equally long.
const LEAST: u64 = 64 << 10;
const MOST: u64 = 256 << 10;

/// Zeros are written in pieces of so many bytes.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// An open segment.
pub struct Disk {
    file: File,
    /// Where the next entry goes.
    at: u64,
    /// Where the zeros end; `at` without any.
    room: u64,
}

impl Disk {
    /// `file` is open at its end, which is `length`.
    pub fn new(file: File, length: u64) -> Disk {
        Disk { file, at: length, room: length }
    }

    /// Writes zeros behind the entries. A disk without space for them has none: entries are written as long as they fit.
    fn make_room(&mut self) -> io::Result<()> {
        let mut missing = self.at.clamp(LEAST, MOST);
        while missing > 0 {
            let piece = missing.min(ZEROS.len() as u64);
            if self.file.write_all(&ZEROS[..piece as usize]).is_err() {
                self.file.set_len(self.at)?;
                break;
            }
            missing -= piece;
        }
        if missing == 0 {
            self.room = self.at + self.at.clamp(LEAST, MOST);
        }
        self.file.seek(SeekFrom::Start(self.at)).map(drop)
    }

    /// Takes away the zeros, for good: the segment no longer changes.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.room > self.at {
            self.file.set_len(self.at)?;
            self.file.sync_all()?;
            self.room = self.at;
        }
        Ok(())
    }
}

impl Storage for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.at += bytes.len() as u64;
        if self.at > self.room {
            self.room = self.at;
            self.make_room()?;
        }
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.file.seek(SeekFrom::Start(length))?;
        (self.at, self.room) = (length, length);
        Ok(())
    }
}
