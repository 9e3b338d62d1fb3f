//! Cuts JSON objects into cells: one object per line, or the elements of one array.
//!
//! Every record is checked by serde_json; then its members are taken as they stand in the file, so that a number
//! or a nested value keeps every digit. Strings are unescaped, `null` and missing keys are null, nested values
//! become their JSON text. A declared column may also be a dotted path into them.

use std::collections::HashMap;
use std::ops::Range;

use serde::de::IgnoredAny;
use spec::{Error, Result};

use crate::absent::Absent;
use crate::cut::{Cut, Cutter, Fields, line_end};
use crate::http::tree::TEXT;
use crate::table_spec::RESERVED;
use crate::text::{Cell, readable};

/// How the objects follow one another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    Lines,
    /// Before `[`.
    Outside,
    /// Within the array.
    Inside,
    /// Within the array, after a comma: an element must follow.
    Next,
    /// After `]`.
    Closed,
}

/// What becomes of a key that has no column.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Unknown {
    /// It gets one: the columns are being found out.
    Add,
    /// It is skipped: the columns were declared.
    Ignore,
    /// It refuses the record: the columns have been found out.
    Refuse,
}

pub(crate) struct Json {
    shape: Shape,
    unknown: Unknown,
    keys: Vec<String>,
    index: HashMap<String, usize>,
    /// Declared columns that may lie deeper than in the record itself, by the name of the outermost value: which column, and
    /// the path from there on.
    paths: HashMap<String, Vec<(usize, String)>>,
    /// By column: how many names led to the cell of this record. The fewest count, so that a name with dots in it goes
    /// before a path.
    depths: Vec<u8>,
    absent: Absent,
    /// Keys that no column may have.
    left_out: Vec<String>,
    /// Quoted values need not be text: the records were converted from a format in which everything is text.
    untyped: bool,
}

impl Json {
    /// `array`: one array of objects instead of an object per line. `declared`: the keys of the columns, others
    /// being ignored.
    pub(crate) fn new(array: bool, declared: Option<Vec<String>>) -> Json {
        let unknown = if declared.is_some() { Unknown::Ignore } else { Unknown::Add };
        let keys = declared.unwrap_or_default();
        let mut paths: HashMap<String, Vec<(usize, String)>> = HashMap::new();
        for (column, key) in keys.iter().enumerate() {
            for (outer, path) in cuts(key) {
                paths.entry(outer.to_owned()).or_default().push((column, path.to_owned()));
            }
        }
        Json {
            shape: if array { Shape::Outside } else { Shape::Lines },
            unknown,
            index: keys.iter().enumerate().map(|(i, key)| (key.clone(), i)).collect(),
            paths,
            depths: vec![u8::MAX; keys.len()],
            absent: Absent::new(keys.len()),
            left_out: Vec::new(),
            untyped: false,
            keys,
        }
    }

    /// Takes a text for whatever it can be read as.
    pub(crate) fn untyped(mut self) -> Json {
        self.untyped = true;
        self
    }

    /// Refuses records with keys that have no column.
    pub(crate) fn refusing_unknown(mut self) -> Json {
        self.unknown = Unknown::Refuse;
        self
    }

    /// Cells of the object that is `record`, at `start` of the buffer; or why it has none.
    pub(crate) fn cells(&mut self, record: &[u8], start: usize, fields: &mut Fields) -> Result<(), String> {
        if record.first() != Some(&b'{') {
            return Err(format!("{} instead of an object", kind(record)));
        }
        fields.cells.clear();
        fields.cells.resize(self.keys.len(), Cell::NULL);
        self.depths.fill(u8::MAX);
        let is_declared = self.unknown == Unknown::Ignore;
        let wants_names = is_declared && self.absent.wants_names();
        let mut entered = Vec::new();
        for member in members(record) {
            let (key, value) = member?;
            let at = start + value.start;
            let value = &record[value];
            if self.paths.contains_key(&key) {
                enter(&key, &mut entered)?;
            }
            if let Some(column) = self.column(&key)? {
                fields.cells.resize(self.keys.len(), Cell::NULL);
                self.put(column, 1, value, at, fields)?;
            }
            if let Some(inner) = self.paths.get(&key).filter(|_| value.first() != Some(&b'[')).cloned() {
                self.step_into(value, at, &inner, 2, fields)?;
            }
            if wants_names {
                if value.first() == Some(&b'{') {
                    for (inner, _) in members(value).flatten() {
                        self.absent.name(format!("{key}.{inner}"));
                    }
                }
                self.absent.name(key);
            }
        }
        self.absent.record();
        Ok(())
    }

    /// Finds the cells of `paths` in `value`, which lies at `start` of the buffer, `depth` names deep. An element of XML that has neither
    /// attributes nor children is its text.
    fn step_into(
        &mut self,
        value: &[u8],
        start: usize,
        paths: &[(usize, String)],
        depth: u8,
        fields: &mut Fields,
    ) -> Result<(), String> {
        match value.first() {
            Some(b'{') => self.descend(value, start, paths, depth, fields),
            Some(b'[') => Ok(()),
            // What would stand in it cannot be known.
            Some(b'n') if self.unknown == Unknown::Ignore => {
                paths.iter().for_each(|(column, _)| self.absent.found(*column));
                Ok(())
            }
            _ => paths
                .iter()
                .filter(|(_, path)| path == TEXT)
                .try_for_each(|(column, _)| self.put(*column, depth, value, start, fields)),
        }
    }

    /// The same in the object `record`.
    fn descend(
        &mut self,
        record: &[u8],
        start: usize,
        paths: &[(usize, String)],
        depth: u8,
        fields: &mut Fields,
    ) -> Result<(), String> {
        let mut entered = Vec::new();
        for member in members(record) {
            let (key, value) = member?;
            let at = start + value.start;
            let value = &record[value];
            for (column, _) in paths.iter().filter(|(_, path)| *path == key) {
                self.put(*column, depth, value, at, fields)?;
            }
            let inner = paths.iter().flat_map(|(column, path)| cuts(path).map(|(outer, path)| (*column, outer, path)));
            let inner = inner.filter(|(_, outer, _)| *outer == key);
            let inner: Vec<(usize, String)> = inner.map(|(column, _, path)| (column, path.to_owned())).collect();
            if !inner.is_empty() {
                enter(&key, &mut entered)?;
                self.step_into(value, at, &inner, depth.saturating_add(1), fields)?;
            }
        }
        Ok(())
    }

    /// Makes `value`, which lies at `at` of the buffer, the cell of `column`, unless fewer names led to another.
    fn put(&mut self, column: usize, depth: u8, value: &[u8], at: usize, fields: &mut Fields) -> Result<(), String> {
        self.depths.resize(self.keys.len(), u8::MAX);
        if depth > self.depths[column] {
            return Ok(());
        }
        if depth == self.depths[column] {
            return Err(given_twice(&self.keys[column]));
        }
        self.depths[column] = depth;
        if self.unknown == Unknown::Ignore {
            self.absent.found(column);
        }
        let untyped = self.untyped;
        let text = |cell: Cell| if untyped { cell } else { cell.as_text() };
        fields.cells[column] = match value {
            b"null" => Cell::NULL,
            [b'"', inner @ .., b'"'] => match inner.contains(&b'\\') {
                false => text(Cell::new(at + 1, at + value.len() - 1)),
                true => {
                    let begin = fields.side.len();
                    // Programs that cut texts cut characters in two.
                    let whole = string(value).map_err(|_| no_text(&readable(value)))?;
                    fields.side.extend_from_slice(whole.as_bytes());
                    text(Cell::aside(begin, fields.side.len()))
                }
            },
            _ => Cell::new(at, at + value.len()),
        };
        Ok(())
    }

    fn column(&mut self, key: &str) -> Result<Option<usize>, String> {
        if let Some(column) = self.index.get(key) {
            return Ok(Some(*column));
        }
        match self.unknown {
            Unknown::Ignore => Ok(None),
            _ if RESERVED.contains(&key) => {
                if self.left_out.iter().all(|name| name != key) {
                    self.left_out.push(key.to_owned());
                }
                Ok(None)
            }
            Unknown::Refuse => Err(format!("the key '{key}' is new; name it under 'columns' to read it")),
            Unknown::Add => {
                self.index.insert(key.to_owned(), self.keys.len());
                self.keys.push(key.to_owned());
                Ok(Some(self.keys.len() - 1))
            }
        }
    }

    fn line(&mut self, bytes: &[u8], at: usize, end: bool, fields: &mut Fields) -> Result<Cut> {
        let Some((stop, next)) = line_end(bytes, at, end) else { return Ok(Cut::More) };
        let start = blanks(&bytes[..stop], at);
        let record = bytes[start..stop].trim_ascii_end();
        if record.is_empty() {
            return Ok(Cut::Blank { end: next });
        }
        if let Err(error) = serde_json::from_slice::<IgnoredAny>(record) {
            if error.is_eof() && stop == bytes.len() {
                return Err(breaks_off());
            }
            return Ok(Cut::Broken { end: next, why: not_json(&error) });
        }
        Ok(match self.cells(record, start, fields) {
            Ok(()) => Cut::Record { end: next },
            Err(why) => Cut::Broken { end: next, why },
        })
    }

    fn element(&mut self, bytes: &[u8], at: usize, end: bool, fields: &mut Fields) -> Result<Cut> {
        fields.multiline = true;
        let more = || if end { Err(breaks_off()) } else { Ok(Cut::More) };
        let start = blanks(bytes, at);
        if start > at {
            return Ok(Cut::Blank { end: start });
        }
        if bytes[at] == b']' {
            self.shape = self.shape.closed()?;
            return Ok(Cut::Blank { end: at + 1 });
        }
        let Some(stop) = after_value(bytes, at) else { return more() };
        let after = blanks(bytes, stop);
        let Some(follows) = bytes.get(after) else { return more() };
        let record = &bytes[at..stop];
        if let Err(error) = serde_json::from_slice::<IgnoredAny>(record) {
            return Err(Error::cannot_run(not_json(&error)).hint("correct the file, or fetch it again"));
        }
        let next;
        (self.shape, next) = after_element(*follows, after)?;
        Ok(match self.cells(record, at, fields) {
            Ok(()) => Cut::Record { end: next },
            Err(why) => Cut::Broken { end: next, why },
        })
    }
}

impl Cutter for Json {
    fn cut(&mut self, bytes: &[u8], at: usize, end: bool, fields: &mut Fields) -> Result<Cut> {
        match self.shape {
            Shape::Lines => self.line(bytes, at, end, fields),
            Shape::Inside | Shape::Next => self.element(bytes, at, end, fields),
            Shape::Outside | Shape::Closed => {
                fields.multiline = true;
                let start = blanks(bytes, at);
                match (bytes.get(start), self.shape) {
                    (None, _) => Ok(Cut::Blank { end: start }),
                    (Some(b'['), Shape::Outside) => {
                        self.shape = Shape::Inside;
                        Ok(Cut::Blank { end: start + 1 })
                    }
                    (Some(_), shape) => Err(shape.stray(&bytes[start..])),
                }
            }
        }
    }

    fn left_out(&self) -> &[String] {
        &self.left_out
    }

    fn keys(&self) -> Option<&[String]> {
        Some(&self.keys)
    }

    fn settle(&mut self) {
        if self.unknown == Unknown::Add {
            self.unknown = Unknown::Refuse;
        }
    }

    fn absent(&self) -> Option<&Absent> {
        (self.unknown == Unknown::Ignore).then_some(&self.absent)
    }

    fn finish(&self) -> Result<()> {
        match self.shape {
            // Before the array there are only spaces: a file of nothing else has no rows.
            Shape::Lines | Shape::Closed | Shape::Outside => Ok(()),
            Shape::Inside | Shape::Next => Err(breaks_off()),
        }
    }
}

impl Shape {
    /// After the `]` that ends the array. What followed the comma before it may be missing.
    pub(crate) fn closed(self) -> Result<Shape> {
        match self {
            Shape::Next => Err(Error::cannot_run("not JSON: ']' follows a comma instead of a record")
                .hint("correct the file, or fetch it again")),
            _ => Ok(Shape::Closed),
        }
    }

    /// What is out of place before or after the array.
    pub(crate) fn stray(self, rest: &[u8]) -> Error {
        let what = match self {
            Shape::Outside => format!("{} instead of an array of objects", kind(rest)),
            Shape::Lines | Shape::Inside | Shape::Next | Shape::Closed => {
                "text follows the end of the array".to_owned()
            }
        };
        Error::cannot_run(what).hint("for one object per line write 'format: json_lines'")
    }
}

/// Where the element after another begins, or the end of the array, and which of the two; `follows` is what is at `after`.
pub(crate) fn after_element(follows: u8, after: usize) -> Result<(Shape, usize)> {
    match follows {
        b',' => Ok((Shape::Next, after + 1)),
        b']' => Ok((Shape::Inside, after)),
        other => {
            let found = readable(&[other]);
            let error = Error::cannot_run(format!("not JSON: '{found}' follows a record instead of ',' or ']'"));
            Err(error.hint("correct the file, or fetch it again"))
        }
    }
}

const BROKEN: &str = "not JSON";

pub(crate) fn breaks_off() -> Error {
    Error::cannot_run("the JSON is truncated").hint("the file was cut short, or is still being written; fetch it again")
}

pub(crate) fn not_json(error: &serde_json::Error) -> String {
    // serde_json counts lines from the start of the record, which says nothing to the reader of the file.
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("not JSON: {what} at column {}", error.column())
}

/// The members of the object `record`, which is JSON: their names, and where their values lie in it.
pub(crate) fn members(record: &[u8]) -> impl Iterator<Item = Result<(String, Range<usize>), String>> {
    let mut at = blanks(record, 1);
    std::iter::from_fn(move || {
        if record.get(at) != Some(&b'"') {
            return None;
        }
        let member = (|| {
            let key_end = after_string(record, at).ok_or(BROKEN)?;
            let key = string(&record[at..key_end])?;
            let start = blanks(record, blanks(record, key_end) + 1);
            let end = after_value(record, start).ok_or(BROKEN)?;
            Ok((key, start..end))
        })();
        match &member {
            Ok((_, value)) => {
                at = blanks(record, value.end);
                if record.get(at) == Some(&b',') {
                    at = blanks(record, at + 1);
                }
            }
            Err(_) => at = record.len(),
        }
        Some(member)
    })
}

/// Every way to cut a dotted path in two: `a.b.c` into `a` and `b.c`, and into `a.b` and `c`.
fn cuts(path: &str) -> impl Iterator<Item = (&str, &str)> {
    path.match_indices('.')
        .map(|(dot, _)| (&path[..dot], &path[dot + 1..]))
        .filter(|(outer, path)| !outer.is_empty() && !path.is_empty())
}

/// Notes that a path leads through `key`. An object that has it twice does not say through which.
fn enter(key: &str, entered: &mut Vec<String>) -> Result<(), String> {
    if entered.iter().any(|other| other == key) {
        return Err(given_twice(key));
    }
    entered.push(key.to_owned());
    Ok(())
}

/// Why a record is refused whose text is none, such as `"\ud83d"`; `written`: as it stands there.
pub(crate) fn no_text(written: &str) -> String {
    format!("the text {} is not valid", spec::text::cut(written, 60))
}

pub(crate) fn given_twice(key: &str) -> String {
    format!("the key '{key}' is given twice")
}

fn kind(value: &[u8]) -> &'static str {
    match value.first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a bool",
        Some(b'n') => "null",
        Some(b'0'..=b'9' | b'-') => "a number",
        _ => "text that is not JSON",
    }
}

fn string(quoted: &[u8]) -> Result<String, String> {
    serde_json::from_slice(quoted).map_err(|error| not_json(&error))
}

/// The first place from `at` on that is not a space.
pub(crate) fn blanks(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// The place after the string whose quote opens at `at`.
pub(crate) fn after_string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut i = at + 1;
    loop {
        match bytes.get(i)? {
            b'"' => return Some(i + 1),
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
}

/// The place after the value that begins at `at`; only quotes and brackets are looked at.
pub(crate) fn after_value(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => after_string(bytes, at),
        b'{' | b'[' => {
            let mut depth = 0;
            let mut i = at;
            loop {
                match bytes.get(i)? {
                    b'"' => {
                        i = after_string(bytes, i)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                i += 1;
                if depth == 0 {
                    return Some(i);
                }
            }
        }
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
            bytes[at..].iter().position(ends).map(|length| at + length)
        }
    }
}
