//! A batch of records as text: one buffer, and for each cell where in the buffer it lies.

use std::sync::Arc;

pub(crate) use spec::text::readable;

use crate::memory::Mark;

/// Where a cell's text lies; [`Cell::NULL`] for a value that the record does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    start: u32,
    len: u32,
}

/// Marks the start of a cell whose text had to be rewritten: it lies in the side buffer.
const ASIDE: u32 = 1 << 31;
/// Marks the length of a cell that the source itself declares as text. No record is as long as this mark.
const TEXT: u32 = 1 << 31;

impl Cell {
    pub(crate) const NULL: Cell = Cell { start: 0, len: u32::MAX };

    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Cell {
        Cell { start: start as u32, len: (end - start) as u32 }
    }

    /// The cell, marked as text by the source: `"7"` in JSON is not a number.
    #[inline]
    pub(crate) fn as_text(self) -> Cell {
        Cell { len: self.len | TEXT, ..self }
    }

    #[inline]
    pub(crate) fn is_text(self) -> bool {
        self.len & TEXT != 0 && self != Cell::NULL
    }

    pub(crate) fn aside(start: usize, end: usize) -> Cell {
        Cell { start: start as u32 | ASIDE, len: (end - start) as u32 }
    }
}

/// A record that could not be cut into columns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Broken {
    pub line: u32,
    /// The record's text; bytes that are not text are written `\xNN`.
    pub text: String,
    pub why: String,
}

/// Records of one file, column by column.
#[derive(Clone, Debug)]
pub(crate) struct TextBatch {
    pub file: Arc<str>,
    pub bytes: Vec<u8>,
    pub side: Vec<u8>,
    /// One list of cells per column, each as long as `lines`.
    pub columns: Vec<Vec<Cell>>,
    /// The line (or row) of each record.
    pub lines: Vec<u32>,
    pub broken: Vec<Broken>,
}

impl TextBatch {
    pub(crate) fn new(file: Arc<str>, columns: usize) -> TextBatch {
        TextBatch {
            file,
            bytes: Vec::new(),
            side: Vec::new(),
            columns: vec![Vec::new(); columns],
            lines: Vec::new(),
            broken: Vec::new(),
        }
    }

    /// A batch without records, in the memory of this one.
    pub(crate) fn emptied(mut self, file: Arc<str>, columns: usize) -> TextBatch {
        self.columns.iter_mut().for_each(Vec::clear);
        self.columns.resize_with(columns, Vec::new);
        self.bytes.clear();
        self.side.clear();
        self.lines.clear();
        self.broken.clear();
        TextBatch { file, ..self }
    }

    #[inline]
    pub(crate) fn get(&self, cell: Cell) -> Option<&[u8]> {
        if cell.len == u32::MAX {
            return None;
        }
        let (buffer, start) = match cell.start & ASIDE {
            0 => (&self.bytes, cell.start as usize),
            _ => (&self.side, (cell.start & !ASIDE) as usize),
        };
        Some(&buffer[start..start + (cell.len & !TEXT) as usize])
    }

    /// The cells of a column.
    pub(crate) fn column(&self, column: usize) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        self.columns[column].iter().map(|cell| self.get(*cell))
    }

    /// The content of a row, to recognise it later.
    pub(crate) fn mark(&self, row: usize) -> Mark {
        Mark::of(self.columns.iter().map(|cells| self.get(cells[row])))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.broken.is_empty()
    }
}

/// Something that hands out batches of records, in order.
pub(crate) trait TextSource: Send {
    fn next_batch(&mut self) -> spec::Result<Option<TextBatch>>;

    /// Takes back a batch that is no longer needed: a source of large batches may use its memory for the next, which costs the
    /// kernel less than fresh memory.
    fn take_back(&mut self, _: TextBatch) {}
}

/// A UUID as people write it.
pub(crate) fn uuid(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or_default());
        }
    }
    text
}
