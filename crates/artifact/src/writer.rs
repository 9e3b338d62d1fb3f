//! Writes a table to a temporary Parquet file, summing it up on the way.
//!
//! Tables of more than a row group are encoded, hashed and written on a thread of their own, while the next rows are being
//! computed. What is written does not depend on it.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use polars::error::{PolarsError, PolarsResult};
use polars::prelude::{DataFrame, Schema};
use spec::{Error, Result};

use crate::cpu_time::spending;
use crate::encode::{ROW_GROUP, RowGroups};
use crate::footer::{footer_start, seal, start_in};
use crate::{Evidence, PolarsResultExt, Summary, Temporary};

/// Writes batches of one schema. Nothing is visible under the target's name until
/// [`WrittenTable::publish`].
pub struct TableWriter {
    temporary: Temporary,
    target: String,
    folder: PathBuf,
    failure: Failure,
    writer: Writer,
    content: Arc<Mutex<Content>>,
    schema: Schema,
    rows: u64,
    summary: Option<Summary>,
    summing: Duration,
}

/// A table on disk that still has its temporary name.
#[derive(Debug)]
pub struct WrittenTable {
    temporary: Temporary,
    pub rows: u64,
    pub bytes: u64,
    /// BLAKE3 of schema and data pages, as hex.
    pub content: String,
    pub summary: Option<Summary>,
    evidence: Duration,
}

impl TableWriter {
    /// Begins a file beside `target`. The summary of every column costs 2 to 4 ns per value.
    pub fn create(target: &Path, schema: &Schema) -> Result<TableWriter> {
        let temporary = Temporary::beside(target)?;
        let file =
            File::options().write(true).open(temporary.path()).map_err(|error| Error::io("write", target, &error))?;
        let failure = Failure::default();
        let content = Arc::new(Mutex::new(Content::default()));
        let hashing = Hashing {
            file: io::BufWriter::with_capacity(1 << 20, file),
            content: content.clone(),
            failure: failure.clone(),
        };
        let writer = RowGroups::new(hashing, schema).during(target.display())?;
        Ok(TableWriter {
            temporary,
            target: target.display().to_string(),
            folder: target.parent().unwrap_or(Path::new(".")).to_owned(),
            failure,
            writer: Writer::Here(Box::new(writer)),
            content,
            schema: schema.clone(),
            rows: 0,
            summary: Some(Summary::new(schema)),
            summing: Duration::ZERO,
        })
    }

    /// Leaves out the column summaries: for rows that are kept only to be replayed.
    pub fn without_summary(mut self) -> TableWriter {
        self.summary = None;
        self
    }

    /// Appends rows. Their columns must be those of the schema, in its order.
    pub fn write(&mut self, rows: DataFrame) -> Result<()> {
        if rows.height() == 0 {
            return Ok(());
        }
        if rows.schema().as_ref() != &self.schema {
            return Err(Error::cannot_run(format!(
                "{}: a batch has other columns than the first: {} instead of {}",
                self.target,
                describe(rows.schema()),
                describe(&self.schema)
            )));
        }
        if let Some(summary) = &mut self.summary {
            if self.rows == 0
                && let Writer::Here(groups) = &mut self.writer
            {
                groups.gather(summary.lend_texts());
            }
            self.summing += summary.observe(&rows);
        }
        self.rows += rows.height() as u64;
        let written = self.writer.write(rows);
        written.map_err(|error| self.failed(error))
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The engine reports a failed write as text only; the error of the disk is more help.
    fn failed(&self, error: PolarsError) -> Error {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(cause) => Error::io("write to it", &self.folder, &cause),
            None => Err::<(), _>(error).during(&self.target).unwrap_err(),
        }
    }

    /// Writes the footer, still without evidence.
    pub fn finish(mut self) -> Result<WrittenTable> {
        let mut writer =
            std::mem::replace(&mut self.writer, Writer::Gone).groups().map_err(|error| self.failed(error))?;
        writer.flush().map_err(|error| self.failed(error))?;
        let (texts, gathering) = writer.gathered();
        if let Some(summary) = &mut self.summary {
            summary.take_texts(texts);
        }
        self.content.lock().unwrap_or_else(PoisonError::into_inner).tail = Some(Vec::new());
        let bytes = writer.finish().map_err(|error| self.failed(error))?;
        let (mut hasher, tail, hashing) = {
            let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
            (content.hasher.clone(), content.tail.take().unwrap_or_default(), content.spent)
        };
        // The footer is rewritten when the file is sealed, so it is not part of the content; the page index before it is.
        hasher.update(&tail[..start_in(&tail)]);
        hasher.update(describe(&self.schema).as_bytes());
        Ok(WrittenTable {
            temporary: self.temporary,
            rows: self.rows,
            bytes,
            content: hasher.finalize().to_hex().to_string(),
            summary: self.summary,
            evidence: self.summing + gathering + hashing,
        })
    }
}

impl WrittenTable {
    /// Where the rows are until they are published: for checks that read them back.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Seals the evidence into the footer, then gives the file its name, which must be free. Returns the
    /// processor time that all evidence took: summaries, hash and seal.
    pub fn publish(self, target: &Path, evidence: &Evidence) -> Result<Duration> {
        let mut spent = self.evidence;
        spending(&mut spent, || seal(self.temporary.path(), evidence))?;
        self.temporary.publish(target)?;
        Ok(spent)
    }
}

/// Who writes the row groups.
enum Writer {
    /// The thread that hands out the rows: there may be too few of them for another.
    Here(Box<RowGroups<Hashing>>),
    There {
        rows: SyncSender<DataFrame>,
        thread: JoinHandle<PolarsResult<RowGroups<Hashing>>>,
    },
    /// It failed, or was finished.
    Gone,
}

impl Writer {
    /// Batches that may wait for the thread: they are in memory.
    const WAITING: usize = 1;

    fn write(&mut self, batch: DataFrame) -> PolarsResult<()> {
        match self {
            Writer::Here(groups) if groups.waiting() + batch.height() < ROW_GROUP => groups.write(batch),
            Writer::Here(_) => {
                let groups = std::mem::replace(self, Writer::Gone).groups()?;
                *self = Writer::spawn(groups)?;
                self.write(batch)
            }
            Writer::There { rows, .. } => match rows.send(batch) {
                Ok(()) => Ok(()),
                // The thread has stopped, and returns the reason.
                Err(_) => {
                    std::mem::replace(self, Writer::Gone).groups()?;
                    Err(PolarsError::ComputeError("the writing thread ended early".into()))
                }
            },
            Writer::Gone => Err(PolarsError::ComputeError("the file was abandoned".into())),
        }
    }

    fn spawn(mut groups: RowGroups<Hashing>) -> PolarsResult<Writer> {
        let (rows, received) = sync_channel::<DataFrame>(Writer::WAITING);
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
            received.into_iter().try_for_each(|batch| groups.write(batch))?;
            Ok(groups)
        });
        Ok(Writer::There { rows, thread: thread.map_err(PolarsError::from)? })
    }

    /// Waits until all is written that was handed out.
    fn groups(self) -> PolarsResult<RowGroups<Hashing>> {
        match self {
            Writer::Here(groups) => Ok(*groups),
            Writer::There { rows, thread } => {
                drop(rows);
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
            Writer::Gone => Err(PolarsError::ComputeError("the file was abandoned".into())),
        }
    }
}

fn describe(schema: &Schema) -> String {
    let columns: Vec<String> = schema.iter().map(|(name, dtype)| format!("{name} {dtype}")).collect();
    columns.join(", ")
}

/// The error of the disk when a write failed.
type Failure = Arc<Mutex<Option<io::Error>>>;

/// The hash of what was written so far, and the time that it took.
#[derive(Default)]
struct Content {
    hasher: blake3::Hasher,
    spent: Duration,
    /// Once the last row group is written: all that follows it, not yet hashed.
    tail: Option<Vec<u8>>,
}

/// Hashes what it writes.
struct Hashing {
    file: io::BufWriter<File>,
    content: Arc<Mutex<Content>>,
    failure: Failure,
}

impl Hashing {
    /// Keeps the cause of a failure before it is turned into text.
    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            let copy = error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy);
        })
    }
}

impl Write for Hashing {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let result = self.file.write_all(buffer);
        self.keep(result)?;
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        let Content { hasher, spent, tail } = &mut *content;
        match tail {
            Some(tail) => tail.extend_from_slice(buffer),
            None => spending(spent, || {
                hasher.update(buffer);
            }),
        }
        Ok(buffer.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        let result = self.file.flush();
        self.keep(result)
    }
}

/// Reads the data pages of the artifact at `path` and compares them with the `content` hash of its evidence. `shown`: what
/// errors call the file.
pub(crate) fn verify(path: &Path, shown: &Path, content: &str) -> Result<()> {
    let failed = |error: io::Error| Error::io("read", shown, &error);
    let mut file = File::open(path).map_err(failed)?;
    let end = footer_start(&mut file).map_err(failed)?;
    file.seek(io::SeekFrom::Start(0)).map_err(failed)?;
    let mut hasher = blake3::Hasher::new();
    let mut pages = file.take(end);
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        match pages.read(&mut buffer).map_err(failed)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        };
    }
    let schema = crate::scan::schema_of(path)?;
    hasher.update(describe(&schema).as_bytes());
    match hasher.finalize().to_hex().as_str() == content {
        true => Ok(()),
        false => Err(Error::cannot_run(format!("{}: its content does not match its hash", shown.display()))
            .hint("it was damaged or changed after it was written; run the stage that wrote it with --force")),
    }
}
