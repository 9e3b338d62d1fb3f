//! A thread that steps through the rows of a statement and gathers their cells as text.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, mpsc::SyncSender};

use rusqlite::types::{Value as SqlValue, ValueRef};
use rusqlite::{Row, params_from_iter};
use serde_json::Value;
use spec::{Error, Result, ResultExt};

use crate::flow::panicked;
use crate::incremental::Bookmark;
use crate::reader::{BATCH_BYTES, BATCH_ROWS};
use crate::text::{Broken, Cell, TextBatch, TextSource, readable};

use super::connection::Connection;

/// A longer row is a mistake: no batch could hold it.
const ROW_BYTES: usize = 64 << 20;

/// What to ask of the database.
pub(crate) struct Reading {
    pub sql: String,
    pub parameters: Vec<Value>,
    /// For each column of the table, its place in the statement's rows.
    pub places: Vec<usize>,
    /// The place of the incremental column.
    pub key: Option<usize>,
    pub shown: Arc<str>,
}

/// The rows of a statement as they come.
pub(crate) struct Cells {
    /// `None` is the last row's end. A channel that closes without it belongs to a thread that panicked.
    received: Receiver<Result<Option<TextBatch>>>,
    ended: bool,
    /// By column: a cell was text. Numbers among the texts of such a column are no numbers.
    text: Arc<[AtomicBool]>,
}

impl Cells {
    pub(crate) fn start(
        connection: Connection,
        reading: Reading,
        rows_in: Arc<AtomicU64>,
        bookmark: Bookmark,
    ) -> Result<Cells> {
        // Two steps ahead at most: memory stays flat.
        let (sender, received) = sync_channel(1);
        let text: Arc<[AtomicBool]> = reading.places.iter().map(|_| AtomicBool::new(false)).collect();
        let seen = Arc::clone(&text);
        let step = move || {
            let shown = reading.shown.clone();
            let gathering = Gathering { reading, text: seen, rows_in, bookmark, sender: sender.clone() };
            let end = gathering.run(&connection).context(&shown).map(|()| None);
            // Nobody may be listening any more.
            drop(sender.send(end));
        };
        let thread = std::thread::Builder::new().name("sqlite".to_owned()).spawn(step);
        thread.map_err(|error| Error::cannot_run(format!("cannot start the reading thread: {error}")))?;
        Ok(Cells { received, ended: false, text })
    }

    pub(crate) fn is_text(&self, column: usize) -> bool {
        self.text[column].load(Ordering::Relaxed)
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
    text: Arc<[AtomicBool]>,
    rows_in: Arc<AtomicU64>,
    bookmark: Bookmark,
    sender: SyncSender<Result<Option<TextBatch>>>,
}

impl Gathering {
    fn run(&self, connection: &Connection) -> Result<()> {
        let failed = |error: rusqlite::Error| connection.broke_off(&error);
        let mut statement = connection.inner.prepare(&self.reading.sql).map_err(failed)?;
        let parameters = self.reading.parameters.iter().map(parameter).collect::<Result<Vec<SqlValue>>>()?;
        let mut rows = statement.query(params_from_iter(parameters)).map_err(failed)?;
        let mut batch = self.empty_batch();
        let mut number: u32 = 0;
        let mut greatest = None;
        while let Some(row) = rows.next().map_err(failed)? {
            number = number.checked_add(1).ok_or_else(|| Error::cannot_run(format!("more than {} rows", u32::MAX)))?;
            self.gather(row, number, &mut batch)?;
            if let Some(key) = self.reading.key {
                greatest = Some(json(row.get_ref(key).map_err(failed)?)?);
            }
            let records = batch.lines.len() + batch.broken.len();
            let is_full = records == BATCH_ROWS || batch.bytes.len() > BATCH_BYTES;
            if is_full && !self.hand_out(std::mem::replace(&mut batch, self.empty_batch()), greatest.take()) {
                return Ok(());
            }
        }
        if !batch.is_empty() {
            self.hand_out(batch, greatest);
        }
        Ok(())
    }

    fn empty_batch(&self) -> TextBatch {
        TextBatch::new(self.reading.shown.clone(), self.reading.places.len())
    }

    /// Whether anybody still wants batches.
    fn hand_out(&self, batch: TextBatch, greatest: Option<Value>) -> bool {
        let records = (batch.lines.len() + batch.broken.len()) as u64;
        self.rows_in.fetch_add(records, Ordering::Relaxed);
        if let Some(greatest) = greatest {
            self.bookmark.set(greatest);
        }
        self.sender.send(Ok(Some(batch))).is_ok()
    }

    /// Adds the cells of `row`; or the row as a whole, if a cell is neither number nor text.
    fn gather(&self, row: &Row, number: u32, batch: &mut TextBatch) -> Result<()> {
        let before = batch.bytes.len();
        for (column, place) in self.reading.places.iter().enumerate() {
            let value = row.get_ref_unwrap(*place);
            let start = batch.bytes.len();
            let wrote = match value {
                ValueRef::Null => {
                    batch.columns[column].push(Cell::NULL);
                    continue;
                }
                ValueRef::Integer(value) => write!(batch.bytes, "{value}"),
                ValueRef::Real(value) => write!(batch.bytes, "{value:?}"),
                ValueRef::Text(text) if std::str::from_utf8(text).is_ok() => {
                    if !self.text[column].load(Ordering::Relaxed) {
                        self.text[column].store(true, Ordering::Relaxed);
                    }
                    batch.bytes.write_all(text)
                }
                ValueRef::Text(_) | ValueRef::Blob(_) => {
                    let what = if matches!(value, ValueRef::Blob(_)) { "bytes (a BLOB)" } else { "no UTF-8" };
                    let name = row.as_ref().column_name(*place).unwrap_or_default();
                    let why = format!("row {number}: {name} holds {what}; read it by a query, as hex({name})");
                    batch.broken.push(Broken { line: number, text: whole(row, &self.reading.places), why });
                    batch.columns[..column].iter_mut().for_each(|cells| cells.truncate(batch.lines.len()));
                    batch.bytes.truncate(before);
                    return Ok(());
                }
            };
            wrote.map_err(|error| Error::cannot_run(format!("row {number}: {error}")))?;
            batch.columns[column].push(Cell::new(start, batch.bytes.len()));
        }
        if batch.bytes.len() - before > ROW_BYTES {
            return Err(Error::cannot_run(format!("row {number} holds more than {} MB", ROW_BYTES >> 20))
                .hint("leave long columns out under 'columns'"));
        }
        batch.lines.push(number);
        Ok(())
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

fn json(value: ValueRef) -> Result<Value> {
    match value {
        ValueRef::Integer(value) => Ok(value.into()),
        ValueRef::Real(value) if value.is_finite() => Ok(value.into()),
        ValueRef::Text(text) if std::str::from_utf8(text).is_ok() => Ok(readable(text).into()),
        _ => Err(Error::cannot_run("incremental: the column holds values that have no order")
            .hint("take a column of numbers, dates or text")),
    }
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
            .hint("read all again with 'ingest --full', which sets it anew")),
    }
}
