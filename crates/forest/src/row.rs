//! Scores of one row at a time, without allocation: for a service that receives single rows.
//!
//! Over all trees at once, the splits of a slot lie in the order of their ranks. Those that send the row to the right are a
//! run from the first on, as long as the row's rank says; each takes its exits away from its piece. How many there are
//! depends on the row, but hardly any jump does, so the processor is never caught out. What each long run comes to is kept at
//! places along it, for all pieces at once, so that only the rest of the run is looked at.

use std::ops::Deref;

use spec::{Error, Result};

use crate::forest::{Forest, Score};
use crate::model::Reading;
use crate::pieces::{Among, Choice, PIECE, Piece};
use crate::score::{Scorer, Shape};

/// The splits of all pieces, slot by slot.
#[derive(Debug)]
pub(crate) struct Quick {
    pieces: usize,
    stride: usize,
    runs: Vec<Run>,
    /// For each feature of categories and each category: what is left of the exits of every piece.
    choices: Vec<(u32, Vec<u32>)>,
    /// The same of single pieces, where that would be too much: piece and its table.
    tables: Vec<(u32, Choice)>,
    /// Splits that are looked up in sets, by piece.
    sets: Vec<(u32, Among)>,
    trees: Vec<Place>,
    /// The values of the exits of all trees of one piece.
    values: Vec<f64>,
}

/// The splits of a slot.
#[derive(Debug)]
struct Run {
    slot: u32,
    /// Piece and what is left of its exits, by rank.
    splits: Vec<(u32, u32)>,
    /// How many splits have a rank below 0, 1, 2, ….
    ends: Vec<u32>,
    /// What the first splits leave of the exits of every piece: as many as a stride, two strides, ….
    kept: Vec<u32>,
}

/// How a tree is scored.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// One leaf, and the place of its value.
    Constant(u32),
    /// The piece, and where the values of its exits begin.
    Piece(u32, u32),
    /// The first of its pieces.
    Pieces(u32),
    Walk,
}

/// Splits between two places where what a run comes to is kept, at least.
const LEAST_STRIDE: usize = 64;
/// A table for all pieces has this many entries at most.
pub(crate) const MOST_ENTRIES: usize = 1 << 18;

impl Quick {
    /// Tables for all pieces together have at most `most_entries` entries.
    pub fn new(scorers: &[Scorer], most_entries: usize) -> Quick {
        let (mut trees, mut values, mut pieces) = (Vec::new(), Vec::new(), Vec::<&Piece>::new());
        for scorer in scorers {
            let first = pieces.len() as u32;
            trees.push(match &scorer.shape {
                Shape::Constant => Place::Constant(values.len() as u32),
                Shape::Pieces(pieces) if pieces.len() == 1 => Place::Piece(first, values.len() as u32),
                Shape::Pieces(_) => Place::Pieces(first),
                Shape::Walk(_) => Place::Walk,
            });
            match &scorer.shape {
                Shape::Constant => values.push(scorer.values[0]),
                Shape::Pieces(more) => {
                    pieces.extend(more.iter().map(|(piece, _)| piece));
                    if let [(_, of_exits)] = &more[..] {
                        values.extend(of_exits);
                    }
                }
                Shape::Walk(_) => {}
            }
        }
        // With this, what is kept grows with the number of splits and not with its square.
        let stride = LEAST_STRIDE.max(pieces.len() / 2);
        let mut quick = Quick {
            pieces: pieces.len(),
            stride,
            runs: runs(&pieces, stride),
            choices: Vec::new(),
            tables: Vec::new(),
            sets: Vec::new(),
            trees,
            values,
        };
        for (at, piece) in pieces.iter().enumerate() {
            quick.sets.extend(piece.sets.iter().map(|set| (at as u32, set.clone())));
            for few in &piece.few {
                let left = (0..32).map(|place| few.left(place)).collect();
                quick.choose(at, &Choice { slot: few.slot, left }, most_entries);
            }
            piece.choices.iter().for_each(|choice| quick.choose(at, choice, most_entries));
        }
        quick
    }

    /// Takes in a piece's table of categories.
    fn choose(&mut self, piece: usize, choice: &Choice, most_entries: usize) {
        let pieces = self.pieces;
        if choice.left.len() * pieces > most_entries {
            self.tables.push((piece as u32, choice.clone()));
            return;
        }
        let at = self.choices.iter().position(|(slot, _)| *slot == choice.slot).unwrap_or_else(|| {
            self.choices.push((choice.slot, vec![u32::MAX; choice.left.len() * pieces]));
            self.choices.len() - 1
        });
        for (category, mask) in choice.left.iter().enumerate() {
            self.choices[at].1[category * pieces + piece] &= *mask;
        }
    }

    /// The exits of all pieces that a row may still take.
    #[inline(always)]
    fn apply(&self, ranks: &[i32], remaining: &mut [u32]) {
        remaining.fill(u32::MAX);
        for run in &self.runs {
            let rank = ranks[run.slot as usize].max(0) as usize;
            let count = run.ends[rank.min(run.ends.len() - 1)] as usize;
            let kept = count / self.stride;
            if kept > 0 {
                and_all(remaining, &run.kept[(kept - 1) * self.pieces..][..self.pieces]);
            }
            for (piece, mask) in &run.splits[kept * self.stride..count] {
                remaining[*piece as usize] &= mask;
            }
        }
        for (slot, all) in &self.choices {
            and_all(remaining, &all[ranks[*slot as usize] as usize * self.pieces..][..self.pieces]);
        }
        for (piece, choice) in &self.tables {
            remaining[*piece as usize] &= choice.left[ranks[choice.slot as usize] as usize];
        }
        for (piece, test) in &self.sets {
            remaining[*piece as usize] &= test.left(ranks[test.slot as usize]);
        }
    }
}

#[inline(always)]
fn and_all(remaining: &mut [u32], masks: &[u32]) {
    for (remaining, mask) in remaining.iter_mut().zip(masks) {
        *remaining &= *mask;
    }
}

fn runs(pieces: &[&Piece], stride: usize) -> Vec<Run> {
    let mut splits: Vec<(u32, i32, u32, u32)> = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        splits.extend(piece.numbers.iter().map(|test| (test.slot, test.rank, at as u32, test.mask)));
    }
    splits.sort_unstable();
    let mut runs = Vec::new();
    for of_slot in splits.chunk_by(|a, b| a.0 == b.0) {
        let last = of_slot.last().map_or(0, |split| split.1);
        let ends = (0..=last + 1).map(|rank| of_slot.partition_point(|split| split.1 < rank) as u32).collect();
        let (mut kept, mut so_far) = (Vec::new(), vec![u32::MAX; pieces.len()]);
        for chunk in of_slot.chunks_exact(stride) {
            chunk.iter().for_each(|(.., piece, mask)| so_far[*piece as usize] &= mask);
            kept.extend_from_slice(&so_far);
        }
        let splits = of_slot.iter().map(|(.., piece, mask)| (*piece, *mask)).collect();
        runs.push(Run { slot: of_slot[0].0, splits, ends, kept });
    }
    runs
}

/// Scores single rows. Holds the working memory, so it is made once and used by one thread. The forest is borrowed or shared:
/// `RowScorer<&Forest>`, `RowScorer<Arc<Forest>>`.
#[derive(Debug)]
pub struct RowScorer<F> {
    forest: F,
    ranks: Vec<i32>,
    remaining: Vec<u32>,
}

impl Forest {
    /// A scorer of single rows.
    pub fn row_scorer(&self) -> RowScorer<&Forest> {
        RowScorer::new(self)
    }
}

impl<F: Deref<Target = Forest>> RowScorer<F> {
    /// A scorer of single rows.
    pub fn new(forest: F) -> RowScorer<F> {
        let (ranks, remaining) = (vec![0; forest.slots.len()], vec![0; forest.quick.pieces]);
        RowScorer { forest, ranks, remaining }
    }

    /// Writes the scores of one row, one per output of the forest. `row` has one number per feature; NaN is missing. Every
    /// bit is LightGBM's. Nothing is allocated.
    ///
    /// # Errors
    /// If `row` or `scores` is not as long as it should be.
    pub fn score(&mut self, row: &[f64], score: Score, scores: &mut [f64]) -> Result<()> {
        let forest = &*self.forest;
        if row.len() != forest.features() || scores.len() != forest.outputs() {
            return Err(Error::cannot_run(format!(
                "a row of {} features and {} scores for a model of {} and {}",
                row.len(),
                scores.len(),
                forest.features(),
                forest.outputs()
            )));
        }
        scores.copy_from_slice(&forest.model.base);
        let single = forest.model.reading == Reading::Single;
        forest.slots.fill_row(row, &mut self.ranks);
        forest.quick.apply(&self.ranks, &mut self.remaining);
        let mut output = 0;
        for (tree, place) in forest.quick.trees.iter().enumerate() {
            scores[output] += self.tree(tree, *place, row);
            if single {
                scores[output] = f64::from(scores[output] as f32);
            }
            output += 1;
            if output == scores.len() {
                output = 0;
            }
        }
        forest.finish(scores, score);
        Ok(())
    }

    #[inline(always)]
    fn tree(&self, tree: usize, place: Place, row: &[f64]) -> f64 {
        let (forest, quick) = (&*self.forest, &self.forest.quick);
        let scorer = &forest.scorers[tree];
        match place {
            Place::Piece(piece, values) if !forest.linear => {
                quick.values[(values + self.remaining[piece as usize].trailing_zeros()) as usize]
            }
            Place::Constant(value) if !forest.linear => quick.values[value as usize],
            _ => {
                let value = |place| forest.slots.seen(row[forest.slots.raw_feature(place)]);
                scorer.value(self.leaf(scorer, place), value)
            }
        }
    }

    fn leaf(&self, scorer: &Scorer, place: Place) -> u32 {
        let reached = |piece: u32| self.remaining[piece as usize].trailing_zeros() as usize;
        match (&scorer.shape, place) {
            (Shape::Pieces(pieces), Place::Piece(first, _) | Place::Pieces(first)) => {
                let mut exit = PIECE | (pieces.len() as u32 - 1);
                while exit & PIECE != 0 {
                    let piece = exit & !PIECE;
                    exit = pieces[piece as usize].0.exits[reached(first + piece)];
                }
                exit
            }
            (Shape::Walk(walk), _) => walk.leaf(&self.ranks),
            _ => 0,
        }
    }
}
