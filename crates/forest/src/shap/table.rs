//! The numbers that steps look up, for each outcome of their splits.

use crate::model::Tree;

/// What a part of the table is computed from.
pub(crate) enum Job {
    /// A split, and the share of rows that the path has kept so far by earlier splits on its feature.
    Split { split: usize, prior_zero: Option<f64> },
    /// A subtree: its splits and features, and those of them that earlier splits looked at, with the share they kept.
    Twig { root: i32, splits: Vec<usize>, features: Vec<u32>, outside: Vec<(u32, f64)> },
}

/// How a path treats a feature: whether the row keeps to it, and the share of training rows that do.
#[derive(Clone, Copy)]
struct Kept {
    one: bool,
    zero: f64,
}

const UNTOUCHED: Kept = Kept { one: true, zero: 1.0 };

impl Kept {
    /// After a split, on the side that `takes` the row and the share `share` of its rows.
    fn after(self, takes: bool, share: f64) -> Kept {
        Kept { one: self.one && takes, zero: self.zero * share }
    }

    /// What the feature multiplies the game by, if each feature is known with chance `time`.
    fn factor(self, time: f64) -> f64 {
        (1.0 - time) * self.zero + if self.one { time } else { 0.0 }
    }

    /// The feature's own difference, divided by its factor: `(one - zero) / factor`.
    fn weight(self, time: f64) -> f64 {
        match self.one {
            true => (1.0 - self.zero) / self.factor(time),
            // Also in the limit where no training row came here.
            false => -1.0 / (1.0 - time),
        }
    }

    /// The factor of `self`, divided by that of `before`.
    fn ratio(self, before: Kept, share: f64, time: f64) -> f64 {
        match before.one {
            true => self.factor(time) / before.factor(time),
            false => share,
        }
    }
}

/// The share of a split's training rows that went to a child.
pub(crate) fn share(tree: &Tree, at: usize, child: i32) -> f64 {
    let count = match usize::try_from(child) {
        Ok(split) => tree.splits[split].count,
        Err(_) => tree.leaves[!child as usize].count,
    };
    count / tree.splits[at].count
}

/// Factors to the left and right, and what sums from there count for the feature.
fn split_entry<const M: usize>(tree: &Tree, at: usize, before: Kept, left: bool, times: &[f64; M]) -> [[f64; M]; 4] {
    let split = &tree.splits[at];
    let shares = [share(tree, at, split.left), share(tree, at, split.right)];
    let after = [before.after(left, shares[0]), before.after(!left, shares[1])];
    let ratio = |side: usize| times.map(|time| after[side].ratio(before, shares[side], time));
    // Below, the feature's new difference takes the place of the earlier one.
    let weight = |side: usize| times.map(|time| after[side].weight(time) - before.weight(time));
    [ratio(0), ratio(1), weight(0), weight(1)]
}

impl Job {
    /// Adds the entries of all outcomes.
    pub fn fill<const M: usize>(&self, tree: &Tree, times: &[f64; M], table: &mut Vec<[f64; M]>) {
        match self {
            Job::Split { split, prior_zero } => {
                for outcome in 0..2 << u32::from(prior_zero.is_some()) {
                    let kept = |zero| Kept { one: outcome & 2 != 0, zero };
                    let before = prior_zero.map_or(UNTOUCHED, kept);
                    table.extend(split_entry(tree, *split, before, outcome & 1 != 0, times));
                }
            }
            Job::Twig { root, splits, features, outside } => {
                for outcome in 0..1usize << (splits.len() + outside.len()) {
                    let mut twig =
                        Twig { tree, splits, features, outcome, times, kept: Vec::new(), of_features: Vec::new() };
                    twig.of_features = vec![[0.0; M]; features.len()];
                    for (bit, (feature, zero)) in outside.iter().enumerate() {
                        twig.kept.push((*feature, Kept { one: outcome >> (splits.len() + bit) & 1 == 1, zero: *zero }));
                    }
                    let sum = twig.child(*root, [1.0; M]);
                    table.push(sum);
                    table.append(&mut twig.of_features);
                }
            }
        }
    }
}

/// One outcome of a twig.
struct Twig<'a, const M: usize> {
    tree: &'a Tree,
    splits: &'a [usize],
    features: &'a [u32],
    outcome: usize,
    times: &'a [f64; M],
    kept: Vec<(u32, Kept)>,
    of_features: Vec<[f64; M]>,
}

impl<const M: usize> Twig<'_, M> {
    /// The sum of the leaves under `child`, each times its factors.
    fn child(&mut self, child: i32, product: [f64; M]) -> [f64; M] {
        let Ok(at) = usize::try_from(child) else {
            let value = self.tree.leaves[!child as usize].value;
            return product.map(|product| product * value);
        };
        let split = &self.tree.splits[at];
        let before =
            self.kept.iter().rev().find(|(feature, _)| *feature == split.feature).map_or(UNTOUCHED, |kept| kept.1);
        let bit = self.splits.iter().position(|known| *known == at).unwrap_or_default();
        let left = self.outcome >> bit & 1 == 1;
        let entry = split_entry(self.tree, at, before, left, self.times);
        let place = self.features.iter().position(|known| *known == split.feature).unwrap_or_default();
        let mut sum = [0.0; M];
        for (side, child) in [split.left, split.right].into_iter().enumerate() {
            let after = before.after(left == (side == 0), share(self.tree, at, child));
            self.kept.push((split.feature, after));
            let below = self.child(child, std::array::from_fn(|k| product[k] * entry[side][k]));
            self.kept.pop();
            for k in 0..M {
                sum[k] += below[k];
                self.of_features[place][k] += entry[2 + side][k] * below[k];
            }
        }
        sum
    }
}
