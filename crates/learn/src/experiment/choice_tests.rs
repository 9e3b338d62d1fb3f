//! Cross-validation, refit, weights, and how sure a choice is.

use polars::prelude::*;

use super::tests::{BY_TIME, known, origin, prices, spec, table, trial_with};
use super::*;
use crate::{Data, Feature, LearnerSpec, Part};

fn real(spec: &TrainSpec, table: DataFrame) -> Trial {
    run(spec, table.lazy(), &known(Some(90)), &|_| {}).unwrap_or_else(|error| panic!("{error}"))
}

/// A spec of real learners.
fn learners(more: &str) -> TrainSpec {
    let text = format!(
        "table: training\nlabel: churned\ntask: classification\nentity: customer_id\ntime: cutoff\nresamples: 200\n{more}\n"
    );
    spec::parse(&text, std::path::Path::new("train.yaml"), &Default::default())
        .unwrap_or_else(|error| panic!("{error}"))
        .spec
}

fn column(frame: &DataFrame, name: &str) -> Vec<String> {
    let texts = frame.column(name).unwrap().cast(&DataType::String).unwrap();
    texts.str().unwrap().iter().map(|text| text.unwrap_or("-").to_owned()).collect()
}

#[test]
fn the_released_model_has_learned_from_all_rows_before_the_test_part() {
    let spec = learners("split: {by: time}\nexperiments: {boosted: {lightgbm: {trees: 60, early_stopping: 5}}}");
    let table = table(150);
    let trial = real(&spec, table.clone());
    let refit = trial.refit.clone().unwrap();
    let summary = &trial.split;
    assert_eq!(refit.rows, summary.rows(Part::Train) + summary.rows(Part::Valid) + refit.bridging);
    assert_eq!(refit.bridging, 300, "two cutoffs were purged only between train and validation");
    // By hand: the same rows, the trees that early stopping kept, and nothing to stop by.
    let trees = trial.tried[0].notes["trees"].as_u64().unwrap() as u32;
    assert_eq!(refit.trees, Some(trees));
    assert!(trees < 60, "it was stopped");
    let before: Vec<bool> = column(&trial.parts, "learned").iter().map(|learned| learned == "true").collect();
    let mask = BooleanChunked::from_iter_values("".into(), before.into_iter());
    let rows = table.filter(&mask).unwrap();
    let names = ["good", "fair", "noise", "city"].map(str::to_owned);
    let features = Feature::infer(&rows, &names).unwrap();
    let matrix = Matrix::from_frame(&rows, &features).unwrap();
    let label: Vec<f64> = rows
        .column("churned")
        .unwrap()
        .bool()
        .unwrap()
        .iter()
        .map(|label| f64::from(u8::from(label.unwrap())))
        .collect();
    let yaml = format!("lightgbm: {{trees: {trees}, early_stopping: 0}}");
    let learner: LearnerSpec = spec::parse(&yaml, std::path::Path::new("t"), &Default::default()).unwrap().spec;
    let data = Data { features: &matrix, label: &label };
    let model = learner.build().fit(Task::Classification, data, data, 42).unwrap();
    let test = Matrix::from_frame(&trial.test_rows, &features).unwrap();
    assert_eq!(trial.chosen_scored().score(), model.predict(&test).unwrap());
    assert_eq!(trial.model.predict(&test).unwrap(), trial.chosen_scored().score());

    // The threshold was picked where the model had not learned, and the earlier value is reported.
    let alone = real(
        &learners(
            "split: {by: time}\nrefit: false\nexperiments: {boosted: {lightgbm: {trees: 60, early_stopping: 5}}}",
        ),
        table,
    );
    assert_eq!((alone.refit.clone(), &alone.threshold, &alone.tried), (None, &trial.threshold, &trial.tried));
    assert_eq!(refit.before[&Metric::Auc], alone.metric(Metric::Auc).unwrap());
    assert_ne!(trial.metric(Metric::Auc), alone.metric(Metric::Auc));
    let learned =
        |trial: &Trial| column(&trial.parts, "learned").iter().filter(|learned| *learned == "true").count() as u64;
    assert_eq!((learned(&trial), learned(&alone)), (refit.rows, alone.split.rows(Part::Train)));

    let card = card_of(&trial);
    for words in [
        &format!(
            "experiment 'boosted' was fitted again on train and validation together: {} rows, 300 of them purged only between the two, with the {trees} trees that early stopping found. So was the baseline.",
            refit.rows
        ),
        "The threshold stays as it was: it was found on the validation part, from which the model had not learned.",
        "fitted on the train part alone it was ",
        "`parts.parquet` beside this card",
    ] {
        assert!(card.contains(words), "no '{words}' in:\n{card}");
    }
    assert!(card_of(&alone).contains("The model is the one that learned from the train part alone."));
}

fn card_of(trial: &Trial) -> String {
    let folder = tempfile::tempdir().unwrap();
    let decision = trial.decide(None).unwrap();
    crate::write_version(folder.path(), trial, &origin(), &decision).unwrap();
    std::fs::read_to_string(folder.path().join("card.md")).unwrap()
}

#[test]
fn every_row_is_published_with_its_part() {
    let trial = trial_with(&spec(BY_TIME), &[("good", "good")], table(100)).unwrap();
    assert_eq!(trial.parts.get_column_names(), ["_row", "churned", "customer_id", "cutoff", "part", "learned"]);
    assert_eq!(trial.parts.height() as u64, trial.rows);
    let parts = column(&trial.parts, "part");
    for part in Part::ALL {
        let found = parts.iter().filter(|name| *name == part.name()).count() as u64;
        assert_eq!(found, trial.split.rows(part), "{part:?}");
    }
    // A check finds the predictions of the test part among them, row by row.
    let mask = BooleanChunked::from_iter_values("".into(), parts.iter().map(|part| part == "test"));
    let test = trial.parts.filter(&mask).unwrap();
    let predictions = trial.predictions().unwrap();
    for name in ["customer_id", "cutoff", "churned"] {
        assert_eq!(column(&test, name), column(&predictions, name), "{name}");
    }
}

#[test]
fn a_key_called_part_keeps_its_name() {
    let mut table = table(60);
    table.rename("customer_id", "part".into()).unwrap();
    let text = "table: training\nlabel: churned\ntask: classification\nentity: part\ntime: cutoff\n\
                split: {by: time}\nexperiments: {good: logistic}\nresamples: 200\n";
    let spec: TrainSpec = spec::parse(text, std::path::Path::new("train.yaml"), &Default::default()).unwrap().spec;
    let trial = trial_with(&spec, &[("good", "good")], table).unwrap();
    assert_eq!(trial.parts.get_column_names(), ["_row", "churned", "part", "cutoff", "part_", "learned"]);
    assert_eq!(
        trial.predictions().unwrap().get_column_names(),
        ["part", "cutoff", "churned", "score", "decision", "part_"]
    );
}

#[test]
fn folds_choose_and_the_chosen_one_learns_from_all_of_them() {
    for (split, by) in [("{by: random}", "at random, each class divided equally"), ("{by: group}", "of whole groups")] {
        let spec = learners(&format!(
            "split: {split}\nfolds: 4\nthreshold: {{best: f1}}\n\
             experiments: {{boosted: {{lightgbm: {{trees: 40, early_stopping: 5}}}}, linear: logistic}}"
        ));
        let trial = real(&spec, table(60));
        let summary = &trial.split;
        assert_eq!((summary.rows(Part::Valid), summary.folds.as_ref().unwrap().rows.len()), (0, 4));
        let judged: u64 = summary.folds.as_ref().unwrap().rows.iter().map(|rows| rows.1).sum();
        assert_eq!(judged, summary.rows(Part::Train), "every row judges once");
        assert!(summary.folds.as_ref().unwrap().how.starts_with(by));
        for tried in &trial.tried {
            let mean = tried.by_fold.iter().sum::<f64>() / 4.0;
            assert!((tried.metrics[&Metric::Auc].unwrap() - mean).abs() < 1e-12, "{tried:?}");
            assert_eq!(tried.behind.is_none(), tried.name == trial.chosen);
        }
        let refit = trial.refit.clone().unwrap();
        assert_eq!((refit.rows, refit.bridging), (summary.rows(Part::Train), 0));
        let names: Vec<&str> = trial.scored.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [trial.chosen.as_str(), BASELINE], "only these have a model that was judged");
        assert!(trial.threshold.as_ref().unwrap().rule.ends_with("on the held-out rows of 4 folds"));
        let folds = column(&trial.parts, "fold");
        let parts = column(&trial.parts, "part");
        assert!(folds.iter().zip(&parts).all(|(fold, part)| (fold == "-") == (part == "test")));
        let card = card_of(&trial);
        for words in
            ["## Experiments over the folds", "by cross-validation on the train part: 4 folds, ", ": by fold 0."]
        {
            assert!(card.contains(words), "no '{words}' in:\n{card}");
        }
    }
}

#[test]
fn folds_by_time_purge_and_never_look_ahead() {
    let spec = learners("split: {by: time}\nfolds: 3\nexperiments: {linear: logistic, tree: {tree: {depth: 3}}}");
    let trial = real(&spec, table(80));
    // Twelve cutoffs 30 days apart, labels known 90 days later; the newest two are the test part.
    let folds = trial.split.folds.clone().unwrap();
    assert_eq!(folds.how, "each validated by the rows that come next");
    assert!(folds.rows.windows(2).all(|pair| pair[0].0 < pair[1].0), "{folds:?}");
    assert!(trial.split.notes[0].contains("(test begins "), "{:?}", trial.split.notes);
    assert!(trial.passed(), "{:?}", trial.gate);
}

#[test]
fn the_mean_over_folds_is_that_of_fits_by_hand() {
    let spec = learners("split: {by: random}\nfolds: 3\nexperiments: {linear: logistic}");
    let table = table(50);
    let trial = real(&spec, table.clone());
    let numbers = column(&trial.parts, "fold");
    let names = ["good", "fair", "noise", "city"].map(str::to_owned);
    let take = |wanted: &dyn Fn(&str) -> bool| {
        let rows =
            table.filter(&BooleanChunked::from_iter_values("".into(), numbers.iter().map(|n| wanted(n)))).unwrap();
        let matrix = Matrix::from_frame(&rows, &Feature::infer(&rows, &names).unwrap()).unwrap();
        let label = rows.column("churned").unwrap().bool().unwrap();
        (matrix, label.iter().map(|label| f64::from(u8::from(label.unwrap()))).collect::<Vec<f64>>())
    };
    let mut sum = 0.0;
    for fold in ["1", "2", "3"] {
        let (train, train_label) = take(&|number| number != "-" && number != fold);
        let (valid, valid_label) = take(&|number| number == fold);
        let learner: LearnerSpec =
            spec::parse("logistic", std::path::Path::new("t"), &Default::default()).unwrap().spec;
        let train = Data { features: &train, label: &train_label };
        let data = Data { features: &valid, label: &valid_label };
        let model = learner.build().fit(Task::Classification, train, data, 42).unwrap();
        let scored =
            Scored::new(Task::Classification, valid_label.clone(), model.predict(&valid).unwrap(), "by hand").unwrap();
        sum += scored.value(Metric::Auc, None).unwrap();
    }
    assert!((trial.tried[0].metrics[&Metric::Auc].unwrap() - sum / 3.0).abs() < 1e-12);
}

#[test]
fn a_choice_that_chance_may_have_made_is_told() {
    // Two experiments that score alike, and one that is surely worse.
    let twins = [("one", "good"), ("other", "good"), ("noise", "noise")];
    let trial = trial_with(&spec("split: {by: time}"), &twins, table(100)).unwrap();
    let told = trial.within_noise.clone().unwrap();
    let rows = trial.split.rows(Part::Valid);
    assert_eq!(
        told,
        format!(
            "the choice of 'one' by auc is within noise on {rows} validation rows; 'other' (behind by 0, \
             95 % interval 0 to 0) may be equally good; compare on more rows, such as by 'folds: 5', or prefer the simpler one"
        )
    );
    let noise = trial.tried.iter().find(|tried| tried.name == "noise").unwrap().behind.unwrap();
    assert!(noise.low > 0.0 && noise.value > 0.2, "{noise:?}");
    let card = card_of(&trial);
    assert!(card.contains("**The choice of 'one' by auc is within noise on"), "{card}");
    assert!(card.contains("behind the chosen one (95 % interval)"), "{card}");
    let sure = trial_with(&spec("split: {by: time}"), &[("good", "good"), ("noise", "noise")], table(100)).unwrap();
    assert_eq!(sure.within_noise, None);
}

#[test]
fn intervals_of_folds_cover_and_of_a_refit_keep_their_width() {
    let spec = |more: &str| -> TrainSpec {
        let text = format!(
            "table: training\nlabel: price\ntask: regression\nentity: customer_id\ntime: cutoff\nsplit: {{by: group}}\n\
             resamples: 200\nlabel_transform: log\nexperiments: {{boosted: {{lightgbm: {{trees: 60}}}}}}\n{more}\n"
        );
        spec::parse(&text, std::path::Path::new("train.yaml"), &Default::default()).unwrap().spec
    };
    let table = prices(150);
    for by in ["conformal", "quantiles"] {
        let asked = format!("intervals: {{coverage: 0.8, by: {by}}}");
        let folded = real(&spec(&format!("{asked}\nfolds: 4")), table.clone());
        let coverage = folded.test[&Metric::Coverage].value.unwrap();
        assert!((coverage - 0.8).abs() < 0.08, "{by}: {coverage}");
        let Some(crate::Transformed::Log { smearing }) = folded.model.label_transform() else { panic!("no transform") };
        assert!((1.0..1.1).contains(&smearing), "of residuals that the model has not learned: {smearing}");

        let plain = real(&spec(&asked), table.clone());
        assert_eq!(plain.refit, None, "by default the promise of the intervals is kept");
        let again = real(&spec(&format!("{asked}\nrefit: true")), table.clone());
        let margin = |trial: &Trial| trial.intervals.as_ref().unwrap().record().margin;
        assert_eq!(margin(&again), margin(&plain));
        assert_eq!(again.model.label_transform(), plain.model.label_transform());
        let coverage = again.test[&Metric::Coverage].value.unwrap();
        assert!((coverage - 0.8).abs() < 0.08, "{by}: {coverage}");
        let card = card_of(&again);
        assert!(card.contains("The smearing factor and the width of the intervals stay as they were: they were found on the validation part"), "{card}");
    }
}

#[test]
fn a_weight_counts_and_is_never_learned_from() {
    let mut weighted = table(100);
    let rows = weighted.height();
    // Only rows of Ulm count, where the label is turned round.
    let city = column(&weighted, "city");
    let label: Vec<bool> =
        weighted.column("churned").unwrap().bool().unwrap().iter().map(|label| label.unwrap()).collect();
    let turned: Vec<bool> = (0..rows).map(|row| label[row] != (city[row] == "Ulm")).collect();
    weighted.with_column(Column::new("churned".into(), turned)).unwrap();
    let weight: Vec<i64> = city.iter().map(|city| if city == "Ulm" { 1 } else { 0 }).collect();
    weighted.with_column(Column::new("counts".into(), weight)).unwrap();
    let spec = learners(
        "split: {by: time}\nweight: counts\nexclude: [customer_id, cutoff, city, fair, noise]\nexperiments: {linear: logistic}",
    );
    let trial = real(&spec, weighted.clone());
    let names: Vec<&str> = trial.model.features().iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!(names, ["good"]);
    // What Ulm says, though most rows say the reverse.
    let scores = trial
        .model
        .predict(&Matrix::from_columns(trial.model.features().to_vec(), vec![vec![0.1, 0.9]]).unwrap())
        .unwrap();
    assert!(scores[0] > 0.7 && scores[1] < 0.3, "{scores:?}");
    assert!(trial.metric(Metric::Auc).unwrap() > 0.75, "only rows that count are judged by");
    assert!(trial.tried[0].metrics[&Metric::Auc].unwrap() > 0.75, "in the choice, too");
    assert!(trial.passed(), "{:?}", trial.gate);
    assert!(card_of(&trial).contains("Rows count by `counts`, in learning and in metrics."));
    let once = TrainSpec { weighted_metrics: false, ..spec.clone() };
    let once = real(&once, weighted.clone());
    assert!(once.metric(Metric::Auc).unwrap() < 0.5, "each row counts once");
    assert!(!once.passed(), "{:?}", once.gate);
    assert!(card_of(&once).contains("Rows count in learning by `counts`; in metrics every row counts once."));

    let failure = |column: Column| {
        let mut table = weighted.clone();
        table.with_column(column).unwrap();
        run(&spec, table.lazy(), &known(Some(90)), &|_| {}).unwrap_err().to_string()
    };
    let text = failure(Column::new("counts".into(), vec!["1"; rows]));
    assert_eq!(text, "table 'training': weight 'counts' is string, not numbers; name a column of numbers");
    let text = failure(Column::new("counts".into(), (0..rows).map(|row| 1.0 - row as f64).collect::<Vec<f64>>()));
    assert_eq!(text, "table 'training': weight 'counts' is -1 in row 3; weights are finite numbers from 0");
    // Rows of the test part need not count where metrics do not ask.
    let newest = 19_000 + 30 * 11;
    let old = |day: &str| i32::from(day != score::calendar::day(newest));
    let without: Vec<i32> = column(&weighted, "cutoff").iter().map(|day| old(day)).collect();
    let mut late = weighted.clone();
    late.with_column(Column::new("counts".into(), without.clone())).unwrap();
    let once = TrainSpec { weighted_metrics: false, ..spec.clone() };
    assert_eq!(real(&once, late).metric(Metric::Accuracy).map(f64::is_finite), Some(true));
    let text = failure(Column::new("counts".into(), without));
    assert!(text.contains("test part: all ") && text.contains(" weights are 0; no row would count"), "{text}");
    let text = failure(Column::new("counts".into(), vec![0i32; rows]));
    assert!(text.contains("train part: all ") && text.contains(" weights are 0; no row would count"), "{text}");
    let text = failure(Column::new(
        "counts".into(),
        (0..rows).map(|row| (row > 3).then_some(1)).collect::<Vec<Option<i32>>>(),
    ));
    assert!(text.contains("column 'counts' is missing in 4 of"), "{text}");
}

#[test]
fn a_metric_that_a_fold_lacks_says_which() {
    let mut table = table(30);
    // Three rows of class 1 cannot be in each of ten folds.
    let label: Vec<bool> = (0..table.height()).map(|row| row % 120 == 0).collect();
    table.with_column(Column::new("churned".into(), label)).unwrap();
    let spec = learners("split: {by: random}\nfolds: 10\nexperiments: {linear: logistic}");
    let error = run(&spec, table.lazy(), &known(None), &|_| {}).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("choose_by: auc is undefined because none of the ")
            && text.contains(" rows has class 1 in fold "),
        "{text}"
    );
    assert!(text.ends_with("; write fewer folds, or choose by another metric"), "{text}");
    assert_eq!(error.class(), spec::Class::Refused);
}

#[test]
fn a_row_teaches_only_once_its_label_is_known() {
    // Cutoffs 30 days apart; the labels of every third customer come 200 days later, those of the others after 10.
    let mut table = table(60);
    let days: Vec<i32> =
        (0..table.height()).map(|row| 19_000 + (row / 60) as i32 * 30 + if row % 3 == 0 { 200 } else { 10 }).collect();
    let told = Column::new("told".into(), days).cast(&DataType::Date).unwrap();
    table.with_column(told).unwrap();
    let spec = learners("split: {by: time}\nlabel_known_at: told\nexperiments: {linear: logistic}");
    let trial = run(&spec, table.clone().lazy(), &known(None), &|_| {}).unwrap();
    assert!(trial.model.features().iter().all(|feature| feature.name != "told"), "it is never learned from");
    let (parts, learned) = (column(&trial.parts, "part"), column(&trial.parts, "learned"));
    let (times, told) = (column(&trial.parts, "cutoff"), column(&trial.parts, "told"));
    let begins = |name: &str| (0..parts.len()).filter(|row| parts[*row] == name).map(|row| times[row].clone()).min();
    let (valid, test) = (begins("valid").unwrap(), begins("test").unwrap());
    for row in 0..parts.len() {
        // Days as text are in the order of the calendar.
        let expected = match (&times[row], &told[row]) {
            (time, _) if *time >= test => "test",
            (_, told) if *told > test => "purged",
            (time, _) if *time >= valid => "valid",
            (_, told) if *told > valid => "purged",
            _ => "train",
        };
        assert_eq!(parts[row], expected, "row {row}");
        assert_eq!(learned[row] == "true", times[row] < test && told[row] <= test, "row {row}");
    }
    assert!(trial.split.notes[0].contains("their labels, known at 'told', reach into the next part"));
    // The features stage may say so, too.
    let said = Known { label_known_at: Some("told".to_owned()), ..known(Some(90)) };
    let plain = learners("split: {by: time}\nexperiments: {linear: logistic}");
    assert_eq!(run(&plain, table.clone().lazy(), &said, &|_| {}).unwrap().parts, trial.parts);
    table.with_column(Column::new("told".into(), vec![None::<i32>; 720]).cast(&DataType::Date).unwrap()).unwrap();
    let error = run(&spec, table.lazy(), &known(None), &|_| {}).unwrap_err().to_string();
    assert!(
        error.contains("column 'told' is missing in 720 of 720 rows; rows whose label is not known yet"),
        "{error}"
    );
}
