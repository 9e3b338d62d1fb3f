//! Values of a window that go in and out one by one: to count distinct ones, and to find the one of a rank.

use polars::prelude::PlHashMap;

use crate::interner::NULL;

/// Codes that can be added and removed; null codes are left out.
pub trait Bag {
    /// An empty bag for codes that may come.
    fn new(may_come: impl Iterator<Item = u32>) -> Self;
    fn add(&mut self, code: u32);
    fn remove(&mut self, code: u32);
}

/// Counts distinct codes.
pub struct Distinct(PlHashMap<u32, u32>);

impl Distinct {
    pub fn count(&self) -> i64 {
        self.0.len() as i64
    }
}

impl Bag for Distinct {
    fn new(_: impl Iterator<Item = u32>) -> Distinct {
        Distinct(PlHashMap::default())
    }

    fn add(&mut self, code: u32) {
        if code != NULL {
            *self.0.entry(code).or_default() += 1;
        }
    }

    fn remove(&mut self, code: u32) {
        if let Some(count) = self.0.get_mut(&code) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&code);
            }
        }
    }
}

/// Finds the code of a rank: a binary indexed tree (Fenwick 1994) over the codes that may come.
pub struct Ranked {
    codes: Vec<u32>,
    /// One more than the codes; the first is unused.
    counts: Vec<u32>,
    len: usize,
}

impl Ranked {
    /// The value at a share `q` of the way from the smallest to the largest, interpolated between neighbours, as
    /// `PERCENTILE_CONT` in SQL and the default of numpy do; NaN without values. `values` are those of the codes.
    pub fn quantile(&self, q: f64, values: &[f64]) -> f64 {
        if self.len == 0 {
            return f64::NAN;
        }
        let place = q * (self.len - 1) as f64;
        let (low, share) = (place.floor() as usize, place.fract());
        let below = values[self.at(low) as usize];
        if share == 0.0 {
            return below;
        }
        let above = values[self.at(low + 1) as usize];
        below + (above - below) * share
    }

    /// The code of which `rank` others are smaller or came before it.
    fn at(&self, rank: usize) -> u32 {
        let (mut place, mut rest) = (0, rank as u32);
        let mut step = self.counts.len().next_power_of_two();
        while step > 0 {
            if place + step < self.counts.len() && self.counts[place + step] <= rest {
                place += step;
                rest -= self.counts[place];
            }
            step /= 2;
        }
        self.codes[place.min(self.codes.len() - 1)]
    }

    fn change(&mut self, code: u32, by: impl Fn(&mut u32)) {
        let Ok(place) = self.codes.binary_search(&code) else { return };
        let mut place = place + 1;
        while place < self.counts.len() {
            by(&mut self.counts[place]);
            place += place & place.wrapping_neg();
        }
    }
}

impl Bag for Ranked {
    fn new(may_come: impl Iterator<Item = u32>) -> Ranked {
        let mut codes: Vec<u32> = may_come.filter(|code| *code != NULL).collect();
        codes.sort_unstable();
        codes.dedup();
        Ranked { counts: vec![0; codes.len() + 1], codes, len: 0 }
    }

    fn add(&mut self, code: u32) {
        if code != NULL {
            self.len += 1;
            self.change(code, |count| *count += 1);
        }
    }

    fn remove(&mut self, code: u32) {
        if code != NULL {
            self.len -= 1;
            self.change(code, |count| *count -= 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 2, 10], q) for q = 0, .25, .5, .9, 1.
        let values = [1.0, 2.0, 10.0, 99.0];
        let mut bag = Ranked::new([0, 1, 1, 2, 3, NULL].into_iter());
        [2, 1, 0, 1, 3, NULL].into_iter().for_each(|code| bag.add(code));
        bag.remove(3);
        bag.remove(NULL);
        let quantiles = [0.0, 0.25, 0.5, 0.9, 1.0].map(|q| bag.quantile(q, &values));
        assert!(quantiles.iter().zip([1.0, 1.75, 2.0, 7.6, 10.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{quantiles:?}");
        [0, 1, 1, 2].into_iter().for_each(|code| bag.remove(code));
        assert!(bag.quantile(0.5, &values).is_nan());
    }

    #[test]
    fn a_value_counts_until_its_last_copy_is_gone() {
        let mut bag = Distinct::new(std::iter::empty());
        [5, 5, 7, NULL].into_iter().for_each(|code| bag.add(code));
        assert_eq!(bag.count(), 2);
        bag.remove(5);
        assert_eq!(bag.count(), 2);
        bag.remove(5);
        assert_eq!(bag.count(), 1);
    }
}
