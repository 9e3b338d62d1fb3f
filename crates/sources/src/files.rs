//! The `file` source for text formats: one file after the other, as one stream of records.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use spec::{Error, Result, did_you_mean};

use crate::absent::Absent;
use crate::csv::Csv;
use crate::cut::Cutter;
use crate::ending::{Doubts, Ending};
use crate::exploded::Exploded;
use crate::file_spec::{FileSpec, Format};
use crate::http::tree::Lists;
use crate::json::Json;
use crate::lines::{FixedWidth, Whitespace};
use crate::passed::{Emptiness, Passed};
use crate::places::Place;
use crate::reader::{ENCODING, TextReader, Wanted, feed_error};
use crate::table_spec::{RESERVED, reserved};
use crate::text::{Cell, TextBatch, TextSource};
use crate::xml;

/// Which columns to read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Columns {
    /// By `columns:`.
    Declared(Vec<Declared>),
    /// As the first file has them.
    Found(Vec<String>),
    Unknown,
}

impl Columns {
    /// Whether a column of this name is expected.
    fn name(&self, name: &str) -> bool {
        match self {
            Columns::Declared(columns) => columns.iter().any(|column| column.name == name),
            Columns::Found(names) => names.iter().any(|found| found == name),
            Columns::Unknown => false,
        }
    }
}

/// A column of `columns:`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Declared {
    /// As the source calls it.
    pub name: String,
    /// Whether `from` says so.
    pub is_from: bool,
    /// The source may lack it.
    pub optional: bool,
    /// Its type is one of floating-point numbers.
    pub is_float: bool,
}

pub(crate) struct Files {
    spec: FileSpec,
    format: Format,
    places: std::vec::IntoIter<Place>,
    columns: Columns,
    current: Option<Current>,
    emptiness: Emptiness,
    /// What the files that were read showed of declared columns, for formats that name values in every record.
    absent: Absent,
    /// The first file, and how many there are, for errors.
    whole: String,
    rows_in: Arc<AtomicU64>,
    /// Where the lists of `explode` were found, and where doubts about them go.
    lists: Lists,
    doubts: Doubts,
    /// Columns of the first file that are not read.
    left_out: Vec<String>,
    /// Batches that were read before any record had a key, to be passed on later.
    early: VecDeque<TextBatch>,
}

struct Current {
    reader: TextReader,
    wanted: Wanted,
    counted: u64,
}

impl Files {
    /// `places` must not be empty.
    pub(crate) fn new(spec: FileSpec, places: Vec<Place>, columns: Columns, ending: &Ending) -> Result<Files> {
        let format = same_format(&spec, &places)?;
        if let (Some(_), true) = (spec.separator, format != Format::Csv) {
            return Err(Error::cannot_run(format!(
                "{}: 'separator' is for csv, not for {}",
                places[0].shown(),
                format.name()
            ))
            .hint("add 'format: csv'"));
        }
        let whole = match places.as_slice() {
            [one] => one.shown().to_owned(),
            many => format!("{} and {} more", many[0].shown(), many.len() - 1),
        };
        let emptiness = Emptiness::new(spec.empty_files, places.len());
        let (places, absent) = (places.into_iter(), Absent::default());
        let (left_out, early) = (Vec::new(), VecDeque::new());
        let (rows_in, doubts) = (ending.rows_in.clone(), ending.doubts.clone());
        Ok(Files {
            spec,
            format,
            places,
            columns,
            current: None,
            emptiness,
            absent,
            whole,
            rows_in,
            lists: Lists::default(),
            doubts,
            left_out,
            early,
        })
    }

    pub(crate) fn passed(&self) -> Passed {
        self.emptiness.passed()
    }

    /// The columns' names and first records.
    pub(crate) fn first(&mut self) -> Result<(Vec<String>, TextBatch)> {
        let mut batch = self.next_batch()?.ok_or_else(|| Error::cannot_run("there is nothing to read"))?;
        if let (true, Some(broken)) = (batch.lines.is_empty(), batch.broken.first()) {
            let which = match batch.broken.len() {
                1 => "its only record cannot be read".to_owned(),
                count => format!("none of its first {count} records can be read"),
            };
            let why = broken.why.strip_suffix(ENCODING).unwrap_or(&broken.why);
            let error = Error::cannot_run(format!("{}: {which}: {why}", batch.file));
            return Err(error.hint(match broken.why.contains("is not UTF-8") {
                true => "name the file's encoding, such as 'encoding: cp949' or 'encoding: latin-1'",
                false if matches!(self.format, Format::Json | Format::JsonLines) => {
                    "check 'format': each record is an object"
                }
                false => "check 'format', 'header', 'separator' and the number of 'columns'",
            }));
        }
        let mut without_keys = Vec::new();
        while self.is_without_keys() {
            // Records such as `{}` say nothing about the columns, and neither does a file of them.
            let Some(next) = self.next_batch()? else { break };
            without_keys.push(std::mem::replace(&mut batch, next));
        }
        let keyed = self.current.as_mut().map(|current| {
            let cutter = current.reader.cutter();
            cutter.settle();
            cutter.keys().unwrap_or_default().to_vec()
        });
        if let (Columns::Unknown, Some(keyed)) = (&self.columns, &keyed) {
            self.columns = Columns::Found(keyed.clone());
        }
        let names = match &self.columns {
            Columns::Found(names) if keyed.as_ref().is_none_or(Vec::is_empty) => names.clone(),
            _ => keyed.unwrap_or_default(),
        };
        for mut early in without_keys {
            early.columns = vec![vec![Cell::NULL; early.lines.len()]; names.len()];
            self.early.push_back(early);
        }
        if let Some(first) = self.early.pop_front() {
            self.early.push_back(std::mem::replace(&mut batch, first));
        }
        Ok((names, batch))
    }

    /// The file that was read first, and its columns that are not read.
    pub(crate) fn left_out(&mut self) -> (&str, Vec<String>) {
        let keyed = self.current.as_mut().map(|current| current.reader.cutter().left_out().to_vec());
        (&self.whole, std::mem::take(&mut self.left_out).into_iter().chain(keyed.unwrap_or_default()).collect())
    }

    /// Whether records name their values, but none has so far.
    fn is_without_keys(&mut self) -> bool {
        let keys = self.current.as_mut().and_then(|current| current.reader.cutter().keys());
        self.columns == Columns::Unknown && keys.is_some_and(<[String]>::is_empty)
    }

    fn cutter(&self) -> Box<dyn Cutter> {
        let quote = self.spec.quote.0;
        let escape = self.spec.escape.map(|escape| escape.0);
        match self.format {
            Format::Tsv => Box::new(Csv::new(b'\t', quote).escaped_by(escape)),
            Format::Whitespace => Box::new(Whitespace),
            Format::FixedWidth => Box::new(FixedWidth::new(&self.spec.widths)),
            Format::Json | Format::JsonLines | Format::Xml => {
                let (declared, settled) = match &self.columns {
                    Columns::Declared(columns) => {
                        (Some(columns.iter().map(|column| column.name.clone()).collect()), false)
                    }
                    Columns::Found(names) => (Some(names.clone()), true),
                    Columns::Unknown => (None, false),
                };
                // Records that are taken apart come as lines.
                let json = Json::new(self.format == Format::Json && self.spec.explode.0.is_empty(), declared);
                let json = if self.format == Format::Xml { json.untyped() } else { json };
                Box::new(if settled { json.refusing_unknown() } else { json })
            }
            Format::Csv | Format::Parquet | Format::Excel => {
                Box::new(Csv::new(self.spec.separator.map_or(b',', |s| s.0), quote).escaped_by(escape))
            }
        }
    }

    /// Nothing for a file without rows.
    fn begin(&mut self, place: &Place) -> Result<Option<Current>> {
        let mut feed = place.open(&self.spec)?;
        let mut encoding = self.spec.encoding.map(|encoding| encoding.0);
        let mut lacking = None;
        if let (Format::Xml, Some(records)) = (self.format, &self.spec.records) {
            let records = xml::Records::new(feed, encoding, records, &self.spec.explode, &self.lists);
            let records = records.map_err(|error| feed_error(place.shown(), 1, &error))?;
            lacking = Some(records.lacking());
            feed = Box::new(records);
            encoding = None;
        }
        let is_json = matches!(self.format, Format::Json | Format::JsonLines);
        if is_json && !self.spec.explode.0.is_empty() {
            let exploded = Exploded::new(feed, encoding, self.format == Format::Json, &self.spec.explode, &self.lists);
            feed = Box::new(exploded.map_err(|error| feed_error(place.shown(), 1, &error))?);
            encoding = None;
        }
        let Some(mut reader) = TextReader::new(feed, encoding, self.cutter(), place.shown())? else {
            if let Place::Program(program) = place {
                return Err(Error::cannot_run(format!("{}: the program printed nothing", program.shown))
                    .hint("run it by hand, and see what it prints"));
            }
            if let Some(lacking) =
                lacking.and_then(|lacking| lacking.lock().unwrap_or_else(PoisonError::into_inner).take())
            {
                return self.emptiness.lacks(place.shown(), lacking).map(|()| None);
            }
            let what = if place.shown() == "-" { "standard input is empty" } else { "the file is empty" };
            return self.emptiness.none(place.shown(), what).map(|()| None);
        };
        if let (None, Some(encoding)) = (encoding, self.spec.encoding) {
            reader.was_decoded_from(encoding.0);
        }
        if let Place::Program(_) = place {
            reader.refuse_cut_short();
        }
        reader.skip_lines(self.spec.skip_lines)?;
        let wanted = match self.format {
            Format::Json | Format::JsonLines | Format::Xml => Some(Wanted::Keyed),
            _ if self.spec.header.unwrap_or(matches!(self.format, Format::Csv | Format::Tsv)) => {
                self.by_name(&mut reader)?
            }
            _ => self.by_place(&mut reader)?,
        };
        Ok(wanted.map(|wanted| Current { reader, wanted, counted: 0 }))
    }

    fn by_name(&mut self, reader: &mut TextReader) -> Result<Option<Wanted>> {
        let at = format!("{}:{}", reader.shown(), reader.line());
        let Some(header) = reader.first_record(true)? else {
            return self.emptiness.none(reader.shown(), "there is no header").map(|()| None);
        };
        if header.len() == 1 {
            reader.take_empty_lines();
        }
        // Whatever the header says, a file without rows says nothing of the columns.
        let Some(row) = reader.first_record(false)? else {
            return self.emptiness.none(reader.shown(), "there is a header, but no rows").map(|()| None);
        };
        let header = named(header, &at)?;
        if let ([name], [cell]) = (header.as_slice(), row.as_slice())
            && let Some(separator) = other_separator(name, cell)
            && !self.columns.name(name)
        {
            return Err(Error::cannot_run(format!("{at}: the whole header is one column, '{}'", name.escape_debug()))
                .hint(format!(
                    "set 'separator: \"{}\"', or if it is one column, declare it",
                    separator.escape_debug()
                )));
        }
        if self.columns == Columns::Unknown {
            self.left_out = reserved(header.iter().map(String::as_str));
        }
        let of_columns = match_header(&mut self.columns, &header, &at)?;
        Ok(Some(Wanted::Fields { width: header.len(), of_columns }))
    }

    fn by_place(&mut self, reader: &mut TextReader) -> Result<Option<Wanted>> {
        let shown = reader.shown().to_owned();
        let Some(first) = reader.first_record(false)? else {
            return self.emptiness.none(&shown, "there are no rows").map(|()| None);
        };
        // With fixed widths there are as many fields as widths, whatever the first line holds.
        let widths = self.spec.widths.len();
        let width = without_header(&mut self.columns, &shown, if widths > 0 { widths } else { first.len() })?;
        if widths > 0 && widths != width {
            return Err(Error::cannot_run(format!("{}: {widths} 'widths' for {width} columns", reader.shown()))
                .hint("give each column its width"));
        }
        if width == 1 {
            reader.take_empty_lines();
        }
        Ok(Some(Wanted::Fields { width, of_columns: (0..width).map(Some).collect() }))
    }
}

impl TextSource for Files {
    fn next_batch(&mut self) -> Result<Option<TextBatch>> {
        if let Some(early) = self.early.pop_front() {
            return Ok(Some(early));
        }
        loop {
            if self.current.is_none() {
                let Some(place) = self.places.next() else {
                    self.emptiness.end()?;
                    if let Columns::Declared(columns) = &self.columns {
                        let columns = columns.iter().map(|column| (column.name.as_str(), column.optional));
                        self.absent.judge(columns, &self.whole)?;
                    }
                    self.lists.judge(&self.spec.explode, &self.whole, &self.doubts);
                    return Ok(None);
                };
                self.current = self.begin(&place)?;
            }
            let Some(current) = &mut self.current else { continue };
            let batch = current.reader.next_batch(&current.wanted)?;
            let records = current.reader.records();
            self.rows_in.fetch_add(records - current.counted, Ordering::Relaxed);
            current.counted = records;
            if batch.is_some() {
                self.emptiness.rows();
                return Ok(batch);
            }
            if let Some(absent) = current.reader.cutter().absent() {
                self.absent.add(absent);
            }
            if records == 0 {
                let shown = current.reader.shown().to_owned();
                self.emptiness.none(&shown, "there are no rows")?;
            }
            self.current = None;
        }
    }

    fn take_back(&mut self, spent: TextBatch) {
        if let Some(current) = &mut self.current {
            current.reader.take_back(spent);
        }
    }
}

/// What seems to separate the cells of a file whose header and first row are one cell each: a character that occurs
/// equally often in both.
fn other_separator(header: &str, cell: &str) -> Option<char> {
    let count = |text: &str, separator: char| text.matches(separator).count();
    [';', '\t', '|', ',']
        .into_iter()
        .find(|sign| count(header, *sign) > 0 && count(header, *sign) == count(cell, *sign))
}

/// For each column its place in `header`; the columns become those found, if they are unknown yet.
pub(crate) fn match_header(columns: &mut Columns, header: &[String], at: &str) -> Result<Vec<Option<usize>>> {
    let find = |name: &str| header.iter().position(|column| column == name);
    match columns {
        Columns::Declared(columns) => columns
            .iter()
            .map(|Declared { name, optional, .. }| match find(name) {
                None if !optional => Err(Error::cannot_run(format!("{at}: no column '{name}' in the header"))
                    .hint(did_you_mean(name, header.iter().map(String::as_str)))),
                found => Ok(found),
            })
            .collect(),
        Columns::Found(names) => {
            if let Some(new) = header.iter().find(|c| !names.contains(c) && !RESERVED.contains(&c.as_str())) {
                return Err(Error::cannot_run(format!("{at}: the first file has no column '{new}'"))
                    .hint("name the columns to read under 'columns'"));
            }
            names
                .iter()
                .map(|name| {
                    find(name).map(Some).ok_or_else(|| {
                        Error::cannot_run(format!("{at}: no column '{name}', which the first file has"))
                            .hint("name the columns to read under 'columns', those that not every file has as 'optional: true'")
                    })
                })
                .collect()
        }
        Columns::Unknown => {
            let kept = header.iter().enumerate().filter(|(_, name)| !RESERVED.contains(&name.as_str()));
            let (of_columns, names) = kept.map(|(i, name)| (Some(i), name.clone())).unzip();
            *columns = Columns::Found(names);
            Ok(of_columns)
        }
    }
}

/// How many columns a file without a header must have; it has `width`.
pub(crate) fn without_header(columns: &mut Columns, shown: &str, width: usize) -> Result<usize> {
    match columns {
        Columns::Declared(columns) => {
            if let Some(Declared { name, .. }) = columns.iter().find(|column| column.is_from) {
                return Err(Error::cannot_run(format!("{shown}: 'from: {name}', but there is no header"))
                    .hint("without a header the columns stand for the fields from left to right"));
            }
            Ok(columns.len())
        }
        Columns::Found(names) => Ok(names.len()),
        Columns::Unknown => {
            *columns = Columns::Found((1..=width).map(|i| format!("column_{i}")).collect());
            Ok(width)
        }
    }
}

/// The names of a header: trimmed, an empty one after its place, no two alike.
pub(crate) fn named(header: Vec<String>, at: &str) -> Result<Vec<String>> {
    let names = header.iter().enumerate().map(|(i, name)| match name.trim() {
        "" => format!("column_{}", i + 1),
        name => name.to_owned(),
    });
    let names: Vec<String> = names.collect();
    for (i, name) in names.iter().enumerate() {
        if let Some(earlier) = names[..i].iter().position(|other| other == name) {
            return Err(Error::cannot_run(format!(
                "{at}: columns {} and {} are both named '{name}'",
                earlier + 1,
                i + 1
            ))
            .hint("write 'header: false', 'skip_lines: 1' and give all columns names under 'columns'"));
        }
    }
    Ok(names)
}

/// The format of all places.
pub(crate) fn same_format(spec: &FileSpec, places: &[Place]) -> Result<Format> {
    // An archive without files has no format.
    let with_files: Vec<&Place> = places.iter().filter(|place| !place.is_empty_archive()).collect();
    let Some(first_place) = with_files.first() else {
        return Err(
            Error::cannot_run(format!("{}: the archive holds no file", places[0].shown())).hint("fetch it again")
        );
    };
    let first = first_place.format(spec)?;
    for place in with_files.iter() {
        let format = place.format(spec)?;
        if format != first {
            return Err(Error::cannot_run(format!(
                "{} is {}, but {} is {}",
                first_place.shown(),
                first.name(),
                place.shown(),
                format.name()
            ))
            .hint("make a table of each, or name one 'format' for all"));
        }
    }
    Ok(first)
}
