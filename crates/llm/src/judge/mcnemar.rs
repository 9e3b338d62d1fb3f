//! McNemar's test: do two tasks differ on the same rows? Only rows on which one is right and the other wrong count.
//!
//! - McNemar, Q. (1947), "Note on the sampling error of the difference between correlated proportions or percentages",
//!   Psychometrika 12, 153-157.
//! - Edwards, A. L. (1948), "Note on the 'correction for continuity' in testing the significance of the difference
//!   between correlated proportions", Psychometrika 13, 185-187.

/// Up to so many discordant rows the test is exact. 2⁻¹⁰⁰⁰ is still a normal number, and beyond it the approximation is
/// good to two digits wherever p is near a usual level.
const MOST_EXACT: usize = 1000;

/// Rows on which exactly one of two tasks is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discordant {
    /// The first is right, the second wrong.
    pub only_first: usize,
    /// The second is right, the first wrong.
    pub only_second: usize,
}

/// How the p-value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The binomial test with probability one half, two-sided.
    Exact,
    /// Chi-square with one degree of freedom and Edwards' correction for continuity.
    Corrected,
}

/// The test's answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct McNemar {
    pub method: Method,
    /// The probability of a difference at least as large if the tasks were equally good, from 0 to 1.
    pub p: f64,
}

/// Tests whether the two counts differ: exactly up to 1,000 discordant rows, beyond that with
/// (|b - c| - 1)² / (b + c) as chi-square. Without discordant rows p is 1.
pub fn mcnemar(rows: Discordant) -> McNemar {
    let Discordant { only_first, only_second } = rows;
    let count = only_first + only_second;
    if count <= MOST_EXACT {
        return McNemar { method: Method::Exact, p: binomial_two_sided(only_first.min(only_second), count) };
    }
    let distance = (only_first.abs_diff(only_second) as f64 - 1.0).max(0.0);
    let statistic = distance * distance / count as f64;
    McNemar { method: Method::Corrected, p: chi_square_tail(statistic) }
}

/// Twice the probability of at most `few` heads in `count` throws of a fair coin, at most 1.
fn binomial_two_sided(few: usize, count: usize) -> f64 {
    let mut term = 0.5_f64.powi(count as i32);
    let mut sum = 0.0;
    for heads in 0..=few {
        sum += term;
        term *= (count - heads) as f64 / (heads + 1) as f64;
    }
    (2.0 * sum).min(1.0)
}

/// The probability that chi-square with one degree of freedom is above `statistic`: erfc(√(x / 2)).
fn chi_square_tail(statistic: f64) -> f64 {
    libm::erfc((statistic / 2.0).sqrt())
}

/// About how many rows in all the test needs to show the difference that was seen among `rows` rows, in four of five
/// samples, at a two-sided level of 5 %. `None` if no difference was seen.
///
/// Connor, R. J. (1987), "Sample size for testing differences in proportions for the paired-sample design", Biometrics
/// 43, 207-211: n = (z₁√ψ + z₂√(ψ - δ²))² / δ², where ψ is the share of discordant rows and δ the difference in
/// accuracy.
pub fn rows_needed(seen: Discordant, rows: usize) -> Option<usize> {
    /// The normal quantiles at 0.975 and 0.8 (scipy.stats.norm.ppf).
    const LEVEL: f64 = 1.959963984540054;
    const POWER: f64 = 0.8416212335729143;
    let difference = seen.only_first.abs_diff(seen.only_second) as f64 / rows as f64;
    if rows == 0 || difference == 0.0 {
        return None;
    }
    let discordant = (seen.only_first + seen.only_second) as f64 / rows as f64;
    let spread = LEVEL * discordant.sqrt() + POWER * (discordant - difference * difference).max(0.0).sqrt();
    Some((spread / difference).powi(2).ceil() as usize)
}

#[cfg(test)]
#[expect(clippy::excessive_precision, reason = "reference values stand as they were printed")]
mod tests {
    use super::*;

    fn p(only_first: usize, only_second: usize) -> (Method, f64) {
        let McNemar { method, p } = mcnemar(Discordant { only_first, only_second });
        (method, p)
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= expected * 1e-12, "found {found:e}, expected {expected:e}");
    }

    /// Reference: SciPy 1.17.1, `binomtest(b, b + c, 0.5).pvalue`, equal to statsmodels 0.15.0,
    /// `mcnemar([[10, b], [c, 10]], exact=True).pvalue`.
    #[test]
    fn exact_p_values_are_those_of_scipy() {
        for (b, c, expected) in [
            (1, 0, 1.0),
            (5, 0, 0.0625),
            (6, 0, 0.03125),
            (3, 9, 0.14599609375),
            (10, 10, 1.0),
            (2, 14, 0.004180908203125),
            (12, 28, 0.016589003374974709),
            (30, 21, 0.26243753571104378),
            (400, 500, 0.00095644413691893732),
            (500, 500, 1.0),
            (0, 60, 1.7347234759768071e-18),
        ] {
            let (method, found) = p(b, c);
            assert_eq!(method, Method::Exact);
            close(found, expected);
            assert_eq!(p(c, b).1, found);
        }
        assert_eq!(p(0, 0), (Method::Exact, 1.0));
    }

    /// Reference: statsmodels 0.15.0, `mcnemar([[10, b], [c, 10]], exact=False, correction=True).pvalue`.
    #[test]
    fn corrected_p_values_are_those_of_statsmodels() {
        for (b, c, expected) in [
            (500, 501, 1.0),
            (480, 560, 0.014298083798964153),
            (530, 600, 0.040108844068117516),
            (700, 1000, 4.1122275376223423e-13),
            (900, 1200, 6.8130993761039793e-11),
            (1, 3000, 0.0),
        ] {
            let (method, found) = p(b, c);
            assert_eq!(method, Method::Corrected);
            close(found, expected);
        }
        // statsmodels squares |b - c| - 1 = -1 here and says 0.992; without a difference we say that there is none.
        assert_eq!(p(5000, 5000), (Method::Corrected, 1.0));
    }

    /// Reference: SciPy 1.17.1, `binomtest(530, 1130, 0.5).pvalue` is 0.0400616.
    #[test]
    fn the_approximation_takes_over_where_both_agree() {
        assert!((p(530, 600).1 - 0.040061605876553816).abs() < 1e-4);
    }

    /// Reference: the formula in Python with `scipy.stats.norm.ppf`: 242.906, 259.259 and 21582.06.
    #[test]
    fn more_rows_are_needed_for_smaller_differences() {
        let needed = |only_first, only_second, rows| rows_needed(Discordant { only_first, only_second }, rows);
        assert_eq!(needed(12, 28, 200), Some(243));
        assert_eq!(needed(3, 9, 100), Some(260));
        assert_eq!(needed(10, 12, 500), Some(21583));
        assert_eq!(needed(7, 7, 100), None);
        assert_eq!(needed(0, 0, 0), None);
    }
}
