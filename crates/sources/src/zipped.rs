//! Files in `.zip` archives, each read as stored: its bytes are checked against the archive's checksum, and limited to the
//! size that the archive states.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use flate2::Crc;
use flate2::read::DeflateDecoder;
use glob::{MatchOptions, Pattern};
use spec::{Error, Result};
use zip::{CompressionMethod, ZipArchive};

use crate::file_spec::Format;
use crate::places::{Place, format_of_path};

/// A file in an archive.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    archive: PathBuf,
    /// The archive and the name in it: `exports/may.zip/orders.csv`.
    pub shown: String,
    start: u64,
    packed: u64,
    size: u64,
    sum: u32,
    is_packed: bool,
}

/// The places, with the files of archives in place of these. `pattern` says which.
pub(crate) fn unfolded(places: Vec<Place>, pattern: Option<&str>) -> Result<Vec<Place>> {
    let is_archive = |place: &Place| place.shown().to_ascii_lowercase().ends_with(".zip");
    if let (Some(_), Some(other)) = (pattern, places.iter().find(|place| !is_archive(place))) {
        return Err(Error::cannot_run(format!("{}: 'member' is for archives (.zip)", other.shown()))
            .hint("leave 'member' out, or correct 'path'"));
    }
    let pattern = pattern.map(|text| {
        Pattern::new(text)
            .map_err(|error| Error::cannot_run(format!("member: '{text}' is not a pattern: {}", error.msg)))
    });
    let pattern = pattern.transpose()?;
    let mut unfolded = Vec::new();
    for place in places {
        match &place {
            Place::File { path, shown } if is_archive(&place) => {
                unfolded.extend(members(path, shown, pattern.as_ref())?.into_iter().map(Place::Member));
            }
            Place::Object { shown, .. } if is_archive(&place) => {
                return Err(Error::cannot_run(format!("{shown}: an archive in a store is not read"))
                    .hint("copy it to this machine first, or store its files one by one"));
            }
            _ => unfolded.push(place),
        }
    }
    Ok(unfolded)
}

fn broken(shown: &str) -> Error {
    Error::cannot_run(format!("{shown}: not a zip archive, or a damaged one"))
        .hint("the file was cut short, or is still being written; fetch it again")
}

/// The files of an archive that are to be read, in the order of their names.
fn members(path: &Path, shown: &str, pattern: Option<&Pattern>) -> Result<Vec<Member>> {
    let file = File::open(path).map_err(|error| Error::io("read", Path::new(shown), &error))?;
    if file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() == 0) {
        return Ok(vec![Member::nothing(path, shown)]);
    }
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|_| broken(shown))?;
    if archive.has_duplicate_names() {
        return Err(Error::cannot_run(format!("{shown}: the archive holds several files of the same name"))
            .hint("unpack the archive, and read its files"));
    }
    let mut found = Vec::new();
    let mut names = Vec::new();
    let alike = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).map_err(|_| broken(shown))?;
        let name = entry.name().map_err(|_| broken(shown))?.into_owned();
        // What macOS adds to each archive is not data.
        if entry.is_dir() || name.starts_with("__MACOSX/") || name.ends_with(".DS_Store") {
            continue;
        }
        let is_meant = match pattern {
            Some(pattern) => pattern.matches_with(&name, alike),
            None => true,
        };
        names.push(name.clone());
        if !is_meant {
            continue;
        }
        let shown = format!("{shown}/{name}");
        let refused = |what: &str| {
            Err(Error::cannot_run(format!("{shown}: {what}")).hint("unpack the archive, and read its files"))
        };
        if entry.is_symlink() {
            return refused("the file is a link to another");
        }
        if entry.encrypted() {
            return refused("the file is encrypted");
        }
        if matches!(format_of_path(&name), Some(Format::Parquet | Format::Excel)) {
            return refused("Parquet and workbooks are not read from an archive");
        }
        let is_packed = match entry.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            other => return refused(&format!("the file is compressed by {other}, which is not read")),
        };
        let start = entry.data_start().ok_or_else(|| broken(&shown))?;
        let (packed, size, sum) = (entry.compressed_size(), entry.size(), entry.crc32());
        found.push(Member { archive: path.to_owned(), shown, start, packed, size, sum, is_packed });
    }
    found.sort_by(|a, b| a.shown.cmp(&b.shown));
    names.sort();
    let listed = || names[..names.len().min(10)].join(", ");
    match (pattern, found.len()) {
        _ if names.is_empty() => Ok(vec![Member::nothing(path, shown)]),
        (None, 2..) => {
            Err(Error::cannot_run(format!("{shown}: the archive holds {} files: {}", names.len(), listed()))
                .hint("say which make the table, such as \"member: 'orders_*.csv'\""))
        }
        (Some(pattern), 0) => Err(Error::cannot_run(format!("{shown}: no file in it matches '{pattern}'"))
            .hint(format!("it holds: {}", listed()))),
        _ => Ok(found),
    }
}

impl Member {
    /// In place of the files of an archive without files: it is skipped among others, as any file without rows.
    fn nothing(archive: &Path, shown: &str) -> Member {
        let (archive, shown) = (archive.to_owned(), shown.to_owned());
        Member { archive, shown, start: 0, packed: 0, size: 0, sum: 0, is_packed: false }
    }

    /// The bytes of a file come after a header of its own.
    pub(crate) fn is_nothing(&self) -> bool {
        self.start == 0
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>> {
        let failed = |error: io::Error| Error::io("read", &self.archive, &error);
        let mut file = File::open(&self.archive).map_err(failed)?;
        file.seek(SeekFrom::Start(self.start)).map_err(failed)?;
        let packed = BufReader::new(file).take(self.packed);
        let bytes = if self.is_packed { Bytes::Packed(DeflateDecoder::new(packed)) } else { Bytes::Plain(packed) };
        Ok(Box::new(Checked { bytes, crc: Crc::new(), left: self.size, sum: self.sum, shown: self.shown.clone() }))
    }
}

enum Bytes {
    Plain(Take<BufReader<File>>),
    Packed(DeflateDecoder<Take<BufReader<File>>>),
}

/// The bytes of a file, which must have the size and the checksum that the archive states.
struct Checked {
    bytes: Bytes,
    crc: Crc,
    left: u64,
    sum: u32,
    shown: String,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = match &mut self.bytes {
            Bytes::Plain(bytes) => bytes.read(buffer),
            Bytes::Packed(bytes) => bytes.read(buffer),
        };
        let count = read.map_err(|_| io::Error::other(broken(&self.shown)))?;
        self.crc.update(&buffer[..count]);
        match self.left.checked_sub(count as u64) {
            Some(left) if count > 0 => {
                self.left = left;
                Ok(count)
            }
            Some(0) if self.crc.sum() == self.sum => Ok(0),
            _ => Err(io::Error::other(broken(&self.shown))),
        }
    }
}
