//! Trees of the learners `tree` and `forest`, as their files have them.

use forest::Forest;
use serde::{Deserialize, Serialize};
use spec::{Error, Result};

use super::ensemble::Ensemble;
use super::store::{exact, exact_list, exact_optional};
use crate::Feature;

/// A tree of yes/no questions; node 0 is the root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grown {
    pub nodes: Vec<Node>,
    /// Per feature the rank of each of its categories; empty for numbers. Of several classes the ranks of one after the other.
    pub ranks: Vec<Vec<u32>>,
}

/// A node with the training rows that came to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Training rows that came here.
    pub rows: usize,
    /// What they weigh together; none without weights.
    #[serde(default, with = "exact_optional", skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Their mean label, of two classes the share of class 1, leaning to that of all rows; 0 of several classes.
    #[serde(with = "exact", alias = "share")]
    pub mean: f64,
    /// Of several classes the share of each, leaning to that of all rows.
    #[serde(default, with = "exact_list", skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

impl Node {
    /// Its rows, or their weight.
    pub fn size(&self) -> f64 {
        self.weight.unwrap_or(self.rows as f64)
    }

    /// What a leaf says of a class; of two classes, and of numbers, there is one.
    pub fn value(&self, class: usize) -> f64 {
        self.shares.get(class).copied().unwrap_or(self.mean)
    }
}

/// Rows whose value is missing or at most `threshold` go to `left`, others to `right`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    pub feature: usize,
    /// Of several classes the one by whose shares categories are ranked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub view: usize,
    #[serde(with = "exact")]
    pub threshold: f64,
    pub left: usize,
    pub right: usize,
    /// How much purer (Gini) the split made its rows.
    #[serde(with = "exact")]
    pub decrease: f64,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Grown {
    /// How many classes it knows by their numbers; 1 if their label was 0 and 1, and for numbers.
    pub fn classes(&self) -> usize {
        self.nodes.first().map_or(1, |root| root.shares.len().max(1))
    }

    /// Adds each feature's total decrease of impurity, as shares of the training rows, to `weights`.
    pub fn add_importance(&self, weights: &mut [f64]) {
        let all = self.nodes.first().map_or(1.0, Node::size).max(f64::MIN_POSITIVE);
        for node in &self.nodes {
            if let Some(split) = &node.split {
                weights[split.feature] += split.decrease * node.size() / all;
            }
        }
    }

    pub fn leaves(&self) -> usize {
        self.nodes.iter().filter(|node| node.split.is_none()).count()
    }

    /// The tree as [`forest::Forest`] takes it, as one class sees it.
    ///
    /// Errors: steps that lead nowhere, features and categories that are not there.
    fn nodes_of(&self, class: usize, features: &[Feature]) -> Result<Vec<forest::Node>> {
        let damaged = |what: &str| Err(Error::cannot_run(format!("a node of a tree has {what}")));
        // If no row that came here counts, all count the same.
        let weightless = self.nodes.first().is_some_and(|root| root.size() <= 0.0);
        self.nodes
            .iter()
            .map(|node| {
                let rows = if weightless { node.rows as f64 } else { node.size() };
                let Some(Split { feature, view, threshold, left, right, decrease }) = &node.split else {
                    return Ok(forest::Node::Leaf { value: node.value(class), rows });
                };
                let Some(known) = features.get(*feature) else { return damaged("no feature") };
                let (feature, gain) = (*feature, *decrease);
                let ranks = match known.categories() {
                    Some(categories) => categories.len(),
                    None => 0,
                };
                let Some(of_views) = self.ranks.get(feature).filter(|all| all.len() == ranks * self.classes()) else {
                    return damaged("other categories than its feature");
                };
                if known.categories().is_none() {
                    let rule = forest::Rule::AtMost { threshold: *threshold, missing_left: true };
                    return Ok(forest::Node::Split { feature, rule, left: *left, right: *right, rows, gain });
                }
                // Missing and unknown categories go to the left here, and to the right there.
                let start = view.saturating_mul(ranks);
                let Some(of_view) = of_views.get(start..start.saturating_add(ranks)) else { return damaged("no view") };
                let above = (0..).zip(of_view).filter(|(_, rank)| f64::from(**rank) > *threshold);
                let rule = forest::Rule::Among(above.map(|(category, _)| category).collect());
                Ok(forest::Node::Split { feature, rule, left: *right, right: *left, rows, gain })
            })
            .collect()
    }
}

/// Trees whose mean is the prediction.
///
/// Errors: trees that do not fit their features, or each other.
pub(super) fn ensemble(trees: &[Grown], features: Vec<Feature>) -> Result<Ensemble> {
    let Some(first) = trees.iter().find(|tree| !tree.nodes.is_empty()) else {
        return Err(Error::cannot_run("there is no tree"));
    };
    let classes = first.classes();
    let of_one_kind = trees.iter().all(|tree| tree.nodes.iter().all(|node| node.shares.len().max(1) == classes));
    if !of_one_kind {
        return Err(Error::cannot_run("the trees know different classes"));
    }
    let mut all = Vec::with_capacity(trees.len() * classes);
    for tree in trees {
        for class in 0..classes {
            all.push(tree.nodes_of(class, &features)?);
        }
    }
    let names = features.iter().map(|feature| feature.name.clone()).collect();
    Ok(Ensemble::new(Forest::of_trees(names, classes, true, &all)?, features))
}
