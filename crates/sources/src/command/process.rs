//! A program that is running: what it prints as bytes to read, and an error unless it ends well.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use spec::{Error, Exit, Redactor, Result, text};
use tempfile::NamedTempFile;

use super::group::Group;

/// Bytes of a chunk, and chunks that may wait.
const CHUNK: usize = 1 << 16;
const WAITING: usize = 8;
/// Bytes of stderr that are kept, the last ones; and how many of its last lines an error shows, with how many characters.
const KEPT: usize = 16 * 1024;
const LINES: usize = 8;
const SHOWN: usize = 800;

/// Variables that a program gets from us.
const INHERITED: [&str; 16] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// A program that can be started.
#[derive(Clone)]
pub(crate) struct Program {
    pub run: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// Where it runs.
    pub folder: PathBuf,
    pub timeout: Duration,
    /// The settings of a tap, for a file of its own.
    pub config: Option<Value>,
    /// What errors must not repeat.
    pub hidden: Redactor,
    pub shown: String,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Program {
    /// Starts it; reading ends with an error unless it ends with exit code 0.
    pub(crate) fn start(&self) -> Result<Running> {
        self.start_after(None)
    }

    /// The same for a tap that continues after `state`.
    pub(crate) fn start_after(&self, state: Option<&Value>) -> Result<Running> {
        let files = [("--config", self.config.as_ref()), ("--state", state)];
        let files = files.into_iter().filter_map(|(flag, value)| value.map(|value| (flag, value)));
        let files = files.map(|(flag, value)| Ok((flag, self.private(value)?))).collect::<Result<Vec<_>>>()?;
        let [name, arguments @ ..] = self.run.as_slice() else {
            return Err(Error::cannot_run(format!("{}: names no program", self.shown)));
        };
        let program: OsString = match name.contains('/') {
            true => self.folder.join(name).into(),
            false => name.into(),
        };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder).env_clear().process_group(0);
        for (flag, file) in &files {
            command.arg(flag).arg(file.path());
        }
        let inherited = INHERITED.iter().filter_map(|name| std::env::var_os(name).map(|value| (name, value)));
        command.envs(inherited).envs(self.environment.iter().map(|(name, value)| (name, value)));
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::cannot_run(format!("{}: no such program", self.shown))
                .hint("install it, or correct 'run'; a name with a '/' counts from the project root"),
            io::ErrorKind::PermissionDenied => Error::cannot_run(format!("{}: may not be run", self.shown))
                .hint("make the file executable, or name its interpreter first, such as [python3, export.py]"),
            _ => Error::cannot_run(format!("{}: cannot be started: {}", self.shown, text::root_cause(&error))),
        })?;
        let group = Group::of(&child);
        let words = Words::of(&mut child);
        let chunks = pump(&mut child);
        Ok(Running {
            program: self.clone(),
            child,
            group,
            chunks,
            words,
            deadline: Instant::now() + self.timeout,
            current: Vec::new(),
            at: 0,
            over: false,
            _files: files.into_iter().map(|(_, file)| file).collect(),
        })
    }

    /// A file that only this user may read, and that is removed with its handle.
    fn private(&self, value: &Value) -> Result<NamedTempFile> {
        let written =
            tempfile::Builder::new().prefix("millrace-tap-").suffix(".json").tempfile().and_then(|mut file| {
                file.write_all(value.to_string().as_bytes())?;
                file.flush()?;
                Ok(file)
            });
        written.map_err(|error| {
            Error::cannot_run(format!("{}: cannot write its settings: {}", self.shown, text::root_cause(&error)))
                .hint("check the folder for temporary files (TMPDIR)")
        })
    }
}

/// A program that was started. Dropping it ends it and all that it started.
pub(crate) struct Running {
    program: Program,
    child: Child,
    group: Group,
    chunks: Receiver<Vec<u8>>,
    words: Words,
    deadline: Instant,
    current: Vec<u8>,
    /// Bytes of `current` that were handed out.
    at: usize,
    over: bool,
    _files: Vec<NamedTempFile>,
}

/// Hands on what the program prints, on a thread of its own, so that a reader can stop waiting for it.
fn pump(child: &mut Child) -> Receiver<Vec<u8>> {
    let (sender, receiver) = sync_channel(WAITING);
    if let Some(mut stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            loop {
                let mut chunk = vec![0; CHUNK];
                match stdout.read(&mut chunk) {
                    Ok(count @ 1..) => {
                        chunk.truncate(count);
                        if sender.send(chunk).is_err() {
                            return;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(_) | Err(_) => return,
                }
            }
        });
    }
    receiver
}

/// What the program says on stderr: its last bytes.
struct Words {
    kept: Arc<Mutex<Vec<u8>>>,
    /// Closes at the end of the output.
    ended: Receiver<()>,
}

impl Words {
    fn of(child: &mut Child) -> Words {
        let kept: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (sender, ended) = sync_channel(1);
        if let Some(mut stderr) = child.stderr.take() {
            let keeping = Arc::clone(&kept);
            std::thread::spawn(move || {
                let mut chunk = [0; 4096];
                while let Ok(count @ 1..) = stderr.read(&mut chunk) {
                    let mut kept = keeping.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.extend_from_slice(&chunk[..count]);
                    let surplus = kept.len().saturating_sub(KEPT);
                    kept.drain(..surplus);
                }
                drop(sender);
            });
        }
        Words { kept, ended }
    }

    /// The last lines, without what is hidden.
    fn last(&self, hidden: &Redactor) -> String {
        // A process that the program started may keep stderr open: what has come so far has to do.
        let _ = self.ended.recv_timeout(Duration::from_millis(500));
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let words = hidden.redact(&String::from_utf8_lossy(&kept));
        let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines[lines.len().saturating_sub(LINES)..].join(" | ");
        let surplus = last.chars().count().saturating_sub(SHOWN);
        match surplus {
            0 => last,
            _ => format!("…{}", last.chars().skip(surplus).collect::<String>()),
        }
    }
}

impl Running {
    /// The program has closed its output: how did it end?
    fn finish(&mut self) -> Result<()> {
        let status = self.wait()?;
        if status.success() {
            return Ok(());
        }
        let shown = &self.program.shown;
        let how = match status.code() {
            Some(code) => format!("ended with exit code {code}"),
            None => "was killed by a signal".to_owned(),
        };
        let said = match self.words.last(&self.program.hidden) {
            words if words.is_empty() => "it printed nothing to stderr".to_owned(),
            words => format!("its last output: {words}"),
        };
        let what = format!("{shown}: the program {how}; {said}");
        let may_pass = status.code().is_none_or(|code| code == i32::from(Exit::TryAgain.code()));
        Err(match may_pass {
            true => Error::try_again(what).hint("nothing was published; run again later"),
            false => Error::cannot_run(what)
                .hint("nothing was published; correct the program, or 'run' and 'environment' (exit code 75 means: try again)"),
        })
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        loop {
            let status = self.child.try_wait();
            match status.map_err(|error| Error::cannot_run(format!("{}: {error}", self.program.shown)))? {
                Some(status) => {
                    self.group.is_over();
                    return Ok(status);
                }
                None if Instant::now() >= self.deadline => return Err(self.too_slow()),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn too_slow(&mut self) -> Error {
        let seconds = self.program.timeout.as_secs();
        let said = match self.words_so_far() {
            words if words.is_empty() => String::new(),
            words => format!("; its last output: {words}"),
        };
        Error::try_again(format!(
            "{}: the program took longer than {seconds} s and was killed{said}",
            self.program.shown
        ))
        .hint("nothing was published; run again, or raise 'timeout_seconds'")
    }

    /// Ends the program and all that it started.
    fn end(&mut self) {
        self.group.end();
        let _ = self.child.wait();
        self.group.is_over();
    }

    /// Ends the program, and returns its last words on stderr.
    fn words_so_far(&mut self) -> String {
        self.end();
        self.words.last(&self.program.hidden)
    }
}

impl Read for Running {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.current.len() && !self.over {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let failure = match self.chunks.recv_timeout(left) {
                Ok(chunk) => {
                    (self.current, self.at) = (chunk, 0);
                    None
                }
                Err(RecvTimeoutError::Timeout) => Some(self.too_slow()),
                Err(RecvTimeoutError::Disconnected) => {
                    self.over = true;
                    self.finish().err()
                }
            };
            if let Some(error) = failure {
                self.over = true;
                return Err(io::Error::other(error));
            }
        }
        let count = buffer.len().min(self.current.len() - self.at);
        buffer[..count].copy_from_slice(&self.current[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
