use super::coded::{MAX_CUTS, edges};
use super::{Coded, Growth, LEAN};
use crate::random::Random;
use crate::{Feature, Matrix};
use score::models::grown::{Grown, Node, Split};

const ROWS: usize = 240;

fn table() -> (Matrix, Vec<f64>) {
    let x0: Vec<f64> = (0..ROWS).map(|i| ((i * 37) % 101) as f64 / 8.0).collect();
    let x1: Vec<f64> = (0..ROWS).map(|i| ((i * 53) % 97) as f64).collect();
    let label = (0..ROWS)
        .map(|i| {
            let category = if i % 5 == 1 || i % 5 == 3 { 4.0 } else { 0.0 };
            let gap = if i % 11 == 0 { 3.0 } else { 0.0 };
            f64::from(u8::from(x0[i] + category + ((i * 29) % 17) as f64 / 4.0 + gap > 10.0))
        })
        .collect();
    (Matrix::from_columns(["x0", "x1"].map(Feature::numeric).into(), vec![x0, x1]).unwrap(), label)
}

fn grow(matrix: &Matrix, label: &[f64], depth: usize, min_leaf_rows: usize) -> Grown {
    grow_classes(matrix, label, 1, depth, min_leaf_rows)
}

fn grow_classes(matrix: &Matrix, label: &[f64], classes: usize, depth: usize, min_leaf_rows: usize) -> Grown {
    let rows: Vec<usize> = (0..label.len()).collect();
    let features: Vec<usize> = (0..matrix.features().len()).collect();
    super::grow(&Coded::new(matrix, label, classes), &rows, &features, Growth { depth, min_leaf_rows })
}

fn shares(tree: &Grown, matrix: &Matrix) -> Vec<f64> {
    score::models::Averaged::Tree
        .model(vec![tree.clone()], matrix.features().to_vec())
        .unwrap()
        .predict(matrix)
        .unwrap()
}

/// The leaf of a row, by the words on [`Split`].
pub(super) fn leaf<'a>(tree: &'a Grown, columns: &[Vec<f64>], row: usize) -> &'a Node {
    let mut node = &tree.nodes[0];
    while let Some(split) = &node.split {
        node = &tree.nodes[if goes_left(tree, split, columns, row) { split.left } else { split.right }];
    }
    node
}

pub(super) fn goes_left(tree: &Grown, split: &Split, columns: &[Vec<f64>], row: usize) -> bool {
    let (value, ranks) = (columns[split.feature][row], &tree.ranks[split.feature]);
    if value.is_nan() {
        return true;
    }
    if ranks.is_empty() {
        return value <= split.threshold;
    }
    let categories = ranks.len() / tree.classes();
    let rank = ranks[split.view * categories..][..categories].get(value as usize);
    rank.is_none_or(|rank| f64::from(*rank) <= split.threshold)
}

#[test]
fn works_like_sklearn() {
    let (matrix, label) = table();
    let tree = grow(&matrix, &label, 3, 10);
    // scikit-learn: DecisionTreeClassifier(max_depth=3, min_samples_leaf=10).fit(X, y).tree_, in the same order:
    // n_node_samples, and value (the share of class 1).
    let rows = [240, 136, 58, 12, 46, 78, 10, 68, 104, 43, 29, 14, 61];
    let share = [
        0.51666667, 0.23529412, 0.03448276, 0.16666667, 0.0, 0.38461538, 0.7, 0.33823529, 0.88461538, 0.72093023,
        0.79310345, 0.57142857, 1.0,
    ];
    assert_eq!(tree.nodes.iter().map(|node| node.rows).collect::<Vec<_>>(), rows);
    for (node, share) in tree.nodes.iter().zip(share) {
        let leaning = (share * node.rows as f64 + LEAN * share_of(&label)) / (node.rows as f64 + LEAN);
        assert!((node.mean - leaning).abs() < 1e-7, "{} {leaning}", node.mean);
    }
    let splits: Vec<_> = tree.nodes.iter().filter_map(|node| node.split.as_ref()).collect();
    let thresholds: Vec<(usize, f64)> = splits.iter().map(|split| (split.feature, split.threshold)).collect();
    assert_eq!(thresholds, [(0, 7.0625), (0, 2.9375), (1, 6.5), (1, 16.5), (0, 9.3125), (1, 63.5)]);
    // feature_importances_
    let mut weights = vec![0.0; 2];
    tree.add_importance(&mut weights);
    let sum: f64 = weights.iter().sum();
    assert!((weights[0] / sum - 0.94293797).abs() < 1e-6, "{weights:?}");
}

fn share_of(label: &[f64]) -> f64 {
    label.iter().sum::<f64>() / label.len() as f64
}

#[test]
fn the_share_of_a_row_is_that_of_its_training_leaf() {
    let (matrix, label) = table();
    let tree = grow(&matrix, &label, 5, 5);
    let shares = shares(&tree, &matrix);
    for (node, name) in tree.nodes.iter().filter(|node| node.split.is_none()).zip(0..) {
        let alike = shares.iter().filter(|share| **share == node.mean).count();
        assert!(alike >= node.rows, "leaf {name}: {alike} rows, learned from {}", node.rows);
    }
    let sum: usize = tree.nodes.iter().filter(|node| node.split.is_none()).map(|node| node.rows).sum();
    assert_eq!(sum, ROWS);
}

#[test]
fn a_rare_class_keeps_its_leaves() {
    // Of 200 rows 1 in 10 is of class 1 where x < 100 and none above: linfa's own pruning leaves a single leaf.
    let x: Vec<f64> = (0..200).map(f64::from).collect();
    let label: Vec<f64> = (0..200).map(|i| f64::from(u8::from(i < 100 && i % 10 == 0))).collect();
    let matrix = Matrix::from_columns(vec![Feature::numeric("x")], vec![x]).unwrap();
    let tree = grow(&matrix, &label, 1, 20);
    assert_eq!(tree.leaves(), 2);
    let shares = shares(&tree, &matrix);
    assert!(shares[0] > 0.09 && shares[199] < 0.01, "{} {}", shares[0], shares[199]);
}

#[test]
fn ties_do_not_make_two_trees() {
    // Every leaf of two rows has one of each class.
    let x: Vec<f64> = (0..64).map(|i| f64::from(i / 2)).collect();
    let y: Vec<f64> = (0..64).map(|i| f64::from(i * 7 % 64)).collect();
    let label: Vec<f64> = (0..64).map(|i| f64::from(i % 2)).collect();
    let matrix = Matrix::from_columns(["x", "y"].map(Feature::numeric).into(), vec![x, y]).unwrap();
    let first = grow(&matrix, &label, 8, 1);
    for _ in 0..20 {
        assert_eq!(grow(&matrix, &label, 8, 1), first);
    }
}

#[test]
fn tiny_differences_and_gaps_are_split() {
    // Differences of 10⁻⁹ are below linfa's 10⁻⁵; the gaps are a class of their own.
    let x: Vec<f64> = (0..90).map(|i| if i % 3 == 2 { f64::NAN } else { 1.0 + f64::from(i % 3) * 1e-9 }).collect();
    let label: Vec<f64> = (0..90).map(|i| f64::from(u8::from(i % 3 == 1))).collect();
    let matrix = Matrix::from_columns(vec![Feature::numeric("x")], vec![x]).unwrap();
    let shares = shares(&grow(&matrix, &label, 3, 5), &matrix);
    assert!(shares[0] < 0.1 && shares[1] > 0.9 && shares[2] < 0.1, "{:?}", &shares[..3]);
}

#[test]
fn categories_are_split_by_their_share_and_unknown_ones_are_missing() {
    let codes: Vec<f64> = (0..100).map(|i| f64::from(i % 4)).collect();
    let label: Vec<f64> = (0..100).map(|i| f64::from(u8::from(i % 4 == 0 || i % 4 == 3))).collect();
    let feature = Feature::categorical("c", ["a", "b", "c", "d", "e"]);
    let matrix = Matrix::from_columns(vec![feature.clone()], vec![codes]).unwrap();
    let tree = grow(&matrix, &label, 1, 5);
    let asked = Matrix::from_columns(vec![feature], vec![vec![0.0, 1.0, 2.0, 3.0, f64::NAN]]).unwrap();
    let shares = shares(&tree, &asked);
    assert!(shares[0] > 0.9 && shares[3] > 0.9 && shares[1] < 0.1 && shares[2] < 0.1, "{shares:?}");
    assert_eq!(shares[4], shares[1], "missing goes with the lowest");
}

#[test]
fn of_many_values_some_are_cuts() {
    let x: Vec<f64> = (0..10_000).map(f64::from).collect();
    let cuts = edges(&x);
    assert!(cuts.len() <= MAX_CUTS && cuts.len() > MAX_CUTS / 2, "{}", cuts.len());
    assert!(cuts.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(edges(&[f64::NAN, 3.0, 1.0, 3.0]), [2.0]);
    assert_eq!(edges(&[1.0, 1.0 + f64::EPSILON]), [1.0]);
}

#[test]
fn a_damaged_tree_is_not_walked() {
    let (matrix, label) = table();
    let tree = grow(&matrix, &label, 3, 10);
    let refused = |tree: Grown, features: &[Feature]| {
        score::models::Averaged::Tree.model(vec![tree], features.to_vec()).err().expect("a damaged tree").to_string()
    };
    assert_eq!(refused(tree.clone(), &matrix.features()[..1]), "a node of a tree has no feature");
    let with = |change: fn(&mut Grown)| {
        let mut tree = tree.clone();
        change(&mut tree);
        refused(tree, matrix.features())
    };
    let split = |tree: &mut Grown, to: usize| {
        if let Some(split) = &mut tree.nodes[1].split {
            split.left = to;
        }
    };
    // A step back would never end.
    let mut back = tree.clone();
    split(&mut back, 0);
    assert_eq!(refused(back, matrix.features()), "tree 0: 0 is the child of two splits");
    let mut beyond = tree.clone();
    split(&mut beyond, 99);
    assert_eq!(refused(beyond, matrix.features()), "tree 0: a child is node 99 of 13");
    assert_eq!(with(|tree| tree.nodes.clear()), "there is no tree");
    assert_eq!(with(|tree| tree.ranks[0] = vec![1, 2]), "a node of a tree has other categories than its feature");
    assert_eq!(with(|tree| tree.nodes[3].shares = vec![0.5, 0.5]), "the trees know different classes");
}

#[test]
fn a_regression_finds_the_steps_of_its_label() {
    let x: Vec<f64> = (0..300).map(|i| f64::from(i * 7 % 300)).collect();
    let codes: Vec<f64> = (0..300).map(|i| f64::from(i % 3)).collect();
    // Category 1 is dear, 0 and 2 are not; above 150 all are.
    let label: Vec<f64> = (0..300)
        .map(|i| 10.0 + 40.0 * f64::from(u8::from(codes[i] == 1.0)) + 100.0 * f64::from(u8::from(x[i] > 150.0)))
        .collect();
    let features = vec![Feature::numeric("x"), Feature::categorical("c", ["a", "b", "c"])];
    let matrix = Matrix::from_columns(features, vec![x.clone(), codes]).unwrap();
    let tree = grow(&matrix, &label, 4, 5);
    assert_eq!((tree.leaves(), tree.nodes[0].split.as_ref().unwrap().threshold), (4, 150.5));
    for (mean, label) in shares(&tree, &matrix).iter().zip(&label) {
        // Leaves lean to the mean of all rows by two rows.
        assert!((mean - label).abs() < 5.0, "{mean} {label}");
    }
    // A constant label has nothing to ask, also where its mean is rounded to another number.
    assert_eq!(grow(&matrix, &[0.1; 300], 4, 5).leaves(), 1);
}

#[test]
fn trees_of_earlier_versions_are_read() {
    let text = r#"{"nodes":[{"rows":4,"share":"0.25"}],"ranks":[[]]}"#;
    let tree: Grown = serde_json::from_str(text).unwrap();
    assert_eq!(tree.nodes[0].mean, 0.25);
}

/// Random rows of numbers and categories, with a class that depends on both.
fn random_rows(random: &mut Random, classes: usize) -> (Matrix, Vec<f64>) {
    let rows = 60 + random.below(200);
    let x: Vec<f64> = (0..rows).map(|_| random.below(40) as f64).collect();
    let c: Vec<f64> = (0..rows).map(|_| if random.below(9) == 0 { f64::NAN } else { random.below(5) as f64 }).collect();
    let mut label: Vec<f64> = (0..rows)
        .map(|row| {
            let score = x[row] / 40.0 * classes as f64 + if c[row] == 1.0 || c[row] == 4.0 { 1.0 } else { 0.0 };
            ((score as usize + random.below(2)) % classes) as f64
        })
        .collect();
    // Every class has a row.
    (0..classes).for_each(|class| label[class] = class as f64);
    let features = vec![Feature::numeric("x"), Feature::categorical("c", ["a", "b", "c", "d", "e"])];
    (Matrix::from_columns(features, vec![x, c]).unwrap(), label)
}

#[test]
fn two_numbered_classes_are_those_of_0_and_1() {
    let mut random = Random::new(2, 5);
    for _ in 0..30 {
        let (matrix, label) = random_rows(&mut random, 2);
        let plain = shares(&grow(&matrix, &label, 4, 3), &matrix);
        let tree = grow_classes(&matrix, &label, 2, 4, 3);
        assert_eq!(tree.classes(), 2);
        for (pair, share) in shares(&tree, &matrix).chunks(2).zip(&plain) {
            assert!((pair[1] - share).abs() < 1e-12 && (pair[0] + pair[1] - 1.0).abs() < 1e-12, "{pair:?} {share}");
        }
    }
}

/// The Gini decrease of parting the rows whose `codes` are at most `code`, by its definition.
fn decrease_by_hand(codes: &[f64], label: &[f64], classes: usize, code: f64) -> f64 {
    let impurity = |wanted: &dyn Fn(f64) -> bool| {
        let rows: Vec<usize> = (0..label.len()).filter(|row| wanted(codes[*row])).collect();
        let share =
            |class: usize| rows.iter().filter(|row| label[**row] == class as f64).count() as f64 / rows.len() as f64;
        let squares: f64 = (0..classes).map(|class| share(class).powi(2)).sum();
        if rows.is_empty() { 0.0 } else { (1.0 - squares) * rows.len() as f64 / label.len() as f64 }
    };
    impurity(&|_| true) - impurity(&|value| value <= code) - impurity(&|value| value > code)
}

#[test]
fn of_several_classes_a_split_is_nearly_the_purest_that_there_is() {
    let mut random = Random::new(4, 1);
    let mut as_good = 0;
    for round in 0..60 {
        let classes = 3 + random.below(3);
        let (matrix, label) = random_rows(&mut random, classes);
        let x = matrix.column(0);
        let only_x = Matrix::from_columns(vec![Feature::numeric("x")], vec![x.clone()]).unwrap();
        let tree = grow_classes(&only_x, &label, classes, 1, 1);
        let Some(split) = &tree.nodes[0].split else { panic!("round {round}: no split") };
        let ours = decrease_by_hand(&x, &label, classes, split.threshold);
        assert!((split.decrease - ours).abs() < 1e-9, "round {round}: {} said, {ours} by hand", split.decrease);
        let best = x.iter().map(|code| decrease_by_hand(&x, &label, classes, *code)).fold(0.0, f64::max);
        assert!(ours > 0.5 * best, "round {round}: {ours} of {best}");
        as_good += u32::from(ours > 0.999 * best);
    }
    assert!(as_good >= 30, "{as_good} of 60 are the purest");
}

#[test]
fn the_shares_of_several_classes_are_those_of_the_leaf() {
    let mut random = Random::new(7, 1);
    for _ in 0..20 {
        let (matrix, label) = random_rows(&mut random, 4);
        let tree = grow_classes(&matrix, &label, 4, 3, 5);
        let shares = shares(&tree, &matrix);
        assert!(tree.leaves() > 2);
        let columns: Vec<Vec<f64>> = (0..2).map(|at| matrix.column(at)).collect();
        let leaves: Vec<*const Node> =
            (0..label.len()).map(|row| std::ptr::from_ref(leaf(&tree, &columns, row))).collect();
        for (row, found) in shares.chunks(4).enumerate() {
            let alike: Vec<usize> = (0..label.len()).filter(|at| leaves[*at] == leaves[row]).collect();
            for (class, share) in found.iter().enumerate() {
                let of = |rows: &[usize]| rows.iter().filter(|at| label[**at] == class as f64).count() as f64;
                let all: Vec<usize> = (0..label.len()).collect();
                let prior = of(&all) / label.len() as f64;
                let expected = (of(&alike) + LEAN * prior) / (alike.len() as f64 + LEAN);
                assert!((share - expected).abs() < 1e-9, "{share} instead of {expected}");
            }
        }
        let text = serde_json::to_string(&tree).unwrap();
        let back: Grown = serde_json::from_str(&text).unwrap();
        assert_eq!(back, tree);
        let mut odd = tree.clone();
        odd.nodes[1].shares.pop();
        let error = score::models::Averaged::Tree.model(vec![odd], matrix.features().to_vec()).err().unwrap();
        assert_eq!(error.to_string(), "the trees know different classes");
    }
}

#[test]
fn weights_of_several_classes_are_rows() {
    let mut random = Random::new(8, 1);
    let (matrix, label) = random_rows(&mut random, 3);
    let times: Vec<usize> = (0..label.len()).map(|row| row % 3 + 1).collect();
    let repeated: Vec<usize> = (0..label.len()).flat_map(|row| vec![row; times[row]]).collect();
    let weights: Vec<f64> = times.iter().map(|times| *times as f64).collect();
    let weighed = matrix.clone().with_weights(&weights).unwrap();
    // Only ratios count for a matrix, so leaves lean a little less to the mean of all.
    let again: Vec<f64> = repeated.iter().map(|row| label[*row]).collect();
    let one = shares(&grow_classes(&weighed, &label, 3, 1, 1), &matrix);
    let other = shares(&grow_classes(&matrix.take(&repeated), &again, 3, 1, 1), &matrix);
    assert!(one.iter().zip(&other).all(|(one, other)| (one - other).abs() < 0.02));
}
