//! One tree of a model.

use super::value::At;
use crate::checked::Checked;
use crate::model::{Leaf, Missing, Split, Test, Tree, check_shape};

/// XGBoost's own limit: a `f32` counts no further.
const MOST_CATEGORIES: i64 = 1 << 24;
/// Words that the sets of categories of a model may take together: 512 MiB. One category with a high number takes many, so a
/// short file could ask for much memory.
pub(super) const MOST_WORDS: usize = 1 << 27;

/// The lists of a tree, one entry per node.
struct Nodes {
    left: Vec<i64>,
    right: Vec<i64>,
    features: Vec<i64>,
    /// Thresholds of splits, values of leaves.
    conditions: Vec<f32>,
    default_left: Vec<i64>,
    gains: Vec<f32>,
    hessians: Vec<f32>,
    /// Sets of categories of the nodes that have them, taken by the nodes that split on them.
    sets: Vec<Option<Vec<u32>>>,
}

/// Reads a tree whose leaves count `weight` times. `room`: words that are left for sets of categories.
pub(super) fn tree(at: &At<'_, '_>, features: usize, weight: f32, room: &mut usize) -> Checked<Tree> {
    at.only(&[
        "base_weights",
        "categories",
        "categories_nodes",
        "categories_segments",
        "categories_sizes",
        "default_left",
        "id",
        "left_children",
        "loss_changes",
        "parents",
        "right_children",
        "split_conditions",
        "split_indices",
        "split_type",
        "sum_hessian",
        "tree_param",
    ])?;
    let parameters = at.get("tree_param")?;
    let of = |name: &str| -> Checked<i64> {
        let value = parameters.get(name)?;
        value.parameter()
    };
    let (count, per_leaf) = (of("num_nodes")?, of("size_leaf_vector")?);
    if per_leaf > 1 {
        return Err(parameters.wrong(format!("leaves of {per_leaf} values are not known here")));
    }
    let of_features = of("num_feature")?;
    if usize::try_from(of_features) != Ok(features) {
        return Err(parameters.wrong(format!("'num_feature' is {of_features}, but the model has {features}")));
    }
    // Each list has as many entries, so a short file cannot ask for much memory.
    let count = usize::try_from(count).ok().filter(|count| *count > 0);
    let count = count.ok_or_else(|| parameters.wrong("'num_nodes' is not a count of nodes"))?;
    let whole = |name: &str| -> Checked<Vec<i64>> {
        let list = at.get(name)?;
        list.as_many(count)
    };
    let single = |name: &str| -> Checked<Vec<f32>> {
        let list = at.get(name)?;
        list.as_many(count)
    };
    let nodes = Nodes {
        left: whole("left_children")?,
        right: whole("right_children")?,
        features: whole("split_indices")?,
        conditions: single("split_conditions")?,
        default_left: whole("default_left")?,
        gains: single("loss_changes")?,
        hessians: single("sum_hessian")?,
        sets: sets(at, &whole("split_type")?, room)?,
    };
    nodes.tree(features, weight).map_err(|cause| at.wrong(cause))
}

/// The set of each node that splits by categories.
fn sets(at: &At<'_, '_>, kinds: &[i64], room: &mut usize) -> Checked<Vec<Option<Vec<u32>>>> {
    let mut sets: Vec<Option<Vec<u32>>> = vec![None; kinds.len()];
    let list = |name: &str| -> Checked<Vec<i64>> {
        let list = at.get(name)?;
        list.numbers()
    };
    let (nodes, starts, sizes) = (list("categories_nodes")?, list("categories_segments")?, list("categories_sizes")?);
    let categories = list("categories")?;
    if nodes.len() != starts.len() || nodes.len() != sizes.len() {
        return Err(at.wrong("the lists of categories differ in length"));
    }
    let mut of_nodes = Vec::with_capacity(nodes.len());
    let mut total = 0usize;
    for (start, size) in starts.iter().zip(&sizes) {
        let range = usize::try_from(*start).ok().zip(usize::try_from(*size).ok());
        let of_node = range.and_then(|(start, size)| categories.get(start..start.checked_add(size)?));
        let of_node =
            of_node.ok_or_else(|| at.wrong(format!("categories {start} and on, {size} of them, are not there")))?;
        total += of_node.len();
        if total > categories.len() {
            return Err(at.wrong("sets of categories overlap"));
        }
        if let Some(wrong) = of_node.iter().find(|category| !(0..MOST_CATEGORIES).contains(*category)) {
            return Err(at.wrong(format!("'categories' holds {wrong}")));
        }
        let words = of_node.iter().max().map_or(0, |most| *most as usize / 32 + 1);
        *room = room.checked_sub(words).ok_or_else(|| at.wrong("the sets of categories are too large together"))?;
        of_nodes.push((of_node, words));
    }
    for (node, (of_node, words)) in nodes.iter().zip(of_nodes) {
        let set = usize::try_from(*node).ok().and_then(|node| sets.get_mut(node));
        let set = set.ok_or_else(|| at.wrong(format!("'categories_nodes' holds {node} of {} nodes", kinds.len())))?;
        let mut bits = vec![0u32; words];
        for category in of_node {
            bits[*category as usize / 32] |= 1 << (category % 32);
        }
        if set.replace(bits).is_some() {
            return Err(at.wrong(format!("node {node} has two sets of categories")));
        }
    }
    for (node, (kind, set)) in kinds.iter().zip(&sets).enumerate() {
        if *kind != i64::from(set.is_some()) {
            return Err(at.wrong(format!("node {node} has the split type {kind}")));
        }
    }
    Ok(sets)
}

impl Nodes {
    /// The tree from node 0 on. Nodes that pruning left behind are not reached.
    fn tree(mut self, features: usize, weight: f32) -> Checked<Tree> {
        let mut tree = Tree::default();
        // Where a node is entered: a split of ours, and which of its sides.
        let mut open: Vec<(i64, Option<(usize, bool)>)> = vec![(0, None)];
        let mut seen = vec![false; self.left.len()];
        while let Some((node, above)) = open.pop() {
            let at = usize::try_from(node).ok().filter(|at| *at < seen.len());
            let at = at.ok_or_else(|| format!("a child is node {node} of {}", seen.len()))?;
            if std::mem::replace(&mut seen[at], true) {
                return Err(format!("node {at} is the child of two splits"));
            }
            let child = match self.left[at] {
                -1 => self.leaf(at, weight, &mut tree)?,
                left => {
                    let (split, swapped) = self.split(at, features)?;
                    let (left, right) = if swapped { (self.right[at], left) } else { (left, self.right[at]) };
                    let number = tree.splits.len();
                    tree.splits.push(split);
                    open.push((right, Some((number, true))));
                    open.push((left, Some((number, false))));
                    number as i32
                }
            };
            if let Some((split, right)) = above {
                *if right { &mut tree.splits[split].right } else { &mut tree.splits[split].left } = child;
            }
        }
        check_shape(&tree.splits)?;
        Ok(tree)
    }

    fn leaf(&self, at: usize, weight: f32, tree: &mut Tree) -> Checked<i32> {
        let value = self.conditions[at] * weight;
        if !value.is_finite() {
            return Err(format!("leaf {at} has the value {value}"));
        }
        let count = f64::from(self.hessians[at]).max(0.0);
        tree.leaves.push(Leaf { value: f64::from(value), count, ..Leaf::default() });
        Ok(!(tree.leaves.len() as i32 - 1))
    }

    /// The split of a node, and whether its sides are swapped. Its children are filled in later.
    fn split(&mut self, at: usize, features: usize) -> Checked<(Split, bool)> {
        let feature = self.features[at];
        if !(0..features as i64).contains(&feature) {
            return Err(format!("node {at} splits on feature {feature} of {features}"));
        }
        let (threshold, missing_left) = (self.conditions[at], self.default_left[at] != 0);
        let (hessian, gain) = (self.hessians[at], self.gains[at]);
        if !hessian.is_finite() {
            return Err(format!("node {at} has the sum of hessians {hessian}"));
        }
        let (test, swapped) = match self.sets[at].take() {
            // XGBoost sends the set to the right, and all else to the left.
            Some(bits) => (Test::Set { bits, missing: !missing_left }, true),
            None if threshold.is_nan() || threshold == f32::NEG_INFINITY => {
                return Err(format!("node {at} has the threshold {threshold}"));
            }
            None => {
                // Below the threshold is at most the number before it.
                let threshold = f64::from(threshold.next_down());
                (Test::Number { threshold, missing: Missing::Nan, missing_left }, false)
            }
        };
        // Where no row weighed anything, shares are still defined.
        let count = f64::from(hessian.max(f32::MIN_POSITIVE));
        let gain = if gain.is_nan() { 0.0 } else { gain };
        Ok((Split { feature: feature as u32, test, left: 0, right: 0, gain, count }, swapped))
    }
}
