//! The pages of a Parquet file that another program wrote: whether their heads fit the footer, and whether their bytes fit
//! the checksums that the program left.
//!
//! The engine reads neither: a page whose bytes were damaged is decoded as it is. Files of ours carry a hash of their content;
//! of others, those that Spark and most Java programs write have a CRC-32 for each page. A file without checksums
//! cannot be distinguished from a damaged one unless it cannot be decoded.
//!
//! The head of a page is a Thrift struct in the compact protocol. The reader of crate `parquet` panics on some damaged
//! heads and keeps checksums to itself, so the few fields that are needed are read here.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use rayon::prelude::*;
use spec::{Error, Result};

use crate::errors::damaged;
use crate::footer::metadata;

/// Bytes read at once for the head of a page. Heads with long statistics take more.
const WINDOW: u64 = 512;

/// What is needed of the head of a page.
#[derive(Debug, Default, PartialEq, Eq)]
struct Head {
    /// 0 and 3 are data, 1 is an index, 2 a dictionary.
    kind: Option<i32>,
    /// Bytes of the page once it is unpacked.
    unpacked: Option<i32>,
    /// Bytes of the page that follow the head, as stored in the file.
    size: Option<i32>,
    /// The CRC-32 of these bytes.
    checksum: Option<u32>,
    /// Values of a page of data, nulls included.
    values: Option<i32>,
}

/// Fails if pages of the Parquet file at `path` do not hold as many values as the footer says. Reads the pages' heads
/// only. `shown`: what errors call the file.
pub(crate) fn check_heads(path: &Path, shown: &str) -> Result<()> {
    let (metadata, file) = opened(path)?;
    let fits = |column: &&ColumnChunkMetaData| walk(&file, column, |_, _, _| Some(())).is_some();
    match columns(&metadata).all(|column| fits(&column)) {
        true => Ok(()),
        false => Err(damaged(shown)),
    }
}

/// Fails if the bytes of a page do not fit the checksum in its head. Reads the whole file if its pages have checksums.
pub(crate) fn check_sums(path: &Path, shown: &str) -> Result<()> {
    let (metadata, file) = opened(path)?;
    let columns: Vec<&ColumnChunkMetaData> = columns(&metadata).collect();
    columns.par_iter().try_for_each(|column| {
        let mut bytes = Vec::new();
        let fits = walk(&file, column, |head, at, size| {
            let Some(checksum) = head.checksum else { return Some(()) };
            bytes.resize(size as usize, 0);
            file.read_exact_at(&mut bytes, at).ok()?;
            (crc32fast::hash(&bytes) == checksum).then_some(())
        });
        fits.ok_or_else(|| {
            let name = column.column_descr().path().string();
            Error::cannot_run(format!("{shown}: column '{name}' is damaged: a page does not match its checksum"))
                .hint("fetch the file again, or have it written again")
        })
    })
}

/// Bytes of all pages of the file at `path` once they are unpacked, as their heads have it. Fails as [`check_heads`] does.
pub(crate) fn unpacked(path: &Path, shown: &str) -> Result<u64> {
    let (metadata, file) = opened(path)?;
    let mut sum = 0u64;
    for column in columns(&metadata) {
        let counted = walk(&file, column, |head, _, _| {
            sum = sum.checked_add(u64::try_from(head.unpacked?).ok()?)?;
            Some(())
        });
        counted.ok_or_else(|| damaged(shown))?;
    }
    Ok(sum)
}

fn opened(path: &Path) -> Result<(ParquetMetaData, File)> {
    let metadata = metadata(path)?;
    let file = File::open(path).map_err(|error| Error::io("read", path, &error))?;
    Ok((metadata, file))
}

fn columns(metadata: &ParquetMetaData) -> impl Iterator<Item = &ColumnChunkMetaData> {
    metadata.row_groups().iter().flat_map(|group| group.columns())
}

/// Shows `visit` every page of a column: its head, where its bytes begin, and how many there are. `None` if `visit` says
/// so, or if the pages are not those that the footer describes.
fn walk(file: &File, column: &ColumnChunkMetaData, mut visit: impl FnMut(&Head, u64, u64) -> Option<()>) -> Option<()> {
    let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    let mut at = u64::try_from(start).ok()?;
    let end = at.checked_add(u64::try_from(column.compressed_size()).ok()?)?;
    let mut left = column.num_values();
    while at < end {
        let (head, length) = head_at(file, at, end)?;
        let (body, size) = (at + length, u64::try_from(head.size?).ok()?);
        at = body.checked_add(size).filter(|next| *next <= end)?;
        if matches!(head.kind?, 0 | 3) {
            left = left.checked_sub(i64::from(head.values?)).filter(|left| *left >= 0)?;
        }
        visit(&head, body, size)?;
    }
    (left == 0).then_some(())
}

/// The head at this place, and how long it is.
fn head_at(file: &File, at: u64, end: u64) -> Option<(Head, u64)> {
    let mut window = WINDOW;
    loop {
        let mut bytes = vec![0; window.min(end - at) as usize];
        file.read_exact_at(&mut bytes, at).ok()?;
        let mut compact = Compact { rest: &bytes };
        if let Some(head) = Head::read(&mut compact) {
            return Some((head, (bytes.len() - compact.rest.len()) as u64));
        }
        if window >= end - at {
            return None;
        }
        window *= 8;
    }
}

impl Head {
    fn read(from: &mut Compact) -> Option<Head> {
        let mut head = Head::default();
        from.each_field(|id, kind, from| match (id, kind) {
            (1, Compact::I32) => from.number().map(|number| head.kind = Some(number as i32)),
            (2, Compact::I32) => from.number().map(|number| head.unpacked = Some(number as i32)),
            (3, Compact::I32) => from.number().map(|number| head.size = Some(number as i32)),
            (4, Compact::I32) => from.number().map(|number| head.checksum = Some(number as i32 as u32)),
            // Both kinds of data begin with the count of their values.
            (5 | 8, Compact::STRUCT) => from.each_field(|id, kind, from| match (id, kind) {
                (1, Compact::I32) => from.number().map(|number| head.values = Some(number as i32)),
                _ => from.skip(kind, 0),
            }),
            _ => from.skip(kind, 0),
        })?;
        Some(head)
    }
}

/// Bytes in Thrift's compact protocol. Every method is `None` where they end too early or make no sense.
struct Compact<'a> {
    rest: &'a [u8],
}

impl Compact<'_> {
    const I32: u8 = 5;
    const STRUCT: u8 = 12;
    /// How deep structs may lie in each other: those of Parquet are three deep.
    const DEEPEST: u32 = 16;

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn over(&mut self, bytes: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(bytes).ok()?..)?;
        Some(())
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A signed number (zigzag).
    fn number(&mut self) -> Option<i64> {
        self.unsigned().map(|value| (value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Shows `read` the number and the kind of each field of a struct; it must read the field or skip it.
    fn each_field(&mut self, mut read: impl FnMut(i64, u8, &mut Self) -> Option<()>) -> Option<()> {
        let mut id = 0i64;
        loop {
            let head = self.byte()?;
            let kind = head & 0x0F;
            if kind == 0 {
                return Some(());
            }
            id = match head >> 4 {
                0 => self.number()?,
                further => id.checked_add(i64::from(further))?,
            };
            read(id, kind, self)?;
        }
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        if depth > Compact::DEEPEST {
            return None;
        }
        match kind {
            1 | 2 => Some(()),
            3 => self.over(1),
            4..=6 => self.unsigned().map(drop),
            7 => self.over(8),
            8 => self.unsigned().and_then(|length| self.over(length)),
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.unsigned()?,
                    few => u64::from(few),
                };
                // In a list a truth takes a byte.
                let kind = if head & 0x0F <= 2 { 3 } else { head & 0x0F };
                (0..count).try_for_each(|_| self.skip(kind, depth + 1))
            }
            Compact::STRUCT => self.each_field(|_, kind, from| from.skip(kind, depth + 1)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_field_by_field() {
        // Data page of 7 bytes, 10 values, checksum 0xFFFFFFFF (-1), with statistics {5: "ab"}.
        let bytes = [
            0x15, 0, 0x15, 14, 0x15, 14, 0x15, 1, 0x1C, 0x15, 20, 0x15, 0, 0x15, 6, 0x15, 6, 0x1C, 0x58, 2, b'a', b'b',
            0, 0, 0, 0xAA,
        ];
        let mut compact = Compact { rest: &bytes };
        let head = Head::read(&mut compact).unwrap();
        assert_eq!(
            head,
            Head { kind: Some(0), unpacked: Some(7), size: Some(7), checksum: Some(u32::MAX), values: Some(10) }
        );
        assert_eq!(compact.rest, [0xAA]);
        for cut in 0..bytes.len() - 1 {
            assert_eq!(Head::read(&mut Compact { rest: &bytes[..cut] }), None, "{cut}");
        }
    }

    #[test]
    fn nonsense_ends_soon() {
        let mut random = testkit::Random::seeded(3);
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..random.below(60)).map(|_| random.next_u64() as u8).collect();
            let _ = Head::read(&mut Compact { rest: &bytes });
        }
        // A list that says it holds 2^60 truths, and structs in structs without end.
        assert_eq!(
            Head::read(&mut Compact { rest: &[0x19, 0xF1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F] }),
            None
        );
        assert_eq!(Head::read(&mut Compact { rest: &[0x2C; 100_000] }), None);
    }
}
