//! A thread that asks the server for rows and hands them on as they come: one transaction, which only reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use ::mysql::{Address, Connection, Row};
use spec::{Error, Result, ResultExt};

use super::plan::plan;
use crate::database::server::{Field, Question, ReadPlan};
use crate::flow::panicked;
use crate::postgres::copy::{CHUNK_BYTES, Chunk, Chunks, Copying};
use crate::postgres::types::Wire;
use crate::reader::BATCH_ROWS;

/// Connects and sends the query; returns when it is known what the server will send.
pub(super) fn read(address: Address, question: Question, rows_in: Arc<AtomicU64>) -> Result<Copying> {
    let (plan_sender, plans) = sync_channel(1);
    // Two chunks ahead at most: memory stays flat.
    let (chunk_sender, received) = sync_channel(1);
    let run = move || {
        let who = address.with_user();
        let begun = begin(&address, &question).context(&who);
        let (mut connection, plan) = match begun {
            Ok(begun) => begun,
            Err(error) => return drop(plan_sender.send(Err(error))),
        };
        let (sql, fields) = (plan.sql.clone(), plan.fields.clone());
        if plan_sender.send(Ok(plan)).is_err() {
            return;
        }
        let end = send(&mut connection, &sql, &fields, &chunk_sender, &rows_in).context(&who).map(|()| None);
        // The receiver may be gone.
        drop(chunk_sender.send(end));
    };
    let thread = std::thread::Builder::new().name("mysql".to_owned()).spawn(run);
    thread.map_err(|error| Error::cannot_run(format!("cannot start the reading thread: {error}")))?;
    let plan = plans.recv().unwrap_or_else(|_| Err(panicked()))?;
    Ok(Copying { plan, chunks: Chunks::new(received) })
}

fn begin(address: &Address, question: &Question) -> Result<(Connection, ReadPlan)> {
    let mut connection = Connection::open(address, question.timeout_seconds, question.selection.key())?;
    connection.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")?;
    let plan = plan(&mut connection, question)?;
    Ok((connection, plan))
}

fn send(
    connection: &mut Connection,
    sql: &str,
    fields: &[Field],
    sender: &SyncSender<Result<Option<Chunk>>>,
    rows_in: &AtomicU64,
) -> Result<()> {
    let mut rows = connection.query(sql)?;
    let mut chunk = Chunk { bytes: Vec::new(), rows: 0 };
    // Whether rows are still needed.
    let hand_out = |chunk: Chunk| {
        rows_in.fetch_add(chunk.rows as u64, Ordering::Relaxed);
        sender.send(Ok(Some(chunk))).is_ok()
    };
    while let Some(row) = rows.next_row()? {
        put(&mut chunk.bytes, &row, fields)?;
        chunk.rows += 1;
        if chunk.rows == BATCH_ROWS || chunk.bytes.len() > CHUNK_BYTES {
            let next = Chunk { bytes: Vec::with_capacity(chunk.bytes.len()), rows: 0 };
            if !hand_out(std::mem::replace(&mut chunk, next)) {
                return Ok(());
            }
        }
    }
    if chunk.rows > 0 {
        hand_out(chunk);
    }
    Ok(())
}

/// Appends a row as PostgreSQL's binary COPY writes it: the number of its fields, and before each its length, -1 for a null.
fn put(bytes: &mut Vec<u8>, row: &Row, fields: &[Field]) -> Result<()> {
    if row.len() != fields.len() {
        return Err(Error::cannot_run("the server sent other columns than it had announced").hint("run again"));
    }
    bytes.extend_from_slice(&(fields.len() as u16).to_be_bytes());
    for (at, field) in fields.iter().enumerate() {
        let Some(text) = row.value(at) else {
            bytes.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        };
        let mut add = |value: &[u8]| {
            bytes.extend_from_slice(&(value.len() as i32).to_be_bytes());
            bytes.extend_from_slice(value);
        };
        let wrong = || {
            let shown = String::from_utf8_lossy(text).into_owned();
            Error::cannot_run(format!("the server sent '{}' for a number", shown.escape_debug()))
        };
        fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
            std::str::from_utf8(text).ok()?.parse().ok()
        }
        match field {
            Field::Column(Wire::Int16) => add(&number::<i16>(text).ok_or_else(wrong)?.to_be_bytes()),
            Field::Column(Wire::Int32) => add(&number::<i32>(text).ok_or_else(wrong)?.to_be_bytes()),
            Field::Column(Wire::Int64) => add(&number::<i64>(text).ok_or_else(wrong)?.to_be_bytes()),
            // It arrives as a DOUBLE, and becomes the FLOAT that it was.
            Field::Column(Wire::Float32) => add(&(number::<f64>(text).ok_or_else(wrong)? as f32).to_be_bytes()),
            Field::Column(Wire::Float64) => add(&number::<f64>(text).ok_or_else(wrong)?.to_be_bytes()),
            Field::Column(_) | Field::Key(_) | Field::Tie | Field::Skip => add(text),
        }
    }
    Ok(())
}
