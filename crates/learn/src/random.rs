//! What chance decides: hashes of names and samples of rows, over the sequence of [`spec::random`].

pub(crate) use spec::random::Random;
use spec::random::mix;

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
    fn a_sample_has_distinct_numbers_in_order() {
        let chosen = sample(1000, 100, 7);
        assert_eq!(chosen.len(), 100);
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]) && chosen[99] < 1000);
        assert_eq!(sample(3, 9, 7), [0, 1, 2]);
    }
}
