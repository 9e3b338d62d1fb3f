//! Parquet that came over a network: nothing about it is known to be right, and it may unpack to far more than it is long.

use std::fs::File;
use std::io::{Cursor, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use polars::prelude::{DataFrame, ParquetReader, SerReader};
use spec::{Error, Result};

use crate::footer::rows_of;
use crate::pages::unpacked;
use crate::{PolarsResultExt, errors, foreign};

/// Bytes in memory that have a path, as our checks of Parquet need one.
struct InMemory {
    file: File,
}

impl InMemory {
    fn holding(bytes: &[u8]) -> std::io::Result<InMemory> {
        // SAFETY: the name is a text that ends with 0.
        let number = unsafe { libc::memfd_create(c"received".as_ptr(), libc::MFD_CLOEXEC) };
        if number < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: the number was just given out, and is not used elsewhere.
        let mut file = unsafe { File::from_raw_fd(number) };
        file.write_all(bytes)?;
        Ok(InMemory { file })
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

/// The rows of a Parquet file that was received. `shown`: what errors call it. Before anything is unpacked, the footer and the
/// heads of all pages are read: at most `most_rows` rows, and at most `most_bytes` of pages once they are unpacked.
///
/// # Errors
/// Cannot run: it is not a complete Parquet file, holds types that the engine does not read, or is larger than allowed.
pub fn read_received(bytes: &[u8], shown: &str, most_rows: usize, most_bytes: u64) -> Result<DataFrame> {
    let memory = InMemory::holding(bytes)
        .map_err(|error| Error::cannot_run(format!("{shown}: cannot be held in memory: {error}")))?;
    let path = memory.path();
    let read = || {
        let rows = rows_of(&path)?;
        if rows > most_rows as u64 {
            return Err(Error::cannot_run(format!("{shown}: {rows} rows, but at most {most_rows} are read"))
                .hint("divide it into several"));
        }
        foreign::unreadable_column(&path, shown, None, foreign::Reads::Itself)?.map_or(Ok(()), Err)?;
        let size = unpacked(&path, shown)?;
        if size > most_bytes {
            return Err(Error::cannot_run(format!(
                "{shown}: it unpacks to {size} bytes, more than the {most_bytes} allowed"
            ))
            .hint("divide it into several"));
        }
        let rows = ParquetReader::new(Cursor::new(bytes)).finish().during(shown)?;
        for column in foreign::with_int96(&path)? {
            foreign::check_96_bits(rows.column(&column).during(shown)?.as_materialized_series(), shown)?;
        }
        Ok(rows)
    };
    // The engine panics at some bytes that do not follow the format.
    let read = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(errors::damaged(shown)));
    read.map_err(|error| {
        // What refers to the path means nothing to the sender of the bytes.
        match error.message().contains("/proc/self/fd") {
            true => errors::damaged(shown),
            false => error,
        }
    })
}

#[cfg(test)]
mod tests {
    use polars::df;

    use super::*;
    use crate::RowGroups;

    fn file() -> Vec<u8> {
        let rows = df!("n" => [1i64, -2, 3], "x" => [Some(0.5), None, Some(f64::MIN)], "t" => ["a", "ü", ""]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut writer = RowGroups::new(File::create(&path).unwrap(), rows.schema()).unwrap();
        writer.write(rows).unwrap();
        writer.finish().unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn what_was_written_is_read_within_its_limits() {
        let bytes = file();
        let read = |rows, size| read_received(&bytes, "the body", rows, size).map_err(|error| error.to_string());
        let table = read(3, 1 << 20).unwrap();
        assert_eq!((table.height(), table.width()), (3, 3));
        assert_eq!(table.column("x").unwrap().f64().unwrap().get(2), Some(f64::MIN));
        assert_eq!(read(2, 1 << 20).unwrap_err(), "the body: 3 rows, but at most 2 are read; divide it into several");
        assert!(read(3, 10).unwrap_err().ends_with("bytes, more than the 10 allowed; divide it into several"));
    }

    #[test]
    fn any_bytes_are_read_or_refused_in_our_words() {
        let whole = file();
        for mut round in testkit::fuzz::Rounds::of(3_000) {
            let random = &mut round.random;
            let mut bytes = whole.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len() as u64) as usize;
                match random.below(3) {
                    0 => bytes.truncate(at.max(1)),
                    1 => bytes[at] ^= 1 << random.below(8),
                    _ => bytes[at] = random.below(256) as u8,
                }
            }
            if let Err(error) = read_received(&bytes, "the body", 100, 1 << 20) {
                let text = error.to_string();
                assert!(text.contains("the body"), "seed {}: {text}", round.seed);
                assert!(!text.contains("/proc/") && !text.contains("polars"), "seed {}: {text}", round.seed);
            }
        }
    }
}
