use std::path::Path;

use super::*;
use crate::ExperimentSpec;

fn experiment(yaml: &str) -> ExperimentSpec {
    spec::parse(yaml, Path::new("t.yaml"), &Default::default()).unwrap_or_else(|error| panic!("{yaml}: {error}")).spec
}

fn space(yaml: &str, task: Task) -> Result<Space> {
    let ExperimentSpec { learner, search } = experiment(yaml);
    Space::new(&learner, search.and_then(|search| search.space).as_ref(), task)
}

/// The values of a setting in many trials.
fn drawn(space: &Space, path: &[&str]) -> Vec<Value> {
    let of = |number: u32| {
        let settings = space.draw(42, number).unwrap().build().settings();
        path.iter().fold(settings, |value, name| value[*name].clone())
    };
    (1..2001).map(of).collect()
}

#[test]
fn whatever_is_drawn_is_a_learner() {
    for (learner, task) in [
        ("lightgbm", Task::Classification),
        ("lightgbm: {early_stopping: 0, objective: {quantile: 0.9}}", Task::Regression),
        ("lightgbm: {parameters: {data_sample_strategy: goss}}", Task::Multiclass),
        ("lightgbm: {row_share: 0.5, parameters: {boosting: rf}}", Task::Classification),
        ("xgboost", Task::Multiclass),
        (
            "xgboost: {early_stopping: 0, objective: gamma, parameters: {booster: dart, rate_drop: 0.1}}",
            Task::Regression,
        ),
        ("logistic", Task::Classification),
        ("elastic_net", Task::Regression),
        ("tree", Task::Regression),
        ("forest", Task::Multiclass),
    ] {
        let space = space(learner, task).unwrap();
        let all: Vec<LearnerSpec> = (0..300).map(|number| space.draw(7, number).unwrap()).collect();
        assert!(all.iter().all(|learner| learner.check(task).is_ok()), "{learner}");
        assert_eq!(all[0], experiment(learner).learner, "{learner}: the first is what is written");
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{learner}");
        let again: Vec<LearnerSpec> = (0..300).map(|number| space.draw(7, number).unwrap()).collect();
        assert!(all == again && all[1] != space.draw(8, 1).unwrap(), "{learner}");
        // The same settings in YAML give the same learner.
        for learner in &all[..20] {
            let text = serde_json::to_string(&learner.build().settings()).unwrap().replace("\"depth\":null,", "");
            let text = text.replace("\"objective\":null,", "");
            assert_eq!(experiment(&format!("{{{}: {text}}}", learner.name())).learner, *learner);
        }
    }
    assert_eq!(
        space("baseline", Task::Regression).unwrap_err().to_string(),
        "'baseline' has no settings that are worth a search; remove 'search', or write a 'space'"
    );
}

#[test]
fn settings_that_do_not_go_with_the_rest_are_not_in_the_default_space() {
    let goss = space("lightgbm: {parameters: {data_sample_strategy: goss}}", Task::Classification).unwrap();
    assert!(drawn(&goss, &["row_share"]).iter().all(|share| *share == json!(1.0)));
    let plain = space("lightgbm: {trees: 1500}", Task::Classification).unwrap();
    assert!(drawn(&plain, &["row_share"]).iter().any(|share| *share != json!(1.0)));
    assert!(drawn(&plain, &["trees"]).iter().all(|trees| *trees == json!(1500)));
}

#[test]
fn numbers_are_spread_as_written() {
    let space = space(
        "lightgbm: {depth: 4}\nsearch: {trials: 9, space: {leaves: {from: 4, to: 256, scale: log}, l2: {from: 0, to: 3}, \
         learning_rate: {from: 0.001, to: 1, scale: log}, min_leaf_rows: {from: 10, to: 12}, depth: [3, 8, null], \
         early_stopping: 5, parameters: {boosting: [gbdt, dart], lambda_l1: {from: 0, to: 1}, max_bin: {from: 15, to: 255}}}}",
        Task::Classification,
    )
    .unwrap();
    let numbers =
        |name: &str| -> Vec<f64> { drawn(&space, &[name]).iter().map(|value| value.as_f64().unwrap()).collect() };
    let share = |values: &[f64], below: f64| values.iter().filter(|value| **value < below).count() as f64 / 2000.0;
    let leaves = numbers("leaves");
    assert!(leaves.iter().all(|leaves| leaves.fract() == 0.0 && (4.0..=256.0).contains(leaves)));
    assert!((share(&leaves, 32.0) - 0.5).abs() < 0.04, "half of the orders of magnitude: {}", share(&leaves, 32.0));
    let l2 = numbers("l2");
    assert!(l2.iter().any(|l2| l2.fract() != 0.0) && (share(&l2, 1.5) - 0.5).abs() < 0.04);
    let rate = numbers("learning_rate");
    assert!((share(&rate, 0.01) - 1.0 / 3.0).abs() < 0.04 && rate.iter().all(|rate| (0.001..=1.0).contains(rate)));
    assert!(rate.iter().all(|rate| format!("{rate:e}").split('e').next().unwrap().len() <= 5), "four digits");
    let rows = numbers("min_leaf_rows");
    for wanted in [10.0, 11.0, 12.0] {
        let found = rows.iter().filter(|rows| **rows == wanted).count();
        assert!((570..760).contains(&found), "{wanted}: {found}");
    }
    let depths = drawn(&space, &["depth"]);
    for wanted in [json!(3), json!(8), Value::Null] {
        assert!(depths.iter().filter(|depth| **depth == wanted).count() > 570, "{wanted}");
    }
    assert!(drawn(&space, &["early_stopping"]).iter().all(|trees| *trees == json!(5)));
    let parameter = |name: &str| drawn(&space, &["parameters", name]);
    assert!(parameter("boosting").iter().filter(|boosting| **boosting == json!("dart")).count() > 900);
    assert!(parameter("lambda_l1").iter().any(|value| value.as_str().unwrap().contains('.')));
    assert!(parameter("max_bin").iter().all(|value| !value.as_str().unwrap().contains('.')));
    assert!(drawn(&space, &["trees"]).iter().all(|trees| *trees == json!(200)), "what is not in the space stays");
}

#[test]
fn settings_that_no_learner_takes_are_refused() {
    for (learner, setting, error) in [
        ("lightgbm", "leafs: [3]", "space.leafs: lightgbm has no setting 'leafs'; did you mean 'leaves'?"),
        ("lightgbm", "leaves: {from: 1, to: 9}", "space.leaves: 1 is not from 2 to 131072"),
        ("lightgbm", "learning_rate: {from: 0.5, to: 1.5}", "space.learning_rate: 1.5 is not above 0 and at most 1"),
        ("lightgbm", "leaves: {from: 2.5, to: 9.5}", "space.leaves: "),
        ("lightgbm", "leaves: [31, many]", "space.leaves: "),
        ("lightgbm", "increasing: [[a]]", "a number, text, true or false"),
        ("lightgbm", "increasing: [a]", "space.increasing: it names columns, which are not searched"),
        ("lightgbm", "objective: [huber]", "space.objective: lightgbm: 'objective' is for regression"),
        ("lightgbm", "parameters: {max_bins: [63, 255], max_bin: [1]}", "space.parameters.max_bin: "),
        ("lightgbm", "parameters: {nothing: [1]}", "space.parameters.nothing: "),
        ("lightgbm", "parameters: {num_threads: [1, 2]}", "space.parameters.num_threads: "),
        ("tree", "parameters: {max_bin: [3]}", "space.parameters.max_bin: tree has no setting 'parameters'"),
        ("logistic", "l2: {from: -1, to: 1}", "space.l2: -1 is not 0 or more"),
    ] {
        let text = format!("{{{learner}: {{}}, search: {{trials: 3, space: {{{setting}}}}}}}");
        let parsed = spec::parse::<ExperimentSpec>(&text, Path::new("t.yaml"), &Default::default());
        let found = match parsed {
            Ok(loaded) => {
                let ExperimentSpec { learner, search } = loaded.spec;
                Space::new(&learner, search.unwrap().space.as_ref(), Task::Classification).unwrap_err().to_string()
            }
            Err(error) => error.to_string(),
        };
        assert!(found.contains(error), "{setting}: {found}");
    }
}
