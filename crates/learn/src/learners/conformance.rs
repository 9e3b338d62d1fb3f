//! What every learner must do, written once: `conformance!` makes the tests of one.

use std::path::Path;

use spec::Environment;

use super::*;
use crate::random::Random;
use crate::{Data, Feature, Matrix, Model, Task, load_model};

/// A toy shop: label 1 for a small amount or the city Bonn, with some noise; every ninth amount is missing.
pub(super) struct Toy {
    pub matrix: Matrix,
    pub label: Vec<f64>,
}

impl Toy {
    pub fn new(rows: usize, seed: u64) -> Toy {
        let mut random = Random::new(seed, 0);
        let mut columns = vec![Vec::new(), Vec::new(), Vec::new()];
        let mut label = Vec::new();
        for row in 0..rows {
            let amount = random.below(1000) as f64 / 10.0;
            let city = random.below(4);
            let noise = random.below(20) == 0;
            let one = (amount < 30.0 || city == 1) != noise;
            columns[0].push(if row % 9 == 0 { f64::NAN } else { amount });
            columns[1].push(random.below(50) as f64);
            columns[2].push(city as f64);
            label.push(f64::from(u8::from(one)));
        }
        let features = vec![
            Feature::numeric("amount"),
            Feature::numeric("age"),
            Feature::categorical("city", ["Aalen", "Bonn", "Celle", "Ulm"]),
        ];
        Toy { matrix: Matrix::from_columns(features, columns).unwrap(), label }
    }

    pub fn data(&self) -> Data<'_> {
        Data { features: &self.matrix, label: &self.label }
    }

    /// The features with the label of the task.
    fn of(task: Task, rows: usize, seed: u64) -> Toy {
        let toy = Toy::new(rows, seed);
        match task {
            Task::Classification | Task::Multiclass => toy,
            Task::Regression => Toy { label: toy.numbers(), ..toy },
        }
    }

    /// A label that is a number.
    fn numbers(&self) -> Vec<f64> {
        let amounts = self.matrix.column(0);
        amounts.iter().zip(&self.label).map(|(x, y)| if x.is_nan() { 50.0 } else { *x } + 20.0 * y).collect()
    }
}

pub(super) fn learner(yaml: &str) -> LearnerSpec {
    spec::parse(yaml, Path::new("train.yaml"), &Environment::default()).unwrap().spec
}

fn fit(yaml: &str, task: Task, train: Data<'_>, valid: Data<'_>) -> Result<Box<dyn Model>> {
    learner(yaml).build().fit(task, train, valid, 7)
}

fn saved(model: &dyn Model) -> (tempfile::TempDir, String, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let file = model.save(folder.path()).unwrap();
    let bytes = std::fs::read(folder.path().join(&file)).unwrap();
    (folder, file, bytes)
}

/// The share of pairs of one row of each class that are in order (Mann-Whitney).
fn auc(predicted: &[f64], label: &[f64]) -> f64 {
    let of = |class: f64| predicted.iter().zip(label).filter(move |(_, y)| **y == class).map(|(p, _)| *p);
    let wins: f64 = of(1.0)
        .map(|one| {
            of(0.0)
                .map(|zero| {
                    if one > zero {
                        1.0
                    } else if one == zero {
                        0.5
                    } else {
                        0.0
                    }
                })
                .sum::<f64>()
        })
        .sum();
    wins / (of(1.0).count() * of(0.0).count()) as f64
}

pub(super) fn is_deterministic(yaml: &str, task: Task) {
    let (train, valid) = (Toy::of(task, 600, 1), Toy::of(task, 200, 2));
    let one = fit(yaml, task, train.data(), valid.data()).unwrap();
    let two = fit(yaml, task, train.data(), valid.data()).unwrap();
    assert_eq!(saved(&*one).2, saved(&*two).2, "two fits wrote different models");
    assert_eq!(one.notes(), two.notes());
    assert_eq!(one.importance(), two.importance());
}

pub(super) fn survives_saving(yaml: &str, task: Task) {
    let (train, valid) = (Toy::of(task, 600, 1), Toy::of(task, 200, 2));
    let model = fit(yaml, task, train.data(), valid.data()).unwrap();
    let (folder, file, bytes) = saved(&*model);
    let back = load_model(model.learner(), folder.path(), &file, model.features().to_vec()).unwrap();
    assert_eq!(back.predict(&valid.matrix).unwrap(), model.predict(&valid.matrix).unwrap());
    assert_eq!(back.contributions(&valid.matrix).unwrap(), model.contributions(&valid.matrix).unwrap());
    assert_eq!(back.importance(), model.importance());
    assert_eq!(saved(&*back).2, bytes, "saved again it is the same file");
    std::fs::write(folder.path().join(&file), "{\"half\": ").unwrap();
    let error = load_model(model.learner(), folder.path(), &file, model.features().to_vec()).err().unwrap();
    assert!(error.to_string().contains(&file), "{error}");
    let error = load_model(model.learner(), folder.path(), "gone", model.features().to_vec()).err().unwrap();
    assert!(error.to_string().contains("gone: cannot read"), "{error}");
}

pub(super) fn gives_probabilities(yaml: &str) {
    let (train, valid) = (Toy::new(600, 1), Toy::new(200, 2));
    let model = fit(yaml, Task::Classification, train.data(), valid.data()).unwrap();
    let predicted = model.predict(&valid.matrix).unwrap();
    assert_eq!(predicted.len(), 200);
    assert!(predicted.iter().all(|p| (0.0..=1.0).contains(p)));
    let mean = predicted.iter().sum::<f64>() / 200.0;
    let share = valid.label.iter().sum::<f64>() / 200.0;
    assert!((mean - share).abs() < 0.1, "on average {mean}, of class 1 are {share}");
    assert_eq!(model.features(), train.matrix.features());
    assert_eq!(model.learner(), learner(yaml).name());
    let importance = model.importance();
    assert!(importance.is_empty() || importance.len() == 3 && importance.iter().all(|weight| *weight >= 0.0));
    assert!(model.predict(&valid.matrix.slice(0..0)).unwrap().is_empty());
    let parts =
        [model.predict(&valid.matrix.slice(0..77)).unwrap(), model.predict(&valid.matrix.slice(77..200)).unwrap()];
    assert_eq!(parts.concat(), predicted, "a row's prediction does not depend on the others");
}

pub(super) fn tolerates_gaps(yaml: &str, task: Task) {
    let (train, valid) = (Toy::of(task, 600, 1), Toy::of(task, 200, 2));
    let model = fit(yaml, task, train.data(), valid.data()).unwrap();
    let sound = |predicted: Vec<f64>| match task {
        Task::Classification | Task::Multiclass => predicted.iter().all(|p| (0.0..=1.0).contains(p)),
        Task::Regression => predicted.iter().all(|value| value.is_finite()),
    };
    // All missing, as an unknown category is; far outside the range; a category without training rows.
    let odd = vec![vec![f64::NAN, 1e300, -1e300], vec![f64::NAN, 1.0, 1.0], vec![f64::NAN, 3.0, 0.0]];
    let odd = Matrix::from_columns(train.matrix.features().to_vec(), odd).unwrap();
    assert!(sound(model.predict(&odd).unwrap()));
    // A column without any value, and one with a single value.
    let rows = 300;
    let features = vec![Feature::numeric("gone"), Feature::numeric("same"), Feature::numeric("x")];
    let x: Vec<f64> = (0..rows).map(|row| row as f64).collect();
    let columns = vec![vec![f64::NAN; rows], vec![4.0; rows], x];
    let matrix = Matrix::from_columns(features, columns).unwrap();
    let label: Vec<f64> = (0..rows).map(|row| f64::from(u8::from(row % 3 == 0))).collect();
    let data = Data { features: &matrix, label: &label };
    let model = fit(yaml, task, data, data).unwrap();
    assert!(sound(model.predict(&matrix).unwrap()));
}

pub(super) fn refuses_what_cannot_be_learned(yaml: &str) {
    let (train, valid) = (Toy::new(120, 1), Toy::new(60, 2));
    let failure = |label: &[f64], rows: &Matrix| {
        fit(yaml, Task::Classification, Data { features: rows, label }, valid.data()).err().unwrap()
    };
    let error = failure(&[1.0; 120], &train.matrix);
    assert_eq!(error.class(), spec::Class::Refused);
    assert_eq!(
        error.to_string(),
        "the label has one class only (1 in all 120 training rows); choose another horizon, cutoff or split, or bring \
         rows of both classes"
    );
    let error = failure(&[], &train.matrix.slice(0..0));
    assert_eq!(error.class(), spec::Class::Refused);
    assert_eq!(error.to_string(), "no rows to learn from; widen the split, the cutoffs or the filter");
    assert_eq!(failure(&[1.0, 0.0], &train.matrix).to_string(), "2 labels for 120 training rows");
    let mut label = train.label.clone();
    label[4] = f64::NAN;
    let error = failure(&label, &train.matrix).to_string();
    assert_eq!(error, "the label of training row 5 is NaN; drop the rows without a label");
    label[4] = 2.0;
    assert!(
        failure(&label, &train.matrix).to_string().starts_with("the label has the value 2, but classes are 0 and 1")
    );
    let other = Matrix::from_columns(vec![Feature::numeric("z")], vec![vec![0.0]]).unwrap();
    let model = fit(yaml, Task::Classification, train.data(), valid.data()).unwrap();
    let error = model.predict(&other).unwrap_err().to_string();
    assert_eq!(error, "the model expects the features amount, age, city, not z");
}

pub(super) fn beats_chance(yaml: &str) {
    let (train, valid) = (Toy::new(600, 1), Toy::new(400, 2));
    let model = fit(yaml, Task::Classification, train.data(), valid.data()).unwrap();
    let test = Toy::new(400, 3);
    let auc = auc(&model.predict(&test.matrix).unwrap(), &test.label);
    assert!(auc > 0.8, "AUC {auc}");
    let importance = model.importance();
    assert!(importance[0] > importance[1] && importance[2] > importance[1], "{importance:?}");
}

/// Contributions, where there are any, sum to the log-odds, the share of a leaf or the value.
pub(super) fn explains_itself(yaml: &str, task: Task) {
    let (train, valid) = (Toy::of(task, 600, 1), Toy::of(task, 200, 2));
    let model = fit(yaml, task, train.data(), valid.data()).unwrap();
    let Some(contributions) = model.contributions(&valid.matrix).unwrap() else {
        assert_eq!(model.learner(), "baseline", "all others explain themselves");
        return;
    };
    assert_eq!((contributions.rows(), contributions.features), (200, 3));
    for (row, predicted) in model.predict(&valid.matrix).unwrap().into_iter().enumerate() {
        let score = contributions.base + contributions.row(row).iter().sum::<f64>();
        let raw = match task {
            // The score of a tree is the share of its leaf.
            _ if matches!(model.learner(), "tree" | "forest") => predicted,
            Task::Classification | Task::Multiclass => (predicted / (1.0 - predicted)).ln(),
            Task::Regression => predicted,
        };
        // XGBoost adds its trees, and computes probabilities, in single precision.
        let least = if model.learner() == "xgboost" { 1e-5 * raw.abs().max(1.0) } else { 1e-7 };
        assert!((score - raw).abs() < least, "row {row}: {score} {raw}");
    }
}

pub(super) fn regresses(yaml: &str) {
    let (train, valid) = (Toy::new(600, 1), Toy::new(200, 2));
    let (numbers, other) = (train.numbers(), valid.numbers());
    let data = Data { features: &train.matrix, label: &numbers };
    let model = fit(yaml, Task::Regression, data, Data { features: &valid.matrix, label: &other }).unwrap();
    let mean = numbers.iter().sum::<f64>() / 600.0;
    let (mut ours, mut means) = (0.0, 0.0);
    for (predicted, actual) in model.predict(&valid.matrix).unwrap().iter().zip(&other) {
        ours += (predicted - actual).powi(2);
        means += (mean - actual).powi(2);
    }
    match model.learner() {
        "baseline" => assert!((ours - means).abs() < 1e-6),
        _ => assert!(ours < 0.5 * means, "{ours} {means}"),
    }
}

pub(super) fn refuses_regression(yaml: &str) {
    let train = Toy::new(100, 1);
    let error = fit(yaml, Task::Regression, train.data(), train.data()).err().unwrap().to_string();
    let name = learner(yaml).name();
    assert_eq!(
        error,
        format!(
            "{name}: learns classes, not numbers; use lightgbm, xgboost, elastic_net, forest or tree for regression"
        )
    );
}

pub(super) fn refuses_classes(yaml: &str) {
    let train = Toy::new(100, 1);
    let error = fit(yaml, Task::Classification, train.data(), train.data()).err().unwrap().to_string();
    let name = learner(yaml).name();
    assert!(error.starts_with(&format!("{name}: learns numbers, not classes; use logistic")), "{error}");
}

/// Whether the learner can be used here; XGBoost's library must have been fetched.
pub(super) fn available(yaml: &str) -> bool {
    !yaml.starts_with("xgboost") || crate::xgboost::is_here()
}

macro_rules! conformance {
    ($learner:ident, $yaml:literal, [$($task:ident),*], [$($also:ident),*]) => {
        mod $learner {
            $(conformance!(@ $task $yaml);)*
            $(#[test]
            fn $also() {
                if super::available($yaml) {
                    super::$also($yaml);
                }
            })*
        }
    };
    (@ classification $yaml:literal) => {
        conformance!(= Classification $yaml, is_deterministic, survives_saving, tolerates_gaps, explains_itself);
        conformance!(+ $yaml, gives_probabilities, refuses_what_cannot_be_learned);
    };
    (@ regression $yaml:literal) => {
        mod regression {
            conformance!(= Regression $yaml, is_deterministic, survives_saving, tolerates_gaps, explains_itself);
        }
        conformance!(+ $yaml, regresses);
    };
    (= $task:ident $yaml:literal, $($test:ident),*) => {
        $(#[test]
        fn $test() {
            if crate::learners::conformance::available($yaml) {
                crate::learners::conformance::$test($yaml, crate::Task::$task);
            }
        })*
    };
    (+ $yaml:literal, $($test:ident),*) => {
        $(#[test]
        fn $test() {
            if super::available($yaml) {
                super::$test($yaml);
            }
        })*
    };
}

conformance!(lightgbm, "lightgbm", [classification, regression], [beats_chance]);
conformance!(xgboost, "xgboost", [classification, regression], [beats_chance]);
conformance!(logistic, "logistic", [classification], [beats_chance, refuses_regression]);
conformance!(elastic_net, "elastic_net", [regression], [refuses_classes]);
conformance!(tree, "tree", [classification, regression], [beats_chance]);
conformance!(forest, "forest: {trees: 30}", [classification, regression], [beats_chance]);
conformance!(baseline, "baseline", [classification, regression], []);
