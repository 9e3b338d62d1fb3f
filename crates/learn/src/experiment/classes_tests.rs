//! Trials of labels with more than two classes.

use polars::prelude::*;

use super::tests::{known, registered, table};
use super::*;
use crate::{Action, Part};

fn spec(more: &str) -> TrainSpec {
    let text = format!(
        "table: training\nlabel: level\ntask: multiclass\nentity: customer_id\ntime: cutoff\nresamples: 200\n\
         exclude: [customer_id, cutoff, churned]\n{more}\n"
    );
    spec::parse(&text, std::path::Path::new("train.yaml"), &Default::default())
        .unwrap_or_else(|error| panic!("{error}"))
        .spec
}

/// A level by the column `good`, with some noise by the column `noise`.
fn levels(customers: usize) -> DataFrame {
    let mut table = table(customers);
    let of = |name: &str| table.column(name).unwrap().f64().unwrap().into_no_null_iter().collect::<Vec<f64>>();
    let level: Vec<&str> = of("good")
        .iter()
        .zip(of("noise"))
        .map(|(good, noise)| match good + 0.3 * noise {
            sum if sum > 0.9 => "high",
            sum if sum > 0.4 => "low",
            _ => "none",
        })
        .collect();
    table.with_column(Column::new("level".into(), level)).unwrap();
    table.drop("noise").unwrap()
}

const EXPERIMENTS: &str = "experiments: {boosted: {lightgbm: {trees: 40}}, linear: logistic}";

#[test]
fn several_classes_are_learned_judged_released_and_loaded() {
    let gate = "gate: [{metric: macro_f1, at_least: 0.7}, {metric: macro_auc, at_least: 0.8}]";
    for split in ["split: {by: time}", "split: {by: random}\nfolds: 3", "split: {by: group}\nrefit: false"] {
        let trial =
            run(&spec(&format!("{split}\n{gate}\n{EXPERIMENTS}")), levels(80).lazy(), &known(Some(30)), &|_| {})
                .unwrap();
        assert!(trial.passed(), "{:?}", trial.gate);
        let measured: Vec<Metric> = trial.test.keys().copied().collect();
        assert_eq!(measured, [Metric::LogLoss, Metric::Accuracy, Metric::MacroF1, Metric::MacroAuc]);
        assert!(trial.threshold.is_none() && trial.confusion.is_none());
        let classes = trial.classes.clone().unwrap();
        assert_eq!(classes.names, ["high", "low", "none"]);
        assert_eq!(classes.rows.iter().flatten().sum::<u64>(), trial.split.rows(Part::Test));
        let right: u64 = (0..3).map(|class| classes.of(class).2).sum();
        let accuracy = right as f64 / trial.split.rows(Part::Test) as f64;
        assert!((trial.metric(Metric::Accuracy).unwrap() - accuracy).abs() < 1e-12);

        let folder = tempfile::tempdir().unwrap();
        assert_eq!(trial.decide(None).unwrap().action, Action::Promote);
        let (registry, version) = registered(&trial, folder.path());
        let champion = registry.load(version).unwrap();
        let rows = Matrix::from_frame(&trial.test_rows, champion.model.features()).unwrap();
        assert_eq!(champion.model.predict(&rows).unwrap(), trial.chosen_scored().score());
        let again = trial.decide(Some(&champion)).unwrap();
        assert_eq!((again.action, again.metrics["gain"]), (Action::Keep, 0.0), "{}", again.why);
        let mut other = champion;
        other.manifest.classes.as_mut().unwrap().names[2] = "gone".to_owned();
        let kept = trial.decide(Some(&other)).unwrap();
        let why = "has another set of classes (high, low, gone) than the challenger (high, low, none)";
        assert!(kept.action == Action::Keep && kept.why.contains(why), "{}", kept.why);

        let card = std::fs::read_to_string(registry.folder(version).join("card.md")).unwrap();
        for words in ["Predicts the class of `level` for each", "## Classes", "| as `high` |", "| macro_auc "] {
            assert!(card.contains(words), "no '{words}' in:\n{card}");
        }
        let predictions = trial.predictions().unwrap();
        assert_eq!(
            predictions.get_column_names(),
            [
                "customer_id",
                "cutoff",
                "level",
                "probability_high",
                "probability_low",
                "probability_none",
                "class",
                "part"
            ]
        );
        let texts = |name: &str| -> Vec<String> {
            predictions.column(name).unwrap().str().unwrap().iter().flatten().map(str::to_owned).collect()
        };
        let same = texts("level").iter().zip(texts("class")).filter(|(level, class)| *level == class).count() as u64;
        assert_eq!(same, right);
    }
}

#[test]
fn whole_numbers_are_classes_in_their_order() {
    let mut table = levels(40);
    let number = |level: &str| match level {
        "high" => 10i32,
        "low" => 9,
        _ => -1,
    };
    let levels: Vec<i32> = table.column("level").unwrap().str().unwrap().iter().flatten().map(number).collect();
    table.with_column(Column::new("level".into(), levels)).unwrap();
    let trial =
        run(&spec(&format!("split: {{by: group}}\n{EXPERIMENTS}")), table.lazy(), &known(None), &|_| {}).unwrap();
    assert_eq!(trial.classes.unwrap().names, ["-1", "9", "10"]);
}

#[test]
fn labels_that_are_no_several_classes_say_what_to_do() {
    let spec_of = |split: &str| spec(&format!("split: {split}\n{EXPERIMENTS}"));
    let failure = |spec: &TrainSpec, level: Column| {
        let mut table = levels(20);
        table.with_column(level.with_name("level".into())).unwrap();
        run(spec, table.lazy(), &known(None), &|_| {}).unwrap_err().to_string()
    };
    let rows = 240;
    let by_group = spec_of("{by: group}");
    let text = |texts: &dyn Fn(usize) -> String| Column::new("".into(), (0..rows).map(texts).collect::<Vec<String>>());
    assert_eq!(
        failure(&by_group, text(&|row| ["yes", "no"][row % 2].to_owned())),
        "table 'training': label 'level' has two classes only, 'no' and 'yes'; derive a label of true and false in \
         clean.yaml or features.yaml and write 'task: classification'"
    );
    assert!(failure(&by_group, text(&|row| format!("c{row}"))).contains("has 240 distinct values, more than the 100"));
    assert!(
        failure(&by_group, text(&|_| "one".to_owned())).contains("is one in all 240 rows; there is nothing to learn")
    );
    assert!(
        failure(&by_group, Column::new("".into(), vec![0.5; rows])).contains("is float64, not texts or whole numbers")
    );
    let holes: Vec<Option<&str>> = (0..rows).map(|row| (row > 0).then_some(["a", "b", "c"][row % 3])).collect();
    assert!(failure(&by_group, Column::new("".into(), holes)).contains("column 'level' is missing in 1 of 240 rows"));
    let late = text(&|row| if row == rows - 1 { "rare".to_owned() } else { ["a", "b"][row % 2].to_owned() });
    assert_eq!(
        failure(&spec_of("{by: time}"), late),
        "table 'training': label 'level': no row of class 'rare' is in the train part; bring more rows of this class, \
         join it with another one, or change 'split'"
    );
    let two = "table: training\nlabel: level\ntask: classification\nentity: customer_id\nsplit: {by: group}\n\
               experiments: {a: logistic}\n";
    let two: TrainSpec = spec::parse(two, std::path::Path::new("t.yaml"), &Default::default()).unwrap().spec;
    let error = run(&two, levels(20).lazy(), &known(None), &|_| {}).unwrap_err().to_string();
    assert!(error.ends_with("or write 'task: multiclass' if it has more than two classes"), "{error}");
}

#[test]
fn keys_that_need_two_classes_or_numbers_are_refused() {
    for (more, text) in [
        ("threshold: {fixed: 0.5}", "threshold: only classification has one; remove it"),
        ("intervals: {}", "intervals: only predictions of numbers have them; remove it"),
        ("label_transform: log", "label_transform: only the numbers of regression have one; remove it"),
        (
            "choose_by: auc",
            "choose_by: 'auc' is not a metric for multiclass; choose one of: log_loss, accuracy, macro_f1, macro_auc",
        ),
    ] {
        let yaml = format!(
            "table: t\nlabel: l\ntask: multiclass\nentity: e\nsplit: {{by: group}}\nexperiments: {{a: logistic}}\n{more}\n"
        );
        let error = spec::parse::<TrainSpec>(&yaml, std::path::Path::new("t.yaml"), &Default::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(text), "{error}");
    }
}
