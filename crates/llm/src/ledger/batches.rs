//! The manifest of batches: what is meant to be submitted, was submitted, and what came of it.
//!
//! The intention is written first, with a token that goes along as the batch's metadata. So a run that finds an
//! intention without an id can ask the provider whether the batch exists, and nothing is submitted twice.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use spec::Result;

use super::reserved::{self, BATCH_SECONDS};
use super::writer::{add_spend, insert_answer};
use super::{Entry, Key, Ledger, Spend, now_text, process, today};
use crate::settings::Daily;

/// What identifies batches: a task as it is now, and a model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BatchKey {
    pub task: String,
    pub model: String,
    pub provider: String,
    pub prompt: String,
}

/// A batch that is not collected yet.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub token: String,
    /// As of when it was meant to be submitted.
    pub batch_key: BatchKey,
    /// The provider's id; none if it was only meant to be submitted.
    pub id: Option<String>,
    /// When it was meant to be submitted, UTC.
    pub time: String,
}

/// One request of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub key: Key,
    /// JSON.
    pub input: String,
}

impl Ledger {
    /// Writes down that `items` are to be submitted under `token`, and sets aside what each is expected to take. Says which of them may
    /// be: not those that are answered, wait in another batch, or are being asked by a living process; and none from the first on that
    /// a cap of the day forbids. Says which cap.
    pub(crate) fn intend(
        &self,
        batch_key: &BatchKey,
        token: &str,
        owner: &str,
        items: &[(Item, Spend)],
        daily: &Daily,
    ) -> Result<(Vec<bool>, Option<String>)> {
        self.write(|connection| {
            let (mut taken, mut planned, mut cap) = (vec![false; items.len()], Spend::default(), None);
            let day = reserved::day_with_others(connection, token)?;
            let mut insert = connection.prepare("INSERT INTO batch_items VALUES (?1, ?2, ?3, 'open', NULL)")?;
            for (taken, (item, expected)) in taken.iter_mut().zip(items) {
                if !is_free(connection, &item.key)? {
                    continue;
                }
                let mut after = day;
                after += planned;
                after += *expected;
                cap = reserved::cap(daily, after);
                if cap.is_some() {
                    break;
                }
                planned += *expected;
                *taken = true;
                insert.execute(params![token, item.key.as_slice(), item.input])?;
            }
            if taken.contains(&true) {
                connection.execute(
                    "INSERT INTO batches (token, time, task, model, provider, prompt, process, state) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'intended')",
                    params![
                        token,
                        now_text(),
                        batch_key.task,
                        batch_key.model,
                        batch_key.provider,
                        batch_key.prompt,
                        owner
                    ],
                )?;
                reserved::set(connection, token, planned, chrono::Utc::now().timestamp() + BATCH_SECONDS)?;
            }
            Ok((taken, cap))
        })
    }

    /// The provider has it. From now on its requests count for the day.
    pub(crate) fn submitted(&self, token: &str, id: &str) -> Result<()> {
        self.write(|connection| {
            let sql = "UPDATE batches SET state = 'submitted', id = ?2 WHERE token = ?1 AND state = 'intended'";
            if connection.execute(sql, [token, id])? == 1 {
                let sql = "SELECT count(*) FROM batch_items WHERE token = ?1";
                let requests: i64 = connection.query_row(sql, [token], |row| row.get(0))?;
                add_spend(connection, &today(), Spend { requests: requests as u64, ..Spend::default() })?;
                connection.execute("UPDATE reservations SET requests = 0 WHERE holder = ?1", [token])?;
            }
            Ok(())
        })
    }

    /// It was never submitted: its items are free again.
    pub(crate) fn abandon(&self, token: &str) -> Result<()> {
        self.write(|connection| connection.execute("DELETE FROM batches WHERE token = ?1", [token]).map(|_| ()))
    }

    /// Its provider has this name now.
    pub(crate) fn moved(&self, token: &str, provider: &str) -> Result<()> {
        let sql = "UPDATE batches SET provider = ?2 WHERE token = ?1";
        self.write(|connection| connection.execute(sql, [token, provider]).map(|_| ()))
    }

    /// The next run may find out what became of it.
    pub(crate) fn let_go(&self, token: &str) -> Result<()> {
        let sql = "UPDATE batches SET process = '' WHERE token = ?1";
        self.write(|connection| connection.execute(sql, [token]).map(|_| ()))
    }

    /// Batches that are not collected: those of `batch_key`, and others in which one of `keys` waits, such as those of a task or provider
    /// that had another name. Not those that another living process is about to submit.
    pub(crate) fn open_batches(&self, batch_key: &BatchKey, keys: &[Key], owner: &str) -> Result<Vec<Batch>> {
        /// Batches with their processes, and the tokens of those in which a key waits.
        type Uncollected = (Vec<(Batch, String)>, HashSet<String>);

        let connection = self.lock();
        let read = || -> rusqlite::Result<Uncollected> {
            let mut statement = connection.prepare(
                "SELECT token, id, time, process, task, model, provider, prompt FROM batches \
                 WHERE state <> 'collected' ORDER BY time, token",
            )?;
            let rows = statement.query_map([], |row| {
                let batch_key =
                    BatchKey { task: row.get(4)?, model: row.get(5)?, provider: row.get(6)?, prompt: row.get(7)? };
                Ok((Batch { token: row.get(0)?, batch_key, id: row.get(1)?, time: row.get(2)? }, row.get(3)?))
            })?;
            let batches: Vec<(Batch, String)> = rows.collect::<rusqlite::Result<_>>()?;
            let mut waiting = HashSet::new();
            if batches.iter().any(|(batch, _)| batch.batch_key != *batch_key) {
                let mut statement = connection.prepare_cached(WAITS_IN)?;
                for key in keys {
                    waiting.extend(statement.query_row([key.as_slice()], |row| row.get(0)).optional()?);
                }
            }
            Ok((batches, waiting))
        };
        let (batches, waiting) = read().map_err(|error| self.fault("read", &error))?;
        let is_ours = |batch: &Batch, who: &str| {
            let concerns = batch.batch_key == *batch_key || waiting.contains(&batch.token);
            concerns && (batch.id.is_some() || who.is_empty() || who == owner || process::is_gone(who))
        };
        Ok(batches.into_iter().filter(|(batch, who)| is_ours(batch, who)).map(|(batch, _)| batch).collect())
    }

    /// The requests of a batch.
    pub(crate) fn batch_items(&self, token: &str) -> Result<Vec<Item>> {
        let connection = self.lock();
        let read = || -> rusqlite::Result<Vec<Item>> {
            let mut statement = connection.prepare("SELECT key, input FROM batch_items WHERE token = ?1")?;
            let rows = statement.query_map([token], |row| Ok(Item { key: row.get(0)?, input: row.get(1)? }))?;
            rows.collect()
        };
        read().map_err(|error| self.fault("read", &error))
    }

    /// The provider's last word about a batch that continues.
    pub(crate) fn batch_status(&self, token: &str, status: &str) -> Result<()> {
        self.write(|connection| {
            connection.execute("UPDATE batches SET status = ?2 WHERE token = ?1", [token, status]).map(|_| ())
        })
    }

    /// Keeps what came of a batch, all at once: answers, items that failed and why, and what it cost. Items of which
    /// nothing was heard are lost, and free to be asked again.
    pub(crate) fn collect(
        &self,
        token: &str,
        status: &str,
        answers: &[Entry],
        failed: &[(Key, String)],
        spend: Spend,
    ) -> Result<()> {
        self.write(|connection| {
            let sql = "UPDATE batches SET state = 'collected', status = ?2 WHERE token = ?1 AND state <> 'collected'";
            if connection.execute(sql, [token, status])? == 0 {
                return Ok(()); // Another process was quicker.
            }
            let time = now_text();
            let mut update =
                connection.prepare("UPDATE batch_items SET state = ?3, reason = ?4 WHERE token = ?1 AND key = ?2")?;
            for entry in answers {
                insert_answer(connection, entry)?;
                update.execute(params![token, entry.key.as_slice(), "answered", None::<&str>])?;
            }
            for (key, reason) in failed {
                update.execute(params![token, key.as_slice(), "failed", reason])?;
            }
            connection.execute("UPDATE batch_items SET state = 'lost' WHERE token = ?1 AND state = 'open'", [token])?;
            reserved::set(connection, token, Spend::default(), 0)?;
            connection.execute(
                "INSERT INTO calls (time, task, model, provider, rows, retries, status, tokens_in, tokens_out, cost, \
                 latency_ms, request_id) SELECT ?2, task, model, provider, ?3, 0, 200, ?4, ?5, ?6, 0, id FROM batches \
                 WHERE token = ?1",
                params![
                    token,
                    time,
                    answers.len() as i64,
                    answers.iter().map(|entry| entry.tokens_in as i64).sum::<i64>(),
                    answers.iter().map(|entry| entry.tokens_out as i64).sum::<i64>(),
                    answers.iter().map(|entry| entry.cost).sum::<Option<f64>>(),
                ],
            )?;
            add_spend(connection, &today(), spend)
        })
    }

    fn write<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let mut connection = self.lock();
        let run = || -> rusqlite::Result<T> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        run().map_err(|error| self.fault("write to", &error))
    }
}

/// The batch in which an input waits.
pub(crate) const WAITS_IN: &str = "SELECT token FROM batch_items WHERE key = ?1 AND state = 'open'";

fn is_free(connection: &Connection, key: &Key) -> rusqlite::Result<bool> {
    let mut known = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM answers WHERE key = ?1) OR \
         EXISTS (SELECT 1 FROM batch_items WHERE key = ?1 AND state = 'open')",
    )?;
    if known.query_row([key.as_slice()], |row| row.get(0))? {
        return Ok(false);
    }
    let mut holder = connection.prepare_cached("SELECT process, expires FROM claims WHERE key = ?1")?;
    let held: Option<(String, i64)> =
        holder.query_row([key.as_slice()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let now = chrono::Utc::now().timestamp();
    Ok(held.is_none_or(|(who, expires)| expires < now || process::is_gone(&who)))
}
