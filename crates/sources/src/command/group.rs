//! A program and all that it starts: a process group, which is ended as a whole.

use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a program that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 5 });
const PAUSE: Duration = Duration::from_millis(5);

/// The groups whose program has not been waited for.
static LIVE: Mutex<Vec<libc::pid_t>> = Mutex::new(Vec::new());

fn live() -> MutexGuard<'static, Vec<libc::pid_t>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The group of a program that was started as the first of its own.
pub(super) struct Group(libc::pid_t);

impl Group {
    pub(super) fn of(child: &Child) -> Group {
        let id = child.id().cast_signed();
        live().push(id);
        Group(id)
    }

    /// Asks all processes to end, and kills those that are left when the program has ended or its time is up.
    pub(super) fn end(&self) {
        // Its number belongs to the group only until the program has been waited for.
        if live().contains(&self.0) {
            end(&[self.0]);
        }
    }

    /// The program has been waited for.
    pub(super) fn is_over(&self) {
        live().retain(|id| *id != self.0);
    }
}

/// Ends all programs that are running, with all that they started: an interruption reaches only ourselves. For a
/// process that is about to exit: a thread that waits for one of them never returns, and so does not report that it was
/// killed.
pub fn end_programs() {
    let live = live();
    end(&live);
    std::mem::forget(live);
}

fn end(groups: &[libc::pid_t]) {
    groups.iter().for_each(|group| send(*group, libc::SIGTERM));
    let until = Instant::now() + GRACE;
    while !groups.iter().all(|group| has_ended(*group)) && Instant::now() < until {
        std::thread::sleep(PAUSE);
    }
    groups.iter().for_each(|group| send(*group, libc::SIGKILL));
}

fn send(group: libc::pid_t, signal: libc::c_int) {
    // SAFETY: no memory is touched. The group exists as long as its first process has not been waited for.
    unsafe { libc::kill(-group, signal) };
}

/// Whether a program has ended; it still has to be waited for.
fn has_ended(program: libc::pid_t) -> bool {
    // SAFETY: an all-zero siginfo_t is a valid value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` is valid for the call.
    let failed = unsafe { libc::waitid(libc::P_PID, program.cast_unsigned(), &raw mut info, flags) };
    // SAFETY: waitid has written this field, or left it zero where nothing has ended.
    failed != 0 || unsafe { info.si_pid() } != 0
}
