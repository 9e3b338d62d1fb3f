//! Pseudo-random numbers whose sequence is part of our results: the same seed gives the same split and the
//! same intervals with every version of every dependency.

/// SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream number `stream` of `seed`: streams of one seed are independent of one another.
    pub fn new(seed: u64, stream: u64) -> Random {
        Random(mix(seed).wrapping_add(mix(stream ^ 0x6a09_e667_f3bc_c909)))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `limit`, which must not be 0. The bias is below `limit` / 2⁶⁴.
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next()) * limit as u128) >> 64) as usize
    }

    /// Puts `items` in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Spreads the bits of a number over all 64.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A hash of text that never changes (FNV-1a, then spread): which part an entity falls into.
pub(crate) fn hash(text: &str, seed: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ mix(seed);
    mix(text.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)))
}

/// `count` of the numbers below `of`, evenly spread over the shuffled whole, in ascending order.
pub(crate) fn sample(of: usize, count: usize, seed: u64) -> Vec<usize> {
    if count >= of {
        return (0..of).collect();
    }
    // Floyd's algorithm (Bentley and Floyd 1987): as many draws as numbers wanted.
    let mut random = Random::new(seed, of as u64);
    let mut chosen = std::collections::BTreeSet::new();
    for upper in of - count..of {
        let candidate = random.below(upper + 1);
        if !chosen.insert(candidate) {
            chosen.insert(upper);
        }
    }
    chosen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        // The reference implementation (prng.di.unimi.it/splitmix64.c) with state 1234567.
        let mut random = Random(1234567);
        assert_eq!(random.next(), 6457827717110365317);
        assert_eq!(random.next(), 3203168211198807973);
    }

    #[test]
    fn numbers_below_a_limit_are_even() {
        let mut random = Random::new(1, 0);
        let mut counts = [0; 10];
        (0..100_000).for_each(|_| counts[random.below(10)] += 1);
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_sample_has_distinct_numbers_in_order() {
        let chosen = sample(1000, 100, 7);
        assert_eq!(chosen.len(), 100);
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]) && chosen[99] < 1000);
        assert_eq!(sample(3, 9, 7), [0, 1, 2]);
    }
}
