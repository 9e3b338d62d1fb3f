//! Scores of the models that are learned here equal, bit by bit, what XGBoost makes of their file; contributions equal its
//! own within single precision.

use score::{Feature, Matrix, Model, Task};

use super::super::boosting_tests::{kinds, saved};
use super::super::made_rows::asked;
use super::tests::{CASES, fit};
use crate::random::Random;
use crate::xgboost::{Kind, Library, Predictor, is_here};

fn check(model: &dyn Model, what: &str, random: &mut Random) {
    let theirs = Predictor::read(Library::get().unwrap(), &saved(model)).unwrap();
    let rows = asked(model.features(), random);
    let bits = |values: &[f64]| values.iter().map(|value| (*value as f32).to_bits()).collect::<Vec<u32>>();
    let expected: Vec<u32> = theirs.predict(&rows, Kind::Predicted).unwrap().into_iter().map(f32::to_bits).collect();
    let scores = model.predict(&rows).unwrap();
    assert_eq!(bits(&scores), expected, "{what}");
    assert!(scores.iter().all(|score| f64::from(*score as f32) == *score), "{what}: single precision, nothing beyond");
    let outputs = scores.len() / rows.rows();
    // One row, or a few, go another way than many.
    assert_eq!(bits(&model.predict(&rows.slice(3..6)).unwrap()), expected[3 * outputs..6 * outputs], "{what}");

    let some = rows.slice(7..107);
    let width = model.features().len() + 1;
    let (found, all) =
        (model.contributions(&some).unwrap().unwrap(), theirs.predict(&some, Kind::Contributions).unwrap());
    let raw = theirs.predict(&some, Kind::Raw).unwrap();
    for (row, scores) in scores[7 * outputs..107 * outputs].chunks(outputs).enumerate() {
        let class = crate::metrics::largest(scores);
        let theirs = &all[(row * outputs + class) * width..][..width];
        let scale = theirs.iter().fold(1.0, |most: f64, value| most.max(f64::from(value.abs())));
        for (ours, theirs) in found.row(row).iter().zip(theirs) {
            assert!((ours - f64::from(*theirs)).abs() < 2e-5 * scale, "{what}, row {row}: {ours}, XGBoost {theirs}");
        }
        if outputs == 1 {
            assert!((found.base - f64::from(theirs[width - 1])).abs() < 2e-5 * scale, "{what}: base");
            let sum = found.base + found.row(row).iter().sum::<f64>();
            assert!(
                (sum - f64::from(raw[row])).abs() < 1e-5 * scale,
                "{what}, row {row}: they add up to the raw score"
            );
        }
    }
}

#[test]
fn every_kind_of_model_scores_as_xgboost_does() {
    if !is_here() {
        return;
    }
    let mut random = Random::new(11, 0);
    let mut fit = |yaml: &str, task: Task| {
        let model = fit(yaml, task).unwrap_or_else(|error| panic!("{yaml}: {error}"));
        check(&*model, yaml, &mut random);
    };
    kinds(CASES).iter().for_each(|(yaml, task)| fit(yaml, *task));
    fit("{trees: 8, parameters: {booster: dart, rate_drop: 0.5}}", Task::Multiclass);
    fit(
        "{trees: 40, depth: 12, min_leaf_weight: 0, increasing: [x], interactions: [[x, y], [z, category]]}",
        Task::Classification,
    );
    // Trees of one leaf.
    fit("{trees: 3, min_leaf_weight: 1000}", Task::Classification);
}

/// Far more values and sizes than a shop has: the order in which XGBoost adds, and how it rounds, must be ours for all.
#[test]
fn random_models_score_as_xgboost_does() {
    if !is_here() {
        return;
    }
    let mut random = Random::new(5, 5);
    for round in 0..25 {
        let scale = 10f64.powi(random.below(9) as i32 - 4);
        let names = (0..1 + random.below(6)).map(|at| format!("f{at}"));
        let features: Vec<Feature> = names
            .map(|name| match random.below(4) {
                0 => Feature::categorical(name, (0..2 + random.below(60)).map(|at| format!("{at:02}"))),
                _ => Feature::numeric(name),
            })
            .collect();
        let count = 50 + random.below(400);
        let mut label = vec![0.0; count];
        let column = |feature: &Feature, label: &mut Vec<f64>, random: &mut Random| -> Vec<f64> {
            let shift = (random.below(200) as f64 - 100.0) * scale;
            label
                .iter_mut()
                .map(|label| {
                    if random.below(8) == 0 {
                        return f64::NAN;
                    }
                    let value = match feature.categories() {
                        Some(categories) => random.below(categories.len()) as f64,
                        None => (random.below(1 << 20) as f64 / 1000.0).mul_add(scale, shift),
                    };
                    *label += if feature.categories().is_some() { (value % 3.0) * scale * 100.0 } else { value };
                    value
                })
                .collect()
        };
        let columns = features.iter().map(|feature| column(feature, &mut label, &mut random)).collect();
        let matrix = Matrix::from_columns(features, columns).unwrap();
        let task = [Task::Regression, Task::Classification, Task::Multiclass][random.below(3)];
        let middle = label.iter().sum::<f64>() / count as f64;
        let label: Vec<f64> = match task {
            Task::Regression => label,
            Task::Classification => label.iter().map(|label| f64::from(u8::from(*label > middle))).collect(),
            Task::Multiclass => (0..count).map(|row| (row % 3) as f64).collect(),
        };
        let yaml = format!(
            "{{trees: {}, learning_rate: 0.{}, depth: {}, min_leaf_weight: 0.{}, row_share: 0.{}, parameters: {{max_bin: {}}}}}",
            1 + random.below(60),
            1 + random.below(9),
            1 + random.below(9),
            random.below(10),
            5 + random.below(5),
            2 + random.below(300),
        );
        let data = crate::Data { features: &matrix, label: &label };
        let model = crate::Learner::fit(&super::tests::spec(&yaml), task, data, data, round).unwrap();
        check(&*model, &format!("round {round}: {yaml}"), &mut random);
    }
}

/// XGBoost's split between values and missing ones has an infinite threshold, if the largest value is near the end of its range.
#[test]
fn numbers_beyond_single_precision_are_no_missing_ones() {
    if !is_here() {
        return;
    }
    let values: Vec<f64> = (0..200).map(|row| [f64::NAN, 1e39, 3e38, 1.0, -1e39][row % 5]).collect();
    let label: Vec<f64> = values.iter().map(|value| if value.is_nan() { 10.0 } else { 0.0 }).collect();
    let matrix = Matrix::from_columns(vec![Feature::numeric("x")], vec![values]).unwrap();
    let data = crate::Data { features: &matrix, label: &label };
    let spec = super::tests::spec("{trees: 5, depth: 2, early_stopping: 0}");
    let model = crate::Learner::fit(&spec, Task::Regression, data, data, 1).unwrap();
    let theirs = Predictor::read(Library::get().unwrap(), &saved(&*model)).unwrap();
    let expected: Vec<f64> = theirs.predict(&matrix, Kind::Predicted).unwrap().into_iter().map(f64::from).collect();
    assert_eq!(model.predict(&matrix).unwrap(), expected);
    assert_eq!(model.predict(&matrix.slice(0..2)).unwrap(), expected[..2]);
}
