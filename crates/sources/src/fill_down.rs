//! `fill_down`: an empty cell takes the value above it, as where a sheet writes a value once for a group of rows or
//! merges their cells.

use spec::Result;

use crate::text::{Cell, TextBatch, TextSource};
use crate::typed::Missing;

/// Carries values down while records are read.
pub(crate) struct FillDown {
    inner: Box<dyn TextSource>,
    carry: Carry,
}

/// The values that go down.
pub(crate) struct Carry {
    missing: Missing,
    columns: Vec<usize>,
    /// By column of `columns`: the last value of the file.
    values: Vec<Option<Vec<u8>>>,
    file: String,
}

impl FillDown {
    pub(crate) fn new(inner: Box<dyn TextSource>, carry: Carry) -> FillDown {
        FillDown { inner, carry }
    }
}

impl TextSource for FillDown {
    fn next_batch(&mut self) -> Result<Option<TextBatch>> {
        let Some(mut batch) = self.inner.next_batch()? else { return Ok(None) };
        self.carry.down(&mut batch);
        Ok(Some(batch))
    }
}

impl Carry {
    /// For the columns of these numbers; `missing` are texts that stand for no value.
    pub(crate) fn new(columns: Vec<usize>, missing: Missing) -> Carry {
        Carry { values: vec![None; columns.len()], columns, missing, file: String::new() }
    }

    pub(crate) fn down(&mut self, batch: &mut TextBatch) {
        if *self.file != *batch.file {
            self.values.fill(None);
            batch.file.as_ref().clone_into(&mut self.file);
        }
        for (column, carried) in self.columns.iter().zip(&mut self.values) {
            let mut above = carried.as_ref().map(|value| {
                let begin = batch.side.len();
                batch.side.extend_from_slice(value);
                Cell::aside(begin, batch.side.len())
            });
            for row in 0..batch.lines.len() {
                let cell = batch.columns[*column][row];
                let text = batch.get(cell).map(<[u8]>::trim_ascii);
                match text.is_none_or(|text| text.is_empty() || self.missing.is(text)) {
                    false => above = Some(cell),
                    true => batch.columns[*column][row] = above.unwrap_or(cell),
                }
            }
            *carried = above.and_then(|cell| batch.get(cell)).map(<[u8]>::to_vec);
        }
    }
}
