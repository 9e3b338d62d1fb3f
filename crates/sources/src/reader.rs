//! Reads one text file batch by batch with flat memory, whatever its format.

use std::io::{self, Read};
use std::sync::Arc;

use encoding_rs::{Encoding, UTF_8};
use spec::{Error, Result, ResultExt};

use crate::cut::{Cut, Cutter, Fields, count_lines, line_end};
use crate::decode::{MARK, decoded};
use crate::infer::INFER_ROWS;
use crate::places::{is_of_program, not_text};
use crate::text::{Broken, Cell, TextBatch, readable};

/// Records per batch.
pub(crate) const BATCH_ROWS: usize = 1 << 17;
/// Bytes of text per batch; a batch ends with the record that passes it.
pub(crate) const BATCH_BYTES: usize = 16 << 20;
const CHUNK: usize = 1 << 20;
/// Bytes at the beginning that may show that a file is no text: those of a tar archive begin at 257.
const HEAD: usize = 262;
/// A longer record is a mistake, such as a quote that never closes.
const RECORD_BYTES: usize = 64 << 20;

/// The way out for text that is not UTF-8.
pub(crate) const ENCODING: &str = " (name the file's encoding, such as 'encoding: latin-1' or 'encoding: cp949')";

/// Which fields of a record go into which columns.
pub(crate) enum Wanted {
    /// Records have this many fields; a column takes the field at its index.
    /// A column that the file lacks has none.
    Fields { width: usize, of_columns: Vec<Option<usize>> },
    /// The cutter names and orders the cells itself.
    Keyed,
}

pub(crate) struct TextReader {
    feed: Box<dyn Read + Send>,
    encoding: &'static Encoding,
    cutter: Box<dyn Cutter>,
    shown: Arc<str>,
    bytes: Vec<u8>,
    /// Where the next record begins.
    at: usize,
    /// Bytes before this are known to be UTF-8.
    checked: usize,
    ended: bool,
    /// Line of the next record, from 1.
    line: u64,
    fields: Fields,
    /// Records found so far, broken ones included.
    records: u64,
    /// A last line that is cut short ends the run.
    whole: bool,
    /// An empty line is a record: there is one column, which has no value there.
    takes_empty: bool,
    /// A batch whose memory the next one may use.
    spent: Option<TextBatch>,
}

/// What comes next in a file.
enum Step {
    Record,
    Broken(String),
    End,
}

impl TextReader {
    /// `None`: there is nothing in it.
    pub(crate) fn new(
        feed: Box<dyn Read + Send>,
        encoding: Option<&'static Encoding>,
        cutter: Box<dyn Cutter>,
        shown: &str,
    ) -> Result<Option<TextReader>> {
        let mut feed = feed;
        let mut head = Vec::with_capacity(HEAD);
        feed.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(|error| feed_error(shown, 1, &error))?;
        if head.is_empty() {
            return Ok(None);
        }
        let foreign = not_text(&head).filter(|(what, _)| encoding.is_none() || !what.starts_with("UTF-16"));
        if let Some((what, way_out)) = foreign {
            let way_out = match is_of_program(shown) {
                true => "let the program print text, or add 'encoding'",
                false => way_out,
            };
            return Err(Error::cannot_run(format!("{shown}: not text, but {what}")).hint(way_out));
        }
        let whole = Box::new(io::Cursor::new(head).chain(feed));
        let (feed, encoding) =
            decoded(whole, encoding.unwrap_or(UTF_8)).map_err(|error| feed_error(shown, 1, &error))?;
        Ok(Some(TextReader {
            feed,
            encoding,
            cutter,
            shown: shown.into(),
            bytes: Vec::new(),
            at: 0,
            checked: 0,
            ended: false,
            line: 1,
            fields: Fields::default(),
            records: 0,
            whole: false,
            takes_empty: false,
            spent: None,
        }))
    }

    /// From now on a last line that is broken and has no end is taken for part of a record whose rest, and all records
    /// after it, are lost: how much a program should send is unknown.
    pub(crate) fn refuse_cut_short(&mut self) {
        self.whole = true;
    }

    /// What was read before it came here was in this encoding, which is what people know it by.
    pub(crate) fn was_decoded_from(&mut self, encoding: &'static Encoding) {
        self.encoding = encoding;
    }

    /// From now on an empty line is a record of one cell.
    pub(crate) fn take_empty_lines(&mut self) {
        self.takes_empty = true;
    }

    fn check_whole(&self, end: usize, why: &str) -> Result<()> {
        let is_last =
            self.ended && end == self.bytes.len() && !self.bytes.ends_with(b"\n") && !self.bytes.ends_with(b"\r");
        match self.whole && is_last {
            true => Err(Error::cannot_run(format!("{}:{}: the last line is cut short: {why}", self.shown, self.line))
                .hint("nothing was published; run the program by hand, and see how its output ends")),
            false => Ok(()),
        }
    }

    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Line of the next record, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Records found so far, broken ones included.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    pub(crate) fn cutter(&mut self) -> &mut dyn Cutter {
        self.cutter.as_mut()
    }

    fn fill(&mut self) -> Result<()> {
        // A record that is longer than a chunk is not searched from its start again for each chunk.
        let wish = CHUNK.max(self.bytes.len() - self.at);
        let read = self.feed.by_ref().take(wish as u64).read_to_end(&mut self.bytes);
        let read = read.map_err(|error| {
            let line = self.line + count_lines(&self.bytes[self.at..]);
            feed_error(&self.shown, line, &error)
        })?;
        self.ended = read < wish;
        let from = self.checked.max(self.at);
        self.checked = match std::str::from_utf8(&self.bytes[from..]) {
            Ok(_) => self.bytes.len(),
            Err(error) => from + error.valid_up_to(),
        };
        Ok(())
    }

    /// Passes over whole lines.
    pub(crate) fn skip_lines(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            loop {
                if let Some((_, next)) = line_end(&self.bytes, self.at, self.ended) {
                    self.line += u64::from(next > self.at);
                    self.at = next;
                    break;
                }
                self.fill()?;
            }
        }
        Ok(())
    }

    /// Cuts the next record, or returns why it cannot be cut. The place of the record is `self.at` until
    /// [`TextReader::advance`].
    fn step(&mut self) -> Result<(Step, usize)> {
        loop {
            if self.at == self.bytes.len() {
                if self.ended {
                    self.cutter.finish().context(format!("{}:{}", self.shown, self.line))?;
                    return Ok((Step::End, self.at));
                }
                self.fill()?;
                continue;
            }
            self.fields.cells.clear();
            self.fields.multiline = false;
            let mut cut = self
                .cutter
                .cut(&self.bytes, self.at, self.ended, &mut self.fields)
                .context(format_args!("{}:{}", self.shown, self.line))?;
            if cut == Cut::More && self.bytes.len() - self.at > RECORD_BYTES {
                cut = self.cutter.overlong(&self.bytes, self.at).ok_or_else(|| self.overlong())?;
            }
            match cut {
                Cut::Record { end } => return Ok((self.valid(end), end)),
                Cut::Broken { end, why } => {
                    self.fields.multiline = true;
                    return Ok((Step::Broken(why), end));
                }
                Cut::Blank { end } if self.takes_empty => {
                    self.fields.cells.clear();
                    self.fields.cells.push(Cell::new(self.at, self.at));
                    return Ok((Step::Record, end));
                }
                Cut::Blank { end } => self.advance(end),
                Cut::More => self.fill()?,
            }
        }
    }

    fn overlong(&self) -> Error {
        let why = format!("{}:{}: a record of more than {} MB", self.shown, self.line, RECORD_BYTES >> 20);
        Error::cannot_run(why).hint("check 'format', 'separator' and 'quote'")
    }

    fn valid(&self, end: usize) -> Step {
        if end <= self.checked {
            return Step::Record;
        }
        match std::str::from_utf8(&self.bytes[self.at..end]) {
            Ok(_) => Step::Record,
            Err(error) => {
                let character = self.bytes[self.at..self.at + error.valid_up_to()].utf8_chunks();
                let place = character.map(|chunk| chunk.valid().chars().count()).sum::<usize>() + 1;
                Step::Broken(format!("character {place} is not {}", self.encoding.name()))
            }
        }
    }

    /// What to do about a record that is not in its encoding.
    fn way_out(&self, why: &str) -> &'static str {
        match (why.ends_with(self.encoding.name()), self.encoding == UTF_8) {
            (false, _) => "",
            (true, true) => ENCODING,
            (true, false) => " (check 'encoding')",
        }
    }

    fn advance(&mut self, end: usize) {
        self.line += match self.fields.multiline {
            true => count_lines(&self.bytes[self.at..end]),
            false => 1,
        };
        self.at = end;
    }

    fn text(&self, end: usize) -> String {
        let record = &self.bytes[self.at..end];
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        let record = record.strip_suffix(b"\r").unwrap_or(record);
        match self.encoding == UTF_8 {
            true => readable(record),
            false => {
                let marked: Vec<u8> = record.iter().map(|byte| if *byte == MARK { b'\\' } else { *byte }).collect();
                readable(&marked)
            }
        }
    }

    /// The line number as it is recorded with each row.
    fn row(&self) -> Result<u32> {
        u32::try_from(self.line).map_err(|_| {
            Error::cannot_run(format!("{}: more than {} lines", self.shown, u32::MAX)).hint("split the file")
        })
    }

    /// Cells of the first record, which is read past, with the empty lines before it, if `consume`. `None`: there is none.
    pub(crate) fn first_record(&mut self, consume: bool) -> Result<Option<Vec<String>>> {
        let before = (self.at, self.line);
        let (step, end) = self.step()?;
        if !consume {
            (self.at, self.line) = before;
        }
        match step {
            Step::End => Ok(None),
            Step::Broken(why) if consume => {
                let error =
                    Error::cannot_run(format!("{}:{}: the header cannot be read: {why}", self.shown, self.line));
                Err(error.hint(match why.contains("is not UTF-8") {
                    true => "name the file's encoding, such as 'encoding: cp949' or 'encoding: latin-1'",
                    false => "check 'format', 'separator' and 'skip_lines'",
                }))
            }
            Step::Broken(_) => Ok(Some(Vec::new())),
            Step::Record => {
                let side = std::mem::take(&mut self.fields.side);
                let cells = self.fields.cells.iter();
                let mut batch = TextBatch::new(self.shown.clone(), 0);
                // The buffer is lent to the batch for as long as the cells are looked up.
                batch.bytes = std::mem::take(&mut self.bytes);
                batch.side = side;
                let texts = cells.map(|cell| readable(batch.get(*cell).unwrap_or_default())).collect();
                self.bytes = batch.bytes;
                if consume {
                    self.advance(end);
                }
                Ok(Some(texts))
            }
        }
    }

    /// The next records, at most [`BATCH_ROWS`].
    pub(crate) fn next_batch(&mut self, wanted: &Wanted) -> Result<Option<TextBatch>> {
        let columns = match wanted {
            Wanted::Fields { of_columns, .. } => of_columns.len(),
            Wanted::Keyed => self.cutter.keys().map_or(0, <[String]>::len),
        };
        let mut batch = match self.spent.take() {
            Some(spent) => spent.emptied(self.shown.clone(), columns),
            None => TextBatch::new(self.shown.clone(), columns),
        };
        self.start_over(&mut batch);
        while batch.lines.len() + batch.broken.len() < BATCH_ROWS && self.at < BATCH_BYTES {
            let (step, end) = self.step()?;
            let line = self.row()?;
            match step {
                Step::End => break,
                Step::Broken(why) => {
                    self.check_whole(end, &why)?;
                    let why = format!("line {line}: {why}{}", self.way_out(&why));
                    batch.broken.push(Broken { line, text: self.text(end), why });
                }
                Step::Record => match wanted {
                    Wanted::Fields { width, .. } if self.fields.cells.len() != *width => {
                        let found = self.fields.cells.len();
                        let what = format!("{} instead of {width}", spec::text::count(found as u64, "field"));
                        self.check_whole(end, &what)?;
                        let why = format!("line {line}: {what}");
                        batch.broken.push(Broken { line, text: self.text(end), why });
                    }
                    Wanted::Fields { of_columns, .. } => {
                        for (column, field) in batch.columns.iter_mut().zip(of_columns) {
                            column.push(field.map_or(Cell::NULL, |field| self.fields.cells[field]));
                        }
                        batch.lines.push(line);
                    }
                    Wanted::Keyed => {
                        let known = batch.lines.len();
                        batch.columns.resize_with(self.fields.cells.len(), || vec![Cell::NULL; known]);
                        for (column, cell) in batch.columns.iter_mut().zip(&self.fields.cells) {
                            column.push(*cell);
                        }
                        batch.lines.push(line);
                    }
                },
            }
            self.records += 1;
            self.advance(end);
            if self.records == INFER_ROWS as u64 {
                self.cutter.settle();
            }
        }
        if batch.is_empty() {
            return Ok(None);
        }
        if let Wanted::Keyed = wanted {
            // A key may have been met only in a record that could not be read.
            let (keys, height) = (self.cutter.keys().map_or(0, <[String]>::len), batch.lines.len());
            batch.columns.resize_with(keys, || vec![Cell::NULL; height]);
        }
        batch.bytes = std::mem::take(&mut self.bytes);
        self.bytes = batch.bytes[self.at..].to_vec();
        batch.side = std::mem::take(&mut self.fields.side);
        self.checked = self.checked.saturating_sub(self.at);
        self.at = 0;
        Ok(Some(batch))
    }

    /// Begins a buffer at the next record, so that cells' places fit it: that of `batch`, if it has one.
    fn start_over(&mut self, batch: &mut TextBatch) {
        self.bytes.drain(..self.at);
        self.checked = self.checked.saturating_sub(self.at);
        self.at = 0;
        self.fields.side.clear();
        if batch.bytes.capacity() > self.bytes.capacity() {
            batch.bytes.extend_from_slice(&self.bytes);
            std::mem::swap(&mut self.bytes, &mut batch.bytes);
        }
        if batch.side.capacity() > self.fields.side.capacity() {
            std::mem::swap(&mut self.fields.side, &mut batch.side);
        }
        let room = BATCH_BYTES.min(self.bytes.len() * 4);
        self.bytes.reserve(room);
    }

    /// The next batch is made in the memory of this one.
    pub(crate) fn take_back(&mut self, spent: TextBatch) {
        self.spent = Some(spent);
    }
}

pub(crate) fn feed_error(shown: &str, line: u64, error: &io::Error) -> Error {
    if let Some(ours) = Error::carried_by(error) {
        return if ours.message().contains(shown) { ours } else { ours.context(shown) };
    }
    let text = error.to_string();
    let place = format!("{shown}:{line}");
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::cannot_run(format!("{place}: the compressed data is truncated"))
            .hint("the file was cut short, or is still being written; fetch it again"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            Error::cannot_run(format!("{place}: cannot decompress: {text}"))
                .hint("fetch the file again, or correct 'compression'")
        }
        _ => Error::io("read", std::path::Path::new(shown), error),
    }
}
