//! The best split is that of linfa-trees 0.8, which grew these trees before.
//!
//! Its trees as a whole cannot be used: they predict labels only, skip splits between counts, and join sibling leaves of
//! one majority class. Its choice of one split, of codes and two classes, is sound.

use std::hash::{Hash, Hasher};

use linfa::traits::Fit;
use linfa::{DatasetBase, ParamGuard};
use linfa_trees::DecisionTree;
use ndarray::{Array1, Array2};

use super::stump::{Rows, Stump};
use crate::random::Random;

/// A label for linfa. Two are the same where linfa looks up a class, and never the same where it compares the
/// predictions of two leaves to join them. It shows neither, but each copy that it makes is one further from
/// the training label: a look-up always compares with a training label or its first copy, a prediction is a
/// copy of a copy.
#[derive(Debug, Default)]
struct Class {
    one: bool,
    copies: u8,
}

impl Clone for Class {
    fn clone(&self) -> Class {
        Class { one: self.one, copies: self.copies.saturating_add(1) }
    }
}

impl PartialEq for Class {
    fn eq(&self, other: &Class) -> bool {
        self.one == other.one && self.copies.min(other.copies) < 2
    }
}

impl Eq for Class {}

impl Hash for Class {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.one.hash(state);
    }
}

impl PartialOrd for Class {
    fn partial_cmp(&self, other: &Class) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Class {
    fn cmp(&self, other: &Class) -> std::cmp::Ordering {
        self.one.cmp(&other.one)
    }
}

impl linfa::Label for Class {}

fn by_linfa(rows: &Rows<'_>, columns: &[&[f32]]) -> Option<Stump> {
    let records =
        Array2::from_shape_fn((rows.rows.len(), columns.len()), |(row, column)| columns[column][rows.rows[row]]);
    let classes: Array1<Class> = rows.high.iter().map(|one| Class { one: *one, copies: 0 }).collect();
    let data = DatasetBase::new(records, classes);
    let data = match rows.weights {
        None => data,
        Some(weights) => data.with_weights(weights.to_vec().into()),
    };
    let parameters = DecisionTree::params().max_depth(Some(1)).min_weight_leaf(rows.least);
    let tree = parameters.check().unwrap().fit(&data).unwrap();
    let root = tree.root_node();
    let (column, code, decrease) = root.split();
    (!root.is_leaf()).then_some(Stump { column, code, decrease })
}

#[test]
fn the_best_split_is_that_of_linfa() {
    let mut random = Random::new(21, 3);
    let (mut found, mut none) = (0, 0);
    for round in 0..600 {
        let all = 40 + random.below(200);
        // Many codes for few rows, and few for many; some are missing.
        let reach = [3, 20, 1_000, 40_000][random.below(4)];
        let columns: Vec<Vec<f32>> = (0..1 + random.below(4))
            .map(|_| (0..all).map(|_| random.below(reach + 1) as f32 - 1.0).collect())
            .collect();
        // Rows may repeat, as in a draw.
        let rows: Vec<usize> = (0..2 + random.below(150)).map(|_| random.below(all)).collect();
        let noise = random.below(5);
        let high: Vec<bool> =
            rows.iter().map(|row| (columns[0][*row] as usize * 2 > reach) != (random.below(8) < noise)).collect();
        if high.iter().all(|one| *one == high[0]) {
            continue;
        }
        let weights: Vec<f32> = rows.iter().map(|_| 0.1 + random.below(30) as f32 / 7.0).collect();
        let weights = (round % 3 == 0).then_some(&weights[..]);
        let least = [1.0, 5.0, 20.0][random.below(3)];
        let rows = Rows { rows: &rows, high: &high, weights, least };
        let columns: Vec<&[f32]> = columns.iter().map(Vec::as_slice).collect();
        let (ours, theirs) = (rows.best(&columns), by_linfa(&rows, &columns));
        assert_eq!(ours, theirs, "round {round}");
        *if ours.is_some() { &mut found } else { &mut none } += 1;
    }
    assert!(found > 300 && none > 20, "{found} found, {none} none");
}
