//! An object store that speaks S3's protocol, for tests: `moto_server` on a free port of this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A running server, which ends with it.
#[derive(Debug)]
pub struct S3 {
    server: Child,
    address: String,
}

impl S3 {
    /// A server with an empty `bucket`. `None`, with a message on stderr, where `moto_server` is not installed.
    pub fn start(bucket: &str) -> Option<S3> {
        let mut command = Command::new("moto_server");
        command.args(["-H", "127.0.0.1", "-p", "0"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let Ok(mut server) = command.spawn() else {
            crate::skipped("s3", "no moto_server; `pip install 'moto[server]'` runs this test");
            return None;
        };
        let mut said = BufReader::new(server.stderr.take().expect("stderr is piped"));
        let address = loop {
            let mut line = String::new();
            assert!(said.read_line(&mut line).expect("stderr is text") > 0, "moto_server ended without an address");
            if let Some((_, address)) = line.split_once("Running on http://") {
                break address.trim().to_owned();
            }
        };
        // A program that logs into a pipe without a reader blocks when the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let s3 = S3 { server, address };
        s3.put(&format!("/{bucket}"), b"");
        Some(s3)
    }

    /// The variables with which a tool finds the server.
    pub fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIATESTTESTTEST".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "a-secret-that-nobody-may-see".to_owned()),
        ]
    }

    /// Makes the object (or bucket) at `path`, which must be new.
    #[track_caller]
    pub fn put(&self, path: &str, content: &[u8]) {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        let length = content.len();
        let host = &self.address;
        let head =
            format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(content)).expect("the server reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the server answers");
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
