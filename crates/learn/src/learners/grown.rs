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
//! each level looks at each row once); gives it codes instead of values: the position among up to [`coded::MAX_CUTS`] cuts,
//! and −1 for missing; and labels ([`Class`]) that count as different when they are predictions, so that no leaves are
//! joined. The shares of the leaves are counted here.
//!
//! In a regression the two classes of a node are the labels above the mean of its rows and the others; for labels of 0 and 1
//! these are the labels themselves, so that one rule serves both.
//!
//! Of several classes each is asked against all others, since with more than two classes linfa's sums have more terms, in the
//! order of a hash map; of the splits that come back the one is taken that makes the node purest for all classes together.

mod coded;

use std::hash::{Hash, Hasher};

use linfa::traits::Fit;
use linfa::{DatasetBase, ParamGuard};
use linfa_trees::DecisionTree;
use ndarray::{Array1, Array2};
use score::models::grown::{Grown, Node, Split};
use spec::{Error, Result};

pub(super) use coded::Coded;
use coded::Cuts;

/// A leaf's share or mean leans to that of all rows as if so many more rows were in it (m-estimate, Cestnik 1990):
/// a leaf of a few rows is not certain of anything.
const LEAN: f64 = 2.0;

/// Most classes that are asked against all others in one node: those with most rows there.
const MOST_ASKED: usize = 16;

/// How a tree grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    pub depth: usize,
    pub min_leaf_rows: usize,
}

/// Grows a tree on `rows` (which may repeat) and `features` of the coded training rows.
pub(super) fn grow(coded: &Coded<'_>, rows: &[usize], features: &[usize], growth: Growth) -> Result<Grown> {
    let of_view = |cuts: &Cuts| match cuts {
        Cuts::Edges(_) => Vec::new(),
        Cuts::Ranks(ranks) => ranks.clone(),
    };
    let ranks = coded.cuts.iter().map(|views| views.iter().flat_map(of_view).collect()).collect();
    let mut tree = Grown { nodes: Vec::new(), ranks };
    let mut growing = Growing { coded, features, growth, prior: Vec::new() };
    // Rows without weight are not there; if a draw has no others, it is as if none had weights.
    let counting: Vec<usize> = rows.iter().copied().filter(|row| coded.weight(*row) > 0.0).collect();
    let rows = if counting.is_empty() { rows } else { &counting };
    let all = growing.weight(rows).max(f64::MIN_POSITIVE);
    growing.prior = growing.sums(rows).into_iter().map(|sum| sum / all).collect();
    growing.add(&mut tree.nodes, rows, growth.depth)?;
    Ok(tree)
}

/// The rows of one node.
type Nodes = DatasetBase<Array2<f32>, Array1<Class>>;

/// A tree on its way.
struct Growing<'a> {
    coded: &'a Coded<'a>,
    features: &'a [usize],
    growth: Growth,
    /// The mean label of all rows, of several classes per class.
    prior: Vec<f64>,
}

/// A split of a node's rows.
struct Found {
    feature: usize,
    view: usize,
    /// The code up to which rows go left.
    code: f32,
    decrease: f64,
}

impl Growing<'_> {
    /// Adds the node of `rows` and, if it can be split, what is below it, at most `depth` deep; returns its position.
    fn add(&self, nodes: &mut Vec<Node>, rows: &[usize], depth: usize) -> Result<usize> {
        let (sums, all) = (self.sums(rows), self.weight(rows));
        let leaning = sums.iter().zip(&self.prior).map(|(sum, prior)| (sum + LEAN * prior) / (all + LEAN));
        let at = nodes.len();
        let (mean, shares) = match self.coded.classes {
            1 => (leaning.sum(), Vec::new()),
            _ => (0.0, leaning.collect()),
        };
        let weight = self.coded.weights.is_some().then_some(all);
        nodes.push(Node { rows: rows.len(), weight, mean, shares, split: None });
        if depth == 0 || all < 2.0 * self.growth.min_leaf_rows as f64 {
            return Ok(at);
        }
        let Some(Found { feature, view, code, decrease }) = self.best_split(rows, &sums, all)? else { return Ok(at) };
        let codes = self.coded.codes(feature, view);
        let (low, high): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| codes[**row] <= code);
        let left = self.add(nodes, &low, depth - 1)?;
        let right = self.add(nodes, &high, depth - 1)?;
        let threshold = self.coded.cuts(feature, view).threshold(code);
        nodes[at].split = Some(Split { feature, view, threshold, left, right, decrease });
        Ok(at)
    }

    /// The best split of `rows`, whose labels sum up to `sums`; `None` if there is none, or nothing to part.
    fn best_split(&self, rows: &[usize], sums: &[f64], all: f64) -> Result<Option<Found>> {
        let middle = |view: usize| sums[view] / all.max(f64::MIN_POSITIVE);
        if self.coded.classes == 1 {
            return self.split(rows, 0, middle(0));
        }
        // Of two classes both would ask the same.
        let first = usize::from(sums.len() == 2);
        let mut asked: Vec<usize> = (first..sums.len()).filter(|view| sums[*view] > 0.0).collect();
        // Stable, so that of equally frequent classes the first is asked first.
        asked.sort_by(|one, other| sums[*other].total_cmp(&sums[*one]));
        asked.truncate(MOST_ASKED);
        let mut best: Option<Found> = None;
        for view in asked {
            let Some(mut found) = self.split(rows, view, middle(view))? else { continue };
            found.decrease = self.decrease(rows, &found);
            if best.as_ref().is_none_or(|best| found.decrease > best.decrease) {
                best = Some(found);
            }
        }
        Ok(best)
    }

    /// How much purer (Gini, over all classes) a split makes `rows`.
    fn decrease(&self, rows: &[usize], found: &Found) -> f64 {
        let codes = self.coded.codes(found.feature, found.view);
        let (low, high): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| codes[**row] <= found.code);
        let all = self.weight(rows);
        let impurity = |rows: &[usize]| {
            let weight = self.weight(rows).max(f64::MIN_POSITIVE);
            let squares: f64 = self.sums(rows).iter().map(|sum| (sum / weight).powi(2)).sum();
            (1.0 - squares) * weight / all
        };
        impurity(rows) - impurity(&low) - impurity(&high)
    }

    /// The sums of the labels of `rows`, by their weights: one, or one per class.
    fn sums(&self, rows: &[usize]) -> Vec<f64> {
        let sum = |view| rows.iter().map(|row| self.coded.weight(*row) * self.coded.label(view, *row)).sum();
        (0..self.coded.classes).map(sum).collect()
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

    /// linfa's best split of `rows` into labels above `middle` and others, as `view` sees them.
    fn split(&self, rows: &[usize], view: usize, middle: f64) -> Result<Option<Found>> {
        let is_high = |row: &usize| self.coded.label(view, *row) > middle;
        let high = rows.iter().filter(|row| is_high(row)).count();
        if high == 0 || high == rows.len() {
            return Ok(None);
        }
        let codes: Vec<&[f32]> = self.features.iter().map(|feature| self.coded.codes(*feature, view)).collect();
        let records = Array2::from_shape_fn((rows.len(), codes.len()), |(row, column)| codes[column][rows[row]]);
        let classes: Array1<Class> = rows.iter().map(|row| Class { one: is_high(row), copies: 0 }).collect();
        let stump = DecisionTree::params()
            .max_depth(Some(1))
            .min_weight_leaf(self.growth.min_leaf_rows as f32)
            .check()
            .and_then(|parameters| parameters.fit(&self.weighed(DatasetBase::new(records, classes), rows)))
            .map_err(|error| Error::cannot_run(format!("linfa cannot split {} rows: {error}", rows.len())))?;
        let root = stump.root_node();
        Ok((!root.is_leaf()).then(|| {
            let (column, code, decrease) = root.split();
            Found { feature: self.features[column], view, code, decrease: f64::from(decrease) }
        }))
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
mod shap_tests;
#[cfg(test)]
mod tests;
