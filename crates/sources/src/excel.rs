//! Sheets of workbooks (.xlsx, .xls, .xlsb, .ods) as text: each cell as it would stand in a CSV file, so that the same
//! types are inferred and the same rows refused. A sheet is held in memory while it is read; Excel's limit is about a
//! million rows.

mod cells;
mod errors;
mod formulas;
mod held;

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
use errors::Errors;

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
    errors: Errors,
    /// The sheet's first column that holds something, from 0.
    left: u32,
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
        let Sheet { cells: sheet, uncomputed, errors } = sheet(bytes, self.spec.sheet.as_ref(), shown)?;
        let (mut rows, width) = used_rows(&sheet, self.spec.skip_lines);
        let of_columns = match self.spec.header.unwrap_or(true) {
            true => {
                let Some((line, row)) = rows.pop_front() else {
                    return self.emptiness.none(shown, "there is no header").map(|()| None);
                };
                // Whatever the header is, a sheet without rows says nothing about the columns.
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
        Ok(Some(Current { shown: shown.into(), rows, of_columns, errors, left }))
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
            current.gather(&row, line, &self.floats, &mut batch);
        }
        self.rows_in.fetch_add((batch.lines.len() + batch.broken.len()) as u64, Ordering::Relaxed);
        Ok(Some(batch))
    }
}

impl Current {
    /// Adds the cells of a row; or the row as a whole, if one of them holds an error such as `#N/A`.
    fn gather(&self, row: &[Data], line: u32, floats: &[bool], batch: &mut TextBatch) {
        let cell = |column: &Option<usize>| column.and_then(|column| row.get(column)).unwrap_or(&Data::Empty);
        let error = |column: usize| self.errors.get(&(line - 1, self.left + column as u32));
        let is_float = |i: usize| floats.get(i).copied().unwrap_or(false);
        let mut texts = Vec::with_capacity(self.of_columns.len());
        let mut why = Vec::new();
        for (i, column) in self.of_columns.iter().enumerate() {
            let number = column.unwrap_or_default();
            match text(cell(column), is_float(i)) {
                Ok(text) => texts.push(text),
                Err(held) => {
                    let held = error(number).map_or(held, |error| format!("holds {error}"));
                    why.push(format!("row {line}: column {} {held}", number + 1));
                }
            }
        }
        if !why.is_empty() {
            let shown = |(column, cell): (usize, &Data)| match cell {
                Data::Error(code) => error(column).cloned().unwrap_or_else(|| code.to_string()),
                other => text(other, true).ok().flatten().unwrap_or_default(),
            };
            let whole: Vec<String> = row.iter().enumerate().map(shown).collect();
            batch.broken.push(Broken { line, text: whole.join("\t"), why: why.join("; ") });
            return;
        }
        for (i, (column, text)) in self.of_columns.iter().zip(texts).enumerate() {
            let is_text = matches!(cell(column), Data::String(_));
            batch.columns[i].push(match text {
                None => Cell::NULL,
                Some(text) => {
                    let start = batch.bytes.len();
                    batch.bytes.extend_from_slice(text.as_bytes());
                    let cell = Cell::new(start, batch.bytes.len());
                    if is_text { cell.as_text() } else { cell }
                }
            });
        }
        batch.lines.push(line);
    }
}

/// The rows with something in them, with their numbers in the sheet, after the first `skip` rows of the sheet; and how many columns they
/// have. In a sheet of one column an empty cell between others is a row without a value.
fn used_rows(sheet: &Range<Data>, skip: u64) -> (VecDeque<(u32, Vec<Data>)>, usize) {
    let first = sheet.start().map_or(0, |(row, _)| row) + 1;
    let numbered = || (first..).zip(sheet.rows()).filter(|(line, _)| u64::from(*line) > skip);
    let last_of = |row: &[Data]| row.iter().rposition(|cell| *cell != Data::Empty);
    let width = numbered().filter_map(|(_, row)| last_of(row)).max().map_or(0, |last| last + 1);
    let is_used = |(_, row): &(u32, &[Data])| last_of(row).is_some();
    // Cells below the last value are only painted.
    let end = numbered().filter(is_used).map(|(line, _)| line).last().unwrap_or_default();
    let rows = numbered().skip_while(|row| !is_used(row)).take_while(|(line, _)| *line <= end);
    let used = rows.filter(|row| width == 1 || is_used(row));
    (used.map(|(line, row)| (line, row.to_vec())).collect(), width)
}

/// A sheet, and its cells with formulas that were never computed.
struct Sheet {
    cells: Range<Data>,
    uncomputed: formulas::Cells,
    errors: Errors,
}

/// Why a workbook cannot be read, and what to do.
fn unreadable(error: &calamine::Error) -> (String, &'static str) {
    use calamine::{OdsError, XlsError, XlsbError, XlsxError};
    match error {
        calamine::Error::Xlsx(XlsxError::Password)
        | calamine::Error::Xls(XlsError::Password)
        | calamine::Error::Xlsb(XlsbError::Password)
        | calamine::Error::Ods(OdsError::Password) => {
            ("the workbook is protected by a password".to_owned(), "save it without the password")
        }
        calamine::Error::Xlsb(XlsbError::CellError(code)) => (
            format!("a cell holds an error of the unknown code {code}"),
            "correct its formula, or put values in place of the formulas",
        ),
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
    let (mut cells, mut errors) = match &mut workbook {
        Sheets::Xlsx(workbook) => {
            let (cells, errors) = match held::of_xlsx(workbook, name) {
                Err(error) if errors::is_of_one_cell(&error) => errors::cell_by_cell(workbook, name),
                cells => cells.map(|cells| (cells, Errors::new())),
            }
            .map_err(|error| unreadable(error.into()))?;
            (held::held(cells, shown)?, errors)
        }
        Sheets::Xlsb(workbook) => {
            let cells = held::of_xlsb(workbook, name).map_err(|error| unreadable(error.into()))?;
            (held::held(cells, shown)?, Errors::new())
        }
        other => (other.worksheet_range(name).map_err(unreadable)?, Errors::new()),
    };
    if let Sheets::Ods(_) = workbook {
        errors::mark(&mut cells, &mut errors);
    }
    let formulas = match &mut workbook {
        Sheets::Xlsx(workbook) => held::formulas_of_xlsx(workbook, name).map_err(calamine::Error::from),
        Sheets::Xlsb(workbook) => held::formulas_of_xlsb(workbook, name).map_err(calamine::Error::from),
        other => other.worksheet_formula(name).map(|formulas| formulas::places(&formulas)),
    };
    let mut uncomputed = formulas::uncomputed(&formulas.map_err(unreadable)?, &cells, awaits);
    if let Sheets::Xlsb(_) = workbook {
        cells = errors::of_formulas(cells, &mut uncomputed, &mut errors, shown)?;
    }
    Ok(Sheet { cells, uncomputed, errors })
}
