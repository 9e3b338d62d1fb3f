//! Rows as text, column by column.

use std::fmt::Display;
use std::io::Write;

/// Where a cell's text lies in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// A cell without a value.
    pub const NULL: Span = Span { start: 0, len: u32::MAX };

    pub(crate) fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, len: (end - start) as u32 }
    }

    /// Start and end in the buffer; nothing for a cell without a value.
    #[inline]
    pub fn range(self) -> Option<(usize, usize)> {
        let start = self.start as usize;
        (self != Span::NULL).then_some((start, start + self.len as usize))
    }

    fn moved(self, by: usize) -> Span {
        match self.range() {
            Some(_) => Span { start: self.start + by as u32, ..self },
            None => self,
        }
    }
}

/// Rows of a log: one buffer, and for each column where each row's cell lies in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    pub bytes: Vec<u8>,
    /// As long as there are rows, each.
    pub columns: Vec<Vec<Span>>,
}

impl Text {
    pub(crate) fn new(columns: usize) -> Text {
        Text { bytes: Vec::new(), columns: vec![Vec::new(); columns] }
    }

    /// Pieces one after the other.
    pub(crate) fn joined(pieces: Vec<Text>, columns: usize) -> Text {
        let mut whole = Text::new(columns);
        whole.bytes.reserve_exact(pieces.iter().map(|piece| piece.bytes.len()).sum());
        let rows = pieces.iter().map(Text::rows).sum();
        whole.columns.iter_mut().for_each(|column| column.reserve_exact(rows));
        for piece in pieces {
            let start = whole.bytes.len();
            whole.bytes.extend_from_slice(&piece.bytes);
            for (column, cells) in whole.columns.iter_mut().zip(&piece.columns) {
                column.extend(cells.iter().map(|cell| cell.moved(start)));
            }
        }
        whole
    }

    /// Adds a cell to a column.
    pub(crate) fn cell(&mut self, column: usize, shown: impl Display) {
        let start = self.bytes.len();
        // Memory takes all that is written.
        let written = write!(self.bytes, "{shown}");
        debug_assert!(written.is_ok());
        self.columns[column].push(Span::new(start, self.bytes.len()));
    }

    /// Adds an empty cell to a column.
    pub(crate) fn null(&mut self, column: usize) {
        self.columns[column].push(Span::NULL);
    }

    /// Adds a row with these cells, as many as there are columns; nothing is an empty cell.
    pub(crate) fn row(&mut self, cells: &[Option<&dyn Display>]) {
        for (column, cell) in cells.iter().enumerate() {
            match cell {
                Some(shown) => self.cell(column, shown),
                None => self.null(column),
            }
        }
    }

    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }
}

/// An invented log that is written from its first row to its last.
pub trait Log: Send {
    /// The next rows, at most `most`; none at the end.
    fn next(&mut self, most: u64) -> Option<Text>;
}
