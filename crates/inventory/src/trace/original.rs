//! What the source of a raw row says, letter by letter, if it still is what was read.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use artifact::{Evidence, FILE, Fingerprint, ROW, fingerprint};
use serde::Serialize;
use spec::{Root, Url};

/// The source of a raw row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Original {
    /// As `_file` has it.
    pub file: String,
    /// The line of a text, the row of anything else, from 1.
    pub row: u64,
    /// The record as it stands there; none if it cannot be shown.
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
    if Url::is_meant(file) || file.contains("://") {
        return Err("it is not on this machine".to_owned());
    }
    if file.starts_with("generate:") {
        return Err("generated, so there is no file".to_owned());
    }
    let path = root.join(file);
    if !path.exists() {
        return Err(match evidence.inputs.iter().any(|input| input.path == file) {
            true => "the file is not there any more".to_owned(),
            false => "it is not a file".to_owned(),
        });
    }
    // Only a file that is what was read says what was read.
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
}

impl Form {
    fn of(evidence: &Evidence) -> Form {
        let definitions = evidence.definitions.iter().flat_map(|definitions| &definitions.columns);
        let settings = definitions.flat_map(|column| column.readings.values());
        let settings = settings.filter_map(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        let mut form = Form { encoding: None, quote: Some(b'"') };
        for setting in settings {
            form.encoding = form.encoding.or_else(|| Some(setting.get("encoding")?.as_str()?.to_owned()));
            if let Some(quote) = setting.get("quote").and_then(|quote| quote.as_str()) {
                form.quote = quote.bytes().next();
            }
        }
        form
    }
}

/// The record that begins in line `row` of a text.
fn record(path: &Path, row: u64, form: &Form) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("it cannot be read: {error}");
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
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
        Form { encoding: None, quote: Some(b'"') }
    }

    #[test]
    fn a_record_is_all_of_its_lines_and_no_more() {
        let text = b"id,text\r\n1,\"a \"\"b\"\"\nc\"\r\n2,d\r\n";
        assert_eq!(read("x.csv", text, 2, &quoted()).unwrap(), "1,\"a \"\"b\"\"\nc\"");
        assert_eq!(read("x.csv", text, 4, &quoted()).unwrap(), "2,d");
        assert_eq!(read("x.csv", text, 5, &quoted()).unwrap_err(), "it has fewer lines");
        assert_eq!(read("x.jsonl", b"{\"a\": \"\\\"\"}\n{}\n", 1, &quoted()).unwrap(), "{\"a\": \"\\\"\"}");
        assert!(read("x.xlsx", b"PK", 1, &quoted()).unwrap_err().contains("not a text of lines"));
    }

    #[test]
    fn packed_texts_and_other_encodings_are_read() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"id\n1\n2\n").unwrap();
        assert_eq!(read("x.csv.gz", &packed.finish().unwrap(), 3, &quoted()).unwrap(), "2");
        let latin = Form { encoding: Some("windows-1252".to_owned()), quote: Some(b'"') };
        assert_eq!(read("x.csv", b"id\ncaf\xe9\n", 2, &latin).unwrap(), "caf\u{e9}");
    }
}
