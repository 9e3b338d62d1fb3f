//! Models of elsewhere among the experiments.

use artifact::{Definition, Definitions};
use polars::prelude::*;

use super::run::run;
use super::tests::{known, origin, table};
use super::*;
use crate::learners::imported_tests::{FEATURES, stump};
use crate::{Part, TrainSpec};

/// A test part that begins earlier.
const EARLY: &str = "split: {by: time, shares: [0.25, 0.15, 0.6]}";

const PATH: &str = "data/imported/m.ubj";

fn spec(more: &str) -> spec::Result<TrainSpec> {
    let text = format!(
        "table: training\nlabel: churned\ntask: classification\nentity: customer_id\ntime: cutoff\nresamples: 200\n\
         experiments: {{outside: {{xgboost: {{model: {PATH}}}}}}}\n{more}\n"
    );
    spec::parse(&text, std::path::Path::new("train.yaml"), &Default::default()).map(|loaded| loaded.spec)
}

/// A run with a model that was trained by these parts.
fn run_with(spec: &TrainSpec, text: &str, parts: &DataFrame) -> spec::Result<Trial> {
    run_made(spec, text, parts, (None, None))
}

/// The same where it is known what columns meant then and mean now.
fn run_made(
    spec: &TrainSpec,
    text: &str,
    parts: &DataFrame,
    (then, definitions): (Option<Definitions>, Option<Definitions>),
) -> spec::Result<Trial> {
    let model = Imported::by_hand(PATH, text.as_bytes(), parts, then)?;
    let known = Known { imported: [(PATH.to_owned(), model)].into(), definitions, ..known(Some(90)) };
    run(spec, table(100).lazy(), &known, &|_| {})
}

/// The parts of a version by the same split.
fn parts(split: &str) -> DataFrame {
    let text = format!(
        "table: training\nlabel: churned\ntask: classification\nentity: customer_id\ntime: cutoff\nresamples: 100\n\
         experiments: {{plain: logistic}}\n{split}\n"
    );
    let spec = spec::parse::<TrainSpec>(&text, std::path::Path::new("train.yaml"), &Default::default()).unwrap().spec;
    run(&spec, table(100).lazy(), &known(Some(90)), &|_| {}).unwrap().parts
}

#[test]
fn a_model_of_elsewhere_is_judged_explained_and_released_like_others() {
    let split = "split: {by: time}";
    let text = stump("churned", FEATURES, "");
    let trial = run_with(&spec(split).unwrap(), &text, &parts(split)).unwrap();
    assert_eq!(trial.chosen, "outside");
    assert!(trial.passed(), "{:?}", trial.gate);
    assert!(trial.refit.is_none(), "it learns nothing again");
    assert_eq!(trial.importance.weights[0].0, "good");
    let note = format!(
        "experiment 'outside' is {PATH}, trained elsewhere by the parts of v1; what its file says of that was compared with the \
         table, but not how it was trained"
    );
    assert!(trial.notes.contains(&note), "{:?}", trial.notes);
    let decision = trial.decide(None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let manifest = crate::write_version(folder.path(), &trial, &origin(), &decision).unwrap();
    assert_eq!((manifest.learner.as_str(), manifest.file.as_str()), ("xgboost", "xgboost.ubj"));
    assert_eq!(std::fs::read(folder.path().join("xgboost.ubj")).unwrap(), text.as_bytes());
    assert_eq!(manifest.experiments[0].parameters, serde_json::json!({"model": PATH}));
    let card = std::fs::read_to_string(folder.path().join("card.md")).unwrap();
    assert!(card.contains("trained elsewhere by the parts of v1"), "{card}");
    let learned = trial.parts.column("learned").unwrap().bool().unwrap().sum();
    assert_eq!(learned.map(u64::from), Some(trial.split.rows(Part::Train)));
}

#[test]
fn a_model_that_has_seen_the_rows_that_judge_it_is_refused() {
    let text = stump("churned", FEATURES, "");
    let spec_of = |more: &str| spec(more).unwrap();
    let error = |spec: &TrainSpec, parts: &DataFrame| run_with(spec, &text, parts).err().unwrap().to_string();
    // The test part begins earlier than when it was trained.
    let early = spec_of(EARLY);
    let found = error(&early, &parts("split: {by: time}"));
    assert!(
        found.starts_with(&format!("experiment 'outside': {PATH}: it has seen "))
            && found.contains("rows of the test part"),
        "{found}"
    );
    assert!(found.ends_with("by the parts of v1; train it again by the parts of the newest version"), "{found}");
    // Later, it has seen nothing of it: older rows are no problem.
    run_with(&spec_of("split: {by: time}"), &text, &parts(EARLY)).unwrap();
    // Another draw of groups.
    let found = error(&spec_of("split: {by: group}\nseed: 2"), &parts("split: {by: group}"));
    assert!(found.contains("it has seen "), "{found}");
    run_with(&spec_of("split: {by: group}"), &text, &parts("split: {by: group}")).unwrap();
    // Rows that judge the experiments may have stopped it, but not taught it.
    let same = parts("split: {by: time}");
    let taught = same
        .clone()
        .lazy()
        .with_column(when(col("part").eq(lit("valid"))).then(lit("train")).otherwise(col("part")).alias("part"))
        .collect()
        .unwrap();
    let found = error(&spec_of("split: {by: time}"), &taught);
    assert!(found.contains("rows of the valid part"), "{found}");
    // Rows that cannot be found again.
    let other = same.lazy().with_column(col("cutoff").cast(DataType::String)).collect().unwrap();
    let found = error(&spec_of("split: {by: time}"), &other);
    assert!(found.contains("cannot be found in the table by column 'cutoff', whose type is another one"), "{found}");
}

#[test]
fn a_model_of_another_label_is_refused() {
    let split = "split: {by: time}";
    let (spec, parts) = (spec(split).unwrap(), parts(split));
    let error = |text: String| run_with(&spec, &text, &parts).err().unwrap().to_string();
    let found = error(stump("left", FEATURES, ""));
    assert!(
        found.contains(&format!("{PATH}: it predicts 'left', not 'churned'; import a model of this label")),
        "{found}"
    );
    let found = error(stump("churned", FEATURES, ", \"classes\": [\"a\", \"b\"]"));
    assert!(found.contains("its classes are a, b, and those of the label none"), "{found}");
}

#[test]
fn a_model_of_columns_that_were_computed_otherwise_is_refused() {
    let split = "split: {by: time}";
    let (spec, parts, text) = (spec(split).unwrap(), parts(split), stump("churned", FEATURES, ""));
    let made = |good: &str| {
        let column = |name: &str| {
            let is = if name == "good" { good } else { name };
            Definition::new(name, is, is, [])
        };
        Definitions {
            of_features: true,
            columns: ["good", "fair", "noise", "city"].map(column).into(),
            ..Definitions::default()
        }
    };
    run_made(&spec, &text, &parts, (Some(made("one")), Some(made("one")))).unwrap();
    let found = run_made(&spec, &text, &parts, (Some(made("one")), Some(made("two")))).err().unwrap().to_string();
    assert!(
        found.contains(&format!("{PATH}: columns mean something else than when it was trained: 'good' is")),
        "{found}"
    );
}

#[test]
fn what_does_not_go_with_a_model_of_elsewhere_is_refused() {
    let error = |more: &str| spec(more).unwrap_err().to_string();
    let found = error("split: {by: time}\nfolds: 3");
    assert!(
        found.contains("folds: experiment 'outside' is a model that has learned from rows of all of them"),
        "{found}"
    );
    let of = |experiment: &str| {
        let text = format!(
            "table: training\nlabel: y\ntask: classification\nentity: id\nsplit: {{by: random}}\nexperiments: {{a: {experiment}}}\n"
        );
        spec::parse::<TrainSpec>(&text, std::path::Path::new("t.yaml"), &Default::default()).unwrap_err().to_string()
    };
    let found = of("{xgboost: {model: m.ubj, trees: 5}}");
    assert!(
        found.contains("experiments.a: xgboost: 'model' is a model as it was trained, without any other setting"),
        "{found}"
    );
    let found = of("{xgboost: {model: m.ubj}, search: {trials: 3}}");
    assert!(found.contains("experiments.a: 'm.ubj' is trained already, so that nothing can be searched"), "{found}");
}
