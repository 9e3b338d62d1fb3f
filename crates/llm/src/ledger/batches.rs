//! The manifest of batches: what is meant to be submitted, was submitted, and what came of it.
//!
//! The intention is written first, with a token that goes along as the batch's metadata. So a run that finds an
//! intention without an id can ask the provider whether the batch exists, and nothing is submitted twice.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use spec::Result;

use super::writer::{add_spend, insert_answer};
use super::{Entry, Key, Ledger, Spend, now_text, process, today};

/// Whose batches: those of one task as it is now, at one model.
#[derive(Clone, Debug)]
pub(crate) struct Lot {
    pub task: String,
    pub model: String,
    pub provider: String,
    pub prompt: String,
}

/// A batch that is not collected yet.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub token: String,
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
    /// Writes down that `items` are to be submitted under `token`. Says which of them may be: not those that are
    /// answered, wait in another batch, or are being asked by a living process.
    pub(crate) fn intend(&self, lot: &Lot, token: &str, owner: &str, items: &[Item]) -> Result<Vec<bool>> {
        self.write(|connection| {
            let mut taken = Vec::with_capacity(items.len());
            let mut insert = connection.prepare("INSERT INTO batch_items VALUES (?1, ?2, ?3, 'open', NULL)")?;
            for item in items {
                let free = is_free(connection, &item.key)?;
                if free {
                    insert.execute(params![token, item.key.as_slice(), item.input])?;
                }
                taken.push(free);
            }
            let count = taken.iter().filter(|taken| **taken).count() as u64;
            if count > 0 {
                connection.execute(
                    "INSERT INTO batches (token, time, task, model, provider, prompt, process, state) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'intended')",
                    params![token, now_text(), lot.task, lot.model, lot.provider, lot.prompt, owner],
                )?;
            }
            Ok(taken)
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
            }
            Ok(())
        })
    }

    /// It was never submitted: its items are free again.
    pub(crate) fn abandon(&self, token: &str) -> Result<()> {
        self.write(|connection| {
            connection.execute("DELETE FROM batch_items WHERE token = ?1", [token])?;
            connection.execute("DELETE FROM batches WHERE token = ?1", [token])?;
            Ok(())
        })
    }

    /// Whoever comes next may find out what became of it.
    pub(crate) fn let_go(&self, token: &str) -> Result<()> {
        let sql = "UPDATE batches SET process = '' WHERE token = ?1";
        self.write(|connection| connection.execute(sql, [token]).map(|_| ()))
    }

    /// Batches of `lot` that are not collected; not those that another living process is about to submit.
    pub(crate) fn open_batches(&self, lot: &Lot, owner: &str) -> Result<Vec<Batch>> {
        let connection = self.lock();
        let read = || -> rusqlite::Result<Vec<(Batch, String)>> {
            let mut statement = connection.prepare(
                "SELECT token, id, time, process FROM batches WHERE state <> 'collected' AND task = ?1 AND model = ?2 \
                 AND provider = ?3 AND prompt = ?4 ORDER BY time, token",
            )?;
            let rows = statement.query_map([&lot.task, &lot.model, &lot.provider, &lot.prompt], |row| {
                Ok((Batch { token: row.get(0)?, id: row.get(1)?, time: row.get(2)? }, row.get(3)?))
            })?;
            rows.collect()
        };
        let batches = read().map_err(|error| self.fault("read", &error))?;
        let is_ours =
            |batch: &Batch, who: &str| batch.id.is_some() || who.is_empty() || who == owner || process::is_gone(who);
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
