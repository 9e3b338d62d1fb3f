//! Measures of forecasts: of all rows together, scaled by what a plain forecast of the same series errs, and of quantiles.

use std::collections::HashMap;
use std::hash::Hash;

use super::weights::{Sum, Weights};
use super::{Bounds, Metric, Scored};

/// What a plain forecast errs in a series: the mean of its absolute and of its squared errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    pub absolute: f64,
    pub squared: f64,
}

/// The scale of each series, from the labels and plain forecasts of rows of `series`. A series without an error, such as one
/// of zeros only, has none.
pub fn scales<S: Eq + Hash>(rows: impl Iterator<Item = (S, f64, f64)>) -> HashMap<S, Scale> {
    /// Less than this share of the numbers is their rounding: the mean of values that are all 0.1 need not be 0.1.
    const ROUNDING: f64 = 1e-12;
    let mut sums: HashMap<S, (f64, f64, f64)> = HashMap::new();
    for (series, label, forecast) in rows {
        let error = label - forecast;
        let error = if error.abs() > ROUNDING * label.abs().max(forecast.abs()) { error } else { 0.0 };
        let (absolute, squared, count) = sums.entry(series).or_default();
        (*absolute, *squared, *count) = (*absolute + error.abs(), *squared + error * error, *count + 1.0);
    }
    let scale = |(series, (absolute, squared, count)): (S, (f64, f64, f64))| {
        (absolute > 0.0).then(|| (series, Scale { absolute: absolute / count, squared: squared / count }))
    };
    sums.into_iter().filter_map(scale).collect()
}

impl Metric {
    /// Whether errors are scaled by those of a plain forecast.
    pub fn is_scaled(self) -> bool {
        matches!(self, Metric::Mase | Metric::Rmsse)
    }
}

impl Scored {
    /// The same rows with what a plain forecast errs in the series of each; of a row without it, errors are not scaled and
    /// do not count in scaled metrics.
    pub fn with_scales(self, scales: Vec<Option<Scale>>) -> Scored {
        const NONE: Scale = Scale { absolute: f64::NAN, squared: f64::NAN };
        Scored { scales: Some(scales.into_iter().map(|scale| scale.unwrap_or(NONE)).collect()), ..self }
    }

    /// The same rows, whose bounds are to hold such a share of the labels.
    pub fn with_coverage(self, coverage: f64) -> Scored {
        Scored { coverage: Some(coverage), ..self }
    }

    /// Some rows of a regression, with their weights, scales and bounds.
    ///
    /// Panics: a row that is missing.
    pub fn of_rows(&self, rows: &[usize]) -> Scored {
        let of = |values: &[f64]| rows.iter().map(|row| values[*row]).collect::<Vec<f64>>();
        let weights = self.weights().map(of);
        let part = Scored {
            label: of(&self.label),
            score: of(&self.score),
            order: (0..rows.len() as u32).collect(),
            scales: self.scales.as_ref().map(|scales| rows.iter().map(|row| scales[*row]).collect()),
            bounds: self.bounds.as_ref().map(|bounds| Bounds { low: of(&bounds.low), high: of(&bounds.high) }),
            ones: Vec::new(),
            ties: Vec::new(),
            each: Vec::new(),
            weights: None,
            ..*self
        };
        part.with_weights(weights.as_deref())
    }

    /// `sum |y - ŷ| / sum |y|` (Kolassa and Schütz 2007); nothing where all labels are 0.
    pub(super) fn wape(&self, weights: impl Weights) -> Option<f64> {
        let (mut errors, mut labels) = (0.0, 0.0);
        for ((label, score), weight) in self.label.iter().zip(&self.score).zip(weights.of(0..self.rows())) {
            let weight = weight.as_f64();
            errors += weight * (label - score).abs();
            labels += weight * label.abs();
        }
        (labels > 0.0).then(|| errors / labels)
    }

    /// The mean of what an error is by its scale, over the rows that have one.
    pub(super) fn scaled(&self, weights: impl Weights, of: impl Fn(f64, &Scale) -> f64) -> Option<f64> {
        let (mut sum, mut all) = (0.0, 0.0);
        let rows = self.label.iter().zip(&self.score).zip(self.scales.as_ref()?);
        for (((label, score), scale), weight) in rows.zip(weights.of(0..self.rows())) {
            let (weight, value) = (weight.as_f64(), of(score - label, scale));
            if weight > 0.0 && !value.is_nan() {
                sum += weight * value;
                all += weight;
            }
        }
        (all > 0.0).then(|| sum / all)
    }

    /// The mean of the losses of both bounds, as quantiles: of q it is `q (y - b)` above the bound, `(1 - q) (b - y)` below.
    pub(super) fn pinball(&self, label: f64, (low, high): (f64, f64)) -> f64 {
        let outside = (1.0 - self.coverage.unwrap_or(f64::NAN)) / 2.0;
        let loss = |q: f64, bound: f64| if label >= bound { q * (label - bound) } else { (1.0 - q) * (bound - label) };
        (loss(outside, low) + loss(1.0 - outside, high)) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;

    fn close(value: Option<f64>, reference: f64) {
        let value = value.unwrap();
        assert!((value - reference).abs() < 1e-12, "{value} instead of {reference}");
    }

    /// Two series with history, one that is constant, and what is predicted of them.
    fn scored() -> Scored {
        let history = [("a", 10.0, 8.0), ("a", 12.0, 13.0), ("b", 100.0, 60.0), ("b", 80.0, 100.0), ("c", 5.0, 5.0)];
        let scales = scales(history.into_iter());
        let of = |series: &[&str]| series.iter().map(|series| scales.get(series).copied()).collect();
        let (label, score) = (vec![11.0, 9.0, 90.0, 5.0], vec![10.0, 12.0, 75.0, 50.0]);
        Scored::new(Task::Regression, label, score, "test").unwrap().with_scales(of(&["a", "a", "b", "c"]))
    }

    #[test]
    fn scaled_errors_by_hand() {
        let scored = scored();
        // Of a the plain forecast errs by 1.5, of b by 30; squared (4 + 1) / 2 and (1600 + 400) / 2. Of c it does not err.
        close(scored.value(Metric::Mase, None), (1.0 / 1.5 + 3.0 / 1.5 + 15.0 / 30.0) / 3.0);
        close(scored.value(Metric::Rmsse, None), ((1.0 / 2.5 + 9.0 / 2.5 + 225.0 / 1000.0) / 3.0f64).sqrt());
        let weighed = scored.with_weights(Some(&[0.0, 2.0, 2.0, 9.0]));
        close(weighed.value(Metric::Mase, None), (3.0 / 1.5 + 15.0 / 30.0) / 2.0);
        let part = weighed.of_rows(&[2, 3, 1]);
        assert_eq!(
            (part.label(), part.value(Metric::Mase, None)),
            (&[90.0, 5.0, 9.0][..], weighed.value(Metric::Mase, None))
        );
        let plain = Scored::new(Task::Regression, vec![1.0], vec![2.0], "test").unwrap();
        assert_eq!(plain.value(Metric::Mase, None), None);
        assert_eq!(plain.why_undefined(Metric::Rmsse), "is undefined without errors of a plain forecast to scale by");
    }

    #[test]
    fn a_constant_series_has_no_scale_whatever_its_mean_is_rounded_to() {
        let mean = (0.1 + 0.1 + 0.1) / 3.0;
        assert!(mean != 0.1);
        let found = scales([("constant", 0.1, mean), ("zero", 0.0, 0.0), ("other", 0.1, 0.2)].into_iter());
        assert_eq!(found.keys().collect::<Vec<_>>(), [&"other"]);
    }

    #[test]
    fn pinball_is_that_of_scikit_learn() {
        // scikit-learn 1.9: mean_pinball_loss([3, -0.5, 2, 7.5], [2, 0, 1, 7.5], alpha=0.1) = 0.1625 and
        // mean_pinball_loss([3, -0.5, 2, 7.5], [3, 1, 4, 9], alpha=0.9) = 0.125; their mean.
        let bounds = Bounds { low: vec![2.0, 0.0, 1.0, 7.5], high: vec![3.0, 1.0, 4.0, 9.0] };
        let scored =
            Scored::new(Task::Regression, vec![3.0, -0.5, 2.0, 7.5], vec![2.5, 0.1, 2.0, 8.0], "test").unwrap();
        let scored = scored.with_bounds(bounds).with_coverage(0.8);
        close(scored.value(Metric::Pinball, None), (0.1625 + 0.125) / 2.0);
        // Of the first and the last row: 0.1 and 0 below, 0 and 0.15 above; the second bound misses no label.
        let part = scored.of_rows(&[3, 0]);
        close(part.value(Metric::Pinball, None), (0.05 + 0.075) / 2.0);
        close(part.value(Metric::Coverage, None), 1.0);
        close(scored.of_rows(&[1]).value(Metric::Coverage, None), 0.0);
    }
}
