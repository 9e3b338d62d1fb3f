//! The thread that writes to the ledger: what arrives while it commits goes into the next commit together.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use spec::{Error, Result};

use super::batches::WAITS_IN;
use super::checkpoint::Commits;
use super::{Call, Entry, Key, Known, LOOK_UP, Ledger, Spend, connect, fault, known, process, reserved, today};
use crate::settings::Daily;

/// Most orders in one commit.
const GROUP: usize = 2000;
/// How long a claim holds unless renewed.
const CLAIM: Duration = Duration::from_secs(60);
/// Claims of answered inputs that end together, for each would cost as much as its answer.
const ENDING: usize = 256;
/// How long they wait for each other.
const ENDING_AFTER: Duration = Duration::from_secs(1);
/// How often claims are renewed.
const RENEWAL: Duration = if cfg!(test) { Duration::from_millis(20) } else { Duration::from_secs(15) };

/// What became of a claim.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It is ours: ask.
    Ours,
    /// The answer is there already: that of the model at this place in the order of preference.
    Answered(usize, Box<Known>),
    /// Another living run is asking.
    Held,
    /// It waits in this batch.
    InBatch(String),
}

/// A claim for one input: its keys by model, in order of preference. The first is what is claimed.
pub(crate) type Claimed = Vec<Key>;

/// Something to be kept.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub answers: Vec<Entry>,
    pub call: Option<Call>,
    /// What the call adds to the day.
    pub spend: Spend,
    /// What had been set aside for it, by [`Writer::reserve`].
    pub reserved: Spend,
    /// Claims that end with it.
    pub released: Vec<Key>,
    /// Claims of inputs that it answers. They end soon after it: another run that claims such an input finds the answer first.
    pub answered: Vec<Key>,
}

/// Receives a message when an order is committed.
pub(crate) type Done<T> = oneshot::Receiver<Result<T>>;

enum Order {
    Claim(Vec<Claimed>, oneshot::Sender<Result<Vec<Claim>>>),
    Reserve(Spend, Daily, oneshot::Sender<Result<Option<String>>>),
    Keep(Box<Record>, Option<oneshot::Sender<Result<()>>>),
}

/// Hands orders to the writing thread, and ends it when dropped.
pub(crate) struct Writer {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn start(ledger: &Ledger) -> Result<Writer> {
        let connection = connect(ledger.path())?;
        let (orders, received) = channel();
        let commits = ledger.commits()?;
        let mut thread = Thread {
            connection,
            path: ledger.path().to_owned(),
            owner: process::owner(),
            reserved: Spend::default(),
            capped: false,
            commits,
            answered: Vec::new(),
            ended: Instant::now(),
            renewed: Instant::now(),
        };
        let spawned = std::thread::Builder::new().name("ledger".to_owned()).spawn(move || thread.run(&received));
        let thread = spawned.map_err(|error| Error::cannot_run(format!("cannot start a thread: {error}")))?;
        Ok(Writer { orders: Some(orders), thread: Some(thread) })
    }

    /// Claims inputs, or says who has them.
    pub fn claim(&self, wanted: Vec<Claimed>) -> Done<Vec<Claim>> {
        let (told, done) = oneshot::channel();
        self.send(Order::Claim(wanted, told));
        done
    }

    /// Keeps `record`; done when it is committed.
    pub fn keep(&self, record: Record) -> Done<()> {
        let (told, done) = oneshot::channel();
        self.send(Order::Keep(Box::new(record), Some(told)));
        done
    }

    /// Keeps `record` with the next commit; a failure shows with the next order that is waited for.
    pub fn keep_soon(&self, record: Record) {
        self.send(Order::Keep(Box::new(record), None));
    }

    /// Sets `spend` aside for a request that goes out now, unless a cap of the day forbids it, with all that this run and others have
    /// spent and set aside. Says which cap.
    pub fn reserve(&self, spend: Spend, daily: Daily) -> Done<Option<String>> {
        let (told, done) = oneshot::channel();
        self.send(Order::Reserve(spend, daily, told));
        done
    }

    /// A thread that has ended drops its channel, which wakes all that wait.
    fn send(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What to reply to the orders of a commit that ask something, in their order.
#[derive(Default)]
struct Replies {
    claims: Vec<Vec<Claim>>,
    caps: Vec<Option<String>>,
}

struct Thread {
    connection: Connection,
    path: std::path::PathBuf,
    owner: String,
    /// What this run has in flight, and whether a cap makes others ask for it.
    reserved: Spend,
    capped: bool,
    commits: Commits,
    /// Claims of answered inputs that are still to end, and when such claims last ended.
    answered: Vec<Key>,
    ended: Instant,
    /// When the claims that are left were last renewed.
    renewed: Instant,
}

impl Thread {
    fn run(&mut self, orders: &Receiver<Order>) {
        loop {
            match orders.recv_timeout(RENEWAL.saturating_sub(self.renewed.elapsed())) {
                Ok(first) => {
                    let mut group = vec![first];
                    group.extend(orders.try_iter().take(GROUP - 1));
                    self.commit(group);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            // However busy the run is: a slow answer must not lose its claim to orders about others. A renewal that fails is tried
            // again; should it fail on, others may take over after a minute.
            if self.renewed.elapsed() >= RENEWAL {
                let _ = self.renew();
                self.renewed = Instant::now();
            }
        }
        // What was sent and never heard of again may have been paid.
        let _ = self.leave(Spend { requests: self.reserved.requests, ..Spend::default() });
    }

    fn commit(&mut self, group: Vec<Order>) {
        match self.write(&group) {
            Ok((replies, in_flight)) => {
                self.commits.count_one();
                self.reserved = in_flight;
                let (mut claims, mut caps) = (replies.claims.into_iter(), replies.caps.into_iter());
                for order in group {
                    match order {
                        Order::Claim(_, told) => drop(told.send(Ok(claims.next().unwrap_or_default()))),
                        Order::Reserve(.., told) => drop(told.send(Ok(caps.next().flatten()))),
                        Order::Keep(_, Some(told)) => drop(told.send(Ok(()))),
                        Order::Keep(_, None) => {}
                    }
                }
            }
            Err(error) => {
                for order in group {
                    let error = fault(&self.path, "write to", &error);
                    match order {
                        Order::Claim(_, told) => drop(told.send(Err(error))),
                        Order::Reserve(.., told) => drop(told.send(Err(error))),
                        Order::Keep(_, Some(told)) => drop(told.send(Err(error))),
                        Order::Keep(_, None) => {}
                    }
                }
            }
        }
    }

    /// Carries out the orders in one commit. Says what to reply, and what this run has in flight then.
    fn write(&mut self, group: &[Order]) -> rusqlite::Result<(Replies, Spend)> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (mut replies, mut in_flight, mut spend) = (Replies::default(), self.reserved, Spend::default());
        // The day as the other processes leave it, read when it is needed.
        let mut others = None;
        let seconds = chrono::Utc::now().timestamp();
        for order in group {
            match order {
                Order::Claim(wanted, _) => {
                    replies.claims.push(claim(&transaction, wanted, &self.owner, seconds)?);
                }
                Order::Reserve(wanted, daily, _) => {
                    let mut cap = None;
                    if *daily != Daily::default() {
                        self.capped = true;
                        let mut after = match others {
                            Some(others) => others,
                            None => *others.insert(reserved::day_with_others(&transaction, &self.owner)?),
                        };
                        after += spend;
                        after += in_flight;
                        after += *wanted;
                        cap = reserved::cap(daily, after);
                    }
                    if cap.is_none() {
                        in_flight += *wanted;
                    }
                    replies.caps.push(cap);
                }
                Order::Keep(record, _) => {
                    keep(&transaction, record, &self.owner)?;
                    spend += record.spend;
                    in_flight -= record.reserved;
                }
            }
        }
        let answered = group.iter().filter_map(|order| match order {
            Order::Keep(record, _) => Some(&record.answered),
            Order::Claim(..) | Order::Reserve(..) => None,
        });
        self.answered.extend(answered.flatten());
        if self.answered.len() >= ENDING || self.ended.elapsed() > ENDING_AFTER {
            release(&transaction, &self.answered, &self.owner)?;
            self.answered.clear();
            self.ended = Instant::now();
        }
        if spend != Spend::default() {
            add_spend(&transaction, &today(), spend)?;
        }
        if self.capped && in_flight != self.reserved {
            reserved::set(&transaction, &self.owner, in_flight, seconds + CLAIM.as_secs() as i64)?;
        }
        transaction.commit()?;
        Ok((replies, in_flight))
    }

    fn renew(&mut self) -> rusqlite::Result<()> {
        let expires = chrono::Utc::now().timestamp() + CLAIM.as_secs() as i64;
        self.connection.execute("UPDATE claims SET expires = ?1 WHERE process = ?2", params![expires, self.owner])?;
        if self.capped {
            let sql = "UPDATE reservations SET expires = ?1 WHERE holder = ?2";
            self.connection.execute(sql, params![expires, self.owner])?;
        }
        Ok(())
    }

    fn leave(&mut self, lost: Spend) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if lost != Spend::default() {
            add_spend(&transaction, &today(), lost)?;
        }
        reserved::set(&transaction, &self.owner, Spend::default(), 0)?;
        transaction.execute("DELETE FROM claims WHERE process = ?1", [&self.owner])?;
        transaction.commit()
    }
}

fn claim(connection: &Connection, wanted: &[Claimed], owner: &str, now: i64) -> rusqlite::Result<Vec<Claim>> {
    let mut answered = connection.prepare_cached(LOOK_UP)?;
    let mut in_batch = connection.prepare_cached(WAITS_IN)?;
    let mut holder = connection.prepare_cached("SELECT process, expires FROM claims WHERE key = ?1")?;
    let mut take = connection
        .prepare_cached("INSERT OR REPLACE INTO claims (key, process, started, expires) VALUES (?1, ?2, ?3, ?4)")?;
    let mut out = Vec::with_capacity(wanted.len());
    'inputs: for keys in wanted {
        for (at, key) in keys.iter().enumerate() {
            if let Some(known) = answered.query_row([key.as_slice()], known).optional()? {
                out.push(Claim::Answered(at, Box::new(known)));
                continue 'inputs;
            }
        }
        let Some(key) = keys.first() else {
            out.push(Claim::Held);
            continue;
        };
        if let Some(token) = in_batch.query_row([key.as_slice()], |row| row.get(0)).optional()? {
            out.push(Claim::InBatch(token));
            continue;
        }
        let held: Option<(String, i64)> =
            holder.query_row([key.as_slice()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let free = held.is_none_or(|(who, expires)| who == owner || expires < now || process::is_gone(&who));
        if free {
            take.execute(params![key.as_slice(), owner, now, now + CLAIM.as_secs() as i64])?;
        }
        out.push(if free { Claim::Ours } else { Claim::Held });
    }
    Ok(out)
}

fn release(connection: &Connection, keys: &[Key], owner: &str) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("DELETE FROM claims WHERE key = ?1 AND process = ?2")?;
    for key in keys {
        statement.execute(params![key.as_slice(), owner])?;
    }
    Ok(())
}

fn keep(connection: &Connection, record: &Record, owner: &str) -> rusqlite::Result<()> {
    let time = super::now_text();
    for entry in &record.answers {
        insert_answer(connection, entry)?;
    }
    release(connection, &record.released, owner)?;
    if let Some(call) = &record.call {
        let mut statement = connection.prepare_cached(
            "INSERT INTO calls (time, task, model, provider, rows, retries, status, error, tokens_in, tokens_out, cost, \
             latency_ms, request_id, request, response) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?;
        let bodies = call.bodies.as_ref();
        statement.execute(params![
            time,
            call.task,
            call.model,
            call.provider,
            call.rows as i64,
            call.retries,
            call.status,
            call.error,
            call.tokens_in as i64,
            call.tokens_out as i64,
            call.cost,
            call.latency.as_millis() as i64,
            call.request_id,
            bodies.map(|(request, _)| request),
            bodies.map(|(_, response)| response),
        ])?;
    }
    Ok(())
}

pub(crate) fn insert_answer(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR IGNORE INTO answers (key, time, task, model, provider, prompt, input, answer, tokens_in, tokens_out, \
         cost, latency_ms, request_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    statement.execute(params![
        entry.key.as_slice(),
        super::text_of(entry.time),
        entry.task,
        entry.model,
        entry.provider,
        entry.prompt,
        entry.input,
        entry.answer,
        entry.tokens_in as i64,
        entry.tokens_out as i64,
        entry.cost,
        entry.latency.as_millis() as i64,
        entry.request_id,
    ])?;
    Ok(())
}

pub(crate) fn add_spend(connection: &Connection, day: &str, spend: Spend) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO spend (day, requests, tokens, money) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (day) DO UPDATE SET \
         requests = requests + excluded.requests, tokens = tokens + excluded.tokens, money = money + excluded.money",
    )?;
    statement.execute(params![day, spend.requests as i64, spend.tokens as i64, spend.money])?;
    Ok(())
}
