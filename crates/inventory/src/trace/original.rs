//! The exact text of a raw row in its source, if the source has not changed since.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use artifact::{Evidence, FILE, Fingerprint, ROW, fingerprint};
use calamine::Reader;
use serde::Serialize;
use spec::{Root, Url};

use super::values;

/// The source of a raw row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Original {
    /// As `_file` has it.
    pub file: String,
    /// The line of a text, the row of anything else, from 1.
    pub row: u64,
    /// The record as written there; none if it cannot be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Why it cannot be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// Texts beyond this are cut.
const LONGEST: usize = 4_000;

/// The source of a raw row, by its `_file` and `_row`; `None` where it has none.
pub fn of_row(root: &Root, cells: &[(String, Option<String>)], evidence: &Evidence) -> Option<Original> {
    let cell = |name: &str| cells.iter().find(|(known, _)| known == name)?.1.clone();
    let (file, row) = (cell(FILE)?, cell(ROW)?.parse::<u64>().ok()?);
    let (text, missing) = match text_of(root, &file, row, evidence) {
        Ok(text) => (Some(spec::text::cut(&text, LONGEST)), None),
        Err(why) => (None, Some(why)),
    };
    Some(Original { file, row, text, missing })
}

fn text_of(root: &Root, file: &str, row: u64, evidence: &Evidence) -> Result<String, String> {
    if let Some((scheme, _)) = file.split_once("://").filter(|_| !Url::is_meant(file)) {
        let what = if scheme.starts_with("http") { "an address" } else { "a database" };
        return Err(format!("{what}, which is not queried again and may have changed since: see the raw row"));
    }
    if Url::is_meant(file) {
        return Err("it is not on this machine".to_owned());
    }
    if file.starts_with("generate:") {
        return Err("generated, so there is no file".to_owned());
    }
    let path = root.join(file);
    if !path.exists() {
        return Err(match evidence.inputs.iter().any(|input| input.path == file) {
            true => "the file no longer exists".to_owned(),
            false => "it is not a file".to_owned(),
        });
    }
    // Only an unchanged file shows what was read.
    match evidence.inputs.iter().find(|input| input.path == file) {
        Some(input) if !is_same(&path, &input.fingerprint) => {
            return Err("the file has changed since it was read".to_owned());
        }
        _ => {}
    }
    record(&path, row, &Form::of(evidence))
}

fn is_same(path: &Path, known: &Fingerprint) -> bool {
    match known {
        Fingerprint::Object { .. } | Fingerprint::Given(_) => true,
        known => fingerprint(path).is_ok_and(|now| now == *known),
    }
}

/// How the text of a source is written, by the definitions of its columns.
#[derive(Default)]
struct Form {
    encoding: Option<String>,
    quote: Option<u8>,
    /// Of a workbook: the name of the sheet, or its number from 1.
    sheet: Option<serde_json::Value>,
    /// Whether a query was asked, of a database in a file.
    is_database: bool,
}

impl Form {
    fn of(evidence: &Evidence) -> Form {
        let definitions = evidence.definitions.iter().flat_map(|definitions| &definitions.columns);
        let settings = definitions.flat_map(|column| column.readings.values());
        let settings = settings.filter_map(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        let mut form = Form { quote: Some(b'"'), ..Form::default() };
        for setting in settings {
            form.sheet = form.sheet.or_else(|| setting.get("sheet").cloned());
            form.is_database |= setting.get("query").is_some();
            form.encoding = form.encoding.or_else(|| Some(setting.get("encoding")?.as_str()?.to_owned()));
            if let Some(quote) = setting.get("quote").and_then(|quote| quote.as_str()) {
                form.quote = quote.bytes().next();
            }
        }
        form
    }
}

/// The record that begins in line `row` of a text; of a table or sheet its row of this number.
fn record(path: &Path, row: u64, form: &Form) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("it cannot be read: {error}");
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if form.is_database {
        return Err("a database, whose rows have no numbers: look there for the key of the raw row".to_owned());
    }
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "parquet" => return parquet(path, row),
        "xlsx" | "xlsm" | "xlsb" | "xls" | "ods" => return sheet(path, row, form),
        _ => {}
    }
    let file = File::open(path).map_err(failed)?;
    let (plain, reader): (&str, Box<dyn Read>) = if let Some(plain) = name.strip_suffix(".gz") {
        (plain, Box::new(flate2::read::MultiGzDecoder::new(file)))
    } else if let Some(plain) = name.strip_suffix(".zst") {
        (plain, Box::new(zstd::Decoder::new(file).map_err(failed)?))
    } else {
        (&name, Box::new(file))
    };
    let ending = plain.rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_quoted = matches!(ending, "csv" | "tsv" | "tab" | "txt");
    if !is_quoted && !matches!(ending, "jsonl" | "ndjson") {
        return Err("it is not a text of lines: see the raw row".to_owned());
    }
    if form.encoding.as_deref().is_some_and(|encoding| encoding.to_ascii_lowercase().starts_with("utf-16")) {
        return Err("its lines are not counted in UTF-16: see the raw row".to_owned());
    }
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    for _ in 1..row {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Err("it has fewer lines".to_owned());
        }
    }
    let mut record = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        record.extend_from_slice(&line);
        let quote = form.quote.filter(|_| is_quoted);
        let is_open = quote.is_some_and(|quote| record.iter().filter(|byte| **byte == quote).count() % 2 == 1);
        if !is_open || record.len() > LONGEST * 8 {
            break;
        }
    }
    if record.is_empty() {
        return Err("it has fewer lines".to_owned());
    }
    let encoding = form.encoding.as_deref().and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes()));
    let (text, _, _) = encoding.unwrap_or(encoding_rs::UTF_8).decode(&record);
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// The cells of a row of a Parquet file, counted from 1.
fn parquet(path: &Path, row: u64) -> Result<String, String> {
    let failed = |error: spec::Error| format!("it cannot be read: {}", error.message());
    let plan = artifact::scan_files(&[path]).map_err(failed)?.slice(row.saturating_sub(1) as i64, 1);
    let rows = artifact::collect(plan, "original").map_err(failed)?;
    if rows.height() == 0 {
        return Err("it has fewer rows".to_owned());
    }
    let cells = values::cells(&rows, 0).map_err(failed)?;
    let shown = cells.into_iter().map(|(name, cell)| format!("{name}={}", cell.unwrap_or_else(|| "empty".to_owned())));
    Ok(shown.collect::<Vec<String>>().join(", "))
}

/// The cells of a row of a sheet, counted from 1, separated by ` | `, with what the workbook holds: dates as dates.
fn sheet(path: &Path, row: u64, form: &Form) -> Result<String, String> {
    let failed = |_| "it cannot be read as a workbook".to_owned();
    let mut book = calamine::open_workbook_auto(path).map_err(failed)?;
    let names = book.sheet_names();
    let name = match &form.sheet {
        Some(serde_json::Value::String(name)) => Some(name.clone()),
        Some(number) => number.as_u64().and_then(|number| names.get(number as usize - 1).cloned()),
        None => names.first().cloned(),
    };
    let range = book.worksheet_range(&name.unwrap_or_default()).map_err(failed)?;
    let first = range.start().map_or(0, |(row, _)| u64::from(row));
    let cells = row.checked_sub(first + 1).and_then(|at| range.rows().nth(at as usize));
    let cells = cells.ok_or("it has fewer rows")?;
    let shown = |cell: &calamine::Data| match cell {
        calamine::Data::DateTime(moment) if !moment.is_duration() => {
            let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
            match moment.as_f64().fract() == 0.0 {
                true => format!("{year:04}-{month:02}-{day:02}"),
                false => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
            }
        }
        cell => cell.to_string(),
    };
    Ok(cells.iter().map(shown).collect::<Vec<String>>().join(" | "))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(name: &str, content: &[u8], row: u64, form: &Form) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        record(&path, row, form)
    }

    fn quoted() -> Form {
        Form { quote: Some(b'"'), ..Form::default() }
    }

    #[test]
    fn a_record_is_all_of_its_lines_and_no_more() {
        let text = b"id,text\r\n1,\"a \"\"b\"\"\nc\"\r\n2,d\r\n";
        assert_eq!(read("x.csv", text, 2, &quoted()).unwrap(), "1,\"a \"\"b\"\"\nc\"");
        assert_eq!(read("x.csv", text, 4, &quoted()).unwrap(), "2,d");
        assert_eq!(read("x.csv", text, 5, &quoted()).unwrap_err(), "it has fewer lines");
        assert_eq!(read("x.jsonl", b"{\"a\": \"\\\"\"}\n{}\n", 1, &quoted()).unwrap(), "{\"a\": \"\\\"\"}");
        assert!(read("x.xlsx", b"PK", 1, &quoted()).unwrap_err().starts_with("it cannot be read as a workbook"));
        assert!(read("x.json", b"[]", 1, &quoted()).unwrap_err().contains("not a text of lines"));
    }

    #[test]
    fn packed_texts_and_other_encodings_are_read() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"id\n1\n2\n").unwrap();
        assert_eq!(read("x.csv.gz", &packed.finish().unwrap(), 3, &quoted()).unwrap(), "2");
        let latin = Form { encoding: Some("windows-1252".to_owned()), ..quoted() };
        assert_eq!(read("x.csv", b"id\ncaf\xe9\n", 2, &latin).unwrap(), "caf\u{e9}");
    }
}
