//! What chance decides: hashes of names and samples of rows, over the sequence of [`spec::random`].

use std::collections::HashMap;

pub(crate) use spec::random::Random;
use spec::random::mix;

/// A hash of text that never changes (FNV-1a, then spread): which part an entity falls into.
pub(crate) fn hash(text: &str, seed: u64) -> u64 {
    mix(fnv(text, BASIS ^ mix(seed)))
}

/// Where a hash by [`fnv`] begins.
pub(crate) const BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a (Fowler, Noll and Vo), which stays the same in every version.
pub(crate) fn fnv(text: &str, basis: u64) -> u64 {
    text.bytes().fold(basis, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
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

/// Some of the rows, in ascending order: of each class the same share, rounded up. `classes`: the number of each row's class;
/// without, all rows are one class.
pub(crate) fn share_of_rows(rows: usize, classes: Option<&[f64]>, share: f64, seed: u64) -> Vec<usize> {
    let class_of = |row: usize| classes.map_or(0, |classes| classes[row] as usize);
    let kinds = (0..rows).map(class_of).max().map_or(0, |last| last + 1);
    let mut left = vec![0usize; kinds];
    (0..rows).for_each(|row| left[class_of(row)] += 1);
    let mut wanted: Vec<usize> = left.iter().map(|all| (*all as f64 * share).ceil() as usize).collect();
    let mut random = Random::new(seed, rows as u64);
    // Selection sampling (Knuth, "Seminumerical algorithms", algorithm S), class by class.
    let mut taken = |row: &usize| {
        let class = class_of(*row);
        let takes = random.below(left[class]) < wanted[class];
        left[class] -= 1;
        wanted[class] -= usize::from(takes);
        takes
    };
    (0..rows).filter(|row| taken(row)).collect()
}

/// The numbers of some rows, from 0 without gaps in order of appearance.
pub(crate) fn renumbered(numbers: &[u32], rows: &[usize]) -> Vec<u32> {
    let mut known: HashMap<u32, u32> = HashMap::new();
    rows.iter()
        .map(|row| {
            let next = known.len() as u32;
            *known.entry(numbers[*row]).or_insert(next)
        })
        .collect()
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

    #[test]
    fn a_share_of_the_rows_has_that_share_of_each_class() {
        let classes: Vec<f64> = (0..1000).map(|row| f64::from(u8::from(row % 100 == 3))).collect();
        for (share, rows, ones) in [(1.0 / 9.0, 110 + 2, 2), (1.0 / 3.0, 330 + 4, 4), (1.0, 1000, 10)] {
            let chosen = share_of_rows(1000, Some(&classes), share, 5);
            assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
            assert_eq!((chosen.len(), chosen.iter().filter(|row| classes[**row] == 1.0).count()), (rows, ones));
        }
        assert_eq!(share_of_rows(7, None, 0.5, 1).len(), 4);
        // Every row is as likely.
        let mut counts = [0u32; 20];
        (0..4000).for_each(|seed| share_of_rows(20, None, 0.25, seed).into_iter().for_each(|row| counts[row] += 1));
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
    }
}
