//! How long to wait before a request is repeated.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use chrono::{DateTime, Utc};

/// The bound of the first pause, half a second; it doubles from one to the next. Unit tests do not wait for it.
pub(crate) const FIRST: Duration = Duration::from_millis(if cfg!(test) { 5 } else { 500 });
/// The longest time that a server may ask to wait; one that asks for more stays down.
pub(crate) const LONGEST: Duration = Duration::from_secs(120);

/// Exponential back-off with equal jitter: from half of `first * 2^retry` to all of it.
/// Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
pub(crate) fn pause(first: Duration, retry: u32) -> Duration {
    let bound = first.saturating_mul(2_u32.saturating_pow(retry.min(10)));
    bound.mul_f64(0.5 + 0.5 * uniform())
}

/// A number from 0 to 1 from the seeds that the standard library draws for hash maps.
fn uniform() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// What `Retry-After` asks for: seconds, or a date (RFC 9110, 10.2.3). Nothing if it cannot be read.
pub(crate) fn retry_after(header: &str, now: DateTime<Utc>) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return (seconds >= 0.0 && seconds.is_finite()).then(|| Duration::from_secs_f64(seconds.min(1e9)));
    }
    let until = DateTime::parse_from_rfc2822(header).ok()?;
    Some((until.with_timezone(&Utc) - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_are_spread() {
        for (retry, bound) in [(0, 100), (1, 200), (3, 800)] {
            let bound = Duration::from_millis(bound);
            let pauses: Vec<Duration> = (0..200).map(|_| pause(Duration::from_millis(100), retry)).collect();
            assert!(pauses.iter().all(|pause| (bound / 2..=bound).contains(pause)));
            assert!(pauses.iter().any(|pause| *pause > bound.mul_f64(0.8)), "200 draws all in the lower part");
            assert!(pauses.iter().any(|pause| *pause < bound.mul_f64(0.7)), "200 draws all in the upper part");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-03-01T10:00:00Z").unwrap().with_timezone(&Utc);
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 01 Mar 2026 10:00:20 GMT", now), Some(Duration::from_secs(20)));
        assert_eq!(retry_after("Sun, 01 Mar 2026 09:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-3", now), None);
    }
}
