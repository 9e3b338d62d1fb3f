//! Tests and distances between two distributions that are known as counts of bins.

/// The probability that a chi-square variable with `freedom` degrees of freedom is greater than `value`: the regularised
/// upper incomplete gamma function Q(k/2, x/2), by its series (DLMF 8.11.4) below k/2 + 1 and by its continued fraction
/// (DLMF 8.9.2, evaluated by Lentz's method) above.
pub fn chi_square_above(value: f64, freedom: usize) -> f64 {
    if freedom == 0 || value <= 0.0 {
        return 1.0;
    }
    let (a, x) = (freedom as f64 / 2.0, value / 2.0);
    let front = (a * x.ln() - x - libm::lgamma(a)).exp();
    if x < a + 1.0 {
        // x^a e^-x / Gamma(a) times the sum of x^n / (a (a+1) … (a+n)).
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > sum * f64::EPSILON {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for n in 1..1000 {
        let n = f64::from(n);
        let numerator = -n * (n - a);
        b += 2.0;
        let not_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
        d = 1.0 / not_zero(numerator * d + b);
        c = not_zero(b + numerator / c);
        let factor = d * c;
        fraction *= factor;
        if (factor - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}

/// Pearson's chi-square test of homogeneity: the probability of counts at least as different as `one` and `other` if both
/// were drawn from one distribution. Bins that are empty in both do not count. 1 if there is nothing to compare.
pub fn homogeneity(one: &[f64], other: &[f64]) -> f64 {
    let (n, m): (f64, f64) = (one.iter().sum(), other.iter().sum());
    if n <= 0.0 || m <= 0.0 {
        return 1.0;
    }
    let (mut statistic, mut bins) = (0.0, 0);
    for (a, b) in one.iter().zip(other) {
        let both = a + b;
        if both <= 0.0 {
            continue;
        }
        bins += 1;
        for (found, all) in [(a, n), (b, m)] {
            let expected = both * all / (n + m);
            statistic += (found - expected) * (found - expected) / expected;
        }
    }
    chi_square_above(statistic, (bins as usize).saturating_sub(1))
}

/// p-values adjusted so that of all that are at most α a share of at most α is false in the mean (Benjamini and Hochberg
/// 1995), in the order of `p_values`.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|one, other| p_values[*one].total_cmp(&p_values[*other]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least = 1.0f64;
    for (rank, at) in order.into_iter().enumerate().rev() {
        least = least.min(p_values[at] * p_values.len() as f64 / (rank + 1) as f64);
        adjusted[at] = least;
    }
    adjusted
}

/// The population stability index (Siddiqi 2006, "Credit Risk Scorecards"): the sum of (q − p) ln(q / p) over the bins,
/// where p and q are the shares of `one` and `other`, each count raised by a half so that no share is 0. Up to 0.1 is little,
/// from 0.25 on is much. 0 if there is nothing to compare.
pub fn stability_index(one: &[f64], other: &[f64]) -> f64 {
    let bins: Vec<(f64, f64)> = one.iter().copied().zip(other.iter().copied()).filter(|(a, b)| a + b > 0.0).collect();
    let (n, m): (f64, f64) = bins.iter().fold((0.0, 0.0), |(n, m), (a, b)| (n + a, m + b));
    if n <= 0.0 || m <= 0.0 {
        return 0.0;
    }
    let share = |count: f64, all: f64| (count + 0.5) / (all + 0.5 * bins.len() as f64);
    let term = |(a, b): &(f64, f64)| {
        let (p, q) = (share(*a, n), share(*b, m));
        (q - p) * (q / p).ln()
    };
    bins.iter().map(term).sum()
}

/// The Jensen–Shannon distance (Endres and Schindelin 2003): the square root of the divergence in bits, from 0 (the same) to
/// 1 (nothing in common).
pub fn jensen_shannon(one: &[f64], other: &[f64]) -> f64 {
    let (n, m): (f64, f64) = (one.iter().sum(), other.iter().sum());
    if n <= 0.0 || m <= 0.0 {
        return 0.0;
    }
    let divergence = |p: f64, middle: f64| if p > 0.0 { p * (p / middle).log2() } else { 0.0 };
    let terms = one.iter().zip(other).map(|(a, b)| {
        let (p, q) = (a / n, b / m);
        let middle = f64::midpoint(p, q);
        f64::midpoint(divergence(p, middle), divergence(q, middle))
    });
    terms.sum::<f64>().max(0.0).sqrt()
}

/// The Wasserstein-1 distance of two distributions by their values at the same equally spaced ranks, in the unit of the
/// values: the mean distance that a value has to move. `None` if there are none, or not as many of both.
pub fn wasserstein(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.is_empty() || one.len() != other.len() {
        return None;
    }
    let sum: f64 = one.iter().zip(other).map(|(a, b)| (a - b).abs()).sum();
    Some(sum / one.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    // All reference values are those of scipy 1.17.1.

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-10 * expected.abs().max(1e-300), "{found}, not {expected}");
    }

    #[test]
    fn chi_square_is_that_of_scipy() {
        // stats.chi2.sf(value, freedom)
        for (value, freedom, above) in [
            (0.5, 1, 0.47950012218695337),
            (3.84, 1, 0.05004352124870519),
            (16.92, 9, 0.04998360638750561),
            (40.0, 9, 7.598525229464264e-06),
            (5.0, 9, 0.8343082601934075),
            (120.0, 60, 6.876264968732136e-06),
            (30.0, 60, 0.9995815503316723),
            (0.001, 2, 0.9995001249791693),
            (800.0, 9, 2.1260826114528648e-166),
        ] {
            close(chi_square_above(value, freedom), above);
        }
        assert_eq!((chi_square_above(0.0, 3), chi_square_above(5.0, 0)), (1.0, 1.0));
    }

    #[test]
    fn homogeneity_is_that_of_scipy() {
        // stats.chi2_contingency([one, other], correction=False)
        close(homogeneity(&[100.0, 200.0, 300.0, 50.0], &[90.0, 150.0, 400.0, 10.0]), 1.5703258967512035e-10);
        close(homogeneity(&[970.0, 30.0], &[900.0, 100.0]), 2.1640560577847164e-10);
        // An empty bin changes nothing; equal shares do not differ.
        close(homogeneity(&[970.0, 0.0, 30.0], &[900.0, 0.0, 100.0]), 2.1640560577847164e-10);
        assert_eq!(homogeneity(&[10.0, 20.0], &[100.0, 200.0]), 1.0);
        assert_eq!(homogeneity(&[0.0], &[3.0]), 1.0);
    }

    #[test]
    fn adjusted_p_values_are_those_of_scipy() {
        // stats.false_discovery_control, on the data of Benjamini and Hochberg's method in its documentation.
        let p = [
            0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216, 0.222, 0.251, 0.269, 0.275, 0.34,
            0.341, 0.384, 0.569, 0.594, 0.696, 0.762, 0.94, 0.942, 0.975, 0.986,
        ];
        let expected = [
            0.025,
            0.1,
            0.21,
            0.21,
            0.21,
            0.25,
            0.2642857142857143,
            0.49107142857142866,
            0.49107142857142866,
            0.49107142857142866,
            0.49107142857142866,
            0.49107142857142866,
            0.49107142857142866,
            0.49107142857142866,
            0.5328125,
            0.5328125,
            0.5647058823529413,
            0.781578947368421,
            0.781578947368421,
            0.87,
            0.9071428571428571,
            0.986,
            0.986,
            0.986,
            0.986,
        ];
        let adjusted = benjamini_hochberg(&p);
        adjusted.iter().zip(expected).for_each(|(found, expected)| close(*found, expected));
        // The order of the values is kept.
        let turned: Vec<f64> = p.iter().rev().copied().collect();
        assert!(benjamini_hochberg(&turned).iter().rev().eq(adjusted.iter()));
        assert!(benjamini_hochberg(&[]).is_empty());
    }

    #[test]
    fn distances_are_those_of_scipy() {
        // spatial.distance.jensenshannon(one, other, base=2)
        close(jensen_shannon(&[1.0, 2.0, 7.0], &[30.0, 30.0, 40.0]), 0.2736668758986993);
        assert_eq!((jensen_shannon(&[1.0, 0.0], &[0.0, 1.0]), jensen_shannon(&[2.0, 2.0], &[1.0, 1.0])), (1.0, 0.0));
        // u = arange(101) / 1.0, v = u ** 1.1 + 3: stats.wasserstein_distance(u, v)
        let u: Vec<f64> = (0..=100).map(f64::from).collect();
        let v: Vec<f64> = u.iter().map(|value| value.powf(1.1) + 3.0).collect();
        close(wasserstein(&u, &v).unwrap(), 28.50923168673463);
        assert_eq!(wasserstein(&u, &v[1..]), None);
        // The index of learn, computed with numpy: see learn::likeness.
        assert_eq!(stability_index(&[5.0, 5.0], &[50.0, 50.0]), 0.0);
        close(stability_index(&[1.0, 3.0], &[3.0, 1.0]), 2.0 * 0.4 * (0.7f64 / 0.3).ln());
    }
}
