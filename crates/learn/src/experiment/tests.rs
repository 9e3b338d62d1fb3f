//! Trials with learners made for the test: a score that is one of the columns.

use std::path::Path;

use polars::prelude::*;
use spec::Result;

use super::run::run_contenders;
use super::*;
use crate::{Action, Data, Feature, Learner, LoadedVersion, Matrix, Origin, Part};

/// What two models are compared on, and what is learned from.
#[path = "compared_tests.rs"]
mod compared;

/// Scores by the column named, scaled to 0..1; by the mean label if there is none.
#[derive(Clone)]
struct By(&'static str);

struct ByModel {
    column: &'static str,
    features: Vec<Feature>,
    mean: f64,
}

impl Learner for By {
    fn name(&self) -> &'static str {
        "by"
    }
    fn fit(&self, _: Task, train: Data<'_>, _: Data<'_>, _: u64) -> Result<Box<dyn Model>> {
        let mean = train.label.iter().sum::<f64>() / train.label.len() as f64;
        Ok(Box::new(ByModel { column: self.0, features: train.features.features().to_vec(), mean }))
    }
}

impl Model for ByModel {
    fn learner(&self) -> &'static str {
        "by"
    }
    fn features(&self) -> &[Feature] {
        &self.features
    }
    fn predict(&self, rows: &Matrix) -> Result<Vec<f64>> {
        let at = self.features.iter().position(|feature| feature.name == self.column);
        Ok(match at {
            Some(at) => rows.column(at),
            None => vec![self.mean; rows.rows()],
        })
    }
    fn save(&self, folder: &Path) -> Result<String> {
        let path = folder.join("model.txt");
        std::fs::write(&path, self.column).map_err(|error| spec::Error::io("write", &path, &error))?;
        Ok("model.txt".to_owned())
    }
    fn contributions(&self, rows: &Matrix) -> Result<Option<Contributions>> {
        let columns: Vec<Vec<f64>> = (0..self.features.len()).map(|at| rows.column(at)).collect();
        let value = |row: usize, at: usize| {
            let own = self.features[at].name == self.column;
            if own { 4.0 * (columns[at][row] - 0.5) } else { 0.2 * ((row * 7 + at * 3) % 11) as f64 / 11.0 - 0.1 }
        };
        let values = (0..rows.rows()).flat_map(|row| (0..columns.len()).map(move |at| (row, at)));
        let values = values.map(|(row, at)| value(row, at)).collect();
        Ok(Some(Contributions { features: columns.len(), values, base: 0.0 }))
    }
}

/// `customers` × 12 cutoffs a month apart; `good` knows the label well, `fair` a little, `noise` nothing.
pub(super) fn table(customers: usize) -> DataFrame {
    let rows = customers * 12;
    let mut random = crate::random::Random::new(7, 7);
    let mut uniform = || random.below(1 << 30) as f64 / f64::from(1 << 30);
    let (mut good, mut fair, mut noise, mut label) = (vec![], vec![], vec![], vec![]);
    for _ in 0..rows {
        let risk = uniform();
        good.push(risk);
        fair.push((risk + 2.0 * uniform()) / 3.0);
        noise.push(uniform());
        label.push(uniform() < risk);
    }
    let ids: Vec<String> = (0..rows).map(|row| format!("c{}", row % customers)).collect();
    let cities: Vec<&str> = (0..rows).map(|row| ["Ulm", "Bonn", "Köln"][row % 3]).collect();
    let days: Vec<i32> = (0..rows).map(|row| 19_000 + (row / customers) as i32 * 30).collect();
    let mut table = df!("customer_id" => ids, "cutoff" => days, "good" => good, "fair" => fair, "noise" => noise,
        "city" => cities, "_row" => vec![1u32; rows], "churned" => label)
    .unwrap();
    table.apply("cutoff", |column| column.cast(&DataType::Date).unwrap()).unwrap();
    table
}

pub(super) fn spec(more: &str) -> TrainSpec {
    let text = format!(
        "table: training\nlabel: churned\ntask: classification\nentity: customer_id\ntime: cutoff\n\
         experiments: {{fair: logistic, good: logistic}}\nresamples: 200\n{more}\n"
    );
    spec::parse(&text, Path::new("train.yaml"), &Default::default()).unwrap_or_else(|error| panic!("{error}")).spec
}

pub(super) const BY_TIME: &str = "split: {by: time}\nthreshold: {cost: {false_positive: 1, false_negative: 5}}\n\
                       gate: [{metric: auc, at_least: 0.7}, {metric: log_loss, at_most: 0.9}]";

pub(super) fn trial_with(spec: &TrainSpec, learners: &[(&str, &'static str)], table: DataFrame) -> Result<Trial> {
    let contenders: Vec<Contender> =
        learners.iter().chain(&[(BASELINE, "")]).map(|(name, column)| Contender::by_hand(name, By(column))).collect();
    run_contenders(spec, contenders, table.lazy(), &known(Some(90)), &|_| {})
}

pub(super) fn known(horizon_days: Option<i64>) -> Known {
    Known { horizon_days, ..Known::default() }
}

fn trial(spec: &TrainSpec) -> Trial {
    trial_with(spec, &[("fair", "fair"), ("good", "good")], table(400)).unwrap()
}

pub(super) fn origin() -> Origin {
    Origin {
        pipeline: "churn".to_owned(),
        version: "v2".parse().unwrap(),
        created: "2026-01-02T03:04:05Z".to_owned(),
        tool_version: "0.1.0".to_owned(),
        spec: "5f3a".to_owned(),
        inputs: vec![artifact::Input {
            path: "data/processed/churn/features/training_20260102_030000.parquet".to_owned(),
            fingerprint: artifact::Fingerprint::Content("9b1c".to_owned()),
            rows: Some(4800),
        }],
        command: "bin/train churn".to_owned(),
    }
}

/// A version of `trial` in a registry of its own, with the decision that a first one gets.
pub(super) fn registered(trial: &Trial, folder: &Path) -> (crate::Registry, crate::Version) {
    let registry = crate::Registry::at(folder);
    let version = registry.next().unwrap();
    std::fs::create_dir(registry.folder(version)).unwrap();
    let decision = trial.decide(None).unwrap();
    crate::write_version(&registry.folder(version), trial, &Origin { version, ..origin() }, &decision).unwrap();
    seal(&registry.folder(version));
    registry.record(version, &decision, crate::Signature { time: String::new(), who: "t@t".to_owned() }).unwrap();
    (registry, version)
}

/// Puts the evidence of its files into a version's folder, as the stage does.
fn seal(folder: &Path) {
    let files = artifact::hash_files(folder).unwrap();
    let evidence = serde_json::json!({
        "format": 1, "tool": "train", "version": "0.1.0", "pipeline": "churn", "table": "v1", "kind": "file", "run": "",
        "time": "2026-01-01T00:00:00Z", "spec": "", "inputs": [], "books": {"rows_in": 0, "rows_out": 0, "entries": []},
        "content": artifact::hash_of(&files), "notes": {"files": files},
    });
    std::fs::write(artifact::sidecar(folder), evidence.to_string()).unwrap();
}

/// As a version of an earlier release wrote it: what may be left out is.
fn manifest() -> crate::Manifest {
    serde_json::from_value(serde_json::json!({
        "format": 1,
        "lineage": {
            "pipeline": "churn", "version": "v1", "created": "2026-01-02T03:04:05Z", "tool_version": "0.1.0",
            "spec": "abc", "inputs": [], "command": "bin/train churn"
        },
        "table": "training", "task": "classification", "label": "churned", "entity": "customer_id", "time": "cutoff",
        "horizon_days": 90, "experiment": "best", "learner": "fake", "file": "model.txt", "features": [],
        "metrics": {"auc": {"value": 0.8, "baseline": 0.5}}, "experiments": [], "gate": [],
        "split": {"by": "time", "column": "cutoff", "parts": []}, "rows": 10, "seed": 42
    }))
    .unwrap()
}

fn champion(column: &'static str, columns: &[&str]) -> LoadedVersion {
    let features = columns.iter().map(|name| Feature::numeric(*name)).collect();
    let mut manifest = manifest();
    manifest.threshold = Some(Threshold { value: 0.5, rule: "fixed at 0.5".to_owned() });
    let model = Box::new(ByModel { column, features, mean: 0.5 });
    LoadedVersion { version: "v1".parse().unwrap(), manifest, model, intervals: None }
}

#[test]
fn the_best_on_validation_is_judged_on_test() {
    let trial = trial(&spec(BY_TIME));
    assert_eq!(trial.chosen, "good");
    assert_eq!(trial.tried.iter().map(|tried| tried.name.as_str()).collect::<Vec<_>>(), ["fair", "good", "baseline"]);
    assert!(trial.passed(), "{:?}", trial.gate);
    let auc = trial.metric(Metric::Auc).unwrap();
    // The label is drawn with the score as its probability: the AUC of that is 5/6.
    assert!((auc - 5.0 / 6.0).abs() < 0.03, "{auc}");
    assert_eq!(trial.test[&Metric::Auc].baseline, Some(0.5));
    // A missed one costs five times a false alarm: flag from one sixth up.
    assert!((trial.threshold.as_ref().unwrap().value - 1.0 / 6.0).abs() < 0.1, "{:?}", trial.threshold);
    assert_eq!(trial.split.rows(Part::Purged), 1600);
    assert_eq!(trial.rows, 4800);
    let rows: u64 = Part::ALL.map(|part| trial.split.rows(part)).iter().sum();
    assert_eq!(rows, trial.rows);
    let names: Vec<&str> = trial.model.features().iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!(names, ["good", "fair", "noise", "city"]);
    assert!(!trial.resamples.by_entity(), "one cutoff is left to test");
    assert_eq!(trial.importance.weights[0].0, "good");
}

#[test]
fn two_runs_are_the_same_to_the_byte() {
    let write = |folder: &Path| {
        let trial = trial(&spec(BY_TIME));
        let decision = trial.decide(None).unwrap();
        crate::write_version(folder, &trial, &origin(), &decision).unwrap();
    };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    folders.iter().for_each(|folder| write(folder.path()));
    let files = [
        "model.txt",
        "model.json",
        "card.md",
        "card.html",
        "plots/roc.svg",
        "plots/precision_recall.svg",
        "plots/calibration.svg",
        "plots/importance.svg",
        "plots/contributions.svg",
    ];
    for file in files {
        let [one, two] = [0, 1].map(|at: usize| std::fs::read(folders[at].path().join(file)).unwrap());
        assert!(one == two, "{file} differs");
    }
    let card = std::fs::read_to_string(folders[0].path().join("card.md")).unwrap();
    for words in [
        "**v2: promoted to production.** The first model that passed its gate.",
        "| auc at least 0.7",
        "1600 rows were purged",
        "Rows that score at least **",
        "`data/processed/churn/features/training_20260102_030000.parquet`",
    ] {
        assert!(card.contains(words), "no '{words}' in:\n{card}");
    }
    let manifest = crate::Manifest::read(folders[0].path()).unwrap();
    assert_eq!((manifest.experiment.as_str(), manifest.features.len()), ("good", 4));
    if let Some(folder) = std::env::var_os("MILLRACE_CARD") {
        std::fs::copy(folders[0].path().join("card.html"), Path::new(&folder).join("card.html")).unwrap();
    }
}

#[test]
fn a_model_no_better_than_the_baseline_is_refused_in_words() {
    let trial = trial_with(&spec(BY_TIME), &[("noise", "noise")], table(400)).unwrap();
    let decision = trial.decide(None).unwrap();
    assert_eq!(decision.action, Action::Refuse);
    for words in ["the gate refused: auc better than the baseline (0.", " against 0.5: ", "auc at least 0.7 (0."] {
        assert!(decision.why.contains(words), "{}", decision.why);
    }
}

#[test]
fn a_challenger_must_beat_the_champion_on_the_same_rows() {
    let good = trial(&spec(BY_TIME));
    let fair = trial_with(&spec("split: {by: time}"), &[("fair", "fair")], table(400)).unwrap();
    let first = good.decide(None).unwrap();
    assert_eq!((first.action, first.why.as_str()), (Action::Promote, "the first model that passed its gate"));

    let better = good.decide(Some(&champion("fair", &["fair"]))).unwrap();
    assert_eq!(better.action, Action::Promote, "{}", better.why);
    assert!(better.metrics["gain_low"] > 0.0 && better.metrics["champion_auc"] < better.metrics["auc"]);
    assert!(better.why.contains(" of the champion v1 on the same "), "{}", better.why);

    let worse = fair.decide(Some(&champion("good", &["good"]))).unwrap();
    assert_eq!(worse.action, Action::Keep, "{}", worse.why);
    assert!(worse.why.contains("worse by 0.") && worse.why.ends_with("so the champion stays"), "{}", worse.why);

    let same = good.decide(Some(&champion("good", &["good"]))).unwrap();
    assert_eq!((same.action, same.metrics["gain"]), (Action::Keep, 0.0));
    let lenient = spec("split: {by: time}\npromote: {margin: -0.01}");
    assert_eq!(trial(&lenient).decide(Some(&champion("good", &["good"]))).unwrap().action, Action::Promote);
}

#[test]
fn a_champion_that_cannot_be_compared_is_explained() {
    let good = trial(&spec(BY_TIME));
    let gone = good.decide(Some(&champion("gone", &["gone", "city"]))).unwrap();
    assert_eq!(gone.action, Action::Keep);
    assert_eq!(
        gone.why,
        "the champion v1 learned other features than table 'training' has (the table does not fit the model's signature: \
         missing columns: 'gone'; changed types: 'city' is string, was float64), which could not be recomputed (they \
         cannot be recomputed here), so the two cannot be compared; promote by hand if the challenger is to replace it"
    );
    let mut other = champion("good", &["good"]);
    other.manifest.horizon_days = Some(30);
    let kept = good.decide(Some(&other)).unwrap();
    assert_eq!(kept.action, Action::Keep);
    assert!(kept.why.contains("has another horizon (30 days) than the challenger (90 days)"), "{}", kept.why);
}

#[test]
fn a_test_part_of_one_class_is_judged_and_refused() {
    let mut table = table(400);
    let newest = 19_000 + 30 * 9;
    let mask: Vec<bool> = table
        .column("cutoff")
        .unwrap()
        .to_physical_repr()
        .i32()
        .unwrap()
        .iter()
        .map(|day| day.unwrap() < newest)
        .collect();
    let label =
        table.column("churned").unwrap().bool().unwrap().iter().zip(mask).map(|(label, old)| label.unwrap() && old);
    let label = Column::new("churned".into(), label.collect::<Vec<bool>>());
    table.with_column(label).unwrap();
    let trial = trial_with(&spec(BY_TIME), &[("good", "good")], table).unwrap();
    assert_eq!(trial.metric(Metric::Auc), None);
    let decision = trial.decide(None).unwrap();
    assert_eq!(decision.action, Action::Refuse);
    assert!(decision.why.contains("auc is undefined because none of the"), "{}", decision.why);
    let folder = tempfile::tempdir().unwrap();
    crate::write_version(folder.path(), &trial, &origin(), &decision).unwrap();
}

#[test]
fn what_cannot_be_learned_from_is_named() {
    let by_time = spec(BY_TIME);
    let failure = |spec: &TrainSpec, change: &dyn Fn(&mut DataFrame)| {
        let mut table = table(50);
        change(&mut table);
        trial_with(spec, &[("good", "good")], table).unwrap_err().to_string()
    };
    let replace = |column: Column| {
        move |table: &mut DataFrame| {
            table.with_column(column.clone()).unwrap();
        }
    };
    let rows = 600;
    assert_eq!(
        failure(&by_time, &|table| drop(table.drop_in_place("churned").unwrap())),
        "table 'training': no column 'churned'; choose one of: customer_id, cutoff, good, fair, noise, city, _row"
    );
    assert_eq!(
        failure(&by_time, &replace(Column::new("churned".into(), vec![true; rows]))),
        "table 'training': label 'churned' is 1 in all 600 rows; there is nothing to learn; look at the label's \
         definition in clean.yaml or features.yaml"
    );
    assert!(
        failure(&by_time, &replace(Column::new("churned".into(), vec!["yes"; rows])))
            .contains("is string, not true/false or 1/0")
    );
    assert!(
        failure(&by_time, &replace(Column::new("churned".into(), vec![3i32; rows])))
            .contains("is 3 in row 1, but classification takes 0 and 1")
    );
    let mut holes = vec![Some(true); rows];
    holes[7] = None;
    assert!(
        failure(&by_time, &replace(Column::new("churned".into(), holes)))
            .contains("column 'churned' is missing in 1 of 600 rows")
    );
    assert!(
        failure(&by_time, &replace(Column::new("cutoff".into(), vec![1i64; rows])))
            .contains("column 'cutoff' is int64, not date or datetime")
    );
    let none = spec(&format!("{BY_TIME}\nexclude: [customer_id, cutoff, good, fair, noise, city]"));
    assert!(failure(&none, &|_| {}).contains("no column is left to learn from"));
    let typo = spec(&format!("{BY_TIME}\nexclude: [god]"));
    assert!(failure(&typo, &|_| {}).contains("no column 'god'; did you mean 'good'?"));
    let scores = replace(Column::new("good".into(), vec![f64::NAN; rows]));
    assert!(
        failure(&by_time, &scores).starts_with("experiment 'good' on the validation part: the score of row 1 is NaN")
    );
}

#[test]
fn among_timestamps_a_label_is_known_when_its_day_is_over() {
    // A row every hour, whose label became known some time on the same day.
    let mut table = table(50);
    let hours: Vec<i64> = (0..600).map(|row| (19_000 * 24 + row) * 3_600_000_000).collect();
    let at = Column::new("cutoff".into(), hours).cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
    table.with_column(at.cast(&DataType::Date).unwrap().with_name("told".into())).unwrap();
    table.with_column(at).unwrap();
    let trial = trial_with(&spec(&format!("{BY_TIME}\nlabel_known_at: told")), &[("good", "good")], table).unwrap();
    let of = |name: &str| trial.parts.column(name).unwrap().cast(&DataType::String).unwrap();
    let (days, parts, learned) = (of("told"), of("part"), of("learned"));
    let cells = |column: &Column| -> Vec<String> {
        column.str().unwrap().iter().map(|text| text.unwrap_or_default().to_owned()).collect()
    };
    let (days, parts, learned) = (cells(&days), cells(&parts), cells(&learned));
    let first = parts.iter().zip(&days).filter(|(part, _)| *part == "test").map(|(_, day)| day).min().unwrap();
    let late = learned.iter().zip(&days).filter(|(learned, day)| *learned == "true" && *day >= first).count();
    assert_eq!(late, 0, "what is told on {first} is not known before it is over");
}

#[test]
fn a_decimal_is_a_label_like_any_number() {
    let mut numbers = table(50);
    let amounts: Vec<f64> = (0..600).map(|row| f64::from(row % 97) / 4.0).collect();
    numbers.with_column(Column::new("churned".into(), amounts)).unwrap();
    let mut decimals = numbers.clone();
    decimals.apply("churned", |column| column.cast(&DataType::Decimal(12, 2)).unwrap()).unwrap();
    let spec = TrainSpec { task: Task::Regression, ..spec("split: {by: time}") };
    let of = |table: DataFrame| trial_with(&spec, &[("good", "good")], table).unwrap().metric(Metric::Mae);
    assert_eq!(of(decimals), of(numbers));
}

#[test]
fn an_experiment_that_the_gate_names_learns_from_as_many_rows() {
    let spec = spec("split: {by: time}\ngate: [{metric: brier, better_than: fair}]");
    let trial = trial_with(&spec, &[("good", "good"), ("fair", "")], table(400)).unwrap();
    let (label, learned) = (trial.parts.column("churned").unwrap(), trial.parts.column("learned").unwrap());
    let rows = label.bool().unwrap().iter().zip(learned.bool().unwrap().iter());
    let labels: Vec<f64> =
        rows.filter(|(_, learned)| *learned == Some(true)).map(|(label, _)| f64::from(label == Some(true))).collect();
    let (_, fair) = trial.scored.iter().find(|(name, _)| name == "fair").unwrap();
    // It predicts the mean of what it has learned from.
    assert_eq!(fair.score()[0], labels.iter().sum::<f64>() / labels.len() as f64);
    assert!(trial.refit.is_some() && trial.passed(), "{:?}", trial.gate);
}

#[test]
fn groups_and_chance_split_too() {
    let by_group = trial(&spec("split: {by: group}"));
    let entities = |rows: &DataFrame| -> std::collections::BTreeSet<String> {
        rows.column("customer_id").unwrap().str().unwrap().iter().flatten().map(str::to_owned).collect()
    };
    assert_eq!(by_group.split.rows(Part::Test) as usize, entities(&by_group.test_rows).len() * 12);
    assert_eq!(by_group.resamples.units(), entities(&by_group.test_rows).len());
    assert!(by_group.resamples.by_entity());
    let random = trial(&spec("split: {by: random}"));
    assert_eq!(random.split.rows(Part::Test), 720);
    assert!(random.split.notes[1].contains("chance puts rows of one into several parts"), "{:?}", random.split.notes);
}

#[test]
fn regression_is_judged_by_its_own_metrics() {
    let text = "table: training\nlabel: fair\ntask: regression\nentity: customer_id\ntime: cutoff\nsplit: {by: group}\n\
                experiments: {good: logistic}\nresamples: 200\n";
    let spec: TrainSpec = spec::parse(text, Path::new("train.yaml"), &Default::default()).unwrap().spec;
    let trial = trial_with(&spec, &[("good", "good")], table(200)).unwrap();
    assert!(trial.metric(Metric::R2).unwrap() > -1.0 && trial.threshold.is_none());
    let folder = tempfile::tempdir().unwrap();
    crate::write_version(folder.path(), &trial, &origin(), &trial.decide(None).unwrap()).unwrap();
    assert!(folder.path().join("plots/residuals.svg").exists());
    let predictions = trial.predictions().unwrap();
    assert_eq!(predictions.get_column_names(), ["customer_id", "cutoff", "fair", "score", "part"]);
}

#[test]
fn predictions_have_a_row_per_test_row() {
    let trial = trial(&spec(BY_TIME));
    let predictions = trial.predictions().unwrap();
    assert_eq!(predictions.get_column_names(), ["customer_id", "cutoff", "churned", "score", "decision", "part"]);
    assert_eq!(predictions.height() as u64, trial.split.rows(Part::Test));
    let flagged = predictions.column("decision").unwrap().bool().unwrap().sum().unwrap();
    assert_eq!(u64::from(flagged), trial.confusion.unwrap().flagged());
}

#[test]
fn a_real_model_is_registered_loaded_and_challenged() {
    let text = "table: training\nlabel: churned\ntask: classification\nentity: customer_id\ntime: cutoff\n\
                split: {by: time}\nexperiments: {lightgbm: {lightgbm: {trees: 30}}, logistic: logistic}\n\
                resamples: 200\npromote: {margin: 0.01}\n";
    let spec: TrainSpec = spec::parse(text, Path::new("train.yaml"), &Default::default()).unwrap().spec;
    let said = std::cell::RefCell::new(Vec::new());
    let trial =
        run(&spec, table(400).lazy(), &known(Some(90)), &|line| said.borrow_mut().push(line.to_owned())).unwrap();
    assert!(trial.passed(), "{:?}", trial.gate);
    assert!(said.borrow().iter().any(|line| line.starts_with("chosen: ")), "{said:?}");

    let folder = tempfile::tempdir().unwrap();
    let (registry, version) = registered(&trial, folder.path());
    assert_eq!(registry.production().unwrap(), Some(version));

    let champion = registry.load(version).unwrap();
    let rows = Matrix::from_frame(&trial.test_rows, champion.model.features()).unwrap();
    assert_eq!(champion.model.predict(&rows).unwrap(), trial.chosen_scored().score());
    let again = trial.decide(Some(&champion)).unwrap();
    assert_eq!((again.action, again.metrics["gain"]), (Action::Keep, 0.0), "{}", again.why);
}

/// Prices of a fair share of the column `good`, with an error that is a share of them.
pub(super) fn prices(customers: usize) -> DataFrame {
    let mut table = table(customers);
    let rows = table.height();
    let good: Vec<f64> = table.column("good").unwrap().f64().unwrap().into_no_null_iter().collect();
    let noise: Vec<f64> = table.column("noise").unwrap().f64().unwrap().into_no_null_iter().collect();
    let price: Vec<f64> = (0..rows).map(|row| 1000.0 * (good[row] + 0.4 * noise[row]).exp()).collect();
    table.with_column(Column::new("price".into(), price)).unwrap();
    // The error is not to be seen, and what is left of the label is not either.
    table.drop("noise").unwrap().drop("churned").unwrap()
}

fn price_spec(more: &str) -> TrainSpec {
    let text = format!(
        "table: training\nlabel: price\ntask: regression\nentity: customer_id\ntime: cutoff\nsplit: {{by: group}}\n\
         resamples: 200\nchoose_by: mae\n{more}\n"
    );
    spec::parse(&text, Path::new("train.yaml"), &Default::default()).unwrap_or_else(|error| panic!("{error}")).spec
}

#[test]
fn prices_are_learned_on_a_log_scale_with_intervals_and_come_back() {
    for by in ["conformal", "quantiles"] {
        let spec = price_spec(&format!(
            "label_transform: log\nintervals: {{coverage: 0.8, by: {by}}}\n\
             gate: [{{metric: mae, at_most: 350}}, {{metric: r2, at_least: 0.6}}, {{metric: coverage, at_least: 0.75}}]\n\
             experiments:\n  small: {{lightgbm: {{trees: 20, learning_rate: 0.1}}}}\n  \
             boosted: {{lightgbm: {{trees: 60, depth: 4}}}}\n  linear: elastic_net\n  tree: tree\n  \
             cities: {{baseline: {{of: median, by: [city]}}}}"
        ));
        let trial = run(&spec, prices(150).lazy(), &known(None), &|_| {}).unwrap();
        assert!(trial.passed(), "{:?}", trial.gate);
        let coverage = trial.test[&Metric::Coverage].clone();
        assert!((coverage.value.unwrap() - 0.8).abs() < 0.08 && coverage.interval.is_some(), "{coverage:?}");
        // The constant's bias is none on the training rows, whatever the scale of the others.
        let baseline = trial.tried.iter().find(|tried| tried.name == BASELINE).unwrap();
        assert!(baseline.metrics[&Metric::R2].unwrap().abs() < 0.05, "{baseline:?}");
        assert!(trial.tried.iter().all(|tried| !tried.metrics.contains_key(&Metric::Coverage)));
        assert_eq!(trial.tried[0].parameters["trees"], 20);

        let folder = tempfile::tempdir().unwrap();
        let (registry, version) = registered(&trial, folder.path());
        let champion = registry.load(version).unwrap();
        let rows = Matrix::from_frame(&trial.test_rows, champion.model.features()).unwrap();
        let predicted = champion.model.predict(&rows).unwrap();
        assert_eq!(predicted, trial.chosen_scored().score());
        let intervals = champion.intervals.as_ref().unwrap();
        assert_eq!(&intervals.bounds(&rows, &predicted).unwrap(), trial.chosen_scored().bounds().unwrap());
        let predictions = trial.predictions().unwrap();
        assert_eq!(predictions.get_column_names(), ["customer_id", "cutoff", "price", "score", "low", "high", "part"]);
        let card = std::fs::read_to_string(registry.folder(version).join("card.md")).unwrap();
        for line in ["## Prediction intervals", "smearing factor, Duan 1983", "| coverage", "| interval_width"] {
            assert!(card.contains(line), "{line} in {card}");
        }
        for plot in ["errors", "residuals", "predicted_against_actual", "importance"] {
            assert!(registry.folder(version).join(format!("plots/{plot}.svg")).exists(), "{plot}");
        }
        let runs = registry.runs().unwrap();
        let chosen: Vec<_> = runs.iter().filter(|run| run.chosen).collect();
        assert_eq!((runs.len(), chosen.len()), (6, 1));
        assert_eq!(chosen[0].stage, Some(crate::ModelStage::Production));
        assert_eq!(chosen[0].test[&Metric::Mae], trial.metric(Metric::Mae).unwrap());
    }
}

#[test]
fn labels_without_a_logarithm_are_counted() {
    let mut table = prices(50);
    table.apply("price", |column| column.as_materialized_series() - 1500.0).unwrap();
    let spec = price_spec("label_transform: log\nexperiments: {a: elastic_net}");
    let error = run(&spec, table.lazy(), &known(None), &|_| {}).unwrap_err();
    assert_eq!(error.class(), spec::Class::Refused);
    let text = error.to_string();
    assert!(text.starts_with("table 'training': label 'price' is 0 or less in "), "{text}");
    assert!(text.contains(" of 600 rows, which have no logarithm; drop these rows in clean.yaml"), "{text}");
}

#[test]
fn who_promotes_by_hand_finds_the_model_in_staging() {
    let trial = trial(&spec("split: {by: time}\npromote: {when: by_hand}"));
    let first = trial.decide(None).unwrap();
    assert_eq!(first.action, Action::Keep);
    assert_eq!(first.why, "it passed its gate, and waits in staging for a decision by hand");
    let better = trial.decide(Some(&champion("noise", &["noise"]))).unwrap();
    assert_eq!(better.action, Action::Keep);
    assert!(
        better.why.ends_with("lies above the margin of 0, and waits in staging for a decision by hand"),
        "{better:?}"
    );
}
