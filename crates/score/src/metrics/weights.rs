//! How much the row at each position counts: as often as it was drawn, times its own weight where rows have weights.
//!
//! Without weights rows are counted in whole numbers: that is exact, and quick over a million rows and hundreds of
//! resamples.

use std::ops::{Add, AddAssign, Mul, Range};

/// What rows count together.
pub(super) trait Sum: Copy + Default + PartialOrd + Add<Output = Self> + Mul<Output = Self> + AddAssign {
    fn as_f64(self) -> f64;
}

impl Sum for u64 {
    fn as_f64(self) -> f64 {
        self as f64
    }
}

impl Sum for f64 {
    fn as_f64(self) -> f64 {
        self
    }
}

/// What each position counts.
pub(super) trait Weights: Copy {
    type Sum: Sum;

    /// What the row at this position counts.
    fn at(self, position: usize) -> Self::Sum;

    /// The same of successive positions.
    fn of(self, positions: Range<usize>) -> impl Iterator<Item = Self::Sum>;
}

/// How often each row was drawn.
#[derive(Clone, Copy)]
pub(super) struct Counts<'a>(pub &'a [u8]);

impl Weights for Counts<'_> {
    type Sum = u64;

    fn at(self, position: usize) -> u64 {
        u64::from(self.0[position])
    }

    fn of(self, positions: Range<usize>) -> impl Iterator<Item = u64> {
        self.0[positions].iter().map(|count| u64::from(*count))
    }
}

/// How often each row was drawn, and its weight.
#[derive(Clone, Copy)]
pub(super) struct Weighed<'a> {
    pub counts: &'a [u8],
    pub weights: &'a [f64],
}

impl Weights for Weighed<'_> {
    type Sum = f64;

    fn at(self, position: usize) -> f64 {
        f64::from(self.counts[position]) * self.weights[position]
    }

    fn of(self, positions: Range<usize>) -> impl Iterator<Item = f64> {
        let counts = &self.counts[positions.clone()];
        counts.iter().zip(&self.weights[positions]).map(|(count, weight)| f64::from(*count) * weight)
    }
}

/// The mean of `values`, one per position; `None` if no row counts.
pub(super) fn mean(values: &[f64], weights: impl Weights) -> Option<f64> {
    fn of<W: Weights>(values: &[f64], weights: W) -> Option<f64> {
        let (mut sum, mut all) = (0.0, W::Sum::default());
        for (value, weight) in values.iter().zip(weights.of(0..values.len())) {
            // A row that does not count must not spoil the sum if its loss is infinite.
            if weight > W::Sum::default() {
                sum += weight.as_f64() * value;
                all += weight;
            }
        }
        (all > W::Sum::default()).then(|| sum / all.as_f64())
    }
    of(values, weights)
}
