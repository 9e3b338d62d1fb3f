//! Constraints: predictions that go one way only, and features that do not meet.

use spec::Result;

use super::conformance::{available, learner};
use crate::random::Random;
use crate::{Data, Feature, Matrix, Model, Task};

/// A label that rises with `x` in waves and falls with `y`, and depends on `x` times `z`.
fn rows() -> (Matrix, Vec<f64>) {
    let mut random = Random::new(3, 3);
    let mut uniform = || random.below(1 << 30) as f64 / f64::from(1 << 30);
    let (mut columns, mut label): ([Vec<f64>; 4], _) = (Default::default(), Vec::new());
    for _ in 0..1500 {
        let (x, y, z, city) = (uniform() * 10.0, uniform() * 10.0, uniform() * 10.0, (uniform() * 3.0).floor());
        let score = 0.4 * x + 1.5 * (3.0 * x).sin() - 0.3 * y + 1.2 * (2.0 * y).cos() + 0.2 * (x - 5.0) * (z - 5.0);
        columns.iter_mut().zip([x, y, z, city]).for_each(|(column, value)| column.push(value));
        label.push(score + uniform());
    }
    let features = ["x", "y", "z"].map(Feature::numeric);
    let city = Feature::categorical("city", ["a", "b", "c"]);
    let features = features.into_iter().chain([city]).collect();
    (Matrix::from_columns(features, columns.to_vec()).unwrap(), label)
}

/// The learners that take constraints and can be used here.
fn names() -> impl Iterator<Item = &'static str> {
    ["lightgbm", "xgboost"].into_iter().filter(|name| available(name))
}

fn fit(yaml: &str, task: Task) -> Result<Box<dyn Model>> {
    let (matrix, label) = rows();
    let label = match task {
        Task::Classification => label.iter().map(|label| f64::from(u8::from(*label > 1.0))).collect(),
        _ => label,
    };
    let data = Data { features: &matrix, label: &label };
    learner(yaml).build().fit(task, data, data, 1)
}

/// Predictions as feature `at` goes from 0 to 10 and all else stays as in some rows.
fn along(model: &dyn Model, at: usize) -> Vec<Vec<f64>> {
    let (matrix, _) = rows();
    let ways = (0..40).map(|row| {
        let values = matrix.row_major(row..row + 1);
        let mut columns: Vec<Vec<f64>> = values.iter().map(|value| vec![*value; 101]).collect();
        columns[at] = (0..=100).map(|step| f64::from(step) / 10.0).collect();
        model.predict(&Matrix::from_columns(matrix.features().to_vec(), columns).unwrap()).unwrap()
    });
    ways.collect()
}

fn rises(ways: &[Vec<f64>]) -> bool {
    ways.iter().all(|way| way.windows(2).all(|pair| pair[0] <= pair[1]))
}

#[test]
fn predictions_go_one_way_only_where_that_is_asked() {
    let falls = |ways: &[Vec<f64>]| ways.iter().all(|way| way.windows(2).all(|pair| pair[0] >= pair[1]));
    let cases = [
        ("lightgbm", Task::Regression, "trees: 60"),
        ("lightgbm", Task::Classification, "trees: 60"),
        ("lightgbm", Task::Regression, "trees: 40, objective: huber"),
        ("lightgbm", Task::Regression, "trees: 40, early_stopping: 0, parameters: {boosting: dart}"),
        ("lightgbm", Task::Regression, "trees: 40, early_stopping: 0, row_share: 0.5, parameters: {boosting: rf}"),
        ("xgboost", Task::Regression, "trees: 60"),
        ("xgboost", Task::Classification, "trees: 60"),
        ("xgboost", Task::Regression, "trees: 40, objective: huber"),
        ("xgboost", Task::Regression, "trees: 40, parameters: {booster: dart, rate_drop: 0.3}"),
        ("xgboost", Task::Regression, "trees: 40, parameters: {tree_method: approx, grow_policy: lossguide}"),
    ];
    for (name, task, base) in cases.into_iter().filter(|(name, ..)| available(name)) {
        let free = fit(&format!("{name}: {{{base}}}"), task).unwrap();
        assert!(!rises(&along(free.as_ref(), 0)) && !falls(&along(free.as_ref(), 1)), "{name} {base}: nothing to hold");
        let held = fit(&format!("{name}: {{{base}, increasing: [x], decreasing: [y]}}"), task).unwrap();
        assert!(rises(&along(held.as_ref(), 0)), "{name} {task:?} {base}: x");
        assert!(falls(&along(held.as_ref(), 1)), "{name} {task:?} {base}: y");
        let folder = tempfile::tempdir().unwrap();
        let file = held.save(folder.path()).unwrap();
        let read = crate::load_model(held.learner(), folder.path(), &file, held.features().to_vec()).unwrap();
        assert_eq!(along(read.as_ref(), 2), along(held.as_ref(), 2), "it is read back");
    }
}

#[test]
fn features_of_different_groups_do_not_interact() {
    for name in names() {
        // XGBoost adds in single precision.
        let least = if name == "xgboost" { 1e-4 } else { 1e-9 };
        // What `x` adds must not depend on `z`: f(x, z) - f(x', z) is the same for each z.
        let interacts = |model: &dyn Model, a: usize, b: usize| {
            let (matrix, _) = rows();
            let at = |values: [f64; 2]| {
                let mut row = matrix.row_major(0..1);
                (row[a], row[b]) = (values[0], values[1]);
                let columns = row.iter().map(|value| vec![*value]).collect();
                model.predict(&Matrix::from_columns(matrix.features().to_vec(), columns).unwrap()).unwrap()[0]
            };
            let difference = |other: f64| at([9.0, other]) - at([1.0, other]);
            [1.0, 3.0, 8.0].iter().any(|other| (difference(*other) - difference(9.0)).abs() > least)
        };
        let free = fit(&format!("{name}: {{trees: 60}}"), Task::Regression).unwrap();
        assert!(interacts(free.as_ref(), 0, 2) && interacts(free.as_ref(), 0, 1), "{name}");
        let held = fit(&format!("{name}: {{trees: 60, interactions: [[x, y]]}}"), Task::Regression).unwrap();
        assert!(!interacts(held.as_ref(), 0, 2) && !interacts(held.as_ref(), 1, 2), "{name}: z is alone");
        assert!(interacts(held.as_ref(), 0, 1), "{name}");
        assert!(held.importance()[2] > 0.0, "{name}: it is split on all the same");
        // Groups that overlap: x and z never meet, though each meets y.
        let held = fit(&format!("{name}: {{trees: 60, interactions: [[x, y], [y, z]]}}"), Task::Regression).unwrap();
        assert!(!interacts(held.as_ref(), 0, 2), "{name}: x and z are in different groups");
        assert!(interacts(held.as_ref(), 0, 1), "{name}");
    }
}

#[test]
fn constraints_that_make_no_sense_are_refused() {
    for name in ["lightgbm", "xgboost"] {
        let spec = |yaml: &str| learner(&format!("{name}: {yaml}"));
        for (yaml, task, words) in [
            ("{increasing: [xx]}", Task::Regression, "increasing: no feature 'xx'; did you mean 'x'?"),
            ("{interactions: [[x, q]]}", Task::Regression, "interactions: no feature 'q'"),
            ("{decreasing: [city]}", Task::Regression, "decreasing: 'city' is text, which has no order"),
            ("{increasing: [x], decreasing: [x]}", Task::Regression, "'x' is under 'increasing' and under 'd"),
            ("{increasing: [x]}", Task::Multiclass, "'increasing' and 'decreasing' do not go with several cl"),
            (
                "{increasing: [x], objective: absolute}",
                Task::Regression,
                "'increasing' and 'decreasing' do not go with",
            ),
            ("{interactions: [[]]}", Task::Regression, "a group of 'interactions' is []; name the features"),
        ] {
            let found = match task {
                Task::Multiclass => spec(yaml).check(task).unwrap_err().to_string(),
                _ => fit(&format!("{name}: {yaml}"), task).err().unwrap().to_string(),
            };
            assert!(found.starts_with(&format!("{name}: {words}")), "{yaml}: {found}");
        }
        let found = spec("{parameters: {monotone_constraints: 1}}").check(Task::Regression).unwrap_err().to_string();
        assert!(found.ends_with("write 'increasing' or 'decreasing'"), "{found}");
    }
}
