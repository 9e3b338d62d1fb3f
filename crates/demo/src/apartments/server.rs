//! The services over HTTP/1.1, on this machine only.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use spec::{Error, Result};

use super::answers::{Answer, Query, answer, service_error};
use super::city::City;
use super::fault::Fault;
use super::market::Market;

/// The one key that the services for trades and leases know, as `serviceKey`.
pub const KEY: &str = "demo";

/// A running server on 127.0.0.1. Dropping it ends it, with all connections.
///
/// `/trades` and `/leases` answer in XML to `serviceKey`, `LAWD_CD`, `DEAL_YMD` (`202401`), `pageNo` and `numOfRows`
/// (at most 1000); `/complexes`, `/stations` and `/schools` answer in JSON to `offset` (or `cursor`) and `limit`, with
/// a `Link` to the next page.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    market: Market,
    faults: Mutex<Vec<Fault>>,
    requests: Mutex<Vec<String>>,
    connections: Mutex<HashMap<u64, TcpStream>>,
    numbers: AtomicU64,
    ending: AtomicBool,
    ended: (Mutex<bool>, Condvar),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Starts a server without faults.
    pub fn start(city: City) -> Result<Server> {
        Server::with_faults(city, Vec::new())
    }

    /// Starts a server that goes wrong in these ways. Those that count requests come one after the other, in this
    /// order.
    pub fn with_faults(city: City, faults: Vec<Fault>) -> Result<Server> {
        let cannot = |error: std::io::Error| Error::cannot_run(format!("cannot start a server on 127.0.0.1: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let shared = Arc::new(Shared {
            market: Market::new(city),
            faults: Mutex::new(faults),
            requests: Mutex::default(),
            connections: Mutex::default(),
            numbers: AtomicU64::new(0),
            ending: AtomicBool::new(false),
            ended: (Mutex::new(false), Condvar::new()),
        });
        let serving = shared.clone();
        let accepting = std::thread::Builder::new()
            .name("apartments".to_owned())
            .spawn(move || accept(&listener, &serving))
            .map_err(cannot)?;
        Ok(Server { address, shared, accepting: Some(accepting) })
    }

    /// The address of `path`, which begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Path and query of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::SeqCst);
        *lock(&self.shared.ended.0) = true;
        self.shared.ended.1.notify_all();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        lock(&self.shared.connections).values().for_each(|stream| {
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ending.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
        if let Ok(copy) = stream.try_clone() {
            lock(&shared.connections).insert(number, copy);
        }
        let serving = shared.clone();
        let thread = std::thread::Builder::new().name("apartments".to_owned()).spawn(move || {
            // A client that goes away is not an error.
            let _ = serve(stream, &serving);
            lock(&serving.connections).remove(&number);
        });
        if thread.is_err() {
            lock(&shared.connections).remove(&number);
        }
    }
}

/// Serves one connection until the client closes it.
fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(target) = read_request(&mut reader)? {
        lock(&shared.requests).push(target.clone());
        let faults = lock(&shared.faults).clone();
        let struck = lock(&shared.faults).iter_mut().find_map(|fault| {
            let before = fault.clone();
            fault.strikes().then_some(before)
        });
        for fault in &faults {
            if let Fault::Delay(time) = fault {
                std::thread::sleep(*time);
            }
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let honest = || answer(&shared.market, path, &Query(pairs(query)), &faults);
        let keep = match struck {
            None => send(&mut writer, path, &honest(), "", Cut::Not)?,
            Some(Fault::Status { status, .. }) => send(&mut writer, path, &Answer::status(status), "", Cut::Not)?,
            Some(Fault::RetryAfter { seconds, .. }) => {
                let header = format!("retry-after: {seconds}\r\n");
                send(&mut writer, path, &Answer::status(429), &header, Cut::Not)?
            }
            Some(Fault::CutBody { .. }) => send(&mut writer, path, &honest(), "", Cut::Body)?,
            Some(Fault::Announce(more)) => send(&mut writer, path, &honest(), "", Cut::Announced(more))?,
            Some(Fault::CutText { .. }) => send(&mut writer, path, &honest(), "", Cut::Text)?,
            Some(Fault::ServiceError { code, message, .. }) => {
                send(&mut writer, path, &service_error(code, message), "", Cut::Not)?
            }
            Some(_) => {
                let (ended, bell) = &shared.ended;
                let _guard = bell.wait_while(lock(ended), |ended| !*ended);
                false
            }
        };
        if !keep {
            writer.shutdown(Shutdown::Both)?;
            return Ok(());
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Cut {
    Not,
    /// Less is sent than was announced.
    Body,
    /// So many bytes more are announced than are sent.
    Announced(u64),
    /// Less is announced and sent than there is.
    Text,
}

/// Sends an answer; whether the connection lives on.
fn send(writer: &mut TcpStream, path: &str, answer: &Answer, headers: &str, cut: Cut) -> std::io::Result<bool> {
    let body = answer.body.as_bytes();
    // Not within a character, so that what breaks off is the syntax and not the encoding.
    let half = (0..=body.len() / 2).rev().find(|at| answer.body.is_char_boundary(*at)).unwrap_or(0);
    let (announced, sent) = match cut {
        Cut::Not => (body.len() as u64, body),
        Cut::Body => (body.len() as u64, &body[..half]),
        Cut::Announced(more) => (body.len() as u64 + more, body),
        Cut::Text => (half as u64, &body[..half]),
    };
    let link = match &answer.next {
        Some(query) => format!("link: <{path}?{query}>; rel=\"next\"\r\n"),
        None => String::new(),
    };
    let mut message = format!(
        "HTTP/1.1 {} Status\r\ncontent-type: {}\r\ncontent-length: {announced}\r\n{link}{headers}\r\n",
        answer.status, answer.content_type
    )
    .into_bytes();
    message.extend_from_slice(sent);
    writer.write_all(&message)?;
    Ok(matches!(cut, Cut::Not | Cut::Text))
}

/// Path and query; `None` at the end of the connection.
fn read_request(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split_whitespace().nth(1).map(str::to_owned);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(target);
        }
    }
}

/// The parameters of a query, `%` and `+` undone.
fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (plain(name), plain(value))).collect()
}

/// Without the escapes of a query.
fn plain(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut plain, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let (byte, length) = match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => ((high * 16 + low) as u8, 3),
            (b'+', ..) => (b' ', 1),
            (byte, ..) => (byte, 1),
        };
        plain.push(byte);
        at += length;
    }
    String::from_utf8_lossy(&plain).into_owned()
}
