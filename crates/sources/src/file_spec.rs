//! The `file` source as YAML writes it, and as it is checked.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use spec::did_you_mean;

use crate::http::tree::Explode;
use crate::numerals::{Mark, Numerals};
use crate::passed::EmptyFiles;

/// A file, several files, or standard input.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct FileSpec {
    pub(crate) path: Paths,
    pub(crate) format: Option<Format>,
    pub(crate) separator: Option<Character>,
    pub(crate) quote: Quote,
    pub(crate) header: Option<bool>,
    pub(crate) encoding: Option<Encoding>,
    pub(crate) compression: Option<Compression>,
    pub(crate) widths: Vec<u32>,
    pub(crate) skip_lines: u64,
    /// As written; by default the empty text.
    pub(crate) null_values: Option<Vec<String>>,
    pub(crate) sheet: Option<Sheet>,
    pub(crate) empty_files: EmptyFiles,
    pub(crate) escape: Option<Character>,
    pub(crate) numerals: Numerals,
    pub(crate) fill_down: Vec<String>,
    pub(crate) folders: Vec<String>,
    pub(crate) records: Option<String>,
    pub(crate) explode: Explode,
    pub(crate) member: Option<String>,
}

/// A file, several files, or standard input.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "File")]
struct Written {
    /// One path or a list, relative to the project root. `*`, `?`, `[…]` and `**` match files; `-` is
    /// standard input. Objects in a store are named `s3://bucket/key`, `gs://…`, `az://…` or `file:///…`, and are matched
    /// alike.
    path: Paths,
    /// How the file is laid out. By default its extension says (after `.gz` or `.zst`): `.csv`, `.tsv`,
    /// `.json`, `.jsonl`, `.ndjson`, `.parquet`, `.xlsx`, `.xls`, `.xlsb`, `.ods`, `.xml`; standard input is `csv`. In an archive
    /// `.zip` the names of its files say it.
    #[serde(default)]
    format: Option<Format>,
    /// The character between the fields of a `csv`. Default `,`.
    #[serde(default)]
    separator: Option<Character>,
    /// The character around fields of a `csv` or `tsv` that hold separators, line ends or, doubled, itself;
    /// `null` if there is none. Default `"`.
    #[serde(default)]
    quote: Quote,
    /// Whether the first line names the columns. Default `true` for `csv`, `tsv` and `excel`, `false` for `whitespace`
    /// and `fixed_width`.
    #[serde(default)]
    header: Option<bool>,
    /// The encoding by name: `utf-8`, `cp949`, `euc-kr`, `latin-1`, `shift_jis`, `utf-16le` and so on. A byte
    /// order mark in the file wins. Default `utf-8`.
    #[serde(default)]
    encoding: Option<Encoding>,
    /// How the file is compressed. By default its extension says: `.gz` or `.zst`.
    #[serde(default)]
    compression: Option<Compression>,
    /// The widths of the fields of a `fixed_width` file, in characters.
    #[serde(default)]
    widths: Vec<u32>,
    /// Lines to skip before the header or the first row. Default 0.
    #[serde(default)]
    skip_lines: u64,
    /// Texts that stand for a missing value, in every column. Default `[""]`.
    #[serde(default)]
    #[schemars(with = "Vec<String>", extend("default" = [""]))]
    null_values: Option<Vec<String>>,
    /// The sheet of an `excel` workbook, by name or by number from 1. Default: the first.
    #[serde(default)]
    sheet: Option<Sheet>,
    /// What to do with a file without rows among others: `pass_over` it with a warning (the default), or end with an
    /// `error`. If no file has rows, that is an error in any case.
    #[serde(default)]
    empty_files: EmptyFiles,
    /// The character of a `csv` or `tsv` after which the next one is literal, such as `\`; a field of nothing but
    /// `\N` is missing then. A letter or digit after it refuses the row, but with `quote: null` `\n`, `\r`, `\t`, `\b`, `\f`,
    /// `\v` and `\0` are control characters. By default there is none, and a quote within quotes is doubled.
    #[serde(default)]
    escape: Option<Character>,
    /// The character before the fraction of a number in text formats. Default `.`.
    #[serde(default)]
    decimal: Option<Mark>,
    /// The character between thousands in text formats, such as `.` in `1.234,50`; a space includes no-break spaces.
    /// By default nothing does.
    #[serde(default)]
    thousands: Option<Mark>,
    /// Columns of the table whose empty cells take the value above, within each file: for sheets that write a value once
    /// for a group of rows, or merge its cells.
    #[serde(default)]
    fill_down: Vec<String>,
    /// Columns whose values stand in the names of folders, as `region` in `sales/region=north/2024.parquet`. They are text,
    /// and come after the columns of the files. By default the names of folders say nothing.
    #[serde(default)]
    folders: Vec<String>,
    /// The elements of an `xml` file that are rows: a dotted path that begins with the root element, such as
    /// `catalog.product`.
    #[serde(default)]
    records: Option<String>,
    /// Lists within a record of an `xml` file, and columns of lists in `parquet`, each element of which makes a row of its own;
    /// a list of paths for lists within lists. A record whose list is empty or absent makes one row.
    #[serde(default)]
    explode: Explode,
    /// The files to read of a `.zip` archive, with `*`, `?` and `[…]`. Default: its only file.
    #[serde(default)]
    member: Option<String>,
}

impl TryFrom<Written> for FileSpec {
    type Error = String;
    fn try_from(written: Written) -> Result<FileSpec, String> {
        let Written {
            path,
            format,
            separator,
            quote,
            header,
            encoding,
            compression,
            widths,
            skip_lines,
            null_values,
            sheet,
            empty_files,
            escape,
            decimal,
            thousands,
            fill_down,
            folders,
            records,
            explode,
            member,
        } = written;
        if let Some(records) = &records
            && records.split('.').any(str::is_empty)
        {
            return Err(format!("'{records}' under 'records' is not a dotted path such as catalog.product"));
        }
        if let Some((_, twice)) = folders.iter().enumerate().find(|(at, name)| folders[..*at].contains(name)) {
            return Err(format!("'folders' names '{twice}' twice"));
        }
        if let (Some(_), Some(format)) = (separator, format.filter(|format| *format != Format::Csv)) {
            return Err(format!("'separator' is for the format csv, not for {}", format.name()));
        }
        if escape.is_some_and(|escape| escape.0 == separator.map_or(b',', |separator| separator.0)) {
            return Err("'separator' and 'escape' are the same character".to_owned());
        }
        if let (Some(_), Some(format)) = (&sheet, format.filter(|format| *format != Format::Excel)) {
            return Err(format!("'sheet' is for the format excel, not for {}", format.name()));
        }
        if sheet == Some(Sheet::Number(0)) {
            return Err("'sheet' counts from 1".to_owned());
        }
        match (format, widths.as_slice()) {
            (Some(Format::FixedWidth), []) => {
                return Err("the format fixed_width needs 'widths', such as [6, 9, 3]".to_owned());
            }
            (Some(Format::FixedWidth), widths) if widths.contains(&0) => {
                return Err("a width of 0 holds no field; widths count characters from 1".to_owned());
            }
            (Some(Format::FixedWidth), _) | (_, []) => {}
            _ => return Err("'widths' is for the format fixed_width; add 'format: fixed_width'".to_owned()),
        }
        let separating = separator.map_or(b',', |separator| separator.0);
        if quote.0 == Some(separating) {
            return Err("'separator' and 'quote' are the same character".to_owned());
        }
        if let (Some(_), Some(format)) = (header, format.filter(|format| !format.may_have_header())) {
            return Err(format!("'header' is for text in lines and for sheets, not for {}", format.name()));
        }
        Ok(FileSpec {
            path,
            format,
            separator,
            quote,
            header,
            encoding,
            compression,
            widths,
            skip_lines,
            null_values,
            sheet,
            empty_files,
            escape,
            numerals: Numerals::new(decimal, thousands)?,
            fill_down,
            folders,
            records,
            explode,
            member,
        })
    }
}

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Fields between separators, quoted where needed (RFC 4180).
    Csv,
    /// Fields between tabs.
    Tsv,
    /// Fields between runs of spaces and tabs; those at the start of a line do not count.
    Whitespace,
    /// Fields of fixed widths, trimmed. A line that ends early lacks the fields that it does not reach.
    FixedWidth,
    /// One array of objects.
    Json,
    /// One object per line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
    /// A sheet of a workbook: `.xlsx`, `.xls`, `.xlsb` or `.ods`.
    Excel,
    /// Elements of an XML file, named under `records`.
    Xml,
}

impl FileSpec {
    /// One file, with the defaults of all keys.
    pub(crate) fn at(path: String) -> FileSpec {
        FileSpec {
            path: Paths(vec![path]),
            format: None,
            separator: None,
            quote: Quote::default(),
            header: None,
            encoding: None,
            compression: None,
            widths: Vec::new(),
            skip_lines: 0,
            null_values: None,
            sheet: None,
            empty_files: EmptyFiles::default(),
            escape: None,
            numerals: Numerals::default(),
            fill_down: Vec::new(),
            folders: Vec::new(),
            records: None,
            explode: Explode::default(),
            member: None,
        }
    }

    /// Fails if a key was written that this format does not know.
    pub(crate) fn check_keys(&self, format: Format) -> spec::Result<()> {
        let wrong = |key: &str, formats: &str| {
            Err(spec::Error::cannot_run(format!("'{key}' is for {formats}, not for {}", format.name()))
                .hint(format!("leave '{key}' out, or correct 'format'")))
        };
        let is_lines = format.is_text();
        let is_json = matches!(format, Format::Json | Format::JsonLines);
        match format {
            _ if self.header.is_some() && !format.may_have_header() => wrong("header", "text in lines and sheets"),
            _ if self.quote != Quote::default() && !matches!(format, Format::Csv | Format::Tsv) => {
                wrong("quote", "csv and tsv")
            }
            _ if self.separator.is_some() && matches!(format, Format::Parquet | Format::Excel) => {
                wrong("separator", "csv")
            }
            Format::Xml if self.records.is_none() => {
                Err(spec::Error::cannot_run("the format xml needs 'records', the elements that are rows")
                    .hint("write a dotted path from the root element on, such as 'records: catalog.product'"))
            }
            _ if self.records.is_some() && format != Format::Xml => wrong("records", "xml"),
            _ if !self.explode.0.is_empty() && !is_json && !matches!(format, Format::Xml | Format::Parquet) => {
                wrong("explode", "json, json_lines, xml and parquet")
            }
            _ if self.skip_lines > 0 && (format == Format::Xml || (is_json && !self.explode.0.is_empty())) => {
                wrong("skip_lines", "text and sheets without 'explode'")
            }
            _ if self.separator.is_some() && format == Format::Xml => wrong("separator", "csv"),
            _ if self.encoding.is_some() && !is_lines && !is_json && format != Format::Xml => wrong("encoding", "text"),
            _ if self.skip_lines > 0 && format == Format::Parquet => wrong("skip_lines", "text and sheets"),
            _ if self.compression.is_some() && format == Format::Parquet => {
                wrong("compression", "text and sheets, for Parquet is compressed within")
            }
            _ if self.escape.is_some() && !matches!(format, Format::Csv | Format::Tsv) => {
                wrong("escape", "csv and tsv")
            }
            _ if !self.numerals.are_plain() && !format.is_text() => {
                wrong("decimal' and 'thousands", "csv, tsv, whitespace and fixed_width")
            }
            _ if !self.fill_down.is_empty() && !format.is_text() && format != Format::Excel => {
                wrong("fill_down", "text in fields and sheets")
            }
            _ => Ok(()),
        }
    }
}

impl Format {
    const ALL: [Format; 9] = [
        Format::Csv,
        Format::Tsv,
        Format::Whitespace,
        Format::FixedWidth,
        Format::Json,
        Format::JsonLines,
        Format::Parquet,
        Format::Excel,
        Format::Xml,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Whitespace => "whitespace",
            Format::FixedWidth => "fixed_width",
            Format::Json => "json",
            Format::JsonLines => "json_lines",
            Format::Parquet => "parquet",
            Format::Excel => "excel",
            Format::Xml => "xml",
        }
    }

    /// The format by the extension, if it has one.
    pub(crate) fn of_extension(extension: &str) -> Option<Format> {
        Some(match extension {
            "csv" => Format::Csv,
            "tsv" | "tab" => Format::Tsv,
            "json" => Format::Json,
            "jsonl" | "ndjson" | "json_lines" => Format::JsonLines,
            "parquet" => Format::Parquet,
            "xml" => Format::Xml,
            "xlsx" | "xls" | "xlsb" | "ods" => Format::Excel,
            _ => return None,
        })
    }

    pub(crate) fn names() -> String {
        Format::ALL.map(Format::name).join(", ")
    }

    /// Whether the bytes of a file are text in fields.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Format::Csv | Format::Tsv | Format::Whitespace | Format::FixedWidth)
    }

    fn may_have_header(self) -> bool {
        matches!(self, Format::Csv | Format::Tsv | Format::Whitespace | Format::FixedWidth | Format::Excel)
    }
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// A sheet of a workbook.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "'sheet' is neither the name of a sheet nor its number from 1")]
pub(crate) enum Sheet {
    /// From 1.
    Number(usize),
    Name(String),
}

/// One path or a list of them.
#[derive(Clone, Debug)]
pub(crate) struct Paths(pub Vec<String>);

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Paths, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Paths;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path or a list of paths")
            }
            fn visit_str<E: de::Error>(self, path: &str) -> Result<Paths, E> {
                checked(vec![path.to_owned()])
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Paths, A::Error> {
                checked(Vec::deserialize(SeqAccessDeserializer::new(seq))?)
            }
        }
        fn checked<E: de::Error>(paths: Vec<String>) -> Result<Paths, E> {
            match paths.is_empty() || paths.iter().any(String::is_empty) {
                true => Err(E::custom("a path is empty")),
                false => Ok(Paths(paths)),
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl JsonSchema for Paths {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Paths".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }]
        })
    }
}

/// One ASCII character that can separate or quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Character(pub u8);

fn character(text: &str) -> Result<Character, String> {
    match text.as_bytes() {
        [one] if one.is_ascii() && !matches!(one, b'\n' | b'\r' | 0) => Ok(Character(*one)),
        _ if text.eq_ignore_ascii_case("tab") => {
            Err(format!("'{text}' is not one ASCII character; write a tab as \"\\t\""))
        }
        _ => Err(format!("'{text}' is not one ASCII character")),
    }
}

impl<'de> Deserialize<'de> for Character {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Character, D::Error> {
        spec::read_text(deserializer, "one ASCII character", character)
    }
}

impl JsonSchema for Character {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Character".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": 1 })
    }
}

/// The quoting character, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quote(pub Option<u8>);

impl Default for Quote {
    fn default() -> Quote {
        Quote(Some(b'"'))
    }
}

impl<'de> Deserialize<'de> for Quote {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Quote, D::Error> {
        Ok(Quote(Option::<Character>::deserialize(deserializer)?.map(|quote| quote.0)))
    }
}

impl JsonSchema for Quote {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quote".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "null"], "minLength": 1, "maxLength": 1 })
    }
}

/// An encoding by a WHATWG label or one of its common other names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoding(pub &'static encoding_rs::Encoding);

const SUGGESTED: [&str; 12] = [
    "utf-8",
    "utf-16le",
    "utf-16be",
    "cp949",
    "euc-kr",
    "latin-1",
    "windows-1252",
    "shift_jis",
    "euc-jp",
    "gbk",
    "big5",
    "koi8-r",
];

impl Encoding {
    pub(crate) fn named(name: &str) -> Option<Encoding> {
        let name = name.trim().to_ascii_lowercase();
        let other = match name.as_str() {
            "cp949" | "ms949" | "uhc" | "euckr" => Some("euc-kr".to_owned()),
            "cp932" | "ms932" | "shiftjis" => Some("shift_jis".to_owned()),
            "cp936" | "ms936" => Some("gbk".to_owned()),
            "cp950" | "ms950" => Some("big5".to_owned()),
            "eucjp" => Some("euc-jp".to_owned()),
            "utf16" | "utf_16" => Some("utf-16".to_owned()),
            "utf8-sig" | "utf-8-sig" | "utf_8" => Some("utf-8".to_owned()),
            _ => match name.strip_prefix("latin-").or(name.strip_prefix("latin_")) {
                Some(number) => Some(format!("latin{number}")),
                None => name.strip_prefix("cp125").map(|last| format!("windows-125{last}")),
            },
        };
        encoding_rs::Encoding::for_label(other.unwrap_or(name).as_bytes()).map(Encoding)
    }
}

impl<'de> Deserialize<'de> for Encoding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Encoding, D::Error> {
        spec::read_text(deserializer, "the name of an encoding", |name| {
            Encoding::named(name).ok_or_else(|| format!("unknown encoding '{name}'; {}", did_you_mean(name, SUGGESTED)))
        })
    }
}

impl JsonSchema for Encoding {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Encoding".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": SUGGESTED })
    }
}
