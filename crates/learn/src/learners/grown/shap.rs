//! What each feature adds to the score of a tree: SHAP values, exact for the tree.

use super::{Grown, Node};

/// A feature on the way from the root: which shares of the training rows go on if it is not known, and if it is.
#[derive(Clone, Copy)]
struct Step {
    /// `None` at the root.
    feature: Option<usize>,
    unknown: f64,
    known: f64,
    /// The weight of all sets of so many features of the path.
    weight: f64,
}

impl Grown {
    /// The score of a row of which no feature is known: the mean over the training rows. `class`: of several classes the one
    /// that is asked about.
    pub fn base(&self, class: usize) -> f64 {
        let leaves = self.nodes.iter().filter(|node| node.split.is_none());
        let (sum, all) =
            leaves.fold((0.0, 0.0), |(sum, all), leaf| (sum + leaf.size() * leaf.value(class), all + leaf.size()));
        sum / all
    }

    /// Adds to `sums`, one per feature, what each contributes to the score of a row (path-dependent TreeSHAP: Lundberg,
    /// Erion and Lee 2018, "Consistent individualized feature attribution for tree ensembles", algorithm 2). With
    /// [`Grown::base`] they add up to the score. Costs leaves × depth².
    pub fn add_contributions(&self, columns: &[Vec<f64>], row: usize, class: usize, sums: &mut [f64]) {
        let walk = Walk { tree: self, columns, row, class };
        walk.visit(0, Vec::new(), Step { feature: None, unknown: 1.0, known: 1.0, weight: 0.0 }, sums);
    }
}

impl Node {
    /// What a leaf says of a class.
    pub(super) fn value(&self, class: usize) -> f64 {
        self.shares.get(class).copied().unwrap_or(self.mean)
    }
}

struct Walk<'a> {
    tree: &'a Grown,
    columns: &'a [Vec<f64>],
    row: usize,
    class: usize,
}

impl Walk<'_> {
    fn visit(&self, at: usize, mut path: Vec<Step>, step: Step, sums: &mut [f64]) {
        extend(&mut path, step);
        let node = &self.tree.nodes[at];
        let Some(split) = &node.split else {
            for place in 1..path.len() {
                let Step { feature, unknown, known, .. } = path[place];
                if let Some(feature) = feature {
                    sums[feature] += unwound_sum(&path, place) * (known - unknown) * node.value(self.class);
                }
            }
            return;
        };
        let goes_left = self.tree.goes_left(split, self.columns, self.row);
        let (hot, cold) = if goes_left { (split.left, split.right) } else { (split.right, split.left) };
        let (mut unknown, mut known) = (1.0, 1.0);
        // A feature that was asked before counts once.
        if let Some(before) = path.iter().position(|step| step.feature == Some(split.feature)) {
            (unknown, known) = (path[before].unknown, path[before].known);
            unwind(&mut path, before);
        }
        let share = |to: usize| self.tree.nodes[to].size() / node.size().max(f64::MIN_POSITIVE);
        let feature = Some(split.feature);
        let step = |to: usize, known: f64| Step { feature, unknown: unknown * share(to), known, weight: 0.0 };
        self.visit(hot, path.clone(), step(hot, known), sums);
        self.visit(cold, path, step(cold, 0.0), sums);
    }
}

/// Lengthens a path by a step: the weights of all sets grow with it.
fn extend(path: &mut Vec<Step>, step: Step) {
    let length = path.len();
    path.push(Step { weight: if length == 0 { 1.0 } else { 0.0 }, ..step });
    let all = (length + 1) as f64;
    for at in (0..length).rev() {
        path[at + 1].weight += step.known * path[at].weight * (at + 1) as f64 / all;
        path[at].weight = step.unknown * path[at].weight * (length - at) as f64 / all;
    }
}

/// Takes a step out of a path again.
fn unwind(path: &mut Vec<Step>, place: usize) {
    let last = path.len() - 1;
    let (all, Step { unknown, known, .. }) = ((last + 1) as f64, path[place]);
    let mut next = path[last].weight;
    for at in (0..last).rev() {
        if known == 0.0 {
            path[at].weight = path[at].weight * all / (unknown * (last - at) as f64);
        } else {
            let before = path[at].weight;
            path[at].weight = next * all / ((at + 1) as f64 * known);
            next = before - path[at].weight * unknown * (last - at) as f64 / all;
        }
    }
    for at in place..last {
        let Step { feature, unknown, known, .. } = path[at + 1];
        path[at] = Step { feature, unknown, known, ..path[at] };
    }
    path.pop();
}

/// The sum of the weights that a path would have without a step.
fn unwound_sum(path: &[Step], place: usize) -> f64 {
    let mut without = path.to_vec();
    unwind(&mut without, place);
    without.iter().map(|step| step.weight).sum()
}

#[cfg(test)]
mod tests {
    use super::super::{Coded, Growth};
    use super::*;
    use crate::random::Random;
    use crate::{Feature, Matrix};

    /// The mean score where only the features of `known` are: by its definition.
    fn expected(tree: &Grown, at: usize, columns: &[Vec<f64>], row: usize, class: usize, known: u32) -> f64 {
        let node = &tree.nodes[at];
        let Some(split) = &node.split else { return node.value(class) };
        let of = |to: usize| expected(tree, to, columns, row, class, known);
        if known & (1 << split.feature) != 0 {
            return of(if tree.goes_left(split, columns, row) { split.left } else { split.right });
        }
        let size = |to: usize| tree.nodes[to].size();
        (size(split.left) * of(split.left) + size(split.right) * of(split.right))
            / (size(split.left) + size(split.right))
    }

    /// Shapley values over all sets of features.
    fn by_hand(tree: &Grown, columns: &[Vec<f64>], row: usize, class: usize) -> Vec<f64> {
        let count = columns.len();
        let factorial = |n: usize| (1..=n).map(|n| n as f64).product::<f64>();
        let of = |known: u32| expected(tree, 0, columns, row, class, known);
        (0..count)
            .map(|feature| {
                let others = (0..1u32 << count).filter(|known| known & (1 << feature) == 0);
                let gain = |known: u32| {
                    let size = known.count_ones() as usize;
                    let weight = factorial(size) * factorial(count - size - 1) / factorial(count);
                    weight * (of(known | (1 << feature)) - of(known))
                };
                others.map(gain).sum()
            })
            .collect()
    }

    #[test]
    fn contributions_are_shapley_values() {
        let mut random = Random::new(6, 1);
        for round in 0..40 {
            let rows = 80;
            let mut columns: Vec<Vec<f64>> = Vec::new();
            for _ in 0..3 {
                let value = |random: &mut Random| if random.below(8) == 0 { f64::NAN } else { random.below(12) as f64 };
                columns.push((0..rows).map(|_| value(&mut random)).collect());
            }
            columns.push((0..rows).map(|_| random.below(4) as f64).collect());
            let classes = [1, 1, 3][round % 3];
            let label: Vec<f64> = (0..rows)
                .map(|row| {
                    let sum = columns[0][row].max(0.0) + columns[1][row].max(0.0) * columns[3][row];
                    if classes == 3 { ((sum / 9.0) as usize + random.below(2)).min(2) as f64 } else { sum }
                })
                .collect();
            let mut features: Vec<Feature> = ["a", "b", "c"].map(Feature::numeric).into();
            features.push(Feature::categorical("d", ["p", "q", "r", "s"]));
            let matrix = Matrix::from_columns(features, columns.clone()).unwrap();
            let weights: Vec<f64> = (0..rows).map(|row| 1.0 + (row % 3) as f64).collect();
            let matrix = if round % 2 == 0 { matrix } else { matrix.with_weights(&weights).unwrap() };
            let coded = Coded::new(&matrix, &label, classes);
            let all: Vec<usize> = (0..rows).collect();
            let tree = Grown::grow(&coded, &all, &[0, 1, 2, 3], Growth { depth: 5, min_leaf_rows: 2 }).unwrap();
            for row in (0..rows).step_by(9) {
                for class in 0..classes {
                    let mut found = vec![0.0; 4];
                    tree.add_contributions(&columns, row, class, &mut found);
                    for (ours, theirs) in found.iter().zip(by_hand(&tree, &columns, row, class)) {
                        assert!((ours - theirs).abs() < 1e-9, "round {round}, row {row}: {ours} instead of {theirs}");
                    }
                    let mut scores = vec![0.0; rows * classes];
                    tree.add_means(&columns, &mut scores);
                    let score = scores[row * classes + class];
                    assert!((tree.base(class) + found.iter().sum::<f64>() - score).abs() < 1e-9, "they add up");
                }
            }
        }
    }
}
