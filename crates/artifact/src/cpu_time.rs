//! Processor time: what work costs, however many others wait for the same core, and which work may wait.

use std::time::Duration;

/// That of this thread so far.
pub(crate) fn of_thread() -> Duration {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// That of all threads of this process so far.
pub fn cpu_time() -> Duration {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Does `work` and adds what it took of this thread's time.
pub(crate) fn spending<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    let began = of_thread();
    let done = work();
    *spent += of_thread().saturating_sub(began);
    done
}

/// From now on this thread, with those that it starts, gets a tenth of what others get of a core that both want. It cannot be taken back: give the
/// work a thread of its own. Without effect where the system refuses it.
pub fn let_others_go_first() {
    // SAFETY: no memory is involved. On Linux, 0 is the calling thread alone.
    unsafe { libc::setpriority(libc::PRIO_PROCESS as _, 0, BACKGROUND.max(priority())) };
}

/// As `nice` counts.
const BACKGROUND: i32 = 10;

/// That of this thread.
fn priority() -> i32 {
    // SAFETY: no memory is involved.
    unsafe { libc::getpriority(libc::PRIO_PROCESS as _, 0) }
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the whole call, which fills it.
    let failed = unsafe { libc::clock_gettime(clock, &mut time) };
    match failed {
        0 => Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_asks_lets_others_go_first() {
        let before = priority();
        let lowered = std::thread::spawn(move || {
            let_others_go_first();
            [priority(), std::thread::spawn(priority).join().unwrap()]
        });
        assert_eq!(lowered.join().unwrap(), [BACKGROUND.max(before); 2]);
        assert_eq!(priority(), before);
    }

    #[test]
    fn sleeping_costs_nothing_and_counting_does() {
        let mut spent = Duration::ZERO;
        spending(&mut spent, || std::thread::sleep(Duration::from_millis(50)));
        assert!(spent < Duration::from_millis(25), "{spent:?}");
        let busy = spending(&mut spent, || (0..20_000_000u64).fold(0u64, |sum, n| sum.rotate_left(3) ^ n));
        assert!(busy != 1 && spent > Duration::from_millis(2), "{spent:?}");
        assert!(cpu_time() >= spent);
    }
}
