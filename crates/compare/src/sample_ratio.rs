//! Whether the arms got the shares of keys that they should have got. If they did not, something other than chance decided
//! who got into which arm, and no comparison of the arms means anything.

use crate::distributions::chi_square_above;

/// Below this probability the division is taken for faulty. It is looked at every day, so it is small (Fabijan et al. 2019,
/// "Diagnosing sample ratio mismatch in online controlled experiments").
pub const LIMIT: f64 = 0.001;

/// Pearson's chi-square test of `counts` against `shares`, which add up to 1: the statistic, and how probable one as large
/// is by chance. `None` where it would not hold: fewer than five keys expected in an arm.
pub fn test(counts: &[u64], shares: &[f64]) -> Option<(f64, f64)> {
    let total: u64 = counts.iter().sum();
    let expected = || shares.iter().map(|share| share * total as f64);
    if counts.len() < 2 || expected().any(|expected| expected < 5.0) {
        return None;
    }
    let statistic: f64 = counts
        .iter()
        .zip(expected())
        .map(|(count, expected)| (*count as f64 - expected) * (*count as f64 - expected) / expected)
        .sum();
    Some((statistic, chi_square_above(statistic, (counts.len() - 1) as f64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_keys_say_nothing() {
        assert_eq!(test(&[40, 4], &[0.9, 0.1]), None);
        assert_eq!(test(&[40], &[1.0]), None);
        assert!(test(&[46, 4], &[0.9, 0.1]).is_some());
    }
}
