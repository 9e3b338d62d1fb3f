//! From values to places: a range that has a length, and round numbers along it.

/// Values from `low` to `high`, which are finite and not equal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub low: f64,
    pub high: f64,
}

/// Beyond this, sums of a few values would no longer be finite.
const FAR: f64 = f64::MAX / 16.0;

/// Shorter ranges cannot be divided: halves of the smallest numbers are 0.
const LEAST: f64 = f64::MIN_POSITIVE * 1024.0;

impl Scale {
    /// The range of the finite ones among `values`; `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Scale> {
        let finite = values.into_iter().filter(|value| value.is_finite()).map(|value| value.clamp(-FAR, FAR));
        let (low, high) = finite.fold(None, |range: Option<(f64, f64)>, value| match range {
            None => Some((value, value)),
            Some((low, high)) => Some((low.min(value), high.max(value))),
        })?;
        if high - low > LEAST {
            return Some(Scale { low, high });
        }
        let around = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
        let around = around.max(LEAST);
        Some(Scale { low: low - around, high: high + around })
    }

    /// The range with 0 in it: bars begin there.
    pub fn with_zero(self) -> Scale {
        Scale { low: self.low.min(0.0), high: self.high.max(0.0) }
    }

    /// Where `value` lies, from 0 at the low end to 1 at the high one. What lies beyond is put at the end.
    pub fn place(self, value: f64) -> f64 {
        let half = |value: f64| value.clamp(-FAR, FAR) / 2.0;
        ((half(value) - half(self.low)) / (half(self.high) - half(self.low))).clamp(0.0, 1.0)
    }

    /// About `count` round numbers within the range: 1, 2 or 5 times a power of ten apart.
    pub fn ticks(self, count: usize) -> Vec<f64> {
        let rough = (self.high / 2.0 - self.low / 2.0) / count.max(1) as f64 * 2.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= rough);
        let Some(step) = step.filter(|step| step.is_normal()) else { return vec![self.low, self.high] };
        let first = (self.low / step).ceil();
        let mut ticks: Vec<f64> = Vec::new();
        for number in 0..=count * 2 + 2 {
            let tick = (first + number as f64) * step;
            // The last digits of a product are not those of the round number that is meant.
            let tick = format!("{tick:.12e}").parse().unwrap_or(tick);
            if tick > self.high + step * 1e-9 || ticks.last().is_some_and(|last| *last >= tick) {
                break;
            }
            ticks.push(if tick == 0.0 { 0.0 } else { tick });
        }
        ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let ticks = |low, high| Scale { low, high }.ticks(5);
        assert_eq!(ticks(0.0, 1.0), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks(-3.0, 7.0), [-2.0, 0.0, 2.0, 4.0, 6.0]);
        assert_eq!(ticks(0.1, 0.3), [0.1, 0.15, 0.2, 0.25, 0.3]);
        assert_eq!(ticks(1e300, 5e300), [1e300, 2e300, 3e300, 4e300, 5e300]);
        assert_eq!(Scale::of([f64::NAN, f64::INFINITY]), None);
        assert_eq!(Scale::of([5.0, f64::NAN]), Some(Scale { low: 4.5, high: 5.5 }));
        assert_eq!(Scale::of([0.0]), Some(Scale { low: -1.0, high: 1.0 }));
    }

    #[test]
    fn any_values_have_places_from_0_to_1_and_ticks_that_rise() {
        let extremes =
            [0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, f64::MAX, f64::MIN, 1e16, 1e16 + 2.0, f64::EPSILON, 1e-300];
        let mut random = testkit::Random::seeded(7);
        for _ in 0..20_000 {
            let mut pick = || match random.below(2) {
                0 => extremes[random.below(extremes.len() as u64) as usize],
                _ => f64::from_bits(random.next_u64()),
            };
            let values = [pick(), pick(), pick()];
            let Some(scale) = Scale::of(values) else { continue };
            assert!(scale.low < scale.high && scale.low.is_finite() && scale.high.is_finite(), "{values:?}: {scale:?}");
            for value in values.into_iter().filter(|value| !value.is_nan()) {
                assert!((0.0..=1.0).contains(&scale.place(value)), "{values:?}: {value} at {}", scale.place(value));
            }
            let ticks = scale.ticks(5);
            assert!(ticks.len() <= 12 && ticks.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}: {ticks:?}");
        }
    }
}
