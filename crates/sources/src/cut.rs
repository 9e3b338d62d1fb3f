//! What cutters of all text formats have in common: they cut one record off the front of a buffer.

use spec::Result;

use crate::absent::Absent;
use crate::text::Cell;

/// What a cutter found at the front of the buffer.
#[derive(Debug, PartialEq)]
pub(crate) enum Cut {
    /// A record that ends before `end`; its cells are in the [`Fields`].
    Record { end: usize },
    /// A line without anything in it.
    Blank { end: usize },
    /// A record that cannot be cut into cells, and why.
    Broken { end: usize, why: String },
    /// The record goes on beyond the buffer.
    More,
}

/// The cells of one record.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub cells: Vec<Cell>,
    /// Cells whose text differs from the file's, for want of quotes or escapes; grows over a whole batch.
    pub side: Vec<u8>,
    /// The record may span lines.
    pub multiline: bool,
}

/// Knows one text format.
pub(crate) trait Cutter: Send {
    /// Cuts the record at `bytes[at..]`, which is not empty. `end` says that nothing follows the buffer.
    /// After an error, which the caller places, the file cannot be read on.
    fn cut(&mut self, bytes: &[u8], at: usize, end: bool, fields: &mut Fields) -> Result<Cut>;

    /// A record has grown beyond all bounds: what to make of it.
    fn overlong(&mut self, bytes: &[u8], at: usize) -> Option<Cut> {
        let _ = (bytes, at);
        None
    }

    /// Names of the cells, for formats that name them in every record.
    fn keys(&self) -> Option<&[String]> {
        None
    }

    /// Names that no cell may have, for formats that name them in every record.
    fn left_out(&self) -> &[String] {
        &[]
    }

    /// From now on no new names are taken up.
    fn settle(&mut self) {}

    /// What the records showed of declared columns, for formats that name values in every record.
    fn absent(&self) -> Option<&Absent> {
        None
    }

    /// Nothing follows the last record: is that a place to end?
    fn finish(&self) -> Result<()> {
        Ok(())
    }
}

/// Where the line at `at` ends: (end of its text, start of the next line). `None`: not in this buffer.
pub(crate) fn line_end(bytes: &[u8], at: usize, end: bool) -> Option<(usize, usize)> {
    let found = bytes[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    match found {
        None => end.then_some((bytes.len(), bytes.len())),
        Some(length) => {
            let stop = at + length;
            after_terminator(bytes, stop, end).map(|next| (stop, next))
        }
    }
}

/// The start of the line after the terminator at `stop`: LF, CR LF or CR.
#[inline]
pub(crate) fn after_terminator(bytes: &[u8], stop: usize, end: bool) -> Option<usize> {
    if bytes[stop] == b'\n' {
        return Some(stop + 1);
    }
    match bytes.get(stop + 1) {
        Some(b'\n') => Some(stop + 2),
        Some(_) => Some(stop + 1),
        None => end.then_some(stop + 1),
    }
}

/// Line ends within `bytes`.
pub(crate) fn count_lines(bytes: &[u8]) -> u64 {
    let feeds = bytes.iter().filter(|byte| **byte == b'\n').count();
    // A carriage return counts where no line feed follows it.
    let returns = bytes.iter().enumerate().filter(|(i, byte)| **byte == b'\r' && bytes.get(i + 1) != Some(&b'\n'));
    (feeds + returns.count()) as u64
}
