//! Scores of many rows: which leaf each row of a group reaches, tree by tree.
//!
//! Trees of up to 64 leaves are not walked. Each leaf is a bit, from left to right; a test that sends a row to the right
//! takes away the bits of the leaves on its left, and the lowest bit that stands at the end is the row's leaf (QuickScorer,
//! Lucchese et al. 2015; over lanes of rows, RapidScorer, Ye et al. 2018). There is nothing to predict and nothing to wait
//! for: one comparison and two logical operations per split for each lane. Deeper trees are walked, all rows of a group in step.

use crate::model::{Model, Tree};
use crate::slots::{Block, GROUP, GROUPS, Lanes, RankTest, Slots};
use crate::{Column, Forest};

/// A tree in the form in which it is scored.
#[derive(Debug)]
pub(crate) struct Scorer {
    pub shape: Shape,
    /// Values of the leaves from left to right, filled up to a power of two.
    pub values: Vec<f64>,
    /// Linear models in the same order, if the leaves have any.
    pub linear: Vec<Linear>,
}

#[derive(Debug)]
pub(crate) enum Shape {
    /// One leaf.
    Constant,
    Narrow(Masks<u32>),
    Wide(Masks<u64>),
    Walk(Walk),
}

/// A leaf's linear model; features by their place among those that are kept.
#[derive(Debug)]
pub(crate) struct Linear {
    constant: f64,
    terms: Vec<(u32, f64)>,
}

/// A set of leaves.
pub(crate) trait Mask:
    Copy + std::fmt::Debug + std::ops::BitAnd<Output = Self> + std::ops::BitOr<Output = Self>
{
    const ALL: Self;
    /// A bit of 0 or 1, at all places.
    fn repeated(bit: u32) -> Self;
    /// All but `count` bits from `first` on.
    fn without(first: usize, count: usize) -> Self;
    fn lowest(self) -> u32;
}

macro_rules! mask {
    ($word:ty) => {
        impl Mask for $word {
            const ALL: $word = <$word>::MAX;
            #[inline(always)]
            fn repeated(bit: u32) -> $word {
                <$word>::from(bit).wrapping_neg()
            }
            fn without(first: usize, count: usize) -> $word {
                (first..first + count).fold(<$word>::MAX, |mask, bit| mask & !(1 << bit))
            }
            #[inline(always)]
            fn lowest(self) -> u32 {
                self.trailing_zeros()
            }
        }
    };
}
mask!(u32);
mask!(u64);

/// The splits of a tree, in any order: what is left of the leaves if the row goes right.
#[derive(Debug)]
pub(crate) struct Masks<W> {
    pub numbers: Vec<AtMost<W>>,
    pub categories: Vec<Choice<W>>,
    pub sets: Vec<Among<W>>,
}

/// What all splits of a tree on one feature leave of its leaves, for each category.
#[derive(Debug)]
pub(crate) struct Choice<W> {
    pub slot: u32,
    pub left: Vec<W>,
}

/// Features of more categories are looked up in sets, split by split: tables would be large.
pub(crate) const MOST_CHOICES: usize = 4_096;

#[derive(Debug)]
pub(crate) struct AtMost<W> {
    pub slot: u32,
    pub rank: i32,
    pub mask: W,
}

#[derive(Debug, Clone)]
pub(crate) struct Among<W> {
    pub slot: u32,
    pub set: Set,
    pub mask: W,
}

/// A set of categories by their places, with one word of zeros at the end.
#[derive(Debug, Clone)]
pub(crate) struct Set(Vec<u32>);

impl Set {
    pub fn new(mut words: Vec<u32>) -> Set {
        words.push(0);
        Set(words)
    }

    /// 1 if the category is in the set, otherwise 0.
    #[inline(always)]
    pub fn has(&self, place: i32) -> u32 {
        let word = (place as usize / 32).min(self.0.len() - 1);
        self.0[word] >> (place as u32 % 32) & 1
    }
}

/// Nodes to walk over; leaves lead to themselves.
#[derive(Debug)]
pub(crate) struct Walk {
    nodes: Vec<Node>,
    sets: Vec<Set>,
    /// The node of the first leaf.
    leaves: u32,
    depth: usize,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    slot: u32,
    /// The complement of a set's number where the test is one of categories.
    rank: i32,
    left: u32,
    right: u32,
}

impl<W: Mask> Masks<W> {
    #[inline(always)]
    fn leaves(&self, ranks: &[Lanes<i32>]) -> Lanes<u32> {
        let mut standing = [W::ALL; GROUP];
        for test in &self.numbers {
            let ranks = &ranks[test.slot as usize];
            for lane in 0..GROUP {
                standing[lane] = standing[lane] & (test.mask | W::repeated(u32::from(ranks[lane] <= test.rank)));
            }
        }
        for choice in &self.categories {
            let ranks = &ranks[choice.slot as usize];
            for lane in 0..GROUP {
                standing[lane] = standing[lane] & choice.left[ranks[lane] as usize];
            }
        }
        for test in &self.sets {
            let ranks = &ranks[test.slot as usize];
            for lane in 0..GROUP {
                standing[lane] = standing[lane] & (test.mask | W::repeated(test.set.has(ranks[lane])));
            }
        }
        standing.map(W::lowest)
    }

    /// For a tree with linear leaves, which is scored by itself.
    fn leaf(&self, ranks: &[i32]) -> u32 {
        let rank = |slot: u32| ranks[slot as usize];
        let mut standing = W::ALL;
        for test in &self.numbers {
            standing = standing & (test.mask | W::repeated(u32::from(rank(test.slot) <= test.rank)));
        }
        for choice in &self.categories {
            standing = standing & choice.left[rank(choice.slot) as usize];
        }
        for test in &self.sets {
            standing = standing & (test.mask | W::repeated(test.set.has(rank(test.slot))));
        }
        standing.lowest()
    }
}

impl Walk {
    #[inline(always)]
    fn left(&self, node: Node, rank: i32) -> bool {
        if node.rank >= 0 { rank <= node.rank } else { self.sets[!node.rank as usize].has(rank) == 1 }
    }

    #[inline(always)]
    fn leaves_of(&self, ranks: &[Lanes<i32>]) -> Lanes<u32> {
        match self.sets.is_empty() {
            true => self.step(ranks, |node, rank| rank <= node.rank),
            false => self.step(ranks, |node, rank| self.left(node, rank)),
        }
    }

    #[inline(always)]
    fn step(&self, ranks: &[Lanes<i32>], left: impl Fn(Node, i32) -> bool) -> Lanes<u32> {
        let mut at = [0u32; GROUP];
        for _ in 0..self.depth {
            for (lane, at) in at.iter_mut().enumerate() {
                let node = self.nodes[*at as usize];
                *at = if left(node, ranks[node.slot as usize][lane]) { node.left } else { node.right };
            }
            if at.iter().all(|at| *at >= self.leaves) {
                break;
            }
        }
        at.map(|at| at - self.leaves)
    }

    fn leaf(&self, ranks: &[i32]) -> u32 {
        let mut at = 0;
        while at < self.leaves {
            let node = self.nodes[at as usize];
            at = if self.left(node, ranks[node.slot as usize]) { node.left } else { node.right };
        }
        at - self.leaves
    }
}

impl Scorer {
    pub fn all(model: &Model, slots: &Slots) -> Vec<Scorer> {
        model.trees.iter().map(|tree| Scorer::new(tree, slots)).collect()
    }

    fn new(tree: &Tree, slots: &Slots) -> Scorer {
        let spans = spans(tree);
        let count = tree.leaves.len();
        let mut values = vec![0.0; count.next_power_of_two().max(if count <= 32 { 32 } else { 64 })];
        let mut linear = Vec::new();
        for (place, leaf) in spans.leaves.iter().enumerate() {
            let leaf = &tree.leaves[*leaf];
            values[place] = leaf.value;
            if tree.is_linear {
                let terms = leaf.terms.iter().map(|(feature, factor)| (slots.raw_place(*feature) as u32, *factor));
                linear.push(Linear { constant: leaf.constant, terms: terms.collect() });
            }
        }
        let shape = match count {
            1 => Shape::Constant,
            2..=32 => Shape::Narrow(masks(tree, &spans, slots)),
            33..=64 => Shape::Wide(masks(tree, &spans, slots)),
            _ => Shape::Walk(walk(tree, &spans, slots)),
        };
        Scorer { shape, values, linear }
    }

    /// Adds the tree's output of each row of a group.
    #[inline(always)]
    fn add(&self, ranks: &[Lanes<i32>], raw: &[Lanes<f64>], sums: &mut Lanes<f64>) {
        let leaves = match &self.shape {
            Shape::Constant => [0; GROUP],
            Shape::Narrow(masks) => masks.leaves(ranks),
            Shape::Wide(masks) => masks.leaves(ranks),
            Shape::Walk(walk) => walk.leaves_of(ranks),
        };
        if self.linear.is_empty() {
            // The commonest case without a check per lane: a bit of 32 is always within 32 values.
            if let (Shape::Narrow(_), Some(values)) = (&self.shape, self.values.first_chunk::<32>()) {
                for lane in 0..GROUP {
                    sums[lane] += values[leaves[lane] as usize % 32];
                }
                return;
            }
            for lane in 0..GROUP {
                sums[lane] += self.values[leaves[lane] as usize];
            }
            return;
        }
        for lane in 0..GROUP {
            sums[lane] += self.linear(leaves[lane], |place| raw[place][lane]);
        }
    }

    /// The tree's output of one row.
    pub fn value(&self, ranks: &[i32], value: impl Fn(usize) -> f64) -> f64 {
        let leaf = match &self.shape {
            Shape::Constant => 0,
            Shape::Narrow(masks) => masks.leaf(ranks),
            Shape::Wide(masks) => masks.leaf(ranks),
            Shape::Walk(walk) => walk.leaf(ranks),
        };
        match self.linear.is_empty() {
            true => self.values[leaf as usize],
            false => self.linear(leaf, value),
        }
    }

    fn linear(&self, leaf: u32, value: impl Fn(usize) -> f64) -> f64 {
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

/// The leaves of a tree from left to right, and which of them each split has on its left and right.
struct Spans {
    leaves: Vec<usize>,
    /// First leaf, number of leaves on the left, depth.
    splits: Vec<(usize, usize, usize)>,
}

fn spans(tree: &Tree) -> Spans {
    let mut spans = Spans { leaves: Vec::new(), splits: vec![(0, 0, 0); tree.splits.len()] };
    if tree.splits.is_empty() {
        spans.leaves.push(0);
        return spans;
    }
    // Left before right; a split is looked at again after its left side.
    let mut open = vec![(0i32, 0usize, false)];
    while let Some((child, depth, after_left)) = open.pop() {
        let Ok(at) = usize::try_from(child) else {
            spans.leaves.push(!child as usize);
            continue;
        };
        let split = &tree.splits[at];
        if after_left {
            spans.splits[at].1 = spans.leaves.len() - spans.splits[at].0;
            open.push((split.right, depth + 1, false));
        } else {
            spans.splits[at] = (spans.leaves.len(), 0, depth + 1);
            open.push((child, depth, true));
            open.push((split.left, depth + 1, false));
        }
    }
    spans
}

fn masks<W: Mask>(tree: &Tree, spans: &Spans, slots: &Slots) -> Masks<W> {
    let mut masks = Masks { numbers: Vec::new(), categories: Vec::new(), sets: Vec::new() };
    for (split, (first, left, _)) in tree.splits.iter().zip(&spans.splits) {
        let (slot, test) = slots.test(split.feature, &split.test);
        let (slot, mask) = (slot as u32, W::without(*first, *left));
        match test {
            RankTest::AtMost(rank) => masks.numbers.push(AtMost { slot, rank, mask }),
            RankTest::Among(words) => {
                let test = Among { slot, set: Set::new(words), mask };
                match slots.categories(slot as usize) + 1 {
                    ..=MOST_CHOICES => masks.choose(test, slots.categories(slot as usize) + 1),
                    _ => masks.sets.push(test),
                }
            }
        }
    }
    masks
}

impl<W: Mask> Masks<W> {
    /// Adds a split to the table of its feature, which has `places` entries.
    fn choose(&mut self, test: Among<W>, places: usize) {
        let at = self.categories.iter().position(|choice| choice.slot == test.slot).unwrap_or_else(|| {
            self.categories.push(Choice { slot: test.slot, left: vec![W::ALL; places] });
            self.categories.len() - 1
        });
        for (place, left) in self.categories[at].left.iter_mut().enumerate() {
            *left = *left & (test.mask | W::repeated(test.set.has(place as i32)));
        }
    }
}

fn walk(tree: &Tree, spans: &Spans, slots: &Slots) -> Walk {
    let splits = tree.splits.len();
    let mut places = vec![0; tree.leaves.len()];
    for (place, leaf) in spans.leaves.iter().enumerate() {
        places[*leaf] = place;
    }
    let node = |child: i32| match usize::try_from(child) {
        Ok(split) => split as u32,
        Err(_) => (splits + places[!child as usize]) as u32,
    };
    let (mut nodes, mut sets) = (Vec::with_capacity(2 * splits + 1), Vec::new());
    for split in &tree.splits {
        let (slot, test) = slots.test(split.feature, &split.test);
        let rank = match test {
            RankTest::AtMost(rank) => rank,
            RankTest::Among(words) => {
                sets.push(Set::new(words));
                !(sets.len() as i32 - 1)
            }
        };
        nodes.push(Node { slot: slot as u32, rank, left: node(split.left), right: node(split.right) });
    }
    for leaf in splits..=2 * splits {
        nodes.push(Node { slot: 0, rank: i32::MAX, left: leaf as u32, right: leaf as u32 });
    }
    let depth = spans.splits.iter().map(|(.., depth)| *depth).max().unwrap_or_default();
    Walk { nodes, sets, leaves: splits as u32, depth }
}

/// One thread's working memory.
#[derive(Debug)]
pub(crate) struct Work {
    block: Block,
    /// Sums of each output, group by group.
    sums: Vec<Lanes<f64>>,
}

impl Work {
    pub fn new(forest: &Forest) -> Work {
        Work { block: forest.slots.block(), sums: vec![[0.0; GROUP]; forest.model.outputs * GROUPS] }
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
fn sums_in(forest: &Forest, columns: &[Column<'_>], start: usize, work: &mut Work, out: &mut [f64]) {
    let outputs = forest.model.outputs;
    let count = out.len() / outputs;
    forest.slots.fill(columns, start, count, &mut work.block);
    work.sums.fill([0.0; GROUP]);
    let groups = count.div_ceil(GROUP);
    for (tree, scorer) in forest.scorers.iter().enumerate() {
        let output = tree % outputs;
        for group in 0..groups {
            scorer.add(work.block.group(group), work.block.raw(group), &mut work.sums[output * GROUPS + group]);
        }
    }
    for (row, out) in out.chunks_exact_mut(outputs).enumerate() {
        for (output, out) in out.iter_mut().enumerate() {
            *out = work.sums[output * GROUPS + row / GROUP][row % GROUP];
        }
    }
}
