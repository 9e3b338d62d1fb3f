//! Learners of several classes: numbers of scikit-learn 1.9.1 and Python's lightgbm 4.7.0 on the same columns, and what must
//! hold of each.

use super::conformance::{Toy, available, learner};
use crate::metrics::largest;
use crate::{Data, Feature, Matrix, Task, load_model};

const ROWS: usize = 240;
/// All that can be used here.
fn all() -> impl Iterator<Item = &'static str> {
    ["lightgbm", "xgboost", "logistic", "tree", "forest", "baseline"].into_iter().filter(|name| available(name))
}

fn x0() -> Vec<f64> {
    (0..ROWS).map(|i| ((i * 37) % 101) as f64 / 8.0).collect()
}

fn x1() -> Vec<f64> {
    (0..ROWS).map(|i| ((i * 53) % 97) as f64).collect()
}

/// Class 2 above 12, class 1 above 7: 64, 91 and 85 rows.
fn classes() -> Vec<f64> {
    let x0 = x0();
    let score = |i: usize| {
        let category = if i % 5 == 1 || i % 5 == 3 { 4.0 } else { 0.0 };
        x0[i] + category + ((i * 29) % 17) as f64 / 4.0 + if i.is_multiple_of(11) { 3.0 } else { 0.0 }
    };
    let class = |score: f64| if score > 12.0 { 2.0 } else { f64::from(u8::from(score > 7.0)) };
    (0..ROWS).map(|i| class(score(i))).collect()
}

fn near(ours: impl IntoIterator<Item = f64>, theirs: &[f64], by: f64) {
    for (at, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
        assert!((ours - theirs).abs() < by, "number {at}: {ours}, in Python {theirs}");
    }
}

/// `LogisticRegression(C=1/2, tol=1e-12)` on standardised columns; with `sample_weight=w/mean(w)` on columns standardised by the
/// same weights.
#[test]
fn logistic_works_like_sklearn() {
    let label = classes();
    let matrix = Matrix::from_columns(["x0", "x1"].map(Feature::numeric).into(), vec![x0(), x1()]).unwrap();
    let fit = |matrix: &Matrix| {
        let data = Data { features: matrix, label: &label };
        learner("logistic: {l2: 2}").build().fit(Task::Multiclass, data, data, 1).unwrap()
    };
    let model = fit(&matrix);
    #[rustfmt::skip]
    let theirs = [
        0.7424948625232484, 0.2525606280975674, 0.004944509379184333,
        0.31203458772002696, 0.5805586620367263, 0.10740675024324677,
        0.0068314071626057096, 0.31361035668881415, 0.6795582361485802,
    ];
    near(model.predict(&matrix).unwrap(), &theirs, 1e-5);
    near(model.importance(), &[3.8933131, 0.62226138], 1e-4);
    let weights: Vec<f64> = (0..ROWS).map(|i| 1.0 + ((i * 7) % 5) as f64).collect();
    #[rustfmt::skip]
    let theirs = [
        0.7807120142725712, 0.2154895631231192, 0.003798422604309519,
        0.3501593830292788, 0.5551908174864297, 0.09464979948429149,
        0.007328663895009397, 0.38150377105928035, 0.6111675650457102,
    ];
    near(fit(&matrix.clone().with_weights(&weights).unwrap()).predict(&matrix).unwrap(), &theirs, 1e-5);
}

/// `lgb.train({objective: multiclass, num_class: 3, …}, 200, early_stopping(30))`, two thirds of the rows to learn from.
#[test]
fn lightgbm_is_pythons() {
    let gaps = x1().into_iter().enumerate().map(|(i, x)| if i.is_multiple_of(11) { f64::NAN } else { x }).collect();
    let category = (0..ROWS).map(|i| (i % 5) as f64).collect();
    let features =
        vec![Feature::numeric("x0"), Feature::numeric("x1"), Feature::categorical("c", ["a", "b", "c", "d", "e"])];
    let matrix = Matrix::from_columns(features, vec![x0(), gaps, category]).unwrap();
    let label = classes();
    let (learn, stop): (Vec<usize>, Vec<usize>) = (0..ROWS).partition(|i| i % 3 != 0);
    let part = |rows: &[usize]| (matrix.take(rows), rows.iter().map(|row| label[*row]).collect::<Vec<f64>>());
    let ((train, train_label), (valid, valid_label)) = (part(&learn), part(&stop));
    let train = Data { features: &train, label: &train_label };
    let valid = Data { features: &valid, label: &valid_label };
    let model = learner("lightgbm").build().fit(Task::Multiclass, train, valid, 1).unwrap();
    assert_eq!((model.tuned().trees, model.notes()["stopped_by"]["metric"].as_str()), (Some(9), Some("multi_logloss")));
    #[rustfmt::skip]
    let theirs = [
        0.4819406821845986, 0.25245748083911995, 0.2656018369762815,
        0.2441584461409629, 0.5178993506302322, 0.23794220322880488,
        0.17566397633320102, 0.3239630780465654, 0.5003729456202336,
    ];
    near(model.predict(&matrix).unwrap(), &theirs, 1e-9);
    // The first row is predicted to be of class 0.
    let contributions = model.contributions(&matrix).unwrap().unwrap();
    near(contributions.row(0).to_vec(), &[0.7409721640017229, -0.0023923894839086033, 0.0], 1e-9);
}

/// 0 for a small amount, 1 for Bonn, else 2, with some noise.
fn toy(rows: usize, seed: u64) -> Toy {
    let toy = Toy::new(rows, seed);
    let (amounts, cities) = (toy.matrix.column(0), toy.matrix.column(2));
    let class = |row: usize| match () {
        () if row.is_multiple_of(17) => (row % 3) as f64,
        () if amounts[row] < 30.0 => 0.0,
        () if cities[row] == 1.0 => 1.0,
        () => 2.0,
    };
    Toy { label: (0..rows).map(class).collect(), ..toy }
}

#[test]
fn probabilities_sum_to_one_and_survive_saving() {
    let (train, valid) = (toy(900, 1), toy(300, 2));
    for yaml in all() {
        let fit = || learner(yaml).build().fit(Task::Multiclass, train.data(), valid.data(), 7).unwrap();
        let model = fit();
        let predicted = model.predict(&valid.matrix).unwrap();
        assert_eq!(predicted.len(), 900, "{yaml}");
        for row in predicted.chunks(3) {
            // XGBoost's are in single precision.
            let least = if yaml == "xgboost" { 1e-6 } else { 1e-9 };
            assert!((row.iter().sum::<f64>() - 1.0).abs() < least && row.iter().all(|p| (0.0..=1.0).contains(p)));
        }
        let right = predicted.chunks(3).zip(&valid.label).filter(|(row, label)| largest(row) == **label as usize);
        let right = right.count();
        assert!(right > if yaml == "baseline" { 100 } else { 230 }, "{yaml}: {right} of 300");
        let folder = tempfile::tempdir().unwrap();
        let file = model.save(folder.path()).unwrap();
        let back = load_model(model.learner(), folder.path(), &file, model.features().to_vec()).unwrap();
        assert_eq!(back.predict(&valid.matrix).unwrap(), predicted, "{yaml}");
        assert_eq!(back.importance(), model.importance(), "{yaml}");
        assert_eq!(fit().predict(&valid.matrix).unwrap(), predicted, "{yaml} is not the same again");
        let parts = [0..100, 100..300].map(|rows| model.predict(&valid.matrix.slice(rows)).unwrap());
        assert_eq!(parts.concat(), predicted, "{yaml}");
        let odd = vec![vec![f64::NAN, 1e300, -1e300], vec![f64::NAN, 1.0, 1.0], vec![f64::NAN, 3.0, 0.0]];
        let odd = Matrix::from_columns(train.matrix.features().to_vec(), odd).unwrap();
        assert!(model.predict(&odd).unwrap().iter().all(|p| (0.0..=1.0).contains(p)), "{yaml}");
        if let Some(contributions) = model.contributions(&valid.matrix).unwrap() {
            assert_eq!((contributions.rows(), contributions.features), (300, 3));
            assert!(contributions.values.iter().all(|value| value.is_finite()));
        }
    }
}

#[test]
fn who_cannot_learn_several_classes_says_so() {
    let toy = toy(300, 1);
    let fails = |yaml: &str, label: &[f64]| {
        let data = Data { features: &toy.matrix, label };
        learner(yaml).build().fit(Task::Multiclass, data, data, 1).err().unwrap().to_string()
    };
    assert!(fails("elastic_net", &toy.label).starts_with("elastic_net: learns numbers, not classes"));
    assert!(fails("baseline: {by: [city]}", &toy.label).starts_with("baseline: 'by' is for two classes or numbers"));
    for name in ["lightgbm", "xgboost"] {
        let found = fails(&format!("{name}: {{objective: poisson}}"), &toy.label);
        assert!(found.contains("'objective' is for regression"), "{found}");
    }
    let gap: Vec<f64> = toy.label.iter().map(|label| if *label == 1.0 { 0.0 } else { *label }).collect();
    for yaml in all() {
        assert!(fails(yaml, &gap).starts_with("no training row that counts is of class number 2"), "{yaml}");
        assert!(fails(yaml, &[0.0; 300]).starts_with("the label has one class only in all 300 training rows"));
        assert!(
            fails(yaml, &[1.5; 300]).starts_with("the label has the value 1.5, which is not the number of a class")
        );
    }
}
