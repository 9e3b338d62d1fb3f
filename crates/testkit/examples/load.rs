//! Sends requests to a server over some connections and says how they were answered, as one line of JSON.
//!
//!     load URL PATH BODIES CONNECTIONS [--seconds S] [--requests N] [--rate R] [--type TYPE] [--ids FILE]
//!
//! BODIES holds a body per line, or is one body if TYPE is another than JSON. With a rate, each request has its time, and its
//! latency counts from then: a server that falls behind cannot hide it. `--ids` keeps the ids of the answers.
//!
//! One thread drives all connections, as in wrk: it shares the machine with the server, and a thread for each connection would
//! spend more of it on changes between threads than on requests.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

struct Options {
    seconds: f64,
    requests: u64,
    rate: f64,
    kind: String,
    ids: Option<String>,
}

#[derive(Default)]
struct Measured {
    micros: Vec<u32>,
    failed: u64,
    ids: Vec<String>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().unwrap_or_else(|| panic!("{what} is missing"));
    let (url, path, bodies, connections) = (next("URL"), next("PATH"), next("BODIES"), next("CONNECTIONS"));
    let mut options =
        Options { seconds: 1e9, requests: u64::MAX, rate: 0.0, kind: "application/json".to_owned(), ids: None };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{flag} needs a value"));
        let number = || value.parse::<f64>().unwrap_or_else(|error| panic!("{flag} {value}: {error}"));
        match flag.as_str() {
            "--seconds" => options.seconds = number(),
            "--requests" => options.requests = number() as u64,
            "--rate" => options.rate = number(),
            "--type" => options.kind = value,
            "--ids" => options.ids = Some(value),
            other => panic!("no flag {other}"),
        }
    }
    let whole = std::fs::read(&bodies).unwrap_or_else(|error| panic!("{bodies}: {error}"));
    let bodies: Vec<&[u8]> = match options.kind.as_str() {
        "application/json" => whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect(),
        _ => vec![&whole],
    };
    let address = url.trim().trim_start_matches("http://").trim_end_matches('/');
    let request = |method: &str, body: &[u8]| {
        let (kind, length) = (&options.kind, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\ncontent-type: {kind}\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let requests: Vec<Vec<u8>> = match bodies.is_empty() {
        true => vec![request("GET", b"")],
        false => bodies.iter().map(|body| request("POST", body)).collect(),
    };
    let connections: usize = connections.parse().expect("a number of connections");
    let begun = Instant::now();
    let mut measured = send_all(address, &requests, connections, &options, begun);
    let seconds = begun.elapsed().as_secs_f64();
    if let Some(file) = &options.ids {
        let mut file = std::fs::File::create(file).expect("a file can be made");
        measured.ids.iter().try_for_each(|id| writeln!(file, "{id}")).expect("it can be written");
    }
    measured.micros.sort_unstable();
    let at = |share: f64| match measured.micros.len() {
        0 => 0.0,
        count => f64::from(measured.micros[((count as f64 * share).ceil() as usize).clamp(1, count) - 1]) / 1e3,
    };
    let answered = measured.micros.len();
    println!(
        "{{\"answered\":{answered},\"failed\":{},\"seconds\":{seconds:.3},\"per_second\":{:.1},\"p50_ms\":{},\"p95_ms\":{},\"p99_ms\":{}}}",
        measured.failed,
        answered as f64 / seconds,
        at(0.5),
        at(0.95),
        at(0.99)
    );
}

/// A connection, and the request that is on its way.
struct Connection<'a> {
    stream: TcpStream,
    /// What is still to be sent.
    rest: &'a [u8],
    received: Vec<u8>,
    /// When the request was due; `None` if none is on its way.
    due: Option<Duration>,
}

/// An answer that is there as a whole.
struct Answer<'a> {
    status: &'a str,
    id: Option<&'a str>,
}

fn send_all(address: &str, requests: &[Vec<u8>], connections: usize, options: &Options, begun: Instant) -> Measured {
    let mut all: Vec<Connection<'_>> = (0..connections).map(|_| Connection::open(address)).collect();
    let mut measured = Measured::default();
    let mut sent = 0;
    loop {
        // When the next request is due; without a rate, as soon as a connection is free.
        let due = |sent: u64| match options.rate > 0.0 {
            true => Duration::from_secs_f64(sent as f64 / options.rate),
            false => begun.elapsed(),
        };
        let is_wanted = |sent: u64| sent < options.requests && due(sent).as_secs_f64() < options.seconds;
        for connection in all.iter_mut().filter(|connection| connection.due.is_none()) {
            let at = due(sent);
            if !is_wanted(sent) || at > begun.elapsed() {
                break;
            }
            (connection.due, connection.rest) = (Some(at), &requests[sent as usize % requests.len()]);
            connection.received.clear();
            sent += 1;
            if connection.send().is_err() {
                measured.failed += 1;
                *connection = Connection::open(address);
            }
        }
        if all.iter().all(|connection| connection.due.is_none()) && !is_wanted(sent) {
            return measured;
        }
        let is_free = all.iter().any(|connection| connection.due.is_none()) && is_wanted(sent);
        wait(&all, is_free.then(|| due(sent).saturating_sub(begun.elapsed())));
        for connection in all.iter_mut().filter(|connection| connection.due.is_some()) {
            let answer = match connection.send().and_then(|()| connection.receive()) {
                Ok(None) => continue,
                Ok(Some(answer)) => answer,
                Err(_) => {
                    measured.failed += 1;
                    *connection = Connection::open(address);
                    continue;
                }
            };
            if answer.status == "200" {
                if options.ids.is_some() {
                    measured.ids.extend(answer.id.map(str::to_owned));
                }
                let due = connection.due.take().unwrap_or_default();
                measured.micros.push((begun.elapsed() - due).as_micros() as u32);
            } else {
                measured.failed += 1;
                connection.due = None;
            }
        }
    }
}

/// Waits until a connection can go on, or for the given time.
fn wait(all: &[Connection<'_>], most: Option<Duration>) {
    let busy = all.iter().filter(|connection| connection.due.is_some());
    let mut polled: Vec<libc::pollfd> = busy
        .map(|connection| libc::pollfd {
            fd: connection.stream.as_raw_fd(),
            events: if connection.rest.is_empty() { libc::POLLIN } else { libc::POLLIN | libc::POLLOUT },
            revents: 0,
        })
        .collect();
    let most = most.map(|most| libc::timespec {
        tv_sec: most.as_secs() as libc::time_t,
        tv_nsec: most.subsec_nanos() as libc::c_long,
    });
    let timeout = most.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the pointers are to the list and the time above, which live until the call ends; no signals are masked.
    unsafe { libc::ppoll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout, std::ptr::null()) };
}

impl<'a> Connection<'a> {
    fn open(address: &str) -> Connection<'a> {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).expect("options can be set");
        Connection { stream, rest: &[], received: Vec::new(), due: None }
    }

    /// Sends as much as can be sent now.
    fn send(&mut self) -> std::io::Result<()> {
        while !self.rest.is_empty() {
            match self.stream.write(self.rest) {
                Ok(count) => self.rest = &self.rest[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there; the answer, once it is whole.
    fn receive(&mut self) -> std::io::Result<Option<Answer<'_>>> {
        let mut piece = [0; 16 << 10];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.received.extend_from_slice(&piece[..count]);
                    if count < piece.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&self.received[..end]).map_err(|_| ErrorKind::InvalidData)?;
        let header = |wanted: &str| {
            let named = head.split("\r\n").filter_map(|line| line.split_once(':'));
            named.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
        };
        // Every server here announces the length of its answers.
        let length: usize =
            header("content-length").and_then(|length| length.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        if self.received.len() < end + 4 + length {
            return Ok(None);
        }
        Ok(Some(Answer { status: head.split(' ').nth(1).unwrap_or_default(), id: header("x-request-id") }))
    }
}
