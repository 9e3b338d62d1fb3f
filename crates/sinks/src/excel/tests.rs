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
fn days_and_timestamps_are_real_dates_with_a_format() {
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
        assert!(cell(name).contains("inlineStr") && cell(name).contains(&format!("{text}<")), "{name}: {}", cell(name));
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
fn a_reader_that_went_away_is_distinguished() {
    let table = df!("a" => [1]).unwrap();
    let batches = std::iter::once(Ok(table.clone()));
    let error = crate::write(&spec(SPEC), table.schema(), batches, &mut ClosedPipe, "stdout").unwrap_err();
    assert!(error.is_closed_pipe(), "{error}");
}

#[test]
fn times_that_excel_would_round_stay_text() {
    // 1,710,000,000 seconds after 1970-01-01 is 2024-03-09 16:00:00 UTC (GNU date).
    let micros = [1_710_000_000_000_000i64, 1_710_000_000_250_000, 1_710_000_000_999_600];
    let moment = Series::new("m".into(), micros).cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
    let nanos = [57_600_000_000_000i64, 57_600_250_000_000, 57_600_000_000_001];
    let time = Series::new("t".into(), nanos).cast(&DataType::Time).unwrap();
    let archive = written(SPEC, &DataFrame::new_infer_height(vec![moment.into(), time.into()]).unwrap());
    let sheet = member(&archive, "xl/worksheets/sheet1.xml");
    // 45,360 days from 1899-12-30, and two thirds.
    assert!(row(&sheet, 2).contains("<v>45360.666666666664</v>"), "{}", row(&sheet, 2));
    assert!(row(&sheet, 2).contains("<v>0.6666666666666666</v>"), "{}", row(&sheet, 2));
    assert!(row(&sheet, 3).contains("<v>45360.66666956018"), "{}", row(&sheet, 3));
    assert!(row(&sheet, 4).contains("2024-03-09T16:00:00.999600"), "{}", row(&sheet, 4));
    assert!(row(&sheet, 4).contains("16:00:00.000000001"), "{}", row(&sheet, 4));
    assert!(member(&archive, "xl/styles.xml").contains("yyyy-mm-dd hh:mm:ss.000"));
}

#[test]
fn what_is_said_of_a_table_and_its_columns_are_notes_of_the_header() {
    let table = df!("id" => [1i64], "amount" => [0.5], "other" => [1i64]).unwrap();
    let column = |text: &str, tags: &[&str]| artifact::DescribedColumn {
        description: Some(text.to_owned()),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
    };
    let mut spec = spec(SPEC);
    spec.excel.described = artifact::Described {
        description: Some("one row per <order>".to_owned()),
        owner: Some("shop@example.com".to_owned()),
        tags: vec!["finance".to_owned()],
        columns: [("amount".to_owned(), column("in euros", &["money", "sum"]))].into(),
    };
    let mut out = Vec::new();
    crate::write(&spec, table.schema(), [Ok(table.clone())].into_iter(), &mut out, "out").unwrap();
    let notes = member(&out, "xl/comments1.xml");
    let text = |cell: &str| {
        let note = notes.split(&format!("<comment ref=\"{cell}\"")).nth(1)?.split("</comment>").next()?;
        // The part begins with how the text looks.
        let (_, text) = note.split_once("</rPr>")?;
        let text = text.split("</t>").next()?.split_once('>').map_or("", |(_, text)| text).to_owned();
        Some(text)
    };
    assert_eq!(text("A1").unwrap(), "one row per &lt;order&gt;\nowner: shop@example.com\ntags: finance");
    assert_eq!(text("B1").unwrap(), "in euros\ntags: money, sum");
    assert_eq!(text("C1"), None);
    // Without notes, the part is missing.
    assert!(!String::from_utf8_lossy(&written(SPEC, &table)).contains("comments1"));
}

#[test]
fn numbers_that_excel_takes_for_0_are_text() {
    // The smallest normal number is 2.2250738585072014e-308 (IEEE 754).
    let sheet = sheet(&df!("x" => [5e-324, 2.225_073_858_507_201e-308, f64::MIN_POSITIVE, 0.0]).unwrap());
    assert!(row(&sheet, 2).contains("<is><t>5e-324</t></is>"), "{sheet}");
    assert!(row(&sheet, 3).contains("<is><t>2.225073858507201e-308</t></is>"), "{sheet}");
    assert!(!row(&sheet, 4).contains("inlineStr") && row(&sheet, 5).contains("<v>0</v>"), "{sheet}");
}

#[test]
fn no_sheet_has_a_name_that_excel_keeps_to_itself() {
    let book = written("table: t\nformat: excel\nname: history\n", &df!("a" => [1]).unwrap());
    assert!(member(&book, "xl/workbook.xml").contains("name=\"history_\""));
    let sheets = |sheet: &str| format!("name: n\nformat: excel\nexcel: {{sheets: [{sheet}]}}\n");
    assert_eq!(spec(&sheets("{table: history}")).excel.sheets[0].called(), "history_");
    let error = crate::testing::load_failure(&sheets("{table: t, name: History}"));
    assert!(error.contains("'History' cannot be the name of a sheet; write 1 to 31 characters"), "{error}");
}
