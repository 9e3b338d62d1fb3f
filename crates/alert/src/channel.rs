//! What every channel does, and how often it is asked.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use net::Backoff;

use crate::text::Alert;

/// A way to notify people.
pub trait Channel: Send + Sync {
    /// In words, without secrets: `mail to ops@shop.example`.
    fn name(&self) -> String;

    /// What distinguishes this channel from all others, however `alerts.yaml` is arranged. May hold secrets: it is only hashed.
    fn identity(&self) -> String;

    /// One attempt to send, which should not take longer than `timeout`.
    fn send(&self, alert: &Alert, timeout: Duration) -> Result<(), Failure>;
}

/// Why a try failed, and whether another may succeed. The reason may be long and hold secrets: [`crate::Alerts`] sees
/// to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub reason: String,
    pub again: Again,
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It would fail again, or people might get it twice.
    No,
    /// Something passing.
    Yes,
    /// A passing failure, and the server said how long.
    After(Duration),
}

impl Failure {
    pub fn lasting(reason: impl Into<String>) -> Failure {
        Failure { reason: reason.into(), again: Again::No }
    }

    pub fn passing(reason: impl Into<String>) -> Failure {
        Failure { reason: reason.into(), again: Again::Yes }
    }

    /// Not tried again: a server that did not answer in time may still have accepted the alert.
    pub fn too_slow(timeout: Duration) -> Failure {
        Failure::lasting(format!("no answer within {} s", timeout.as_secs_f64()))
    }
}

/// How patient we are.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For one try.
    pub timeout: Duration,
    /// At most so long before the second try; twice as long before the third.
    pub first_wait: Duration,
}

/// Tries in all.
pub const TRIES: u32 = 3;

/// The longest wait that a server may request; beyond it, we give up.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What a channel may need beyond its own time-out until the outer one ends the wait.
const GRACE: Duration = Duration::from_millis(500);

impl Patience {
    /// The longest that [`send`] takes.
    pub fn at_most(self) -> Duration {
        (self.timeout + GRACE + LONGEST_WAIT) * TRIES
    }
}

/// Sends to `channel`, with retries where they may help. Returns the number of tries and the result.
pub fn send(channel: &Arc<dyn Channel>, alert: &Arc<Alert>, patience: Patience) -> (u32, Result<(), Failure>) {
    let backoff = Backoff { first: patience.first_wait, longest: LONGEST_WAIT };
    for tries in 1.. {
        let result = bounded(channel, alert, patience.timeout);
        let pause = match &result {
            Err(Failure { again: Again::Yes, .. }) => backoff.pause(tries),
            Err(Failure { again: Again::After(asked), .. }) if *asked <= LONGEST_WAIT => *asked,
            _ => return (tries, result),
        };
        if tries == TRIES {
            return (tries, result);
        }
        std::thread::sleep(pause);
    }
    unreachable!("the loop ends with its last try")
}

/// One try in a thread of its own, left behind if it hangs where no time-out of ours reaches (looking up a name).
fn bounded(channel: &Arc<dyn Channel>, alert: &Arc<Alert>, timeout: Duration) -> Result<(), Failure> {
    let (sender, receiver) = mpsc::channel();
    let (channel, alert) = (Arc::clone(channel), Arc::clone(alert));
    let work = move || drop(sender.send(channel.send(&alert, timeout)));
    if let Err(error) = std::thread::Builder::new().name("alert".to_owned()).spawn(work) {
        return Err(Failure::passing(format!("cannot start a thread: {error}")));
    }
    match receiver.recv_timeout(timeout + GRACE) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Failure::too_slow(timeout)),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(Failure::lasting("the channel panicked")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Scripted {
        answers: Vec<Result<(), Failure>>,
        asked: AtomicU32,
    }

    impl Channel for Scripted {
        fn name(&self) -> String {
            "scripted".to_owned()
        }
        fn identity(&self) -> String {
            self.name()
        }
        fn send(&self, _: &Alert, _: Duration) -> Result<(), Failure> {
            self.answers[self.asked.fetch_add(1, Ordering::SeqCst) as usize].clone()
        }
    }

    fn tries(answers: Vec<Result<(), Failure>>) -> (u32, Result<(), Failure>) {
        let channel: Arc<dyn Channel> = Arc::new(Scripted { answers, asked: AtomicU32::new(0) });
        let patience = Patience { timeout: Duration::from_secs(5), first_wait: Duration::ZERO };
        send(&channel, &Arc::new(crate::text::example()), patience)
    }

    #[test]
    fn only_what_may_pass_is_tried_again_and_at_most_twice() {
        let busy = || Err(Failure::passing("busy"));
        let soon = || Err(Failure { reason: "busy".to_owned(), again: Again::After(Duration::ZERO) });
        let late = || Err(Failure { reason: "busy".to_owned(), again: Again::After(Duration::from_secs(3600)) });
        assert_eq!(tries(vec![Ok(())]), (1, Ok(())));
        assert_eq!(tries(vec![busy(), soon(), Ok(())]), (3, Ok(())));
        assert_eq!(tries(vec![busy(), busy(), busy()]), (3, busy()));
        assert_eq!(tries(vec![late()]), (1, late()));
        assert_eq!(tries(vec![busy(), Err(Failure::lasting("no"))]), (2, Err(Failure::lasting("no"))));
    }

    #[test]
    fn a_channel_that_panics_is_a_failure_like_any_other() {
        assert_eq!(tries(vec![]), (1, Err(Failure::lasting("the channel panicked"))));
    }
}
