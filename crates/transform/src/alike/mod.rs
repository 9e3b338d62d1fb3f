//! Rows that stand for one thing, found by any of several keys and by likeness. Apart from tables.

mod likeness;

use std::collections::HashMap;

use foldhash::fast::FixedState;
use polars::prelude::*;

use crate::agreement::Groups;

pub(crate) use likeness::{Field, Likeness, Measure};

/// Comparisons that are made at most: about a minute.
pub(crate) const MOST: u64 = 100_000_000;

/// Two rows, the first before the second, and why they belong together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pair {
    pub first: u32,
    pub second: u32,
    /// How alike they are, from 0 to 1; None if they agree on a key.
    pub score: Option<f64>,
    /// Whether they are one.
    pub is_one: bool,
}

/// Groups of rows that are merged step by step.
pub(crate) struct Clusters(Vec<u32>);

impl Clusters {
    /// Each row on its own.
    pub fn new(rows: usize) -> Clusters {
        Clusters((0..rows as u32).collect())
    }

    /// The first row of the group.
    pub fn first_of(&mut self, mut row: u32) -> u32 {
        while self.0[row as usize] != row {
            let above = self.0[row as usize];
            self.0[row as usize] = self.0[above as usize];
            row = above;
        }
        row
    }

    /// Whether the rows were in two groups.
    pub fn join(&mut self, one: u32, other: u32) -> bool {
        let (one, other) = (self.first_of(one), self.first_of(other));
        self.0[one.max(other) as usize] = one.min(other);
        one != other
    }

    /// The number of each row's group, from 1, in the order of their first rows.
    pub fn numbers(mut self) -> Vec<u32> {
        let mut next = 0;
        let mut numbers = vec![0; self.0.len()];
        for row in 0..self.0.len() {
            let first = self.first_of(row as u32) as usize;
            if first == row {
                next += 1;
                numbers[row] = next;
            } else {
                numbers[row] = numbers[first];
            }
        }
        numbers
    }
}

/// Joins the rows that agree on a key; returns a pair for each row that is not the first of its key. An empty cell
/// agrees with none.
pub(crate) fn by_key(key: &[Column], clusters: &mut Clusters) -> PolarsResult<Vec<Pair>> {
    let mut pairs = Vec::new();
    for rows in Groups::new(key)?.iter() {
        for row in &rows[1..] {
            clusters.join(rows[0], *row);
            pairs.push(Pair { first: rows[0], second: *row, score: None, is_one: true });
        }
    }
    Ok(pairs)
}

/// More comparisons than are made.
#[derive(Debug)]
pub(crate) struct TooMany {
    /// Those of the largest block.
    pub rows: usize,
}

/// From which score on pairs are one, from which on they are reported, and how many are compared at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub threshold: f64,
    pub report: f64,
    pub most: u64,
}

/// Compares the rows that agree on one of `blocks` and have different numbers in `apart` (0 differs from 0), and joins
/// those that are alike enough. Returns these pairs, and those with a score of at least `report`, in the order of the
/// rows, each once.
pub(crate) fn by_likeness(
    blocks: &[Groups],
    apart: &[u32],
    likeness: &Likeness,
    limits: Limits,
    clusters: &mut Clusters,
) -> Result<Vec<Pair>, TooMany> {
    let Limits { threshold, report, most } = limits;
    let groups = || blocks.iter().flat_map(Groups::iter);
    let comparisons: u64 = groups().map(|rows| rows.len() as u64 * (rows.len() as u64 - 1) / 2).sum();
    if comparisons > most {
        return Err(TooMany { rows: groups().map(<[u32]>::len).max().unwrap_or_default() });
    }
    let mut found: HashMap<(u32, u32), f64, FixedState> = HashMap::with_hasher(FixedState::with_seed(3));
    for rows in groups() {
        for (at, first) in rows.iter().enumerate() {
            for second in &rows[at + 1..] {
                if apart[*first as usize] != 0 && apart[*first as usize] == apart[*second as usize] {
                    continue;
                }
                let score = likeness.of(*first as usize, *second as usize);
                if score >= threshold.min(report) {
                    found.insert((*first, *second), score);
                }
            }
        }
    }
    let mut pairs: Vec<Pair> = found
        .into_iter()
        .map(|((first, second), score)| Pair { first, second, score: Some(score), is_one: score >= threshold })
        .collect();
    pairs.sort_unstable_by_key(|pair| (pair.first, pair.second));
    for pair in pairs.iter().filter(|pair| pair.is_one) {
        clusters.join(pair.first, pair.second);
    }
    Ok(pairs)
}
