//! Values become small whole numbers: how many of the model's thresholds lie below, or which of its categories.
//!
//! `value <= threshold` holds exactly if the rank of the value (the count of thresholds of its feature that are smaller) is
//! at most the rank of the threshold. So a test is one comparison of 32-bit numbers, and a missing value is a rank below or
//! above all others, for the side that it goes to. Each combination of feature, kind of missing values and side is a *slot*.

use std::collections::BTreeMap;

use crate::Column;
use crate::model::{Missing, Model, Reading, Test};

/// Rows that are scored in step.
pub(crate) const GROUP: usize = 32;
/// Groups of a block: what a thread reads at a time.
pub(crate) const GROUPS: usize = 8;
/// Rows of a block.
pub(crate) const BLOCK: usize = GROUP * GROUPS;

/// One number of each row of a group.
pub(crate) type Lanes<T> = [T; GROUP];

/// LightGBM takes values as close to 0 as this for 0 before it looks at them.
const ZERO: f64 = 1e-35f32 as f64;

/// The slots of a model, and how values are turned into ranks.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    numbers: Vec<Numbers>,
    categories: Vec<Categories>,
    /// Features whose values linear leaves read.
    raw: Vec<u32>,
    count: usize,
    reading: Reading,
}

/// Thresholds of one feature.
#[derive(Debug)]
struct Numbers {
    feature: u32,
    /// Distinct and growing; filled up with infinity to a power of two, at most all but one place of which is filled.
    thresholds: Vec<f64>,
    slots: Vec<(usize, Missing, bool)>,
}

/// Categories of one feature that any split knows.
#[derive(Debug)]
struct Categories {
    feature: u32,
    /// Distinct and growing.
    known: Vec<u32>,
    /// The place in `known` of each small category.
    places: Vec<i32>,
    /// The least value that is a category.
    least: f64,
    /// Whether missing values have a place of their own, after that of unknown categories.
    missing: bool,
    slot: usize,
}

/// A block of rows, as ranks.
#[derive(Debug)]
pub(crate) struct Block {
    slots: usize,
    raws: usize,
    ranks: Vec<Lanes<i32>>,
    raw: Vec<Lanes<f64>>,
    buffer: Box<[f64; BLOCK]>,
    base: Box<[i32; BLOCK]>,
}

impl Block {
    /// The ranks of group `at`, one entry per slot.
    pub fn group(&self, at: usize) -> &[Lanes<i32>] {
        &self.ranks[at * self.slots..][..self.slots]
    }

    /// The values of group `at`, one entry per feature that linear leaves read.
    pub fn raw(&self, at: usize) -> &[Lanes<f64>] {
        &self.raw[at * self.raws..][..self.raws]
    }
}

/// A split's test, in terms of ranks.
#[derive(Debug, Clone)]
pub(crate) enum RankTest {
    /// Left if the rank is at most this.
    AtMost(i32),
    /// Left if the bit of the category is set.
    Among(Vec<u32>),
}

const MOST_PLACES: u32 = 1 << 16;

impl Slots {
    pub fn new(model: &Model) -> Slots {
        let mut numbers: BTreeMap<u32, (Vec<f64>, Vec<Way>)> = BTreeMap::new();
        let mut categories: BTreeMap<u32, (Vec<u32>, bool)> = BTreeMap::new();
        let mut raw = Vec::new();
        for tree in &model.trees {
            for split in &tree.splits {
                match &split.test {
                    Test::Number { threshold, missing, missing_left } => {
                        let entry = numbers.entry(split.feature).or_default();
                        // -0.0 and 0.0 are one threshold.
                        entry.0.push(threshold + 0.0);
                        let way = way(*missing, *missing_left);
                        if !entry.1.contains(&way) {
                            entry.1.push(way);
                        }
                    }
                    Test::Set { bits, missing } => {
                        let entry = categories.entry(split.feature).or_default();
                        entry.0.extend(members(bits));
                        entry.1 |= missing;
                    }
                }
            }
            raw.extend(tree.leaves.iter().flat_map(|leaf| leaf.terms.iter().map(|(feature, _)| *feature)));
        }
        raw.sort_unstable();
        raw.dedup();
        let mut slots = Slots { raw, reading: model.reading, ..Slots::default() };
        for (feature, (mut thresholds, ways)) in numbers {
            thresholds.sort_unstable_by(f64::total_cmp);
            thresholds.dedup();
            let room = (thresholds.len() + 1).next_power_of_two();
            thresholds.resize(room, f64::INFINITY);
            let slots_of = ways.into_iter().map(|(missing, left)| (slots.next(), missing, left)).collect();
            slots.numbers.push(Numbers { feature, thresholds, slots: slots_of });
        }
        for (feature, (mut known, missing)) in categories {
            known.sort_unstable();
            known.dedup();
            let mut places = Vec::new();
            if let Some(last) = known.last().filter(|last| **last < MOST_PLACES) {
                places = vec![known.len() as i32; *last as usize + 1];
                for (place, category) in known.iter().enumerate() {
                    places[*category as usize] = place as i32;
                }
            }
            let slot = slots.next();
            let least = if model.reading == Reading::Single { 0.0 } else { (-1.0f64).next_up() };
            slots.categories.push(Categories { feature, known, places, least, missing, slot });
        }
        slots
    }

    fn next(&mut self) -> usize {
        self.count += 1;
        self.count - 1
    }

    /// Number of slots.
    pub fn len(&self) -> usize {
        self.count
    }

    /// The highest rank of a slot of categories.
    pub fn categories(&self, slot: usize) -> usize {
        self.categories.iter().find(|categories| categories.slot == slot).map_or(0, Categories::last)
    }

    /// Where linear leaves find the values of a feature.
    pub fn raw_place(&self, feature: u32) -> usize {
        self.raw.binary_search(&feature).unwrap_or_default()
    }

    /// The feature at a place.
    pub fn raw_feature(&self, place: usize) -> usize {
        self.raw[place] as usize
    }

    /// The slot that a split of the model looks at, and its test.
    pub fn test(&self, feature: u32, test: &Test) -> (usize, RankTest) {
        match test {
            Test::Number { threshold, missing, missing_left } => {
                let at = self.numbers.partition_point(|numbers| numbers.feature < feature);
                let numbers = &self.numbers[at];
                let (missing, left) = way(*missing, *missing_left);
                let slot = numbers.slots.iter().find(|(_, kind, side)| (*kind, *side) == (missing, left));
                let rank = numbers.thresholds.partition_point(|known| known < threshold);
                (slot.map_or(0, |(slot, ..)| *slot), RankTest::AtMost(rank as i32))
            }
            Test::Set { bits, missing } => {
                let at = self.categories.partition_point(|categories| categories.feature < feature);
                let categories = &self.categories[at];
                let mut packed: Vec<u32> = Vec::new();
                let places = members(bits).filter_map(|category| categories.known.binary_search(&category).ok());
                let of_missing = missing.then(|| categories.known.len() + 1);
                for place in places.chain(of_missing) {
                    if packed.len() <= place / 32 {
                        packed.resize(place / 32 + 1, 0);
                    }
                    packed[place / 32] |= 1 << (place % 32);
                }
                (categories.slot, RankTest::Among(packed))
            }
        }
    }

    /// Room for one block.
    pub fn block(&self) -> Block {
        Block {
            slots: self.count,
            raws: self.raw.len(),
            ranks: vec![[0; GROUP]; self.count * GROUPS],
            raw: vec![[0.0; GROUP]; self.raw.len() * GROUPS],
            buffer: Box::new([0.0; BLOCK]),
            base: Box::new([0; BLOCK]),
        }
    }

    /// Reads `count` rows, at most [`BLOCK`], from row `start` on. What a block holds beyond them has no meaning.
    #[inline(always)]
    pub fn fill(&self, columns: &[Column<'_>], start: usize, count: usize, block: &mut Block) {
        let Block { slots, raws, ranks, raw, buffer, base } = block;
        for numbers in &self.numbers {
            self.read(&columns[numbers.feature as usize], start, count, buffer);
            rank_all(&numbers.thresholds, buffer, base);
            for (slot, missing, left) in &numbers.slots {
                let (zero_rank, missing_rank) = numbers.special(*missing, *left);
                for (group, (values, base)) in buffer.as_chunks().0.iter().zip(base.as_chunks().0).enumerate() {
                    let ranks: &mut Lanes<i32> = &mut ranks[group * *slots + slot];
                    let (values, base): (&Lanes<f64>, &Lanes<i32>) = (values, base);
                    for lane in 0..GROUP {
                        let rank = if values[lane] == 0.0 { zero_rank } else { base[lane] };
                        ranks[lane] = if values[lane].is_nan() { missing_rank } else { rank };
                    }
                }
            }
        }
        for categories in &self.categories {
            self.read(&columns[categories.feature as usize], start, count, buffer);
            for (group, values) in buffer.as_chunks::<GROUP>().0.iter().enumerate() {
                let ranks = &mut ranks[group * *slots + categories.slot];
                for lane in 0..GROUP {
                    ranks[lane] = categories.place(values[lane]);
                }
            }
        }
        for (place, feature) in self.raw.iter().enumerate() {
            self.read(&columns[*feature as usize], start, count, buffer);
            for (group, values) in buffer.as_chunks().0.iter().enumerate() {
                raw[group * *raws + place] = *values;
            }
        }
    }

    #[inline(always)]
    fn read(&self, column: &Column<'_>, start: usize, count: usize, buffer: &mut [f64; BLOCK]) {
        column.read(start, &mut buffer[..count]);
        match self.reading {
            Reading::NearZero => {
                for value in buffer.iter_mut() {
                    *value = near_zero_is_zero(*value);
                }
            }
            Reading::Double => {}
            Reading::Single => {
                for value in buffer.iter_mut() {
                    *value = single(*value);
                }
            }
        }
    }

    /// A value as the tests see it.
    #[inline(always)]
    pub fn seen(&self, value: f64) -> f64 {
        match self.reading {
            Reading::NearZero => near_zero_is_zero(value),
            Reading::Double => value,
            Reading::Single => single(value),
        }
    }

    /// The ranks of a single row.
    pub fn fill_row(&self, row: &[f64], ranks: &mut [i32]) {
        for numbers in &self.numbers {
            let value = self.seen(row[numbers.feature as usize]);
            let base = rank(&numbers.thresholds, value);
            for (slot, missing, left) in &numbers.slots {
                let (zero_rank, missing_rank) = numbers.special(*missing, *left);
                let rank = if value == 0.0 { zero_rank } else { base };
                ranks[*slot] = if value.is_nan() { missing_rank } else { rank };
            }
        }
        for categories in &self.categories {
            ranks[categories.slot] = categories.place(self.seen(row[categories.feature as usize]));
        }
    }
}

impl Numbers {
    /// The ranks of 0 and of NaN.
    fn special(&self, missing: Missing, left: bool) -> (i32, i32) {
        let of_missing = if left { -1 } else { i32::MAX };
        let of_zero = rank(&self.thresholds, 0.0);
        match missing {
            Missing::Never => (of_zero, of_zero),
            Missing::Zero => (of_missing, of_missing),
            Missing::Nan => (of_zero, of_missing),
        }
    }
}

impl Categories {
    /// The highest place.
    fn last(&self) -> usize {
        self.known.len() + usize::from(self.missing)
    }

    /// The place of a category; one beyond the last if no split knows it. A value is cut off at its point.
    #[inline(always)]
    fn place(&self, value: f64) -> i32 {
        let none = self.known.len() as i32;
        // False for NaN, too. To LightGBM -0.5 is category 0.
        if !(value >= self.least && value < 2_147_483_648.0) {
            return none + i32::from(self.missing && value.is_nan());
        }
        let category = value as u32;
        if !self.places.is_empty() {
            return self.places.get(category as usize).copied().unwrap_or(none);
        }
        self.known.binary_search(&category).map_or(none, |place| place as i32)
    }
}

/// What is missing, and whether it goes left.
type Way = (Missing, bool);

/// Where nothing is missing, the side has no meaning.
fn way(missing: Missing, left: bool) -> Way {
    (missing, left && missing != Missing::Never)
}

/// The categories of a set. Those beyond `i32` are in none: LightGBM takes them for negative.
fn members(bits: &[u32]) -> impl Iterator<Item = u32> {
    let word = |(at, word): (usize, &u32)| {
        let (at, word) = (at as u64, *word);
        (0..32).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 32 + bit)
    };
    bits.iter()
        .enumerate()
        .flat_map(word)
        .filter(|category| *category <= i32::MAX as u64)
        .map(|category| category as u32)
}

/// A number as XGBoost holds it. What is beyond its range becomes the farthest that it has, as in training: below a threshold that
/// is infinite, and not missing.
#[inline(always)]
fn single(value: f64) -> f64 {
    f64::from((value as f32).clamp(f32::MIN, f32::MAX))
}

/// The value as LightGBM sees it.
#[inline(always)]
fn near_zero_is_zero(value: f64) -> f64 {
    if value.abs() <= ZERO { 0.0 } else { value }
}

/// The count of thresholds below `value`; 0 for NaN.
fn rank(thresholds: &[f64], value: f64) -> i32 {
    let mut at = 0;
    let mut step = thresholds.len() / 2;
    while step > 0 {
        // Never beyond the end: the steps add up to the length less one.
        at += if thresholds[at + step - 1] < value { step } else { 0 };
        step /= 2;
    }
    at as i32
}

#[inline(always)]
fn rank_all(thresholds: &[f64], values: &[f64; BLOCK], ranks: &mut [i32; BLOCK]) {
    match thresholds.len() {
        2 => rank_in::<2>(thresholds, values, ranks),
        4 => rank_in::<4>(thresholds, values, ranks),
        8 => rank_in::<8>(thresholds, values, ranks),
        16 => rank_in::<16>(thresholds, values, ranks),
        32 => rank_in::<32>(thresholds, values, ranks),
        64 => rank_in::<64>(thresholds, values, ranks),
        128 => rank_in::<128>(thresholds, values, ranks),
        256 => rank_in::<256>(thresholds, values, ranks),
        512 => rank_in::<512>(thresholds, values, ranks),
        1024 => rank_in::<1024>(thresholds, values, ranks),
        _ => {
            for (rank_of, value) in ranks.iter_mut().zip(values) {
                *rank_of = rank(thresholds, *value);
            }
        }
    }
}

/// With a length that the compiler knows, the places need no check and the lanes go in step.
#[inline(always)]
fn rank_in<const N: usize>(thresholds: &[f64], values: &[f64; BLOCK], ranks: &mut [i32; BLOCK]) {
    const LANES: usize = 16;
    let Some(thresholds): Option<&[f64; N]> = thresholds.first_chunk() else { return };
    let (values, ranks) = (values.as_chunks::<LANES>().0, ranks.as_chunks_mut::<LANES>().0);
    for (values, ranks) in values.iter().zip(ranks) {
        let mut at = [0usize; LANES];
        let mut step = N / 2;
        while step > 0 {
            for lane in 0..LANES {
                let below = thresholds[(at[lane] + step - 1) & (N - 1)] < values[lane];
                at[lane] += if below { step } else { 0 };
            }
            step /= 2;
        }
        for lane in 0..LANES {
            ranks[lane] = at[lane] as i32;
        }
    }
}
