//! An Arrow IPC stream as batches: columns by name, cast where `columns:` asks for another type, as those of Parquet.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::SchemaRef;
use artifact::{Batch, column_type, dtype, type_name};
use polars::prelude::*;
use spec::{Error, Result, ResultExt, did_you_mean};

use crate::ending::Ending;
use crate::recast::{Recast, Texts, Unconvertible, recast};
use crate::source::{Located, Opened, Request};
use crate::table_spec::{RESERVED, reserved};
use crate::typed::{Missing, refused_schema, with_origin};

use super::Program;
use super::process::Running;

/// Rows of a batch that are handed on at a time: a stream may have all its rows in one.
const ROWS: usize = 1 << 17;

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 16;

/// The messages of a stream. The length that a message claims counts only as far as bytes arrive.
struct Messages {
    feed: Running,
    decoder: StreamDecoder,
    /// Bytes that were read, and not decoded yet.
    bytes: Buffer,
    shown: String,
}

impl Messages {
    /// The next batch of rows. Fails unless the stream and the program end well.
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            // The decoder trusts what messages say about buffers, and panics where that is wrong.
            let decoded = catch_unwind(AssertUnwindSafe(|| self.decoder.decode(&mut self.bytes)));
            match decoded {
                Ok(Ok(Some(batch))) => return Ok(Some(batch)),
                Ok(Ok(None)) => {}
                Ok(Err(error)) if error.to_string().contains("compression") => {
                    return Err(Error::cannot_run(format!("{}: the Arrow stream is compressed", self.shown))
                        .hint("write it without compression, as pyarrow.ipc.new_stream does by default"));
                }
                Ok(Err(_)) | Err(_) => return Err(unreadable(&self.shown)),
            }
            let mut chunk = vec![0; CHUNK];
            let count = self.feed.read(&mut chunk).map_err(|error| {
                Error::carried_by(&error)
                    .unwrap_or_else(|| Error::io("read", std::path::Path::new(&self.shown), &error))
            })?;
            if count == 0 {
                return self.decoder.finish().map(|()| None).map_err(|_| unreadable(&self.shown));
            }
            chunk.truncate(count);
            self.bytes = Buffer::from(chunk);
        }
    }

    /// The columns, which come before the rows; and the first batch, which may have to be read for them.
    fn schema(&mut self) -> Result<(SchemaRef, Option<RecordBatch>)> {
        let first = self.next()?;
        let schema = self.decoder.schema().ok_or_else(|| unreadable(&self.shown))?;
        Ok((schema, first))
    }
}

struct Stream {
    messages: Messages,
    shown: String,
    wanted: Vec<Recast>,
    /// For each column, its place in the stream.
    places: Vec<usize>,
    /// The rest of the batch that was read last.
    rest: Option<RecordBatch>,
    rows: u64,
    rows_in: Arc<AtomicU64>,
    failed: bool,
    /// The stream has ended.
    ended: bool,
}

/// Begins to read the stream that a program prints.
pub(super) fn open(program: &Arc<Program>, located: Located, request: &Request<'_>) -> Result<Opened> {
    let shown = program.shown.clone();
    let ending = Ending::default();
    let (feed, decoder, bytes) = (program.start()?, StreamDecoder::new(), Buffer::from(Vec::<u8>::new()));
    let mut messages = Messages { feed, decoder, bytes, shown: shown.clone() };
    let (schema, rest) = messages.schema()?;
    let ended = rest.is_none();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    if let Some((at, twice)) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        let earlier = names.iter().position(|name| name == twice).unwrap_or_default();
        return Err(Error::cannot_run(format!(
            "{shown}: columns {} and {} are both named '{twice}'",
            earlier + 1,
            at + 1
        ))
        .hint("give each column its own name in the program"));
    }
    // An array without rows shows which type the column gets.
    let found = |place: usize| -> Result<DataType> {
        let field = schema.field(place);
        let empty = arrow_array::new_empty_array(field.data_type());
        Ok(series(field.name(), &empty, &shown)?.dtype().clone())
    };
    let mut places = Vec::new();
    let mut wanted = Vec::new();
    match request.columns {
        Some(columns) => {
            for (name, of) in columns.iter() {
                let from = of.from.as_deref().unwrap_or(name);
                let place = names.iter().position(|name| *name == from).ok_or_else(|| {
                    Error::cannot_run(format!("{shown}: no column '{from}'"))
                        .hint(did_you_mean(from, names.iter().copied()))
                })?;
                let column = Recast {
                    name: name.to_owned(),
                    from: from.to_owned(),
                    dtype: dtype(of.column_type),
                    spec: Some(of.clone()),
                    texts: Texts::Plain,
                };
                column.check(&found(place)?, &shown)?;
                places.push(place);
                wanted.push(column);
            }
        }
        None => {
            ending.leaves_out(&shown, &reserved(names.iter().copied()));
            for (place, name) in names.iter().enumerate().filter(|(_, name)| !RESERVED.contains(name)) {
                let found = found(place)?;
                let own = column_type(&found).ok_or_else(|| {
                    Error::cannot_run(format!(
                        "{shown}: column '{name}' is {}, which no column can hold",
                        type_name(&found)
                    ))
                    .hint("name the other columns under 'columns', or write it as text in the program")
                })?;
                places.push(place);
                wanted.push(Recast {
                    name: (*name).to_owned(),
                    from: (*name).to_owned(),
                    dtype: dtype(own),
                    spec: None,
                    texts: Texts::Plain,
                });
            }
        }
    }
    let schemas = (
        with_origin(wanted.iter().map(|column| (column.name.as_str(), column.dtype.clone()))),
        refused_schema(wanted.iter().map(|column| column.name.as_str())),
    );
    let rows_in = ending.rows_in.clone();
    let mut stream = Stream { messages, shown, wanted, places, rest, rows: 0, rows_in, failed: false, ended };
    stream.fill()?;
    if stream.rest.is_none() {
        return Err(Error::cannot_run(format!("{}: the stream has no rows", stream.shown))
            .hint("run the program by hand, and see what it prints"));
    }
    Ok(Opened::typed(located.inputs, schemas, Box::new(stream), ending))
}

fn unreadable(shown: &str) -> Error {
    Error::cannot_run(format!("{shown}: the program does not print a complete Arrow stream"))
        .hint("run it by hand; it must print an Arrow IPC stream (not a file) and nothing else on its standard output")
}

/// An array of the stream as a column.
fn series(name: &str, array: &ArrayRef, shown: &str) -> Result<Series> {
    use arrow_schema::DataType as Of;
    let is_read = |of: &Of| {
        matches!(
            of,
            Of::Null
                | Of::Boolean
                | Of::Int8
                | Of::Int16
                | Of::Int32
                | Of::Int64
                | Of::UInt8
                | Of::UInt16
                | Of::UInt32
                | Of::UInt64
                | Of::Float32
                | Of::Float64
                | Of::Utf8
                | Of::LargeUtf8
                | Of::Utf8View
                | Of::Date32
                | Of::Date64
                | Of::Timestamp(..)
                | Of::Time32(_)
                | Of::Time64(_)
                | Of::Decimal128(..)
        )
    };
    let of = array.data_type();
    let is_read = match of {
        Of::Dictionary(_, values) => matches!(values.as_ref(), Of::Utf8 | Of::LargeUtf8 | Of::Utf8View),
        other => is_read(other),
    };
    if !is_read {
        return Err(Error::cannot_run(format!(
            "{shown}: column '{name}' is of the Arrow type {of}, which is not read"
        ))
        .hint("name the other columns under 'columns', or write it as text in the program"));
    }
    if *of == Of::Null {
        return Ok(Series::full_null(name.into(), array.len(), &DataType::String));
    }
    artifact::ipc::taken(name.into(), array).context(format!("{shown}: column '{name}'"))
}

impl Stream {
    /// Reads on until there are rows, or the stream and the program end.
    fn fill(&mut self) -> Result<()> {
        while self.rest.as_ref().is_some_and(|batch| batch.num_rows() == 0) || self.rest.is_none() && !self.ended {
            self.rest = self.messages.next()?;
            self.ended = self.rest.is_none();
        }
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<Batch> {
        let first = self.rows;
        self.rows += batch.num_rows() as u64;
        let numbers: Vec<u32> = (first..self.rows)
            .map(|row| u32::try_from(row + 1))
            .collect::<Result<_, _>>()
            .map_err(|_| Error::cannot_run(format!("{}: more than {} rows", self.shown, u32::MAX)))?;
        self.rows_in.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        let columns = self.wanted.iter().zip(&self.places);
        let columns = columns.map(|(column, place)| series(&column.from, batch.column(*place), &self.shown));
        let columns = columns.collect::<Result<Vec<Series>>>()?;
        let sources: Vec<&Series> = columns.iter().collect();
        recast(&self.wanted, &sources, &Unconvertible::new(), &Missing::new(&[]), &self.shown, &numbers)
    }
}

impl Iterator for Stream {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        if self.failed {
            return None;
        }
        if let Err(error) = self.fill() {
            self.failed = true;
            return Some(Err(error));
        }
        let whole = self.rest.take()?;
        let count = whole.num_rows().min(ROWS);
        if count < whole.num_rows() {
            self.rest = Some(whole.slice(count, whole.num_rows() - count));
        }
        let batch = self.batch(&whole.slice(0, count));
        self.failed = batch.is_err();
        Some(batch)
    }
}
