//! Trees without walking: which leaf each row of a group reaches.
//!
//! A tree is cut into *pieces* of at most 32 exits, which are leaves or the roots of other pieces. Each exit is a bit, from
//! left to right; a split that sends a row to the right takes away the bits on its left, and the lowest bit that is left at the
//! end is the row's exit (QuickScorer, Lucchese et al. 2015; over lanes of rows, RapidScorer, Ye et al. 2018). There is nothing
//! to predict and nothing to wait for: one comparison and two logical operations per split, for all lanes.

use crate::model::Tree;
use crate::slots::{GROUP, Lanes, RankTest, Slots};

/// Exits of a piece at most: the bits of a mask.
pub(crate) const EXITS: usize = 32;
/// Marks an exit that leads to another piece.
pub(crate) const PIECE: u32 = 1 << 31;
/// Features of more categories are looked up in sets, split by split: tables would be large.
pub(crate) const MOST_CHOICES: usize = 1_024;

/// The splits of a piece, in any order, and where its exits lead.
#[derive(Debug)]
pub(crate) struct Piece {
    pub numbers: Vec<AtMost>,
    pub few: Vec<Few>,
    pub choices: Vec<Choice>,
    pub sets: Vec<Among>,
    /// The tree's leaf, or the number of a piece with [`PIECE`].
    pub exits: [u32; EXITS],
    /// Exits that lead to pieces, and their numbers.
    below: Vec<(u32, u32)>,
    count: usize,
}

/// What is left of the exits if the rank is above.
#[derive(Debug)]
pub(crate) struct AtMost {
    pub slot: u32,
    pub rank: i32,
    pub mask: u32,
}

/// What is left of the exits if the category, of at most 31 that the feature has, is not in the set.
#[derive(Debug, Clone)]
pub(crate) struct Few {
    pub slot: u32,
    pub set: u32,
    pub mask: u32,
}

impl Few {
    #[inline(always)]
    pub fn left(&self, place: i32) -> u32 {
        self.mask | (self.set >> place & 1).wrapping_neg()
    }
}

/// What all splits of a piece on one feature leave of its exits, for each category.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub slot: u32,
    pub left: Vec<u32>,
}

/// What is left of the exits if the category is not in the set.
#[derive(Debug, Clone)]
pub(crate) struct Among {
    pub slot: u32,
    pub set: Set,
    pub mask: u32,
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

impl Among {
    #[inline(always)]
    pub fn left(&self, place: i32) -> u32 {
        self.mask | self.set.has(place).wrapping_neg()
    }
}

impl Piece {
    /// The exit of each row. Here and below loops and not closures, which would not be compiled for wider registers.
    #[inline(always)]
    pub fn reached(&self, ranks: &[Lanes<i32>]) -> Lanes<u32> {
        let mut remaining = [u32::MAX; GROUP];
        for test in &self.numbers {
            let ranks = &ranks[test.slot as usize];
            for lane in 0..GROUP {
                remaining[lane] &= test.mask | u32::from(ranks[lane] <= test.rank).wrapping_neg();
            }
        }
        for test in &self.few {
            let ranks = &ranks[test.slot as usize];
            for lane in 0..GROUP {
                // Never more than 31; this way the compiler knows.
                remaining[lane] &= test.left(ranks[lane] & 31);
            }
        }
        for choice in &self.choices {
            let ranks = &ranks[choice.slot as usize];
            for lane in 0..GROUP {
                remaining[lane] &= choice.left[ranks[lane] as usize];
            }
        }
        for test in &self.sets {
            let ranks = &ranks[test.slot as usize];
            for lane in 0..GROUP {
                remaining[lane] &= test.left(ranks[lane]);
            }
        }
        let mut exits = [0; GROUP];
        for lane in 0..GROUP {
            exits[lane] = remaining[lane].trailing_zeros();
        }
        exits
    }

    /// What rows find at their exits, of which `at_exits` has the values; `found` holds what they find in the pieces below.
    #[inline(always)]
    pub fn find<T: Copy>(&self, reached: &Lanes<u32>, at_exits: &[T; EXITS], found: &[Lanes<T>]) -> Lanes<T> {
        let mut here = [at_exits[0]; GROUP];
        for lane in 0..GROUP {
            here[lane] = at_exits[reached[lane] as usize % EXITS];
        }
        for (exit, piece) in &self.below {
            let below = &found[*piece as usize];
            for lane in 0..GROUP {
                here[lane] = if reached[lane] == *exit { below[lane] } else { here[lane] };
            }
        }
        here
    }

    /// The value of each exit; anything where it leads to another piece.
    pub fn values(&self, leaves: &[f64]) -> [f64; EXITS] {
        self.exits.map(|leaf| leaves.get(leaf as usize).copied().unwrap_or_default())
    }

    /// Adds a split on a feature of `places` categories, with the one that no split knows.
    fn add(&mut self, test: Among, places: usize) {
        match places {
            ..=32 => self.few.push(Few { slot: test.slot, set: test.set.0[0], mask: test.mask }),
            33..=MOST_CHOICES => self.choose(&test, places),
            _ => self.sets.push(test),
        }
    }

    /// Adds a split to the table of its feature, which has `places` entries.
    fn choose(&mut self, test: &Among, places: usize) {
        let at = self.choices.iter().position(|choice| choice.slot == test.slot).unwrap_or_else(|| {
            self.choices.push(Choice { slot: test.slot, left: vec![u32::MAX; places] });
            self.choices.len() - 1
        });
        for (place, left) in self.choices[at].left.iter_mut().enumerate() {
            *left &= test.left(place as i32);
        }
    }
}

/// The pieces of a tree, each after those below it; the last has the root.
pub(crate) fn pieces(tree: &Tree, slots: &Slots) -> Vec<Piece> {
    let order = below_first(tree);
    // Of each split: the exits it would have if it stood in one piece with what is below it.
    let mut exits = vec![0usize; tree.splits.len()];
    let mut cut = vec![false; tree.splits.len()];
    for at in &order {
        let sides = [tree.splits[*at].left, tree.splits[*at].right].map(|child| usize::try_from(child).ok());
        let mut counts = sides.map(|side| side.map_or(1, |split| exits[split]));
        while counts[0] + counts[1] > EXITS {
            let larger = usize::from(counts[1] > counts[0]);
            if let Some(split) = sides[larger] {
                cut[split] = true;
            }
            counts[larger] = 1;
        }
        exits[*at] = counts[0] + counts[1];
    }
    if let Some(root) = cut.first_mut() {
        *root = true;
    }
    let mut builder = Builder { tree, slots, cut, numbers: vec![0; tree.splits.len()] };
    let mut pieces = Vec::new();
    for at in order {
        if builder.cut[at] {
            let mut piece = Piece {
                numbers: Vec::new(),
                few: Vec::new(),
                choices: Vec::new(),
                sets: Vec::new(),
                exits: [0; EXITS],
                below: Vec::new(),
                count: 0,
            };
            builder.split(&mut piece, at);
            builder.numbers[at] = pieces.len() as u32;
            pieces.push(piece);
        }
    }
    pieces
}

/// The splits, each after those below it.
fn below_first(tree: &Tree) -> Vec<usize> {
    let mut order = Vec::with_capacity(tree.splits.len());
    let mut open = if tree.splits.is_empty() { Vec::new() } else { vec![0usize] };
    while let Some(at) = open.pop() {
        order.push(at);
        let children = [tree.splits[at].left, tree.splits[at].right];
        open.extend(children.into_iter().filter_map(|child| usize::try_from(child).ok()));
    }
    order.reverse();
    order
}

struct Builder<'a> {
    tree: &'a Tree,
    slots: &'a Slots,
    /// Whether a split is the root of a piece, and the number of the piece.
    cut: Vec<bool>,
    numbers: Vec<u32>,
}

impl Builder<'_> {
    /// Adds a split and what is below it. No deeper than a piece has exits.
    fn split(&self, piece: &mut Piece, at: usize) {
        let split = &self.tree.splits[at];
        let first = piece.count;
        self.side(piece, split.left);
        let mask = !(((1u32 << (piece.count - first)) - 1) << first);
        let (slot, test) = self.slots.test(split.feature, &split.test);
        let places = self.slots.categories(slot) + 1;
        let slot = slot as u32;
        match test {
            RankTest::AtMost(rank) => piece.numbers.push(AtMost { slot, rank, mask }),
            RankTest::Among(words) => piece.add(Among { slot, set: Set::new(words), mask }, places),
        }
        self.side(piece, split.right);
    }

    fn side(&self, piece: &mut Piece, child: i32) {
        let exit = match usize::try_from(child) {
            Ok(split) if self.cut[split] => {
                piece.below.push((piece.count as u32, self.numbers[split]));
                PIECE | self.numbers[split]
            }
            Ok(split) => return self.split(piece, split),
            Err(_) => !child as u32,
        };
        piece.exits[piece.count] = exit;
        piece.count += 1;
    }
}
