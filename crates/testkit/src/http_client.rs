//! A plain HTTP client, for tests of a server: one connection, one request after the other.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// A connection that stays open between requests.
pub struct HttpClient {
    address: String,
    stream: BufReader<TcpStream>,
    headers: Vec<(String, String)>,
}

/// What the server answered.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    pub status: u16,
    /// In their order, with names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON. Panics if it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// Panics with the whole answer if it has another status.
    #[track_caller]
    pub fn has_status(&self, status: u16) -> &HttpResponse {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

impl HttpClient {
    /// Connects to `http://127.0.0.1:PORT`.
    #[track_caller]
    pub fn connect(url: &str) -> HttpClient {
        let address = url.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
        let stream = TcpStream::connect(&address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out can be set");
        stream.set_nodelay(true).expect("no delay can be set");
        HttpClient { address, stream: BufReader::new(stream), headers: Vec::new() }
    }

    /// Sends this header with every request.
    pub fn with_header(mut self, name: &str, value: &str) -> HttpClient {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[track_caller]
    pub fn get(&mut self, path: &str) -> HttpResponse {
        self.send("GET", path, &[], b"").unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    #[track_caller]
    pub fn post(&mut self, path: &str, body: &Value) -> HttpResponse {
        let headers = [("content-type", "application/json")];
        let body = body.to_string();
        self.send("POST", path, &headers, body.as_bytes()).unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Sends a request and reads the answer.
    ///
    /// Errors: the connection broke off.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<HttpResponse> {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n", self.address, body.len());
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(headers.iter().copied()) {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        let stream = self.stream.get_mut();
        stream.write_all(&[request.as_bytes(), body].concat())?;
        self.read(method == "HEAD")
    }

    /// Sends bytes as they are, which need be no request.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads an answer.
    pub fn read(&mut self, is_head: bool) -> io::Result<HttpResponse> {
        let gone = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(gone)?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = HttpResponse { status, headers, body: Vec::new() };
        if is_head || status == 304 || status == 204 {
            return Ok(response);
        }
        if response.header("transfer-encoding") == Some("chunked") {
            loop {
                let length = usize::from_str_radix(self.line()?.trim(), 16).map_err(|_| gone())?;
                let mut chunk = vec![0; length];
                self.stream.read_exact(&mut chunk)?;
                self.line()?;
                if length == 0 {
                    return Ok(response);
                }
                response.body.extend(chunk);
            }
        }
        let length = response.header("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
        response.body = vec![0; length];
        self.stream.read_exact(&mut response.body)?;
        Ok(response)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}
