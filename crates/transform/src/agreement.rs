//! The value on which the rows of one key agree: the logic of the step `repair`, apart from tables.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use polars::prelude::*;

use crate::keys::{Key, Nulls, filled, keys};
use crate::seen::Rank;

/// The rows of each key, in the order of the table. Rows whose key has an empty cell belong to none.
pub(crate) struct Groups {
    /// Where the rows of each key begin, and at the end where the last ones end.
    starts: Vec<u32>,
    rows: Vec<u32>,
}

impl Groups {
    /// Keys are numbered in the order in which they come.
    pub fn new(key: &[Column]) -> PolarsResult<Groups> {
        let comparable = Nulls::Differ.comparable(key)?;
        let mut numbers: HashMap<Key, u32, FixedState> = HashMap::with_hasher(FixedState::with_seed(3));
        let mut number_of: Vec<Option<u32>> = Vec::new();
        let mut sizes: Vec<u32> = Vec::new();
        for (row, key) in keys(key)?.into_iter().enumerate() {
            if comparable.as_ref().is_some_and(|rows| !rows[row]) {
                number_of.push(None);
                continue;
            }
            let next = sizes.len() as u32;
            let number = *numbers.entry(key).or_insert(next);
            if number == next {
                sizes.push(0);
            }
            sizes[number as usize] += 1;
            number_of.push(Some(number));
        }
        let mut starts = vec![0];
        for size in sizes {
            starts.push(starts[starts.len() - 1] + size);
        }
        let mut next = starts.clone();
        let mut rows = vec![0; starts[starts.len() - 1] as usize];
        for (row, number) in (0u32..).zip(number_of) {
            let Some(number) = number else { continue };
            let place = &mut next[number as usize];
            rows[*place as usize] = row;
            *place += 1;
        }
        Ok(Groups { starts, rows })
    }

    /// All rows together.
    pub fn one(rows: usize) -> Groups {
        Groups { starts: vec![0, rows as u32], rows: (0..rows as u32).collect() }
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.starts.windows(2).map(|ends| &self.rows[ends[0] as usize..ends[1] as usize])
    }
}

/// The values of a column, to be compared.
pub(crate) struct Values {
    keys: Vec<Key>,
    /// Which rows hold a value; `None` if all do.
    filled: Option<Vec<bool>>,
}

impl Values {
    pub fn new(column: &Column) -> PolarsResult<Values> {
        let column = std::slice::from_ref(column);
        Ok(Values { keys: keys(column)?, filled: filled(column)? })
    }

    pub fn is_filled(&self, row: u32) -> bool {
        self.filled.as_ref().is_none_or(|filled| filled[row as usize])
    }

    /// None if one of the cells is empty.
    pub fn are_equal(&self, one: u32, other: u32) -> Option<bool> {
        (self.is_filled(one) && self.is_filled(other)).then(|| self.of(one) == self.of(other))
    }

    fn of(&self, row: u32) -> Key {
        self.keys[row as usize]
    }
}

/// A rule that keeps some of the rows.
pub(crate) enum Rule {
    /// Those with the value that most of them hold.
    Majority,
    /// The first.
    First,
    /// Those with the largest rank, by row.
    Largest(Vec<Rank>),
}

/// How a value is chosen.
pub(crate) struct Choice<'a> {
    pub rules: &'a [Rule],
    /// Whether empty cells get the value.
    pub fill: bool,
    pub min_share: f64,
    pub min_rows: u32,
}

/// What becomes of the cells of one key.
#[derive(Debug, PartialEq)]
pub(crate) enum Agreed {
    /// They agree, or none holds a value.
    Already,
    /// All get the value of this row.
    On(u32),
    /// They stay as they are.
    Not,
}

impl Choice<'_> {
    /// Decides about the rows of one key.
    pub fn decide(&self, rows: &[u32], values: &Values) -> Agreed {
        let holders: Vec<u32> = rows.iter().copied().filter(|row| values.is_filled(*row)).collect();
        let Some(first) = holders.first() else { return Agreed::Already };
        let is_one = |rows: &[u32]| rows.iter().all(|row| values.of(*row) == values.of(rows[0]));
        let has_gaps = self.fill && holders.len() < rows.len();
        let agree = is_one(&holders);
        if agree && !has_gaps {
            return Agreed::Already;
        }
        let chosen = match agree {
            true => *first,
            false => {
                let mut left = holders.clone();
                for rule in self.rules {
                    rule.leave(&mut left, values);
                }
                match is_one(&left) {
                    true => left[0],
                    false => return Agreed::Not,
                }
            }
        };
        let support = holders.iter().filter(|row| values.of(**row) == values.of(chosen)).count();
        let enough = support >= self.min_rows as usize && support as f64 / holders.len() as f64 >= self.min_share;
        match enough {
            true => Agreed::On(chosen),
            false => Agreed::Not,
        }
    }
}

impl Rule {
    fn leave(&self, rows: &mut Vec<u32>, values: &Values) {
        match self {
            Rule::First => rows.truncate(1),
            Rule::Largest(ranks) => {
                let best = rows.iter().map(|row| ranks[*row as usize]).max();
                rows.retain(|row| Some(ranks[*row as usize]) == best);
            }
            Rule::Majority => {
                let counts = counts(rows, values);
                let most = counts.iter().map(|(_, count)| *count).max();
                let held: HashMap<Key, u32, FixedState> =
                    counts.into_iter().map(|(row, count)| (values.of(row), count)).collect();
                rows.retain(|row| held.get(&values.of(*row)).copied() == most);
            }
        }
    }
}

/// The first row of each distinct value among `rows`, in order, and how many of them hold it. Rows without a value do
/// not count.
pub(crate) fn counts(rows: &[u32], values: &Values) -> Vec<(u32, u32)> {
    let mut at: HashMap<Key, usize, FixedState> = HashMap::with_hasher(FixedState::with_seed(3));
    let mut counts: Vec<(u32, u32)> = Vec::new();
    for row in rows.iter().filter(|row| values.is_filled(**row)) {
        let next = counts.len();
        let place = *at.entry(values.of(*row)).or_insert(next);
        match counts.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => counts.push((*row, 1)),
        }
    }
    counts
}
