//! One stage as a process of its own.

use std::io::{IsTerminal, Read, Seek, SeekFrom, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use spec::{Error, Exit, Length, Name, Result, Tool};
use tool::Project;

use super::log::Log;
use crate::link::own_path;

/// How long a stage that was asked to stop may take before it is killed.
const GRACE: Duration = Duration::from_secs(60);

/// How a stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Code(i32),
    /// By a signal from another process.
    Killed(i32),
    /// Its time, or that of the run, was up.
    TimedOut,
    /// The run was asked to stop.
    Interrupted,
}

impl Ended {
    pub fn is_worth_another_try(self) -> bool {
        self == Ended::Code(i32::from(Exit::TryAgain.code())) || self == Ended::TimedOut
    }
}

/// The stages of one run.
pub struct Stages<'a> {
    pub pipeline: &'a Name,
    log: &'a Log,
    program: PathBuf,
    root: PathBuf,
    /// Set by SIGINT and SIGTERM.
    stop: Arc<AtomicBool>,
    /// When the run has to be over.
    pub until: Option<Instant>,
    is_shown: bool,
}

impl<'a> Stages<'a> {
    pub fn new(pipeline: &'a Name, log: &'a Log, project: &Project) -> Result<Stages<'a>> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, stop.clone())
                .map_err(|error| Error::cannot_run(format!("cannot watch for signals: {error}")))?;
        }
        let root = std::path::absolute(project.root.path());
        let root = root.map_err(|error| Error::io("find", project.root.path(), &error))?;
        let program = own_path()?;
        let is_shown = std::io::stderr().is_terminal();
        Ok(Stages { pipeline, log, program, root, stop, until: None, is_shown })
    }

    /// Runs a stage to its end, or until its time is up. Its messages go to the log. Also the bytes of memory that it
    /// needed at most.
    pub fn run(&mut self, tool: Tool, limit: Option<Length>) -> Result<(Ended, u64)> {
        self.log.note(&format!("{} {tool}", self.pipeline))?;
        let output = self.log.appending()?;
        let failed = |error: std::io::Error| Error::io("start", &self.program, &error);
        let mut command = Command::new(&self.program);
        command
            .args([tool.name(), self.pipeline.as_str()])
            .current_dir(&self.root)
            .env("MILLRACE_ROOT", &self.root)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output);
        let mut shown = self.is_shown.then(|| Shown::from_end_of(&self.log.file));
        let child = command.spawn().map_err(failed)?;
        let limit = limit.map(|limit| Instant::now() + limit.duration());
        let until = limit.into_iter().chain(self.until).min();
        let ended = self.wait(child, until, shown.as_mut());
        ended.map_err(|error| Error::io("wait for", &self.program, &error))
    }

    fn wait(
        &self,
        mut child: Child,
        until: Option<Instant>,
        mut shown: Option<&mut Shown>,
    ) -> std::io::Result<(Ended, u64)> {
        let began = Instant::now();
        // Why it was asked to stop, and when.
        let mut asked: Option<(Ended, Instant)> = None;
        loop {
            let status = waited(&child)?;
            if let Some(shown) = shown.as_deref_mut() {
                shown.more();
            }
            if let Some((status, needed)) = status {
                let ended = match (status.code(), status.signal()) {
                    (Some(code), _) => Ended::Code(code),
                    (None, signal) => Ended::Killed(signal.unwrap_or_default()),
                };
                // A stage that succeeded nevertheless has succeeded.
                return Ok(match asked {
                    Some((why, _)) if ended != Ended::Code(0) => (why, needed),
                    _ => (ended, needed),
                });
            }
            let now = Instant::now();
            match asked {
                None if self.stop.load(Ordering::SeqCst) => asked = Some((Ended::Interrupted, now)),
                None if until.is_some_and(|until| now >= until) => asked = Some((Ended::TimedOut, now)),
                Some((_, since)) if now.duration_since(since) > GRACE => child.kill()?,
                _ => {}
            }
            if let Some((_, since)) = asked
                && since == now
            {
                terminate(&child);
            }
            // Short stages are not delayed, and waiting for long ones costs nothing.
            std::thread::sleep(if began.elapsed() < Duration::from_secs(1) { SHORT } else { LONG });
        }
    }

    /// Waits before a retry, or for a slot. Returns early, with the reason, if the run has to end.
    pub fn pause(&mut self, length: Duration) -> Option<Ended> {
        let end = Instant::now() + length;
        loop {
            let now = Instant::now();
            if self.stop.load(Ordering::SeqCst) {
                return Some(Ended::Interrupted);
            }
            if self.until.is_some_and(|until| now >= until) {
                return Some(Ended::TimedOut);
            }
            if now >= end {
                return None;
            }
            std::thread::sleep(LONG.min(end - now));
        }
    }
}

const SHORT: Duration = Duration::from_millis(3);
const LONG: Duration = Duration::from_millis(50);

/// How a child ended, if it has, and the bytes of memory that it and its own children needed at most. No other code may wait for it
/// in another way.
fn waited(child: &Child) -> std::io::Result<Option<(ExitStatus, u64)>> {
    let mut status = 0;
    // SAFETY: an all-zero rusage is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are valid for the call.
    match unsafe { libc::wait4(child.id().cast_signed(), &raw mut status, libc::WNOHANG, &raw mut usage) } {
        0 => Ok(None),
        1.. => Ok(Some((ExitStatus::from_raw(status), usage.ru_maxrss.unsigned_abs() * 1024))),
        _ => match std::io::Error::last_os_error() {
            error if error.kind() == std::io::ErrorKind::Interrupted => Ok(None),
            error => Err(error),
        },
    }
}

fn terminate(child: &Child) {
    if let Ok(id) = libc::pid_t::try_from(child.id()) {
        // SAFETY: kill touches no memory. The child has not been waited for, so its id is still its own.
        unsafe { libc::kill(id, SIGTERM) };
    }
}

/// Shows on the terminal what is appended to a file.
struct Shown {
    file: Option<std::fs::File>,
}

impl Shown {
    fn from_end_of(path: &Path) -> Shown {
        let opened = std::fs::File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        });
        Shown { file: opened.ok() }
    }

    fn more(&mut self) {
        let Some(file) = &mut self.file else { return };
        let mut bytes = Vec::new();
        if file.read_to_end(&mut bytes).is_ok() && !bytes.is_empty() {
            // The terminal has been closed.
            let _ = std::io::stderr().lock().write_all(&bytes);
        }
    }
}

/// Calls this program with other arguments, on this terminal.
pub fn own(project: &Project, arguments: &[&str]) -> Result<()> {
    let program = own_path()?;
    let status = Command::new(&program).args(arguments).env("MILLRACE_ROOT", project.root.path()).status();
    status.map(|_| ()).map_err(|error| Error::io("start", &program, &error))
}
