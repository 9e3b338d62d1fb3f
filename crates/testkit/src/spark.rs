//! Spark for tests: the environment that `scripts/spark/setup` makes, and Sail, which speaks Spark's protocol.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The Python of the environment in `.cache/spark` below `repository`, else the first one on `PATH` that has both Spark and Sail. `None`, with a
/// message on stderr, where it or Java is missing; the service is called `spark`.
pub fn spark_python(repository: &Path) -> Option<PathBuf> {
    let own = repository.join(".cache/spark/bin/python3");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("python3"));
    let works = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = std::iter::once(own).chain(on_path).find(|python| works(python, &["-c", "import pyspark, pysail"]));
    if found.is_none() || !works(Path::new("java"), &["-version"]) {
        crate::skipped("spark", "no Java, or no Python with pyspark and pysail; scripts/spark/setup installs it");
        return None;
    }
    found
}

/// A Sail server on a free port of this machine, which ends with it.
#[derive(Debug)]
pub struct Sail {
    server: Child,
    address: String,
}

impl Sail {
    /// Starts the server with a Python of [`spark_python`].
    pub fn start(python: &Path) -> Sail {
        // It ends when this process does, since its stdin does then.
        let script = "import sys\nfrom pysail.spark import SparkConnectServer\nserver = SparkConnectServer('127.0.0.1', 0)\n\
                      server.start(background=True)\nprint('%s:%d' % server.listening_address, flush=True)\nsys.stdin.read()\n";
        let mut command = Command::new(python);
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = command.spawn().expect("Python starts");
        let mut said = BufReader::new(server.stdout.take().expect("stdout is piped"));
        let mut address = String::new();
        said.read_line(&mut address).expect("stdout is text");
        assert!(address.starts_with("127.0.0.1:"), "Sail ended without an address");
        // A program that prints into a pipe without a reader blocks when the pipe is full.
        std::thread::spawn(move || said.read_to_end(&mut Vec::new()));
        Sail { server, address: address.trim_end().to_owned() }
    }

    /// What `SPARK_REMOTE` has to be.
    pub fn remote(&self) -> String {
        format!("sc://{}", self.address)
    }
}

impl Drop for Sail {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
