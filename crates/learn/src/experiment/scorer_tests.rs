//! Scores of single rows and of whole tables are the same, for every learner, on one thread or several.

use polars::prelude::*;

use super::tests::{known, prices, registered, table};
use super::*;
use crate::Scorer;

fn trained(text: &str, table: &DataFrame) -> Scorer {
    let spec: TrainSpec = spec::parse(text, std::path::Path::new("train.yaml"), &Default::default())
        .unwrap_or_else(|error| panic!("{error}"))
        .spec;
    let trial = run(&spec, table.clone().lazy(), &known(None), &|_| {}).unwrap_or_else(|error| panic!("{error}"));
    let folder = tempfile::tempdir().unwrap();
    let (registry, version) = registered(&trial, folder.path());
    Scorer::new(registry.load(version).unwrap(), table.schema(), &[], 3).unwrap()
}

/// Rows as a server gets them: one at a time, some with gaps, some with an unknown city.
fn odd(table: &DataFrame) -> DataFrame {
    let mut rows = table.slice(0, 60);
    let city: Vec<Option<&str>> =
        (0..60).map(|row| [Some("Ulm"), None, Some("Essen"), Some("Bonn")][row % 4]).collect();
    rows.with_column(Column::new("city".into(), city)).unwrap();
    let good: Vec<Option<f64>> = (0..60).map(|row| (row % 7 != 3).then_some(row as f64 / 60.0)).collect();
    rows.with_column(Column::new("good".into(), good)).unwrap();
    rows
}

const HEAD: &str = "table: t\nentity: customer_id\ntime: cutoff\nsplit: {by: group}\nresamples: 100\n";

#[test]
fn a_row_by_itself_scores_as_in_its_table() {
    let churn = table(40);
    let prices = prices(40);
    let level: Vec<&str> = (0..churn.height()).map(|row| ["low", "mid", "high"][row * 7 % 3]).collect();
    let mut levels = churn.drop("churned").unwrap();
    levels.with_column(Column::new("level".into(), level)).unwrap();
    let mut cases: Vec<(String, &DataFrame)> = Vec::new();
    let available = |learner: &&str| !learner.starts_with("xgboost") || crate::xgboost::is_here();
    let learners = [
        "lightgbm: {trees: 20}",
        "xgboost: {trees: 20}",
        "logistic: {}",
        "tree: {}",
        "forest: {trees: 9}",
        "baseline: {by: [city]}",
    ];
    for learner in learners.into_iter().filter(available) {
        let learner = format!("{HEAD}label: churned\ntask: classification\nexperiments: {{one: {{{learner}}}}}\n");
        cases.push((learner, &churn));
    }
    for (learner, more) in [
        ("lightgbm: {trees: 20}", "intervals: {by: quantiles}\nlabel_transform: log\n"),
        ("xgboost: {trees: 20}", "intervals: {by: quantiles}\nlabel_transform: log\n"),
        ("elastic_net: {}", "intervals: {}\n"),
        ("elastic_net: {}", "intervals: {}\nclip: {at_least: 0}\n"),
        ("lightgbm: {trees: 20}", "intervals: {by: quantiles}\nclip: {at_least: 0}\n"),
        ("forest: {trees: 9}", ""),
    ] {
        if !available(&learner) {
            continue;
        }
        let text = format!("{HEAD}label: price\ntask: regression\n{more}experiments: {{one: {{{learner}}}}}\n");
        cases.push((text, &prices));
    }
    let learners = ["lightgbm: {trees: 9}", "xgboost: {trees: 9}", "logistic: {}", "tree: {}", "forest: {trees: 9}"];
    for learner in learners.into_iter().filter(available) {
        let learner = format!("{HEAD}label: level\ntask: multiclass\nexperiments: {{one: {{{learner}}}}}\n");
        cases.push((learner, &levels));
    }
    for (text, table) in cases {
        let scorer = trained(&text, table);
        let rows = odd(table);
        let whole = scorer.score(&rows, 1_700_000_000_000_000).unwrap().table;
        assert_eq!(whole.schema().as_ref(), scorer.schema(), "{text}");
        let single = |row: usize| scorer.score(&rows.slice(row as i64, 1), 1_700_000_000_000_000).unwrap().table;
        let mut one_by_one = single(0);
        for row in 1..rows.height() {
            one_by_one.vstack_mut(&single(row)).unwrap();
        }
        assert!(one_by_one.equals_missing(&whole), "{text}\n{one_by_one}\n{whole}");
        // Several threads at once.
        std::thread::scope(|scope| {
            let part = |from: i64| scorer.score(&rows.slice(from, 20), 1_700_000_000_000_000).unwrap().table;
            let threads = [0, 20, 40].map(|from| scope.spawn(move || part(from)));
            for (thread, from) in threads.into_iter().zip([0, 20, 40]) {
                assert!(thread.join().unwrap().equals_missing(&whole.slice(from, 20)), "{text}");
            }
        });
        // An empty table is not an error.
        assert_eq!(scorer.score(&rows.slice(0, 0), 0).unwrap().table.height(), 0, "{text}");
    }
}

#[test]
fn a_server_may_share_a_scorer() {
    fn shared<T: Send + Sync>() {}
    shared::<Scorer>();
    shared::<crate::Encoder>();
}

#[test]
fn a_table_that_does_not_fit_is_refused_at_once() {
    let table = table(40);
    let text = format!("{HEAD}label: churned\ntask: classification\nexperiments: {{one: {{logistic: {{}}}}}}\n");
    let other = table.drop("good").unwrap();
    let spec: TrainSpec = spec::parse(&text, std::path::Path::new("t"), &Default::default()).unwrap().spec;
    let trial = run(&spec, table.clone().lazy(), &known(None), &|_| {}).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (registry, version) = registered(&trial, folder.path());
    let loaded = |entity: &str| {
        let mut loaded = registry.load(version).unwrap();
        loaded.manifest.entity = entity.to_owned();
        loaded
    };
    let error = Scorer::new(loaded("customer_id"), other.schema(), &[], 0).err().unwrap().to_string();
    assert!(
        error.starts_with("model v1: the table does not fit the model's signature: missing columns: 'good'"),
        "{error}"
    );
    let error = Scorer::new(loaded("who"), table.schema(), &[], 0).err().unwrap().to_string();
    assert_eq!(error, "no column 'who' to score by");
    let mut named = table.clone();
    named.with_column(Column::new("score".into(), vec![1i32; table.height()])).unwrap();
    let error = Scorer::new(loaded("score"), named.schema(), &[], 0).err().unwrap().to_string();
    assert!(error.starts_with("column 'score': predictions have a column of this name"), "{error}");
    let scorer = Scorer::new(loaded("customer_id"), table.schema(), &[], 0).unwrap();
    assert_eq!(scorer.loaded().version, version);
}
