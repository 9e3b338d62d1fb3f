//! Seasons of a series: classical decomposition by moving averages (Kendall and Stuart 1983), as statsmodels'
//! `seasonal_decompose` has it, and the test whether there is a season.

/// How a season acts on the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Additive,
    Multiplicative,
}

/// The season of each period: the mean by place in the season of what the moving average over one season leaves, around 0
/// (additive) or 1 (multiplicative). Needs two whole seasons, and values above 0 where it is multiplicative.
pub fn seasonal(values: &[f64], length: usize, kind: Kind) -> Vec<f64> {
    let half = length / 2;
    let is_even = length.is_multiple_of(2);
    let mut sums = vec![(0.0, 0.0); length];
    for at in half..values.len().saturating_sub(half) {
        let trend = if is_even {
            let inner: f64 = values[at + 1 - half..at + half].iter().sum();
            (inner + 0.5 * (values[at - half] + values[at + half])) / length as f64
        } else {
            values[at - half..=at + half].iter().sum::<f64>() / length as f64
        };
        let left = match kind {
            Kind::Additive => values[at] - trend,
            Kind::Multiplicative => values[at] / trend,
        };
        let (sum, count) = &mut sums[at % length];
        (*sum, *count) = (*sum + left, *count + 1.0);
    }
    let means: Vec<f64> = sums.iter().map(|(sum, count)| sum / count).collect();
    let middle = means.iter().sum::<f64>() / length as f64;
    let centred = |mean: f64| match kind {
        Kind::Additive => mean - middle,
        Kind::Multiplicative => mean / middle,
    };
    (0..values.len()).map(|at| centred(means[at % length])).collect()
}

/// Whether the values of neighbouring seasons are alike: the autocorrelation at the season's length is beyond the 90 %
/// interval of Bartlett (Fiorucci and others 2016, section 2.4). Needs two whole seasons, of four periods or more.
pub fn is_seasonal(values: &[f64], length: usize) -> bool {
    let count = values.len();
    if length < 4 || count < 2 * length {
        return false;
    }
    let mean = values.iter().sum::<f64>() / count as f64;
    let left: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let variance: f64 = left.iter().map(|value| value * value).sum();
    let correlation =
        |lag: usize| left.iter().zip(&left[lag..]).map(|(one, other)| one * other).sum::<f64>() / variance;
    let shorter: f64 = (1..length).map(|lag| correlation(lag).powi(2)).sum();
    // The 95 % quantile of the normal distribution.
    correlation(length).abs() > 1.644_853_626_951_472_6 * ((1.0 + 2.0 * shorter) / count as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seasons_are_those_of_statsmodels() {
        // statsmodels 0.14: seasonal_decompose([…], period=3 or 4, model=…).seasonal
        let values = [3.0, 7.0, 5.0, 4.0, 9.0, 6.5, 5.0, 11.0, 8.0, 6.0];
        let near = |found: Vec<f64>, expected: &[f64]| {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 6e-5, "{found} instead of {expected}");
            }
        };
        near(seasonal(&values, 3, Kind::Additive), &[-2.2222222, 2.5277778, -0.3055556, -2.2222222]);
        near(seasonal(&values, 4, Kind::Multiplicative), &[1.3909, 0.8790, 0.7356, 0.9944, 1.3909]);
        // Shares do not depend on the unit.
        let doubled: Vec<f64> = values.iter().map(|value| value * 2.0).collect();
        near(seasonal(&doubled, 4, Kind::Multiplicative), &seasonal(&values, 4, Kind::Multiplicative));
    }

    #[test]
    fn a_season_is_found_where_there_is_one() {
        let wave: Vec<f64> =
            (0..48).map(|at| 10.0 + [5.0, 0.0, -5.0, 0.0][at % 4] + (at * 7 % 11) as f64 * 0.1).collect();
        assert!(is_seasonal(&wave, 4));
        assert!(!is_seasonal(&wave, 3) && !is_seasonal(&wave[..7], 4));
        let mut random = spec::random::Random::new(1, 1);
        let noise: Vec<f64> = (0..48).map(|_| random.below(1000) as f64).collect();
        assert!(!is_seasonal(&noise, 12));
    }
}
