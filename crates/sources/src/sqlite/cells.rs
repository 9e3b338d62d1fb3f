//! A thread that steps through the rows of a statement and gathers their cells as text.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, mpsc::SyncSender};

use rusqlite::types::{Value as SqlValue, ValueRef};
use rusqlite::{Row, params_from_iter};
use serde_json::Value;
use spec::{Error, Result, ResultExt};

use crate::database::{in_query, quoted};
use crate::ending::Doubts;
use crate::flow::panicked;
use crate::memory::{Mark, gone, miscounted};
use crate::reader::{BATCH_BYTES, BATCH_ROWS};
use crate::text::{Broken, Cell, TextBatch, TextSource, readable};

use super::connection::Connection;
use crate::follower::{Key, Known, Order, Within, locked};

/// A longer row is a mistake: no batch could hold it.
const ROW_BYTES: usize = 64 << 20;

/// What to ask of the database.
pub(crate) struct Reading {
    pub sql: String,
    pub parameters: Vec<Value>,
    /// For each column of the table, its place in the statement's rows.
    pub places: Vec<usize>,
    pub keyed: Option<Keyed>,
    pub shown: Arc<str>,
}

/// The incremental column of a statement.
pub(crate) struct Keyed {
    /// Its place in the statement's rows.
    pub place: usize,
    pub order: Order,
    pub within: Within,
    /// A value that cannot be read refuses its row by the column's type. If not, it is refused here.
    pub is_typed: bool,
    /// What is known of the rows of earlier runs, and to be remembered of those of this run.
    pub known: Known,
    /// Rows of this value were read, and are known by how many they were.
    pub counted: Option<Counted>,
    pub past: Option<Reached>,
}

/// How far the last run came.
pub(crate) struct Reached {
    pub key: Key,
    /// The value, for people.
    pub shown: String,
    /// A row of this value or a greater one is there.
    pub is_there: bool,
    pub doubts: Doubts,
}

/// Rows with the value of the bookmark.
pub(crate) struct Counted {
    pub key: Key,
    /// The value, for errors.
    pub shown: String,
    pub before: u64,
    pub now: u64,
}

/// The rows of a statement as they come.
pub(crate) struct Cells {
    /// `None` is the last row's end. A channel that closes without it belongs to a thread that panicked.
    received: Receiver<Result<Option<TextBatch>>>,
    ended: bool,
}

impl Cells {
    pub(crate) fn start(connection: Connection, reading: Reading, rows_in: Arc<AtomicU64>) -> Result<Cells> {
        // Two steps ahead at most: memory stays flat.
        let (sender, received) = sync_channel(1);
        let step = move || {
            let shown = reading.shown.clone();
            let mut gathering = Gathering { reading, rows_in, sender: sender.clone(), number: 0 };
            let end = gathering.run(&connection).context(&shown).map(|()| None);
            // The receiver may be gone.
            drop(sender.send(end));
        };
        let thread = std::thread::Builder::new().name("sqlite".to_owned()).spawn(step);
        thread.map_err(|error| Error::cannot_run(format!("cannot start the reading thread: {error}")))?;
        Ok(Cells { received, ended: false })
    }
}

impl TextSource for Cells {
    fn next_batch(&mut self) -> Result<Option<TextBatch>> {
        if self.ended {
            return Ok(None);
        }
        let batch = self.received.recv().unwrap_or_else(|_| Err(panicked()))?;
        self.ended = batch.is_none();
        Ok(batch)
    }
}

struct Gathering {
    reading: Reading,
    rows_in: Arc<AtomicU64>,
    sender: SyncSender<Result<Option<TextBatch>>>,
    /// The number of the last row that was handed out.
    number: u32,
}

/// Rows as they come, numbered from 0 within the batch. The incremental column, if there is one, is the last.
struct Gathered {
    batch: TextBatch,
    /// The values of the incremental column in the broken rows.
    broken_keys: Vec<Vec<u8>>,
}

impl Gathered {
    fn rows(&self) -> usize {
        self.batch.lines.len() + self.batch.broken.len()
    }
}

impl Gathering {
    fn run(&mut self, connection: &Connection) -> Result<()> {
        let failed = |error: rusqlite::Error| connection.broke_off(&error);
        let mut statement = connection.inner.prepare(&self.reading.sql).map_err(failed)?;
        let parameters = self.reading.parameters.iter().map(parameter).collect::<Result<Vec<SqlValue>>>()?;
        let mut rows = statement.query(params_from_iter(parameters)).map_err(failed)?;
        let mut gathered = self.nothing();
        while let Some(row) = rows.next().map_err(failed)? {
            self.gather(row, &mut gathered)?;
            let is_full = gathered.rows() == BATCH_ROWS || gathered.batch.bytes.len() > BATCH_BYTES;
            let nothing = self.nothing();
            if is_full && !self.hand_out(std::mem::replace(&mut gathered, nothing))? {
                return Ok(());
            }
        }
        let goes_on = self.hand_out(gathered)?;
        if let Some(past) = self.reading.keyed.as_ref().and_then(|keyed| keyed.past.as_ref())
            && !past.is_there
        {
            past.doubts.add(gone(&self.reading.shown, &past.shown));
        }
        match self.reading.keyed.as_ref().and_then(|keyed| keyed.counted.as_ref()) {
            Some(Counted { shown, before, now, .. }) if goes_on && before != now => {
                Err(miscounted(shown, *before, *now))
            }
            _ => Ok(()),
        }
    }

    fn nothing(&self) -> Gathered {
        let columns = self.reading.places.len() + usize::from(self.reading.keyed.is_some());
        Gathered { batch: TextBatch::new(self.reading.shown.clone(), columns), broken_keys: Vec::new() }
    }

    /// Leaves out the rows that are not requested, and numbers the others. Returns whether batches are still needed.
    fn hand_out(&mut self, gathered: Gathered) -> Result<bool> {
        let Gathered { mut batch, broken_keys } = gathered;
        if let Some(keyed) = &mut self.reading.keyed {
            keyed.choose(&mut batch, &broken_keys)?;
        }
        let count = batch.lines.len() + batch.broken.len();
        if count == 0 {
            return Ok(true);
        }
        self.number_rows(&mut batch)?;
        self.rows_in.fetch_add(count as u64, Ordering::Relaxed);
        Ok(self.sender.send(Ok(Some(batch))).is_ok())
    }

    /// Goes on counting, in the order of the rows.
    fn number_rows(&mut self, batch: &mut TextBatch) -> Result<()> {
        let mut broken = batch.broken.iter_mut().peekable();
        let mut next = || {
            self.number =
                self.number.checked_add(1).ok_or_else(|| Error::cannot_run(format!("more than {} rows", u32::MAX)))?;
            Ok(self.number)
        };
        let number_broken = |row: &mut Broken, number: u32| {
            row.line = number;
            row.why = format!("row {number}: {}", row.why);
        };
        for line in &mut batch.lines {
            while let Some(row) = broken.next_if(|row| row.line < *line) {
                number_broken(row, next()?);
            }
            *line = next()?;
        }
        for row in broken {
            number_broken(row, next()?);
        }
        Ok(())
    }

    /// Adds the cells of `row`; or the row as a whole, if a cell is neither number nor text.
    fn gather(&self, row: &Row, gathered: &mut Gathered) -> Result<()> {
        let number = gathered.rows() as u32;
        let Gathered { batch, broken_keys } = gathered;
        let before = batch.bytes.len();
        for (column, place) in self.reading.places.iter().enumerate() {
            let value = row.get_ref_unwrap(*place);
            if let Some(cell) = cell(value, &mut batch.bytes) {
                batch.columns[column].push(cell);
                continue;
            }
            let what = if matches!(value, ValueRef::Blob(_)) { "bytes (a BLOB)" } else { "no UTF-8" };
            let name = row.as_ref().column_name(*place).unwrap_or_default();
            let why = format!("{name} holds {what}; read it by a query, as hex({})", in_query(name, quoted));
            batch.broken.push(Broken { line: number, text: whole(row, &self.reading.places), why });
            batch.columns.iter_mut().for_each(|cells| cells.truncate(batch.lines.len()));
            batch.bytes.truncate(before);
            if let Some(keyed) = &self.reading.keyed {
                let mut key = Vec::new();
                cell_of_key(row, keyed, &mut key)?;
                broken_keys.push(key);
            }
            return Ok(());
        }
        if let Some(keyed) = &self.reading.keyed {
            let key = cell_of_key(row, keyed, &mut batch.bytes)?;
            batch.columns[self.reading.places.len()].push(key);
        }
        if batch.bytes.len() - before > ROW_BYTES {
            return Err(Error::cannot_run(format!("a row holds more than {} MB", ROW_BYTES >> 20))
                .hint("leave long columns out under 'columns'"));
        }
        batch.lines.push(number);
        Ok(())
    }
}

/// Writes a value behind `bytes`; nothing if it is neither number nor text.
pub(crate) fn cell(value: ValueRef, bytes: &mut Vec<u8>) -> Option<Cell> {
    let start = bytes.len();
    match value {
        ValueRef::Null => return Some(Cell::NULL),
        ValueRef::Integer(value) => bytes.extend_from_slice(value.to_string().as_bytes()),
        ValueRef::Real(value) => bytes.extend_from_slice(values::numbers::shown(value).as_bytes()),
        ValueRef::Text(text) if std::str::from_utf8(text).is_ok() => bytes.extend_from_slice(text),
        ValueRef::Text(_) | ValueRef::Blob(_) => return None,
    }
    let cell = Cell::new(start, bytes.len());
    Some(if matches!(value, ValueRef::Text(_)) { cell.as_text() } else { cell })
}

fn cell_of_key(row: &Row, keyed: &Keyed, bytes: &mut Vec<u8>) -> Result<Cell> {
    cell(row.get_ref_unwrap(keyed.place), bytes).ok_or_else(|| {
        Error::cannot_run("incremental: the column holds values that have no order")
            .hint("take a column of numbers, dates or text")
    })
}

impl Keyed {
    /// Keeps the rows that are requested; one whose value has no place in the order is refused. Refused rows are remembered.
    fn choose(&mut self, batch: &mut TextBatch, broken_keys: &[Vec<u8>]) -> Result<()> {
        let Some(last) = batch.columns.len().checked_sub(1) else { return Ok(()) };
        let keys = self.order.keys(batch.column(last))?;
        let of_broken = self.order.keys(broken_keys.iter().map(|key| Some(key.as_slice())))?;
        let mut broken = Vec::new();
        for ((row, key), text) in batch.broken.drain(..).zip(of_broken).zip(broken_keys) {
            let mark = || Mark::of([Some(row.text.as_bytes()), Some(text.as_slice())].into_iter());
            if self.asks_for(key.as_ref(), mark) {
                locked(&self.known).keep(key, mark());
                broken.push(row);
            }
        }
        batch.broken = broken;
        let mut keep = Vec::with_capacity(keys.len());
        for (row, key) in keys.into_iter().enumerate() {
            let is_asked = self.asks_for(key.as_ref(), || batch.mark(row));
            keep.push(is_asked && (key.is_some() || self.is_typed));
            if is_asked && key.is_none() && !self.is_typed {
                let shown = |column: usize| batch.get(batch.columns[column][row]).map(readable).unwrap_or_default();
                let text = (0..last).map(shown).collect::<Vec<_>>().join("\t");
                let why = self.order.reason(&shown(last));
                locked(&self.known).keep(None, batch.mark(row));
                batch.broken.push(Broken { line: batch.lines[row], text, why });
            }
        }
        batch.broken.sort_by_key(|row| row.line);
        if keep.contains(&false) {
            for cells in &mut batch.columns {
                let mut keep = keep.iter();
                cells.retain(|_| keep.next() == Some(&true));
            }
            let mut keep = keep.iter();
            batch.lines.retain(|_| keep.next() == Some(&true));
        }
        Ok(())
    }

    /// Whether a row is to be read: one that no earlier run read. A value that cannot be read belongs to no day.
    fn asks_for(&mut self, key: Option<&Key>, mark: impl FnOnce() -> Mark) -> bool {
        if let (Some(past), Some(key)) = (&mut self.past, key) {
            past.is_there |= *key >= past.key;
        }
        let is_within = match key {
            Some(key) => self.within.has(key),
            None => !matches!(self.within, Within::Between(..)),
        };
        if !is_within {
            return false;
        }
        if let (Some(counted), Some(key)) = (&mut self.counted, key)
            && counted.key == *key
        {
            counted.now += 1;
            return false;
        }
        let mut known = locked(&self.known);
        !(known.is_looking() && known.knows(key.cloned(), mark()))
    }
}

/// A row as text for people, its cells between tabs.
fn whole(row: &Row, places: &[usize]) -> String {
    let cell = |place: &usize| match row.get_ref_unwrap(*place) {
        ValueRef::Null => String::new(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => format!("{value:?}"),
        ValueRef::Text(text) => readable(text),
        ValueRef::Blob(bytes) => format!("({} bytes)", bytes.len()),
    };
    places.iter().map(cell).collect::<Vec<_>>().join("\t")
}

fn parameter(value: &Value) -> Result<SqlValue> {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Ok(SqlValue::Integer(value)),
            (None, Some(value)) => Ok(SqlValue::Real(value)),
            _ => Err(Error::cannot_run(format!("the bookmark {number} is out of range"))),
        },
        Value::String(text) => Ok(SqlValue::Text(text.clone())),
        other => Err(Error::cannot_run(format!("the bookmark {other} is neither number nor text"))
            .hint("read all again with 'ingest --full', which resets it")),
    }
}
