//! Cuts lines into fields: by runs of spaces, or by widths.

use spec::Result;

use crate::cut::{Cut, Cutter, Fields, line_end};
use crate::text::Cell;

/// Fields between runs of spaces and tabs.
pub(crate) struct Whitespace;

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

impl Cutter for Whitespace {
    fn cut(&mut self, bytes: &[u8], at: usize, end: bool, fields: &mut Fields) -> Result<Cut> {
        let Some((stop, next)) = line_end(bytes, at, end) else { return Ok(Cut::More) };
        let mut i = at;
        loop {
            while i < stop && is_blank(bytes[i]) {
                i += 1;
            }
            if i == stop {
                break;
            }
            let start = i;
            while i < stop && !is_blank(bytes[i]) {
                i += 1;
            }
            fields.cells.push(Cell::new(start, i));
        }
        Ok(if fields.cells.is_empty() { Cut::Blank { end: next } } else { Cut::Record { end: next } })
    }
}

/// Fields of fixed widths in characters, trimmed.
pub(crate) struct FixedWidth {
    widths: Vec<usize>,
}

impl FixedWidth {
    pub(crate) fn new(widths: &[u32]) -> FixedWidth {
        FixedWidth { widths: widths.iter().map(|width| *width as usize).collect() }
    }
}

/// The place `count` characters after `at`, at most `stop`. Bytes that only continue a character do not count.
fn forward(bytes: &[u8], at: usize, stop: usize, count: usize) -> usize {
    let starts = bytes[at..stop].iter().enumerate().filter(|(_, byte)| **byte & 0xC0 != 0x80);
    starts.skip(count).map(|(i, _)| at + i).next().unwrap_or(stop)
}

fn trimmed(bytes: &[u8], mut start: usize, mut end: usize) -> Cell {
    while start < end && is_blank(bytes[start]) {
        start += 1;
    }
    while start < end && is_blank(bytes[end - 1]) {
        end -= 1;
    }
    Cell::new(start, end)
}

impl Cutter for FixedWidth {
    fn cut(&mut self, bytes: &[u8], at: usize, end: bool, fields: &mut Fields) -> Result<Cut> {
        let Some((stop, next)) = line_end(bytes, at, end) else { return Ok(Cut::More) };
        if bytes[at..stop].iter().copied().all(is_blank) {
            return Ok(Cut::Blank { end: next });
        }
        let mut start = at;
        for width in &self.widths {
            if start == stop {
                // The line ends before this field.
                fields.cells.push(Cell::NULL);
                continue;
            }
            let finish = forward(bytes, start, stop, *width);
            fields.cells.push(trimmed(bytes, start, finish));
            start = finish;
        }
        if !bytes[start..stop].iter().copied().all(is_blank) {
            let count = |from: usize| bytes[from..stop].iter().filter(|byte| **byte & 0xC0 != 0x80).count();
            let why = format!("{} characters, but the widths make {}", count(at), self.widths.iter().sum::<usize>());
            return Ok(Cut::Broken { end: next, why });
        }
        Ok(Cut::Record { end: next })
    }
}
