//! Trees that give probabilities, or means.
//!
//! Values are codes: the position among up to [`coded::MAX_CUTS`] cuts, and −1 for missing, which is below all others. Each
//! split is the one that makes two classes purest ([`stump`]); the shares of the leaves are counted here.
//!
//! In a regression the two classes of a node are the labels above the mean of its rows and the others; for labels of 0 and 1
//! these are the labels themselves, so that one rule serves both.
//!
//! Of several classes each is compared with all others; of the splits that come back the one is taken that makes the node
//! purest for all classes together.

mod coded;
mod stump;

use score::models::grown::{Grown, Node, Split};

pub(super) use coded::Coded;
use coded::Cuts;
use stump::{Rows, Stump};

/// A leaf's share or mean leans to that of all rows as if so many more rows were in it (m-estimate, Cestnik 1990):
/// the share in a leaf of a few rows is uncertain.
const LEAN: f64 = 2.0;

/// Most classes that are compared with all others in one node: those with most rows there.
const MOST_ASKED: usize = 16;

/// How a tree grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    pub depth: usize,
    pub min_leaf_rows: usize,
}

/// Grows a tree on `rows` (which may repeat) and `features` of the coded training rows.
pub(super) fn grow(coded: &Coded<'_>, rows: &[usize], features: &[usize], growth: Growth) -> Grown {
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
    growing.add(&mut tree.nodes, rows, growth.depth);
    tree
}

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
    fn add(&self, nodes: &mut Vec<Node>, rows: &[usize], depth: usize) -> usize {
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
            return at;
        }
        let Some(Found { feature, view, code, decrease }) = self.best_split(rows, &sums, all) else { return at };
        let codes = self.coded.codes(feature, view);
        let (low, high): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| codes[**row] <= code);
        let left = self.add(nodes, &low, depth - 1);
        let right = self.add(nodes, &high, depth - 1);
        let threshold = self.coded.cuts(feature, view).threshold(code);
        nodes[at].split = Some(Split { feature, view, threshold, left, right, decrease });
        at
    }

    /// The best split of `rows`, whose labels sum up to `sums`; `None` if there is none, or nothing to part.
    fn best_split(&self, rows: &[usize], sums: &[f64], all: f64) -> Option<Found> {
        let middle = |view: usize| sums[view] / all.max(f64::MIN_POSITIVE);
        if self.coded.classes == 1 {
            return self.split(rows, 0, middle(0));
        }
        // Of two classes both would ask the same.
        let first = usize::from(sums.len() == 2);
        let mut asked: Vec<usize> = (first..sums.len()).filter(|view| sums[*view] > 0.0).collect();
        // Stable, so that of equally frequent classes the first is compared first.
        asked.sort_by(|one, other| sums[*other].total_cmp(&sums[*one]));
        asked.truncate(MOST_ASKED);
        let mut best: Option<Found> = None;
        for view in asked {
            let Some(mut found) = self.split(rows, view, middle(view)) else { continue };
            found.decrease = self.decrease(rows, &found);
            if best.as_ref().is_none_or(|best| found.decrease > best.decrease) {
                best = Some(found);
            }
        }
        best
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

    /// The best split of `rows` into labels above `middle` and others, as `view` sees them.
    fn split(&self, rows: &[usize], view: usize, middle: f64) -> Option<Found> {
        let high: Vec<bool> = rows.iter().map(|row| self.coded.label(view, *row) > middle).collect();
        if high.iter().all(|one| *one == high[0]) {
            return None;
        }
        let columns: Vec<&[f32]> = self.features.iter().map(|feature| self.coded.codes(*feature, view)).collect();
        let weights: Option<Vec<f32>> =
            self.coded.weights.as_ref().map(|weights| rows.iter().map(|row| weights[*row] as f32).collect());
        let least = self.growth.min_leaf_rows as f32;
        let Stump { column, code, decrease } =
            Rows { rows, high: &high, weights: weights.as_deref(), least }.best(&columns)?;
        Some(Found { feature: self.features[column], view, code, decrease: f64::from(decrease) })
    }
}

#[cfg(test)]
mod linfa_tests;
#[cfg(test)]
mod shap_tests;
#[cfg(test)]
mod tests;
