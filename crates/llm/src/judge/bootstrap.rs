//! Paired bootstrap: how far a mean difference would move had other rows been drawn into the sample.
//!
//! Efron, B. and Tibshirani, R. J. (1993), "An Introduction to the Bootstrap", chapter 13: the percentile interval.

use spec::random::Random;

/// How an interval is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resampling {
    /// The same seed gives the same interval: 1 by default.
    pub seed: u64,
    /// How many samples are drawn, at least 1: 10,000 by default. The time is that number times the rows.
    pub samples: usize,
    /// The share of samples inside the interval, between 0 and 1: 0.95 by default.
    pub confidence: f64,
}

impl Default for Resampling {
    fn default() -> Resampling {
        Resampling { seed: 1, samples: 10_000, confidence: 0.95 }
    }
}

/// A mean difference with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

impl Resampling {
    /// The interval of the mean of `differences`, one per row, so that both tasks are drawn together. All 0 without
    /// rows.
    pub fn interval(&self, differences: &[f64]) -> Interval {
        let count = differences.len();
        if count == 0 {
            return Interval { mean: 0.0, low: 0.0, high: 0.0 };
        }
        let mean = |sum: f64| sum / count as f64;
        let mut random = Random::from_state(self.seed);
        let mut means: Vec<f64> = (0..self.samples.max(1))
            .map(|_| mean((0..count).map(|_| differences[random.below(count)]).sum()))
            .collect();
        means.sort_by(f64::total_cmp);
        let outside = (1.0 - self.confidence) / 2.0;
        Interval {
            mean: mean(differences.iter().sum()),
            low: quantile(&means, outside),
            high: quantile(&means, 1.0 - outside),
        }
    }
}

/// The quantile between the two nearest of `sorted` values, in proportion (Hyndman and Fan 1996, type 7).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference: NumPy 2, `np.percentile([3, 1, 4, 1, 5, 9, 2, 6], [2.5, 97.5])`.
    #[test]
    fn quantiles_are_those_of_numpy() {
        let sorted = [1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0];
        assert_eq!(quantile(&sorted, 0.025), 1.0);
        assert!((quantile(&sorted, 0.975) - 8.475).abs() < 1e-12);
        assert_eq!(quantile(&[7.0], 0.975), 7.0);
    }

    /// Reference: SciPy 1.17.1, `bootstrap((x,), np.mean, n_resamples=100000, method='percentile', random_state=1)`:
    /// 0.02 to 0.14, and 0.0096 to 0.0911. Random draws differ, so the ends agree within Monte Carlo error.
    #[test]
    fn intervals_are_those_of_scipy() {
        let accuracy: Vec<f64> = [vec![1.0; 28], vec![-1.0; 12], vec![0.0; 160]].concat();
        let distance: Vec<f64> = (0..200).map(|i| f64::from((i * 37) % 101) / 100.0 - 0.45).collect();
        for (differences, mean, low, high) in [(accuracy, 0.08, 0.02, 0.14), (distance, 0.05045, 0.0096, 0.0911)] {
            let found = Resampling::default().interval(&differences);
            assert!((found.mean - mean).abs() < 1e-12, "{found:?}");
            assert!((found.low - low).abs() < 0.0025 && (found.high - high).abs() < 0.0025, "{found:?}");
        }
    }

    #[test]
    fn the_seed_decides() {
        let differences: Vec<f64> = (0..50).map(|i| f64::from(i % 7) - 2.0).collect();
        let with = |seed| Resampling { seed, samples: 500, ..Resampling::default() }.interval(&differences);
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
        assert_eq!(Resampling::default().interval(&[]), Interval { mean: 0.0, low: 0.0, high: 0.0 });
    }
}
