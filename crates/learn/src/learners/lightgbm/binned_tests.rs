//! Fits on the same rows share their bins, and none is other than it would be alone.

use super::super::boosting_tests::saved;
use super::tests::spec;
use super::*;
use crate::lightgbm::{Dataset, MADE};
use crate::random::Random;
use crate::{Learner, Model};
use score::Matrix;

const ROWS: usize = 900;
const ROUNDS: usize = 25;

/// Numbers with gaps, a category, and a flag that only 45 rows have.
struct Rows {
    features: Vec<Feature>,
    columns: Vec<Vec<f64>>,
    label: Vec<f64>,
    weights: Vec<f64>,
}

fn rows(seed: u64) -> Rows {
    let mut random = Random::new(seed, 3);
    let mut columns: [Vec<f64>; 4] = Default::default();
    let (mut label, mut weights) = (Vec::new(), Vec::new());
    for row in 0..ROWS {
        let (x, y) = (random.below(1000) as f64 / 100.0, random.below(300) as f64 - 100.0);
        let (flag, category) = (f64::from(u8::from(row % 20 == 7)), random.below(6) as f64);
        let noise = random.below(1000) as f64 / 250.0;
        columns[0].push(x);
        columns[1].push(if random.below(5) == 0 { f64::NAN } else { y });
        columns[2].push(flag);
        columns[3].push(category);
        label.push(f64::from(u8::from(x + y / 50.0 + 3.0 * flag + category % 2.0 + noise > 8.0)));
        weights.push(1.0 + random.below(3) as f64);
    }
    let features = vec![
        Feature::numeric("x"),
        Feature::numeric("y"),
        Feature::numeric("flag"),
        Feature::categorical("category", ["a", "b", "c", "d", "e", "f"]),
    ];
    Rows { features, columns: columns.to_vec(), label, weights }
}

impl Rows {
    /// A matrix that no model has learned from.
    fn matrix(&self, weighted: bool) -> Matrix {
        let matrix = Matrix::from_columns(self.features.clone(), self.columns.clone()).unwrap();
        if weighted { matrix.with_weights(&self.weights).unwrap() } else { matrix }
    }

    /// Two labels for the same rows: classes, and numbers.
    fn label(&self, task: Task) -> Vec<f64> {
        match task {
            Task::Regression => {
                self.label.iter().zip(&self.columns[0]).map(|(class, x)| class * 3.0 + x + 0.5).collect()
            }
            _ => self.label.clone(),
        }
    }
}

/// The model's file and its notes.
fn written(model: &dyn Model) -> (Vec<u8>, serde_json::Value) {
    (saved(model), model.notes())
}

/// The model's text, with data sets of its own that were given every parameter.
fn alone(learner: &Lightgbm, task: Task, (train, valid): (&Matrix, &Matrix), labels: (&[f64], &[f64])) -> Vec<u8> {
    let parameters = learner.parameters(task, 2, train.features(), 7).unwrap();
    // The number of threads is one for the whole process.
    let all = parameters.without("num_threads");
    let data = Dataset::with(train, labels.0, train.weights(), &all, None).unwrap();
    let check = Dataset::with(valid, labels.1, valid.weights(), &all, Some(&data)).unwrap();
    let stop = Stop { valid: &check, patience: learner.early_stopping };
    let stop = (learner.early_stopping > 0).then_some(&stop);
    crate::lightgbm::train(&data, stop, &parameters, learner.trees).unwrap().model
}

const SETTINGS: &[&str] = &[
    "{trees: 12}",
    "{trees: 20, early_stopping: 0, leaves: 7, learning_rate: 0.2}",
    "{trees: 12, min_leaf_rows: 5}",
    "{trees: 12, min_leaf_rows: 44}",
    "{trees: 12, min_leaf_rows: 60}",
    "{trees: 12, min_leaf_rows: 200}",
    "{trees: 12, feature_share: 0.5, row_share: 0.6}",
    "{trees: 12, depth: 3, l2: 3, parameters: {lambda_l1: 0.5, extra_trees: true}}",
    "{trees: 12, increasing: [x], interactions: [[x, y], [flag]]}",
    "{trees: 12, parameters: {max_bin: 15}}",
    "{trees: 12, parameters: {min_data_in_bin: 30}}",
    "{trees: 12, parameters: {bin_construct_sample_cnt: 200}}",
    "{trees: 12, parameters: {use_missing: false}}",
    "{trees: 12, parameters: {zero_as_missing: true}}",
    "{trees: 12, parameters: {cat_smooth: 1, min_data_per_group: 5, max_cat_to_onehot: 2}}",
    "{trees: 12, parameters: {boosting: dart, drop_rate: 0.4}}",
    "{trees: 12, parameters: {data_sample_strategy: goss}}",
    "{trees: 12, row_share: 0.5, parameters: {boosting: rf}}",
];

#[test]
fn what_was_learned_before_on_the_same_rows_changes_nothing() {
    let (train, valid) = (rows(1), rows(2));
    let mut random = Random::new(5, 5);
    for weighted in [false, true] {
        let shared = (train.matrix(weighted), valid.matrix(weighted));
        let begun = MADE.get();
        for round in 0..ROUNDS {
            let yaml = SETTINGS[random.below(SETTINGS.len())];
            let task = [Task::Classification, Task::Regression][random.below(2)];
            let another = random.below(8);
            let (of_train, of_valid) = (train.label(task), valid.label(task));
            let fit = |matrices: &(Matrix, Matrix)| {
                let data = Data { features: &matrices.0, label: &of_train };
                spec(yaml).fit(task, data, Data { features: &matrices.1, label: &of_valid }, 7).unwrap()
            };
            let own = (train.matrix(weighted), valid.matrix(weighted));
            let found = written(&*fit(&shared));
            assert_eq!(found, written(&*fit(&own)), "round {round}: {yaml}");
            let text = alone(&spec(yaml), task, (&own.0, &own.1), (&of_train, &of_valid));
            assert!(found.0 == text, "round {round}: {yaml}: other than with every parameter given to the data set");
            // Another validation part in between.
            if another == 0 {
                let other = rows(3).matrix(weighted);
                let data = Data { features: &shared.0, label: &of_train };
                spec(yaml).fit(task, data, Data { features: &other, label: &of_valid }, 7).unwrap();
            }
        }
        assert!(MADE.get() - begun < 2 * 3 * ROUNDS, "nothing was shared");
    }
}

#[test]
fn bins_are_made_once_for_parameters_that_agree() {
    let (train, valid) = (rows(1), rows(2));
    let (matrix, check) = (train.matrix(false), valid.matrix(false));
    let made = |yaml: &str, task: Task| {
        let before = MADE.get();
        let (of_train, of_valid) = (train.label(task), valid.label(task));
        let data = Data { features: &matrix, label: &of_train };
        spec(yaml).fit(task, data, Data { features: &check, label: &of_valid }, 7).unwrap();
        MADE.get() - before
    };
    let classes = Task::Classification;
    assert_eq!(made("{trees: 5}", classes), 2, "the rows that teach, and those that validate");
    for (yaml, task) in [
        ("{trees: 9, leaves: 5, learning_rate: 0.3, l2: 1}", classes),
        ("{trees: 5, objective: {quantile: 0.1}}", Task::Regression),
        ("{trees: 5, objective: {quantile: 0.9}}", Task::Regression),
        ("{trees: 5, early_stopping: 0}", classes),
        ("{trees: 5, row_share: 0.5, feature_share: 0.5, parameters: {boosting: rf}}", classes),
    ] {
        assert_eq!(made(yaml, task), 0, "{yaml}");
    }
    // The same features can be split with leaves of 20 rows and of 40, so with those between.
    assert_eq!(made("{trees: 5, min_leaf_rows: 40}", classes), 2);
    assert_eq!(made("{trees: 5, min_leaf_rows: 31}", classes), 0);
    assert_eq!(made("{trees: 5, min_leaf_rows: 20}", classes), 0);
    // Not the flag, with leaves of 50.
    assert_eq!(made("{trees: 5, min_leaf_rows: 50}", classes), 2);
    assert_eq!(made("{trees: 5, min_leaf_rows: 30}", classes), 2);
    assert_eq!(made("{trees: 5, parameters: {max_bin: 31}}", classes), 2);
    assert_eq!(made("{trees: 5, parameters: {max_bin: 31, lambda_l1: 1}}", classes), 0);
    // A clone is the same rows, a copy is not.
    let before = MADE.get();
    let fit = |matrix: &Matrix| {
        let data = Data { features: matrix, label: &train.label };
        spec("{trees: 5, parameters: {max_bin: 31}}").fit(
            classes,
            data,
            Data { features: &check, label: &valid.label },
            7,
        )
    };
    fit(&matrix.clone()).unwrap();
    assert_eq!(MADE.get() - before, 0);
    fit(&matrix.take(&(0..ROWS).collect::<Vec<usize>>())).unwrap();
    assert_eq!(MADE.get() - before, 2);
}
