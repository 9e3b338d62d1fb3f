//! How long to wait before something is tried again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use chrono::{DateTime, NaiveDateTime, Utc};

/// Exponential back-off with equal jitter: before try `n + 1` from half of `first * 2^(n - 1)` to all of it, so that many who
/// failed together do not come back together.
/// Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The bound of the first pause; it doubles from one to the next.
    pub first: Duration,
    /// The bound of all pauses.
    pub longest: Duration,
}

impl Backoff {
    /// The pause after so many tries failed, from 1 on.
    pub fn pause(self, failed: u32) -> Duration {
        let half = |duration: Duration| duration / 2;
        // The pauses of the builder are drawn from its bound to twice of it.
        let pauses = ExponentialBuilder::default()
            .with_min_delay(half(self.first))
            .with_max_delay(half(self.longest))
            .with_factor(2.0)
            .with_jitter()
            .without_max_times()
            .build();
        let failed = failed.max(1) as usize;
        pauses.into_iter().nth(failed.min(64) - 1).unwrap_or(self.longest).min(self.longest)
    }
}

/// What `Retry-After` asks for: seconds, or a date (RFC 9110, 10.2.3). Nothing if it cannot be read.
pub fn retry_after(header: &str, now: DateTime<Utc>) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return (seconds >= 0.0 && seconds.is_finite()).then(|| Duration::from_secs_f64(seconds.min(1e9)));
    }
    // The two older forms of a date that whoever reads one must know (RFC 9110, 5.6.7).
    let older = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let older = || older.iter().find_map(|form| NaiveDateTime::parse_from_str(header, form).ok());
    let until = DateTime::parse_from_rfc2822(header).map(|until| until.with_timezone(&Utc));
    let until = until.ok().or_else(|| older().map(|until| until.and_utc()))?;
    Some((until - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_are_spread() {
        let backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(1) };
        for (failed, bound) in [(1, 100), (2, 200), (4, 800), (5, 1000), (40, 1000), (u32::MAX, 1000)] {
            let bound = Duration::from_millis(bound);
            let pauses: Vec<Duration> = (0..200).map(|_| backoff.pause(failed)).collect();
            assert!(pauses.iter().all(|pause| (bound / 2..=bound).contains(pause)), "{failed}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause > bound.mul_f64(0.8)), "200 draws all in the lower part");
            assert!(pauses.iter().any(|pause| *pause < bound.mul_f64(0.7)), "200 draws all in the upper part");
        }
        assert_eq!(Backoff { first: Duration::ZERO, longest: Duration::ZERO }.pause(3), Duration::ZERO);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-03-01T10:00:00Z").unwrap().with_timezone(&Utc);
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(" 0.5 ", now), Some(Duration::from_millis(500)));
        assert_eq!(retry_after("Sun, 01 Mar 2026 10:00:20 GMT", now), Some(Duration::from_secs(20)));
        assert_eq!(retry_after("Sun, 01 Mar 2026 09:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("Sunday, 01-Mar-26 10:00:20 GMT", now), Some(Duration::from_secs(20)));
        assert_eq!(retry_after("Sun Mar  1 10:00:20 2026", now), Some(Duration::from_secs(20)));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-3", now), None);
    }
}
