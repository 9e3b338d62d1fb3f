//! Trees of linfa's splits that give probabilities, or means.
//!
//! linfa-trees 0.8 predicts labels only, and as a whole its trees cannot be used:
//!
//! * it passes over splits: of equal values it asks at the last row of the whole table whether to split, and not
//!   at all if that row is not in the node, so that below the root few splits between counts are found;
//! * it joins sibling leaves of one majority class, which, where class 1 is rare, leaves nothing of the tree;
//! * where classes tie, it picks the majority by the order of a hash map, so that the result depends on chance;
//! * it never splits between values closer than 10⁻⁵ and cannot order NaN.
//!
//! Its choice of one split is sound, and is the same on each run: with two classes every sum has two terms, whose order
//! does not matter. So this module asks linfa for one split at a time, of the rows of one node (which is also faster:
//! each level looks at each row once); gives it codes instead of values: the position among up to [`MAX_CUTS`] cuts,
//! and −1 for missing; and labels ([`Class`]) that count as different when they are predictions, so that no leaves are
//! joined. The shares of the leaves are counted here.
//!
//! In a regression the two classes of a node are the labels above the mean of its rows and the others; for labels of 0 and 1
//! these are the labels themselves, so that one rule serves both.

use std::hash::{Hash, Hasher};

use linfa::traits::Fit;
use linfa::{DatasetBase, ParamGuard};
use linfa_trees::DecisionTree;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use super::store::{exact, exact_optional};
use crate::{Feature, Matrix};

/// Most places at which a feature can be split, spread evenly over its values.
const MAX_CUTS: usize = 1024;

/// A leaf's share or mean leans to that of all rows as if so many more rows were in it (m-estimate, Cestnik 1990):
/// a leaf of a few rows is not certain of anything.
const LEAN: f64 = 2.0;

/// How a tree grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    pub depth: usize,
    pub min_leaf_rows: usize,
}

/// The training rows as linfa shall see them.
pub(super) struct Coded {
    /// How much each row counts; none: all the same.
    weights: Option<Vec<f64>>,
    cuts: Vec<Cuts>,
    /// Per feature, one code per row.
    codes: Vec<Vec<f32>>,
}

/// Where a feature can be split.
enum Cuts {
    /// Between numbers: `value <= edge` goes left.
    Edges(Vec<f64>),
    /// Between categories, in order of their mean label (optimal for two classes and for least squares: Breiman et al. 1984,
    /// 4.2.2, 8.8).
    /// Per code its rank.
    Ranks(Vec<u32>),
}

impl Coded {
    /// Codes for all rows of `matrix`.
    pub fn new(matrix: &Matrix, label: &[f64]) -> Coded {
        let weights = matrix.weights().map(<[f64]>::to_vec);
        let mut coded = Coded { weights, cuts: Vec::new(), codes: Vec::new() };
        for (at, feature) in matrix.features().iter().enumerate() {
            let values = matrix.column(at);
            let cuts = match feature.categories() {
                Some(categories) => Cuts::Ranks(ranks(&values, label, matrix.weights(), categories.len())),
                None => Cuts::Edges(edges(&values)),
            };
            coded.codes.push(values.iter().map(|value| cuts.code(*value)).collect());
            coded.cuts.push(cuts);
        }
        coded
    }
}

impl Coded {
    fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }
}

impl Cuts {
    /// −1 for missing, else a whole number from 0 that `f32` holds exactly.
    fn code(&self, value: f64) -> f32 {
        if value.is_nan() {
            return -1.0;
        }
        match self {
            Cuts::Edges(edges) => edges.partition_point(|edge| *edge < value) as f32,
            Cuts::Ranks(ranks) => ranks.get(value as usize).map_or(-1.0, |rank| *rank as f32),
        }
    }

    /// The value or rank up to which rows go left if their codes do up to `code`.
    fn threshold(&self, code: f32) -> f64 {
        if code < 0.0 {
            // Only missing values go left. JSON has no infinity.
            return f64::MIN;
        }
        match self {
            Cuts::Edges(edges) => edges.get(code as usize).copied().unwrap_or(f64::MAX),
            Cuts::Ranks(_) => f64::from(code.floor()),
        }
    }
}

/// The middles between neighbouring distinct values; of very many, evenly spread ones.
fn edges(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let rows = sorted.len();
    let middles = |distinct: &[f64]| -> Vec<f64> {
        let middle = |pair: &[f64]| {
            let middle = pair[0] + (pair[1] - pair[0]) / 2.0;
            // Between two neighbouring floats there is no middle: the lower one separates them as well.
            if middle.is_finite() && middle < pair[1] { middle } else { pair[0] }
        };
        distinct.windows(2).map(middle).collect()
    };
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= MAX_CUTS + 1 {
        return middles(&distinct);
    }
    let mut quantiles: Vec<f64> = (0..=MAX_CUTS).map(|at| sorted[at * (rows - 1) / MAX_CUTS]).collect();
    quantiles.dedup();
    middles(&quantiles)
}

/// Per category its rank by mean label (then by code); categories without rows come last.
fn ranks(values: &[f64], label: &[f64], weights: Option<&[f64]>, categories: usize) -> Vec<u32> {
    let mut sums = vec![(0.0, 0.0); categories];
    for (row, (value, label)) in values.iter().zip(label).enumerate() {
        if let Some((sum, all)) = (!value.is_nan()).then(|| sums.get_mut(*value as usize)).flatten() {
            let weight = weights.map_or(1.0, |weights| weights[row]);
            *sum += weight * label;
            *all += weight;
        }
    }
    let mut order: Vec<usize> = (0..categories).collect();
    let mean = |code: usize| match sums[code] {
        (_, 0.0) => f64::INFINITY,
        (sum, all) => sum / all,
    };
    order.sort_by(|one, other| mean(*one).total_cmp(&mean(*other)));
    let mut ranks = vec![0; categories];
    for (rank, code) in (0..).zip(order) {
        ranks[code] = rank;
    }
    ranks
}

/// A tree of yes/no questions; node 0 is the root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Grown {
    nodes: Vec<Node>,
    /// Per feature the rank of each of its categories; empty for numbers.
    ranks: Vec<Vec<u32>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    /// Training rows that came here.
    rows: usize,
    /// What they weigh together; none without weights.
    #[serde(default, with = "exact_optional", skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
    /// Their mean label, of classes the share of class 1, leaning to that of all rows.
    #[serde(with = "exact", alias = "share")]
    mean: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<Split>,
}

impl Node {
    /// Its rows, or their weight.
    fn size(&self) -> f64 {
        self.weight.unwrap_or(self.rows as f64)
    }
}

/// Rows whose value is missing or at most `threshold` go to `left`, others to `right`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Split {
    feature: usize,
    #[serde(with = "exact")]
    threshold: f64,
    left: usize,
    right: usize,
    /// How much purer (Gini) the split made its rows.
    #[serde(with = "exact")]
    decrease: f64,
}

impl Grown {
    /// Grows a tree on `rows` (which may repeat) and `features` of the coded training rows.
    pub fn grow(coded: &Coded, label: &[f64], rows: &[usize], features: &[usize], growth: Growth) -> Result<Grown> {
        let ranks = |cuts: &Cuts| match cuts {
            Cuts::Edges(_) => Vec::new(),
            Cuts::Ranks(ranks) => ranks.clone(),
        };
        let mut tree = Grown { nodes: Vec::new(), ranks: coded.cuts.iter().map(ranks).collect() };
        let mut growing = Growing { coded, label, features, growth, prior: 0.0 };
        // Rows without weight are not there; if a draw has no others, it is as if none had weights.
        let counting: Vec<usize> = rows.iter().copied().filter(|row| coded.weight(*row) > 0.0).collect();
        let rows = if counting.is_empty() { rows } else { &counting };
        growing.prior = growing.sum(rows) / growing.weight(rows).max(f64::MIN_POSITIVE);
        growing.add(&mut tree.nodes, rows, growth.depth)?;
        Ok(tree)
    }

    /// Adds the mean of each row's leaf to `sums`; `columns` are the feature values.
    pub fn add_means(&self, columns: &[Vec<f64>], sums: &mut [f64]) {
        for (row, sum) in sums.iter_mut().enumerate() {
            let mut node = &self.nodes[0];
            while let Some(split) = &node.split {
                let value = columns[split.feature][row];
                let ranks = &self.ranks[split.feature];
                let value = if ranks.is_empty() || value.is_nan() {
                    value
                } else {
                    ranks.get(value as usize).map_or(f64::NAN, |rank| f64::from(*rank))
                };
                node = &self.nodes[if value.is_nan() || value <= split.threshold { split.left } else { split.right }];
            }
            *sum += node.mean;
        }
    }

    /// Adds each feature's total decrease of impurity, as shares of the training rows, to `weights`.
    pub fn add_importance(&self, weights: &mut [f64]) {
        let all = self.nodes[0].size().max(f64::MIN_POSITIVE);
        for node in &self.nodes {
            if let Some(split) = &node.split {
                weights[split.feature] += split.decrease * node.size() / all;
            }
        }
    }

    pub fn leaves(&self) -> usize {
        self.nodes.iter().filter(|node| node.split.is_none()).count()
    }

    /// Whether the tree, as read from a file, can be walked with these features: every step leads on, to a node
    /// that is there.
    pub fn is_sound(&self, features: &[Feature]) -> bool {
        !self.nodes.is_empty()
            && self.ranks.len() == features.len()
            && self.nodes.iter().enumerate().all(|(at, node)| {
                node.split.as_ref().is_none_or(|split| {
                    let on = |to: usize| to > at && to < self.nodes.len();
                    split.feature < features.len() && on(split.left) && on(split.right)
                })
            })
    }
}

/// The rows of one node.
type Nodes = DatasetBase<Array2<f32>, Array1<Class>>;

/// A tree on its way.
struct Growing<'a> {
    coded: &'a Coded,
    label: &'a [f64],
    features: &'a [usize],
    growth: Growth,
    /// The mean label of all rows.
    prior: f64,
}

impl Growing<'_> {
    /// Adds the node of `rows` and, if it can be split, what is below it, at most `depth` deep; returns its position.
    fn add(&self, nodes: &mut Vec<Node>, rows: &[usize], depth: usize) -> Result<usize> {
        let (sum, all) = (self.sum(rows), self.weight(rows));
        let mean = (sum + LEAN * self.prior) / (all + LEAN);
        let at = nodes.len();
        let weight = self.coded.weights.is_some().then_some(all);
        nodes.push(Node { rows: rows.len(), weight, mean, split: None });
        let middle = sum / all.max(f64::MIN_POSITIVE);
        let high = rows.iter().filter(|row| self.label[**row] > middle).count();
        let pure = high == 0 || high == rows.len();
        if depth == 0 || pure || all < 2.0 * self.growth.min_leaf_rows as f64 {
            return Ok(at);
        }
        let Some((column, code, decrease)) = self.split(rows, middle)? else { return Ok(at) };
        let feature = self.features[column];
        let codes = &self.coded.codes[feature];
        let (low, high): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| codes[**row] <= code);
        let left = self.add(nodes, &low, depth - 1)?;
        let right = self.add(nodes, &high, depth - 1)?;
        let threshold = self.coded.cuts[feature].threshold(code);
        nodes[at].split = Some(Split { feature, threshold, left, right, decrease: f64::from(decrease) });
        Ok(at)
    }

    /// The sum of the labels of `rows`, by their weights.
    fn sum(&self, rows: &[usize]) -> f64 {
        rows.iter().map(|row| self.coded.weight(*row) * self.label[*row]).sum()
    }

    /// What `rows` weigh: their number, without weights.
    fn weight(&self, rows: &[usize]) -> f64 {
        rows.iter().map(|row| self.coded.weight(*row)).sum()
    }

    fn weighed(&self, data: Nodes, rows: &[usize]) -> Nodes {
        match &self.coded.weights {
            None => data,
            Some(weights) => data.with_weights(rows.iter().map(|row| weights[*row] as f32).collect()),
        }
    }

    /// linfa's best split of `rows` into labels above `middle` and others: column among the features, code up to which rows go left, decrease of impurity.
    fn split(&self, rows: &[usize], middle: f64) -> Result<Option<(usize, f32, f32)>> {
        let records = Array2::from_shape_fn((rows.len(), self.features.len()), |(row, column)| {
            self.coded.codes[self.features[column]][rows[row]]
        });
        let classes: Array1<Class> =
            rows.iter().map(|row| Class { one: self.label[*row] > middle, copies: 0 }).collect();
        let stump = DecisionTree::params()
            .max_depth(Some(1))
            .min_weight_leaf(self.growth.min_leaf_rows as f32)
            .check()
            .and_then(|parameters| parameters.fit(&self.weighed(DatasetBase::new(records, classes), rows)))
            .map_err(|error| Error::cannot_run(format!("linfa cannot split {} rows: {error}", rows.len())))?;
        let root = stump.root_node();
        Ok((!root.is_leaf()).then(|| root.split()))
    }
}

/// A label for linfa. Two are the same where linfa looks up a class, and never the same where it compares the
/// predictions of two leaves to join them. It tells neither, but each copy that it makes is one further from
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

#[cfg(test)]
mod tests;
