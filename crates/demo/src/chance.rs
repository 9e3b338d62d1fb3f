//! Chance by counting: every number follows from a key, none from what was drawn before for something else.

use spec::random::{STEP, mix};

/// A stream of chance for one thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// `kind` keeps streams of different things apart.
    #[inline]
    pub(crate) fn of(seed: u64, kind: u64, key: u64) -> Chance {
        Chance(mix(mix(seed.wrapping_add(STEP.wrapping_mul(kind + 1))) ^ key.wrapping_mul(STEP)))
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// Uniform in [0, 1).
    #[inline]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in 0..n.
    #[inline]
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    #[inline]
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Roughly normal with mean 0 and deviation 1, within ±2.45: the sum of four uniform numbers, cut.
    #[inline]
    pub(crate) fn normal(&mut self) -> f64 {
        let bits = self.next();
        let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xFFFF).sum();
        // Four uniforms on [0, 65535] have the mean 131070 and the deviation 65536/√3.
        ((sum as f64 - 131_070.0) / 37_837.2).clamp(-2.45, 2.45)
    }
}
