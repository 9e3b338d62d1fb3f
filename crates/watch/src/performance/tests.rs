use artifact::Verdict;
use chrono::TimeDelta;
use polars::prelude::{TimeUnit, df};
use spec::random::Random;

use super::*;
use crate::outcomes::class_names;

const DAY: i64 = 86_400_000_000;

fn keys() -> Keys {
    Keys {
        entity: "id".to_owned(),
        time: Some("day".to_owned()),
        label: "price".to_owned(),
        weight: None,
        carried: Vec::new(),
    }
}

fn times(micros: Vec<Option<i64>>, name: &str) -> Column {
    let series = Series::new(name.into(), micros);
    series.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap().into_column()
}

/// Days since 1970-01-05, which was a Monday.
fn day(number: i64) -> i64 {
    (4 + number) * DAY
}

fn promised(test: f64) -> BTreeMap<String, Promised> {
    let of = |name: &str| (name.to_owned(), Promised { test: Some(test), ..Promised::default() });
    [of("v1"), of("v2")].into()
}

fn report(spec: &PerformanceSpec, predictions: &DataFrame, outcomes: &DataFrame, test: f64) -> PerformanceReport {
    performance(spec, Task::Regression, &keys(), predictions, outcomes, &promised(test)).unwrap()
}

#[test]
fn predictions_are_judged_by_version_week_and_segment() {
    let mut predictions = df!(
        "id" => [1i64, 2, 3, 1, 9],
        "score" => [11.0, 18.0, 33.0, 40.0, 1.0],
        "model_version" => ["v1", "v1", "v1", "v2", "v2"],
    )
    .unwrap();
    let at = |days: [i64; 5]| days.map(|days| Some(day(days))).to_vec();
    predictions.with_column(times(at([0, 6, 7, 7, 7]), "day")).unwrap();
    predictions.with_column(times(at([1, 7, 8, 8, 8]), "scored_at")).unwrap();
    let mut outcomes =
        df!("id" => [1i64, 2, 3, 1], "price" => [10.0, 20.0, 30.0, 20.0], "district" => ["a", "b", "a", "a"]).unwrap();
    outcomes.with_column(times([0, 6, 7, 7].map(|days| Some(day(days))).to_vec(), "day")).unwrap();
    let spec = PerformanceSpec { segments: vec!["district".to_owned()], min_rows: 1, ..PerformanceSpec::default() };
    let found = report(&spec, &predictions, &outcomes, 2.0);
    let week = |number: i64| NaiveDate::from_ymd_opt(1970, 1, 5).unwrap() + TimeDelta::weeks(number);
    let lines: Vec<_> = found
        .lines
        .iter()
        .map(|line| {
            let segment = line.segment.clone().map(|(_, value)| value.unwrap());
            (line.version.as_str(), line.week, segment, line.rows, line.value.unwrap(), line.failed)
        })
        .collect();
    let (a, b) = (Some("a".to_owned()), Some("b".to_owned()));
    assert_eq!(
        lines,
        [
            ("v1", None, None, 3, 2.0, false),
            ("v1", Some(week(0)), None, 2, 1.5, false),
            ("v1", Some(week(1)), None, 1, 3.0, true),
            ("v1", None, a.clone(), 2, 2.0, false),
            ("v1", None, b, 1, 2.0, false),
            ("v2", None, None, 1, 20.0, true),
            ("v2", Some(week(1)), None, 1, 20.0, true),
            ("v2", None, a, 1, 20.0, true),
        ]
    );
    assert_eq!((found.rows, found.lines[0].worse, found.lines[5].worse), (4, Some(0.0), Some(9.0)));
    let (verdict, words) = found.verdict(Severity::Hard);
    assert_eq!(verdict, Verdict::Failed);
    assert_eq!(
        words,
        "worse than on the test part: v1, week of 1970-01-12: mae 3 on 1 row, 50 % worse than 2 on test; v2: mae 20 on 1 \
         row, 900 % worse than 2 on test; v2, week of 1970-01-12: mae 20 on 1 row, 900 % worse than 2 on test; and 1 more"
    );
    assert_eq!([found.worse("v2", &spec), found.worse("v3", &spec)], [Some(9.0), None]);
    // Too few rows to judge; the newest week alone.
    assert_eq!(found.worse("v2", &PerformanceSpec { min_rows: 100, ..spec.clone() }), None);
    let careful = report(&PerformanceSpec { min_rows: 100, ..spec.clone() }, &predictions, &outcomes, 2.0);
    let (verdict, words) = careful.verdict(Severity::Hard);
    assert_eq!(verdict, Verdict::Skipped, "three rows of a hundred");
    let why = "too few outcomes of the version in production to judge by, fewer than the 100 of 'min_rows': v1: mae 2 on 3 rows";
    assert!(words.starts_with(why), "{words}");
    // Enough of them, but nothing to compare with.
    for (test, why) in [
        (f64::NAN, "the version in production has no figure of its test part to judge by: v1: mae 2 on 3 rows"),
        (
            0.0,
            "the version in production has a figure of 0 on its test part, of which nothing is a share: v1: mae 2 on",
        ),
    ] {
        let mut promised = promised(test);
        promised.values_mut().for_each(|promised| promised.test = promised.test.filter(|test| !test.is_nan()));
        let found = performance(&spec, Task::Regression, &keys(), &predictions, &outcomes, &promised).unwrap();
        let (verdict, words) = found.judging("v1").verdict(Severity::Hard);
        assert!(verdict == Verdict::Skipped && words.starts_with(why), "{words}");
    }
    let newest = report(&PerformanceSpec { weeks: 1, ..spec.clone() }, &predictions, &outcomes, 2.0);
    assert_eq!((newest.rows, newest.lines[0].rows), (2, 1));
    // Nothing is known of the version in production, however good the others are.
    let (verdict, words) = found.clone().judging("v3").verdict(Severity::Hard);
    let why = "there are no outcomes of the version in production: v1: ";
    assert!(verdict == Verdict::Skipped && words.starts_with(why), "{words}");
    // Of v1 only the week fails; v2 is not in production any more.
    let of_one = found.clone().judging("v1").verdict(Severity::Hard);
    assert_eq!(
        of_one.1,
        "worse than on the test part: v1, week of 1970-01-12: mae 3 on 1 row, 50 % worse than 2 on test"
    );
    let table = found.table().unwrap();
    assert_eq!(table.column("week").unwrap().dtype(), &DataType::Date);
    let unknown = PerformanceSpec { segments: vec!["distrct".to_owned()], ..spec };
    let error = performance(&unknown, Task::Regression, &keys(), &predictions, &outcomes, &promised(2.0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "performance.segments: no column 'distrct' in table 'training'; did you mean 'district'?"
    );
}

#[test]
fn the_last_prediction_about_a_row_and_its_first_known_outcome_count() {
    let mut random = Random::new(6, 1);
    for round in 0..50 {
        let (rows, known) = (1 + random.below(60), 1 + random.below(40));
        let mut id = || (random.below(9) > 0).then(|| random.below(12) as i64);
        let (ids, outcome_ids): (Vec<_>, Vec<_>) =
            ((0..rows).map(|_| id()).collect(), (0..known).map(|_| id()).collect());
        let days: Vec<Option<i64>> = (0..rows).map(|_| Some(day(random.below(3) as i64))).collect();
        let outcome_days: Vec<Option<i64>> = (0..known).map(|_| Some(day(random.below(3) as i64))).collect();
        let versions: Vec<&str> = (0..rows).map(|_| ["v1", "v2"][random.below(2)]).collect();
        let scores: Vec<f64> = (0..rows).map(|_| random.below(1000) as f64 / 8.0).collect();
        // No two at one moment: which of them counts would be chance.
        let mut order: Vec<i64> = (0..rows as i64).collect();
        random.shuffle(&mut order);
        let labels: Vec<Option<f64>> =
            (0..known).map(|_| (random.below(5) > 0).then(|| random.below(1000) as f64 / 8.0)).collect();
        let mut predictions = df!("id" => &ids, "score" => &scores, "model_version" => &versions).unwrap();
        predictions.with_column(times(days.clone(), "day")).unwrap();
        predictions.with_column(times(order.iter().map(|at| Some(day(9) + at)).collect(), "scored_at")).unwrap();
        let mut outcomes = df!("id" => &outcome_ids, "price" => &labels).unwrap();
        outcomes.with_column(times(outcome_days.clone(), "day")).unwrap();
        let found = report(&PerformanceSpec::default(), &predictions, &outcomes, 1.0);
        // The same, one row after the other.
        for version in ["v1", "v2"] {
            let mut errors = Vec::new();
            for row in 0..rows {
                let same =
                    |other: &usize| versions[*other] == version && ids[*other] == ids[row] && days[*other] == days[row];
                let is_last = (0..rows).filter(same).all(|other| order[other] <= order[row]);
                let label = (0..known)
                    .find(|at| outcome_ids[*at] == ids[row] && outcome_days[*at] == days[row] && labels[*at].is_some());
                if let (true, true, Some(at)) = (versions[row] == version && ids[row].is_some(), is_last, label) {
                    errors.push((labels[at].unwrap() - scores[row]).abs());
                }
            }
            let line = found.lines.iter().find(|line| line.version == version && line.week.is_none());
            let expected = (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64);
            let value = line.and_then(|line| line.value);
            assert_eq!(line.map_or(0, |line| line.rows), errors.len() as u64, "round {round}");
            assert!(
                value.zip(expected).map_or(value == expected, |(one, other)| (one - other).abs() < 1e-9),
                "round {round}: {value:?}, not {expected:?}"
            );
        }
    }
}

#[test]
fn what_cannot_be_judged_is_named() {
    let spec = PerformanceSpec { metric: Some(Metric::Auc), ..PerformanceSpec::default() };
    let error = spec.metric_of(Task::Regression).unwrap_err().to_string();
    assert_eq!(
        error,
        "performance.metric: 'auc' does not judge this model; choose one of: mae, rmse, mape, wape, bias, r2"
    );
    // It needs a plain forecast to compare with, which predictions do not have.
    let scaled = PerformanceSpec { metric: Some(Metric::Mase), ..PerformanceSpec::default() };
    assert!(scaled.metric_of(Task::Regression).unwrap_err().to_string().contains("'mase' does not judge this model"));
    assert_eq!(
        spec.metric_of(Task::Multiclass).unwrap_err().to_string(),
        "performance.metric: 'auc' does not judge this model; choose one of: log_loss, accuracy, macro_f1, macro_auc"
    );
    assert_eq!(PerformanceSpec::default().metric_of(Task::Multiclass).unwrap(), Metric::LogLoss);
    let wrong = PerformanceSpec { max_worse: -0.1, ..PerformanceSpec::default() };
    assert_eq!(wrong.fault().unwrap().to_string(), "max_worse: found -0.1, expected a number from 0");
    let mut predictions = df!("id" => ["1"], "score" => [1.0], "model_version" => ["v1"]).unwrap();
    predictions.with_column(times(vec![Some(0)], "day")).unwrap();
    predictions.with_column(times(vec![Some(0)], "scored_at")).unwrap();
    let mut outcomes = df!("id" => [1i64], "price" => [1.0]).unwrap();
    outcomes.with_column(times(vec![Some(0)], "day")).unwrap();
    let spec = PerformanceSpec::default();
    let error = performance(&spec, Task::Regression, &keys(), &predictions, &outcomes, &promised(1.0)).unwrap_err();
    assert!(
        error.to_string().starts_with("performance: column 'id' is string in the predictions, but int64 in the labels")
    );
    assert_eq!(
        report(
            &spec,
            &predictions.slice(0, 0),
            &predictions.slice(0, 0).hstack(&[outcomes.column("price").unwrap().slice(0, 0)]).unwrap(),
            1.0
        )
        .verdict(Severity::Soft),
        (Verdict::Skipped, "no prediction has an outcome yet".to_owned())
    );
}

#[test]
fn a_bias_is_worse_to_either_side() {
    let promised = Promised { test: Some(-2.0), ..Promised::default() };
    for (interval, expected) in [((2.1, 3.0), true), ((-3.0, -2.1), true), ((-1.0, 1.5), false), ((1.5, 2.5), false)] {
        assert_eq!(promised.is_beyond(Metric::Bias, Some(interval)), expected, "{interval:?}");
    }
    assert_eq!(promised.worse(Metric::Bias, Some(3.0)), Some(0.5));
}

/// The metrics by their definitions, from texts alone.
fn by_definition(metric: Metric, rows: &[(&str, Vec<(&str, f64)>)]) -> f64 {
    let said = |row: &(&str, Vec<(&str, f64)>)| -> String {
        let best = row.1.iter().fold(("", f64::NEG_INFINITY), |best, one| if one.1 > best.1 { *one } else { best });
        best.0.to_owned()
    };
    let count = rows.len() as f64;
    match metric {
        Metric::Accuracy => rows.iter().filter(|row| said(row) == row.0).count() as f64 / count,
        Metric::LogLoss => {
            let of = |row: &(&str, Vec<(&str, f64)>)| {
                let known = row.1.iter().find(|(class, _)| *class == row.0);
                -known.map_or(0.0, |(_, probability)| *probability).max(f64::EPSILON).ln()
            };
            rows.iter().map(of).sum::<f64>() / count
        }
        _ => {
            let happened = rows.iter().map(|row| row.0.to_owned());
            let classes: std::collections::BTreeSet<String> = happened.chain(rows.iter().map(said)).collect();
            let f1 = |class: &String| {
                let right = rows.iter().filter(|row| row.0 == class && said(row) == *class).count();
                let all = rows.iter().filter(|row| row.0 == class).count();
                let named = rows.iter().filter(|row| said(row) == *class).count();
                2.0 * right as f64 / (all + named) as f64
            };
            classes.iter().map(f1).sum::<f64>() / classes.len() as f64
        }
    }
}

#[test]
fn predictions_of_several_classes_are_judged_each_by_the_classes_of_its_version() {
    // v1 knows three classes, v2 another order and one more; 'new' is known to neither.
    const CLASSES: [(&str, &[&str]); 2] = [("v1", &["a", "b", "c"]), ("v2", &["c", "x", "a", "b"])];
    let mut random = Random::new(21, 0);
    for round in 0..30 {
        let count = 20 + random.below(60);
        let mut columns: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
        ["a", "b", "c", "x"].iter().for_each(|class| drop(columns.insert(format!("probability_{class}"), Vec::new())));
        let (mut versions, mut labels) = (Vec::new(), Vec::new());
        // By version: the label of a row, and the probability of each class.
        type Row<'a> = (&'a str, Vec<(&'a str, f64)>);
        let mut rows: BTreeMap<&str, Vec<Row<'_>>> = BTreeMap::new();
        for _ in 0..count {
            let (version, classes) = CLASSES[random.below(2)];
            let mut each: Vec<f64> = classes.iter().map(|_| 1.0 + random.below(1000) as f64).collect();
            let sum: f64 = each.iter().sum();
            each.iter_mut().for_each(|one| *one /= sum);
            let said: Vec<(&str, f64)> = classes.iter().copied().zip(each).collect();
            for (name, values) in &mut columns {
                let of_class = said.iter().find(|(class, _)| *name == format!("probability_{class}"));
                values.push(of_class.map(|(_, probability)| *probability));
            }
            let label = ["a", "b", "c", "x", "new", "newer"][random.below(if round % 2 == 0 { 3 } else { 6 })];
            versions.push(version);
            labels.push(label);
            rows.entry(version).or_default().push((label, said));
        }
        let ids: Vec<i64> = (0..count as i64).collect();
        let mut predictions = df!("id" => &ids, "model_version" => &versions).unwrap();
        predictions.with_column(times(vec![Some(day(0)); count], "day")).unwrap();
        predictions.with_column(times(vec![Some(day(1)); count], "scored_at")).unwrap();
        for (name, values) in columns {
            predictions.with_column(Column::new(name.into(), values)).unwrap();
        }
        let mut outcomes = df!("id" => &ids, "price" => &labels).unwrap();
        outcomes.with_column(times(vec![Some(day(0)); count], "day")).unwrap();
        let promised: BTreeMap<String, Promised> = CLASSES
            .map(|(version, classes)| {
                let classes = classes.iter().map(|class| (*class).to_owned()).collect();
                (version.to_owned(), Promised { test: Some(0.5), classes, ..Promised::default() })
            })
            .into();
        for metric in [Metric::LogLoss, Metric::Accuracy, Metric::MacroF1] {
            let spec = PerformanceSpec { metric: Some(metric), max_worse: 1e9, ..PerformanceSpec::default() };
            let found = performance(&spec, Task::Multiclass, &keys(), &predictions, &outcomes, &promised).unwrap();
            for (version, rows) in &rows {
                let line = found.lines.iter().find(|line| line.version == *version && line.week.is_none()).unwrap();
                let expected = by_definition(metric, rows);
                let value = line.value.unwrap();
                assert!((value - expected).abs() < 1e-9, "round {round}, {version}: {metric} {value}, not {expected}");
                let known = CLASSES.iter().find(|(name, _)| name == version).unwrap().1;
                let unknown = rows.iter().filter(|(label, _)| !known.contains(label)).count();
                assert_eq!((line.rows, line.unknown_rows), (rows.len() as u64, unknown as u64));
                let words = found.verdict(Severity::Soft).1;
                let named = format!("({unknown} of classes that {version} does not know)");
                assert_eq!(words.contains(&named), unknown > 0, "{words}");
            }
        }
    }
}

#[test]
fn classes_are_named_as_train_names_them() {
    let names = |column: Column| class_names("a test", &column).unwrap().into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(names(Column::new("a".into(), ["x", "y"])), ["x", "y"]);
    assert_eq!(names(Column::new("a".into(), [3i64, -1])), ["3", "-1"]);
    assert_eq!(names(Column::new("a".into(), [true, false])), ["true", "false"]);
    let error = class_names("performance", &Column::new("a".into(), [1.5])).unwrap_err().to_string();
    assert_eq!(error, "performance: column 'a' is float64, expected texts, whole numbers or booleans");
}

#[test]
fn rows_count_by_their_weights_where_the_card_says_so() {
    let mut predictions =
        df!("id" => [1i64, 2, 3], "score" => [11.0, 24.0, 30.0], "model_version" => ["v1"; 3]).unwrap();
    predictions.with_column(times(vec![Some(day(0)); 3], "day")).unwrap();
    predictions.with_column(times(vec![Some(day(1)); 3], "scored_at")).unwrap();
    let mut outcomes = df!("id" => [1i64, 2, 3], "price" => [10.0, 20.0, 20.0], "w" => [3.0, 1.0, 0.0]).unwrap();
    outcomes.with_column(times(vec![Some(day(0)); 3], "day")).unwrap();
    let keys = Keys { weight: Some("w".to_owned()), ..keys() };
    let spec = PerformanceSpec::default();
    let of = |outcomes: &DataFrame| performance(&spec, Task::Regression, &keys, &predictions, outcomes, &promised(2.0));
    // (3 · 1 + 1 · 4) / 4
    assert_eq!(of(&outcomes).unwrap().lines[0].value, Some(1.75));
    outcomes.with_column(Column::new("w".into(), [1.0, -1.0, 0.0])).unwrap();
    assert!(
        of(&outcomes).unwrap_err().to_string().starts_with("performance: a weight in column 'w' is -1; weights are")
    );
}

/// Two stores, six weeks, each forecast one and two weeks ahead; store 2 is forecast 12 too high from the third week on.
fn forecasts() -> (DataFrame, DataFrame) {
    let (mut id, mut score, mut horizon, mut weeks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for store in [1i64, 2] {
        for week in 0..6i64 {
            for ahead in [1i64, 2] {
                id.push(store);
                score.push(100.0 + ahead as f64 + if store == 2 && week > 1 { 12.0 } else { 0.0 });
                horizon.push(ahead);
                weeks.push(week);
            }
        }
    }
    let at = |weeks: &[i64], more: i64| weeks.iter().map(|week| Some(day(7 * week + more))).collect::<Vec<_>>();
    let cutoffs: Vec<Option<i64>> =
        weeks.iter().zip(&horizon).map(|(week, ahead)| Some(day(7 * (week - ahead + 1)))).collect();
    let mut predictions =
        df!("id" => &id, "score" => score, "horizon" => horizon, "model_version" => vec!["v1"; id.len()]).unwrap();
    predictions.with_column(times(cutoffs.clone(), "cutoff")).unwrap();
    predictions.with_column(times(at(&weeks, 0), "day")).unwrap();
    predictions.with_column(times(cutoffs, "scored_at")).unwrap();
    let mut outcomes = df!("id" => &id, "price" => vec![100.0; id.len()]).unwrap();
    outcomes.with_column(times(at(&weeks, 0), "day")).unwrap();
    (predictions, outcomes)
}

#[test]
fn each_forecast_of_a_period_counts_and_says_itself_how_far_ahead_it_was() {
    let (predictions, outcomes) = forecasts();
    let keys = Keys { carried: vec!["cutoff".to_owned(), "horizon".to_owned()], ..keys() };
    let spec = PerformanceSpec { segments: vec!["horizon".to_owned()], min_rows: 1, ..PerformanceSpec::default() };
    let own = |value: &str, figure: f64| (("horizon".to_owned(), Some(value.to_owned())), figure);
    let promised = Promised {
        test: Some(5.0),
        segments: [own("1", 1.0), own("2", 20.0)].into(),
        block: Some(2),
        ..Promised::default()
    };
    let promised = BTreeMap::from([("v1".to_owned(), promised)]);
    let report = |spec: &PerformanceSpec| {
        performance(spec, Task::Regression, &keys, &predictions, &outcomes, &promised).unwrap()
    };
    let found = report(&spec);
    assert_eq!((found.rows, found.lines[0].rows), (24, 24));
    let of_segment = |value: &str| {
        let is_it =
            |line: &&Performance| line.segment.as_ref().is_some_and(|(_, known)| known.as_deref() == Some(value));
        found.lines.iter().find(is_it).unwrap()
    };
    // Of one week ahead 4 of 6 weeks of one of two stores err by 13, the others by 1; each is compared with its own figure.
    let (one, two) = (of_segment("1"), of_segment("2"));
    assert_eq!((one.rows, one.value, one.test, one.failed), (12, Some(5.0), Some(1.0), true));
    assert_eq!((two.value, two.test, two.failed), (Some(6.0), Some(20.0), false));
    assert_eq!(found.lines[0].means, Some((100.0, 105.5)));

    let strict = PerformanceSpec { max_worse: 99.0, max_bias: Some(0.058), ..spec.clone() };
    assert_eq!(report(&strict).verdict(Severity::Soft).0, Verdict::Warned);
    let words = report(&strict).verdict(Severity::Soft).1;
    // The first two weeks are near enough; the whole is 5.5 % too high, the last four weeks 7.5 % each.
    assert!(words.starts_with("too high or too low: v1, week of 1970-01-19: mae 7.5 on 4 rows, "), "{words}");
    assert!(words.contains(", 7.5 % too high; ") && words.ends_with("and 2 more"), "{words}");
    let table = report(&strict).table().unwrap();
    let bias: Vec<Option<f64>> = table.column("bias").unwrap().f64().unwrap().iter().collect();
    assert!((bias[1].unwrap() - 0.015).abs() < 1e-12, "{bias:?}");
    let loose = PerformanceSpec { max_worse: 99.0, max_bias: Some(0.5), ..spec };
    assert_eq!(report(&loose).verdict(Severity::Soft).0, Verdict::Passed);
    assert!(PerformanceSpec { max_bias: Some(0.0), ..loose }.fault().is_some());
}

#[test]
fn blocks_are_of_the_periods_of_the_series_not_of_weeks() {
    // Six weeks of days, of which seven are predicted at once.
    let rows: Vec<Outcome> = (0..42)
        .map(|at| Outcome {
            version: "v1".to_owned(),
            entity: 0,
            time: day(at),
            week: NaiveDate::from_epoch_days(4 + (at - at % 7) as i32).unwrap(),
            segments: Vec::new(),
            label: Some(1.0),
            weight: 1.0,
            scores: vec![1.0],
        })
        .collect();
    let all: Vec<&Outcome> = rows.iter().collect();
    let drawn = resamples_of(&all, Some(7));
    assert_eq!((drawn.units(), drawn.block()), (42, 7));
    // Of one week there are enough days; of three days there are not, and entities are drawn.
    assert_eq!((resamples_of(&all[..7], Some(7)).units(), resamples_of(&all[..7], Some(7)).block()), (7, 1));
    assert_eq!((resamples_of(&all[..3], Some(7)).units(), resamples_of(&all[..3], None).block()), (1, 1));
}
