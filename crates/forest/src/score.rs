//! Scores of many rows, tree by tree, a block of rows at each.

use crate::model::{Model, Reading, Tree};
use crate::pieces::{EXITS, Piece, pieces};
use crate::slots::{Block, GROUP, GROUPS, Lanes, Slots};
use crate::walk::Walk;
use crate::{Column, Forest};

/// Trees with more leaves than this are walked. Measured: pieces cost each row all splits of a tree, though each of them little.
const MOST_LEAVES: usize = 1_024;

/// A tree in the form in which it is scored.
#[derive(Debug)]
pub(crate) struct Scorer {
    pub shape: Shape,
    /// Values of the leaves.
    pub values: Vec<f64>,
    /// Linear models of the leaves, if they have any.
    pub linear: Vec<Linear>,
}

#[derive(Debug)]
pub(crate) enum Shape {
    /// One leaf.
    Constant,
    /// Each with the values of its exits.
    Pieces(Vec<(Piece, [f64; EXITS])>),
    Walk(Walk),
}

/// A leaf's linear model; features by their place among those that are kept.
#[derive(Debug)]
pub(crate) struct Linear {
    constant: f64,
    terms: Vec<(u32, f64)>,
}

impl Scorer {
    pub fn all(model: &Model, slots: &Slots) -> Vec<Scorer> {
        model.trees.iter().map(|tree| Scorer::new(tree, slots)).collect()
    }

    fn new(tree: &Tree, slots: &Slots) -> Scorer {
        let values: Vec<f64> = tree.leaves.iter().map(|leaf| leaf.value).collect();
        let mut linear = Vec::new();
        if tree.is_linear {
            for leaf in &tree.leaves {
                let terms = leaf.terms.iter().map(|(feature, factor)| (slots.raw_place(*feature) as u32, *factor));
                linear.push(Linear { constant: leaf.constant, terms: terms.collect() });
            }
        }
        let shape = match values.len() {
            1 => Shape::Constant,
            ..=MOST_LEAVES => {
                let with_values = |piece: Piece| {
                    let values = piece.values(&values);
                    (piece, values)
                };
                Shape::Pieces(pieces(tree, slots).into_iter().map(with_values).collect())
            }
            _ => Shape::Walk(Walk::new(tree, slots)),
        };
        Scorer { shape, values, linear }
    }

    /// How many pieces the tree has.
    fn pieces(&self) -> usize {
        if let Shape::Pieces(pieces) = &self.shape { pieces.len() } else { 0 }
    }

    /// Adds the tree's output of each row of a group. `found` has room for all pieces.
    #[inline(always)]
    fn add(&self, ranks: &[Lanes<i32>], raw: &[Lanes<f64>], found: &mut Found, sums: &mut Lanes<f64>) {
        let leaves = match &self.shape {
            Shape::Pieces(pieces) if self.linear.is_empty() => {
                if let [(piece, values)] = &pieces[..] {
                    let reached = piece.reached(ranks);
                    for lane in 0..GROUP {
                        sums[lane] += values[reached[lane] as usize % EXITS];
                    }
                    return;
                }
                for (at, (piece, values)) in pieces.iter().enumerate() {
                    found.values[at] = piece.find(&piece.reached(ranks), values, &found.values);
                }
                let values = &found.values[pieces.len() - 1];
                for lane in 0..GROUP {
                    sums[lane] += values[lane];
                }
                return;
            }
            Shape::Constant => [0; GROUP],
            Shape::Pieces(pieces) => {
                for (at, (piece, _)) in pieces.iter().enumerate() {
                    found.leaves[at] = piece.find(&piece.reached(ranks), &piece.exits, &found.leaves);
                }
                found.leaves[pieces.len() - 1]
            }
            Shape::Walk(walk) => walk.leaves_of(ranks),
        };
        for lane in 0..GROUP {
            sums[lane] += self.value(leaves[lane], |place| raw[place][lane]);
        }
    }

    /// The output of a leaf, for a row with these values.
    #[inline(always)]
    pub fn value(&self, leaf: u32, value: impl Fn(usize) -> f64) -> f64 {
        if self.linear.is_empty() {
            return self.values[leaf as usize];
        }
        let model = &self.linear[leaf as usize];
        let mut sum = model.constant;
        for (place, factor) in &model.terms {
            let value = value(*place as usize);
            if value.is_nan() {
                return self.values[leaf as usize];
            }
            sum += factor * value;
        }
        sum
    }
}

/// What the rows of a group find in each piece of a tree.
#[derive(Debug)]
struct Found {
    leaves: Vec<Lanes<u32>>,
    values: Vec<Lanes<f64>>,
}

/// One thread's working memory.
#[derive(Debug)]
pub(crate) struct Work {
    block: Block,
    found: Found,
    /// Sums of each output, group by group.
    sums: Vec<Lanes<f64>>,
}

impl Work {
    pub fn new(forest: &Forest) -> Work {
        let pieces = forest.scorers.iter().map(Scorer::pieces).max().unwrap_or_default();
        Work {
            block: forest.slots.block(),
            found: Found { leaves: vec![[0; GROUP]; pieces], values: vec![[0.0; GROUP]; pieces] },
            sums: vec![[0.0; GROUP]; forest.model.outputs * GROUPS],
        }
    }
}

/// The sums over the trees of `out.len() / outputs` rows from row `start` on, row by row.
pub(crate) fn sums(forest: &Forest, columns: &[Column<'_>], start: usize, work: &mut Work, out: &mut [f64]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") {
        // SAFETY: the processor has what the function was compiled for.
        unsafe { sums_avx2(forest, columns, start, work, out) };
        return;
    }
    sums_in(forest, columns, start, work, out);
}

/// The same code, compiled for wider registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1")]
fn sums_avx2(forest: &Forest, columns: &[Column<'_>], start: usize, work: &mut Work, out: &mut [f64]) {
    sums_in(forest, columns, start, work, out);
}

#[inline(always)]
pub(crate) fn sums_in(forest: &Forest, columns: &[Column<'_>], start: usize, work: &mut Work, out: &mut [f64]) {
    let outputs = forest.model.outputs;
    let count = out.len() / outputs;
    forest.slots.fill(columns, start, count, &mut work.block);
    for (sums, base) in work.sums.chunks_mut(GROUPS).zip(&forest.model.base) {
        sums.fill([*base; GROUP]);
    }
    let single = forest.model.reading == Reading::Single;
    let groups = count.div_ceil(GROUP);
    for (tree, scorer) in forest.scorers.iter().enumerate() {
        let output = tree % outputs;
        for group in 0..groups {
            let sums = &mut work.sums[output * GROUPS + group];
            scorer.add(work.block.group(group), work.block.raw(group), &mut work.found, sums);
            if single {
                // The sum of two `f32` is exact in `f64`, or rounded so far beyond that rounding again is right.
                for sum in sums.iter_mut() {
                    *sum = f64::from(*sum as f32);
                }
            }
        }
    }
    for (row, out) in out.chunks_exact_mut(outputs).enumerate() {
        for (output, out) in out.iter_mut().enumerate() {
            *out = work.sums[output * GROUPS + row / GROUP][row % GROUP];
        }
    }
}
