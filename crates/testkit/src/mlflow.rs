//! An MLflow server for tests: `mlflow server` on a free port of this machine.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running server with an empty database, which ends with it.
#[derive(Debug)]
pub struct Mlflow {
    server: Child,
    address: String,
    /// Database and files.
    _folder: TempDir,
}

impl Mlflow {
    /// `None`, with a message on stderr, where `mlflow` is not installed. The variable `MLFLOW` names another program.
    pub fn start() -> Option<Mlflow> {
        let folder = tempfile::Builder::new().prefix("millrace-mlflow-").tempdir().expect("a temporary folder");
        let mut command = Command::new(std::env::var("MLFLOW").unwrap_or_else(|_| "mlflow".to_owned()));
        command
            .args(["server", "--host", "127.0.0.1", "--port", "0", "--workers", "1"])
            .args(["--backend-store-uri", "sqlite:///runs.db", "--artifacts-destination", "./files"])
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let Ok(mut server) = command.spawn() else {
            crate::skipped("mlflow", "no mlflow; `pip install mlflow` runs this test");
            return None;
        };
        let mut said = BufReader::new(server.stderr.take().expect("stderr is piped"));
        let address = loop {
            let mut line = String::new();
            assert!(said.read_line(&mut line).expect("stderr is text") > 0, "mlflow ended without an address");
            if let Some((_, rest)) = line.split_once("Uvicorn running on ") {
                break rest.split_whitespace().next().expect("an address").to_owned();
            }
        };
        // A program that logs into a pipe without a reader blocks when the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Some(Mlflow { server, address, _folder: folder })
    }

    /// The address of `path`, which is empty or begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }
}

impl Drop for Mlflow {
    fn drop(&mut self) {
        // Its workers are processes of their own, in its group. It may have ended by itself.
        let group = format!("-{}", self.server.id());
        let _ = crate::signal::send("KILL", &group);
        let _ = self.server.wait();
    }
}
