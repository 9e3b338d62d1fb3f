//! Quantiles of a column that can be looked up both ways and added up.

use serde::{Deserialize, Serialize};

/// Ranks that are kept: the percentiles, the smallest and the largest value among them.
const RANKS: usize = 101;

/// Values at equally spaced ranks, from the smallest to the largest: at 0, 1, …, 100 % of the values as this version writes
/// them.
///
/// **How far they may be off.** Between two ranks nothing is known, so a rank read from them is right within half a
/// percentage point. Tables of up to 16,384 rows are taken in whole; of larger ones a sample of at least half as many. By
/// the inequality of Dvoretzky, Kiefer and Wolfowitz (with Massart's constant, 1990) its ranks are off by at most 1.8
/// percentage points with a probability of 99 %. Adding up adds at most half a point, however many parts there are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantiles(Vec<f64>);

impl Quantiles {
    /// Of a sample. What is not finite is not a value.
    pub fn of(sample: &[f64]) -> Quantiles {
        let mut values: Vec<f64> = sample.iter().copied().filter(|value| value.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        match values.len() {
            0 => Quantiles::default(),
            count => {
                let at = |rank: usize| values[(rank * (count - 1) + (RANKS - 1) / 2) / (RANKS - 1)];
                Quantiles((0..RANKS).map(at).collect())
            }
        }
    }

    /// Whether there are none: the column had no values, or is not of numbers.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values, from the smallest to the largest.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// The value below which the share `p` of all values lies, from 0 to 1; the nearest that is kept.
    pub fn at(&self, p: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        self.0.get((p.clamp(0.0, 1.0) * last as f64).round() as usize).copied()
    }

    /// The share of values up to and including `border`, by a line between the two values around it. A value that is at
    /// several ranks ends somewhere before the next one: half way is right within half an interval; of a value at one rank the
    /// share may be one interval too small.
    pub fn share_up_to(&self, border: f64) -> f64 {
        let known = self.0.partition_point(|value| *value <= border);
        if known == 0 || known == self.0.len() {
            return if known == 0 { 0.0 } else { 1.0 };
        }
        let (low, high) = (self.0[known - 1], self.0[known]);
        let is_tied = low == border && known > 1 && self.0[known - 2] == border;
        let beyond = if is_tied { 0.5 } else { (border - low) / (high - low) };
        ((known - 1) as f64 + beyond) / (self.0.len() - 1) as f64
    }

    /// Those of all values of `parts`, each with the number of values that it represents.
    pub fn merged<'a>(parts: impl IntoIterator<Item = (&'a Quantiles, u64)>) -> Quantiles {
        let mut weighted: Vec<(f64, f64)> = Vec::new();
        for (part, count) in parts.into_iter().filter(|(part, _)| !part.is_empty()) {
            // The first and the last value stand for half an interval, all others for a whole one.
            let last = part.0.len() - 1;
            let weight = count as f64 / last.max(1) as f64;
            let end = if last == 0 { weight } else { weight / 2.0 };
            let of = |at: usize| if at == 0 || at == last { end } else { weight };
            weighted.extend(part.0.iter().enumerate().map(|(at, value)| (*value, of(at))));
        }
        weighted.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
        let (Some(first), Some(last)) = (weighted.first(), weighted.last()) else { return Quantiles::default() };
        let mut values = vec![first.0];
        let mut passed = 0.0;
        for (value, weight) in &weighted {
            passed += weight;
            while values.len() < RANKS - 1 && passed >= total * values.len() as f64 / (RANKS - 1) as f64 {
                values.push(*value);
            }
        }
        values.resize(RANKS, last.0);
        Quantiles(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(values: &[f64], border: f64) -> f64 {
        values.iter().filter(|value| **value <= border).count() as f64 / values.len() as f64
    }

    #[test]
    fn ranks_go_both_ways() {
        let of = Quantiles::of(&(0..=1000).map(f64::from).collect::<Vec<_>>());
        // numpy.percentile(range(1001), [0, 25, 50, 100])
        assert_eq!([0.0, 0.25, 0.5, 1.0].map(|p| of.at(p)), [0.0, 250.0, 500.0, 1000.0].map(Some));
        assert_eq!([-1.0, 0.0, 125.0, 1000.0, 2000.0].map(|x| of.share_up_to(x)), [0.0, 0.0, 0.125, 1.0, 1.0]);
        assert_eq!(Quantiles::of(&[f64::NAN, 7.0]).at(0.5), Some(7.0));
        assert_eq!((Quantiles::of(&[]).at(0.5), Quantiles::default().is_empty()), (None, true));
    }

    #[test]
    fn shares_of_few_distinct_values_are_right_within_half_an_interval() {
        let mut random = testkit::Random::seeded(18);
        for round in 0..500 {
            let (count, distinct) = (200 + random.below(3_000), 1 + random.below(9));
            let values: Vec<f64> =
                (0..count).map(|_| random.below(distinct).min(random.below(distinct)) as f64).collect();
            let of = Quantiles::of(&values);
            for value in 0..distinct {
                let (found, right) = (of.share_up_to(value as f64), share(&values, value as f64));
                // Half an interval, or a whole one of a value that stands at one rank alone; and half a row of so many.
                let ranks = of.values().iter().filter(|known| **known == value as f64).count();
                let most = if ranks == 1 { 0.01 } else { 0.005 } + 0.5 / count as f64 + 1e-12;
                assert!(
                    (found - right).abs() <= most,
                    "round {round}: {found}, not {right}, up to {value} of {distinct}"
                );
            }
        }
    }

    #[test]
    fn parts_add_up_to_the_whole_within_the_error_that_is_promised() {
        let mut random = testkit::Random::seeded(17);
        for round in 0..200 {
            // Parts of other sizes, places and shapes; some of few distinct values.
            let parts: Vec<Vec<f64>> = (0..1 + random.below(12))
                .map(|_| {
                    let (count, base, width) = (1 + random.below(2_000), random.below(1_000), 1 + random.below(500));
                    (0..count).map(|_| (base + random.below(width)) as f64).collect()
                })
                .collect();
            let sketches: Vec<(Quantiles, u64)> =
                parts.iter().map(|part| (Quantiles::of(part), part.len() as u64)).collect();
            let merged = Quantiles::merged(sketches.iter().map(|(of, count)| (of, *count)));
            let whole = parts.concat();
            let low = whole.iter().copied().fold(f64::INFINITY, f64::min);
            let high = whole.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert_eq!((merged.at(0.0), merged.at(1.0)), (Some(low), Some(high)), "round {round}");
            assert!(merged.values().is_sorted());
            for rank in 1..100 {
                let (p, value) = (f64::from(rank) / 100.0, merged.values()[rank as usize]);
                // Equal values share their ranks: the wanted one lies between the first and the last of them.
                let (below, up_to) = (share(&whole, value - 0.5), share(&whole, value));
                assert!(below - 0.0101 <= p && p <= up_to + 0.0101, "round {round}: {p} is not {below} to {up_to}");
            }
        }
    }

    #[test]
    fn quantiles_of_an_earlier_format_add_up_too() {
        let old: Quantiles = serde_json::from_str("[0.0, 5.0, 10.0]").unwrap();
        let merged = Quantiles::merged([(&old, 10), (&Quantiles::default(), 0)]);
        assert_eq!((merged.at(0.0), merged.at(0.5), merged.at(1.0)), (Some(0.0), Some(5.0), Some(10.0)));
        assert!(Quantiles::merged([]).is_empty());
    }
}
