//! A thread that asks the server for rows and hands them on as they come: one transaction, one COPY.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use futures::StreamExt;
use spec::{Error, Result, ResultExt};
use tokio_postgres::Client;

use crate::database::server::{Question, ReadPlan};
use crate::flow::panicked;
use crate::reader::BATCH_ROWS;

use super::plan::plan;
use postgresql::{Address, connect, in_words};

/// Bytes of rows per chunk; a chunk ends with the row that passes it.
pub(crate) const CHUNK_BYTES: usize = 16 << 20;
/// A binary COPY begins so, followed by flags and a header extension.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// The count of fields that ends it.
const TRAILER: &[u8] = &[0xFF, 0xFF];

/// Rows as the server writes them, one after the other.
pub(crate) struct Chunk {
    pub bytes: Vec<u8>,
    pub rows: usize,
}

/// What the thread found out, and the rows that it reads.
pub(crate) struct Copying {
    pub plan: ReadPlan,
    pub chunks: Chunks,
}

/// Chunks as they come. `None` is the last row's end; a channel that closes without it belongs to a thread that
/// panicked.
pub(crate) struct Chunks {
    received: Receiver<Result<Option<Chunk>>>,
    ended: bool,
}

impl Chunks {
    pub(crate) fn new(received: Receiver<Result<Option<Chunk>>>) -> Chunks {
        Chunks { received, ended: false }
    }
}

impl Iterator for Chunks {
    type Item = Result<Chunk>;

    /// Nothing more after an error.
    fn next(&mut self) -> Option<Result<Chunk>> {
        if self.ended {
            return None;
        }
        let chunk = self.received.recv().unwrap_or_else(|_| Err(panicked())).transpose();
        self.ended = !matches!(chunk, Some(Ok(_)));
        chunk
    }
}

/// Connects and sends the query; returns when the server knows what it will send.
pub(crate) fn copy(address: Address, question: Question, rows_in: Arc<AtomicU64>) -> Result<Copying> {
    let (plan_sender, plan) = sync_channel(1);
    // Two chunks ahead at most: memory stays flat.
    let (chunk_sender, received) = sync_channel(1);
    let run = move || {
        let who = address.with_user();
        let client = net::runtime().and_then(|runtime| {
            let begun = runtime.block_on(begin(&address, &question))?;
            Ok((runtime, begun))
        });
        let (runtime, (client, plan)) = match client.context(&who) {
            Ok(begun) => begun,
            Err(error) => return drop(plan_sender.send(Err(error))),
        };
        let sql = plan.sql.clone();
        if plan_sender.send(Ok(plan)).is_err() {
            return;
        }
        let rows = Rows { sender: &chunk_sender, rows_in: &rows_in, key: question.selection.key() };
        let end = runtime.block_on(rows.send(&client, &sql)).context(&who).map(|()| None);
        // The receiver may be gone.
        drop(chunk_sender.send(end));
    };
    let thread = std::thread::Builder::new().name("postgres".to_owned()).spawn(run);
    thread.map_err(|error| Error::cannot_run(format!("cannot start the reading thread: {error}")))?;
    let plan = plan.recv().unwrap_or_else(|_| Err(panicked()))?;
    Ok(Copying { plan, chunks: Chunks::new(received) })
}

/// A transaction that sees one state of the database, and what is to be asked in it.
async fn begin(address: &Address, question: &Question) -> Result<(Client, ReadPlan)> {
    let client = connect(address).await?;
    let milliseconds = u64::from(question.timeout_seconds) * 1000;
    // How values are written as text must not depend on the settings of the server, the database or the user.
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {milliseconds}; \
         SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL standard_conforming_strings = on; \
         SET LOCAL extra_float_digits = 3; SET LOCAL IntervalStyle = 'iso_8601'; SET LOCAL bytea_output = 'hex'"
    );
    client.batch_execute(&begin).await.map_err(|error| in_words(&error, "url"))?;
    let plan = plan(&client, question).await?;
    Ok((client, plan))
}

struct Rows<'a> {
    sender: &'a SyncSender<Result<Option<Chunk>>>,
    rows_in: &'a AtomicU64,
    key: &'static str,
}

impl Rows<'_> {
    async fn send(&self, client: &Client, sql: &str) -> Result<()> {
        let failed = |error: tokio_postgres::Error| in_words(&error, self.key);
        let copy = format!("COPY (\n{sql}\n) TO STDOUT (FORMAT binary)");
        let mut messages = pin!(client.copy_out(copy.as_str()).await.map_err(failed)?);
        let mut chunk = Chunk { bytes: Vec::new(), rows: 0 };
        let (mut begun, mut ended) = (false, false);
        while let Some(message) = messages.next().await {
            // One row each; the first has the header in front.
            let message = message.map_err(failed)?;
            let mut row: &[u8] = &message;
            if !begun {
                row = after_header(row).ok_or_else(|| Error::cannot_run("the server sent no binary COPY"))?;
                begun = true;
            }
            match row {
                [] => continue,
                TRAILER => {
                    ended = true;
                    continue;
                }
                row => chunk.bytes.extend_from_slice(row),
            }
            chunk.rows += 1;
            if chunk.rows == BATCH_ROWS || chunk.bytes.len() > CHUNK_BYTES {
                let next = Chunk { bytes: Vec::with_capacity(chunk.bytes.len()), rows: 0 };
                if !self.hand_out(std::mem::replace(&mut chunk, next)) {
                    return Ok(());
                }
            }
        }
        if !ended {
            return Err(Error::try_again("the rows are cut off").hint("run again; nothing was published"));
        }
        if chunk.rows > 0 {
            self.hand_out(chunk);
        }
        Ok(())
    }

    /// Whether rows are still needed.
    fn hand_out(&self, chunk: Chunk) -> bool {
        self.rows_in.fetch_add(chunk.rows as u64, Ordering::Relaxed);
        self.sender.send(Ok(Some(chunk))).is_ok()
    }
}

/// What follows signature, flags and header extension.
fn after_header(message: &[u8]) -> Option<&[u8]> {
    let (_flags, rest) = message.strip_prefix(SIGNATURE)?.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    rest.get(u32::from_be_bytes(*length) as usize..)
}
