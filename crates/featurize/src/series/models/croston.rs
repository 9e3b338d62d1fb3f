//! Forecasts of intermittent series, in which most periods are 0.

use serde::{Deserialize, Serialize};

/// Which method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// The smoothed size of a demand by the smoothed interval between two (Croston 1972).
    #[default]
    Classic,
    /// The same without its bias: less by half of what is smoothed by (Syntetos and Boylan 2005).
    Sba,
    /// The smoothed size of a demand times the smoothed probability of one, which also falls while there is none (Teunter,
    /// Syntetos and Babai 2011).
    Tsb,
}

/// The mean of each coming period. `values` are in order and not empty; periods without a value are left out before.
pub fn forecast(values: &[f64], variant: Variant, smoothing: f64) -> f64 {
    let smoothed =
        |values: &mut dyn Iterator<Item = f64>| values.reduce(|level, value| level + smoothing * (value - level));
    let Some(size) = smoothed(&mut values.iter().copied().filter(|value| *value != 0.0)) else { return 0.0 };
    if variant == Variant::Tsb {
        let happened = smoothed(&mut values.iter().map(|value| f64::from(u8::from(*value != 0.0))));
        return size * happened.unwrap_or(0.0);
    }
    let mut last = 0;
    let mut intervals = (1..).zip(values).filter(|(_, value)| **value != 0.0).map(|(at, _)| {
        let interval = at - last;
        last = at;
        f64::from(interval)
    });
    let interval = smoothed(&mut intervals).unwrap_or(1.0);
    let mean = size / interval;
    if variant == Variant::Sba { mean * (1.0 - smoothing / 2.0) } else { mean }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [f64; 14] = [0.0, 0.0, 3.0, 0.0, 1.0, 0.0, 0.0, 0.0, 4.0, 0.0, 2.0, 2.0, 0.0, 0.0];

    #[test]
    fn forecasts_by_hand() {
        // statsforecast's own values are in the tests of all models.
        let size = [3.0, 1.0, 4.0, 2.0, 2.0].into_iter().reduce(|level, value| 0.9 * level + 0.1 * value).unwrap();
        let interval = [3.0, 2.0, 4.0, 2.0, 1.0].into_iter().reduce(|level, value| 0.9 * level + 0.1 * value).unwrap();
        let near = |variant, expected: f64| {
            let found = forecast(&VALUES, variant, 0.1);
            assert!((found - expected).abs() < 1e-12, "{variant:?}: {found} instead of {expected}");
        };
        near(Variant::Classic, size / interval);
        near(Variant::Sba, 0.95 * size / interval);
        let happened = VALUES.map(|value| f64::from(u8::from(value > 0.0)));
        let probability = happened.into_iter().reduce(|level, value| 0.9 * level + 0.1 * value).unwrap();
        near(Variant::Tsb, size * probability);
        assert_eq!(forecast(&[0.0; 5], Variant::Classic, 0.1), 0.0);
    }
}
