//! Sheets of workbooks (.xlsx, .xls, .xlsb, .ods) as text: each cell as it would stand in a CSV file, so that the same
//! types are told and the same rows refused. A sheet is held in memory while it is read; Excel's limit is about a
//! million rows.

mod cells;
mod formulas;

use std::collections::VecDeque;
use std::io::{Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use calamine::{Data, HeaderRow, Range, Reader, Sheets, open_workbook_auto_from_rs};
use spec::{Error, Result, did_you_mean};

use crate::file_spec::{FileSpec, Sheet as Which};
use crate::files::{Columns, match_header, named, without_header};
use crate::passed::{Emptiness, Passed};
use crate::places::Place;
use crate::reader::{BATCH_BYTES, BATCH_ROWS};
use crate::table_spec::reserved;
use crate::text::{Broken, Cell, TextBatch, TextSource};

use cells::text;

/// One workbook after the other, as one stream of rows.
pub(crate) struct Workbooks {
    spec: FileSpec,
    places: std::vec::IntoIter<Place>,
    columns: Columns,
    current: Option<Current>,
    /// By column: it was declared as one of floating-point numbers.
    floats: Vec<bool>,
    emptiness: Emptiness,
    rows_in: Arc<AtomicU64>,
    /// The first workbook, and its columns that are not read.
    left_out: (String, Vec<String>),
}

struct Current {
    shown: Arc<str>,
    /// Rows with something in them, and their numbers in the sheet.
    rows: VecDeque<(u32, Vec<Data>)>,
    /// For each column of the table, the sheet's.
    of_columns: Vec<Option<usize>>,
}

impl Workbooks {
    /// `places` must not be empty.
    pub(crate) fn new(spec: FileSpec, places: Vec<Place>, columns: Columns, rows_in: Arc<AtomicU64>) -> Workbooks {
        let emptiness = Emptiness::new(spec.empty_files, places.len());
        let floats = match &columns {
            Columns::Declared(columns) => columns.iter().map(|column| column.is_float).collect(),
            Columns::Found(_) | Columns::Unknown => Vec::new(),
        };
        let places = places.into_iter();
        let left_out = Default::default();
        Workbooks { spec, places, columns, current: None, floats, emptiness, rows_in, left_out }
    }

    /// The workbook that was read first, and its columns that are not read.
    pub(crate) fn left_out(&self) -> (&str, &[String]) {
        (&self.left_out.0, &self.left_out.1)
    }

    pub(crate) fn passed(&self) -> Passed {
        self.emptiness.passed()
    }

    /// The columns' names and first rows.
    pub(crate) fn first(&mut self) -> Result<(Vec<String>, TextBatch)> {
        let batch = self.next_batch()?.ok_or_else(|| Error::cannot_run("there is nothing to read"))?;
        let names = match &self.columns {
            Columns::Found(names) => names.clone(),
            Columns::Declared(_) | Columns::Unknown => Vec::new(),
        };
        Ok((names, batch))
    }

    /// Nothing for a sheet without rows.
    fn begin(&mut self, place: &Place) -> Result<Option<Current>> {
        let shown = place.shown();
        let mut bytes = Vec::new();
        place.open(&self.spec)?.read_to_end(&mut bytes).map_err(|error| {
            Error::carried_by(&error).unwrap_or_else(|| Error::io("read", std::path::Path::new(shown), &error))
        })?;
        if bytes.is_empty() {
            return self.emptiness.none(shown, "the file is empty").map(|()| None);
        }
        let Sheet { cells: sheet, uncomputed } = sheet(bytes, self.spec.sheet.as_ref(), shown)?;
        let mut rows = used_rows(&sheet, self.spec.skip_lines);
        let width = rows.iter().filter_map(|(_, row)| row.iter().rposition(|cell| *cell != Data::Empty)).max();
        let width = width.map_or(0, |last| last + 1);
        let of_columns = match self.spec.header.unwrap_or(true) {
            true => {
                let Some((line, row)) = rows.pop_front() else {
                    return self.emptiness.none(shown, "there is no header").map(|()| None);
                };
                // Whatever the header says, a sheet without rows says nothing of the columns.
                if rows.is_empty() {
                    return self.emptiness.none(shown, "there is a header, but no rows").map(|()| None);
                }
                let at = format!("{shown}:{line}");
                let header = row.iter().take(width).map(|cell| text(cell, true).ok().flatten().unwrap_or_default());
                let header = header.collect();
                let header = named(header, &at)?;
                if self.columns == Columns::Unknown {
                    self.left_out = (shown.to_owned(), reserved(header.iter().map(String::as_str)));
                }
                match_header(&mut self.columns, &header, &at)?
            }
            false => {
                if width == 0 {
                    return self.emptiness.none(shown, "there are no rows").map(|()| None);
                }
                let expected = without_header(&mut self.columns, shown, width)?;
                if expected != width {
                    return Err(Error::cannot_run(format!(
                        "{shown}: {width} columns in the sheet instead of {expected}"
                    ))
                    .hint("without a header 'columns' names every column of the sheet, from left to right"));
                }
                (0..width).map(Some).collect()
            }
        };
        let left = sheet.start().map_or(0, |(_, column)| column);
        let is_read = |place: &&(u32, u32)| {
            let column = place.1.checked_sub(left).map(|column| column as usize);
            u64::from(place.0) >= self.spec.skip_lines && column.is_some() && of_columns.contains(&column)
        };
        if let Some(place) = uncomputed.iter().find(is_read) {
            let cell = formulas::named(*place);
            return Err(Error::cannot_run(format!("{shown}: {cell} holds a formula that was never computed"))
                .hint("open the workbook in a spreadsheet program and save it, which computes its formulas"));
        }
        self.emptiness.rows();
        Ok(Some(Current { shown: shown.into(), rows, of_columns }))
    }
}

impl TextSource for Workbooks {
    fn next_batch(&mut self) -> Result<Option<TextBatch>> {
        while self.current.as_ref().is_none_or(|current| current.rows.is_empty()) {
            let Some(place) = self.places.next() else {
                self.emptiness.end()?;
                return Ok(None);
            };
            self.current = self.begin(&place)?;
        }
        let Some(current) = &mut self.current else { return Ok(None) };
        let mut batch = TextBatch::new(current.shown.clone(), current.of_columns.len());
        while batch.lines.len() + batch.broken.len() < BATCH_ROWS && batch.bytes.len() < BATCH_BYTES {
            let Some((line, row)) = current.rows.pop_front() else { break };
            gather(&row, line, &current.of_columns, &self.floats, &mut batch);
        }
        self.rows_in.fetch_add((batch.lines.len() + batch.broken.len()) as u64, Ordering::Relaxed);
        Ok(Some(batch))
    }
}

/// Adds the cells of a row; or the row as a whole, if one of them holds an error such as `#N/A`.
fn gather(row: &[Data], line: u32, of_columns: &[Option<usize>], floats: &[bool], batch: &mut TextBatch) {
    let cell = |column: &Option<usize>| column.and_then(|column| row.get(column)).unwrap_or(&Data::Empty);
    let is_float = |i: usize| floats.get(i).copied().unwrap_or(false);
    let mut texts = Vec::with_capacity(of_columns.len());
    let mut errors = Vec::new();
    for (i, column) in of_columns.iter().enumerate() {
        match text(cell(column), is_float(i)) {
            Ok(text) => texts.push(text),
            Err(why) => errors.push(format!("row {line}: column {} {why}", column.unwrap_or_default() + 1)),
        }
    }
    if !errors.is_empty() {
        let shown = |cell: &Data| match cell {
            Data::Error(error) => error.to_string(),
            other => text(other, true).ok().flatten().unwrap_or_default(),
        };
        let whole: Vec<String> = row.iter().map(shown).collect();
        batch.broken.push(Broken { line, text: whole.join("\t"), why: errors.join("; ") });
        return;
    }
    for (i, (column, text)) in of_columns.iter().zip(texts).enumerate() {
        let said = matches!(cell(column), Data::String(_));
        batch.columns[i].push(match text {
            None => Cell::NULL,
            Some(text) => {
                let start = batch.bytes.len();
                batch.bytes.extend_from_slice(text.as_bytes());
                let cell = Cell::new(start, batch.bytes.len());
                if said { cell.as_text() } else { cell }
            }
        });
    }
    batch.lines.push(line);
}

/// The rows with something in them, with their numbers in the sheet, after the first `skip` rows of the sheet.
fn used_rows(sheet: &Range<Data>, skip: u64) -> VecDeque<(u32, Vec<Data>)> {
    let first = sheet.start().map_or(0, |(row, _)| row) + 1;
    let numbered = (first..).zip(sheet.rows());
    let used = numbered.filter(|(line, row)| u64::from(*line) > skip && row.iter().any(|cell| *cell != Data::Empty));
    used.map(|(line, row)| (line, row.to_vec())).collect()
}

/// A sheet, and its cells with formulas that were never computed.
struct Sheet {
    cells: Range<Data>,
    uncomputed: formulas::Cells,
}

/// Why a workbook cannot be read, and what to do.
fn unreadable(error: &calamine::Error) -> (String, &'static str) {
    use calamine::{OdsError, XlsError, XlsbError, XlsxError};
    let of_cell = |code: &dyn std::fmt::Display| {
        let why = format!("a cell holds the error {code}, which is not read");
        (why, "correct its formula, or put values in place of the formulas")
    };
    match error {
        calamine::Error::Xlsx(XlsxError::Password)
        | calamine::Error::Xls(XlsError::Password)
        | calamine::Error::Xlsb(XlsbError::Password)
        | calamine::Error::Ods(OdsError::Password) => {
            ("the workbook is protected by a password".to_owned(), "save it without the password")
        }
        calamine::Error::Xlsx(XlsxError::CellError(code)) => of_cell(code),
        calamine::Error::Xlsb(XlsbError::CellError(code)) => of_cell(&format!("with the code {code}")),
        calamine::Error::Msg(_) => (
            "not a workbook: its content is neither .xlsx, .xls, .xlsb nor .ods".to_owned(),
            "check 'format', or save it as .xlsx",
        ),
        _ => (
            "the workbook is damaged, or was not written as its format demands".to_owned(),
            "open it in a spreadsheet program and save it as .xlsx",
        ),
    }
}

fn sheet(bytes: Vec<u8>, wanted: Option<&Which>, shown: &str) -> Result<Sheet> {
    let unreadable = |error: calamine::Error| {
        let (why, way_out) = unreadable(&error);
        Error::cannot_run(format!("{shown}: {why}")).hint(way_out)
    };
    let mut workbook = open_workbook_auto_from_rs(Cursor::new(bytes.as_slice())).map_err(unreadable)?;
    // The range begins with the first row that holds something; which row is the header is our own decision.
    workbook.with_header_row(HeaderRow::FirstNonEmptyRow);
    let names = workbook.sheet_names();
    let awaits = formulas::awaits_computing(&bytes);
    let name = match wanted {
        None => names.first().ok_or_else(|| Error::cannot_run(format!("{shown}: the workbook has no sheet")))?,
        Some(Which::Number(number)) => names.get(number - 1).ok_or_else(|| {
            let count = names.len();
            Error::cannot_run(format!("{shown}: no sheet {number}"))
                .hint(format!("the workbook has {count}, counted from 1: {}", names.join(", ")))
        })?,
        Some(Which::Name(wanted)) => names.iter().find(|name| *name == wanted).ok_or_else(|| {
            Error::cannot_run(format!("{shown}: no sheet '{wanted}'"))
                .hint(did_you_mean(wanted, names.iter().map(String::as_str)))
        })?,
    };
    let mut cells = workbook.worksheet_range(name).map_err(unreadable)?;
    if let Sheets::Ods(_) = workbook {
        cells::mark_errors(&mut cells);
    }
    let of_cells = workbook.worksheet_formula(name).map_err(unreadable)?;
    let uncomputed = formulas::uncomputed(&of_cells, &cells, awaits);
    Ok(Sheet { cells, uncomputed })
}
