//! Models judged against plain forecasts.

use std::path::Path;

use polars::prelude::*;

use super::run::run;
use super::tests::{known, table};
use super::*;

/// Its label is `fair`, a third of `good` and two thirds chance; `lagged` is the label with other chance.
fn rows() -> DataFrame {
    let mut rows = table(40);
    let fair: Vec<f64> = rows.column("fair").unwrap().f64().unwrap().into_no_null_iter().collect();
    let lagged: Vec<f64> =
        fair.iter().enumerate().map(|(row, value)| value + ((row * 37 % 101) as f64 / 101.0 - 0.5)).collect();
    rows.with_column(Column::new("lagged".into(), lagged)).unwrap();
    rows
}

fn spec(gate: &str) -> spec::Result<TrainSpec> {
    let text = format!(
        "table: training\nlabel: fair\ntask: regression\nentity: customer_id\ntime: cutoff\nsplit: {{by: time}}\n\
         exclude: [churned]\nexperiments:\n  linear: elastic_net\n  lagged: {{naive: {{of: lagged}}}}\n  noise: {{naive: {{of: noise}}}}\n\
         choose_by: wape\nresamples: 200\ngate: {gate}\n"
    );
    spec::parse(&text, Path::new("train.yaml"), &Default::default()).map(|loaded| loaded.spec)
}

#[test]
fn a_model_must_be_better_than_the_experiment_that_is_named() {
    let trial = |gate: &str| run(&spec(gate).unwrap(), rows().lazy(), &known(None), &|_| {}).unwrap();
    let better = trial("[{metric: wape, better_than: noise}, {metric: mae, better_than: lagged, at_most: 1}]");
    assert_eq!(better.chosen, "linear");
    let rules: Vec<(&str, bool)> = better.gate.iter().map(|result| (result.rule.as_str(), result.passed)).collect();
    assert_eq!(
        rules,
        [
            ("wape better than the baseline", true),
            ("mae at most 1", true),
            ("wape better than 'noise'", true),
            ("mae better than 'lagged'", true)
        ]
    );
    // What is compared are the test rows of both.
    let of = |name: &str| &better.scored.iter().find(|(known, _)| known == name).unwrap().1;
    let (ours, theirs) =
        (of("linear").value(Metric::Mae, None).unwrap(), of("lagged").value(Metric::Mae, None).unwrap());
    let found = &better.gate[3].found;
    assert!(
        found.starts_with(&format!("{} against {}", score::number_text(ours), score::number_text(theirs))),
        "{found}"
    );
    assert!(ours < theirs);
}

#[test]
fn a_chosen_naive_forecast_is_not_better_than_itself() {
    let spec = spec("[{metric: wape, better_than: same}]").unwrap_err().to_string();
    assert!(spec.contains("gate: better_than: no experiment 'same'"), "{spec}");
    let text = "table: training\nlabel: fair\ntask: regression\nentity: customer_id\ntime: cutoff\nsplit: {by: time}\n\
                exclude: [churned]\nexperiments:\n  lagged: {naive: {of: fair2}}\nresamples: 200\n\
                gate: [{metric: wape, better_than: lagged}]\n";
    let spec = spec::parse::<TrainSpec>(text, Path::new("train.yaml"), &Default::default()).unwrap().spec;
    let mut rows = rows();
    let fair = rows.column("fair").unwrap().clone().with_name("fair2".into());
    rows.with_column(fair).unwrap();
    let trial = run(&spec, rows.lazy(), &known(None), &|_| {}).unwrap();
    let result = trial.gate.last().unwrap();
    assert_eq!((result.passed, result.found.as_str()), (false, "it was chosen itself"));
}

#[test]
fn errors_are_scaled_by_those_of_a_plain_forecast() {
    let more = "[{metric: mase, at_most: 1}]\nscaled_by: lagged\njudge_by: [city]";
    let trial = run(&spec(more).unwrap(), rows().lazy(), &known(None), &|_| {}).unwrap();
    let of = |name: &str| &trial.scored.iter().find(|(known, _)| known == name).unwrap().1;
    // The plain forecast is not scaled by itself: the test part is another time than the train part.
    let (ours, plain) = (trial.metric(Metric::Mase).unwrap(), of("lagged").value(Metric::Mase, None).unwrap());
    assert!(ours < plain && (0.8..1.2).contains(&plain), "{ours} {plain}");
    assert!(trial.metric(Metric::Rmsse).unwrap() < 1.0);
    assert!(trial.gate.iter().any(|result| result.rule == "mase at most 1" && result.passed));
    let without = run(&spec("[]").unwrap(), rows().lazy(), &known(None), &|_| {}).unwrap();
    assert_eq!(without.metric(Metric::Mase), None);

    let error = |more: &str| spec(more).unwrap_err().to_string();
    assert!(
        error("[{metric: mase, at_most: 1}]").contains("gate: 'mase' needs 'scaled_by', the experiment with a plain")
    );
    assert!(error("[]\nscaled_by: lag").contains("scaled_by: no experiment 'lag'; did you mean 'lagged'?"));
    assert!(
        error("[]\npromote: {metric: mase}\nscaled_by: lagged").contains("'mase' is measured on the test part only")
    );
    let missing = run(&spec("[]\njudge_by: [town]").unwrap(), rows().lazy(), &known(None), &|_| {}).unwrap_err();
    assert!(missing.to_string().contains("table 'training': no column 'town'"), "{missing}");
}

#[test]
fn gates_that_cannot_be_judged_are_refused() {
    let error = |gate: &str| spec(gate).unwrap_err().to_string();
    assert!(error("[{metric: wape}]").contains("gate: 'wape' has no limit; write at_least, at_most or better_than"));
    assert!(error("[{metric: coverage, better_than: noise}]").contains("'coverage' judges intervals"));
    let folds = {
        let result = spec("[{metric: wape, better_than: noise}]\nfolds: 3");
        result.unwrap_err().to_string()
    };
    assert!(folds.contains("with folds only the chosen experiment is judged on the test part"), "{folds}");
    let bias = error("[]\npromote: {metric: bias}");
    assert!(bias.contains("promote: 'bias' says in which direction a model errs, not how much"), "{bias}");
}
