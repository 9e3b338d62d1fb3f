//! How experiments are compared and released, with the real tools on a flat table: folds, refit, weights, labels of several
//! classes, and what is published of them.

use testkit::Project;

/// 600 flowers: the kind by length and width, with some noise; every fifth counts three times.
fn flowers(train: &str) -> Project {
    let project = Project::new();
    let mut rows = "id,seen,length,width,counts,kind\n".to_owned();
    for id in 0..600u32 {
        let (length, width) = ((id * 37) % 101, (id * 53) % 97);
        let noise = (id * 29) % 17;
        let kind = match length + width / 4 + noise {
            sum if sum > 90 => "rose",
            sum if sum > 55 => "lily",
            _ => "iris",
        };
        let counts = if id % 5 == 0 { 3 } else { 1 };
        rows += &format!("{id},2024-{:02}-{:02},{length},{width},{counts},{kind}\n", 1 + id / 50, 1 + id % 28);
    }
    project
        .write("flowers.csv", rows)
        .write(
            "resources/garden/ingest.yaml",
            "tables:\n  flowers:\n    source: {file: {path: flowers.csv}}\n    columns: {id: int64, seen: date, length: int64, \
             width: int64, counts: int64, kind: string}\n",
        )
        .write("resources/garden/clean.yaml", "tables:\n  flowers:\n    steps: []\n")
        .write("resources/garden/train.yaml", train)
        .write("resources/garden/predict.yaml", "table: flowers\n");
    for tool in ["ingest", "clean"] {
        project.run(tool, ["garden"]).exits(0);
    }
    project
}

const KINDS: &str = "\
table: flowers
label: kind
task: multiclass
entity: id
time: seen
weight: counts
split: {by: random}
folds: 4
experiments:
  boosted: {lightgbm: {trees: 60, learning_rate: 0.1}}
  linear: logistic
gate: [{metric: macro_f1, at_least: 0.7}]
resamples: 200
";

#[test]
fn several_classes_are_chosen_by_folds_and_predicted_with_their_probabilities() {
    let project = flowers(KINDS);
    let trained = project.run("train", ["garden"]);
    trained.exits(0).says("on average over 4 folds").says("fitted again on all 510 rows before the test part");
    trained.says(
        "the choice of 'linear' by log_loss is within noise on 510 rows in 4 folds; 'boosted' (behind by \
         0.",
    );
    let parts = project.table("data/models/garden/v1/parts.parquet");
    assert_eq!(parts.column("part").iter().filter(|part| **part == "test").count(), 90);
    for fold in ["1", "2", "3", "4"] {
        let rows = parts.column("fold").iter().filter(|number| **number == fold).count();
        assert!((127..=128).contains(&rows), "{rows} rows in fold {fold}");
    }
    let card = project.read("data/models/garden/v1/card.md");
    for words in ["## Classes", "Rows count by `counts`, in learning and in metrics", "## Experiments over the folds"] {
        assert!(card.contains(words), "no '{words}' in {card}");
    }

    let scores = project.table(&project.run("predict", ["garden"]).path());
    let kinds = ["iris", "lily", "rose"];
    let of = |name: String| -> Vec<f64> { scores.column(&name).iter().map(|cell| cell.parse().unwrap()).collect() };
    let probabilities: Vec<Vec<f64>> = kinds.iter().map(|kind| of(format!("probability_{kind}"))).collect();
    assert_eq!(scores.column("class").len(), 600);
    for (row, class) in scores.column("class").iter().enumerate() {
        let own: Vec<f64> = probabilities.iter().map(|column| column[row]).collect();
        assert!((own.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{own:?}");
        let most = kinds.iter().position(|kind| kind == class).unwrap();
        assert!(own.iter().all(|other| *other <= own[most]), "{own:?} {class}");
    }
    assert!(scores.column("reasons").iter().all(|reasons| !reasons.contains("counts=")), "a weight is no feature");
    project.run("train", ["garden", "--runs", "--sort", "macro_f1"]).exits(0);
}

#[test]
fn a_key_that_predictions_use_themselves_is_refused() {
    let project = flowers(&KINDS.replace("entity: id", "entity: class"));
    let clean = "tables:\n  flowers:\n    steps:\n      - rename: {id: class}\n";
    project.write("resources/garden/clean.yaml", clean);
    project.run("clean", ["garden"]).exits(0);
    project.run("train", ["garden"]).exits(2).says("resources/garden/train.yaml").says(
        "entity: predictions have a column 'class' of their own; give it another name in features.yaml or clean.yaml",
    );
}
