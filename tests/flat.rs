//! Models from a table whose rows are examples already: the page docs/flat-tables.md, and a model from a named file.

use testkit::{Project, Random};
use tests::repository;

/// The files that the page shows, by their names.
fn shown() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(repository().join("docs/flat-tables.md")).expect("the page can be read");
    let blocks = page.split("```yaml\n# ").skip(1);
    let files: Vec<(String, String)> = blocks
        .map(|block| {
            let (name, rest) = block.split_once('\n').expect("a name, then the file");
            (name.to_owned(), rest.split_once("```").expect("the block ends").0.to_owned())
        })
        .collect();
    assert_eq!(files.len(), 5);
    files
}

/// Customers of a telephone company; those who pay monthly and much leave more often.
fn customers(count: u64, with_label: bool, first: u64) -> String {
    let mut random = Random::seeded(first);
    let mut rows = format!("customer_id,contract,months,charge{}\n", if with_label { ",left" } else { "" });
    for id in first..first + count {
        let monthly = random.below(2) == 0;
        let charge = 20 + random.below(100);
        let months = 1 + random.below(60);
        let left = random.below(200) < charge / 3 + if monthly { 120 } else { 5 };
        let label = if with_label { if left { ",Yes" } else { ",No" } } else { "" };
        rows += &format!("c{id},{},{months},{charge}.5{label}\n", if monthly { "month" } else { "year" });
    }
    rows
}

#[test]
fn the_page_on_flat_tables_works_as_it_stands() {
    let project = Project::new();
    project
        .write("data/in/customers.csv", customers(1500, true, 0))
        .write("data/in/prospects.csv", customers(40, false, 9000));
    for (file, text) in shown() {
        project.write(&format!("resources/telco/{file}"), text);
    }
    for tool in ["ingest", "clean", "train", "predict", "export"] {
        project.run(tool, ["telco"]).exits(0);
    }
    let scores = project.read(&project.latest("data/output/telco/export")[0]);
    let ids: Vec<&str> = scores.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(ids.len(), 40);
    assert!(ids.iter().all(|id| id.starts_with("c90")), "{scores}");

    // The predictions for the test part are a table that export reads.
    let predictions = "data/models/telco/v1/predictions.parquet";
    project.write("resources/telco/export.yaml", "table: predictions\nformat: csv\n");
    let test = project.run("export", ["telco", predictions, "-o", "-"]);
    test.exits(0);
    let header = test.stdout()[0].trim_start_matches('\u{feff}').to_owned();
    for column in ["customer_id", "left", "score", "decision", "part"] {
        assert!(header.split(',').any(|name| name == column), "no {column} in {header}");
    }
}

#[test]
fn a_registry_answers_although_no_stage_is_before_it() {
    let project = Project::new();
    project
        .write("customers.csv", customers(600, true, 0))
        .write("resources/raw/ingest.yaml", "tables:\n  customers:\n    source: {file: {path: customers.csv}}\n")
        .write(
            "resources/raw/clean.yaml",
            "tables:\n  customers:\n    steps:\n      - map_values: {columns: [left], values: {\"Yes\": \"true\", \"No\": \
             \"false\"}}\n      - cast: {columns: {left: bool}}\n",
        )
        .write(
            "resources/alone/train.yaml",
            "table: customers\nlabel: left\ntask: classification\nentity: customer_id\nsplit: {by: group}\nexperiments: {linear: \
             logistic}\nresamples: 100\n",
        );
    project.run("ingest", ["raw"]).exits(0);
    let table = project.run("clean", ["raw"]).path();
    project.run("train", ["alone"]).exits(2).says("latest: no such file");
    project.run("train", ["alone", &table]).exits(0);
    for (tool, question) in [("train", "--runs"), ("release", "--history"), ("release", "--production")] {
        let answer = project.run(tool, ["alone", question]);
        answer.exits(0);
        assert!(answer.stdout().concat().contains("v1"), "{answer}");
    }
    project
        .run("release", ["alone", "--promote", "v1", "--why", "again"])
        .exits(1)
        .says("'v1' is in production already");
}
