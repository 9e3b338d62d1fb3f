//! How fast requests go out: evenly spaced by governor, held back together when the server asks for it, and
//! with a number in flight that adapts.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::settings::Limits;

/// The rates of one run.
pub struct Pace {
    requests: Vec<DefaultDirectRateLimiter>,
    tokens: Option<(DefaultDirectRateLimiter, NonZeroU32)>,
    clock: DefaultClock,
    not_before: Cell<Option<Instant>>,
}

impl Pace {
    pub fn new(limits: &Limits) -> Pace {
        let mut requests = vec![RateLimiter::direct(even(limits.requests_per_second, 1.0))];
        requests.extend(limits.requests_per_minute.map(|most| RateLimiter::direct(even(f64::from(most), 60.0))));
        let tokens = limits.tokens_per_minute.and_then(NonZeroU32::new).map(|most| {
            // A tenth of a minute's tokens may go at once, so that the minute's sum holds from the start.
            let burst = NonZeroU32::new(most.get() / 10).unwrap_or(NonZeroU32::MIN);
            (RateLimiter::direct(Quota::per_minute(most).allow_burst(burst)), burst)
        });
        Pace { requests, tokens, clock: DefaultClock::default(), not_before: Cell::new(None) }
    }

    /// Waits until one more request, of so many tokens, may go out.
    pub async fn leave(&self, tokens: u64) {
        self.held().await;
        for limiter in &self.requests {
            while let Err(busy) = limiter.check() {
                sleep(busy.wait_time_from(self.clock.now())).await;
            }
        }
        if let Some((limiter, burst)) = &self.tokens {
            let mut left = u32::try_from(tokens).unwrap_or(u32::MAX);
            // A request larger than the burst pays for itself in parts.
            while let Some(part) = NonZeroU32::new(left.min(burst.get())) {
                while let Ok(Err(busy)) = limiter.check_n(part) {
                    sleep(busy.wait_time_from(self.clock.now())).await;
                }
                left -= part.get();
            }
        }
        self.held().await;
    }

    /// Nothing goes out for so long: the server requested it.
    pub fn hold(&self, pause: Duration) {
        let until = Instant::now() + pause;
        self.not_before.set(self.not_before.get().max(Some(until)));
    }

    async fn held(&self) {
        while let Some(until) = self.not_before.get() {
            match until.checked_duration_since(Instant::now()) {
                Some(left) => sleep(left).await,
                None => self.not_before.set(None),
            }
        }
    }
}

/// Timers count whole milliseconds: rounding up keeps the rate.
async fn sleep(pause: Duration) {
    tokio::time::sleep(pause + Duration::from_micros(100)).await;
}

/// `count` in `seconds`, evenly spaced. Timers wake about every millisecond, so what is due within ten of them may go
/// together.
fn even(count: f64, seconds: f64) -> Quota {
    let period = Duration::from_secs_f64(seconds / count).max(Duration::from_nanos(1));
    let burst = (count / seconds / 100.0).ceil().max(1.0) as u32;
    let quota = Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN));
    quota.allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN))
}

/// How many requests may be in flight: halved when the server is busy, then grown by one for each round of answers
/// (additive increase, multiplicative decrease; Chiu and Jain, 1989).
#[derive(Debug)]
pub struct Concurrency {
    most: f64,
    now: Cell<f64>,
    halved: Cell<Option<Instant>>,
}

impl Concurrency {
    pub fn new(most: usize) -> Concurrency {
        Concurrency { most: most as f64, now: Cell::new(most as f64), halved: Cell::new(None) }
    }

    pub fn allowed(&self) -> usize {
        self.now.get() as usize
    }

    pub fn succeeded(&self) {
        self.now.set((self.now.get() + 1.0 / self.now.get()).min(self.most));
    }

    /// The server is busy. Answers that come together count once.
    pub fn busy(&self, now: Instant) {
        let fresh = self.halved.get().is_none_or(|last| now.duration_since(last) > Duration::from_millis(500));
        if fresh {
            self.now.set((self.now.get() / 2.0).max(1.0));
            self.halved.set(Some(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrency_halves_once_per_burst_and_grows_back() {
        let (concurrency, now) = (Concurrency::new(8), Instant::now());
        concurrency.busy(now);
        concurrency.busy(now);
        assert_eq!(concurrency.allowed(), 4);
        for second in 1..9 {
            concurrency.busy(now + Duration::from_secs(second));
        }
        assert_eq!(concurrency.allowed(), 1);
        for _ in 0..60 {
            concurrency.succeeded();
        }
        assert_eq!(concurrency.allowed(), 8);
    }

    #[test]
    fn requests_are_spaced_evenly() {
        let quota = even(10.0, 1.0);
        assert_eq!((quota.burst_size().get(), quota.replenish_interval()), (1, Duration::from_millis(100)));
        assert_eq!(even(2000.0, 1.0).burst_size().get(), 20);
        assert_eq!(even(60.0, 60.0).replenish_interval(), Duration::from_secs(1));
    }
}
