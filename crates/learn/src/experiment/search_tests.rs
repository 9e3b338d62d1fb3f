//! Searches for settings: what steers them, what they find, and that having tried much earns nothing.

use polars::prelude::*;

use super::tests::{known, origin, prices, registered, table};
use super::*;
use crate::metrics::{Metric, Scored};
use crate::{Matrix, Part, runs_table, runs_text};

fn spec_of(more: &str) -> spec::Result<TrainSpec> {
    let text = format!(
        "table: training\nlabel: churned\ntask: classification\nentity: customer_id\ntime: cutoff\nresamples: 100\n{more}\n"
    );
    spec::parse(&text, std::path::Path::new("train.yaml"), &Default::default()).map(|loaded| loaded.spec)
}

fn trial(more: &str, table: DataFrame) -> Trial {
    let spec = spec_of(more).unwrap_or_else(|error| panic!("{error}"));
    run(&spec, table.lazy(), &known(None), &|_| {}).unwrap_or_else(|error| panic!("{error}"))
}

fn texts(frame: &DataFrame, name: &str) -> Vec<String> {
    let column = frame.column(name).unwrap().cast(&DataType::String).unwrap();
    column.str().unwrap().iter().map(|text| text.unwrap_or("-").to_owned()).collect()
}

const QUICK: &str = "split: {by: group}\nrefit: false\nexperiments: {linear: logistic, tuned: {lightgbm: {trees: 20}, \
                     search: {trials: 12, space: {leaves: {from: 3, to: 40, scale: log}, learning_rate: {from: 0.03, to: \
                     0.3, scale: log}, min_leaf_rows: {from: 5, to: 100, scale: log}}}}}";

#[test]
fn equal_seeds_and_numbers_of_trials_find_the_same() {
    let one = trial(QUICK, table(400));
    let other = trial(QUICK, table(400));
    assert_eq!((&one.searches, &one.tried, &one.test), (&other.searches, &other.tried, &other.test));
    let search = &one.searches[0];
    assert_eq!((search.experiment.as_str(), search.trials.len(), search.out_of_time), ("tuned", 12, false));
    let shares: Vec<f64> = search.trials.iter().map(|trial| trial.share).collect();
    assert_eq!(shares[0], 1.0, "the experiment as it is written learns from all rows");
    assert!(shares.contains(&(1.0 / 3.0)), "3360 rows teach: a third of them is enough, a ninth is not");
    assert!(shares.iter().filter(|share| **share == 1.0).count() >= 3);
    // Another seed tries other settings.
    let settings = |trial: &Trial| trial.searches[0].trials[5].tried.parameters.clone();
    assert_ne!(settings(&one), settings(&trial(&format!("{QUICK}\nseed: 7"), table(400))));
    // The winner has the settings of its trial, and the name of its experiment.
    let best = &search.trials[search.best as usize - 1];
    let tuned = one.tried.iter().find(|tried| tried.name == "tuned").unwrap();
    assert_eq!((&tuned.parameters, best.share), (&best.tried.parameters, 1.0));
    let value = |trial: &crate::Trialed| trial.tried.metrics[&Metric::Auc].unwrap();
    let whole = search.trials.iter().filter(|trial| trial.share == 1.0);
    assert!(whole.into_iter().all(|trial| value(trial) <= value(best)));
}

#[test]
fn what_steers_a_search_judges_nothing_else() {
    let table = table(400);
    let trial = trial(&QUICK.replace("linear: logistic", "linear: {tree: {depth: 1}}"), table.clone());
    let (parts, steering) = (texts(&trial.parts, "part"), texts(&trial.parts, "steering"));
    let customers = texts(&trial.parts, "customer_id");
    let half = |wanted: &str| -> Vec<usize> {
        (0..parts.len()).filter(|row| parts[*row] == "valid" && steering[*row] == wanted).collect()
    };
    let (steer, judge) = (half("true"), half("false"));
    assert_eq!(steer.len() as u64, trial.searches[0].rows);
    assert_eq!((steer.len() + judge.len()) as u64, trial.split.rows(Part::Valid));
    assert!(steer.len().abs_diff(judge.len()) <= 24, "{} and {}", steer.len(), judge.len());
    assert!((0..parts.len()).all(|row| steering[row] == "false" || parts[row] == "valid"));
    let of = |rows: &[usize]| rows.iter().map(|row| customers[*row].clone()).collect::<std::collections::BTreeSet<_>>();
    assert!(of(&steer).is_disjoint(&of(&judge)), "whole customers");

    // The metrics of the experiment are those of its model on the rows that did not steer; of the trial, on those that did.
    assert_eq!(trial.chosen, "tuned");
    let auc = |rows: &[usize]| {
        let index = IdxCa::from_vec("".into(), rows.iter().map(|row| *row as u32).collect());
        let rows = table.take(&index).unwrap();
        let matrix = Matrix::from_frame(&rows, trial.model.features()).unwrap();
        let label: Vec<f64> =
            rows.column("churned").unwrap().bool().unwrap().iter().map(|one| f64::from(one.unwrap())).collect();
        let scores = trial.model.predict(&matrix).unwrap();
        Scored::new(Task::Classification, label, scores, "here").unwrap().value(Metric::Auc, None)
    };
    let tuned = trial.tried.iter().find(|tried| tried.name == "tuned").unwrap();
    assert_eq!(tuned.metrics[&Metric::Auc], auc(&judge));
    let best = &trial.searches[0].trials[trial.searches[0].best as usize - 1];
    assert_eq!(best.tried.metrics[&Metric::Auc], auc(&steer));
    // So are those of the other experiments, among them the intervals of how far they are behind.
    let linear = trial.tried.iter().find(|tried| tried.name == "linear").unwrap();
    let behind = linear.behind.unwrap();
    let gap = tuned.metrics[&Metric::Auc].unwrap() - linear.metrics[&Metric::Auc].unwrap();
    assert!((behind.value - gap).abs() < 1e-12);
}

#[test]
fn the_test_part_has_no_say() {
    let table = table(400);
    let one = trial(QUICK, table.clone());
    // Of the rows of the test part every label is turned round.
    let label =
        table.column("churned").unwrap().bool().unwrap().iter().map(Option::unwrap).zip(texts(&one.parts, "part"));
    let turned: Vec<bool> = label.map(|(label, part)| label != (part == "test")).collect();
    let mut other = table.clone();
    other.with_column(Column::new("churned".into(), turned)).unwrap();
    let other = trial(QUICK, other);
    assert_eq!((&one.searches, &one.tried, &one.chosen), (&other.searches, &other.tried, &other.chosen));
    assert_ne!(one.test, other.test);
}

#[test]
fn to_have_tried_much_earns_nothing() {
    // Labels that nothing predicts: the best of 30 trees is best by chance.
    let (mut promised, mut kept) = (0.0, 0.0);
    const SEEDS: u64 = 8;
    for seed in 0..SEEDS {
        let mut random = crate::random::Random::new(seed, 77);
        let mut column = || (0..900).map(|_| random.below(1000) as f64).collect::<Vec<f64>>();
        let (a, b, c) = (column(), column(), column());
        let label: Vec<bool> = column().iter().map(|value| *value < 500.0).collect();
        let ids: Vec<i64> = (0..900).collect();
        let table = df!("customer_id" => ids, "a" => a, "b" => b, "c" => c, "churned" => label).unwrap();
        let text = format!(
            "split: {{by: random, shares: [0.6, 0.25, 0.15]}}\nseed: {seed}\nrefit: false\nexperiments: {{lucky: {{tree: \
             {{min_leaf_rows: 5}}, search: {{trials: 30, space: {{depth: {{from: 1, to: 12}}, min_leaf_rows: {{from: 5, to: \
             60}}}}}}}}}}"
        );
        let spec: TrainSpec = spec::parse(
            &format!("table: t\nlabel: churned\ntask: classification\nentity: customer_id\nresamples: 100\n{text}\n"),
            std::path::Path::new("train.yaml"),
            &Default::default(),
        )
        .unwrap_or_else(|error| panic!("{error}"))
        .spec;
        let trial = run(&spec, table.lazy(), &known(None), &|_| {}).unwrap();
        let search = &trial.searches[0];
        promised += search.trials[search.best as usize - 1].tried.metrics[&Metric::Auc].unwrap() - 0.5;
        kept += trial.tried[0].metrics[&Metric::Auc].unwrap() - 0.5;
    }
    let (promised, kept) = (promised / SEEDS as f64, kept / SEEDS as f64);
    assert!(promised > 0.05, "the best of many trials looks good on the rows that chose it: {promised}");
    assert!(kept.abs() < 0.04, "and is worth nothing on others: {kept}");
}

#[test]
fn a_search_that_time_ends_keeps_what_it_learned() {
    let with = |limit: &str| trial(&QUICK.replace("trials: 12", limit), table(400));
    let short = with("minutes: 0.000001");
    let search = &short.searches[0];
    assert_eq!((search.trials.len(), search.best, search.out_of_time), (1, 1, true));
    let one = with("trials: 1");
    assert_eq!((&short.tried, &short.test), (&one.tried, &one.test));
    assert!(!one.searches[0].out_of_time);
    let card = card_of(&short);
    assert!(card.contains("Time ended it after 0.000001 minutes."), "{card}");
    assert!(card.contains("The search of 'tuned' ended by time: write `trials: 1` to repeat it."), "{card}");
    // Whatever time allows: as many trials find the same.
    let some = with("minutes: 0.02");
    let same = with(&format!("trials: {}", some.searches[0].trials.len()));
    assert_eq!((&some.searches[0].trials, &some.tried), (&same.searches[0].trials, &same.tried));
}

fn card_of(trial: &Trial) -> String {
    let folder = tempfile::tempdir().unwrap();
    let decision = trial.decide(None).unwrap();
    crate::write_version(folder.path(), trial, &origin(), &decision).unwrap();
    std::fs::read_to_string(folder.path().join("card.md")).unwrap()
}

#[test]
fn every_trial_is_recorded() {
    let trial = trial(QUICK, table(400));
    let card = card_of(&trial);
    let search = &trial.searches[0];
    let best = search.trials[search.best as usize - 1].tried.metrics[&Metric::Auc].unwrap();
    let judged = trial.tried[1].metrics[&Metric::Auc].unwrap();
    for words in [
        "### The search of 'tuned'".to_owned(),
        format!(
            "12 settings were tried, {} of them on all rows; number {} was best",
            search.trials.iter().filter(|trial| trial.share == 1.0).count(),
            search.best
        ),
        format!(
            "auc of the best trial was {} on them, and is {} on the rows that judge the experiments.",
            score::number_text(best),
            score::number_text(judged)
        ),
        "settings that were changed".to_owned(),
        "2 more are listed by `bin/train churn --runs`.".to_owned(),
        "steered searches for settings and took no part in the choice among experiments".to_owned(),
    ] {
        assert!(card.contains(&words), "no '{words}' in:\n{card}");
    }
    let folder = tempfile::tempdir().unwrap();
    let (registry, version) = registered(&trial, folder.path());
    let manifest = registry.manifest(version).unwrap();
    assert_eq!(manifest.searches, trial.searches);
    let runs = registry.runs().unwrap();
    let names: Vec<&str> = runs.iter().map(|run| run.experiment.as_str()).collect();
    assert_eq!(names[..4], ["linear", "tuned", "baseline", "tuned/1"]);
    assert_eq!((names.len(), *names.last().unwrap()), (3 + 12, "tuned/12"));
    assert_eq!(runs.iter().filter(|run| run.chosen).count(), 1);
    let text = runs_text(&runs_table(&runs, &Default::default()).unwrap()).unwrap();
    assert!(text.lines().next().unwrap().contains("  share"), "{text}");
    assert!(text.lines().any(|line| line.contains("tuned/4 ") && line.contains("leaves=")), "{text}");
}

#[test]
fn folds_divide_their_rows_too() {
    let more = QUICK.replace("refit: false", "folds: 3").replace("trials: 12", "trials: 5");
    let trial = trial(&more, table(150));
    let (folds, steering) = (texts(&trial.parts, "fold"), texts(&trial.parts, "steering"));
    for fold in ["1", "2", "3"] {
        for half in ["true", "false"] {
            let rows = (0..folds.len()).filter(|row| folds[*row] == fold && steering[*row] == half).count();
            assert!(rows > 100, "fold {fold}, steering {half}: {rows}");
        }
    }
    let search = &trial.searches[0];
    assert_eq!(search.trials.len(), 5);
    assert!(search.trials.iter().all(|trial| trial.share == 1.0), "900 rows per fold are not shared");
    assert!(search.trials.iter().all(|trial| trial.tried.by_fold.len() == 3));
    let best = search.trials.iter().map(|trial| trial.tried.metrics[&Metric::Auc].unwrap()).fold(0.0, f64::max);
    assert_eq!(search.trials[search.best as usize - 1].tried.metrics[&Metric::Auc], Some(best));
    assert!(trial.refit.is_some() && card_of(&trial).contains("### The search of 'tuned'"));
}

#[test]
fn regression_with_logarithms_and_intervals_is_searched_too() {
    let table = prices(600);
    let text = "table: training\nlabel: price\ntask: regression\nentity: customer_id\ntime: cutoff\nsplit: {by: group}\nlabel_transform: log\n\
                intervals: {by: quantiles, coverage: 0.8}\nresamples: 100\nexperiments: {tuned: {lightgbm: {trees: 30}, \
                search: {trials: 4}}}\n";
    let spec: TrainSpec = spec::parse(text, std::path::Path::new("t.yaml"), &Default::default())
        .unwrap_or_else(|error| panic!("{error}"))
        .spec;
    let trial = run(&spec, table.lazy(), &known(None), &|_| {}).unwrap();
    assert_eq!(trial.searches[0].trials.len(), 4);
    assert!(trial.intervals.is_some() && trial.model.label_transform().is_some());
    let best = &trial.searches[0].trials[trial.searches[0].best as usize - 1];
    let least = trial.searches[0].trials.iter().map(|trial| trial.tried.metrics[&Metric::Rmse].unwrap());
    assert_eq!(best.tried.metrics[&Metric::Rmse], Some(least.fold(f64::MAX, f64::min)), "the smaller is the better");
}

#[test]
fn settings_that_cannot_be_learned_with_are_recorded_as_failed() {
    // Leaves of so many rows leave a random forest without a split.
    let more = "split: {by: group}\nrefit: false\nexperiments: {tuned: {lightgbm: {trees: 5, row_share: 0.5, early_stopping: \
                0, parameters: {boosting: rf}}, search: {trials: 8, space: {min_leaf_rows: [20, 100000]}}}}";
    let trial = trial(more, table(100));
    let failed: Vec<&Tried> =
        trial.searches[0].trials.iter().map(|trial| &trial.tried).filter(|tried| tried.metrics.is_empty()).collect();
    assert!(!failed.is_empty() && failed.len() < 8);
    let why = failed[0].notes["failed"].as_str().unwrap();
    assert!(why.contains("trees of the random forest found no split"), "{why}");
    assert_eq!(trial.tried[0].parameters["min_leaf_rows"], 20);
    assert!(card_of(&trial).contains("failed"));
}

#[test]
fn rows_about_one_entity_cannot_be_halved() {
    let mut table = table(60);
    let rows = table.height();
    table.with_column(Column::new("customer_id".into(), vec!["same"; rows])).unwrap();
    let text = QUICK.replace("{by: group}", "{by: time}");
    let spec = spec_of(&text).unwrap();
    let error = run(&spec, table.lazy(), &known(None), &|_| {}).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("search: the "), "{text}");
    assert!(
        text.contains("rows that validate are about one 'customer_id' only, but half of them steer a search"),
        "{text}"
    );
}
