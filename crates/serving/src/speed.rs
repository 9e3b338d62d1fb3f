//! How fast and how well a version answers: counted without a lock, for the decision whether it may continue.

use std::array::from_fn;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Steps of the scale per doubling.
const STEPS: f64 = 4.0;
/// The scale: from 1 µs to more than an hour.
const BUCKETS: usize = 132;

/// What is recent: this time, and up to twice as long.
const RECENT: Duration = Duration::from_secs(60);

/// Answers, errors and latencies since a version was loaded, or began to take over.
pub struct Speed {
    answers: AtomicU64,
    errors: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
    marks: Mutex<Marks>,
}

/// The numbers at some moment.
#[derive(Clone, Copy)]
struct Tally {
    answers: u64,
    errors: u64,
    buckets: [u64; BUCKETS],
}

/// What was counted at earlier moments.
struct Marks {
    began: Tally,
    /// When `newer` was taken; `older` was taken before it.
    at: Instant,
    older: Tally,
    newer: Tally,
}

impl Default for Speed {
    fn default() -> Speed {
        let none = Tally { answers: 0, errors: 0, buckets: [0; BUCKETS] };
        Speed {
            answers: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            marks: Mutex::new(Marks { began: none, at: Instant::now(), older: none, newer: none }),
        }
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

    /// Counts from now on: what a version did beside another one says little of what it does once all come to it.
    pub fn begin(&self, now: Instant) {
        let tally = self.tally();
        *self.marks() = Marks { began: tally, at: now, older: tally, newer: tally };
    }

    /// All since the beginning.
    pub fn counted(&self) -> Counted {
        let began = self.marks().began;
        self.tally().since(&began)
    }

    /// What was counted in the last minute or two, if it is asked for from time to time.
    pub fn recent(&self, now: Instant) -> Counted {
        let tally = self.tally();
        let mut marks = self.marks();
        if now.duration_since(marks.at) >= RECENT {
            (marks.at, marks.older, marks.newer) = (now, marks.newer, tally);
        }
        tally.since(&marks.older)
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tally(&self) -> Tally {
        Tally {
            answers: self.answers.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            buckets: from_fn(|at| self.buckets[at].load(Ordering::Relaxed)),
        }
    }
}

impl Tally {
    fn since(&self, before: &Tally) -> Counted {
        let counts: [u64; BUCKETS] = from_fn(|at| self.buckets[at].saturating_sub(before.buckets[at]));
        let all: u64 = counts.iter().sum();
        let (mut below, wanted) = (0, (all as f64 * 0.95).ceil() as u64);
        let bucket = counts.iter().position(|count| {
            below += count;
            below >= wanted && wanted > 0
        });
        Counted {
            answers: self.answers.saturating_sub(before.answers),
            errors: self.errors.saturating_sub(before.errors),
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

    #[test]
    fn what_is_recent_is_not_all_and_what_was_before_the_beginning_is_neither() {
        let speed = Speed::default();
        let began = Instant::now();
        let answered =
            |count: u64, failed: bool| (0..count).for_each(|_| speed.answered(Duration::from_millis(1), failed));
        let recent = |seconds: u64| {
            let counted = speed.recent(began + Duration::from_secs(seconds));
            (counted.answers, counted.errors)
        };
        answered(50, false);
        speed.begin(began);
        assert_eq!(speed.counted(), Counted::default());
        answered(1000, false);
        assert_eq!((recent(1), recent(61)), ((1000, 0), (1000, 0)));
        answered(7, true);
        assert_eq!((recent(90), recent(122), recent(130)), ((1007, 7), (7, 7), (7, 7)));
        assert_eq!(recent(190), (0, 0));
        let counted = speed.counted();
        assert_eq!((counted.answers, counted.errors), (1007, 7));
    }
}
