//! The circuit breaker of one model: after several failures in a row it is left alone for a while.

use std::time::Instant;

use crate::settings;

/// Whether a request may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// Not before this time.
    ShutUntil(Instant),
    /// One request is out to try; wait for its fate.
    Trying,
    /// It has failed too often to be asked again in this run.
    GivenUp,
}

/// Counts failures in a row. Times are given by the caller.
#[derive(Debug)]
pub struct Breaker {
    settings: settings::Breaker,
    failures: u32,
    trips: u32,
    shut_until: Option<Instant>,
    trying: bool,
}

impl Breaker {
    pub fn new(settings: settings::Breaker) -> Breaker {
        Breaker { settings, failures: 0, trips: 0, shut_until: None, trying: false }
    }

    /// Asks for leave to send. After a pause the first who asks is let through to try.
    pub fn enter(&mut self, now: Instant) -> Gate {
        let gate = self.look(now);
        if gate == Gate::Open && self.shut_until.is_some() {
            self.trying = true;
        }
        gate
    }

    /// What [`Breaker::enter`] would say.
    pub fn look(&self, now: Instant) -> Gate {
        match self.shut_until {
            _ if self.trips >= self.settings.give_up_after => Gate::GivenUp,
            None => Gate::Open,
            Some(until) if now < until => Gate::ShutUntil(until),
            Some(_) if self.trying => Gate::Trying,
            Some(_) => Gate::Open,
        }
    }

    /// The server answered.
    pub fn succeeded(&mut self) {
        *self = Breaker::new(self.settings);
    }

    /// The request came to nothing, and nothing was learnt about the server.
    pub fn withdrawn(&mut self) {
        self.trying = false;
    }

    /// The server did not answer, or with an error of its own.
    pub fn failed(&mut self, now: Instant) {
        // Requests that were in flight when it opened say nothing new.
        if self.shut_until.is_some() && !self.trying {
            return;
        }
        self.failures += 1;
        if self.trying || self.failures >= self.settings.failures {
            self.trips += 1;
            self.failures = 0;
            self.trying = false;
            self.shut_until = Some(now + self.settings.pause);
        }
    }

    /// Never again in this run, such as after a refused key.
    pub fn give_up(&mut self) {
        self.trips = self.settings.give_up_after;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PAUSE: Duration = Duration::from_secs(30);

    fn breaker() -> Breaker {
        Breaker::new(settings::Breaker { failures: 2, pause: PAUSE, give_up_after: 2 })
    }

    #[test]
    fn opens_after_failures_in_a_row_and_lets_one_try() {
        let (mut breaker, now) = (breaker(), Instant::now());
        breaker.failed(now);
        breaker.succeeded();
        breaker.failed(now);
        assert_eq!(breaker.enter(now), Gate::Open);
        breaker.failed(now);
        assert_eq!(breaker.enter(now), Gate::ShutUntil(now + PAUSE));
        breaker.failed(now);
        let later = now + PAUSE;
        assert_eq!(breaker.enter(later), Gate::Open);
        assert_eq!(breaker.enter(later), Gate::Trying);
        breaker.succeeded();
        assert_eq!(breaker.enter(later), Gate::Open);
        assert_eq!(breaker.enter(later), Gate::Open);
    }

    #[test]
    fn gives_up_when_tries_fail_too() {
        let (mut breaker, now) = (breaker(), Instant::now());
        breaker.failed(now);
        breaker.failed(now);
        assert_eq!(breaker.enter(now + PAUSE), Gate::Open);
        breaker.failed(now + PAUSE);
        assert_eq!(breaker.enter(now + PAUSE * 9), Gate::GivenUp);
    }

    #[test]
    fn a_try_that_was_withdrawn_leaves_room_for_another() {
        let (mut breaker, now) = (breaker(), Instant::now());
        breaker.failed(now);
        breaker.failed(now);
        assert_eq!(breaker.enter(now + PAUSE), Gate::Open);
        breaker.withdrawn();
        assert_eq!(breaker.enter(now + PAUSE), Gate::Open);
    }
}
