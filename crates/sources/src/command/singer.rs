//! The messages of a Singer tap, one JSON object per line (singer-io/getting-started, SPEC.md 0.3.0).
//!
//! SCHEMA declares the columns of a stream, RECORD is a row, STATE says from where the next run continues. A state holds for
//! the rows before it. So the one that is kept is that of the last rows of which one was accepted: rows that come after it,
//! or that were all refused, come again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use spec::{ColumnType, Error, Result, did_you_mean};

use crate::absent::Absent;
use crate::column_spec::ColumnSpec;
use crate::cut::{Cut, Cutter, Fields, line_end};
use crate::ending::{Doubts, Ending};
use crate::flow;
use crate::incremental::Reach;
use crate::json::{Json, blanks, members, not_json};
use crate::reader::{TextReader, Wanted};
use crate::source::{Located, Opened, Request};
use crate::table_spec::RESERVED;
use crate::text::{TextBatch, TextSource};
use crate::typed::{Missing, Typing};

use super::Program;
use super::types::column_type;

/// Most digits of a number that is read as a float64: a number with more digits is meant to be exact.
const DIGITS: usize = 17;

/// What the messages so far contained.
#[derive(Debug, Default)]
struct Seen {
    /// The stream that makes the table, once it is known.
    stream: Option<String>,
    /// All streams.
    streams: BTreeSet<String>,
    /// The columns of the stream, by its SCHEMA.
    columns: Option<Vec<(String, ColumnType)>>,
    states: Vec<State>,
    /// Records of the stream.
    records: u64,
    /// The version of the stream's rows, if the tap sends versions.
    version: Option<Value>,
}

#[derive(Debug)]
struct State {
    /// The line of its message.
    line: u64,
    /// Records before it.
    records: u64,
    value: Value,
}

type Shared = Arc<Mutex<Seen>>;

fn locked(seen: &Shared) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

const STATE: &str = "state";
const VERSION: &str = "version";

impl Seen {
    /// The bookmark after the row of line `accepted`, the last that was accepted.
    fn bookmark(&self, accepted: u64) -> Option<Value> {
        let covering = self.states.iter().position(|state| state.line > accepted);
        let mut at = match covering {
            Some(at) => at,
            None => self.states.len().checked_sub(1)?,
        };
        // A state without further records before it loses none.
        while covering.is_some()
            && let Some(next) = self.states.get(at + 1)
            && next.records == self.states[at].records
        {
            at += 1;
        }
        let state = &self.states[at].value;
        Some(match &self.version {
            None => json!({ STATE: state }),
            Some(version) => json!({ STATE: state, VERSION: version }),
        })
    }
}

impl Seen {
    /// Rows up to line `accepted` are behind us: no state before the one that holds for them is needed.
    fn forget(&mut self, accepted: u64) {
        let covering = self.states.iter().position(|state| state.line > accepted);
        self.states.drain(..covering.unwrap_or(self.states.len().saturating_sub(1)));
    }
}

/// Cuts the records of one stream out of the messages.
struct Singer {
    seen: Shared,
    /// The stream that makes the table, if the spec names it.
    named: Option<String>,
    json: Option<Json>,
    /// As the SCHEMA of the stream was first.
    schema: Option<Value>,
    /// Which columns hold numbers as text, because a float64 may not hold their digits.
    floats: Vec<bool>,
    /// The spec declares the columns.
    is_declared: bool,
    /// The version of earlier runs.
    before: Option<Value>,
    is_incremental: bool,
    /// The number of the line that is cut.
    line: u64,
}

fn wrong(what: impl Into<String>) -> Error {
    Error::cannot_run(what)
        .hint("run the program by hand, and see what it prints; a Singer tap prints nothing but messages")
}

impl Singer {
    fn message(&mut self, bytes: &[u8], at: usize, stop: usize, next: usize, fields: &mut Fields) -> Result<Cut> {
        let start = blanks(&bytes[..stop], at);
        let text = bytes[start..stop].trim_ascii_end();
        if text.is_empty() {
            return Ok(Cut::Blank { end: next });
        }
        if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(text) {
            let words = spec::text::cut(&String::from_utf8_lossy(text), 80).to_string();
            return Err(match error.is_eof() {
                true => wrong("the last message is cut short"),
                false if text.first() == Some(&b'{') => {
                    let what = wrong(format!("{}: {words}", not_json(&error)));
                    let at = text.get(error.column().saturating_sub(1)..).unwrap_or_default();
                    match at.starts_with(b"NaN") || at.starts_with(b"Infinity") {
                        true => what.hint("JSON has neither NaN nor infinity; let the tap send null instead"),
                        false => what,
                    }
                }
                false => wrong(format!("not a message of a Singer tap: {words}")),
            });
        }
        if text.first() != Some(&b'{') {
            return Err(wrong("a message is an object with a 'type', which this line is not"));
        }
        let mut parts: Vec<(String, std::ops::Range<usize>)> = Vec::new();
        for member in members(text) {
            let (name, value) = member.map_err(wrong)?;
            if parts.iter().any(|(other, _)| *other == name) {
                return Err(wrong(format!("the message has two '{name}'")));
            }
            parts.push((name, value));
        }
        let part = |name: &str| parts.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        let value = |name: &str| -> Option<Value> { serde_json::from_slice(&text[part(name)?]).ok() };
        let word = |name: &str| value(name).and_then(|value| value.as_str().map(str::to_owned));
        let kind = word("type").ok_or_else(|| wrong("the message has no 'type'"))?;
        let stream = || word("stream").ok_or_else(|| wrong(format!("the {kind} message names no 'stream'")));
        match kind.as_str() {
            "SCHEMA" => {
                let schema = value("schema").ok_or_else(|| wrong("the SCHEMA message has no 'schema'"))?;
                self.declares(stream()?, schema)?;
                Ok(Cut::Blank { end: next })
            }
            "RECORD" => {
                if !self.is_of_table(&stream()?)? {
                    return Ok(Cut::Blank { end: next });
                }
                let record = part("record").ok_or_else(|| wrong("the RECORD message has no 'record'"))?;
                self.counts(value(VERSION).filter(|version| !version.is_null()))?;
                locked(&self.seen).records += 1;
                Ok(match self.cells(&text[record.clone()], start + record.start, fields) {
                    Ok(()) => Cut::Record { end: next },
                    Err(why) => Cut::Broken { end: next, why },
                })
            }
            "STATE" => {
                let value = value("value").ok_or_else(|| wrong("the STATE message has no 'value'"))?;
                let mut seen = locked(&self.seen);
                let state = State { line: self.line, records: seen.records, value };
                match seen.states.last_mut() {
                    Some(last) if last.records == state.records => *last = state,
                    _ => seen.states.push(state),
                }
                Ok(Cut::Blank { end: next })
            }
            "ACTIVATE_VERSION" => {
                if self.is_of_table(&stream()?)? {
                    let version =
                        value(VERSION).ok_or_else(|| wrong("the ACTIVATE_VERSION message has no 'version'"))?;
                    self.counts(Some(version))?;
                }
                Ok(Cut::Blank { end: next })
            }
            "BATCH" => Err(Error::cannot_run("the tap sends a BATCH, which is a list of files instead of records")
                .hint("take 'batch_config' out of its settings")),
            other => Err(wrong(format!("the message type '{other}' is not known"))),
        }
    }

    /// Whether a stream makes the table. Fails for a second one, if the spec names none.
    fn is_of_table(&mut self, stream: &str) -> Result<bool> {
        let mut seen = locked(&self.seen);
        seen.streams.insert(stream.to_owned());
        if let Some(named) = &self.named {
            return match (named == stream, self.json.is_some()) {
                (true, false) => Err(wrong(format!("a message of the stream '{stream}' comes before its SCHEMA"))),
                (is_it, _) => Ok(is_it),
            };
        }
        match &seen.stream {
            None => Err(wrong(format!("a message of the stream '{stream}' comes before its SCHEMA"))),
            Some(first) if first == stream => Ok(true),
            Some(first) => Err(Error::cannot_run(format!("the tap sends the streams '{first}' and '{stream}'"))
                .hint(format!("add 'stream: {first}', and make another table of each other stream"))),
        }
    }

    /// A SCHEMA message.
    fn declares(&mut self, stream: String, schema: Value) -> Result<()> {
        {
            let mut seen = locked(&self.seen);
            seen.streams.insert(stream.clone());
            match &self.named {
                Some(named) if *named != stream => return Ok(()),
                Some(_) => seen.stream = Some(stream.clone()),
                None => drop(seen.stream.get_or_insert(stream.clone()).as_str()),
            }
        }
        if self.named.is_none() && locked(&self.seen).stream.as_ref() != Some(&stream) {
            return self.is_of_table(&stream).map(drop);
        }
        if let Some(first) = &self.schema {
            return match *first == schema || self.is_declared {
                true => Ok(()),
                false => Err(Error::cannot_run(format!("the SCHEMA of the stream '{stream}' changes within one run"))
                    .hint("name the columns to read under 'columns'")),
            };
        }
        let properties = schema["properties"].as_object().filter(|properties| !properties.is_empty());
        let columns: Vec<(String, ColumnType)> = match (properties, self.is_declared) {
            (Some(properties), _) => {
                properties.iter().map(|(name, property)| (name.clone(), column_type(property))).collect()
            }
            (None, true) => Vec::new(),
            (None, false) => {
                return Err(Error::cannot_run(format!("the SCHEMA of the stream '{stream}' names no properties"))
                    .hint("name the columns to read under 'columns'"));
            }
        };
        if self.json.is_none() {
            let kept = columns.iter().filter(|(name, _)| !RESERVED.contains(&name.as_str()));
            let names: Vec<String> = kept.clone().map(|(name, _)| name.clone()).collect();
            self.floats = kept.map(|(_, of)| *of == ColumnType::Float64).collect();
            self.json = Some(Json::new(false, Some(names)).refusing_unknown());
        }
        self.schema = Some(schema);
        locked(&self.seen).columns = Some(columns);
        Ok(())
    }

    /// The version that rows have from here on: a new one takes the place of all rows of the old one.
    fn counts(&mut self, version: Option<Value>) -> Result<()> {
        let Some(version) = version else { return Ok(()) };
        let mut seen = locked(&self.seen);
        let known = seen.version.clone().or_else(|| self.before.clone().filter(|_| self.is_incremental));
        match known {
            Some(known) if known != version => Err(Error::cannot_run(format!(
                "the tap restarts the stream: its rows are of version {version}, those before of version {known}"
            ))
            .hint("the rows of the old version are no longer valid; read all again with 'ingest --full'")),
            _ => {
                seen.version = Some(version);
                Ok(())
            }
        }
    }

    fn cells(&mut self, record: &[u8], start: usize, fields: &mut Fields) -> Result<(), String> {
        let json = self.json.as_mut().ok_or("it comes before its SCHEMA")?;
        json.cells(record, start, fields)?;
        if !self.floats.contains(&true) {
            return Ok(());
        }
        // Values of floats are in the record as they were written; others may be in the side buffer.
        for member in members(record) {
            let (name, value) = member?;
            let Some(place) = json.keys().unwrap_or_default().iter().position(|key| *key == name) else { continue };
            let digits = || digits(&record[value.clone()]);
            if self.floats.get(place) == Some(&true) && digits() > DIGITS {
                return Err(format!(
                    "{name}: {} digits are more than a float64 holds; declare it as a string",
                    digits()
                ));
            }
        }
        Ok(())
    }
}

/// The significant digits of a number.
fn digits(number: &[u8]) -> usize {
    let mantissa = number.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    let digits: Vec<u8> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
    let leading = digits.iter().take_while(|digit| **digit == b'0').count();
    let trailing = digits[leading..].iter().rev().take_while(|digit| **digit == b'0').count();
    digits.len() - leading - trailing
}

impl Cutter for Singer {
    fn cut(&mut self, bytes: &[u8], at: usize, end: bool, fields: &mut Fields) -> Result<Cut> {
        let Some((stop, next)) = line_end(bytes, at, end) else { return Ok(Cut::More) };
        self.line += 1;
        self.message(bytes, at, stop, next, fields)
    }

    fn keys(&self) -> Option<&[String]> {
        Some(self.json.as_ref().and_then(|json| json.keys()).unwrap_or_default())
    }

    fn absent(&self) -> Option<&Absent> {
        self.json.as_ref().filter(|_| self.is_declared)?.absent()
    }
}

/// The records of the stream as batches.
struct Records {
    reader: TextReader,
    counted: u64,
    rows_in: Arc<AtomicU64>,
    seen: Shared,
    named: Option<String>,
    /// What columns are called in the source, each with whether it may be absent; empty if none were declared.
    declared: Vec<(String, bool)>,
    /// Whether there may be no records: nothing is new.
    may_be_empty: bool,
    /// Says at the end that no STATE came.
    ending: Option<Ending>,
    /// Where doubts go in a run that adds to earlier ones.
    doubts: Option<Doubts>,
}

impl TextSource for Records {
    fn next_batch(&mut self) -> Result<Option<TextBatch>> {
        let batch = self.reader.next_batch(&Wanted::Keyed)?;
        let records = self.reader.records();
        self.rows_in.fetch_add(records - self.counted, Ordering::Relaxed);
        self.counted = records;
        if batch.is_some() {
            return Ok(batch);
        }
        let shown = self.reader.shown().to_owned();
        if let Some(absent) = self.reader.cutter().absent() {
            let columns = self.declared.iter().map(|(name, optional)| (name.as_str(), *optional));
            match &self.doubts {
                None => absent.judge(columns, &shown)?,
                Some(doubts) => absent.judge_addition(columns, &shown, doubts)?,
            }
        }
        let seen = locked(&self.seen);
        if let (Some(ending), true) = (self.ending.take(), seen.states.is_empty() && seen.records > 0) {
            ending.doubts.add(format!("{shown}: the tap sent no STATE, so the next run begins where this one began"));
        }
        Ok(None)
    }
}

impl Records {
    /// Fails if the tap does not send the table's stream.
    fn check(&self) -> Result<()> {
        let seen = locked(&self.seen);
        let shown = self.reader.shown();
        match (&self.named, &seen.stream) {
            (Some(named), None) if !seen.streams.is_empty() => {
                Err(Error::cannot_run(format!("{shown}: the tap sends no stream '{named}'"))
                    .hint(did_you_mean(named, seen.streams.iter().map(String::as_str))))
            }
            // A quiet run of a tap whose columns are known without it.
            (_, None) if self.may_be_empty && !self.declared.is_empty() => Ok(()),
            (_, None) => Err(Error::cannot_run(format!("{shown}: the tap sends no SCHEMA"))
                .hint("many taps send only streams that a catalog selects: name it in 'run' with --catalog FILE")),
            (_, Some(stream)) if seen.records == 0 && !self.may_be_empty => {
                Err(Error::cannot_run(format!("{shown}: the stream '{stream}' has no records"))
                    .hint("check the settings of the tap, or take the table out of the spec"))
            }
            _ => Ok(()),
        }
    }
}

/// Begins to read what a tap sends.
pub(super) fn open(
    program: &Arc<Program>,
    stream: Option<&str>,
    is_incremental: bool,
    located: Located,
    request: &Request<'_>,
) -> Result<Opened> {
    let ending = Ending::default();
    let past = match request.reach {
        Reach::After(value) => Some(value),
        Reach::All | Reach::Days(..) => None,
    };
    let seen = Shared::default();
    let state = past.and_then(|past| past.get(STATE)).filter(|state| !state.is_null());
    let feed = program.start_after(state)?;
    let source = |(name, of): (&str, &ColumnSpec)| of.from.clone().unwrap_or_else(|| name.to_owned());
    let declared: Vec<(String, bool)> =
        request.columns.iter().flat_map(|columns| columns.iter()).map(|pair| (source(pair), pair.1.optional)).collect();
    let is_declared = request.columns.is_some();
    let singer = Singer {
        seen: Arc::clone(&seen),
        named: stream.map(str::to_owned),
        json: None,
        schema: None,
        floats: Vec::new(),
        is_declared,
        before: past.and_then(|past| past.get(VERSION)).cloned(),
        is_incremental,
        line: 0,
    };
    let singer = Singer {
        json: is_declared.then(|| Json::new(false, Some(declared.iter().map(|(name, _)| name.clone()).collect()))),
        ..singer
    };
    let reader = TextReader::new(Box::new(feed), None, Box::new(singer), &program.shown)?.ok_or_else(|| {
        Error::cannot_run(format!("{}: the program printed nothing", program.shown)).hint("run it by hand")
    })?;
    let mut records = Records {
        reader,
        counted: 0,
        rows_in: ending.rows_in.clone(),
        seen: Arc::clone(&seen),
        named: stream.map(str::to_owned),
        declared,
        may_be_empty: past.is_some(),
        ending: is_incremental.then(|| ending.clone()),
        doubts: request.adds.then(|| ending.doubts.clone()),
    };
    let first = records.next_batch()?;
    if first.is_none() {
        records.check()?;
    }
    let (columns, left_out) = columns(&seen, request)?;
    ending.leaves_out(&program.shown, &left_out);
    let typing = Typing { columns, missing: Missing::new(&[]) };
    let schemas = typing.schemas();
    if !is_incremental {
        return Ok(Opened::typed(located.inputs, schemas, flow::flow(first, Box::new(records), typing)?, ending));
    }
    let of_rows = Arc::clone(&seen);
    ending.bookmark.finish_by(move |value| locked(&of_rows).bookmark(value?.as_u64()?));
    let bookmark = ending.bookmark.clone();
    let watch = Box::new(move |batch| {
        let seen = Arc::clone(&seen);
        bookmark.hand_out(Box::new(move |accepted| {
            let last = accepted.iter().max();
            last.inspect(|line| locked(&seen).forget(u64::from(**line)));
            Ok(last.map(|line| Value::from(*line)))
        }));
        Some(batch)
    });
    let batches = flow::watched(first, Box::new(records), typing, watch)?;
    Ok(Opened::typed(located.inputs, schemas, batches, ending))
}

/// The columns of the table, and the names of those of the stream whose names are taken.
type Declared = (Vec<(String, ColumnSpec)>, Vec<String>);

fn columns(seen: &Shared, request: &Request<'_>) -> Result<Declared> {
    if let Some(declared) = request.columns {
        return Ok((declared.iter().map(|(name, of)| (name.to_owned(), of.clone())).collect(), Vec::new()));
    }
    let columns = locked(seen).columns.clone().unwrap_or_default();
    let left_out = crate::table_spec::reserved(columns.iter().map(|(name, _)| name.as_str()));
    let kept = columns.into_iter().filter(|(name, _)| !RESERVED.contains(&name.as_str()));
    Ok((kept.map(|(name, of)| (name, ColumnSpec::from(of))).collect(), left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(states: &[(u64, u64)]) -> Seen {
        let state = |(line, records): &(u64, u64)| State { line: *line, records: *records, value: json!(line) };
        Seen { states: states.iter().map(state).collect(), ..Seen::default() }
    }

    #[test]
    fn the_state_of_the_last_accepted_rows_is_kept() {
        let of = |states: &[(u64, u64)], accepted| seen(states).bookmark(accepted).map(|mark| mark[STATE].clone());
        assert_eq!(of(&[], 5), None);
        // Rows in lines 2 to 5, 7 to 9, and 11.
        let states = [(6, 4), (10, 7), (12, 8)];
        assert_eq!(of(&states, 3), Some(json!(6)), "rows from line 7 on were refused");
        assert_eq!(of(&states, 8), Some(json!(10)));
        assert_eq!(of(&states, 11), Some(json!(12)));
        assert_eq!(of(&states[..2], 11), Some(json!(10)), "the last row has no state, and comes again");
        assert_eq!(of(&[(6, 4), (7, 4)], 3), Some(json!(7)), "a state without rows loses none");
    }

    #[test]
    fn states_that_are_no_longer_needed_are_forgotten() {
        let states: Vec<(u64, u64)> = (1..=100).map(|nth| (nth * 2, nth)).collect();
        for accepted in [0, 1, 5, 6, 150, 199, 200, 300] {
            let mut thinned = seen(&states);
            thinned.forget(accepted);
            assert_eq!(thinned.bookmark(accepted), seen(&states).bookmark(accepted), "{accepted}");
            for later in [accepted, accepted + 1, 201, 400] {
                assert_eq!(thinned.bookmark(later), seen(&states).bookmark(later), "{accepted} {later}");
            }
            assert!(accepted < 200 || thinned.states.len() == 1);
        }
        seen(&[]).forget(3);
    }

    #[test]
    fn digits_are_counted_as_numbers_mean_them() {
        for (number, expected) in [
            ("0.1", 1),
            ("-12.50", 3),
            ("100", 1),
            ("1e300", 1),
            ("0", 0),
            ("0.30000000000000004", 17),
            ("1234567890.123456789", 19),
        ] {
            assert_eq!(digits(number.as_bytes()), expected, "{number}");
        }
    }
}
