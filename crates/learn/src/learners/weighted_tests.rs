//! Weights of rows, and learning again from more rows: numbers of scikit-learn 1.9.1 and Python's lightgbm 4.7.0 on the same
//! columns, and what must hold of every learner.

use super::conformance::{Toy, available, learner};
use crate::{Data, Feature, Matrix, Model, Task, Tuned, load_model};

const ROWS: usize = 240;

fn x0() -> Vec<f64> {
    (0..ROWS).map(|i| ((i * 37) % 101) as f64 / 8.0).collect()
}

fn x1() -> Vec<f64> {
    (0..ROWS).map(|i| ((i * 53) % 97) as f64).collect()
}

fn weights() -> Vec<f64> {
    (0..ROWS).map(|i| 1.0 + ((i * 7) % 5) as f64).collect()
}

fn numbers() -> Matrix {
    Matrix::from_columns(["x0", "x1"].map(Feature::numeric).into(), vec![x0(), x1()]).unwrap()
}

/// Whether a score, to which a category and a gap add, is above 10.
fn classes() -> Vec<f64> {
    let x0 = x0();
    let score = |i: usize| {
        let category = if i % 5 == 1 || i % 5 == 3 { 4.0 } else { 0.0 };
        x0[i] + category + ((i * 29) % 17) as f64 / 4.0 + if i.is_multiple_of(11) { 3.0 } else { 0.0 }
    };
    (0..ROWS).map(|i| f64::from(u8::from(score(i) > 10.0))).collect()
}

fn near(ours: impl IntoIterator<Item = f64>, theirs: &[f64], by: f64) {
    for (at, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
        assert!((ours - theirs).abs() < by, "number {at}: {ours}, in Python {theirs}");
    }
}

/// `StandardScaler().fit(X, sample_weight=w)`, then `LogisticRegression(C=1/2, tol=1e-12).fit(Z, y, sample_weight=w/mean(w))`.
#[test]
fn weighted_logistic_works_like_sklearn() {
    let (matrix, label) = (numbers().with_weights(&weights()).unwrap(), classes());
    let data = Data { features: &matrix, label: &label };
    let model = learner("logistic: {l2: 2}").build().fit(Task::Classification, data, data, 1).unwrap();
    near(model.importance(), &[2.02552225, 0.19638284], 1e-5);
    near([model.contributions(&matrix).unwrap().unwrap().base], &[-0.09882687], 1e-5);
    near(model.predict(&matrix).unwrap(), &[0.0392648, 0.27001005, 0.86844466], 1e-5);
}

/// Without weights linfa's solver and ours must come to the same.
#[test]
fn equal_weights_change_no_logistic_regression() {
    let label = classes();
    let fit = |matrix: &Matrix| {
        let data = Data { features: matrix, label: &label };
        let model = learner("logistic").build().fit(Task::Classification, data, data, 1).unwrap();
        model.predict(matrix).unwrap()
    };
    near(fit(&numbers().with_weights(&[7.0; ROWS]).unwrap()), &fit(&numbers()), 1e-5);
}

/// `ElasticNet(alpha, l1_ratio, tol=1e-14).fit(Z, (y - mean) / deviation, sample_weight=w)`, mean and deviation weighted.
#[test]
fn weighted_elastic_net_works_like_sklearn() {
    let (x0, x1) = (x0(), x1());
    let label: Vec<f64> = (0..ROWS).map(|i| 3.0 * x0[i] - 0.02 * x1[i] + ((i * 29) % 17) as f64 / 4.0).collect();
    let matrix = numbers().with_weights(&weights()).unwrap();
    let data = Data { features: &matrix, label: &label };
    for (yaml, weights, predictions) in [
        (
            "elastic_net: {penalty: 0.05, l1_ratio: 0.3}",
            [10.39843151, 0.28558017],
            [2.4090288482538433, 15.08273989221198, 28.743924870564534],
        ),
        (
            "elastic_net: {penalty: 0.05, l1_ratio: 1}",
            [10.35476301, 0.0],
            [2.0006547192004547, 15.15842393620417, 28.316193153207884],
        ),
        (
            "elastic_net: {penalty: 0.2, l1_ratio: 0}",
            [9.10667109, 0.296273],
            [4.614684445998041, 15.626757036692542, 27.66327703447995],
        ),
    ] {
        let model = learner(yaml).build().fit(Task::Regression, data, data, 1).unwrap();
        near(model.importance(), &weights, 1e-4);
        near(model.predict(&matrix).unwrap(), &predictions, 1e-4);
        near([model.contributions(&matrix).unwrap().unwrap().base], &[19.536444444444445], 1e-9);
    }
}

/// Rows with a category and gaps, and labels of which every seventh or so is turned round.
fn noisy() -> (Matrix, Vec<f64>) {
    let gaps = x1().into_iter().enumerate().map(|(i, x)| if i.is_multiple_of(11) { f64::NAN } else { x }).collect();
    let category = (0..ROWS).map(|i| (i % 5) as f64).collect();
    let features =
        vec![Feature::numeric("x0"), Feature::numeric("x1"), Feature::categorical("c", ["a", "b", "c", "d", "e"])];
    let matrix = Matrix::from_columns(features, vec![x0(), gaps, category]).unwrap();
    let label = classes().iter().enumerate().map(|(i, y)| if (i * 31) % 7 < 2 { 1.0 - y } else { *y }).collect();
    (matrix, label)
}

/// Fits on two thirds of the rows, stopped by the others, then again on all rows; the first predictions of each and their
/// sum, and the trees of the first.
fn fit_and_refit(matrix: &Matrix, label: &[f64]) -> ([Vec<f64>; 2], Option<u32>) {
    let (learn, stop): (Vec<usize>, Vec<usize>) = (0..ROWS).partition(|i| i % 3 != 0);
    let part = |rows: &[usize]| {
        // Each part of the rows is scaled to a mean weight of 1 by itself.
        let weights = matrix.weights().map(|all| rows.iter().map(|row| all[*row]).collect::<Vec<f64>>());
        let taken = matrix.take(rows);
        let taken = weights.map_or(taken.clone(), |weights| taken.with_weights(&weights).unwrap());
        (taken, rows.iter().map(|row| label[*row]).collect::<Vec<f64>>())
    };
    let ((train, train_label), (valid, valid_label)) = (part(&learn), part(&stop));
    let learner = learner("lightgbm").build();
    let train = Data { features: &train, label: &train_label };
    let valid = Data { features: &valid, label: &valid_label };
    let model = learner.fit(Task::Classification, train, valid, 1).unwrap();
    let tuned = model.tuned();
    let again = learner.refit(Task::Classification, Data { features: matrix, label }, &tuned, 1).unwrap();
    let shown = |model: &dyn Model| {
        let predicted = model.predict(matrix).unwrap();
        let sum = predicted.iter().sum();
        predicted[..4].iter().copied().chain([sum]).collect()
    };
    ([shown(model.as_ref()), shown(again.as_ref())], tuned.trees)
}

/// `lgb.train(…, 200, valid_sets=[valid], callbacks=[lgb.early_stopping(30)])` with weights in both sets, then
/// `lgb.train(…, best_iteration)` on all rows.
#[test]
fn weighted_lightgbm_and_its_refit_are_pythons() {
    let (matrix, label) = noisy();
    let ([first, again], trees) = fit_and_refit(&matrix.with_weights(&weights()).unwrap(), &label);
    assert_eq!(trees, Some(10));
    let theirs = [0.5393213025316955, 0.5169213374524255, 0.6185827560945247, 0.3868313824215673, 122.75498435911949];
    near(first, &theirs, 1e-6);
    let theirs = [0.5650073821277984, 0.5329754130107759, 0.6446482982703451, 0.40955875677877834, 121.89645897823254];
    near(again, &theirs, 1e-6);
}

#[test]
fn a_refit_has_the_trees_that_early_stopping_found() {
    let (matrix, label) = noisy();
    let ([first, again], trees) = fit_and_refit(&matrix, &label);
    assert_eq!(trees, Some(16));
    let theirs = [0.5830917465072571, 0.587994188452846, 0.7063478893857761, 0.37727021640851005, 126.98542524806234];
    near(again.clone(), &theirs, 1e-9);
    assert_ne!(first, again);
}

/// What each learner makes of rows with weights is what it makes of rows that are there as often as they weigh; the mean
/// weight is 1, so that penalties and the least size of leaves stay what they are.
#[test]
fn a_weight_is_a_row_there_more_than_once() {
    let toy = Toy::new(300, 4);
    let classes = toy.label.clone();
    let amounts: Vec<f64> = toy.matrix.column(1).iter().zip(&classes).map(|(age, class)| age / 5.0 + class).collect();
    // Every value that occurs has a row that counts, so that trees may cut at the same places.
    let rows: Vec<usize> = (0..300).chain(0..300).collect();
    let times: Vec<usize> =
        (0..300).map(|row| [2, 1, 0][row % 3]).chain((0..300).map(|row| [0, 1, 2][row % 3])).collect();
    let repeated: Vec<usize> =
        rows.iter().zip(&times).flat_map(|(row, times)| std::iter::repeat_n(*row, *times)).collect();
    assert_eq!(repeated.len(), 600);
    let weights: Vec<f64> = times.iter().map(|times| *times as f64).collect();
    let weighted = toy.matrix.take(&rows).with_weights(&weights).unwrap();
    for (yaml, task, label) in [
        ("baseline: {by: [city]}", Task::Classification, &classes),
        ("baseline: {of: median, by: [city]}", Task::Regression, &amounts),
        ("logistic", Task::Classification, &classes),
        ("elastic_net", Task::Regression, &amounts),
        ("tree", Task::Classification, &classes),
        ("tree: {depth: 3}", Task::Regression, &amounts),
    ] {
        let fit = |matrix: &Matrix, rows: &[usize]| {
            let label: Vec<f64> = rows.iter().map(|row| label[*row]).collect();
            let data = Data { features: matrix, label: &label };
            learner(yaml).build().fit(task, data, data, 1).unwrap().predict(&toy.matrix).unwrap()
        };
        let (by_weight, by_rows) = (fit(&weighted, &rows), fit(&toy.matrix.take(&repeated), &repeated));
        for (one, other) in by_weight.iter().zip(&by_rows) {
            assert!((one - other).abs() < 1e-4, "{yaml}: {one} by weight, {other} by rows");
        }
    }
}

/// Rows that do not count say "1 where the amount is large"; the others say the reverse.
#[test]
fn every_learner_heeds_weights() {
    let amount: Vec<f64> = (0..400).map(|row| f64::from(row % 20)).collect();
    let odd = |row: usize| row % 2 == 1;
    // Two rows of each amount: the odd one is right, and counts.
    let amount: Vec<f64> = (0..400).map(|row| amount[row / 2]).collect();
    let label: Vec<f64> = (0..400).map(|row| f64::from(u8::from((amount[row] > 9.5) == odd(row)))).collect();
    let weights: Vec<f64> = (0..400).map(|row| if odd(row) { 1.0 } else { 0.001 }).collect();
    let matrix = Matrix::from_columns(vec![Feature::numeric("amount")], vec![amount]).unwrap();
    let weighted = matrix.clone().with_weights(&weights).unwrap();
    let all = ["lightgbm", "xgboost", "logistic", "tree", "forest: {trees: 20}", "elastic_net"];
    for yaml in all.into_iter().filter(|name| available(name)) {
        let task = if yaml == "elastic_net" { Task::Regression } else { Task::Classification };
        let data = Data { features: &weighted, label: &label };
        let model = learner(yaml).build().fit(task, data, data, 1).unwrap();
        let predicted = model.predict(&matrix).unwrap();
        assert!(predicted[398] > predicted[0] + 0.3, "{yaml}: {} {}", predicted[0], predicted[398]);
        let folder = tempfile::tempdir().unwrap();
        let file = model.save(folder.path()).unwrap();
        let back = load_model(model.learner(), folder.path(), &file, model.features().to_vec()).unwrap();
        assert_eq!((back.predict(&matrix).unwrap(), back.importance()), (predicted, model.importance()), "{yaml}");
    }
    let none: Vec<f64> = label.iter().map(|label| 1.0 - label).collect();
    let one_class = matrix.with_weights(&none).unwrap();
    let data = Data { features: &one_class, label: &label };
    let error = learner("tree").build().fit(Task::Classification, data, data, 1).err().unwrap().to_string();
    assert_eq!(error, "all training rows of class 1 have the weight 0; choose another column as 'weight'");
}

#[test]
fn a_refit_without_earlier_trees_grows_all() {
    let (matrix, label) = noisy();
    let data = Data { features: &matrix, label: &label };
    // A metric to stop by has no effect here, but it is not an error.
    let model = learner("lightgbm: {trees: 7, parameters: {metric: auc}}").build();
    let model = model.refit(Task::Classification, data, &Tuned::default(), 1).unwrap();
    assert_eq!(model.tuned().trees, Some(7));
}
