//! Predictions within a range: the same wherever a model is asked.

use polars::prelude::*;

use super::tests::{known, prices, registered};
use super::*;
use crate::Scorer;

fn spec(learner: &str, more: &str) -> TrainSpec {
    let text = format!(
        "table: t\nlabel: price\ntask: regression\nentity: customer_id\ntime: cutoff\nsplit: {{by: group}}\nresamples: 100\n\
         experiments: {{one: {{{learner}}}}}\n{more}"
    );
    spec::parse(&text, std::path::Path::new("train.yaml"), &Default::default())
        .unwrap_or_else(|error| panic!("{error}"))
        .spec
}

/// Labels of which many are 0, or with `below` less than that.
fn table(below: bool) -> DataFrame {
    let mut table = prices(100);
    let price = table.column("price").unwrap().cast(&DataType::Float64).unwrap();
    let mean = price.f64().unwrap().mean().unwrap();
    let moved = price.f64().unwrap().into_no_null_iter().map(|price| price - mean);
    let moved: Vec<f64> = moved.map(|price| if below { price } else { price.max(0.0) }).collect();
    table.with_column(Column::new("price".into(), moved)).unwrap();
    table
}

#[test]
fn predictions_are_clipped_wherever_they_are_made() {
    let table = table(false);
    let learners = ["elastic_net: {}", "lightgbm: {trees: 80}"];
    for (learner, by) in learners.into_iter().flat_map(|learner| [(learner, "conformal"), (learner, "quantiles")]) {
        let intervals = format!("intervals: {{coverage: 0.8, by: {by}}}\n");
        let trained = |more: &str| {
            run(&spec(learner, &format!("{intervals}{more}")), table.clone().lazy(), &known(None), &|_| {}).unwrap()
        };
        let (plain, clipped) = (trained(""), trained("clip: {at_least: 0}\n"));
        let raw = plain.chosen_scored().score();
        let cut: Vec<f64> = raw.iter().map(|score| if *score < 0.0 { 0.0 } else { *score }).collect();
        // Trees predict means of labels; a line goes on below them.
        assert!(cut != raw || learner.starts_with("lightgbm"), "no prediction is below 0: the test shows nothing");
        assert_eq!(clipped.chosen_scored().score(), cut);
        // Bounds that hold a label still do.
        let bounds = clipped.chosen_scored().bounds().unwrap();
        assert!(bounds.low.iter().all(|low| *low >= 0.0), "{learner} {by}");
        let coverage = clipped.test[&Metric::Coverage].value.unwrap();
        assert!(coverage > 0.72, "{learner} {by}: {coverage}");

        let folder = tempfile::tempdir().unwrap();
        let (registry, version) = registered(&clipped, folder.path());
        let scorer = Scorer::new(registry.load(version).unwrap(), table.schema(), &[], 0).unwrap();
        let scored = scorer.score(&clipped.test_rows, 0).unwrap().table;
        let column = |name: &str| scored.column(name).unwrap().f64().unwrap().into_no_null_iter().collect::<Vec<f64>>();
        assert_eq!((column("score"), column("low"), column("high")), (cut, bounds.low.clone(), bounds.high.clone()));
        // As a server asks, which has numbers and no table.
        let matrix = scorer.matrix_of(&clipped.test_rows).unwrap();
        let numbers = score::Numbers::new(matrix.features().len(), matrix.row_major(0..matrix.rows()));
        let predicted = scorer.predict_values(&numbers).unwrap();
        let bounds = predicted.bounds.unwrap();
        assert_eq!((column("score"), column("low"), column("high")), (predicted.scores, bounds.low, bounds.high));
        let card = std::fs::read_to_string(registry.folder(version).join("card.md")).unwrap();
        assert!(card.contains("Predictions are kept at 0 or more."), "{card}");
    }
}

#[test]
fn labels_outside_the_range_are_refused() {
    let error =
        run(&spec("elastic_net: {}", "clip: {at_least: 0}\n"), table(true).lazy(), &known(None), &|_| {}).unwrap_err();
    assert_eq!(error.class(), spec::Class::Refused);
    let text = error.to_string();
    assert!(
        text.starts_with("table 't': label 'price' is -")
            && text.contains(" in a row, but 'clip' keeps predictions at 0 or more; "),
        "{text}"
    );
}
