use super::api::take_warnings;
use super::*;
use crate::rounds::Stop;
use crate::{Feature, Matrix};

const ROWS: usize = 240;

/// Two numbers, one of them with gaps, and a category; computed so that Python can compute the same.
fn columns() -> [Vec<f64>; 3] {
    let x0 = |i: usize| ((i * 37) % 101) as f64 / 8.0;
    let x1 = |i: usize| if i.is_multiple_of(11) { f64::NAN } else { ((i * 53) % 97) as f64 };
    [(0..ROWS).map(x0).collect(), (0..ROWS).map(x1).collect(), (0..ROWS).map(|i| (i % 5) as f64).collect()]
}

fn matrix() -> Matrix {
    let features =
        vec![Feature::numeric("x0"), Feature::numeric("x1"), Feature::categorical("c", ["a", "b", "c", "d", "e"])];
    Matrix::from_columns(features, columns().to_vec()).unwrap()
}

fn score() -> Vec<f64> {
    let [x0, x1, c] = columns();
    (0..ROWS)
        .map(|i| {
            let category = if c[i] == 1.0 || c[i] == 3.0 { 4.0 } else { 0.0 };
            x0[i] + category + ((i * 29) % 17) as f64 / 4.0 + if x1[i].is_nan() { 3.0 } else { 0.0 }
        })
        .collect()
}

fn classes() -> Vec<f64> {
    score().into_iter().map(|score| f64::from(u8::from(score > 10.0))).collect()
}

fn parameters(objective: &str, learning_rate: f64) -> Parameters {
    let mut parameters = Parameters::default();
    parameters.set("objective", objective);
    parameters.set("num_leaves", 7);
    parameters.set("learning_rate", learning_rate);
    parameters.set("min_data_in_leaf", 5);
    parameters.set("min_data_per_group", 5);
    parameters.set("categorical_feature", 2);
    parameters.set("seed", 7);
    parameters.set("deterministic", true);
    parameters.set("force_row_wise", true);
    parameters.set("verbosity", 0);
    parameters
}

fn fit(objective: &str, label: &[f64], rounds: u32) -> Fitted {
    let parameters = parameters(objective, 0.1);
    let data = Dataset::new(&matrix(), label, None, &parameters, None).unwrap();
    Fitted::of(train(&data, None, &parameters, rounds).unwrap().model)
}

/// A model in LightGBM's hands, and its text.
struct Fitted {
    text: String,
    booster: Booster,
}

impl Fitted {
    fn of(model: Vec<u8>) -> Fitted {
        let text = String::from_utf8(model).unwrap();
        Fitted { booster: Booster::from_text(&text).unwrap(), text }
    }
}

impl std::ops::Deref for Fitted {
    type Target = Booster;
    fn deref(&self) -> &Booster {
        &self.booster
    }
}

fn close(ours: &[f64], theirs: &[f64]) {
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!((ours - theirs).abs() < 1e-9, "number {at}: {ours}, in Python {theirs}");
    }
}

// The expected numbers of the next two tests are those of Python's lightgbm 4.7.0:
// `lgb.train(params, lgb.Dataset(X, y, categorical_feature=[2]), num_boost_round=15)` on the same columns with the same
// parameters; `predict(X)`, `predict(X, pred_contrib=True)`, `feature_importance('gain')` and `('split')`.

#[test]
fn classification_is_pythons() {
    let booster = fit("binary", &classes(), 15);
    let predicted = booster.predict(&matrix()).unwrap();
    let first = [
        0.2608733535800458,
        0.5056987904282346,
        0.5981811360259135,
        0.12262168140904384,
        0.14304466037378447,
        0.8943851752268773,
    ];
    close(&predicted, &first);
    close(&[predicted.iter().sum()], &[120.05911081522416]);
    let contributions = booster.contributions(&matrix()).unwrap();
    close(&contributions, &[-1.6702132304045445, 0.7372309604151833, -0.12019354495423641, 0.01174158751179662]);
    close(
        &contributions[4 * 11..],
        &[-1.8831004941847571, 0.6459933039194353, 0.18393137532172443, 0.01174158751179662],
    );
    close(&booster.importance(Importance::Gain).unwrap(), &[742.9177169799805, 64.4001396894455, 144.3283405303955]);
    assert_eq!(booster.importance(Importance::Split).unwrap(), [50.0, 25.0, 15.0]);
}

#[test]
fn regression_is_pythons() {
    let booster = fit("regression", &score(), 15);
    let predicted = booster.predict(&matrix()).unwrap();
    let first = [
        6.799364621393911,
        10.649256047339863,
        11.200181532980212,
        7.581249768021531,
        8.63390693116771,
        12.358600819517942,
    ];
    close(&predicted, &first);
    close(&[predicted.iter().sum()], &[2416.8808213881784]);
    let contributions = booster.contributions(&matrix()).unwrap();
    close(&contributions, &[-3.437549896233721, 1.1411952378681918, -0.9746174760246413, 10.070336755784078]);
    assert_eq!(booster.importance(Importance::Split).unwrap(), [55.0, 11.0, 24.0]);
}

/// Rows 1 and 2 of each three to learn from, row 0 to stop by, with every seventh label or two turned round.
fn split() -> (Matrix, Vec<f64>, Matrix, Vec<f64>) {
    let noisy: Vec<f64> =
        classes().iter().enumerate().map(|(i, y)| if (i * 31) % 7 < 2 { 1.0 - y } else { *y }).collect();
    let (learn, stop): (Vec<usize>, Vec<usize>) = (0..ROWS).partition(|i| i % 3 != 0);
    let labels = |rows: &[usize]| rows.iter().map(|row| noisy[*row]).collect();
    (matrix().take(&learn), labels(&learn), matrix().take(&stop), labels(&stop))
}

#[test]
fn early_stopping_is_pythons() {
    let (learn, learn_label, stop, stop_label) = split();
    let parameters = parameters("binary", 0.05);
    let data = Dataset::new(&learn, &learn_label, None, &parameters, None).unwrap();
    let valid = Dataset::new(&stop, &stop_label, None, &parameters, Some(&data)).unwrap();
    let trained = train(&data, Some(&Stop { valid: &valid, patience: 10 }), &parameters, 200).unwrap();
    // Python: `callbacks=[lgb.early_stopping(10)]` has best_iteration 14 with binary_logloss 0.6539137428927846.
    assert_eq!((trained.best, trained.tried), (14, 24));
    let (metric, value) = trained.metric.unwrap();
    assert_eq!(metric, "binary_logloss");
    close(&[value], &[0.6539137428927846]);
    let text = String::from_utf8(trained.model).unwrap();
    assert_eq!(text.matches("\nTree=").count(), 14, "only the best iterations are kept");
    let all = train(&data, None, &parameters, 30).unwrap();
    assert_eq!((all.best, all.tried), (30, 30));
}

#[test]
fn a_metric_that_grows_is_maximised() {
    let (learn, learn_label, stop, stop_label) = split();
    let mut parameters = parameters("binary", 0.05);
    parameters.set("metric", "auc");
    let data = Dataset::new(&learn, &learn_label, None, &parameters, None).unwrap();
    let valid = Dataset::new(&stop, &stop_label, None, &parameters, Some(&data)).unwrap();
    let (metric, value) =
        train(&data, Some(&Stop { valid: &valid, patience: 10 }), &parameters, 50).unwrap().metric.unwrap();
    assert_eq!(metric, "auc");
    assert!(value > 0.6, "{value}");
}

#[test]
fn weights_count() {
    let parameters = parameters("regression", 0.1);
    let label: Vec<f64> = (0..ROWS).map(|i| f64::from(u8::from(i % 2 == 0))).collect();
    let weights: Vec<f64> = label.iter().map(|label| if *label == 1.0 { 3.0 } else { 1.0 }).collect();
    let data = Dataset::new(&matrix(), &label, Some(&weights), &parameters, None).unwrap();
    let booster = Fitted::of(train(&data, None, &parameters, 1).unwrap().model);
    let mean = booster.predict(&matrix()).unwrap().iter().sum::<f64>() / ROWS as f64;
    assert!((mean - 0.75).abs() < 0.02, "{mean}");
}

#[test]
fn two_fits_give_the_same_text_whatever_the_number_of_rows() {
    for rows in [60, 239, 240] {
        let rows: Vec<usize> = (0..rows).collect();
        let matrix = matrix().take(&rows);
        let label: Vec<f64> = classes()[..rows.len()].to_vec();
        let parameters = parameters("binary", 0.1);
        let fit = || {
            let data = Dataset::new(&matrix, &label, None, &parameters, None).unwrap();
            train(&data, None, &parameters, 20).unwrap().model
        };
        assert_eq!(fit(), fit(), "{} rows", rows.len());
    }
}

#[test]
fn integers_booleans_and_gaps_are_read_as_their_numbers() {
    use polars::df;
    let [x0, x1, c] = columns();
    let gaps: Vec<Option<i64>> = x1.iter().map(|x| (!x.is_nan()).then_some(*x as i64)).collect();
    let texts: Vec<String> = c.iter().map(|c| ["a", "b", "c", "d", "e"][*c as usize].to_owned()).collect();
    let df = df!("x0" => x0, "x1" => gaps, "c" => texts).unwrap();
    let features = Feature::infer(&df, &["x0".into(), "x1".into(), "c".into()]).unwrap();
    let typed = Matrix::from_frame(&df, &features).unwrap();
    let parameters = parameters("binary", 0.1);
    let data = Dataset::new(&typed, &classes(), None, &parameters, None).unwrap();
    let booster = Fitted::of(train(&data, None, &parameters, 15).unwrap().model);
    assert_eq!(booster.text, fit("binary", &classes(), 15).text);
    assert_eq!(booster.predict(&typed).unwrap(), booster.predict(&matrix()).unwrap());
    // A part of the rows points into the middle of the arrays and of their bits.
    assert_eq!(booster.predict(&typed.slice(13..77)).unwrap(), booster.predict(&matrix()).unwrap()[13..77]);
}

#[test]
fn contributions_and_base_sum_to_the_raw_score() {
    let booster = fit("binary", &classes(), 15);
    let raw = booster.raw_scores(&matrix()).unwrap();
    for (row, raw) in booster.contributions(&matrix()).unwrap().chunks(4).zip(raw) {
        assert!((row.iter().sum::<f64>() - raw).abs() < 1e-9);
    }
}

#[test]
fn the_text_holds_the_names_of_the_features() {
    assert!(fit("binary", &classes(), 2).text.contains("\nfeature_names=x0 x1 c\n"));
}

#[test]
fn errors_and_warnings_come_back_instead_of_being_printed() {
    let mut wrong = parameters("binary", 0.1);
    wrong.set("objective", "no_such");
    let data = Dataset::new(&matrix(), &classes(), None, &parameters("binary", 0.1), None).unwrap();
    let error = train(&data, None, &wrong, 1).err().unwrap().to_string();
    assert!(error.starts_with("lightgbm: cannot begin training: "), "{error}");
    let mut few = parameters("binary", 0.1);
    few.set("min_data_in_leaf", 200);
    let data = Dataset::new(&matrix(), &classes(), None, &few, None).unwrap();
    let warnings = train(&data, None, &few, 3).unwrap().warnings;
    assert!(!warnings.is_empty() && warnings.iter().all(|warning| !warning.contains("LightGBM")), "{warnings:?}");
    assert!(take_warnings().is_empty());
}
