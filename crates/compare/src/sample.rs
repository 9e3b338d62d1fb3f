//! What a test needs to know of the keys of one arm.

/// One value per key, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Keys.
    pub keys: u64,
    /// The mean of their values; of a rate the share of keys that have the outcome. 0 without keys.
    pub mean: f64,
    /// The variance of their values, with `keys − 1` in the denominator. 0 for fewer than two keys.
    pub variance: f64,
}

impl Sample {
    /// Of one value per key. Two passes: the variance loses no digits however large the mean is.
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Sample {
        let (keys, sum) = values.clone().fold((0u64, 0.0), |(keys, sum), value| (keys + 1, sum + value));
        if keys == 0 {
            return Sample::default();
        }
        // The mean of equal values is rounded: a difference of two such arms would look sure, however small it is.
        if let Some(first) = values.clone().next()
            && values.clone().all(|value| value == first)
        {
            return Sample { keys, mean: first, variance: 0.0 };
        }
        let mean = sum / keys as f64;
        let squares: f64 = values.map(|value| (value - mean) * (value - mean)).sum();
        Sample { keys, mean, variance: if keys > 1 { squares / (keys - 1) as f64 } else { 0.0 } }
    }

    /// Of `hits` keys among `keys` that have an outcome.
    pub fn of_rate(hits: u64, keys: u64) -> Sample {
        let n = keys as f64;
        match keys {
            0 => Sample::default(),
            1 => Sample { keys, mean: hits as f64, variance: 0.0 },
            _ => {
                let mean = hits as f64 / n;
                Sample { keys, mean, variance: mean * (1.0 - mean) * n / (n - 1.0) }
            }
        }
    }

    /// The variance of values around the mean of their own arm, over the keys of both arms. 0 without two keys in either.
    pub(crate) fn pooled_variance(arms: [&Sample; 2]) -> f64 {
        let freedom = |arm: &Sample| arm.keys.saturating_sub(1) as f64;
        let all: f64 = arms.into_iter().map(freedom).sum();
        let sum: f64 = arms.into_iter().map(|arm| freedom(arm) * arm.variance).sum();
        if all > 0.0 { sum / all } else { 0.0 }
    }

    /// Keys that have the outcome, where the mean is a rate.
    pub fn hits(&self) -> f64 {
        (self.mean * self.keys as f64).round()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_numpy() {
        // numpy: x = [3, 0, 0, 7.5, 1]; x.mean(), x.var(ddof=1)
        let sample = Sample::of([3.0, 0.0, 0.0, 7.5, 1.0].into_iter());
        assert_eq!((sample.keys, sample.mean), (5, 2.3));
        assert!((sample.variance - 9.95).abs() < 1e-12, "{sample:?}");
        let equal = Sample::of([0.1; 3].into_iter());
        assert_eq!((equal.mean, equal.variance), (0.1, 0.0));
        // The same around 1e9: the digits stay.
        let far = Sample::of([3.0, 0.0, 0.0, 7.5, 1.0].into_iter().map(|value| value + 1e9));
        assert!((far.variance - 9.95).abs() < 1e-5, "{far:?}");
    }

    #[test]
    fn a_rate_is_the_sample_of_its_zeros_and_ones() {
        for (hits, keys) in [(0, 0), (1, 1), (0, 7), (3, 7), (7, 7)] {
            let values = (0..keys).map(|key| f64::from(u8::from(key < hits)));
            let (rate, plain) = (Sample::of_rate(hits, keys), Sample::of(values));
            assert_eq!((rate.keys, rate.mean, rate.hits()), (plain.keys, plain.mean, hits as f64));
            assert!((rate.variance - plain.variance).abs() < 1e-12);
        }
    }
}
