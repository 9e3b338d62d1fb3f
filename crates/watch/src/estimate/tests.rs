use artifact::Verdict;
use polars::prelude::{IntoColumn, NamedFrom, Series, TimeUnit, df};
use spec::random::Random;

use super::*;

const DAY: i64 = 86_400_000_000;

fn unit(random: &mut Random) -> f64 {
    random.below(1 << 30) as f64 / f64::from(1 << 30)
}

fn outcome(score: f64) -> Outcome {
    let week = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();
    Outcome {
        version: "v1".to_owned(),
        entity: 0,
        time: 0,
        week,
        segments: Vec::new(),
        label: None,
        weight: 1.0,
        scores: vec![score],
    }
}

/// Scores that are probabilities already.
fn calibrated(metric: Metric, threshold: Option<f64>) -> Expected {
    let reference = Reference { scores: vec![0.0, 1.0], labels: vec![0.0, 1.0] };
    Expected::of(Task::Classification, metric, &reference, threshold)
}

fn expected(metric: Metric, scores: &[f64]) -> f64 {
    let rows: Vec<Outcome> = scores.iter().copied().map(outcome).collect();
    let of = calibrated(metric, Some(0.5));
    of.of_rows(&rows.iter().collect::<Vec<_>>()).unwrap().0.value(metric, Some(0.5)).unwrap()
}

#[test]
fn the_estimate_is_the_expectation_of_the_confusion_matrix() {
    // Of 0.9, 0.6 and 0.2, with those from 0.5 on flagged: 1.5 right and 0.5 wrong among the flagged, 0.2 missed.
    let scores = [0.9, 0.6, 0.2];
    for (metric, value) in [
        (Metric::Precision, 1.5 / 2.0),
        (Metric::Recall, 1.5 / 1.7),
        (Metric::F1, 2.0 * 1.5 / (2.0 * 1.5 + 0.5 + 0.2)),
        (Metric::Accuracy, (0.9 + 0.6 + 0.8) / 3.0),
        (Metric::Brier, (0.9 * 0.1 + 0.6 * 0.4 + 0.2 * 0.8) / 3.0),
    ] {
        assert!((expected(metric, &scores) - value).abs() < 1e-12, "{metric}");
    }
}

#[test]
fn the_estimate_is_the_mean_over_worlds_in_which_scores_are_true() {
    let mut random = Random::new(5, 0);
    let scores: Vec<f64> = (0..400).map(|_| unit(&mut random)).collect();
    for metric in [Metric::Auc, Metric::LogLoss, Metric::Brier, Metric::F1, Metric::AveragePrecision] {
        let worlds = 400;
        let values: Vec<f64> = (0..worlds)
            .map(|_| {
                let labels = scores.iter().map(|p| f64::from(u8::from(unit(&mut random) < *p))).collect();
                let scored = Scored::new(Task::Classification, labels, scores.clone(), "a world").unwrap();
                scored.value(metric, Some(0.5)).unwrap()
            })
            .collect();
        let mean = values.iter().sum::<f64>() / f64::from(worlds);
        let found = expected(metric, &scores);
        // The mean of 400 worlds is within 0.003; a ratio of expectations is within 1/400 of the expectation of the ratio.
        assert!((found - mean).abs() < 0.006, "{metric}: {found}, not {mean}");
    }
}

fn table(rows: &[(i64, f64, i64)]) -> DataFrame {
    let times = |name: &str, micros: Vec<i64>| -> Column {
        let series = Series::new(name.into(), micros);
        series.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap().into_column()
    };
    let mut table = df!(
        "id" => rows.iter().map(|row| row.0).collect::<Vec<_>>(),
        "score" => rows.iter().map(|row| row.1).collect::<Vec<_>>(),
        "model_version" => vec!["v1"; rows.len()],
    )
    .during("a test")
    .unwrap();
    // Weeks from Monday, 5 January 1970.
    let monday = |week: i64| (4 + 7 * week) * DAY;
    table.with_column(times("day", rows.iter().map(|row| monday(row.2)).collect())).unwrap();
    table.with_column(times("scored_at", rows.iter().map(|row| monday(row.2) + DAY).collect())).unwrap();
    table
}

fn keys() -> Keys {
    Keys {
        entity: "id".to_owned(),
        time: Some("day".to_owned()),
        label: "bought".to_owned(),
        weight: None,
        carried: Vec::new(),
    }
}

/// Scores that are far too sure of themselves: the probability is halfway to a half.
fn truth(score: f64) -> f64 {
    0.25 + 0.5 * score
}

#[test]
fn a_shift_to_where_the_model_is_unsure_shows_before_labels_are_known_and_the_error_is_measured() {
    let mut random = Random::new(9, 0);
    let label = |random: &mut Random, score: f64| f64::from(u8::from(unit(random) < truth(score)));
    let scores: Vec<f64> = (0..4000).map(|_| unit(&mut random)).collect();
    let labels: Vec<f64> = scores.iter().map(|score| label(&mut random, *score)).collect();
    let test = Scored::new(Task::Classification, labels.clone(), scores.clone(), "test").unwrap();
    let test = test.value(Metric::Auc, None).unwrap();
    let promised = BTreeMap::from([("v1".to_owned(), Promised { test: Some(test), ..Promised::default() })]);
    let references = BTreeMap::from([("v1".to_owned(), Reference { scores, labels })]);
    // Three weeks as in the test, whose labels are known; then one in which nobody is near 0 or 1.
    let rows: Vec<(i64, f64, i64)> = (0..4000)
        .map(|id| {
            let (week, score) = (id / 1000, unit(&mut random));
            (id, if week == 3 { 0.45 + 0.1 * score } else { score }, week)
        })
        .collect();
    let predictions = table(&rows);
    let mut outcomes = table(&rows).drop_many(["score", "model_version", "scored_at"]);
    let bought: Vec<Option<f64>> = rows.iter().map(|row| (row.2 < 3).then(|| label(&mut random, row.1))).collect();
    outcomes.with_column(Column::new("bought".into(), bought)).unwrap();
    let spec = EstimateSpec { max_worse: 0.1, ..EstimateSpec::default() };
    let of = |spec: &EstimateSpec, outcomes| {
        estimate(spec, Task::Classification, &keys(), &predictions, outcomes, &promised, &references).unwrap()
    };
    let report = of(&spec, Some(&outcomes));
    let weeks: Vec<(u64, u64, bool)> =
        report.lines.iter().map(|line| (line.rows, line.known_rows, line.failed)).collect();
    assert_eq!(weeks, [(1000, 1000, false), (1000, 1000, false), (1000, 1000, false), (1000, 0, true)]);
    assert_eq!((report.checked_weeks, report.lines[3].value, report.lines[3].error), (3, None, None));
    for line in &report.lines[..3] {
        let error = line.estimate.unwrap() - line.value.unwrap();
        assert!((line.error.unwrap() - error).abs() < 1e-12);
        // The AUC of 1,000 rows has a standard error of about 0.017.
        assert!(error.abs() < 0.06, "{line:?}");
    }
    let usual = report.lines[..3].iter().map(|line| line.error.unwrap().abs()).sum::<f64>() / 3.0;
    assert!((report.usual_error.unwrap() - usual).abs() < 1e-12);
    // What the week would have been: the scores say little.
    let shifted: Vec<f64> = rows[3000..].iter().map(|row| row.1).collect();
    let labels = (0..20).flat_map(|_| shifted.clone()).map(|score| label(&mut random, score)).collect();
    let all = (0..20).flat_map(|_| shifted.clone()).collect();
    let really = Scored::new(Task::Classification, labels, all, "week").unwrap().value(Metric::Auc, None).unwrap();
    assert!((report.lines[3].estimate.unwrap() - really).abs() < 0.03, "{:?}, {really}", report.lines[3]);
    let (verdict, words) = report.verdict(Severity::Hard);
    assert_eq!(verdict, Verdict::Failed);
    assert!(
        words.starts_with("probably worse than on the test part: v1, week of 1970-01-26: auc is estimated at 0.5"),
        "{words}"
    );
    assert!(
        words.contains("such estimates were off by 0.0") && words.ends_with("over 3 weeks whose labels are known"),
        "{words}"
    );
    assert_eq!(report.table().unwrap().height(), 4);

    let (verdict, words) = report.clone().judging("v2").verdict(Severity::Hard);
    let why = "there are no predictions of the version in production: v1, week of";
    assert!(verdict == Verdict::Skipped && words.starts_with(why), "{words}");

    // Without any label: the same estimate, and nobody knows how good it is.
    let blind = of(&spec, None);
    assert_eq!(blind.lines[3].estimate, report.lines[3].estimate);
    assert_eq!((blind.usual_error, blind.checked_weeks), (None, 0));
    assert!(blind.verdict(Severity::Soft).1.ends_with("is not known yet, because there are no labels"));
    let newest = of(&EstimateSpec { weeks: 1, max_worse: 0.9, ..spec.clone() }, None);
    assert_eq!((newest.lines.len(), newest.verdict(Severity::Hard).0), (1, Verdict::Passed));
    // A test part that is too small says nothing.
    let few = BTreeMap::from([("v1".to_owned(), Reference { scores: vec![0.5; 99], labels: vec![1.0; 99] })]);
    let none = estimate(&spec, Task::Classification, &keys(), &predictions, None, &promised, &few).unwrap();
    let words = "the test part of v1 is missing or too small to calibrate scores";
    assert_eq!(none.verdict(Severity::Hard), (Verdict::Skipped, words.to_owned()));
}

#[test]
fn of_a_regression_errors_are_those_of_predictions_of_this_size() {
    // Errors are a tenth of the prediction, to either side.
    let scores: Vec<f64> = (1..=1000).map(f64::from).collect();
    let labels: Vec<f64> =
        scores.iter().map(|score| if score % 2.0 == 0.0 { 0.9 * score } else { 1.1 * score }).collect();
    let references = BTreeMap::from([("v1".to_owned(), Reference { scores, labels })]);
    let rows: Vec<(i64, f64, i64)> = (0..1000).map(|id| (id, 901.0 + (id % 100) as f64, 0)).collect();
    let of = |metric, test| {
        let spec = EstimateSpec { metric: Some(metric), ..EstimateSpec::default() };
        let promised = BTreeMap::from([("v1".to_owned(), Promised { test: Some(test), ..Promised::default() })]);
        let report = estimate(&spec, Task::Regression, &keys(), &table(&rows), None, &promised, &references).unwrap();
        report.lines[0].clone()
    };
    // The tenth of the largest predictions has the mean 950.5, and so the mean error 95.05.
    let mae = of(Metric::Mae, 50.05);
    assert!((mae.estimate.unwrap() - 95.05).abs() < 1e-9 && mae.failed, "{mae:?}");
    assert!((mae.worse.unwrap() - (95.05 / 50.05 - 1.0)).abs() < 1e-9);
    let squares: f64 = (901..=1000).map(|score| f64::from(score).powi(2) / 100.0).sum();
    assert!((of(Metric::Rmse, 1.0).estimate.unwrap() - (squares / 100.0).sqrt()).abs() < 1e-9);
    // A tenth of the score is a ninth or an eleventh of the label.
    assert!((of(Metric::Mape, 1.0).estimate.unwrap() - (1.0 / 9.0 + 1.0 / 11.0) / 2.0).abs() < 1e-9);
}

#[test]
fn a_prediction_of_0_has_an_expected_error_and_a_label_of_0_leaves_a_percentage_undefined() {
    // All predictions are of one size: 0, where the label was 2 or 4, or 1, where it was 1 or 2.
    let scores: Vec<f64> = (0..400).map(|row| f64::from(row % 2)).collect();
    let labels: Vec<f64> = (0..400).map(|row| [2.0, 1.0, 4.0, 2.0][row % 4]).collect();
    let of = |metric, labels: Vec<f64>, predicted: f64| {
        let reference = Reference { scores: scores.clone(), labels };
        let expected = Expected::of(Task::Regression, metric, &reference, None);
        expected.of_rows(&[&outcome(predicted), &outcome(predicted)]).unwrap().0.value(metric, None)
    };
    let close =
        |found: Option<f64>, value: f64| assert!((found.unwrap() - value).abs() < 1e-12, "{found:?}, not {value}");
    close(of(Metric::Mape, labels.clone(), 0.0), 1.0);
    close(of(Metric::Mape, labels.clone(), 1.0), 0.25);
    close(of(Metric::Mae, labels.clone(), 0.0), 3.0);
    close(of(Metric::Rmse, labels.clone(), 0.0), 10f64.sqrt());
    let zero: Vec<f64> = labels.iter().map(|label| if *label == 4.0 { 0.0 } else { *label }).collect();
    assert_eq!(of(Metric::Mape, zero.clone(), 0.0), None);
    close(of(Metric::Mae, zero, 0.0), 1.0);
}

#[test]
fn what_cannot_be_estimated_is_named() {
    let of = |metric| EstimateSpec { metric: Some(metric), ..EstimateSpec::default() };
    for metric in [Metric::Wape, Metric::Bias, Metric::Mase, Metric::Coverage] {
        assert!(of(metric).metric_of(Task::Regression).is_err(), "{metric}");
    }
    assert_eq!(
        of(Metric::R2).metric_of(Task::Regression).unwrap_err().to_string(),
        "estimate.metric: 'r2' cannot be estimated for this model; choose one of: mae, rmse, mape"
    );
    assert_eq!(EstimateSpec::default().metric_of(Task::Multiclass).unwrap(), Metric::LogLoss);
    assert_eq!(
        of(Metric::Auc).metric_of(Task::Multiclass).unwrap_err().to_string(),
        "estimate.metric: 'auc' cannot be estimated for this model; choose one of: log_loss, accuracy, macro_f1, macro_auc"
    );
    let weighted = Keys { weight: Some("w".to_owned()), ..keys() };
    let (predictions, none) = (table(&[(1, 0.5, 0)]), BTreeMap::new());
    let spec = EstimateSpec::default();
    let found = estimate(&spec, Task::Classification, &weighted, &predictions, None, &none, &BTreeMap::new());
    assert_eq!(
        found.unwrap_err().to_string(),
        "estimate: the metrics of the model are weighted by column 'w', which predictions do not have; take 'estimate' out of \
         monitor.yaml, or 'weighted_metrics' out of train.yaml"
    );
    assert_eq!(EstimateSpec::default().metric_of(Task::Regression).unwrap(), Metric::Mae);
    let wrong = EstimateSpec { weeks: 0, ..EstimateSpec::default() };
    assert_eq!(wrong.fault().unwrap().to_string(), "weeks: found 0, expected a whole number from 1 to 5000");
}

/// Probabilities of three classes that differ from row to row.
fn three(random: &mut Random) -> Vec<f64> {
    let all: Vec<f64> = (0..3).map(|_| unit(random).powi(2) + 0.01).collect();
    let sum: f64 = all.iter().sum();
    all.iter().map(|one| one / sum).collect()
}

/// A class drawn by these probabilities.
fn drawn(random: &mut Random, probabilities: &[f64]) -> f64 {
    let at = unit(random);
    let mut sum = 0.0;
    let beyond = probabilities.iter().position(|one| {
        sum += one;
        at < sum
    });
    beyond.unwrap_or(probabilities.len() - 1) as f64
}

#[test]
fn of_several_classes_the_estimate_is_the_mean_over_worlds_in_which_probabilities_are_true() {
    let mut random = Random::new(12, 0);
    let all: Vec<Vec<f64>> = (0..400).map(|_| three(&mut random)).collect();
    let rows: Vec<Outcome> = all.iter().map(|scores| Outcome { scores: scores.clone(), ..outcome(0.0) }).collect();
    let rows: Vec<&Outcome> = rows.iter().collect();
    let reference = Reference { scores: vec![1., 0., 0., 0., 1., 0., 0., 0., 1.], labels: vec![0.0, 1.0, 2.0] };
    for metric in Metric::of(Task::Multiclass) {
        let expected = Expected::of(Task::Multiclass, metric, &reference, None);
        let found = expected.of_rows(&rows).unwrap().0.value(metric, None).unwrap();
        let worlds = 400;
        let values = (0..worlds).map(|_| {
            let labels = all.iter().map(|probabilities| drawn(&mut random, probabilities)).collect();
            Scored::new(Task::Multiclass, labels, all.concat(), "a world").unwrap().value(metric, None).unwrap()
        });
        let mean = values.sum::<f64>() / f64::from(worlds);
        assert!((found - mean).abs() < 0.006, "{metric}: {found}, not {mean}");
    }
}

#[test]
fn probabilities_of_several_classes_that_are_too_sure_are_calibrated_by_the_test_part() {
    let mut random = Random::new(13, 0);
    // The model says less than the truth of the class that is least probable.
    let said = |truth: &[f64]| -> Vec<f64> {
        let sharp: Vec<f64> = truth.iter().map(|one| one.powi(3)).collect();
        let sum: f64 = sharp.iter().sum();
        sharp.iter().map(|one| one / sum).collect()
    };
    let mut part = |rows: usize| {
        let (mut scores, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let truth = three(&mut random);
            labels.push(drawn(&mut random, &truth));
            scores.extend(said(&truth));
        }
        (scores, labels)
    };
    let (scores, labels) = part(20_000);
    let reference = Reference { scores, labels };
    let (scores, labels) = part(20_000);
    let rows: Vec<Outcome> =
        scores.chunks(3).map(|scores| Outcome { scores: scores.to_vec(), ..outcome(0.0) }).collect();
    let rows: Vec<&Outcome> = rows.iter().collect();
    let really = Scored::new(Task::Multiclass, labels, scores.clone(), "a part").unwrap();
    for (metric, tolerance) in
        [(Metric::LogLoss, 0.06), (Metric::Accuracy, 0.01), (Metric::MacroF1, 0.01), (Metric::MacroAuc, 0.01)]
    {
        let expected = Expected::of(Task::Multiclass, metric, &reference, None);
        let found = expected.of_rows(&rows).unwrap().0.value(metric, None).unwrap();
        let truth = really.value(metric, None).unwrap();
        assert!((found - truth).abs() < tolerance, "{metric}: {found}, really {truth}");
    }
    // Taken at its word, the model would be far better than it is.
    let naive = scores.chunks(3).map(|row| row.iter().copied().fold(0.0, f64::max)).sum::<f64>() / 20_000.0;
    assert!(naive > really.value(Metric::Accuracy, None).unwrap() + 0.1, "{naive}");
    // A row to which no class is left: each is as likely as the others.
    let flat = vec![Isotonic::fit(&[0.0, 1.0], &[0.0, 0.0]); 3];
    assert_eq!(probabilities(&flat, &[0.2, 0.3, 0.5]), [1.0 / 3.0; 3]);
}

#[test]
fn the_test_part_is_read_by_the_order_of_its_columns() {
    // A label of the name `score` pushed the score to another name.
    let keys =
        Keys { entity: "id".to_owned(), time: None, label: "score".to_owned(), weight: None, carried: Vec::new() };
    let rows = df!("id" => [1i64, 2, 3], "score" => [Some(1.0), None, Some(0.0)], "score_2" => [0.9, 0.5, 0.2], "part" => ["test"; 3]);
    let found = Reference::of(&rows.unwrap(), &keys, &[]).unwrap();
    assert_eq!((found.labels, found.scores), (vec![1.0, 0.0], vec![0.9, 0.2]));
    let rows =
        df!("id" => [1i64, 2], "score" => ["b", "c"], "probability_a" => [0.2, 0.1], "probability_b" => [0.8, 0.9])
            .unwrap();
    let classes = ["a", "b"].map(str::to_owned);
    let found = Reference::of(&rows, &keys, &classes).unwrap();
    assert_eq!((found.labels, found.scores), (vec![1.0], vec![0.2, 0.8]));
    assert!(Reference::of(&rows.drop("probability_b").unwrap(), &keys, &classes).unwrap().labels.is_empty());
}
