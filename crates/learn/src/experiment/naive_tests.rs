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
fn a_plain_forecast_without_a_value_scales_nothing() {
    // A third of the plain forecasts is not known. What `naive` predicts there instead, the mean of all labels, is no forecast.
    let mut rows = rows();
    let lagged: Vec<Option<f64>> = rows.column("lagged").unwrap().f64().unwrap().iter().collect();
    let lagged: Vec<Option<f64>> =
        lagged.into_iter().enumerate().map(|(row, value)| value.filter(|_| row % 3 != 1)).collect();
    rows.with_column(Column::new("lagged".into(), lagged.clone())).unwrap();
    let more = "[{metric: mase, at_most: 9}]\nscaled_by: lagged";
    let trial = run(&spec(more).unwrap(), rows.clone().lazy(), &known(None), &|_| {}).unwrap();
    let text = |rows: &DataFrame, name: &str| -> Vec<String> {
        let column = rows.column(name).unwrap().cast(&DataType::String).unwrap();
        column.str().unwrap().iter().map(|text| text.unwrap().to_owned()).collect()
    };
    let number =
        |rows: &DataFrame| -> Vec<f64> { rows.column("fair").unwrap().f64().unwrap().into_no_null_iter().collect() };
    let parts = text(&trial.parts, "part");
    let mut errors: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let all = text(&rows, "customer_id").into_iter().zip(number(&rows)).zip(&lagged).zip(&parts);
    for (((entity, label), plain), _) in all.filter(|(_, part)| *part == "train") {
        errors.entry(entity).or_default().extend(plain.map(|plain| (label - plain).abs()));
    }
    let scores = trial.chosen_scored().score();
    let scored = text(&trial.test_rows, "customer_id").into_iter().zip(number(&trial.test_rows)).zip(scores);
    let scaled: Vec<f64> = scored
        .filter_map(|((entity, label), score)| {
            let errors = errors.get(&entity).filter(|errors| !errors.is_empty())?;
            Some((label - score).abs() / (errors.iter().sum::<f64>() / errors.len() as f64))
        })
        .collect();
    let mase = scaled.iter().sum::<f64>() / scaled.len() as f64;
    assert!((trial.metric(Metric::Mase).unwrap() - mase).abs() < 1e-9, "{mase} {:?}", trial.metric(Metric::Mase));
    let test = parts.iter().filter(|part| *part == "test").count();
    let note = trial.notes.iter().find(|note| note.starts_with("experiment 'lagged': ")).unwrap();
    assert!(note.contains(&format!(" of {test} test rows have no value of 'lagged': it predicts the mean")), "{note}");
    assert!(!trial.notes.iter().any(|note| note.contains("'noise'")), "{:?}", trial.notes);
}

#[test]
fn with_folds_the_experiments_that_the_gate_names_learn_again_from_the_same_rows() {
    let more = "[{metric: wape, better_than: noise}, {metric: mase, at_most: 1}]\nscaled_by: lagged\nfolds: 3";
    let trial = run(&spec(more).unwrap(), rows().lazy(), &known(None), &|_| {}).unwrap();
    assert!(trial.gate.iter().all(|result| result.passed), "{:?}", trial.gate);
    let rule = trial.gate.iter().find(|result| result.rule == "wape better than 'noise'").unwrap();
    // A naive forecast learns nothing, so that it scores the test part as it is there.
    let column =
        |name: &str| -> Vec<f64> { trial.test_rows.column(name).unwrap().f64().unwrap().into_no_null_iter().collect() };
    let (label, noise) = (column("fair"), column("noise"));
    let wape = label.iter().zip(&noise).map(|(label, noise)| (label - noise).abs()).sum::<f64>()
        / label.iter().map(|label| label.abs()).sum::<f64>();
    assert!(rule.found.contains(&format!(" against {}: better by", score::number_text(wape))), "{}", rule.found);
    // Scaled by what 'lagged' errs in all rows before the test part, of each entity by itself.
    let before: Vec<bool> = {
        let parts = trial.parts.column("part").unwrap().str().unwrap().clone();
        parts.iter().map(|part| part != Some("test")).collect()
    };
    let all = rows();
    let text = |rows: &DataFrame, name: &str| -> Vec<String> {
        let column = rows.column(name).unwrap().cast(&DataType::String).unwrap();
        column.str().unwrap().iter().map(|text| text.unwrap().to_owned()).collect()
    };
    let number = |name: &str| -> Vec<f64> { all.column(name).unwrap().f64().unwrap().into_no_null_iter().collect() };
    let mut scales: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    let rows = text(&all, "customer_id").into_iter().zip(number("fair")).zip(number("lagged")).zip(before);
    for (((entity, label), plain), _) in rows.filter(|(_, before)| *before) {
        let (sum, count) = scales.entry(entity).or_default();
        (*sum, *count) = (*sum + (label - plain).abs(), *count + 1.0);
    }
    let scored = text(&trial.test_rows, "customer_id").into_iter().zip(&label).zip(trial.chosen_scored().score());
    let scaled: Vec<f64> = scored
        .filter_map(|((entity, label), score)| {
            let (sum, count) = scales.get(&entity)?;
            Some((label - score).abs() / (sum / count))
        })
        .collect();
    let mase = scaled.iter().sum::<f64>() / scaled.len() as f64;
    assert!((trial.metric(Metric::Mase).unwrap() - mase).abs() < 1e-9, "{mase} {:?}", trial.metric(Metric::Mase));
}

#[test]
fn totals_are_judged_by_their_sums() {
    let trial = run(&spec("[]\njudge_totals: [[city], []]").unwrap(), rows().lazy(), &known(None), &|_| {}).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let decision = trial.decide(None).unwrap();
    crate::write_version(folder.path(), &trial, &tests::origin(), &decision).unwrap();
    let card = std::fs::read_to_string(folder.path().join("card.md")).unwrap();
    // By hand: labels and naive forecasts added up by cutoff.
    let number =
        |name: &str| -> Vec<f64> { trial.test_rows.column(name).unwrap().f64().unwrap().into_no_null_iter().collect() };
    let cutoffs = trial.test_rows.column("cutoff").unwrap().cast(&DataType::String).unwrap();
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for ((cutoff, label), noise) in cutoffs.str().unwrap().iter().zip(number("fair")).zip(number("noise")) {
        let sum = sums.entry(cutoff.unwrap().to_owned()).or_default();
        *sum = (sum.0 + label, sum.1 + noise);
    }
    let (errors, labels) = sums
        .values()
        .fold((0.0, 0.0), |(errors, labels), (label, noise)| (errors + (label - noise).abs(), labels + label));
    let cells = |name: &str| -> Vec<String> {
        let line =
            card.lines().find(|line| line.starts_with(&format!("| {name} "))).unwrap_or_else(|| panic!("{card}"));
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let (all, city) = (cells("all"), cells("city"));
    assert_eq!((&all[2], &city[2]), (&sums.len().to_string(), &(3 * sums.len()).to_string()));
    assert!(all.contains(&score::number_text(errors / labels)), "{all:?} {}", errors / labels);
    let missing = run(&spec("[]\njudge_totals: [[town]]").unwrap(), rows().lazy(), &known(None), &|_| {}).unwrap_err();
    assert!(missing.to_string().contains("no column 'town'"), "{missing}");
}

#[test]
fn each_value_of_a_column_is_judged_by_all_metrics_of_a_forecast() {
    let more = "[]\njudge_by: [city]\nscaled_by: lagged\nintervals: {coverage: 0.8}";
    let trial = run(&spec(more).unwrap(), rows().lazy(), &known(None), &|_| {}).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let decision = trial.decide(None).unwrap();
    crate::write_version(folder.path(), &trial, &tests::origin(), &decision).unwrap();
    let card = std::fs::read_to_string(folder.path().join("card.md")).unwrap();
    let table = card.split("## The test part by `city`").nth(1).unwrap();
    let lines: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let chosen = trial.chosen_scored();
    assert_eq!(lines[0][..3], ["city", "rows", "linear (wape)"]);
    let heads = &lines[0][lines[0].len() - 7..];
    assert_eq!(heads, ["mae", "rmse", "bias", "mase", "rmsse", "coverage", "pinball"]);
    // By hand: of the rows of the first city the mean error, and the share of labels between the bounds.
    let cities = trial.test_rows.column("city").unwrap().cast(&DataType::String).unwrap();
    let of: Vec<usize> =
        (0..chosen.rows()).filter(|row| cities.str().unwrap().get(*row) == Some(lines[2][0])).collect();
    let bounds = chosen.bounds().unwrap();
    let inside = |row: &usize| (bounds.low[*row]..=bounds.high[*row]).contains(&chosen.label()[*row]);
    let share = of.iter().copied().filter(inside).count() as f64 / of.len() as f64;
    let error = of.iter().map(|row| (chosen.score()[*row] - chosen.label()[*row]).abs()).sum::<f64>() / of.len() as f64;
    let own = &lines[2][lines[2].len() - 7..];
    assert_eq!((own[0], own[5]), (score::number_text(error).as_str(), score::number_text(share).as_str()));
}

#[test]
fn too_few_times_are_not_called_too_few_rows() {
    let spec = spec("[]").unwrap();
    let drawn = Resamples::of_blocks(vec![0, 0, 0, 1, 1, 2], 4, 200, 1);
    assert_eq!(
        units::too_few(&spec, &drawn, 6),
        "the 6 test rows have 3 different values of 'cutoff', too few for an interval; give the test part a larger share in 'split', \
         or draw whole series: `resample: {by: entity}`"
    );
    let drawn = Resamples::of_rows(6, 200, 1);
    assert_eq!(units::too_few(&spec, &drawn, 6), "the 6 test rows are too few for an interval");
}

#[test]
fn a_table_of_series_is_resampled_in_blocks_of_times() {
    let of = |more: &str, horizon: Option<u32>| {
        let known = Known { horizon_periods: horizon, ..known(None) };
        let trial = run(&spec(&format!("[]\n{more}")).unwrap(), rows().lazy(), &known, &|_| {}).unwrap();
        (trial.block, trial.resamples.units(), trial.resamples.block())
    };
    let (_, entities, _) = of("", None);
    let (block, times, drawn) = of("", Some(1));
    assert_eq!((block, drawn), (Some(1), 1));
    assert_ne!(times, entities);
    assert_eq!(of("resample: {by: entity}", Some(4)), (None, entities, 1));
    assert_eq!(of("resample: {by: time, block: 900}", None), (Some(900), times, (times / 4).max(1)));
}

#[test]
fn gates_that_cannot_be_judged_are_refused() {
    let error = |gate: &str| spec(gate).unwrap_err().to_string();
    assert!(error("[{metric: wape}]").contains("gate: 'wape' has no limit; write at_least, at_most or better_than"));
    assert!(error("[{metric: coverage, better_than: noise}]").contains("'coverage' judges intervals"));
    let bias = error("[]\npromote: {metric: bias}");
    assert!(bias.contains("promote: 'bias' says in which direction a model errs, not how much"), "{bias}");
}
