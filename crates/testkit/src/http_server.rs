//! A small HTTP/1.1 server on 127.0.0.1 that answers as instructed, faults included, and remembers what it was asked.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::http::Reader;
pub use crate::http::Request as HttpRequest;
use crate::loopback::{Ending, Loopback, lock};

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum HttpAnswer {
    /// A status with headers and a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Keeps the connection open and says nothing until the server ends.
    Hang,
    /// Closes the connection without an answer.
    Cut,
}

impl HttpAnswer {
    pub fn ok(body: &str) -> HttpAnswer {
        HttpAnswer::status(200, body)
    }

    pub fn status(status: u16, body: &str) -> HttpAnswer {
        HttpAnswer::Status(status, Vec::new(), body.to_owned())
    }

    pub fn with_header(self, name: &'static str, value: impl Into<String>) -> HttpAnswer {
        match self {
            HttpAnswer::Status(status, mut headers, body) => {
                headers.push((name, value.into()));
                HttpAnswer::Status(status, headers, body)
            }
            other => other,
        }
    }
}

type Answer = dyn Fn(usize, &HttpRequest) -> HttpAnswer + Send + Sync;

struct Shared {
    answer: Box<Answer>,
    requests: Mutex<Vec<HttpRequest>>,
    ending: Arc<Ending>,
}

/// A running server. Dropping it ends it, with all connections that hang.
pub struct HttpServer {
    listener: Loopback,
    shared: Arc<Shared>,
}

impl HttpServer {
    /// Answers each request by `answer`, which gets the number of requests before it.
    pub fn start(answer: impl Fn(usize, &HttpRequest) -> HttpAnswer + Send + Sync + 'static) -> HttpServer {
        let ending = Arc::default();
        let shared = Shared { answer: Box::new(answer), requests: Mutex::default(), ending: Arc::clone(&ending) };
        let shared = Arc::new(shared);
        let serving = Arc::clone(&shared);
        let listener = Loopback::start(&ending, move |stream| {
            // A client that goes away is not an error.
            let _ = serve(stream, &serving);
        });
        HttpServer { listener, shared }
    }

    /// Gives these answers in turn, the last one for ever.
    pub fn answering(answers: impl IntoIterator<Item = HttpAnswer>) -> HttpServer {
        let answers: Vec<HttpAnswer> = answers.into_iter().collect();
        assert!(!answers.is_empty(), "a server needs something to answer");
        HttpServer::start(move |number, _| answers[number.min(answers.len() - 1)].clone())
    }

    /// The address of `path`, which begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listener.address())
    }

    /// All requests so far, in the order in which they were complete.
    pub fn requests(&self) -> Vec<HttpRequest> {
        lock(&self.shared.requests).clone()
    }
}

/// Serves one connection until the client closes it.
fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut writer = stream.try_clone()?;
    let mut reader = Reader::new(&stream);
    while let Some(request) = reader.next(&shared.ending) {
        let number = {
            let mut requests = lock(&shared.requests);
            requests.push(request.clone());
            requests.len() - 1
        };
        match (shared.answer)(number, &request) {
            HttpAnswer::Status(status, headers, body) => {
                let mut answer = format!("HTTP/1.1 {status} {}\r\ncontent-length: {}\r\n", reason(status), body.len());
                headers.iter().for_each(|(name, value)| answer.push_str(&format!("{name}: {value}\r\n")));
                answer.push_str("\r\n");
                answer.push_str(&body);
                writer.write_all(answer.as_bytes())?;
            }
            HttpAnswer::Hang => {
                shared.ending.wait();
                return Ok(());
            }
            HttpAnswer::Cut => return Ok(()),
        }
    }
    Ok(())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn ask(server: &HttpServer, request: &str) -> String {
        let mut stream = TcpStream::connect(server.listener.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn answers_in_turn_and_remembers() {
        let server = HttpServer::answering([
            HttpAnswer::status(429, "slow down").with_header("retry-after", "1"),
            HttpAnswer::ok("fine"),
            HttpAnswer::Cut,
        ]);
        let post = "POST /a?b HTTP/1.1\r\nContent-Length: 2\r\nX: y\r\n\r\nhi";
        assert_eq!(
            ask(&server, post),
            "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 9\r\nretry-after: 1\r\n\r\nslow down"
        );
        assert_eq!(ask(&server, post), "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine");
        assert_eq!(ask(&server, post), "");
        let requests = server.requests();
        assert_eq!(requests.len(), 3);
        assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("POST", "/a?b"));
        assert_eq!((requests[0].header("x"), requests[0].body.as_str()), (Some("y"), "hi"));
    }

    #[test]
    fn ends_with_a_connection_that_hangs() {
        let server = HttpServer::answering([HttpAnswer::Hang]);
        let mut stream = TcpStream::connect(server.listener.address()).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        while server.requests().is_empty() {
            std::thread::yield_now();
        }
        drop(server);
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
}
