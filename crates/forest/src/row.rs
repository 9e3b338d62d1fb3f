//! Scores of one row at a time, without allocation: for a service that is asked about single rows.
//!
//! Over all trees at once, the splits of a slot lie in the order of their ranks. Those that send the row to the right are a
//! run from the first on, as long as the row's rank says; each takes its leaves away from its tree. How many there are
//! depends on the row, but hardly any jump does, so the processor is never caught out.

use spec::{Error, Result};

use crate::forest::{Forest, Score};
use crate::score::{Among, Mask, Masks, Scorer, Shape};
use crate::slots::near_zero_is_zero;

/// The splits of all trees that are scored by masks, slot by slot.
#[derive(Debug)]
pub(crate) struct Quick {
    narrow: Runs<u32>,
    wide: Runs<u64>,
    /// Where each tree stands among those of its kind.
    trees: Vec<Place>,
    /// The values of the leaves of all trees.
    values: Vec<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    kind: Kind,
    /// Among the trees of the kind.
    at: u32,
    /// The first of its values.
    values: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Constant,
    Narrow,
    Wide,
    /// Walked, or linear.
    Other,
}

#[derive(Debug)]
struct Runs<W> {
    trees: u32,
    runs: Vec<Run>,
    /// Tree and what is left of its leaves, by slot and rank.
    splits: Vec<(u32, W)>,
    /// Of each run: how many splits have a rank below 0, 1, 2, ….
    ends: Vec<u32>,
    /// For each feature of categories and each category: what is left of the leaves of every tree.
    choices: Vec<(u32, Vec<W>)>,
    sets: Vec<(u32, Among<W>)>,
}

#[derive(Debug)]
struct Run {
    slot: u32,
    first_split: u32,
    first_end: u32,
    last_rank: i32,
}

impl<W: Mask> Runs<W> {
    fn new() -> Runs<W> {
        Runs { trees: 0, runs: Vec::new(), splits: Vec::new(), ends: Vec::new(), choices: Vec::new(), sets: Vec::new() }
    }

    /// Sorts the splits of all trees, which are (slot, rank, tree, mask).
    fn set_splits(&mut self, mut splits: Vec<(u32, i32, u32, W)>) {
        splits.sort_by_key(|(slot, rank, tree, _)| (*slot, *rank, *tree));
        for of_slot in splits.chunk_by(|a, b| a.0 == b.0) {
            let last_rank = of_slot.last().map_or(0, |split| split.1);
            let (first_split, first_end) = (self.splits.len() as u32, self.ends.len() as u32);
            self.runs.push(Run { slot: of_slot[0].0, first_split, first_end, last_rank });
            self.ends.extend((0..=last_rank + 1).map(|rank| of_slot.partition_point(|split| split.1 < rank) as u32));
            self.splits.extend(of_slot.iter().map(|(_, _, tree, mask)| (*tree, *mask)));
        }
    }

    /// Brings together the tables of all trees, which are (slot, tree, masks by category).
    fn set_choices(&mut self, mut tables: Vec<(u32, u32, &[W])>) {
        tables.sort_by_key(|(slot, tree, _)| (*slot, *tree));
        let trees = self.trees as usize;
        for of_slot in tables.chunk_by(|a, b| a.0 == b.0) {
            let mut all = vec![W::ALL; of_slot[0].2.len() * trees];
            for (_, tree, table) in of_slot {
                for (place, mask) in table.iter().enumerate() {
                    all[place * trees + *tree as usize] = *mask;
                }
            }
            self.choices.push((of_slot[0].0, all));
        }
    }

    #[inline(always)]
    fn apply(&self, ranks: &[i32], standing: &mut [W]) {
        standing.fill(W::ALL);
        for run in &self.runs {
            let rank = ranks[run.slot as usize].clamp(0, run.last_rank + 1);
            let count = self.ends[run.first_end as usize + rank as usize] as usize;
            for (tree, mask) in &self.splits[run.first_split as usize..][..count] {
                standing[*tree as usize] = standing[*tree as usize] & *mask;
            }
        }
        for (slot, all) in &self.choices {
            let masks = &all[ranks[*slot as usize] as usize * standing.len()..][..standing.len()];
            for (standing, mask) in standing.iter_mut().zip(masks) {
                *standing = *standing & *mask;
            }
        }
        for (tree, test) in &self.sets {
            let keeps = W::repeated(test.set.has(ranks[test.slot as usize]));
            standing[*tree as usize] = standing[*tree as usize] & (test.mask | keeps);
        }
    }
}

impl Quick {
    pub fn new(scorers: &[Scorer]) -> Quick {
        let (mut narrow, mut wide) = (Runs::new(), Runs::new());
        let (mut narrow_parts, mut wide_parts) = (Parts::new(), Parts::new());
        let (mut trees, mut values) = (Vec::new(), Vec::new());
        for scorer in scorers {
            let (kind, at) = match &scorer.shape {
                _ if !scorer.linear.is_empty() => (Kind::Other, 0),
                Shape::Constant => (Kind::Constant, 0),
                Shape::Narrow(masks) => (Kind::Narrow, add(masks, &mut narrow, &mut narrow_parts)),
                Shape::Wide(masks) => (Kind::Wide, add(masks, &mut wide, &mut wide_parts)),
                Shape::Walk(_) => (Kind::Other, 0),
            };
            trees.push(Place { kind, at, values: values.len() as u32 });
            if kind != Kind::Other {
                values.extend_from_slice(&scorer.values);
            }
        }
        narrow.set_splits(narrow_parts.splits);
        narrow.set_choices(narrow_parts.tables);
        wide.set_splits(wide_parts.splits);
        wide.set_choices(wide_parts.tables);
        Quick { narrow, wide, trees, values }
    }
}

/// What the trees bring, before it is put in order.
struct Parts<'a, W> {
    /// Slot, rank, tree and what is left of its leaves.
    splits: Vec<(u32, i32, u32, W)>,
    /// Slot, tree and what is left of its leaves for each category.
    tables: Vec<(u32, u32, &'a [W])>,
}

impl<W> Parts<'_, W> {
    fn new() -> Self {
        Parts { splits: Vec::new(), tables: Vec::new() }
    }
}

/// Takes in a tree; returns its number.
fn add<'a, W: Mask>(masks: &'a Masks<W>, runs: &mut Runs<W>, parts: &mut Parts<'a, W>) -> u32 {
    let tree = runs.trees;
    runs.trees += 1;
    parts.splits.extend(masks.numbers.iter().map(|test| (test.slot, test.rank, tree, test.mask)));
    parts.tables.extend(masks.categories.iter().map(|choice| (choice.slot, tree, &choice.left[..])));
    runs.sets.extend(masks.sets.iter().map(|test| (tree, test.clone())));
    tree
}

/// Scores single rows. Holds the working memory, so it is made once and used by one thread.
#[derive(Debug)]
pub struct RowScorer<'forest> {
    forest: &'forest Forest,
    ranks: Vec<i32>,
    narrow: Vec<u32>,
    wide: Vec<u64>,
}

impl Forest {
    /// A scorer of single rows.
    pub fn row_scorer(&self) -> RowScorer<'_> {
        let quick = &self.quick;
        RowScorer {
            forest: self,
            ranks: vec![0; self.slots.len()],
            narrow: vec![0; quick.narrow.trees as usize],
            wide: vec![0; quick.wide.trees as usize],
        }
    }
}

impl RowScorer<'_> {
    /// Writes the scores of one row, one per output of the forest. `row` has one number per feature; NaN is missing. Every
    /// bit is LightGBM's. Nothing is allocated.
    ///
    /// # Errors
    /// If `row` or `scores` is not as long as it should be.
    pub fn score(&mut self, row: &[f64], score: Score, scores: &mut [f64]) -> Result<()> {
        let forest = self.forest;
        if row.len() != forest.features() || scores.len() != forest.outputs() {
            return Err(Error::cannot_run(format!(
                "a row of {} features and {} scores for a model of {} and {}",
                row.len(),
                scores.len(),
                forest.features(),
                forest.outputs()
            )));
        }
        scores.fill(0.0);
        self.sum(row, scores);
        forest.finish(scores, score);
        Ok(())
    }

    fn sum(&mut self, row: &[f64], scores: &mut [f64]) {
        let RowScorer { forest, ranks, narrow, wide } = self;
        let quick = &forest.quick;
        forest.slots.fill_row(row, ranks);
        quick.narrow.apply(ranks, narrow);
        quick.wide.apply(ranks, wide);
        let mut output = 0;
        for (tree, place) in quick.trees.iter().enumerate() {
            let leaf = match place.kind {
                Kind::Constant => 0,
                Kind::Narrow => narrow[place.at as usize].lowest(),
                Kind::Wide => wide[place.at as usize].lowest(),
                Kind::Other => {
                    scores[output] += other(forest, tree, row, ranks);
                    output = (output + 1) % scores.len();
                    continue;
                }
            };
            scores[output] += quick.values[(place.values + leaf) as usize];
            output += 1;
            if output == scores.len() {
                output = 0;
            }
        }
    }
}

#[cold]
fn other(forest: &Forest, tree: usize, row: &[f64], ranks: &[i32]) -> f64 {
    let value = |place| near_zero_is_zero(row[forest.slots.raw_feature(place)]);
    forest.scorers[tree].value(ranks, value)
}
