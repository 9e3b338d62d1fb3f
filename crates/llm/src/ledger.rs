//! The ledger: every answer that was paid for, every call, and what each day cost.
//!
//! One SQLite file in WAL mode, shared by all pipelines and safe with several processes. Look into it with `sqlite3`:
//! the tables are `answers`, `calls`, `spend`, `reservations`, `claims`, `batches` and `batch_items` (see [`SCHEMA`]).
//! Answers are committed as they arrive; failures are never kept as answers. A claim says that a living process is
//! asking for an input now, so that others wait for its answer instead of paying for it again.
//!
//! Durability: a killed process loses nothing that was committed. After a loss of power the last moments may be
//! missing (`synchronous = NORMAL`), never the file as a whole.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value};
use spec::{Error, Result};

mod batches;
mod checkpoint;
mod process;
mod reserved;
mod writer;

use checkpoint::{Checkpoints, Commits};

pub(crate) use batches::{Batch, BatchKey, Item};
pub(crate) use process::owner;
pub(crate) use writer::{Claim, Claimed, Done, Record, Writer};

/// BLAKE3 of what was asked: messages, model, parameters and schema, as canonical JSON.
pub type Key = [u8; 32];

/// The tables, as they are created.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY,          -- BLAKE3 of messages, model, parameters and schema
    time TEXT NOT NULL,            -- UTC
    task TEXT NOT NULL,
    model TEXT NOT NULL,           -- as sent to the provider
    provider TEXT NOT NULL,
    prompt TEXT NOT NULL,          -- hash of templates, examples, schema and parameters
    input TEXT NOT NULL,           -- JSON
    answer TEXT NOT NULL,          -- JSON
    tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    cost REAL,                     -- null if the model has no price
    latency_ms INTEGER NOT NULL,
    request_id TEXT
);
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    task TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    rows INTEGER NOT NULL,         -- rows that the request carried
    retries INTEGER NOT NULL,      -- how often it had been sent before
    status INTEGER,                -- HTTP; null if none came
    error TEXT,                    -- class of the failure; null if there was none
    tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    cost REAL,
    latency_ms INTEGER NOT NULL,
    request_id TEXT,
    request TEXT,                  -- only with log_bodies
    response TEXT
);
CREATE TABLE IF NOT EXISTS spend (
    day TEXT PRIMARY KEY,          -- UTC
    requests INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    money REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS reservations (
    holder TEXT PRIMARY KEY,       -- a run, or the token of a batch
    requests INTEGER NOT NULL,     -- what it is expected to add to `spend`
    tokens INTEGER NOT NULL,
    money REAL NOT NULL,
    expires INTEGER NOT NULL       -- seconds since 1970
);
CREATE TABLE IF NOT EXISTS claims (
    key BLOB PRIMARY KEY,
    process TEXT NOT NULL,
    started INTEGER NOT NULL,      -- seconds since 1970
    expires INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS batches (
    token TEXT PRIMARY KEY,        -- ours; also the batch's metadata at the provider
    time TEXT NOT NULL,
    task TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    prompt TEXT NOT NULL,
    process TEXT NOT NULL,         -- who submits it
    state TEXT NOT NULL,           -- intended, submitted, collected
    id TEXT,                       -- the provider's
    status TEXT                    -- the provider's last word
);
CREATE TABLE IF NOT EXISTS batch_items (
    token TEXT NOT NULL,
    key BLOB NOT NULL,
    input TEXT NOT NULL,
    state TEXT NOT NULL,           -- open, answered, failed, lost
    reason TEXT,
    PRIMARY KEY (token, key)
);
CREATE INDEX IF NOT EXISTS batch_items_by_key ON batch_items (key) WHERE state = 'open';
CREATE TRIGGER IF NOT EXISTS batch_given_up AFTER DELETE ON batches BEGIN
    DELETE FROM batch_items WHERE token = OLD.token;
    DELETE FROM reservations WHERE holder = OLD.token;
END;
";

/// What one day cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spend {
    pub requests: u64,
    pub tokens: u64,
    pub money: f64,
}

impl std::ops::AddAssign for Spend {
    fn add_assign(&mut self, other: Spend) {
        self.requests += other.requests;
        self.tokens += other.tokens;
        self.money += other.money;
    }
}

impl std::ops::SubAssign for Spend {
    fn sub_assign(&mut self, other: Spend) {
        self.requests = self.requests.saturating_sub(other.requests);
        self.tokens = self.tokens.saturating_sub(other.tokens);
        // Without requests there is no money; what rounding leaves is none.
        self.money = if self.requests == 0 { 0.0 } else { (self.money - other.money).max(0.0) };
    }
}

/// An answer as the ledger keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: Key,
    /// When the answer came, to the millisecond.
    pub time: DateTime<Utc>,
    pub task: String,
    pub model: String,
    pub provider: String,
    pub prompt: String,
    /// JSON text.
    pub input: String,
    /// JSON text of an object.
    pub answer: String,
    pub tokens_in: u64,
    pub tokens_out: u64,
    /// None if the model has no price.
    pub cost: Option<f64>,
    pub latency: Duration,
    pub request_id: Option<String>,
}

/// A call as the ledger logs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    pub task: String,
    pub model: String,
    pub provider: String,
    pub rows: usize,
    pub retries: u32,
    pub status: Option<u16>,
    pub error: Option<String>,
    pub tokens_in: u64,
    pub tokens_out: u64,
    pub cost: Option<f64>,
    pub latency: Duration,
    pub request_id: Option<String>,
    pub bodies: Option<(String, String)>,
}

/// What is needed of a known answer.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub answer: Map<String, Value>,
    pub model: String,
    pub prompt: String,
    pub time: DateTime<Utc>,
    pub cost: Option<f64>,
}

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    connection: Mutex<Connection>,
    checkpoints: OnceLock<Checkpoints>,
}

impl Ledger {
    /// Opens the file at `path`, and makes it (mode 0640) if there is none; its folder must exist.
    ///
    /// # Errors
    /// Cannot run: not to be opened, or not a ledger.
    pub fn open(path: &Path) -> Result<Ledger> {
        let connection = connect(path)?;
        let setup = || -> rusqlite::Result<()> {
            // Several processes may come first at once: the switch to WAL does not wait by itself.
            retry_busy(|| connection.execute_batch("PRAGMA journal_mode = WAL"))?;
            retry_busy(|| connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;")))
        };
        setup().map_err(|error| fault(path, "open", &error))?;
        Ok(Ledger { path: path.to_owned(), connection: Mutex::new(connection), checkpoints: OnceLock::new() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What today (UTC) cost so far.
    pub fn spend_today(&self) -> Result<Spend> {
        let day = today();
        spend_of(&self.lock(), &day).map_err(|error| self.fault("read", &error))
    }

    /// Number of answers kept.
    pub fn answers(&self) -> Result<u64> {
        let count = self.lock().query_row("SELECT count(*) FROM answers", [], |row| row.get::<_, i64>(0));
        count.map(|count| count as u64).map_err(|error| self.fault("read", &error))
    }

    /// The known answers to `keys`, in their order.
    pub(crate) fn look_up(&self, keys: &[Key]) -> Result<Vec<Option<Known>>> {
        let connection = self.lock();
        let read = || -> rusqlite::Result<Vec<Option<Known>>> {
            let transaction = connection.unchecked_transaction()?;
            let mut statement = transaction.prepare_cached(LOOK_UP)?;
            keys.iter().map(|key| statement.query_row(params![key.as_slice()], known).optional()).collect()
        };
        read().map_err(|error| self.fault("read", &error))
    }

    /// Mean tokens of the answers to this task by this model so far.
    pub(crate) fn mean_tokens_out(&self, task: &str, model: &str) -> Result<Option<f64>> {
        let sql =
            "SELECT avg(tokens_out) FROM (SELECT tokens_out FROM answers WHERE task = ?1 AND model = ?2 LIMIT 1000)";
        let mean = self.lock().query_row(sql, params![task, model], |row| row.get(0));
        mean.map_err(|error| self.fault("read", &error))
    }

    /// The writer reports commits.
    fn commits(&self) -> Result<Commits> {
        if let Some(checkpoints) = self.checkpoints.get() {
            return Ok(checkpoints.commits());
        }
        let started = Checkpoints::start(&self.path)?;
        Ok(self.checkpoints.get_or_init(|| started).commits())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn fault(&self, doing: &str, error: &rusqlite::Error) -> Error {
        fault(&self.path, doing, error)
    }
}

/// Pages of 4096 bytes at which a commit moves the write-ahead log by itself.
const LOG_PAGES: usize = 40_000;
const LOOK_UP: &str = "SELECT answer, model, prompt, time, cost FROM answers WHERE key = ?1";

fn known(row: &Row<'_>) -> rusqlite::Result<Known> {
    let text = row.get_ref(0)?.as_str()?;
    let unreadable = |at: usize, error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, error)
    };
    let answer = serde_json::from_str(text).map_err(|error| unreadable(0, error.into()))?;
    let time = DateTime::parse_from_rfc3339(row.get_ref(3)?.as_str()?).map_err(|error| unreadable(3, error.into()))?;
    Ok(Known { answer, model: row.get(1)?, prompt: row.get(2)?, time: time.to_utc(), cost: row.get(4)? })
}

fn connect(path: &Path) -> Result<Connection> {
    create(path).map_err(|error| Error::io("create", path, &error))?;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(30))?;
        connection.execute_batch(&format!(
            "PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = {LOG_PAGES};",
        ))?;
        Ok(connection)
    };
    open().map_err(|error| fault(path, "open", &error))
}

/// SQLite gives its side files the mode of the main one.
fn create(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn retry_busy(mut run: impl FnMut() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    for _ in 0..200 {
        match run() {
            Err(rusqlite::Error::SqliteFailure(error, _)) if error.code == rusqlite::ErrorCode::DatabaseBusy => {
                std::thread::sleep(Duration::from_millis(10));
            }
            done => return done,
        }
    }
    run()
}

fn fault(path: &Path, doing: &str, error: &rusqlite::Error) -> Error {
    let text = Error::cannot_run(format!("{}: cannot {doing} the ledger: {error}", path.display()));
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            text.hint("move the file away; a new one is made, and answers are asked again")
        }
        Some(rusqlite::ErrorCode::DiskFull) => text.hint("free some space and run again; paid answers are kept"),
        Some(rusqlite::ErrorCode::DatabaseBusy) => text.hint("another process holds it; run again later"),
        _ => text,
    }
}

fn spend_of(connection: &Connection, day: &str) -> rusqlite::Result<Spend> {
    let mut statement = connection.prepare_cached("SELECT requests, tokens, money FROM spend WHERE day = ?1")?;
    let spend = statement
        .query_row([day], |row| {
            Ok(Spend {
                requests: row.get::<_, i64>(0)? as u64,
                tokens: row.get::<_, i64>(1)? as u64,
                money: row.get(2)?,
            })
        })
        .optional()?;
    Ok(spend.unwrap_or_default())
}

pub(crate) fn now_text() -> String {
    text_of(Utc::now())
}

fn text_of(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Now, as exactly as the ledger keeps it.
pub(crate) fn now() -> DateTime<Utc> {
    let now = Utc::now();
    DateTime::from_timestamp_millis(now.timestamp_millis()).unwrap_or(now)
}

fn today() -> String {
    Utc::now().format("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests;
