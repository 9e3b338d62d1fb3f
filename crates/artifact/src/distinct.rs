//! Counts of distinct values: exact while there are few, estimated by HyperLogLog beyond (Flajolet et al. 2007, 4,096
//! registers, standard error 1.6 %).

use std::collections::HashSet;

use foldhash::fast::FixedState;
use polars::prelude::{ChunkedArray, PolarsNumericType};
use polars_arrow::array::Array as _;
pub(crate) use spec::random::mix;

const EXACT_DISTINCT: usize = 1024;
const REGISTER_BITS: u32 = 12;
const REGISTERS: usize = 1 << REGISTER_BITS;
const RECENT: usize = 256;
/// Numbers that are hashed at a time.
const BLOCK: usize = 512;

/// How many distinct values there were so far: exactly up to 1,024, estimated beyond.
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

impl Distinct {
    /// Adds numbers by their bits.
    pub fn add_each<T: PolarsNumericType>(&mut self, values: &ChunkedArray<T>, bits: impl Fn(T::Native) -> u64) {
        let mut block = [0; BLOCK];
        for chunk in values.downcast_iter() {
            match chunk.validity().filter(|_| chunk.null_count() > 0) {
                None => {
                    for values in chunk.values().as_slice().chunks(BLOCK) {
                        block.iter_mut().zip(values).for_each(|(bits_of, value)| *bits_of = bits(*value));
                        self.add_block(&mut block[..values.len()]);
                    }
                }
                Some(_) => {
                    let mut filled = 0;
                    for value in chunk.non_null_values_iter() {
                        block[filled] = bits(value);
                        filled += 1;
                        if filled == BLOCK {
                            self.add_block(&mut block);
                            filled = 0;
                        }
                    }
                    self.add_block(&mut block[..filled]);
                }
            }
        }
    }

    /// Adds numbers; their hashes are left in their places.
    fn add_block(&mut self, block: &mut [u64]) {
        hash_each(block);
        let mut rest = &block[..];
        while let Distinct::Exact(_, recent) = self {
            // Zero marks an empty place, so a hash of zero is looked up each time.
            let is_known = |hash: &u64| recent[*hash as usize % RECENT] == *hash && *hash != 0;
            let Some(at) = rest.iter().position(|hash| !is_known(hash)) else { return };
            self.add_exactly(rest[at]);
            rest = &rest[at + 1..];
        }
        if let Distinct::Estimate(registers) = self {
            raise(registers, rest);
        }
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

/// Raises registers by hashes. Where all registers are high already, nearly no hash can raise one: those that can begin with
/// more zeros than the lowest register has.
fn raise(registers: &mut [u8; REGISTERS], hashes: &[u64]) {
    const GROUP: usize = 16;
    /// Below it nearly every group has a hash that may raise a register.
    const WORTH_IT: u8 = 3;
    let lowest = registers.iter().copied().fold(u8::MAX, u8::min);
    if lowest < WORTH_IT {
        return hashes.iter().for_each(|hash| count_zeros(registers, *hash));
    }
    // The rank of a hash is above the lowest register if its bits behind those of the register are below this.
    let limit = 1u64 << (64 - u32::from(lowest)).min(63);
    let (groups, rest) = hashes.as_chunks::<GROUP>();
    for group in groups {
        let least = group.iter().fold(u64::MAX, |least, hash| least.min(hash << REGISTER_BITS));
        if least < limit {
            group.iter().for_each(|hash| count_zeros(registers, *hash));
        }
    }
    rest.iter().for_each(|hash| count_zeros(registers, *hash));
}

/// Replaces each number by its hash.
fn hash_each(block: &mut [u64]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl") {
        // SAFETY: the processor has what the function was compiled for.
        return unsafe { hash_each_avx512(block) };
    }
    hash_each_in(block);
}

/// The same code, compiled for registers that multiply eight numbers at a time: the same results.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn hash_each_avx512(block: &mut [u64]) {
    hash_each_in(block);
}

#[inline(always)]
fn hash_each_in(block: &mut [u64]) {
    block.iter_mut().for_each(|number| *number = mix(*number));
}

#[inline(always)]
fn count_zeros(registers: &mut [u8; REGISTERS], hash: u64) {
    let register = (hash >> (64 - REGISTER_BITS)) as usize % REGISTERS;
    let rank = ((hash << REGISTER_BITS) | (1 << (REGISTER_BITS - 1))).leading_zeros() as u8 + 1;
    if rank > registers[register] {
        registers[register] = rank;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use polars::prelude::*;

    use super::*;

    /// Registers, whatever goes by, in whatever portions, are those that each hash by itself leaves.
    #[test]
    fn counts_are_those_of_one_value_after_the_other() {
        let mut random = testkit::Random::seeded(41);
        for round in 0..60 {
            let rows = 1 + random.below([2_000, 40_000, 600_000][round % 3]);
            let distinct = 1 + random.below([40, 1_100, 30_000, 1 << 40][round % 4]);
            let holes = random.below(2) == 0;
            let values: Vec<Option<i64>> = (0..rows)
                .map(|_| (!holes || random.below(9) > 0).then(|| random.below(distinct) as i64 - 20))
                .collect();
            let (mut found, mut plain) = (Distinct::default(), Distinct::default());
            for part in values.chunks(1 + random.below(rows) as usize) {
                found.add_each(&Int64Chunked::from_iter(part.iter().copied()), |value| value as u64);
            }
            values.iter().flatten().for_each(|value| _ = plain.add(mix(*value as u64)));
            assert_eq!(found.finish(rows), plain.finish(rows), "round {round}");
            match (&found, &plain) {
                (Distinct::Estimate(found), Distinct::Estimate(plain)) => assert!(found == plain, "round {round}"),
                (Distinct::Exact(found, _), Distinct::Exact(plain, _)) => assert!(found == plain, "round {round}"),
                _ => panic!("round {round}: one is exact, the other an estimate"),
            }
            let exact: HashSet<i64> = values.iter().flatten().copied().collect();
            assert!(exact.len() > EXACT_DISTINCT || found.finish(rows) == (exact.len() as u64, false), "round {round}");
        }
    }

    #[test]
    fn wider_registers_change_no_hash() {
        let numbers: Vec<u64> = (0..1_003u64).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (at % 60)).collect();
        let mut hashes = numbers.clone();
        hash_each(&mut hashes);
        assert!(hashes.iter().zip(&numbers).all(|(hash, number)| *hash == mix(*number)));
    }
}
