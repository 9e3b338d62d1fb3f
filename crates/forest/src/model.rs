//! A model from any source: every index points to something, and the nodes of each tree are a tree. Readers of formats make
//! sure of that, so that what follows from here need not check again.

use crate::checked::Checked;
use crate::transform::Transform;

/// Trees deeper than this were not trained by anybody; the memory of some computations grows with the depth.
const DEEPEST: usize = 2_000;

/// Header and trees.
#[derive(Debug)]
pub(crate) struct Model {
    pub feature_names: Vec<String>,
    /// Numbers per row: 1, or as many as there are classes. Tree `t` belongs to output `t % outputs`.
    pub outputs: usize,
    /// Whether a prediction is the mean over the trees (random forest), not their sum.
    pub averages: bool,
    pub objective: Option<String>,
    pub transform: Transform,
    pub reading: Reading,
    /// What the sums of each output begin with.
    pub base: Vec<f64>,
    /// How many trees of each output a round of boosting grew; at least 1.
    pub per_round: usize,
    pub trees: Vec<Tree>,
}

/// How values are seen by the tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As LightGBM does: values within 1e-35 of 0 are 0.
    #[default]
    NearZero,
    /// As they are.
    Double,
    /// Rounded to `f32`, as XGBoost does; so are sums after each tree.
    Single,
}

/// One tree. A child of 0 or more is a split, another the leaf of its complement. Split 0 is the root, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub splits: Vec<Split>,
    pub leaves: Vec<Leaf>,
    /// Whether the leaves hold linear models.
    pub is_linear: bool,
}

#[derive(Debug)]
pub(crate) struct Split {
    pub feature: u32,
    pub test: Test,
    pub left: i32,
    pub right: i32,
    /// Loss that the split saved, as LightGBM holds it.
    pub gain: f32,
    /// Training rows, or their weight; above 0.
    pub count: f64,
}

/// Which rows go left.
#[derive(Debug)]
pub(crate) enum Test {
    /// Values up to the threshold; missing ones where `missing_left` says.
    Number { threshold: f64, missing: Missing, missing_left: bool },
    /// Categories whose bit is set, and missing values if `missing` says so.
    Set { bits: Vec<u32>, missing: bool },
}

/// What counts as missing at a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing: NaN is 0.
    Never,
    /// 0 and NaN.
    Zero,
    Nan,
}

#[derive(Debug, Default)]
pub(crate) struct Leaf {
    pub value: f64,
    /// Training rows, or their weight.
    pub count: f64,
    /// The linear model, if the tree has one. `value` is used where one of its features is NaN.
    pub constant: f64,
    /// Features and their coefficients.
    pub terms: Vec<(u32, f64)>,
}

/// Whether the nodes are one tree: from the root, each is reached once.
pub(crate) fn check_shape(tree: &[Split]) -> Checked<()> {
    let splits = tree.len();
    let (mut seen_splits, mut seen_leaves) = (vec![false; splits], vec![false; splits + 1]);
    let mut open = Vec::new();
    if splits > 0 {
        seen_splits[0] = true;
        open.push((0usize, 1usize));
    }
    let (mut reached, mut leaves) = (open.len(), 0);
    while let Some((split, depth)) = open.pop() {
        if depth > DEEPEST {
            return Err(format!("deeper than {DEEPEST} splits"));
        }
        for child in [tree[split].left, tree[split].right] {
            let (seen, at) = match usize::try_from(child) {
                Ok(at) => (&mut seen_splits, at),
                Err(_) => (&mut seen_leaves, !child as usize),
            };
            match seen.get_mut(at) {
                None => return Err(format!("a child is {child}, but there are {splits} splits")),
                Some(true) => return Err(format!("{child} is the child of two splits")),
                Some(seen) => *seen = true,
            }
            match usize::try_from(child) {
                Ok(at) => {
                    reached += 1;
                    open.push((at, depth + 1));
                }
                Err(_) => leaves += 1,
            }
        }
    }
    match reached == splits && (splits == 0 || leaves == splits + 1) {
        true => Ok(()),
        false => Err(format!("{} of {splits} splits cannot be reached", splits - reached)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(children: &[(i32, i32)]) -> Checked<()> {
        let split = |(left, right): &(i32, i32)| {
            let test = Test::Set { bits: Vec::new(), missing: false };
            Split { feature: 0, test, left: *left, right: *right, gain: 0.0, count: 1.0 }
        };
        check_shape(&children.iter().map(split).collect::<Vec<_>>())
    }

    #[test]
    fn a_ring_of_splits_is_not_a_tree() {
        // The root has two leaves; two more splits are the children of each other.
        assert!(shape(&[(-1, -2), (2, -3), (1, -4)]).unwrap_err().contains("2 of 3 splits cannot be reached"));
        assert!(shape(&[(1, 1), (-1, -2)]).unwrap_err().contains("1 is the child of two splits"));
        assert!(shape(&[(0, -1)]).unwrap_err().contains("0 is the child of two splits"));
        assert!(shape(&[(-1, -1)]).unwrap_err().contains("-1 is the child of two splits"));
        assert!(shape(&[(i32::MIN, -1)]).unwrap_err().contains("there are 1 splits"));
        assert_eq!(shape(&[(-1, -2)]), Ok(()));
        assert_eq!(shape(&[]), Ok(()));
    }

    #[test]
    fn a_chain_may_not_be_deeper_than_any_tree() {
        let chain = |length: usize| -> Vec<(i32, i32)> {
            let next = |at: usize| if at + 1 < length { at as i32 + 1 } else { !(length as i32) };
            (0..length).map(|at| (next(at), !(at as i32))).collect()
        };
        assert_eq!(shape(&chain(DEEPEST)), Ok(()));
        assert_eq!(shape(&chain(DEEPEST + 1)).unwrap_err(), "deeper than 2000 splits");
    }
}
