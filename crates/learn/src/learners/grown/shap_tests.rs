//! What each feature adds to the score of a tree, beside the definition: no code of the crate `forest` checks itself.

use score::Model;
use score::metrics::largest;
use score::models::Averaged;

use super::tests::{goes_left, leaf};
use super::*;
use crate::random::Random;
use crate::{Feature, Matrix};

/// The mean score where only the features of `known` are: by its definition.
fn expected(tree: &Grown, at: usize, columns: &[Vec<f64>], row: usize, class: usize, known: u32) -> f64 {
    let node = &tree.nodes[at];
    let Some(split) = &node.split else { return node.value(class) };
    let of = |to: usize| expected(tree, to, columns, row, class, known);
    if known & (1 << split.feature) != 0 {
        return of(if goes_left(tree, split, columns, row) { split.left } else { split.right });
    }
    let size = |to: usize| tree.nodes[to].size();
    (size(split.left) * of(split.left) + size(split.right) * of(split.right)) / (size(split.left) + size(split.right))
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
        let growth = Growth { depth: 5, min_leaf_rows: 2 };
        let mut half: Vec<usize> = all.clone();
        random.shuffle(&mut half);
        half.truncate(rows / 2);
        let trees = [grow(&coded, &all, &[0, 1, 2, 3], growth), grow(&coded, &half, &[0, 2, 3], growth)];
        let features = matrix.features().to_vec();
        explained(
            &*Averaged::Tree.model(trees[..1].to_vec(), features.clone()).unwrap(),
            &trees[..1],
            &columns,
            &matrix,
        );
        explained(&*Averaged::Forest.model(trees.to_vec(), features).unwrap(), &trees, &columns, &matrix);
    }
}

/// The model's scores are the mean of the trees' leaves, and its contributions that of their Shapley values.
fn explained(model: &dyn Model, trees: &[Grown], columns: &[Vec<f64>], matrix: &Matrix) {
    let (rows, classes, features) = (matrix.rows(), trees[0].classes(), columns.len());
    let scores = model.predict(matrix).unwrap();
    let found = model.contributions(matrix).unwrap().unwrap();
    let strongest = model.strongest(matrix, 2).unwrap().unwrap();
    for row in (0..rows).step_by(9) {
        let scores = &scores[row * classes..(row + 1) * classes];
        for (class, score) in scores.iter().enumerate() {
            let sum =
                trees.iter().map(|tree| leaf(tree, columns, row).value(class)).fold(0.0, |sum, value| sum + value);
            assert_eq!(*score, sum / trees.len() as f64);
        }
        let class = largest(scores);
        let mut wanted = vec![0.0; features];
        for tree in trees {
            let of_tree = by_hand(tree, columns, row, class);
            wanted.iter_mut().zip(of_tree).for_each(|(sum, value)| *sum += value / trees.len() as f64);
        }
        for (ours, theirs) in found.row(row).iter().zip(&wanted) {
            assert!((ours - theirs).abs() < 1e-12, "row {row}: {ours} instead of {theirs}");
        }
        if classes == 1 {
            assert!((found.base + wanted.iter().sum::<f64>() - scores[0]).abs() < 1e-12, "they add up");
        }
        let mut sizes: Vec<f64> = wanted.iter().map(|value| value.abs()).filter(|size| *size > 1e-12).collect();
        sizes.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(strongest[row].len(), sizes.len().min(2));
        for (reason, size) in strongest[row].iter().zip(sizes) {
            assert!((reason.contribution.abs() - size).abs() < 1e-12);
            assert!((reason.contribution - wanted[reason.feature]).abs() < 1e-12);
        }
    }
}
