//! A running `serve`: the real program, on a port of its own.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::{HttpClient, Project, signal};

/// Stops with the test at the latest.
pub struct Serve {
    child: Child,
    url: String,
    said: Arc<Mutex<String>>,
}

impl Serve {
    /// Starts it on a free port, with these further arguments, and waits until it listens. Panics with its output if it
    /// ends instead.
    #[track_caller]
    pub fn start(project: &Project, arguments: &[&str]) -> Serve {
        let own: &[&str] = if arguments.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        let all = own.iter().chain(arguments);
        let mut child = project.command("serve", all).spawn().expect("serve can be started");
        let said = Arc::new(Mutex::new(String::new()));
        gather(child.stderr.take().expect("stderr is piped"), said.clone());
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        stdout.read_line(&mut line).expect("stdout can be read");
        if line.is_empty() {
            let ended = child.wait();
            std::thread::sleep(Duration::from_millis(50));
            panic!("serve ended ({ended:?}): {}", said.lock().expect("no panic"));
        }
        Serve { child, url: line.trim().to_owned(), said }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn client(&self) -> HttpClient {
        HttpClient::connect(&self.url)
    }

    /// Its output so far on stderr.
    pub fn said(&self) -> String {
        self.said.lock().expect("no panic").clone()
    }

    /// Waits until `is_so`, for at most ten seconds. Panics with `what` and the server's output.
    #[track_caller]
    pub fn wait(&self, what: &str, is_so: impl FnMut() -> bool) {
        self.wait_for(10, what, is_so);
    }

    /// As [`Serve::wait`], for at most so many seconds: for whatever runs other programs.
    #[track_caller]
    pub fn wait_for(&self, seconds: u64, what: &str, mut is_so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(
                began.elapsed() < Duration::from_secs(seconds),
                "{what}: not within {seconds} seconds; it said: {}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends TERM and waits for its end: the exit code.
    #[track_caller]
    pub fn stop(mut self) -> (Option<i32>, String) {
        signal::send("TERM", &self.child.id().to_string()).expect("a signal can be sent");
        let ended = self.child.wait().expect("serve can be waited for");
        (ended.code(), self.said())
    }

    /// Kills it in the middle of whatever it does.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gather(mut stderr: ChildStderr, into: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read) = stderr.read(&mut buffer) {
            if read == 0 {
                break;
            }
            into.lock().expect("no panic").push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    });
}
