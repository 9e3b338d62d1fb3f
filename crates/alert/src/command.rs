//! Any program: the alert on stdin, its parts as variables, its exit code as the answer.

use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use spec::Exit;
use spec::text::root_cause;

use crate::channel::{Channel, Failure};
use crate::text::Alert;

/// Bytes of stderr that are read; the rest is thrown away.
const MOST_READ: u64 = 64 * 1024;

pub struct Program {
    pub run: Vec<String>,
    /// Where it runs: the project's root.
    pub folder: PathBuf,
}

impl Program {
    /// The program's name without its folders and arguments, which may hold secrets.
    fn program(&self) -> &str {
        let program = self.run.first().map_or("", String::as_str);
        program.rsplit('/').next().unwrap_or(program)
    }

    fn start(&self, alert: &Alert) -> std::io::Result<Child> {
        let [program, arguments @ ..] = self.run.as_slice() else {
            return Err(ErrorKind::NotFound.into());
        };
        Command::new(program)
            .args(arguments)
            .current_dir(&self.folder)
            .envs(alert.variables())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
    }
}

impl Channel for Program {
    fn name(&self) -> String {
        format!("command {}", self.program())
    }

    fn identity(&self) -> String {
        format!("command {}", self.run.join("\0"))
    }

    fn send(&self, alert: &Alert, timeout: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + timeout;
        let mut child = self
            .start(alert)
            .map_err(|error| Failure::lasting(format!("cannot run '{}': {}", self.program(), root_cause(&error))))?;
        let complaint = read_aside(&mut child);
        write_aside(&mut child, alert.json().to_string());
        let Some(status) = wait(&mut child, deadline).map_err(|error| Failure::lasting(root_cause(&error)))? else {
            return Err(Failure::too_slow(timeout));
        };
        if status.success() {
            return Ok(());
        }
        // A process that the program started may still hold its stderr open: what has arrived so far is enough.
        let complaint = complaint.recv_timeout(Duration::from_millis(100)).unwrap_or_default();
        let reason = match complaint.trim() {
            "" => ended(status),
            words => format!("{}: {words}", ended(status)),
        };
        match status.code() == Some(Exit::TryAgain.code().into()) {
            true => Err(Failure::passing(reason)),
            false => Err(Failure::lasting(reason)),
        }
    }
}

fn ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("it answered with exit code {code}"),
        None => "it was killed by a signal".to_owned(),
    }
}

/// Waits until `deadline`; then kills the program (not what it may have started) and returns `None`.
fn wait(child: &mut Child, deadline: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads stderr beside the program, which must not block on a full pipe.
fn read_aside(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut stderr) = child.stderr.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.by_ref().take(MOST_READ).read_to_end(&mut bytes);
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        });
    }
    receiver
}

/// Writes stdin beside the program, which may not read it: then the pipe breaks, and that is its choice.
fn write_aside(child: &mut Child, json: String) {
    if let Some(mut stdin) = child.stdin.take() {
        std::thread::spawn(move || {
            let _ = stdin.write_all(json.as_bytes()).and_then(|()| stdin.write_all(b"\n"));
        });
    }
}
