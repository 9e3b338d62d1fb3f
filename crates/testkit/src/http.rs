//! As much of HTTP/1.1 as clients of a test server speak: keep-alive, lengths and chunks.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

use crate::loopback::Ending;

/// What a client asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// Reads one request after the other.
pub struct Reader<'a> {
    stream: &'a TcpStream,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub fn new(stream: &'a TcpStream) -> Reader<'a> {
        Reader { stream, buffer: Vec::new() }
    }

    /// The next request; none when the client goes or the server stops.
    pub fn next(&mut self, ending: &Ending) -> Option<Request> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            self.fill(ending)?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split_whitespace();
        let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let mut request = Request { method, path, headers, body: String::new() };
        let body = match request.header("transfer-encoding") {
            Some("chunked") => self.chunks(ending)?,
            _ => {
                let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
                self.take(length, ending)?
            }
        };
        request.body = String::from_utf8_lossy(&body).into_owned();
        Some(request)
    }

    fn chunks(&mut self, ending: &Ending) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = find(&self.buffer, b"\r\n") {
                    break at;
                }
                self.fill(ending)?;
            };
            let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
            self.buffer.drain(..end + 2);
            let length = usize::from_str_radix(line.trim(), 16).ok()?;
            body.extend(self.take(length, ending)?);
            self.take(2, ending)?;
            if length == 0 {
                return Some(body);
            }
        }
    }

    fn take(&mut self, length: usize, ending: &Ending) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill(ending)?;
        }
        Some(self.buffer.drain(..length).collect())
    }

    fn fill(&mut self, ending: &Ending) -> Option<()> {
        let mut bytes = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => {
                    self.buffer.extend_from_slice(&bytes[..count]);
                    return Some(());
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if ending.is_over() {
                        return None;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn head(status: u16, headers: &[(&str, &str)], length: usize) -> String {
    let mut head =
        format!("HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head
}

/// Writes a whole answer; returns whether the connection stays open.
pub fn write(mut stream: &TcpStream, status: u16, headers: &[(&str, &str)], body: &str) -> bool {
    let whole = head(status, headers, body.len()) + body;
    stream.write_all(whole.as_bytes()).is_ok()
}

/// Writes one byte after the other.
pub fn drip(mut stream: &TcpStream, body: &str, pause: Duration, ending: &Ending) -> bool {
    let mut written = stream.write_all(head(200, &[], body.len()).as_bytes()).is_ok();
    for byte in body.as_bytes() {
        if !written || ending.is_over() {
            return false;
        }
        std::thread::sleep(pause);
        written = stream.write_all(&[*byte]).is_ok();
    }
    written
}

/// Writes half of the body and closes.
pub fn cut(mut stream: &TcpStream, body: &str) -> bool {
    let half = &body.as_bytes()[..body.len() / 2];
    let _ = stream.write_all(head(200, &[], body.len()).as_bytes());
    let _ = stream.write_all(half);
    false
}

/// A date as HTTP writes it (RFC 9110, 5.6.7).
pub fn date(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// Reference: the example of RFC 9110, 5.6.7.
    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(date(UNIX_EPOCH + Duration::from_secs(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(UNIX_EPOCH + Duration::from_secs(1_709_208_000)), "Thu, 29 Feb 2024 12:00:00 GMT");
    }
}
