//! What can be computed of a tree's contributions before any row is seen.
//!
//! A leaf that a row may or may not reach is a game: `value × Π (known ? one : zero)` over the features on its path, where
//! `one` says whether the row keeps to the path at all splits on the feature, and `zero` is the share of training rows that
//! do. Its Shapley values are `∫ (one - zero) × Π' (t × one + (1 - t) × zero) dt` over [0, 1], the product over the other
//! features: a polynomial, which a few points of Gauss and Legendre integrate exactly. Products go down the tree and sums of
//! leaves come up, so that paths share their work (Linear TreeSHAP, Yu et al. 2022, whose polynomials are here held by their
//! values).
//!
//! All factors are known but for the outcome of the splits. Near the leaves a *twig*, a subtree with few splits, has few
//! outcomes, and for each of them everything is computed in advance (as Fast TreeSHAP v2, Yang 2021, does for whole paths). A
//! twig costs a row one look into a table and one product per feature.

use super::quadrature;
use super::table::{Job, share};
use crate::model::Tree;
use crate::pieces::{MOST_CHOICES, Set};
use crate::slots::{RankTest, Slots};

/// Outcomes of a twig are numbered by as many bits at most.
const MOST_BITS: usize = 4;
/// In trees with more leaves than this tables would be large and seldom used twice.
const MANY_LEAVES: usize = 2_048;

/// A tree's steps, in order, and the tables that they look into.
#[derive(Debug)]
pub(crate) struct TreePlan {
    pub inputs: Vec<Input>,
    pub steps: Vec<Step>,
    /// Levels of products.
    pub levels: usize,
    pub passes: Passes,
}

/// The outcome of a few splits, as a number: one bit each.
#[derive(Debug)]
pub(crate) struct Input {
    pub bits: Vec<Bit>,
    /// Bits that depend on a category, by slot and category.
    pub tables: Vec<(u32, Vec<u8>)>,
}

#[derive(Debug)]
pub(crate) enum Bit {
    /// Whether the row's rank is at most this.
    AtMost { slot: u32, rank: i32 },
    /// Whether the row's category is in the set.
    Among { slot: u32, set: Set },
    /// One of a table's.
    InTable,
    /// Whether the row keeps to the path, as far as the feature of an earlier split goes, when it leaves that split.
    Kept { input: u32, right: bool, has_prior: bool },
}

/// Splits have four entries for each outcome: factors of the products to the left and right, and what a sum from the left
/// and right counts for the split's feature. Twigs have one for their sum and one for each of their features.
#[derive(Debug)]
pub(crate) enum Step {
    /// Products of the level below, on one side.
    Down {
        input: u32,
        table: u32,
        level: u32,
        right: bool,
    },
    /// Sums of both sides become one.
    Up {
        input: u32,
        table: u32,
        level: u32,
        out: Option<u32>,
        feature: u32,
    },
    Twig {
        input: u32,
        table: u32,
        level: u32,
        out: Option<u32>,
        features: Box<[u32]>,
    },
}

/// The tables, for as many points of integration as it takes: they go in step, so their number is rounded up.
#[derive(Debug)]
pub(crate) enum Passes {
    Two(Vec<Pass<2>>),
    Four(Vec<Pass<4>>),
    Six(Vec<Pass<6>>),
    Eight(Vec<Pass<8>>),
}

#[derive(Debug)]
pub(crate) struct Pass<const M: usize> {
    pub weights: [f64; M],
    pub table: Vec<[f64; M]>,
}

/// An earlier split on the same feature, as a path leaves it.
#[derive(Clone, Copy, Debug)]
struct Prior {
    feature: u32,
    zero: f64,
    input: u32,
    right: bool,
    has_prior: bool,
}

struct Builder<'a> {
    tree: &'a Tree,
    slots: &'a Slots,
    /// The place of each feature among those that are used.
    places: &'a dyn Fn(u32) -> u32,
    most_bits: usize,
    /// Splits under each split, with itself.
    sizes: Vec<usize>,
    path: Vec<Prior>,
    inputs: Vec<Input>,
    steps: Vec<Step>,
    jobs: Vec<Job>,
    table_length: usize,
    levels: usize,
    /// Most features on any path.
    longest: usize,
}

impl TreePlan {
    /// `places` numbers the features that the forest uses. The tables are taken off `bytes`; none if they are too large.
    pub fn new(tree: &Tree, slots: &Slots, places: &dyn Fn(u32) -> u32, bytes: &mut u64) -> Option<TreePlan> {
        let most_bits = if tree.leaves.len() > MANY_LEAVES { 1 } else { MOST_BITS };
        let mut builder = Builder {
            tree,
            slots,
            places,
            most_bits,
            sizes: sizes(tree),
            path: Vec::new(),
            inputs: Vec::new(),
            steps: Vec::new(),
            jobs: Vec::new(),
            table_length: 0,
            levels: 1,
            longest: longest_path(tree),
        };
        builder.child(if tree.splits.is_empty() { !0 } else { 0 }, 0, None);
        let count = builder.longest.div_ceil(2).max(1);
        *bytes = bytes.checked_sub(builder.table_length as u64 * count.next_multiple_of(2) as u64 * 8)?;
        let points = quadrature::points(count);
        let passes = match points.len() {
            0..=2 => Passes::Two(builder.passes(&points)),
            3..=4 => Passes::Four(builder.passes(&points)),
            5..=6 => Passes::Six(builder.passes(&points)),
            _ => Passes::Eight(builder.passes(&points)),
        };
        Some(TreePlan { inputs: builder.inputs, steps: builder.steps, levels: builder.levels, passes })
    }
}

/// The number of splits under each split. A child may have a smaller number than its parent, so this goes by a stack.
fn sizes(tree: &Tree) -> Vec<usize> {
    let mut sizes = vec![1; tree.splits.len()];
    let mut order = Vec::new();
    let mut open = if tree.splits.is_empty() { Vec::new() } else { vec![0usize] };
    while let Some(at) = open.pop() {
        order.push(at);
        open.extend(
            [tree.splits[at].left, tree.splits[at].right].into_iter().filter_map(|child| usize::try_from(child).ok()),
        );
    }
    for at in order.into_iter().rev() {
        for child in [tree.splits[at].left, tree.splits[at].right] {
            if let Ok(child) = usize::try_from(child) {
                sizes[at] += sizes[child];
            }
        }
    }
    sizes
}

/// The most distinct features on a path from the root to a leaf.
fn longest_path(tree: &Tree) -> usize {
    let mut longest = 0;
    // Leaving a split takes its feature back.
    let mut open = if tree.splits.is_empty() { Vec::new() } else { vec![(0usize, false)] };
    let mut path: Vec<u32> = Vec::new();
    let mut counts = std::collections::HashMap::<u32, usize>::new();
    while let Some((at, leaves)) = open.pop() {
        if leaves {
            if let Some(feature) = path.pop() {
                let count = counts.entry(feature).or_default();
                *count -= 1;
                if *count == 0 {
                    counts.remove(&feature);
                }
            }
            continue;
        }
        let split = &tree.splits[at];
        path.push(split.feature);
        *counts.entry(split.feature).or_default() += 1;
        longest = longest.max(counts.len());
        open.push((at, true));
        open.extend(
            [split.left, split.right].into_iter().filter_map(|child| Some((usize::try_from(child).ok()?, false))),
        );
    }
    longest
}

impl Prior {
    fn bit(self) -> Bit {
        Bit::Kept { input: self.input, right: self.right, has_prior: self.has_prior }
    }
}

impl Builder<'_> {
    fn child(&mut self, child: i32, level: usize, out: Option<u32>) {
        self.levels = self.levels.max(level + 1);
        match usize::try_from(child) {
            Ok(at) if !self.is_twig(at) => self.split(at, level, out),
            _ => self.twig(child, level, out),
        }
    }

    fn prior(&self, feature: u32) -> Option<Prior> {
        self.path.iter().rev().find(|prior| prior.feature == feature).copied()
    }

    fn split(&mut self, at: usize, level: usize, out: Option<u32>) {
        let split = &self.tree.splits[at];
        let prior = self.prior(split.feature);
        let mut bits = vec![self.test(at)];
        bits.extend(prior.map(Prior::bit));
        let (input, table) = (self.input(bits), self.table(8 << u32::from(prior.is_some())));
        self.jobs.push(Job::Split { split: at, prior_zero: prior.map(|prior| prior.zero) });
        let before = prior.map_or(1.0, |prior| prior.zero);
        for (right, child) in [(false, split.left), (true, split.right)] {
            self.steps.push(Step::Down { input, table, level: level as u32, right });
            let zero = before * share(self.tree, at, child);
            self.path.push(Prior { feature: split.feature, zero, input, right, has_prior: prior.is_some() });
            self.child(child, level + 1, Some(2 * level as u32 + u32::from(right)));
            self.path.pop();
        }
        let feature = (self.places)(split.feature);
        self.steps.push(Step::Up { input, table, level: level as u32, out, feature });
    }

    fn twig(&mut self, child: i32, level: usize, out: Option<u32>) {
        let (splits, features) = self.under(child);
        let outside: Vec<Prior> = features.iter().filter_map(|feature| self.prior(*feature)).collect();
        let bits: Vec<Bit> =
            splits.iter().map(|at| self.test(*at)).chain(outside.iter().map(|prior| prior.bit())).collect();
        let table = self.table((1 + features.len()) << bits.len());
        let input = self.input(bits);
        let places = features.iter().map(|feature| (self.places)(*feature)).collect();
        self.steps.push(Step::Twig { input, table, level: level as u32, out, features: places });
        let outside = outside.iter().map(|prior| (prior.feature, prior.zero)).collect();
        self.jobs.push(Job::Twig { root: child, splits, features, outside });
    }

    fn is_twig(&self, at: usize) -> bool {
        if self.sizes[at] > self.most_bits {
            return false;
        }
        let (splits, features) = self.under(at as i32);
        splits.len() + features.iter().filter(|feature| self.prior(**feature).is_some()).count() <= self.most_bits
    }

    /// The splits from `child` on, the upper before the lower, and their features, each once.
    fn under(&self, child: i32) -> (Vec<usize>, Vec<u32>) {
        let (mut splits, mut features, mut open) = (Vec::new(), Vec::new(), vec![child]);
        while let Some(child) = open.pop() {
            let Ok(at) = usize::try_from(child) else { continue };
            let split = &self.tree.splits[at];
            splits.push(at);
            if !features.contains(&split.feature) {
                features.push(split.feature);
            }
            open.extend([split.right, split.left]);
        }
        (splits, features)
    }

    fn input(&mut self, mut bits: Vec<Bit>) -> u32 {
        let mut tables: Vec<(u32, Vec<u8>)> = Vec::new();
        for (shift, bit) in bits.iter_mut().enumerate() {
            let Bit::Among { slot, set } = bit else { continue };
            let (slot, places) = (*slot, self.slots.categories(*slot as usize) + 1);
            if places > MOST_CHOICES {
                continue;
            }
            let at = tables.iter().position(|table| table.0 == slot).unwrap_or_else(|| {
                tables.push((slot, vec![0; places]));
                tables.len() - 1
            });
            for (place, bits) in tables[at].1.iter_mut().enumerate() {
                *bits |= (set.has(place as i32) as u8) << shift;
            }
            *bit = Bit::InTable;
        }
        self.inputs.push(Input { bits, tables });
        self.inputs.len() as u32 - 1
    }

    fn table(&mut self, length: usize) -> u32 {
        self.table_length += length;
        (self.table_length - length) as u32
    }

    fn test(&self, at: usize) -> Bit {
        let split = &self.tree.splits[at];
        let (slot, test) = self.slots.test(split.feature, &split.test);
        let slot = slot as u32;
        match test {
            RankTest::AtMost(rank) => Bit::AtMost { slot, rank },
            RankTest::Among(words) => Bit::Among { slot, set: Set::new(words) },
        }
    }

    fn passes<const M: usize>(&self, points: &[(f64, f64)]) -> Vec<Pass<M>> {
        let pass = |chunk: &[(f64, f64)]| {
            // Points that fill up weigh nothing.
            let mut points = [(0.5, 0.0); M];
            points[..chunk.len()].copy_from_slice(chunk);
            let times = points.map(|(time, _)| time);
            let mut table = Vec::with_capacity(self.table_length);
            self.jobs.iter().for_each(|job| job.fill(self.tree, &times, &mut table));
            Pass { weights: points.map(|(_, weight)| weight), table }
        };
        points.chunks(M).map(pass).collect()
    }
}
