//! How learners are written in YAML, and what is said where they are written wrongly.

use std::path::Path;

use spec::Environment;

use super::conformance::{Toy, learner};
use super::*;
use crate::{Data, Feature, Matrix, Task, load_model};

fn failure(yaml: &str) -> String {
    spec::parse::<Vec<LearnerSpec>>(yaml, Path::new("train.yaml"), &Environment::default()).unwrap_err().to_string()
}

#[test]
fn a_word_alone_has_all_defaults() {
    let specs: Vec<LearnerSpec> = spec::parse(
        "- lightgbm\n- xgboost\n- logistic\n- tree\n- forest\n- baseline\n",
        Path::new("t"),
        &Environment::default(),
    )
    .unwrap()
    .spec;
    let defaults = [
        LearnerSpec::Lightgbm(Lightgbm::default()),
        LearnerSpec::Xgboost(Xgboost::default()),
        LearnerSpec::Logistic(Logistic::default()),
        LearnerSpec::Tree(Tree::default()),
        LearnerSpec::Forest(Forest::default()),
        LearnerSpec::Baseline(Baseline::default()),
    ];
    assert_eq!(specs, defaults);
    let names: Vec<&str> = specs.iter().map(LearnerSpec::name).collect();
    assert_eq!(names, ["lightgbm", "xgboost", "logistic", "tree", "forest", "baseline"]);
}

#[test]
fn settings_out_of_range_are_placed() {
    assert_eq!(failure("- lightgbm: {trees: 0}\n"), "train.yaml:1:21: .[0].lightgbm.trees: 0 is not from 1 to 100000");
    assert!(failure("- lightgbm: {learning_rate: 1.5}\n").ends_with("1.5 is not above 0 and at most 1"));
    assert!(failure("- logistic: {l2: -1}\n").ends_with("-1 is not 0 or more"));
    assert!(failure("- tree: {depth: 31}\n").ends_with("31 is not from 1 to 30"));
    assert!(failure("- forest: {tree: 10}\n").ends_with("unknown key 'tree'; did you mean 'trees'?"));
    assert!(failure("- lightgbms\n").contains("did you mean 'lightgbm'?"));
    assert!(
        failure("- lightgbm: {parameters: {metric: 'a b'}}\n").ends_with("'a b' is empty or contains a space or '='")
    );
}

#[test]
fn other_parameters_pass_through() {
    let toy = Toy::new(300, 1);
    let fit = |yaml: &str| learner(yaml).build().fit(Task::Classification, toy.data(), toy.data(), 1);
    let notes =
        fit("lightgbm: {trees: 5, parameters: {metric: auc, max_bin: 15, boost_from_average: true}}").unwrap().notes();
    assert_eq!(notes["stopped_by"]["metric"], "auc");
    let error = |yaml: &str| fit(yaml).err().unwrap().to_string();
    assert_eq!(
        error("lightgbm: {parameters: {num_leafs: 3}}"),
        "lightgbm.parameters: unknown LightGBM parameter 'num_leafs'; did you mean 'num_leaf'?"
    );
    assert_eq!(
        error("lightgbm: {parameters: {eta: 0.1}}"),
        "lightgbm.parameters: 'learning_rate' cannot be set here; write 'learning_rate'"
    );
    assert_eq!(error("lightgbm: {objective: poisson}"), "lightgbm: 'objective' is for regression; leave it out");
}

#[test]
fn an_unknown_learner_is_named() {
    let error = load_model("magic", Path::new("models/v1"), "m", Vec::new()).err().unwrap().to_string();
    assert_eq!(error, "models/v1/m: no learner 'magic' is known; read it with the version of millrace that wrote it");
}

#[test]
fn lightgbm_says_how_it_stopped() {
    let (train, valid) = (Toy::new(600, 1), Toy::new(200, 2));
    let fit = |yaml: &str, valid: Data<'_>| {
        learner(yaml).build().fit(Task::Classification, train.data(), valid, 1).unwrap().notes()
    };
    let notes = fit("lightgbm: {trees: 500, early_stopping: 5}", valid.data());
    let trees = notes["trees"].as_u64().unwrap();
    assert_eq!(notes["trees_tried"].as_u64().unwrap(), trees + 5, "{notes}");
    assert_eq!(notes["stopped_by"]["metric"], "binary_logloss");
    let empty = valid.matrix.slice(0..0);
    let notes = fit("lightgbm: {trees: 12}", Data { features: &empty, label: &[] });
    assert_eq!((&notes["trees"], &notes["stopped_by"]), (&12.into(), &serde_json::Value::Null));
}

/// scikit-learn: `LogisticRegression(C=1/2, tol=1e-10).fit(StandardScaler().fit_transform(X), y)` on the same columns; its
/// coefficients, intercept and first probabilities. Turning the classes round turns the signs round.
#[test]
fn logistic_works_like_sklearn() {
    let x0: Vec<f64> = (0..240).map(|i| ((i * 37) % 101) as f64 / 8.0).collect();
    let x1: Vec<f64> = (0..240).map(|i| ((i * 53) % 97) as f64).collect();
    let label: Vec<f64> = (0..240)
        .map(|i| {
            let category = if i % 5 == 1 || i % 5 == 3 { 4.0 } else { 0.0 };
            let gap = if i % 11 == 0 { 3.0 } else { 0.0 };
            f64::from(u8::from(x0[i] + category + ((i * 29) % 17) as f64 / 4.0 + gap > 10.0))
        })
        .collect();
    let turned: Vec<f64> = label.iter().map(|label| 1.0 - label).collect();
    let matrix = Matrix::from_columns(["x0", "x1"].map(Feature::numeric).into(), vec![x0, x1]).unwrap();
    for (label, sign, probabilities) in [
        (&label, 1.0, [0.05413197302180109, 0.3052529932356963, 0.9023266595665482]),
        (&turned, -1.0, [0.9458680269781989, 0.6947470067643037, 0.09767334043345183]),
    ] {
        let data = Data { features: &matrix, label };
        let model = learner("logistic: {l2: 2}").build().fit(Task::Classification, data, data, 1).unwrap();
        for (ours, theirs) in model.predict(&matrix).unwrap().iter().zip(probabilities) {
            assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
        }
        let base = model.contributions(&matrix).unwrap().unwrap().base;
        assert!((base - sign * 0.1361605508840192).abs() < 1e-4, "{base}");
        let importance = model.importance();
        assert!((importance[0] - 2.040783109080825).abs() < 1e-4, "{importance:?}");
        assert!((importance[1] - 0.2913496617592301).abs() < 1e-4, "{importance:?}");
    }
}

/// scikit-learn 1.9: `ElasticNet(alpha, l1_ratio, tol=1e-14)` on `StandardScaler().fit_transform(X)` and the standardised
/// label; its coefficients and first predictions, back in the label's unit.
#[test]
fn elastic_net_works_like_sklearn() {
    let x0: Vec<f64> = (0..240).map(|i| ((i * 37) % 101) as f64 / 8.0).collect();
    let x1: Vec<f64> = (0..240).map(|i| ((i * 53) % 97) as f64).collect();
    let label: Vec<f64> = (0..240).map(|i| 3.0 * x0[i] - 0.02 * x1[i] + ((i * 29) % 17) as f64 / 4.0).collect();
    let matrix = Matrix::from_columns(["x0", "x1"].map(Feature::numeric).into(), vec![x0, x1]).unwrap();
    let data = Data { features: &matrix, label: &label };
    for (yaml, weights, predictions) in [
        (
            "elastic_net: {penalty: 0.05, l1_ratio: 0.3}",
            [10.41607282, 0.30990353],
            [2.463308940189531, 15.09065531332395, 28.789644322281667],
        ),
        (
            "elastic_net: {penalty: 0.05, l1_ratio: 1}",
            [10.3682767, 0.0],
            [2.020322522114288, 15.172575780018157, 28.32482903792203],
        ),
        (
            "elastic_net: {penalty: 0.2, l1_ratio: 0}",
            [9.12133472, 0.30953244],
            [4.676943875426902, 15.662604341250994, 27.71862421478364],
        ),
    ] {
        let model = learner(yaml).build().fit(Task::Regression, data, data, 1).unwrap();
        for (ours, theirs) in model.importance().iter().zip(weights) {
            assert!((ours - theirs).abs() < 1e-4, "{yaml}: {ours} {theirs}");
        }
        for (ours, theirs) in model.predict(&matrix).unwrap().iter().zip(predictions) {
            assert!((ours - theirs).abs() < 1e-4, "{yaml}: {ours} {theirs}");
        }
        let base = model.contributions(&matrix).unwrap().unwrap().base;
        assert!((base - 19.752166666666668).abs() < 1e-9, "{base}");
    }
}

#[test]
fn a_label_that_never_changes_needs_no_solver() {
    let matrix = Matrix::from_columns(vec![Feature::numeric("x")], vec![vec![1.0, 2.0, 3.0]]).unwrap();
    let data = Data { features: &matrix, label: &[5.0; 3] };
    let model = learner("elastic_net").build().fit(Task::Regression, data, data, 1).unwrap();
    assert_eq!(model.predict(&matrix).unwrap(), [5.0; 3]);
}

#[test]
fn objectives_and_depth_are_those_of_lightgbm() {
    let toy = Toy::new(400, 1);
    let fit = |yaml: &str| learner(yaml).build().fit(Task::Regression, toy.data(), toy.data(), 1);
    let folder = tempfile::tempdir().unwrap();
    let text = |yaml: &str| {
        let file = fit(yaml).unwrap().save(folder.path()).unwrap();
        std::fs::read_to_string(folder.path().join(file)).unwrap()
    };
    let deep = text("lightgbm: {trees: 3, objective: {quantile: 0.9}, depth: 2}");
    assert!(deep.contains("[objective: quantile]") && deep.contains("[alpha: 0.9]"), "{deep}");
    assert!(deep.contains("[max_depth: 2]"), "{deep}");
    assert!(deep.lines().filter_map(|line| line.strip_prefix("num_leaves=")).all(|leaves| leaves <= "4"), "{deep}");
    assert!(failure("- lightgbm: {objective: {quantile: 1}}\n").ends_with("1 is not above 0 and below 1"));
    assert!(failure("- lightgbm: {depth: 0}\n").ends_with("0 is not from 1 to 64"));
    let error = fit("lightgbm: {objective: {quantile: 0.9}, parameters: {alpha: 0.5}}").err().unwrap().to_string();
    assert_eq!(error, "lightgbm.parameters: 'alpha' cannot be set here; the level is written at 'quantile'");
}

#[test]
fn settings_are_told_with_their_defaults() {
    let settings = learner("elastic_net: {penalty: 0.1}").build().settings();
    assert_eq!(settings, serde_json::json!({"penalty": 0.1, "l1_ratio": 0.5, "iterations": 1000}));
    for name in ["lightgbm", "xgboost", "logistic", "elastic_net", "tree", "forest", "baseline"] {
        assert!(LearnerSpec::defaults(name).is_object(), "{name}");
    }
    assert_eq!(LearnerSpec::defaults("magic"), serde_json::Value::Null);
}

#[test]
fn a_tree_of_a_sample_is_a_tree_of_its_rows() {
    let toy = Toy::new(2000, 1);
    let model = learner("tree: {max_rows: 500}").build().fit(Task::Classification, toy.data(), toy.data(), 1).unwrap();
    assert!(model.notes()["leaves"].as_u64().unwrap() > 2);
    assert_eq!(model.predict(&toy.matrix).unwrap().len(), 2000);
}

#[test]
fn the_schema_tells_defaults_and_ranges() {
    let schema = serde_json::to_value(schemars::schema_for!(LearnerSpec)).unwrap();
    let trees = &schema["$defs"]["Lightgbm"]["properties"]["trees"];
    assert_eq!((&trees["default"], &trees["minimum"], &trees["maximum"]), (&200.into(), &1.into(), &100_000.into()));
    assert!(trees["description"].as_str().unwrap().contains("early_stopping"));
}
