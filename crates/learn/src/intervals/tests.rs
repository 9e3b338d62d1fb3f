use std::path::Path;

use score::{Bounds, Feature, Matrix};

use super::*;
use crate::metrics::{Metric, Scored};
use crate::random::Random;

/// Labels of 10 + 5 x times noise that grows with x: a price with an error that is a share of it.
fn rows(count: usize, seed: u64) -> (Matrix, Vec<f64>) {
    let mut random = Random::new(seed, 0);
    let mut uniform = || (random.below(1 << 30) as f64 + 0.5) / f64::from(1 << 30);
    let (mut x, mut label) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let at = uniform() * 10.0;
        x.push(at);
        label.push((10.0 + 5.0 * at) * (0.8 + 0.4 * uniform()));
    }
    (Matrix::from_columns(vec![Feature::numeric("x")], vec![x]).unwrap(), label)
}

fn spec(yaml: &str) -> IntervalSpec {
    spec::parse(yaml, Path::new("t.yaml"), &Default::default()).unwrap().spec
}

/// Intervals of 10 + 5 x on a fresh test part.
fn judged(spec: &IntervalSpec, label_transform: Option<LabelTransform>) -> (Intervals, Scored, Matrix) {
    judged_with(spec, label_transform, None)
}

/// The same with the learner of a chosen experiment.
fn judged_with(
    spec: &IntervalSpec,
    label_transform: Option<LabelTransform>,
    chosen: Option<&LearnerSpec>,
) -> (Intervals, Scored, Matrix) {
    let ((train, train_label), (valid, valid_label), (test, label)) = (rows(3000, 1), rows(1500, 2), rows(3000, 3));
    let predict = |rows: &Matrix| rows.column(0).iter().map(|x| 10.0 + 5.0 * x).collect::<Vec<f64>>();
    let fitted = spec
        .fit(&Fitting {
            train: Data { features: &train, label: &train_label },
            valid: Data { features: &valid, label: &valid_label },
            predicted: &predict(&valid),
            weighted: true,
            label_transform,
            chosen,
            seed: 1,
        })
        .unwrap();
    let predicted = predict(&test);
    let bounds = fitted.bounds(&test, &predicted).unwrap();
    let scored = Scored::new(Task::Regression, label, predicted, "test").unwrap().with_bounds(bounds);
    (fitted, scored, test)
}

#[test]
fn every_method_covers_what_it_promises() {
    let mut widths = Vec::new();
    for (by, transform) in [
        ("conformal", None),
        ("conformal", Some(LabelTransform::Log)),
        ("quantiles", None),
        ("quantiles", Some(LabelTransform::Log)),
    ] {
        let (_, scored, _) = judged(&spec(&format!("{{coverage: 0.8, by: {by}}}")), transform);
        let coverage = scored.value(Metric::Coverage, None).unwrap();
        assert!((coverage - 0.8).abs() < 0.03, "{by} {transform:?}: {coverage}");
        widths.push(scored.value(Metric::IntervalWidth, None).unwrap());
    }
    // The error is a share of the label: bounds that know it are narrower.
    assert!(widths[1..].iter().all(|width| *width < widths[0]), "{widths:?}");
}

/// The learner of the chosen experiment learns the quantiles, if it can: its own settings, without directions.
#[test]
fn quantiles_are_learned_as_the_chosen_experiment_learns() {
    let learner = |yaml: &str| spec::parse::<LearnerSpec>(yaml, Path::new("t.yaml"), &Default::default()).unwrap().spec;
    let cases = [
        ("lightgbm: {trees: 40, increasing: [x]}", "lightgbm.txt"),
        ("xgboost: {trees: 40, depth: 3, increasing: [x]}", "xgboost.ubj"),
        ("elastic_net", "lightgbm.txt"),
    ];
    for (yaml, file) in cases {
        if yaml.starts_with("xgboost") && !crate::xgboost::is_here() {
            continue;
        }
        let by = spec("{coverage: 0.8, by: quantiles}");
        let (fitted, scored, test) = judged_with(&by, Some(LabelTransform::Log), Some(&learner(yaml)));
        let coverage = scored.value(Metric::Coverage, None).unwrap();
        assert!((coverage - 0.8).abs() < 0.03, "{yaml}: {coverage}");
        let folder = tempfile::tempdir().unwrap();
        let record = fitted.save(folder.path()).unwrap();
        assert_eq!(record.files, Some(["low", "high"].map(|end| format!("interval_{end}/{file}"))), "{yaml}");
        let again = Intervals::load(&record, folder.path(), test.features()).unwrap();
        assert_eq!(&again.bounds(&test, scored.score()).unwrap(), scored.bounds().unwrap(), "{yaml}");
        let strange = IntervalRecord { files: Some(["a.bin", "b.bin"].map(str::to_owned)), ..record };
        let error = Intervals::load(&strange, folder.path(), test.features()).err().unwrap().to_string();
        assert!(error.contains("a.bin: no library is known that writes such models"), "{error}");
    }
}

#[test]
fn conformal_bounds_lie_round_the_prediction() {
    let (plain, scored, _) = judged(&spec("{}"), None);
    assert_eq!((plain.record().coverage, plain.record().by), (0.9, IntervalMethod::Conformal));
    let Bounds { low, high } = scored.bounds().unwrap();
    let margin = plain.record().margin;
    assert_eq!((low[0], high[0]), (scored.score()[0] - margin, scored.score()[0] + margin));
    let (log, scored, _) = judged(&spec("{}"), Some(LabelTransform::Log));
    let Bounds { low, high } = scored.bounds().unwrap();
    let factor = log.record().margin.exp();
    assert!((high[0] / scored.score()[0] - factor).abs() < 1e-9 && (scored.score()[0] / low[0] - factor).abs() < 1e-9);
    assert!(low.iter().all(|low| *low > 0.0));
}

#[test]
fn the_quantile_is_that_of_finite_samples() {
    let misses = |rows: u32| (1..=rows).rev().map(f64::from).collect::<Vec<f64>>();
    // ceil(100 · 0.9) = 90, ceil(101 · 0.9) = 91, ceil(10 · 0.9) = 9, ceil(100 · 0.07) = 7.
    assert_eq!(conformal_quantile(misses(99), 0.9).unwrap(), 90.0);
    assert_eq!(conformal_quantile(misses(100), 0.9).unwrap(), 91.0);
    assert_eq!(conformal_quantile(misses(9), 0.9).unwrap(), 9.0);
    assert_eq!(conformal_quantile(misses(99), 0.07).unwrap(), 7.0);
    assert_eq!(
        conformal_quantile(misses(8), 0.9).unwrap_err().to_string(),
        "intervals: 8 validation rows are too few for a coverage of 0.9; at least 9 are needed; give the validation part a \
         larger share in 'split', or ask for less coverage"
    );
}

#[test]
fn misses_count_by_the_weights_of_their_rows() {
    let misses = |rows: u32| (1..=rows).rev().map(f64::from).collect::<Vec<f64>>();
    for rows in [9, 99, 100] {
        for coverage in [0.5, 0.8, 0.9] {
            let plain = conformal_quantile(misses(rows), coverage).unwrap();
            let equal = weighted_quantile(misses(rows), &vec![2.5; rows as usize], coverage).unwrap();
            assert_eq!(equal, plain, "{rows} rows, {coverage}");
        }
    }
    // By hand: weights 1, 1, 6 and 0 of the misses 1, 2, 3 and 9. Scaled to a mean of 1 over the three that count they are
    // 0.375, 0.375 and 2.25; with a new row of weight 1 there are 4: a half is 2, of which 0.75 lie below 3.
    let weights = [1.0, 1.0, 6.0, 0.0];
    assert_eq!(weighted_quantile(vec![1.0, 2.0, 3.0, 9.0], &weights, 0.5).unwrap(), 3.0);
    // 0.1875 of 4 is 0.75.
    assert_eq!(weighted_quantile(vec![1.0, 2.0, 3.0, 9.0], &weights, 0.1875).unwrap(), 2.0);
    let error = weighted_quantile(vec![1.0, 2.0, 3.0, 9.0], &weights, 0.8).unwrap_err().to_string();
    assert!(error.starts_with("intervals: 3 validation rows are too few for a coverage of 0.8"), "{error}");
}

#[test]
fn intervals_survive_saving() {
    for by in ["conformal", "quantiles"] {
        let (fitted, scored, test) = judged(&spec(&format!("by: {by}")), Some(LabelTransform::Log));
        let folder = tempfile::tempdir().unwrap();
        let record = fitted.save(folder.path()).unwrap();
        let text = serde_json::to_string(&record).unwrap();
        let back: IntervalRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(back, record);
        let again = Intervals::load(&back, folder.path(), test.features()).unwrap();
        assert_eq!(&again.bounds(&test, scored.score()).unwrap(), scored.bounds().unwrap());
        assert_eq!(folder.path().join("interval_low/lightgbm.txt").exists(), by == "quantiles");
        if by == "quantiles" {
            let lost = IntervalRecord { files: None, ..back };
            let error = Intervals::load(&lost, folder.path(), test.features()).err().unwrap().to_string();
            assert!(error.contains("the quantile models are not named"), "{error}");
        }
    }
}

#[test]
fn bounds_never_turn_round() {
    let (fitted, scored, test) = judged(&spec("by: quantiles"), None);
    let folder = tempfile::tempdir().unwrap();
    let record = IntervalRecord { margin: -1e6, ..fitted.save(folder.path()).unwrap() };
    let fitted = Intervals::load(&record, folder.path(), test.features()).unwrap();
    let Bounds { low, high } = fitted.bounds(&test, scored.score()).unwrap();
    assert!(low.iter().zip(&high).all(|(low, high)| low == high && low.is_finite()));
}
