//! Sheets of workbooks made for the purpose, and a real one where it is available.

use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};

use super::*;

/// The bytes of a workbook whose sheet `name` is filled by `fill`, after an empty one called `cover`.
fn workbook(fill: impl FnOnce(&mut rust_xlsxwriter::Worksheet)) -> Vec<u8> {
    let mut book = Workbook::new();
    book.add_worksheet().set_name("cover").unwrap().write(0, 0, "title").unwrap();
    fill(book.add_worksheet().set_name("Flats").unwrap());
    book.save_to_buffer().unwrap()
}

fn flats() -> Vec<u8> {
    workbook(|sheet| {
        for (column, name) in ["id", "code", "price", "sold", "day", "at", "time"].iter().enumerate() {
            sheet.write(2, column as u16, *name).unwrap();
        }
        let format = |text: &str| Format::new().set_num_format(text);
        let moment = |text: &str| ExcelDateTime::parse_from_str(text).unwrap();
        sheet.write(3, 0, 1).unwrap().write(3, 1, "007").unwrap().write(3, 2, 1.25).unwrap().write(3, 3, true).unwrap();
        sheet.write_with_format(3, 4, moment("2024-02-29"), &format("yyyy-mm-dd")).unwrap();
        sheet.write_with_format(3, 5, moment("2024-02-29T10:30:00.5"), &format("yyyy-mm-dd hh:mm")).unwrap();
        sheet.write_with_format(3, 6, moment("18:00:00"), &format("hh:mm")).unwrap();
        // A row between without anything in it, and cells that were only painted.
        sheet.write(5, 0, 2).unwrap().write(5, 2, 3).unwrap();
        sheet.write_blank(9, 8, &Format::new().set_bold()).unwrap();
    })
}

#[test]
fn cells_become_the_types_they_look_like() {
    let project = Project::with("a.xlsx", flats());
    let read = project.read("source: {file: {path: a.xlsx, sheet: Flats}}").unwrap();
    assert_eq!(
        read.types()[..7],
        ["id int64", "code string", "price float64", "sold bool", "day date", "at datetime", "time string"]
    );
    assert_eq!(read.table(), ["1|007|1.25|true|2024-02-29|2024-02-29 10:30:00.500|18:00:00|4", "2|-|3.0|-|-|-|-|6"]);
    let columns = "columns: {when: {type: time, from: time}, number: {type: int8, from: id}}";
    let read = project.read(&format!("source: {{file: {{path: a.xlsx, sheet: 2}}}}\n{columns}")).unwrap();
    assert_eq!(read.table(), ["18:00:00|1|4", "-|2|6"]);
    let zipped = Project::with("b.dat", flats());
    assert_eq!(zipped.read("source: {file: {path: b.dat, format: excel, sheet: 2}}").unwrap().rows_in, 2);
}

#[test]
fn an_empty_cell_of_one_column_is_a_row_without_a_value() {
    let of = |columns: u16| {
        let book = workbook(|sheet| {
            for (row, name) in [(1, "a"), (2, "x"), (4, "y")] {
                for column in 0..columns {
                    sheet.write(row, column, format!("{name}{column}")).unwrap();
                }
            }
            sheet.write_blank(9, 0, &Format::new().set_bold()).unwrap();
        });
        Project::with("a.xlsx", book).read("source: {file: {path: a.xlsx, sheet: Flats}}").unwrap().table()
    };
    assert_eq!(of(1), ["x0|3", "-|4", "y0|5"]);
    assert_eq!(of(2), ["x0|x1|3", "y0|y1|5"]);
}

#[test]
fn rows_that_cannot_be_are_refused_with_their_place() {
    let book = workbook(|sheet| {
        sheet.write(0, 0, "id").unwrap().write(0, 1, "price").unwrap();
        sheet.write(1, 0, 1).unwrap().write_formula(1, 1, Formula::new("=NA()").set_result("#N/A")).unwrap();
        sheet.write(2, 0, 2).unwrap().write(2, 1, "cheap").unwrap();
        sheet.write(3, 0, 3).unwrap().write(3, 1, 5).unwrap();
    });
    let project = Project::with("a.xlsx", book);
    let read =
        project.read("source: {file: {path: a.xlsx, sheet: Flats}}\ncolumns: {id: int64, price: float64}").unwrap();
    assert_eq!(read.table(), ["3|5.0|4"]);
    assert_eq!(
        read.refusals(),
        ["-|-|2|1\t#N/A|row 2: column 2 holds #N/A", "2|cheap|3|-|price: 'cheap' is not a float64"]
    );
    // A column that was not requested refuses no row.
    let read = project.read("source: {file: {path: a.xlsx, sheet: Flats}}\ncolumns: {id: int64}").unwrap();
    assert_eq!(read.rows_in, 3);
    assert_eq!(read.refused.height(), 0);
}

#[test]
fn without_a_header_columns_stand_for_places() {
    let book = workbook(|sheet| {
        sheet.write(0, 0, "note").unwrap();
        for row in 1..4 {
            sheet.write(row, 0, row).unwrap().write(row, 1, format!("name {row}")).unwrap();
        }
    });
    let project = Project::with("a.xlsx", &book).and("b.xlsx", &book);
    let of = |keys: &str| format!("source: {{file: {{path: [a.xlsx, b.xlsx], sheet: 2, header: false, {keys}}}}}");
    let read = project.read(&of("skip_lines: 1")).unwrap();
    assert_eq!(read.types()[..2], ["column_1 int64", "column_2 string"]);
    assert_eq!((read.table()[0].as_str(), read.table()[3].as_str(), read.rows_in), ("1|name 1|2", "1|name 1|2", 6));
    let read = project.read(&format!("{}\ncolumns: {{n: int8, name: string}}", of("skip_lines: 2"))).unwrap();
    assert_eq!(read.table()[..2], ["2|name 2|3", "3|name 3|4"]);
    assert_eq!(
        project.failure(&format!("{}\ncolumns: {{n: int8}}", of("skip_lines: 1"))),
        "table 't': a.xlsx: 2 columns in the sheet instead of 1; without a header 'columns' names every column of the \
         sheet, from left to right"
    );
}

#[test]
fn what_cannot_be_read() {
    let project = Project::with("a.xlsx", flats()).and("b.xlsx", "PK no workbook").and("c.csv", "a\n1\n");
    let failure = |keys: &str| project.failure(&format!("source: {{file: {{{keys}}}}}"));
    assert_eq!(failure("path: a.xlsx, sheet: flats"), "table 't': a.xlsx: no sheet 'flats'; did you mean 'Flats'?");
    assert_eq!(
        failure("path: a.xlsx, sheet: 3"),
        "table 't': a.xlsx: no sheet 3; the workbook has 2, counted from 1: cover, Flats"
    );
    assert_eq!(
        failure("path: a.xlsx"),
        "table 't': a.xlsx: there is a header, but no rows; fetch the file again, or take it out of 'path'"
    );
    assert_eq!(
        failure("path: b.xlsx"),
        "table 't': b.xlsx: not a workbook: its content is neither .xlsx, .xls, .xlsb nor .ods; check 'format', or save it \
         as .xlsx"
    );
    assert_eq!(
        failure("path: c.csv, sheet: 1"),
        "table 't': 'sheet' is for excel, not for csv; leave it out, or add 'format: excel'"
    );
    let missing = project.failure("source: {file: {path: a.xlsx, sheet: 2}}\ncolumns: {prise: float64}");
    assert_eq!(missing, "table 't': a.xlsx:3: no column 'prise' in the header; did you mean 'price'?");
    for (keys, error) in [
        ("path: a, format: csv, sheet: 1", "'sheet' is for the format excel, not for csv"),
        ("path: a.xlsx, sheet: 0", "'sheet' counts from 1"),
    ] {
        let text = table(&format!("source: {{file: {{{keys}}}}}")).unwrap_err().to_string();
        assert!(text.ends_with(error), "{text}");
    }
}

#[test]
fn formulas_that_were_never_computed_are_not_nulls() {
    let sheet = |fill: &dyn Fn(&mut rust_xlsxwriter::Worksheet)| {
        let book = workbook(|sheet| {
            sheet.write(0, 0, "id").unwrap().write(0, 1, "total").unwrap();
            sheet.write(1, 0, 1).unwrap();
            fill(sheet);
        });
        Project::with("a.xlsx", book)
    };
    let way_out = "open the workbook in a spreadsheet program and save it, which computes its formulas";
    let yaml = "source: {file: {path: a.xlsx, sheet: Flats}}";
    // This writer puts 0 in place of a result, others put nothing.
    let project = sheet(&|sheet| {
        sheet.write_formula(1, 1, Formula::new("=A2*2")).unwrap();
    });
    assert_eq!(
        project.failure(yaml),
        format!("table 't': a.xlsx: B2 holds a formula that was never computed; {way_out}")
    );
    let read = project.read(&format!("{yaml}\ncolumns: {{id: int64}}")).unwrap();
    assert_eq!(read.table(), ["1|2"], "a column that is not read does no harm");
    let project = sheet(&|sheet| {
        sheet.write_formula(1, 1, Formula::new("=A2*2").set_result("2")).unwrap();
    });
    assert_eq!(project.read(yaml).unwrap().table(), ["1|2|2"]);
}

#[test]
fn a_stray_value_far_away_does_not_take_all_memory() {
    let read = |fill: &dyn Fn(&mut rust_xlsxwriter::Worksheet)| {
        let book = workbook(|sheet| {
            sheet.write(0, 0, "id").unwrap().write(1, 0, 1).unwrap();
            fill(sheet);
        });
        let read =
            Project::with("a.xlsx", book).read("source: {file: {path: a.xlsx, sheet: Flats}}\ncolumns: {id: int64}");
        read.map(|read| read.table()).map_err(|error| error.to_string())
    };
    let (row, column) = (1_048_575, 16_383);
    let value = read(&|sheet| {
        sheet.write(row, column, "x").unwrap();
    });
    // A formula without a result is a cell, too.
    let formula = Formula::new("=A2").set_result("");
    let empty = read(&|sheet| {
        sheet.write_formula(row, column, formula.clone()).unwrap();
    });
    for found in [value, empty] {
        assert_eq!(
            found.unwrap_err(),
            "table 't': a.xlsx: its cells lie too far apart, between A1 and XFD1048576; delete what stands far away from the \
             table, or copy the table into a new workbook"
        );
    }
}

#[test]
fn durations_and_long_numbers() {
    let book = workbook(|sheet| {
        for (column, name) in ["span", "n"].iter().enumerate() {
            sheet.write(0, column as u16, *name).unwrap();
        }
        let hours = Format::new().set_num_format("[h]:mm:ss");
        for (row, (days, number)) in (1..).zip([
            (0.5, 1.0),
            (1.5, 123_456_789_012_345.0),
            (41.0, 1_234_567_890_123_456_789.0),
            (2.0, i64::MIN as f64),
        ]) {
            sheet.write_number_with_format(row, 0, days, &hours).unwrap().write_number(row, 1, number).unwrap();
        }
    });
    let project = Project::with("a.xlsx", book);
    let read = project.read("source: {file: {path: a.xlsx, sheet: Flats}}").unwrap();
    assert_eq!(read.types()[..2], ["span string", "n int64"]);
    assert_eq!(read.table(), ["12:00:00|1|2", "36:00:00|123456789012345|3"]);
    let refusals = read.refusals();
    assert!(
        refusals[0]
            .contains("row 4: column 2 holds a whole number of more than 15 digits (about 1.2345678901234568e18)"),
        "{refusals:?}"
    );
    assert!(refusals[1].contains("row 5: column 2 holds a whole number"), "{refusals:?}");
    let floats =
        project.read("source: {file: {path: a.xlsx, sheet: Flats}}\ncolumns: {n: float64, span: string}").unwrap();
    assert_eq!(floats.rows.column("n").unwrap().f64().unwrap().get(2), Some(1_234_567_890_123_456_789.0));
}

/// A ZIP archive of files that are stored as they are (APPNOTE 6.3.10, 4.3), which an .ods file is.
fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut crc = flate2::Crc::new();
        crc.update(content.as_bytes());
        let size = content.len() as u32;
        let mut common = Vec::new();
        // Version 2.0, no flags, stored, 1 January 1980.
        [20u16, 0, 0, 0, 33].iter().for_each(|field| common.extend(field.to_le_bytes()));
        [crc.sum(), size, size].iter().for_each(|field| common.extend(field.to_le_bytes()));
        [name.len() as u16, 0].iter().for_each(|field| common.extend(field.to_le_bytes()));
        let start = archive.len() as u32;
        archive.extend([&b"PK\x03\x04"[..], &common, name.as_bytes(), content.as_bytes()].concat());
        directory
            .extend([&b"PK\x01\x02\x14\x00"[..], &common, &[0; 10], &start.to_le_bytes(), name.as_bytes()].concat());
    }
    let (count, size, start) = (files.len() as u16, directory.len() as u32, archive.len() as u32);
    archive.extend(directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    archive.extend([size.to_le_bytes(), start.to_le_bytes()].concat());
    archive.extend([0, 0]);
    archive
}

/// A sheet as LibreOffice writes it: values in attributes, what people see in paragraphs.
fn ods(rows: &str) -> Vec<u8> {
    let content = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><office:document-content
            xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
            xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2"><office:body><office:spreadsheet><table:table
            table:name="Sheet1">{rows}</table:table></office:spreadsheet></office:body></office:document-content>"#
    );
    let manifest = r#"<?xml version="1.0" encoding="UTF-8"?><manifest:manifest
        xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"></manifest:manifest>"#;
    zipped(&[
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", &content),
        ("META-INF/manifest.xml", manifest),
    ])
}

#[test]
fn times_and_durations_of_open_document_sheets() {
    let cell = |kind: &str, value: &str, shown: &str| {
        let attribute = match kind {
            "float" => "value".to_owned(),
            kind => format!("{kind}-value"),
        };
        format!(
            r#"<table:table-cell office:value-type="{kind}" office:{attribute}="{value}"><text:p>{shown}</text:p></table:table-cell>"#
        )
    };
    let text = |text: &str| {
        format!(r#"<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>"#)
    };
    let row = |cells: &[String]| format!("<table:table-row>{}</table:table-row>", cells.concat());
    let lines: Vec<String> = [
        ("1", "2024-02-29", "2024-02-29T10:30:00", "PT18H00M00S", "PT36H10M05S"),
        ("2", "1969-12-31", "1969-12-31T23:59:59.5", "PT00H00M00S", "-PT01H30M00S"),
        ("3", "2024-03-01", "2024-03-01T00:00:00", "PT09H05M07S", "PT984H00M00.25S"),
    ]
    .iter()
    .map(|(id, day, at, time, span)| {
        row(&[
            cell("float", id, id),
            cell("date", day, "shown otherwise"),
            cell("date", at, "shown otherwise"),
            cell("time", time, "shown otherwise"),
            cell("time", span, "shown otherwise"),
        ])
    })
    .collect();
    let header = row(&["id", "day", "at", "time", "span"].map(text));
    let project = Project::with("a.ods", ods(&format!("{header}{}", lines.concat())));
    let read = project.read("source: {file: {path: a.ods}}").unwrap();
    assert_eq!(read.types()[..5], ["id int64", "day date", "at datetime", "time string", "span string"]);
    assert_eq!(
        read.table(),
        [
            "1|2024-02-29|2024-02-29 10:30:00|18:00:00|36:10:05|2",
            "2|1969-12-31|1969-12-31 23:59:59.500|00:00:00|-01:30:00|3",
            "3|2024-03-01|2024-03-01 00:00:00|09:05:07|984:00:00.250|4"
        ]
    );
    let columns = "columns: {id: int8, time: time, span: time}";
    let read = project.read(&format!("source: {{file: {{path: a.ods}}}}\n{columns}")).unwrap();
    assert_eq!(read.table(), Vec::<String>::new(), "a duration of more than a day is not a time of day");
    assert_eq!(read.refusals()[0], "1|18:00:00|36:10:05|2|-|span: '36:10:05' is not a time");
    let read = project.read("source: {file: {path: a.ods}}\ncolumns: {id: int8, time: time}").unwrap();
    assert_eq!(read.table()[0], "1|18:00:00|2");
}

#[test]
fn errors_of_open_document_sheets_refuse_their_row() {
    let cell = |kind: &str, text: &str| {
        format!(
            r#"<table:table-cell {kind} office:value-type="string" office:string-value=""><text:p>{text}</text:p></table:table-cell>"#
        )
    };
    let number =
        r#"<table:table-cell office:value-type="float" office:value="5"><text:p>5</text:p></table:table-cell>"#;
    let error = r#"table:formula="of:=1/0" calcext:value-type="error" xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0""#;
    let row = |cell: &str| format!("<table:table-row>{cell}</table:table-row>");
    let header = r#"<table:table-cell office:value-type="string"><text:p>v</text:p></table:table-cell>"#.to_owned();
    let rows = [header, number.to_owned(), cell(error, "#DIV/0!"), cell(error, "Err:502"), cell(error, "#SPILL!")];
    let project = Project::with("a.ods", ods(&rows.map(|cell| row(&cell)).concat()));
    let read = project.read("source: {file: {path: a.ods}}").unwrap();
    assert_eq!((read.types()[0].as_str(), read.table()), ("v int64", vec!["5|2".to_owned()]));
    assert_eq!(read.refusals()[0], "-|3|#DIV/0!|row 3: column 1 holds #DIV/0!");
    assert_eq!(
        read.refusals()[1..],
        ["-|4|Err:502|row 4: column 1 holds Err:502", "-|5|#SPILL!|row 5: column 1 holds #SPILL!"]
    );
}

/// A workbook of one sheet, `xl/worksheets/sheet1.xml`, with these rows; the shared strings are `one` and `two`.
fn xlsx(rows: &str) -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006";
    let relations = |targets: &[(&str, &str)]| {
        let one = |(id, (kind, target)): (usize, &(&str, &str))| {
            format!(r#"<Relationship Id="rId{}" Type="{office}/{kind}" Target="{target}"/>"#, id + 1)
        };
        let all: String = targets.iter().enumerate().map(one).collect();
        format!(r#"<Relationships xmlns="{package}/relationships">{all}</Relationships>"#)
    };
    let workbook = format!(
        r#"<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>"#
    );
    let types = format!(r#"<Types xmlns="{package}/content-types"></Types>"#);
    let strings = format!(r#"<sst xmlns="{main}"><si><t>one</t></si><si><t>two</t></si></sst>"#);
    let sheet = format!(r#"<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>"#);
    zipped(&[
        ("[Content_Types].xml", &types),
        ("_rels/.rels", &relations(&[("officeDocument", "xl/workbook.xml")])),
        ("xl/workbook.xml", &workbook),
        (
            "xl/_rels/workbook.xml.rels",
            &relations(&[("worksheet", "worksheets/sheet1.xml"), ("sharedStrings", "sharedStrings.xml")]),
        ),
        ("xl/sharedStrings.xml", &strings),
        ("xl/worksheets/sheet1.xml", &sheet),
    ])
}

#[test]
fn every_error_of_excel_refuses_its_row_alone() {
    let codes = [
        "#DIV/0!",
        "#N/A",
        "#NAME?",
        "#NULL!",
        "#NUM!",
        "#REF!",
        "#VALUE!",
        "#GETTING_DATA",
        "#SPILL!",
        "#CALC!",
        "#FIELD!",
        "#BLOCKED!",
        "#CONNECT!",
        "#UNKNOWN!",
        "#BUSY!",
        "#EXTERNAL!",
        "#PYTHON!",
        "#TIMEOUT!",
        "#NEW2030!",
    ];
    let header = r#"<row r="3"><c r="B3" t="inlineStr"><is><t>id</t></is></c><c r="C3" t="inlineStr"><is><t>v</t></is></c></row>"#;
    let rows: String = (4..).zip(codes).map(|(row, code)| {
        format!(
            r#"<row r="{row}"><c r="B{row}"><v>{row}</v></c><c r="C{row}" t="e"><f>SORT(A1:A9)</f><v>{code}</v></c></row><row/>"#
        )
    }).collect();
    let last = r#"<row r="40"><c r="B40"><v>40</v></c><c r="C40"><f>1+1</f><v>2.5</v></c></row>"#;
    let project = Project::with("a.xlsx", xlsx(&format!("{header}{rows}{last}")));
    for columns in ["", "\ncolumns: {id: int64, v: float64}"] {
        let read = project.read(&format!("source: {{file: {{path: a.xlsx}}}}{columns}")).unwrap();
        assert_eq!(read.table(), ["40|2.5|40"]);
        let expected: Vec<String> = (4..)
            .zip(codes)
            .map(|(row, code)| format!("-|-|{row}|{row}\t{code}|row {row}: column 2 holds {code}"))
            .collect();
        assert_eq!(read.refusals(), expected);
    }
    // A column that is not read refuses nothing.
    let read = project.read("source: {file: {path: a.xlsx}}\ncolumns: {id: int64}").unwrap();
    assert_eq!((read.rows.height(), read.refused.height()), (codes.len() + 1, 0));
}

#[test]
fn a_damaged_cell_refuses_its_row_alone() {
    let text = |cell: &str, text: &str| format!(r#"<c r="{cell}" t="inlineStr"><is><t>{text}</t></is></c>"#);
    let cells = [
        (r#"t="s"><v>1"#, None),
        (r#"t="s"><v>7"#, Some("a text that is missing from the workbook")),
        (r#"t="n"><v>12a"#, Some("a number that cannot be read")),
        (r#"t="x"><v>1"#, Some("a value of the unknown type 'x'")),
        (r#"t="b"><v>maybe"#, Some("'maybe', which is not a value of its type")),
        (r#"t="str"><v>three"#, None),
    ];
    let rows: String = (2..)
        .zip(cells)
        .map(|(row, (cell, _))| {
            format!(r#"<row r="{row}"><c r="A{row}" {cell}</v></c>{}</row>"#, text(&format!("B{row}"), "x"))
        })
        .collect();
    let header = format!(r#"<row r="1">{}{}</row>"#, text("A1", "v"), text("B1", "w"));
    let project = Project::with("a.xlsx", xlsx(&format!("{header}{rows}")));
    let read = project.read("source: {file: {path: a.xlsx}}").unwrap();
    assert_eq!(read.table(), ["two|x|2", "three|x|7"]);
    let why = |line: &String| line.rsplit('|').next().unwrap_or_default().to_owned();
    let expected: Vec<String> =
        (2..).zip(cells).filter_map(|(row, (_, held))| Some(format!("row {row}: column 1 holds {}", held?))).collect();
    assert_eq!(read.refusals().iter().map(why).collect::<Vec<_>>(), expected);
}

#[test]
fn texts_of_spaces_and_large_floats_are_kept() {
    let book = workbook(|sheet| {
        sheet.write(0, 0, "t").unwrap().write(0, 1, "x").unwrap();
        sheet.write(1, 0, "  ").unwrap().write(1, 1, 1e300).unwrap();
        sheet.write(2, 0, " a ").unwrap().write(2, 1, 5.5).unwrap();
        sheet.write(3, 1, -1e21).unwrap();
    });
    let project = Project::with("a.xlsx", book);
    let read = project.read("source: {file: {path: a.xlsx, sheet: Flats}}").unwrap();
    assert_eq!(read.types()[..2], ["t string", "x float64"]);
    assert_eq!(read.table(), ["  |1.0000e300|2", " a |5.5|3", "-|-1.0000e21|4"]);
}

/// Stations of Seoul without a header, from `MILLRACE_SHARED_DATA` or `../shared/data` beside the repository.
#[test]
fn a_real_workbook_without_a_header() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let data = match std::env::var_os("MILLRACE_SHARED_DATA") {
        Some(data) => std::path::PathBuf::from(data),
        None => repository.parent().unwrap().join("shared/data"),
    };
    let file = data.join("seoul-apartments/서울 지하철역.xlsx");
    if !file.exists() {
        testkit::skipped("data", &format!("no {}", file.display()));
        return;
    }
    let project = Project::new();
    let yaml = format!("source: {{file: {{path: '{}', header: false}}}}", file.display());
    let read = project.read(&yaml).unwrap();
    assert_eq!(
        read.types()[..5],
        ["column_1 string", "column_2 string", "column_3 string", "column_4 float64", "column_5 float64"]
    );
    assert_eq!(read.table()[0], "우이신설|4.19민주묘지|서울특별시 강북구 우이동 72-186|37.649455|127.013506|1");
    assert_eq!((read.rows_in, read.refused.height()), (298, 0));
}
