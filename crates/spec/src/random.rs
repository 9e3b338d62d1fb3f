//! Pseudo-random numbers whose sequence is part of our results: the same seed gives the same split, the same intervals and
//! the same invented rows with every version of every dependency.

/// SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

/// By how much the state grows with each number.
pub const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// The sequence that begins after `state`, as the reference implementation has it.
    pub fn from_state(state: u64) -> Random {
        Random(state)
    }

    /// The stream number `stream` of `seed`: streams of one seed are independent of one another.
    pub fn new(seed: u64, stream: u64) -> Random {
        Random(mix(seed).wrapping_add(mix(stream ^ 0x6a09_e667_f3bc_c909)))
    }

    /// The next number of the sequence.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `limit`, which must not be 0. The bias is below `limit` / 2⁶⁴.
    #[inline]
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next_u64()) * limit as u128) >> 64) as usize
    }

    /// Puts `items` in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Spreads the bits of a number over all 64 (the finalizer of SplitMix64: Stafford's mix 13).
#[inline]
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        // The reference implementation (prng.di.unimi.it/splitmix64.c) with state 1234567.
        let mut random = Random::from_state(1_234_567);
        assert_eq!(random.next_u64(), 6457827717110365317);
        assert_eq!(random.next_u64(), 3203168211198807973);
    }

    #[test]
    fn numbers_below_a_limit_are_even() {
        let mut random = Random::new(1, 0);
        let mut counts = [0; 10];
        (0..100_000).for_each(|_| counts[random.below(10)] += 1);
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    }

    #[test]
    fn an_order_is_one_of_the_items() {
        let mut items: Vec<u32> = (0..50).collect();
        Random::new(3, 1).shuffle(&mut items);
        let mut sorted = items.clone();
        sorted.sort_unstable();
        assert!(sorted == (0..50).collect::<Vec<u32>>() && sorted != items);
    }
}
