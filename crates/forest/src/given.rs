//! Trees that are given node by node.

use spec::{Error, Result};

use crate::Forest;
use crate::model::{Leaf, Missing, Model, Reading, Split, Test, Tree, check_shape};
use crate::transform::Transform;

/// A node of a tree, which is a list of nodes with the root first.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Leaf {
        value: f64,
        /// Training rows, or their weight; from 0.
        rows: f64,
    },
    Split {
        feature: usize,
        rule: Rule,
        /// Places of the children in the list.
        left: usize,
        right: usize,
        /// Training rows, or their weight; above 0.
        rows: f64,
        /// What the split is worth, for [`Forest::importance`].
        gain: f64,
    },
}

/// Which rows go left.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Values up to the threshold, and missing ones if requested.
    AtMost { threshold: f64, missing_left: bool },
    /// Rows of these categories. Others go right, those that no split knows and missing ones too.
    Among(Vec<u32>),
}

/// Categories from here on would make sets too large.
const MOST_CATEGORIES: u32 = 1 << 24;

impl Forest {
    /// A forest of trees that are given node by node. Tree `t` belongs to output `t % outputs`. With `averages` a prediction
    /// is the mean over the trees, else their sum. Values are compared as they are, in double precision.
    ///
    /// # Errors
    /// If the nodes of a tree are not a tree, or a number is out of range. The error names the tree.
    pub fn of_trees(feature_names: Vec<String>, outputs: usize, averages: bool, trees: &[Vec<Node>]) -> Result<Forest> {
        if outputs == 0 || !trees.len().is_multiple_of(outputs) {
            return Err(Error::cannot_run(format!("{} trees for {outputs} outputs", trees.len())));
        }
        let features = feature_names.len();
        let tree = |(at, nodes): (usize, &Vec<Node>)| {
            tree(nodes, features).map_err(|cause| Error::cannot_run(format!("tree {at}: {cause}")))
        };
        let trees = trees.iter().enumerate().map(tree).collect::<Result<Vec<Tree>>>()?;
        Ok(Forest::of(Model {
            feature_names,
            outputs,
            averages,
            objective: None,
            transform: Transform::Identity,
            reading: Reading::Double,
            base: vec![0.0; outputs],
            per_round: 1,
            trees,
        }))
    }
}

fn tree(nodes: &[Node], features: usize) -> Result<Tree, String> {
    // Splits and leaves are numbered apart, each in the order of the nodes.
    let (mut splits, mut leaves) = (0i32, 0i32);
    let mut numbers = Vec::with_capacity(nodes.len());
    for node in nodes {
        let next = match node {
            Node::Split { .. } => &mut splits,
            Node::Leaf { .. } => &mut leaves,
        };
        numbers.push(if matches!(node, Node::Split { .. }) { *next } else { !*next });
        *next += 1;
    }
    if nodes.is_empty() || leaves != splits + 1 || (splits > 0 && numbers[0] != 0) {
        return Err(format!("{splits} splits with {leaves} leaves are not a tree"));
    }
    let child = |at: usize| numbers.get(at).copied().ok_or_else(|| format!("a child is node {at} of {}", nodes.len()));
    let mut tree = Tree::default();
    for node in nodes {
        match node {
            Node::Leaf { value, rows } => {
                if !value.is_finite() || !rows.is_finite() || *rows < 0.0 {
                    return Err(format!("a leaf has the value {value} and {rows} rows"));
                }
                tree.leaves.push(Leaf { value: *value, count: *rows, ..Leaf::default() });
            }
            Node::Split { feature, rule, left, right, rows, gain } => {
                if *feature >= features {
                    return Err(format!("a split is on feature {feature} of {features}"));
                }
                if !rows.is_finite() || *rows <= 0.0 || gain.is_nan() {
                    return Err(format!("a split has {rows} rows and the gain {gain}"));
                }
                let (feature, test) = (*feature as u32, test(rule)?);
                let (left, right) = (child(*left)?, child(*right)?);
                tree.splits.push(Split { feature, test, left, right, gain: *gain as f32, count: *rows });
            }
        }
    }
    check_shape(&tree.splits)?;
    Ok(tree)
}

fn test(rule: &Rule) -> Result<Test, String> {
    match rule {
        Rule::AtMost { threshold, .. } if threshold.is_nan() => Err("a threshold is NaN".to_owned()),
        Rule::AtMost { threshold, missing_left } => {
            Ok(Test::Number { threshold: *threshold, missing: Missing::Nan, missing_left: *missing_left })
        }
        Rule::Among(categories) => {
            let mut bits = Vec::new();
            for category in categories {
                if *category >= MOST_CATEGORIES {
                    return Err(format!("a split uses category {category}"));
                }
                let word = *category as usize / 32;
                if bits.len() <= word {
                    bits.resize(word + 1, 0u32);
                }
                bits[word] |= 1 << (category % 32);
            }
            Ok(Test::Set { bits, missing: false })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, Importance, Score, Values};

    fn split(feature: usize, rule: Rule, left: usize, right: usize, rows: f64) -> Node {
        Node::Split { feature, rule, left, right, rows, gain: 1.5 }
    }

    fn leaf(value: f64, rows: f64) -> Node {
        Node::Leaf { value, rows }
    }

    /// Missing values of `x` and values up to 1e-40 go left; on the right `c` in {1, 40} goes left.
    fn example() -> Vec<Node> {
        vec![
            split(0, Rule::AtMost { threshold: 1e-40, missing_left: true }, 1, 2, 10.0),
            leaf(1.0, 4.0),
            split(1, Rule::Among(vec![1, 40]), 4, 3, 6.0),
            leaf(4.0, 4.0),
            leaf(2.0, 2.0),
        ]
    }

    fn names() -> Vec<String> {
        vec!["x".to_owned(), "c".to_owned()]
    }

    #[test]
    fn rows_go_where_the_nodes_say() {
        let forest = Forest::of_trees(names(), 1, true, &[example(), vec![leaf(3.0, 10.0)]]).unwrap();
        let x = [f64::NAN, 1e-40, 2e-40, 2e-40, 1.0, 1.0];
        let c = [1.0, 1.0, 1.0, 40.0, 2.0, f64::NAN];
        let columns = [&x, &c].map(|column| Column::new(Values::F64(column)));
        let raw = forest.scores(&columns, Score::Raw, 1).unwrap();
        assert_eq!(raw, [4.0, 4.0, 5.0, 5.0, 7.0, 7.0]);
        assert_eq!(forest.scores(&columns, Score::Predicted, 1).unwrap(), [2.0, 2.0, 2.5, 2.5, 3.5, 3.5]);
        let mut rows = forest.row_scorer();
        for (row, raw) in raw.iter().enumerate() {
            let mut score = [0.0];
            rows.score(&[x[row], c[row]], Score::Raw, &mut score).unwrap();
            assert_eq!(score, [*raw]);
        }
        assert_eq!(forest.importance(Importance::Gain), [1.5, 1.5]);
        // As in the tests of the model text: with `x` known the mean is 20 / 6, with `c` known 1.6, with neither 2.4.
        let found = forest.explainer().unwrap().contributions(&columns, 1).unwrap();
        for (found, wanted) in found[6..9].iter().zip([2.0 / 3.0, -16.0 / 15.0, 5.4]) {
            assert!((found - wanted).abs() < 1e-15, "{found} {wanted}");
        }
    }

    #[test]
    fn what_is_not_a_tree_is_refused() {
        let refused = |nodes: Vec<Node>| Forest::of_trees(names(), 1, false, &[nodes]).unwrap_err().to_string();
        let at_most = || Rule::AtMost { threshold: 0.0, missing_left: false };
        assert_eq!(refused(Vec::new()), "tree 0: 0 splits with 0 leaves are not a tree");
        let (one, two) = (leaf(1.0, 1.0), leaf(2.0, 1.0));
        assert_eq!(refused(vec![one.clone(), two.clone()]), "tree 0: 0 splits with 2 leaves are not a tree");
        let of = |root: Node| refused(vec![root, one.clone(), two.clone()]);
        assert_eq!(of(split(2, at_most(), 1, 2, 2.0)), "tree 0: a split is on feature 2 of 2");
        assert_eq!(of(split(0, at_most(), 1, 3, 2.0)), "tree 0: a child is node 3 of 3");
        assert_eq!(of(split(0, at_most(), 1, 1, 2.0)), "tree 0: -1 is the child of two splits");
        assert_eq!(of(split(0, at_most(), 0, 1, 2.0)), "tree 0: 0 is the child of two splits");
        assert_eq!(of(split(0, at_most(), 1, 2, 0.0)), "tree 0: a split has 0 rows and the gain 1.5");
        assert_eq!(of(split(0, Rule::Among(vec![u32::MAX]), 1, 2, 2.0)), "tree 0: a split uses category 4294967295");
        let nan = Rule::AtMost { threshold: f64::NAN, missing_left: false };
        assert_eq!(of(split(0, nan, 1, 2, 2.0)), "tree 0: a threshold is NaN");
        assert_eq!(refused(vec![leaf(f64::NAN, 1.0)]), "tree 0: a leaf has the value NaN and 1 rows");
        let error = Forest::of_trees(names(), 2, false, &[vec![one]]).unwrap_err();
        assert_eq!(error.to_string(), "1 trees for 2 outputs");
    }
}
