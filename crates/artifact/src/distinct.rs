//! Counts of distinct values: exact while there are few, estimated by HyperLogLog beyond (Flajolet et al. 2007, 4,096
//! registers, standard error 1.6 %).

use std::collections::HashSet;

use foldhash::fast::FixedState;
use polars::prelude::{ChunkedArray, PolarsNumericType};
pub(crate) use spec::random::mix;

const EXACT_DISTINCT: usize = 1024;
const REGISTER_BITS: u32 = 12;
const REGISTERS: usize = 1 << REGISTER_BITS;
const RECENT: usize = 256;

/// How many distinct values went by: exactly up to 1,024, estimated beyond.
#[derive(Clone, Debug)]
pub enum Distinct {
    /// The values, and those that came last by their lowest bits: where few repeat, most are found there.
    Exact(HashSet<u64, FixedState>, Box<[u64; RECENT]>),
    Estimate(Box<[u8; REGISTERS]>),
}

impl Default for Distinct {
    fn default() -> Distinct {
        Distinct::Exact(HashSet::with_hasher(FixedState::with_seed(0)), Box::new([0; RECENT]))
    }
}

/// Visits every value that is not null; a chunk without nulls as a plain slice.
fn each<T: PolarsNumericType>(values: &ChunkedArray<T>, mut visit: impl FnMut(T::Native)) {
    for chunk in values.downcast_iter() {
        match chunk.validity() {
            None => chunk.values().iter().for_each(|value| visit(*value)),
            Some(_) => chunk.non_null_values_iter().for_each(&mut visit),
        }
    }
}

impl Distinct {
    /// Adds numbers by their bits.
    pub fn add_each<T: PolarsNumericType>(&mut self, values: &ChunkedArray<T>, bits: impl Fn(T::Native) -> u64) {
        let mut before = None;
        each(values, |value| {
            let value = bits(value);
            if before.replace(value) != Some(value) {
                self.add(mix(value));
            }
        });
    }

    /// Whether the value may be new: false only if it is known to have been there before.
    #[inline(always)]
    pub fn add(&mut self, hash: u64) -> bool {
        match self {
            Distinct::Estimate(registers) => {
                count_zeros(registers, hash);
                true
            }
            Distinct::Exact(..) => self.add_exactly(hash),
        }
    }

    fn add_exactly(&mut self, hash: u64) -> bool {
        match self {
            Distinct::Estimate(_) => true,
            Distinct::Exact(known, recent) => {
                // Zero marks an empty place, so a hash of zero is looked up each time.
                let place = &mut recent[hash as usize % RECENT];
                if *place == hash && hash != 0 {
                    return false;
                }
                *place = hash;
                let new = known.insert(hash);
                if known.len() > EXACT_DISTINCT {
                    let mut registers = Box::new([0u8; REGISTERS]);
                    known.iter().for_each(|hash| count_zeros(&mut registers, *hash));
                    *self = Distinct::Estimate(registers);
                }
                new
            }
        }
    }

    /// At most `values`, and whether it is an estimate.
    pub fn finish(&self, values: u64) -> (u64, bool) {
        match self {
            Distinct::Exact(known, _) => (known.len() as u64, false),
            Distinct::Estimate(registers) => {
                let m = registers.len() as f64;
                let harmonic: f64 = registers.iter().map(|r| 2f64.powi(-i32::from(*r))).sum();
                let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / harmonic;
                let empty = registers.iter().filter(|r| **r == 0).count();
                let estimate = if raw <= 2.5 * m && empty > 0 { m * (m / empty as f64).ln() } else { raw };
                ((estimate.round() as u64).min(values), true)
            }
        }
    }
}

#[inline(always)]
fn count_zeros(registers: &mut [u8; REGISTERS], hash: u64) {
    let register = (hash >> (64 - REGISTER_BITS)) as usize % REGISTERS;
    let rank = ((hash << REGISTER_BITS) | (1 << (REGISTER_BITS - 1))).leading_zeros() as u8 + 1;
    if rank > registers[register] {
        registers[register] = rank;
    }
}
