//! A connection: logged in, encrypted as the URL says, in a session whose settings are known.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use net::Guard;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use spec::text::root_cause;
use spec::{Error, Result};

use crate::Address;
use crate::login::{Greeting, PLUGIN, PROTOCOL_41, SECURE, TLS, TRANSACTIONS, WITH_DATABASE, proof};
use crate::packet::{self, Parts};
use crate::said::{of_connection, of_server, whole};

/// A server that cannot be reached within this time is down.
const CONNECT: Duration = Duration::from_secs(10);
/// utf8mb4, in whichever collation.
const CHARSET: u8 = 45;
/// The first byte of answers.
const OK: u8 = 0;
const MORE: u8 = 1;
const LOCAL_FILE: u8 = 0xFB;
const SWITCH_OR_END: u8 = 0xFE;
const ERROR: u8 = 0xFF;

/// A connection to a server, in a session where
///
/// - a backslash is a character like any other, and a value that a column does not hold is an error;
/// - a 0 is a 0, also where the server numbers rows;
/// - timestamps are in UTC;
/// - nothing is committed but by `COMMIT`.
pub struct Connection {
    stream: Stream,
    sequence: u8,
    /// What errors say to check first.
    key: &'static str,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(bytes),
            Stream::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

impl Connection {
    /// Connects and logs in. A statement, and a lock, may take `timeout_seconds`. `key` is what errors of statements
    /// say to check.
    ///
    /// # Errors
    /// Try again: the server is down or busy. Cannot run: it refuses user, password or database, or is not such a server.
    pub fn open(address: &Address, timeout_seconds: u32, key: &'static str) -> Result<Connection> {
        let stream = reached(address)?;
        // The server itself gives up; this is for one that has silently gone.
        let patience = Duration::from_secs(u64::from(timeout_seconds) + 30);
        let set = stream.set_read_timeout(Some(patience)).and_then(|()| stream.set_write_timeout(Some(patience)));
        set.and_then(|()| stream.set_nodelay(true)).map_err(|error| of_connection(&error))?;
        let mut connection = Connection { stream: Stream::Plain(stream), sequence: 0, key };
        connection.log_in(address)?;
        connection.settle(timeout_seconds)?;
        Ok(connection)
    }

    fn receive(&mut self) -> Result<Vec<u8>> {
        packet::read(&mut self.stream, &mut self.sequence).map_err(|error| of_connection(&error))
    }

    fn send(&mut self, payload: &[u8]) -> Result<()> {
        packet::write(&mut self.stream, &mut self.sequence, payload).map_err(|error| of_connection(&error))
    }

    fn log_in(&mut self, address: &Address) -> Result<()> {
        let first = self.receive()?;
        if first.first() == Some(&ERROR) {
            return Err(of_server(&first, "url"));
        }
        let greeting = whole(Greeting::read(&first))?;
        let mut capabilities = 1 | WITH_DATABASE | PROTOCOL_41 | TRANSACTIONS | SECURE | PLUGIN;
        let head = |capabilities: u32| {
            let mut payload = Vec::new();
            payload.extend_from_slice(&capabilities.to_le_bytes());
            payload.extend_from_slice(&u32::MAX.to_le_bytes());
            payload.push(CHARSET);
            payload.extend_from_slice(&[0; 23]);
            payload
        };
        let can_encrypt = greeting.capabilities & TLS != 0;
        if !can_encrypt && matches!(address.guard, Guard::Require | Guard::VerifyFull { .. }) {
            return Err(Error::cannot_run("no encrypted connection: the server does not offer one")
                .hint("let an administrator set up TLS, or change 'sslmode' in 'url'"));
        }
        if can_encrypt && address.guard != Guard::Disable {
            capabilities |= TLS;
            self.send(&head(capabilities))?;
            self.encrypt(address)?;
        }
        let plugin = match greeting.plugin.as_str() {
            known @ ("mysql_native_password" | "caching_sha2_password") => known,
            // The server will name the user's own.
            _ => "mysql_native_password",
        };
        let mut payload = head(capabilities);
        payload.extend_from_slice(address.user.as_bytes());
        payload.push(0);
        let answer = proof(plugin, &address.password, &greeting.scramble)?;
        payload.push(answer.len() as u8);
        payload.extend_from_slice(&answer);
        payload.extend_from_slice(address.database.as_bytes());
        payload.push(0);
        payload.extend_from_slice(plugin.as_bytes());
        payload.push(0);
        self.send(&payload)?;
        self.prove(address)
    }

    /// Answers what the server asks until it lets us in.
    fn prove(&mut self, address: &Address) -> Result<()> {
        // Each step is requested once; a server that repeats its request is not MySQL.
        for _ in 0..4 {
            let answer = self.receive()?;
            match answer.first() {
                Some(&OK) => return Ok(()),
                Some(&ERROR) => return Err(of_server(&answer, "url")),
                Some(&SWITCH_OR_END) => {
                    let mut parts = Parts(&answer[1..]);
                    let plugin = String::from_utf8_lossy(parts.terminated()).into_owned();
                    let scramble = parts.terminated();
                    let proved = proof(&plugin, &address.password, scramble)?;
                    self.send(&proved)?;
                }
                // The server knows the password from before.
                Some(&MORE) if answer.get(1) == Some(&3) => {}
                // It requests the password itself.
                Some(&MORE) if answer.get(1) == Some(&4) => {
                    if matches!(self.stream, Stream::Plain(_)) {
                        return Err(Error::cannot_run(
                            "the server takes this user's password over an encrypted connection only",
                        )
                        .hint("add '?sslmode=require' to 'url', and let an administrator set up TLS"));
                    }
                    let mut password = address.password.clone().into_bytes();
                    password.push(0);
                    self.send(&password)?;
                }
                _ => return whole(None),
            }
        }
        whole(None)
    }

    fn encrypt(&mut self, address: &Address) -> Result<()> {
        let failed = |cause: String| {
            Error::cannot_run(format!("no encrypted connection: {cause}"))
                .hint("check 'sslmode' and 'sslrootcert' in 'url', and the server's certificate")
        };
        let Stream::Plain(stream) = &self.stream else { return Ok(()) };
        let stream = stream.try_clone().map_err(|error| of_connection(&error))?;
        let name = ServerName::try_from(address.host.clone()).map_err(|error| failed(error.to_string()))?;
        let client = ClientConnection::new(Arc::new(address.guard.encryption()?), name);
        let mut stream = StreamOwned::new(client.map_err(|error| failed(error.to_string()))?, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| failed(root_cause(&error)))?;
        }
        self.stream = Stream::Tls(Box::new(stream));
        Ok(())
    }

    /// The settings of the session: no value depends on how the server is set up.
    fn settle(&mut self, timeout_seconds: u32) -> Result<()> {
        self.run(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', \
             time_zone = '+00:00', autocommit = 0, character_set_client = 'utf8mb4', character_set_results = 'utf8mb4', \
             collation_connection = 'utf8mb4_bin'",
        )?;
        self.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")?;
        self.run(&format!(
            "SET SESSION innodb_lock_wait_timeout = {timeout_seconds}, lock_wait_timeout = {timeout_seconds}"
        ))?;
        // MariaDB calls it so, in seconds; MySQL has one for reading alone, in milliseconds.
        let limited = self.run(&format!("SET SESSION max_statement_time = {timeout_seconds}"));
        limited.or_else(|_| {
            self.run(&format!("SET SESSION max_execution_time = {}", u64::from(timeout_seconds) * 1000))
        })?;
        Ok(())
    }

    /// Runs a statement without rows; how many rows it changed.
    pub fn run(&mut self, sql: &str) -> Result<u64> {
        match self.ask(sql)? {
            Answer::Done(rows) => Ok(rows),
            Answer::Columns(count) => {
                // Rows that are not needed are still read, because the next answer follows them.
                let mut rows = self.columns(count)?;
                while rows.next_row()?.is_some() {}
                Ok(0)
            }
        }
    }

    /// Runs a query; its rows come as they are read.
    pub fn query(&mut self, sql: &str) -> Result<Rows<'_>> {
        match self.ask(sql)? {
            Answer::Columns(count) => self.columns(count),
            Answer::Done(_) => Ok(Rows { connection: self, columns: Vec::new(), ended: true }),
        }
    }

    /// The columns of a query. Its rows are not wanted: it should have few.
    pub fn columns_of(&mut self, sql: &str) -> Result<Vec<Column>> {
        let mut rows = self.query(sql)?;
        while rows.next_row()?.is_some() {}
        Ok(rows.columns)
    }

    /// The rows of a query whose values are few, as texts.
    pub fn rows(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let mut rows = self.query(sql)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next_row()? {
            let text = |value: Option<&[u8]>| value.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            all.push((0..row.len()).map(|column| text(row.value(column))).collect());
        }
        Ok(all)
    }

    /// The first value of a query.
    pub fn value(&mut self, sql: &str) -> Result<Option<String>> {
        Ok(self.rows(sql)?.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }

    fn ask(&mut self, sql: &str) -> Result<Answer> {
        self.sequence = 0;
        let mut payload = Vec::with_capacity(sql.len() + 1);
        payload.push(3);
        payload.extend_from_slice(sql.as_bytes());
        self.send(&payload)?;
        let answer = self.receive()?;
        match answer.first() {
            Some(&OK) => Ok(Answer::Done(whole(Parts(&answer[1..]).number())?)),
            Some(&ERROR) => Err(of_server(&answer, self.key)),
            // No file of this machine was requested.
            Some(&LOCAL_FILE) => {
                Err(Error::cannot_run("the server asks for a file of this machine")
                    .hint("check host and port in 'url'"))
            }
            _ => Ok(Answer::Columns(whole(Parts(&answer).number())?)),
        }
    }

    fn columns(&mut self, count: u64) -> Result<Rows<'_>> {
        let mut columns = Vec::new();
        for _ in 0..count {
            let payload = self.receive()?;
            columns.push(whole(Column::read(&payload))?);
        }
        self.receive()?;
        Ok(Rows { connection: self, columns, ended: false })
    }
}

enum Answer {
    Done(u64),
    Columns(u64),
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// The number of its type: 3 is INT, 253 VARCHAR …
    pub kind: u8,
    /// 63 is for bytes that are not text.
    pub charset: u16,
    pub flags: u16,
    /// How wide it is shown, and how many decimal places it has.
    pub length: u32,
    pub decimals: u8,
}

impl Column {
    fn read(payload: &[u8]) -> Option<Column> {
        let mut parts = Parts(payload);
        for _ in 0..4 {
            parts.counted()?;
        }
        let name = String::from_utf8_lossy(parts.counted()?).into_owned();
        parts.counted()?;
        parts.number()?;
        let (charset, length) = (parts.u16()?, parts.u32()?);
        Some(Column { name, charset, length, kind: parts.u8()?, flags: parts.u16()?, decimals: parts.u8()? })
    }
}

/// The rows of an answer, in their order.
pub struct Rows<'a> {
    connection: &'a mut Connection,
    pub columns: Vec<Column>,
    ended: bool,
}

impl Rows<'_> {
    pub fn next_row(&mut self) -> Result<Option<Row>> {
        if self.ended {
            return Ok(None);
        }
        let payload = self.connection.receive()?;
        match payload.first() {
            Some(&SWITCH_OR_END) if payload.len() < 9 => {
                self.ended = true;
                Ok(None)
            }
            Some(&ERROR) => {
                self.ended = true;
                Err(of_server(&payload, self.connection.key))
            }
            _ => Row::read(payload, self.columns.len()).map(Some),
        }
    }
}

/// A row: each value as text, or nothing for a null.
#[derive(Debug)]
pub struct Row {
    payload: Vec<u8>,
    values: Vec<Option<std::ops::Range<usize>>>,
}

impl Row {
    fn read(payload: Vec<u8>, columns: usize) -> Result<Row> {
        const NULL: u8 = 0xFB;
        let mut values = Vec::with_capacity(columns);
        let mut parts = Parts(&payload);
        for _ in 0..columns {
            if parts.0.first() == Some(&NULL) {
                parts.u8();
                values.push(None);
                continue;
            }
            let value = whole(parts.counted())?;
            let end = payload.len() - parts.0.len();
            values.push(Some(end - value.len()..end));
        }
        Ok(Row { payload, values })
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn value(&self, column: usize) -> Option<&[u8]> {
        self.values[column].clone().map(|range| &self.payload[range])
    }
}

fn reached(address: &Address) -> Result<TcpStream> {
    let down = |cause: String| {
        Error::try_again(format!("cannot be reached: {cause}"))
            .hint("run again when the server is up; if it is, check host and port in 'url'")
    };
    let places = (address.host.as_str(), address.port).to_socket_addrs().map_err(|error| down(root_cause(&error)))?;
    let mut last = down("the name has no address".to_owned());
    for place in places {
        match TcpStream::connect_timeout(&place, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = down(root_cause(&error)),
        }
    }
    Err(last)
}
