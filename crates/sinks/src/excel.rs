//! Excel: one sheet with a bold header that stays in view, real dates, and text that stays text: nothing
//! is run as a formula.
//!
//! Moments with a time zone are written in UTC. What Excel cannot hold as a number stays text: whole numbers
//! of more than 15 digits, which it would round, NaN and infinities, and days before March 1900
//! or after 9999. So do decimals of more digits.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use artifact::PolarsResultExt;
use polars::prelude::{
    BooleanChunked, DataFrame, DataType, Float64Chunked, Int64Chunked, IntoLazy, PolarsResult, Schema, Series,
    StringChunked, col,
};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};
use spec::{Error, Result};

use crate::plain::{MOMENT, Plain, check_schema};

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
const DAY_MICROS: f64 = 86_400_000_000.0;
/// Sheet names are no longer than this.
const MAX_NAME: usize = 31;

pub(crate) fn write(
    name: &str,
    schema: &Schema,
    batches: impl Iterator<Item = Result<DataFrame>>,
    out: &mut (dyn Write + Send),
    place: &str,
) -> Result<u64> {
    if schema.len() > MAX_COLUMNS {
        return Err(Error::refused(format!("{place}: {} columns; Excel holds {MAX_COLUMNS}", schema.len()))
            .hint("pick some by 'columns', or export as csv"));
    }
    // The writer keeps rows in a temporary file and panics when that cannot be written, as on a full disk.
    catch_unwind(AssertUnwindSafe(|| fill(name, schema, batches, out, place))).unwrap_or_else(|_| {
        Err(Error::cannot_run(format!("{place}: the Excel writer gave up"))
            .hint("look for free space in the folder for temporary files (TMPDIR)"))
    })
}

fn fill(
    name: &str,
    schema: &Schema,
    batches: impl Iterator<Item = Result<DataFrame>>,
    out: &mut (dyn Write + Send),
    place: &str,
) -> Result<u64> {
    let plain = Plain::new(schema, "Excel", place)?;
    let failed = |error: XlsxError| convert(error, place);
    let mut workbook = Workbook::new();
    // The writer would note the current time, and equal tables would differ.
    let made = ExcelDateTime::from_ymd(2000, 1, 1).map_err(failed)?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&made));
    let sheet = workbook.add_worksheet_with_constant_memory().map_err(failed)?;
    sheet.set_name(name.chars().take(MAX_NAME).collect::<String>()).map_err(failed)?;
    sheet.set_freeze_panes(1, 0).map_err(failed)?;
    let bold = Format::new().set_bold();
    for (at, (_, of)) in (0u16..).zip(schema.iter()) {
        if let Some((format, width)) = time_format(of) {
            sheet.set_column_format(at, &Format::new().set_num_format(format)).map_err(failed)?;
            sheet.set_column_width(at, width).map_err(failed)?;
        }
    }
    for (at, (column, _)) in (0u16..).zip(schema.iter()) {
        sheet.write_string_with_format(0, at, column.as_str(), &bold).map_err(failed)?;
    }
    let mut next = 1u32;
    for batch in batches {
        let batch = batch?;
        check_schema(&batch, schema, place)?;
        let height = batch.height() as u64;
        if u64::from(next) + height > u64::from(MAX_ROWS) {
            return Err(Error::refused(format!("{place}: more than {} rows; Excel holds no more", MAX_ROWS - 1))
                .hint("export as csv or parquet, or fewer rows"));
        }
        let batch = plain.apply(batch).during(place)?;
        let columns: Vec<Cells> = batch
            .columns()
            .iter()
            .map(|c| Cells::of(c.as_materialized_series()))
            .collect::<PolarsResult<_>>()
            .during(place)?;
        for row in 0..batch.height() {
            for (at, cells) in (0u16..).zip(&columns) {
                cells.write(sheet, row, next, at).map_err(|error| match error {
                    XlsxError::MaxStringLengthExceeded => {
                        too_long(place, next, &batch.get_column_names()[at as usize].to_string())
                    }
                    other => convert(other, place),
                })?;
            }
            next += 1;
        }
    }
    workbook.save_to_writer(Through(out)).map_err(failed)?;
    Ok(u64::from(next - 1))
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
            // The ZIP writer wraps what the target said.
            let closed = other.to_string().to_lowercase().contains("broken pipe");
            let error = Error::cannot_run(format!("{place}: cannot write the workbook: {other}"));
            if closed { error.closed_pipe() } else { error }
        }
    }
}

/// How days and moments are shown, and how wide.
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
    /// Days since 1899-12-30, and what to write instead where Excel's calendar does not reach.
    Times(Float64Chunked, Option<StringChunked>),
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
            DataType::Date => {
                let days = values.to_physical_repr().cast(&DataType::Float64)? + EPOCH as f64;
                Cells::Times(days.f64()?.clone(), Some(values.cast(&DataType::String)?.str()?.clone()))
            }
            DataType::Datetime(..) => {
                let moments = values.cast(&DataType::Datetime(polars::prelude::TimeUnit::Microseconds, None))?;
                let days = moments.to_physical_repr().cast(&DataType::Float64)? / DAY_MICROS + EPOCH as f64;
                Cells::Times(days.f64()?.clone(), Some(iso(moments)?))
            }
            DataType::Time => {
                let days = values.to_physical_repr().cast(&DataType::Float64)? / (DAY_MICROS * 1000.0);
                Cells::Times(days.f64()?.clone(), None)
            }
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
            Cells::Numbers(values) => put(values.get(row), |value| match value.is_finite() {
                true => sheet.write_number(to, at, value).map(drop),
                false => sheet.write_string(to, at, value.to_string()).map(drop),
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
            Cells::Times(days, texts) => put(days.get(row), |value| match texts {
                Some(texts) if !(FIRST_DAY as f64..END as f64).contains(&value) => {
                    sheet.write_string(to, at, texts.get(row).unwrap_or_default()).map(drop)
                }
                _ => sheet.write_number(to, at, value).map(drop),
            }),
            Cells::Texts(values) => put(values.get(row), |value| sheet.write_string(to, at, value).map(drop)),
        }
    }
}

/// Nulls are empty cells.
fn put<T>(value: Option<T>, write: impl FnOnce(T) -> Result<(), XlsxError>) -> Result<(), XlsxError> {
    value.map_or(Ok(()), write)
}

fn iso(moments: Series) -> PolarsResult<StringChunked> {
    let name = moments.name().clone();
    let table = moments.into_frame().lazy().select([col(name).dt().to_string(MOMENT)]).collect()?;
    Ok(table.columns()[0].as_materialized_series().str()?.clone())
}

/// The target as the ZIP writer wants it: of known size.
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
mod tests {
    use std::io::Read;

    use flate2::read::DeflateDecoder;
    use polars::prelude::*;

    use crate::testing::{ClosedPipe, failure, moments, spec, written};

    const SPEC: &str = "table: t\nformat: excel\nname: scores\n";

    /// A file inside a ZIP archive, found by its entry in the central directory.
    fn member(archive: &[u8], wanted: &str) -> String {
        let number = |at: usize, bytes: usize| {
            archive[at..at + bytes].iter().rev().fold(0usize, |sum, byte| sum << 8 | *byte as usize)
        };
        let mut at = archive.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        while &archive[at..at + 4] == b"PK\x01\x02" {
            let (packed, name, extra, comment) =
                (number(at + 20, 4), number(at + 28, 2), number(at + 30, 2), number(at + 32, 2));
            if &archive[at + 46..at + 46 + name] == wanted.as_bytes() {
                let local = number(at + 42, 4);
                let start = local + 30 + number(local + 26, 2) + number(local + 28, 2);
                let mut text = String::new();
                DeflateDecoder::new(&archive[start..start + packed]).read_to_string(&mut text).unwrap();
                return text;
            }
            at += 46 + name + extra + comment;
        }
        panic!("no {wanted} in the archive");
    }

    fn sheet(table: &DataFrame) -> String {
        member(&written(SPEC, table), "xl/worksheets/sheet1.xml")
    }

    /// The cells of a row, as XML.
    fn row(sheet: &str, number: usize) -> &str {
        let start = sheet.find(&format!("<row r=\"{number}\"")).unwrap();
        let row = &sheet[start..];
        let row = &row[row.find('>').unwrap() + 1..];
        &row[..row.find("</row>").unwrap()]
    }

    #[test]
    fn cells_keep_their_kind_and_text_stays_text() {
        let table = df!(
            "s" => [Some("=1+1"), None, Some("a <b> & \"c\"")],
            "n" => [1i64, -2, 1_234_567_890_123_456_789],
            "x" => [Some(0.5), Some(f64::NAN), None],
            "b" => [true, false, true],
        )
        .unwrap();
        let sheet = sheet(&table);
        assert_eq!(
            row(&sheet, 1),
            "<c r=\"A1\" s=\"1\" t=\"inlineStr\"><is><t>s</t></is></c><c r=\"B1\" s=\"1\" t=\"inlineStr\"><is><t>n</t></is></c>\
             <c r=\"C1\" s=\"1\" t=\"inlineStr\"><is><t>x</t></is></c><c r=\"D1\" s=\"1\" t=\"inlineStr\"><is><t>b</t></is></c>"
        );
        assert_eq!(
            row(&sheet, 2),
            "<c r=\"A2\" t=\"inlineStr\"><is><t>=1+1</t></is></c><c r=\"B2\"><v>1</v></c><c r=\"C2\"><v>0.5</v></c>\
             <c r=\"D2\" t=\"b\"><v>1</v></c>"
        );
        assert_eq!(
            row(&sheet, 3),
            "<c r=\"B3\"><v>-2</v></c><c r=\"C3\" t=\"inlineStr\"><is><t>NaN</t></is></c><c r=\"D3\" t=\"b\"><v>0</v></c>"
        );
        assert_eq!(
            row(&sheet, 4),
            "<c r=\"A4\" t=\"inlineStr\"><is><t>a &lt;b&gt; &amp; \"c\"</t></is></c>\
             <c r=\"B4\" t=\"inlineStr\"><is><t>1234567890123456789</t></is></c><c r=\"D4\" t=\"b\"><v>1</v></c>"
        );
        assert!(!sheet.contains("<f>"), "no formula");
    }

    #[test]
    fn days_and_moments_are_real_dates_with_a_format() {
        let archive = written(SPEC, &moments());
        let sheet = member(&archive, "xl/worksheets/sheet1.xml");
        // Excel's serial of 2024-12-31 is 45657; 18:30 is 0.770833… of a day; 1969-12-31 is 25568.
        let cells = row(&sheet, 2);
        assert!(cells.contains("<v>45657</v>") && cells.contains("<v>45657.770833333"), "{cells}");
        assert!(row(&sheet, 3).contains("<v>25568</v>"));
        let styles = member(&archive, "xl/styles.xml");
        assert!(styles.contains("yyyy\\-mm\\-dd") || styles.contains("yyyy-mm-dd"), "{styles}");
        assert!(member(&archive, "xl/workbook.xml").contains("name=\"scores\""));
    }

    #[test]
    fn days_before_excels_calendar_are_text() {
        let day = Series::new("d".into(), [-25_509i32, -25_508]).cast(&DataType::Date).unwrap();
        let sheet = sheet(&DataFrame::new_infer_height(vec![day.into()]).unwrap());
        assert!(row(&sheet, 2).contains("<is><t>1900-02-28</t></is>"), "{sheet}");
        assert!(row(&sheet, 3).contains("<v>61</v>"), "{sheet}");
    }

    #[test]
    fn what_excel_would_round_or_misread_is_text() {
        let table = df!(
            "n" => [Some(999_999_999_999_999i64), Some(1_000_000_000_000_000), Some(i64::MIN), Some(-7)],
            "day" => [Some(2_932_896i32), Some(2_932_897), None, Some(0)],
            "price" => ["1234567890123.45", "12345678901234.567", "-0.000001", "0"],
        )
        .unwrap();
        let table =
            table.lazy().with_columns([col("day").cast(DataType::Date), col("price").cast(DataType::Decimal(38, 6))]);
        let sheet = sheet(&table.collect().unwrap());
        let cell = |name: &str| {
            let rest = &sheet[sheet.find(&format!("r=\"{name}\"")).unwrap()..];
            rest.split("</c>").next().unwrap().to_owned()
        };
        // 9999-12-31 is the last day of Excel's calendar.
        for (name, value) in [
            ("A2", "<v>999999999999999</v>"),
            ("A5", "<v>-7</v>"),
            ("B2", "<v>2958465</v>"),
            ("C2", "<v>1234567890123.45</v>"),
            ("C4", "<v>-0.000001</v>"),
        ] {
            assert!(cell(name).contains(value), "{name}: {}", cell(name));
        }
        for (name, text) in [
            ("A3", "1000000000000000"),
            ("A4", "-9223372036854775808"),
            ("B3", "10000-01-01"),
            ("C3", "12345678901234.567000"),
        ] {
            assert!(
                cell(name).contains("inlineStr") && cell(name).contains(&format!("{text}<")),
                "{name}: {}",
                cell(name)
            );
        }
    }

    #[test]
    fn the_header_is_frozen_and_an_empty_table_has_one() {
        let sheet = sheet(&df!("a" => Vec::<i64>::new()).unwrap());
        assert!(sheet.contains("state=\"frozen\"") && sheet.contains("ySplit=\"1\""), "{sheet}");
        assert!(row(&sheet, 1).contains("<t>a</t>"));
    }

    #[test]
    fn equal_tables_give_equal_bytes() {
        let table = df!("a" => [1, 2]).unwrap();
        assert_eq!(written(SPEC, &table), written(SPEC, &table));
        assert!(member(&written(SPEC, &table), "docProps/core.xml").contains("2000-01-01T00:00:00Z"));
    }

    #[test]
    fn what_a_sheet_cannot_hold_is_refused() {
        let long = "é".repeat(32_768);
        let table = df!("id" => [1, 2], "note" => ["short", long.as_str()]).unwrap();
        assert_eq!(
            failure(SPEC, &table),
            "out: row 2, column 'note': a text of more than 32767 characters; Excel holds no more; export as csv, or shorten \
             it by a step of clean"
        );
        let rows = df!("a" => vec![true; 1_048_576]).unwrap();
        let error = crate::write(&spec(SPEC), rows.schema(), std::iter::once(Ok(rows.clone())), &mut Vec::new(), "out")
            .unwrap_err();
        assert_eq!(error.class(), ::spec::Class::Refused);
        assert_eq!(
            error.to_string(),
            "out: more than 1048575 rows; Excel holds no more; export as csv or parquet, or fewer rows"
        );
    }

    #[test]
    fn a_reader_that_went_away_is_told_apart() {
        let table = df!("a" => [1]).unwrap();
        let batches = std::iter::once(Ok(table.clone()));
        let error = crate::write(&spec(SPEC), table.schema(), batches, &mut ClosedPipe, "stdout").unwrap_err();
        assert!(error.is_closed_pipe(), "{error}");
    }
}
