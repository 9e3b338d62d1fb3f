//! `fill_down`: an empty cell takes the value above it, as where a sheet writes a value once for a group of rows or
//! merges their cells.

use std::collections::BTreeSet;

use spec::Result;

use crate::text::{Broken, Cell, TextBatch, TextSource, readable};
use crate::typed::Missing;

/// Carries values down while records are read.
pub(crate) struct FillDown {
    inner: Box<dyn TextSource>,
    carry: Carry,
}

/// The values that are carried down.
pub(crate) struct Carry {
    missing: Missing,
    columns: Vec<usize>,
    /// By column of `columns`: the last value of the file.
    values: Vec<Above>,
    file: String,
}

/// What is above the next row.
#[derive(Clone)]
enum Above {
    Nothing,
    Value(Vec<u8>),
    /// The row above could not be read.
    Unknown,
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

    fn take_back(&mut self, spent: TextBatch) {
        self.inner.take_back(spent);
    }
}

impl Carry {
    /// For the columns of these numbers; `missing` are texts that stand for no value.
    pub(crate) fn new(columns: Vec<usize>, missing: Missing) -> Carry {
        Carry { values: vec![Above::Nothing; columns.len()], columns, missing, file: String::new() }
    }

    pub(crate) fn down(&mut self, batch: &mut TextBatch) {
        if *self.file != *batch.file {
            self.values.fill(Above::Nothing);
            batch.file.as_ref().clone_into(&mut self.file);
        }
        // After a record that could not be read the value above is not known: rows that would take it are refused.
        let unreadable: Vec<u32> = batch.broken.iter().map(|row| row.line).collect();
        let mut orphans: BTreeSet<usize> = BTreeSet::new();
        for (column, carried) in self.columns.iter().zip(&mut self.values) {
            let mut above = match carried {
                Above::Value(value) => {
                    let begin = batch.side.len();
                    batch.side.extend_from_slice(value);
                    Some(Cell::aside(begin, batch.side.len()))
                }
                Above::Nothing | Above::Unknown => None,
            };
            let mut is_unknown = matches!(carried, Above::Unknown);
            let mut broken = unreadable.iter().peekable();
            for row in 0..batch.lines.len() {
                while broken.next_if(|line| **line < batch.lines[row]).is_some() {
                    is_unknown = true;
                }
                let cell = batch.columns[*column][row];
                let text = batch.get(cell).map(<[u8]>::trim_ascii);
                match text.is_none_or(|text| text.is_empty() || self.missing.is(text)) {
                    false => (above, is_unknown) = (Some(cell), false),
                    true if is_unknown => drop(orphans.insert(row)),
                    true => batch.columns[*column][row] = above.unwrap_or(cell),
                }
            }
            is_unknown |= broken.next().is_some();
            *carried = match (is_unknown, above.and_then(|cell| batch.get(cell))) {
                (true, _) => Above::Unknown,
                (false, Some(value)) => Above::Value(value.to_vec()),
                (false, None) => Above::Nothing,
            };
        }
        refuse(batch, &orphans);
    }
}

/// Moves `rows` among those that could not be read.
fn refuse(batch: &mut TextBatch, rows: &BTreeSet<usize>) {
    if rows.is_empty() {
        return;
    }
    for row in rows {
        let cell = |cells: &Vec<Cell>| batch.get(cells[*row]).map(readable).unwrap_or_default();
        let text = batch.columns.iter().map(cell).collect::<Vec<_>>().join("\t");
        let why = "the value above, which 'fill_down' would take, is in a row that could not be read".to_owned();
        batch.broken.push(Broken { line: batch.lines[*row], text, why });
    }
    batch.broken.sort_by_key(|row| row.line);
    let mut row = 0..batch.lines.len();
    batch.lines.retain(|_| row.next().is_some_and(|row| !rows.contains(&row)));
    for cells in &mut batch.columns {
        let mut row = 0..cells.len();
        cells.retain(|_| row.next().is_some_and(|row| !rows.contains(&row)));
    }
}
