//! How fast and how well a version answers: counted without a lock, for the decision whether it may continue.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Steps of the scale per doubling.
const STEPS: f64 = 4.0;
/// The scale: from 1 µs to more than an hour.
const BUCKETS: usize = 132;

/// Answers, errors and latencies since a version was loaded.
pub struct Speed {
    answers: AtomicU64,
    errors: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl Default for Speed {
    fn default() -> Speed {
        Speed { answers: AtomicU64::new(0), errors: AtomicU64::new(0), buckets: [const { AtomicU64::new(0) }; BUCKETS] }
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counted {
    pub answers: u64,
    pub errors: u64,
    /// The latency that 95 of 100 answers kept, in milliseconds; within a fifth above the true one.
    pub p95_ms: f64,
}

impl Counted {
    /// As a decision records it.
    pub fn evidence(self) -> BTreeMap<String, f64> {
        let numbers = [("answers", self.answers as f64), ("errors", self.errors as f64), ("p95_ms", self.p95_ms)];
        numbers.map(|(name, number)| (name.to_owned(), number)).into()
    }

    /// For people.
    pub fn in_words(self) -> String {
        let p95 = spec::text::number(self.p95_ms);
        match self.answers {
            0 => "it was not asked".to_owned(),
            answers => format!("{} of {answers} answers failed, 95 of 100 took up to {p95} ms", self.errors),
        }
    }
}

impl Speed {
    /// Counts an answer.
    pub fn answered(&self, latency: Duration, failed: bool) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        if failed {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        let micros = latency.as_micros().max(1) as f64;
        let bucket = (micros.log2() * STEPS).ceil() as usize;
        self.buckets[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
    }

    pub fn counted(&self) -> Counted {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        let (mut below, wanted) = (0, (all as f64 * 0.95).ceil() as u64);
        let bucket = counts.iter().position(|count| {
            below += count;
            below >= wanted && wanted > 0
        });
        Counted {
            answers: self.answers.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            p95_ms: bucket.map_or(0.0, |bucket| (bucket as f64 / STEPS).exp2() / 1e3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_95th_of_100_is_found_within_a_fifth() {
        let speed = Speed::default();
        assert_eq!(speed.counted(), Counted::default());
        for milliseconds in 1..=100 {
            speed.answered(Duration::from_millis(milliseconds), milliseconds % 50 == 0);
        }
        let counted = speed.counted();
        assert_eq!((counted.answers, counted.errors), (100, 2));
        assert!((95.0..95.0 * 1.2).contains(&counted.p95_ms), "{}", counted.p95_ms);
    }
}
