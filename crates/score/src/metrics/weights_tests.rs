//! Weights in metrics: numbers of scikit-learn, and that a row of weight 2 is as good as the row twice.

use super::*;
use crate::ThresholdRule;
use spec::random::Random;

const LABEL: [f64; 10] = [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0];
const SCORE: [f64; 10] = [0.1, 0.4, 0.35, 0.8, 0.4, 0.4, 0.9, 0.8, 0.05, 0.4];
const WEIGHT: [f64; 10] = [0.5, 2.0, 1.25, 0.0, 3.0, 0.75, 1.5, 2.5, 4.0, 0.1];

fn close(metric: Metric, ours: Option<f64>, theirs: f64) {
    let ours = ours.unwrap_or(f64::NAN);
    assert!((ours - theirs).abs() < 1e-12, "{metric}: {ours} instead of {theirs}");
}

#[test]
fn two_classes_are_weighed_as_scikit_learn_weighs_them() {
    let scored = Scored::new(Task::Classification, LABEL.to_vec(), SCORE.to_vec(), "test").unwrap();
    let scored = scored.with_weights(Some(&WEIGHT));
    // scikit-learn 1.9.1, each with sample_weight: roc_auc_score, average_precision_score, log_loss, brier_score_loss,
    // and at score >= 0.4 precision_score, recall_score, f1_score, accuracy_score.
    for (metric, theirs) in [
        (Metric::Auc, 0.6743370589524436),
        (Metric::AveragePrecision, 0.6164956444144261),
        (Metric::LogLoss, 0.6408357935731288),
        (Metric::Brier, 0.23808493589743593),
        (Metric::Precision, 0.46700507614213194),
        (Metric::Recall, 0.7863247863247863),
        (Metric::F1, 0.5859872611464968),
        (Metric::Accuracy, 0.5833333333333334),
    ] {
        close(metric, scored.value(metric, Some(0.4)), theirs);
    }
}

#[test]
fn numbers_are_weighed_as_scikit_learn_weighs_them() {
    let (label, score) = (vec![3.0, -0.5, 2.0, 7.5], vec![2.5, 0.1, 2.0, 8.0]);
    let scored = Scored::new(Task::Regression, label, score, "test").unwrap();
    let scored = scored.with_weights(Some(&[1.0, 0.25, 3.0, 0.5]));
    // scikit-learn 1.9.1 with sample_weight: mean_absolute_error, root_mean_squared_error,
    // mean_absolute_percentage_error, r2_score.
    for (metric, theirs) in [
        (Metric::Mae, 0.18947368421052632),
        (Metric::Rmse, 0.3128813462674073),
        (Metric::Mape, 0.10526315789473684),
        (Metric::R2, 0.9702525252525253),
    ] {
        close(metric, scored.value(metric, None), theirs);
    }
}

#[test]
fn several_classes_are_weighed_as_scikit_learn_weighs_them() {
    #[rustfmt::skip]
    let score = vec![
        0.6, 0.3, 0.1,  0.2, 0.5, 0.3,  0.1, 0.8, 0.1,  0.4, 0.35, 0.25,
        0.5, 0.2, 0.3,  0.1, 0.2, 0.7,  0.3, 0.3, 0.4,  0.25, 0.25, 0.5,
    ];
    let label = vec![0.0, 2.0, 1.0, 1.0, 0.0, 2.0, 2.0, 0.0];
    let weights = [1.0, 0.5, 2.0, 1.5, 0.0, 3.0, 0.25, 1.0];
    let scored = Scored::new(Task::Multiclass, label, score, "test").unwrap().with_weights(Some(&weights));
    // scikit-learn 1.9.1 with sample_weight: log_loss, accuracy_score, f1_score(average='macro'),
    // roc_auc_score(multi_class='ovr').
    for (metric, theirs) in [
        (Metric::LogLoss, 0.6291053179686511),
        (Metric::Accuracy, 0.6756756756756757),
        (Metric::MacroF1, 0.6412037037037037),
        (Metric::MacroAuc, 0.9352265425728694),
    ] {
        close(metric, scored.value(metric, None), theirs);
    }
}

/// Random rows of a task with random whole weights, some of them 0, and the same rows repeated as often.
fn pair(task: Task, random: &mut Random) -> (Scored, Scored) {
    let rows = 5 + random.below(60);
    let classes = 3;
    let width = if task == Task::Multiclass { classes } else { 1 };
    let (mut label, mut score, mut weights, mut low, mut high) = (vec![], vec![], vec![], vec![], vec![]);
    for row in 0..rows {
        label.push(match task {
            // Every class occurs, in rows that count.
            Task::Classification => (if row < 2 { row } else { random.below(2) }) as f64,
            Task::Multiclass => (if row < classes { row } else { random.below(classes) }) as f64,
            Task::Regression => random.below(9) as f64 - 4.5,
        });
        let parts: Vec<f64> = (0..width).map(|_| (1 + random.below(8)) as f64).collect();
        let sum: f64 = if width > 1 { parts.iter().sum() } else { 9.0 };
        score.extend(parts.iter().map(|part| part / sum));
        weights.push((if row < classes { 1 + random.below(3) } else { random.below(4) }) as u8);
        low.push(random.below(5) as f64 - 5.0);
        high.push(random.below(5) as f64);
    }
    let times = |values: &[f64], width: usize| -> Vec<f64> {
        let each = values.chunks(width).zip(&weights);
        each.flat_map(|(values, times)| values.repeat(usize::from(*times))).collect()
    };
    let repeated = Scored::new(task, times(&label, 1), times(&score, width), "repeated").unwrap();
    let repeated = repeated.with_bounds(Bounds { low: times(&low, 1), high: times(&high, 1) });
    // Only ratios count.
    let weights: Vec<f64> = weights.iter().map(|weight| f64::from(*weight) * 0.37).collect();
    let weighed = Scored::new(task, label, score, "weighed").unwrap();
    (weighed.with_bounds(Bounds { low, high }).with_weights(Some(&weights)), repeated)
}

#[test]
fn a_row_of_weight_two_is_as_good_as_the_row_twice() {
    let mut random = Random::new(20, 26);
    let near = |ours: f64, theirs: f64| (ours - theirs).abs() < 1e-9 * theirs.abs().max(1.0);
    for round in 0..300 {
        for task in [Task::Classification, Task::Multiclass, Task::Regression] {
            let (weighed, repeated) = pair(task, &mut random);
            for metric in Metric::ALL {
                let threshold = Some((1 + random.below(9)) as f64 / 9.0);
                let (ours, theirs) = (weighed.value(metric, threshold), repeated.value(metric, threshold));
                let same = match (ours, theirs) {
                    (Some(ours), Some(theirs)) => near(ours, theirs),
                    (ours, theirs) => ours.is_none() && theirs.is_none(),
                };
                assert!(same, "round {round}, {task:?}: {metric} {ours:?} instead of {theirs:?}");
            }
        }
        let (weighed, repeated) = pair(Task::Classification, &mut random);
        for rule in [
            "cost: {false_positive: 1, false_negative: 3}",
            "cost: {false_positive: 4, false_negative: 1}",
            "quota: 0.25",
            "best: f1",
            "best: accuracy",
        ] {
            let rule: ThresholdRule = serde_yaml_of(rule);
            let [ours, theirs] = [&weighed, &repeated].map(|scored| rule.pick(scored).unwrap().value);
            // Rows of weight 0 may lie between two scores, but the decisions about all others are the same.
            let decided = |threshold: f64| repeated.confusion_at(threshold);
            let (ours, theirs) = (decided(ours), decided(theirs));
            assert_eq!(ours, theirs, "round {round}, {rule:?}");
        }
        for (ours, theirs) in calibration(&weighed).iter().zip(calibration(&repeated)) {
            assert!(near(ours.predicted, theirs.predicted) && near(ours.observed, theirs.observed), "round {round}");
        }
        // Which points are left out as too close may hang on a last digit; the area does not.
        let area =
            |curve: Curve| curve.windows(2).map(|at| (at[1].0 - at[0].0) * (at[0].1 + at[1].1) / 2.0).sum::<f64>();
        let [ours, theirs] = [&weighed, &repeated].map(|scored| area(roc(scored)));
        assert!((ours - theirs).abs() < 2e-3, "round {round}: {ours} instead of {theirs}");
        let (weighed, repeated) = pair(Task::Regression, &mut random);
        for (ours, theirs) in error_curve(&weighed, 5.0).iter().zip(error_curve(&repeated, 5.0)) {
            assert!(near(ours.1, theirs.1), "round {round}");
        }
    }
}

fn serde_yaml_of(text: &str) -> ThresholdRule {
    #[derive(serde::Deserialize)]
    struct Spec {
        threshold: ThresholdRule,
    }
    let text = format!("threshold: {{{text}}}\n");
    spec::parse::<Spec>(&text, std::path::Path::new("t"), &Default::default()).unwrap().spec.threshold
}

#[test]
fn resamples_of_weighed_rows_are_those_of_repeated_ones_where_all_weigh_the_same() {
    let scored = Scored::new(Task::Classification, LABEL.to_vec(), SCORE.to_vec(), "test").unwrap();
    let weighed = scored.clone().with_weights(Some(&[3.0; 10]));
    let resamples = Resamples::of_rows(10, 300, 4);
    let metrics = [Metric::Auc, Metric::LogLoss, Metric::F1];
    let [one, other] = [&scored, &weighed].map(|scored| resamples.intervals(scored, &metrics, Some(0.4)));
    for (one, other) in one.iter().zip(&other) {
        let (one, other) = (one.unwrap(), other.unwrap());
        assert!((one.low - other.low).abs() < 1e-12 && (one.high - other.high).abs() < 1e-12, "{one:?} {other:?}");
    }
}

#[test]
fn rows_of_weight_0_have_no_say_and_no_metric_if_there_are_no_others() {
    let of = |weights: &[f64]| {
        let scored = Scored::new(Task::Classification, vec![1.0, 0.0, 0.0], vec![0.9, 0.5, 0.1], "test").unwrap();
        scored.with_weights(Some(weights))
    };
    let none = of(&[0.0, 1.0, 1.0]);
    assert_eq!(none.value(Metric::Auc, None), None);
    let why = none.why_undefined(Metric::Auc);
    assert_eq!(why, "is undefined because none of the 2 rows that count has class 1");
    let nothing = of(&[0.0; 3]);
    assert_eq!(nothing.value(Metric::Brier, None), None);
    assert_eq!(nothing.why_undefined(Metric::Brier), "is undefined because all 3 rows have the weight 0");
}
