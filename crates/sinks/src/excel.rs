//! Excel: sheets with a bold header that stays in view, real dates, and text that stays text: nothing
//! is run as a formula.
//!
//! Moments with a time zone are written in UTC. What Excel cannot hold as a number stays text: whole numbers
//! of more than 15 digits, which it would round, NaN and infinities, days before March 1900
//! or after 9999, and times with fractions of a millisecond. So do decimals of more digits.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use artifact::{Described, DescribedColumn, PolarsResultExt};
use polars::prelude::{
    BooleanChunked, DataFrame, DataType, Float64Chunked, Int64Chunked, IntoLazy, PolarsResult, Schema, Series,
    StringChunked, TimeUnit, col,
};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Note, Workbook, Worksheet, XlsxError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spec::{Error, Name, Result};

use crate::plain::{MOMENT, Plain};
use crate::sink::{Kind, Receipt, Sink, Target};
use crate::{OutColumn, SortKey, Upstream};

/// Rows of a sheet, the header among them.
const MAX_ROWS: u32 = 1_048_576;
const MAX_COLUMNS: usize = 16_384;
/// Longest text of a cell, in UTF-16 units.
const MAX_TEXT: usize = 32_767;
/// Digits of a number that Excel keeps, and the largest whole number of so many.
const MAX_DIGITS: usize = 15;
const MAX_WHOLE: u64 = 999_999_999_999_999;
/// Excel counts days from 1899-12-30; this is 1970-01-01. It believes in a 29 February 1900, so the count is
/// right from March 1900 on.
const EPOCH: i64 = 25_569;
const FIRST_DAY: i64 = 61;
/// The day after 9999-12-31, its last.
const END: i64 = 2_958_466;
/// Longest text of a note that is written.
const MAX_NOTE: usize = 2_000;
/// Sheet names are no longer than this.
const MAX_NAME: usize = 31;

pub(crate) struct Excel;

impl Kind for Excel {
    fn name(&self) -> &'static str {
        "excel"
    }

    fn extension(&self) -> &'static str {
        "xlsx"
    }

    fn about(&self) -> &'static str {
        "An Excel workbook, with one sheet or several: bold header that stays in view, real dates. At most 1,048,575 rows. What Excel \
         would round or cannot hold stays text: numbers of more than 15 digits, NaN and infinities, fractions of a \
         millisecond, days outside of March 1900 to 9999."
    }

    fn begin<'a>(&self, target: Target<'a>) -> Result<Box<dyn Sink + 'a>> {
        let Target { spec, schema, out, place } = target;
        let mut book = Book::new(place)?;
        book.add(&name_of(spec.stem()), schema, &spec.excel.described)?;
        Ok(Box::new(ExcelSink { book, out }))
    }
}

/// What a workbook holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExcelOptions {
    /// Sheets of several tables, in this order. Default: one sheet with the delivery's table.
    pub sheets: Vec<SheetSpec>,
    /// Descriptions of the delivery's table and of its columns, under the names that they have in the file: notes of the header.
    #[serde(skip)]
    pub described: Described,
}

/// One sheet of a workbook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SheetSpec {
    /// The table.
    pub table: Name,
    /// The stage whose output the table is in. Default: the stage that `export` reads.
    #[serde(default)]
    pub from: Option<Upstream>,
    /// What the sheet is called: at most 31 characters, without `[ ] : * ? / \` and without `'` at its ends, and not `History`. Default: the
    /// table.
    #[serde(default)]
    pub name: Option<String>,
    /// The columns, as under `columns` of a delivery.
    #[serde(default)]
    pub columns: Option<Vec<OutColumn>>,
    /// The order of the rows, as under `sort` of a delivery.
    #[serde(default)]
    pub sort: Vec<SortKey>,
}

impl SheetSpec {
    /// What the sheet is called.
    pub fn called(&self) -> String {
        self.name.clone().unwrap_or_else(|| name_of(self.table.as_str()))
    }
}

/// Excel keeps the name for its own record of changes, and takes a file with such a sheet for damaged.
fn is_reserved(name: &str) -> bool {
    name.eq_ignore_ascii_case("history")
}

/// What a sheet is called after a table.
fn name_of(table: &str) -> String {
    let name: String = table.chars().take(MAX_NAME).collect();
    if is_reserved(&name) { format!("{name}_") } else { name }
}

impl ExcelOptions {
    /// A sheet's name that Excel would not take, or that two sheets have.
    pub fn fault(&self) -> Option<Error> {
        let mut names: Vec<String> = Vec::new();
        for (at, sheet) in self.sheets.iter().enumerate() {
            let name = sheet.called();
            let wrong = |what: String, hint: &str| Some(Error::cannot_run(what).hint(hint).at(at).at("sheets"));
            let fits = !name.is_empty() && name.encode_utf16().count() <= MAX_NAME;
            if !fits
                || name.contains(['[', ']', ':', '*', '?', '/', '\\'])
                || name.starts_with('\'')
                || name.ends_with('\'')
                || is_reserved(&name)
            {
                return wrong(
                    format!("'{}' cannot be the name of a sheet", name.escape_debug()),
                    "write 1 to 31 characters under 'name', without [ ] : * ? / \\ and without ' at its ends; Excel keeps 'History' to itself",
                );
            }
            // Excel takes upper and lower case for the same.
            if names.contains(&name.to_lowercase()) {
                return wrong(format!("two sheets are called '{name}'"), "give one of them another 'name'");
            }
            names.push(name.to_lowercase());
        }
        None
    }
}

/// A sheet of several.
pub struct Sheet {
    /// As it is called.
    pub name: String,
    pub schema: Schema,
    /// Descriptions of the table and of its columns, under the names that they have in the sheet.
    pub described: Described,
    pub batches: Box<dyn Iterator<Item = Result<DataFrame>>>,
}

/// Writes a workbook of several sheets and returns the number of rows of all of them. `place` names the target in errors.
pub fn write_book(sheets: impl IntoIterator<Item = Sheet>, out: &mut (dyn Write + Send), place: &str) -> Result<u64> {
    let mut book = Book::new(place)?;
    let mut rows = 0;
    for Sheet { name, schema, described, batches } in sheets {
        let at = book.add(&name, &schema, &described)?;
        for batch in batches {
            let batch = batch?;
            crate::plain::check_schema(&batch, &schema, place)?;
            rows += batch.height() as u64;
            book.write(at, batch)?;
        }
    }
    book.save(out)?;
    Ok(rows)
}

/// A workbook under construction. All that is not set here (protection, print layout, filters) stays off.
struct Book<'a> {
    workbook: Workbook,
    sheets: Vec<Begun>,
    place: &'a str,
}

/// A sheet under its header.
struct Begun {
    plain: Plain,
    /// The row that is written next; 0 is the header.
    next: u32,
}

impl<'a> Book<'a> {
    fn new(place: &'a str) -> Result<Book<'a>> {
        let workbook = guarded(place, || {
            let mut workbook = Workbook::new();
            // The writer would note the current time, and equal tables would differ.
            let made = ExcelDateTime::from_ymd(2000, 1, 1).map_err(|error| convert(error, place))?;
            workbook.set_properties(&DocProperties::new().set_creation_datetime(&made));
            Ok(workbook)
        })?;
        Ok(Book { workbook, sheets: Vec::new(), place })
    }

    /// Adds an empty sheet under its header; returns its place.
    fn add(&mut self, name: &str, schema: &Schema, described: &Described) -> Result<usize> {
        let place = self.place;
        if schema.len() > MAX_COLUMNS {
            return Err(Error::refused(format!("{place}: {} columns; Excel holds {MAX_COLUMNS}", schema.len()))
                .hint("pick some by 'columns', or export as csv"));
        }
        let plain = Plain::new(schema, "Excel", place)?;
        let workbook = &mut self.workbook;
        guarded(place, || begin_sheet(workbook, name, schema, described).map_err(|error| convert(error, place)))?;
        self.sheets.push(Begun { plain, next: 1 });
        Ok(self.sheets.len() - 1)
    }

    fn write(&mut self, at: usize, batch: DataFrame) -> Result<()> {
        let (place, begun, workbook) = (self.place, &mut self.sheets[at], &mut self.workbook);
        if u64::from(begun.next) + batch.height() as u64 > u64::from(MAX_ROWS) {
            return Err(Error::refused(format!("{place}: more than {} rows; Excel holds no more", MAX_ROWS - 1))
                .hint("export as csv or parquet, or fewer rows"));
        }
        let batch = begun.plain.apply(batch).during(place)?;
        let columns = batch.columns().iter().map(|column| Cells::of(column.as_materialized_series()));
        let columns = columns.collect::<PolarsResult<Vec<Cells>>>().during(place)?;
        let next = &mut begun.next;
        guarded(place, || {
            let sheet = workbook.worksheet_from_index(at).map_err(|error| convert(error, place))?;
            for row in 0..batch.height() {
                for (at, cells) in (0u16..).zip(&columns) {
                    cells.write(sheet, row, *next, at).map_err(|error| match error {
                        XlsxError::MaxStringLengthExceeded => {
                            too_long(place, *next, &batch.get_column_names()[at as usize].to_string())
                        }
                        other => convert(other, place),
                    })?;
                }
                *next += 1;
            }
            Ok(())
        })
    }

    fn save(mut self, out: &mut (dyn Write + Send)) -> Result<()> {
        let (place, workbook) = (self.place, &mut self.workbook);
        guarded(place, || workbook.save_to_writer(Through(out)).map_err(|error| convert(error, place)))
    }
}

fn begin_sheet(workbook: &mut Workbook, name: &str, schema: &Schema, described: &Described) -> Result<(), XlsxError> {
    let sheet = workbook.add_worksheet_with_constant_memory()?;
    sheet.set_name(name)?;
    sheet.set_freeze_panes(1, 0)?;
    let bold = Format::new().set_bold();
    for (at, (_, of)) in (0u16..).zip(schema.iter()) {
        if let Some((format, width)) = time_format(of) {
            sheet.set_column_format(at, &Format::new().set_num_format(format))?;
            sheet.set_column_width(at, width)?;
        }
    }
    for (at, (column, _)) in (0u16..).zip(schema.iter()) {
        sheet.write_string_with_format(0, at, column.as_str(), &bold)?;
        // The description of the whole table is where people look first.
        let of_table = if at == 0 { described.in_words() } else { String::new() };
        let of_column = described.columns.get(column.as_str()).map(DescribedColumn::in_words).unwrap_or_default();
        let words: Vec<String> = [of_table, of_column].into_iter().filter(|words| !words.is_empty()).collect();
        if !words.is_empty() {
            let words = spec::text::cut(&words.join("\n\n"), MAX_NOTE);
            sheet.insert_note(0, at, &Note::new(words).add_author_prefix(false))?;
        }
    }
    Ok(())
}

/// The writer keeps rows in a temporary file and panics when that cannot be written, as on a full disk.
fn guarded<T>(place: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Error::cannot_run(format!("{place}: the Excel writer failed"))
            .hint("look for free space in the folder for temporary files (TMPDIR)"))
    })
}

struct ExcelSink<'a> {
    book: Book<'a>,
    out: &'a mut (dyn Write + Send),
}

impl Sink for ExcelSink<'_> {
    fn write(&mut self, batch: DataFrame) -> Result<()> {
        self.book.write(0, batch)
    }

    fn commit(self: Box<Self>) -> Result<Receipt> {
        let ExcelSink { book, out } = *self;
        let rows = u64::from(book.sheets[0].next - 1);
        book.save(out)?;
        Ok(Receipt { rows })
    }
}

fn too_long(place: &str, row: u32, column: &str) -> Error {
    Error::refused(format!(
        "{place}: row {row}, column '{column}': a text of more than {MAX_TEXT} characters; Excel holds no more"
    ))
    .hint("export as csv, or shorten it by a step of clean")
}

fn convert(error: XlsxError, place: &str) -> Error {
    match error {
        XlsxError::IoError(error) => Error::io("write", Path::new(place), &error),
        other => {
            // The ZIP writer wraps the target's error.
            let closed = other.to_string().to_lowercase().contains("broken pipe");
            let error = Error::cannot_run(format!("{place}: cannot write the workbook: {other}"));
            if closed { error.closed_pipe() } else { error }
        }
    }
}

/// How days and timestamps are shown, and how wide.
fn time_format(of: &DataType) -> Option<(&'static str, f64)> {
    match of {
        DataType::Date => Some(("yyyy-mm-dd", 11.0)),
        DataType::Datetime(..) => Some(("yyyy-mm-dd hh:mm:ss", 19.0)),
        DataType::Time => Some(("hh:mm:ss", 9.0)),
        _ => None,
    }
}

/// A column in the form that cells are written from.
enum Cells {
    Truths(BooleanChunked),
    Whole(Int64Chunked),
    Numbers(Float64Chunked),
    /// Numbers with all their digits.
    Decimals(StringChunked),
    Times(Box<Times>),
    Texts(StringChunked),
}

impl Cells {
    fn of(values: &Series) -> PolarsResult<Cells> {
        let values = values.rechunk();
        Ok(match values.dtype() {
            DataType::Boolean => Cells::Truths(values.bool()?.clone()),
            DataType::UInt64 | DataType::Int128 => Cells::Texts(values.cast(&DataType::String)?.str()?.clone()),
            of if of.is_integer() => Cells::Whole(values.cast(&DataType::Int64)?.i64()?.clone()),
            DataType::Decimal(..) => Cells::Decimals(values.cast(&DataType::String)?.str()?.clone()),
            of if of.is_float() => Cells::Numbers(values.cast(&DataType::Float64)?.f64()?.clone()),
            DataType::Date | DataType::Datetime(..) | DataType::Time => Cells::Times(Box::new(Times::of(&values)?)),
            _ => Cells::Texts(values.cast(&DataType::String)?.str()?.clone()),
        })
    }

    fn write(&self, sheet: &mut Worksheet, row: usize, to: u32, at: u16) -> Result<(), XlsxError> {
        match self {
            Cells::Truths(values) => put(values.get(row), |value| sheet.write_boolean(to, at, value).map(drop)),
            Cells::Whole(values) => put(values.get(row), |value| match value.unsigned_abs() <= MAX_WHOLE {
                true => sheet.write_number(to, at, value as f64).map(drop),
                false => sheet.write_string(to, at, value.to_string()).map(drop),
            }),
            // Of numbers that are not normal, Excel knows 0.
            Cells::Numbers(values) => put(values.get(row), |value| match value.is_normal() || value == 0.0 {
                true => sheet.write_number(to, at, value).map(drop),
                false => sheet.write_string(to, at, format!("{value:e}")).map(drop),
            }),
            Cells::Decimals(texts) => put(texts.get(row), |text| {
                // Zeros at the end say nothing.
                let significant = text.trim_start_matches(['-', '0', '.']).trim_end_matches('0');
                let digits = significant.bytes().filter(u8::is_ascii_digit).count();
                match text.parse::<f64>().ok().filter(|_| digits <= MAX_DIGITS) {
                    Some(value) => sheet.write_number(to, at, value).map(drop),
                    None => sheet.write_string(to, at, text).map(drop),
                }
            }),
            Cells::Times(times) => times.write(sheet, row, to, at),
            Cells::Texts(values) => put(values.get(row), |value| sheet.write_string(to, at, value).map(drop)),
        }
    }
}

/// Days and timestamps in ticks of their own.
struct Times {
    ticks: Int64Chunked,
    /// Ticks of a day, and of a millisecond; 0 where ticks are days.
    of_day: i64,
    of_millisecond: i64,
    /// Whether they count from 1970, and not from midnight.
    is_dated: bool,
    /// What is written where Excel cannot hold the time.
    texts: StringChunked,
    /// Shows milliseconds.
    format: Format,
}

impl Times {
    fn of(values: &Series) -> PolarsResult<Times> {
        let ticks = values.to_physical_repr().cast(&DataType::Int64)?.i64()?.clone();
        let of_millisecond = match values.dtype() {
            DataType::Date => 0,
            DataType::Datetime(TimeUnit::Milliseconds, _) => 1,
            DataType::Datetime(TimeUnit::Microseconds, _) => 1_000,
            _ => 1_000_000,
        };
        let is_dated = *values.dtype() != DataType::Time;
        let texts = match values.dtype() {
            DataType::Datetime(unit, _) => {
                shown(values.to_physical_repr().cast(&DataType::Datetime(*unit, None))?, MOMENT)?
            }
            DataType::Time => shown(values.clone(), "%H:%M:%S%.f")?,
            _ => values.cast(&DataType::String)?.str()?.clone(),
        };
        let number = if is_dated { "yyyy-mm-dd hh:mm:ss.000" } else { "hh:mm:ss.000" };
        let format = Format::new().set_num_format(number);
        let of_day = if of_millisecond == 0 { 1 } else { of_millisecond * 86_400_000 };
        Ok(Times { ticks, of_day, of_millisecond, is_dated, texts, format })
    }

    fn write(&self, sheet: &mut Worksheet, row: usize, to: u32, at: u16) -> Result<(), XlsxError> {
        let Some(ticks) = self.ticks.get(row) else { return Ok(()) };
        let (of_day, of_millisecond) = (self.of_day, self.of_millisecond);
        let day = ticks.div_euclid(of_day).saturating_add(if self.is_dated { EPOCH } else { 0 });
        let is_within = !self.is_dated || (FIRST_DAY..END).contains(&day);
        // Programs round what they read to milliseconds.
        let is_finer = of_millisecond > 0 && ticks % of_millisecond != 0;
        if !is_within || is_finer {
            return sheet.write_string(to, at, self.texts.get(row).unwrap_or_default()).map(drop);
        }
        let value = day as f64 + ticks.rem_euclid(of_day) as f64 / of_day as f64;
        match of_millisecond > 0 && (ticks / of_millisecond) % 1_000 != 0 {
            true => sheet.write_number_with_format(to, at, value, &self.format).map(drop),
            false => sheet.write_number(to, at, value).map(drop),
        }
    }
}

/// Nulls are empty cells.
fn put<T>(value: Option<T>, write: impl FnOnce(T) -> Result<(), XlsxError>) -> Result<(), XlsxError> {
    value.map_or(Ok(()), write)
}

fn shown(times: Series, format: &str) -> PolarsResult<StringChunked> {
    let name = times.name().clone();
    let table = times.into_frame().lazy().select([col(name).dt().to_string(format)]).collect()?;
    Ok(table.columns()[0].as_materialized_series().str()?.clone())
}

/// The target for the ZIP writer, which needs a known size.
struct Through<'a>(&'a mut (dyn Write + Send));

impl Write for Through<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests;
